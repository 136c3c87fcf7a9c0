//! The source `host`: tools of the machine with their real paths and versions.
//!
//! The shims of pyenv and the proxies of rustup are skipped, because they choose by the working directory and may
//! download; the programs behind them are found in their directories.
//!
//! Only programs at absolute paths outside the project and outside devsh's data are run, with arguments that ask
//! for the version.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    context::Directories,
    env::{Env, pathlist},
    package::{Source, Tool, Version},
    util::{
        child_process::{self, ChildLimits, Outcome},
        parallel,
        repository_tops::repository_tops,
        vars,
    },
};

/// The number of programs that are asked at the same time.
const THREADS: usize = 8;
/// Timeout of a program that prints its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// The size of a program's output that is read, in bytes.
const OUTPUT: usize = 1 << 16;

/// A Python program that prints the version and the base interpreter of a virtual environment.
const ASK_PYTHON: &str = "import sys;\
print('%d.%d.%d' % sys.version_info[:3] + ('' if sys.version_info[3] == 'final' else \
{'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[sys.version_info[3]] + str(sys.version_info[4])));\
print(getattr(sys, '_base_executable', None) or sys.executable);\
print(sys.implementation.name)";

/// The programs of a toolchain that a dev shell gets; the required ones come first.
const RUST_PROGRAMS: &[&str] = &[
    "rustc",
    "cargo",
    "cargo-clippy",
    "cargo-fmt",
    "cargo-miri",
    "clippy-driver",
    "rust-analyzer",
    "rust-gdb",
    "rust-lldb",
    "rustdoc",
    "rustfmt",
];

/// A tool of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTool {
    pub version: Version,
    /// Its programs by name, with their real paths; the main program is the first.
    pub programs: Vec<(String, PathBuf)>,
}

/// The directories in which host tools are searched.
#[derive(Debug)]
pub struct HostSearch<'a> {
    /// The environment, for `PATH` and the directories of pyenv, rustup and uv.
    pub env: &'a Env,
    pub home: Option<&'a Path>,
    /// Directories whose programs are never run: the project with the repository around it, and devsh's own data.
    pub exclude: Vec<PathBuf>,
}

/// Returns the top of the Git repositories around a project, whose programs come with the project: the outermost, as a
/// project can be in a submodule.
fn source_tree<'r>(root: &'r Path, home: Option<&Path>) -> &'r Path {
    repository_tops(root, home).last().unwrap_or(root)
}

/// Returns the versions of `tool` on the machine, each once.
///
/// Programs in directories that are named by a version which is not `wanted` are asked only if no other one is wanted.
pub fn find(
    tool: &Tool,
    search: &HostSearch<'_>,
    wanted: &dyn Fn(&Version) -> bool,
) -> Vec<HostTool> {
    let candidates = match tool.source {
        Source::Python => search.pythons(),
        Source::Rust => search.toolchains(),
        _ => search.on_path(program(tool)),
    };
    let mut seen = BTreeSet::new();
    let programs: Vec<(PathBuf, PathBuf)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let real = fs::canonicalize(&candidate).ok()?;
            let is_new = !search.excludes(&candidate)
                && !search.excludes(&real)
                && seen.insert(real.clone());
            is_new.then_some((candidate, real))
        })
        .collect();
    let (likely, others): (Vec<_>, Vec<_>) = programs
        .iter()
        .partition(|(_, real)| version_of_directory(real).is_none_or(|version| wanted(&version)));
    let mut found = search.ask_all(tool, &likely);
    if !found.iter().any(|tool| wanted(&tool.version)) {
        found.extend(search.ask_all(tool, &others));
    }
    let mut known = BTreeSet::new();
    found.retain(|tool| known.insert(tool.version.clone()));
    found
}

/// Returns the version that names the directory of a toolchain, as in `versions/3.12.1/bin/python3.12`.
fn version_of_directory(program: &Path) -> Option<Version> {
    let number = version_number(program.parent()?.parent()?)?;
    // `3.12` may be any of its patch releases.
    let is_exact = number.split('.').count() == 3;
    is_exact.then(|| number.parse().ok())?
}

/// Returns the version in the name of a directory, as in `3.12.1`, `1.89.0-x86_64` and `cpython-3.12.1-linux`.
fn version_number(directory: &Path) -> Option<&str> {
    let mut parts = directory.file_name()?.to_str()?.split('-');
    parts.find(|part| part.starts_with(|first: char| first.is_ascii_digit()))
}

