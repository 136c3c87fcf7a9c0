//! Lists of requirements as pip reads them: exact ones with digests, or loose ones that devsh resolves.

use std::collections::{BTreeSet, VecDeque};

use super::{
    LockFiles,
    fields::{is_digest, is_public_index, lock_error},
    requirement_lines::{IncludedList, RequirementLine, editable, included_list, split_lines},
};
use crate::{
    manifest::{Error, Text},
    package::PackageName,
    python::{
        lock::{LooseRequirement, PackageSource, PythonLock, PythonPackage, Scope},
        requirement::PythonRequirement,
    },
    util::paths::join_text,
};

/// A requirement with digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedRequirement {
    /// The requirement as the list has it, without its digests.
    pub requirement: String,
    /// The digests (`sha256:…`), sorted.
    pub digests: Vec<String>,
}

/// Returns the lists that a list includes (`-r other.txt`, `-c constraints.txt`), as they are written.
pub fn included_lists(text: &Text) -> Vec<String> {
    let lines = split_lines(text);
    let included = lines.iter().filter_map(included_list);
    included.map(|list| list.name().to_owned()).collect()
}

/// Returns the requirements of a list; each must be exact and have digests.
pub fn read_pinned(text: &Text) -> Result<Vec<PinnedRequirement>, Error> {
    let files = LockFiles::single(text.clone());
    let mut reader = RequirementListReader::new(&files);
    reader.read_all()?;
    let pinned =
        |one: &ListedRequirement| one.requirement.exact.is_some() && !one.digests.is_empty();
    if !reader.listed.iter().all(pinned) || !reader.lock.packages.is_empty() {
        return Err(lock_error(text, 0..0, "some packages have no digest"));
    }
    let listed = reader.listed.into_iter();
    Ok(listed
        .map(|one| PinnedRequirement {
            requirement: one.requirement.as_str().to_owned(),
            digests: one.digests,
        })
        .collect())
}

/// Reads the list and those of the groups.
pub(super) fn read(files: &LockFiles) -> Result<PythonLock, Error> {
    let mut reader = RequirementListReader::new(files);
    reader.read_all()?;
    reader.finish()
}

struct RequirementListReader<'f> {
    files: &'f LockFiles,
    lock: PythonLock,
    listed: Vec<ListedRequirement>,
    /// Lists that are still to be read.
    pending: VecDeque<&'f Text>,
    /// Lists of constraints that are still to be read.
    pending_constraints: VecDeque<&'f Text>,
    /// Lists that are read or pending.
    known: BTreeSet<Scope>,
    /// The error for the first option that has an effect only on a list with digests.
    ineffective_option: Option<Error>,
}

struct ListedRequirement {
    scope: Scope,
    requirement: PythonRequirement,
    digests: Vec<String>,
}

impl<'f> RequirementListReader<'f> {
    fn new(files: &'f LockFiles) -> Self {
        Self {
            files,
            lock: PythonLock::default(),
            listed: Vec::new(),
            pending: VecDeque::new(),
            pending_constraints: VecDeque::new(),
            known: BTreeSet::new(),
            ineffective_option: None,
        }
    }

    /// Reads every list once, however many others include it.
    fn read_all(&mut self) -> Result<(), Error> {
        let files = self.files;
        self.include(
            Scope::Always,
            Scope::List(files.lock.file().to_string()),
            &files.lock,
        );
        for (group, name) in &files.groups {
            self.lock.groups.insert(group.clone());
            if let Some(text) = files.lists.get(name) {
                let list = Scope::List(name.clone());
                self.include(Scope::Group(group.clone()), list, text);
            }
        }
        while let Some(text) = self.pending.pop_front() {
            self.list(text, &Scope::List(text.file().to_string()))?;
        }
        while let Some(text) = self.pending_constraints.pop_front() {
            self.list(text, &Scope::Constraints(text.file().to_string()))?;
        }
        Ok(())
    }

