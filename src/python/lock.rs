//! A Python lockfile as one model: packages, their dependencies, and the groups and extras that ask for them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    path::Path,
};

use url::Url;

use super::{
    locked_wheel::LockedWheel,
    marker::{Marker, TargetEnvironment},
    requirement::{BuiltMetadata, PythonRequirement},
    scope::Scope,
    settings::{PackageSetting, SettingKind, option_lines},
};
use crate::{
    config::is_file_of_index,
    lockfile::PythonKey,
    manifest::{Located, Origin},
    package::{PackageName, PlatformRank, PythonRank, Version, WheelName},
    util::digest_input::DigestInput,
};

/// The content of a Python lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonLock {
    pub(super) packages: Vec<PythonPackage>,
    pub(super) roots: Vec<RootDependency>,
    /// The groups of a dev shell that names none, by the rules of the lockfile's own tool.
    pub default_groups: BTreeSet<String>,
    /// The groups that exist.
    pub groups: BTreeSet<String>,
    /// The extras that exist.
    pub extras: BTreeSet<String>,
    /// The requirement on the metadata of a project whose build knows further extras.
    pub(super) built_extras: Option<BuiltMetadata>,
    /// Requirements without an exact version; devsh resolves them into `devshell.lock`.
    pub loose: Vec<LooseRequirement>,
    /// Constraints for resolving them.
    pub(super) constraints: Vec<LooseRequirement>,
    /// Scopes that include others (`include-group`, `-r`).
    pub(super) includes: BTreeMap<Scope, BTreeSet<Scope>>,
    /// Requirements that replace those of other packages when resolving.
    pub(super) overrides: Vec<LooseRequirement>,
    /// Settings that decide where packages come from and how they are resolved.
    pub settings: Vec<PackageSetting>,
    /// The normalised names of the project and the members of its workspace, which uv writes into the markers of
    /// conflicting groups and extras.
    pub(super) members: BTreeSet<String>,
    /// Parts of the files that devsh cannot follow, with their places.
    pub notes: Vec<Located<String>>,
}

/// A package that does not come, with digests, from the public index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignPackage {
    pub name: String,
    pub source: ForeignSource,
    /// Further facts: for an address, its files and digests; for settings, their meaning; where a name has several
    /// packages, a digest of what chooses between them.
    pub details: Vec<String>,
    /// Its directory, if it is from one.
    pub directory: Option<String>,
}

/// A source outside of the public index: the keys of a file and their values; an address alone has an empty key.
///
/// The text is only for display: two different sources can have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForeignSource(Vec<(String, String)>);

impl From<String> for ForeignSource {
    fn from(address: String) -> Self {
        [address].into_iter().collect()
    }
}

impl FromIterator<String> for ForeignSource {
    fn from_iter<I: IntoIterator<Item = String>>(addresses: I) -> Self {
        let addresses = addresses.into_iter();
        addresses.map(|one| (String::new(), one)).collect()
    }
}

impl FromIterator<(String, String)> for ForeignSource {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl fmt::Display for ForeignSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|(key, value)| format!("{key} {value}"));
        let words: Vec<String> = words.map(|one| one.trim_start().to_owned()).collect();
        formatter.write_str(&words.join(", "))
    }
}

/// A package of a lockfile in words, with all versions that are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPackage {
    pub name: String,
    pub version: String,
    /// Its whole content.
    pub content: Vec<u8>,
}

/// A requirement without an exact version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseRequirement {
    /// The part of the lockfile that has it.
    pub scope: Scope,
    /// The requirement.
    pub requirement: PythonRequirement,
    /// Its place in the files of the project.
    pub origin: Origin,
}

/// The groups and extras that a dev shell gets of a lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Dependency groups, normalised.
    pub groups: BTreeSet<String>,
    /// Extras of the project, normalised.
    pub extras: BTreeSet<String>,
}

/// One group or extra of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionPart {
    Group(String),
    Extra(String),
}

impl fmt::Display for SelectionPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.kind_and_name();
        write!(formatter, "the {kind} `{name}`")
    }
}

impl SelectionPart {
    /// Returns the kind and the name (`group dev`), as a lockfile has it.
    pub fn key(&self) -> String {
        let (kind, name) = self.kind_and_name();
        format!("{kind} {name}")
    }

