//! Owners and modes of files, the limits of the search for a project, and the user's rules about trust.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Sandbox, for_each_shell, sandbox::Outcome};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\n[hooks]\nenter = \"touch $HOME/executed\"\n";

fn run(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.devsh(&["run", "--", "true"]).code(code)
}

#[test]
fn files_that_others_can_change_are_refused_with_a_hint() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    run(&sandbox, 0);
    sandbox.write("devshell.lock", "version = 1\n");
    for (path, shown) in [
        ("devshell.toml", "the file"),
        ("devshell.lock", "the file"),
        ("", "the directory"),
    ] {
        let path = sandbox.project().join(path);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, Permissions::from_mode(mode | 0o2)).unwrap();
        for command in [&["allow"][..], &["lock"], &["lock", "--trust"]] {
            sandbox.devsh(command).code(3).error(&[
                shown,
                "can be changed by every user",
                "chmod o-w",
                "config.toml",
            ]);
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        run(&sandbox, 0);
    }
}

#[test]
fn settings_that_others_can_change_are_refused() {
    let sandbox = Sandbox::new()
        .manifest(MANIFEST)
        .config("[sources]\npypi = \"https://pypi.example/simple/\"\n");
    sandbox.allow();
    let directory = sandbox.home().join(".config/devsh");
    let file = directory.join("config.toml");
    let refused = |said: &str| {
        sandbox.devsh(&["status"]).code(1).error(&[
            "config.toml` is not used: ",
            said,
            "chmod go-w",
        ]);
    };
    for path in [&file, &directory, &sandbox.home()] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        fs::set_permissions(path, Permissions::from_mode(mode | 0o2)).unwrap();
        refused("can be changed by every user");
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        sandbox.devsh(&["status"]).success();
    }
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    chown(&file, Some(4242), None).unwrap();
    refused("belongs to user 4242");
    let elsewhere = sandbox.root().join("tmp/settings");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    refused("belongs to user 4242");
    chown(&elsewhere, Some(0), None).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o664)).unwrap();
    chown(&elsewhere, None, Some(4242)).unwrap();
    refused("can be changed by the group 4242");
}

#[test]
fn the_files_of_another_user_are_refused_unless_listed() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new().manifest(MANIFEST);
    let manifest = sandbox.project().join("devshell.toml");
    for path in [sandbox.project().to_owned(), manifest] {
        chown(&path, Some(4242), Some(4242)).unwrap();
    }
    let refused = sandbox.devsh(&["allow"]).code(3);
    refused.error(&["the directory `~/project` belongs to user 4242", "`shared`"]);
    let sudo = sandbox.env("SUDO_UID", "4242");
    sudo.devsh(&["allow"])
        .code(3)
        .error(&["run devsh without `sudo`"]);
    let other = format!("[trust]\nshared = [\"{}\"]\n", sudo.home().display());
    let sandbox = sudo.config(&other);
    sandbox.devsh(&["allow"]).code(3);
    let exact = format!("[trust]\nshared = [\"{}\"]\n", sandbox.project().display());
    let sandbox = sandbox.config(&exact);
    sandbox.allow();
    run(&sandbox, 0);
}

#[test]
fn approvals_and_settings_of_another_user_are_ignored() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    let directory = sandbox.data().join("allow");
    let approval = fs::read_dir(&directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&approval).unwrap();
    let state = sandbox.home().join(".local/state/devsh/projects");
    for change in 0..3 {
        fs::remove_dir_all(&state).ok();
        match change {
            0 => chown(&approval, Some(4242), None).unwrap(),
            1 => fs::set_permissions(&approval, Permissions::from_mode(0o644)).unwrap(),
            _ => {
                let elsewhere = sandbox.home().join("approval");
                fs::rename(&approval, &elsewhere).unwrap();
                symlink(&elsewhere, &approval).unwrap();
            }
        }
        run(&sandbox, 3).error(&["is not allowed yet"]);
        fs::remove_file(&approval).unwrap();
        fs::write(&approval, &whole).unwrap();
        fs::set_permissions(&approval, Permissions::from_mode(0o600)).unwrap();
        run(&sandbox, 0);
    }
    let sandbox = sandbox.config("[trust]\nallow = [\"~/project\"]\n");
    let config = sandbox.home().join(".config/devsh/config.toml");
    chown(&config, Some(4242), None).unwrap();
    run(&sandbox, 125).error(&["config.toml", "belongs to user 4242"]);
}

