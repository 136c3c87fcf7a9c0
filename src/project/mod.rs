//! Projects on disk: where they are, what they ask for, and whether the user allowed it.

pub mod detect;
pub mod locate;
pub mod trust;
pub mod watch;
