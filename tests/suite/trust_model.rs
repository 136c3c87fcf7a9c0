//! The approval covers what decides what a dev shell does, shows each change by name, and follows lockfiles.

use std::fs;

use crate::{
    background::until,
    reliability::strace::{self, PROMPT, TracedPaths},
    support::{
        HostShell, Sandbox, Server, for_each_shell,
        pypi::{serve_tool, serve_tool_files},
        server::Fault,
    },
};

const RUFF: &str = "[tools]\nruff = \"0.12\"\n[env]\nACTIVE = \"yes\"\n";

/// Serves versions of a tool, each with these programs.
fn serve_programs(server: &Server, version: &str, programs: &[&str]) {
    let places: Vec<String> = programs
        .iter()
        .map(|program| format!("ruff-{version}.data/scripts/{program}"))
        .collect();
    let script: &[u8] = b"#!/bin/sh\necho a program\n";
    let members: Vec<_> = places
        .iter()
        .map(|place| (place.as_str(), script, true))
        .collect();
    serve_tool_files(server, ("ruff", version), &members);
}

#[test]
fn a_tool_that_another_file_adds_needs_approval_and_its_version_does_not() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4", "0.12.5"]);
    serve_tool(&server, "pyrefly", &["1.0.0"]);
    let sandbox = Sandbox::new().served_by(&server);
    let mise = |tools: &str| sandbox.write("mise.toml", format!("[tools]\n{tools}"));
    mise("ruff = \"0.12.4\"\n");
    sandbox.allow();
    let ruff = ["run", "--", "ruff", "--version"];
    assert!(sandbox.devsh(&ruff).success().stdout.contains("0.12.4"));
    mise("# newer\nruff   = \"0.12.5\"\n");
    assert!(sandbox.devsh(&ruff).success().stdout.contains("0.12.5"));
    mise("ruff = \"0.12.5\"\n\"pipx:pyrefly\" = \"1.0.0\"\n");
    let _earlier = server.requests();
    sandbox
        .devsh(&ruff)
        .code(3)
        .error(&["has changed since you allowed it: `mise.toml`"]);
    for shell in HostShell::ALL {
        let answer = sandbox.devsh(&["export", shell.name(), "--nonce", "1", "--loaded", ""]);
        assert!(answer.stderr.contains("`mise.toml`"), "{answer}");
    }
    assert_eq!(server.requests(), [""; 0]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("+ shell dev tool pypi:pyrefly"), "{shown}");
}

#[test]
fn a_tool_that_goes_needs_no_approval() {
    for_each_shell(|shell| {
        let server = Server::start();
        serve_tool(&server, "ruff", &["0.12.4"]);
        serve_tool(&server, "pyrefly", &["1.0.0"]);
        let sandbox = Sandbox::new().served_by(&server);
        let both = "[tools]\nruff = \"0.12.4\"\n\"pipx:pyrefly\" = \"1.0.0\"\n";
        let mise = |text: &str| sandbox.write("mise.toml", text);
        mise(both);
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        mise("[tools]\nruff = \"0.12.4\"\n");
        let run = |tool: &str| sandbox.devsh(&["run", "--", tool, "--version"]);
        assert_eq!(run("ruff").success().stdout, "ruff 0.12.4\n");
        run("pyrefly").code(127);
        let seen = pty.type_line("true");
        assert!(!seen.contains("left") && !seen.contains("review"), "{seen}");
        assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
        assert_ne!(pty.run("pyrefly --version").trim(), "pyrefly 1.0.0");
        let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
        assert!(shown.contains("- shell dev tool pypi:pyrefly"), "{shown}");
        // It is still approved.
        mise(both);
        assert_eq!(run("pyrefly").success().stdout, "pyrefly 1.0.0\n");
        // After a review without it, it asks.
        mise("[tools]\nruff = \"0.12.4\"\n");
        sandbox.allow();
        mise(both);
        run("ruff").code(3).error(&["has changed", "`mise.toml`"]);
    });
}

#[test]
fn only_tools_go_without_an_approval() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let text = "[tools]\nruff = \"0.12\"\nuv = \"0.9\"\n[env]\nA = \"1\"\n[aliases]\nt = \"ruff\"\n\
         [hooks]\nenter = \"true\"\n[shells.lint]\ntools = { uv = { unset = true } }\n";
    serve_tool(&server, "uv", &["0.9.0"]);
    let sandbox = Sandbox::new().served_by(&server).manifest(text);
    sandbox.allow();
    let run = || sandbox.devsh(&["run", "--", "ruff", "--version"]);
    for gone in [
        "A = \"1\"\n",
        "t = \"ruff\"\n",
        "enter = \"true\"\n",
        // `lint` gets a tool.
        "tools = { uv = { unset = true } }\n",
    ] {
        sandbox.write("devshell.toml", text.replace(gone, ""));
        run().code(3).error(&["has changed since you allowed it"]);
    }
    let without = text.replace("uv = \"0.9\"\n", "");
    sandbox.write("devshell.toml", &without);
    run().success();
    // A file that cannot be read takes nothing away.
    sandbox.write("devshell.toml", "[tools\n");
    run().code(125);
}

#[test]
fn a_manifest_that_comes_or_goes_is_named_alone() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new().served_by(&server);
    sandbox.write(
        "mise.toml",
        "[tools]\nruff = \"0.12.4\"\n[env]\nA = \"1\"\n",
    );
    sandbox.allow();
    let refused = || sandbox.devsh(&["run", "--", "true"]).code(3).stderr;
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = \"0.12\"\n[env]\nB = \"1\"\n",
    );
    let seen = refused();
    assert!(
        seen.contains("since you allowed it: `devshell.toml`\n"),
        "{seen}"
    );
    sandbox.allow();
    fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();
    let seen = refused();
    assert!(
        seen.contains("since you allowed it: `devshell.toml` is gone\n"),
        "{seen}"
    );
    sandbox.allow();
    fs::remove_file(sandbox.project().join("mise.toml")).unwrap();
    sandbox.write(".tool-versions", "just 1.40.0\n");
    let seen = refused();
    assert!(
        seen.contains("since you allowed it: `.tool-versions`, `mise.toml` is gone\n"),
        "{seen}"
    );
}

