//! Tests of the reader and the merge, by tables of texts.

use proptest::prelude::*;

use super::*;

const FULL: &str = r#"
[tools]
python = "3.12"
rust = { version = "1.89", components = ["clippy"], targets = ["wasm32-unknown-unknown"] }
ruff = "0.12"
pre-commit = "4"

[python]
lock = "uv.lock"
groups = ["dev"]

[env]
ENV_FILE = ".env"
PATH = { prepend = ["./scripts"], append = ["/opt/x"] }
DATABASE_URL = { default = "postgres://localhost/app" }
API_TOKEN = { required = "ask the vault: team/api" }
GONE = { unset = true }

[aliases]
t = "pytest -x"

[hooks]
enter = "echo ready"
leave = ["echo one", "echo two"]

[shells.test]
python.groups = ["test", "dev"]
env.PATH = { prepend = ["./test"] }

[shells.lint]
standalone = true
tools = { ruff = "0.11", "pypi:black" = "25" }

[shells.ci]
inherits = ["test", "lint"]
"#;

fn merged(texts: &[&str]) -> Result<Manifest, Error> {
    let layers: Result<Vec<Layer>, Error> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| parse(&format!("layer{at}.toml"), text))
        .collect();
    merge(&layers?)
}

fn shell(manifest: &Manifest, name: &str) -> DevShell {
    manifest.shells[&name.parse().unwrap()].clone()
}

fn tools(shell: &DevShell) -> Vec<String> {
    let requests = shell.tools.iter();
    requests
        .map(|(tool, request)| format!("{tool} {}", request.requirement.value))
        .collect()
}

fn values<T: Clone>(list: &[Located<T>]) -> Vec<T> {
    list.iter().map(|one| one.value.clone()).collect()
}

#[test]
fn a_whole_manifest_becomes_dev_shells() {
    let manifest = merged(&[FULL]).unwrap();
    let dev = shell(&manifest, "dev");
    let base = [
        "pre-commit 4",
        "python 3.12",
        "ruff 0.12",
        "rust 1.89",
        "uv *",
    ];
    assert_eq!(tools(&dev), base);
    let rust = &dev.tools[&"rust".parse().unwrap()];
    assert_eq!(rust.components, ["clippy"]);
    assert_eq!(rust.targets, ["wasm32-unknown-unknown"]);
    assert_eq!(rust.requirement.origin.to_string(), "layer0.toml:4");
    let uv = &dev.tools[&"uv".parse().unwrap()];
    assert_eq!(uv.requirement.origin.line, 9);
    assert_eq!(values(&dev.enter), ["echo ready"]);
    assert_eq!(values(&dev.leave), ["echo one", "echo two"]);
    let value = |name: &str| dev.env[&name.parse().unwrap()].value.clone();
    assert_eq!(value("ENV_FILE"), EnvValue::Set(".env".into()));
    assert_eq!(value("GONE"), EnvValue::Unset);
    assert_eq!(
        value("API_TOKEN"),
        EnvValue::Required("ask the vault: team/api".into())
    );

    let test = shell(&manifest, "test");
    assert_eq!(tools(&test), base);
    assert_eq!(values(&test.python.groups), ["dev", "test"]);
    let path = EnvValue::Extend {
        prepend: vec!["./test".into(), "./scripts".into()],
        append: vec!["/opt/x".into()],
    };
    assert_eq!(test.env[&"PATH".parse().unwrap()].value, path);

    let lint = shell(&manifest, "lint");
    assert_eq!(tools(&lint), ["black 25", "ruff 0.11"]);
    assert!(lint.env.is_empty() && lint.python.lock.is_none());

    let ci = shell(&manifest, "ci");
    assert!(tools(&ci).contains(&"ruff 0.11".to_owned()));
    assert_eq!(values(&ci.python.groups), ["dev", "test"]);
}

#[test]
fn an_empty_manifest_has_dev() {
    let manifest = merged(&[""]).unwrap();
    assert_eq!(shell(&manifest, "dev"), DevShell::default());
    assert_eq!(manifest.shells.len(), 1);
    assert_eq!(merge(&[]).unwrap(), manifest);
}

