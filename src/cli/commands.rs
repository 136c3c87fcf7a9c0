//! One file per command: reads the arguments, calls the use case, prints its answer.

pub mod add;
pub mod allow;
pub mod approvals;
pub mod doctor;
pub mod du;
pub mod enter;
pub mod explain;
pub mod export;
pub mod gc;
pub mod init;
pub mod lock;
pub mod lock_merge;
pub mod man;
pub mod outdated;
pub mod prompt;
pub mod run;
pub mod search;
pub mod status;
pub mod sync;
pub mod verify;
pub mod watch;
