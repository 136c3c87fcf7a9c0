//! `devsh self uninstall`: it removes what an installation has, and with `--purge` all data.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Sandbox, Server, Tree, for_each_shell, pypi::serve_tool, sandbox::DEVSH};

/// An ordinary user: root could remove everything.
const NOBODY: u32 = 65534;

/// Returns a home with devsh as `install.sh` installs it, and a built project.
fn installed() -> Sandbox {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    let home = sandbox.home();
    let program = home.join(".local/bin/devsh");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy(DEVSH, &program).unwrap();
    for (name, text) in [
        (
            ".bashrc",
            "alias ll='ls -l'\neval \"$(devsh hook bash)\"\nexport A=1\n",
        ),
        (".zshrc", ". ~/.local/share/devsh/hooks/hook.zsh\n"),
        (".local/share/devsh/hooks/hook.zsh", "true\n"),
        (".local/share/zsh/site-functions/_devsh", "true\n"),
        (".local/share/man/man1/devsh-run.1", "\n"),
        (".local/share/man/man1/other.1", "\n"),
        (".local/share/man/man1/devsh-theme.1", "\n"),
    ] {
        fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        fs::write(home.join(name), text).unwrap();
    }
    sandbox.allow();
    sandbox
}

#[test]
fn uninstall_keeps_the_data_and_purge_removes_it() {
    for purge in [false, true] {
        let sandbox = installed();
        let home = sandbox.home();
        let objects = fs::read_dir(sandbox.data().join("store")).unwrap();
        let read_only = objects.filter_map(Result::ok).any(|entry| {
            let bin = entry.path().join("bin").metadata();
            bin.is_ok_and(|bin| bin.permissions().mode() & 0o222 == 0)
        });
        assert!(read_only, "objects of the store are read-only");
        let mut command = sandbox.command(home.join(".local/bin/devsh"));
        sandbox.as_user(NOBODY, &mut command);
        let before = Tree::of(sandbox.project());
        command.args(["self", "uninstall"]);
        if purge {
            command.arg("--purge");
        }
        let outcome = sandbox.outcome(&mut command).success();
        for line in [
            "removed the lines of devsh from ~/.bashrc\n",
            "removed the manual pages\n",
        ] {
            assert!(outcome.stderr.contains(line), "{outcome}");
        }
        let bashrc = fs::read_to_string(home.join(".bashrc")).unwrap();
        assert_eq!(bashrc, "alias ll='ls -l'\nexport A=1\n");
        assert_eq!(fs::read_to_string(home.join(".zshrc")).unwrap(), "");
        for gone in [
            ".local/bin/devsh",
            ".local/share/devsh/hooks",
            ".local/share/zsh/site-functions/_devsh",
            ".local/share/man/man1/devsh-run.1",
        ] {
            assert!(!home.join(gone).exists(), "{gone}: {outcome}");
        }
        for kept in ["other.1", "devsh-theme.1"] {
            let page = home.join(".local/share/man/man1").join(kept);
            assert!(page.exists(), "{kept}: {outcome}");
        }
        for data in [
            ".local/share/devsh",
            ".local/state/devsh",
            ".cache/devsh",
            ".config/devsh",
        ] {
            assert_eq!(home.join(data).exists(), !purge, "{data}: {outcome}");
        }
        Tree::of(sandbox.project()).assert_unchanged_since(&before);
    }
}

#[test]
fn enter_is_no_before_data_is_removed() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        for (command, question, answer) in [
            ("devsh self uninstall --purge", "[y/N]", ""),
            ("devsh self uninstall", "[Y/n]", "n"),
        ] {
            let seen = pty.answer_question(command, question, answer);
            assert!(seen.contains("nothing was removed"), "{seen}");
        }
        assert!(sandbox.data().exists());
    });
}

#[test]
fn a_program_of_another_installer_stays() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.devsh(&["self", "uninstall"]).success();
    assert!(
        outcome.stderr.contains("which another tool installed"),
        "{outcome}"
    );
    assert!(std::path::Path::new(DEVSH).exists());
}
