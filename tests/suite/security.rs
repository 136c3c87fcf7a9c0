//! Security trials: attacks and accidents that must not affect the trust of a user or a prompt.
//!
//! As in `reliability`, a short form runs in the suite and the long one with `DEVSH_TEST_LONG=1`;
//! `tests/reliability security::` runs the long form of all and prints the figures of docs/dev/security-trials.md.

mod cut;
mod fifos;
mod fuzz_short;
mod grants;
mod host_settings;
mod hostile;
mod limits;
mod locked;
mod names;
mod prompt;
mod session;
mod shell_variables;
mod swap;
mod untrusted;

use crate::reliability::{effort, so_far};
