//! Environments of conda and pixi: the requests of a project that has no manifest.

use std::collections::BTreeMap;

use super::{Documents, PresetNote, lists::ListedVersion};
use crate::{
    manifest::{
        ImportedSettings, Layer, Located, Text,
        document::Node,
        imports,
        layer::{EnvEntry, Tables, ToolEntry},
    },
    package::{CondaRequirement, Requirement, Source, Tool},
};

/// The environment of a project, and the files that yield to it.
pub(super) struct ProjectEnvironment {
    settings: ImportedSettings,
    pub(super) notes: Vec<PresetNote>,
}

/// A file that may declare an environment (`[[environments]]` of a preset).
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFile {
    pub file: String,
    /// The path of the table that declares it, if the file has other tables too.
    #[serde(default)]
    key: String,
}

impl EnvironmentFile {
    /// Returns whether the file declares an environment.
    pub fn declares(&self, text: &Text) -> bool {
        self.is_declared_in(&Documents::default().parse(text))
    }

    fn is_declared_in(&self, root: &Node<'_>) -> bool {
        self.key.is_empty() || !root.select(&self.key).is_empty()
    }
}

impl ProjectEnvironment {
    /// Reads the first of the files that declares an environment.
    pub(super) fn read<'t>(
        files: &[&EnvironmentFile],
        texts: &'t BTreeMap<String, Text>,
        documents: &Documents<'t>,
    ) -> Option<Self> {
        let mut there = files.iter().filter_map(|one| {
            let text = texts.get(&one.file)?;
            let declares = one.key.is_empty() || one.is_declared_in(&documents.parse(text));
            declares.then_some(text)
        });
        let first = there.next()?;
        let mut settings = imports::import(first, &|_| None);
        let note = |file: &Text, message: String| PresetNote {
            origin: file.origin(0),
            message,
            tool: None,
        };
        let mut notes: Vec<PresetNote> = std::mem::take(&mut settings.left)
            .into_iter()
            .map(|left| PresetNote::new(left, None))
            .collect();
        let shells = settings.shells.values();
        if std::iter::once(&settings)
            .chain(shells)
            .any(|one| !one.aliases.is_empty())
        {
            let message = "its tasks become aliases with `devsh init`";
            notes.push(note(first, message.to_owned()));
        }
        notes.extend(there.map(|file| note(file, format!("it yields to `{}`", first.file()))));
        Some(Self { settings, notes })
    }

    /// Takes the tools, as entries of a list.
    pub(super) fn take_tools(&mut self) -> BTreeMap<Tool, ListedVersion> {
        let mut tools = std::mem::take(&mut self.settings.tools);
        let python = "python".parse::<Tool>();
        if let (Ok(python), Some(package), None) = (
            python,
            self.settings.packages.first(),
            &self.settings.python_of_conda,
        ) {
            tools.entry(python).or_insert(Located {
                value: "*".to_owned(),
                origin: package.origin.clone(),
            });
        }
        let listed = tools.into_iter().filter_map(|(tool, version)| {
            let requirement = version.value.parse::<Requirement>().ok()?;
            let any = requirement.as_str() == "*";
            let listed = ListedVersion {
                requirement: (!any).then(|| Located {
                    value: requirement,
                    origin: version.origin.clone(),
                }),
                origin: version.origin,
                components: Vec::new(),
                targets: Vec::new(),
            };
            Some((tool, listed))
        });
        listed.collect()
    }

    /// Adds everything else to the lowest of the layers of presets.
    pub(super) fn put(self, layers: &mut [Layer]) -> Vec<PresetNote> {
        let Self {
            mut settings,
            mut notes,
        } = self;
        let lock = layers
            .iter()
            .find_map(|layer| layer.top.python.lock.as_ref())
            .map(|lock| lock.value.clone());
        if settings.python_of_conda.is_some() {
            notes.extend(python_versions_of_other_files(&settings, layers));
        }
        let Some(lowest) = layers.first_mut() else {
            return notes;
        };
        for (name, shell) in std::mem::take(&mut settings.shells) {
            let section = lowest.shells.entry(name).or_default();
            let origin = lowest.text.origin(0);
            section.standalone = shell.is_standalone.then_some(Located {
                value: true,
                origin,
            });
            let first = shell.packages.first();
            let packages = first.filter(|_| shell.python_of_conda.is_none());
            let packages = packages.map(|package| package.origin.clone());
            notes.extend(put_tables(shell, lock.as_deref(), &mut section.tables));
            if let (Ok(python), Some(origin)) = ("python".parse::<Tool>(), packages) {
                let tools = section.tables.tools.entry(python);
                tools.or_insert_with(|| ToolEntry::new(origin));
            }
        }
        notes.extend(put_tables(settings, lock.as_deref(), &mut lowest.top));
        notes
    }
}

