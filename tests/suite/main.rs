//! The end-to-end tests: one binary, a module for each command or promise.
