//! `devsh allow` and `deny`: nothing of a project has an effect before its approval, and only approved content after it.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{HostShell, Sandbox, Server, Tree, for_each_shell, pypi::serve_tool};

const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n[env]\nACTIVE = \"yes\"\n\
     [hooks]\nenter = \"touch $HOME/executed\"\n";

fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new().served_by(&server).manifest(MANIFEST);
    (sandbox, server)
}

#[test]
fn before_allow_nothing_is_executed_fetched_or_exported() {
    let (sandbox, server) = prepared();
    for program in ["ruff", "python", "python3", "uv", "git", "rustc"] {
        sandbox.program(program, "#!/bin/sh\ntouch $HOME/executed\n");
    }
    let before = Tree::of(sandbox.project());
    let commands: [&[&str]; 7] = [
        &["status"],
        &["status", "--json"],
        &["sync"],
        &["run", "--", "touch", "executed"],
        &["enter", "dev"],
        &["hook", "bash"],
        &["deny"],
    ];
    for command in commands {
        let outcome = sandbox.devsh(command);
        assert!(!outcome.stdout.contains("ACTIVE"), "{command:?}: {outcome}");
    }
    for shell in HostShell::ALL {
        let outcome = sandbox.devsh(&["export", shell.name()]);
        assert!(!outcome.stdout.contains("ACTIVE"), "{outcome}");
    }
    assert_eq!(server.requests(), [""; 0]);
    assert!(!sandbox.home().join("executed").exists());
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
}

#[test]
fn commands_that_need_trust_exit_with_a_code_for_it() {
    let (sandbox, _server) = prepared();
    for command in [&["run", "--", "true"][..], &["sync"], &["enter", "dev"]] {
        sandbox.devsh(command).code(3).error(&[
            "error: `~/project` is not allowed",
            "hint: ",
            "`devsh allow`",
        ]);
    }
}

