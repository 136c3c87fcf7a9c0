//! Prefixes: conda packages linked into one tree, whose files name its place.
//!
//! Most files are hard links to those of the packages' objects, so projects share them. Files with the placeholder of
//! the prefix are copied with the final place in them; a prefix is therefore local and never shared between machines.
//!
//! Scripts of packages do not run here. If two packages have a file of one name, the one that depends on the other wins,
//! as with other tools for conda.
//!
//! The lockfile says which packages there are, and anyone who changes it can add one of a channel. Therefore the
//! dependencies in the packages decide the rest: a package that they do not lead to from the requested ones replaces no
//! file of another package and sets no variables, and devsh asks about its name. Channels correct dependencies in their
//! index, so such a package can be an honest one.

mod placeholders;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use rattler_conda_types::{
    PackageRecord,
    package::{
        FileMode, IndexJson, LinkJson, NoArchLinks, PackageFile as _, PathType, PathsEntry,
        PathsJson,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    BuiltObject, Error, ObjectRecord, Recipe, Rule, Store, StorePath,
    file_manifest::{FileManifest, TreeNode},
    install::Existing,
    recipes::EXTERNALLY_MANAGED,
    remove_tree,
    tree_builder::{check_link, checked, refused},
};
use crate::{
    fetch::Meter,
    package::{PackageName, Source, System, Version, conda_package_of},
    util::{digest_input::DigestInput, files},
};
use placeholders::{Replacement, interpreter_line};

/// Shortest accepted placeholder of a prefix, in bytes; the oldest tools write `/opt/anaconda1anaconda2anaconda3`.
const SHORTEST_PLACEHOLDER: usize = 20;
/// Longest place of a prefix, in bytes: the usual placeholder has this length.
const LONGEST: usize = 255;
/// Counts changes in how prefixes are made.
const FORMAT: u64 = 3;
/// The directory below a prefix with devsh's notes about it.
const NOTES: &str = "conda-meta/devsh.json";
/// Longest accepted note, in bytes.
const LIMIT: u64 = 16 << 20;

/// The most files in several packages that devsh names to the user.
const SHOWN: usize = 3;

/// The directories with what packages set when an environment is activated.
const ACTIVATION: [&str; 2] = ["etc/conda/activate.d/", "etc/conda/env_vars.d/"];

/// The notes on a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixNotes {
    /// The programs of each requested package and of those that it needs, sorted.
    pub programs: BTreeMap<String, BTreeSet<String>>,
    /// The programs of each package that no requested one needs, sorted.
    pub unneeded: BTreeMap<String, BTreeSet<String>>,
    /// Packages that no requested one needs, and whose variables are not set.
    pub unset: BTreeSet<String>,
    /// Packages with a script that would run after an installation by another tool.
    pub scripts: Vec<String>,
    /// The first files that several packages have.
    pub clobbered: Vec<ClobberedFile>,
}

/// A file that several packages have with different content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClobberedFile {
    /// The path below the prefix.
    pub path: String,
    /// The package whose file was taken.
    pub from: String,
    /// The other packages.
    pub others: Vec<String>,
}

/// Packages to link.
#[derive(Debug, Clone, Copy)]
pub struct PrefixPackages<'a> {
    /// The objects of the packages.
    pub objects: &'a [PathBuf],
    /// The names of the packages that the manifest asks for.
    pub requested: &'a BTreeSet<String>,
    pub system: System,
}

/// A package while it is linked.
struct LinkedPackage {
    place: PathBuf,
    record: ObjectRecord,
    nodes: FileManifest,
    index: IndexJson,
    paths: PathsJson,
    /// The programs of a package that is only Python code.
    links: Option<LinkJson>,
    /// True if the dependencies in the packages lead to it from a requested one.
    is_needed: bool,
}

/// A file of a prefix.
struct LinkedFile<'p> {
    package: &'p LinkedPackage,
    entry: &'p PathsEntry,
    /// The path inside of the package.
    source: &'p str,
}