#[test]
fn later_layers_win_key_by_key() {
    let manifest = merged(&[
        "[tools]\nruff = '*'\nrust = { version = '*', components = ['clippy'] }\njust = '1'\n[shells.lint]\ntools.ruff = '0.10'\n",
        "[tools]\nruff = '0.12'\nrust = { components = ['rustfmt', 'clippy'] }\n'pypi:rust-just' = '2'\n",
    ])
    .unwrap();
    // The manifest's top level is above everything of the preset.
    assert_eq!(
        tools(&shell(&manifest, "lint")),
        ["just 2", "ruff 0.12", "rust *"]
    );
    let rust = &shell(&manifest, "dev").tools[&"rust".parse().unwrap()];
    assert_eq!(rust.components, ["clippy", "rustfmt"]);
}

#[test]
fn inheriting_a_diamond_keeps_the_order() {
    let text = "[shells.base]\nenv.X = 'base'\nhooks.enter = 'base'\n\
        [shells.a]\ninherits = ['base']\nenv.X = 'a'\nhooks.enter = 'a'\n\
        [shells.b]\ninherits = ['base']\nenv.Y = 'b'\nhooks.enter = ['base', 'b']\n\
        [shells.ci]\ninherits = ['a', 'b']\nstandalone = true\n\
        [env]\nX = 'top'\nY = 'top'\n";
    let ci = shell(&merged(&[text]).unwrap(), "ci");
    assert_eq!(values(&ci.enter), ["base", "a", "b"]);
    assert_eq!(
        ci.env[&"X".parse().unwrap()].value,
        EnvValue::Set("a".into())
    );
    assert_eq!(
        ci.env[&"Y".parse().unwrap()].value,
        EnvValue::Set("b".into())
    );
}

