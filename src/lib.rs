//! devsh: per-project development shells.

pub mod app;
pub mod builder;
pub mod cache;
pub mod cli;
pub mod config;
pub mod context;
pub mod env;
pub mod extends;
pub mod fetch;
pub mod fuzz;
pub mod image;
pub mod lockfile;
pub mod manifest;
pub mod package;
pub mod project;
pub mod prompt;
pub mod python;
pub mod report;
pub mod resolve;
pub mod shell;
pub mod sources;
pub mod store;
pub mod util;
