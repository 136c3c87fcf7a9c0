//! The main promise: inside are the locked tools, in every host shell; outside the host's own.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::support::{
    HostShell, Sandbox, Server, cpython, for_each_shell, pypi::serve_tool, rust_dist::serve_release,
};

const MANIFEST: &str = "[tools]\npython = \"3.11.7\"\nruff = \"0.12\"\nrust = \"1.95\"\n";

/// Returns a locked project whose tools come from memory.
fn locked(sandbox: Sandbox) -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    serve_release(&server, "1.95.0");
    let python = cpython::tiny("3.11.7");
    cpython::serve(&server, "3.11.7", &python);
    let sandbox = sandbox
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    sandbox.program("ruff", "#!/bin/sh\necho 'ruff of the host'\n");
    sandbox.program("python", "#!/bin/sh\necho 'python of the host'\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    cpython::adopt(&sandbox, "3.11.7", &python);
    (sandbox, server)
}

fn which(shell: HostShell) -> &'static str {
    match shell {
        HostShell::Fish => "command -s ruff",
        _ => "command -v ruff",
    }
}

fn inside_and_out(shell: HostShell, sandbox: Sandbox) {
    let (sandbox, _server) = locked(sandbox);
    sandbox.allow();
    let mut pty = sandbox.shell(shell);
    // Shells remember where programs are; what they remember must not outlive a transition.
    assert_eq!(pty.run("ruff --version"), "ruff of the host\n");
    assert_eq!(pty.run("python --version"), "python of the host\n");
    let before = pty.snapshot();
    pty.enter();
    assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
    assert_eq!(pty.run("python --version"), "Python 3.11.7\n");
    assert!(pty.run("rustc --version").starts_with("rustc 1.95.0"));
    let path = pty.run(which(shell));
    assert!(path.starts_with(sandbox.data().to_str().unwrap()), "{path}");
    pty.leave();
    assert_eq!(pty.run("ruff --version"), "ruff of the host\n");
    assert_eq!(pty.run("python --version"), "python of the host\n");
    pty.snapshot().assert_restores(&before);
}

#[test]
fn the_locked_tools_are_inside_and_gone_outside() {
    for_each_shell(|shell| inside_and_out(shell, Sandbox::new()));
}

#[test]
fn the_locked_tools_are_inside_any_path() {
    for_each_shell(|shell| inside_and_out(shell, Sandbox::odd()));
}

#[test]
fn path_gains_one_entry() {
    let (sandbox, _server) = locked(Sandbox::new());
    sandbox.allow();
    let outcome = sandbox
        .devsh(&["run", "--", "sh", "-c", "echo \"$PATH\""])
        .success();
    let entries = outcome.stdout.split(':').count();
    let host = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
    assert_eq!(
        entries,
        host.to_str().unwrap().split(':').count() + 1,
        "{outcome}"
    );
}

#[test]
fn a_second_project_downloads_nothing_again() {
    let (sandbox, server) = locked(Sandbox::new());
    sandbox.allow();
    let _first = server.requests();
    let second = sandbox.home().join("second");
    fs::create_dir_all(&second).unwrap();
    for file in ["devshell.toml", "devshell.lock"] {
        fs::copy(sandbox.project().join(file), second.join(file)).unwrap();
    }
    let mut command = sandbox.command("devsh");
    command.args(["run", "--locked", "--trust", "--", "ruff", "--version"]);
    let outcome = sandbox.outcome(command.current_dir(&second)).success();
    assert_eq!(outcome.stdout, "ruff 0.12.4\n");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn store_entries_cannot_be_written_to() {
    let (sandbox, _server) = locked(Sandbox::new());
    sandbox.allow();
    for entry in fs::read_dir(sandbox.data().join("store")).unwrap() {
        let programs = entry.unwrap().path().join("bin");
        for program in fs::read_dir(&programs).into_iter().flatten() {
            let path = program.unwrap().path();
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(&path).unwrap().permissions(),
            );
            assert_eq!(mode & 0o222, 0, "{}", path.display());
        }
    }
}

#[test]
fn a_host_tool_serves_where_nothing_can_be_reached() {
    // The lockfile was made elsewhere; here no source answers, but the machine has a ruff that will do.
    let (origin, server) = locked(Sandbox::new());
    let lockfile = fs::read_to_string(origin.project().join("devshell.lock")).unwrap();
    let lockfile = lockfile.replace(server.address(), "http://127.0.0.1:9");
    let sandbox = Sandbox::new().manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.write("devshell.lock", &lockfile);
    sandbox.program("ruff", "#!/bin/sh\necho 'ruff 0.12.3'\n");
    let outcome = sandbox
        .devsh(&["run", "--trust", "--", "ruff", "--version"])
        .success();
    assert_eq!(outcome.stdout, "ruff 0.12.3\n");
    assert!(
        outcome.stderr.contains("`ruff`") && outcome.stderr.contains("0.12.3"),
        "it is said aloud: {outcome}"
    );
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success();
    assert!(
        status.stdout.contains("0.12.3") && status.stdout.contains("0.12.4"),
        "{status}"
    );
    // The lockfile is the measure under --locked, and host tools are none where only managed ones may serve.
    sandbox
        .devsh(&["run", "--locked", "--trust", "--", "ruff", "--version"])
        .code(125)
        .error(&["ruff"]);
    let sandbox = sandbox.config("tools-from = \"managed\"\n");
    sandbox
        .devsh(&["sync", "--trust"])
        .code(1)
        .error(&["127.0.0.1"]);
}