/// Text, the message, and the line and the words of the error.
#[rustfmt::skip]
pub(super) const INVALID: &[(&str, &str, u32, &str)] = &[
    ("[tools]\nruff = [\n", "not valid TOML: ", 2, ""),
    ("[tools]\nruff = '1'\nruff = '2'\n", "not valid TOML: duplicate key", 3, "ruff"),
    ("[tool]\nruff = '1'\n", "unknown key `tool` in the top level", 1, "tool"),
    ("[shells.x]\nextends = ['x']\n", "unknown key `extends` in `[shells.x]`", 2, "extends"),
    ("[env-files]\nread = []\n", "unknown key `read` in `[env-files]`", 2, "read"),
    ("[env-files]\nload = ['/etc/x']\n", "`/etc/x` is not a file below the project's root", 2, "'/etc/x'"),
    ("[env-files]\nload = ['.env']\n", "there is no env file `.env`", 2, ".env"),
    ("[grants]\nvariables = []\n", "unknown key `variables` in `[grants]`", 2, "variables"),
    ("[env]\nLD_PRELOAD = 'x'\n", "`LD_PRELOAD` is read by the dynamic loader, so it needs a grant", 2, "LD_PRELOAD"),
    ("[env]\nA = 'x ${1}'\n", "`${1}` in `x ${1}` is not a reference to a variable", 2, "'x ${1}'"),
    ("[env]\nA = '${B'\n", "`${B` in `${B` is not a reference to a variable", 2, "'${B'"),
    ("[env]\nA = '${B}'\nB = '${A}'\n", "variables refer to each other in a cycle: `A` (layer0.toml:2) → `B` (layer0.toml:3) → `A` (layer0.toml:2)", 3, "A"),
    ("[tools]\nruff = { unset = true, version = '1' }\n", "`unset` cannot be combined with `version`", 2, "unset"),
    ("[tools]\nruff = { unset = false }\n", "`unset` can only be `true`", 2, "false"),
    ("[aliases]\nt = { unset = 'x' }\n", "`unset` must be `true` or `false`, not a string", 2, "'x'"),
    ("[aliases]\nt = { remove = true }\n", "unknown key `remove` in `[aliases.t]`", 2, "remove"),
    ("[hooks]\nenter = { add = ['x'], remove = ['x'] }\n", "`x` is both added and removed", 2, "'x'"),
    ("[env]\nPATH = { prepend = ['./x'], remove = ['./x'] }\n", "`./x` is both added and removed", 2, "'./x'"),
    ("[shells.'a,b']\n", "`a,b` is not the name of one dev shell", 1, "'a,b'"),
    ("[shells.x]\ninherits = ['dev,x']\n", "`dev,x` is not the name of one dev shell", 2, "'dev,x'"),
    ("[detect]\nfiles = []\n", "unknown key `detect` in the top level", 1, "detect"),
    ("[python]\npackage = ['x']\n", "unknown key `package` in `[python]`", 2, "package"),
    ("[python]\npackages = ['-r x']\n", "`-r x` is not a requirement on a package of the Python index", 2, "'-r x'"),
    ("[python]\npackages = ['a @ https://x']\n", "`a @ https://x` is not a requirement on a package", 2, "'a @ https://x'"),
    ("[python]\nlock = 'uv.lock'\npackages = ['a']\n", "`packages` are for a project without a lockfile, and line 2 names `uv.lock`", 3, "packages"),
    ("[shells.x]\ninherit = ['y']\n", "unknown key `inherit` in `[shells.x]`", 2, "inherit"),
    ("[hooks]\nentry = 'x'\n", "unknown key `entry` in `[hooks]`", 2, "entry"),
    ("[tools]\nruff.vers = '1'\n", "unknown key `vers` in `[tools.ruff]`", 2, "vers"),
    ("[env]\nA.x = '1'\n", "unknown key `x` in `[env.A]`", 2, "x"),
    ("tools = 'ruff'\n", "`tools` must be a table, not a string", 1, "'ruff'"),
    ("[tools]\nruf = '1'\n", "`ruf` is not a known tool", 2, "ruf"),
    ("[tools]\n'npm2:x' = '1'\n", "`npm2` is not a source", 2, "'npm2:x'"),
    ("[tools]\nruff = '=>1'\n", "`=>1` is not a version requirement", 2, "'=>1'"),
    ("[tools]\nruff = 'stable'\n", "`stable` is not a version requirement", 2, "'stable'"),
    ("[tools]\npython = 3.10\n", "`python` must be a string: `3.10` needs quotes", 2, "3.10"),
    ("[tools]\nruff = ['3']\n", "`ruff` must be a version or a table, not a list", 2, "['3']"),
    ("[tools]\npython = []\n", "`[]` is not a list of versions", 2, "[]"),
    ("[tools]\npython = ['3.12', '3']\n", "`3` is not a version such as `3.13` or `3.13.5`", 2, "'3'"),
    ("[tools]\npython = ['3', '3.13', '3.13.1']\n", "tool `python3.13` is already named on line 2", 2, "'3.13.1'"),
    ("[tools]\nruff = { variant = 'freethreaded' }\n", "`variant` is only for `python`, not for `ruff`", 2, "variant"),
    ("[tools]\npython = { variant = 'freethreade' }\n", "`freethreade` is not a variant of python (`freethreaded` or `default`)", 2, "'freethreade'"),
    ("[tools]\nrust = { profile = 'small' }\n", "`small` is not a profile (`minimal`, `default` or `complete`)", 2, "'small'"),
    ("[tools]\n'python3.13' = '3.13.5'\npython = ['3.14', '3.13']\n", "tool `python3.13` is already named on line 2", 3, "python"),
    ("[tools]\npython = ['3.14', '3.13']\n'python3.13' = '3.13.5'\n", "tool `python3.13` is already named on line 2", 3, "'python3.13'"),
    ("[tools]\nruff = '1'\n'pypi:ruff' = '1'\n", "tool `ruff` is already named on line 2", 3, "'pypi:ruff'"),
    ("[tools]\njust = '1'\n'pypi:rust_just' = '1'\n", "tool `just` is already named on line 2", 3, "'pypi:rust_just'"),
    ("[tools]\nruff = { components = ['x'] }\n", "`components` is only for `rust`, not for `ruff`", 2, "components"),
    ("[tools]\nrust = { targets = ['../x'] }\n", "`../x` is not the name of a component or target", 2, "'../x'"),
    ("[python]\nlock = '../uv.lock'\n", "`../uv.lock` is not `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`, `Pipfile.lock` or a `.txt` below the project's root", 2, "'../uv.lock'"),
    ("[python]\nlock = 'conda.lock'\n", "`conda.lock` is not `uv.lock`, `poetry.lock`, `pdm.lock`, ", 2, "'conda.lock'"),
    ("[python]\ngroups = ['a b']\n", "`a b` is not a package name", 2, "'a b'"),
    ("[env]\n1A = 'x'\n", "`1A` is not a variable name (letters, digits and `_`)", 2, "1A"),
    ("[env]\nPWD = 'x'\n", "`PWD` is not a variable that a project may set", 2, "PWD"),
    ("[env]\nPORT = 8000\n", "`PORT` must be a string: `8000` needs quotes", 2, "8000"),
    ("[env]\nDEBUG = true\n", "`DEBUG` must be a string: `true` needs quotes", 2, "true"),
    ("[env]\nA = []\n", "`A` must be a string, not a list", 2, "[]"),
    ("[env]\nA = {}\n", "`A` needs `default`, `required`, ", 2, "A"),
    ("[env]\nA = { default = 'x', unset = true }\n", "`default` cannot be combined with `unset`", 2, "default"),
    ("[env]\nA = { unset = false }\n", "`unset` can only be `true`", 2, "false"),
    ("[env]\nA = \"a\\u0000\"\n", "`A` has a NUL character", 2, "\"a\\u0000\""),
    ("[env]\nPATH = { prepend = ['a:b'] }\n", "`a:b` cannot be an entry of a list of paths", 2, "'a:b'"),
    ("[env]\nPATH = { append = [''] }\n", "`` cannot be an entry of a list of paths", 2, "''"),
    ("[aliases]\n'a b' = 'x'\n", "`a b` is not an alias name", 2, "'a b'"),
    ("[hooks]\nenter = 1\n", "`enter` must be a string: `1` needs quotes", 2, "1"),
    ("[shells.Bad]\n", "`Bad` is not a dev shell's name", 1, "Bad"),
    ("[shells.x]\nstandalone = 'yes'\n", "`standalone` must be `true` or `false`, not a string", 2, "'yes'"),
    ("[shells.x]\ninherits = 'y'\n", "`inherits` must be a list of strings, not a string", 2, "'y'"),
    ("[shells.x]\ninherits = ['deb']\n", "there is no dev shell `deb`", 2, "deb"),
    ("[shells.a]\ninherits = ['b']\n[shells.b]\ninherits = ['a']\n", "dev shells inherit in a cycle: a → b → a", 4, "a"),
    ("[shells.a]\ninherits = ['a']\n", "dev shells inherit in a cycle: a → a", 2, "a"),
    ("[tools]\n\"a\\n\\u001b\\u202e\" = '1'\n", "`a\\n\\u{1b}\\u{202e}` is not a known tool", 2, "\"a\\n\\u001b\\u202e\""),
    ("[zzz]\n[tools]\nruff = 1\n", "unknown key `zzz` in the top level", 1, "zzz"),
    ("[tools]\nruff = 1\n[aaa]\n", "`ruff` must be a string", 2, "1"),
];

