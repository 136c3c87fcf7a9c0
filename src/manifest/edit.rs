//! Changes tools in the text of a manifest and keeps comments, order and blanks.

use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::ShellName;
use crate::package::Tool;

/// A manifest that cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not valid TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A key on the way to the tool is not a table.
    #[error("`{0}` is not a table")]
    NotTable(String),
    /// This line and the first one end in different ways. A change would make all ends the same, also inside of scripts.
    #[error("line {0} and line 1 have different line ends")]
    LineEnds(usize),
}

/// Returns the text with `tool` at this requirement, for every dev shell or for one.
///
/// A tool that exists keeps its place and its components.
pub fn add(
    text: &str,
    shell: Option<&ShellName>,
    tool: &Tool,
    requirement: &str,
) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let name = spelling(&document, shell, tool);
    let tools = match shell {
        None => top(&mut document)?,
        Some(shell) => of_shell(&mut document, shell)?,
    };
    let sorted = is_sorted(tools);
    match tools.get_mut(&name) {
        Some(Item::Value(Value::InlineTable(table))) => version(table, requirement),
        Some(Item::Table(table)) => version(table, requirement),
        // The first of several versions has the plain name.
        Some(Item::Value(Value::Array(several))) if !several.is_empty() => {
            if let Some(Value::InlineTable(table)) = several.get_mut(0) {
                version(table, requirement);
            } else {
                several.replace(0, requirement);
            }
        }
        Some(_) => set(tools, &name, requirement),
        None => {
            set(tools, &name, requirement);
            if sorted {
                tools.sort_values();
            }
        }
    }
    Ok(document.to_string())
}

/// Returns the text without `tool`, or `None` if the tool is not in it.
///
/// Comments stay, except the one after the tool and those above it that name it.
pub fn remove(
    text: &str,
    shell: Option<&ShellName>,
    tool: &Tool,
) -> Result<Option<String>, EditError> {
    let mut document = parse(text)?;
    let name = spelling(&document, shell, tool);
    let path: Vec<&str> = match shell {
        None => vec!["tools"],
        Some(shell) => vec!["shells", shell.as_str(), "tools"],
    };
    let Some(tools) = find(document.as_table_mut(), &path) else {
        return Ok(None);
    };
    if tools.get(&name).is_none() {
        return Ok(None);
    }
    let kept = above(tools, &name)
        .split_inclusive('\n')
        .filter(|line| !names(line, tool))
        .collect::<String>();
    let next = tools
        .iter()
        .map(|(key, _)| key.to_owned())
        .skip_while(|key| *key != name)
        .nth(1);
    tools.remove(&name);
    let is_empty = tools.is_empty();
    if kept.trim().is_empty() {
        if is_empty && shell.is_none() {
            remove_table(&mut document, "tools");
        }
        return Ok(Some(document.to_string()));
    }
    // Comments above the line move to the next one, or to the end.
    if let Some(mut key) = next.and_then(|next| tools.key_mut(&next)) {
        let own = prefix(key.leaf_decor());
        key.leaf_decor_mut().set_prefix(kept + &own);
        return Ok(Some(document.to_string()));
    }
    Ok(Some(after_tools(&mut document, &kept)))
}

/// Removes a table, unless a comment is above it.
fn remove_table(document: &mut DocumentMut, name: &str) {
    let table = document.get(name).and_then(Item::as_table);
    let above = table.and_then(|table| table.decor().prefix()?.as_str());
    if above.is_some_and(|above| above.trim().is_empty()) {
        document.remove(name);
    }
}

/// Puts comments of a table without further lines at the end of the file.
fn after_tools(document: &mut DocumentMut, kept: &str) -> String {
    let text = document.to_string();
    let kept = kept.trim_matches('\n');
    format!("{}\n\n{kept}\n", text.trim_end())
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    let mut lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let is_windows = lines.next().is_some_and(|line| line.ends_with("\r\n"));
    if let Some(same) = lines.position(|line| line.ends_with("\r\n") != is_windows) {
        return Err(EditError::LineEnds(same + 2));
    }
    text.parse::<DocumentMut>()
        .map_err(|error| EditError::Syntax(error.message().to_owned()))
}

