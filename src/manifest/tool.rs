//! Reads a tool of `[tools]`: a version, a list of versions, or a table.
//!
//! Flavours of python and profiles of rust are components, so the later stages treat all alike.

use toml::Spanned;

use super::{
    Error, ErrorKind, Located, Text, ToolEntry,
    form::{EditableList, KeyValue, OneOf, TableForm},
    layer::FLAVOUR,
    scalars::ToolPart,
    schema::{TextForSystems, ToolField, ToolForm, VersionList},
    version_files,
};
use crate::package::{
    FREETHREADED, Invalid, PROFILE, PROFILES, ReleaseOption, Requirement, Source, Supplier, System,
    Tool,
};

/// Returns the tool of an entry, or for a list of versions several pythons.
pub(super) fn read(
    tool: Tool,
    form: ToolForm<'_>,
    at: &KeyValue<'_>,
) -> Result<Vec<(Tool, ToolEntry)>, Error> {
    let entry = match form {
        OneOf::First(table) => read_table(&tool, &table, at)?,
        OneOf::Second(OneOf::First(versions)) => return read_versions(&tool, versions, at.text),
        OneOf::Second(OneOf::Second(version)) => {
            let mut entry = named_entry(&tool, at)?;
            read_version(at.text, &tool, &version, &mut entry)?;
            entry
        }
    };
    Ok(vec![(tool, entry)])
}

fn read_versions(
    tool: &Tool,
    versions: VersionList,
    text: &Text,
) -> Result<Vec<(Tool, ToolEntry)>, Error> {
    let mut all: Vec<(Tool, ToolEntry)> = Vec::new();
    for version in versions.0 {
        let mut entry = ToolEntry::new(text.origin(version.span().start));
        read_version(text, tool, &version, &mut entry)?;
        let tool = if all.is_empty() {
            tool.clone()
        } else {
            numbered_python(&entry).ok_or_else(|| {
                let expected = "a version such as `3.13` or `3.13.5`";
                let invalid = Invalid::new(expected, version.get_ref());
                text.error(version.span(), invalid)
            })?
        };
        if all.iter().any(|(other, _)| *other == tool) {
            let kind = ErrorKind::DuplicateTool {
                tool: tool.to_string(),
                line: entry.origin.line,
            };
            return Err(text.error(version.span(), kind));
        }
        all.push((tool, entry));
    }
    Ok(all)
}

/// Returns the tool that a further version of python is: `python3.13` for `3.13.5`.
fn numbered_python(entry: &ToolEntry) -> Option<Tool> {
    let requirement = entry.requirement.as_ref()?.value.as_str();
    let mut numbers = requirement.split('.');
    let minor = format!("python{}.{}", numbers.next()?, numbers.next()?);
    let flavour = if entry.components.is_empty() { "" } else { "t" };
    format!("{minor}{flavour}").parse().ok()
}

/// Returns the entry of a tool before its value is read; `python3.13t` has a bound and a flavour in its name.
fn named_entry(tool: &Tool, at: &KeyValue<'_>) -> Result<ToolEntry, Error> {
    let mut entry = ToolEntry::new(at.key_origin());
    if let Some((minor, freethreaded)) = tool.python_minor() {
        entry.floors.push(Located {
            value: minor
                .parse::<Requirement>()
                .map_err(|invalid| at.key_error(invalid))?,
            origin: at.key_origin(),
        });
        if freethreaded {
            entry.components.push(FREETHREADED.to_owned());
        }
    }
    Ok(entry)
}

fn read_table(
    tool: &Tool,
    table: &TableForm<'_, ToolField<'_>>,
    at: &KeyValue<'_>,
) -> Result<ToolEntry, Error> {
    let mut entry = named_entry(tool, at)?;
    for field in table.fields() {
        let field = field?;
        check_source(tool, &field.field, &field.at)?;
        match field.field {
            ToolField::Unset(_) => (entry.unset, entry.wanted) = (true, false),
            ToolField::Version(version) => read_version(at.text, tool, &version, &mut entry)?,
            ToolField::Components(list) => {
                let names = read_parts(list, "components", &mut entry);
                entry.components.extend(names);
            }
            ToolField::Targets(list) => entry.targets = read_parts(list, "targets", &mut entry),
            ToolField::Profile(profile) => {
                let profiles = PROFILES.iter().map(|name| format!("{PROFILE}{name}"));
                entry.replace_flavours(profiles);
                entry.components.extend(profile.value.0);
            }
            ToolField::Variant(variant) => {
                entry.replace_flavours([FREETHREADED.to_owned()]);
                entry.components.extend(variant.value.0);
            }
            option => read_option(option, &field.at, &mut entry)?,
        }
    }
    entry.components.sort();
    entry.components.dedup();
    Ok(entry)
}