/// Removes the versions that version files give for Python, if the environment names its own: conda and pixi do not
/// read those files.
fn python_versions_of_other_files(
    settings: &ImportedSettings,
    layers: &mut [Layer],
) -> Vec<PresetNote> {
    let Ok(python) = "python".parse::<Tool>() else {
        return Vec::new();
    };
    let packages = settings.conda.packages.iter();
    let names_version = |text: &str| {
        let requirement = text.parse::<CondaRequirement>();
        requirement.is_ok_and(|one| one.name() == python.name.as_str() && !one.is_any())
    };
    let Some(own) = packages.into_iter().find(|one| names_version(&one.value)) else {
        return Vec::new();
    };
    let entries = layers.iter_mut();
    let entries = entries.filter_map(|layer| layer.top.tools.get_mut(&python));
    let versions = entries.filter_map(|entry| entry.requirement.take());
    let versions = versions.filter(|version| !version.origin.is_preset);
    let note = |version: Located<Requirement>| PresetNote {
        message: format!(
            "`{}` yields to `{}` ({})",
            version.value, own.value, own.origin
        ),
        origin: version.origin,
        tool: None,
    };
    versions.map(note).collect()
}

/// Adds settings to the tables of a dev shell; `lock` is the file with the Python packages of the project.
fn put_tables(
    settings: ImportedSettings,
    lock: Option<&str>,
    tables: &mut Tables,
) -> Vec<PresetNote> {
    let mut notes = Vec::new();
    for (tool, version) in settings.tools {
        let Ok(requirement) = version.value.parse::<Requirement>() else {
            continue;
        };
        let mut entry = ToolEntry::new(version.origin.clone());
        entry.requirement = Some(Located {
            value: requirement,
            origin: version.origin,
        });
        tables.tools.entry(tool).or_insert(entry);
    }
    tables.conda = settings.conda;
    tables.python.from = settings.python_of_conda.map(|origin| Located {
        value: Source::Conda,
        origin,
    });
    if let Some(lock) = lock {
        notes.extend(settings.packages.into_iter().map(|package| PresetNote {
            message: format!("`{}`: the packages come from `{lock}`", package.value),
            origin: package.origin,
            tool: None,
        }));
    } else if let Some(first) = settings.packages.first() {
        tables.python.place = Some(first.origin.clone());
        tables.python.packages = settings.packages;
    }
    for (name, value) in settings.env {
        tables
            .env
            .entry(name)
            .or_insert_with(|| EnvEntry::new(value));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{
        merge,
        presets::{self, AppliedPreset, Preset, PresetLayers, ReadFiles, apply_presets},
    };

    /// Applies the presets to a project with these files.
    fn fitted(files: &[(&str, &str)]) -> PresetLayers {
        let presets = presets::all().unwrap();
        let texts: BTreeMap<String, Text> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Text::new(name, text)))
            .collect();
        let applied: Vec<AppliedPreset<'_>> = presets
            .iter()
            .filter(|preset| preset.detect_files().any(|name| texts.contains_key(name)))
            .map(|preset| AppliedPreset {
                preset,
                directories: vec![String::new()],
                members: Vec::new(),
            })
            .collect();
        let read = ReadFiles {
            present: &texts.keys().cloned().collect(),
            texts: &texts,
            environments: &presets
                .iter()
                .flat_map(Preset::environments)
                .collect::<Vec<_>>(),
        };
        apply_presets(&presets, &applied, read)
    }

    /// Returns the requests of a project with these files, and the notes.
    fn detected(files: &[(&str, &str)]) -> (String, Vec<String>) {
        let fitted = fitted(files);
        let manifest = merge(&fitted.layers).unwrap();
        let dev = &manifest.shells[&"dev".parse().unwrap()];
        let conda = dev.conda_requirements().unwrap();
        let conda: Vec<&str> = conda.iter().map(|one| one.requirement.as_str()).collect();
        let tools = dev.tools.iter();
        let tools = tools.filter(|(tool, _)| tool.source != Source::Conda);
        let tools: Vec<String> = tools
            .map(|(tool, request)| format!("{tool} {}", request.requirement.value))
            .collect();
        let packages: Vec<&str> = dev.python.packages.iter().map(|one| &*one.value).collect();
        let channels = dev.conda_channels().unwrap();
        let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
        let shown = format!(
            "conda {conda:?} of {channels:?}; tools {tools:?}; packages {packages:?}; env {}",
            dev.env.len()
        );
        let notes = fitted.notes.iter();
        let notes = notes.map(|note| format!("{}: {}", note.origin, note.message));
        (shown, notes.collect())
    }

    #[test]
    fn an_environment_of_conda_keeps_its_python() {
        let text = "name: x\nchannels:\n- conda-forge\n- bioconda\ndependencies:\n- python=3.11\n- numpy >=1.26\n- pip\n\
            - nodejs=22\n- pip:\n  - httpx\n  - -e .\nvariables:\n  A: $HOME\n";
        let (shown, notes) = detected(&[("environment.yml", text)]);
        assert_eq!(
            shown,
            "conda [\"numpy >=1.26\", \"python=3.11\"] of [\"conda-forge\", \"bioconda\"]; \
             tools [\"node 22\", \"uv *\"]; packages [\"httpx\"]; env 1"
        );
        assert_eq!(
            notes,
            ["environment.yml:12: an option or path of pip has no form in a manifest"]
        );
    }

    #[test]
    fn an_environment_of_python_alone_gets_the_usual_python() {
        let text = "dependencies: [python=3.11, pip]\n";
        let (shown, _) = detected(&[("environment.yml", text)]);
        assert_eq!(
            shown,
            "conda [] of [\"conda-forge\"]; tools [\"python 3.11\"]; packages []; env 0"
        );
    }

    #[test]
    fn pixi_declares_in_a_file_of_its_own_or_in_the_project() {
        let table = "[workspace]\nchannels = ['conda-forge']\n[dependencies]\n\
            gdal = { version = '>=3.8', channel = 'conda-forge' }\n[system-requirements]\nlinux = '5.10'\nlibc = '2.34'\n\
            [tasks]\nt = 'pytest'\n[feature.x.dependencies]\na = '*'\n";
        let (shown, notes) = detected(&[("pixi.toml", table)]);
        assert_eq!(
            shown,
            "conda [\"conda-forge::gdal[version='>=3.8']\"] of [\"conda-forge\"]; tools []; packages []; env 0"
        );
        assert_eq!(
            notes,
            [
                "pixi.toml:1: its tasks become aliases with `devsh init`",
                "pixi.toml:6: `linux` 5.10 has no form in a manifest",
                "pixi.toml:10: no environment has the feature `x`",
            ]
        );
        let project = "[project]\nname = 'x'\nrequires-python = '>=3.11'\n[tool.pixi.dependencies]\npython = '*'\ngdal = '3.8.*'\n";
        let (shown, _) = detected(&[("pyproject.toml", project)]);
        assert!(
            shown.starts_with("conda [\"gdal 3.8.*\", \"python *\", \"python >=3.11\"]"),
            "{shown}"
        );
        let plain = "[project]\nname = 'x'\n";
        assert!(
            detected(&[("pyproject.toml", plain)])
                .0
                .starts_with("conda []")
        );
    }

    #[test]
    fn an_environment_of_pixi_keeps_its_python() {
        let table = "[workspace]\nchannels = ['conda-forge']\n[feature.old.dependencies]\npython = '3.11.*'\n\
            [feature.old.pypi-dependencies]\nhttpx = '*'\n[environments]\nold = ['old']\n";
        let manifest = merge(&fitted(&[("pixi.toml", table)]).layers).unwrap();
        let old = &manifest.shells[&"old".parse().unwrap()];
        let python = &old.tools[&"python".parse().unwrap()];
        assert_eq!(python.requirement.value.to_string(), "3.11.*");
    }

    #[test]
    fn a_version_file_yields_to_the_python_of_an_environment() {
        let table = "[workspace]\nchannels = ['conda-forge']\n[dependencies]\ngdal = '*'\npython = '3.12.*'\n";
        let project = "[project]\nname = 'x'\nrequires-python = '>=3.11'\n";
        let files = [
            ("pixi.toml", table),
            ("pyproject.toml", project),
            (".python-version", "3.13\n"),
        ];
        let (shown, notes) = detected(&files);
        assert!(
            shown.starts_with("conda [\"gdal *\", \"python 3.12.*\", \"python >=3.11\"]"),
            "{shown}"
        );
        assert_eq!(
            notes,
            [".python-version:1: `3.13` yields to `python 3.12.*` (pixi.toml:5)"]
        );
        let open = table.replace("3.12.*", "*");
        let (shown, notes) = detected(&[("pixi.toml", &open), files[2]]);
        assert!(
            shown.starts_with("conda [\"gdal *\", \"python *\", \"python 3.13.*\"]"),
            "{shown}"
        );
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_lock_of_conda_asks_for_what_nothing_else_needs() {
        let package = |name: &str, version: &str, platform: &str, needs: &str| {
            format!(
                "- {{name: {name}, version: '{version}', manager: conda, platform: {platform}, dependencies: {{{needs}}}, url: x}}\n"
            )
        };
        let lock = [
            "version: 1\nmetadata:\n  channels: [{url: conda-forge, used_env_vars: []}]\npackage:\n",
            &package("gdal", "3.8.1", "linux-64", "libgdal: '>=3'"),
            &package("gdal", "3.8.1", "osx-64", "libgdal: '>=3'"),
            &package("libgdal", "3.8.1", "linux-64", ""),
            &package("zlib", "1.3", "linux-64", ""),
            &package("zlib", "1.2", "osx-64", ""),
        ]
        .concat();
        let environment = "dependencies: [gdal]\n";
        let (shown, notes) =
            detected(&[("conda-lock.yml", &lock), ("environment.yml", environment)]);
        assert_eq!(
            shown,
            "conda [\"gdal ==3.8.1\", \"zlib ==1.2 ; macos-x86_64\", \"zlib ==1.3 ; linux-x86_64\"] \
             of [\"conda-forge\"]; tools []; packages []; env 0"
        );
        assert_eq!(notes, ["environment.yml:1: it yields to `conda-lock.yml`"]);
    }
}
