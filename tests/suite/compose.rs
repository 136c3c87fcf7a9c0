//! Manifests of several files: the merge, and the local manifest of one person.

use std::{fs, path::Path, process::Command};

use crate::support::{Sandbox, Server, pypi::serve_tool, sandbox::write};

fn run(sandbox: &Sandbox, script: &str) -> String {
    let outcome = sandbox.devsh(&["run", "--", "sh", "-c", script]).success();
    outcome.stdout.trim_end().to_owned()
}

#[test]
fn files_are_merged_below_the_manifest() {
    let sandbox = Sandbox::new().manifest(
        "extends = ['./a.toml', './b.toml']\n[env]\nLAST = 'manifest'\n\
         [env-files]\nload = ['.env']\noptional = ['.env.local']\n",
    );
    sandbox.write(
        "base.toml",
        "[env]\nBASE = 'base'\nA = 'base'\nLAST = 'base'\n",
    );
    sandbox.write(
        "a.toml",
        "extends = ['base.toml']\n[env]\nA = 'a of ${BASE}'\n",
    );
    sandbox.write(
        "b.toml",
        "extends = ['base.toml']\n[env]\nB = '${root}/b:${A}:$$:${NOTHING:-none}'\n",
    );
    sandbox.write(".env", "SECRET='s e c'\nLAST=file\nFROM=${BASE}\n");
    let shown = sandbox.devsh(&["allow"]).success();
    assert!(
        shown.stderr.contains("read: a.toml, b.toml, base.toml"),
        "{shown}"
    );
    assert!(
        shown.stderr.contains("from .env: FROM, SECRET\n"),
        "{shown}"
    );
    assert!(!shown.stderr.contains("s e c"), "{shown}");
    let text = run(&sandbox, "echo \"$BASE|$A|$B|$LAST|$SECRET|$FROM\"");
    assert_eq!(
        text,
        "base|a of base|~/project/b:a of base:$:none|manifest|s e c|base"
    );
    // The approval covers each of the files, also a missing one.
    for (file, text) in [
        ("base.toml", "[env]\nBASE = 'other'\n"),
        (".env", "SECRET=other\n"),
        (".env.local", "X=1\n"),
    ] {
        let before = fs::read(sandbox.project().join(file)).ok();
        sandbox.write(file, text);
        sandbox
            .devsh(&["run", "--", "true"])
            .code(3)
            .error(&["has changed"]);
        match before {
            Some(bytes) => sandbox.write(file, bytes),
            None => fs::remove_file(sandbox.project().join(file)).unwrap(),
        }
        sandbox.devsh(&["run", "--", "true"]).success();
    }
}

#[test]
fn a_conflict_names_both_files_until_the_manifest_decides() {
    let sandbox = Sandbox::new().manifest("extends = ['a.toml', 'b.toml']\n");
    sandbox.write("a.toml", "[env]\nX = 'one'\n");
    sandbox.write("b.toml", "\n[env]\nX = 'two'\n");
    sandbox.devsh(&["allow"]).code(1).error(&[
        "variable `X` is `one` at a.toml:2 and `two` at b.toml:3",
        "hint: ",
    ]);
    sandbox.write(
        "devshell.toml",
        "extends = ['a.toml', 'b.toml']\nenv.X = 'three'\n",
    );
    sandbox.allow();
    assert_eq!(run(&sandbox, "echo $X"), "three");
}

