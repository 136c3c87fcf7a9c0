//! The whole output of the commands that a new user sees first, as snapshots in `snapshots/`.
//!
//! After a change of words run `INSTA_UPDATE=always cargo test --test suite command_output` and review the diff.

use insta::assert_snapshot;

use crate::support::{Sandbox, Server, pypi::serve_tool};

/// A manifest with each kind of content that `devsh allow` shows.
const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n\n[env]\nMODE = \"test\"\nTOKEN = { required = \"ask the vault\" }\n\n\
     [hooks]\nenter = \"export READY=yes\"\n";

/// Help is wrapped at the width of the terminal.
fn help(arguments: &[&str]) -> String {
    let sandbox = Sandbox::new().env("COLUMNS", "100");
    sandbox.devsh(arguments).success().stdout
}

fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new().served_by(&server).manifest(MANIFEST);
    (sandbox, server)
}

#[test]
fn help_groups_the_commands_by_job() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn help_of_a_command_ends_with_an_example() {
    assert_snapshot!(help(&["run", "--help"]));
}

#[test]
fn status_before_the_approval_names_the_next_step() {
    let (sandbox, _server) = prepared();
    assert_snapshot!(sandbox.devsh(&["status"]).success());
}

#[test]
fn allow_shows_all_requests_of_the_project() {
    let (sandbox, _server) = prepared();
    assert_snapshot!(sandbox.devsh(&["allow"]).success());
}

#[test]
fn status_after_the_build_shows_the_versions() {
    let (sandbox, _server) = prepared();
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success().to_string();
    // The environment id depends on the system.
    let lines = status
        .lines()
        .filter(|line| !line.starts_with("environment "));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
