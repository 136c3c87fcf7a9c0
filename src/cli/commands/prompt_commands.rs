//! `devsh prompt-commands`, which the hook runs before it defines aliases.

use std::io::{self, Read};

use crate::{
    report::{failure::Failure, ui::Ui},
    shell::prompt_code::PromptCode,
};

/// Largest code of a host shell that is read, bytes.
const MAX_CODE: u64 = 16 << 20;

/// Prints those of `names` that are commands in the code of the prompt, one in a line. Standard input has the three
/// parts of the code, each with a NUL at its end.
pub fn run(ui: &Ui, names: &[String]) -> Result<(), Failure> {
    let mut code = Vec::new();
    io::stdin()
        .take(MAX_CODE)
        .read_to_end(&mut code)
        .map_err(|error| Failure::new(format!("cannot read the code of the prompt: {error}")))?;
    let code = String::from_utf8_lossy(&code);
    let mut parts = code.split('\0');
    let mut part = || parts.next().unwrap_or_default();
    let code = PromptCode {
        commands: part(),
        texts: part(),
        functions: part(),
    };
    let words = code.command_words();
    let mut found = String::new();
    for name in names.iter().filter(|name| words.contains(*name)) {
        ui.prompt_note(&format!(
            "alias `{name}` is left out: the code of your prompt runs a command of this name"
        ));
        found.push_str(name);
        found.push('\n');
    }
    ui.code(found.as_bytes())
}
