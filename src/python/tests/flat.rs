//! Formats that are lists: no package says what it needs.

use super::{super::index_requirements::IndexRequirements, *};

#[test]
fn pylocks_are_lists_with_conditions() {
    let text = format!(
        r#"lock-version = "1.0"
requires-python = ">=3.11"
extras = ["cli"]
dependency-groups = ["dev"]
default-groups = ["dev"]
created-by = "x"
[[packages]]
name = "idna"
version = "3.10"
index = "https://pypi.org/simple"
wheels = [{{ url = "https://files.pythonhosted.org/i.whl", hashes = {{ sha256 = "{0}", md5 = "1" }} }}]
[[packages]]
name = "pytest"
version = "8"
marker = "'dev' in dependency_groups and python_version > '3'"
sdist = {{ url = "https://files.pythonhosted.org/p.tar.gz", hashes = {{ sha256 = "{0}" }} }}
[[packages]]
name = "click"
marker = "'cli' in extras"
archive = {{ url = "https://a.example/click.zip", hashes = {{ sha256 = "{0}" }} }}
[[packages]]
name = "own"
directory = {{ path = "own", editable = true }}
"#,
        &A[7..]
    );
    let lock = lock("pylock.dev.toml", &text, "");
    assert_eq!(chosen(&lock, "3.11", &[], &[]), ["idna==3.10", "-e own"]);
    assert_eq!(
        chosen(&lock, "3.11", &["dev"], &["cli"]),
        ["click", "idna==3.10", "pytest==8", "-e own"]
    );
    let foreign: Vec<String> = lock.foreign().into_iter().map(|one| one.name).collect();
    assert_eq!(foreign, ["click", "own"]);
    assert_eq!(lock.default_groups, set(&["dev"]));
    assert_eq!(
        fault("pylock.toml", &text.replace("\"1.0\"", "\"2.0\"")),
        "pylock.toml:1: its format is version 2.0, and devsh reads version 1"
    );
}

