//! What the Python files of an approved project may change without a question.

use crate::support::Sandbox;

/// Returns a sandbox whose project takes its packages from a file.
fn project(lock: &str) -> Sandbox {
    Sandbox::new().manifest(&format!(
        "[tools]\npython = \"3\"\n[python]\nlock = \"{lock}\"\n"
    ))
}

/// Approves the project. Nothing serves the tools, so no build succeeds; the approval counts.
#[track_caller]
fn allow(sandbox: &Sandbox, case: &str) {
    sandbox.devsh(&["allow", "--offline"]);
    assert!(!asks(sandbox, case), "{case}");
}

/// Returns whether the project needs another approval.
#[track_caller]
fn asks(sandbox: &Sandbox, case: &str) -> bool {
    let status = sandbox.devsh(&["status"]);
    let is_changed = status.stdout.contains("changed since it was allowed");
    assert!(
        is_changed || status.stdout.contains("trust        allowed\n"),
        "{case}: {status}"
    );
    is_changed
}

/// Returns a sandbox whose project has this lockfile.
fn locked_project(lock: &str, text: String) -> Sandbox {
    let sandbox = project(lock);
    sandbox.write("pyproject.toml", "[project]\nname = \"app\"\n");
    sandbox.write(lock, text);
    sandbox
}

/// Checks that another content of an approved lockfile needs another approval.
#[track_caller]
fn assert_change_asks(lock: &str, before: String, after: String, case: &str) {
    let sandbox = locked_project(lock, before);
    allow(&sandbox, case);
    sandbox.write(lock, after);
    assert!(asks(&sandbox, case), "{case}");
}

#[test]
fn each_change_of_the_indexes_asks_where_one_is_not_the_public_one() {
    const UV: &str = "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"good\"]\n\
        [[tool.uv.index]]\nname = \"corp\"\nurl = \"https://corp.example/simple\"\n";
    const POETRY: &str = "[tool.poetry]\nname = \"app\"\nversion = \"1\"\n[tool.poetry.dependencies]\ngood = \"*\"\n\
        [[tool.poetry.source]]\nname = \"corp\"\nurl = \"https://corp.example/simple\"\n";
    const PDM: &str = "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"good\"]\n\
        [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"https://corp.example/simple\"\n";
    const PIPFILE: &str = "[[source]]\nname = \"corp\"\nurl = \"https://corp.example/simple\"\n[packages]\ngood = \"*\"\n";
    let shown = locked_project("pyproject.toml", UV.to_owned()).devsh(&["allow", "--show"]);
    let gets = "(gets UV_INDEX_CORP_USERNAME and UV_INDEX_CORP_PASSWORD, if you have them)";
    let shown = shown.success().stderr;
    assert!(shown.contains(gets), "{shown}");
    let list = "--index-url https://corp.example/simple\ngood\n";
    let more = |text: &str, table: &str, name: &str| {
        format!("{text}[[{table}]]\nname = \"{name}\"\nurl = \"https://pypi.org/simple\"\n")
    };
    let locked = |sources: &str| {
        format!(
            "{{ \"_meta\": {{ \"sources\": [ {{ \"name\": \"corp\", \"url\": \"https://corp.example/simple\" }}{sources} ] }},\n\
             \"default\": {{}} }}"
        )
    };
    for (case, lock, before, after) in [
        (
            "another index",
            "requirements.txt",
            list.to_owned(),
            format!("--extra-index-url https://pypi.org/simple\n{list}"),
        ),
        (
            "no index",
            "requirements.txt",
            list.to_owned(),
            "good\n".to_owned(),
        ),
        (
            "pipenv",
            "Pipfile",
            PIPFILE.to_owned(),
            more(PIPFILE, "source", "pypi"),
        ),
        (
            "lock of pipenv",
            "Pipfile.lock",
            locked(""),
            locked(", { \"name\": \"pypi\", \"url\": \"https://pypi.org/simple\" }"),
        ),
        (
            "uv",
            "pyproject.toml",
            format!("{UV}default = true\n"),
            more(&format!("{UV}default = true\n"), "tool.uv.index", "pypi"),
        ),
        (
            "name of an index",
            "pyproject.toml",
            UV.to_owned(),
            UV.replace("\"corp\"", "\"other\""),
        ),
        (
            "strategy",
            "pyproject.toml",
            UV.to_owned(),
            format!("{UV}[tool.uv]\nindex-strategy = \"unsafe-best-match\"\n"),
        ),
        (
            "poetry",
            "pyproject.toml",
            POETRY.to_owned(),
            more(POETRY, "tool.poetry.source", "PyPI"),
        ),
        (
            "rank",
            "pyproject.toml",
            format!("{POETRY}priority = \"primary\"\n"),
            format!("{POETRY}priority = \"default\"\n"),
        ),
        (
            "pdm",
            "pyproject.toml",
            PDM.to_owned(),
            more(PDM, "tool.pdm.source", "public"),
        ),
    ] {
        let sandbox = project(lock);
        sandbox.write(lock, before);
        allow(&sandbox, case);
        sandbox.write(lock, after);
        assert!(asks(&sandbox, case), "{case}");
    }
}

