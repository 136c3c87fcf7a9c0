//! Code of a project that its own build loads by name: a build backend in the project, and plugins that the metadata of
//! an installed package names.

use std::collections::BTreeSet;

use toml::Table;

use crate::util::paths::join_text;

/// The endings of files that Python imports as a module, from the one that wins.
const MODULE_ENDINGS: [&str; 3] = ["so", "py", "pyc"];
/// The beginnings of the groups of entry points that build backends and their plugins load.
const BUILD_GROUPS: [&str; 9] = [
    "cmake",
    "distutils",
    "egg_info",
    "hatch",
    "pdm",
    "scikit_build",
    "setuptools",
    "vcs_versioning",
    "versioningit",
];

/// The file with the entry points of a package, in the directory of its metadata.
pub(super) const ENTRY_POINTS: &str = "entry_points.txt";

/// The build backend that `pyproject.toml` names.
#[derive(Debug, Default)]
pub(super) struct NamedBackend<'p> {
    /// Its module.
    module: Option<&'p str>,
    /// The directories of the project with modules of the backend.
    paths: BTreeSet<String>,
    is_legacy: bool,
}

/// The places in a directory where a module can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModulePlace {
    pub(super) folder: String,
    /// Its name without an ending.
    pub(super) stem: String,
}

impl<'p> NamedBackend<'p> {
    pub(super) fn of(pyproject: &'p Table) -> Self {
        let system = pyproject.get("build-system");
        let backend = system.and_then(|system| system.get("build-backend")?.as_str());
        let paths = system.and_then(|system| system.get("backend-path")?.as_array());
        let module = backend.map(|backend| backend.split(':').next().unwrap_or(backend).trim());
        Self {
            module,
            paths: paths
                .into_iter()
                .flatten()
                .filter_map(|path| Some(join_text(path.as_str()?, "")))
                .collect(),
            is_legacy: backend.is_none_or(|backend| backend.contains("__legacy__")),
        }
    }

    /// Returns the places of the backend, if it is in the project, and of each package around it: Python runs all of them.
    pub(super) fn places(&self) -> Vec<ModulePlace> {
        let mut places = Vec::new();
        for path in &self.paths {
            let mut folder = path.clone();
            for stem in self.module.into_iter().flat_map(|module| module.split('.')) {
                let inner = join_text(&folder, stem);
                places.push(ModulePlace {
                    stem: stem.to_owned(),
                    folder,
                });
                places.push(ModulePlace {
                    folder: inner.clone(),
                    stem: "__init__".to_owned(),
                });
                folder = inner;
            }
        }
        places
    }

    /// Returns the directories of the project where the build imports modules and finds metadata.
    pub(super) fn import_directories(&self) -> BTreeSet<String> {
        // The backend of projects without one imports from the project itself.
        let root = self.is_legacy.then(String::new);
        self.paths.iter().cloned().chain(root).collect()
    }
}

impl ModulePlace {
    /// Returns the usual file of the module.
    pub(super) fn source(&self) -> String {
        format!("{}.py", self.stem)
    }

    /// Returns whether Python can import a file as this module: `be.py`, `be.abi3.so`.
    pub(super) fn is_module(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.stem);
        let rest = rest.and_then(|rest| rest.strip_prefix('.'));
        let ending = rest.and_then(|rest| rest.rsplit('.').next());
        ending.is_some_and(|ending| MODULE_ENDINGS.contains(&ending))
    }
}

/// Returns whether a directory of this name has the metadata of an installed package.
pub(super) fn is_metadata(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".egg-info") || name.ends_with(".dist-info") || name == "egg-info"
}

/// Returns the entry points that a build loads (`setuptools.finalize_distribution_options: x = module:function`).
pub(super) fn build_entry_points(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut group = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') && line.ends_with(']') {
            group = line.trim_matches(['[', ']']);
        } else if !line.is_empty()
            && !line.starts_with('#')
            && BUILD_GROUPS.iter().any(|begin| group.starts_with(begin))
        {
            found.push(format!("{group}: {line}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ModulePlace, NamedBackend, build_entry_points, is_metadata};

    #[test]
    fn each_package_around_a_backend_is_a_place() {
        let text = "[build-system]\nbuild-backend = 'a.b:c'\nbackend-path = ['./x', '.']\n";
        let table = text.parse().unwrap();
        let backend = NamedBackend::of(&table);
        let places: Vec<String> = backend
            .places()
            .iter()
            .map(|place| format!("{} {}", place.folder, place.stem))
            .collect();
        let expected = [
            " a",
            "a __init__",
            "a b",
            "a/b __init__",
            "x a",
            "x/a __init__",
            "x/a b",
            "x/a/b __init__",
        ];
        assert_eq!(places, expected);
        assert!(backend.import_directories().iter().eq(["", "x"]));
        let other = "[build-system]\nbuild-backend = 'hatchling.build'\n"
            .parse()
            .unwrap();
        let other = NamedBackend::of(&other);
        assert!(other.places().is_empty() && other.import_directories().is_empty());
        for text in [
            "",
            "[build-system]\nbuild-backend = 'setuptools.build_meta:__legacy__'\n",
        ] {
            let table = text.parse().unwrap();
            assert!(
                NamedBackend::of(&table)
                    .import_directories()
                    .iter()
                    .eq([""])
            );
        }
    }

    #[test]
    fn modules_have_several_endings() {
        let place = ModulePlace {
            folder: String::new(),
            stem: "be".to_owned(),
        };
        for name in [
            "be.py",
            "be.pyc",
            "be.so",
            "be.cpython-312-x86_64-linux-gnu.so",
        ] {
            assert!(place.is_module(name), "{name}");
        }
        for name in ["be", "be.txt", "bee.py", "so", "be.py.orig"] {
            assert!(!place.is_module(name), "{name}");
        }
        assert!(is_metadata("App.egg-info") && is_metadata("EGG-INFO"));
        assert!(!is_metadata("egg-info.txt"));
    }

    #[test]
    fn entry_points_of_builds_are_found() {
        let text = b"[console_scripts]\nls = app:main\n\n[pytest11]\na = app\n# x\n[egg_info.writers]\n# y\n x = evil:f \n";
        assert_eq!(build_entry_points(text), ["egg_info.writers: x = evil:f"]);
    }
}
