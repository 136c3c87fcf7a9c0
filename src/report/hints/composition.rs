//! Hints for manifest layers that conflict.

use crate::manifest::{CompositionError, Grant};

/// Returns a hint for a conflict between layers; `file` is the place of the error.
pub(super) fn hint(fault: &CompositionError, file: &str) -> Option<String> {
    let is_manifest = std::path::Path::new(file)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    Some(match fault {
        CompositionError::Ungranted {
            name: Grant::Variable(name),
            ..
        } if name == "PATH" && !is_manifest => {
            format!("remove it from `{file}` and add the directories in `[env]` of the manifest")
        }
        CompositionError::Ungranted { name, .. } if !is_manifest => format!(
            "if the project needs it, grant it in the manifest: `{}`",
            grant(name)
        ),
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
        CompositionError::EnvFileIsManifest { .. } => {
            "move the lines `NAME=value` to a file of their own".to_owned()
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
        CompositionError::ForeignPresets => {
            "move `presets` to the `devshell.toml` in the project's root".to_owned()
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
