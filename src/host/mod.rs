//! The host shells: bash, zsh and fish, and how values are written for each. Pure.
