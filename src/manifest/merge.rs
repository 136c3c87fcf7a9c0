//! Merges combined files and their tables into the dev shells of a project.
//!
//! The lowest layer comes first. For each dev shell every layer adds its top level and then its tables of that dev
//! shell, so a higher layer's top level wins over a lower layer's dev shell. Tables merge key by
//! key, lists concatenate without duplicates, the later scalar wins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    CompositionError, DevShell, Error, ErrorKind, ImageRequest, Layer, Located, Manifest, Origin,
    ShellName, Tables, Text, cache, check, cost,
    layer::{EnvEntry, EnvFile},
    provenance::{self, MergeStep, Statement, Subject},
};
use crate::util::nearest::nearest;

use crate::package::{Invalid, PackageName};

/// Most entries that all dev shells of a manifest may have together.
const ENTRIES: usize = 20_000;
/// The number of names in `inherits` that costs as much as one entry.
const PARENTS: usize = 16;
/// The longest accepted chain of `inherits`.
const DEPTH: usize = 32;

/// Merges layers into dev shells, the lowest layer first.
pub fn merge(layers: &[Layer]) -> Result<Manifest, Error> {
    merge_with(layers, None)
}

/// Merges layers into dev shells, and into a combination of several if one is given.
pub fn merge_with(layers: &[Layer], combined: Option<&ShellName>) -> Result<Manifest, Error> {
    let merging = Merging::new(layers);
    merging.refuse_too_large()?;
    let mut manifest = Manifest::default();
    for name in merging.names.iter().chain(combined) {
        let shell = merging.shell(name)?;
        manifest.shells.insert(name.clone(), shell);
    }
    manifest.images = merge_images(layers);
    manifest.caches = cache::merge(layers.iter().flat_map(|layer| &layer.caches));
    Ok(manifest)
}

/// Merges the images of all layers, each onto the common table.
fn merge_images(layers: &[Layer]) -> BTreeMap<Option<PackageName>, ImageRequest> {
    let mut merged: BTreeMap<Option<PackageName>, ImageRequest> = BTreeMap::new();
    for (name, image) in layers.iter().flat_map(|layer| &layer.images) {
        merged.entry(name.clone()).or_default().overlay(image);
    }
    let common = merged.get(&None).cloned().unwrap_or_default();
    for (name, image) in &mut merged {
        if name.is_some() {
            let own = std::mem::replace(image, common.clone());
            image.overlay(&own);
        }
    }
    merged
}

/// Returns all statements about one dev shell by subject, those of the lowest layer first.
pub fn statements(
    layers: &[Layer],
    name: &ShellName,
) -> Result<BTreeMap<Subject, Vec<Statement>>, Error> {
    let merging = Merging::new(layers);
    let steps = merging.steps(name)?;
    Ok(provenance::collect(&steps))
}

struct Merging<'a> {
    layers: &'a [Layer],
    names: BTreeSet<ShellName>,
    /// The files that set variables as manifests.
    manifests: BTreeSet<&'a str>,
}

/// The parts of a dev shell in the order of the merge: the top level (`None`) and dev shells.
#[derive(Default)]
struct MergeOrder<'a> {
    list: Vec<Option<&'a ShellName>>,
    seen: BTreeSet<Option<&'a ShellName>>,
}

impl<'a> MergeOrder<'a> {
    fn put(&mut self, part: Option<&'a ShellName>) {
        if self.seen.insert(part) {
            self.list.push(part);
        }
    }
}

impl<'a> Merging<'a> {
    fn new(layers: &'a [Layer]) -> Self {
        let mut names: BTreeSet<ShellName> = BTreeSet::from([ShellName::dev()]);
        names.extend(layers.iter().flat_map(|layer| layer.shells.keys().cloned()));
        let tables = layers.iter().flat_map(Layer::tables);
        let variables = tables.flat_map(|tables| tables.env.values());
        let variables = variables.map(|entry| &*entry.value.origin.file);
        let manifests = layers.iter().map(|layer| &**layer.text.file());
        Self {
            layers,
            names,
            manifests: manifests.chain(variables).collect(),
        }
    }

