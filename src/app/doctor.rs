//! Checks of an installation: what is wrong, and for each problem one step that fixes it.
//!
//! Invariant: nothing is changed. Files that test a directory are removed, and no code of a project runs.

mod check;
mod host;
mod places;
mod shadow;

use super::session::Session;

pub use check::{Check, CheckStatus};

/// Runs all checks; with `network` also those of the servers.
pub fn check_installation(session: &Session<'_>, network: bool) -> Vec<Check> {
    let mut checks = host::checks(session.context);
    checks.extend(shadow::checks(session.context));
    checks.extend(places::checks(session, network));
    checks
}
