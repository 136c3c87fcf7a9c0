//! Changes that an idle prompt notices with builtins, and events that it does not mistake for a change.

use std::{
    fs::{self, File},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use crate::support::{HostShell, Sandbox, for_each_shell, pty::Pty, require, sandbox::write};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

fn allow(sandbox: &Sandbox, directory: &Path) {
    sandbox
        .outcome(sandbox.command("devsh").arg("allow").current_dir(directory))
        .success();
}

#[test]
fn an_older_file_moved_over_the_manifest_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let other = sandbox.project().join("other.toml");
        write(&other, b"[env]\nACTIVE = \"older\"\n");
        let old = SystemTime::now() - Duration::from_hours(9000);
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::rename(&other, sandbox.project().join("devshell.toml")).unwrap();
        let shown = pty.type_line("true");
        assert!(shown.contains("has changed since"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("older"));
    });
}

#[test]
fn two_writes_in_one_tick_are_two() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        for round in 0..3 {
            sandbox.write("devshell.toml", format!("[env]\nACTIVE = \"a{round}\"\n"));
            sandbox.write("devshell.toml", format!("[env]\nACTIVE = \"b{round}\"\n"));
            sandbox.allow();
            pty.type_line("true");
            assert_eq!(pty.var("ACTIVE"), Some(format!("b{round}")));
        }
    });
}

#[test]
fn a_nearer_manifest_that_appears_takes_over() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let below = sandbox.project().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let mut pty = sandbox.shell(shell);
        pty.cd(&below);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        let nearer = sandbox.project().join("a");
        write(
            &nearer.join("devshell.toml"),
            b"[env]\nACTIVE = \"nearer\"\n",
        );
        let shown = pty.type_line("true");
        assert!(shown.contains("not allowed yet"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        allow(&sandbox, &nearer);
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("nearer"));
        fs::remove_file(nearer.join("devshell.toml")).unwrap();
        fs::remove_dir_all(sandbox.data().join("allow")).unwrap();
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    });
}

#[test]
fn a_manifest_that_appears_above_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        let below = sandbox.project().join("a/b/c");
        fs::create_dir_all(&below).unwrap();
        let mut pty = sandbox.shell(shell);
        pty.cd(&below);
        sandbox.write("devshell.toml", MANIFEST);
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    });
}

#[test]
fn a_decision_made_in_another_shell_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let (mut one, mut two) = (sandbox.shell(shell), sandbox.shell(shell));
        one.enter();
        two.enter();
        two.type_line("devsh deny");
        one.type_line("true");
        assert_eq!(one.var("ACTIVE"), None);
        two.type_line("devsh allow --yes");
        one.type_line("true");
        assert_eq!(one.var("ACTIVE").as_deref(), Some("yes"));
        assert_eq!(two.var("ACTIVE").as_deref(), Some("yes"));
    });
}

#[test]
fn the_lockfile_and_the_settings_are_watched() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let text = pty.run(match shell {
            HostShell::Bash => "declare -f __devsh_fresh_${__devsh_checks##* }",
            HostShell::Zsh => "functions __devsh_fresh_${__devsh_checks##* }",
            HostShell::Fish => "functions __devsh_fresh_$__devsh_checks[-1]",
        });
        for name in [
            "devshell.toml",
            "devshell.lock",
            "config.toml",
            "generation",
        ] {
            assert!(text.contains(name), "{name}: {text}");
        }
    });
}

#[test]
fn stamps_that_are_lost_do_not_hide_a_change() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        fs::remove_dir_all(sandbox.home().join(".local/state/devsh/stamps")).unwrap();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        sandbox.write("devshell.toml", "[env]\nACTIVE = \"new\"\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("new"));
    });
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_looked_at_again() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        fs::remove_dir_all(sandbox.project()).unwrap();
        pty.type_line("true");
        sandbox.write("devshell.toml", MANIFEST);
        let project = sandbox.project().to_owned();
        pty.cd(&project);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
    });
}

#[test]
fn a_project_that_moved_is_another_project() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        let moved = sandbox.home().join("moved");
        fs::rename(sandbox.project(), &moved).unwrap();
        let shown = pty.cd(&moved);
        assert!(shown.contains("not allowed yet"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        allow(&sandbox, &moved);
        pty.type_line("true");
        assert_eq!(pty.var("DEVSH_ROOT").as_deref(), moved.to_str());
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_visit_within_one_line_is_no_visit() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let project = shell.quoted(sandbox.project().to_str().unwrap());
        let home = shell.quoted(sandbox.home().to_str().unwrap());
        let visits: &[String] = &match shell {
            HostShell::Bash | HostShell::Zsh => [
                format!("x=$(cd {project} && pwd); echo $x"),
                format!("(cd {project} && pwd)"),
                format!(
                    "go() {{ cd {project}; pwd; cd {home}; }}; go; unset -f go; echo {project}"
                ),
                format!("for i in 1 2; do cd {project}; pwd; cd {home}; done"),
            ],
            HostShell::Fish => [
                format!("fish --no-config -c 'cd \"$argv\"; pwd' {project}"),
                format!("begin; cd {project}; pwd; cd {home}; end"),
                format!("function go; cd {project}; pwd; cd {home}; end; go; functions -e go"),
                format!("for i in 1 2; cd {project}; pwd; cd {home}; end"),
            ],
        };
        for visit in visits {
            let said = pty.run(visit);
            assert!(said.contains("project"), "{visit}: {said}");
            assert!(!said.contains("devsh:"), "{visit}: {said}");
            assert_eq!(pty.var("ACTIVE"), None, "{visit}");
        }
    });
}

