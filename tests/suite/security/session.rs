//! Sessions that another process put into the environment: nothing in them counts.

use std::{fs, path::PathBuf, process::Command};

use crate::support::{HostShell, Sandbox, for_each_shell, sandbox::DEVSH};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\n";

/// Returns a sandbox and a session of it: to undo that sets `ACTIVE` to `evil`.
fn signed() -> (Sandbox, String) {
    let sandbox = Sandbox::new().manifest(MANIFEST).env("ACTIVE", "evil");
    sandbox.allow();
    let print = ["run", "--", "printenv", "DEVSH_DIFF"];
    let session = sandbox.devsh(&print).success().stdout;
    (sandbox, session.trim_end().to_owned())
}

#[test]
fn only_a_session_with_the_user_s_signature_is_undone() {
    for_each_shell(|shell| {
        let (sandbox, session) = signed();
        let own = sandbox.env("ACTIVE", "yes").env("DEVSH_DIFF", &session);
        assert_eq!(own.shell(shell).var("ACTIVE").as_deref(), Some("evil"));
        let state = own.home().join(".local/state/devsh");
        let key = state.join("session/key");
        fs::remove_dir_all(own.data().join("session")).unwrap();
        let (mine, kept) = (fs::read(&key).unwrap(), state.join("kept"));
        for forge in [
            // The key of another user, no key, and one that others could read.
            &|| fs::write(&key, [7; 32]).unwrap(),
            &|| fs::rename(&key, &kept).unwrap(),
            &|| {
                fs::write(&key, &mine).unwrap();
                let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                fs::set_permissions(&key, open).unwrap();
            },
        ] as [&dyn Fn(); 3]
        {
            forge();
            let mut pty = own.shell(shell);
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
            assert_eq!(pty.var("DEVSH_DIFF"), None);
        }
    });
}

#[test]
fn a_session_in_the_file_of_another_user_is_not_undone() {
    for_each_shell(|shell| {
        let (sandbox, session) = signed();
        let file = sandbox.root().join("tmp/session");
        fs::write(&file, &session).unwrap();
        let sandbox = sandbox.env("ACTIVE", "yes").env("DEVSH_DIFF", &file);
        let mut pty = sandbox.shell(shell);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        assert_eq!(pty.var("DEVSH_DIFF"), None);
    });
}

#[test]
fn inherited_variables_of_the_hook_are_forgotten() {
    for_each_shell(|shell| {
        let mut sandbox = Sandbox::new().manifest(MANIFEST);
        sandbox.allow();
        let hit = sandbox.root().join("hit");
        let code = format!("touch {}", hit.display());
        for name in [
            "loaded",
            "held_names",
            "held_texts",
            "held",
            "held_kind_A",
            "held_value_A",
            "alias_names",
            "alias_olds",
            "alias_news",
            "sourced",
            "trap",
            "leaves",
            "then",
            "checks",
            "fresh",
            "code",
        ] {
            sandbox = sandbox.env(&format!("__devsh_{name}"), &code);
        }
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        assert_eq!(pty.run("env | grep -c __devsh_"), "0\n");
        // A second look at the rc file keeps what is loaded.
        pty.enter();
        pty.type_line(&shell.hook_line());
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
        pty.exit();
        assert!(!hit.exists());
    });
}

#[test]
fn inherited_functions_of_the_hook_are_forgotten() {
    let mut sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    let hit = sandbox.root().join("hit");
    for name in ["hook", "detach", "finish", "unsource", "source", "keep"] {
        let name = format!("BASH_FUNC___devsh_{name}%%");
        sandbox = sandbox.env(&name, format!("() {{ touch {}; }}", hit.display()));
    }
    // An inherited hook must not make this variable look like one of this shell.
    sandbox = sandbox.env("__devsh_sourced", "begun");
    let mut pty = sandbox.shell(HostShell::Bash);
    assert_eq!(pty.run("declare -f | grep -c touch"), "0\n");
    assert_eq!(pty.run("declare -Fx; env | grep __devsh_"), "");
    pty.enter();
    assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    pty.leave();
    pty.exit();
    assert!(!hit.exists());
}

