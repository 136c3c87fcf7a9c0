//! `devsh deny`: a denial covers the directory with all that is in it, however it is reached.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::support::{Sandbox, for_each_shell, sandbox::Outcome};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\n";

fn run_in(sandbox: &Sandbox, directory: &Path) -> Outcome {
    let mut command = sandbox.command("devsh");
    command.args(["run", "--", "printenv", "ACTIVE"]);
    sandbox.outcome(command.current_dir(directory))
}

fn git(sandbox: &Sandbox, words: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(sandbox.project()).args(words);
    command.env_clear().env("HOME", sandbox.home());
    command.env("PATH", "/usr/bin:/bin:/usr/local/bin");
    assert!(command.status().unwrap().success(), "git {words:?}");
}

fn commit(sandbox: &Sandbox) {
    git(sandbox, &["add", "-A"]);
    let user = ["-c", "user.name=a", "-c", "user.email=b"];
    git(sandbox, &[&user[..], &["commit", "-q", "-m", "x"]].concat());
}

/// Returns a repository that a rule allows, with a project below.
fn denied_repository() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    let rule = format!("[trust]\nallow = [\"{}\"]\n", sandbox.home().display());
    let sandbox = sandbox.config(&rule);
    sandbox.write("below/devshell.toml", MANIFEST);
    git(&sandbox, &["init", "-q", "."]);
    commit(&sandbox);
    git(&sandbox, &["worktree", "add", "-q", "../tree"]);
    for place in ["project", "project/below", "tree", "tree/below"] {
        run_in(&sandbox, &sandbox.home().join(place)).success();
    }
    sandbox.devsh(&["deny"]).success();
    sandbox
}

#[test]
fn a_denial_covers_nested_projects_worktrees_and_other_names() {
    let sandbox = denied_repository();
    let home = sandbox.home();
    symlink("project", home.join("link")).unwrap();
    for place in [
        "project",
        "project/below",
        "link/below",
        "tree",
        "tree/below",
    ] {
        run_in(&sandbox, &home.join(place)).code(3);
        let mut trusted = sandbox.command("devsh");
        trusted.args(["run", "--trust", "--", "true"]);
        sandbox
            .outcome(trusted.current_dir(home.join(place)))
            .code(3);
    }
    // The approval of a part does not take back the denial of the whole.
    let mut command = sandbox.command("devsh");
    command.arg("allow").current_dir(home.join("tree"));
    sandbox
        .outcome(&mut command)
        .code(3)
        .error(&["is denied with `~/project`", "devsh allow ~/project"]);
    fs::rename(home.join("project"), home.join("renamed")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the tests have glibc")]
    let keeps_creation = fs::metadata(home.join("renamed"))
        .unwrap()
        .created()
        .is_ok();
    if keeps_creation {
        run_in(&sandbox, &home.join("renamed")).code(3);
        let mut command = sandbox.command("devsh");
        command.arg("allow").current_dir(home.join("renamed"));
        sandbox.outcome(&mut command).success();
        run_in(&sandbox, &home.join("renamed")).success();
    }
}

#[test]
fn a_denial_covers_repositories_inside_of_other_worktrees() {
    let sandbox = denied_repository();
    let nested = sandbox.home().join("tree/nested");
    fs::create_dir(&nested).unwrap();
    fs::write(nested.join("devshell.toml"), MANIFEST).unwrap();
    // A submodule has such a file, and its directory is in the data of the worktree.
    let module = sandbox.project().join(".git/worktrees/tree/modules/nested");
    fs::create_dir_all(&module).unwrap();
    let file = format!("gitdir: {}\n", module.display());
    fs::write(nested.join(".git"), file).unwrap();
    run_in(&sandbox, &nested).code(3);
    fs::remove_file(nested.join(".git")).unwrap();
    fs::create_dir(nested.join(".git")).unwrap();
    run_in(&sandbox, &nested).code(3);
    let mut command = sandbox.command("devsh");
    command.args(["allow"]).current_dir(sandbox.project());
    sandbox.outcome(&mut command).success();
    run_in(&sandbox, &nested).success();
}

/// Makes a repository with a worktree `tree` and `.git` of the main directory elsewhere.
fn repository_with_its_data_elsewhere(is_symlink: bool) -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    let rule = format!("[trust]\nallow = [\"{}\"]\n", sandbox.home().display());
    let sandbox = sandbox.config(&rule);
    if is_symlink {
        git(&sandbox, &["init", "-q", "."]);
        let data = sandbox.home().join("data.git");
        fs::rename(sandbox.project().join(".git"), &data).unwrap();
        symlink(&data, sandbox.project().join(".git")).unwrap();
    } else {
        git(
            &sandbox,
            &["init", "-q", "--separate-git-dir", "../data.git", "."],
        );
    }
    commit(&sandbox);
    git(&sandbox, &["worktree", "add", "-q", "../tree"]);
    sandbox
}

