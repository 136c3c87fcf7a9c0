//! Installs packages with uv: exact packages by their digests, downloaded wheels, directories of a project.
//!
//! Invariants: packages are exact and named with their digests, so uv resolves nothing and installs nothing
//! unknown. Files are copied, never linked to uv's cache, because the published environment is read-only. No
//! interpreter starts in an environment that has packages: `site` would run the code of their `.pth` files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    bytecode::make_bytecode_directories,
    index_requirements::IndexRequirements,
    interpreter::{Interpreter, minor_version},
    pins::PythonPins,
    settings::UvOptions,
    uv::{Uv, UvError, file_address},
    venv::write_settings,
};
use crate::{fetch::Meter, package::Sha256, store, util::files};

/// Settings of `[tool.uv]` that a build may need, and that a `uv.toml` may have too.
const BUILD_SETTINGS: [&str; 13] = [
    "build-constraint-dependencies",
    "config-settings",
    "config-settings-package",
    "extra-build-dependencies",
    "extra-build-variables",
    "extra-index-url",
    "find-links",
    "index",
    "index-strategy",
    "index-url",
    "no-build-isolation",
    "no-build-isolation-package",
    "no-index",
];
/// The directory of lists of packages in an environment while they are installed.
const LISTS: &str = ".requirements";
/// The file that uv locks in an environment.
const UV_LOCK: &str = ".lock";

/// Downloaded wheels to install.
#[derive(Debug, Clone, Copy)]
pub struct WheelFiles<'a> {
    pub directory: &'a Path,
    /// One line for each wheel: `name==version --hash=sha256:…`.
    pub requirements: &'a str,
}

/// Exact packages to install.
#[derive(Debug, Clone, Copy)]
pub struct PackageInstall<'a> {
    pub pins: &'a PythonPins,
    /// The root of the project, for its local files.
    pub root: &'a Path,
    /// The packages of an index that may run their own build if they have no wheel; without it no package may.
    pub builds: Option<&'a BTreeSet<String>>,
    /// Wheels that were built for some of these packages, by normalised name.
    pub built: &'a BTreeMap<String, BuiltWheel>,
}

/// Directories to install in editable form.
#[derive(Debug, Clone, Copy)]
pub struct EditableInstall<'a> {
    pub root: &'a Path,
    /// Relative to `root`.
    pub directories: &'a [String],
    /// The settings of uv for their builds.
    pub settings: Option<&'a str>,
}

/// A wheel that was built from a source distribution.
#[derive(Debug, Clone)]
pub struct BuiltWheel {
    pub directory: PathBuf,
    pub digest: Sha256,
    /// True if a cache had it.
    pub is_received: bool,
}