/// Returns sandboxes of one user, and the file of a session of the first one: to undo it sets `ACTIVE` to `evil`.
fn stored_elsewhere() -> (Sandbox, Sandbox, PathBuf) {
    // It is too long for a variable.
    let long = "x".repeat(4000);
    let other = Sandbox::new()
        .manifest("[env]\nACTIVE = \"yes\"\nLONG = \"\"\n")
        .env("ACTIVE", "evil")
        .env("LONG", &long);
    other.allow();
    let print = ["run", "--", "printenv", "DEVSH_DIFF"];
    // The output has placeholders for the places of the sandbox.
    let shown = other.devsh(&print).success().stdout;
    let (_, name) = shown.trim_end().rsplit_once('/').unwrap();
    let stored = other.home().join(".local/state/devsh/sessions").join(name);
    assert!(stored.is_file());
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    (other, sandbox.env("ACTIVE", "mine"), stored)
}

#[test]
fn a_key_that_a_project_delivers_signs_nothing() {
    for_each_shell(|shell| {
        let (other, sandbox, stored) = stored_elsewhere();
        // An archive keeps owner and modes of a session and its key.
        let delivered = sandbox.project().join("delivered");
        let state = other.home().join(".local/state/devsh");
        fs::create_dir(&delivered).unwrap();
        let copied = Command::new("cp")
            .arg("-a")
            .args([state.join("session"), state.join("sessions")])
            .arg(&delivered)
            .status();
        assert!(copied.unwrap().success());
        let file = delivered.join("sessions").join(stored.file_name().unwrap());
        assert!(file.is_file());
        let sandbox = sandbox.env("DEVSH_DIFF", &file);
        let mut pty = sandbox.shell(shell);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("mine"));
        assert_eq!(pty.var("DEVSH_DIFF"), None);
    });
}

#[test]
fn a_session_does_not_say_where_its_key_is() {
    for_each_shell(|shell| {
        // The key is one that devsh made for the same user, but not at a place that the user's environment names.
        let (_other, sandbox, stored) = stored_elsewhere();
        let sandbox = sandbox.env("DEVSH_DIFF", &stored);
        let mut pty = sandbox.shell(shell);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("mine"));
        assert_eq!(pty.var("DEVSH_DIFF"), None);
    });
}

#[test]
fn a_dev_shell_hides_no_key_whose_place_cannot_be_remembered() {
    const USER: u32 = 65431;
    let sandbox = Sandbox::new().manifest(
        "[env]\nHOME = \"${root}/theirs\"\nACTIVE = \"yes\"\n[grants]\nenv = [\"HOME\"]\n",
    );
    // The variables of the sandbox would still lead to the key.
    let sandbox = ["XDG_STATE_HOME", "XDG_DATA_HOME"]
        .into_iter()
        .fold(sandbox, Sandbox::env_remove);
    let place = PathBuf::from(format!("/tmp/devsh-{USER}"));
    let devsh = |arguments: &[&str]| {
        let mut command = sandbox.command(DEVSH);
        command.args(arguments);
        sandbox
            .as_user(USER, &mut command)
            .then(|| sandbox.outcome(&mut command).success())
    };
    let print = ["run", "--", "sh", "-c", "echo $HOME $ACTIVE"];
    let (Some(_allowed), Some(free)) = (devsh(&["allow"]), devsh(&print)) else {
        println!("skipped: only root can be two users");
        return;
    };
    assert_eq!(free.stdout, "~/project/theirs yes\n");
    fs::remove_dir_all(&place).unwrap();
    for take in [
        &(|| fs::create_dir(&place).unwrap()) as &dyn Fn(),
        &|| fs::write(&place, "").unwrap(),
        &|| std::os::unix::fs::symlink(sandbox.home(), &place).unwrap(),
    ] {
        take();
        let taken = devsh(&print).unwrap();
        if fs::remove_dir(&place).is_err() {
            fs::remove_file(&place).unwrap();
        }
        assert_eq!(taken.stdout, "~ yes\n");
        assert!(
            taken.stderr.contains("`HOME` keeps its old value"),
            "{taken}"
        );
    }
}