/// The Python of a prefix.
struct PrefixPython {
    /// Below the prefix.
    program: String,
    site_packages: String,
}

/// The inputs of a prefix in one store.
struct PrefixInputs {
    name: PackageName,
    version: Version,
    key: Vec<u8>,
    /// The names of the packages' objects.
    objects: Vec<String>,
}

impl PrefixInputs {
    /// Returns the inputs of a prefix whose files name a place below `root`.
    fn new(packages: &PrefixPackages<'_>, root: &Path) -> Result<Self, Error> {
        let mut objects: Vec<String> = Vec::new();
        for object in packages.objects {
            let name = object.file_name().unwrap_or_default();
            objects.push(name.to_string_lossy().into_owned());
        }
        objects.sort();
        let mut key = DigestInput::default();
        key.number(FORMAT);
        // The files name the place of the prefix.
        key.os(root);
        key.list(objects.iter(), DigestInput::bytes);
        key.list(packages.requested.iter(), DigestInput::bytes);
        let name = PackageName::of(Source::Conda, "prefix");
        let version = Version::opaque(&objects.len().to_string());
        let (Ok(name), Ok(version)) = (name, version) else {
            // Both are written here.
            return Err(Error::Damaged {
                path: String::new(),
            });
        };
        Ok(Self {
            name,
            version,
            key: key.into_bytes(),
            objects,
        })
    }

    fn object(&self) -> BuiltObject<'_> {
        BuiltObject {
            name: &self.name,
            version: &self.version,
            recipe: Recipe::CondaPrefix,
            key: &self.key,
            inputs: &self.objects,
            is_received: false,
        }
    }
}

/// A prefix that was linked for a place that this machine does not have.
#[derive(Debug, Clone, Copy)]
pub struct MovedPrefix<'a> {
    /// The files, as long as the prefix is used.
    pub directory: &'a Path,
    /// The paths of the files and directories, relative to the prefix.
    pub members: &'a BTreeSet<String>,
    /// The place that the files name.
    pub place: &'a Path,
}

impl Store {
    /// Returns the directory of a prefix with these packages, linking it first when it is not there.
    pub fn link_prefix(
        &self,
        packages: PrefixPackages<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let inputs = PrefixInputs::new(&packages, self.root())?;
        let built = inputs.object();
        let path = StorePath::of_built(&built);
        let place = self.root().join(path.as_str());
        self.make_once(Existing::Trusted, &path, meter, |temporary| {
            meter.step("linking", None);
            fs::create_dir(temporary).map_err(files::at("create", temporary))?;
            let manifest = link(&packages, temporary, &place)?;
            meter.step("publishing", None);
            let record = ObjectRecord::of_built(&built, manifest.hash());
            self.publish(temporary, &place, &manifest, &record, || ())
        })
    }

