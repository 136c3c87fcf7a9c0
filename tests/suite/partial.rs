//! A dev shell that lacks a part: the prompt loads the rest and says in one line what is missing, `run` needs
//! `--partial`, and `lock` and `sync` fail.

use std::fs;

use crate::support::{
    HostShell, Sandbox, Server, cpython, for_each_shell, pypi::serve_tool, rust_dist::serve_release,
};

const MANIFEST: &str = "[tools]\nruff = \"0.12\"\njust = \"99\"\n\n[env]\nPLAIN = \"1\"\n";

fn served() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    serve_tool(&server, "rust-just", &["1.40.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n");
    (sandbox, server)
}

#[test]
fn a_tool_without_a_version_costs_only_itself() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        let sandbox = sandbox.manifest(MANIFEST);
        let allowed = sandbox.devsh(&["allow"]).code(1);
        for text in [
            "no version of `just` satisfies every requirement",
            "the other parts of the dev shell are loaded at the next prompt",
        ] {
            assert!(allowed.stderr.contains(text), "{allowed}");
        }
        let mut pty = sandbox.shell(shell);
        let seen = pty.enter();
        let line = "missing: `just`: no version of `just` satisfies every requirement";
        assert!(
            seen.contains("ruff 0.12.4") && seen.contains(line),
            "{seen}"
        );
        assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"));
        // It is said once.
        assert!(!pty.type_line("true").contains("just"));
        pty.leave();
        assert_eq!(pty.var("PLAIN"), None);

        let status = sandbox.devsh(&["status"]).success().stdout;
        assert!(
            status.contains("missing") && status.contains("`just`: no version"),
            "{status}"
        );
        let run = ["run", "--", "ruff", "--version"];
        sandbox
            .devsh(&run)
            .code(125)
            .error(&["no version of `just`"]);
        let partial = sandbox
            .devsh(&["run", "--partial", "--", "ruff", "--version"])
            .success();
        assert_eq!(partial.stdout, "ruff 0.12.4\n");
        assert!(partial.stderr.contains("missing: `just`: "), "{partial}");
        sandbox.devsh(&["lock"]).code(1);
        sandbox.devsh(&["sync"]).code(1);
        assert!(
            !sandbox.project().join("devshell.lock").exists(),
            "a lockfile is complete"
        );
    });
}

#[test]
fn an_unreachable_source_costs_only_its_tools() {
    let (sandbox, server) = served();
    let sandbox = sandbox
        .env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9/rust")
        .manifest("[tools]\nruff = \"0.12\"\nrust = \"1.89\"\n");
    let allowed = sandbox.devsh(&["allow"]).code(1);
    assert!(
        allowed.stderr.contains("cannot reach `127.0.0.1`"),
        "{allowed}"
    );
    let run = |sandbox: &Sandbox, program: &str| {
        sandbox.devsh(&["run", "--partial", "--", program, "--version"])
    };
    let partial = run(&sandbox, "ruff").success();
    assert!(
        partial.stderr.contains("missing: `rust`: cannot reach"),
        "{partial}"
    );
    run(&sandbox, "cargo").code(127);
    // The server answers now, but its failure is reused until the next try.
    serve_release(&server, "1.89.0");
    let sandbox = sandbox.served_by(&server);
    let cargo = ["run", "--", "cargo", "--version"];
    let failed = sandbox.devsh(&cargo).code(125).error(&[
        "missing: `rust`: cannot reach",
        "note: next try in ",
        "hint: `devsh sync` tries now\n",
        "hint: `devsh run --partial` goes without it\n",
    ]);
    assert!(!failed.stderr.contains("left out"), "{failed}");
    run(&sandbox, "cargo").code(127);
    // A changed input is another build.
    let manifest = sandbox.project().join("devshell.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("# Changed.\n{text}")).unwrap();
    let complete = sandbox.devsh(&cargo).success();
    assert!(complete.stdout.starts_with("cargo 1.89.0"), "{complete}");
}

#[test]
fn a_failure_without_the_network_does_not_outlast_the_option() {
    let (sandbox, server) = served();
    serve_release(&server, "1.89.0");
    let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\nrust = \"1.89\"\n");
    sandbox.devsh(&["sync", "--trust"]).success();
    sandbox.allow();
    for entry in fs::read_dir(sandbox.data().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("rust") {
            sandbox
                .outcome(sandbox.command("chmod").arg("-R").arg("u+w").arg(&path))
                .success();
            fs::remove_dir_all(path).unwrap();
        }
    }
    let run = ["run", "--", "cargo", "--version"];
    let offline = [&["--offline"], &run[..]].concat();
    sandbox.devsh(&offline).code(125);
    sandbox.devsh(&run).success();
}