#[test]
fn a_member_can_extend_the_root() {
    let sandbox =
        Sandbox::new().manifest("[env]\nHERE = '${root}'\nPATH = { prepend = ['./bin'] }\n");
    sandbox.write("bin/tool", "#!/bin/sh\necho root tool\n");
    let tool = sandbox.project().join("bin/tool");
    fs::set_permissions(tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let member = sandbox.project().join("member");
    let inside = |arguments: &[&str]| {
        let mut command = sandbox.command("devsh");
        command.args(arguments).current_dir(&member);
        sandbox.outcome(&mut command)
    };
    sandbox.write("member/devshell.toml", "[env]\nMINE = '${root}'\n");
    inside(&["allow"]).success();
    let alone = inside(&["run", "--", "sh", "-c", "echo $HERE-$MINE"]).success();
    assert_eq!(
        alone.stdout, "-~/project/member\n",
        "a nested project stands alone"
    );
    sandbox.write(
        "member/devshell.toml",
        "extends = ['..']\n[env]\nMINE = '${root}'\n",
    );
    inside(&["allow"]).success();
    let both = inside(&["run", "--", "sh", "-c", "echo $HERE-$MINE; tool"]).success();
    assert_eq!(both.stdout, "~/project-~/project/member\nroot tool\n");
    sandbox.write(
        "member/deep/devshell.toml",
        "extends = ['..', '../nothing.toml']\n",
    );
    let mut command = sandbox.command("devsh");
    command.arg("allow").current_dir(member.join("deep"));
    sandbox
        .outcome(&mut command)
        .code(1)
        .error(&["there is no `../nothing.toml` to extend", "devshell.toml:1"]);
}

/// A manifest, and the texts that the error must have.
#[rustfmt::skip]
const FAULTS: &[(&str, &[&str])] = &[
        (
            "0.toml",
            &[
                "this depth of `extends` is more than the 16",
                "--> 15.toml:1",
            ],
        ),
        (
            "loop.toml",
            &[
                "extend each other in a cycle: devshell.toml → loop.toml → devshell.toml",
                "--> loop.toml:2",
            ],
        ),
        ("broken.toml", &["not valid TOML", "--> broken.toml:2"]),
        (
            "odd.toml",
            &[
                "`LD_PRELOAD` is read by the dynamic loader",
                "--> odd.toml:2",
                "[grants]",
            ],
        ),
        ("preset python", &["`LD_PRELOAD`", "--> preset python:2"]),
        (
            "gone.toml",
            &["there is no env file `.nothing`", "--> gone.toml:2"],
        ),
        (
            "env.toml",
            &["a line needs the form `NAME=value`", "--> bad.env:2"],
        ),
        (
            "nothing.toml",
            &[
                "there is no `nothing.toml` to extend",
                "--> devshell.toml:2",
            ],
        ),
        (
            "/etc/passwd",
            &["`/etc/passwd` is not a file", "--> devshell.toml:2"],
        ),
        (
            "git+http://h/x#v1",
            &["`git+http://h/x#v1` is not a file", "--> devshell.toml:2"],
        ),
];

#[test]
fn errors_name_the_file_and_the_line() {
    let sandbox = Sandbox::new();
    for at in 0..20 {
        sandbox.write(
            format!("{at}.toml"),
            format!("extends = ['{}.toml']\n", at + 1),
        );
    }
    sandbox.write("loop.toml", "\nextends = ['devshell.toml']\n");
    sandbox.write("broken.toml", "[tools]\nruff = [\n");
    sandbox.write("odd.toml", "[env]\nLD_PRELOAD = 'x'\n");
    // A file of the project with the name of a preset has no rights of a preset.
    sandbox.write("preset python", "[env]\nLD_PRELOAD = 'x'\n");
    sandbox.write("gone.toml", "[env-files]\nload = ['.nothing']\n");
    sandbox.write("bad.env", "A=1\nB C\n");
    sandbox.write("env.toml", "[env-files]\nload = ['bad.env']\n");
    for (entry, parts) in FAULTS {
        sandbox.write("devshell.toml", format!("\nextends = ['{entry}']\n"));
        sandbox.devsh(&["allow"]).code(1).error(parts);
    }
}

#[test]
fn local_additions_do_not_change_the_team_lockfile() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.11.13", "0.12.4"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[tools]\nruff = '0.12'\n[env]\nWHO = 'team'\n");
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let team = fs::read(&lock).unwrap();
    sandbox.write(
        "devshell.local.toml",
        "[tools]\nruff = '0.11'\nuv = '0.9'\n[env]\nWHO = 'me'\n",
    );
    sandbox.devsh(&["run", "--", "true"]).code(3);
    sandbox.allow();
    assert_eq!(
        run(&sandbox, "ruff --version; echo $WHO"),
        "ruff 0.11.13\nme"
    );
    assert_eq!(fs::read(&lock).unwrap(), team);
    let own = fs::read_to_string(sandbox.project().join("devshell.local.lock")).unwrap();
    assert!(
        own.contains("0.11.13") && own.contains("0.9.0") && !own.contains("0.12.4"),
        "{own}"
    );
    sandbox.devsh(&["lock"]).success();
    sandbox.devsh(&["lock", "--check"]).success();
    assert_eq!(fs::read(&lock).unwrap(), team);
    let outdated = sandbox.devsh(&["outdated", "--json"]).success().stdout;
    assert!(!outdated.contains("\"locked\": null"), "{outdated}");
    sandbox.write(
        "devshell.local.toml",
        "[tools]\nruff = '0.11'\nuv = '>=0.8'\n",
    );
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        status.contains("is read after you allow the project"),
        "{status}"
    );
    fs::remove_file(sandbox.project().join("devshell.local.toml")).unwrap();
    sandbox.devsh(&["allow", "--locked"]).success();
    assert_eq!(
        run(&sandbox, "ruff --version; echo $WHO"),
        "ruff 0.12.4\nteam"
    );
}

