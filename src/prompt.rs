//! The prompt: decides which dev shell a host shell should have, and loads it. Prints nothing.
//!
//! `record` holds a dev shell ready to load, `session_var` what a host shell has loaded. `decide` compares the two,
//! `update` makes the new environment and the statements that lead there, and `freshness` says what the hook checks at
//! the next prompts.

mod absent_files;
pub mod decide;
pub mod enter_leave_scripts;
mod env_limits;
pub mod env_statements;
pub mod former_values;
pub mod freshness;
pub mod from_build;
pub mod host_environment;
pub mod load;
mod mtime_batch;
pub mod path_changes;
pub mod record;
pub mod session_var;
pub mod source_scripts;
mod symlink_checks;
pub mod update;

pub use env_statements::env_statements;
pub use load::{Loading, MissingVariable, load};
