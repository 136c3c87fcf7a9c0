//! `devsh lock`: the same answer every time, and no more changed than was asked for.

use std::{fs, process::Stdio};

use crate::support::{
    Sandbox, Server, Tree, cpython, pypi::serve_tool, rust_dist::serve_release, sandbox::DEVSH,
};

const MANIFEST: &str = "[tools]\npython = \"3.11\"\nruff = \"0.12\"\n\
     rust = { version = \"1.95\", components = [\"clippy\"] }\nuv = \"*\"\n";

fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.11.13", "0.12.3", "0.12.4", "0.13.0"]);
    serve_tool(&server, "uv", &["0.9.0", "0.10.0"]);
    serve_release(&server, "1.95.0");
    cpython::serve(&server, "3.11.7", &cpython::tiny("3.11.7"));
    let sandbox = Sandbox::new().served_by(&server).manifest(MANIFEST);
    (sandbox, server)
}

fn lockfile(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap()
}

/// Returns the lines that are in one text only.
fn difference<'a>(left: &'a str, right: &'a str) -> Vec<&'a str> {
    let only = |of: &'a str, not: &'a str| {
        let not: Vec<_> = not.lines().collect();
        of.lines().filter(move |line| !not.contains(line))
    };
    only(left, right).chain(only(right, left)).collect()
}

