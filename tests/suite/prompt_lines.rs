//! The output of a prompt: at most one line of the terminal, and nothing twice.

use crate::support::{Sandbox, Server, pypi::serve_tool};

/// Answers a prompt of a new bash as its hook asks, and returns the messages.
fn prompt(sandbox: &Sandbox) -> String {
    let mut arguments = vec!["export", "bash", "--nonce", "1"];
    for option in ["--loaded", "--checks", "--path", "--gone"] {
        arguments.extend([option, ""]);
    }
    sandbox.devsh(&arguments).success().stderr
}

#[test]
fn a_message_fits_the_terminal_and_keeps_its_hint() {
    let sandbox = Sandbox::new().env("COLUMNS", "60");
    let long = format!("[env]\nA = \"{}\"\nB = 1\n", "x".repeat(200));
    let unknown_key = format!("[env]\nA = \"1\"\n[{}]\n", "unknown-table".repeat(4));
    for (manifest, wanted) in [
        ("[env]\nA = \"1\"\n", "review it with `devsh allow`"),
        (&long, "write `\"1\"`"),
        (&unknown_key, "…"),
    ] {
        sandbox.write("devshell.toml", manifest);
        let shown = prompt(&sandbox);
        assert!(shown.contains(wanted), "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= 60),
            "{shown}"
        );
        assert_eq!(shown.lines().count(), 1, "{shown}");
    }
}

#[test]
fn a_host_tool_in_place_of_a_locked_one_is_reported_once() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.program("ruff", "#!/bin/sh\necho ruff 0.12.3\n");
    let sandbox = sandbox.config("tools-from = \"host\"\n");
    let line = "`ruff` 0.12.3 of the host replaces 0.12.4";
    let allowed = sandbox.devsh(&["allow"]).success().stderr;
    assert_eq!(
        allowed
            .matches("0.12.3 of the host replaces 0.12.4")
            .count(),
        1,
        "{allowed}"
    );
    let shown = prompt(&sandbox);
    assert!(shown.contains("devsh: ruff 0.12.3\n"), "{shown}");
    assert!(!shown.contains("host"), "{shown}");
    // Another version is a change.
    sandbox.program("ruff", "#!/bin/sh\necho ruff 0.12.2\n");
    sandbox.devsh(&["sync"]).success();
    assert!(!prompt(&sandbox).contains("host"));
    // A prompt reports what no command did.
    let state = sandbox.home().join(".local/state/devsh/projects");
    for project in std::fs::read_dir(state).unwrap() {
        let _absent = std::fs::remove_file(project.unwrap().path().join("host-tools"));
    }
    let line = line.replace("0.12.3", "0.12.2");
    assert!(prompt(&sandbox).contains(&line));
    assert!(!prompt(&sandbox).contains("host"));
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(status.contains("the lockfile has 0.12.4"), "{status}");
    let explained = sandbox.devsh(&["explain", "ruff"]).success().stdout;
    let note = "0.12.2 of the host is used: `[ROOT]/bin/ruff`";
    assert!(explained.contains(note), "{explained}");
}

#[test]
fn every_line_of_a_prompt_fits_the_terminal() {
    let server = Server::start();
    let names = [
        "ruff",
        "uv",
        "taplo",
        "yamllint",
        "pre-commit",
        "poethepoet",
    ];
    for name in names {
        serve_tool(&server, name, &["0.12.4"]);
    }
    let tools = names.map(|name| format!("\"pypi:{name}\" = \"0.12\"\n"));
    let tools = tools.concat();
    let long = "ask the vault of the team for it, ".repeat(5);
    for width in [40, 60, 80] {
        let sandbox = Sandbox::new()
            .served_by(&server)
            .env("COLUMNS", width.to_string())
            .manifest(&format!(
                "[tools]\n{tools}just = \"99\"\n[env]\nTOKEN = {{ required = \"{long}\" }}\n"
            ));
        sandbox.devsh(&["allow"]).code(1);
        let shown = prompt(&sandbox);
        for part in ["TOKEN", "missing: ", "pre-commit"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        for line in shown.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}
