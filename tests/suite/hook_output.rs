//! `devsh export`: the files that a prompt reads, and its behaviour with damaged input.

use std::{fs, path::Path};

use crate::support::{Sandbox, Server, pypi::serve_tool, require, sandbox::DEVSH};

const HOOK: [&str; 8] = [
    "export", "bash", "--nonce", "7", "--loaded", "x", "--checks", "",
];

#[test]
fn a_warm_transition_opens_no_manifest_and_no_connection() {
    let Some(strace) = require("strace") else {
        return;
    };
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[tools]\nruff = \"0.12\"\n[env]\nACTIVE = \"yes\"\n");
    sandbox.allow();
    // A file that was written a moment ago is read again until its stamp is old enough.
    let mut trace = String::new();
    for _ in 0..50 {
        trace = traced(&sandbox, &strace);
        if !trace.contains(".toml") && !trace.contains("devshell.lock") {
            break;
        }
    }
    for word in [
        ".toml",
        "devshell.lock",
        ".devsh-profile",
        "connect(",
        "socket(",
        "clone",
        "fork(",
    ] {
        let lines: Vec<_> = trace.lines().filter(|line| line.contains(word)).collect();
        assert!(lines.is_empty(), "{word}: {lines:#?}");
    }
    assert_eq!(trace.matches(".record\"").count(), 1, "{trace}");
}

/// Returns the files that one prompt opens, its connections and its processes.
fn traced(sandbox: &Sandbox, strace: &Path) -> String {
    let trace = sandbox.root().join("trace");
    let outcome = sandbox.outcome(
        sandbox
            .command(strace)
            .args([
                "-f",
                "-qq",
                "-e",
                "trace=open,openat,openat2,socket,connect,clone,clone3,fork,vfork",
            ])
            .arg("-o")
            .arg(&trace)
            .arg(DEVSH)
            .args(HOOK),
    );
    let code = outcome.success().stdout;
    assert!(code.contains(" ACTIVE='yes'"), "{code}");
    assert!(code.ends_with("# devsh 7\n"), "{code}");
    fs::read_to_string(trace).unwrap()
}

#[test]
fn a_session_that_makes_no_sense_is_dropped() {
    for (name, value) in [
        ("DEVSH_DIFF", "AAAA"),
        ("DEVSH_DIFF", "\u{1b}[31m"),
        ("DEVSH_SHELL", "../x"),
    ] {
        let sandbox = Sandbox::new()
            .env("DEVSH_ROOT", "/nowhere")
            .env(name, value);
        let outcome = sandbox.devsh(&HOOK).success();
        let gone = outcome.stdout.lines().next().unwrap();
        assert!(
            gone.starts_with("\\builtin unset -v DEVSH_ROOT"),
            "{outcome}"
        );
        assert!(gone.split(' ').any(|word| word == name), "{outcome}");
        assert!(outcome.stdout.ends_with("# devsh 7\n"), "{outcome}");
    }
}

#[test]
fn code_goes_to_standard_output_and_words_to_standard_error() {
    for (manifest, message) in [
        ("[tools]\nruff = \"1\"\n", "not allowed yet"),
        (
            "[tools]\nruf = \"1\"\n",
            "devshell.toml:2: `ruf` is not a known tool",
        ),
    ] {
        let outcome = Sandbox::new().manifest(manifest).devsh(&HOOK).success();
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
        assert!(outcome.stderr.contains(message), "{outcome}");
        for line in outcome.stdout.lines() {
            assert!(
                line.starts_with("__devsh_") || line.starts_with("# devsh"),
                "{line}"
            );
        }
    }
}
