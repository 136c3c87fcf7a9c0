//! Tests of the lockfile's text.

use proptest::{collection, option, prelude::*, sample};

use std::collections::BTreeMap;

use url::Url;

use super::*;
use crate::{
    lockfile::{
        Artifact, CondaKey, CondaSet, CondaSets, EntryOrigin, ExtendsPin, LeftOutPart, LockKey,
        LockedConda, LockedPackage, LockedRequirement, PythonKey, PythonSet, PythonSets,
    },
    package::{Sha256, System},
};

const SAMPLE: &str = r#"# written by devsh, do not edit
version = 1

[[tool]]
name = "ruff"
requirement = "0.12"
version = "0.12.4"
artifacts = [
  { system = "linux-aarch64", url = "https://files.example/a.whl", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size = 10 },
  { system = "linux-x86_64", url = "https://files.example/b.whl", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
]

[[tool]]
name = "rust"
requirement = "1.89, >=1.80"
components = ["clippy"]
targets = ["wasm32-unknown-unknown"]
version = "1.89.0"
build = "2025-08-07"
artifacts = [
  { system = "linux-x86_64", part = "cargo", url = "https://static.example/c.tar.xz", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size = 11 },
  { system = "linux-x86_64", part = "clippy", url = "https://static.example/d.tar.xz", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size = 12 },
]
"#;

fn problem(text: &str) -> (String, Problem) {
    let error = parse("devshell.lock", text).unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.text.as_str()),
        ("devshell.lock", text)
    );
    assert!(!error.to_string().contains('\n'), "{error}");
    (text[error.span].to_owned(), error.problem)
}

#[test]
fn the_sample_is_read_and_written_back() {
    let lockfile = parse("devshell.lock", SAMPLE).unwrap();
    assert_eq!(lockfile.packages.len(), 2);
    assert_eq!(print(&lockfile), SAMPLE);
    let windows = SAMPLE.replace('\n', "\r\n");
    assert_eq!(parse("devshell.lock", &windows).unwrap(), lockfile);
}

#[test]
fn a_merge_conflict_is_named() {
    let text = SAMPLE.replace(
        "[[tool]]\nname = \"rust\"",
        "<<<<<<< HEAD\n[[tool]]\nname = \"rust\"",
    );
    let (at, problem) = problem(&text);
    assert_eq!(at, "<<<<<<< HEAD");
    assert_eq!(problem, Problem::Conflict { line: 13 });
}

#[test]
fn a_newer_format_differs_from_a_broken_one() {
    let text = SAMPLE.replace("version = 1\n", "version = 2\nseal = \"x\"\n");
    assert_eq!(
        problem(&text),
        ("2".to_owned(), Problem::Format { found: 2 })
    );
}

#[test]
fn a_lockfile_with_too_many_values_is_not_read() {
    let text = format!("version = 1\na = [{}]\n", "{},".repeat(VALUES));
    assert_eq!(problem(&text).1, Problem::TooLarge { limit: VALUES });
}

#[test]
fn unknown_content_is_an_error() {
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let one = |from: &str, to: &str| {
        assert!(SAMPLE.contains(from), "{from}");
        problem(&SAMPLE.replacen(from, to, 1))
    };
    let table = [
        (one("version = 1\n", ""), "missing field `version`"),
        (one("build =", "bulid ="), "unknown field `bulid`"),
        (one(", size = 10", ", mode = 10"), "unknown field `mode`"),
        (
            one(
                "version = \"0.12.4\"",
                "version = \"0.12.4\"\nversion = \"0.12.4\"",
            ),
            "duplicate key",
        ),
        (
            one(&format!(", sha256 = \"{hash}\""), ""),
            "missing field `sha256`",
        ),
        (one(hash, "abc"), "`abc` is not a SHA-256"),
        (
            one("\"linux-x86_64\"", "\"beos\""),
            "`beos` is not a system",
        ),
        (
            one("\"linux-x86_64\"", "\"linux-aarch64\""),
            "`ruff` for linux-aarch64 is locked twice",
        ),
        (
            one("\"clippy\", url", "\"cargo\", url"),
            "`cargo` for linux-x86_64 is locked twice",
        ),
        (one("\"cargo\"", "\"../cargo\""), "`../cargo` is not a name"),
        (one("\"0.12.4\"", "\"../x\""), "`../x` is not a version"),
        (
            one("\"ruff\"", "\"roughly\""),
            "`roughly` is not a known tool",
        ),
        (one("size = 10", "size = -10"), "invalid value"),
    ];
    for ((at, problem), expected) in table {
        assert!(
            problem.to_string().starts_with(expected),
            "{problem} at {at:?}, not {expected}"
        );
    }
    let twice = format!("{SAMPLE}{}", &SAMPLE[SAMPLE.find("\n[[tool]]").unwrap()..]);
    assert_eq!(
        problem(&twice).1,
        Problem::Duplicate("`ruff` 0.12".to_owned())
    );
    let start = SAMPLE.find("artifacts").unwrap();
    let end = SAMPLE.find("]\n\n").unwrap();
    let empty = format!("{}artifacts = [{}", &SAMPLE[..start], &SAMPLE[end..]);
    assert_eq!(problem(&empty).1, Problem::Empty("ruff".parse().unwrap()));
}

