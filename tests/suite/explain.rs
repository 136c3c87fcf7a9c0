//! `devsh explain`: every rule of the merge with file and line, and Git's merge driver for lockfiles.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, Server, pypi::serve_tool, rust_dist::serve_release};

fn explained(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let outcome = sandbox.devsh(&["explain", name, "--json"]).success();
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The statements about a subject: value, place and the reason if it does not count.
fn said(one: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let rows = one["said"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["value"].as_str().unwrap(),
            row["place"].as_str().unwrap(),
            row["reason"].as_str(),
        )
    })
    .collect()
}

/// A manifest on top of a file and an env file, with every way to overrule and remove.
fn layered() -> Sandbox {
    let sandbox = Sandbox::new().manifest(
        "extends = ['a.toml']\n[env]\nX = 'three'\nPATH = { prepend = ['./bin'], remove = ['./old'] }\n\
         OUT = { unset = true }\nD = { default = 'd' }\n[aliases]\ngone = { unset = true }\nt = 'new'\n\
         [hooks]\nenter = { add = ['e2'], remove = ['e1'] }\n[tools]\nruff = { unset = true }\nrust = '1.90'\n\
         [env-files]\nload = ['.env']\n[shells.test]\nenv.X = 'four'\n",
    );
    sandbox.write(
        "a.toml",
        "[env]\nX = 'two'\nPATH = { prepend = ['./old', './kept'] }\nOUT = 'x'\nD = 'a'\n\
         [aliases]\ngone = 'x'\nt = 'old'\n[hooks]\nenter = 'e1'\n[tools]\nruff = '0.12'\n\
         rust = { version = '1.89', components = ['clippy'] }\n",
    );
    sandbox.write(".env", "SECRET=hidden\nX=file\n");
    sandbox
}

#[test]
fn statements_about_variables_are_explained() {
    let sandbox = layered();
    let one = |name: &str| explained(&sandbox, name).remove(0);

    let x = one("X");
    assert_eq!(
        (&x["value"], &x["place"]),
        (&"three".into(), &"devshell.toml:3".into())
    );
    let by = Some("overruled by devshell.toml:3");
    assert_eq!(
        said(&x),
        [
            ("two", "a.toml:2", by),
            ("not shown", ".env:2", by),
            ("three", "devshell.toml:3", None)
        ]
    );
    let path = one("PATH");
    assert_eq!(path["value"], "./bin:./kept:…");
    assert_eq!(
        said(&path)[0],
        ("./old in front, ./kept in front", "a.toml:3", None)
    );
    let out = one("OUT");
    assert_eq!(out["value"], "removed");
    assert_eq!(said(&out)[0].2, Some("removed by devshell.toml:5"));
    assert_eq!(one("D")["value"], "d (unless set)");
    let secret = one("SECRET");
    assert_eq!(
        (&secret["value"], said(&secret)[0].0),
        (&"from .env".into(), "not shown")
    );
    let test = sandbox
        .devsh(&["explain", "X", "--shell", "test"])
        .success()
        .stdout;
    assert!(test.contains("X  four  devshell.toml:18"), "{test}");
    assert!(
        test.contains("not used  three      devshell.toml:3, overruled by devshell.toml:18"),
        "{test}"
    );
    let bin = one("./bin");
    assert_eq!(
        (&bin["value"], &bin["place"]),
        (&"on PATH".into(), &"devshell.toml:4".into())
    );
}

#[test]
fn statements_about_tools_aliases_and_lists_are_explained() {
    let sandbox = layered();
    let one = |name: &str| explained(&sandbox, name).remove(0);
    let gone = one("gone");
    assert_eq!(
        (&gone["value"], &gone["kind"]),
        (&Value::Null, &"alias".into())
    );
    assert_eq!(said(&gone)[0].2, Some("removed by devshell.toml:8"));
    assert_eq!(said(&one("t"))[0].2, Some("overruled by devshell.toml:9"));
    let enter = one("hooks.enter");
    assert_eq!(enter["value"], "e2");
    assert_eq!(
        said(&enter)[0],
        ("e1", "a.toml:10", Some("taken out of the list"))
    );
    let ruff = one("ruff");
    assert_eq!(
        (&ruff["value"], said(&ruff)[0].2),
        (&Value::Null, Some("removed by devshell.toml:13"))
    );
    let rust = one("rust");
    assert_eq!(rust["value"], "1.90");
    assert_eq!(
        said(&rust),
        [
            ("1.89", "a.toml:13", Some("overruled by devshell.toml:14")),
            ("+clippy", "a.toml:13", None),
            ("1.90", "devshell.toml:14", None)
        ]
    );
    let all = sandbox.devsh(&["explain"]).success().stdout;
    for line in ["alias     t", "tool      rust", "variable  X"] {
        assert!(all.contains(line), "{line}\n{all}");
    }
    assert!(!all.contains("hidden"), "{all}");
    sandbox
        .devsh(&["explain", "nothing"])
        .code(1)
        .error(&["no manifest says anything about `nothing`"]);
}