#[test]
fn locks_of_pdm_have_groups_or_follow_the_requirements() {
    let project = "[project]\nname = 'app'\ndependencies = ['httpx[http2]']\n\
        [project.optional-dependencies]\nweb = ['click']\n[tool.pdm.dev-dependencies]\ntest = ['pytest']\n";
    let package = |name: &str, more: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\n{more}files = [{{ file = \"{name}.whl\", hash = \"{A}\" }}]\n"
        )
    };
    let old = [
        package("httpx", "dependencies = [\"idna>=2\"]\n"),
        package(
            "httpx",
            "extras = [\"http2\"]\ndependencies = [\"h2<5\", \"httpx==1\"]\n",
        ),
        package("h2", ""),
        package("idna", ""),
        package("click", ""),
        package("pytest", ""),
    ];
    let groups = [
        ("httpx", "default"),
        ("h2", "default"),
        ("idna", "default\", \"web"),
        ("click", "web"),
        ("pytest", "test"),
    ];
    let new = groups.map(|(name, group)| {
        let more = format!("groups = [\"{group}\"]\nmarker = \"python_version >= '3.9'\"\n");
        package(name, &more)
    });
    for text in [old.concat(), new.concat()] {
        let lock = lock("pdm.lock", &text, project);
        let always = ["h2==1", "httpx==1", "idna==1"];
        assert_eq!(chosen(&lock, "3.11", &[], &[]), always, "{text}");
        assert_eq!(chosen(&lock, "3.11", &["test"], &["web"]).len(), 5);
        assert_eq!(lock.default_groups, set(&["test"]));
        assert_eq!(lock.foreign(), []);
    }
    let lock = lock("pdm.lock", &new.concat(), project);
    assert_eq!(chosen(&lock, "3.8", &[], &[]), Vec::<String>::new());
    let repository = package("a", "git = \"https://h.example/a\"\n");
    assert!(fault("pdm.lock", &repository).contains("needs a `revision`"));
    // Before pdm 2.8 the files of all packages were in one table.
    let older = format!(
        "[[package]]\nname = \"a\"\nversion = \"1\"\n[metadata.files]\n\"a 1\" = [{{ file = \"a.whl\", hash = \"sha256:{}\" }}]\n",
        "0".repeat(64)
    );
    let project = "[project]\nname = \"p\"\ndependencies = [\"a\"]\n";
    let lock = super::lock("pdm.lock", &older, project);
    assert_eq!(chosen(&lock, "3.11", &[], &[]), ["a==1"]);
    let unhashed = "[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = []\n";
    assert_eq!(
        fault("pdm.lock", unhashed),
        "pdm.lock:1: `a` has no digests: run `pdm lock`"
    );
}

#[test]
fn a_pipfile_without_a_lockfile_is_a_list_of_requirements() {
    let text = r#"[[source]]
url = "https://pypi.org/simple"
verify_ssl = true
name = "pypi"
[packages]
click = "*"
flask = { version = ">=3", extras = ["async"], index = "pypi" }
pinned = "1.0"
winonly = { version = "*", sys_platform = "== 'win32'", markers = "python_version < '4'" }
repo = { git = "https://h.example/r.git", ref = "main" }
app = { path = ".", editable = true }
[dev-packages]
pytest = "~=8.0"
[docs]
mkdocs = "*"
[requires]
python_version = "3.12"
"#;
    let lock = lock("Pipfile", text, "");
    assert_eq!(
        lock.loose(&Selection::default()),
        [
            "click",
            "flask[async] >=3",
            "pinned==1.0",
            "winonly ; (python_version < '4') and sys_platform == 'win32'",
            "repo @ git+https://h.example/r.git@main",
        ]
    );
    assert_eq!(chosen(&lock, "3.12", &[], &[]), ["-e ."]);
    assert_eq!(lock.groups, set(&["dev", "docs"]));
    assert_eq!(lock.default_groups, set(&["dev"]));
    for (line, expected) in [
        (
            "a = { path = 'a' }",
            "Pipfile:2: `a` is a directory or file",
        ),
        (
            "a = { version = '*', index = 'x' }",
            "Pipfile:2: `a` has an index of its own",
        ),
        ("a = 'nonsense'", "Pipfile:2: "),
    ] {
        let found = fault("Pipfile", &format!("[packages]\n{line}\n"));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn tables_of_poetry_without_a_lockfile_are_lists_of_requirements() {
    let text = r#"[tool.poetry]
name = "app"
[tool.poetry.dependencies]
python = "^3.11"
httpx = { version = "^0.27", extras = ["http2"] }
click = "~8.1"
tomli = { version = "*", python = "<3.11", platform = "linux" }
psycopg = { version = ">=3,<4", optional = true }
repo = { git = "git@h.example:a/r.git", tag = "v1" }
several = [{ version = "1", markers = "os_name == 'nt'" }, { version = "2", python = "^3.9 || ^3.12" }]
[tool.poetry.extras]
db = ["psycopg"]
[tool.poetry.group.dev.dependencies]
pytest = "^8"
[tool.poetry.group.docs]
optional = true
include-groups = ["dev"]
[tool.poetry.group.docs.dependencies]
mkdocs = "*"
[build-system]
requires = ["poetry-core"]
"#;
    let read = lock("pyproject.toml", text, text);
    assert_eq!(
        read.loose(&Selection::default()),
        [
            "httpx[http2]>=0.27,<0.28",
            "click>=8.1,<8.2",
            "tomli ; (python_version < '3.11') and (sys_platform == 'linux')",
            "repo @ git+ssh://git@h.example/a/r.git@v1",
            "several==1 ; (os_name == 'nt')",
            "several==2 ; ((python_version >= '3.9' and python_version < '4.0') or (python_version >= '3.12' and python_version < '4.0'))",
        ]
    );
    let docs = Selection {
        groups: set(&["docs"]),
        extras: set(&["db"]),
    };
    let all = read.loose(&docs);
    for one in ["psycopg>=3,<4", "pytest>=8,<9", "mkdocs"] {
        assert!(all.contains(&one.to_owned()), "{one} in {all:?}");
    }
    assert_eq!(read.default_groups, set(&["dev"]));
    assert_eq!(chosen(&read, "3.11", &[], &[]), ["-e ."]);
    let script = text.replace("\nname", "\npackage-mode = false\nname");
    let script = lock("pyproject.toml", &script, "");
    assert!(!script.installs_project());
    assert_eq!(
        fault(
            "pyproject.toml",
            "[tool.poetry.dependencies]\na = '^1 || ^2'\n"
        ),
        "pyproject.toml:2: `^1 || ^2` needs a lockfile: make one with `poetry lock`"
    );
}

#[test]
fn pipfile_locks_are_read() {
    let text = format!(
        r#"{{
    "_meta": {{ "sources": [
        {{ "name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": true }},
        {{ "name": "own", "url": "https://i.example/simple", "verify_ssl": true }} ] }},
    "default": {{
        "click": {{ "hashes": ["{A}"], "index": "pypi", "markers": "python_version >= '3.7'", "version": "==8.1.7" }},
        "colorama": {{ "hashes": ["{A}"], "markers": "sys_platform == 'win32'", "version": "==0.4.6" }},
        "inner": {{ "hashes": ["{A}"], "index": "own", "version": "==1" }},
        "repo": {{ "git": "https://h.example/r.git", "ref": "0123456789abcdef0123456789abcdef01234567" }}
    }},
    "develop": {{ "pytest": {{ "hashes": ["{A}"], "version": "==8" }} }},
    "docs": {{ "iniconfig": {{ "hashes": ["{A}"], "version": "==2" }} }}
}}"#
    );
    let lock = lock("Pipfile.lock", &text, "");
    assert_eq!(
        chosen(&lock, "3.11", &[], &[]),
        ["click==8.1.7", "inner==1", "repo"]
    );
    assert_eq!(chosen(&lock, "3.11", &["dev", "docs"], &[]).len(), 5);
    assert_eq!(lock.default_groups, set(&["dev"]));
    let foreign: Vec<String> = lock.foreign().into_iter().map(|one| one.name).collect();
    assert_eq!(foreign, ["(options)", "inner", "repo"]);
    assert_eq!(
        lock.options(&Selection::default()),
        ["--extra-index-url https://i.example/simple"]
    );
    let private = text.replace("https://pypi.org/simple", "https://own.example/simple");
    assert_eq!(
        super::lock("Pipfile.lock", &private, "").options(&Selection::default()),
        [
            "--extra-index-url https://own.example/simple",
            "--index-url https://i.example/simple"
        ]
    );
    assert!(
        fault("Pipfile.lock", &text.replace("==8.1.7", "*"))
            .starts_with("Pipfile.lock:6: `click` is not pinned")
    );
    assert!(
        fault("Pipfile.lock", "{\n \"default\": {").starts_with("Pipfile.lock:2: not valid JSON")
    );
}

fn lists(main: &str, others: &[(&str, &str)], groups: &[(&str, &str)]) -> LockFiles {
    LockFiles {
        lists: others
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Text::new(name, text)))
            .collect(),
        groups: groups
            .iter()
            .map(|(group, name)| ((*group).to_owned(), (*name).to_owned()))
            .collect(),
        ..files("requirements.txt", main, "")
    }
}

