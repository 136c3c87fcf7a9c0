//! Hints for sources that gave no usable answer.

use crate::{report::failure::Failure, sources};

use super::purpose;

impl From<&sources::Error> for Failure {
    fn from(error: &sources::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            sources::Error::Fetch { source, tool } => {
                purpose(Self::from(&**source), &format!("to look up `{tool}`"))
            }
            sources::Error::Dependency { .. } => failure
                .hint("ask for another version of it, or for a tool that comes as one package"),
            sources::Error::NoFlavour { .. } => {
                failure.hint("write `\"3.14t\"` for the free-threaded build")
            }
            sources::Error::UnknownPackage { .. } => {
                failure.hint("check the name, or the index it is on")
            }
            sources::Error::UnknownRepository { .. } => failure
                .hint("check the name; a private repository needs a token in `GITHUB_TOKEN`"),
            sources::Error::NeedsVersion { .. } => failure.hint(
                "write `version = \"1.2.3\"`, or name a list with `versions = \"github:OWNER/REPOSITORY\"`",
            ),
            sources::Error::Address { .. } => failure.hint(
                "write an address such as `https://host/{version}/tool-{os}-{arch}.tar.gz`",
            ),
            sources::Error::UnknownTag { known, .. } => {
                let known: Vec<String> = known.iter().map(|tag| format!("`{tag}`")).collect();
                failure
                    .note(format!("its tags are {}", known.join(", ")))
                    .hint("write one of these, or a version")
            }
            sources::Error::UnknownChannel { .. } => failure.hint(
                "write a version such as `\"1.89\"`, `\"stable\"` or `\"nightly-2026-10-01\"`",
            ),
            sources::Error::Digest {
                expected, received, ..
            } => failure
                .detail(format!("expected  {expected}"))
                .detail(format!("received  {received}"))
                .hint("run the command again; a server in between may have served an old copy"),
            sources::Error::Signature { reason, .. } => failure.note(reason).hint(
                "use another version; the file was changed after its publisher signed it, or devsh lacks a newer key",
            ),
            sources::Error::NoSource { .. } => failure.hint("name another source for it"),
            sources::Error::NoWheels { .. }
            | sources::Error::Unreadable { .. }
            | sources::Error::Insecure { .. } => failure,
        }
    }
}