    pub fn kind_and_name(&self) -> (&'static str, &str) {
        match self {
            Self::Group(name) => ("group", name),
            Self::Extra(name) => ("extra", name),
        }
    }
}

impl From<SelectionPart> for Selection {
    fn from(part: SelectionPart) -> Self {
        Self::default().with(&part)
    }
}

impl Selection {
    /// Returns the groups, then the extras.
    pub fn parts(&self) -> impl Iterator<Item = SelectionPart> {
        let groups = self.groups.iter().cloned().map(SelectionPart::Group);
        groups.chain(self.extras.iter().cloned().map(SelectionPart::Extra))
    }

    /// Returns the selection with one more part.
    #[must_use]
    pub fn with(&self, part: &SelectionPart) -> Self {
        let mut selection = self.clone();
        match part {
            SelectionPart::Group(name) => selection.groups.insert(name.clone()),
            SelectionPart::Extra(name) => selection.extras.insert(name.clone()),
        };
        selection
    }

    /// Returns the selection without a part.
    #[must_use]
    pub fn without(&self, part: &SelectionPart) -> Self {
        let mut selection = self.clone();
        match part {
            SelectionPart::Group(name) => selection.groups.remove(name),
            SelectionPart::Extra(name) => selection.extras.remove(name),
        };
        selection
    }
}

/// The place that a locked package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageSource {
    /// A package index; `None` is the default one.
    Index(Option<String>),
    /// One file at an address.
    Url(String),
    /// A commit of a repository, as a requirement writes it (`git+https://…@commit`).
    Repository(String),
    /// A directory, relative to the lockfile; the project itself is `.`.
    Directory {
        path: String,
        /// True if it is a package that is installed.
        installed: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PythonPackage {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) source: PackageSource,
    pub(super) digests: Vec<String>,
    /// Files that no index serves; the best one for the target is installed from its address.
    pub(super) files: Vec<PackageFile>,
    /// The wheels of an index whose addresses the lockfile has.
    pub(super) wheels: Vec<PackageFile>,
    /// Chooses between several locked versions of one package.
    pub(super) marker: Marker,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) extras: BTreeMap<String, Vec<Dependency>>,
    /// The files or address outside of the public index; `None` if everything is from there.
    pub(super) foreign_source: Option<ForeignSource>,
}

/// A file with its own address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PackageFile {
    pub(super) url: String,
    pub(super) digest: String,
    /// The size in bytes, if the lockfile has it.
    pub(super) size: Option<u64>,
}

impl PackageFile {
    fn name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

impl PythonPackage {
    /// Returns a package of the default index without anything else.
    pub(super) fn named(name: String) -> Self {
        Self {
            name,
            version: None,
            source: PackageSource::Index(None),
            digests: Vec::new(),
            files: Vec::new(),
            wheels: Vec::new(),
            marker: Marker::default(),
            dependencies: Vec::new(),
            extras: BTreeMap::new(),
            foreign_source: None,
        }
    }

    /// Returns the package in a directory, which is installed.
    pub(super) fn directory(path: &str) -> Self {
        let name = format!("directory {path}");
        Self {
            foreign_source: (path != ".").then(|| name.clone().into()),
            source: PackageSource::Directory {
                path: path.to_owned(),
                installed: true,
            },
            ..Self::named(name)
        }
    }

    /// Returns the best file with its own address for a target: a wheel, else a source distribution.
    pub(super) fn best_file(&self, target: &TargetEnvironment) -> Option<&PackageFile> {
        let files = self.files.iter();
        let wheels = files.filter_map(|file| Some((wheel_rank(file, target, |_| true)?, file)));
        let best = wheels.min_by_key(|(rank, _)| *rank).map(|(_, file)| file);
        let is_source = |file: &&PackageFile| {
            let end = Path::new(file.name()).extension();
            end.is_none_or(|end| end != "whl")
        };
        best.or_else(|| self.files.iter().find(is_source))
    }

    /// Returns the wheels with an address that belongs to the index. Of the public one, the settings decide.
    fn index_wheels(&self) -> impl Iterator<Item = &PackageFile> {
        let pages = match &self.source {
            PackageSource::Index(Some(index)) => Some(Url::parse(index).ok()),
            _ => None,
        };
        self.wheels.iter().filter(move |file| match &pages {
            None => true,
            Some(pages) => {
                let url = Url::parse(&file.url).ok();
                url.zip(pages.as_ref())
                    .is_some_and(|(url, pages)| is_file_of_index(&url, pages))
            }
        })
    }

