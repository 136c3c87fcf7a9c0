//! The text that `devsh init` writes.

use std::fmt::Write as _;

use toml_edit::{Array, InlineTable, Value};

use super::{EnvValue, Located, imported_settings::ImportedSettings};
use crate::package::{Source, Tool};

/// The first line if the manifest follows presets.
const FOLLOWS: &str = "# Tools and versions follow this project's own files. `devsh lock` writes the exact versions to `devshell.lock`.\n";
/// The first line if it does not.
const PLAIN: &str = "# The dev shells of this project. Add a tool with `devsh add NAME`; commit this file and `devshell.lock`.\n";

/// Returns the text of a manifest that follows these presets and has these settings.
pub fn init_template(presets: &[String], settings: &ImportedSettings) -> String {
    let mut text = String::new();
    if presets.is_empty() {
        text.push_str(PLAIN);
    } else {
        text.push_str(FOLLOWS);
        let names: Array = presets.iter().map(String::as_str).collect();
        put(&mut text, "presets", &names.into());
    }
    tables(&mut text, "", settings);
    for (name, shell) in &settings.shells {
        let path = format!("shells.{}", key(name.as_str()));
        let standalone = shell
            .is_standalone
            .then(|| ("standalone".to_owned(), true.into()));
        table(&mut text, &path, standalone.into_iter());
        tables(&mut text, &format!("{path}."), shell);
    }
    text
}

/// Adds the tables below `path` of a dev shell.
fn tables(text: &mut String, path: &str, settings: &ImportedSettings) {
    let name = |name: &str| format!("{path}{name}");
    let tools = settings.tools.iter();
    let tools = tools.map(|(tool, version)| (tool_key(tool), version.value.as_str().into()));
    table(text, &name("tools"), tools);
    let from = settings.python_of_conda.as_ref();
    let from = from.map(|_| ("from".to_owned(), Source::Conda.as_str().into()));
    let packages = list("packages", &settings.packages);
    table(text, &name("python"), from.into_iter().chain(packages));
    let conda = &settings.conda;
    let glibc = conda.glibc.as_ref().map(|one| one.value.to_string());
    let macos = conda.macos.as_ref().map(|one| one.value.to_string());
    let floors = [("glibc", glibc), ("macos", macos)];
    let floors = floors
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.into())));
    let lists = list("channels", &conda.channels).into_iter();
    let lists = lists.chain(list("packages", &conda.packages));
    table(text, &name("conda"), lists.chain(floors));
    let env = settings.env.iter();
    table(
        text,
        &name("env"),
        env.map(|(name, one)| (name.as_str().to_owned(), value(&one.value))),
    );
    let files = [("load", false), ("optional", true)];
    let files = files.into_iter().filter_map(|(key, optional)| {
        let files = settings.env_files.iter();
        let files = files.filter(|file| file.optional == optional);
        let files: Array = files.map(|file| file.path.as_str()).collect();
        (!files.is_empty()).then(|| (key.to_owned(), files.into()))
    });
    table(text, &name("env-files"), files);
    let aliases = settings.aliases.iter();
    let aliases = aliases.map(|(name, command)| (key(name.as_str()), command.as_str().into()));
    table(text, &name("aliases"), aliases);
    let enter: Vec<&str> = settings
        .enter
        .iter()
        .map(|one| one.value.as_str())
        .collect();
    let enter = (!enter.is_empty()).then(|| ("enter".to_owned(), script(&enter.join("\n"))));
    table(text, &name("hooks"), enter.into_iter());
}

/// Returns a key and its list, unless that is empty.
fn list(key: &str, entries: &[Located<String>]) -> Option<(String, Value)> {
    let values: Array = entries.iter().map(|one| one.value.as_str()).collect();
    (!values.is_empty()).then(|| (key.to_owned(), values.into()))
}

fn table(text: &mut String, name: &str, entries: impl Iterator<Item = (String, Value)>) {
    for (at, (key, value)) in entries.enumerate() {
        if at == 0 {
            // Writing to a string cannot fail.
            let _written = write!(text, "\n[{name}]\n");
        }
        put(text, &key, &value);
    }
}

fn put(text: &mut String, key: &str, value: &Value) {
    let _written = writeln!(text, "{key} = {}", value.to_string().trim());
}

fn tool_key(tool: &Tool) -> String {
    key(&tool.to_string())
}

fn key(name: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        Value::from(name).to_string().trim().to_owned()
    }
}

fn value(value: &EnvValue) -> Value {
    let list =
        |entries: &[String]| Value::from(entries.iter().map(String::as_str).collect::<Array>());
    let mut table = InlineTable::new();
    match value {
        EnvValue::Set(text) => return text.as_str().into(),
        EnvValue::Default(text) => drop(table.insert("default", text.as_str().into())),
        EnvValue::Required(help) => drop(table.insert("required", help.as_str().into())),
        EnvValue::Unset => drop(table.insert("unset", true.into())),
        EnvValue::Extend { prepend, append } => {
            for (key, entries) in [("prepend", prepend), ("append", append)] {
                if !entries.is_empty() {
                    table.insert(key, list(entries));
                }
            }
        }
    }
    table.into()
}

/// Returns a script, one of several lines as a text that keeps them readable.
fn script(code: &str) -> Value {
    let plain = format!("'''\n{code}\n'''");
    plain
        .parse()
        .ok()
        .filter(|_| !code.contains("'''"))
        .unwrap_or_else(|| code.into())
}
