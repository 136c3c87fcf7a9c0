//! devsh: per-project development shells.

pub mod activation;
pub mod builder;
pub mod cli;
pub mod config;
pub mod context;
pub mod env;
pub mod extend;
pub mod failure;
pub mod fetch;
pub mod fsx;
pub mod fuzz;
pub mod host;
pub mod index;
pub mod interrupt;
pub mod lock;
pub mod manifest;
pub mod package;
pub mod project;
pub mod pylock;
pub mod resolve;
pub mod safe;
pub mod store;
pub mod ui;
pub mod vars;
pub mod wire;
