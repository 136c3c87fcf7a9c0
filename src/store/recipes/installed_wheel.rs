//! Wheels installed into an environment of one Python, as the "Binary distribution format" of the Python packaging
//! specifications says.
//!
//! Invariants: every file is compared with the wheel's `RECORD`; the wheel has the name and version that it is installed
//! for; no file replaces a different one of another wheel; no code of a wheel runs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read},
};

use base64::Engine as _;
use sha2::Digest as _;

use super::{
    Tree,
    wheel::{Checked, LIMIT, OpenWheel, WheelRecord, data, entry_points, is_own_record},
};
use crate::{
    package::{PackageName, ProgramName, Version},
    store::{
        Error, Rule,
        file_manifest::{BYTECODE, TreeNode},
        tree_builder::{Placed, refused},
        unpack::{ArchiveFile, zip::Zip},
    },
};

/// The modification time of all files: 2 January 1980. A zip archive cannot have an earlier one in any time zone, and
/// programs pack the files of packages into such archives.
pub(in crate::store) const MODIFIED: u64 = 315_619_200;
/// The first lines of a script. They start the Python of the same directory, so the environment can move.
const RELOCATABLE: &str = "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n";
/// The start of a script for any Python.
const ANY_PYTHON: &[u8] = b"#!python";

/// The places of an environment that wheels are installed into.
pub(in crate::store) struct WheelPlaces {
    /// `lib/python3.12/site-packages`
    packages: String,
    /// `include/site/python3.12`
    headers: String,
}

impl WheelPlaces {
    /// Returns the places for a version of Python (`3.12`).
    pub(in crate::store) fn of(minor: &str) -> Self {
        Self {
            packages: format!("lib/python{minor}/site-packages"),
            headers: format!("include/site/python{minor}"),
        }
    }

    /// Returns the place of a member in the environment.
    fn of_member(&self, name: &str, package: &PackageName) -> Result<String, Error> {
        let Some(below) = data(name) else {
            return Ok(format!("{}/{name}", self.packages));
        };
        let refuse = || refused(name, Rule::OddPath);
        let (kind, path) = below.split_once('/').ok_or_else(refuse)?;
        match kind {
            "purelib" | "platlib" => Ok(format!("{}/{path}", self.packages)),
            "scripts" => Ok(format!("bin/{path}")),
            "headers" => Ok(format!("{}/{package}/{path}", self.headers)),
            // Hidden files of an object are devsh's own.
            // In an environment of uv `lib64` is a link.
            "data" if !path.starts_with('.') && !path.starts_with("lib64/") => Ok(path.to_owned()),
            _ => Err(refuse()),
        }
    }

    /// Returns the path of a place as `RECORD` has it: relative to the packages.
    fn in_record(&self, place: &str) -> String {
        let below = place.strip_prefix(&self.packages);
        match below.and_then(|below| below.strip_prefix('/')) {
            Some(path) => path.to_owned(),
            None => format!("../../../{place}"),
        }
    }
}

/// A wheel while it is installed.
struct InstalledWheel<'a> {
    package: &'a PackageName,
    places: &'a WheelPlaces,
    tree: &'a mut Tree,
    /// The new `RECORD`: digest and size of each file by its path there.
    files: BTreeMap<String, (Vec<u8>, u64)>,
}