#[test]
fn a_denial_covers_worktrees_of_a_repository_with_its_data_elsewhere() {
    for is_symlink in [false, true] {
        for (denied, other) in [("project", "tree"), ("tree", "project")] {
            let sandbox = repository_with_its_data_elsewhere(is_symlink);
            let [denied, other] = [denied, other].map(|name| sandbox.home().join(name));
            run_in(&sandbox, &other).success();
            let mut command = sandbox.command("devsh");
            command.arg("deny").current_dir(&denied);
            sandbox.outcome(&mut command).success();
            run_in(&sandbox, &other).code(3);
            let mut command = sandbox.command("devsh");
            command.arg("allow").current_dir(&denied);
            sandbox.outcome(&mut command).success();
            run_in(&sandbox, &other).success();
        }
    }
}

#[test]
fn a_denial_covers_a_worktree_that_was_moved_by_hand() {
    let sandbox = denied_repository();
    let moved = sandbox.home().join("moved");
    fs::rename(sandbox.home().join("tree"), &moved).unwrap();
    run_in(&sandbox, &moved).code(3);
}

/// Returns a sandbox with the repository `project/inner`, and a worktree of it in `tree`.
fn repository_inside(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    let home = sandbox.home().display().to_string();
    let sandbox = sandbox.config(&settings.replace('~', &home));
    sandbox.write("inner/devshell.toml", MANIFEST);
    git(&sandbox, &["init", "-q", "inner"]);
    git(&sandbox, &["-C", "inner", "add", "-A"]);
    let user = ["-c", "user.name=a", "-c", "user.email=b", "-C", "inner"];
    git(
        &sandbox,
        &[&user[..], &["commit", "-q", "-m", "x"]].concat(),
    );
    git(
        &sandbox,
        &["-C", "inner", "worktree", "add", "-q", "../../tree"],
    );
    sandbox
}

#[test]
fn a_denial_covers_worktrees_elsewhere_of_a_repository_inside() {
    for_each_shell(|shell| {
        let sandbox = repository_inside("[trust]\nallow = [\"~\"]\n");
        let tree = sandbox.home().join("tree");
        run_in(&sandbox, &tree).success();
        let mut pty = sandbox.shell(shell);
        pty.cd(&tree);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        // A repository in the worktree of that repository, with its own worktree elsewhere.
        git(&sandbox, &["init", "-q", "../tree/deep"]);
        fs::write(tree.join("deep/devshell.toml"), MANIFEST).unwrap();
        let deep = ["-C", "../tree/deep"];
        git(&sandbox, &[&deep[..], &["add", "-A"]].concat());
        let user = ["-c", "user.name=a", "-c", "user.email=b"];
        let words = [&user[..], &deep[..], &["commit", "-q", "-m", "x"]];
        git(&sandbox, &words.concat());
        let words = [&deep[..], &["worktree", "add", "-q", "../../other"]];
        git(&sandbox, &words.concat());
        run_in(&sandbox, &sandbox.home().join("other")).success();
        sandbox.devsh(&["deny"]).success();
        pty.type_line("true");
        assert_eq!(pty.var("ACTIVE"), None);
        for place in ["project", "project/inner", "tree", "tree/deep", "other"] {
            run_in(&sandbox, &sandbox.home().join(place)).code(3);
        }
        sandbox.devsh(&["allow"]).success();
        run_in(&sandbox, &tree).success();
    });
}

#[test]
fn a_rule_denies_worktrees_elsewhere() {
    let sandbox = repository_inside("[trust]\nallow = [\"~\"]\ndeny = [\"~/project\"]\n");
    run_in(&sandbox, &sandbox.home().join("tree")).code(3);
}

#[test]
fn line_ends_after_the_paths_of_a_worktree_do_not_lift_a_denial() {
    for end in ["", "\n\n", "\r\n", "\r\r\n\n"] {
        let sandbox = denied_repository();
        let tree = sandbox.home().join("tree");
        let private = sandbox.project().join(".git/worktrees/tree");
        let file = format!("gitdir: {}{end}", private.display());
        fs::write(tree.join(".git"), file).unwrap();
        fs::write(private.join("commondir"), format!("../..{end}")).unwrap();
        let mut seen = sandbox.command("git");
        seen.args(["rev-parse", "--git-common-dir"]);
        let seen = sandbox.outcome(seen.current_dir(&tree)).success();
        assert_eq!(seen.stdout.trim_end(), "~/project/.git", "{end:?}");
        run_in(&sandbox, &tree).code(3);
        run_in(&sandbox, &tree.join("below")).code(3);
    }
}

#[test]
fn a_repository_that_cannot_be_found_counts_as_denied() {
    let sandbox = denied_repository();
    let tree = sandbox.home().join("tree");
    let private = sandbox.project().join(".git/worktrees/tree");
    let break_it = |broken: &str| match broken {
        "no path" => fs::write(tree.join(".git"), "gitdir: \n"),
        "other text" => fs::write(tree.join(".git"), "main\n"),
        "absent" => fs::write(tree.join(".git"), "gitdir: ../absent\n"),
        "empty" => fs::write(private.join("commondir"), ""),
        _ => fs::write(private.join("commondir"), "../absent\n"),
    };
    let file = fs::read(tree.join(".git")).unwrap();
    for broken in ["no path", "other text", "absent", "empty", "common"] {
        fs::write(tree.join(".git"), &file).unwrap();
        break_it(broken).unwrap();
        run_in(&sandbox, &tree)
            .code(125)
            .error(&["cannot resolve `", "tree/.git`"]);
    }
    // Garbage collection removes nothing of such a project, and goes on.
    sandbox.devsh(&["gc"]).success();
    // Without any denial there is nothing to find out.
    let mut command = sandbox.command("devsh");
    command.args(["allow"]).current_dir(sandbox.project());
    sandbox.outcome(&mut command).success();
    run_in(&sandbox, &tree).success();
}