/// Returns the main program of a tool.
fn program(tool: &Tool) -> &str {
    match tool.name.as_str() {
        "typescript" => "tsc",
        name => name,
    }
}

impl<'a> HostSearch<'a> {
    /// Returns the search for a project: without programs of its repository, and without those that devsh stores.
    pub fn for_project(env: &'a Env, directories: &'a Directories, root: &Path) -> Self {
        let home = directories.home.as_deref();
        let tree = source_tree(root, home).to_owned();
        // By name and by real path: a symlink must not bypass the exclusion.
        let data = fs::canonicalize(&directories.data);
        let exclude = [tree, directories.data.clone()].into_iter().chain(data);
        Self {
            env,
            home,
            exclude: exclude.collect(),
        }
    }

    /// Returns the first program of this name on `PATH` that is neither in nor linked into an excluded directory.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.on_path(name).into_iter().find(|path| {
            let real = fs::canonicalize(path);
            real.is_ok_and(|real| !self.excludes(&real))
        })
    }

    /// Returns every program of this name on `PATH`.
    fn on_path(&self, name: &str) -> Vec<PathBuf> {
        which::which_in_all(name, Some(self.path()), "/")
            .map(Iterator::collect)
            .unwrap_or_default()
    }

    /// Returns `PATH` without entries of the project, which must not run even through another program, and without
    /// relative entries, which depend on the working directory.
    pub fn path(&self) -> OsString {
        let entries = pathlist::split(self.env.get(vars::PATH).unwrap_or_default());
        pathlist::join(entries.filter(|entry| {
            let entry = Path::new(entry);
            let real = fs::canonicalize(entry);
            entry.is_absolute()
                && real.is_ok_and(|real| !self.excludes(entry) && !self.excludes(&real))
        }))
    }

    /// Returns interpreters: every usual name on `PATH`, then the versions of pyenv and uv.
    fn pythons(&self) -> Vec<PathBuf> {
        let names = (8..=20).rev().map(|minor| format!("python3.{minor}"));
        let names = ["python3".to_owned(), "python".to_owned()]
            .into_iter()
            .chain(names);
        let mut found: Vec<PathBuf> = names
            .flat_map(|name| self.on_path(&name))
            .filter(|path| !is_shim(path))
            .collect();
        let root = self.directory(vars::PYENV_ROOT, ".pyenv");
        found.extend(versions(
            root.map(|root| root.join("versions")),
            "bin/python3",
        ));
        let data = self.directory(vars::XDG_DATA_HOME, ".local/share");
        let root = self.directory_or(vars::UV_PYTHON_INSTALL_DIR, || {
            Some(data?.join("uv/python"))
        });
        found.extend(versions(root, "bin/python3"));
        found
    }

    /// Returns compilers: those on `PATH` without rustup's proxies, then those of rustup's toolchains.
    fn toolchains(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self
            .on_path("rustc")
            .into_iter()
            .filter(|path| !is_proxy(path))
            .collect();
        let root = self.directory(vars::RUSTUP_HOME, ".rustup");
        found.extend(versions(
            root.map(|root| root.join("toolchains")),
            "bin/rustc",
        ));
        found
    }

    fn directory(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.directory_or(variable, || Some(self.home?.join(below_home)))
    }

    fn directory_or(
        &self,
        variable: &str,
        usual: impl FnOnce() -> Option<PathBuf>,
    ) -> Option<PathBuf> {
        let set = self.env.get(variable).map(PathBuf::from);
        set.filter(|path| path.is_absolute()).or_else(usual)
    }

    fn excludes(&self, path: &Path) -> bool {
        self.exclude
            .iter()
            .any(|directory| path.starts_with(directory))
    }

    /// Asks programs for their versions, each named by its candidate and its real path.
    fn ask_all(&self, tool: &Tool, programs: &[&(PathBuf, PathBuf)]) -> Vec<HostTool> {
        // A program needs up to a tenth of a second for its answer, and pyenv users have a dozen interpreters.
        let asked = parallel::map(THREADS, programs, |(candidate, real)| match tool.source {
            Source::Python => self.ask_python(real),
            Source::Rust => self.ask_rust(real),
            _ => self.ask(tool, candidate, real),
        });
        asked.into_iter().flatten().collect()
    }

    fn ask_python(&self, program: &Path) -> Option<HostTool> {
        let answer = self.run(program, &["-I", "-S", "-B", "-c", ASK_PYTHON])?;
        let mut lines = answer.lines();
        let version: Version = lines.next()?.parse().ok()?;
        let base = fs::canonicalize(lines.next()?).ok()?;
        let usable = lines.next() == Some("cpython") && !self.excludes(&base);
        usable.then(|| HostTool {
            version,
            programs: vec![("python".to_owned(), base)],
        })
    }

    fn ask_rust(&self, program: &Path) -> Option<HostTool> {
        let answer = self.run(program, &["--version"])?;
        let version = answer.split_whitespace().nth(1)?.parse().ok()?;
        let directory = program.parent()?;
        let programs: Vec<_> = RUST_PROGRAMS
            .iter()
            .map(|name| ((*name).to_owned(), directory.join(name)))
            .filter(|(_, path)| is_executable(path))
            .collect();
        let complete = programs.iter().any(|(name, _)| name == "cargo");
        complete.then_some(HostTool { version, programs })
    }

    /// Asks any other program; the first word of its output that is a version counts.
    fn ask(&self, tool: &Tool, named: &Path, real: &Path) -> Option<HostTool> {
        if is_shim(named) {
            return None;
        }
        // Run by this name: some programs are several in one and look at their name.
        let flag = if tool.name.as_str() == "go" {
            "version"
        } else {
            "--version"
        };
        let answer = self.run(named, &[flag])?;
        let version = answer.split_whitespace().find_map(|word| {
            let word = word.trim_start_matches("go").trim_start_matches('v');
            let word = word.trim_end_matches([',', ')', ';']);
            (word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()))
                .then(|| word.parse().ok())?
        })?;
        // A program that is started through a link may search next to the link, so only a link of the same name is
        // followed.
        let program = if real.file_name() == named.file_name() {
            real
        } else {
            named
        };
        Some(HostTool {
            version,
            programs: vec![(self::program(tool).to_owned(), program.to_owned())],
        })
    }

    /// Runs a program and returns its output; nothing if it fails or takes too long.
    fn run(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().filter(|(name, _)| is_harmless(name)))
            .env(vars::PATH, self.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let limits = ChildLimits {
            timeout: PATIENCE,
            output: OUTPUT,
            end_marker: None,
            // Ctrl-C must reach the program: several are asked at the same time, on threads.
            own_group: false,
        };
        match child_process::run(&mut command, limits, || false).ok()? {
            Outcome::Exited(exited) if exited.status.success() => {
                String::from_utf8(exited.stdout).ok()
            }
            _ => None,
        }
    }
}

