//! Hints for manifest layers that conflict.

use crate::manifest::{CompositionError, Grant};

/// Returns a hint for a conflict between layers.
pub(super) fn hint(fault: &CompositionError) -> Option<String> {
    Some(match fault {
        CompositionError::Conflict { .. } => "set the value in the manifest itself".to_owned(),
        CompositionError::Ungranted {
            name: Grant::Variable(name),
            ..
        } if name == "PATH" => {
            "write `PATH = { prepend = [\"./bin\"] }`, which keeps the other entries".to_owned()
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
            format!("create it, or list it in `optional`: `[env-files] optional = [\"{path}\"]`")
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

/// Returns the line of the manifest that grants this.
fn grant(grant: &Grant) -> String {
    match grant {
        Grant::Variable(name) => format!("[grants] env = [\"{name}\"]"),
        Grant::Source(shell) => format!("[grants] source = [\"{shell}\"]"),
    }
}