    fn include(&mut self, from: Scope, to: Scope, text: &'f Text) {
        if self.known.insert(to.clone()) {
            match to {
                Scope::Constraints(_) => self.pending_constraints.push_back(text),
                _ => self.pending.push_back(text),
            }
        }
        self.lock.includes.entry(from).or_default().insert(to);
    }

    fn list(&mut self, text: &Text, scope: &Scope) -> Result<(), Error> {
        let file = text.file();
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for line in split_lines(text) {
            let Some(included) = included_list(&line) else {
                self.line(text, scope, &line)?;
                continue;
            };
            let name = join_text(folder, included.name());
            let files = self.files;
            let main = (*name == **files.lock.file()).then_some(&files.lock);
            let Some(other) = files.lists.get(&name).or(main) else {
                let message = format!("`{name}` cannot be read");
                return Err(lock_error(text, line.span, message));
            };
            let constraints = matches!(scope, Scope::Constraints(_))
                || matches!(included, IncludedList::Constraints(_));
            let list = if constraints {
                Scope::Constraints(name)
            } else {
                Scope::List(name)
            };
            self.include(scope.clone(), list, other);
        }
        Ok(())
    }

    fn line(
        &mut self,
        text: &Text,
        scope: &Scope,
        line: &RequirementLine<'_>,
    ) -> Result<(), Error> {
        let first = line.words[0];
        let local = ["./", "../", "/"]
            .iter()
            .any(|start| first.starts_with(start));
        let local = local || first == ".";
        let editable = editable(&line.words);
        let constraints = matches!(scope, Scope::Constraints(_));
        if constraints && (editable.is_some() || local) {
            let message = "a constraint names a package and its versions (`idna<4`)";
            return Err(lock_error(text, line.span.clone(), message));
        }
        if let Some(address) = editable.filter(|path| path.contains("://")) {
            let package = repository(address)
                .map_err(|message| lock_error(text, line.span.clone(), message))?;
            self.lock.add_root(scope.clone(), package);
            return Ok(());
        }
        if let Some(path) = editable.or(local.then_some(first)) {
            self.lock.add_root(scope.clone(), directory(path));
            return Ok(());
        }
        if first.starts_with('-') {
            return self.option(text, line);
        }
        self.requirement(text, scope, line)
    }

    fn requirement(
        &mut self,
        text: &Text,
        scope: &Scope,
        line: &RequirementLine<'_>,
    ) -> Result<(), Error> {
        let (mut digests, mut words) = (Vec::new(), Vec::new());
        for word in &line.words {
            let digest = word.strip_prefix("--hash=");
            match digest.or_else(|| word.strip_prefix("--hash:")) {
                Some(digest) if is_digest(digest) => digests.push(digest.to_owned()),
                Some(digest) => {
                    let message = format!("`{digest}` is not a digest like `sha256:…`");
                    return Err(lock_error(text, line.span.clone(), message));
                }
                None => words.push(*word),
            }
        }
        let requirement: Result<PythonRequirement, _> = words.join(" ").parse();
        let requirement = requirement.map_err(|invalid| text.error(line.span.clone(), invalid))?;
        digests.sort();
        let scope = scope.clone();
        if matches!(scope, Scope::Constraints(_)) {
            let constraint = LooseRequirement { scope, requirement };
            self.lock.constraints.push(constraint);
        } else {
            self.listed.push(ListedRequirement {
                scope,
                requirement,
                digests,
            });
        }
        Ok(())
    }

    fn option(&mut self, text: &Text, line: &RequirementLine<'_>) -> Result<(), Error> {
        let first = line.words[0];
        let name = first.split_once('=').map_or(first, |(name, _)| name);
        match name {
            "--require-hashes" | "--prefer-binary" => Ok(()),
            "--pre" => {
                let help = "name the pre-release in the requirement (`idna>=4.0rc1`)";
                self.note_ineffective(text, line, help);
                Ok(())
            }
            "--no-binary" | "--only-binary" => {
                let help = "pin the list with digests (`uv pip compile --generate-hashes`)";
                self.note_ineffective(text, line, help);
                self.build_option(text, line, name)
            }
            "-i" | "--index-url" | "--pypi-url" => {
                let joined = line.words.join(" ");
                let url = joined.split(['=', ' ']).next_back().unwrap_or_default();
                if !is_public_index(url) {
                    self.lock.index_options.push(joined);
                }
                Ok(())
            }
            "--extra-index-url" | "-f" | "--find-links" | "--trusted-host" => {
                self.lock.index_options.push(line.words.join(" "));
                Ok(())
            }
            _ => {
                let message = format!("devsh does not support the option `{name}`");
                Err(lock_error(text, line.span.clone(), message))
            }
        }
    }

