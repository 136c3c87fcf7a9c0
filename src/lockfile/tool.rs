//! One `[[tool]]` block: a request, the chosen version, and its artifacts, one line each.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use toml::Spanned;

use super::{
    address::lockable,
    application::{self, Application},
    entry_origin::EntryOrigin,
    model::{Artifact, LockKey, LockedPackage},
    problem::{Problem, SpannedProblem},
    values::{invalid, line, quoted, value, word},
};
use crate::{
    package::{Digest, ReleaseOption, Sha256, Source, Supplier, System, Tool, is_npm_place},
    util::{
        address::parse_address,
        redact::{redact_invalid, redact_url},
    },
};

/// Stands for every system where an artifact is the same on all.
const ANY: &str = "any";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolBlock {
    name: Spanned<String>,
    requirement: String,
    #[serde(default)]
    components: Vec<Spanned<String>>,
    #[serde(default)]
    targets: Vec<Spanned<String>>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
    version: Spanned<String>,
    source: Option<Spanned<String>>,
    build: Option<Spanned<String>>,
    checked: Option<Spanned<String>>,
    verified: Option<Spanned<String>>,
    python: Option<Spanned<String>>,
    packages: Option<Vec<Spanned<String>>>,
    artifacts: Vec<Spanned<ArtifactLine>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtifactLine {
    system: Spanned<String>,
    part: Option<Spanned<String>>,
    url: Spanned<String>,
    sha256: Option<Spanned<String>>,
    integrity: Option<Spanned<String>>,
    size: Option<u64>,
}

/// Reads a block.
pub(super) fn read(
    raw: ToolBlock,
    block: &Range<usize>,
) -> Result<(LockKey, LockedPackage), SpannedProblem> {
    let words = |list: Vec<Spanned<String>>| -> Result<Vec<String>, SpannedProblem> {
        let mut words: Vec<String> = list.into_iter().map(word).collect::<Result<_, _>>()?;
        words.sort();
        Ok(words)
    };
    let key = LockKey {
        tool: value::<Tool>(&raw.name)?,
        requirement: raw.requirement,
        components: words(raw.components)?,
        targets: words(raw.targets)?,
        options: raw
            .options
            .iter()
            .map(value::<ReleaseOption>)
            .collect::<Result<_, _>>()?,
    };
    let supplier = supplier(&key.tool, raw.source.as_ref())?;
    let application = application::read(&supplier, raw.python, raw.packages, block)?;
    let parts = PartNames::of(&supplier, application.as_ref());
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for line in raw.artifacts {
        let span = line.span();
        let (places, artifact) = artifact(parts, line.into_inner(), &span)?;
        for system in places {
            let there = artifacts.entry(system).or_default();
            match there.binary_search_by(|other| other.part.cmp(&artifact.part)) {
                Ok(_) => {
                    let name = format!("`{}` for {system}", part_name(&key.tool, &artifact.part));
                    return Err(Problem::Duplicate(name).at(span));
                }
                Err(at) => there.insert(at, artifact.clone()),
            }
        }
    }
    if artifacts.is_empty() {
        return Err(Problem::Empty(key.tool).at(block.clone()));
    }
    let package = LockedPackage {
        origin: EntryOrigin::Read,
        version: value(&raw.version)?,
        supplier,
        build: raw.build.map(word).transpose()?,
        checked: raw.checked.map(Spanned::into_inner),
        verified: raw.verified.map(Spanned::into_inner),
        artifacts,
        application,
    };
    Ok((key, package))
}

/// Reads which package serves a tool. A lockfile needs no approval, so it cannot name another one than devsh knows.
fn supplier(tool: &Tool, named: Option<&Spanned<String>>) -> Result<Supplier, SpannedProblem> {
    let Some(named) = named else {
        return Ok(tool.unnamed_supplier());
    };
    let supplier = value::<Supplier>(named)?;
    if tool.supplier_rank(&supplier).is_some() {
        return Ok(supplier);
    }
    let (tool, found) = (tool.clone(), named.get_ref().clone());
    Err(Problem::Source { tool, found }.at(named.span()))
}

fn part_name(tool: &Tool, part: &str) -> String {
    if part.is_empty() {
        tool.to_string()
    } else {
        part.to_owned()
    }
}

/// The kinds of names that the artifacts of a tool have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartNames {
    Components,
    /// Places below `node_modules`.
    Npm,
    /// Names of wheels.
    Application,
    /// A crate, which has one file for all systems.
    Crate,
}

impl PartNames {
    fn of(supplier: &Supplier, application: Option<&Application>) -> Self {
        match (supplier.source, application) {
            (Source::Npm | Source::NpmPlatform, _) => Self::Npm,
            (Source::Pypi, Some(_)) => Self::Application,
            (Source::Cargo, _) => Self::Crate,
            _ => Self::Components,
        }
    }