    /// Links a prefix as the store in `root` would have it, such as that of a container, and removes it after its use.
    pub fn link_prefix_for<T, E: From<Error>>(
        &self,
        packages: PrefixPackages<'_>,
        root: &Path,
        read: impl FnOnce(MovedPrefix<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let inputs = PrefixInputs::new(&packages, root)?;
        let path = StorePath::of_built(&inputs.object());
        let place = root.join(path.as_str());
        self.prepare()?;
        // Two processes of this user must not fill one directory.
        let _lock = self.lock(&path, &crate::fetch::Silent)?;
        let temporary = self.temporary(&path);
        remove_tree(&temporary).map_err(Error::from)?;
        let linked = fs::create_dir(&temporary)
            .map_err(files::at("create", &temporary))
            .map_err(Error::from)
            .and_then(|()| link(&packages, &temporary, &place));
        let outcome = linked.map_err(E::from).and_then(|manifest| {
            let members = manifest.0.into_keys().collect();
            read(MovedPrefix {
                directory: &temporary,
                members: &members,
                place: &place,
            })
        });
        let removed = remove_tree(&temporary);
        let outcome = outcome?;
        removed.map_err(Error::from)?;
        Ok(outcome)
    }
}

impl PrefixNotes {
    /// Reads the notes on a prefix. Without them nothing of the prefix may be used: they decide what the user is asked.
    pub fn read(prefix: &Path) -> Result<Self, Error> {
        let bytes = files::read_bounded(&prefix.join(NOTES), LIMIT)?;
        let notes = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        notes.ok_or_else(|| Error::Damaged {
            path: prefix
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        })
    }
}

/// Links the packages into `directory`, which gets the name `place` later.
fn link(
    packages: &PrefixPackages<'_>,
    directory: &Path,
    place: &Path,
) -> Result<FileManifest, Error> {
    let text = place.to_str().filter(|text| {
        text.len() <= LONGEST && !text.contains(|one: char| one.is_whitespace() || one.is_control())
    });
    let prefix = text.ok_or_else(|| Error::PrefixPlace {
        place: place.to_owned(),
        longest: LONGEST,
    })?;
    let loaded = packages
        .objects
        .iter()
        .map(|object| LinkedPackage::load(object));
    let loaded = sorted_by_need(loaded.collect::<Result<Vec<_>, _>>()?);
    let needs = Needs::of(&loaded, packages.requested);
    let loaded = needs.last(loaded);
    let python = prefix_python(&loaded);
    let (files, mut notes) = choose_files(&loaded, python.as_ref())?;
    let mut tree = PrefixTree {
        directory,
        prefix,
        system: packages.system,
        nodes: BTreeMap::new(),
    };
    // Libraries have no programs, and every object of tools has this directory.
    tree.parents("bin/")?;
    for (path, file) in &files {
        tree.place(path, file)?;
    }
    tree.check_links(&files)?;
    let mut programs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, file) in &files {
        if let Some(name) = program_name(path) {
            let own = programs.entry(file.package.name()).or_default();
            own.insert(name.to_owned());
        }
    }
    let (unneeded, needed): (Vec<_>, Vec<_>) = loaded.iter().partition(|one| !one.is_needed);
    // The first program of a name is the one that is written.
    for package in needed.iter().chain(&unneeded) {
        let written = tree.entry_points(package, python.as_ref())?;
        programs.entry(package.name()).or_default().extend(written);
    }
    notes.programs = needs.programs(&programs);
    let of_unneeded = |package: &&LinkedPackage| {
        let own = programs.get(package.name()).cloned().unwrap_or_default();
        (package.name().to_owned(), own)
    };
    notes.unneeded = unneeded.iter().map(of_unneeded).collect();
    for package in &loaded {
        tree.describe(package, &files)?;
    }
    if let Some(python) = &python {
        tree.protect(python)?;
    }
    tree.write("conda-meta/history", b"", false)?;
    let notes = serde_json::to_vec_pretty(&notes).unwrap_or_default();
    tree.write(NOTES, &notes, false)?;
    tree.finish()
}

impl LinkedPackage {
    fn load(object: &Path) -> Result<Self, Error> {
        let damaged = || Error::Damaged {
            path: object
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        };
        let record = ObjectRecord::read(object)?.ok_or_else(damaged)?;
        let nodes = FileManifest::read(object, &record.tree)?.ok_or_else(damaged)?;
        let read = |error: std::io::Error| files::at("read", object)(error);
        let index = IndexJson::from_package_directory(object).map_err(read)?;
        let paths = PathsJson::from_package_directory_with_deprecated_fallback(object);
        let paths = paths.map_err(|error| files::at("read", object)(error))?;
        let links = if index.noarch.is_python() {
            LinkJson::from_package_directory(object).ok()
        } else {
            None
        };
        Ok(Self {
            place: object.to_owned(),
            record,
            nodes,
            index,
            paths,
            links,
            is_needed: true,
        })
    }

    fn name(&self) -> &str {
        self.index.name.as_normalized()
    }

    /// Returns whether the package has a script that other tools run after linking it.
    fn has_script(&self) -> bool {
        let name = self.name();
        ["bin/.NAME-post-link.sh", "bin/.NAME-pre-link.sh"]
            .iter()
            .any(|path| self.nodes.0.contains_key(&path.replace("NAME", name)))
    }
}

