//! Helpers that know nothing of devsh: files, codecs, signals, terminal text.

pub mod codec;
pub mod files;
pub mod interrupts;
pub mod terminal_text;
pub mod vars;