#[test]
fn an_index_that_moves_to_another_list_asks() {
    let index = "--index-url https://corp.example/simple\n";
    let sandbox = project("requirements.txt");
    sandbox.write("requirements.txt", format!("{index}good\n"));
    sandbox.write("requirements-dev.txt", "tester\n");
    allow(&sandbox, "before");
    sandbox.write("requirements.txt", "good\n");
    sandbox.write("requirements-dev.txt", format!("{index}tester\n"));
    assert!(asks(&sandbox, "moved"));
}

#[test]
fn the_public_index_alone_asks_nothing() {
    let sandbox = project("requirements.txt");
    sandbox.write("requirements.txt", "good\n");
    allow(&sandbox, "without an index");
    sandbox.write(
        "requirements.txt",
        "--index-url https://pypi.org/simple\ngood\nbetter\n",
    );
    assert!(!asks(&sandbox, "the public index"));
}

#[test]
fn another_file_at_an_approved_address_asks() {
    let pylock = |digit: &str| {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"good\"\nversion = \"1\"\n\
             wheels = [{{ url = \"https://h.example/good-1-py3-none-any.whl\", hashes = {{ sha256 = \"{}\" }} }}]\n",
            digit.repeat(64)
        )
    };
    let uv = |digit: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"good\"\nversion = \"1\"\n\
             source = {{ url = \"https://h.example/good-1-py3-none-any.whl\" }}\n\
             wheels = [{{ url = \"https://h.example/good-1-py3-none-any.whl\", hash = \"sha256:{}\" }}]\n",
            digit.repeat(64)
        )
    };
    for (lock, before, after) in [
        ("pylock.toml", pylock("0"), pylock("1")),
        ("uv.lock", uv("0"), uv("1")),
    ] {
        assert_change_asks(lock, before, after, lock);
    }
}

