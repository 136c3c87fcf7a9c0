//! `devsh enter`: the user's own shell, with its rc files, inside a dev shell.

use crate::support::{HostShell, Pty, Sandbox, for_each_shell};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\nPATH = { prepend = [\"bin\"] }\n\
     [aliases]\nhi = \"echo aliased\"\n[hooks]\nenter = \"echo in >>~/entered\"\n\
     [shells.test.env]\nTESTED = \"yes\"\n";

/// Starts the user's shell by `devsh enter test`, with `rc` in the user's own rc file.
fn entered(sandbox: &Sandbox, shell: HostShell, rc: &str, options: &str) -> Pty {
    // The terminal driver appends the shell's program, which becomes `$SHELL`, and options for it, unused.
    let script = format!("SHELL=$1 exec devsh -C \"$0\" enter {options} test");
    let wrapper = ["sh", "-c", &script, sandbox.project().to_str().unwrap()].map(str::to_owned);
    Pty::start_with(sandbox, shell, rc, &wrapper)
}

fn rc(shell: HostShell) -> String {
    let path = match shell {
        HostShell::Fish => "set -gx PATH /rc/first $PATH",
        HostShell::Bash | HostShell::Zsh => "export PATH=/rc/first:$PATH",
    };
    format!("{path}\n{}\n", shell.alias("mine", "echo kept"))
}

fn is_inside(sandbox: &Sandbox, pty: &mut Pty) {
    assert_eq!(pty.var("TESTED").as_deref(), Some("yes"));
    assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    assert_eq!(pty.var("DEVSH_SHELL").as_deref(), Some("test"));
    let environment = pty.environment();
    let path = String::from_utf8(environment[&b"PATH"[..]].clone()).unwrap();
    let first = format!("{}/bin:", sandbox.project().display());
    assert!(
        path.starts_with(&first),
        "what rc files put first comes behind: {path}"
    );
    assert!(path.contains("/rc/first"), "{path}");
    assert_eq!(pty.run("mine"), "kept\n");
}

fn assert_entered_once(sandbox: &Sandbox) {
    let entered = std::fs::read_to_string(sandbox.home().join("entered"));
    assert_eq!(entered.unwrap(), "in\n");
}

#[test]
fn the_user_s_shell_is_inside_whatever_its_rc_files_do() {
    for_each_shell(|shell| {
        for hook in ["", &shell.hook_line()] {
            let sandbox = Sandbox::odd().manifest(MANIFEST);
            sandbox.allow();
            let mut pty = entered(&sandbox, shell, &format!("{}{hook}", rc(shell)), "");
            is_inside(&sandbox, &mut pty);
            assert_eq!(pty.run("hi"), "aliased\n");
            // The shell keeps its dev shell in every directory.
            pty.cd(std::path::Path::new("/"));
            is_inside(&sandbox, &mut pty);
            pty.exit();
            assert_entered_once(&sandbox);
        }
    });
}

#[test]
fn trust_for_one_command_lasts_as_long_as_its_shell() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        let mut pty = entered(&sandbox, shell, &rc(shell), "--trust");
        is_inside(&sandbox, &mut pty);
        pty.run("true");
        is_inside(&sandbox, &mut pty);
        pty.exit();
        assert_entered_once(&sandbox);
        sandbox.devsh(&["run", "--", "true"]).code(3);
    });
}

#[test]
fn an_entered_shell_shows_it_and_refuses_another() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        sandbox.allow();
        let mut pty = entered(&sandbox, shell, &rc(shell), "");
        let seen = pty.transcript();
        assert!(
            seen.contains("inside dev shell `test` of ~/project; leave it with `exit`"),
            "{seen}"
        );
        let prompt = pty.type_line("true");
        assert!(prompt.contains("(test) "), "{prompt}");
        let refused = pty.type_line("devsh enter dev");
        assert!(
            refused.contains("this shell is inside dev shell `test`"),
            "{refused}"
        );
        pty.exit();
    });
}

#[test]
fn enter_follows_the_shell_in_which_it_is_typed() {
    for_each_shell(|shell| {
        let other = if shell == HostShell::Bash {
            "zsh"
        } else {
            "bash"
        };
        let sandbox = Sandbox::new()
            .env("SHELL", format!("/bin/{other}"))
            .manifest(MANIFEST);
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        pty.begin("devsh enter test");
        pty.wait_for_text("(test) ");
        let place = sandbox.home().join("which");
        pty.begin(&match shell {
            HostShell::Fish => format!("echo fish$FISH_VERSION >{}", place.display()),
            HostShell::Bash => format!("echo bash$BASH_VERSION >{}", place.display()),
            HostShell::Zsh => format!("echo zsh$ZSH_VERSION >{}", place.display()),
        });
        pty.begin("exit");
        pty.wait_for_file(&place);
        let which = std::fs::read_to_string(&place).unwrap();
        assert!(which.trim().len() > shell.name().len(), "{which}");
    });
}

#[test]
fn enter_needs_a_terminal() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
        .devsh(&["enter"])
        .code(2)
        .error(&["needs a terminal", "devsh run -- COMMAND"]);
}

#[test]
fn a_dev_shell_that_is_not_there_is_named() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    let seen = pty.type_line("devsh enter tset");
    for word in ["`tset`", "`dev`", "`test`", "did you mean `test`?"] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
}
