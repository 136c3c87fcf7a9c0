//! Domain errors as failures: notes, hints and exit codes, in one file per domain.

mod builder;
mod composition;
mod conda;
mod config;
mod extends;
mod fetch;
mod files;
mod image;
mod lockfile;
mod manifest;
mod project;
mod resolve;
mod sources;
mod store;
mod vars;

use crate::{
    package::Invalid,
    report::failure::{ExitStatus, Failure},
};

pub use extends::extend;
pub use lockfile::{other_address, other_release, untrusted};
pub use manifest::not_a_source;

/// Implements the conversion of errors by value for `?`.
macro_rules! by_value {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from(&error)
            }
        })*
    };
}

by_value!(
    crate::builder::Error,
    crate::config::Error,
    crate::fetch::Error,
    crate::image::Error,
    crate::lockfile::Error,
    crate::manifest::Error,
    crate::project::Error,
    crate::prompt::MissingVariable,
    crate::resolve::Error,
    crate::sources::Error,
    crate::sources::conda::Error,
    crate::store::Error,
    crate::util::files::Error,
);

/// Ends a hint that names lines of a manifest. A file with those lines alone would take the place of the presets.
pub const WITHOUT_MANIFEST: &str = "if there is no such file, make it with `devsh init` first";

/// A word on the command line that is not a valid name or version.
impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.to_string()).code(ExitStatus::Usage)
    }
}

/// Puts the purpose of the failed step before all other notes.
fn purpose(mut failure: Failure, purpose: &str) -> Failure {
    failure
        .notes
        .insert(0, format!("this was needed {purpose}"));
    failure
}