    /// Returns whether an artifact can be the same on all systems.
    fn may_be_portable(self) -> bool {
        self != Self::Components
    }
}

/// Returns an artifact and the systems it is for.
fn artifact(
    names: PartNames,
    raw: ArtifactLine,
    line: &Range<usize>,
) -> Result<(Vec<System>, Artifact), SpannedProblem> {
    let url = parse_address(raw.url.get_ref())
        .ok()
        .filter(lockable)
        .ok_or_else(|| Problem::Address(redact_invalid(raw.url.get_ref())).at(raw.url.span()))?;
    let part = match (names, raw.part) {
        (PartNames::Application, None) => application::wheel_name(&url).ok_or_else(|| {
            let url = redact_url(&url);
            invalid("the address of a wheel", url.as_str(), raw.url.span())
        })?,
        (PartNames::Application, Some(part)) => {
            let text = "a wheel of an application has the name in its address, and no `part`";
            return Err(Problem::Syntax(text.to_owned()).at(part.span()));
        }
        (_, None) => String::new(),
        (_, Some(part)) => part_of(names, part)?,
    };
    let artifact = Artifact {
        part,
        url,
        digest: digest(raw.sha256.as_ref(), raw.integrity.as_ref(), line)?,
        size: raw.size,
    };
    if names.may_be_portable() && raw.system.get_ref() == ANY {
        return Ok((System::ALL.to_vec(), artifact));
    }
    Ok((vec![value(&raw.system)?], artifact))
}

/// Reads the one digest of an artifact.
fn digest(
    sha256: Option<&Spanned<String>>,
    integrity: Option<&Spanned<String>>,
    line: &Range<usize>,
) -> Result<Digest, SpannedProblem> {
    let syntax = |text: &str| Problem::Syntax(text.to_owned()).at(line.clone());
    match (sha256, integrity) {
        (Some(sha256), None) => value::<Sha256>(sha256).map(Digest::from),
        (None, Some(integrity)) => Digest::from_integrity(integrity.get_ref())
            .map_err(|error| Problem::Value(error).at(integrity.span())),
        (None, None) => Err(syntax("missing field `sha256`")),
        (Some(_), Some(_)) => Err(syntax("`sha256` and `integrity` exclude each other")),
    }
}

/// Reads the name of a part; an npm package has its place below `node_modules`.
fn part_of(names: PartNames, text: Spanned<String>) -> Result<String, SpannedProblem> {
    if names != PartNames::Npm {
        return word(text);
    }
    if is_npm_place(text.get_ref()) && text.get_ref().len() <= 1000 {
        return Ok(text.into_inner());
    }
    let place = "a place below `node_modules`";
    Err(invalid(place, text.get_ref(), text.span()))
}

/// Writes a block.
pub(super) fn print(text: &mut String, key: &LockKey, package: &LockedPackage) {
    text.push_str("\n[[tool]]\n");
    line(text, "name", quoted(&key.tool.to_string()));
    line(text, "requirement", quoted(&key.requirement));
    for (name, list) in [("components", &key.components), ("targets", &key.targets)] {
        if !list.is_empty() {
            let words: Vec<String> = list.iter().map(|word| quoted(word)).collect();
            line(text, name, format!("[{}]", words.join(", ")));
        }
    }
    if !key.options.is_empty() {
        let options: Vec<String> = key
            .options
            .iter()
            .map(|one| quoted(&one.to_string()))
            .collect();
        line(text, "options", format!("[{}]", options.join(", ")));
    }
    line(text, "version", quoted(package.version.as_str()));
    if package.supplier != key.tool.unnamed_supplier() {
        line(text, "source", quoted(&package.supplier.to_string()));
    }
    for (name, words) in [
        ("build", &package.build),
        ("checked", &package.checked),
        ("verified", &package.verified),
    ] {
        if let Some(words) = words {
            line(text, name, quoted(words));
        }
    }
    if let Some(application) = &package.application {
        application::print(text, application);
    }
    // Last, and required by the reader: a truncated block is an error.
    text.push_str("artifacts = [\n");
    let names = PartNames::of(&package.supplier, package.application.as_ref());
    let everywhere = |artifact: &Artifact| {
        names.may_be_portable()
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
        print_artifact_line(text, (names, ANY), artifact);
    }
    for (system, artifacts) in &package.artifacts {
        for artifact in sorted(artifacts).iter().filter(|one| !everywhere(one)) {
            print_artifact_line(text, (names, system.as_str()), artifact);
        }
    }
    text.push_str("]\n");
}

fn print_artifact_line(text: &mut String, (names, system): (PartNames, &str), artifact: &Artifact) {
    let Artifact {
        part,
        url,
        digest,
        size,
    } = artifact;
    let mut fields = vec![format!("system = \"{system}\"")];
    // The address of a wheel ends with its name.
    if !part.is_empty() && names != PartNames::Application {
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
