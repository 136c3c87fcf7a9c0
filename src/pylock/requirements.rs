//! Lists of requirements as pip reads them: pins with digests, or needs that are still to be resolved.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Edge, Files, Loose, Package, PythonLock, PythonRequirement, Root, Source, When,
    read::{fault, is_digest, is_public},
};
use crate::manifest::{Error, Text};

/// Deepest accepted chain of lists that include each other.
const DEPTH: usize = 16;

/// One line, its continuations joined, without comments.
struct Line<'t> {
    words: Vec<&'t str>,
    span: Range<usize>,
}

/// Returns the lists that a list includes (`-r other.txt`, `-c bounds.txt`), as they are written.
pub fn includes(text: &Text) -> Vec<String> {
    let lines = lines(text);
    let included = lines.iter().filter_map(|line| included(line));
    included.map(|(_, name)| name.to_owned()).collect()
}

/// Returns the requirements of a list whose lines are all exact and have digests, each with its digests.
pub fn pinned(text: &Text) -> Result<Vec<(String, Vec<String>)>, Error> {
    let files = Files {
        lock: text.clone(),
        project: None,
        lists: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let mut reading = Reading {
        files: &files,
        lock: PythonLock::default(),
        entries: Vec::new(),
    };
    reading.list(text, &When::Always, &mut Vec::new())?;
    let pinned = reading
        .entries
        .iter()
        .all(|one| one.requirement.exact().is_some() && !one.digests.is_empty());
    if !pinned || !reading.lock.packages.is_empty() {
        return Err(fault(text, 0..0, "some packages have no digest"));
    }
    let entries = reading.entries.into_iter();
    Ok(entries
        .map(|one| (one.requirement.as_str().to_owned(), one.digests))
        .collect())
}

/// Reads the list and those of the groups.
pub(super) fn read(files: &Files) -> Result<PythonLock, Error> {
    let mut reading = Reading {
        files,
        lock: PythonLock::default(),
        entries: Vec::new(),
    };
    reading.list(&files.lock, &When::Always, &mut Vec::new())?;
    for (group, name) in &files.groups {
        reading.lock.groups.insert(group.clone());
        if let Some(text) = files.lists.get(name) {
            reading.list(text, &When::Group(group.clone()), &mut Vec::new())?;
        }
    }
    Ok(reading.finish())
}

struct Reading<'f> {
    files: &'f Files,
    lock: PythonLock,
    entries: Vec<Entry>,
}

struct Entry {
    when: When,
    requirement: PythonRequirement,
    digests: Vec<String>,
}

