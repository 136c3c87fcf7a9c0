//! Host tools in directories made for the test.

use super::*;

fn program(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn search(path: &Path, name: &str, home: &Path, exclude: &[&Path]) -> Vec<HostTool> {
    let mut env = Env::default();
    env.set(vars::PATH, path);
    let search = HostSearch {
        env: &env,
        home: Some(home),
        exclude: exclude.iter().map(|path| path.to_path_buf()).collect(),
    };
    find(&name.parse().unwrap(), &search, &|_| true)
}

#[test]
fn programs_tell_their_versions() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    program(
        &root.join("bin/ruff"),
        "echo ruff 0.12.4 '(abc 2025-01-01)'",
    );
    program(&root.join("bin/go"), "echo go version go1.27.3 linux/amd64");
    program(&root.join("bin/node"), "echo v24.1.0");
    let version = |name| {
        search(&root.join("bin"), name, &root, &[])[0]
            .version
            .to_string()
    };
    assert_eq!(version("ruff"), "0.12.4");
    assert_eq!(version("go"), "1.27.3");
    assert_eq!(version("node"), "24.1.0");
}

#[test]
fn programs_of_the_project_are_never_run() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let canary = root.join("canary");
    let script = format!("echo x > {}; echo ruff 0.12.4", canary.display());
    program(&root.join("project/bin/ruff"), &script);
    std::os::unix::fs::symlink(root.join("project/bin"), root.join("link")).unwrap();
    for path in ["project/bin", "link"] {
        let found = search(&root.join(path), "ruff", &root, &[&root.join("project")]);
        assert_eq!(found, []);
    }
    assert!(!canary.exists());
}

#[test]
fn rustup_s_proxies_are_seen_through() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    program(&root.join("cargo/bin/rustup"), "exit 1");
    std::os::unix::fs::symlink("rustup", root.join("cargo/bin/rustc")).unwrap();
    for (name, version) in [("1.88.0-x", "1.88.0"), ("1.89.0-x", "1.89.0")] {
        let bin = root.join(format!(".rustup/toolchains/{name}/bin"));
        program(
            &bin.join("rustc"),
            &format!("echo 'rustc {version} (x 2025-08-04)'"),
        );
        program(&bin.join("cargo"), "exit 0");
    }
    let found = search(&root.join("cargo/bin"), "rust", &root, &[]);
    let versions: Vec<_> = found.iter().map(|tool| tool.version.as_str()).collect();
    assert_eq!(versions, ["1.89.0", "1.88.0"]);
    assert_eq!(found[0].programs[0].0, "rustc");
    assert_eq!(found[0].programs.len(), 2);
}

#[test]
fn directories_of_other_versions_are_asked_last() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    for version in ["1.88.0", "1.89.0"] {
        let bin = root.join(format!(".rustup/toolchains/{version}-x/bin"));
        let script = format!("echo {version} >> {}/asked", root.display());
        program(
            &bin.join("rustc"),
            &format!("{script}; echo 'rustc {version} (x 2025-08-04)'"),
        );
        program(&bin.join("cargo"), "exit 0");
    }
    let env = Env::default();
    let search = HostSearch {
        env: &env,
        home: Some(&root),
        exclude: Vec::new(),
    };
    let rust = "rust".parse().unwrap();
    let found = |wanted: &str| -> Vec<String> {
        let found = find(&rust, &search, &|version| version.as_str() == wanted);
        found.iter().map(|tool| tool.version.to_string()).collect()
    };
    assert_eq!(found("1.88.0"), ["1.88.0"]);
    let asked = fs::read_to_string(root.join("asked")).unwrap();
    assert_eq!(asked, "1.88.0\n");
    assert_eq!(found("1.90.0"), ["1.89.0", "1.88.0"]);
}

#[test]
fn pythons_that_uv_installed_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    for version in ["3.9.2", "3.12.1"] {
        let name = format!(".local/share/uv/python/cpython-{version}-linux-x86_64-gnu");
        let python = root.join(name).join("bin/python3");
        let answer = format!("echo {version}; echo {}; echo cpython", python.display());
        program(&python, &answer);
    }
    let found = search(&root.join("none"), "python", &root, &[]);
    let versions: Vec<_> = found.iter().map(|tool| tool.version.as_str()).collect();
    assert_eq!(versions, ["3.12.1", "3.9.2"]);
}

#[test]
fn pyenv_s_shims_are_seen_through() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    program(&root.join(".pyenv/shims/python3"), "exit 1");
    let python = root.join(".pyenv/versions/3.12.1/bin/python3");
    program(
        &python,
        &format!("echo 3.12.1; echo {}; echo cpython", python.display()),
    );
    let found = search(&root.join(".pyenv/shims"), "python", &root, &[]);
    assert_eq!(found[0].programs, [("python".to_owned(), python)]);
}
