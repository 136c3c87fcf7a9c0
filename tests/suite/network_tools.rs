//! The real artefacts: programs from the store that compile, format and run. `DEVSH_TEST_NETWORK=1` only.

use std::{fs, process::Command};

use crate::support::{Sandbox, Server, cpython, network, require};

/// Returns a sandbox that uses the public sources, artifacts only, and nothing of the machine but `/usr/bin`.
fn open() -> Sandbox {
    let mut sandbox = Sandbox::new().config("tools-from = \"managed\"\n");
    for source in [
        "UV_DEFAULT_INDEX",
        "RUSTUP_DIST_SERVER",
        "UV_PYTHON_INSTALL_MIRROR",
        "NPM_CONFIG_REGISTRY",
        "NODEJS_ORG_MIRROR",
        "DEVSH_GO_MIRROR",
        "DEVSH_CRATES_INDEX",
        "DEVSH_CRATES_MIRROR",
    ] {
        sandbox = sandbox.env_remove(source);
    }
    for name in ["HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            sandbox = sandbox.env(name, value);
        }
    }
    sandbox
}

/// Runs a command in the dev shell and returns what it prints.
fn run(sandbox: &Sandbox, command: &[&str]) -> String {
    let mut arguments = vec!["run", "--trust", "--"];
    arguments.extend(command);
    sandbox.devsh(&arguments).success().stdout
}

#[test]
fn node_npm_npx_and_prettier_run() {
    if !network() {
        return;
    }
    let sandbox = open().manifest(
        "[tools]\nnode = \"24\"\nprettier = \"3\"\ntypescript = \"5\"\n\"npm:pnpm\" = \"*\"\n\
         \"npm:eslint\" = \"9\"\n",
    );
    sandbox.write("a.js", "const a   = 1");
    assert_eq!(run(&sandbox, &["prettier", "a.js"]), "const a = 1;\n");
    sandbox.write("b.ts", "const b: number = 2; console.log(b + 1)\n");
    run(&sandbox, &["tsc", "--outDir", "out", "b.ts"]);
    assert_eq!(run(&sandbox, &["node", "out/b.js"]), "3\n");
    for program in ["npm", "npx", "pnpm"] {
        let version = run(&sandbox, &[program, "--version"]);
        assert!(
            version.starts_with(|first: char| first.is_ascii_digit()),
            "{program} {version}"
        );
    }
    assert!(run(&sandbox, &["node", "--version"]).starts_with("v24."));
    sandbox.write(
        "eslint.config.mjs",
        "export default [{ rules: { semi: \"error\" } }];\n",
    );
    sandbox
        .devsh(&["run", "--trust", "--", "eslint", "a.js"])
        .code(1);
    assert!(run(&sandbox, &["eslint", "--version"]).starts_with("v9."));
}

#[test]
fn bun_deno_and_node_run_from_packages_of_the_npm_registry() {
    if !network() {
        return;
    }
    // The official server of node is left out: it may be out of reach.
    let sandbox = open()
        .env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/")
        .manifest("[tools]\nbun = \"1\"\ndeno = \"2\"\nnode = \"26\"\n");
    let outcome = sandbox.devsh(&["lock", "--trust"]).success();
    let note = "`node` comes from the npm registry, not from its publisher";
    assert!(outcome.stderr.contains(note), "{outcome}");
    sandbox.write("a.ts", "const a: number = 1; console.log(a + 1)\n");
    for command in [
        &["bun", "a.ts"][..],
        &["bunx", "--version"],
        &["deno", "run", "a.ts"],
        &["node", "a.ts"],
        &["npm", "--version"],
        &["npx", "--version"],
    ] {
        let said = run(&sandbox, command);
        let version = said.starts_with(|first: char| first.is_ascii_digit());
        assert!(version, "{command:?}: {said}");
    }
    sandbox
        .devsh(&["run", "--trust", "--locked", "--", "deno", "--version"])
        .success();
}

#[test]
fn go_compiles_and_runs() {
    if !network() {
        return;
    }
    let sandbox = open().manifest("[tools]\ngo = \"1.27\"\n");
    sandbox.write("go.mod", "module hello\n\ngo 1.25\n");
    sandbox.write(
        "main.go",
        "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n",
    );
    assert_eq!(run(&sandbox, &["go", "run", "."]), "hello\n");
    assert_eq!(run(&sandbox, &["gofmt", "-l", "."]), "");
}

