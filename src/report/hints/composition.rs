//! Words for what goes wrong where several files make up a manifest.

use crate::{
    extends,
    manifest::{self, CompositionError},
    prompt::MissingVariable,
    report::failure::Failure,
};

use super::{fetch, file, needed};

/// A file to extend that cannot be had.
pub fn extend(error: &extends::Error, place: &manifest::Origin) -> Failure {
    let failure = match error {
        extends::Error::Fetch(error) => fetch(error),
        extends::Error::File(error) => file(error),
        extends::Error::Git { output, .. } => output
            .iter()
            .fold(Failure::new(error.to_string()), Failure::detail),
        extends::Error::Changed {
            expected, received, ..
        } => Failure::new(error.to_string())
            .detail(format!("expected  sha256:{expected}"))
            .detail(format!("received  sha256:{received}"))
            .hint("if that is meant, take it with `devsh lock --upgrade` and review it"),
        extends::Error::NoGit { .. } => {
            Failure::new(error.to_string()).hint("install `git`, or extend an `https://` file")
        }
        extends::Error::Offline { .. } | extends::Error::NoFile { .. } => {
            Failure::new(error.to_string())
        }
    };
    needed(failure, &format!("because {place} extends it"))
}

/// Returns what helps against a fault of composition.
pub(super) fn hint(fault: &CompositionError) -> Option<String> {
    Some(match fault {
        CompositionError::Conflict { .. } => {
            "say in the manifest itself which of the two counts".to_owned()
        }
        CompositionError::Ungranted { name, .. } if name == "PATH" => {
            "write `PATH = { prepend = [\"./bin\"] }`, which keeps what is there".to_owned()
        }
        CompositionError::Ungranted { name, .. } => {
            format!("if the project needs it, grant it: `{}`", grant(name))
        }
        CompositionError::ValueTooLong { .. } | CompositionError::EnvironmentTooLarge { .. } => {
            "put the text into a file and let the variable name the file".to_owned()
        }
        CompositionError::Reference { .. } => {
            "write `${NAME}`, `${NAME:-fallback}` or `${root}`, and `$$` for a dollar".to_owned()
        }
        CompositionError::EnvFileMissing { path } => {
            format!("make it, or name it in `optional`: `[env-files] optional = [\"{path}\"]`")
        }
        CompositionError::Absent {
            nearest: Some(nearest),
            ..
        } => format!("the nearest manifest above is that of `{nearest}`"),
        CompositionError::Source { .. } => {
            "write `./file.toml`, `..`, `https://host/file.toml` or \
             `git+https://host/repo.git#v1:file.toml`"
                .to_owned()
        }
        CompositionError::FetchedGrant { name } => {
            format!("put `{}` into the manifest itself", grant(name))
        }
        CompositionError::AddedAndRemoved { .. } => "keep one of the two".to_owned(),
        _ => return None,
    })
}

/// What grants a variable, or code for a host shell (`source.bash`).
fn grant(name: &str) -> String {
    name.strip_prefix("source.").map_or_else(
        || format!("[grants] env = [\"{name}\"]"),
        |host| format!("[grants] source = [\"{host}\"]"),
    )
}

/// A variable that the host shell does not have.
pub fn missing(missing: &MissingVariable) -> Failure {
    Failure::new(missing.to_string())
        .note(format!("{} requires it", missing.0.place))
        .hint(missing.0.help.clone())
}
