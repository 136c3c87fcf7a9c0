//! Turns the catalogue `tools.toml` into Rust constants, because a prompt has no time to parse it.

use std::{error::Error, fmt::Write as _};

use toml::{Table, Value};

/// The keys of a tool.
const KEYS: [&str; 17] = [
    "also",
    "application",
    "asset",
    "bin",
    "checksums",
    "description",
    "from",
    "home",
    "kind",
    "minisign",
    "platforms",
    "programs",
    "tag-prefix",
    "url",
    "version",
    "versions",
    "words",
];

/// The platforms, with the variants of `System`.
const PLATFORMS: [(&str, &str); 4] = [
    ("linux-aarch64", "LinuxAarch64"),
    ("linux-x86_64", "LinuxX86_64"),
    ("macos-aarch64", "MacosAarch64"),
    ("macos-x86_64", "MacosX86_64"),
];

/// Returns the source text of a list with every tool of the catalogue, sorted by name.
pub(crate) fn constants(text: &str) -> Result<String, Box<dyn Error>> {
    let mut source = String::from("&[\n");
    for (name, row) in &text.parse::<Table>()? {
        let row = row
            .as_table()
            .ok_or_else(|| format!("`{name}` is no table"))?;
        tool(&mut source, name, row).map_err(|error| format!("`{name}`: {error}"))?;
    }
    source.push_str("]\n");
    Ok(source)
}

fn tool(source: &mut String, name: &str, row: &Table) -> Result<(), Box<dyn Error>> {
    if let Some(key) = row.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("`{key}` is no key of a tool").into());
    }
    let text = |key: &str| {
        let text = row.get(key).and_then(Value::as_str);
        text.ok_or_else(|| format!("`{key}` is missing"))
    };
    let command: Vec<&str> = text("version")?.split_whitespace().collect();
    let platforms = match row.get("platforms") {
        Some(_) => words(row, "platforms")?,
        None => PLATFORMS.iter().map(|(name, _)| *name).collect(),
    };
    let systems = platforms.into_iter().map(system);
    let systems = systems.collect::<Result<Vec<_>, _>>()?.join(", ");
    writeln!(
        source,
        "    CatalogueEntry {{ name: {name:?}, description: {:?}, home: {:?}, kind: {:?}, \
         programs: &{:?}, version_command: &{command:?}, also: &{:?}, is_application: {}, \
         systems: &[{systems}], suppliers: &[{}], release: {} }},",
        text("description")?,
        text("home")?,
        text("kind")?,
        words(row, "programs")?,
        words(row, "also")?,
        row.get("application").and_then(Value::as_bool) == Some(true),
        suppliers(row)?,
        release(row)?,
    )?;
    Ok(())
}

/// Returns the settings for the sources `github` and `url`.
fn release(row: &Table) -> Result<String, Box<dyn Error>> {
    let optional = |key: &str| format!("{:?}", row.get(key).and_then(Value::as_str));
    let names = row.get("words").and_then(Value::as_table);
    let names: Vec<(&str, &str)> = names
        .into_iter()
        .flatten()
        .filter_map(|(name, word)| Some((name.as_str(), word.as_str()?)))
        .collect();
    Ok(format!(
        "CatalogueRelease {{ asset: &[{}], url: &[{}], checksums: &[{}], minisign: {}, bin: &{:?}, tag_prefix: {}, versions: {}, \
         words: &{names:?} }}",
        for_systems(row, "asset")?,
        for_systems(row, "url")?,
        for_systems(row, "checksums")?,
        optional("minisign"),
        words(row, "bin")?,
        optional("tag-prefix"),
        optional("versions"),
    ))
}

/// Returns the packages of sources: `(Source::Github, "cli/cli")`.
fn suppliers(row: &Table) -> Result<String, Box<dyn Error>> {
    let mut list = String::new();
    for package in words(row, "from")? {
        let (source, package) = package
            .split_once(':')
            .ok_or_else(|| format!("`{package}` has no source"))?;
        let mut variant = String::new();
        for word in source.split('-') {
            let (first, rest) = word.split_at(1);
            variant.push_str(&first.to_ascii_uppercase());
            variant.push_str(rest);
        }
        write!(list, "(Source::{variant}, {package:?}), ")?;
    }
    Ok(list)
}

/// Returns one text for every system, or a text for each.
fn for_systems(row: &Table, key: &str) -> Result<String, Box<dyn Error>> {
    let pairs: Vec<(&str, &Value)> = match row.get(key) {
        None => Vec::new(),
        Some(Value::Table(table)) => table.iter().map(|(name, one)| (&**name, one)).collect(),
        Some(one) => PLATFORMS.iter().map(|(name, _)| (*name, one)).collect(),
    };
    let mut list = String::new();
    for (name, text) in pairs {
        let text = text.as_str().ok_or_else(|| format!("`{key}` is no text"))?;
        write!(list, "({}, {text:?}), ", system(name)?)?;
    }
    Ok(list)
}

fn system(name: &str) -> Result<String, String> {
    let known = PLATFORMS.iter().find(|(platform, _)| *platform == name);
    let (_, variant) = known.ok_or_else(|| format!("`{name}` is no platform"))?;
    Ok(format!("System::{variant}"))
}

fn words<'r>(row: &'r Table, key: &str) -> Result<Vec<&'r str>, String> {
    let Some(list) = row.get(key) else {
        return Ok(Vec::new());
    };
    let list = list
        .as_array()
        .ok_or_else(|| format!("`{key}` is no list"))?;
    let word = |one: &'r Value| {
        one.as_str()
            .ok_or_else(|| format!("`{key}` is no list of texts"))
    };
    list.iter().map(word).collect()
}