#[test]
fn only_safe_addresses_are_accepted() {
    let with = |address: &str| SAMPLE.replacen("https://files.example/a.whl", address, 1);
    for good in [
        "http://127.0.0.1:8080/a",
        "http://localhost/a",
        "http://[::1]/a",
    ] {
        assert!(parse("l", &with(good)).is_ok(), "{good}");
    }
    for bad in [
        "http://files.example/a",
        "file:///a",
        "ftp://x/a",
        "a",
        "https://me:secret@x/a",
    ] {
        let (at, problem) = problem(&with(bad));
        assert_eq!(at, format!("\"{bad}\""));
        assert!(matches!(&problem, Problem::Address(_)), "{problem}");
        assert!(!problem.to_string().contains("secret"));
    }
}

#[test]
fn every_prefix_is_an_error_or_whole_blocks() {
    let whole = parse("l", SAMPLE).unwrap();
    for end in (0..=SAMPLE.len()).filter(|end| SAMPLE.is_char_boundary(*end)) {
        if let Ok(part) = parse("l", &SAMPLE[..end]) {
            for (key, package) in &part.packages {
                assert_eq!(whole.packages.get(key), Some(package), "{end}");
            }
        }
    }
}

fn key() -> impl Strategy<Value = LockKey> {
    let words = || collection::btree_set("[a-z][a-z0-9-]{0,8}", 0..3);
    let tool = sample::select(vec!["ruff", "rust", "python", "pypi:pre-commit"]);
    (
        tool,
        "\\PC{0,12}|[ -~\n\t\u{7f}\u{85}]{0,12}",
        words(),
        words(),
        collection::btree_set(
            "(asset|bin|features|tag-prefix|url)=[a-z{}/\"\\= ]{0,9}",
            0..3,
        ),
    )
        .prop_map(
            |(tool, requirement, components, targets, options)| LockKey {
                tool: tool.parse().unwrap(),
                requirement,
                components: components.into_iter().collect(),
                targets: targets.into_iter().collect(),
                options: options.iter().map(|one| one.parse().unwrap()).collect(),
            },
        )
}

#[test]
fn npm_packages_write_common_artifacts_once() {
    let integrity = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
    let line = |system: &str, part: &str| {
        format!(
            "  {{ system = \"{system}\", part = \"{part}\", url = \"https://r.example/{part}.tgz\", integrity = \"{integrity}\" }},\n"
        )
    };
    let text = format!(
        "# written by devsh, do not edit\nversion = 1\n\n[[tool]]\nname = \"npm:@s/a\"\nrequirement = \"1\"\n\
         version = \"1.0.0\"\nartifacts = [\n{}{}{}]\n",
        line("any", "@s/a"),
        line("any", "b/node_modules/@s/c"),
        line("linux-x86_64", "d"),
    );
    let lockfile = parse("l", &text).unwrap();
    let package = lockfile.packages.values().next().unwrap();
    assert_eq!(package.artifacts.len(), System::ALL.len());
    assert_eq!(package.artifacts[&System::LinuxX86_64].len(), 3);
    assert_eq!(print(&lockfile), text);
    for (from, to, expected) in [
        (
            "\"@s/a\"",
            "\"../a\"",
            "`../a` is not a place below `node_modules`",
        ),
        (
            "\"d\"",
            "\"d/../e\"",
            "`d/../e` is not a place below `node_modules`",
        ),
        ("sha512-z4Ph", "sha512-", "`sha512-"),
        ("npm:@s/a", "ruff", "`any` is not a system"),
    ] {
        let problem = problem(&text.replacen(from, to, 1)).1.to_string();
        let usual = from == "npm:@s/a" && problem.contains("is not a");
        assert!(problem.starts_with(expected) || usual, "{problem}");
    }
}