/// Returns the tool's name in the manifest, or its shortest name.
fn spelling(document: &DocumentMut, shell: Option<&ShellName>, tool: &Tool) -> String {
    let tools = match shell {
        None => document.get("tools"),
        Some(shell) => document
            .get("shells")
            .and_then(|shells| shells.get(shell.as_str()))
            .and_then(|shell| shell.get("tools")),
    };
    let mut names = tools
        .and_then(Item::as_table_like)
        .into_iter()
        .flat_map(TableLike::iter)
        .map(|(name, _)| name);
    let known = names.find(|name| name.parse::<Tool>().is_ok_and(|one| one == *tool));
    known.map_or_else(|| tool.to_string(), str::to_owned)
}

/// Returns `[tools]`, which is created if it is missing.
fn top(document: &mut DocumentMut) -> Result<&mut dyn TableLike, EditError> {
    if !document.contains_key("tools") {
        let mut table = Table::new();
        // Comments at the end of a file without tables come before the new table.
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        let blank = if document.is_empty() { "" } else { "\n" };
        document.set_trailing("");
        table.decor_mut().set_prefix(format!("{trailing}{blank}"));
        document.insert("tools", Item::Table(table));
    }
    table(document.as_table_mut(), "tools")
}

/// Returns the tools of a dev shell, which are created if they are missing.
fn of_shell<'d>(
    document: &'d mut DocumentMut,
    shell: &ShellName,
) -> Result<&'d mut dyn TableLike, EditError> {
    if !document.contains_key("shells") {
        let mut shells = Table::new();
        shells.set_implicit(true);
        document.insert("shells", Item::Table(shells));
    }
    let shells = table(document.as_table_mut(), "shells")?;
    if !shells.contains_key(shell.as_str()) {
        shells.insert(shell.as_str(), Item::Table(Table::new()));
    }
    let section = table(shells, shell.as_str())?;
    if !section.contains_key("tools") {
        section.insert("tools", Item::Value(InlineTable::new().into()));
    }
    table(section, "tools")
}

fn table<'d>(parent: &'d mut dyn TableLike, key: &str) -> Result<&'d mut dyn TableLike, EditError> {
    parent
        .get_mut(key)
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| EditError::NotTable(key.to_owned()))
}

fn find<'d>(parent: &'d mut dyn TableLike, path: &[&str]) -> Option<&'d mut dyn TableLike> {
    let Some((first, rest)) = path.split_first() else {
        return Some(parent);
    };
    find(parent.get_mut(first)?.as_table_like_mut()?, rest)
}

fn is_sorted(tools: &dyn TableLike) -> bool {
    let names: Vec<&str> = tools.iter().map(|(name, _)| name).collect();
    names.len() > 1 && names.is_sorted()
}

/// Sets the version of a tool and drops `unset`.
fn version(table: &mut dyn TableLike, requirement: &str) {
    table.remove("unset");
    set(table, "version", requirement);
}

/// Sets a value and keeps the comments and blanks around it.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    if let Some(value) = table.get_mut(key).and_then(Item::as_value_mut) {
        let decor = value.decor().clone();
        *value = text.into();
        *value.decor_mut() = decor;
        return;
    }
    // In an inline table, the blank before the brace belongs to the last value.
    let last = table.iter_mut().last();
    let end = last.and_then(|(_, item)| {
        let decor = item.as_value_mut()?.decor_mut();
        let blank = decor.suffix()?.as_str()?.to_owned();
        let inline = !blank.is_empty() && blank.trim().is_empty();
        inline.then(|| decor.set_suffix(""))?;
        Some(blank)
    });
    let mut value = Value::from(text);
    if let Some(end) = end {
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(end);
    }
    table.insert(key, Item::Value(value));
}