/// Installs the wheel of this version of a package.
pub(in crate::store) fn install(
    package: &PackageName,
    version: &Version,
    file: ArchiveFile<'_>,
    places: &WheelPlaces,
    tree: &mut Tree,
) -> Result<(), Error> {
    let OpenWheel {
        mut zip,
        names,
        information,
        record,
    } = OpenWheel::open(package, version, file)?;
    let mut wheel = InstalledWheel {
        package,
        places,
        tree,
        files: BTreeMap::new(),
    };
    // The bytecode in a wheel may be for another Python, and devsh makes its own.
    let is_bytecode = |name: &str| name.split('/').any(|part| part == BYTECODE);
    for name in &names {
        if !name.ends_with('/') && !is_own_record(name, &information) && !is_bytecode(name) {
            wheel.member(&mut zip, name, &record)?;
        }
    }
    let scripts = format!("{information}entry_points.txt");
    if names.contains(&scripts) {
        for (name, target) in entry_points(&zip.text(&scripts, LIMIT)?) {
            let text = entry_script(&name, &target).ok_or_else(|| {
                let line = format!("{scripts}: {name} = {target}");
                refused(&line, Rule::NotAsListed)
            })?;
            wheel.write(&format!("bin/{name}"), true, text.as_bytes())?;
        }
    }
    let packages = &places.packages;
    wheel.write(
        &format!("{packages}/{information}INSTALLER"),
        false,
        b"devsh\n",
    )?;
    wheel.write(&format!("{packages}/{information}REQUESTED"), false, b"")?;
    wheel.finish(&format!("{information}RECORD"))
}

impl InstalledWheel<'_> {
    /// Installs one member.
    fn member(&mut self, zip: &mut Zip<'_>, name: &str, record: &WheelRecord) -> Result<(), Error> {
        let place = self.places.of_member(name, self.package)?;
        let not_as_listed = || refused(name, Rule::NotAsListed);
        let listed = record.get(name).ok_or_else(not_as_listed)?;
        let is_script = data(name).is_some_and(|below| below.starts_with("scripts/"));
        let mut script = None;
        zip.member(name, |member, content| {
            let mut content = Checked::new(content);
            let size = if is_script {
                let mut bytes = Vec::new();
                let read = io::copy(&mut (&mut content).take(LIMIT), &mut bytes);
                let read = read.map_err(|source| Error::Archive {
                    member: name.to_owned(),
                    source,
                })?;
                script = Some(bytes);
                read
            } else {
                self.place(&place, member.executable, &mut content)?
            };
            if (content.digest(), size) != *listed {
                return Err(not_as_listed());
            }
            Ok(())
        })?;
        if let Some(bytes) = script {
            return self.write(&place, true, &relocatable(bytes));
        }
        let path = self.places.in_record(&place);
        self.files.insert(path, listed.clone());
        Ok(())
    }

    /// Writes a file that devsh made, and records it.
    fn write(&mut self, place: &str, executable: bool, bytes: &[u8]) -> Result<(), Error> {
        let size = self.place(place, executable, &mut &bytes[..])?;
        let digest = sha2::Sha256::digest(bytes).to_vec();
        self.files
            .insert(self.places.in_record(place), (digest, size));
        Ok(())
    }

    /// Writes a file; the same file of an earlier wheel may be there.
    fn place(
        &mut self,
        place: &str,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<u64, Error> {
        let placed = Placed {
            executable,
            mtime: Some(MODIFIED),
        };
        let Some(TreeNode::File {
            digest,
            size,
            executable: was_executable,
        }) = self.tree.node(place)
        else {
            return self.tree.file(place, placed, content);
        };
        let mut hasher = blake3::Hasher::new();
        io::copy(content, &mut hasher).map_err(|source| Error::Archive {
            member: place.to_owned(),
            source,
        })?;
        if *hasher.finalize().as_bytes() == *digest && executable == *was_executable {
            Ok(*size)
        } else {
            Err(refused(place, Rule::Duplicate))
        }
    }

    /// Writes the `RECORD` of the installed files.
    fn finish(self, own: &str) -> Result<(), Error> {
        let mut text = String::new();
        for (path, (digest, size)) in &self.files {
            let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{},sha256={digest},{size}", quoted(path));
        }
        let _written = writeln!(text, "{},,", quoted(own));
        let place = format!("{}/{own}", self.places.packages);
        let placed = Placed {
            executable: false,
            mtime: Some(MODIFIED),
        };
        self.tree
            .file(&place, placed, &mut text.as_bytes())
            .map(drop)
    }
}