#[test]
fn pinned_lists_of_requirements_are_locks() {
    let main = format!(
        "# made by pip-compile\n--index-url https://pypi.org/simple\nclick==8.1.7 ; python_version > \"3\" \\\n    --hash={A} \\\n    --hash={A}\n    # via x\ncolorama==0.4.6 ; sys_platform == 'win32' --hash={A}\n-e .\n"
    );
    let dev = format!("-r requirements.txt\npytest==8 --hash={A}\n");
    let files = lists(
        &main,
        &[("requirements-dev.txt", &dev), ("requirements.txt", &main)],
        &[("dev", "requirements-dev.txt")],
    );
    let lock = read_lock(&files).unwrap();
    assert_eq!(chosen(&lock, "3.11", &[], &[]), ["click==8.1.7", "-e ."]);
    assert_eq!(
        chosen(&lock, "3.11", &["dev"], &[]),
        ["click==8.1.7", "pytest==8", "-e ."]
    );
    assert!(lock.loose.is_empty() && lock.foreign().is_empty() && lock.installs_project());
    assert_eq!(
        included_lists(&files.lists["requirements-dev.txt"]),
        ["requirements.txt"]
    );
}

#[test]
fn lists_without_digests_are_to_be_resolved() {
    let main = "flask>=3\n-r more.txt\n--extra-index-url https://i.example/simple\n";
    let lock = read_lock(&lists(
        main,
        &[(
            "more.txt",
            "click==8 # no digest\nown @ https://h.example/own.whl\n",
        )],
        &[],
    ))
    .unwrap();
    assert_eq!(
        lock.loose(&Selection::default()),
        ["flask>=3", "click==8", "own @ https://h.example/own.whl"]
    );
    let foreign = lock.foreign();
    assert_eq!(
        foreign[0].source.to_string(),
        "--extra-index-url https://i.example/simple"
    );
    assert_eq!(foreign[1].name, "own");
    assert_eq!(chosen(&lock, "3.11", &[], &[]), [""; 0]);
}