    /// Limits the copies: every dev shell has the entries of all its parents, and the merge runs before the user
    /// has approved the project.
    fn refuse_too_large(&self) -> Result<(), Error> {
        let sections = || self.layers.iter().flat_map(|layer| layer.shells.values());
        let parents = sections().flat_map(|section| &section.inherits);
        let inherited: BTreeSet<&ShellName> = parents.map(|name| &name.value).collect();
        // A combination adds one more copy of everything.
        let all = self.names.len() + 1;
        let mut found: usize = 0;
        let mut count = |copies: usize, weight: usize| {
            found = found.saturating_add(copies.saturating_mul(weight));
        };
        let images = self.layers.iter().map(|layer| layer.images.len()).sum();
        count(1, self.names.len());
        for layer in self.layers {
            count(1, cost::caches(&layer.caches));
            count(all, cost::tables(&layer.top));
            count(
                all,
                layer
                    .env_files
                    .values()
                    .map(|file| cost::variables(file))
                    .sum(),
            );
            for (name, image) in &layer.images {
                let copies = if name.is_none() { images } else { 1 };
                count(copies, cost::image(image));
            }
            for (name, section) in &layer.shells {
                let copies = if inherited.contains(name) { all } else { 2 };
                count(copies, cost::tables(&section.tables));
            }
        }
        // Following a parent costs less than a copy.
        let parents = sections()
            .map(|section| section.inherits.len())
            .sum::<usize>();
        count(all, parents / PARENTS);
        let Some(layer) = self.layers.last().filter(|_| found > ENTRIES) else {
            return Ok(());
        };
        let expected = "a manifest of at most 20,000 entries in all dev shells and images together, a long text counting as several";
        let invalid = Invalid::new(expected, &format!("{found}"));
        Err(layer.text.error(0..0, invalid))
    }

    fn shell(&'a self, name: &'a ShellName) -> Result<DevShell, Error> {
        let steps = self.steps(name)?;
        let mut tables = Tables::default();
        for step in &steps {
            tables.overlay(&step.loaded);
            tables.overlay(step.tables);
        }
        self.refuse_conflicts(&steps)?;
        let shell = tables.finish();
        check::check_shell(&shell).map_err(|fault| {
            self.error_at(
                &fault.origin,
                &fault.word,
                ErrorKind::Composition(fault.kind),
            )
        })?;
        Ok(shell)
    }

