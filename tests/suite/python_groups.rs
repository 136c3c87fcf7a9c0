//! Groups and extras of Python projects: the project's own defaults decide what `dev` has, and a dev shell has those
//! of its name.

use crate::{
    applications::pure,
    background::until,
    python_packages::repository,
    support::{
        HostShell, Sandbox, Server,
        archive::sha256,
        for_each_shell,
        pypi::{serve_pure, serve_source_archive, serve_tool},
    },
};

/// Returns which of the packages `deep`, `helper_lib` and `tester` a dev shell has.
fn packages(sandbox: &Sandbox, shell: &str) -> String {
    let code = "import importlib.util as u\n\
        print(*[name for name in ('deep', 'helper_lib', 'tester') if u.find_spec(name)])";
    let run = ["run", "--shell", shell, "--", "python", "-c", code];
    sandbox.devsh(&run).success().stdout
}

/// Returns the entry of a package without dependencies in a `uv.lock`.
fn uv_package(server: &Server, name: &str, version: &str) -> String {
    let path = server.paths(&format!("{name}-{version}"))[0].clone();
    let (address, digest) = (server.address(), sha256(&server.content(&path)));
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
         source = {{ registry = \"{address}/simple\" }}\n\
         wheels = [{{ url = \"{address}{path}\", hash = \"sha256:{digest}\" }}]\n"
    )
}

/// Asserts what `add` says of `tester`, which the dev shell has, and of `deep`, which it lacks.
fn assert_packages_are_no_tools(sandbox: &Sandbox, lock: &str) {
    let here = format!("`tester` is in the dev shell already: tester 1.0 comes with `{lock}`");
    let refused = sandbox.devsh(&["add", "tester"]).code(2);
    refused.error(&[&here, "hint: `devsh explain tester` shows more\n"]);
    let refused = sandbox.devsh(&["add", "deep"]).code(2).error(&[
        "`deep` is not a known tool",
        "hint: `uv add --dev deep` adds it to the Python packages of the project; \
         `devsh add pypi:deep` adds it apart from them\n",
    ]);
    assert_eq!(refused.stderr.matches("hint:").count(), 1, "{refused}");
}

#[test]
fn default_groups_of_uv_decide_what_dev_has() {
    const PROJECT: &str = "[project]\nname = \"demo\"\nversion = \"1\"\n\
        [dependency-groups]\ndev = [\"tester\"]\ndocs = [\"deep\"]\n";
    for with_lock in [true, false] {
        for (settings, expected) in [
            ("", "tester\n"),
            ("[tool.uv]\ndefault-groups = [\"docs\"]\n", "deep\n"),
            ("[tool.uv]\ndefault-groups = []\n", "\n"),
            ("[tool.uv]\ndefault-groups = \"all\"\n", "deep tester\n"),
        ] {
            let server = Server::start();
            let Some(sandbox) = repository(&server) else {
                return;
            };
            sandbox.write("pyproject.toml", format!("{PROJECT}{settings}"));
            if with_lock {
                let lock = format!(
                    "version = 1\n[[package]]\nname = \"demo\"\nversion = \"1\"\n\
                     source = {{ virtual = \".\" }}\n[package.dev-dependencies]\n\
                     dev = [{{ name = \"tester\" }}]\ndocs = [{{ name = \"deep\" }}]\n{}{}",
                    uv_package(&server, "deep", "2.0"),
                    uv_package(&server, "tester", "1.0"),
                );
                sandbox.write("uv.lock", lock);
            }
            sandbox.allow();
            let found = packages(&sandbox, "dev");
            assert_eq!(found, expected, "{settings} with a lockfile: {with_lock}");
            if expected == "tester\n" {
                let lock = ["pyproject.toml", "uv.lock"][usize::from(with_lock)];
                assert_packages_are_no_tools(&sandbox, lock);
            }
        }
    }
}

#[test]
fn optional_groups_of_poetry_are_left_out() {
    const PROJECT: &str = "[tool.poetry]\nname = \"demo\"\npackage-mode = false\n\
        [tool.poetry.dependencies]\npython = \">=3.9\"\n\
        [tool.poetry.group.work.dependencies]\ntester = \"*\"\n\
        [tool.poetry.group.docs]\noptional = true\n\
        [tool.poetry.group.docs.dependencies]\ndeep = \"*\"\n";
    for with_lock in [true, false] {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        serve_tool(&server, "poetry", &["2.2.1"]);
        sandbox.write("pyproject.toml", PROJECT);
        if with_lock {
            let package = |name: &str, version: &str, group: &str| {
                let path = server.paths(&format!("{name}-{version}"))[0].clone();
                let file = path.rsplit('/').next().unwrap();
                let digest = sha256(&server.content(&path));
                format!(
                    "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\noptional = false\n\
                     python-versions = \">=3.7\"\ngroups = [\"{group}\"]\n\
                     files = [{{ file = \"{file}\", hash = \"sha256:{digest}\" }}]\n\n"
                )
            };
            let lock = format!(
                "{}{}[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\ncontent-hash = \"x\"\n",
                package("deep", "2.0", "docs"),
                package("tester", "1.0", "work"),
            );
            sandbox.write("poetry.lock", lock);
        }
        sandbox.allow();
        assert_eq!(packages(&sandbox, "dev"), "tester\n", "{with_lock}");
        // A manifest can name it, and then it names all.
        sandbox.devsh(&["init"]).success();
        let manifest = sandbox.project().join("devshell.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        sandbox.write(
            "devshell.toml",
            format!("{text}\n[python]\ngroups = [\"docs\", \"work\"]\n"),
        );
        sandbox.allow();
        assert_eq!(packages(&sandbox, "dev"), "deep tester\n", "{text}");
    }
}

#[test]
fn groups_and_extras_serve_the_dev_shell_of_their_name() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let rest = "dev = [\"helper-lib\"]\nlint = [\"deep\"]\n";
    for table in [
        format!("[project.optional-dependencies]\ntest = [\"tester\"]\n{rest}"),
        format!("[project.optional-dependencies]\ntesting = [\"tester\"]\n{rest}"),
        format!("[dependency-groups]\ntest = [\"tester\"]\n{rest}"),
        format!("[dependency-groups]\ntests = [\"tester\"]\n{rest}"),
        format!("[dependency-groups]\ntesting = [\"tester\"]\n{rest}"),
    ] {
        sandbox.write(
            "pyproject.toml",
            format!("[project]\nname = \"demo\"\nversion = \"1\"\n{table}"),
        );
        sandbox.allow();
        assert_eq!(packages(&sandbox, "dev"), "deep helper_lib\n", "{table}");
        assert_eq!(
            packages(&sandbox, "test"),
            "deep helper_lib tester\n",
            "{table}"
        );
        assert_eq!(packages(&sandbox, "lint"), "deep helper_lib\n", "{table}");
    }
}