    /// Returns the best wheel of the index for a target, if the lockfile has its address.
    pub(super) fn best_index_wheel(&self, target: &TargetEnvironment) -> Option<LockedWheel> {
        let name: PackageName = self.name.parse().ok()?;
        let version: Version = self.version.as_deref()?.parse().ok()?;
        let is_own = |wheel: &WheelName<'_>| wheel.name == name && wheel.version == version;
        let wheels = self.index_wheels().filter_map(|file| {
            let (python, (class, major, minor)) = wheel_rank(file, target, is_own)?;
            // As uv: of wheels for this machine the one for the newest system.
            Some(((python, class, Reverse((major, minor))), file))
        });
        let mut wheels: Vec<_> = wheels.collect();
        wheels.sort_by_key(|(rank, _)| *rank);
        let (best, _) = *wheels.first()?;
        let mut best: Vec<_> = wheels.iter().filter(|(rank, _)| *rank == best).collect();
        // They differ in the number of their build, which uv compares. It never searches files of other indexes.
        best.sort_by_key(|(_, file)| &file.url);
        let is_left_to_uv = best.len() > 1 && !matches!(self.source, PackageSource::Index(Some(_)));
        let (_, file) = best.last().filter(|_| !is_left_to_uv)?;
        Some(LockedWheel {
            url: Url::parse(&file.url).ok()?,
            sha256: file.digest.strip_prefix("sha256:")?.parse().ok()?,
            size: file.size,
        })
    }
}

/// A dependency on a locked package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// The admitted versions (`>=1 || ^2`), which choose where several are locked and none is named.
    pub(super) versions: Option<String>,
    /// The source of the package, which chooses where one version is locked from several.
    pub(super) source: Option<PackageSource>,
    pub(super) extras: Vec<String>,
    pub(super) marker: Marker,
}

/// Returns a package that is not from the public index, or shares its name with such a package.
///
/// `choices` is a digest of what chooses between the packages of its name.
fn foreign_package(package: &PythonPackage, choices: Option<&String>) -> ForeignPackage {
    let mut details: Vec<String> = choices.into_iter().cloned().collect();
    // An index other than the public one chooses its files by itself.
    if !matches!(package.source, PackageSource::Index(Some(_))) {
        let files = package.files.iter();
        details.extend(files.map(|file| format!("{} {}", file.url, file.digest)));
        details.extend(package.digests.iter().cloned());
    }
    let source = package.foreign_source.clone();
    ForeignPackage {
        name: package.name.clone(),
        source: source.unwrap_or_else(|| "the public index".to_owned().into()),
        details,
        directory: match &package.source {
            PackageSource::Directory { path, .. } => Some(path.clone()),
            _ => None,
        },
    }
}

/// Returns the rank of a wheel on a target; nothing if it is not admitted or does not run there.
fn wheel_rank(
    file: &PackageFile,
    target: &TargetEnvironment,
    is_admitted: impl Fn(&WheelName<'_>) -> bool,
) -> Option<(PythonRank, PlatformRank)> {
    let wheel = WheelName::parse(file.name()).filter(is_admitted)?;
    let platform = wheel.platform_rank(target.system);
    let platform = platform.or_else(|| wheel.is_everywhere().then_some((2, 0, 0)))?;
    Some((wheel.python_rank(target.minor)?, platform))
}

impl Dependency {
    /// Returns a dependency on exactly this package, under its own marker.
    pub(super) fn on(package: &PythonPackage) -> Self {
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            source: Some(package.source.clone()),
            marker: package.marker.clone(),
            ..Self::default()
        }
    }
}

/// A dependency of the project itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootDependency {
    pub(super) scope: Scope,
    pub(super) dependency: Dependency,
}

impl PythonLock {
    /// Adds a package and the project's dependency on it.
    pub(super) fn add_root(&mut self, scope: Scope, package: PythonPackage) {
        let dependency = Dependency::on(&package);
        self.roots.push(RootDependency { scope, dependency });
        self.packages.push(package);
    }

    /// Adds the project itself as a package, which is always installed; `name` is normalised.
    pub(super) fn add_project(&mut self, name: String) {
        self.members.insert(name.clone());
        let package = PythonPackage {
            source: PackageSource::Directory {
                path: ".".to_owned(),
                installed: true,
            },
            ..PythonPackage::named(name)
        };
        self.add_root(Scope::Always, package);
    }