#[test]
fn a_local_manifest_does_not_change_the_repository() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new().served_by(&server);
    sandbox.write(".git/HEAD", "ref: refs/heads/main\n");
    let before = crate::support::Tree::of(sandbox.project());
    let made = sandbox.devsh(&["init", "--personal"]).success();
    let path = made
        .stderr
        .split('`')
        .find(|part| part.ends_with("/devshell.toml"))
        .unwrap_or_else(|| panic!("{made}"));
    let path = path.replace('~', sandbox.home().to_str().unwrap());
    write(
        Path::new(&path),
        b"[tools]\nruff = '0.12'\n[env]\nMINE = 'yes'\n",
    );
    sandbox.allow();
    assert_eq!(
        run(&sandbox, "ruff --version; echo $MINE"),
        "ruff 0.12.4\nyes"
    );
    assert!(
        Path::new(&path)
            .with_file_name("devshell.local.lock")
            .exists()
    );
    crate::support::Tree::of(sandbox.project()).assert_unchanged_since(&before);
}

#[test]
fn a_combination_of_dev_shells_is_one_environment() {
    let sandbox = Sandbox::new().manifest(
        "[shells.test]\nenv = { A = 'test', T = '1' }\n[shells.lint]\nenv = { A = 'lint', L = '1' }\n",
    );
    sandbox.allow();
    let both = |names: &str| {
        let arguments = [
            "run",
            "--shell",
            names,
            "--",
            "sh",
            "-c",
            "echo $A$T$L $DEVSH_SHELL",
        ];
        sandbox.devsh(&arguments).success().stdout
    };
    assert_eq!(both("test,lint"), "lint11 test,lint\n");
    assert_eq!(both("lint,test"), "test11 lint,test\n");
    assert_eq!(both("test,lint"), "lint11 test,lint\n", "from its record");
    sandbox
        .devsh(&["run", "--shell", "test,lnt", "--", "true"])
        .code(125)
        .error(&["there is no dev shell `lnt`"]);
}

#[test]
fn an_expected_environment_is_checked() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let environment = || {
        let sandbox = Sandbox::new().served_by(&server).manifest(
            "[tools]\nruff = '0.12'\n[env]\nA = '${root}/x'\nPATH = { prepend = ['./b'] }\n",
        );
        sandbox.allow();
        let status = sandbox.devsh(&["status", "--json"]).success().stdout;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        (sandbox, status["environment"].as_str().unwrap().to_owned())
    };
    let ((one, id), (_two, other)) = (environment(), environment());
    assert_eq!(id, other, "the same on two machines");
    one.devsh(&["run", "--expect", &id, "--", "true"]).success();
    one.devsh(&["run", "--expect", &"0".repeat(32), "--", "true"])
        .code(125)
        .error(&["is not the environment that is expected", &id]);
}

#[test]
fn fifty_layers_do_not_slow_the_prompt() {
    let Some(strace) = crate::support::require("strace") else {
        return;
    };
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..50).map(|at| format!("'layers/{at}.toml'")).collect();
    for at in 0..50 {
        sandbox.write(
            format!("layers/{at}.toml"),
            format!("[env]\nV{at} = '{at}'\n"),
        );
    }
    sandbox.write(
        "devshell.toml",
        format!("extends = [{}]\n", names.join(", ")),
    );
    sandbox.allow();
    let mut command = Command::new(strace);
    command
        .args(["-f", "-e", "trace=open,openat,execve"])
        .args([
            crate::support::sandbox::DEVSH,
            "export",
            "bash",
            "--nonce",
            "n",
            "--loaded",
            "",
        ])
        .env_clear()
        .envs(sandbox.environment())
        .current_dir(sandbox.project());
    // A file that was just written is read again until its mtime can be trusted.
    let layers = |traced: &crate::support::sandbox::Outcome| {
        let lines = traced.stderr.lines().filter(|line| line.contains("open"));
        let files = ["layers/", "devshell.toml", "devshell.lock"];
        lines
            .filter(|line| files.iter().any(|file| line.contains(file)))
            .count()
    };
    let mut traced = sandbox.outcome(&mut command).success();
    for _ in 0..50 {
        if layers(&traced) == 0 {
            break;
        }
        traced = sandbox.outcome(&mut command).success();
    }
    assert!(traced.stdout.contains("V49"), "{traced}");
    assert_eq!(traced.stderr.matches("execve(").count(), 1, "{traced}");
    assert_eq!(layers(&traced), 0, "{traced}");
}

#[test]
fn an_approval_shows_grants_first_and_says_when_nothing_changed() {
    let sandbox = Sandbox::new();
    let manifest =
        "[aliases]\na = 'b'\n[env]\nA = '1'\nEDITOR = 'vi'\n[grants]\nenv = ['EDITOR']\n";
    sandbox.write("devshell.toml", manifest);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    let first = shown.lines().next().unwrap();
    assert!(first.contains("grant EDITOR"), "{shown}");
    sandbox.write("devshell.toml", format!("# a word\n{manifest}"));
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("is allowed already"), "{shown}");
}
