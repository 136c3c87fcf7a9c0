//! Lists of requirements as pip reads them: exact ones with digests, or loose ones that devsh resolves.

use std::collections::{BTreeSet, VecDeque};

use super::{
    LockFiles,
    built_metadata::{add_metadata, metadata_of},
    fields::{address_error, file_url, folder_of, is_digest, is_public_index, lock_error},
    pyproject,
    requirement_lines::{
        IncludedList, RequirementLine, editable, included_list, option_value, split_lines,
    },
    requirement_location::{RequirementLocation, is_address, is_repository},
};
use crate::{
    manifest::{Error, Located, Needs, Origin, Text, needs},
    package::{PackageName, is_commit},
    python::{
        lock::{
            ForeignSource, LooseRequirement, PackageSource, PythonLock, PythonPackage, Selection,
        },
        requirement::PythonRequirement,
        scope::Scope,
        settings::{IndexRank, PackageSetting, SettingKind},
    },
    util::{address::check_address, paths::join_text},
};

/// The name of the list of packages that devsh itself resolved.
const RESOLVED: &str = "devshell.lock.txt";

/// A requirement with digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedRequirement {
    /// The requirement as the list has it, without its digests.
    pub requirement: String,
    /// The digests (`sha256:…`), sorted.
    pub digests: Vec<String>,
}

/// Returns the lists that a list includes (`-r other.txt`, `-c constraints.txt`), as they are written, without those
/// at an address.
pub fn included_lists(text: &Text) -> Vec<String> {
    let lines = split_lines(text);
    let included = lines.iter().filter_map(included_list);
    let names = included.map(|list| list.name().to_owned());
    names.filter(|name| !name.contains("://")).collect()
}

/// Returns the directories that a list installs as packages (`-e .[dev]`, `./lib`), as they are written.
pub fn named_directories(text: &Text) -> Vec<String> {
    let lines = split_lines(text);
    let locations = lines.iter().filter_map(location);
    let directories = locations.filter_map(|location| location.directory().map(str::to_owned));
    directories.collect()
}

/// Returns the place that a line names instead of a package of an index.
fn location(line: &RequirementLine) -> Option<RequirementLocation> {
    match editable(&line.words) {
        Some(written) => Some(RequirementLocation::parse(&written)),
        None if line.words[0].starts_with('-') => None,
        None => {
            let written: Vec<&str> = requirement_words(line).collect();
            let location = RequirementLocation::parse(&written.join(" "));
            location.is_unnamed().then_some(location)
        }
    }
}

/// Returns the words of a line without its digests.
fn requirement_words(line: &RequirementLine) -> impl Iterator<Item = &str> {
    let words = line.words.iter().map(String::as_str);
    words.filter(|word| !word.starts_with("--hash"))
}

