//! One file per command: reads the arguments, calls the use case, prints its result.

pub mod add;
pub mod allow;
pub mod completions;
pub mod deny;
pub mod doctor;
pub mod du;
pub mod enter;
pub mod explain;
pub mod export;
pub mod gc;
pub mod hook;
pub mod init;
pub mod leave;
pub mod lock;
pub mod man;
pub mod outdated;
pub mod prompt;
pub mod remove;
pub mod report_environment;
pub mod run;
pub mod schema;
pub mod search;
pub mod status;
pub mod sync;
pub mod verify;
pub mod watch;
