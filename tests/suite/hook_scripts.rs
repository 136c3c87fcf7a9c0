//! Enter and leave scripts: separate processes that cannot block a prompt, survive an interrupt or inject code.

use std::{fs, path::PathBuf};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{HostShell, Pty, Sandbox, for_each_shell, sandbox::write};

fn with_enter(script: &str) -> Sandbox {
    let manifest = format!("[env]\nACTIVE = \"yes\"\n[hooks]\nenter = '''\n{script}\n'''\n");
    let sandbox = Sandbox::new()
        .config("hook-timeout = 1\n")
        .manifest(&manifest);
    sandbox.allow();
    sandbox
}

/// Waits until a process is gone.
fn ends(pid: &str) {
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    let there = || {
        // A process that has ended stays a zombie until its parent waits for it, which may take long here.
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        kill(pid, None).is_ok() && !state.contains(") Z ")
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while there() {
        assert!(std::time::Instant::now() < end, "{pid} is still there");
        std::thread::yield_now();
    }
}

/// Waits until a script has written its process id.
fn written(sandbox: &Sandbox) -> String {
    let path: PathBuf = sandbox.project().join("pid");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.ends_with('\n') {
            return text;
        }
        assert!(std::time::Instant::now() < end, "nothing was written");
        std::thread::yield_now();
    }
}

#[test]
fn a_hanging_script_is_killed_with_its_children() {
    for_each_shell(|shell| {
        let sandbox = with_enter("sleep 600 &\necho $! >pid\nwait");
        let mut pty = sandbox.shell(shell);
        let shown = pty.enter();
        assert!(shown.contains("after 1 s"), "{shown}");
        assert_eq!(
            pty.var("ACTIVE").as_deref(),
            Some("yes"),
            "the rest is loaded"
        );
        ends(&written(&sandbox));
    });
}

#[test]
fn an_interrupt_gives_the_prompt_back_and_the_next_one_loads() {
    for_each_shell(|shell| {
        // The script waits only the first time.
        let sandbox = with_enter("[ ! -e pid ] || exit 0\nsleep 600 &\necho $! >pid\nwait");
        sandbox.write("../.config/devsh/config.toml", "hook-timeout = 600\n");
        sandbox.allow();
        let other = sandbox.home().join("other");
        write(&other.join("devshell.toml"), b"[env]\nOTHER = \"yes\"\n");
        sandbox.devsh(&["-C", "../other", "allow"]).success();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.cd(&other);
        assert_eq!(pty.var("OTHER").as_deref(), Some("yes"));
        pty.begin("cd ~/project");
        let pid = written(&sandbox);
        pty.break_off();
        ends(&pid);
        let status = pty.type_line("devsh status");
        assert!(status.contains("dev of ~/other"), "{status}");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        assert_eq!(pty.var("OTHER"), None);
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_script_does_not_outlive_devsh() {
    let sandbox = with_enter("sleep 600 &\necho $! >pid\necho $PPID >parent\nwait");
    sandbox.write("../.config/devsh/config.toml", "hook-timeout = 600\n");
    sandbox.allow();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.map_or(0, |bits| u64::from_str_radix(bits.trim(), 16).unwrap());
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP] {
        // Tests may run under `nohup`, where SIGHUP is ignored.
        if ignored & (1 << (signal as i32 - 1)) != 0 {
            continue;
        }
        let _old = fs::remove_file(sandbox.project().join("pid"));
        let mut child = sandbox
            .command("devsh")
            .args(["run", "--", "true"])
            .spawn()
            .unwrap();
        let script = written(&sandbox);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "{status}");
        ends(&script);
    }
}

#[test]
fn a_background_process_of_a_script_keeps_running() {
    for_each_shell(|shell| {
        let sandbox = with_enter("sleep 600 >/dev/null 2>&1 &\necho $! >pid\nexport LATER=1");
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("LATER").as_deref(), Some("1"));
        let pid = written(&sandbox);
        let pid = Pid::from_raw(pid.trim().parse().unwrap());
        kill(pid, None).unwrap();
        kill(pid, Signal::SIGKILL).unwrap();
    });
}