fn artifacts() -> impl Strategy<Value = BTreeMap<System, Vec<Artifact>>> {
    let artifact = (
        "[a-z0-9%+_.'-]{1,9}",
        any::<[u8; 32]>(),
        option::of(0..1_u64 << 40),
    );
    let parts = collection::btree_map("|[a-z][a-z0-9-]{0,8}", artifact, 1..4).prop_map(|parts| {
        let named = parts
            .into_iter()
            .map(|(part, (path, bytes, size))| Artifact {
                part,
                url: Url::parse("https://files.example/")
                    .unwrap()
                    .join(&path)
                    .unwrap(),
                digest: Sha256::from_bytes(bytes).into(),
                size,
            });
        named.collect()
    });
    collection::btree_map(sample::select(System::ALL.to_vec()), parts, 1..4)
}

fn python_sets() -> impl Strategy<Value = PythonSets> {
    let package = ("[a-z]{1,6}==[0-9]{1,2}( ; os_name == 'a')?", "[0-9a-f]{64}").prop_map(
        |(requirement, digest)| LockedRequirement {
            requirement,
            sha256: vec![digest],
        },
    );
    let set = collection::vec(package, 0..4).prop_map(|packages| PythonSet {
        origin: EntryOrigin::Read,
        python: "3.12".to_owned(),
        left_out: packages
            .iter()
            .map(|one| one.requirement.clone())
            .take(1)
            .collect(),
        left_out_parts: packages
            .iter()
            .map(|one| LeftOutPart {
                part: "group dev".to_owned(),
                requirement: one.requirement.contains(';').then(|| "a>1".to_owned()),
                reason: "has no \"wheel\"".to_owned(),
            })
            .take(1)
            .collect(),
        absent: packages.iter().map(|_| "a[b]".to_owned()).take(1).collect(),
        builds: packages.iter().map(|_| "stem".to_owned()).take(1).collect(),
        packages,
    });
    let list = |size| collection::btree_set("[a-z]{1,4}(>=[0-9])?", size);
    let options = collection::vec("--[a-z]{1,4} https://[a-z]{1,4}", 0..2);
    let lists = (list(1..3), list(0..2), list(0..2), options);
    let key = lists.prop_map(
        |(requirements, constraints, overrides, options)| PythonKey {
            requirements: requirements.into_iter().collect(),
            constraints: constraints.into_iter().collect(),
            overrides: overrides.into_iter().collect(),
            options,
        },
    );
    collection::btree_map(key, set, 0..3)
}

fn conda_sets() -> impl Strategy<Value = CondaSets> {
    let fields = (
        "[0-9a-f]{64}",
        option::of(0..9_u64),
        collection::vec("[a-z]{1,4} >=[0-9]", 0..3),
    );
    let named = collection::btree_map("[a-z][a-z_]{0,5}", fields, 1..4).prop_map(|named| {
        let package = |(name, (digest, size, depends)): (String, (String, _, _))| LockedConda {
            url: format!("https://h/noarch/{name}-1.2-h0_0.conda")
                .parse()
                .unwrap(),
            name,
            version: "1.2".to_owned(),
            build: "h0_0".to_owned(),
            sha256: digest.parse().unwrap(),
            size,
            depends,
        };
        named.into_iter().map(package).collect::<Vec<_>>()
    });
    let set = collection::btree_map(sample::select(System::ALL.to_vec()), named, 0..4).prop_map(
        |packages| CondaSet {
            origin: EntryOrigin::Read,
            packages,
        },
    );
    let key =
        collection::btree_set("[a-z]{1,4}( >=[0-9])?", 1..3).prop_map(|requirements| CondaKey {
            channels: vec!["conda-forge".parse().unwrap()],
            requirements: requirements.into_iter().collect(),
            ..CondaKey::default()
        });
    // Every package is needed.
    let needed = (key, set).prop_map(|(mut key, set): (CondaKey, CondaSet)| {
        let packages = set.packages.values().flatten();
        key.requirements
            .extend(packages.map(|one| one.name.clone()));
        key.requirements.sort();
        key.requirements.dedup();
        (key, set)
    });
    collection::vec(needed, 0..2).prop_map(|sets| sets.into_iter().collect())
}