#[test]
fn the_text_removed_does_not_count_as_a_removal() {
    let sandbox = Sandbox::new().manifest(
        "[env]\nA = 'x'\nB = 'x'\n[aliases]\nt = 'x'\n\
         [shells.dev.env]\nA = 'removed'\nB = { unset = true }\n[shells.dev.aliases]\nt = 'removed'\n",
    );
    let one = |name: &str| explained(&sandbox, name).remove(0);
    for (name, reason) in [
        ("A", "overruled by devshell.toml:7"),
        ("B", "removed by devshell.toml:8"),
        ("t", "overruled by devshell.toml:10"),
    ] {
        let explanation = one(name);
        assert_eq!(
            said(&explanation)[0],
            ("x", said(&explanation)[0].1, Some(reason))
        );
        assert_eq!(said(&explanation)[1].0, "removed");
    }
}

#[test]
fn refused_versions_of_a_tool_have_a_reason() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[tools]\nruff = '0.12'\n");
    let before = explained(&sandbox, "ruff").remove(0);
    assert!(
        before["notes"][0]
            .as_str()
            .unwrap()
            .contains("after the project is allowed")
    );
    assert_eq!(server.requests(), [""; 0]);
    sandbox.allow();
    let ruff = explained(&sandbox, "ruff").remove(0);
    assert_eq!(ruff["locked"], "0.12.4");
    assert_eq!(ruff["refused"][0]["version"], "0.13.0");
    assert_eq!(
        ruff["refused"][0]["reasons"][0],
        "not admitted by devshell.toml:2 (`0.12`)"
    );
}