#[test]
fn locking_again_gives_the_same_bytes() {
    let (sandbox, _server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let first = lockfile(&sandbox);
    for part in [
        "0.12.4",
        "0.10.0",
        "1.95.0",
        "linux-x86_64",
        "linux-aarch64",
        "macos-x86_64",
        "macos-aarch64",
    ] {
        assert!(first.contains(part), "{part} is missing:\n{first}");
    }
    let before = Tree::of(sandbox.project());
    sandbox.devsh(&["lock", "--trust"]).success();
    Tree::of(sandbox.project()).assert_unchanged_since(&before);

    fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(lockfile(&sandbox), first);
}

#[test]
fn a_lockfile_holds_nothing_of_the_machine() {
    let (sandbox, _server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    let home = sandbox.home();
    assert!(!text.contains(home.to_str().unwrap()), "{text}");
    assert!(
        !text.contains("/python/"),
        "a mirror's address is not locked:\n{text}"
    );
    assert!(text.is_ascii() && text.ends_with('\n') && !text.contains('\r'));
}

#[test]
fn locked_versions_stay_until_an_upgrade() {
    let (sandbox, server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let first = lockfile(&sandbox);
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.12.9", "0.13.0"]);
    serve_tool(&server, "uv", &["0.10.0", "0.11.0"]);
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(
        lockfile(&sandbox),
        first,
        "newer versions are not taken by themselves"
    );

    sandbox
        .devsh(&["lock", "--trust", "--upgrade", "ruff"])
        .success();
    let second = lockfile(&sandbox);
    assert!(
        second.contains("0.12.9") && second.contains("0.10.0"),
        "{second}"
    );
    let changed = difference(&first, &second);
    assert!(
        changed.iter().all(|line| !line.contains("uv-")),
        "{changed:#?}"
    );

    sandbox.devsh(&["lock", "--trust", "--upgrade"]).success();
    assert!(lockfile(&sandbox).contains("0.11.0"));
}

#[test]
fn a_changed_request_that_the_locked_version_meets_changes_nothing() {
    let (sandbox, _server) = prepared();
    let asking = |version: &str| format!("[tools]\nruff = \"{version}\"\n");
    let sandbox = sandbox.manifest(&asking("0.12"));
    let allowed = sandbox.devsh(&["allow", "--yes"]).success();
    assert!(!allowed.stderr.contains("changed"), "{allowed}");
    let before = lockfile(&sandbox);
    let run = ["run", "--locked", "--trust", "--", "true"];
    sandbox.write("devshell.toml", asking("==0.12.4"));
    sandbox.devsh(&run).success();
    let status = sandbox.devsh(&["status"]).success();
    assert!(!status.stdout.contains("does not fit"), "{status}");
    assert_eq!(lockfile(&sandbox), before);
    // A command that may write the lockfile takes the request into it.
    let check = ["lock", "--check", "--trust"];
    sandbox.devsh(&check).code(1);
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.devsh(&check).success();

    sandbox.write("devshell.toml", asking("0.13"));
    sandbox.devsh(&run).error(&["does not fit the manifest"]);
}

#[test]
fn one_change_of_the_manifest_is_one_change_of_the_lockfile() {
    let (sandbox, _server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let first = lockfile(&sandbox);
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("ruff = \"0.12\"", "ruff = \"0.13\""),
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let second = lockfile(&sandbox);
    assert!(
        second.contains("0.13.0") && !second.contains("0.12.4"),
        "{second}"
    );
    let changed = difference(&first, &second);
    assert!(
        changed
            .iter()
            .all(|line| !line.contains("rustc-") && !line.contains("cpython")),
        "{changed:#?}"
    );
    sandbox.write("devshell.toml", MANIFEST);
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(
        lockfile(&sandbox),
        first,
        "the way back gives the bytes back"
    );
}

#[test]
fn check_reports_and_writes_nothing() {
    let (sandbox, _server) = prepared();
    let before = Tree::of(sandbox.project());
    sandbox
        .devsh(&["lock", "--trust", "--check"])
        .code(1)
        .error(&["devshell.lock", "`devsh lock`"]);
    Tree::of(sandbox.project()).assert_unchanged_since(&before);

    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.devsh(&["lock", "--trust", "--check"]).success();
    sandbox.write("devshell.toml", MANIFEST.replace("0.12", "0.13"));
    let before = Tree::of(sandbox.project());
    sandbox
        .devsh(&["lock", "--trust", "--check"])
        .code(1)
        .error(&["`ruff`"]);
    sandbox.devsh(&["lock", "--trust", "--locked"]).code(1);
    sandbox
        .devsh(&["run", "--locked", "--trust", "--", "true"])
        .code(125)
        .error(&["`ruff`"]);
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
}

#[test]
fn a_lockfile_that_was_tampered_with_is_refused() {
    let (sandbox, _server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let good = lockfile(&sandbox);
    let (half, _) = good.split_at(good.len() / 2);
    for bad in [
        format!("<<<<<<< ours\n{good}=======\n>>>>>>> theirs\n"),
        half[..half.rfind('"').unwrap()].to_owned(),
        good.replace("version = 1", "version = 99"),
        good.replacen("sha256", "sha999", 1),
    ] {
        sandbox.write("devshell.lock", &bad);
        let run = ["run", "--locked", "--trust", "--", "true"];
        sandbox.devsh(&run).code(125).error(&["devshell.lock"]);
    }
}

/// Dev shells that request the same packages share the locked set, with any Python.
#[test]
fn packages_are_locked_for_the_oldest_python_that_wants_them() {
    let server = Server::start();
    serve_tool(&server, "uv", &["0.9.9"]);
    let tools = "[tools]\npython = \"3.13\"\nuv = \"*\"\n[shells.old]\ntools.python = \"3.10\"\n\
        [shells.new]\ntools.python = \"3.14\"\n";
    let sandbox = Sandbox::new().served_by(&server).manifest(tools);
    sandbox.devsh(&["lock", "--trust"]).success();
    let path = sandbox.project().join("devshell.lock");
    let locked = fs::read_to_string(&path).unwrap();
    sandbox.write(
        "devshell.toml",
        format!("{tools}[python]\npackages = [\"idna\"]\n"),
    );
    let digest = "0".repeat(64);
    for (python, fits) in [("3.13", false), ("3.14", false), ("3.10", true)] {
        let block = format!(
            "\n[[python]]\nrequirements = [\"idna\"]\npython = \"{python}\"\npackages = [\n  \
             {{ requirement = \"idna==3\", sha256 = [\"{digest}\"] }},\n]\n"
        );
        fs::write(&path, format!("{locked}{block}")).unwrap();
        let checked = sandbox.devsh(&["lock", "--check", "--trust"]);
        assert_eq!(checked.status.success(), fits, "{python}: {checked}");
        if !fits {
            let said = format!("locked for Python {python}, not 3.10");
            assert!(checked.stderr.contains(&said), "{checked}");
        }
    }
}

#[test]
fn a_lockfile_that_changes_meanwhile_is_not_overwritten() {
    let (sandbox, server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    serve_tool(&server, "ruff", &["0.12.5"]);
    let page = server.paths("simple/ruff").remove(0);
    server.requests();
    server.hold(&page);
    let mut locking = sandbox.command(DEVSH);
    locking.args(["lock", "--trust", "--upgrade", "ruff"]);
    let locking = locking.stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for(&page);
    // As `git checkout` and `git stash pop` do.
    let other = format!("{}# of another branch\n", lockfile(&sandbox));
    sandbox.write("devshell.lock", &other);
    server.release();
    let done = locking.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("was changed by another program"), "{told}");
    assert!(told.contains("its new content stays"), "{told}");
    assert_eq!(lockfile(&sandbox), other);
}
