//! Reads the files of other tools that `devsh init` takes over.

use crate::manifest::{
    ImportedSettings, Located, Origin, Text,
    imports::{ENVRC, IMPORTED_FILES, import},
    presets::{self, Preset, PresetNote},
};

use super::reader::{Error, Inputs, peek};

/// Returns the files in the root that `devsh init` can take over; of those of conda and pixi the first.
pub fn importable_files(inputs: &Inputs) -> Result<Vec<String>, Error> {
    let presets = presets::all()?;
    let environments = || presets.iter().flat_map(Preset::environments);
    let is_environment = |name: &str| environments().any(|one| one.file == name);
    let mut files: Vec<String> = IMPORTED_FILES
        .into_iter()
        .filter(|name| !is_environment(name) && inputs.root().join(name).is_file())
        .map(str::to_owned)
        .collect();
    let environment = environments().find(|one| {
        let bytes = peek(inputs.root(), &one.file);
        bytes.is_some_and(|bytes| one.declares(&Text::lossy(&one.file, &bytes)))
    });
    files.extend(environment.map(|one| one.file.clone()));
    Ok(files)
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
        let bytes = peek(inputs.root(), name)?;
        Some(Text::lossy(name, &bytes))
    };
    import(text, &read)
}

/// Returns notes on the settings of other tools that have no effect without a manifest.
pub(super) fn notes(inputs: &Inputs) -> Result<Vec<PresetNote>, Error> {
    let mut notes = Vec::new();
    let presets = presets::all()?;
    let mut files = importable_files(inputs)?;
    // Detection has used these, with notes of its own.
    files.retain(|name| {
        let mut environments = presets.iter().flat_map(Preset::environments);
        !environments.any(|one| one.file == *name)
    });
    for name in &files {
        // These files decide nothing, so they are not watched.
        let Some(bytes) = peek(inputs.root(), name) else {
            continue;
        };
        let settings = import_text(inputs, &Text::lossy(name, &bytes));
        notes.extend(offer(name, &settings));
        notes.extend(left(settings));
    }
    Ok(notes)
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