#[test]
fn the_word_none_is_no_absent_value() {
    let text = "[aliases]\nt = \"true\"\n[shells.lint]\naliases = { t = { unset = true } }\n";
    let sandbox = Sandbox::new().manifest(text);
    sandbox.allow();
    sandbox.write(
        "devshell.toml",
        text.replace("{ unset = true }", "\"none\""),
    );
    sandbox
        .devsh(&["run", "--", "true"])
        .code(3)
        .error(&["has changed since you allowed it"]);
}

#[test]
fn a_file_that_makes_a_preset_apply_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("go.mod", "module x\n");
    sandbox.devsh(&["allow", "--offline"]);
    sandbox.write("package.json", "{}\n");
    sandbox
        .devsh(&["run", "--", "true"])
        .code(3)
        .error(&["has changed since you allowed it: `package.json`\n"]);
    let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
    assert!(
        shown.contains("+ shell dev tool node  any version\n"),
        "{shown}"
    );
}

#[test]
fn allow_shows_each_change_of_a_build_by_name() {
    let pyproject = "[project]\nname = \"app\"\nversion = \"1\"\n";
    let build = "[build-system]\nrequires = [\"hatchling\"]\n";
    let sandbox = Sandbox::new().manifest("[python]\nlock = \"uv.lock\"\n");
    sandbox.write("pyproject.toml", format!("{pyproject}{build}"));
    let lock = "version = 1\nrequires-python = \">=3.11\"\n[[package]]\nname = \"app\"\n\
                version = \"1\"\nsource = { virtual = \".\" }\n";
    sandbox.write("uv.lock", lock);
    // The build fails without sources. The approval counts.
    sandbox.devsh(&["allow"]);
    let evil = "[build-system]\nrequires = [\"hatchling @ https://evil.example/h.whl\"]\n\
                build-backend = \"evil\"\nbackend-path = [\".\"]\n";
    for (name, text, shown) in [
        (
            "setup.py",
            "import os\n".to_owned(),
            "+ build code setup.py",
        ),
        (
            "setup.py",
            "import sys\n".to_owned(),
            "~ build code setup.py",
        ),
        (
            "uv.toml",
            "index-url = \"http://me:password@evil.example/simple\"\n".to_owned(),
            "+ build setting uv.toml index-url  http://evil.example/simple",
        ),
        (
            "pyproject.toml",
            format!("{pyproject}{evil}"),
            "hatchling @ https://evil.example/h.whl",
        ),
        (
            "hatch.toml",
            "[build.hooks.custom]\npath = \"tools/hook\"\n".to_owned(),
            "+ build setting hatch.toml build.hooks.custom.path  tools/hook",
        ),
        (
            "tools/hook",
            "import os\n".to_owned(),
            "+ build code tools/hook",
        ),
        ("evil.py", "import os\n".to_owned(), "+ build code evil.py"),
        (
            "pyproject.toml",
            format!(
                "{pyproject}{evil}[tool.uv]\nextra-build-dependencies = {{ x = [\"evil\"] }}\n"
            ),
            "+ build setting pyproject.toml tool.uv.extra-build-dependencies.x",
        ),
        (
            "setup.cfg",
            "[metadata]\nname = app\n[options]\nsetup_requires =\n    evil\n".to_owned(),
            "+ build code setup.cfg",
        ),
    ] {
        sandbox.write(name, &text);
        let file = format!("`{name}`");
        sandbox
            .devsh(&["run", "--", "true"])
            .code(3)
            .error(&[&file]);
        let outcome = sandbox.devsh(&["allow"]);
        assert!(outcome.stderr.contains(shown), "{name}: {outcome}");
        assert!(!outcome.stderr.contains("password"), "{outcome}");
    }
    for (name, text) in [
        (
            "pyproject.toml",
            format!(
                "# more\n{pyproject}{evil}[tool.uv]\nextra-build-dependencies={{x=['evil']}}\n[tool.ruff]\nfix = true\n"
            ),
        ),
        ("uv.lock", format!("# a comment\n{lock}")),
    ] {
        sandbox.write(name, &text);
        let outcome = sandbox.devsh(&["run", "--", "true"]);
        assert!(!outcome.stderr.contains("has changed"), "{name}: {outcome}");
    }
}

#[test]
fn values_of_env_files_count_and_are_never_shown() {
    let sandbox = Sandbox::new().manifest("[env-files]\nload = [\".env\"]\n");
    sandbox.write(".env", "TOKEN=hunter1\nOTHER=hunter2\n");
    let first = sandbox.devsh(&["allow"]).success();
    let run = ["run", "--", "printenv", "TOKEN"];
    sandbox.write(
        ".env",
        "# a comment\nOTHER = hunter2\n\nexport TOKEN='hunter1'\n",
    );
    assert_eq!(sandbox.devsh(&run).success().stdout, "hunter1\n");
    sandbox.write(".env", "TOKEN=hunter3\nOTHER=hunter2\n");
    sandbox.devsh(&run).code(3).error(&["`.env`"]);
    let second = sandbox.devsh(&["allow"]).success();
    assert!(
        second
            .stderr
            .contains("~ shell dev variable TOKEN  from .env → another value"),
        "{second}"
    );
    assert!(!second.stderr.contains("OTHER"), "{second}");
    sandbox.write(".env", "TOKEN hunter4\nNOT-A hunter5=1\nOPEN=\"hunter6\n");
    let invalid = sandbox.devsh(&["allow"]);
    for outcome in [first, second, sandbox.devsh(&["allow"]), invalid] {
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains("hunter"), "{outcome}");
    }
}