#[test]
fn a_host_tool_of_the_locked_minor_version_serves_before_a_newer_one() {
    let sandbox = Sandbox::new().manifest("[tools]\npython = \"3.10\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let sandbox = sandbox.manifest("[tools]\npython = \">=3.9\"\n");
    let assert_version = |version: &str| {
        sandbox.devsh(&["sync", "--trust"]).success();
        let run = ["run", "--trust", "--", "python", "--version"];
        let outcome = sandbox.devsh(&run).success();
        assert_eq!(outcome.stdout, format!("Python {version}\n"));
    };
    sandbox.host_python(&["python3", "python3.13"], "3.13.1");
    sandbox.host_python(&["python3.9"], "3.9.4");
    assert_version("3.13.1");
    sandbox.host_python(&["python3.10"], "3.10.2");
    assert_version("3.10.2");
}

#[test]
fn a_repackaged_interpreter_runs_from_the_store() {
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    let server = Server::start();
    cpython::serve(&server, &version, &archive);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(&format!("[tools]\npython = \"{version}\"\n"));
    sandbox.devsh(&["lock", "--trust"]).success();
    cpython::adopt(&sandbox, &version, &archive);
    let script = "import sys, ssl, sqlite3, zlib; print(sys.version.split()[0]); print(sys.prefix); \
                  print([line for line in open('/proc/self/maps') if 'libpython' in line][0])";
    let outcome = sandbox
        .devsh(&["run", "--trust", "--", "python", "-c", script])
        .success();
    assert!(
        outcome
            .stdout
            .starts_with(&format!("{version}\n~/.local/share/devsh/")),
        "{outcome}"
    );
    let library = outcome.stdout.lines().nth(2).unwrap();
    assert!(
        library.contains("~/.local/share/devsh/"),
        "its own library is loaded: {library}"
    );
}

/// Returns an approved project with Rust 1.89, and its server.
fn rust_project() -> (Server, Sandbox) {
    let server = Server::start();
    serve_release(&server, "1.89.0");
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nrust = \"1.89\"\n");
    sandbox.allow();
    (server, sandbox)
}

#[test]
fn cargo_install_says_that_it_leaves_the_dev_shell() {
    let (_server, sandbox) = rust_project();
    let install = sandbox
        .devsh(&["run", "--", "cargo", "install", "x"])
        .success();
    assert!(
        install.stderr.contains("outside of this dev shell"),
        "{install}"
    );
    let other = sandbox
        .devsh(&["run", "--", "cargo", "--version"])
        .success();
    assert_eq!(other.stderr, "");
}

#[test]
fn one_more_component_shares_what_is_stored() {
    let (server, sandbox) = rust_project();
    server.requests();
    sandbox.write(
        sandbox.project().join("devshell.toml"),
        "[tools]\nrust = { version = \"1.89\", components = [\"rust-analyzer\"] }\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.allow();
    let requests = server.requests();
    let archives: Vec<&String> = requests
        .iter()
        .filter(|request| request.starts_with("GET") && request.contains(".tar.xz"))
        .collect();
    assert!(
        matches!(&*archives, [one] if one.contains("rust-analyzer-1.89.0")),
        "only the new component is downloaded: {archives:?}"
    );

    let store = sandbox.data().join("store");
    let toolchains: Vec<PathBuf> = fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("-rust-1.89.0"))
        .collect();
    assert_eq!(toolchains.len(), 2);
    for shared in ["bin/rustc", "bin/cargo"] {
        let inode = |toolchain: &PathBuf| fs::metadata(toolchain.join(shared)).unwrap().ino();
        assert_eq!(inode(&toolchains[0]), inode(&toolchains[1]), "{shared}");
    }
    sandbox.devsh(&["verify"]).success();
    for (program, version) in [
        ("rustc", "rustc 1.89.0"),
        ("rust-analyzer", "rust-analyzer 1.89.0"),
    ] {
        let outcome = sandbox
            .devsh(&["run", "--", program, "--version"])
            .success();
        assert!(outcome.stdout.starts_with(version), "{outcome}");
    }

    // The smaller toolchain goes, and the other keeps its files.
    sandbox.devsh(&["gc"]).success();
    sandbox.devsh(&["verify"]).success();
    sandbox
        .devsh(&["run", "--", "rustc", "--version"])
        .success();
}

#[test]
fn cargo_with_a_toolchain_of_rustup_names_the_way() {
    let (_server, sandbox) = rust_project();
    let nightly = sandbox
        .devsh(&["run", "--", "cargo", "+nightly", "build"])
        .code(1);
    assert!(
        nightly.stderr.contains("`cargo +nightly` needs rustup")
            && nightly.stderr.contains("`tools = { rust = \"nightly\" }`"),
        "{nightly}"
    );
}

#[test]
fn rust_analyzer_is_that_of_the_machine_or_explained() {
    let (_server, sandbox) = rust_project();
    let analyzer = ["run", "--", "rust-analyzer", "--version"];
    let explains = |sandbox: &Sandbox| {
        sandbox.devsh(&analyzer).code(1).error(&[
            "the toolchain of this dev shell has no `rust-analyzer`",
            "hint: write `rust = { version = …, components = [\"rust-analyzer\", \"rust-src\"] }`",
        ]);
    };
    explains(&sandbox);
    // The proxy of rustup needs a toolchain with the component.
    sandbox.program("rustup", "#!/bin/sh\nexit 1\n");
    sandbox.program("rust-analyzer", "#!/bin/sh\necho of the machine\n");
    explains(&sandbox);
    sandbox.program("rustup", "#!/bin/sh\necho /toolchain/bin/rust-analyzer\n");
    let shown = sandbox.devsh(&analyzer).success().stdout;
    assert_eq!(shown, "of the machine\n");
    fs::remove_file(sandbox.root().join("bin/rustup")).unwrap();
    let shown = sandbox.devsh(&analyzer).success().stdout;
    assert_eq!(shown, "of the machine\n");
}
