//! What may be wrong with a source or its answer.

use url::Url;

use crate::{
    fetch,
    package::{Digest, Tool},
};

/// A source that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source did not answer.
    #[error("cannot look up `{tool}`")]
    Fetch {
        /// The tool.
        tool: Tool,
        /// What happened.
        source: Box<fetch::Error>,
    },
    /// The Python index or the npm registry does not know the package.
    #[error("`{host}` has no package `{}`", tool.package)]
    UnknownPackage {
        /// The tool.
        tool: Tool,
        /// The index that was asked.
        host: String,
    },
    /// A package that an npm package needs cannot be locked.
    #[error("`{tool}` needs `{dependency}`, which cannot be locked: {reason}")]
    Dependency {
        /// The tool.
        tool: Tool,
        /// The place below `node_modules` with the version (`left-pad@1.3.0`).
        dependency: String,
        /// Why, one line.
        reason: String,
    },
    /// A flavour of python that nobody builds.
    #[error("there is no `{flavour}` python")]
    NoFlavour {
        /// The flavour.
        flavour: String,
    },
    /// The dist server has no such channel.
    #[error("there is no rust toolchain `{channel}`")]
    UnknownChannel {
        /// The channel with its date, as the manifest names it.
        channel: String,
        /// The dist server that was asked.
        host: String,
    },
    /// The package has nothing that could be used without building it.
    #[error("`{tool}` has no wheels, only source archives")]
    NoWheels {
        /// The tool.
        tool: Tool,
    },
    /// The source's answer is not in its format.
    #[error("the answer of `{place}` cannot be read: {message}")]
    Unreadable {
        /// What was asked, without credentials.
        place: String,
        /// What is wrong, one line.
        message: String,
    },
    /// A manifest that is not the one its digest names.
    #[error("digest mismatch for `{url}`")]
    Digest {
        /// The manifest.
        url: Box<Url>,
        /// The digest that the server publishes.
        expected: Digest,
        /// The digest of what came.
        received: Digest,
    },
    /// An artifact at an address that no lockfile may hold.
    #[error("`{url}` is not a safe address for an artifact")]
    Insecure {
        /// The address, without credentials.
        url: Url,
    },
}

impl Error {
    /// Returns the tool that was looked up, where the fault is about one.
    pub const fn tool(&self) -> Option<&Tool> {
        match self {
            Self::Fetch { tool, .. }
            | Self::UnknownPackage { tool, .. }
            | Self::Dependency { tool, .. }
            | Self::NoWheels { tool } => Some(tool),
            _ => None,
        }
    }
}
