//! Why a channel gave no usable answer.

use std::time::Duration;

use crate::{
    fetch,
    package::{CondaChannel, System},
};

/// A channel without a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The channel did not answer.
    #[error("cannot read the conda channel `{channel}`")]
    Fetch {
        channel: CondaChannel,
        source: Box<fetch::Error>,
    },
    /// There is no index at the channel's address.
    #[error("there is no conda channel `{channel}`")]
    NoChannel { channel: CondaChannel },
    /// The channel's answer is not in its format.
    #[error("`{place}` cannot be read: {message}")]
    Unreadable {
        /// The address without credentials.
        place: String,
        /// The cause, one line.
        message: String,
    },
    /// A part of the index is not the one that the index names.
    #[error("digest mismatch for `{place}`")]
    Digest {
        /// The address without credentials.
        place: String,
    },
    /// The records contradict each other or name dependencies that cannot be read.
    #[error("the records of the conda channels cannot be used: {message}")]
    Solver {
        /// The cause, one line.
        message: String,
    },
    /// The solver found no answer in time.
    #[error("no choice of conda packages for {system} was found in {} seconds", .limit.as_secs())]
    SolverTime { system: System, limit: Duration },
    /// A chosen package that nothing identifies.
    #[error("the channel gives no SHA-256 for `{file}`")]
    NoDigest { file: String },
    /// A chosen package whose file does not have the name of a package.
    #[error("`{file}` is not the name of a conda package")]
    OddName { file: String },
}