    /// Returns the tables that make up a dev shell, lowest first.
    fn steps(&'a self, name: &'a ShellName) -> Result<Vec<MergeStep<'a>>, Error> {
        let mut order = MergeOrder::default();
        for name in self.parts(name)? {
            self.order(name, &mut Vec::new(), &mut order)?;
        }
        let mut steps = Vec::new();
        for (layer, one) in self.layers.iter().enumerate() {
            for part in &order.list {
                let tables = match part {
                    None => Some(&one.top),
                    Some(shell) => one.shells.get(*shell).map(|section| &section.tables),
                };
                steps.extend(tables.map(|tables| MergeStep {
                    layer,
                    shell: *part,
                    tables,
                    loaded: Tables::default(),
                }));
            }
        }
        self.load(&mut steps)?;
        Ok(steps)
    }

    /// Returns the dev shells of a name: one, or all of a combination.
    fn parts(&'a self, name: &'a ShellName) -> Result<Vec<&'a ShellName>, Error> {
        let mut parts = Vec::new();
        for word in name.parts() {
            let known = word.parse().ok();
            let known = known.and_then(|name: ShellName| self.names.get(&name));
            parts.push(known.ok_or_else(|| {
                let names = self.names.iter().map(|one| one.as_str().to_owned());
                let kind = ErrorKind::UnknownShell {
                    name: word.to_owned(),
                    suggestion: nearest(word, names),
                };
                Error {
                    file: Arc::from(super::MANIFEST),
                    text: Arc::from(""),
                    span: 0..0,
                    kind,
                }
            })?);
        }
        Ok(parts)
    }

    /// Puts the variables of each env file that is still listed at the step that listed it.
    fn load(&self, steps: &mut [MergeStep<'_>]) -> Result<(), Error> {
        let mut listed = Tables::default();
        for step in steps.iter() {
            listed.overlay(step.tables);
        }
        let files = listed.env_files.iter();
        let files: BTreeMap<&str, &EnvFile> =
            files.map(|file| (file.path.value.as_str(), file)).collect();
        self.refuse_manifests(&files)?;
        for step in steps {
            let own = |file: &&EnvFile| files.get(file.path.value.as_str()) == Some(file);
            for file in step.tables.env_files.iter().filter(own) {
                let path = &file.path.value;
                let Some(variables) = self.layers[step.layer].env_files.get(path) else {
                    if file.optional {
                        continue;
                    }
                    let kind = CompositionError::EnvFileMissing { path: path.clone() };
                    return Err(self.error_at(&file.path.origin, path, kind.into()));
                };
                let variables = variables.iter();
                step.loaded.env.extend(
                    variables.map(|(name, value)| (name.clone(), EnvEntry::new(value.clone()))),
                );
            }
        }
        Ok(())
    }

    /// Refuses env files that set variables as manifests too: the values of env files are secret, those of manifests are
    /// not, and the file of a value says which of them it is.
    fn refuse_manifests(&self, files: &BTreeMap<&str, &EnvFile>) -> Result<(), Error> {
        let mut files = files.values();
        let Some(file) = files.find(|file| self.manifests.contains(file.path.value.as_str()))
        else {
            return Ok(());
        };
        let path = file.path.value.clone();
        let kind = CompositionError::EnvFileIsManifest { path: path.clone() };
        Err(self.error_at(&file.path.origin, &path, kind.into()))
    }

    /// Refuses two layers that contradict each other when neither builds on the other and no layer above decides.
    fn refuse_conflicts(&self, steps: &[MergeStep<'_>]) -> Result<(), Error> {
        if self.layers.iter().all(|layer| layer.below.is_none()) {
            return Ok(());
        }
        let builds_on = |upper: usize, lower: usize| {
            let below = &self.layers[upper].below;
            lower < upper && below.as_ref().is_none_or(|below| below.contains(&lower))
        };
        for (subject, statements) in provenance::collect(steps) {
            let Some((first, second)) = provenance::contradiction(&statements, builds_on) else {
                continue;
            };
            let claimed = |statement: &Statement| {
                Box::new(Located {
                    value: statement.claim.to_string(),
                    origin: statement.origin.clone(),
                })
            };
            let kind = CompositionError::Conflict {
                subject: subject.to_string(),
                first: claimed(first),
                second: claimed(second),
            };
            return Err(self.error_at(&second.origin, subject.name(), kind.into()));
        }
        Ok(())
    }

    /// Adds what makes up `name`: the top level, the dev shells it inherits from, whole, and its own tables.
    fn order(
        &'a self,
        name: &'a ShellName,
        path: &mut Vec<&'a ShellName>,
        order: &mut MergeOrder<'a>,
    ) -> Result<(), Error> {
        path.push(name);
        let sections = || self.layers.iter().filter_map(|one| one.shells.get(name));
        let standalone = sections()
            .filter_map(|one| one.standalone.as_ref())
            .next_back();
        if !standalone.is_some_and(|standalone| standalone.value) {
            order.put(None);
        }
        for parent in sections().flat_map(|section| &section.inherits) {
            self.reach(parent, path)?;
            // A listed parent has all its parents in the list, so a diamond is followed once.
            if !order.seen.contains(&Some(&parent.value)) {
                self.order(&parent.value, path, order)?;
            }
        }
        order.put(Some(name));
        path.pop();
        Ok(())
    }

    /// Refuses a parent that does not exist, closes a cycle or is too deep.
    fn reach(&self, parent: &Located<ShellName>, path: &[&ShellName]) -> Result<(), Error> {
        let name = parent.value.as_str();
        let kind = if let Some(start) = path.iter().position(|one| **one == parent.value) {
            let cycle = path[start..].iter().map(ToString::to_string);
            ErrorKind::InheritCycle {
                cycle: cycle.chain([name.to_owned()]).collect(),
            }
        } else if !self.names.contains(&parent.value) {
            let names = self.names.iter().map(|one| one.as_str().to_owned());
            ErrorKind::UnknownShell {
                name: name.to_owned(),
                suggestion: nearest(name, names),
            }
        } else if path.len() >= DEPTH {
            ErrorKind::InheritDepth { limit: DEPTH }
        } else {
            return Ok(());
        };
        Err(self.error_at(&parent.origin, name, kind))
    }

    /// Returns an error at `word` in the line of `origin`, or at the whole line.
    fn error_at(&self, origin: &Origin, word: &str, kind: ErrorKind) -> Error {
        let texts = self.layers.iter().map(|layer| &layer.text);
        match texts.into_iter().find(|text| *text.file() == origin.file) {
            Some(text) => text.error_at(origin, word, kind),
            // The text of env files is not kept, because it may hold secrets.
            None => Text::new(&origin.file, "").error_at(origin, word, kind),
        }
    }
}
