//! The store: immutable directories of tools, each published whole or not at all.
