//! Reliability under kill -9, failing system calls, power cuts and many processes at once.
//!
//! By default a short form runs in the suite. `tests/reliability` runs the long form (`DEVSH_TEST_LONG=1`) and
//! prints the figures that docs/dev/reliability.md quotes.

mod crash;
mod crowd;
mod disk;
mod faults;
mod kill;
mod power;
mod recording;
mod scenario;
pub(crate) mod strace;

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{Sandbox, Server, conda, pypi::serve_tool};

/// Returns the amount of work: `short` in the suite, `long` with `DEVSH_TEST_LONG=1`, and so many hundredths
/// of that with a greater number.
pub(crate) fn effort(short: usize, long: usize) -> usize {
    let asked = std::env::var("DEVSH_TEST_LONG").ok();
    match asked
        .and_then(|asked| asked.parse::<usize>().ok())
        .unwrap_or(0)
    {
        0 => short,
        1 => long,
        part => (long * part / 100).max(short),
    }
}

/// Reports the progress of a long form now and then.
pub(crate) fn so_far(done: usize, unit: &str) {
    if done > 0 && done.is_multiple_of(100) {
        eprintln!("figure so far: {done} {unit}");
    }
}

/// A project with one tool, and the server that has it.
fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n[env]\nA = \"1\"\n");
    (sandbox, server)
}

/// A project with one conda package, which needs another one, and the server that has both.
fn prepared_conda() -> (Sandbox, Server) {
    let server = Server::start();
    serve_conda(&server);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(CONDA_MANIFEST);
    (sandbox, server)
}

/// The manifest of a project with a conda package.
const CONDA_MANIFEST: &str = "[conda]\nchannels = [\"team\"]\npackages = [\"ruff\"]\n";

/// Serves a conda package whose program reads a file of another package, at the place of the prefix.
fn serve_conda(server: &Server) {
    let packages = [
        conda::Package {
            name: "ruff",
            version: "0.12.4",
            depends: &["ruff-data"],
            files: &[(
                "bin/ruff",
                "#!/bin/sh\nexec cat PREFIX/share/ruff/version\n",
            )],
        },
        conda::Package {
            name: "ruff-data",
            version: "1.0",
            depends: &[],
            files: &[
                ("share/ruff/version", "ruff 0.12.4\n"),
                ("share/ruff/place", "PREFIX\n"),
            ],
        },
    ];
    conda::serve_channel(server, &packages, conda::Layout::Sharded);
}

/// Returns every path below the home directory and, where it is the same each time, the content.
fn left(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![home.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path
                .strip_prefix(home)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            // Named by times; and leases of programs that ended, which the next look at leases removes.
            if name.contains("/stamps/") || name.contains("store/.leases/envs/") {
                continue;
            }
            // Named by the inode of the denied directory, which each run of a scenario makes again.
            let denial = name.contains("/devsh/deny/");
            let name = match name.split_once("/deny/of-") {
                Some((directory, _)) => format!("{directory}/deny/of-INODE"),
                None => name,
            };
            let kind = entry.file_type().unwrap();
            let content = if kind.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if kind.is_dir() {
                pending.push(path);
                Vec::new()
            } else if holds_times(&name) || denial || name.ends_with("/session/key") {
                // A key is random, and a denial has the inode of its directory.
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(name, content);
        }
    }
    found
}

/// Returns whether a file holds times or inode numbers of other files.
fn holds_times(name: &str) -> bool {
    let signs = [
        ".record",
        "/index/",
        "/conda/documents/",
        "generation",
        ".log",
        ".build",
    ];
    signs.iter().any(|sign| name.contains(sign))
}

/// Returns the differences, for a message.
fn difference(
    expected: &BTreeMap<String, Vec<u8>>,
    found: &BTreeMap<String, Vec<u8>>,
) -> Vec<String> {
    let missing = expected.keys().filter(|path| !found.contains_key(*path));
    let missing = missing.map(|path| format!("missing {path}"));
    let strange = found
        .iter()
        .filter_map(|(path, content)| match expected.get(path) {
            None => Some(format!("left over {path}")),
            Some(known) if known != content => Some(format!("changed {path}")),
            Some(_) => None,
        });
    missing.chain(strange).collect()
}
