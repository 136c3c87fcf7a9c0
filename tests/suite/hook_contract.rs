//! The contract of the hooks: a host shell has the environment inside a project and nothing of it outside.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::support::{Pty, Sandbox, for_each_shell, sandbox::write};

/// A project with everything that a dev shell can change without a tool.
const MANIFEST: &str = r#"[env]
GREETING = "it's \"hello\" $HOME `x` \\ !"
EMPTY = ""
KEPT = { default = "from the manifest" }
GONE = { unset = true }
PATH = { prepend = ["./scripts"] }

[aliases]
hi = "echo aliased"
"#;

fn prepared(sandbox: Sandbox) -> Sandbox {
    let sandbox = sandbox
        .env("KEPT", "from the host")
        .env("GONE", "for a while")
        .env("BLANK", "")
        .env("BYTES", OsStr::from_bytes(b"\xff\xfe\n'\" \\ $x"))
        .manifest(MANIFEST);
    sandbox.write("scripts/greet", "#!/bin/sh\necho greetings\n");
    let script = sandbox.project().join("scripts/greet");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.allow();
    sandbox
}

/// Writes and approves a second project.
fn another(sandbox: &Sandbox, path: &Path, manifest: &str) -> PathBuf {
    write(&path.join("devshell.toml"), manifest.as_bytes());
    sandbox
        .outcome(sandbox.command("devsh").arg("allow").current_dir(path))
        .success();
    path.to_owned()
}

fn enter_and_leave(sandbox: &Sandbox, pty: &mut Pty) {
    let before = pty.snapshot();
    pty.enter();
    let inside = pty.environment();
    let var = |name: &str| inside.get(name.as_bytes()).map(Vec::as_slice);
    assert_eq!(var("GREETING"), Some(&b"it's \"hello\" $HOME `x` \\ !"[..]));
    assert_eq!(var("EMPTY"), Some(&b""[..]));
    assert_eq!(var("KEPT"), Some(&b"from the host"[..]));
    assert_eq!(var("GONE"), None);
    assert_eq!(var("BYTES"), Some(&b"\xff\xfe\n'\" \\ $x"[..]));
    assert_eq!(
        var("DEVSH_ROOT"),
        Some(sandbox.project().as_os_str().as_bytes())
    );
    assert_eq!(var("DEVSH_SHELL"), Some(&b"dev"[..]));
    assert_eq!(pty.run("greet"), "greetings\n");
    assert_eq!(pty.run("hi"), "aliased\n");
    pty.leave();
    pty.snapshot().assert_restores(&before);
}

#[test]
fn leaving_restores_every_byte() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        enter_and_leave(&sandbox, &mut pty);
        enter_and_leave(&sandbox, &mut pty);
    });
}

#[test]
fn any_path_will_do() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::odd());
        enter_and_leave(&sandbox, &mut sandbox.shell(shell));
    });
}

#[test]
fn a_directory_below_is_in_the_project() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let below = sandbox.project().join("scripts");
        let mut pty = sandbox.shell(shell);
        pty.cd(&below);
        assert_eq!(pty.var("EMPTY").as_deref(), Some(""));
        assert_eq!(pty.var("DEVSH_ROOT").as_deref(), sandbox.project().to_str());
        let moved = pty.enter();
        assert!(
            !moved.contains("devsh"),
            "moving inside says nothing: {moved}"
        );
        assert_eq!(pty.run("greet"), "greetings\n");
    });
}

#[test]
fn a_sibling_takes_over() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let sibling = another(
            &sandbox,
            &sandbox.home().join("sibling"),
            "[env]\nSIBLING = \"yes\"\nGREETING = \"bye\"\n",
        );
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        pty.cd(&sibling);
        assert_eq!(pty.var("GREETING").as_deref(), Some("bye"));
        assert_eq!(pty.var("SIBLING").as_deref(), Some("yes"));
        assert_eq!(pty.var("EMPTY"), None);
        assert_eq!(pty.var("GONE").as_deref(), Some("for a while"));
        assert_ne!(pty.run("greet"), "greetings\n");
        assert_ne!(pty.run("hi"), "aliased\n");
        pty.enter();
        assert_eq!(pty.var("SIBLING"), None);
        assert_eq!(pty.run("hi"), "aliased\n");
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn an_inner_project_starts_from_the_host_environment() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let inner = another(
            &sandbox,
            &sandbox.project().join("inner"),
            "[env]\nINNER = \"yes\"\n",
        );
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        pty.cd(&inner);
        assert_eq!(pty.var("INNER").as_deref(), Some("yes"));
        assert_eq!(pty.var("GREETING"), None);
        assert_eq!(pty.var("DEVSH_ROOT").as_deref(), inner.to_str());
        pty.enter();
        assert_eq!(pty.var("INNER"), None);
        assert_eq!(pty.var("EMPTY").as_deref(), Some(""));
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_manifest_that_appears_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("LATE"), None);
        sandbox.write("devshell.toml", "[env]\nLATE = \"1\"\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("LATE").as_deref(), Some("1"));
        fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();
        pty.type_line("true");
        assert_eq!(pty.var("LATE"), None);
        assert_eq!(pty.var("DEVSH_DIFF"), None);
    });
}