#[test]
fn rules_hold_whole_components_and_deny_wins() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new()
            .manifest("[env]\nACTIVE = \"yes\"\n")
            .config("[trust]\nallow = [\"~/proj\"]\n");
        run(&sandbox, 3);
        let sandbox = sandbox.config("[trust]\nallow = [\"~/project\"]\n");
        run(&sandbox, 0);
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        // The rule allows any content.
        sandbox.write("devshell.toml", "[env]\nACTIVE = \"still\"\n");
        run(&sandbox, 0);
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("still"));
        let rules = "[trust]\nallow = [\"~/project\"]\ndeny = [\"~/project\"]\n";
        let sandbox = sandbox.config(rules);
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE"), None, "deny wins, and at once");
        sandbox.devsh(&["run", "--trust", "--", "true"]).code(3);
    });
}

#[test]
fn a_rule_that_denies_is_named_by_allow() {
    let sandbox = Sandbox::new()
        .manifest("[env]\nACTIVE = \"yes\"\n")
        .config("[trust]\ndeny = [\"~/project\"]\n");
    sandbox
        .devsh(&["allow"])
        .code(3)
        .error(&["denied by a rule", "`deny`", "config.toml"]);
    let listed = sandbox.devsh(&["allow", "--list"]).success();
    assert!(!listed.stdout.contains("project"), "{listed}");
}

#[test]
fn gc_keeps_projects_that_a_rule_allows() {
    let sandbox = Sandbox::new()
        .manifest("[env]\nACTIVE = \"yes\"\n")
        .config("[trust]\nallow = [\"~/project\"]\n");
    sandbox.devsh(&["sync"]).success();
    let environments = || {
        let found = fs::read_dir(sandbox.data().join("envs")).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // Lock files stay.
        names.filter(|name| !name.starts_with('.')).count()
    };
    let before = environments();
    assert!(before > 0);
    sandbox.devsh(&["gc"]).success();
    assert_eq!(environments(), before);
    sandbox.devsh(&["deny"]).success();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(environments(), 0);
}

#[test]
fn an_invalid_rule_is_an_error_with_its_place() {
    let sandbox = Sandbox::new()
        .manifest(MANIFEST)
        .config("[trust]\nallow = [\"work\"]\n");
    sandbox
        .devsh(&["allow"])
        .code(1)
        .error(&["config.toml:2", "`work`", "trust.allow"]);
}

#[test]
fn worktrees_and_remotes_need_no_second_approval() {
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
    let git = |directory: &str, arguments: &[&str]| {
        let mut command = sandbox.command("git");
        command.current_dir(sandbox.home().join(directory)).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
        ]);
        sandbox.outcome(command.args(arguments)).success();
    };
    git("project", &["init", "-q", "-b", "main"]);
    git("project", &["add", "."]);
    git("project", &["commit", "-q", "-m", "one"]);
    git("project", &["worktree", "add", "-q", "../tree"]);
    let at = |directory: &str, code: i32| {
        let mut command = sandbox.command("devsh");
        command
            .args(["run", "--", "true"])
            .current_dir(sandbox.home().join(directory));
        sandbox.outcome(&mut command).code(code);
    };
    at("tree", 3);
    sandbox.allow();
    at("tree", 0);
    fs::write(
        sandbox.home().join("tree/devshell.toml"),
        "[env]\nACTIVE = \"no\"\n",
    )
    .unwrap();
    at("tree", 3);
    git("tree", &["checkout", "-q", "."]);
    at("tree", 0);
    // A directory that claims to be that worktree.
    let evil = sandbox.home().join("evil");
    fs::create_dir(&evil).unwrap();
    for name in [".git", "devshell.toml"] {
        fs::copy(sandbox.home().join("tree").join(name), evil.join(name)).unwrap();
    }
    at("evil", 3);
    sandbox.devsh(&["deny"]).success();
    at("tree", 3);
    sandbox.allow();
    at("tree", 0);
    let other = "[env]\nACTIVE = \"no\"\n";
    for tree in ["project", "tree"] {
        fs::write(sandbox.home().join(tree).join("devshell.toml"), other).unwrap();
        at(tree, 3);
    }

    git(
        "tree",
        &["remote", "add", "origin", "git@github.com:acme/app.git"],
    );
    let sandbox = sandbox.config("[trust]\nremotes = [\"github.com/acme\"]\n");
    let at = |directory: &str, code: i32| {
        let mut command = sandbox.command("devsh");
        command
            .args(["run", "--", "true"])
            .current_dir(sandbox.home().join(directory));
        sandbox.outcome(&mut command).code(code);
    };
    at("tree", 0);
    at("project", 0);
    // A setting that can lead elsewhere.
    for (remote, code) in [("https://evil.example/a/b", 3), ("origin", 0)] {
        let mut command = sandbox.command("git");
        command.args(["config", "branch.main.remote", remote]);
        sandbox.outcome(&mut command).success();
        at("tree", code);
    }
    let mut command = sandbox.command("git");
    command.args(["remote", "add", "fork", "https://github.com/acme-evil/app"]);
    sandbox.outcome(&mut command).success();
    at("tree", 3);
}