/// Returns the requirements of a list; each must be exact and have digests or a commit.
pub fn read_pinned(text: &Text) -> Result<Vec<PinnedRequirement>, Error> {
    let files = LockFiles::single(text.clone());
    let mut reader = RequirementListReader::new(&files);
    reader.read_all()?;
    if !reader.listed.iter().all(ListedRequirement::is_pinned) || !reader.lock.packages.is_empty() {
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

/// The lists of the groups of a project whose own dependencies are in no list.
pub(super) struct GroupLists {
    /// Everything but the project itself.
    pub lock: PythonLock,
    /// The extras of the project that the lists name (`-e .[test]`).
    pub extras: Vec<(Scope, String)>,
}

/// Reads only the lists of the groups. Exact lines count as loose, because devsh resolves them with the project's
/// dependencies.
pub(super) fn read_groups(files: &LockFiles) -> Result<GroupLists, Error> {
    let mut reader = RequirementListReader::new(files);
    reader.has_main = false;
    reader.read_all()?;
    let extras = std::mem::take(&mut reader.project_extras);
    let lock = reader.finish()?;
    Ok(GroupLists { lock, extras })
}

/// Reads the list and those of the groups.
pub(super) fn read(files: &LockFiles) -> Result<PythonLock, Error> {
    let mut reader = RequirementListReader::new(files);
    reader.read_all()?;
    reader.finish()
}

struct RequirementListReader<'f> {
    files: &'f LockFiles,
    /// True if `lock` is a list too; false if it is a file of the project's build.
    has_main: bool,
    /// The extras of the project that lists without a main list name.
    project_extras: Vec<(Scope, String)>,
    /// The folder of the main list, to which local paths are relative.
    folder: &'f str,
    lock: PythonLock,
    listed: Vec<ListedRequirement>,
    directories: Vec<ListedDirectory>,
    /// Lists that are still to be read.
    pending: VecDeque<&'f Text>,
    /// Lists of constraints that are still to be read.
    pending_constraints: VecDeque<&'f Text>,
    /// Lists that are read or pending.
    known: BTreeSet<Scope>,
}

struct ListedRequirement {
    scope: Scope,
    requirement: PythonRequirement,
    origin: Origin,
    digests: Vec<String>,
}

/// A directory that is installed as a package.
struct ListedDirectory {
    scope: Scope,
    path: String,
    extras: Vec<String>,
    line: Located<String>,
}

impl ListedRequirement {
    /// Returns whether the requirement can be installed without resolving.
    fn is_pinned(&self) -> bool {
        let exact = self.requirement.exact.is_some() || self.requirement.url.is_some();
        self.commit().is_some() || (exact && !self.digests.is_empty())
    }

    /// Returns the repository at a commit, if it is one.
    fn commit(&self) -> Option<&str> {
        let url = self
            .requirement
            .url
            .as_deref()
            .filter(|url| is_repository(url))?;
        let address = url.split('#').next()?;
        let (_, revision) = address.rsplit_once('@')?;
        is_commit(revision).then_some(url)
    }
}

impl<'f> RequirementListReader<'f> {
    fn new(files: &'f LockFiles) -> Self {
        Self {
            files,
            has_main: true,
            project_extras: Vec::new(),
            folder: folder_of(&files.lock),
            lock: PythonLock::default(),
            listed: Vec::new(),
            directories: Vec::new(),
            pending: VecDeque::new(),
            pending_constraints: VecDeque::new(),
            known: BTreeSet::new(),
        }
    }

    /// Reads every list once, however many others include it.
    fn read_all(&mut self) -> Result<(), Error> {
        let files = self.files;
        if self.has_main {
            let main = Scope::List(files.lock.file().to_string());
            self.include(Scope::Always, main, &files.lock);
        }
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
        for line in split_lines(text) {
            let Some(included) = included_list(&line) else {
                self.line(text, scope, &line)?;
                continue;
            };
            let constraints = matches!(scope, Scope::Constraints(_))
                || matches!(included, IncludedList::Constraints(_));
            if included.name().contains("://") {
                if !constraints {
                    let name = included.name();
                    let message = format!(
                        "devsh does not fetch lists of requirements: save `{name}` in the project"
                    );
                    return Err(lock_error(text, line.span, message));
                }
                // uv fetches it when it resolves. It can only narrow what is chosen.
                let address = self.place(text, &line, included.name())?;
                let kind = SettingKind::RemoteConstraints(format!("-c {address}"));
                self.setting(text, scope, &line, kind);
                continue;
            }
            let name = join_text(folder_of(text), included.name());
            let files = self.files;
            let main = (*name == **files.lock.file()).then_some(&files.lock);
            let Some(other) = files.lists.get(&name).or(main) else {
                let message = format!("`{name}` cannot be read");
                return Err(lock_error(text, line.span, message));
            };
            let list = if constraints {
                Scope::Constraints(name)
            } else {
                Scope::List(name)
            };
            self.include(scope.clone(), list, other);
        }
        Ok(())
    }

    fn line(&mut self, text: &Text, scope: &Scope, line: &RequirementLine) -> Result<(), Error> {
        if let Some(location) = location(line) {
            return self.location(text, scope, line, location);
        }
        if line.words[0].starts_with('-') {
            return self.option(text, scope, line);
        }
        let written: Vec<&str> = requirement_words(line).collect();
        self.requirement(text, scope, line, &written.join(" "))
    }

    /// Adds a directory, a repository or a file.
    fn location(
        &mut self,
        text: &Text,
        scope: &Scope,
        line: &RequirementLine,
        location: RequirementLocation,
    ) -> Result<(), Error> {
        if matches!(scope, Scope::Constraints(_)) {
            let message = "a constraint names a package and its versions (`idna<4`)";
            return Err(lock_error(text, line.span.clone(), message));
        }
        let Some(path) = location.directory() else {
            let requirement = location.to_requirement(self.folder);
            return self.requirement(text, scope, line, &requirement);
        };
        if !location.marker.is_empty() {
            let message = "devsh cannot install a directory under a condition";
            return Err(lock_error(text, line.span.clone(), message));
        }
        if path == "." && !self.has_main {
            let extras = location.extras.into_iter();
            let extras = extras.map(|extra| (scope.clone(), extra));
            self.project_extras.extend(extras);
            return Ok(());
        }
        let package = PythonPackage::directory(path);
        let listed = ListedDirectory {
            scope: scope.clone(),
            path: path.to_owned(),
            extras: location.extras,
            line: Located {
                value: line.words.join(" "),
                origin: text.origin(line.span.start),
            },
        };
        self.lock.add_root(scope.clone(), package);
        self.directories.push(listed);
        Ok(())
    }

    fn requirement(
        &mut self,
        text: &Text,
        scope: &Scope,
        line: &RequirementLine,
        written: &str,
    ) -> Result<(), Error> {
        let mut digests = Vec::new();
        for word in &line.words {
            let digest = word.strip_prefix("--hash=");
            match digest.or_else(|| word.strip_prefix("--hash:")) {
                Some(digest) if is_digest(digest) => digests.push(digest.to_owned()),
                Some(digest) => {
                    let message = format!("`{digest}` is not a digest like `sha256:…`");
                    return Err(lock_error(text, line.span.clone(), message));
                }
                None => {}
            }
        }
        if is_address(written) {
            let message =
                "an address needs the name of its package (`name @ git+https://…@commit`)";
            return Err(lock_error(text, line.span.clone(), message));
        }
        let requirement: Result<PythonRequirement, _> = written.parse();
        let requirement = requirement.map_err(|invalid| text.error(line.span.clone(), invalid))?;
        digests.sort();
        let (scope, origin) = (scope.clone(), text.origin(line.span.start));
        if matches!(scope, Scope::Constraints(_)) {
            self.lock.constraints.push(LooseRequirement {
                scope,
                requirement,
                origin,
            });
        } else {
            self.listed.push(ListedRequirement {
                scope,
                requirement,
                origin,
                digests,
            });
        }
        Ok(())
    }

    fn option(&mut self, text: &Text, scope: &Scope, line: &RequirementLine) -> Result<(), Error> {
        let value = |short: &str, long: &str| option_value(&line.words, short, long);
        let index = value("-i", "--index-url").or_else(|| value("", "--pypi-url"));
        let index = match index {
            Some(url) => Some((url, IndexRank::First, true)),
            None => value("", "--extra-index-url").map(|url| (url, IndexRank::InOrder, false)),
        };
        if let Some((url, rank, replaces_public)) = index {
            let kind = if is_public_index(&url) {
                SettingKind::PublicIndex
            } else {
                SettingKind::Index {
                    name: None,
                    url: self.place(text, line, &url)?,
                    rank,
                    replaces_public,
                }
            };
            self.setting(text, scope, line, kind);
            return Ok(());
        }
        if let Some(place) = value("-f", "--find-links") {
            let kind = SettingKind::FindLinks(self.place(text, line, &place)?);
            self.setting(text, scope, line, kind);
            return Ok(());
        }
        let first = line.words[0].as_str();
        let name = first.split_once('=').map_or(first, |(name, _)| name);
        match name {
            "--require-hashes" | "--prefer-binary" => Ok(()),
            "--pre" => {
                let kind = SettingKind::Verbatim("--prerelease=allow".to_owned());
                self.setting(text, scope, line, kind);
                Ok(())
            }
            "--no-index" => {
                self.setting(text, scope, line, SettingKind::NoIndex);
                Ok(())
            }
            "--no-binary" | "--only-binary" => self.build_option(text, scope, line, name),
            "--trusted-host" => {
                let message = "devsh checks the certificate of every host, so this has no effect";
                self.lock.notes.push(Located {
                    value: message.to_owned(),
                    origin: text.origin(line.span.start),
                });
                Ok(())
            }
            _ => {
                let message = format!("devsh does not support the option `{name}`");
                Err(lock_error(text, line.span.clone(), message))
            }
        }
    }

    /// Returns the address of an index or of a page, which may be a local directory.
    fn place(&self, text: &Text, line: &RequirementLine, written: &str) -> Result<String, Error> {
        if written.contains("://") {
            check_address(written)
                .map_err(|fault| address_error(text, line.span.clone(), written, &fault))?;
            Ok(written.to_owned())
        } else {
            Ok(file_url(self.folder, written))
        }
    }

    fn setting(&mut self, text: &Text, scope: &Scope, line: &RequirementLine, kind: SettingKind) {
        self.lock.settings.push(PackageSetting {
            scope: scope.clone(),
            kind,
            text: line.words.join(" "),
            origin: text.origin(line.span.start),
        });
    }

    fn build_option(
        &mut self,
        text: &Text,
        scope: &Scope,
        line: &RequirementLine,
        option: &str,
    ) -> Result<(), Error> {
        let joined = line.words.join(" ");
        let value = joined[option.len()..].trim_start_matches(['=', ' ']);
        for name in value.split(',').map(str::trim) {
            if !matches!(name, ":all:" | ":none:") && name.parse::<PackageName>().is_err() {
                let message = format!("`{option}` takes names of packages or `:all:`");
                return Err(lock_error(text, line.span.clone(), message));
            }
            let kind = SettingKind::Build(format!("{option} {name}"));
            self.setting(text, scope, line, kind);
        }
        Ok(())
    }

    /// A list is locked if every line is exact and has a digest or a commit; otherwise all of it is resolved.
    fn finish(mut self) -> Result<PythonLock, Error> {
        let hashed = self.listed.iter().any(|one| !one.digests.is_empty());
        let pinned = self.listed.iter().all(ListedRequirement::is_pinned);
        // Repositories have no digests; alone they are only complete in devsh's own list.
        let resolved = &**self.files.lock.file() == RESOLVED;
        let locked = self.has_main && pinned && (hashed || resolved);
        if !locked {
            self.add_directory_dependencies()?;
            if let Some(project) = &self.files.project {
                pyproject::add_uv_settings(project, &project.toml()?, &mut self.lock)?;
            }
        }
        for one in self.listed {
            if !locked {
                self.lock.loose.push(LooseRequirement {
                    scope: one.scope,
                    requirement: one.requirement,
                    origin: one.origin,
                });
                continue;
            }
            let commit = one.commit().map(str::to_owned);
            let (scope, requirement) = (one.scope, one.requirement);
            let url = requirement.url;
            let package = PythonPackage {
                version: requirement.exact,
                foreign_source: url.clone().map(ForeignSource::from),
                source: match (commit, url) {
                    (Some(address), _) => PackageSource::Repository(address),
                    (None, Some(url)) => PackageSource::Url(url),
                    (None, None) => PackageSource::Index(None),
                },
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

    /// Adds the dependencies that only the build system of a listed directory knows, which devsh asks for those of the
    /// project itself.
    fn add_built_dependencies(
        &mut self,
        listed: &ListedDirectory,
        name: Option<String>,
    ) -> Result<(), Error> {
        let name = name.or_else(|| self.files.setup_name.clone());
        let Some(name) = name.filter(|_| listed.path == ".") else {
            self.lock.notes.push(Located {
                value: format!(
                    "`{}` is installed without its dependencies, because only its build system knows them: name them \
                     in the list, or in `[project]` of its `pyproject.toml`",
                    listed.line.value
                ),
                origin: listed.line.origin.clone(),
            });
            return Ok(());
        };
        let list = &self.files.lock;
        let metadata = metadata_of(list, &name, &self.files.inputs);
        let extras = listed.extras.iter().map(|extra| Some(extra.as_str()));
        for extra in std::iter::once(None).chain(extras) {
            add_metadata(&mut self.lock, list, &metadata, extra, listed.scope.clone())?;
        }
        Ok(())
    }

    /// Adds the dependencies of the listed directories, and of their extras.
    fn add_directory_dependencies(&mut self) -> Result<(), Error> {
        for listed in std::mem::take(&mut self.directories) {
            let place = join_text(self.folder, &listed.path);
            let project = self.files.directories.get(&place);
            let is_project = listed.path == ".";
            let project = project.or_else(|| self.files.project.as_ref().filter(|_| is_project));
            let mut note = |message: String| {
                self.lock.notes.push(Located {
                    value: message,
                    origin: listed.line.origin.clone(),
                });
            };
            let written = &listed.line.value;
            let Some(project) = project else {
                self.add_built_dependencies(&listed, None)?;
                continue;
            };
            match needs(project)? {
                Needs::Unknown(why) => {
                    note(format!(
                        "`{written}` is installed without its dependencies: {} declares them in a way that devsh \
                         does not follow",
                        why.origin
                    ));
                    continue;
                }
                Needs::Nothing if project.toml()?.get("project").is_none() => {
                    self.add_built_dependencies(&listed, None)?;
                    continue;
                }
                Needs::Built(name) => {
                    self.add_built_dependencies(&listed, Some(name))?;
                    continue;
                }
                Needs::Nothing | Needs::Listed => {}
            }
            let own = pyproject::read_needs(project, &self.files.directories, self.folder)?;
            for extra in listed
                .extras
                .iter()
                .filter(|one| !own.extras.contains(*one))
            {
                note(format!("`{}` has no extra `{extra}`", project.file()));
            }
            let selection = Selection {
                extras: listed.extras.iter().cloned().collect(),
                ..Selection::default()
            };
            let mut needed = PythonLock::default();
            needed.add_needs(own, &selection, &listed.scope);
            let loose = std::mem::take(&mut needed.loose).into_iter();
            self.listed.extend(loose.map(|one| ListedRequirement {
                scope: one.scope,
                requirement: one.requirement,
                origin: one.origin,
                digests: Vec::new(),
            }));
            self.lock.roots.extend(needed.roots);
            self.lock.packages.extend(needed.packages);
            self.lock.notes.extend(needed.notes);
        }
        Ok(())
    }
}
