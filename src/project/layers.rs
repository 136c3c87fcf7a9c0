//! Reads the layers of a project: its manifest, the files that it extends, and personal manifests.
//!
//! Fetched files come from devsh's data directory by their digest; missing ones are listed. Nothing is fetched here.
//! Invariant: a cycle is an error, and the depth and number of files are limited. The depth because reading recurses, the
//! number because every layer has a set of the layers below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    lockfile::{ExtendsPin, ExtendsPins},
    manifest::{
        self, CompositionError, EnvFile, ExtendSource, Grant, Layer, Located, MANIFEST, Text,
        dotenv, presets::PresetNote,
    },
    package::Sha256,
    util::{files, paths::join_text},
};

use super::{
    approval_summary::{Fact, Facts},
    reader::{Error, Inputs, PROJECT_SIZE},
};

/// The longest accepted chain of `extends`.
const DEPTH: usize = 16;
/// The most files that may make up a manifest.
const FILES: usize = 256;
/// The most values of the manifests of a project together, before they are merged.
const VALUES: usize = 100_000;
/// The most env files of a project, because each idle prompt checks them all.
const ENV_FILES: usize = 256;

/// A file that must be fetched before the project is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfetchedFile {
    pub source: ExtendSource,
    /// Its pin in the lockfile, if it has one.
    pub pin: Option<ExtendsPin>,
    /// The entry that names it.
    pub place: manifest::Origin,
}

/// The layers of a project, and the files that they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// All layers, lowest first.
    pub all: Vec<Layer>,
    /// The number of the team's layers; the rest are personal.
    pub team: usize,
    /// The pins of the team's fetched files.
    pub pins: ExtendsPins,
    /// The pins of fetched files of personal manifests.
    pub own_pins: ExtendsPins,
    /// Files that are not fetched yet.
    pub wanted: Vec<UnfetchedFile>,
    /// The extended files and env files, for the summary of an approval.
    pub facts: Facts,
    /// The number of layers that are of presets or files of other tools.
    pub detected: usize,
    /// Notes on lines of env files that have no effect.
    pub notes: Vec<PresetNote>,
}

/// Builds the layers of one project.
pub(super) struct LayerStack<'i> {
    inputs: &'i mut Inputs,
    content: PathBuf,
    pins: &'i ExtendsPins,
    layers: Layers,
    /// The positions of a file's layer and of the layers below it.
    known: BTreeMap<String, BTreeSet<usize>>,
    /// The env files that were read or found absent.
    env_files: BTreeSet<String>,
    /// The number of values in the manifests that were read.
    values: usize,
    /// The number of variables in the env files that were read.
    variables: usize,
    /// The files that are being read, outermost first.
    open: Vec<String>,
    personal: bool,
}

/// A file of the project, and how it was reached.
#[derive(Clone)]
struct LayerFile {
    source: ExtendSource,
    /// The directory to which the paths in the file are relative, from the root.
    base: String,
    /// The entry that names it, with the file of the entry.
    asked: Option<(Located<String>, Text)>,
}

impl<'i> LayerStack<'i> {
    /// Returns a stack on the layers of presets; fetched files are below devsh's data directory `data`.
    pub(super) fn new(
        inputs: &'i mut Inputs,
        data: &Path,
        pins: &'i ExtendsPins,
        presets: Vec<Layer>,
    ) -> Self {
        Self {
            inputs,
            content: data.to_owned(),
            pins,
            layers: Layers {
                team: presets.len(),
                detected: presets.len(),
                all: presets,
                ..Layers::default()
            },
            known: BTreeMap::new(),
            env_files: BTreeSet::new(),
            values: 0,
            variables: 0,
            open: Vec::new(),
            personal: false,
        }
    }

    /// Adds the project's manifest with the files that it extends.
    pub(super) fn manifest(&mut self) -> Result<(), Error> {
        self.add_top(MANIFEST)
    }

