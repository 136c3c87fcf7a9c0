//! What a manifest asks of one tool: a version, a list of versions, or a table.
//!
//! Flavours of python and profiles of rust are components, so everything that follows treats them alike.

use super::{
    Error, ErrorKind, Located, Text, ToolEntry,
    document::{Entry, Node, Value},
    error::nearest,
    layer::FLAVOUR,
    validate::{edited, located, unknown},
    variable, version_files,
};
use crate::package::{FREETHREADED, Invalid, PROFILE, PROFILES, Requirement, Source, Tool};

/// Returns what an entry of `[tools]` asks for: one tool, or of python several side by side.
pub(super) fn entries(
    text: &Text,
    tool: &Tool,
    entry: &Entry<'_>,
) -> Result<Vec<(Tool, ToolEntry)>, Error> {
    let Value::List(versions) = &entry.node.value else {
        return Ok(vec![(tool.clone(), tool_entry(text, tool, entry)?)]);
    };
    if tool.name.as_str() != "python" {
        return Err(text.wrong(&entry.key, &entry.node, "a version or a table"));
    }
    let Some((first, others)) = versions.split_first() else {
        let invalid = Invalid::new("a list of versions", "[]");
        return Err(text.error(entry.node.span.clone(), invalid));
    };
    let mut all = vec![(tool.clone(), version_entry(text, tool, first)?)];
    for node in others {
        let asked = version_entry(text, tool, node)?;
        let tool = beside(&asked).ok_or_else(|| {
            let found = node.text().unwrap_or_default();
            let invalid = Invalid::new("a version such as `3.13` or `3.13.5`", found);
            text.error(node.span.clone(), invalid)
        })?;
        if all.iter().any(|(other, _)| *other == tool) {
            let kind = ErrorKind::DuplicateTool {
                tool: tool.to_string(),
                line: text.origin(node.span.start).line,
            };
            return Err(text.error(node.span.clone(), kind));
        }
        all.push((tool, asked));
    }
    Ok(all)
}

/// Returns the further python that a version names: `python3.13` for `3.13.5`.
fn beside(asked: &ToolEntry) -> Option<Tool> {
    let requirement = asked.requirement.as_ref()?.value.as_str();
    let mut numbers = requirement.split('.');
    let minor = format!("python{}.{}", numbers.next()?, numbers.next()?);
    let flavour = if asked.components.is_empty() { "" } else { "t" };
    format!("{minor}{flavour}").parse().ok()
}

/// Returns what a version alone asks for.
fn version_entry(text: &Text, tool: &Tool, node: &Node<'_>) -> Result<ToolEntry, Error> {
    let mut asked = ToolEntry::new(text.origin(node.span.start));
    version(text, tool, ("version", node), &mut asked)?;
    Ok(asked)
}

fn tool_entry(text: &Text, tool: &Tool, entry: &Entry<'_>) -> Result<ToolEntry, Error> {
    let mut asked = ToolEntry::new(text.origin(entry.key_span.start));
    // `python3.13t = "*"` says by its name what it is.
    if let Some((minor, freethreaded)) = tool.python_minor() {
        let bound: Result<Requirement, Invalid> = minor.parse();
        let bound = bound.map_err(|invalid| text.error(entry.key_span.clone(), invalid))?;
        asked.floors.push(Located {
            value: bound,
            origin: text.origin(entry.key_span.start),
        });
        if freethreaded {
            asked.components.push(FREETHREADED.to_owned());
        }
    }
    let Value::Table(fields) = &entry.node.value else {
        version(text, tool, (&entry.key, &entry.node), &mut asked)?;
        return Ok(asked);
    };
    for field in fields {
        match &*field.key {
            "unset" => {
                variable::unset(text, &entry.key, fields, field)?;
                (asked.unset, asked.wanted) = (true, false);
            }
            "version" => version(text, tool, ("version", &field.node), &mut asked)?,
            "components" => list(text, tool, ("components", field), &mut asked)?,
            "targets" => list(text, tool, ("targets", field), &mut asked)?,
            "profile" => {
                only_rust(text, tool, ("profile", field))?;
                let profiles = PROFILES.iter().map(|name| format!("{PROFILE}{name}"));
                asked.overrule(profiles);
                asked.components.extend(profile(text, &field.node)?);
            }
            "variant" => {
                asked.overrule([FREETHREADED.to_owned()]);
                asked.components.extend(variant(text, tool, field)?);
            }
            _ => {
                let table = format!("tools.{}", entry.key);
                let known = &["version", "components", "targets", "profile", "variant"];
                return Err(unknown(text, field, &table, known, &["unset"]));
            }
        }
    }
    asked.components.sort();
    asked.components.dedup();
    Ok(asked)
}