#[test]
fn small_programs_of_the_index_run() {
    if !network() {
        return;
    }
    let tools = [
        ("hadolint", "Haskell Dockerfile Linter"),
        ("just", "just "),
        ("ninja", "1."),
        ("ruff", "ruff "),
        ("shellcheck", "ShellCheck"),
        ("taplo", "taplo "),
        ("typos", "typos-cli "),
        ("uv", "uv "),
    ];
    let lines: Vec<String> = tools
        .iter()
        .map(|(tool, _)| format!("{tool} = \"*\""))
        .collect();
    let sandbox = open().manifest(&format!("[tools]\n{}\n", lines.join("\n")));
    for (tool, expected) in tools {
        let version = run(&sandbox, &[tool, "--version"]);
        assert!(version.starts_with(expected), "{tool}: {version}");
    }
}

#[test]
fn zig_and_cmake_find_their_libraries() {
    if !network() {
        return;
    }
    let sandbox = open().manifest("[tools]\nzig = \"*\"\ncmake = \"4\"\n");
    let zig = run(&sandbox, &["zig", "env"]);
    assert!(
        zig.contains(".lib_dir = \"~/.local/share/devsh/store/"),
        "{zig}"
    );
    let script = "message(STATUS \"root ${CMAKE_ROOT}\")\n";
    sandbox.write("x.cmake", script);
    let outcome = run(&sandbox, &["cmake", "-P", "x.cmake"]);
    assert!(
        outcome.contains("root ~/.local/share/devsh/store/"),
        "{outcome}"
    );
}

#[test]
fn rust_compiles_lints_and_can_be_linked_by_rustup() {
    if !network() || require("cc").is_none() {
        return;
    }
    let sandbox = open().manifest(
        "[tools]\nrust = { version = \"1.89\", components = [\"clippy\", \"rust-analyzer\", \"rust-src\", \"rustfmt\"], \
         targets = [\"wasm32-unknown-unknown\"] }\n",
    );
    sandbox.write("main.rs", "fn main() {\n    println!(\"{}\", 6 * 7);\n}\n");
    run(&sandbox, &["rustc", "-o", "main", "main.rs"]);
    assert_eq!(run(&sandbox, &["./main"]), "42\n");
    run(
        &sandbox,
        &[
            "rustc",
            "--target",
            "wasm32-unknown-unknown",
            "-o",
            "main.wasm",
            "main.rs",
        ],
    );
    run(&sandbox, &["rustfmt", "--check", "main.rs"]);
    assert!(run(&sandbox, &["cargo", "clippy", "--version"]).starts_with("clippy 0.1.89"));
    assert!(run(&sandbox, &["rust-analyzer", "--version"]).starts_with("rust-analyzer 1.89"));
    let sysroot = run(&sandbox, &["rustc", "--print", "sysroot"]);
    let home = sandbox.home();
    let sysroot = sysroot.trim_end().replacen('~', home.to_str().unwrap(), 1);
    let source = format!("{sysroot}/lib/rustlib/src/rust/library/core/src/lib.rs");
    assert!(fs::exists(&source).unwrap(), "{source}");

    let Some(rustup) = require("rustup") else {
        return;
    };
    let home = sandbox.root().join("rustup");
    let rustup = |arguments: &[&str]| {
        let mut command = Command::new(&rustup);
        command.args(arguments).env("RUSTUP_HOME", &home);
        sandbox.outcome(&mut command).success().stdout
    };
    rustup(&["toolchain", "link", "devsh", &sysroot]);
    let version = rustup(&["run", "devsh", "rustc", "--version"]);
    assert!(version.starts_with("rustc 1.89."), "{version}");
}

#[test]
fn profiles_and_dated_channels_have_their_content() {
    if !network() {
        return;
    }
    let sandbox = open();
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    sandbox.write("src/lib.rs", "");
    sandbox.write(
        "rust-toolchain.toml",
        "[toolchain]\nchannel = \"nightly-2026-10-01\"\nprofile = \"default\"\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for part in [
        "part = \"clippy\"",
        "part = \"rustfmt\"",
        "/2026-10-01/",
        "profile-default",
    ] {
        assert!(lockfile.contains(part), "{part}\n{lockfile}");
    }
    assert!(!lockfile.contains("rust-docs"), "{lockfile}");
}

