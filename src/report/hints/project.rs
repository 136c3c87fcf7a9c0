//! Hints for projects that cannot be read.

use crate::{
    config::ownership::Exposure,
    project,
    report::failure::{ExitStatus, Failure},
};

impl From<&project::Error> for Failure {
    fn from(error: &project::Error) -> Self {
        match error {
            project::Error::File(error) => Self::from(error),
            project::Error::Exposed(exposure) => Self::from(exposure),
            project::Error::Content(error) => Self::from(error),
            project::Error::Collision(error) => {
                Self::new(error.to_string()).hint("give one of them another name")
            }
        }
    }
}

impl From<&Exposure> for Failure {
    fn from(exposure: &Exposure) -> Self {
        let failure = Self::new(exposure.to_string())
            .note("devsh uses only files that no other user could change after you approved them")
            .code(ExitStatus::NotAllowed);
        let quoted = shell_escape::unix::escape(exposure.path().to_string_lossy());
        let failure = match exposure {
            Exposure::Links(_) => return failure,
            Exposure::Foreign { caller: true, .. } => {
                return failure.hint("run devsh without `sudo`");
            }
            Exposure::Foreign { .. } => failure,
            Exposure::Everyone(_) => failure.hint(format!("run `chmod o-w {quoted}`")),
            Exposure::Group { .. } => failure.hint(format!("run `chmod g-w {quoted}`")),
        };
        failure.hint(
            "if you trust everyone who can change it, list the project's full path in `shared` \
             under `[trust]` in `config.toml`",
        )
    }
}
