//! Lists of requirements as pip reads them: pins with digests, or needs that are still to be resolved.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Edge, Files, Loose, Package, PythonLock, PythonRequirement, Root, Source, When,
    lines::{Line, editable, included, lines},
    read::{fault, is_digest, is_public},
};
use crate::{
    manifest::{Error, Text},
    package::PackageName,
    util::paths::join_text,
};

/// Deepest accepted chain of lists that include each other.
const DEPTH: usize = 16;
/// Most lines that are read of all lists together, each list once for each group.
const LINES: usize = 100_000;

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
    let mut reading = Reading::of(&files);
    reading.whole(text, &When::Always)?;
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
    let mut reading = Reading::of(files);
    reading.whole(&files.lock, &When::Always)?;
    for (group, name) in &files.groups {
        reading.lock.groups.insert(group.clone());
        if let Some(text) = files.lists.get(name) {
            reading.whole(text, &When::Group(group.clone()))?;
        }
    }
    reading.finish()
}

struct Reading<'f> {
    files: &'f Files,
    lock: PythonLock,
    entries: Vec<Entry>,
    /// Whether a list of constraints is read.
    bounding: bool,
    /// Lists that were read on the way from the outermost one, and whether as constraints.
    seen: BTreeSet<(String, bool)>,
    /// How many lines were read.
    lines: usize,
    /// The first option that only a list with digests can have.
    unmet: Option<Error>,
}

struct Entry {
    when: When,
    requirement: PythonRequirement,
    digests: Vec<String>,
}

impl<'f> Reading<'f> {
    fn of(files: &'f Files) -> Self {
        Self {
            files,
            lock: PythonLock::default(),
            entries: Vec::new(),
            bounding: false,
            seen: BTreeSet::new(),
            lines: 0,
            unmet: None,
        }
    }

    /// Reads a list and what it includes.
    fn whole(&mut self, text: &Text, when: &When) -> Result<(), Error> {
        self.seen.clear();
        self.list(text, when, &mut Vec::new())
    }

    /// Each list is read once: of a second time nothing new would come, and lists that include each other many
    /// times would be walked along every way there is.
    fn list(&mut self, text: &Text, when: &When, path: &mut Vec<String>) -> Result<(), Error> {
        if !self.seen.insert((text.file().to_string(), self.bounding)) {
            return Ok(());
        }
        path.push(text.file().to_string());
        if path.len() > DEPTH {
            return Err(fault(
                text,
                0..0,
                "lists of requirements include each other too deep",
            ));
        }
        for line in lines(text) {
            self.lines += 1;
            if self.lines > LINES {
                let message = format!(
                    "more than {LINES} lines, those of a list counted for each group: include fewer"
                );
                return Err(fault(text, line.span, message));
            }
            if let Some((option, name)) = included(&line) {
                let name = beside(text.file(), name);
                let Some(other) = self.files.lists.get(&name) else {
                    let message = format!("`{name}` cannot be read");
                    return Err(fault(text, line.span, message));
                };
                if !path.contains(&name) {
                    let outer = self.bounding;
                    self.bounding |= option == "-c";
                    self.list(other, when, path)?;
                    self.bounding = outer;
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
        let local = ["./", "../", "/"]
            .iter()
            .any(|start| first.starts_with(start));
        let local = local || first == ".";
        let path = editable(&line.words);
        if self.bounding && (path.is_some() || local) {
            let message = "a constraint names a package and its versions (`idna<4`)";
            return Err(fault(text, line.span.clone(), message));
        }
        if let Some(path) = path {
            if path.contains("://") {
                return self.repository(text, when, (path, line.span.clone()));
            }
            self.directory(when, path);
            return Ok(());
        }
        if first.starts_with('-') {
            return self.option(text, line);
        }
        if local {
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
        let when = when.clone();
        if self.bounding {
            self.lock.constraints.push(Loose { when, requirement });
        } else {
            self.entries.push(Entry {
                when,
                requirement,
                digests,
            });
        }
        Ok(())
    }

    fn option(&mut self, text: &Text, line: &Line<'_>) -> Result<(), Error> {
        let first = line.words[0];
        let name = first.split_once('=').map_or(first, |(name, _)| name);
        match name {
            "--require-hashes" | "--prefer-binary" => Ok(()),
            "--pre" => {
                let help = "name the pre-release in the requirement (`idna>=4.0rc1`)";
                self.only_locked(text, line, help);
                Ok(())
            }
            "--no-binary" | "--only-binary" => {
                let help = "pin the list with digests (`uv pip compile --generate-hashes`)";
                self.only_locked(text, line, help);
                self.building(text, line, name)
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

    /// Notes an option that has no effect on what is resolved.
    fn only_locked(&mut self, text: &Text, line: &Line<'_>, help: &str) {
        let written = line.words.join(" ");
        let message =
            format!("`{written}` has no effect on a list that is still to be resolved: {help}");
        self.unmet
            .get_or_insert_with(|| fault(text, line.span.clone(), message));
    }

    /// Takes over which packages may be built, or must be.
    fn building(&mut self, text: &Text, line: &Line<'_>, option: &str) -> Result<(), Error> {
        let joined = line.words.join(" ");
        let value = joined[option.len()..].trim_start_matches(['=', ' ']);
        for name in value.split(',').map(str::trim) {
            if !matches!(name, ":all:" | ":none:") && name.parse::<PackageName>().is_err() {
                let message = format!("`{option}` takes names of packages or `:all:`");
                return Err(fault(text, line.span.clone(), message));
            }
            self.lock.building.push(format!("{option} {name}"));
        }
        Ok(())
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
        let name: Option<PackageName> = part("egg=").and_then(|one| one.parse().ok());
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
        self.lock.packages.push(package);
    }

    /// A list is locked when every line has a version and a digest; else all of it is to be resolved.
    fn finish(mut self) -> Result<PythonLock, Error> {
        let pinned = |entry: &Entry| {
            let exact = entry.requirement.exact().is_some() || entry.requirement.url.is_some();
            exact && !entry.digests.is_empty()
        };
        let entries = std::mem::take(&mut self.entries);
        let locked = entries.iter().all(pinned);
        if let Some(error) = self.unmet.take().filter(|_| !locked) {
            return Err(error);
        }
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
        self.lock.dedup();
        let known: BTreeSet<&String> = self.lock.groups.iter().collect();
        self.lock.default_groups = known
            .into_iter()
            .filter(|group| *group == "dev")
            .cloned()
            .collect();
        Ok(self.lock)
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

/// Returns the path of a list that another list includes; both are relative to the same directory.
fn beside(file: &str, name: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    join_text(folder, name)
}