#[test]
fn parts_whose_servers_are_not_reached_have_one_cause() {
    let (sandbox, _server) = served();
    let sandbox = sandbox.manifest("[tools]\njust = \"1\"\nruff = \"0.12\"\nrust = \"1.89\"\n");
    let allowed = sandbox.devsh(&["allow", "--offline"]).code(1);
    let causes = allowed.stderr.matches("devsh is offline").count();
    assert_eq!(causes, 1, "{allowed}");
    let note = "note: missing too: `ruff`, `rust`\n";
    assert!(allowed.stderr.contains(note), "{allowed}");
}

#[test]
fn an_artifact_that_is_damaged_costs_only_its_tool() {
    let (sandbox, server) = served();
    let sandbox = sandbox.manifest("[tools]\njust = \"1\"\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    for path in server.paths("rust_just-1.40.0") {
        server.serve(&path, "not the archive");
    }
    sandbox.devsh(&["allow"]).code(1);
    let partial = sandbox.devsh(&["run", "--partial", "--", "ruff"]).success();
    assert!(partial.stderr.contains("missing: `just`: "), "{partial}");
    sandbox.devsh(&["run", "--", "ruff"]).code(125);
}

#[test]
fn a_complete_dev_shell_stays_until_a_reload() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        sandbox.write("devshell.toml", "[tools]\nuv = \"0.9\"\njust = \"99\"\n");
        sandbox.devsh(&["allow"]).code(1);
        let seen = pty.type_line("true");
        assert!(
            seen.contains("the complete dev shell stays loaded"),
            "{seen}"
        );
        assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
        let seen = pty.type_line("devsh reload");
        let seen = seen + &pty.type_line("true");
        assert!(seen.contains("missing: `just`: "), "{seen}");
        assert_eq!(pty.run("uv --version").trim(), "uv 0.9.0");
        // Another host shell loads what is there.
        let mut other = sandbox.shell(shell);
        other.enter();
        assert_eq!(other.run("uv --version").trim(), "uv 0.9.0");
    });
}

#[test]
fn a_lockfile_that_lacks_a_tool_costs_only_that_tool_at_a_prompt() {
    let (sandbox, _server) = served();
    let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\njust = \"1\"\n");
    sandbox.allow();
    let lockfile = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lockfile).unwrap();
    let (before, rest) = text.split_once("\n[[tool]]\nname = \"just\"").unwrap();
    let rest = rest.find("\n[[").map_or("", |at| &rest[at..]);
    fs::write(&lockfile, format!("{before}{rest}")).unwrap();
    sandbox.devsh(&["watch", "--once"]).code(1);
    let mut pty = sandbox.shell(HostShell::Bash);
    let seen = pty.enter();
    assert!(
        seen.contains(
            "missing: `just`: devshell.toml:3 asks for `1`, and `devshell.lock` does not have it; run `devsh lock`"
        ),
        "{seen}"
    );
    assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
}