    /// Keeps the error for an option that has no effect on resolving; it is reported if the list has no digests.
    fn note_ineffective(&mut self, text: &Text, line: &RequirementLine<'_>, help: &str) {
        let written = line.words.join(" ");
        let message = format!("`{written}` has no effect on a list without digests: {help}");
        self.ineffective_option
            .get_or_insert_with(|| lock_error(text, line.span.clone(), message));
    }

    fn build_option(
        &mut self,
        text: &Text,
        line: &RequirementLine<'_>,
        option: &str,
    ) -> Result<(), Error> {
        let joined = line.words.join(" ");
        let value = joined[option.len()..].trim_start_matches(['=', ' ']);
        for name in value.split(',').map(str::trim) {
            if !matches!(name, ":all:" | ":none:") && name.parse::<PackageName>().is_err() {
                let message = format!("`{option}` takes names of packages or `:all:`");
                return Err(lock_error(text, line.span.clone(), message));
            }
            self.lock.build_options.push(format!("{option} {name}"));
        }
        Ok(())
    }

    /// A list is locked if every line is exact and has a digest; otherwise all of it is resolved.
    fn finish(mut self) -> Result<PythonLock, Error> {
        let pinned = |one: &ListedRequirement| {
            let exact = one.requirement.exact.is_some() || one.requirement.url.is_some();
            exact && !one.digests.is_empty()
        };
        let locked = self.listed.iter().all(pinned);
        if let Some(error) = self.ineffective_option.filter(|_| !locked) {
            return Err(error);
        }
        for one in self.listed {
            let (scope, requirement) = (one.scope, one.requirement);
            if !locked {
                self.lock
                    .loose
                    .push(LooseRequirement { scope, requirement });
                continue;
            }
            let url = requirement.url;
            let package = PythonPackage {
                version: requirement.exact,
                foreign_source: url.clone(),
                source: url.map_or(PackageSource::Index(None), PackageSource::Url),
                digests: one.digests,
                marker: requirement.marker,
                ..PythonPackage::named(requirement.name.to_string())
            };
            self.lock.add_root(scope, package);
        }
        self.lock.dedup();
        self.lock.default_to_dev();
        Ok(self.lock)
    }
}

/// Returns the package of a directory (`./lib[extra]`).
fn directory(path: &str) -> PythonPackage {
    let path = path.split('[').next().unwrap_or(path).trim_end_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = if path.is_empty() { "." } else { path };
    let name = format!("directory {path}");
    PythonPackage {
        foreign_source: (path != ".").then(|| name.clone()),
        source: PackageSource::Directory {
            path: path.to_owned(),
            installed: true,
        },
        ..PythonPackage::named(name)
    }
}

/// Returns the package of a repository (`git+https://…@commit#egg=name`).
fn repository(address: &str) -> Result<PythonPackage, &'static str> {
    let (address, fragment) = address.split_once('#').unwrap_or((address, ""));
    let part = |key: &str| fragment.split('&').find_map(|one| one.strip_prefix(key));
    let name: Option<PackageName> = part("egg=").and_then(|one| one.parse().ok());
    let name =
        name.ok_or("a repository needs its package's name (`name @ git+https://…@commit`)")?;
    let subdirectory = part("subdirectory=").map(|one| format!("#subdirectory={one}"));
    let address = format!("{address}{}", subdirectory.unwrap_or_default());
    Ok(PythonPackage {
        foreign_source: Some(address.clone()),
        source: PackageSource::Repository(address),
        ..PythonPackage::named(name.to_string())
    })
}