#[test]
fn a_lockfile_of_pdm_is_installed_with_its_groups() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tool(&server, "pdm", &["2.26.0"]);
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"deep\"]\n\
         [tool.pdm.dev-dependencies]\nwork = [\"tester\"]\n",
    );
    let package = |name: &str, version: &str, group: &str| {
        let path = server.paths(&format!("{name}-{version}"))[0].clone();
        let file = path.rsplit('/').next().unwrap();
        let digest = sha256(&server.content(&path));
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ngroups = [\"{group}\"]\n\
             files = [{{ file = \"{file}\", hash = \"sha256:{digest}\" }}]\n"
        )
    };
    let lock = [
        package("deep", "2.0", "default"),
        package("tester", "1.0", "work"),
    ];
    sandbox.write("pdm.lock", lock.concat());
    sandbox.allow();
    assert_eq!(packages(&sandbox, "dev"), "deep tester\n");
}

/// A project whose group `dev` has these requirements.
fn with_dev(requirements: &str) -> String {
    format!(
        "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n\
         [dependency-groups]\ndev = [\"tester\"{requirements}]\ntest = [{{include-group = \"dev\"}}]\n"
    )
}

#[test]
fn a_group_that_never_resolved_is_left_out_with_its_reason() {
    for (requirement, reason) in [
        ("nosuch-pkg", "`nosuch-pkg` is not on the index"),
        (
            "deep>=9",
            "`deep>=9` matches no version on the index, the newest is 2.0",
        ),
        ("needs-archived", "it needs `archived`, which has no wheel"),
    ] {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        sandbox.write(
            "pyproject.toml",
            with_dev(&format!(",\n  \"{requirement}\"")),
        );
        serve_source_archive(&server, "archived", "1.0");
        serve_pure(
            &server,
            &[pure("needs-archived", "1.0", &["archived"], &[])],
        );
        let mut reason = reason.to_owned();
        if reason.starts_with('`') {
            reason.push_str(" (pyproject.toml:7)");
        }
        let line = format!("the group `dev` is left out: {reason}\n");
        let allowed = sandbox.devsh(&["allow", "--yes"]).success();
        assert_eq!(allowed.stderr.matches(&line).count(), 1, "{allowed}");
        let mut pty = sandbox.shell(HostShell::Bash);
        let seen = pty.enter();
        assert!(
            seen.contains(&format!("left out: group `dev`: {reason}")),
            "{seen}"
        );
        assert_eq!(packages(&sandbox, "dev"), "deep helper_lib\n");
        let status = sandbox.devsh(&["status"]).success().stdout;
        assert!(
            status.contains(&format!("left out     group `dev`: {reason}")),
            "{status}"
        );
        assert!(
            status.contains("packages     2 of pyproject.toml\n"),
            "{status}"
        );
        for words in ["sync", "lock"] {
            let outcome = sandbox.devsh(&[words]).success();
            assert_eq!(outcome.stderr.matches(&line).count(), 1, "{outcome}");
        }
        let ready = sandbox.devsh(&["lock", "--check"]).success();
        assert!(ready.stderr.contains(&line), "{ready}");
    }
}