/// Returns the path `below` in every directory of versions, the newest first.
fn versions(directory: Option<PathBuf>, below: &str) -> Vec<PathBuf> {
    let entries = directory.and_then(|directory| fs::read_dir(directory).ok());
    let mut names: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names.sort_by(|one, other| {
        let version = |path: &Path| version_number(path)?.parse::<Version>().ok();
        version(other)
            .cmp(&version(one))
            .then_with(|| one.cmp(other))
    });
    let mut programs: Vec<PathBuf> = names.into_iter().map(|name| name.join(below)).collect();
    programs.retain(|path| is_executable(path));
    programs
}

/// Returns whether a program is a shim of pyenv, asdf or mise.
fn is_shim(path: &Path) -> bool {
    path.parent()
        .is_some_and(|parent| parent.ends_with("shims"))
}

/// Returns whether a program is a proxy of rustup, which chooses the real program when it runs.
fn is_proxy(path: &Path) -> bool {
    let Some(directory) = path.parent() else {
        return false;
    };
    let rustup = directory.join("rustup");
    let identity = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino(), found.len()))
    };
    let (Some(own), Some(rustup)) = (identity(path), identity(&rustup)) else {
        return false;
    };
    // Proxies are links to rustup, hard links, or copies if neither is possible.
    own == rustup || own.2 == rustup.2
}

fn is_executable(path: &Path) -> bool {
    let metadata = fs::metadata(path);
    metadata.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Returns whether a variable may reach a program that is only asked for its version.
fn is_harmless(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        matches!(name, "HOME" | "LANG" | "TMPDIR" | "USER") || name.starts_with("LC_")
    })
}

#[cfg(test)]
mod tests;