/// The interpreter is moved, and what it was built as is hidden: only the store's own library can be mapped.
#[test]
fn cpython_runs_from_the_store_with_the_original_hidden() {
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    let server = Server::start();
    cpython::serve(&server, &version, &archive);
    let sandbox = Sandbox::odd()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(&format!("[tools]\npython = \"=={version}\"\n"));
    sandbox.devsh(&["lock", "--trust"]).success();
    cpython::adopt(&sandbox, &version, &archive);
    sandbox.devsh(&["sync", "--locked", "--trust"]).success();
    let prefix = cpython::prefix().expect("it was repackaged");
    let program = "import sys, ssl, sqlite3, ctypes, lzma, bz2, sysconfig\n\
        maps = open('/proc/self/maps').read().splitlines()\n\
        lines = {line.split(None, 5)[5] for line in maps if 'libpython' in line}\n\
        print(sys.version.split()[0])\n\
        print(sorted(lines))\n\
        print(sys.prefix)\n\
        print(sysconfig.get_config_var('prefix'))\n";
    sandbox.write("check.py", program);
    let empty = sandbox.root().join("empty");
    fs::create_dir_all(&empty).unwrap();
    let mut hidden = sandbox.command("unshare");
    hidden.args(["-m", "sh", "-c"]);
    hidden.arg("mount --bind \"$1\" \"$2\" && ! test -e \"$2/bin\" && shift 2 && exec \"$@\"");
    hidden.arg("sh").arg(&empty).arg(&prefix);
    hidden.args([
        "devsh", "run", "--locked", "--trust", "--", "python", "check.py",
    ]);
    let outcome = sandbox.outcome(&mut hidden);
    if outcome.stderr.contains("unshare failed") || outcome.stderr.contains("mount:") {
        eprintln!("skipped: this machine does not allow mounts that hide a directory");
        return;
    }
    let outcome = outcome.success();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], version);
    let store = "~/.local/share/devsh/store/";
    assert!(lines[1].starts_with(&format!("['{store}")), "{outcome}");
    assert_eq!(lines[1].matches("libpython").count(), 1, "{outcome}");
    assert!(
        lines[2].starts_with(store) && lines[3].starts_with(store),
        "{outcome}"
    );
}

#[test]
fn python_applications_do_their_work() {
    if !network() {
        return;
    }
    let sandbox = super::network::open().manifest(
        "[tools]\npython = \"3.11\"\nblack = \"25\"\npre-commit = \"4\"\npoetry = \"2\"\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let says = |command: &[&str]| run(&sandbox, command);
    assert!(says(&["black", "--version"]).starts_with("black, 25."));
    assert!(says(&["pre-commit", "--version"]).starts_with("pre-commit 4."));
    assert!(says(&["poetry", "--version"]).starts_with("Poetry (version 2."));
    sandbox.write("ugly.py", "x = {  'a':1 }\n");
    says(&["black", "--quiet", "ugly.py"]);
    let formatted = fs::read_to_string(sandbox.project().join("ugly.py")).unwrap();
    assert_eq!(formatted, "x = {\"a\": 1}\n");
    sandbox.write(".pre-commit-config.yaml", "repos: []\n");
    says(&["pre-commit", "validate-config"]);
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n";
    sandbox.write("pyproject.toml", project);
    assert_eq!(says(&["poetry", "check"]), "All set!\n");
}

#[test]
fn a_crate_is_compiled_with_the_locked_rust() {
    if !network() || require("cc").is_none() {
        return;
    }
    let sandbox = open().manifest("[tools]\n\"cargo:hexyl\" = \"0.16\"\n");
    sandbox.write("a.txt", "hello");
    assert!(run(&sandbox, &["hexyl", "--version"]).starts_with("hexyl 0.16."));
    let shown = run(&sandbox, &["hexyl", "--color=never", "a.txt"]);
    assert!(shown.contains("68 65 6c 6c 6f"), "{shown}");
    sandbox.devsh(&["run", "--trust", "--", "cargo"]).code(127);
}

/// These take up to half an hour on two cores, so they run with `DEVSH_TEST_LONG=1` only.
#[test]
fn larger_crates_are_compiled_with_the_locked_rust() {
    let long = std::env::var("DEVSH_TEST_LONG").is_ok_and(|long| long == "1");
    if !long || !network() || require("cc").is_none() {
        return;
    }
    for (name, program, command) in [
        ("cargo-deny", "cargo-deny", &["--version"][..]),
        ("cargo-nextest", "cargo-nextest", &["nextest", "--version"]),
    ] {
        // Without a setting the prebuilt programs that a crate names are used, where they can be reached.
        let request = "{ version = \"*\", default-features = true }";
        let sandbox = open().manifest(&format!("[tools]\n\"cargo:{name}\" = {request}\n"));
        let answer = run(&sandbox, &[&[program], command].concat());
        assert!(answer.starts_with(&format!("{program} 0.")), "{answer}");
    }
}