#[test]
fn a_second_package_of_the_same_name_asks() {
    let own = "index = \"https://corp.example/simple\"";
    let pylock = |more: &str| {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"good\"\nversion = \"1\"\n{own}\n\
             wheels = [{{ url = \"https://corp.example/good-1-py3-none-any.whl\", hashes = {{ sha256 = \"{0}\" }} }}]\n{more}",
            "0".repeat(64)
        )
    };
    let public = "[[packages]]\nname = \"good\"\nversion = \"2\"\n\
        wheels = [{ url = \"https://files.pythonhosted.org/good-2-py3-none-any.whl\", hashes = { sha256 = \"1\" } }]\n"
        .replace("\"1\"", &format!("\"{}\"", "1".repeat(64)));
    let uv = |dependency: &str, more: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"app\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"good\"{dependency} }}]\n\
             [[package]]\nname = \"good\"\nversion = \"1\"\nsource = {{ registry = \"https://corp.example/simple\" }}\n{more}"
        )
    };
    let second = "[[package]]\nname = \"good\"\nversion = \"2\"\nsource = { registry = \"https://pypi.org/simple\" }\n";
    let newer = second.replace("\"2\"", "\"3\"");
    let of_corp = ", source = { registry = \"https://corp.example/simple\" }";
    let of_public = ", source = { registry = \"https://pypi.org/simple\" }";
    for (case, lock, before, after) in [
        ("pylock", "pylock.toml", pylock(""), pylock(&public)),
        ("second", "uv.lock", uv("", ""), uv("", second)),
        (
            "dependency",
            "uv.lock",
            uv(of_corp, second),
            uv(of_public, second),
        ),
        ("version", "uv.lock", uv("", second), uv("", &newer)),
    ] {
        assert_change_asks(lock, before, after, case);
    }
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Returns the lockfile of a package that is from a repository.
fn poetry_lock(source: &str) -> String {
    format!(
        "[[package]]\nname = \"good\"\nversion = \"1.0\"\noptional = false\npython-versions = \"*\"\nfiles = []\n\
         [package.source]\ntype = \"git\"\nurl = \"https://h.example/good\"\n{source}"
    )
}

#[test]
fn another_source_with_the_same_words_asks() {
    let other = COMMIT.replace('0', "a");
    let uv = |source: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"good\"\nversion = \"1\"\nsource = {{ {source} }}\n"
        )
    };
    for (lock, before, after) in [
        (
            "poetry.lock",
            poetry_lock(&format!(
                "reference = \"main\"\nresolved_reference = \"{COMMIT}\"\nx = \"y, resolved_reference {other}\"\n"
            )),
            poetry_lock(&format!(
                "reference = \"main, resolved_reference {COMMIT}, x y\"\nresolved_reference = \"{other}\"\n"
            )),
        ),
        (
            "uv.lock",
            uv("editable = \"a\", x = \"y\""),
            uv("editable = \"a, x y\""),
        ),
    ] {
        assert_change_asks(lock, before, after, lock);
    }
}

#[test]
fn a_lockfile_names_a_repository_by_its_commit() {
    let pylock = |commit: &str| {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"good\"\n\
             vcs = {{ type = \"git\", url = \"https://h.example/good\", commit-id = \"{commit}\" }}\n"
        )
    };
    let pdm = |commit: &str| {
        format!(
            "[[package]]\nname = \"good\"\nversion = \"1\"\ngit = \"https://h.example/good\"\nrevision = \"{commit}\"\n"
        )
    };
    let uv = |commit: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"good\"\nversion = \"1\"\n\
             source = {{ git = \"https://h.example/good?rev=main#{commit}\" }}\n"
        )
    };
    let pipfile = |commit: &str| {
        format!(
            "{{ \"default\": {{ \"good\": {{ \"git\": \"https://h.example/good\",\n\"ref\": \"{commit}\" }} }} }}"
        )
    };
    let poetry = |commit: &str| poetry_lock(&format!("resolved_reference = \"{commit}\"\n"));
    let formats = |commit: &str| {
        [
            ("poetry.lock", 10, poetry(commit)),
            ("pylock.toml", 4, pylock(commit)),
            ("pdm.lock", 5, pdm(commit)),
            ("uv.lock", 5, uv(commit)),
            ("Pipfile.lock", 2, pipfile(commit)),
        ]
    };
    for commit in ["main", "v1.0", "0123456"] {
        for (lock, line, text) in formats(commit) {
            let message = format!("`{commit}` is not a commit of 40 hex digits");
            let place = format!("--> {lock}:{line}:");
            locked_project(lock, text)
                .devsh(&["allow", "--offline"])
                .code(1)
                .error(&[&message, &place]);
        }
    }
    for (lock, _, text) in formats(COMMIT) {
        allow(&locked_project(lock, text), lock);
    }
}