#[test]
fn a_new_program_of_a_tool_needs_approval() {
    for_each_shell(|shell| {
        let server = Server::start();
        serve_programs(&server, "0.12.4", &["ruff"]);
        let sandbox = Sandbox::new().served_by(&server).manifest(RUFF);
        sandbox.allow();
        let lock = sandbox.project().join("devshell.lock");
        let before = fs::read_to_string(&lock).unwrap();
        serve_programs(&server, "0.12.5", &["ruff", "ls"]);
        sandbox.devsh(&["lock", "--upgrade"]).success();
        let run = ["run", "--", "ls"];
        sandbox
            .devsh(&run)
            .code(3)
            .error(&["has programs that you have not approved: `ls` of `ruff`"]);
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE"), None);
        let shown = sandbox.devsh(&["allow"]).success().stderr;
        assert!(shown.contains("+ program of ruff  ls"), "{shown}");
        assert_eq!(sandbox.devsh(&run).success().stdout, "a program\n");
        // Fewer programs and older versions are no news.
        fs::write(&lock, before).unwrap();
        sandbox.devsh(&["run", "--", "ruff"]).success();
    });
}

#[test]
fn a_hint_of_a_background_build_is_for_the_directory_of_the_project() {
    let server = Server::start();
    serve_programs(&server, "0.12.4", &["ruff"]);
    let sandbox = Sandbox::new().served_by(&server).manifest(RUFF);
    sandbox.allow();
    serve_programs(&server, "0.12.5", &["ruff", "ls"]);
    let colleague = Sandbox::new().served_by(&server).manifest(RUFF);
    colleague.devsh(&["lock", "--trust"]).success();
    let pulled = fs::read(colleague.project().join("devshell.lock")).unwrap();
    sandbox.write("devshell.lock", pulled);
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    until(&sandbox, |status| {
        status["unapproved"][0].is_string() && status["building"].is_null()
    });
    let projects = sandbox.home().join(".local/state/devsh/projects");
    let project = fs::read_dir(projects).unwrap().next().unwrap().unwrap();
    let log = fs::read_to_string(project.path().join("dev.log")).unwrap();
    let hint = "hint: review them with `devsh allow`\n";
    assert!(log.contains(hint), "{log}");
}

#[test]
fn only_an_approved_lock_entry_brings_its_programs() {
    let server = Server::start();
    serve_programs(&server, "0.12.4", &["ruff", "ruff-lsp"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(RUFF);
    sandbox.devsh(&["lock", "--trust"]).success();
    let lock = sandbox.project().join("devshell.lock");
    let approved = fs::read_to_string(&lock).unwrap();
    serve_programs(&server, "0.12.5", &["ruff", "ls"]);
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    let pulled = fs::read_to_string(&lock).unwrap();

    // The first build fails, and a later lockfile has another file.
    fs::write(&lock, &approved).unwrap();
    for path in server.paths("ruff-0.12.4") {
        server.fault(&path, Fault::Status(404));
    }
    let failed = sandbox.devsh(&["allow"]);
    assert!(failed.stderr.contains("404"), "{failed}");
    server.mend();
    fs::write(&lock, &pulled).unwrap();
    let refused = "has programs that you have not approved: `ls` of `ruff`";
    let run = |program: &str| sandbox.devsh(&["run", "--", program]);
    run("ls").code(3).error(&[refused]);
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    assert_eq!(pty.var("ACTIVE"), None);
    // devsh keeps an entry for another requirement, but has not chosen it.
    let kept = pulled.replace("requirement = \"0.12\"", "requirement = \"0.12.5\"");
    assert_ne!(kept, pulled);
    fs::write(&lock, kept).unwrap();
    run("ls").code(3).error(&[refused]);

    // That of the approved lockfile needs no question.
    fs::write(&lock, &approved).unwrap();
    pty.enter();
    assert_eq!(run("ruff-lsp").success().stdout, "a program\n");
    pty.type_line("true");
    assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    fs::write(&lock, &pulled).unwrap();
    run("ls").code(3).error(&[refused]);

    // A list that cannot be read makes it no first build.
    let lists = fs::read_dir(sandbox.data().join("programs")).unwrap();
    for list in lists.map(|list| list.unwrap().path()) {
        fs::write(list, "damaged").unwrap();
    }
    run("ls").code(3).error(&[refused]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("+ program of ruff  ls"), "{shown}");
    run("ls").success();
}

#[test]
fn a_build_for_a_changed_lockfile_names_the_change() {
    for_each_shell(|shell| {
        let server = Server::start();
        serve_tool(&server, "ruff", &["0.12.4"]);
        let sandbox = Sandbox::new().served_by(&server).manifest(RUFF);
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        serve_tool(&server, "ruff", &["0.12.4", "0.12.5"]);
        sandbox.devsh(&["lock", "--upgrade"]).success();
        let shown = pty.type_line("true");
        let change = "ruff 0.12.4 → 0.12.5, `devshell.lock` changed";
        assert!(shown.contains(change), "{shown}");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "nothing asks");
        // The build of the prompt is over.
        sandbox.devsh(&["sync"]).success();
        // Another file of the same version counts too.
        serve_programs(&server, "0.12.5", &["ruff"]);
        sandbox.devsh(&["lock", "--upgrade"]).success();
        let ran = sandbox.devsh(&["run", "--", "true"]).success();
        let change = "devsh: `devshell.lock` changed\n";
        assert!(ran.stderr.ends_with(change), "{ran}");
    });
}

#[test]
fn lockfiles_ask_if_the_user_says_so() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config(
            "[trust]
lockfiles = \"ask\"
",
        )
        .manifest(RUFF);
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.allow();
    sandbox.devsh(&["run", "--", "true"]).success();
    serve_tool(&server, "ruff", &["0.12.4", "0.12.5"]);
    sandbox.devsh(&["lock", "--upgrade"]).success();
    sandbox
        .devsh(&["run", "--", "true"])
        .code(3)
        .error(&["has changed since you allowed it: `devshell.lock`"]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("~ locked tool ruff"), "{shown}");
    assert!(shown.contains("0.12.4 → 0.12.5"), "{shown}");
    sandbox.devsh(&["run", "--", "true"]).success();
}

