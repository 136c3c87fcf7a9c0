//! Writes the text of a lockfile, which `format` reads.

use std::fmt::Write as _;

use super::{
    Artifact, LockKey, LockedPackage, Lockfile, application,
    format::{ANY, Kind, VERSION},
    locked_package, python,
};
use crate::package::{Digest, System};

/// Writes a lockfile.
pub fn print(lockfile: &Lockfile) -> String {
    let mut text = format!("# written by devsh, do not edit\nversion = {VERSION}\n");
    for (source, pin) in &lockfile.extends {
        locked_package::print(&mut text, source, pin);
    }
    for (key, package) in &lockfile.packages {
        print_package(&mut text, key, package);
    }
    python::print(&mut text, &lockfile.python);
    text
}

fn print_package(text: &mut String, key: &LockKey, package: &LockedPackage) {
    text.push_str("\n[[tool]]\n");
    line(text, "name", quoted(&key.tool.to_string()));
    line(text, "requirement", quoted(&key.requirement));
    for (name, list) in [("components", &key.components), ("targets", &key.targets)] {
        if !list.is_empty() {
            let words: Vec<String> = list.iter().map(|word| quoted(word)).collect();
            line(text, name, format!("[{}]", words.join(", ")));
        }
    }
    line(text, "version", quoted(package.version.as_str()));
    if let Some(build) = &package.build {
        line(text, "build", quoted(build));
    }
    if let Some(application) = &package.application {
        application::print(text, application);
    }
    // Last, and required when reading: a block that was cut off can never pass for a whole one.
    text.push_str("artifacts = [\n");
    let kind = Kind::of(&key.tool, package.application.as_ref());
    let everywhere = |artifact: &Artifact| {
        kind.is_portable()
            && System::ALL.iter().all(|system| {
                let there = package.artifacts.get(system);
                there.is_some_and(|there| there.contains(artifact))
            })
    };
    let sorted = |artifacts: &'_ [Artifact]| {
        let mut artifacts = artifacts.to_vec();
        artifacts.sort_by(|one, other| one.part.cmp(&other.part));
        artifacts
    };
    let first = package.artifacts.values().next();
    let first = first.map(Vec::as_slice).unwrap_or_default();
    for artifact in sorted(first).iter().filter(|one| everywhere(one)) {
        print_artifact(text, (kind, ANY), artifact);
    }
    for (system, artifacts) in &package.artifacts {
        for artifact in sorted(artifacts).iter().filter(|one| !everywhere(one)) {
            print_artifact(text, (kind, system.as_str()), artifact);
        }
    }
    text.push_str("]\n");
}

fn print_artifact(text: &mut String, (kind, system): (Kind, &str), artifact: &Artifact) {
    let Artifact {
        part,
        url,
        digest,
        size,
    } = artifact;
    let mut fields = vec![format!("system = \"{system}\"")];
    // The address of a wheel ends with its name.
    if !part.is_empty() && kind != Kind::Application {
        fields.push(format!("part = {}", quoted(part)));
    }
    fields.push(format!("url = {}", quoted(url.as_str())));
    fields.push(match digest {
        Digest::Sha256(sha256) => format!("sha256 = \"{sha256}\""),
        other @ Digest::Sha512(_) => format!(
            "integrity = {}",
            quoted(&other.integrity().unwrap_or_default())
        ),
    });
    fields.extend(size.map(|size| format!("size = {size}")));
    text.push_str("  { ");
    text.push_str(&fields.join(", "));
    text.push_str(" },\n");
}

pub(super) fn line(text: &mut String, key: &str, value: impl AsRef<str>) {
    text.push_str(key);
    text.push_str(" = ");
    text.push_str(value.as_ref());
    text.push('\n');
}

/// Returns a basic string of TOML on one line.
pub(super) fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