/// Sorts packages such that each comes after those that it needs.
fn sorted_by_need(packages: Vec<LinkedPackage>) -> Vec<LinkedPackage> {
    let records = packages.iter().map(|package| {
        let index = &package.index;
        let mut record = PackageRecord::new(
            index.name.clone(),
            index.version.clone(),
            index.build.clone(),
        );
        record.depends.clone_from(&index.depends);
        record
    });
    let order = PackageRecord::sort_topologically(records.collect::<Vec<_>>());
    let position: BTreeMap<String, usize> = order
        .iter()
        .enumerate()
        .map(|(at, record)| (record.name.as_normalized().to_owned(), at))
        .collect();
    let mut packages = packages;
    packages.sort_by_key(|package| position.get(package.name()).copied());
    packages
}

/// The packages that each requested one needs, by the dependencies in the packages themselves.
struct Needs(BTreeMap<String, BTreeSet<String>>);

impl Needs {
    fn of(packages: &[LinkedPackage], requested: &BTreeSet<String>) -> Self {
        let by_name: BTreeMap<&str, &LinkedPackage> =
            packages.iter().map(|one| (one.name(), one)).collect();
        let closure = |name: &String| {
            let mut reached = BTreeSet::new();
            let mut pending = vec![name.to_ascii_lowercase()];
            while let Some(name) = pending.pop() {
                if let Some(package) = by_name.get(name.as_str())
                    && reached.insert(name)
                {
                    let depends = package.index.depends.iter();
                    pending.extend(depends.filter_map(|one| conda_package_of(one)));
                }
            }
            (name.clone(), reached)
        };
        Self(requested.iter().map(closure).collect())
    }

    /// Marks the packages that are not needed, and puts them first: the file of a later package is used.
    fn last(&self, mut packages: Vec<LinkedPackage>) -> Vec<LinkedPackage> {
        for package in &mut packages {
            package.is_needed = self.0.values().any(|names| names.contains(package.name()));
        }
        packages.sort_by_key(|package| package.is_needed);
        packages
    }

    fn programs(
        &self,
        of_packages: &BTreeMap<&str, BTreeSet<String>>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let programs = |(requested, needed): (&String, &BTreeSet<String>)| {
            let needed = needed
                .iter()
                .filter_map(|name| of_packages.get(name.as_str()));
            (requested.clone(), needed.flatten().cloned().collect())
        };
        self.0.iter().map(programs).collect()
    }
}

/// Returns the name of the program at a path of a prefix.
fn program_name(path: &str) -> Option<&str> {
    path.strip_prefix("bin/").filter(|name| !name.contains('/'))
}

fn prefix_python(packages: &[LinkedPackage]) -> Option<PrefixPython> {
    let python = packages.iter().find(|package| package.name() == "python")?;
    let (major, minor) = python.index.version.version().as_major_minor()?;
    let site_packages = python.index.python_site_packages_path.clone();
    let site_packages = site_packages.filter(|path| checked(path).is_ok());
    Some(PrefixPython {
        program: format!("bin/python{major}.{minor}"),
        site_packages: site_packages
            .unwrap_or_else(|| format!("lib/python{major}.{minor}/site-packages")),
    })
}