#[test]
fn settings_of_tools_that_build_nothing_ask_nothing() {
    let sandbox =
        Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n[python]\nlock = \"uv.lock\"\n");
    let project = |requires: &str, table: &str| {
        format!(
            "[build-system]\nrequires = [{requires}]\nbuild-backend = \"hatchling.build\"\n{table}"
        )
    };
    let write = |text: &str| sandbox.write("pyproject.toml", text);
    let lint = "[tool.markdown.lint]\nMD013 = false\n";
    write(&project("\"hatchling\"", ""));
    sandbox.write("uv.lock", "version = 1\n");
    sandbox.devsh(&["allow"]);
    let run = ["run", "--partial", "--", "true"];
    let asks = |text: &str| {
        write(text);
        sandbox.devsh(&run).stderr.contains("has changed")
    };
    assert!(!asks(&project("\"hatchling\"", lint)));
    let build = "[tool.hatch.build]\nonly-packages = true\n";
    assert!(asks(&project("\"hatchling\"", build)));
    // A package that devsh does not know can read every table.
    write(&project("\"hatchling\", \"hatch-odd\"", lint));
    let shown = sandbox.devsh(&["allow"]).stderr;
    let setting = "+ build setting pyproject.toml tool.markdown.lint.MD013";
    assert!(shown.contains(setting), "{shown}");
    let other = lint.replace("false", "true");
    assert!(asks(&project("\"hatchling\", \"hatch-odd\"", &other)));
}

#[test]
fn the_first_review_names_members_of_a_workspace_once() {
    let manifest = "[python]\nlock = \"uv.lock\"\n[shells.same]\n";
    let sandbox = Sandbox::new().manifest(manifest);
    let mut lock = "version = 1\n".to_owned();
    for name in ["one", "two", "three"] {
        let system = "[build-system]\nrequires = [\"hatchling\", \"odd\"]\n";
        sandbox.write(format!("packages/{name}/pyproject.toml"), system);
        let package = format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = {{ editable = \"packages/{name}\" }}\n"
        );
        lock.push_str(&package);
    }
    sandbox.write("uv.lock", lock);
    let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
    let lines: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "build setting build-system.requires [\"hatchling\", \"odd\"]: packages/one/pyproject.toml, \
         packages/three/pyproject.toml, packages/two/pyproject.toml",
        "python package of uv.lock editable: one in packages/one, three in packages/three, two in packages/two",
    ];
    for line in expected {
        assert!(lines.iter().any(|one| one == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("shell same"), "{shown}");
    assert_eq!(shown.matches("packages/one").count(), 2, "{shown}");
}

#[test]
fn a_fact_never_hides_another_one() {
    // The names of the extended files look like those of facts about the dev shell.
    let manifest = |script: &str| {
        format!(
            "extends = [\"./enter script 1\", \"./variable PATH\"]\n[shells.extends]\n\
             env.PATH.prepend = [\"./bin\"]\nhooks.enter = [\"{script}\"]\n"
        )
    };
    let sandbox = Sandbox::new().manifest(&manifest("echo harmless"));
    sandbox.write("enter script 1", "# notes\n");
    sandbox.write("variable PATH", "# notes\n");
    sandbox.allow();
    sandbox.write("devshell.toml", manifest("echo other"));
    let run = ["run", "--shell", "extends", "--", "true"];
    sandbox.devsh(&run).code(3);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    let change = "~ shell extends enter script 1  echo harmless → echo other";
    assert!(shown.contains(change), "{shown}");

    // A quoted key looks like a path of keys.
    let project = |hook: &str| {
        let keys = "\"hooks.version.path\" = \"x\"\n[tool.hatch.build.hooks.version]\n";
        let system = "[build-system]\nrequires = [\"hatchling\"]\n";
        format!("{system}[tool.hatch.build]\n{keys}path = \"{hook}\"\n")
    };
    let sandbox = Sandbox::new().manifest("[python]\nlock = \"uv.lock\"\n");
    sandbox.write("pyproject.toml", project("one"));
    sandbox.write("uv.lock", "version = 1\n");
    sandbox.devsh(&["allow"]);
    sandbox.write("pyproject.toml", project("two"));
    let outcome = sandbox.devsh(&["allow"]);
    let setting = "~ build setting pyproject.toml tool.hatch.build.hooks.version.path  one → two";
    assert!(outcome.stderr.contains(setting), "{outcome}");
}

#[test]
fn an_env_file_is_no_manifest() {
    let manifest = "extends = [\"./team.toml\"]\n[env-files]\nload = [\"team.toml\"]\n";
    let sandbox = Sandbox::new().manifest(manifest);
    sandbox.write("team.toml", "env = { PATH = { prepend = [\"./x\"] } }\n");
    for command in ["allow", "explain"] {
        sandbox
            .devsh(&[command])
            .code(1)
            .error(&["`team.toml` is not only an env file", "devshell.toml:3"]);
    }
    let own = "env-files = { load = [\"devshell.toml\"] }\nenv = { A = \"1\" }\n";
    let sandbox = Sandbox::new().manifest(own);
    sandbox
        .devsh(&["allow"])
        .code(1)
        .error(&["`devshell.toml` is not only an env file"]);
    let sandbox = Sandbox::new().manifest("[env-files]\nload = [\".env\"]\n");
    sandbox.write(".env", "PATH=/x:${PATH}\n");
    sandbox.devsh(&["allow"]).code(1).error(&["needs a grant"]);
}

#[test]
fn a_change_of_an_image_needs_approval() {
    let image =
        |copy: &str| format!("[env]\nA = \"1\"\n[image]\nbase = \"scratch\"\ncopy = [{copy}]\n");
    let src = "{ from = \"src\", to = \"/app\" }";
    let sandbox = Sandbox::new().manifest(&image(src));
    sandbox.write("src/a", "a");
    sandbox.write("keys/token", "secret");
    sandbox.allow();
    let keys = format!("{src}, {{ from = \"keys\", to = \"/keys\" }}");
    sandbox.write("devshell.toml", image(&keys));
    sandbox
        .devsh(&["image", "build"])
        .code(3)
        .error(&["has changed since you allowed it: `devshell.toml`"]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("+ image copy 2  keys to /keys"), "{shown}");
    // A list of the project cannot bring the repository's settings into an image.
    sandbox.write(".git/config", "");
    sandbox.write(".dockerignore", "!.git\n!.git/config\n");
    let git = image("{ from = \".git/config\", to = \"/x\" }");
    sandbox.write("devshell.toml", git);
    sandbox.allow();
    sandbox
        .devsh(&["image", "build"])
        .code(1)
        .error(&["`.git/config` is not copied"]);
}

#[test]
fn an_enter_from_before_the_question_approves_nothing() {
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    let line = "printf wai''ts; until [ -e ~/go ]; do :; done; devsh allow";
    pty.begin_until(line, "waits");
    pty.press("\r");
    // The echo shows that the terminal has the Enter.
    pty.wait_for("\n");
    fs::write(sandbox.home().join("go"), "").unwrap();
    pty.wait_for("Allow? [Y/n]");
    pty.press("n\r");
    pty.finish();
    sandbox.devsh(&["run", "--", "true"]).code(3);
}

#[test]
fn allow_asks_on_a_terminal_and_show_changes_nothing() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let shown = pty.answer_question("devsh allow", "Allow? [Y/n]", "n");
        assert!(shown.contains("dev variable ACTIVE"), "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
        assert!(shown.contains("dev variable ACTIVE"), "{shown}");
        sandbox.devsh(&["run", "--", "true"]).code(3);
        // A command that was typed ahead is no answer.
        let shown = pty.answer_question("devsh allow", "Allow? [Y/n]", "make test\rn");
        assert!(shown.contains("`make test` is no answer"), "{shown}");
        assert_eq!(shown.matches("Allow? [Y/n]").count(), 2, "{shown}");
        assert_eq!(pty.var("ACTIVE"), None);
        pty.answer_question("devsh allow", "Allow? [Y/n]", "make test\r");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        sandbox.write("devshell.toml", "[env]\nACTIVE = \"again\"\n");
        pty.type_line("devsh allow --yes");
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("again"));
    });
}