#[test]
fn errors_have_one_line_and_a_place() {
    for (text, message, line, words) in INVALID {
        let error = merged(&[text]).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(message), "{text}\n{shown}");
        assert!(!shown.contains('\n') && !shown.ends_with('.'), "{shown}");
        assert_eq!(
            error.origin().to_string(),
            format!("layer0.toml:{line}"),
            "{text}"
        );
        if !words.is_empty() {
            assert_eq!(&error.text[error.span.clone()], *words, "{text}");
        }
    }
}

#[test]
fn invalid_utf8_has_a_place() {
    let error = parse_bytes("x.toml", b"[env]\nA = \"\xff\"\n").unwrap_err();
    assert_eq!(
        (error.kind.clone(), error.origin().line),
        (ErrorKind::NotText, 2)
    );
    assert_eq!(&error.text[error.span], "\u{fffd}");
    assert_eq!(
        parse_bytes("x", b"\xef\xbb\xbf[env]\n").unwrap(),
        parse("x", "[env]\n").unwrap()
    );
}

#[test]
fn errors_have_suggestions() {
    let kind = |text| merged(&[text]).unwrap_err().kind;
    let tool = ErrorKind::UnknownTool {
        name: "Pylent".into(),
        suggestion: None,
        pypi: Some("pypi:pylent".into()),
    };
    assert_eq!(kind("[tools]\nPylent = '1'\n"), tool);
    let tool = ErrorKind::UnknownTool {
        name: "pyton".into(),
        suggestion: Some("python"),
        pypi: Some("pypi:pyton".into()),
    };
    assert_eq!(kind("[tools]\npyton = '1'\n"), tool);
    let key = ErrorKind::UnknownKey {
        key: "tool".into(),
        table: String::new(),
        suggestion: Some("tools"),
    };
    assert_eq!(kind("[tool]\n"), key);
    let shell = ErrorKind::UnknownShell {
        name: "tets".into(),
        suggestion: Some("test".into()),
    };
    assert_eq!(
        kind("[shells.test]\n[shells.x]\ninherits = ['tets']\n"),
        shell
    );
}

