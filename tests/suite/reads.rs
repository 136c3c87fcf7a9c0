//! Each command opens the config, the manifest and the lockfile once.

use std::{fs, thread, time::Duration};

use crate::{
    reliability::strace,
    support::{Sandbox, sandbox::DEVSH},
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
    let prompt = [
        "export", "bash", "--nonce", "1", "--loaded", "", "--checks", "",
    ];
    let commands: [&[&str]; 4] = [&["lock"], &["allow"], &["status"], &prompt];
    let log = sandbox.root().join("tmp/strace");
    for command in commands {
        // Without a record, the prompt reads the project.
        let state = sandbox.home().join(".local/state/devsh");
        let _absent = fs::remove_dir_all(state.join("projects"));
        let output = sandbox
            .command(&strace)
            .args(["-f", "-qq", "-e", "trace=openat", "-o"])
            .arg(&log)
            .arg(DEVSH)
            .args(command)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        let calls = fs::read_to_string(&log).unwrap();
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
