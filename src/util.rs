//! Helpers that know nothing of devsh: files, paths, child processes, codecs, signals, terminal text.

pub mod address;
pub mod binary;
pub mod child_process;
pub mod conflict_marker;
pub mod digest_input;
pub mod executables;
pub mod files;
pub mod hex;
pub mod interrupts;
pub mod key_places;
pub mod machine;
pub mod nearest;
pub mod no_network;
pub mod parallel;
pub mod paths;
pub mod pid_namespace;
pub mod redact;
pub mod repository_tops;
pub mod secret_key;
pub mod terminal_text;
pub mod vars;
pub mod word_lists;
