//! Installs packages with uv: exact packages by their digests, downloaded wheels, directories of a project.
//!
//! Invariants: packages are exact and named with their digests, so uv resolves nothing and installs nothing
//! unknown. Files are copied, never linked to uv's cache, because the published environment is read-only.

use std::{fs, path::Path};

use super::{
    pins::Pins,
    uv::{Uv, UvError},
};
use crate::{store, util::files};

/// Downloaded wheels to install.
#[derive(Debug, Clone, Copy)]
pub struct WheelFiles<'a> {
    pub directory: &'a Path,
    /// One line for each wheel: `name==version --hash=sha256:…`.
    pub requirements: &'a str,
}

impl Uv<'_> {
    /// Makes an environment with exactly these packages in the empty directory `place`.
    ///
    /// `allow_builds` lets packages without a wheel run their own build.
    pub fn install_packages(
        &self,
        pins: &Pins,
        place: &Path,
        allow_builds: bool,
    ) -> Result<(), UvError> {
        self.create_environment(place)?;
        let lists = [
            ("hashed", pins.hashed()),
            ("repositories", pins.repositories()),
        ];
        for (kind, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
            let list = place.join(format!(".{kind}.txt"));
            files::write_atomic(&list, lines.as_bytes())?;
            let mut command = self.command(place);
            command.args(["pip", "install", "--no-deps", "--compile-bytecode"]);
            for index in pins.indexes() {
                command.args(["--index", index]);
            }
            if *kind == "hashed" {
                // The digests decide, so an index cannot put in its own package.
                command.args(["--require-hashes", "--index-strategy", "unsafe-best-match"]);
            }
            if !allow_builds {
                command.arg("--no-build");
            }
            command
                .arg("--python")
                .arg(place)
                .arg("--requirements")
                .arg(&list);
            self.run(command)?;
            fs::remove_file(&list).map_err(files::at("remove", &list))?;
        }
        remove_activation(place)
    }

    /// Makes an environment with exactly these wheels in the empty directory `place`.
    pub fn install_wheels(&self, wheels: WheelFiles<'_>, place: &Path) -> Result<(), UvError> {
        self.create_environment(place)?;
        let list = place.join(".wheels.txt");
        files::write_atomic(&list, wheels.requirements.as_bytes())?;
        let mut command = self.command(place);
        command
            .args(["pip", "install", "--no-deps", "--compile-bytecode"])
            .args([
                "--require-hashes",
                "--no-build",
                "--no-index",
                "--find-links",
            ])
            .arg(wheels.directory)
            .arg("--python")
            .arg(place)
            .arg("--requirements")
            .arg(&list);
        self.run(command)?;
        fs::remove_file(&list).map_err(files::at("remove", &list))?;
        remove_activation(place)
    }

    /// Makes an environment with editable installs of directories below `root` in the empty directory `place`.
    pub fn install_editable(
        &self,
        root: &Path,
        directories: &[String],
        place: &Path,
    ) -> Result<(), UvError> {
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
        for directory in directories {
            command.arg("--editable").arg(root.join(directory));
        }
        let installed = self.run(command);
        store::remove_file(&settings)?;
        installed?;
        remove_activation(place)
    }

    fn create_environment(&self, place: &Path) -> Result<(), UvError> {
        let mut command = self.command(place.parent().unwrap_or(place));
        command
            .args([
                "venv",
                "--relocatable",
                "--no-project",
                "--allow-existing",
                "--python",
            ])
            .arg(&self.interpreter.program)
            .arg(place);
        self.run(command)
    }
}

/// Removes activation scripts and uv's bookkeeping.
fn remove_activation(place: &Path) -> Result<(), UvError> {
    for name in [".lock", ".gitignore", "CACHEDIR.TAG"] {
        store::remove_file(&place.join(name))?;
    }
    let bin = place.join("bin");
    for entry in fs::read_dir(&bin).map_err(files::at("read", &bin))? {
        let path = entry.map_err(files::at("read", &bin))?.path();
        if is_activation(&path) {
            store::remove_file(&path)?;
        }
    }
    Ok(())
}

fn is_activation(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends = [
        "", ".bat", ".csh", ".fish", ".nu", ".ps1", ".xsh", "_this.py",
    ];
    ends.iter().any(|end| *name == format!("activate{end}"))
        || name == "deactivate.bat"
        || name == "pydoc.bat"
}