/// Remotes vouch for what Git tracks, not for what other programs put into a worktree.
#[test]
fn remotes_count_for_tracked_projects_only() {
    let sandbox = Sandbox::new()
        .manifest("[env]\nACTIVE = \"yes\"\n")
        .config("[trust]\nremotes = [\"github.com/acme\"]\n");
    let git = |arguments: &[&str]| {
        let mut command = sandbox.command("git");
        sandbox.outcome(command.args(arguments)).success();
    };
    let at = |directory: &str, code: i32| {
        let mut command = sandbox.command("devsh");
        command
            .args(["run", "--", "true"])
            .current_dir(sandbox.project().join(directory));
        sandbox.outcome(&mut command).code(code);
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["remote", "add", "origin", "git@github.com:acme/app.git"]);
    at("", 3);
    sandbox.write(".gitignore", "node_modules\n");
    for directory in ["app", "node_modules/evil", "other"] {
        sandbox.write(
            format!("{directory}/devshell.toml"),
            "[env]\nACTIVE = \"no\"\n",
        );
    }
    sandbox.write("plain/go.mod", "module x\n\ngo 1.24\n");
    sandbox.write("other/tracked", "");
    git(&["add", ".gitignore", "devshell.toml", "app", "other/tracked"]);
    for version in ["2", "4"] {
        git(&["update-index", "--index-version", version]);
        for (directory, code) in [("", 0), ("app", 0), ("node_modules/evil", 3), ("other", 3)] {
            at(directory, code);
        }
    }
    // Intent to add needs version 3.
    git(&["update-index", "--index-version", "2"]);
    git(&["add", "-N", "other"]);
    at("other", 0);
    at("node_modules/evil", 3);
    git(&["rm", "-q", "--cached", "app/devshell.toml"]);
    sandbox.write("app/devshell.toml", "[env]\nACTIVE = \"other\"\n");
    at("app", 3);
    // A package that brings a repository of its own.
    let inner = sandbox.project().join("node_modules/evil");
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["remote", "add", "origin", "git@github.com:acme/app.git"],
        &["add", "devshell.toml"],
    ] {
        let mut command = sandbox.command("git");
        sandbox
            .outcome(command.args(arguments).current_dir(&inner))
            .success();
    }
    at("node_modules/evil", 3);
    // A pull request of anyone.
    git(&["config", "branch.main.remote", "origin"]);
    for (reference, code) in [("refs/pull/7/head", 3), ("refs/heads/main", 0)] {
        git(&["config", "branch.main.merge", reference]);
        at("", code);
    }
}

#[test]
fn decisions_are_listed_and_forgotten() {
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    sandbox.allow();
    let other = sandbox.home().join("other\u{1b}[31m");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("devshell.toml"), "").unwrap();
    let mut allow = sandbox.command("devsh");
    sandbox
        .outcome(allow.arg("allow").current_dir(&other))
        .success();
    let listed = sandbox.devsh(&["allow", "--list"]).success().stdout;
    assert_eq!(listed, "allowed  ~/other\\u{1b}[31m\nallowed  ~/project\n");
    fs::remove_dir_all(&other).unwrap();
    sandbox.devsh(&["allow", "--prune"]).success();
    sandbox.devsh(&["deny"]).success();
    let listed = sandbox.devsh(&["allow", "--list"]).success().stdout;
    assert_eq!(listed, "denied  ~/project\n");
    sandbox.devsh(&["allow", "--prune"]).success();
    run(&sandbox, 3).error(&["is denied"]);
}

#[test]
fn the_search_stops_at_a_ceiling() {
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    sandbox.allow();
    let below = sandbox.project().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let found = |sandbox: &Sandbox| {
        let mut command: Command = sandbox.command("devsh");
        sandbox
            .outcome(command.args(["run", "--", "true"]).current_dir(&below))
            .status
            .success()
    };
    assert!(found(&sandbox));
    let ceiling = sandbox.project().to_owned();
    let sandbox = sandbox.env("DEVSH_CEILING_DIRECTORIES", &ceiling);
    assert!(!found(&sandbox));
    run(&sandbox, 0);
}

