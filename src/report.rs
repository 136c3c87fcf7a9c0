//! Failures with their hints, and everything that is printed for people.

pub mod failure;
pub mod hints;
pub mod output;
pub mod paths;
pub mod progress;
pub mod render;
pub mod reporter;
pub mod style;
pub mod table;
pub mod ui;
