//! Hints for objects of the store that cannot be made or used.

use crate::{report::failure::Failure, store};

impl From<&store::Error> for Failure {
    fn from(error: &store::Error) -> Self {
        match error {
        store::Error::Fetch(error) => Self::from(error),
        store::Error::File(error) => Self::from(error),
        store::Error::Damaged { .. } => {
            Self::new(error.to_string()).hint("run `devsh verify --repair`")
        }
        store::Error::NoRoom { .. } => {
            Self::new(error.to_string()).hint("free space there, or run `devsh gc`")
        }
        store::Error::OtherOwner { .. } => Self::new(error.to_string())
            .note("its owner could change the programs that you run")
            .hint("set `XDG_DATA_HOME` to a directory of yours"),
        store::Error::PrefixPlace { .. } => Self::new(error.to_string())
            .note("their programs have the place of the store in them")
            .hint("set `XDG_DATA_HOME` to a directory with a short path without spaces"),
        store::Error::NoPython { .. } => {
            Self::new(error.to_string()).hint("add `python` to `[conda] packages`")
        }
        store::Error::Newer { .. } => Self::new(error.to_string())
            .note("what is in it can be used; nothing was written")
            .hint("update devsh"),
        store::Error::Unpack { .. }
        | store::Error::OtherPackage { .. }
        | store::Error::NotRequested { .. }
        | store::Error::Refused { .. }
        | store::Error::Archive { .. } => {
            Self::new(error.to_string()).note("nothing was added to the store")
        }
        store::Error::NeedsInterpreter { package } | store::Error::Library { package } => {
            Self::new(error.to_string())
                .hint(format!(
                    "add it to the packages of the project: `uv add {package}` with a `pyproject.toml`, else a line in its \
                     list of requirements"
                ))
                .hint(format!(
                    "if the project has neither, write `[python] packages = [\"{package}\"]` into `devshell.toml`"
                ))
        }
        store::Error::UnclearPrograms { found, .. } | store::Error::NoSuchProgram { found, .. } => {
            Self::new(error.to_string())
                .note(format!("it has {}", found.join(", ")))
                .hint("name the programs with `bin = [\"PATH\"]`")
        }
        store::Error::ForeignProgram { .. } => Self::new(error.to_string())
            .note("nothing was added to the store")
            .hint("name the right file with `asset` or `url`"),
        store::Error::Installer { .. } | store::Error::NoPrograms { .. } => {
            Self::new(error.to_string())
        }
    }
    }
}
