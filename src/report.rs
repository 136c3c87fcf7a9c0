//! Failures, hints and everything that is written for people.

pub mod failure;
pub mod hints;
pub mod paths;
pub mod progress;
pub mod render;
pub mod style;
pub mod ui;