#[test]
fn a_version_below_the_root_that_no_source_has_costs_only_its_tool() {
    let (sandbox, server) = served();
    serve_release(&server, "1.89.0");
    cpython::serve_list(&server, &[("3.12.9", "")]);
    let sandbox = sandbox.env(
        "UV_PYTHON_DOWNLOADS_JSON_URL",
        format!("{}/list.json", server.address()),
    );
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"a\"\nversion = \"0.1.0\"\n",
    );
    sandbox.write("rust-toolchain", "1.89.0\n");
    sandbox.write("web/api/.python-version", "3.99.2\n");
    sandbox.write("web/api/requirements.txt", "httpx==0.1\n");
    let line = "`python` is left out: no version of `python` satisfies every requirement: \
                web/api/.python-version:1 python 3.99.2";
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(locked.stderr.contains(line), "{locked}");
    let check = sandbox.devsh(&["lock", "--check", "--trust"]).success();
    assert!(
        check.stderr.contains("`python` 3.99.2 is not locked"),
        "{check}"
    );

    sandbox.allow();
    let mut pty = sandbox.shell(HostShell::Bash);
    let seen = pty.enter();
    assert!(
        seen.contains("left out: `python` and Python packages: "),
        "{seen}"
    );
    assert!(pty.run("cargo --version").starts_with("cargo 1.89.0"));
    pty.leave();
    for arguments in [&["run"][..], &["run", "--locked"]] {
        let words = [arguments, &["--", "cargo", "--version"]].concat();
        let run = sandbox.devsh(&words).success();
        assert!(run.stdout.starts_with("cargo 1.89.0"), "{run}");
        assert_eq!(run.stderr, "");
    }
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        status.contains("left out  ") && status.contains("web/api/.python-version:1"),
        "{status}"
    );
    assert!(!status.contains("does not fit"), "{status}");

    // A version of the root itself still fails.
    sandbox.write("rust-toolchain", "1.0.99\n");
    sandbox.devsh(&["lock", "--trust"]).code(1);
    sandbox.write("rust-toolchain", "1.89.0\n");
    // Once a source has the version, it is locked.
    sandbox.write("web/api/.python-version", "3.12.9\n");
    fs::remove_file(sandbox.project().join("web/api/requirements.txt")).unwrap();
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(text.contains("3.12.9"), "{text}");
}

#[test]
fn a_lockfile_that_cannot_be_read_costs_only_its_changes() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
        sandbox.devsh(&["lock", "--trust"]).success();
        sandbox.allow();
        let path = sandbox.project().join("devshell.lock");
        let whole = fs::read_to_string(&path).unwrap();
        let conflict = format!("<<<<<<< HEAD\n{whole}=======\n>>>>>>> branch\n");
        for broken in [&*conflict, &whole[..whole.len() / 2]] {
            fs::write(&path, broken).unwrap();
            let mut pty = sandbox.shell(shell);
            let seen = pty.enter();
            assert!(
                seen.contains("missing: changes of `devshell.lock`: "),
                "{seen}"
            );
            assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
            assert!(
                !pty.type_line("true").contains("missing"),
                "it is said once"
            );
            let run = ["run", "--", "ruff", "--version"];
            sandbox.devsh(&run).code(125).error(&["devshell.lock"]);
            let partial = sandbox
                .devsh(&["run", "--partial", "--", "ruff", "--version"])
                .success();
            assert_eq!(partial.stdout, "ruff 0.12.4\n");
            assert!(partial.stderr.contains("missing: changes of"), "{partial}");
            sandbox.devsh(&["sync"]).code(1);
        }
        fs::write(&path, &whole).unwrap();
        let mut pty = sandbox.shell(shell);
        assert!(!pty.enter().contains("missing"));
        sandbox.devsh(&["run", "--", "ruff", "--version"]).success();
    });
}

#[test]
fn a_variable_that_is_not_set_costs_only_itself() {
    let sandbox =
        Sandbox::new().manifest("[env]\nPLAIN = \"1\"\nTOKEN = { required = \"ask the vault\" }\n");
    sandbox.allow();
    let run = |options: &[&str]| {
        let command = ["--", "sh", "-c", "echo $PLAIN"];
        sandbox.devsh(&[&["run"], options, &command].concat())
    };
    run(&[]).code(125).error(&["`TOKEN`", "ask the vault"]);
    let partial = run(&["--partial"]).success();
    assert_eq!(partial.stdout, "1\n");
    assert!(partial.stderr.contains("`TOKEN`"), "{partial}");
    for_each_shell(|shell| {
        let mut pty = sandbox.shell(shell);
        let seen = pty.enter();
        assert_eq!(seen.matches("ask the vault").count(), 1, "{seen}");
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"));
        assert!(!pty.type_line("true").contains("TOKEN"), "it is said once");
    });
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        status.contains("TOKEN") && status.contains("ask the vault"),
        "{status}"
    );
}