#[test]
fn a_prompt_reads_only_the_manifests_before_an_approval() {
    let Some(strace) = strace::strace() else {
        return;
    };
    let sandbox = Sandbox::new().manifest("[python]\nlock = \"uv.lock\"\n");
    sandbox.write("uv.lock", "version = 1\n");
    sandbox.write("devshell.lock", "version = 1\n");
    let opened = |words: &[&str]| {
        let (output, calls) = strace::opened(&strace, &sandbox, words, TracedPaths::Named);
        let project = format!("{}/", sandbox.project().display());
        let opened = calls.lines().filter(|line| line.contains(&project));
        (output, opened.map(str::to_owned).collect::<Vec<_>>())
    };
    let (output, calls) = opened(&PROMPT);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("not allowed yet"), "{shown}");
    let manifests = ["devshell.toml\"", "devshell.local.toml\""];
    assert!(
        calls
            .iter()
            .all(|call| manifests.iter().any(|name| call.contains(name))),
        "{calls:?}"
    );
    // A manifest that cannot be approved says so before anybody approves it.
    sandbox.write("devshell.toml", "[env]\nLD_PRELOAD = \"x\"\n");
    let (output, _) = opened(&PROMPT);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("needs a grant"), "{shown}");
    // A project that was never approved costs a prompt little, however large it is.
    sandbox.write("devshell.toml", format!("#{}\n", "x".repeat(2 << 20)));
    let (output, _) = opened(&PROMPT);
    let shown = String::from_utf8(output.stderr).unwrap();
    let limit = "it has 2.0 MiB, and the files of a project may have at most 512 KiB together before you \
        allow it";
    assert!(shown.contains(limit), "{shown}");
    sandbox.devsh(&["status"]).success();
    sandbox.write("devshell.toml", "[python]\nlock = \"uv.lock\"\n");
    // Once another state is approved, the manifest decides whether lockfiles are read.
    sandbox.devsh(&["allow"]);
    sandbox.write(
        "devshell.toml",
        "[python]\nlock = \"uv.lock\"\n[env]\nA = \"1\"\n",
    );
    let (_, calls) = opened(&PROMPT);
    assert!(calls.iter().any(|call| call.contains("devshell.toml")));
    assert!(
        !calls.iter().any(|call| call.contains("uv.lock")),
        "{calls:?}"
    );
}

