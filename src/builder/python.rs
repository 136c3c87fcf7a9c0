//! The Python environment of a dev shell: the packages of a `uv.lock`, installed by the locked uv.
//!
//! An environment cannot be moved, so it is built where it stays; a marker written last says that it is
//! complete, and one without the marker is built anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Builder, Error, PythonPackages, Request, serve::Served};
use crate::{
    fsx,
    package::{Source, Tool, Version},
    store, vars,
    wire::Writer,
};

/// The file that a complete environment has.
const MARKER: &str = ".devsh-complete";
/// How many of the installer's last lines are kept.
const LINES: usize = 20;
/// Variables that would lead the installer to another interpreter or environment.
const REMOVED: &[&str] = &[
    vars::VIRTUAL_ENV,
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_NO_SYNC",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
];

/// An environment that is there, and the interpreter it stands on.
#[derive(Debug)]
pub(super) struct PythonEnvironment {
    pub(super) directory: PathBuf,
    pub(super) interpreter: PathBuf,
    pub(super) version: Version,
}

/// Returns whether the environment in `directory` was built to its end.
pub(super) fn is_complete(directory: &Path) -> bool {
    directory.join(MARKER).is_file()
}

impl Builder<'_> {
    /// Returns the Python environment that `request` asks for, if it does.
    pub(super) fn python(
        &self,
        request: &Request<'_>,
        served: &[Served],
    ) -> Result<Option<PythonEnvironment>, Error> {
        let Some(packages) = &request.python else {
            return Ok(None);
        };
        if packages
            .lock
            .file_name()
            .is_none_or(|name| name != "uv.lock")
        {
            return Err(Error::PythonLock {
                lock: packages.lock.clone(),
            });
        }
        let needs = |tool| Error::PythonNeeds {
            lock: packages.lock.clone(),
            tool,
        };
        let python = served
            .iter()
            .find(|served| served.tool.source == Source::Python);
        let python = python.ok_or_else(|| needs("python"))?;
        let interpreter = python.program("python").ok_or_else(|| needs("python"))?;
        let interpreter = fs::canonicalize(&interpreter).map_err(fsx::at("read", &interpreter))?;
        let directory = self.place(request, packages, &interpreter);
        if !is_complete(&directory) {
            let uv = self.uv(request, served).ok_or_else(|| needs("uv"))?;
            self.build(request, packages, (&uv, &interpreter, &directory))?;
        }
        Ok(Some(PythonEnvironment {
            directory,
            interpreter,
            version: python.version.clone(),
        }))
    }

    /// Returns where the environment is: by checkout, since the project in it is installed by its path.
    fn place(
        &self,
        request: &Request<'_>,
        packages: &PythonPackages,
        interpreter: &Path,
    ) -> PathBuf {
        let mut writer = Writer::default();
        writer.os(interpreter);
        writer.os(&packages.lock);
        writer.bytes(packages.digest);
        writer.list(packages.groups.iter(), Writer::bytes);
        writer.number(u64::from(request.build_project));
        let key = blake3::hash(&writer.into_bytes()).to_hex();
        let data = &self.context.directories.data;
        data.join("python")
            .join(super::profile::checkout(request.root, 16))
            .join(&key[..16])
    }

    /// Returns uv: the dev shell's own, else the machine's.
    fn uv(&self, request: &Request<'_>, served: &[Served]) -> Option<PathBuf> {
        let own = served
            .iter()
            .find(|served| served.tool.source == Source::Pypi && served.tool.name.as_str() == "uv")
            .and_then(|served| served.program("uv"));
        own.or_else(|| {
            let tool: Tool = "uv".parse().ok()?;
            let found = self.host_tools(request, &tool).into_iter().next()?;
            found.programs.into_iter().next().map(|(_, path)| path)
        })
    }

    /// Builds the environment under a lock.
    fn build(
        &self,
        request: &Request<'_>,
        packages: &PythonPackages,
        (uv, interpreter, directory): (&Path, &Path, &Path),
    ) -> Result<(), Error> {
        let parent = directory.parent().unwrap_or(directory);
        fsx::create_private_dir(parent)?;
        let mut lock = directory.as_os_str().to_owned();
        lock.push(".lock");
        let _lock = fsx::lock(Path::new(&lock))?;
        if is_complete(directory) {
            return Ok(());
        }
        store::remove_tree(directory)?;
        let meter = self.progress.start("python packages", None);
        meter.phase("installing");
        // Setuptools would leave its `egg-info` in the project, which is to stay clean.
        let settings = directory.with_extension("cfg");
        let text = format!("[egg_info]\negg_base = {}\n", directory.display());
        fsx::write_atomic(&settings, text.as_bytes())?;
        let mut command = self.command(request, packages, uv);
        command
            .env("DIST_EXTRA_CONFIG", settings)
            .arg("--python")
            .arg(interpreter)
            .env(vars::UV_PROJECT_ENVIRONMENT, directory);
        let output = command.output();
        meter.finish();
        let output = output.map_err(fsx::at("run", uv))?;
        if !output.status.success() {
            return Err(Error::PythonInstall {
                lock: packages.lock.clone(),
                output: last_lines(&output.stderr),
            });
        }
        fsx::write_atomic(&directory.join(MARKER), b"")?;
        Ok(())
    }

    /// Returns the installer's command; the lockfile is used as it is.
    fn command(&self, request: &Request<'_>, packages: &PythonPackages, uv: &Path) -> Command {
        let mut command = Command::new(uv);
        command
            .args(["sync", "--frozen", "--no-default-groups", "--no-progress"])
            .args(["--no-python-downloads", "--color", "never"]);
        for group in &packages.groups {
            command.args(["--group", group]);
        }
        if !request.build_project {
            // At a prompt no code of the project runs, and none of its dependencies' build scripts.
            command.args([
                "--no-install-project",
                "--no-install-workspace",
                "--no-build",
            ]);
        }
        if self.client.is_offline() {
            command.arg("--offline");
        }
        let project = request.root.join(&packages.lock);
        command
            .current_dir(project.parent().unwrap_or(request.root))
            .stdin(Stdio::null())
            .env_clear()
            .envs(self.context.env.iter())
            // Trust what the system trusts, under both of uv's names for it.
            .env("UV_SYSTEM_CERTS", "1")
            .env("UV_NATIVE_TLS", "1");
        for name in REMOVED {
            command.env_remove(name);
        }
        command
    }
}

fn last_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    // What comes before the error is only progress.
    let error = lines.iter().position(|line| line.starts_with("error"));
    let start = error.unwrap_or(0).max(lines.len().saturating_sub(LINES));
    lines[start..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