/// Returns a field of a file of comma-separated values.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Lets a script for any Python run the one of its environment; another script stays as it is.
fn relocatable(script: Vec<u8>) -> Vec<u8> {
    if !script.starts_with(ANY_PYTHON) {
        return script;
    }
    let end = script.iter().position(|byte| *byte == b'\n');
    let rest = &script[end.map_or(script.len(), |end| end + 1)..];
    [RELOCATABLE.as_bytes(), rest].concat()
}

/// Returns the script of an entry point (`module:object.method`); nothing if its parts are not plain names.
fn entry_script(name: &str, target: &str) -> Option<String> {
    name.parse::<ProgramName>().ok()?;
    let target = target.split('[').next()?.trim();
    let (module, function) = target.split_once(':')?;
    let (module, function) = (module.trim(), function.trim());
    let is_name = |part: &str| {
        let letter = |one: char| one == '_' || one.is_ascii_alphanumeric();
        part.chars().all(letter) && part.starts_with(|one: char| !one.is_ascii_digit())
    };
    let are_names = |dotted: &str| dotted.split('.').all(is_name);
    if !are_names(module) || !are_names(function) {
        return None;
    }
    let import = function.split('.').next()?;
    Some(format!(
        "{RELOCATABLE}# -*- coding: utf-8 -*-
import sys
from {module} import {import}
if __name__ == \"__main__\":
    sys.exit({function}())
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_point_has_plain_names() {
        let script = entry_script("tool", "pkg.cli:App.run [extra]").unwrap();
        assert!(script.contains("from pkg.cli import App\n"), "{script}");
        assert!(script.ends_with("    sys.exit(App.run())\n"), "{script}");
        for (name, target) in [
            ("tool", "pkg.cli"),
            ("tool", "pkg:run()"),
            ("tool", "pkg import os;x:run"),
            ("tool", "pkg:"),
            ("tool", "pkg:run\nimport os"),
            ("tool", "1pkg:run"),
            ("../tool", "pkg:run"),
            ("-tool", "pkg:run"),
        ] {
            assert_eq!(entry_script(name, target), None, "{name} = {target}");
        }
    }

    #[test]
    fn files_go_where_their_kind_belongs() {
        let (places, package) = (WheelPlaces::of("3.12"), "demo".parse().unwrap());
        let packages = "lib/python3.12/site-packages";
        for (name, place, in_record) in [
            ("a/b.py", &*format!("{packages}/a/b.py"), "a/b.py"),
            ("d-1.data/purelib/a.py", &format!("{packages}/a.py"), "a.py"),
            ("d-1.data/scripts/x", "bin/x", "../../../bin/x"),
            ("d-1.data/data/share/x", "share/x", "../../../share/x"),
            (
                "d-1.data/headers/x.h",
                "include/site/python3.12/demo/x.h",
                "../../../include/site/python3.12/demo/x.h",
            ),
            (
                "d-1.data/data/lib/python3.12/site-packagesX/a",
                &format!("{packages}X/a"),
                &format!("../../../{packages}X/a"),
            ),
        ] {
            assert_eq!(places.of_member(name, &package).unwrap(), place, "{name}");
            assert_eq!(places.in_record(place), in_record, "{name}");
        }
        for name in [
            "d-1.data/other/x",
            "d-1.data/scripts",
            "d-1.data/data/.devsh-files",
            "d-1.data/data/lib64/x",
        ] {
            assert!(places.of_member(name, &package).is_err(), "{name}");
        }
    }

    #[test]
    fn a_script_for_any_python_runs_that_of_its_environment() {
        let script = relocatable(b"#!python -E\nprint(1)\n".to_vec());
        assert_eq!(script, format!("{RELOCATABLE}print(1)\n").into_bytes());
        assert_eq!(relocatable(b"#!/bin/sh\n".to_vec()), b"#!/bin/sh\n");
    }
}