#[test]
fn no_command_reads_more_of_a_project_before_an_approval() {
    let many = |names: &[&str], size: usize| {
        let sandbox = Sandbox::new();
        for name in names {
            sandbox.write(name, format!("#{}\n", "x".repeat(size)));
        }
        sandbox
    };
    let part = "[env]\nA = \"1\"\n";
    let layers: Vec<String> = (0..9).map(|number| format!("./{number}.toml")).collect();
    let names: Vec<&str> = layers.iter().map(|name| &name[2..]).collect();
    let extending = many(&names, 2 << 20).manifest(&format!("extends = {layers:?}\n{part}"));
    let large = many(&["pyproject.toml"], 40 << 20);
    let commands: [&[&str]; 6] = [
        &["status"],
        &["explain"],
        &["run", "--", "true"],
        &["lock", "--check"],
        &["allow", "--show"],
        &["allow", "--yes"],
    ];
    for (sandbox, file, size, commands) in [
        (large, "pyproject.toml", "40.0 MiB", &commands[..]),
        (extending, "7.toml", "2.0 MiB", &commands[..1]),
    ] {
        let cause = format!(
            "it has {size}, and the files of a project may have at most 16.0 MiB together before you allow it"
        );
        let file = format!("cannot read `~/project/{file}`: ");
        for words in commands {
            let shown = sandbox.devsh(words);
            assert_ne!(shown.status.code(), Some(0), "{words:?} {shown}");
            shown.error(&[&file, &cause]);
        }
    }
    let locked = many(&["devshell.lock"], 20 << 20).manifest(part);
    locked.devsh(&["allow", "--show"]).success();
    locked.devsh(&["lock", "--check", "--trust"]).error(&[
        "`~/project/devshell.lock` has 20.0 MiB, and a lockfile may have at most 16.0 MiB",
    ]);
    let tables = "[[tool]]\nname = \"a\"\n".repeat(250_000);
    locked.write("devshell.lock", format!("version = 1\n{tables}"));
    locked.devsh(&["lock", "--check", "--trust"]).error(&[
        "`~/project/devshell.lock` is not a usable lockfile: it has more than 500000 values",
    ]);
    // A user who trusts the directory has no need to review it.
    let sandbox = many(&["devshell.toml"], 20 << 20);
    sandbox.devsh(&["status"]).error(&["at most 16.0 MiB"]);
    let rule = format!("[trust]\nallow = [\"{}\"]\n", sandbox.home().display());
    sandbox.config(&rule).devsh(&["status"]).success();
}

#[test]
fn an_approved_project_may_have_a_lockfile_of_many_megabytes() {
    let server = Server::start();
    serve_tool(&server, "uv", &["0.9.0"]);
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n");
    let package = "[[package]]\nname = \"ruff\"\nversion = \"0.12.4\"\n\
        source = { registry = \"https://pypi.org/simple\" }\n";
    let padding = format!("# {}\n", "x".repeat(100)).repeat(30_000);
    sandbox.write("uv.lock", format!("version = 1\n{padding}{package}"));
    sandbox.write("ruff.toml", "");
    sandbox.devsh(&["status"]).success();
    // A Python is not needed here.
    sandbox.devsh(&["allow", "--yes"]);
    sandbox.devsh(&["status"]).success();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    assert_eq!(pty.run("ruff --version").trim(), "ruff 0.12.4");
}

#[test]
fn a_file_outside_of_the_project_is_opened_only_after_approval() {
    let Some(strace) = strace::strace() else {
        return;
    };
    for (manifest, linked) in [
        ("[env-files]\nload = [\"../secret\"]\n", false),
        ("extends = [\"../secret\"]\n", false),
        ("[python]\nlock = \"requirements.txt\"\n", true),
    ] {
        let sandbox = Sandbox::new().manifest(manifest);
        let secret = sandbox.home().join("secret");
        fs::write(&secret, "BAD LINE TOPSECRET = [\"\nmachine TOPSECRET\n").unwrap();
        if linked {
            let link = sandbox.project().join("requirements.txt");
            std::os::unix::fs::symlink("../secret", link).unwrap();
        }
        let commands: [&[&str]; 6] = [
            &PROMPT,
            &["status"],
            &["explain"],
            &["run", "--", "true"],
            &["lock", "--check"],
            &["allow", "--show"],
        ];
        for words in commands {
            let (output, calls) = strace::opened(&strace, &sandbox, words, TracedPaths::Named);
            assert!(
                !calls.contains("secret\""),
                "{manifest}: {words:?} {output:?}"
            );
        }
        let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
        assert!(shown.contains("file outside of the project"), "{shown}");
        let outcome = sandbox.devsh(&["allow"]);
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains("TOPSECRET"), "{outcome}");
    }
    // Only approved files are read.
    let sandbox = Sandbox::new().manifest("extends = [\"../team.toml\"]\n");
    let team = sandbox.home().join("team.toml");
    fs::write(&team, "[env]\nTEAM = \"one\"\n").unwrap();
    sandbox.allow();
    let run = ["run", "--", "printenv", "TEAM"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "one\n");
    fs::write(&team, "[env]\nTEAM = \"two\"\n").unwrap();
    sandbox.devsh(&run).code(3).error(&["`../team.toml`"]);
}

/// Symlinks to a directory outside of the project.
const LINKS: [&str; 8] = [
    ".config", ".mise", "app", "crates", "direnv", "mise", "packages", "web",
];