impl Reading<'_> {
    fn list(&mut self, text: &Text, when: &When, path: &mut Vec<String>) -> Result<(), Error> {
        path.push(text.file().to_string());
        if path.len() > DEPTH {
            return Err(fault(
                text,
                0..0,
                "lists of requirements include each other too deep",
            ));
        }
        for line in lines(text) {
            if let Some((option, name)) = included(&line) {
                let name = beside(text.file(), name);
                let Some(other) = self.files.lists.get(&name) else {
                    let message = format!("`{name}` cannot be read");
                    return Err(fault(text, line.span, message));
                };
                // Constraints bound what others ask for; pinned lists need none.
                if option == "-r" && !path.contains(&name) {
                    self.list(other, when, path)?;
                }
                continue;
            }
            self.line(text, when, &line)?;
        }
        path.pop();
        Ok(())
    }

    fn line(&mut self, text: &Text, when: &When, line: &Line<'_>) -> Result<(), Error> {
        let first = line.words[0];
        if let Some(path) = editable(&line.words) {
            if path.contains("://") {
                return self.repository(text, when, (path, line.span.clone()));
            }
            self.directory(when, path);
            return Ok(());
        }
        if first.starts_with('-') {
            return self.option(text, line);
        }
        if first.starts_with("./")
            || first.starts_with("../")
            || first == "."
            || first.starts_with('/')
        {
            self.directory(when, first);
            return Ok(());
        }
        let mut digests = Vec::new();
        let mut words = Vec::new();
        for word in &line.words {
            match word
                .strip_prefix("--hash=")
                .or_else(|| word.strip_prefix("--hash:"))
            {
                Some(digest) if is_digest(digest) => digests.push(digest.to_owned()),
                Some(digest) => {
                    let message = format!("`{digest}` is not a digest like `sha256:…`");
                    return Err(fault(text, line.span.clone(), message));
                }
                None => words.push(*word),
            }
        }
        let joined = words.join(" ");
        let requirement: PythonRequirement = joined
            .parse()
            .map_err(|invalid| text.error(line.span.clone(), invalid))?;
        digests.sort();
        self.entries.push(Entry {
            when: when.clone(),
            requirement,
            digests,
        });
        Ok(())
    }

    fn option(&mut self, text: &Text, line: &Line<'_>) -> Result<(), Error> {
        let first = line.words[0];
        let name = first.split_once('=').map_or(first, |(name, _)| name);
        match name {
            "--require-hashes" | "--pre" | "--prefer-binary" | "--no-binary" | "--only-binary" => {
                Ok(())
            }
            "-i" | "--index-url" | "--pypi-url" => {
                let joined = line.words.join(" ");
                let url = joined.split(['=', ' ']).next_back().unwrap_or_default();
                if !is_public(url) {
                    self.lock.options.push(joined);
                }
                Ok(())
            }
            "--extra-index-url" | "-f" | "--find-links" | "--trusted-host" => {
                self.lock.options.push(line.words.join(" "));
                Ok(())
            }
            _ => {
                let message = format!("`{name}` is an option that devsh does not read");
                Err(fault(text, line.span.clone(), message))
            }
        }
    }

    fn directory(&mut self, when: &When, path: &str) {
        let path = path.split('[').next().unwrap_or(path).trim_end_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = if path.is_empty() { "." } else { path };
        let name = format!("directory {path}");
        let package = Package {
            elsewhere: (path != ".").then(|| name.clone()),
            source: Source::Directory {
                path: path.to_owned(),
                installed: true,
            },
            ..plain(name)
        };
        self.add(package, when.clone(), Edge::default());
    }

    fn repository(
        &mut self,
        text: &Text,
        when: &When,
        (address, span): (&str, Range<usize>),
    ) -> Result<(), Error> {
        let (address, fragment) = address.split_once('#').unwrap_or((address, ""));
        let part = |key: &str| fragment.split('&').find_map(|one| one.strip_prefix(key));
        let name: Option<crate::package::PackageName> =
            part("egg=").and_then(|one| one.parse().ok());
        let Some(name) = name else {
            let message = "a repository needs its package's name (`name @ git+https://…@commit`)";
            return Err(fault(text, span, message));
        };
        let below = part("subdirectory=").map(|one| format!("#subdirectory={one}"));
        let address = format!("{address}{}", below.unwrap_or_default());
        let package = Package {
            elsewhere: Some(address.clone()),
            source: Source::Repository(address),
            ..plain(name.to_string())
        };
        self.add(package, when.clone(), Edge::default());
        Ok(())
    }

    fn add(&mut self, package: Package, when: When, edge: Edge) {
        let edge = Edge {
            name: package.name.clone(),
            version: package.version.clone(),
            ..edge
        };
        self.lock.roots.push(Root { when, edge });
        if !self.lock.packages.contains(&package) {
            self.lock.packages.push(package);
        }
    }

    /// A list is locked when every line has a version and a digest; else all of it is to be resolved.
    fn finish(mut self) -> PythonLock {
        let pinned = |entry: &Entry| {
            let exact = entry.requirement.exact().is_some() || entry.requirement.url.is_some();
            exact && !entry.digests.is_empty()
        };
        let entries = std::mem::take(&mut self.entries);
        let locked = entries.iter().all(pinned);
        for entry in entries {
            let Entry {
                when,
                requirement,
                digests,
            } = entry;
            if !locked {
                self.lock.loose.push(Loose { when, requirement });
                continue;
            }
            let source = requirement
                .url
                .clone()
                .map_or(Source::Index(None), Source::Url);
            let package = Package {
                version: requirement.exact().map(str::to_owned),
                elsewhere: requirement.url.clone(),
                source,
                digests,
                ..plain(requirement.name.to_string())
            };
            let edge = Edge {
                marker: requirement.marker,
                ..Edge::default()
            };
            self.add(package, when, edge);
        }
        let known: BTreeSet<&String> = self.lock.groups.iter().collect();
        self.lock.default_groups = known
            .into_iter()
            .filter(|group| *group == "dev")
            .cloned()
            .collect();
        self.lock
    }
}

fn plain(name: String) -> Package {
    Package {
        name,
        version: None,
        source: Source::Index(None),
        digests: Vec::new(),
        marker: super::Marker::default(),
        dependencies: Vec::new(),
        extras: BTreeMap::new(),
        elsewhere: None,
    }
}

/// Takes a text apart into lines, as pip does it.
fn lines(text: &Text) -> Vec<Line<'_>> {
    let content = text.as_str();
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut open: Option<Line<'_>> = None;
    for raw in content.split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let mut line = raw.trim_end_matches(['\n', '\r']);
        if let Some(comment) = comment(line) {
            line = &line[..comment];
        }
        let (line, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let end = start + line.trim_end().len();
        let current = open.get_or_insert_with(|| Line {
            words: Vec::new(),
            span: start..end,
        });
        current.words.extend(line.split_whitespace());
        current.span.end = current.span.end.max(end);
        if !goes_on {
            lines.extend(open.take().filter(|line| !line.words.is_empty()));
        }
    }
    lines.extend(open.filter(|line| !line.words.is_empty()));
    lines
}

/// Where a comment begins: at the start of a line or after a blank.
fn comment(line: &str) -> Option<usize> {
    let mut found = line.match_indices('#');
    found
        .find(|(at, _)| {
            line[..*at]
                .chars()
                .next_back()
                .is_none_or(char::is_whitespace)
        })
        .map(|(at, _)| at)
}

fn included<'t>(line: &Line<'t>) -> Option<(&'static str, &'t str)> {
    let first = *line.words.first()?;
    for (option, spellings) in [
        ("-r", ["-r", "--requirement"]),
        ("-c", ["-c", "--constraint"]),
    ] {
        for spelling in spellings {
            if first == spelling {
                return Some((option, line.words.get(1)?));
            }
            let joined = first.strip_prefix(spelling);
            if let Some(name) = joined
                .filter(|name| !name.is_empty() && (spelling.len() == 2 || name.starts_with('=')))
            {
                return Some((option, name.trim_start_matches('=')));
            }
        }
    }
    None
}

fn editable<'t>(words: &[&'t str]) -> Option<&'t str> {
    match words {
        ["-e" | "--editable", path, ..] => Some(path),
        [first, ..] => first.strip_prefix("--editable="),
        [] => None,
    }
}

/// Returns a name beside another file, both relative to the same directory.
pub(super) fn beside(file: &str, name: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}
