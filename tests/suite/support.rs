//! Sandboxes, host shells on a terminal, and sources that this process serves.

pub(crate) mod archive;
pub(crate) mod bucket;
pub(crate) mod conda;
pub(crate) mod containers;
pub(crate) mod cpython;
pub(crate) mod crates;
pub(crate) mod host_shell;
pub(crate) mod npm;
pub(crate) mod pty;
pub(crate) mod pypi;
mod random;
pub(crate) mod registry;
pub(crate) mod releases;
pub(crate) mod rust_dist;
pub(crate) mod sandbox;
pub(crate) mod server;
pub(crate) mod signatures;
pub(crate) mod snapshot;
pub(crate) mod storage;
pub(crate) mod toolchains;
pub(crate) mod tree;
pub(crate) mod yaml;

use std::{
    path::{Path, PathBuf},
    thread,
};

pub(crate) use host_shell::HostShell;
pub(crate) use pty::Pty;
pub(crate) use random::Random;
pub(crate) use sandbox::Sandbox;
pub(crate) use server::Server;
pub(crate) use tree::Tree;

/// Returns the path of `tool`, or prints why the test is skipped.
///
/// With `DEVSH_TEST_REQUIRE_TOOLS=1` a missing tool fails the test instead.
pub(crate) fn require(tool: &str) -> Option<PathBuf> {
    let found = which::which(tool).ok();
    if found.is_none() {
        skip_without(tool);
    }
    found
}

/// Prints why a test is skipped, or fails it with `DEVSH_TEST_REQUIRE_TOOLS=1`.
pub(crate) fn skip_without(missing: &str) {
    assert!(
        !is_set("DEVSH_TEST_REQUIRE_TOOLS"),
        "`{missing}` is not installed and DEVSH_TEST_REQUIRE_TOOLS is set"
    );
    eprintln!("skipped: `{missing}` is not installed");
}

/// Returns whether all tools are installed, or prints which one is missing.
pub(crate) fn require_all(tools: &[&str]) -> bool {
    tools.iter().all(|tool| require(tool).is_some())
}

/// Returns whether tests may use the network, or prints why the test is skipped.
pub(crate) fn network() -> bool {
    let allowed = is_set("DEVSH_TEST_NETWORK");
    if !allowed {
        eprintln!("skipped: needs the network; set DEVSH_TEST_NETWORK=1");
    }
    allowed
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Runs one scenario in every installed host shell, in parallel.
///
/// Each thread has the name of its host shell, which a failure prints.
pub(crate) fn for_each_shell(scenario: impl Fn(HostShell) + Sync) {
    thread::scope(|scope| {
        let scenario = &scenario;
        let runs: Vec<_> = HostShell::ALL
            .into_iter()
            .filter(|shell| require(shell.name()).is_some())
            .map(|shell| {
                let run = thread::Builder::new()
                    .name(shell.name().to_owned())
                    .spawn_scoped(scope, move || scenario(shell))
                    .expect("a thread starts");
                (shell, run)
            })
            .collect();
        let failed: Vec<_> = runs
            .into_iter()
            .filter_map(|(shell, run)| run.join().is_err().then_some(shell.name()))
            .collect();
        assert!(failed.is_empty(), "the scenario failed in {failed:?}");
    });
}

/// Returns the repository's root.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