#[test]
fn a_changed_meaning_needs_a_new_approval() {
    for_each_shell(|shell| {
        let (sandbox, server) = prepared();
        sandbox.write(".env", "");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        fs::remove_file(sandbox.home().join("executed")).ok();
        let _earlier = server.requests();

        // Comments, white space and the order of keys ask nothing and unload nothing.
        for same in [
            format!("# a comment\n\n{MANIFEST}\n"),
            "[hooks]\nenter   =   \"touch $HOME/executed\"\n[env]\nACTIVE = 'yes' # yes\n[tools]\n\
             ruff = \"0.12\"\n"
                .to_owned(),
        ] {
            sandbox.write("devshell.toml", &same);
            let shown = pty.type_line("true");
            assert!(!shown.contains("devsh"), "{shown}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{same}");
        }
        for change in [
            MANIFEST.replace("yes", "no"),
            MANIFEST.replace("executed", "executeD"),
        ] {
            sandbox.write("devshell.toml", &change);
            let shown = pty.type_line("true");
            assert!(
                shown.contains("has changed since you allowed it: `devshell.toml`"),
                "{shown}"
            );
            assert_eq!(pty.var("ACTIVE"), None, "the old environment is gone");
            sandbox.devsh(&["run", "--", "true"]).code(3);
            sandbox.write("devshell.toml", MANIFEST);
            pty.type_line("true");
            assert_eq!(
                pty.var("ACTIVE").as_deref(),
                Some("yes"),
                "the approved content is back"
            );
        }
        sandbox.write("devshell.local.toml", "[env]\nLOCAL = \"yes\"\n");
        pty.type_line("true");
        assert_eq!(pty.var("LOCAL"), None, "an input that appears is a change");
        assert!(!sandbox.home().join("executeD").exists());
        assert_eq!(server.requests(), [""; 0]);
        fs::remove_file(sandbox.project().join("devshell.local.toml")).unwrap();
        pty.type_line("true");
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn an_approval_counts_for_one_directory() {
    let (sandbox, _server) = prepared();
    sandbox.allow();
    for other in ["project-evil", "project/below"] {
        let place = sandbox.home().join(other);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("devshell.toml"), MANIFEST).unwrap();
        let mut command = sandbox.command("devsh");
        command.args(["run", "--", "true"]).current_dir(&place);
        sandbox.outcome(&mut command).code(3);
    }
}

#[test]
fn deny_wins_over_allow() {
    let (sandbox, _server) = prepared();
    sandbox.allow();
    sandbox.devsh(&["run", "--", "true"]).success();
    sandbox.devsh(&["deny"]).success();
    sandbox.devsh(&["run", "--", "true"]).code(3);
    sandbox.allow();
    sandbox.devsh(&["run", "--", "true"]).success();
}

#[test]
fn approvals_of_other_users_are_ignored() {
    let (sandbox, _server) = prepared();
    sandbox.allow();
    let directory = sandbox.data().join("allow");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn an_odd_manifest_is_refused_without_delay() {
    let sandbox = Sandbox::new();
    let path = sandbox.project().join("devshell.toml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    sandbox.devsh(&["allow"]).code(1).error(&["devshell.toml"]);
    fs::remove_file(&path).unwrap();
    fs::File::create(&path).unwrap().set_len(200 << 30).unwrap();
    sandbox.devsh(&["allow"]).code(1).error(&["devshell.toml"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    sandbox.devsh(&["run", "--", "true"]);
}

#[test]
fn names_that_a_shell_would_execute_are_refused() {
    for name in [
        "a[$(touch executed)]",
        "a b",
        "a;touch executed",
        "PATH[$(touch executed)]",
        "-x",
        "ä",
    ] {
        let quoted = name.replace('"', "\\\"");
        for manifest in [
            format!("[env]\n\"{quoted}\" = \"1\"\n"),
            format!("[env]\n\"{quoted}\" = {{ unset = true }}\n"),
            format!("[aliases]\n\"{quoted}\" = \"1\"\n"),
        ] {
            let sandbox = Sandbox::new().manifest(&manifest);
            sandbox
                .devsh(&["allow"])
                .code(1)
                .error(&["devshell.toml:2"]);
            assert!(!sandbox.project().join("executed").exists());
        }
    }
}

#[test]
fn a_lockfile_cannot_name_an_unknown_server() {
    let (sandbox, server) = prepared();
    sandbox.devsh(&["lock", "--trust"]).success();
    let path = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&path).unwrap();
    // Another port of the same machine is another server, and the settings name only the first.
    fs::write(&path, text.replace(server.address(), "http://127.0.0.1:9")).unwrap();
    sandbox
        .devsh(&["run", "--trust", "--", "ruff", "--version"])
        .code(3)
        .error(&["127.0.0.1:9", "not a source that you trust", "hint: "]);
}

#[test]
fn a_lockfile_takes_no_package_of_the_public_index_for_one_of_another_index() {
    let (sandbox, server) = prepared();
    let sandbox = sandbox.env("ALL_PROXY", "http://127.0.0.1:9");
    let sandbox = sandbox.env("NO_PROXY", "127.0.0.1");
    sandbox.devsh(&["lock", "--trust"]).success();
    let path = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&path).unwrap();
    let public = "https://files.pythonhosted.org/packages";
    let files = format!("{}/files", server.address());
    let text = text.replace(&files, public);
    fs::write(&path, &text).unwrap();
    let run = ["run", "--trust", "--", "ruff", "--version"];
    // The index of the user has a file with this digest, so it may be downloaded elsewhere. The proxy is none.
    let outcome = sandbox.devsh(&run).error(&["files.pythonhosted.org"]);
    assert!(
        !outcome.stderr.contains("not a source that you trust"),
        "{outcome}"
    );
    let digests = text
        .split("sha256 = \"")
        .skip(1)
        .map(|rest| &rest[..64])
        .collect::<Vec<_>>();
    let text = digests.iter().fold(text.clone(), |text, digest| {
        text.replace(digest, &"0".repeat(64))
    });
    fs::write(&path, text).unwrap();
    sandbox
        .devsh(&run)
        .code(3)
        .error(&["files.pythonhosted.org", "not a source that you trust"]);
}

#[test]
fn sources_of_code_in_a_python_environment_need_approval() {
    let lock = "version = 1\nrequires-python = \">=3.11\"\n[[package]]\nname = \"app\"\nversion = \"1\"\n\
                source = { virtual = \".\" }\n";
    let evil = "[[package]]\nname = \"idna\"\nversion = \"9\"\n\
                source = { url = \"http://127.0.0.1:9/idna-9-py3-none-any.whl\" }\n";
    let pyproject = "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.11\"\n";
    for (name, content, needs_approval) in [
        ("uv.lock", format!("{lock}{evil}"), true),
        ("uv.lock", format!("{lock}\n# a comment\n"), false),
        ("uv.toml", "cache-dir = \".\"\n".to_owned(), true),
        ("setup.py", "raise SystemExit\n".to_owned(), true),
        (
            "pyproject.toml",
            format!("{pyproject}[build-system]\nrequires = []\n"),
            true,
        ),
        (
            "pyproject.toml",
            format!("{pyproject}[tool.uv]\nindex-url = \"x\"\n"),
            true,
        ),
        (
            "pyproject.toml",
            format!("{pyproject}[tool.ruff]\nline-length = 99\n"),
            false,
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("pyproject.toml", pyproject);
        sandbox.write("uv.lock", lock);
        // The build fails without sources. The approval still counts.
        sandbox.devsh(&["allow"]);
        sandbox.write(name, &content);
        let outcome = sandbox.devsh(&["run", "--", "true"]);
        let refused = outcome.stderr.contains("has changed since you allowed it");
        assert_eq!(refused, needs_approval, "{name} {content}: {outcome}");
    }
}

#[test]
fn a_file_that_a_setting_names_is_code_unless_its_key_reads_text() {
    let fragments =
        "[tool.hatch.metadata.hooks.fancy-pypi-readme]\nfragments = [{ path = 'notes.md' }]\n";
    let script = "[tool.poetry.build]\nscript = 'README.txt'\n";
    let cmake = "[tool.scikit-build]\ncmake.source-dir = 'cpp'\n";
    let crate_of_extension = "[[tool.setuptools-rust.ext-modules]]\npath = 'ext/Cargo.toml'\n";
    let backend = "backend-path = ['_b']\nbuild-backend = 'pkg.sub.be'\n";
    let plugins =
        "[console_scripts]\nx = a:f\n[setuptools.finalize_distribution_options]\nx = a:f\n";
    let scripts = "[console_scripts]\nx = a:f\n[pytest11]\nx = a:f\n";
    for (settings, name, content, refused) in [
        (fragments, "notes.md", "two\n", false),
        (script, "README.txt", "two\n", true),
        (cmake, "cpp/CMakeLists.txt", "two\n", true),
        (crate_of_extension, "ext/build.rs", "two\n", true),
        (backend, "_b/pkg/__init__.py", "two\n", true),
        (backend, "_b/pkg/sub/__init__.py", "two\n", true),
        (backend, "_b/pkg/sub/be.py", "two\n", true),
        (backend, "_b/pkg/sub/be.abi3.so", "two\n", true),
        (backend, "_b/a.dist-info/entry_points.txt", plugins, true),
        ("", "a.egg-info/entry_points.txt", plugins, true),
        ("", "a.egg-info/entry_points.txt", scripts, false),
        (fragments, "b.egg-info/entry_points.txt", scripts, false),
        (
            "build-backend = 'setuptools.build_meta'\n",
            "a.egg-info/entry_points.txt",
            plugins,
            false,
        ),
    ] {
        let sandbox = Sandbox::new();
        let project = "[project]\nname = \"app\"\nversion = \"1\"\n[build-system]\n\
             requires = [\"hatch-fancy-pypi-readme\", \"poetry-core\", \"scikit-build-core\", \"setuptools-rust\"]\n";
        sandbox.write("pyproject.toml", format!("{project}{settings}"));
        let lock = "version = 1\nrequires-python = \">=3.9\"\n[[package]]\nname = \"app\"\nversion = \"1\"\n\
                    source = { editable = \".\" }\n";
        sandbox.write("uv.lock", lock);
        for named in ["notes.md", "README.txt", "ext/Cargo.toml"] {
            sandbox.write(named, "one\n");
        }
        // The build fails without an index. The approval still counts.
        sandbox.devsh(&["allow"]);
        sandbox.write(name, content);
        let outcome = sandbox.devsh(&["sync"]);
        let has_changed = outcome.stderr.contains("has changed since you allowed it");
        assert_eq!(has_changed, refused, "{settings} {name}: {outcome}");
    }
}

#[test]
fn an_address_that_looks_like_a_build_of_the_project_needs_approval() {
    let server = Server::start();
    for list in ["requirements.txt", "pyproject.toml"] {
        for place in [
            format!("{}/a-1-py3-none-any.whl?file://#inputs=1", server.address()),
            format!("{}/a-1.tar.gz?file://#inputs=1", server.address()),
            "file:///srv/a#inputs=1".to_owned(),
            "file://${PROJECT_ROOT}/sub#inputs=1".to_owned(),
        ] {
            let content = |requirement: &str| {
                if list == "requirements.txt" {
                    format!("{requirement}\n")
                } else {
                    let requirement = requirement.replace('\n', "\", \"");
                    format!(
                        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"{requirement}\"]\n"
                    )
                }
            };
            let sandbox = Sandbox::new();
            sandbox.write(list, content("idna"));
            // The build fails without an index. The approval still counts.
            sandbox.devsh(&["allow"]);
            sandbox.write(list, content(&format!("idna\na @ {place}")));
            let outcome = sandbox.devsh(&["run", "--", "true"]);
            outcome.error(&["has changed since you allowed it"]);
        }
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_project_can_be_named() {
    let (sandbox, _server) = prepared();
    let from = |arguments: &[&str]| {
        let mut command = sandbox.command("devsh");
        sandbox.outcome(command.args(arguments).current_dir(sandbox.home()))
    };
    for named in ["project", "./project/devshell.toml"] {
        from(&["deny", named]).success();
        let listed = sandbox.devsh(&["allow", "--list"]).success();
        assert!(listed.stdout.contains("denied"), "{listed}");
        from(&["allow", named]).success();
        sandbox.devsh(&["run", "--", "true"]).success();
    }
    from(&["allow", "nowhere"])
        .code(1)
        .error(&["cannot use the directory `nowhere`"]);
    from(&["allow", "project", "--list"]).code(2);
}