#[test]
fn branches_that_add_different_tools_merge() {
    let server = Server::start();
    for tool in ["ruff", "uv", "taplo"] {
        serve_tool(&server, tool, &["1.0.0"]);
    }
    let sandbox = Sandbox::new().served_by(&server);
    let git = |script: &str| {
        let script = format!("set -e\n{script}");
        let mut command = sandbox.command("sh");
        command
            .args(["-c", &script])
            .env("GIT_AUTHOR_NAME", "n")
            .env("GIT_AUTHOR_EMAIL", "e")
            .env("GIT_COMMITTER_NAME", "n")
            .env("GIT_COMMITTER_EMAIL", "e");
        sandbox.outcome(&mut command)
    };
    sandbox.write(".gitattributes", "devshell.lock merge=devsh\n");
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = '1'\n\n# more\n\n\n\n# end\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    git("git init -q -b main .; git add -A; git commit -qm base
         git config merge.devsh.driver 'devsh lock --merge %O %A %B'
         git branch other")
    .success();
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = '1'\nuv = '1'\n\n# more\n\n\n\n# end\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    git("git commit -qam uv; git checkout -q other").success();
    sandbox.write(
        "devshell.toml",
        "[tools]\nruff = '1'\n\n# more\n\n\n\ntaplo = '1'\n# end\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    git("git commit -qam taplo; git merge -q main -m merged").success();
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for tool in ["ruff", "taplo", "uv"] {
        assert!(lock.contains(&format!("name = \"{tool}\"")), "{lock}");
    }
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    // The driver is no magic: a broken side is an error and a conflict.
    sandbox.write("bad.lock", "version = 1\n[[tool]]\n");
    sandbox
        .devsh(&[
            "lock",
            "--merge",
            "bad.lock",
            "devshell.lock",
            "devshell.lock",
        ])
        .code(1)
        .error(&["`bad.lock` is not a usable lockfile"]);
}

#[test]
fn the_flake_example_gives_the_same_dev_shells() {
    let example = crate::support::repository().join("examples/flake");
    let read = |name: &str| fs::read_to_string(example.join(name)).unwrap();
    let lines = |text: &str| {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
        text.lines().filter(code).count()
    };
    let (flake, manifest) = (lines(&read("flake.nix")), lines(&read("devshell.toml")));
    assert!(manifest * 3 < flake * 2, "{manifest} against {flake}");
    let readme = read("README.md");
    for row in [
        format!("| `flake.nix` | {flake} |"),
        format!("| `devshell.toml` | {manifest} |"),
    ] {
        assert!(readme.contains(&row), "{row}");
    }
    let sandbox = Sandbox::new().manifest(&read("devshell.toml"));
    let shell = |name: &str| -> Vec<(String, String)> {
        let arguments = ["explain", "--json", "--shell", name];
        let outcome = sandbox.devsh(&arguments).success();
        let all: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.iter()
            .map(|one| (text(&one["name"]), text(&one["value"])))
            .collect()
    };
    let has = |shell: &[(String, String)], name: &str, value: &str| {
        shell.contains(&(name.to_owned(), value.to_owned()))
    };
    let (dev, test, lint) = (shell("dev"), shell("test"), shell("lint"));
    for shell in [&dev, &test] {
        assert!(
            has(shell, "python", "3.11") && has(shell, "just", "1"),
            "{shell:?}"
        );
        assert!(has(
            shell,
            "DATABASE_URL",
            "postgres://localhost/service (unless set)"
        ));
        assert!(
            has(shell, "PATH", "./scripts:…") && has(shell, "serve", "uvicorn app:app --reload")
        );
    }
    assert!(has(&dev, "SERVICE_CONFIG", "${root}/config/dev.toml"));
    assert!(has(&test, "SERVICE_CONFIG", "${root}/config/test.toml"));
    let names: Vec<&str> = lint.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ruff", "shellcheck", "taplo"]);
}

#[test]
fn packages_and_tool_paths_are_explained() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[tools]\nruff = '0.12'\n");
    sandbox.allow();
    let path = explained(&sandbox, "PATH");
    assert_eq!(path.len(), 1, "{path:?}");
    assert!(path[0]["name"].as_str().unwrap().ends_with("/bin"));
    assert_eq!(path[0]["value"], "on PATH");

    // A program leads to the line that brings it.
    serve_release(&server, "1.89.0");
    let sandbox = sandbox.manifest("[tools]\nruff = '0.12'\nrust = '1.89'\n'pypi:ipython' = '9'\n");
    sandbox.devsh(&["allow"]).code(1);
    for (program, tool, place) in [
        ("cargo", "rust", "devshell.toml:3"),
        ("ipython", "pypi:ipython", "devshell.toml:4"),
    ] {
        let first = explained(&sandbox, program).remove(0);
        assert_eq!(first["kind"], "tool");
        assert_eq!(first["name"], tool);
        assert_eq!(first["place"], place);
    }
    let refused = sandbox.devsh(&["add", "ipython"]).code(2);
    refused.error(&[
        "`ipython` is in the dev shell already: `pypi:ipython` has it",
        "hint: `devsh explain ipython` shows more",
    ]);
    let cargo = explained(&sandbox, "cargo").remove(1);
    assert_eq!(cargo["kind"], "path");

    let sandbox = Sandbox::new().manifest("[python]\npackages = ['attrs', 'idna']\n");
    let packages = explained(&sandbox, "packages").remove(0);
    assert_eq!(packages["value"], "attrs, idna");
    assert_eq!(packages["place"], "devshell.toml:2");
}

#[test]
fn passwords_and_tokens_of_addresses_are_hidden() {
    let digest = "0".repeat(64);
    let url = "https://me:SECRET@host.example/{version}/x?token=SECRET";
    let sandbox = Sandbox::new().manifest(&format!(
        "[tools.\"url:z\"]\nversion = \"1\"\nurl = \"{url}\"\nsha256 = {{ linux-x86_64 = \"{digest}\" }}\n"
    ));
    for arguments in [&["explain", "url:z"][..], &["explain", "--json"]] {
        let shown = sandbox.devsh(arguments).success().stdout;
        assert!(shown.contains("url:z"), "{shown}");
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
