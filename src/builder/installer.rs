//! Runs the locked uv: an environment, packages by their digests, directories of a project.
//!
//! Invariants: packages are exact and named with their digests, so nothing is resolved and nothing unknown
//! is installed; files are copied, never linked to uv's cache, since what is published is sealed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Builder, Error, profile::minor, python::Interpreter};
use crate::{
    config::PYPI,
    python::Pins,
    store,
    util::{files, vars},
};

/// How many of the installer's last lines are kept.
const LINES: usize = 20;
/// Variables that would lead the installer to another interpreter or environment.
const REMOVED: &[&str] = &[
    vars::VIRTUAL_ENV,
    vars::UV_PROJECT_ENVIRONMENT,
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_NO_SYNC",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
];

/// What is to be resolved, and into what.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// What it is for, for people.
    pub(super) purpose: &'a str,
    /// The requirements, one a line.
    pub(super) wanted: &'a str,
    /// Bounds on what they lead to, one a line.
    pub(super) constraints: &'a str,
    /// The name of the answer's file.
    pub(super) answer: &'a str,
    /// An earlier answer, of which is kept what fits.
    pub(super) previous: Option<String>,
    /// The oldest Python that the answer is for (`3.12`); without it, the interpreter's own.
    pub(super) python: Option<&'a str>,
    /// Releases after this moment (`2026-08-14T12:30:15Z`) do not count.
    pub(super) newest: Option<&'a str>,
    /// Whether packages may be built to learn what they depend on, as far as the arguments admit it.
    pub(super) builds: bool,
    /// Further arguments of `uv pip compile`.
    pub(super) arguments: &'a [&'a str],
}

/// Installs for one interpreter.
pub(super) struct Installer<'a> {
    builder: &'a Builder<'a>,
    uv: &'a Path,
    interpreter: &'a Interpreter,
    /// The lockfile, for messages.
    lock: &'a Path,
}

impl<'a> Installer<'a> {
    /// Returns an installer that runs `uv`.
    pub(super) const fn new(
        builder: &'a Builder<'a>,
        uv: &'a Path,
        interpreter: &'a Interpreter,
        lock: &'a Path,
    ) -> Self {
        Self {
            builder,
            uv,
            interpreter,
            lock,
        }
    }

    /// Makes an environment in `place`, which is empty, with exactly these packages.
    pub(super) fn packages(&self, pins: &Pins, place: &Path, builds: bool) -> Result<(), Error> {
        self.environment(place)?;
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
                // Every list is met by digests alone, so no index can put its own package in.
                command.args(["--require-hashes", "--index-strategy", "unsafe-best-match"]);
            }
            if !builds {
                // At a prompt nothing is executed that a package brings for its own making.
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
        clean(place)
    }

    /// Makes an environment in `place` with exactly the wheels of a directory, each named in `list`.
    pub(super) fn wheels(
        &self,
        (directory, list): (&Path, &str),
        place: &Path,
    ) -> Result<(), Error> {
        self.environment(place)?;
        let listed = place.join(".wheels.txt");
        files::write_atomic(&listed, list.as_bytes())?;
        let mut command = self.command(place);
        command
            .args(["pip", "install", "--no-deps", "--compile-bytecode"])
            .args([
                "--require-hashes",
                "--no-build",
                "--no-index",
                "--find-links",
            ])
            .arg(directory)
            .arg("--python")
            .arg(place)
            .arg("--requirements")
            .arg(&listed);
        self.run(command)?;
        fs::remove_file(&listed).map_err(files::at("remove", &listed))?;
        clean(place)
    }

    /// Makes an environment in `place` with directories of the project in editable form.
    pub(super) fn own(
        &self,
        root: &Path,
        directories: &[String],
        place: &Path,
    ) -> Result<(), Error> {
        self.environment(place)?;
        // Setuptools would leave its `egg-info` in the project, which is to stay clean.
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
        let made = self.run(command);
        store::remove_file(&settings)?;
        made?;
        clean(place)
    }

    /// Answers a question in the directory `place` and returns the file with the answer.
    pub(super) fn compile(&self, question: &Question<'_>, place: &Path) -> Result<PathBuf, Error> {
        let wanted = place.join("wanted.in");
        files::write_atomic(&wanted, question.wanted.as_bytes())?;
        let answer = place.join(question.answer);
        if let Some(previous) = &question.previous {
            files::write_atomic(&answer, previous.as_bytes())?;
        }
        let own = minor(&self.interpreter.version);
        let mut command = self.command(place);
        command
            .args(["pip", "compile", "--universal", "--quiet"])
            .args(["--no-annotate", "--no-header"])
            .args(question.arguments)
            .args(["--python-version", question.python.unwrap_or(&own)])
            .arg("--python")
            .arg(&self.interpreter.program);
        if let Some(newest) = question.newest {
            command.args(["--exclude-newer", newest]);
        }
        command.args((!question.builds).then_some("--no-build"));
        if !question.constraints.is_empty() {
            let bounds = place.join("bounds.in");
            files::write_atomic(&bounds, question.constraints.as_bytes())?;
            command.arg("--constraints").arg(bounds);
        }
        command.arg("--output-file").arg(&answer).arg(wanted);
        self.run(command).map_err(|error| match error {
            Error::PythonInstall { output, .. } => Error::PythonResolve {
                purpose: question.purpose.to_owned(),
                output,
                builds: question.builds,
            },
            other => other,
        })?;
        Ok(answer)
    }

    fn environment(&self, place: &Path) -> Result<(), Error> {
        let above = place.parent().unwrap_or(place);
        let mut command = self.command(above);
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

    /// Returns uv's command in `directory`.
    fn command(&self, directory: &Path) -> Command {
        let Builder {
            context,
            config,
            client,
            ..
        } = self.builder;
        let mut command = Command::new(self.uv);
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .env_clear()
            .envs(context.env.iter())
            .env("UV_LINK_MODE", "copy")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_NO_PROGRESS", "1")
            // A file of the store never changes, so its bytecode need not be compared with it.
            .env("PYC_INVALIDATION_MODE", "UNCHECKED_HASH")
            // Trust what the system trusts, under both of uv's names for it.
            .env("UV_SYSTEM_CERTS", "1")
            .env("UV_NATIVE_TLS", "1")
            .args(["--color", "never"]);
        if config.pypi.as_str() != PYPI {
            command.env("UV_DEFAULT_INDEX", config.pypi.as_str());
        }
        for name in REMOVED {
            command.env_remove(name);
        }
        if client.is_offline() {
            command.env("UV_OFFLINE", "1");
        }
        command
    }

    fn run(&self, mut command: Command) -> Result<(), Error> {
        let output = command.output().map_err(files::at("run", self.uv))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::PythonInstall {
            lock: self.lock.to_owned(),
            output: last_lines(&output.stderr),
        })
    }
}

/// Removes what only matters to a shell that would activate the environment, or to uv.
fn clean(place: &Path) -> Result<(), Error> {
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

fn last_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    // What comes before the error is only progress.
    let starts = |line: &&str| line.starts_with("error") || line.trim_start().starts_with('×');
    let error = lines.iter().position(starts);
    let start = error.unwrap_or(0).max(lines.len().saturating_sub(LINES));
    lines[start..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
