//! Each command opens the config, the manifest and the lockfile once.

use std::{fs, thread, time::Duration};

use crate::{
    reliability::strace::{self, PROMPT, TracedPaths},
    support::Sandbox,
};

#[test]
fn config_manifest_and_lockfile_are_opened_once() {
    let Some(strace) = strace::strace() else {
        return;
    };
    let sandbox = Sandbox::new()
        .config("tools-from = \"auto\"\n")
        .manifest("[env]\nA = \"1\"\n");
    sandbox.allow();
    sandbox.devsh(&["lock"]).success();
    // A file that changed in the last tick of the clock is read again for its digest.
    let lockfile = sandbox.project().join("devshell.lock");
    let written = fs::metadata(lockfile).unwrap().modified().unwrap();
    while written.elapsed().unwrap_or_default() < Duration::from_millis(100) {
        thread::yield_now();
    }
    let commands: [&[&str]; 4] = [&["lock"], &["allow"], &["status"], &PROMPT];
    for command in commands {
        // Without a record, the prompt reads the project.
        let state = sandbox.home().join(".local/state/devsh");
        let _absent = fs::remove_dir_all(state.join("projects"));
        let (output, calls) = strace::opened(&strace, &sandbox, command, TracedPaths::Named);
        assert!(output.status.success(), "{command:?}: {output:?}");
        let project = sandbox.project().display().to_string();
        for file in [
            "/devsh/config.toml".to_owned(),
            format!("{project}/devshell.toml"),
            format!("{project}/devshell.lock"),
        ] {
            let opened = format!("{file}\"");
            assert_eq!(
                calls.matches(&opened).count(),
                1,
                "{command:?}, {file}: {calls}"
            );
        }
    }
}