    /// Adds a personal manifest, if it exists. All layers from here on are personal.
    pub(super) fn personal(&mut self, name: &str) -> Result<(), Error> {
        if !self.personal {
            self.layers.team = self.layers.all.len();
            self.personal = true;
        }
        if self.inputs.data(name)?.is_some() {
            self.add_top(name)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Layers {
        if !self.personal {
            self.layers.team = self.layers.all.len();
        }
        self.layers
    }

    fn add_top(&mut self, name: &str) -> Result<(), Error> {
        let file = LayerFile {
            source: ExtendSource::Path(name.to_owned()),
            base: String::new(),
            asked: None,
        };
        let positions = self.add(&file, name.to_owned())?;
        // A top-level manifest is above all layers so far.
        if let Some(top) = positions.last().and_then(|at| self.layers.all.get_mut(*at)) {
            top.below = None;
        }
        Ok(())
    }

    /// Adds a file with the files that it extends; returns the positions of their layers.
    fn add(&mut self, file: &LayerFile, name: String) -> Result<BTreeSet<usize>, Error> {
        if let Some(positions) = self.known.get(&name) {
            return Ok(positions.clone());
        }
        if let Some(start) = self.open.iter().position(|one| *one == name) {
            let cycle = self.open[start..].iter().cloned().chain([name]).collect();
            return Err(fault(file, CompositionError::Cycle { cycle }));
        }
        if self.open.len() > DEPTH {
            let counted = "this depth of `extends`";
            return Err(fault(
                file,
                CompositionError::TooMuch {
                    counted,
                    limit: DEPTH,
                },
            ));
        }
        let Some(bytes) = self.bytes(file, &name)? else {
            return Ok(BTreeSet::new());
        };
        if self.known.len() >= FILES {
            let counted = "this number of files to extend";
            return Err(fault(
                file,
                CompositionError::TooMuch {
                    counted,
                    limit: FILES,
                },
            ));
        }
        self.values += manifest::count_values(&bytes);
        if self.values > VALUES {
            let counted = "the number of values in all manifests";
            return Err(fault(
                file,
                CompositionError::TooMuch {
                    counted,
                    limit: VALUES,
                },
            ));
        }
        let mut layer = manifest::parse_bytes(&name, &bytes)?;
        if file.source.is_remote() {
            refuse_foreign(&layer)?;
        }
        if let Some(preset) = layer.presets.first().filter(|_| name != MANIFEST) {
            let kind = CompositionError::ForeignPresets;
            let error = layer.text.error_at(&preset.origin, "presets", kind.into());
            return Err(error.into());
        }
        self.layers.notes.extend(manifest::find_plain_names(&layer));
        self.open.push(name.clone());
        let mut positions = BTreeSet::new();
        for entry in layer.extends.clone() {
            let below = self.beside(file, &entry, &layer.text)?;
            let name = below.source.to_string();
            positions.extend(self.add(&below, name)?);
        }
        self.open.pop();
        if !file.base.is_empty() {
            layer.rebase(&file.base);
        }
        self.load(&mut layer)?;
        let presets = 0..self.layers.all.len().min(self.preset_count());
        let mut below: BTreeSet<usize> = positions.iter().copied().chain(presets).collect();
        if self.personal {
            below.extend(0..self.layers.team);
        }
        layer.below = Some(below);
        positions.insert(self.layers.all.len());
        self.layers.all.push(layer);
        self.known.insert(name, positions.clone());
        Ok(positions)
    }

    fn preset_count(&self) -> usize {
        let layers = self.layers.all.iter();
        layers.take_while(|layer| layer.text.is_preset()).count()
    }

    /// Returns the content of a file; nothing if it is not fetched yet.
    fn bytes(&mut self, file: &LayerFile, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let ExtendSource::Path(_) = &file.source else {
            return self.fetched(file, name);
        };
        let Some(bytes) = self.inputs.data(name)? else {
            if self.inputs.is_refused(name) {
                return Ok(None);
            }
            let nearest = self.nearest_manifest(name);
            let path = name.to_owned();
            return Err(fault(file, CompositionError::Absent { path, nearest }));
        };
        if file.asked.is_some() {
            let fact = Fact::new("read", place_of(file));
            self.layers.facts.add("extends", &[name], fact)?;
        }
        Ok(Some(bytes.to_vec()))
    }

    fn fetched(&mut self, file: &LayerFile, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let pin = self.pins.get(name).cloned();
        if let Some(pin) = &pin {
            let pins = if self.personal {
                &mut self.layers.own_pins
            } else {
                &mut self.layers.pins
            };
            pins.insert(name.to_owned(), pin.clone());
            let path = pin.content_path(&self.content);
            let bytes = files::read_own(&path, PROJECT_SIZE)?;
            // A damaged file counts as absent.
            if let Some(bytes) = bytes.filter(|bytes| Sha256::of(bytes) == pin.sha256) {
                let fact = Fact::new(pin.to_string(), place_of(file));
                self.layers.facts.add("extends", &[name], fact)?;
                return Ok(Some(bytes));
            }
        }
        let text = match &pin {
            Some(pin) => format!("{pin}, not fetched yet"),
            None => "not fetched yet".to_owned(),
        };
        let fact = Fact::new(text, place_of(file));
        self.layers.facts.add("extends", &[name], fact)?;
        if let Some((entry, _)) = &file.asked {
            self.layers.wanted.push(UnfetchedFile {
                source: file.source.clone(),
                pin,
                place: entry.origin.clone(),
            });
        }
        Ok(None)
    }

    /// Returns the directory of the nearest manifest above a directory that has none, as an entry of `extends`.
    fn nearest_manifest(&self, name: &str) -> Option<String> {
        let folder = name.strip_suffix(MANIFEST)?.trim_end_matches('/');
        let mut above = folder.to_owned();
        for _ in 0..DEPTH {
            above = join_text(&above, "..");
            if self.inputs.root().join(&above).join(MANIFEST).is_file() {
                return Some(above);
            }
        }
        None
    }

    /// Reads the env files that a layer loads.
    fn load(&mut self, layer: &mut Layer) -> Result<(), Error> {
        let files: Vec<EnvFile> = layer
            .tables()
            .flat_map(|one| one.env_files.clone())
            .collect();
        for file in files {
            let path = file.path.value;
            if layer.env_files.contains_key(&path) {
                continue;
            }
            self.env_files.insert(path.clone());
            if self.env_files.len() > ENV_FILES {
                let kind = CompositionError::TooMuch {
                    counted: "this number of env files",
                    limit: ENV_FILES,
                };
                let error = layer.text.error_at(&file.path.origin, &path, kind.into());
                return Err(error.into());
            }
            self.inputs.keep_secret(&path);
            let bytes = self.inputs.data(&path)?;
            if self.inputs.is_refused(&path) {
                layer.env_files.insert(path, Vec::new());
            } else if let Some(bytes) = bytes {
                let text = Text::from_bytes(&path, &bytes)?;
                let content = dotenv::parse(&text, dotenv::VARIABLES - self.variables)?;
                self.variables += content.lines();
                let dotenv::EnvFileContent {
                    variables,
                    left_out,
                } = content;
                let notes = left_out.into_iter().map(|line| PresetNote {
                    origin: line.origin,
                    message: line.value,
                    tool: None,
                });
                self.layers.notes.extend(notes);
                let names: BTreeSet<&str> =
                    variables.iter().map(|(name, _)| name.as_str()).collect();
                let names: Vec<&str> = names.into_iter().collect();
                // The facts about the variables have the digests of the values.
                let fact = Fact::new(names.join(", "), &path);
                self.layers.facts.add("env file", &[&path], fact)?;
                layer.env_files.insert(path, variables);
            }
        }
        Ok(())
    }

    /// Returns the file that an entry of `file` names. For a directory, that is its manifest.
    fn beside(
        &self,
        file: &LayerFile,
        entry: &Located<String>,
        text: &Text,
    ) -> Result<LayerFile, Error> {
        let unknown = || {
            let kind = match (file.source.is_remote(), ExtendSource::parse(&entry.value)) {
                (true, Some(ExtendSource::Path(path))) => CompositionError::FetchedPath { path },
                _ => CompositionError::Source {
                    entry: entry.value.clone(),
                },
            };
            text.error_at(&entry.origin, &entry.value, kind.into())
        };
        let mut named = LayerFile {
            source: file.source.beside(&entry.value).ok_or_else(unknown)?,
            base: file.base.clone(),
            asked: Some((entry.clone(), text.clone())),
        };
        if let (ExtendSource::Path(path), ExtendSource::Path(from)) =
            (&mut named.source, &file.source)
        {
            // An absolute path is right on one machine only, so only a personal manifest may have one.
            if path.starts_with('/') && !self.personal {
                return Err(unknown().into());
            }
            let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
            *path = join_text(folder, path);
            let up = path.is_empty() || path.ends_with("..");
            if up || self.inputs.root().join(&path).is_dir() {
                named.base.clone_from(path);
                *path = join_text(path, MANIFEST);
            }
        }
        Ok(named)
    }
}

/// Refuses keys that only the project's own files may have.
fn refuse_foreign(layer: &Layer) -> Result<(), Error> {
    let granted = layer.tables().find_map(|tables| {
        let variable = tables.grants.first().map(|one| {
            let name = one.value.to_string();
            (&one.origin, Grant::Variable(name.clone()), name)
        });
        let source = || {
            let one = tables.source_scripts.grants.first()?;
            let name = one.value.to_string();
            Some((&one.origin, Grant::Source(name.clone()), name))
        };
        variable.or_else(source)
    });
    let Some((origin, name, word)) = granted else {
        return Ok(());
    };
    let kind = CompositionError::FetchedGrant { name };
    Err(layer.text.error_at(origin, &word, kind.into()).into())
}

/// Returns the file that names this one.
fn place_of(file: &LayerFile) -> &str {
    let entry = file.asked.as_ref();
    entry.map_or("", |(entry, _)| &entry.origin.file)
}

fn fault(file: &LayerFile, kind: CompositionError) -> Error {
    match &file.asked {
        Some((entry, text)) => text
            .error_at(&entry.origin, &entry.value, kind.into())
            .into(),
        None => Text::new(&file.source.to_string(), "")
            .error_at(
                &manifest::Origin {
                    file: file.source.to_string().into(),
                    is_preset: false,
                    line: 1,
                },
                "",
                kind.into(),
            )
            .into(),
    }
}
