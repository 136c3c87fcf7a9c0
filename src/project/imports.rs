//! Reads the files of other tools that `devsh init` takes over.

use crate::manifest::{
    ImportedSettings, Located, Origin, Text,
    imports::{ENVRC, IMPORTED_FILES, import},
    presets::PresetNote,
};

use super::reader::{Error, Inputs, peek};

/// Returns the files in the root that `devsh init` can take over.
pub fn importable_files(inputs: &Inputs) -> Vec<&'static str> {
    let files = IMPORTED_FILES.into_iter();
    files
        .filter(|name| inputs.root().join(name).is_file())
        .collect()
}

/// Reads a file of another tool; nothing if it does not exist.
pub fn import_file(inputs: &mut Inputs, name: &str) -> Result<Option<ImportedSettings>, Error> {
    let Some(bytes) = inputs.data(name)? else {
        return Ok(None);
    };
    Ok(Some(import_text(inputs, &Text::lossy(name, &bytes))))
}

fn import_text(inputs: &Inputs, text: &Text) -> ImportedSettings {
    let read = |name: &str| {
        let bytes = peek(&inputs.root().join(name))?;
        Some(Text::lossy(name, &bytes))
    };
    import(text, &read)
}

/// Returns notes on the settings of other tools that have no effect without a manifest.
pub(super) fn notes(inputs: &Inputs) -> Vec<PresetNote> {
    let mut notes = Vec::new();
    for name in importable_files(inputs) {
        // These files decide nothing, so they are not watched.
        let Some(bytes) = peek(&inputs.root().join(name)) else {
            continue;
        };
        let settings = import_text(inputs, &Text::lossy(name, &bytes));
        notes.extend(offer(name, &settings));
        notes.extend(left(settings));
    }
    notes
}

/// Returns a note on what `devsh init` can take over from a file.
pub fn offer(name: &str, settings: &ImportedSettings) -> Option<PresetNote> {
    let count = settings.len();
    let message = match (name == ENVRC, count) {
        (true, 0) => "only direnv runs it".to_owned(),
        (true, _) => format!(
            "only direnv runs it: `devsh init --from {ENVRC}` takes over {count} of its settings"
        ),
        (false, 0) => return None,
        (false, _) => format!("`devsh init` takes over {count} of its settings"),
    };
    Some(PresetNote {
        origin: Origin {
            file: name.into(),
            is_preset: false,
            line: 1,
        },
        message,
        tool: None,
    })
}

/// Returns a note for each line that has no form in a manifest.
pub fn left(settings: ImportedSettings) -> Vec<PresetNote> {
    let code = settings.enter.into_iter().map(|code| {
        code.map(|code| {
            let first = code.lines().next().unwrap_or_default();
            format!("`{first}` is shell code: `--keep-code` makes it `[hooks] enter`")
        })
    });
    let note = |line: Located<String>| PresetNote {
        origin: line.origin,
        message: line.value,
        tool: None,
    };
    let mut notes: Vec<PresetNote> = settings.left.into_iter().chain(code).map(note).collect();
    notes.sort();
    notes
}
