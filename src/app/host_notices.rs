//! The host tools that were reported: a fallback is reported once, and again only after a change.

use std::{collections::BTreeSet, path::Path};

use crate::{context::Context, prompt::record::project_directory, util::files};

/// The file in the state of a project with the lines that were reported.
const REPORTED: &str = "host-tools";
/// The longest accepted file, in bytes.
const LIMIT: u64 = 64 << 10;

/// Returns the line about a host tool that replaces a locked one.
pub fn line(tool: &str, found: &str, locked: &str) -> String {
    format!("`{tool}` {found} of the host replaces {locked}")
}

/// Returns the lines that were not reported for this project, and remembers them.
pub fn unreported(context: &Context, root: &Path, lines: &[String]) -> Vec<String> {
    if lines.is_empty() {
        return Vec::new();
    }
    let path = project_directory(&context.directories.state, root).join(REPORTED);
    // A file that cannot be read or written only repeats a report.
    let bytes = files::read_own(&path, LIMIT).ok().flatten();
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    let mut known: BTreeSet<&str> = text.lines().collect();
    let new: Vec<String> = lines
        .iter()
        .filter(|line| known.insert(line))
        .cloned()
        .collect();
    if !new.is_empty() {
        let lines: Vec<&str> = known.into_iter().collect();
        let text = lines.join("\n");
        if let Err(error) = files::write_atomic(&path, text.as_bytes()) {
            tracing::debug!(%error, "cannot remember a report");
        }
    }
    new
}