impl ToolEntry {
    /// Takes flavours from what is below, in whose place another one comes, or none.
    fn overrule(&mut self, flavours: impl IntoIterator<Item = String>) {
        self.removed.entry(FLAVOUR).or_default().extend(flavours);
    }
}

fn list(
    text: &Text,
    tool: &Tool,
    (key, field): (&'static str, &Entry<'_>),
    asked: &mut ToolEntry,
) -> Result<(), Error> {
    only_rust(text, tool, (key, field))?;
    let (added, removed) = edited(text, key, &field.node)?;
    let into = if key == "targets" {
        &mut asked.targets
    } else {
        &mut asked.components
    };
    for (_, node) in &added {
        into.push(part(text, key, node)?);
    }
    asked.removed.insert(key, removed);
    Ok(())
}

fn only_rust(
    text: &Text,
    tool: &Tool,
    (key, field): (&'static str, &Entry<'_>),
) -> Result<(), Error> {
    if tool.source == Source::Rust {
        return Ok(());
    }
    let tool = tool.to_string();
    Err(text.error(field.key_span.clone(), ErrorKind::OnlyRust { key, tool }))
}

/// Reads the name of a profile; the smallest one adds nothing.
pub(super) fn profile(text: &Text, node: &Node<'_>) -> Result<Option<String>, Error> {
    let name = text.string("profile", node)?.value;
    if PROFILES.contains(&&*name) {
        return Ok((name != PROFILES[0]).then(|| format!("{PROFILE}{name}")));
    }
    let invalid = Invalid::new("a profile (`minimal`, `default` or `complete`)", &name);
    Err(text.error(node.span.clone(), invalid))
}

fn variant(text: &Text, tool: &Tool, field: &Entry<'_>) -> Result<Option<String>, Error> {
    if tool.source != Source::Python {
        let kind = ErrorKind::OnlyPython {
            tool: tool.to_string(),
        };
        return Err(text.error(field.key_span.clone(), kind));
    }
    let name = text.string("variant", &field.node)?.value;
    match name.as_str() {
        "default" => Ok(None),
        FREETHREADED => Ok(Some(name)),
        _ => {
            let near = nearest(&name, [FREETHREADED, "default"]);
            let expected = match near {
                Some(_) => "`freethreaded` or `default`",
                None => "a variant of python (`freethreaded` or `default`)",
            };
            let invalid = Invalid::new(expected, &name);
            Err(text.error(field.node.span.clone(), invalid))
        }
    }
}

