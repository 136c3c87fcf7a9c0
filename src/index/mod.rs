//! Where versions and artifacts come from; `host` is what the machine has.

pub mod host;
