//! System calls that fail: a clear error, nothing half made, and the next run succeeds.

use std::fs;

use super::{
    effort, prepared,
    scenario::{ALLOW, LOCK, REPAIR, SYNC, SYNC_CONDA, Scenario},
    so_far,
    strace::{count, points, strace, with_fault},
};

/// The injected errors.
const ERRORS: [&str; 6] = ["ENOSPC", "EIO", "EDQUOT", "EMFILE", "EACCES", "EROFS"];

#[test]
fn no_error_under_allow_leaves_half_an_object() {
    sweep(&ALLOW);
}

#[test]
fn no_error_under_sync_leaves_half_an_object() {
    sweep(&SYNC);
}

#[test]
fn no_error_under_sync_leaves_half_a_prefix() {
    sweep(&SYNC_CONDA);
}

#[test]
fn no_error_under_lock_leaves_half_a_lockfile() {
    sweep(&LOCK);
}

#[test]
fn no_error_under_repair_leaves_half_an_object() {
    sweep(&REPAIR);
}

fn sweep(scenario: &Scenario) {
    let Some(strace) = strace() else { return };
    let (sandbox, _server) = (scenario.prepare)();
    let manifest = fs::read(sandbox.project().join("devshell.toml")).unwrap();
    scenario.start_over(&sandbox, &manifest);
    let mut counts = count(&strace, &sandbox, scenario.arguments);
    // Closing does not fail in a way that anyone could act upon.
    counts.remove("close");
    let (mut runs, mut failed) = (0, 0);
    for error in ERRORS {
        for (call, at) in points(&counts, effort(2, 840)) {
            so_far(runs, "injected errors");
            scenario.start_over(&sandbox, &manifest);
            let fault = format!("error={error}");
            let fault = (call.as_str(), fault.as_str(), at);
            let output = with_fault(&strace, &sandbox, scenario.arguments, fault);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let place = format!("{error} at {call} {at}: {}\n{said}", output.status);
            // Before devsh begins, the loader of the C library has the word.
            let loader = said.contains("error while loading shared libraries");
            assert!(!said.contains("panicked"), "{place}");
            runs += 1;
            if !output.status.success() && !loader {
                failed += 1;
                let code = output.status.code();
                assert!(matches!(code, Some(1..=3)), "{place}");
                // Where standard error itself fails there is no way to report.
                let mute = call == "write" && said.is_empty();
                assert!(said.contains("error: ") || mute, "{place}");
            }
            if scenario.always_whole {
                let outcome = sandbox.devsh(&["verify"]);
                assert!(outcome.status.success(), "{place}: {outcome}");
            }
            let outcome = sandbox.devsh(scenario.arguments);
            assert!(outcome.status.success(), "{place}: {outcome}");
            let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
            assert_eq!(outcome.stdout, "ruff 0.12.4\n", "{place}: {outcome}");
        }
    }
    let name = scenario.name;
    eprintln!(
        "figure: {name}: {runs} injected errors, {failed} reported, no panic, no partial object"
    );
}

#[test]
fn gc_keeps_used_objects_if_system_calls_fail() {
    let Some(strace) = strace() else { return };
    let (sandbox, _server) = prepared();
    sandbox.devsh(&["allow"]).success();
    let mut counts = count(&strace, &sandbox, &["gc"]);
    counts.remove("close");
    let (mut runs, mut failed) = (0, 0);
    for error in ["EIO", "EMFILE", "EACCES"] {
        for (call, at) in points(&counts, effort(14, 400)) {
            so_far(runs, "injected errors of gc");
            let fault = format!("error={error}");
            let output = with_fault(&strace, &sandbox, &["gc"], (&call, &fault, at));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let place = format!("{error} at {call} {at}: {}\n{said}", output.status);
            assert!(!said.contains("panicked"), "{place}");
            runs += 1;
            failed += usize::from(!output.status.success());
            let outcome = sandbox.devsh(&["--offline", "run", "--", "ruff", "--version"]);
            assert_eq!(outcome.stdout, "ruff 0.12.4\n", "{place}: {outcome}");
        }
    }
    eprintln!("figure: {runs} injected errors of gc, {failed} reported, nothing in use collected");
}

#[test]
fn locks_that_the_file_system_lacks_are_done_without() {
    let Some(strace) = strace() else { return };
    for error in ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EBADF"] {
        let (sandbox, _server) = prepared();
        let output = sandbox
            .command(&strace)
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e"])
            .arg(format!("inject=flock:error={error}"))
            .arg(crate::support::sandbox::DEVSH)
            .arg("allow")
            .output()
            .unwrap();
        assert!(output.status.success(), "{error}: {output:?}");
        sandbox.devsh(&["verify"]).success();
        let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
        assert_eq!(outcome.success().stdout, "ruff 0.12.4\n");
    }
}