/// Chooses the file for every path of the prefix.
fn choose_files<'p>(
    packages: &'p [LinkedPackage],
    python: Option<&PrefixPython>,
) -> Result<(BTreeMap<String, LinkedFile<'p>>, PrefixNotes), Error> {
    let mut files: BTreeMap<String, LinkedFile<'p>> = BTreeMap::new();
    let mut clobbered: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut unset = BTreeSet::new();
    for package in packages {
        let bad = |path: &Path| refused(&path.to_string_lossy(), Rule::NotAsListed);
        for entry in &package.paths.paths {
            let source = entry
                .relative_path
                .to_str()
                .ok_or_else(|| bad(&entry.relative_path))?;
            let source = checked(source).map_err(|error| package.unusable(error))?;
            let target = if package.index.noarch.is_python() {
                noarch_target(package, source, python)?
            } else {
                source.to_owned()
            };
            let node = package.nodes.0.get(source);
            let node = node.ok_or_else(|| package.unusable(bad(&entry.relative_path)))?;
            if matches!(node, TreeNode::Directory) {
                continue;
            }
            // Also a link in the place of such a directory, or above it.
            let above = format!("{target}/");
            let is_activation = ACTIVATION
                .iter()
                .any(|one| target.starts_with(one) || one.starts_with(&above));
            if is_activation && !package.is_needed {
                unset.insert(package.name().to_owned());
                continue;
            }
            let file = LinkedFile {
                package,
                entry,
                source,
            };
            if let Some(other) = files.insert(target.clone(), file)
                && other.package.nodes.0.get(other.source) != Some(node)
            {
                let others = clobbered.entry(target).or_default();
                others.extend([other.package.name(), package.name()]);
            }
        }
    }
    let clobbered = clobbered.into_iter().take(SHOWN).map(|(path, packages)| {
        let from = files.get(&path).map_or("", |file| file.package.name());
        ClobberedFile {
            from: from.to_owned(),
            others: packages
                .iter()
                .filter(|one| **one != from)
                .map(ToString::to_string)
                .collect(),
            path,
        }
    });
    let scripts = packages.iter().filter(|package| package.has_script());
    let mut scripts: Vec<String> = scripts.map(|package| package.name().to_owned()).collect();
    scripts.sort();
    let notes = PrefixNotes {
        scripts,
        clobbered: clobbered.collect(),
        unset,
        ..PrefixNotes::default()
    };
    Ok((files, notes))
}

/// Returns the place of a file of Python code that fits every Python.
fn noarch_target(
    package: &LinkedPackage,
    source: &str,
    python: Option<&PrefixPython>,
) -> Result<String, Error> {
    let python = python.ok_or_else(|| Error::NoPython {
        package: package.name().to_owned(),
    })?;
    Ok(if let Some(rest) = source.strip_prefix("site-packages/") {
        format!("{}/{rest}", python.site_packages)
    } else if let Some(rest) = source.strip_prefix("python-scripts/") {
        format!("bin/{rest}")
    } else {
        source.to_owned()
    })
}

impl LinkedPackage {
    fn unusable(&self, reason: Error) -> Error {
        let index = &self.index;
        Error::Unpack {
            artifact: format!("{} {}", index.name.as_normalized(), index.version),
            reason: Box::new(reason),
        }
    }
}

/// The tree of a prefix while it grows.
struct PrefixTree<'a> {
    directory: &'a Path,
    /// The final place.
    prefix: &'a str,
    system: System,
    nodes: BTreeMap<String, TreeNode>,
}