#[test]
fn a_project_that_claims_another_repository_is_denied_alone() {
    let sandbox = denied_repository();
    let mut command = sandbox.command("devsh");
    command.arg("allow").current_dir(sandbox.project());
    sandbox.outcome(&mut command).success();
    let forged = sandbox.home().join("forged");
    fs::create_dir(&forged).unwrap();
    fs::write(forged.join("devshell.toml"), MANIFEST).unwrap();
    let data = sandbox.project().join(".git");
    fs::write(forged.join(".git"), format!("gitdir: {}\n", data.display())).unwrap();
    let mut command = sandbox.command("devsh");
    command.arg("deny").current_dir(&forged);
    sandbox.outcome(&mut command).success();
    run_in(&sandbox, &forged).code(3);
    run_in(&sandbox, sandbox.project()).success();
}

#[test]
fn a_denial_that_cannot_be_read_counts_at_a_prompt() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        // Such as the directory that `sudo devsh deny` makes. A file in its place cannot be searched, even by root.
        let denials = sandbox.data().join("deny");
        fs::write(&denials, "").unwrap();
        fs::set_permissions(&denials, Permissions::from_mode(0o600)).unwrap();
        let shown = pty.cd(sandbox.project());
        assert!(shown.contains("counts as denied"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        sandbox
            .devsh(&["run", "--", "true"])
            .code(125)
            .error(&["deny"]);
        fs::remove_file(&denials).unwrap();
        sandbox.devsh(&["run", "--", "true"]).success();
    });
}

#[test]
fn a_denial_that_cannot_be_written_withdraws_the_approval() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox.devsh(&["run", "--", "true"]).success();
    // As on a full disk, no denial can be made.
    let denials = sandbox.data().join("deny");
    fs::write(&denials, "").unwrap();
    sandbox.devsh(&["deny"]).code(1).error(&["deny"]);
    fs::remove_file(&denials).unwrap();
    sandbox.devsh(&["run", "--", "true"]).code(3);
}

#[test]
fn denials_and_rules_behind_a_symlink_that_leads_nowhere_are_not_absent() {
    for moved in [
        ".local/share/devsh/deny",
        ".local/share/devsh",
        ".config/devsh/config.toml",
        ".config/devsh",
    ] {
        let sandbox = Sandbox::new()
            .manifest(MANIFEST)
            .config("[trust]\ndeny = [\"/elsewhere\"]\n");
        sandbox.allow();
        sandbox.devsh(&["run", "--", "true"]).success();
        let other = sandbox.home().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("devshell.toml"), MANIFEST).unwrap();
        let mut command = sandbox.command("devsh");
        command.arg("deny").current_dir(&other);
        sandbox.outcome(&mut command).success();
        let (place, away) = (sandbox.home().join(moved), sandbox.home().join("away"));
        fs::rename(&place, &away).unwrap();
        // As on a disk that is not mounted.
        symlink(sandbox.home().join("unmounted"), &place).unwrap();
        for arguments in [
            &["run", "--", "true"][..],
            &["run", "--trust", "--", "true"],
        ] {
            sandbox
                .devsh(arguments)
                .code(125)
                .error(&["a symlink on the way to it leads nowhere"]);
        }
        fs::remove_file(&place).unwrap();
        symlink(&away, &place).unwrap();
        sandbox.devsh(&["run", "--", "true"]).success();
    }
}

#[test]
fn a_directory_that_brings_its_own_worktree_data_is_not_a_worktree() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    git(&sandbox, &["init", "-q", "."]);
    sandbox.allow();
    let forged = sandbox.home().join("forged");
    fs::create_dir_all(forged.join(".gitx")).unwrap();
    fs::write(forged.join("devshell.toml"), MANIFEST).unwrap();
    for (name, text) in [
        (".git", "gitdir: .gitx\n"),
        (".gitx/gitdir", "../.git\n"),
        (".gitx/commondir", "../../project/.git\n"),
    ] {
        fs::write(forged.join(name), text).unwrap();
    }
    run_in(&sandbox, &forged).code(3);
}

#[test]
fn a_denied_home_directory_does_not_deny_projects_below() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    fs::write(sandbox.home().join("devshell.toml"), MANIFEST).unwrap();
    let mut command = sandbox.command("devsh");
    command.arg("deny").current_dir(sandbox.home());
    sandbox.outcome(&mut command).success();
    run_in(&sandbox, &sandbox.home()).code(3);
    sandbox.devsh(&["run", "--", "true"]).success();
}