    /// Adds the options with which the packages were locked.
    pub fn add_locked_options(&mut self, options: &[String]) {
        self.settings
            .extend(options.iter().map(|line| PackageSetting {
                scope: Scope::Always,
                kind: SettingKind::Verbatim(line.clone()),
                text: line.clone(),
                origin: Origin {
                    file: "devshell.lock".into(),
                    line: 0,
                    is_preset: false,
                },
            }));
    }

    /// Makes `dev` the default group if it exists, as most tools do.
    pub(super) fn default_to_dev(&mut self) {
        let dev = self.groups.get("dev").cloned();
        self.default_groups = dev.into_iter().collect();
    }

    /// Adds the groups and extras of all root dependencies to those that exist.
    pub(super) fn add_root_scopes(&mut self) {
        for root in &self.roots {
            match &root.scope {
                Scope::Group(group) => drop(self.groups.insert(group.clone())),
                Scope::Extra(extra) => drop(self.extras.insert(extra.clone())),
                Scope::Always | Scope::List(_) | Scope::Constraints(_) => {}
            }
        }
    }

    /// Removes repeated packages, which several lists can name.
    pub(super) fn dedup(&mut self) {
        let mut seen = HashSet::new();
        let first: Vec<bool> = self.packages.iter().map(|one| seen.insert(one)).collect();
        let mut first = first.into_iter();
        self.packages.retain(|_| first.next().unwrap_or(true));
    }

    /// Returns everything that does not come, with digests, from the public index.
    pub fn foreign(&self) -> Vec<ForeignPackage> {
        let mut by_name: BTreeMap<&str, Vec<&PythonPackage>> = BTreeMap::new();
        for package in &self.packages {
            by_name.entry(&package.name).or_default().push(package);
        }
        by_name.retain(|_, all| all.iter().any(|one| one.foreign_source.is_some()));
        let choices = self.choices(|name| by_name.get(name).is_some_and(|all| all.len() > 1));
        let packages = by_name
            .values()
            .flatten()
            .map(|package| foreign_package(package, choices.get(&*package.name)));
        let addresses = self
            .loose
            .iter()
            .chain(&self.constraints)
            .chain(&self.overrides)
            .filter_map(|loose| {
                let requirement = &loose.requirement;
                // The facts about a build of the project say which code runs.
                let url = requirement.url.clone();
                let url = url.filter(|_| !requirement.is_project_build())?;
                Some(ForeignPackage {
                    name: requirement.name.to_string(),
                    source: url.into(),
                    details: Vec::new(),
                    directory: None,
                })
            });
        let places = self.foreign_places();
        let mut foreign: Vec<_> = packages.chain(places).chain(addresses).collect();
        foreign.sort();
        foreign
    }

    /// Returns a digest of what chooses between the packages of one name: their own conditions, and what dependencies on
    /// them say. Each of these packages gets it, and there can be thousands.
    fn choices(&self, is_counted: impl Fn(&str) -> bool) -> BTreeMap<&str, String> {
        let mut choices: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for package in self.packages.iter().filter(|one| is_counted(&one.name)) {
            let choice = format!(
                "{:?} {:?} {:?}",
                package.version, package.source, package.marker
            );
            choices.entry(&package.name).or_default().insert(choice);
        }
        let roots = self.roots.iter().map(|root| &root.dependency);
        let of_packages = self.packages.iter().flat_map(|package| {
            let of_extras = package.extras.values().flatten();
            package.dependencies.iter().chain(of_extras)
        });
        for one in roots.chain(of_packages).filter(|one| is_counted(&one.name)) {
            let choice = format!(
                "{:?} {:?} {:?} {:?}",
                one.version, one.versions, one.source, one.marker
            );
            choices.entry(&one.name).or_default().insert(choice);
        }
        let digest = |all: BTreeSet<String>| {
            let mut input = DigestInput::default();
            input.list(all.iter(), DigestInput::bytes);
            blake3::hash(&input.into_bytes()).to_string()
        };
        let choices = choices.into_iter();
        choices.map(|(name, all)| (name, digest(all))).collect()
    }