#[test]
fn a_long_chain_of_inheritance_is_refused() {
    let links = (0..100).map(|at| format!("[shells.s{at}]\ninherits = ['s{}']\n", at + 1));
    let text = links
        .chain(["[shells.s100]\n".to_owned()])
        .collect::<String>();
    let error = merged(&[&text]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InheritDepth { limit: 32 });
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "[a-z\\[\\]{}='\".\\n#:, 0-9\\\\]{0,80}") {
        let parsed = parse("x", &text);
        if let Err(error) = parsed {
            prop_assert!(error.text.get(error.span.clone()).is_some());
        }
    }

    #[test]
    fn a_broken_manifest_never_panics(at in 0..FULL.len(), with in "\\PC{0,3}") {
        let mut text = FULL.to_owned();
        text.insert_str(at, &with);
        if let Err(error) = merged(&[&text]) {
            prop_assert!(error.text.get(error.span.clone()).is_some());
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn merging_a_layer_twice_changes_nothing(at in 0..3usize) {
        let text = ["[tools]\nruff = '1'\n", FULL, "[hooks]\nenter = ['a', 'b']\n"][at];
        prop_assert_eq!(merge(&[parse("x", text).unwrap(), parse("x", text).unwrap()]).unwrap(), merge(&[parse("x", text).unwrap()]).unwrap());
    }
}

#[test]
fn the_merged_size_is_limited() {
    let list: Vec<String> = (0..2000).map(|at| format!("'/a{at}', ")).collect();
    let list = list.concat();
    let words = list.replace('/', "");
    let grants = "'LD_PRELOAD', ".repeat(2000);
    let shells: Vec<String> = (0..200).map(|at| format!("[shells.s{at}]\n")).collect();
    let shells = shells.concat();
    let names: Vec<String> = (0..2000).map(|at| format!("A{at} = '1'\n")).collect();
    let names = names.concat();
    let images: Vec<String> = (0..200).map(|at| format!("[images.i{at}]\n")).collect();
    let images = images.concat();
    for text in [
        format!("[image]\ncmd = [{words}]\n{images}"),
        format!("[image.env]\n{names}{images}"),
        format!("[env]\n{names}"),
        format!("[aliases]\n{}", names.to_lowercase()),
        format!("[python]\ngroups = [{words}]\n"),
        format!("[python]\nextras = {{ remove = [{words}] }}\n"),
        format!("[python]\npackages = [{words}]\n"),
        format!("[env-files]\nload = [{words}]\n"),
        format!("[grants]\nenv = [{grants}]\n"),
        format!("[hooks]\nsource.bash = [{words}]\n"),
        format!("[hooks]\nenter = '{}'\n", "a".repeat(400_000)),
        format!("[tools]\nrust = {{ targets = [{words}] }}\n"),
        format!("[env]\nA = {{ prepend = [{list}] }}\n"),
        format!("[shells.z]\ninherits = [{}]\n", "'s1', ".repeat(20_000)),
        "[[caches]]\nurl = 'file:///a'\n".repeat(20_001),
        format!("[shells.a]\ninherits = ['b']\n[shells.b]\npython.groups = [{words}]\n"),
    ] {
        let layer = |text: &str| parse("devshell.toml", text).unwrap();
        let error = merge(&[layer(&format!("{text}{shells}"))]).unwrap_err();
        let limited = error.to_string().contains("at most 20,000 entries");
        assert!(limited, "{error}");
    }
}
