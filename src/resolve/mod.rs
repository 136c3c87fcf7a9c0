//! Chooses a version for every request. Pure.