#[test]
fn python_packages_are_exact_and_have_digests() {
    let set = |package: &str| {
        let text = format!(
            "version = 1\n[[python]]\nrequirements = ['a']\npython = '3.12'\npackages = [{package}]\n"
        );
        parse("devshell.lock", &text).map(|lockfile| lockfile.python)
    };
    let digest = "0".repeat(64);
    let good = set(&format!(
        "{{ requirement = 'a==1', sha256 = ['{digest}'] }}"
    ))
    .unwrap();
    let key = PythonKey {
        requirements: vec!["a".to_owned()],
        ..PythonKey::default()
    };
    let set_of_a = &good[&key];
    assert_eq!(
        set_of_a.to_requirements(),
        format!("a==1 --hash=sha256:{digest}\n")
    );
    for bad in [
        "{ requirement = 'a==1', sha256 = [] }".to_owned(),
        "{ requirement = 'a==1', sha256 = ['12'] }".to_owned(),
        format!("{{ requirement = 'a>=1', sha256 = ['{digest}'] }}"),
        format!("{{ requirement = '--index-url==x', sha256 = ['{digest}'] }}"),
        format!("{{ requirement = 'a==1 --find-links x', sha256 = ['{digest}'] }}"),
        format!("{{ requirement = 'a @ https://x/==', sha256 = ['{digest}'] }}"),
        format!("{{ requirement = \"a==1\\n--pre\", sha256 = ['{digest}'] }}"),
    ] {
        assert!(set(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_lockfile_cannot_add_an_address() {
    let (commit, digest) = ("0123456789".repeat(4), "0".repeat(64));
    let git = format!("a @ git+https://h/a.git@{commit}");
    let digests = format!("'{digest}'");
    for (asked, requirement, digests, is_right) in [
        (
            "a @ https://h/a.whl",
            "a @ https://h/a.whl",
            &*digests,
            true,
        ),
        ("https://h/a.whl", "a @ https://h/a.whl", &digests, true),
        ("a @ https://h/a.whl", "a @ https://h/a.whl", "", false),
        (
            "b @ https://h/a.whl",
            "a @ https://h/a.whl",
            &digests,
            false,
        ),
        (
            "a @ https://h/a.whl",
            "a @ https://evil/a.whl",
            &digests,
            false,
        ),
        ("a", "a @ https://h/a.whl", &digests, false),
        ("a @ git+https://h/a.git@main", &git, "", true),
        ("git+https://h/a.git", &git, "", true),
        (
            "a @ git+https://h/a.git@main",
            "a @ git+https://h/a.git@main",
            "",
            false,
        ),
        ("a @ git+https://h/b.git@main", &git, "", false),
        (&git.replace('0', "1"), &git, "", false),
    ] {
        let text = format!(
            "version = 1\n[[python]]\nrequirements = ['{asked}']\npython = '3.12'\n\
             packages = [{{ requirement = '{requirement}', sha256 = [{digests}] }}]\n"
        );
        assert_eq!(parse("devshell.lock", &text).is_ok(), is_right, "{text}");
    }
}

fn lockfile() -> impl Strategy<Value = Lockfile> {
    let package = (
        "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}",
        option::of("[0-9]{1,8}"),
        option::of("[ -~]{1,20}"),
        artifacts(),
    )
        .prop_map(|(version, build, checked, artifacts)| LockedPackage {
            origin: EntryOrigin::Read,
            version: version.parse().unwrap(),
            supplier: "pypi:other".parse().unwrap(),
            build,
            verified: checked.clone(),
            checked,
            artifacts,
            application: None,
        });
    let pin = ("[0-9a-f]{40}", "[0-9a-f]{64}").prop_map(|(commit, sha256)| ExtendsPin {
        commit: Some(commit),
        sha256: sha256.parse().unwrap(),
    });
    let source = "git\\+https://h/[a-z]{1,3}\\.git#v[0-9]:[a-z]\\.toml";
    let packages = collection::btree_map(key(), package, 0..5).prop_map(|mut packages| {
        for (key, package) in &mut packages {
            package.supplier = key.tool.unnamed_supplier();
        }
        packages
    });
    let extends = collection::btree_map(source, pin, 0..3);
    let manifests = collection::btree_map(
        sample::select(System::ALL.to_vec()),
        "[0-9a-f]{64}".prop_map(|hex| hex.parse().unwrap()),
        1..3,
    );
    let image_bases = collection::btree_map("[a-z]{1,3}:[0-9]", manifests, 0..3);
    (packages, python_sets(), conda_sets(), extends, image_bases).prop_map(
        |(packages, python, conda, extends, image_bases)| Lockfile {
            packages,
            python,
            conda,
            extends,
            image_bases,
        },
    )
}

proptest! {
    #[test]
    fn lockfiles_round_trip(lockfile in lockfile()) {
        let text = print(&lockfile);
        let read = parse("l", &text).unwrap();
        prop_assert_eq!(&read, &lockfile);
        prop_assert_eq!(print(&read), text);
    }

    #[test]
    fn damage_is_an_error_or_read_completely(at: sample::Index, with: char) {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(lockfile) = parse("l", &text) {
            prop_assert_eq!(&parse("l", &print(&lockfile)).unwrap(), &lockfile);
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC*") {
        let _read = parse("l", &text);
    }
}