#[test]
fn a_group_that_resolved_before_is_not_dropped() {
    for_each_shell(|shell| {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        sandbox.write("pyproject.toml", with_dev(""));
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.run("tester x").trim(), "tester 1.0 x");
        sandbox.write("pyproject.toml", with_dev(",\n  \"nosuch-pkg\""));
        pty.type_line("true");
        until(&sandbox, |status| {
            status["building"].is_null() && status["missing_parts"][0].is_object()
        });
        let cause = "`nosuch-pkg` is not on the index (pyproject.toml:7)";
        let seen = pty.type_line("true");
        assert!(
            seen.contains(
                "the complete dev shell stays loaded; missing: changes of `pyproject.toml`"
            ),
            "{seen}"
        );
        assert_eq!(pty.run("tester x").trim(), "tester 1.0 x");
        for words in [&["sync"][..], &["run", "--", "tester", "x"], &["lock"]] {
            let failed = sandbox.devsh(words).error(&[cause]);
            assert_eq!(failed.stderr.matches(cause).count(), 1, "{failed}");
            let changed = failed.stderr.matches("`pyproject.toml` changed").count();
            assert!(changed <= 1, "{failed}");
        }
        let status = sandbox.devsh(&["status"]).success().stdout;
        assert!(status.contains(cause), "{status}");
        assert!(!status.contains("next try"), "{status}");
        // A new host shell has the packages of before, too.
        let mut other = sandbox.shell(shell);
        other.enter();
        assert_eq!(other.run("tester x").trim(), "tester 1.0 x");
        sandbox.write("pyproject.toml", with_dev(",\n  \"deep\""));
        sandbox.devsh(&["sync"]).success();
        assert_eq!(packages(&sandbox, "dev"), "deep helper_lib tester\n");
    });
}