/// Checks that the key of a table is one for a source of the tool.
fn check_source(tool: &Tool, field: &ToolField<'_>, at: &KeyValue<'_>) -> Result<(), Error> {
    let only_rust = |key| {
        if tool.source == Source::Rust {
            return Ok(());
        }
        let tool = tool.to_string();
        Err(at.key_error(ErrorKind::OnlyRust { key, tool }))
    };
    let of_source = |sources: &'static [Source]| {
        if tool
            .suppliers()
            .iter()
            .any(|one| sources.contains(&one.source))
        {
            return Ok(());
        }
        Err(at.key_error(ErrorKind::OnlySources {
            key: at.key.to_owned(),
            tool: tool.to_string(),
            sources,
        }))
    };
    match field {
        ToolField::Unset(_) | ToolField::Version(_) => Ok(()),
        ToolField::Components(_) => only_rust("components"),
        ToolField::Targets(_) => only_rust("targets"),
        ToolField::Profile(_) => only_rust("profile"),
        ToolField::Variant(_) if tool.source == Source::Python => Ok(()),
        ToolField::Variant(_) => {
            let tool = tool.to_string();
            Err(at.key_error(ErrorKind::OnlyPython { tool }))
        }
        ToolField::Asset(_) => of_source(&[Source::Github]),
        ToolField::Url(_)
        | ToolField::Checksums(_)
        | ToolField::Minisign(_)
        | ToolField::Sha256(_)
        | ToolField::Versions(_) => of_source(&[Source::Url]),
        ToolField::Strip(_) | ToolField::TagPrefix(_) | ToolField::Words(_) => {
            of_source(&[Source::Github, Source::Url])
        }
        ToolField::Bin(_) => of_source(&[Source::Cargo, Source::Github, Source::Url]),
        ToolField::Features(_) | ToolField::DefaultFeatures(_) => of_source(&[Source::Cargo]),
    }
}

/// Reads a key about releases, downloads or crates.
fn read_option(
    field: ToolField<'_>,
    at: &KeyValue<'_>,
    entry: &mut ToolEntry,
) -> Result<(), Error> {
    match field {
        ToolField::Asset(texts) => read_texts(texts, ReleaseOption::Asset, entry)?,
        ToolField::Url(texts) => read_texts(texts, ReleaseOption::Url, entry)?,
        ToolField::Checksums(texts) => read_texts(texts, ReleaseOption::Checksums, entry)?,
        ToolField::Minisign(key) => entry.options.insert(ReleaseOption::Minisign(key.value)),
        ToolField::Sha256(digests) => {
            for named in digests.values() {
                let named = named?;
                let digest = ReleaseOption::Sha256(named.name, named.value.value);
                entry.options.insert(digest);
            }
        }
        ToolField::Bin(paths) => {
            let paths = paths.into_iter().map(|path| ReleaseOption::Bin(path.value));
            paths.for_each(|path| entry.options.insert(path));
        }
        ToolField::Strip(count) => entry.options.insert(ReleaseOption::Strip(count.0)),
        ToolField::TagPrefix(prefix) => {
            entry.options.insert(ReleaseOption::TagPrefix(prefix.value));
        }
        ToolField::Versions(package) => {
            let supplier = package.value.parse::<Supplier>();
            let known = supplier.is_ok_and(|supplier| supplier.source == Source::Github);
            if !known {
                let expected = "a repository such as `github:helm/helm`";
                return Err(at.error(Invalid::new(expected, &package.value)));
            }
            entry.options.insert(ReleaseOption::Versions(package.value));
        }
        ToolField::Words(words) => {
            for named in words.values() {
                let named = named?;
                let word = ReleaseOption::Word(named.name.0.to_owned(), named.value.value);
                entry.options.insert(word);
            }
        }
        ToolField::Features(names) => {
            let names = names
                .into_iter()
                .map(|name| ReleaseOption::Feature(name.value));
            names.for_each(|name| entry.options.insert(name));
        }
        ToolField::DefaultFeatures(wanted) => {
            let option = ReleaseOption::DefaultFeatures(wanted.value);
            entry.options.insert(option);
        }
        ToolField::Unset(_)
        | ToolField::Version(_)
        | ToolField::Components(_)
        | ToolField::Targets(_)
        | ToolField::Profile(_)
        | ToolField::Variant(_) => {}
    }
    Ok(())
}