#[test]
fn an_approved_change_is_reloaded() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        sandbox.write("devshell.toml", "[env]\nGREETING = \"second\"\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("GREETING").as_deref(), Some("second"));
        assert_eq!(pty.var("EMPTY"), None);
        assert_eq!(pty.var("GONE").as_deref(), Some("for a while"));
        assert_ne!(pty.run("hi"), "aliased\n");
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_project_that_is_not_allowed_gives_one_line_and_nothing_else() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        let shown = pty.enter();
        assert_eq!(shown.matches("devsh allow").count(), 1, "{shown}");
        let shown = pty.type_line("true");
        assert!(!shown.contains("devsh"), "it is said once: {shown}");
        assert_eq!(pty.var("EMPTY"), None);
        assert_eq!(pty.var("KEPT"), None);
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn allowing_at_the_prompt_activates_at_the_next_one() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        let mut pty = sandbox.shell(shell);
        pty.enter();
        pty.type_line("devsh allow --yes");
        assert_eq!(pty.var("EMPTY").as_deref(), Some(""));
    });
}

#[test]
fn denying_takes_the_environment_away() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.var("EMPTY").as_deref(), Some(""));
        pty.type_line("devsh deny");
        assert_eq!(pty.var("EMPTY"), None);
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_broken_manifest_keeps_the_last_good_environment() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        sandbox.write("devshell.toml", "[env\nGREETING = ");
        let shown = pty.type_line("true");
        assert!(
            shown.contains("devshell.toml"),
            "the place is named: {shown}"
        );
        let shown = pty.type_line("true");
        assert!(!shown.contains("devshell.toml"), "it is said once: {shown}");
        assert_eq!(pty.var("EMPTY").as_deref(), Some(""));
        sandbox.write("devshell.toml", MANIFEST);
        pty.type_line("true");
        assert_eq!(pty.run("hi"), "aliased\n");
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn changes_inside_a_dev_shell_are_kept() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        let path = pty.var("PATH").unwrap();
        pty.enter();
        pty.run(&shell.export("GREETING", "my own"));
        pty.run(&shell.export("MINE", "new"));
        pty.run(&shell.unset("BLANK"));
        pty.run(match shell.name() {
            "fish" => "set -gx PATH $PATH /opt/mine",
            _ => "PATH=$PATH:/opt/mine",
        });
        pty.leave();
        assert_eq!(pty.var("GREETING").as_deref(), Some("my own"));
        assert_eq!(pty.var("MINE").as_deref(), Some("new"));
        assert_eq!(pty.var("BLANK"), None);
        assert_eq!(pty.var("PATH"), Some(format!("{path}:/opt/mine")));
        assert_eq!(pty.var("GONE").as_deref(), Some("for a while"));
    });
}

#[test]
fn a_variable_that_must_be_set_is_named() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new()
            .manifest("[env]\nA_TOKEN = { required = \"ask the vault\" }\nPLAIN = \"1\"\n");
        sandbox.devsh(&["allow"]);
        let mut pty = sandbox.shell(shell);
        let shown = pty.enter();
        assert!(shown.contains("A_TOKEN"), "{shown}");
        // The rest is loaded.
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"));
        pty.run(&shell.export("A_TOKEN", "secret"));
        pty.leave();
        let shown = pty.enter();
        assert!(!shown.contains("ask the vault"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"));
        assert_eq!(pty.var("A_TOKEN").as_deref(), Some("secret"));
    });
}

#[test]
fn shadowed_aliases_are_restored() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        pty.run(&shell.alias("hi", "echo it\\'s mine"));
        pty.run(&shell.function("unrelated", "function"));
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.run("hi"), "aliased\n");
        pty.leave();
        assert_eq!(pty.run("hi"), "it's mine\n");
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn functions_survive_an_alias_of_their_name() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        pty.run(&shell.function("hi", "'a function'"));
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.run("hi"), "aliased\n");
        pty.leave();
        assert_eq!(pty.run("hi"), "a function\n");
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn exports_of_scripts_are_undone() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new()
            .env("CHANGED", "before")
            .env("REMOVED", "before")
            .manifest(
                "[hooks]\nenter = '''\nexport ADDED=\"by a hook\"\nexport CHANGED=after\n\
                 unset REMOVED\nnot_exported=1\necho entered >>log\n'''\n\
                 leave = \"echo left >>log\"\n",
            );
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.var("ADDED").as_deref(), Some("by a hook"));
        assert_eq!(pty.var("CHANGED").as_deref(), Some("after"));
        assert_eq!(pty.var("REMOVED"), None);
        assert_eq!(pty.var("not_exported"), None);
        let log = || fs::read_to_string(sandbox.project().join("log")).unwrap_or_default();
        assert_eq!(log(), "entered\n");
        pty.leave();
        assert_eq!(log(), "entered\nleft\n");
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_directory_that_vanishes_leaves_the_prompt_alive() {
    for_each_shell(|shell| {
        let sandbox = prepared(Sandbox::new());
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        fs::remove_dir_all(sandbox.project()).unwrap();
        pty.type_line("true");
        assert_eq!(pty.run("echo alive"), "alive\n");
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}