#[test]
fn constraints_bound_the_resolution() {
    let bounds = "click<9 --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n\
        -r more.txt\nown @ https://h.example/own.whl\n";
    let others = [("bounds.txt", bounds), ("more.txt", "idna==3.4\n")];
    let lock = read_lock(&lists("-c bounds.txt\nflask>=3\n", &others, &[])).unwrap();
    let selection = Selection::default();
    assert_eq!(lock.loose(&selection), ["flask>=3"]);
    assert_eq!(
        lock.constraints(&selection),
        ["click<9", "own @ https://h.example/own.whl", "idna==3.4"]
    );
    assert_eq!(lock.foreign()[0].name, "own");
    for odd in ["-e .\n", "./own\n", "../own\n"] {
        let error =
            read_lock(&lists("-c bounds.txt\nx\n", &[("bounds.txt", odd)], &[])).unwrap_err();
        assert_eq!(error.origin().to_string(), "bounds.txt:1");
    }
}

#[test]
fn options_of_a_list_count_or_are_refused() {
    let loose = "flask\n--pre\n--no-binary :all:\n--only-binary=click\n-f 'my wheels'\n--no-index\n\
        --index-url \"https://own.example/simple\"\n--extra-index-url=https://i.example/simple\n\
        --trusted-host own.example\n-c https://h.example/c.txt\n";
    let lock = read_lock(&lists(loose, &[], &[])).unwrap();
    assert_eq!(
        lock.options(&Selection::default()),
        [
            "--extra-index-url https://own.example/simple",
            "--index-url https://i.example/simple",
            "--prerelease=allow",
            "--no-binary :all:",
            "--only-binary click",
            "--find-links file://${PROJECT_ROOT}/my%20wheels",
            "--no-index",
            "-c https://h.example/c.txt"
        ]
    );
    assert_eq!(lock.notes[0].origin.to_string(), "requirements.txt:9");
    let main = format!("--pre\n--only-binary=:all:\n--no-binary click,idna\nclick==8 --hash={A}\n");
    let lock = read_lock(&lists(&main, &[], &[])).unwrap();
    let on = TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64);
    let pins = lock.select(&Selection::default(), &on).unwrap();
    let options = [
        "--only-binary :all:",
        "--no-binary click",
        "--no-binary idna",
    ];
    assert_eq!(pins.options, options);
    let odd = format!("--only-binary -x\nclick==8 --hash={A}\n");
    let error = read_lock(&lists(&odd, &[], &[])).unwrap_err();
    assert_eq!(error.origin().to_string(), "requirements.txt:1");
}

#[test]
fn lists_that_include_each_other_many_times_are_read_once() {
    let name = |level: usize| format!("r{level}.txt");
    let texts: Vec<String> = (1..15)
        .map(|level| {
            format!(
                "a{level}>=1\n{}",
                format!("-r {}\n", name(level + 1)).repeat(12)
            )
        })
        .chain(["a15>=1\n-r r1.txt\n".to_owned()])
        .collect();
    let names: Vec<String> = (1..=15).map(name).collect();
    let others: Vec<(&str, &str)> = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    // There are 12 to the power of 15 paths to the last list.
    let lock = read_lock(&lists(
        &"-r r1.txt\n".repeat(12),
        &others,
        &[("dev", "r1.txt")],
    ))
    .unwrap();
    assert_eq!(lock.loose.len(), 15);
    assert_eq!(lock.loose(&Selection::default()).len(), 15);
}

#[test]
fn a_list_of_many_groups_is_read_once() {
    let long = "a\n".repeat(2_000);
    let groups: Vec<String> = (0..60).map(|group| format!("g{group}")).collect();
    let groups: Vec<(&str, &str)> = groups
        .iter()
        .map(|one| (one.as_str(), "long.txt"))
        .collect();
    let lock = read_lock(&lists("b\n", &[("long.txt", &long)], &groups)).unwrap();
    assert_eq!(lock.loose.len(), 2_001);
    let selection = Selection {
        groups: set(&["g7", "g8"]),
        extras: BTreeSet::new(),
    };
    assert_eq!(lock.loose(&selection).len(), 2_001);
    assert_eq!(lock.loose(&Selection::default()), ["b"]);
}