#[test]
fn the_output_of_a_script_is_never_code() {
    for_each_shell(|shell| {
        let sandbox = with_enter(
            "echo 'export EVIL=1'\necho 'set -gx EVIL 1' >&2\nread -r line && echo got >got",
        );
        let mut pty = sandbox.shell(shell);
        let shown = pty.enter();
        assert!(shown.contains("EVIL"), "people see it: {shown}");
        assert_eq!(pty.var("EVIL"), None);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        assert!(!sandbox.project().join("got").exists(), "there is no input");
    });
}

#[test]
fn a_script_that_fails_leaves_the_rest() {
    for_each_shell(|shell| {
        for script in [
            "export HALF=1\nexit 3",
            "export HALF=1\nkill -SEGV $$",
            "if then",
        ] {
            let sandbox = with_enter(script);
            let mut pty = sandbox.shell(shell);
            let before = pty.snapshot();
            let shown = pty.enter();
            assert!(
                shown.contains("enter script `") && shown.contains("ended with"),
                "{script}: {shown}"
            );
            assert_eq!(pty.var("HALF"), None, "{script}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{script}");
            pty.leave();
            pty.snapshot().assert_restores(&before);
        }
    });
}

#[test]
fn names_that_no_shell_may_be_given_are_not_taken_from_a_script() {
    for_each_shell(|shell| {
        let sandbox = with_enter(
            "export PROPER=1 SHELLOPTS_=1\nf() { :; }; export -f f\nenv 'A[$(touch hit)]=1' 'a-b=1' true",
        );
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.var("PROPER").as_deref(), Some("1"));
        assert!(
            !pty.environment()
                .keys()
                .any(|name| name.starts_with(b"BASH_FUNC"))
        );
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn bytes_come_through_a_script() {
    for_each_shell(|shell| {
        let sandbox = with_enter("export BYTES=$'\\xff\\n\\'\"\\\\ $x' EMPTY=");
        let mut pty: Pty = sandbox.shell(shell);
        pty.enter();
        let environment = pty.environment();
        assert_eq!(environment[&b"BYTES"[..]], b"\xff\n'\"\\ $x");
        assert_eq!(environment[&b"EMPTY"[..]], b"");
        pty.leave();
        assert_eq!(pty.var("EMPTY"), None);
        if shell == HostShell::Fish {
            assert_eq!(pty.run("set -q BYTES; echo $status"), "1\n");
        }
    });
}

#[test]
fn a_script_may_use_traps_descriptors_and_exit() {
    for_each_shell(|shell| {
        for script in [
            "trap ': >trapped' EXIT\nexport A=1",
            "trap ': >trapped' EXIT\nexport A=1\nexit 0",
            "exec 3</dev/null 4<&3\nread -r x <&3\nexec 3<&- 4<&-\nexport A=1",
            "export A=1\nexit 0",
            "set -eu\ntrap : ERR\nexport A=1\n(exit 0)",
        ] {
            let sandbox = with_enter(script);
            let mut pty = sandbox.shell(shell);
            let shown = pty.enter();
            assert_eq!(pty.var("A").as_deref(), Some("1"), "{script}: {shown}");
            assert_eq!(pty.var("__devsh_reported"), None);
            let trapped = sandbox.project().join("trapped").exists();
            assert_eq!(trapped, script.contains("trapped"), "{script}");
        }
        let sandbox = with_enter("export A=1\nexec true");
        let shown = sandbox.shell(shell).enter();
        assert!(shown.contains("as after `exec`"), "{shown}");
    });
}

#[test]
fn settings_of_the_host_shell_do_not_reach_a_script() {
    let Some(_) = crate::support::require("bash") else {
        return;
    };
    let sandbox = with_enter("cd sub\nf\nexport A=$PWD B=$-");
    fs::create_dir_all(sandbox.project().join("sub")).unwrap();
    fs::create_dir_all(sandbox.home().join("other/sub")).unwrap();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.type_line("export CDPATH=~/other SHELLOPTS; f() { touch ~/called; }; export -f f; set -u");
    pty.enter();
    let sub = sandbox.project().join("sub");
    assert_eq!(pty.var("A").as_deref(), sub.to_str());
    assert!(!pty.var("B").unwrap().contains('u'));
    assert!(!sandbox.home().join("called").exists());
    // The user's shell keeps them.
    assert!(pty.var("CDPATH").unwrap().ends_with("other"));
    assert!(pty.environment().contains_key(&b"BASH_FUNC_f%%"[..]));
}