impl PrefixTree<'_> {
    fn place(&mut self, path: &str, file: &LinkedFile<'_>) -> Result<(), Error> {
        let package = file.package;
        let node = package.nodes.0.get(file.source).cloned();
        let source = package.place.join(file.source);
        match node {
            None | Some(TreeNode::Directory) => Ok(()),
            Some(node @ TreeNode::Link { .. }) => {
                self.parents(path)
                    .map_err(|error| package.unusable(error))?;
                let TreeNode::Link { target } = &node else {
                    return Ok(());
                };
                let place = self.directory.join(path);
                symlink(target, &place).map_err(files::at("link", &place))?;
                self.nodes.insert(path.to_owned(), node);
                Ok(())
            }
            Some(TreeNode::File {
                executable, size, ..
            }) if file.entry.prefix_placeholder.is_some()
                && file.entry.path_type != PathType::SoftLink =>
            {
                let data = fs::read(&source).map_err(files::at("read", &source))?;
                let data = self.replaced(file, data, size)?;
                self.write(path, &data, executable)
                    .map_err(|error| package.unusable(error))?;
                self.sign(path, file)
            }
            Some(node @ TreeNode::File { .. }) => {
                self.parents(path)
                    .map_err(|error| package.unusable(error))?;
                let place = self.directory.join(path);
                // A file has a limited number of names on some file systems.
                fs::hard_link(&source, &place)
                    .or_else(|_| copy(&source, &place))
                    .map_err(files::at("link", &place))?;
                self.nodes.insert(path.to_owned(), node);
                Ok(())
            }
        }
    }

    /// Refuses links that leave the prefix through links of other packages.
    fn check_links(&self, files: &BTreeMap<String, LinkedFile<'_>>) -> Result<(), Error> {
        for (path, file) in files {
            if let Some(TreeNode::Link { target }) = self.nodes.get(path) {
                check_link(&self.nodes, path, target, true)
                    .map_err(|error| file.package.unusable(error))?;
            }
        }
        Ok(())
    }

    /// Returns the content of a file with the final place of the prefix.
    fn replaced(&self, file: &LinkedFile<'_>, data: Vec<u8>, size: u64) -> Result<Vec<u8>, Error> {
        let Some(placeholder) = &file.entry.prefix_placeholder else {
            return Ok(data);
        };
        let text = placeholder.placeholder.as_str();
        let refuse = |rule| Err(file.package.unusable(refused(file.source, rule)));
        // A short one could be everywhere in a file, which would grow without bounds.
        let is_path = text.starts_with('/') && text.len() >= SHORTEST_PLACEHOLDER;
        if !is_path || text.len() as u64 > size {
            return refuse(Rule::NotAsListed);
        }
        let replacement = Replacement {
            placeholder: text,
            prefix: self.prefix,
            system: self.system,
        };
        match placeholder.file_mode {
            FileMode::Text => Ok(replacement.in_text(&data)),
            FileMode::Binary if text.len() < self.prefix.len() => Err(Error::PrefixPlace {
                place: self.prefix.into(),
                longest: text.len(),
            }),
            FileMode::Binary => Ok(replacement.in_binary(&data)),
        }
    }

    /// Signs a program of macOS again, whose signature does not fit its new content.
    fn sign(&mut self, path: &str, file: &LinkedFile<'_>) -> Result<(), Error> {
        let binary = |entry: &PathsEntry| {
            let placeholder = entry.prefix_placeholder.as_ref();
            placeholder.is_some_and(|one| one.file_mode == FileMode::Binary)
        };
        if !cfg!(target_os = "macos") || self.system.is_linux() || !binary(file.entry) {
            return Ok(());
        }
        let place = self.directory.join(path);
        let signed = std::process::Command::new("/usr/bin/codesign")
            .args(["--sign", "-", "--force", "--preserve-metadata=entitlements"])
            .arg(&place)
            .output();
        let output = signed.map_err(files::at("sign", &place))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(files::at("sign", &place)(std::io::Error::other(message)).into());
        }
        let data = fs::read(&place).map_err(files::at("read", &place))?;
        let executable = matches!(
            self.nodes.get(path),
            Some(TreeNode::File {
                executable: true,
                ..
            })
        );
        let node = file_node(&data, executable);
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Writes the programs of a package that is only Python code, and returns their names.
    fn entry_points(
        &mut self,
        package: &LinkedPackage,
        python: Option<&PrefixPython>,
    ) -> Result<Vec<String>, Error> {
        let Some(LinkJson {
            noarch: NoArchLinks::Python(links),
            ..
        }) = &package.links
        else {
            return Ok(Vec::new());
        };
        let python = python.ok_or_else(|| Error::NoPython {
            package: package.name().to_owned(),
        })?;
        let mut written = Vec::new();
        for program in &links.entry_points {
            let line = format!("#!{}/{}", self.prefix, python.program);
            let line = interpreter_line(&line, self.system);
            let function = &program.function;
            let imported = function.split('.').next().unwrap_or(function);
            let text = format!(
                "{line}\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\nfrom {} import {imported}\n\n\
                 if __name__ == '__main__':\n\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n\
                 \tsys.exit({function}())\n",
                program.module
            );
            let path = format!("bin/{}", program.command);
            if !self.nodes.contains_key(&path) {
                self.write(&path, text.as_bytes(), true)
                    .map_err(|error| package.unusable(error))?;
                written.push(program.command.clone());
            }
        }
        Ok(written)
    }

    /// Makes pip explain why it cannot install into the prefix.
    fn protect(&mut self, python: &PrefixPython) -> Result<(), Error> {
        let name = python.program.trim_start_matches("bin/");
        let marker = format!("lib/{name}/EXTERNALLY-MANAGED");
        if self.nodes.contains_key(&marker) {
            return Ok(());
        }
        self.write(&marker, EXTERNALLY_MANAGED.as_bytes(), false)
    }

    /// Writes what other programs for conda read about a package.
    fn describe(
        &mut self,
        package: &LinkedPackage,
        files: &BTreeMap<String, LinkedFile<'_>>,
    ) -> Result<(), Error> {
        let index = &package.index;
        let artifact = package.record.artifacts.first();
        let own = files
            .iter()
            .filter(|(_, file)| std::ptr::eq(file.package, package));
        let file = format!(
            "{}-{}-{}",
            index.name.as_normalized(),
            index.version,
            index.build
        );
        let description = serde_json::json!({
            "name": index.name.as_normalized(),
            "version": index.version.to_string(),
            "build": index.build.to_string(),
            "build_number": index.build_number,
            "depends": index.depends,
            "files": own.map(|(path, _)| path).collect::<Vec<_>>(),
            "fn": artifact.and_then(|one| one.url.rsplit('/').next()),
            "subdir": index.subdir,
            "url": artifact.map(|one| &one.url),
            "sha256": artifact.map(|one| &one.digest),
        });
        let text = serde_json::to_vec_pretty(&description).unwrap_or_default();
        self.write(&format!("conda-meta/{file}.json"), &text, false)
    }

    fn write(&mut self, path: &str, data: &[u8], executable: bool) -> Result<(), Error> {
        let path = checked(path)?;
        self.parents(path)?;
        if self.nodes.contains_key(path) {
            return Err(refused(path, Rule::Duplicate));
        }
        let place = self.directory.join(path);
        fs::write(&place, data).map_err(files::at("write", &place))?;
        let mode = if executable { 0o555 } else { 0o444 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode))
            .map_err(files::at("write", &place))?;
        self.nodes
            .insert(path.to_owned(), file_node(data, executable));
        Ok(())
    }

    /// Makes the directories above a path.
    fn parents(&mut self, path: &str) -> Result<(), Error> {
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.nodes.get(parent) {
                Some(TreeNode::Directory) => {}
                Some(TreeNode::Link { .. }) => return Err(refused(path, Rule::ThroughLink)),
                Some(TreeNode::File { .. }) => return Err(refused(path, Rule::Duplicate)),
                None => {
                    let place = self.directory.join(parent);
                    fs::create_dir(&place).map_err(files::at("create", &place))?;
                    self.nodes.insert(parent.to_owned(), TreeNode::Directory);
                }
            }
        }
        Ok(())
    }

    /// Makes the directories read-only, except for the root, which is renamed later.
    fn finish(self) -> Result<FileManifest, Error> {
        for (path, node) in &self.nodes {
            if matches!(node, TreeNode::Directory) {
                let place = self.directory.join(path);
                fs::set_permissions(&place, fs::Permissions::from_mode(0o555))
                    .map_err(files::at("write", &place))?;
            }
        }
        Ok(FileManifest(self.nodes))
    }
}

fn file_node(data: &[u8], executable: bool) -> TreeNode {
    TreeNode::File {
        executable,
        size: data.len() as u64,
        digest: blake3::hash(data).into(),
    }
}

/// Copies a file with its mode and time.
fn copy(source: &Path, place: &Path) -> std::io::Result<()> {
    let modified = fs::metadata(source)?.modified()?;
    fs::copy(source, place)?;
    fs::File::open(place)?.set_modified(modified)
}