/// Twelve kinds of files that cannot be a manifest. A command and a prompt refuse each of them without delay.
#[test]
fn odd_manifests_are_refused_without_delay() {
    let sandbox = Sandbox::new();
    let path = sandbox.project().join("devshell.toml");
    let deep = format!("a = {}1{}\n", "[".repeat(200_000), "]".repeat(200_000));
    let tables = format!("[{}]\n", vec!["a"; 50_000].join("."));
    let nested = format!("a = {}1{}\n", "{a=".repeat(100_000), "}".repeat(100_000));
    let mut longest = Duration::ZERO;
    for kind in 0..12 {
        match kind {
            0 => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            1 => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            2 => symlink("/dev/zero", &path).unwrap(),
            3 => symlink("/dev/tty", &path).unwrap(),
            4 => fs::create_dir(&path).unwrap(),
            5 => fs::File::create(&path).unwrap().set_len(200 << 30).unwrap(),
            6 => symlink("devshell.toml", &path).unwrap(),
            7 => symlink("/nowhere/at/all", &path).unwrap(),
            8 => fs::write(&path, &deep).unwrap(),
            9 => fs::write(&path, &tables).unwrap(),
            10 => fs::write(&path, &nested).unwrap(),
            _ => symlink("/proc/self/mem", &path).unwrap(),
        }
        for command in [&["allow"][..], &["export", "bash"], &["status"]] {
            let start = Instant::now();
            let outcome = sandbox.devsh(command);
            let taken = start.elapsed();
            longest = longest.max(taken);
            // Ten times the usual duration, for a busy machine.
            assert!(
                taken < Duration::from_secs(1),
                "{kind} {command:?}: {taken:?}"
            );
            assert!(
                outcome.status.code().is_some(),
                "{kind} {command:?}: {outcome}"
            );
            assert!(!outcome.stderr.contains("panicked"), "{outcome}");
            // A hint to change the mode of a device would be wrong.
            assert!(!outcome.stderr.contains("chmod"), "{kind}: {outcome}");
        }
        let outcome = sandbox.devsh(&["run", "--trust", "--", "true"]);
        assert!(!outcome.status.success() || kind == 7, "{kind}: {outcome}");
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
    }
    eprintln!("figure: 12 kinds of odd manifests, 3 commands each, the longest answer {longest:?}");
}

#[test]
fn directories_of_devsh_that_others_can_change_are_refused() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    run(&sandbox, 0);
    let home = sandbox.home();
    let cache = home.join(".cache/devsh/index");
    fs::create_dir_all(&cache).unwrap();
    let data = sandbox.data();
    let places = [
        home.join(".local"),
        data.clone(),
        data.join("envs"),
        data.join("allow"),
        home.join(".local/state/devsh"),
        home.join(".local/state/devsh/projects"),
        home.join(".cache/devsh"),
        cache,
    ];
    let refused = |said: &str, hint: &str| {
        for command in [&["status"][..], &["run", "--", "true"], &["deny"], &["gc"]] {
            sandbox
                .devsh(command)
                .error(&["devsh keeps its files there", said, hint]);
        }
    };
    for path in &places {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        fs::set_permissions(path, Permissions::from_mode(mode | 0o2)).unwrap();
        refused("can be changed by every user", "chmod go-w");
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    run(&sandbox, 0);
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for path in &places {
        chown(path, Some(4242), None).unwrap();
        refused("belongs to user 4242", "directory of your own");
        chown(path, Some(0), None).unwrap();
    }
    // The first user of a shared directory makes the names in it.
    let shared = sandbox.root().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let sandbox = sandbox.env("XDG_CACHE_HOME", &shared);
    run(&sandbox, 0);
    symlink(&home, shared.join("devsh")).unwrap();
    std::os::unix::fs::lchown(shared.join("devsh"), Some(4242), None).unwrap();
    run(&sandbox, 125).error(&["belongs to user 4242", "`XDG_CACHE_HOME`"]);
    // The owner of the home directory decides in any case.
    chown(sandbox.home(), Some(4242), None).unwrap();
    run(&sandbox.env("XDG_CACHE_HOME", home.join(".cache")), 0);
}

#[test]
fn a_prompt_uses_no_directory_that_others_can_change() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        sandbox.allow();
        let data = sandbox.data();
        let set = |mode| fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
        set(0o777);
        // Another user has left symlinks where devsh writes.
        let state = sandbox.home().join(".local/state/devsh");
        let own = sandbox.home().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("text"), "text").unwrap();
        for name in ["hooked", "reloads", "stamps"] {
            let _gone = fs::remove_dir_all(state.join(name));
            symlink(&own, state.join(name)).unwrap();
        }
        let mut pty = sandbox.shell(shell);
        let shown = pty.cd(sandbox.project());
        assert!(shown.contains("can be changed by every user"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        let names = fs::read_dir(&own).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["text"]);
        for name in ["hooked", "reloads", "stamps"] {
            fs::remove_file(state.join(name)).unwrap();
        }
        set(0o700);
        pty.run("true");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    });
}