/// Returns the comments and blanks above a key.
fn above(tools: &dyn TableLike, name: &str) -> String {
    if let Some(Item::Table(table)) = tools.get(name) {
        return prefix(table.decor());
    }
    tools
        .key(name)
        .map(|key| prefix(key.leaf_decor()))
        .unwrap_or_default()
}

fn prefix(decor: &toml_edit::Decor) -> String {
    let prefix = decor.prefix().and_then(toml_edit::RawString::as_str);
    prefix.unwrap_or_default().to_owned()
}

/// Returns whether a comment names the tool.
fn names(comment: &str, tool: &Tool) -> bool {
    let in_name = |one: char| one.is_ascii_alphanumeric() || "-_:".contains(one);
    let mut words = comment.split(|one| !in_name(one));
    words.any(|word| word.parse::<Tool>().is_ok_and(|one| one == *tool))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# The team's shell.
[tools]
# For every shell.
python = "3.12" # as in production
# ruff lints and formats
ruff = '0.12'   # newer ones format differently
uv = "*"

# Packages.
[python]
lock = "uv.lock"

[shells.lint]
standalone = true
tools = { ruff = "0.12" }

[shells.test] # nothing more
"#;

    #[test]
    fn a_manifest_with_two_kinds_of_line_ends_is_not_changed() {
        let tool = "ruff".parse().unwrap();
        for (text, expected) in [
            ("[tools]\r\nuv = \"*\"\n", Some(2)),
            ("[tools]\nuv = \"*\"\n# a\r\n", Some(3)),
            ("[tools]\r\nuv = \"*\"\r\n# a", None),
            ("[tools]\n# a", None),
        ] {
            let changed = add(text, None, &tool, "1");
            assert_eq!(changed.err(), expected.map(EditError::LineEnds), "{text:?}");
        }
    }

    fn added(text: &str, shell: Option<&str>, tool: &str, requirement: &str) -> String {
        let shell: Option<ShellName> = shell.map(|name| name.parse().unwrap());
        add(text, shell.as_ref(), &tool.parse().unwrap(), requirement).unwrap()
    }

    fn removed(text: &str, shell: Option<&str>, tool: &str) -> Option<String> {
        let shell: Option<ShellName> = shell.map(|name| name.parse().unwrap());
        remove(text, shell.as_ref(), &tool.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_new_tool_is_one_new_line() {
        let text = added(TEXT, None, "just", "1.40");
        assert_eq!(
            text,
            TEXT.replace("[tools]\n", "[tools]\njust = \"1.40\"\n")
        );
        let unsorted = "[tools]\nuv = \"*\"\nruff = \"1\" # x\n\n[env]\n";
        let text = added(unsorted, None, "pypi:pyrefly", "1");
        assert_eq!(
            text,
            unsorted.replace("# x\n", "# x\n\"pypi:pyrefly\" = \"1\"\n")
        );
        let text = added(TEXT, Some("test"), "just", "1");
        assert_eq!(text, format!("{TEXT}tools = {{ just = \"1\" }}\n"));
        let text = added(TEXT, Some("lint"), "just", "1");
        assert_eq!(
            text,
            TEXT.replace("{ ruff = \"0.12\" }", "{ ruff = \"0.12\", just = \"1\" }")
        );
        let text = added(TEXT, Some("docs"), "just", "1");
        assert_eq!(
            text,
            format!("{TEXT}\n[shells.docs]\ntools = {{ just = \"1\" }}\n")
        );
        for (before, after) in [
            ("", "[tools]\njust = \"1\"\n"),
            ("# a\n", "# a\n[tools]\njust = \"1\"\n"),
            (
                "[env]\nA = \"1\"\n",
                "[env]\nA = \"1\"\n\n[tools]\njust = \"1\"\n",
            ),
            ("[tools]\n# a\n", "[tools]\njust = \"1\"\n# a\n"),
        ] {
            assert_eq!(added(before, None, "just", "1"), after, "{before}");
        }
    }

    #[test]
    fn a_known_tool_keeps_its_place() {
        let text = added(TEXT, None, "ruff", "0.13");
        assert_eq!(text, TEXT.replace("'0.12'", "\"0.13\""));
        let rust = "[tools]\nrust = { version = \"1.89\", components = [\"clippy\"] } # c\n";
        assert_eq!(
            added(rust, None, "rust", "1.95"),
            rust.replace("1.89", "1.95")
        );
        let rust = "[tools.rust]\ncomponents = [\"clippy\"]\nversion = \"1.89\" # c\n";
        assert_eq!(
            added(rust, None, "rust", "1.95"),
            rust.replace("1.89", "1.95")
        );
        let long = "[tools]\n\"pypi:ruff\" = \"1\"\n";
        assert_eq!(added(long, None, "ruff", "2"), long.replace('1', "2"));
    }

    #[test]
    fn a_removed_tool_takes_only_its_comments() {
        let text = removed(TEXT, None, "python").unwrap();
        assert_eq!(
            text,
            TEXT.replace("python = \"3.12\" # as in production\n", "")
        );
        let text = removed(TEXT, None, "ruff").unwrap();
        let own = "# ruff lints and formats\nruff = '0.12'   # newer ones format differently\n";
        assert_eq!(text, TEXT.replace(own, ""));
        let text = removed(TEXT, None, "uv").unwrap();
        assert_eq!(text, TEXT.replace("uv = \"*\"\n", ""));
        let text = removed(TEXT, Some("lint"), "ruff").unwrap();
        assert_eq!(text, TEXT.replace("{ ruff = \"0.12\" }", "{}"));
        assert_eq!(removed(TEXT, Some("test"), "ruff"), None);
        assert_eq!(removed(TEXT, None, "just"), None);
        let only = "presets = [\"python\"]\n\n[tools]\nuv = \"*\"\n\n[env]\nA = \"1\"\n";
        let text = removed(only, None, "uv").unwrap();
        assert_eq!(text, only.replace("[tools]\nuv = \"*\"\n\n", ""));
        let commented = "# mine\n[tools]\nuv = \"*\"\n";
        let text = removed(commented, None, "uv").unwrap();
        assert_eq!(text, "# mine\n[tools]\n");
        let last = "[tools]\n# general\nuv = \"*\"\n\n[env]\n";
        let text = removed(last, None, "uv").unwrap();
        assert!(text.contains("# general"), "{text}");
    }

    #[test]
    fn a_key_that_is_not_a_table_is_an_error() {
        let tool: Tool = "uv".parse().unwrap();
        let error = add("tools = 1\n", None, &tool, "*").unwrap_err();
        assert_eq!(error, EditError::NotTable("tools".to_owned()));
        let error = add("[tools\n", None, &tool, "*").unwrap_err();
        assert!(error.to_string().starts_with("not valid TOML: "), "{error}");
    }

    #[test]
    fn other_parts_of_a_version_stay() {
        let cases = [
            (
                "[tools]\npython = [\"3.12\", \"3.13\"]  # two\n",
                "[tools]\npython = [\"3.11\", \"3.13\"]  # two\n",
            ),
            (
                "[tools]\npython = [{ version = \"3.12\", variant = \"t\" }]\n",
                "[tools]\npython = [{ version = \"3.11\", variant = \"t\" }]\n",
            ),
            (
                "[tools]\npython = { unset = true }\n",
                "[tools]\npython = { version = \"3.11\" }\n",
            ),
            (
                "[tools.python]\nunset = true\n",
                "[tools.python]\nversion = \"3.11\"\n",
            ),
        ];
        for (before, after) in cases {
            let changed = add(before, None, &"python".parse().unwrap(), "3.11").unwrap();
            assert_eq!(changed, after);
        }
    }
}
