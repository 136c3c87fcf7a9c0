//! The whole output of the commands that a new user sees first, as snapshots in `snapshots/`.
//!
//! After a change of words run `INSTA_UPDATE=always cargo test --test suite command_output` and review the diff.

use std::fmt::Write as _;

use insta::assert_snapshot;

use crate::support::{
    Sandbox, Server,
    pypi::{serve_tool, serve_tool_as},
};

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
    assert_snapshot!(sandbox.devsh(&["status"]).success());
}

/// Returns the output of a command on terminals of three widths, without what depends on the machine.
fn at_three_widths(sandbox: Sandbox, arguments: &[&str]) -> String {
    let mut sandbox = sandbox;
    let mut text = String::new();
    for width in [60, 80, 200] {
        sandbox = sandbox.env("COLUMNS", width.to_string());
        let outcome = sandbox.devsh(arguments);
        let both = format!("{}{}", outcome.stdout, outcome.stderr);
        for line in both.lines() {
            // An address is never broken, and the glibc depends on the machine.
            let has_address = line.contains("://");
            assert!(
                line.chars().count() <= width || has_address,
                "wider than {width}: {line}"
            );
        }
        let lines = both.lines().filter(|line| !line.contains("glibc"));
        let lines: Vec<String> = lines.map(hide_machine).collect();
        writeln!(text, "--- {width} columns\n{}\n", lines.join("\n")).unwrap();
    }
    text
}

/// Replaces the ids and small sizes of objects, which depend on the system, and the version of devsh.
fn hide_machine(line: &str) -> String {
    let version = format!(" {}, `", env!("CARGO_PKG_VERSION"));
    let line = line.replace(&version, " [VERSION], `");
    let hide = |word: &str| {
        let is_id = word.len() == 8 && word.chars().all(|one| one.is_ascii_hexdigit());
        if is_id {
            "[ID]    ".to_owned()
        } else {
            word.to_owned()
        }
    };
    let mut words: Vec<String> = line.split(' ').map(hide).collect();
    // Directories and links have blocks of the file system.
    for at in 1..words.len() {
        let small_part = |at: usize| match words[at].as_str() {
            "KiB" => Some(0),
            "MiB" => words[at - 1].find('.'),
            _ => None,
        };
        if let Some(start) = small_part(at) {
            let size = &words[at - 1];
            let hidden = size[start..].replace(|one: char| one.is_ascii_digit(), "#");
            words[at - 1] = format!("{}{hidden}", &size[..start]);
        }
    }
    words.join(" ").trim_end().to_owned()
}

/// Serves a tool of this many MiB.
fn serve_large(server: &Server, name: &str, version: &str, size: usize) {
    let padding = "#".repeat(size << 20);
    let program = format!("#!/bin/sh\necho '{name} {version}'\nexit\n{padding}\n");
    serve_tool_as(server, (name, version), name, program.as_bytes());
}

/// A project with several kinds of tools and variables.
fn usual() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4", "0.13.0"]);
    serve_large(&server, "pre-commit", "4.2.0", 5);
    serve_large(&server, "poethepoet", "0.36.0", 2);
    let manifest = "[tools]\nruff = \"0.12\"\n\"pypi:pre-commit\" = \"4\"\n\"pypi:poethepoet\" = \"*\"\n\n\
         [env]\nMODE = \"test\"\nPATH = { prepend = [\"./scripts\"] }\nDATABASE_URL = { default = \"postgres://localhost/shop?application_name=shop\" }\n\n\
         [aliases]\nt = \"pytest -x\"\n\n[hooks]\nenter = \"echo ready\"\n\n[shells.lint]\ntools = { \"pypi:yamllint\" = \"1\" }\n";
    serve_large(&server, "yamllint", "1.37.1", 1);
    let sandbox = Sandbox::new().served_by(&server).manifest(manifest);
    (sandbox, server)
}

#[test]
fn status_of_a_healthy_project_fits_in_ten_lines() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success();
    let lines = status.stdout.lines().count() + status.stderr.lines().count();
    assert!(lines <= 10, "{status}");
    assert_snapshot!(at_three_widths(sandbox, &["status"]));
}

#[test]
fn explain_at_three_widths() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    assert_snapshot!(at_three_widths(sandbox, &["explain"]));
}

#[test]
fn du_at_three_widths() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    let other = sandbox.root().join("home/other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(
        other.join("devshell.toml"),
        "[tools]\n\"pypi:pre-commit\" = \"4\"\n\"pypi:yamllint\" = \"1\"\n",
    )
    .unwrap();
    sandbox
        .devsh(&["-C", other.to_str().unwrap(), "allow"])
        .success();
    assert_snapshot!(at_three_widths(sandbox, &["du"]));
}

#[test]
fn du_of_objects_at_three_widths() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    assert_snapshot!(at_three_widths(sandbox, &["du", "--objects"]));
}

#[test]
fn gc_at_three_widths() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    sandbox.devsh(&["deny"]).success();
    assert_snapshot!(at_three_widths(sandbox, &["gc", "--dry-run"]));
}

#[test]
fn doctor_at_three_widths() {
    let (sandbox, _server) = usual();
    assert_snapshot!(at_three_widths(sandbox, &["doctor"]));
}

#[test]
fn allow_at_three_widths() {
    let (sandbox, _server) = usual();
    assert_snapshot!(at_three_widths(sandbox, &["allow", "--show"]));
}

#[test]
fn search_at_three_widths() {
    let (sandbox, _server) = usual();
    assert_snapshot!(at_three_widths(sandbox, &["search", "ruff"]));
}

#[test]
fn outdated_at_three_widths() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    assert_snapshot!(at_three_widths(sandbox, &["outdated"]));
}

#[test]
fn colours_carry_no_meaning_of_their_own() {
    let (sandbox, _server) = usual();
    sandbox.allow();
    for command in [
        &["status"][..],
        &["explain"],
        &["du"],
        &["gc", "--dry-run"],
        &["doctor"],
        &["allow", "--show"],
        &["search", "ruff"],
        &["outdated"],
    ] {
        let with = |color: &str| {
            let outcome = sandbox.devsh(&[&["--color", color], command].concat());
            format!("{}{}", outcome.stdout, outcome.stderr)
        };
        let plain = with("never");
        assert!(!plain.contains('\x1b'), "{plain}");
        assert_eq!(without_colours(&with("always")), plain, "{command:?}");
    }
}

/// Removes the sequences that set colours.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (codes, rest) = part.split_once('m').unwrap();
        assert!(codes.chars().all(|one| one.is_ascii_digit() || one == ';'));
        plain.push_str(rest);
    }
    plain
}
