//! Shells that other programs start with the environment of a host shell inside a project.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use crate::support::{HostShell, Pty, Sandbox, for_each_shell, require, sandbox::DEVSH};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\nPATH = { prepend = [\"bin\"] }\n[aliases]\nhi = \"echo hi\"\n\
                        [hooks]\nleave = \"echo left >>log\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

fn environment(file: &Path) -> BTreeMap<String, String> {
    let bytes = fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|entry| entry.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn windows_of_tmux_begin_inside_and_leave_cleanly() {
    if require("tmux").is_none() {
        return;
    }
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let path = pty.var("PATH").unwrap();
        pty.enter();
        let socket = sandbox.root().join("tmux");
        let tmux = |arguments: &[&str]| {
            let mut command = sandbox.command("tmux");
            command.arg("-S").arg(&socket).args(arguments);
            sandbox.outcome(&mut command).success();
        };
        let start = shell.quoted(&HostShell::Bash.interactive(shell, &sandbox.home()));
        pty.run(&format!(
            "tmux -S {} -f /dev/null new-session -d -x 80 -y 24 {start}",
            socket.display()
        ));
        let out = sandbox.root().join("tmp/window");
        let line = format!("/usr/bin/env -0 >{}; tmux wait-for -S told", out.display());
        let told = || {
            tmux(&["send-keys", &line, "Enter"]);
            tmux(&["wait-for", "told"]);
            environment(&out)
        };
        let inside = told();
        assert_eq!(inside.get("ACTIVE").map(String::as_str), Some("yes"));
        assert_eq!(inside["PATH"].matches("project/bin").count(), 1);
        tmux(&["send-keys", "cd /", "Enter"]);
        let outside = told();
        assert_eq!(outside.get("ACTIVE"), None);
        assert_eq!(outside["PATH"], path);
        // A window that opens outside the project inherits the environment of the server, which is inside.
        let unquoted = HostShell::Bash.interactive(shell, &sandbox.home());
        tmux(&["new-window", "-c", "/", &unquoted]);
        let opened = told();
        assert_eq!(opened.get("ACTIVE"), None);
        assert_eq!(opened.get("DEVSH_DIFF"), None);
        assert_eq!(opened["PATH"], path);
        tmux(&["kill-server"]);
    });
}

/// Commands that start a shell of another user with this user's environment; the shell follows.
const OTHERS: [&[&str]; 2] = [
    &[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ],
    &[
        "su",
        "-p",
        "-s",
        "/bin/sh",
        "--session-command",
        "exec \"$0\" \"$@\"",
        "nobody",
        "--",
    ],
];

#[test]
fn another_user_s_shell_forgets_the_session_and_runs_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    for_each_shell(|shell| {
        for wrapper in OTHERS {
            if require(wrapper[0]).is_none() {
                return;
            }
            let sandbox = prepared();
            // Another user may have no access to the build directory.
            let program = sandbox.root().join("bin/devsh");
            fs::remove_file(&program).unwrap();
            fs::copy(DEVSH, &program).unwrap();
            let mut pty = sandbox.shell(shell);
            pty.enter();
            let inside = pty.environment();
            let path = pty.var("PATH").unwrap();
            drop(pty);
            // The other user cannot write to files of this user.
            let scratch = sandbox.root().join("tmp");
            fs::remove_dir_all(&scratch).unwrap();
            let own = format!("tmp/{}", shell.name());
            fs::create_dir_all(sandbox.root().join(&own)).unwrap();
            // The shell that was ended has left the project.
            let log = sandbox.project().join("log");
            let _absent = fs::remove_file(&log);
            for (place, mode) in [("", 0o755), ("tmp", 0o777), (&own, 0o777), ("home", 0o755)] {
                let mode = fs::Permissions::from_mode(mode);
                fs::set_permissions(sandbox.root().join(place), mode).unwrap();
            }
            let project = sandbox.project().to_owned();
            let mut theirs = sandbox;
            for (name, value) in &inside {
                let name = String::from_utf8(name.clone()).unwrap();
                theirs = theirs.env(&name, OsStr::from_bytes(value));
            }
            // The state is the other user's, the home with the rc files the first user's, as with `sudo -E`.
            for name in ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
                let place = theirs.root().join("tmp").join(name);
                theirs = theirs.env(name, place);
            }
            let wrapper: Vec<String> = wrapper.iter().map(|&word| word.to_owned()).collect();
            let mut pty = Pty::start_with(&theirs, shell, &shell.hook_line(), &wrapper);
            assert_eq!(pty.run("id -u"), "65534\n");
            // To undo what another user says would set any variable to any value.
            assert_eq!(pty.var("DEVSH_DIFF"), None, "{wrapper:?}");
            assert_eq!(pty.var("PATH").unwrap(), path, "{wrapper:?}");
            let shown = pty.cd(&project);
            assert!(shown.contains("devsh: "), "the project is refused: {shown}");
            assert_eq!(pty.var("DEVSH_ROOT"), None, "{wrapper:?}");
            assert!(!log.exists(), "no script of theirs ran");
        }
    });
}

#[test]
fn shells_within_shells_each_have_their_own_way_out() {
    for_each_shell(|outer| {
        let at = HostShell::ALL
            .iter()
            .position(|shell| *shell == outer)
            .unwrap();
        let [middle, inner] = [1, 2].map(|next| HostShell::ALL[(at + next) % 3]);
        let sandbox = prepared();
        let mut pty = sandbox.shell(outer);
        let path = pty.var("PATH");
        pty.enter();
        let inside = pty.var("PATH");
        pty.within(middle, &middle.hook_line(), |pty| {
            assert_eq!(pty.run("hi"), "hi\n");
            assert_eq!(pty.var("PATH"), inside);
            pty.within(inner, &inner.hook_line(), |pty| {
                assert_eq!(pty.run("hi"), "hi\n");
                pty.cd(Path::new("/"));
                assert_eq!((pty.var("ACTIVE"), pty.var("PATH")), (None, path.clone()));
            });
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
            pty.leave();
            assert_eq!((pty.var("ACTIVE"), pty.var("PATH")), (None, path.clone()));
        });
        assert_eq!(pty.var("PATH"), inside);
        pty.leave();
        assert_eq!((pty.var("ACTIVE"), pty.var("PATH")), (None, path));
    });
}

#[test]
fn fifty_watched_files_are_all_watched() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        let names: Vec<String> = (0..50).map(|number| format!("{number}.env")).collect();
        for name in &names {
            sandbox.write(name, "");
        }
        sandbox.write(
            "devshell.toml",
            format!("[env]\nACTIVE = \"yes\"\n[env-files]\nload = {names:?}\n"),
        );
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        sandbox.write("49.env", "LAST=1\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("LAST").as_deref(), Some("1"));
        sandbox.write("49.env", "LAST=2\n");
        let shown = pty.type_line("true");
        assert!(
            shown.contains("has changed since you allowed it"),
            "{shown}"
        );
        assert_eq!(pty.var("ACTIVE"), None);
    });
}
