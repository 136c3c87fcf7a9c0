//! Why a source gave no usable answer.

use url::Url;

use crate::{
    fetch,
    package::{Digest, Tool},
};

/// A source without a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source did not answer.
    #[error("cannot look up `{tool}`")]
    Fetch {
        tool: Tool,
        source: Box<fetch::Error>,
    },
    /// A source that this devsh does not have.
    #[error("devsh cannot lock tools of the source `{}` yet", tool.source)]
    NoSource { tool: Tool },
    /// The Python index or the npm registry does not know the package.
    #[error("`{host}` has no package `{}`", tool.package)]
    UnknownPackage { tool: Tool, host: String },
    /// There is no such repository, or the user may not see it.
    #[error("`{host}` has no repository `{repository}` with releases")]
    UnknownRepository {
        tool: Tool,
        repository: String,
        host: String,
    },
    /// A plain download without a list of versions.
    #[error("`{tool}` needs a whole version, because nothing lists its versions")]
    NeedsVersion { tool: Tool },
    /// The address of a plain download is none.
    #[error("the address of `{tool}` cannot be used: {message}")]
    Address {
        tool: Tool,
        /// The cause, one line.
        message: String,
    },
    /// The npm registry has no such tag.
    #[error("`{tool}` has no version with the tag `{tag}`")]
    UnknownTag {
        tool: Tool,
        tag: String,
        /// The tags that it has.
        known: Vec<String>,
    },
    /// A dependency of an npm package cannot be locked.
    #[error("`{tool}` needs `{dependency}`, which cannot be locked: {reason}")]
    Dependency {
        tool: Tool,
        /// The place below `node_modules` with the version (`left-pad@1.3.0`).
        dependency: String,
        /// The cause, one line.
        reason: String,
    },
    /// A flavour of python without builds.
    #[error("there is no `{flavour}` python")]
    NoFlavour { flavour: String },
    /// The dist server has no such channel.
    #[error("there is no rust toolchain `{channel}`")]
    UnknownChannel {
        /// The channel with its date, as the manifest names it.
        channel: String,
        host: String,
    },
    /// The package has no file that can be used without a build.
    #[error("`{tool}` has no wheels, only source archives")]
    NoWheels { tool: Tool },
    /// The source's answer is not in its format.
    #[error("the answer of `{place}` cannot be read: {message}")]
    Unreadable {
        /// The address without credentials.
        place: String,
        /// The cause, one line.
        message: String,
    },
    /// Something that does not have the signature that its publisher gives.
    #[error("the signature of `{subject}` is wrong")]
    Signature {
        /// The address of a file, or the package and its version.
        subject: String,
        /// The cause, one line.
        reason: String,
    },
    /// A manifest with another digest than the server publishes.
    #[error("digest mismatch for `{url}`")]
    Digest {
        url: Box<Url>,
        expected: Digest,
        received: Digest,
    },
    /// An artifact at an address that a lockfile must not contain.
    #[error("`{url}` is not a safe address for an artifact")]
    Insecure {
        /// Without credentials.
        url: Url,
    },
}

impl Error {
    /// Returns why another source may be asked in place of this one; nothing if the error needs the user.
    ///
    /// An answer that is damaged or wrong is an error, not a reason to lock something else.
    pub fn unavailable(&self) -> Option<String> {
        match self {
            Self::Fetch { source, .. } => Some(source.in_short()),
            Self::UnknownPackage { .. }
            | Self::UnknownRepository { .. }
            | Self::NoSource { .. } => Some(self.to_string()),
            _ => None,
        }
    }

    /// Returns whether the server was not reached.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Fetch { source, .. } if source.is_unreachable())
    }

    /// Returns whether the same question can get an answer later. A server that does not know the list was reached.
    pub(super) fn may_pass(&self) -> bool {
        let Self::Fetch { source, .. } = self else {
            return false;
        };
        let is_unknown = matches!(
            **source,
            fetch::Error::Status {
                status: 404 | 410,
                ..
            }
        );
        source.is_unreachable() && !is_unknown
    }

    /// Returns whether a plain download does not exist.
    pub(super) fn is_absent(&self) -> bool {
        let Self::Fetch { source, .. } = self else {
            return false;
        };
        // Storage services answer 403 for a file that does not exist.
        matches!(
            **source,
            fetch::Error::Status {
                status: 403 | 404 | 410,
                ..
            }
        )
    }

    /// Returns the tool that was looked up, if the error is about one.
    pub const fn tool(&self) -> Option<&Tool> {
        match self {
            Self::Fetch { tool, .. }
            | Self::NoSource { tool }
            | Self::UnknownPackage { tool, .. }
            | Self::UnknownRepository { tool, .. }
            | Self::NeedsVersion { tool }
            | Self::Address { tool, .. }
            | Self::UnknownTag { tool, .. }
            | Self::Dependency { tool, .. }
            | Self::NoWheels { tool } => Some(tool),
            _ => None,
        }
    }
}
