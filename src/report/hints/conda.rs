//! Hints for conda channels that gave no usable answer.

use crate::{report::failure::Failure, sources::conda::Error};

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            Error::Fetch { channel, source } => {
                let purpose = format!("to read the conda channel `{channel}`");
                super::purpose(Self::from(&**source), &purpose)
            }
            Error::NoChannel { .. } => failure
                .hint("check `[conda] channels`: a name such as `conda-forge`, or an address"),
            Error::Digest { .. } => failure
                .hint("run the command again; a server in between may have served an old copy"),
            Error::SolverTime { .. } => failure.hint(
                "ask for narrower versions (`gdal 3.9.*`), or for fewer packages in one dev shell",
            ),
            Error::Unreadable { .. }
            | Error::Solver { .. }
            | Error::NoDigest { .. }
            | Error::OddName { .. } => failure,
        }
    }
}