impl Uv<'_> {
    /// Makes an environment with exactly these packages in the empty directory `place`.
    ///
    /// Packages of other sources than the public index were approved by name.
    pub fn install_packages(
        &self,
        install: PackageInstall<'_>,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), UvError> {
        let (pins, builds) = (install.pins, install.builds);
        let refuse = |line: String| UvError::Failed { output: vec![line] };
        if let Some(pin) = pins.without_digest() {
            return Err(refuse(format!(
                "error: the lockfile has no digest of `{pin}`"
            )));
        }
        let (none, build_allowed) = (BTreeSet::new(), builds.is_some());
        let builds = builds.unwrap_or(&none);
        if let Some(name) = pins.forced_build(builds) {
            return Err(refuse(format!(
                "error: `{name}` must be built from source (`--no-binary`)"
            )));
        }
        self.create_environment(place)?;
        let repositories = pins.repositories();
        let built = install.built.iter();
        let digests = built
            .map(|(name, wheel)| (name.as_str(), format!("sha256:{}", wheel.digest)))
            .collect();
        let lines = pins.hashed_with(&digests) + &repositories;
        let of_indexes = IndexRequirements::of(pins);
        if lines.is_empty() && of_indexes.is_none() {
            return Ok(());
        }
        let lists = create_lists(place)?;
        let list = lists.join("requirements.txt");
        let mut command = self.list_command(place, install.root, &pins.options, &lines, &list)?;
        // One command for all packages: the next one would ask the interpreter of an environment with packages.
        command.args(["pip", "install", "--no-deps"]);
        command.arg(if repositories.is_empty() {
            "--require-hashes"
        } else {
            // A repository has a commit instead of a digest.
            "--verify-hashes"
        });
        command.args(UvOptions::new(&pins.options).arguments);
        if let Some(requirements) = of_indexes {
            let [project, constraints] =
                requirements.write(&lists, |url| self.expanded(url, install.root))?;
            command.arg("--requirements").arg(project);
            command.arg("--constraints").arg(constraints);
        }
        self.add_platform(&mut command);
        if build_allowed {
            // By name: `:all:` has exceptions that a list of requirements could name.
            for name in pins.wheels_only(builds) {
                command.args(["--only-binary", name]);
            }
        } else {
            // uv accepts this or names, not both.
            command.arg("--no-build");
        }
        for (name, wheel) in install.built {
            if build_allowed {
                command.args(["--only-binary", name]);
            }
            command.arg("--find-links").arg(&wheel.directory);
        }
        self.install_lists(command, &list, place, meter)
    }

    /// Builds the wheel of a source distribution into the new directory `place`.
    pub fn build_wheel(
        &self,
        source: &Path,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), UvError> {
        let mut command = self.command(source.parent().unwrap_or(source));
        command
            .args(["build", "--wheel", "--no-config", "--python"])
            .arg(&self.interpreter.program)
            .arg("--out-dir")
            .arg(place)
            .arg(source);
        self.run(command, meter).map(drop)
    }

    /// Makes an environment with exactly these wheels in the empty directory `place`.
    pub fn install_wheels(
        &self,
        wheels: WheelFiles<'_>,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), UvError> {
        self.create_environment(place)?;
        let list = create_lists(place)?.join("wheels.txt");
        files::write_atomic(&list, wheels.requirements.as_bytes())?;
        let mut command = self.command(place);
        command
            .args(["pip", "install", "--no-deps"])
            .args([
                "--require-hashes",
                "--no-build",
                "--no-index",
                "--find-links",
            ])
            .arg(wheels.directory);
        self.add_platform(&mut command);
        self.install_lists(command, &list, place, meter)
    }

    /// Runs an installation of lists of packages, and removes what only it needs.
    fn install_lists(
        &self,
        mut command: Command,
        list: &Path,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), UvError> {
        command
            .arg("--python")
            .arg(place)
            .arg("--requirements")
            .arg(list);
        self.run(command, meter)?;
        store::remove_tree(&place.join(LISTS))?;
        store::remove_file(&place.join(UV_LOCK))?;
        make_bytecode_directories(place)
    }

    /// Makes an environment with editable installs in the empty directory `place`.
    pub fn install_editable(
        &self,
        install: EditableInstall<'_>,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), UvError> {
        let EditableInstall {
            root,
            directories,
            settings: build_settings,
        } = install;
        self.create_environment(place)?;
        // Setuptools would write its `egg-info` into the project.
        let settings = place.with_extension("cfg");
        let text = format!("[egg_info]\negg_base = {}\n", place.display());
        files::write_atomic(&settings, text.as_bytes())?;
        let mut command = self.command(root);
        command
            .env("DIST_EXTRA_CONFIG", &settings)
            .args(["pip", "install", "--no-deps", "--python"])
            .arg(place);
        let own_settings = place.with_extension("toml");
        if let Some(text) = build_settings {
            files::write_atomic(&own_settings, text.as_bytes())?;
            command
                .env_remove("UV_NO_CONFIG")
                .env("UV_CONFIG_FILE", &own_settings);
        }
        for directory in directories {
            // uv reads a path as a requirement, with extras and variables; an escaped address has neither.
            command
                .arg("--editable")
                .arg(file_address(&root.join(directory)));
        }
        let installed = self.run(command, meter);
        store::remove_file(&settings)?;
        store::remove_file(&own_settings)?;
        installed?;
        Ok(store::remove_file(&place.join(UV_LOCK))?)
    }

    /// Makes an environment that was made by this interpreter one of `interpreter`, the same version for another system.
    pub fn retarget(&self, place: &Path, interpreter: &Path) -> Result<(), UvError> {
        let own = &self.interpreter.program;
        let bin = place.join("bin");
        for path in files::list(&bin)? {
            if fs::read_link(&path).is_ok_and(|target| target == *own) {
                store::remove_file(&path)?;
                symlink(interpreter, &path).map_err(files::at("link", &path))?;
            }
        }
        let python = Interpreter {
            program: interpreter.to_owned(),
            ..self.interpreter.clone()
        };
        Ok(write_settings(place, &python, false)?)
    }

    /// Makes an empty virtual environment. `uv venv` would first ask the interpreter about itself, which takes longer than
    /// everything else for a small project.
    fn create_environment(&self, place: &Path) -> Result<(), UvError> {
        let Interpreter {
            program, version, ..
        } = self.interpreter;
        let minor = format!("python{}", minor_version(version));
        let packages = place.join("lib").join(&minor).join("site-packages");
        fs::create_dir_all(&packages).map_err(files::at("create", &packages))?;
        // Packages of the interpreter would count as installed.
        write_settings(place, self.interpreter, false)?;
        let bin = place.join("bin");
        fs::create_dir_all(&bin).map_err(files::at("create", &bin))?;
        let link = |target: &Path, name: &str| {
            let link = bin.join(name);
            symlink(target, &link).map_err(files::at("link", &link))
        };
        link(program, "python")?;
        link(Path::new("python"), "python3")?;
        Ok(link(Path::new("python"), &minor)?)
    }
}

/// Makes the directory of an environment's lists of packages.
fn create_lists(place: &Path) -> Result<PathBuf, files::Error> {
    let lists = place.join(LISTS);
    fs::create_dir(&lists).map_err(files::at("create", &lists))?;
    Ok(lists)
}

/// Returns uv's settings for the builds of a project: those of its `uv.toml`, else of `[tool.uv]` in its
/// `pyproject.toml`. Both are part of the approval.
///
/// Other keys are left out: uv would quote them in its errors.
pub fn build_settings(uv: Option<&[u8]>, pyproject: Option<&[u8]>) -> Option<String> {
    let parse = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<toml::Table>().ok();
    let mut settings = match uv {
        Some(bytes) => parse(bytes)?,
        None => match parse(pyproject?)?.remove("tool")? {
            toml::Value::Table(mut tools) => match tools.remove("uv")? {
                toml::Value::Table(settings) => settings,
                _ => return None,
            },
            _ => return None,
        },
    };
    settings.retain(|key, _| BUILD_SETTINGS.contains(&key));
    (!settings.is_empty()).then(|| settings.to_string())
}
