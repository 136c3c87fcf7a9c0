//! Finds variables that a manifest names without braces (`$HOME`), which is plain text to devsh.

use super::{Layer, check::texts, presets::PresetNote, template::names_without_braces};

/// Returns a note for each name without braces in the values of the variables.
pub fn find_plain_names(layer: &Layer) -> Vec<PresetNote> {
    let mut notes = Vec::new();
    for entry in layer.tables().flat_map(|tables| tables.env.values()) {
        let names = texts(&entry.value.value).flat_map(|text| names_without_braces(text));
        notes.extend(names.map(|name| PresetNote {
            origin: entry.value.origin.clone(),
            message: format!(
                "`${name}` is plain text here: write `${{{name}}}` for the value of the variable, or `$${name}` for \
                 this text"
            ),
            tool: None,
        }));
    }
    notes.sort();
    notes.dedup();
    notes
}