    /// Returns the settings that decide where packages come from, if that is not only the public index.
    fn foreign_places(&self) -> Option<ForeignPackage> {
        let settings = self.settings.iter();
        let places: Vec<&PackageSetting> = settings.filter(|one| one.chooses_place()).collect();
        if !places.iter().any(|one| one.names_place()) {
            return None;
        }
        let of_selection = |selection: &Selection| {
            let scopes = self.scopes(selection);
            let places = places.iter().filter(|one| scopes.contains(&one.scope));
            places.map(|one| &one.kind).collect::<Vec<_>>()
        };
        let always = of_selection(&Selection::default());
        let mut details = vec![format!("{always:?}")];
        // The places of a group or extra count only if it is selected.
        if places.iter().any(|one| one.scope != Scope::Always) {
            let all = Selection {
                groups: self.groups.clone(),
                extras: self.extras.clone(),
            };
            for part in all.parts() {
                let own = of_selection(&part.clone().into());
                if own != always {
                    details.push(format!("{part:?} {own:?}"));
                }
            }
        }
        Some(ForeignPackage {
            name: "(options)".to_owned(),
            source: places.iter().map(|one| one.to_approve()).collect(),
            details,
            directory: None,
        })
    }

    /// Returns what asks for a package, in words: the project or a part of it, then other packages. A lockfile without
    /// dependencies does not say it.
    pub fn dependents(&self, name: &str) -> Vec<String> {
        if self.packages.iter().all(|one| one.dependencies.is_empty()) {
            return Vec::new();
        }
        let roots = self.roots.iter();
        let mut roots: Vec<String> = roots
            .filter(|root| root.dependency.name == name)
            .map(|root| match &root.scope {
                Scope::Always => "the project".to_owned(),
                Scope::Group(group) => SelectionPart::Group(group.clone()).to_string(),
                Scope::Extra(extra) => SelectionPart::Extra(extra.clone()).to_string(),
                Scope::List(list) | Scope::Constraints(list) => format!("`{list}`"),
            })
            .collect();
        let needs = |package: &&PythonPackage| {
            let extras = package.extras.values().flatten();
            let mut all = package.dependencies.iter().chain(extras);
            all.any(|one| one.name == name)
        };
        let packages = self.packages.iter().filter(needs);
        roots.extend(packages.map(|package| match &package.source {
            PackageSource::Directory { path, .. } if path == "." => "the project".to_owned(),
            _ => format!("`{}`", package.name),
        }));
        let mut seen = BTreeSet::new();
        roots.retain(|one| seen.insert(one.clone()));
        roots
    }

    /// Returns each package with its version, and everything that the lockfile says about it.
    pub fn listed(&self) -> Vec<ListedPackage> {
        let mut all: BTreeMap<String, ListedPackage> = BTreeMap::new();
        for package in &self.packages {
            let name = &package.name;
            let one = all.entry(name.clone()).or_insert_with(|| ListedPackage {
                name: name.clone(),
                ..ListedPackage::default()
            });
            if let Some(version) = &package.version {
                if !one.version.is_empty() {
                    one.version.push_str(", ");
                }
                one.version.push_str(version);
            }
            one.content.extend(format!("{package:?}").into_bytes());
        }
        all.into_values().collect()
    }

    /// Returns the directories that are installed as packages, relative to the lockfile: the project itself, the
    /// members of its workspace, and path dependencies.
    pub fn directories(&self) -> BTreeSet<&str> {
        let sources = self.packages.iter().map(|package| &package.source);
        let installed = sources.filter_map(|source| match source {
            PackageSource::Directory {
                path,
                installed: true,
            } => Some(path.as_str()),
            _ => None,
        });
        installed.collect()
    }

    /// Returns whether the project itself, or a member of it, is installed.
    pub fn installs_project(&self) -> bool {
        !self.directories().is_empty()
    }

    /// Adds the directories of another lockfile, and the dependencies on them.
    pub fn add_directories(&mut self, other: &Self) {
        let directories = other
            .packages
            .iter()
            .filter(|package| matches!(package.source, PackageSource::Directory { .. }));
        self.packages.extend(directories.cloned());
        let known: BTreeSet<&str> = self.packages.iter().map(|one| &*one.name).collect();
        let roots = other
            .roots
            .iter()
            .filter(|root| known.contains(&*root.dependency.name));
        self.roots.extend(roots.cloned());
        for (scope, included) in &other.includes {
            let included = included.iter().cloned();
            self.includes
                .entry(scope.clone())
                .or_default()
                .extend(included);
        }
    }