#[test]
fn nothing_below_a_symlinked_directory_is_opened_before_approval() {
    let Some(strace) = strace::strace() else {
        return;
    };
    for has_manifest in [false, true] {
        let sandbox = Sandbox::new();
        let outside = sandbox.home().join("outside");
        let secret =
            "TOPSECRET=1\nexport TOPSECRET_EXPORTED=1\nuse TOPSECRET 1\n[env]\nTOPSECRET = 1\n";
        for name in [
            "config.toml",
            "mise.toml",
            ".envrc",
            ".env.more",
            "mise/config.toml",
            "TOPSECRET/Cargo.toml",
            "TOPSECRET/package.json",
            "pyproject.toml",
            "package.json",
            "Cargo.toml",
            "devshell.toml",
        ] {
            let file = outside.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, secret).unwrap();
        }
        for link in LINKS {
            let place = sandbox.project().join(link);
            std::os::unix::fs::symlink("../outside", place).unwrap();
        }
        let envrc = "source_env direnv\nsource_env direnv/.env.more\nsource_env_if_exists app/\n";
        sandbox.write(".envrc", envrc);
        sandbox.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"crates/*\", \"app\"]\n",
        );
        sandbox.write(
            "package.json",
            "{\"workspaces\": [\"packages/*\", \"web\"]}",
        );
        if has_manifest {
            sandbox.write("devshell.toml", "extends = [\"app\"]\n");
        }
        let commands: [&[&str]; 7] = [
            &PROMPT,
            &["status"],
            &["status", "--json"],
            &["explain"],
            &["run", "--", "true"],
            &["allow", "--show"],
            &["init"],
        ];
        for words in commands {
            let (output, calls) = strace::opened(&strace, &sandbox, words, TracedPaths::Real);
            let opened: Vec<&str> = calls
                .lines()
                .filter(|call| call.contains("/outside"))
                .collect();
            assert_eq!(opened, [""; 0], "{words:?}");
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(!text.contains("TOPSECRET"), "{words:?}: {text}");
        }
    }
}

#[test]
fn a_lockfile_outside_of_the_project_is_refused() {
    for name in ["devshell.lock", "devshell.local.lock"] {
        let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
        sandbox.write("devshell.local.toml", "[env]\nB = \"1\"\n");
        let secret = "TOPSECRET = true\n";
        fs::write(sandbox.home().join("secret"), secret).unwrap();
        for target in ["../secret", "../absent"] {
            let link = sandbox.project().join(name);
            std::os::unix::fs::symlink(target, &link).unwrap();
            for words in [
                &["allow"][..],
                &["lock"],
                &["status"],
                &["run", "--", "true"],
            ] {
                let outcome = sandbox.devsh(words);
                assert!(!outcome.to_string().contains("TOPSECRET"), "{outcome}");
            }
            sandbox
                .devsh(&["lock", "--trust"])
                .error(&[name, "it is a symlink that leads out of the project"]);
            fs::remove_file(link).unwrap();
        }
        let kept = fs::read_to_string(sandbox.home().join("secret")).unwrap();
        assert_eq!(kept, secret);
        assert!(!sandbox.home().join("absent").exists());
    }
}

#[test]
fn no_message_is_long() {
    let long = "x".repeat(900_000);
    for manifest in [
        format!("[tools]\nruff = \"{}\"\n", "9".repeat(900_000)),
        format!("[tools]\n\"{long}\" = \"1\"\n"),
        format!("extends = [\"{}\"]\n", "\\u001b".repeat(150_000)),
        format!("[env]\nA = {long}\n"),
    ] {
        let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
        sandbox.allow();
        sandbox.write("devshell.toml", &manifest);
        let prompt = [
            "export", "bash", "--nonce", "1", "--loaded", "", "--checks", "",
        ];
        let commands: [&[&str]; 3] = [&prompt, &["status"], &["allow"]];
        for words in commands {
            let outcome = sandbox.devsh(words);
            let mut size = outcome.stderr.len();
            if words != prompt {
                size += outcome.stdout.len();
            }
            assert!(size < 5000, "{words:?}: {size} bytes");
        }
    }
}

#[test]
fn a_manifest_has_few_env_files() {
    let list = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("env{at}")).collect();
        format!("[env-files]\noptional = {names:?}\n")
    };
    let sandbox = Sandbox::new().manifest(&list(257));
    for words in [
        &PROMPT[..],
        &["status"],
        &["allow", "--yes"],
        &["run", "--trust", "true"],
    ] {
        let outcome = sandbox.devsh(words);
        for part in ["devshell.toml:2", "this number of env files", "256"] {
            assert!(outcome.stderr.contains(part), "{words:?}: {outcome}");
        }
        assert!(!outcome.stdout.contains("env256"), "{words:?}: {outcome}");
    }
    sandbox.write("devshell.toml", list(256));
    sandbox.allow();
}

#[test]
fn a_manifest_of_many_conda_packages_or_dev_shells_is_refused() {
    let packages: Vec<String> = (0..20_000).map(|at| format!("p{at} >=1")).collect();
    let shells: Vec<String> = (0..20_001).map(|at| format!("[shells.s{at}]\n")).collect();
    for manifest in [
        format!("[conda]\npackages = {packages:?}\n"),
        shells.concat(),
    ] {
        let sandbox = Sandbox::new().manifest(&manifest);
        let outcome = sandbox.devsh(&PROMPT);
        let limited = outcome.stderr.contains("at most 20,000 entries");
        assert!(limited, "{outcome}");
    }
}