/// Reads a version into `asked`; of python it may name the free-threaded build (`3.14t`).
fn version(
    text: &Text,
    tool: &Tool,
    (key, node): (&str, &Node<'_>),
    asked: &mut ToolEntry,
) -> Result<(), Error> {
    let found = text.string(key, node)?;
    if tool.source == Source::Python {
        asked.overrule([FREETHREADED.to_owned()]);
    }
    let plain = version_files::without_freethreaded(&found.value).map(ToOwned::to_owned);
    if tool.source == Source::Python
        && let Some(plain) = plain
    {
        asked.components.push(FREETHREADED.to_owned());
        asked.components.dedup();
        let found = found.map(|_| plain);
        asked.requirement = Some(located(text, node, &found)?);
        return Ok(());
    }
    asked.requirement = Some(requirement(text, tool, node, &found)?);
    Ok(())
}

/// Reads names of components or targets.
pub(super) fn parts(text: &Text, key: &str, node: &Node<'_>) -> Result<Vec<String>, Error> {
    let names = text.strings(key, node)?;
    names
        .iter()
        .map(|(_, node)| part(text, key, node))
        .collect()
}

fn part(text: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let name = text.string(key, node)?.value;
    // A part becomes a piece of a file's name at the source.
    let valid = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if valid {
        return Ok(name);
    }
    let invalid = Invalid::new("the name of a component or target", &name);
    Err(text.error(node.span.clone(), invalid))
}

fn requirement(
    text: &Text,
    tool: &Tool,
    node: &Node<'_>,
    found: &Located<String>,
) -> Result<Located<Requirement>, Error> {
    // devsh's own grammar first, so that `3` means the same everywhere; then npm's (`>=3 <5 || 6.x`).
    if tool.source == Source::Npm
        && found.value.parse::<Requirement>().is_err()
        && let Some(range) = version_files::npm(&found.value)
    {
        return located(text, node, &found.clone().map(|_| range));
    }
    let wanted: Located<Requirement> = located(text, node, found)?;
    if wanted.value.channel().is_some() && tool.source != Source::Rust {
        let invalid = Invalid::new("a version requirement", wanted.value.as_str());
        return Err(text.error(node.span.clone(), invalid));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// Returns each tool with its requirement, floors and components.
    fn tools(text: &str) -> Vec<String> {
        let layer = parse("devshell.toml", &format!("[tools]\n{text}\n")).unwrap();
        let shown = layer.top.tools.iter().map(|(tool, asked)| {
            let requirement = asked.requirement.as_ref().map(|one| one.value.to_string());
            let floors: Vec<String> = asked
                .floors
                .iter()
                .map(|one| one.value.to_string())
                .collect();
            let components = asked.components.join("+");
            format!(
                "{tool} {} {} {components}",
                requirement.unwrap_or_default(),
                floors.join(",")
            )
            .trim_end()
            .to_owned()
        });
        shown.collect()
    }

    #[test]
    fn pythons_stand_side_by_side() {
        let expected = [
            "python 3.12",
            "python3.13 3.13.5",
            "python3.14t 3.14  freethreaded",
        ];
        assert_eq!(tools("python = ['3.12', '3.13.5', '3.14t']"), expected);
        assert_eq!(tools("'python3.13' = '*'"), ["python3.13 * 3.13"]);
        assert_eq!(
            tools("'python3.14t' = '*'"),
            ["python3.14t * 3.14 freethreaded"]
        );
    }

    #[test]
    fn flavours_and_profiles_are_components() {
        assert_eq!(tools("python = '3.14t'"), ["python 3.14  freethreaded"]);
        let table = "python = { version = '3.14', variant = 'freethreaded' }";
        assert_eq!(tools(table), ["python 3.14  freethreaded"]);
        let table = "rust = { version = '1', profile = 'default', components = ['rust-src'] }";
        assert_eq!(tools(table), ["rust 1  profile-default+rust-src"]);
        assert_eq!(
            tools("rust = { version = '1', profile = 'minimal' }"),
            ["rust 1"]
        );
    }

    #[test]
    fn ranges_of_npm_are_understood() {
        assert_eq!(tools("prettier = '3'"), ["prettier 3"]);
        assert_eq!(tools("prettier = '>=3.1 <4'"), ["prettier >=3.1,<4"]);
        assert_eq!(tools("prettier = '2.x || ^3.1'"), ["prettier 2 || ^3.1"]);
    }

    #[test]
    fn a_later_flavour_takes_the_place_of_an_earlier_one() {
        let components = |below: &str, above: &str| {
            let text = format!("[tools]\n{below}\n[shells.x.tools]\n{above}\n");
            let layer = parse("devshell.toml", &text).unwrap();
            let manifest = super::super::merge(&[layer]).unwrap();
            let shell = &manifest.shells[&"x".parse().unwrap()];
            let request = shell.tools.values().next().unwrap();
            request.components.join("+")
        };
        let free = "python = '3.14t'";
        for (above, left) in [
            ("python = '3.13'", ""),
            ("python = { variant = 'default' }", ""),
            (
                "python = { version = '3.13', variant = 'freethreaded' }",
                "freethreaded",
            ),
            (
                "python = { variant = 'freethreaded', version = '3.13' }",
                "freethreaded",
            ),
        ] {
            assert_eq!(components(free, above), left, "{above}");
        }
        let below = "rust = { version = '1', profile = 'default', components = ['rust-src'] }";
        for (above, left) in [
            ("rust = '1.90'", "profile-default+rust-src"),
            ("rust = { profile = 'minimal' }", "rust-src"),
            (
                "rust = { profile = 'complete' }",
                "profile-complete+rust-src",
            ),
            (
                "rust = { components = { remove = ['rust-src'] }, profile = 'minimal' }",
                "",
            ),
        ] {
            assert_eq!(components(below, above), left, "{above}");
        }
    }
}