#[test]
fn packages_that_several_name_are_kept_once_however_many_there_are() {
    let all: Vec<String> = (0..20_000)
        .map(|at| format!("\"a{at}\": {{\"version\": \"==1\", \"hashes\": [\"{A}\"]}}"))
        .collect();
    let all = all.join(",");
    let pipfile = lock(
        "Pipfile.lock",
        &format!("{{\"default\": {{{all}}}, \"develop\": {{{all}}}}}"),
        "",
    );
    assert_eq!(
        (pipfile.packages.len(), pipfile.roots.len()),
        (20_000, 40_000)
    );
    let list: Vec<String> = (0..10_000)
        .map(|at| format!("a{at}==1 --hash={A}\n"))
        .collect();
    let list = list.concat();
    let list = read_lock(&lists(&list, &[("dev.txt", &list)], &[("dev", "dev.txt")])).unwrap();
    assert_eq!((list.packages.len(), list.roots.len()), (10_000, 20_000));
}

#[test]
fn places_in_lists_are_requirements() {
    let project = "[project]\nname = 'demo'\ndependencies = ['idna']\n[project.optional-dependencies]\ndev = ['rich']\n";
    let main = "-e .[dev]\n./lib\n./w/a_b-1-py3-none-any.whl\n-e git+https://h.example/r.git@main#egg=Repo\n\
        own @ git+https://h.example/o.git@v1\n-r 'more lists.txt'\n";
    let mut files = lists(main, &[("more lists.txt", "click\n")], &[]);
    files.project = Some(Text::new("pyproject.toml", project));
    let lock = read_lock(&files).unwrap();
    assert_eq!(
        lock.loose(&Selection::default()),
        [
            "a-b @ file://${PROJECT_ROOT}/w/a_b-1-py3-none-any.whl",
            "Repo @ git+https://h.example/r.git@main",
            "own @ git+https://h.example/o.git@v1",
            "click",
            "idna",
            "rich"
        ]
    );
    assert_eq!(chosen(&lock, "3.12", &[], &[]), ["-e .", "-e lib"]);
    // Nothing is known of `lib`, which has no `pyproject.toml`.
    assert_eq!(lock.notes[0].origin.to_string(), "requirements.txt:2");
    let pinned = format!(
        "click==8 --hash={A}\n-e .\nrepo @ git+https://h.example/r.git@{}\n",
        "0".repeat(40)
    );
    let mut files = lists(&pinned, &[], &[]);
    files.project = Some(Text::new("pyproject.toml", project));
    let lock = read_lock(&files).unwrap();
    assert_eq!(
        chosen(&lock, "3.12", &[], &[]),
        ["click==8", "repo", "-e ."]
    );
    assert!(lock.loose.is_empty());
    for (line, message) in [
        ("git+https://h.example/s.git", "an address needs the name"),
        ("-r https://h.example/r.txt", "does not fetch lists"),
    ] {
        let error = read_lock(&lists(line, &[], &[])).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn lists_are_decoded_as_pip_does() {
    let utf16: Vec<u8> = "\u{feff}idna\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, text) in [
        (&utf16[..], "idna\r\n"),
        (b"\xef\xbb\xbfidna\n", "idna\n"),
        (b"# caf\xe9\nidna\n", "# caf\u{e9}\nidna\n"),
    ] {
        assert_eq!(decode_list("requirements.txt", bytes).as_str(), text);
    }
}

#[test]
fn files_of_a_pylock_come_from_their_addresses() {
    let package = |more: &str| {
        let text = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n{more}\nwheels = [\n\
             {{ url = \"https://own.example/a-1-cp311-cp311-win_amd64.whl\", hashes = {{ sha256 = \"{0}\" }} }},\n\
             {{ path = \"w/a-1-py3-none-any.whl\", hashes = {{ sha256 = \"{1}\" }} }},\n]\n",
            &A[7..],
            "0".repeat(64)
        );
        let lock = lock("sub/pylock.toml", &text, "");
        let on = TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64);
        let pins = lock.select(&Selection::default(), &on).unwrap();
        let searched = IndexRequirements::of(&pins).map(|one| one.constraints);
        (pins.hashed(), searched)
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let expected =
        format!("a @ file://${{PROJECT_ROOT}}/sub/w/a-1-py3-none-any.whl --hash={other}\n");
    assert_eq!(package(""), (expected, None));
    let index = "index = \"https://own.example/simple\"";
    let searched = format!("a==1 --hash={other} --hash={A}\n");
    assert_eq!(package(index), (String::new(), Some(searched)));
}