/// Two contents of each kind of input file.
const INPUTS: &[(&str, &str, &str)] = &[
    (".env", "A=1\n", "A=2\n"),
    (".go-version", "1.22.1\n", "1.22.2\n"),
    (".node-version", "20\n", "22\n"),
    (".nvmrc", "20\n", "22\n"),
    (
        ".pre-commit-config.yaml",
        "repos: []\n",
        "repos: [] # one\n",
    ),
    (".python-version", "3.12\n", "3.13\n"),
    (".tool-versions", "nodejs 20.1.0\n", "golang 1.22.1\n"),
    (
        "Cargo.toml",
        "[package]\nname = \"a\"\n",
        "[package]\nname = \"a\"\nrust-version = \"1.80\"\n",
    ),
    (
        "devshell.local.toml",
        "[env]\nA = \"1\"\n",
        "[env]\nA = \"2\"\n",
    ),
    ("devshell.toml", "[env]\nA = \"1\"\n", "[env]\nA = \"2\"\n"),
    (
        "environment.yml",
        "dependencies: [libpq]\n",
        "dependencies: [zlib]\n",
    ),
    ("go.mod", "module a\ngo 1.22\n", "module a\ngo 1.23\n"),
    (
        "hatch.toml",
        "[envs.test]\n",
        "[build.hooks.custom]\npath = \"hook\"\n",
    ),
    ("justfile", "a:\n", "b:\n"),
    (
        "mise.toml",
        "[tools]\njust = \"1\"\n",
        "[tools]\nruff = \"0.12\"\n",
    ),
    ("noxfile.py", "import nox\n", "import nox, os\n"),
    (
        "package.json",
        "{\"engines\": {\"node\": \"20\"}}",
        "{\"packageManager\": \"pnpm@9.1.0\"}",
    ),
    (
        "pixi.toml",
        "[dependencies]\nlibpq = \"*\"\n",
        "[dependencies]\nzlib = \"*\"\n",
    ),
    ("poetry.lock", "", "[metadata]\n"),
    ("requirements.txt", "tox\n", "nox\n"),
    ("ruff.toml", "fix = true\n", "fix = false\n"),
    (
        "rust-toolchain.toml",
        "[toolchain]\nchannel = \"1.80\"\n",
        "[toolchain]\nchannel = \"1.80\"\ncomponents = [\"clippy\"]\n",
    ),
    (
        "setup.cfg",
        "[options]\n",
        "[options]\nsetup_requires = evil\n",
    ),
    ("setup.py", "import os\n", "import sys\n"),
    ("tox.ini", "[tox]\n", "[testenv]\n"),
    (
        "uv.toml",
        "index-url = \"https://a.example/simple\"\n",
        "index-url = \"https://b.example/simple\"\n",
    ),
];

#[test]
fn allow_shows_a_line_for_each_input_that_status_calls_changed() {
    let sandbox = Sandbox::new();
    // The packages bring tools that other files of the project ask for as well.
    let package = |name: &str, needs: &str, source: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = {source}\n\
             dependencies = [{needs}]\nwheels = []\n"
        )
    };
    let tools = ["hatch", "nox", "pre-commit", "ruff", "tox"];
    let index = "{ registry = \"https://pypi.org/simple\" }";
    let needs: Vec<_> = tools
        .iter()
        .map(|tool| format!("{{ name = \"{tool}\" }}"))
        .collect();
    let mut lock = "version = 1\nrequires-python = \">=3.11\"\n".to_owned();
    lock.push_str(&package("app", "{ name = \"all\" }", "{ virtual = \".\" }"));
    lock.push_str(&package("all", &needs.join(", "), index));
    lock.extend(tools.map(|tool| package(tool, "", index)));
    sandbox.write("uv.lock", &lock);
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"all\"]\n",
    );
    let mut changes = 0;
    let mut check = |step: &str| {
        let status = sandbox.devsh(&["status"]).stdout;
        let is_changed = status.contains("changed since it was allowed");
        let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
        // Tools that are gone are listed, but they need no approval.
        let is_removal = |line: &str| line.starts_with("- shell ") && line.contains(" tool ");
        let asks = !shown.lines().all(is_removal);
        assert_eq!(is_changed, asks, "{step}: {status}\n{shown}");
        changes += u32::from(is_changed);
        // Nothing serves the tools, so no build succeeds. The approval counts.
        sandbox.devsh(&["allow", "--offline"]);
        let status = sandbox.devsh(&["status"]).stdout;
        assert!(status.contains("allowed"), "{step}: {status}");
        assert!(!status.contains("changed since"), "{step}: {status}");
    };
    sandbox.devsh(&["allow", "--offline"]);
    for (name, first, second) in INPUTS {
        for (step, content) in [("added", first), ("changed", second)] {
            sandbox.write(name, content);
            check(&format!("{name} {step}"));
        }
        fs::remove_file(sandbox.project().join(name)).unwrap();
        check(&format!("{name} removed"));
    }
    assert!(changes > 30, "{changes}");
}

#[test]
fn an_answer_is_about_the_state_that_was_shown() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    let sandbox = Sandbox::new().served_by(&server);
    sandbox.write("mise.toml", "[tools]\nruff = \"0.12.4\"\n");
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.begin_until("devsh -C project allow", "Allow?");
    // Another terminal starts a manifest.
    sandbox.allow();
    sandbox.devsh(&["add", "uv"]).success();
    let lockfile = || fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let before = lockfile();
    pty.press("y\r");
    let seen = pty.finish();
    for text in [
        "`~/project` has changed since its requests were shown",
        "nothing was approved or written",
        "allow` again",
    ] {
        assert!(seen.contains(text), "{seen}");
    }
    assert_eq!(lockfile(), before);
    let run = ["run", "--locked", "--", "uv", "--version"];
    sandbox.devsh(&run).success();
    // The same for a changed manifest.
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = \"0.12\"\n[env]\nA = \"1\"\n",
    );
    pty.begin_until("devsh -C project allow", "Allow?");
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = \"0.12\"\n[env]\nA = \"2\"\n",
    );
    pty.press("y\r");
    let seen = pty.finish();
    assert!(
        seen.contains("has changed since its requests were shown"),
        "{seen}"
    );
    sandbox.devsh(&["run", "--", "true"]).code(3);
}

#[test]
fn a_requirement_of_two_files_names_both() {
    let sandbox = Sandbox::new();
    sandbox.write(".python-version", "3.12\n");
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1\"\nrequires-python = \">=3.9\"\n",
    );
    let shown = sandbox.devsh(&["allow", "--show"]).success();
    assert!(
        shown
            .stderr
            .contains("3.12, >=3.9  (.python-version, pyproject.toml)"),
        "{shown}"
    );
}