    /// Returns what `devshell.lock` must have for the loose requirements of `selection`.
    pub fn key(&self, selection: &Selection) -> PythonKey {
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list.dedup();
            list
        };
        PythonKey {
            requirements: sorted(self.loose(selection)),
            constraints: sorted(self.constraints(selection)),
            overrides: sorted(self.overrides(selection)),
            options: self.options(selection),
        }
    }

    /// Adds the requirements, directories and notes of another project as far as `selection` has them, in `scope`.
    pub(super) fn add_needs(&mut self, other: Self, selection: &Selection, scope: &Scope) {
        let scopes = other.scopes(selection);
        let loose = other.loose.into_iter();
        let loose = loose.filter(|one| scopes.contains(&one.scope));
        self.loose.extend(loose.map(|one| LooseRequirement {
            scope: scope.clone(),
            ..one
        }));
        let roots = other.roots.into_iter();
        let roots = roots.filter(|one| scopes.contains(&one.scope));
        self.roots.extend(roots.map(|one| RootDependency {
            scope: scope.clone(),
            ..one
        }));
        self.packages.extend(other.packages);
        self.notes.extend(other.notes);
    }

    /// Adds the requirements, directories, groups and settings of another list of the same project.
    pub(super) fn add_all(&mut self, other: Self) {
        self.packages.extend(other.packages);
        self.roots.extend(other.roots);
        self.groups.extend(other.groups);
        self.loose.extend(other.loose);
        self.constraints.extend(other.constraints);
        self.settings.extend(other.settings);
        self.notes.extend(other.notes);
        for (scope, included) in other.includes {
            self.includes.entry(scope).or_default().extend(included);
        }
    }

    /// Returns the loose requirements that `selection` has.
    pub fn loose(&self, selection: &Selection) -> Vec<String> {
        let mut loose = self.selected(&self.loose, selection);
        let built = selection.extras.difference(&self.extras);
        loose.extend(built.filter_map(|extra| self.built_extra(extra)));
        loose
    }

    /// Returns the loose requirements that `selection` has, with their places, as far as the files name them.
    pub fn placed_loose(&self, selection: &Selection) -> impl Iterator<Item = &LooseRequirement> {
        let scopes = self.scopes(selection);
        self.loose
            .iter()
            .filter(move |one| scopes.contains(&one.scope))
    }

    /// Returns the requirement on an extra that only the build of the project knows.
    pub fn built_extra(&self, extra: &str) -> Option<String> {
        let metadata = self.built_extras.as_ref()?;
        Some(metadata.to_requirement(Some(extra)))
    }

    /// Returns whether the project has an extra, or only its build knows.
    pub fn may_have_extra(&self, name: &str) -> bool {
        self.extras.contains(name) || self.built_extras.is_some()
    }

    /// Returns the constraints for resolving them.
    pub(super) fn constraints(&self, selection: &Selection) -> Vec<String> {
        self.selected(&self.constraints, selection)
    }

    /// Returns the requirements that replace those of other packages.
    pub(super) fn overrides(&self, selection: &Selection) -> Vec<String> {
        self.selected(&self.overrides, selection)
    }

    /// Returns the settings as options for uv, in their order.
    pub fn options(&self, selection: &Selection) -> Vec<String> {
        let scopes = self.scopes(selection);
        let settings = self.settings.iter();
        let selected: Vec<_> = settings.filter(|one| scopes.contains(&one.scope)).collect();
        option_lines(&selected)
    }

    fn selected(&self, all: &[LooseRequirement], selection: &Selection) -> Vec<String> {
        let scopes = self.scopes(selection);
        let selected = all.iter().filter(|one| scopes.contains(&one.scope));
        selected
            .map(|one| one.requirement.as_str().to_owned())
            .collect()
    }

    /// Returns every scope that `selection` has, with the scopes that these include.
    pub(super) fn scopes(&self, selection: &Selection) -> BTreeSet<Scope> {
        let groups = selection.groups.iter().cloned().map(Scope::Group);
        let extras = selection.extras.iter().cloned().map(Scope::Extra);
        let mut pending: Vec<Scope> = groups.chain(extras).chain([Scope::Always]).collect();
        let mut scopes = BTreeSet::new();
        while let Some(scope) = pending.pop() {
            if scopes.insert(scope.clone()) {
                pending.extend(self.includes.get(&scope).into_iter().flatten().cloned());
            }
        }
        scopes
    }
}
