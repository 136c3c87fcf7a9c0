//! What can be chosen among.

use serde::Deserialize;

/// Which tools may serve a dev shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolsFrom {
    /// Only artifacts of the lockfile.
    Managed,
    /// Only what the machine has.
    Host,
    /// Artifacts where they can be had, else what the machine has and the manifest admits.
    #[default]
    Auto,
}

/// What is said at a prompt that loads or leaves a dev shell; what is wrong is always said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// One line.
    #[default]
    Normal,
}
