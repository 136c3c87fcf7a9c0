//! The text that `devsh init` writes.

/// The first line if the manifest follows presets.
const FOLLOWS: &str = "# Tools and versions follow this project's own files. `devsh lock` writes the exact versions to `devshell.lock`.\n";
/// The first line if it does not.
const EMPTY: &str = "# The dev shells of this project: add a tool with `devsh add NAME`. Commit this file and `devshell.lock`.\n";

/// Returns the text of a manifest that follows these presets.
pub fn init_template(presets: &[String]) -> String {
    if presets.is_empty() {
        return EMPTY.to_owned();
    }
    let names: toml_edit::Array = presets.iter().map(String::as_str).collect();
    format!("{FOLLOWS}presets = {names}\n")
}