#[test]
fn every_way_into_a_directory_is_a_way_in() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let link = sandbox.root().join("link");
        std::os::unix::fs::symlink(sandbox.project(), &link).unwrap();
        let mut pty = sandbox.shell(shell);
        let home = sandbox.home();
        let cdpath = match shell {
            HostShell::Bash => format!(
                "CDPATH={}; cd project >/dev/null; unset CDPATH",
                home.display()
            ),
            HostShell::Zsh => format!(
                "cdpath=({}); cd /; cd project >/dev/null; cdpath=()",
                home.display()
            ),
            HostShell::Fish => format!(
                "set -g CDPATH {}; cd project; set -e CDPATH",
                home.display()
            ),
        };
        let project = sandbox.project().display();
        for way in [
            cdpath,
            format!("pushd {project} >/dev/null"),
            format!("cd {}", link.display()),
            "cd ~/project".to_owned(),
            format!("go() {{ cd {project}; }}; go"),
        ] {
            let way = match (shell, way.strip_prefix("go()")) {
                (HostShell::Fish, Some(_)) => format!("function go; cd {project}; end; go"),
                _ => way,
            };
            pty.type_line(&way);
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{way}");
            assert_eq!(pty.var("DEVSH_ROOT").as_deref(), sandbox.project().to_str());
            pty.type_line(if way.starts_with("pushd") {
                "popd >/dev/null"
            } else {
                "cd /"
            });
            assert_eq!(pty.var("ACTIVE"), None, "after {way}");
        }
    });
}

#[test]
fn a_link_that_comes_to_lead_elsewhere_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let other = sandbox.home().join("other");
        write(&other.join("devshell.toml"), b"[env]\nOTHER = \"yes\"\n");
        allow(&sandbox, &other);
        let link = sandbox.home().join("current");
        let mut pty = sandbox.shell(shell);
        for (target, active, others) in [
            (sandbox.project(), Some("yes"), None),
            (&other, None, Some("yes")),
            (&sandbox.home().join("plain"), None, None),
        ] {
            fs::create_dir_all(target).unwrap();
            let _absent = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            pty.cd(&link);
            assert_eq!(pty.var("ACTIVE").as_deref(), active, "{target:?}");
            assert_eq!(pty.var("OTHER").as_deref(), others, "{target:?}");
        }
    });
}

#[test]
fn statuses_of_a_pipe_are_kept() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let shown = match shell {
            HostShell::Bash => "echo statuses=${PIPESTATUS[*]}",
            HostShell::Zsh => "echo statuses=$pipestatus",
            HostShell::Fish => "echo statuses=\"$pipestatus\"",
        };
        for before in ["true", "cd ~/project", "true"] {
            pty.type_line(before);
            pty.type_line("sh -c 'exit 3' | sh -c 'exit 4'");
            let said = pty.type_line(shown);
            assert!(said.contains("statuses=3 4"), "after {before}: {said}");
        }
    });
}

#[test]
fn a_quiet_prompt_prints_only_problems() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let settings = sandbox.home().join(".config/devsh/config.toml");
        let mut pty = sandbox.shell(shell);
        assert!(pty.enter().contains("devsh: variable ACTIVE"));
        write(&settings, b"verbosity = \"quiet\"\n");
        assert!(!pty.type_line("true").contains("devsh:"));
        assert!(!pty.leave().contains("devsh:"));
        assert!(!pty.enter().contains("devsh:"));
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        sandbox.write("devshell.toml", "[env]\nACTIVE = 1\n");
        assert!(pty.type_line("true").contains("devshell.toml"));
        assert!(!pty.leave().contains("devsh:"));
    });
}

/// Bash before 5.0 compares file times by whole seconds.
#[test]
fn where_bash_compares_whole_seconds_it_looks_once_more() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = prepared();
    let (counting, count) = sandbox.counting();
    let hook = sandbox.hook_that_runs(HostShell::Bash, &counting);
    let old = hook.replace(
        "BASH_VERSINFO[0] < 5)); then\n  __devsh_step",
        "1)); then\n  __devsh_step",
    );
    assert_ne!(hook, old);
    let second = || thread::sleep(Duration::from_millis(1100));

    let mut pty = Pty::start(&sandbox, HostShell::Bash, &old);
    second();
    pty.type_line("true");
    pty.enter();
    let before = count();
    second();
    pty.type_line("sh -c 'exit 3'");
    assert!(pty.type_line("echo status=$?").contains("status=3"));
    assert_eq!(count(), before + 1, "the second is over");
    second();
    pty.type_line("true");
    assert_eq!(count(), before + 1, "nothing was new");

    // An edit that no comparison of times can notice.
    pty.leave();
    pty.enter();
    let manifest = sandbox.project().join("devshell.toml");
    let time = fs::metadata(&manifest).unwrap().modified().unwrap();
    sandbox.write("devshell.toml", MANIFEST.replace("yes", "new"));
    let file = File::options().write(true).open(&manifest).unwrap();
    file.set_modified(time).unwrap();
    second();
    let shown = pty.type_line("true");
    assert!(shown.contains("has changed since"), "{shown}");
    assert_eq!(pty.var("ACTIVE"), None);
}