/// Reads a text for each system, or one for all.
fn read_texts(
    texts: TextForSystems<'_>,
    make: fn(Option<System>, String) -> ReleaseOption,
    entry: &mut ToolEntry,
) -> Result<(), Error> {
    match texts {
        OneOf::Second(text) => entry.options.insert(make(None, text.value)),
        OneOf::First(texts) => {
            for named in texts.values() {
                let named = named?;
                entry
                    .options
                    .insert(make(Some(named.name), named.value.value));
            }
        }
    }
    Ok(())
}

impl ToolEntry {
    /// Removes flavours of the layers below, because this entry has another one or none.
    fn replace_flavours(&mut self, flavours: impl IntoIterator<Item = String>) {
        self.removed.entry(FLAVOUR).or_default().extend(flavours);
    }
}

/// Returns the names that a list adds, and notes those that it removes.
fn read_parts(
    list: EditableList<ToolPart>,
    key: &'static str,
    entry: &mut ToolEntry,
) -> Vec<String> {
    entry.removed.insert(key, list.removed);
    list.added.into_iter().map(|part| part.value.0).collect()
}

/// Reads a version into `entry`; for python it can name the free-threaded build (`3.14t`).
fn read_version(
    text: &Text,
    tool: &Tool,
    version: &Spanned<String>,
    entry: &mut ToolEntry,
) -> Result<(), Error> {
    if tool.source == Source::Python {
        entry.replace_flavours([FREETHREADED.to_owned()]);
        if let Some(plain) = version_files::without_freethreaded(version.get_ref()) {
            entry.components.push(FREETHREADED.to_owned());
            entry.components.dedup();
            let plain = Spanned::new(version.span(), plain.to_owned());
            entry.requirement = Some(text.parse_spanned(&plain)?);
            return Ok(());
        }
    }
    entry.requirement = Some(read_requirement(text, tool, version)?);
    Ok(())
}

fn read_requirement(
    text: &Text,
    tool: &Tool,
    version: &Spanned<String>,
) -> Result<Located<Requirement>, Error> {
    // devsh's grammar first, because `3` means the same for every source; then npm's (`>=3 <5 || 6.x`) and its tags.
    if tool.source == Source::Npm
        && version.get_ref().parse::<Requirement>().is_err()
        && let Some(wanted) =
            Requirement::npm(version.get_ref()).or_else(|| Requirement::tag(version.get_ref()))
    {
        return Ok(Located {
            value: wanted,
            origin: text.origin(version.span().start),
        });
    }
    if tool.source == Source::Node
        && let Some(wanted) = Requirement::release_line(version.get_ref())
    {
        return Ok(Located {
            value: wanted,
            origin: text.origin(version.span().start),
        });
    }
    let requirement: Located<Requirement> = text.parse_spanned(version)?;
    let channels = matches!(tool.source, Source::Rust | Source::Npm);
    if requirement.value.channel().is_some() && !channels {
        let invalid = Invalid::requirement(version.get_ref());
        return Err(text.error(version.span(), invalid));
    }
    Ok(requirement)
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
    fn a_name_with_an_address_is_a_plain_download() {
        let address = "url = 'https://example.com/{version}/tool'";
        assert_eq!(
            tools(&format!("our-tool = {{ version = '1.2.3', {address} }}")),
            ["url:our-tool 1.2.3"]
        );
        let text = "[tools]\nour-tool = '1.2.3'\n";
        assert!(parse("devshell.toml", text).is_err());
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
