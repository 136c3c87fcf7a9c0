//! Objects from small archives made in memory, good and hostile.

mod chance;
mod components;
mod conda;
mod damage;
mod flips;
mod interleavings;
mod zips;

use tar::{Builder, EntryType};

use std::{fs, io, os::unix::fs::PermissionsExt as _, thread};

use super::{fixtures::*, *};
use crate::{fetch::Silent, package::Sha256};

/// A store in its own directory, with a mirror of files.
struct Fixture {
    directory: tempfile::TempDir,
    client: Client,
    config: Config,
}

impl Fixture {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            client: Client::new(true),
            config: Config {
                hook_timeout: std::time::Duration::from_secs(10),
                verbosity: crate::config::PromptVerbosity::Normal,
                tools_from: crate::config::ToolsFrom::Auto,
                pypi: crate::config::PYPI.parse().unwrap(),
                rust: crate::config::RUST.parse().unwrap(),
                python: crate::config::PYTHON_RELEASES.parse().unwrap(),
                gc: crate::config::Keep::default(),
                hosts: Vec::new(),
                npm_keys: Vec::new(),
                npm: crate::config::NPM.parse().unwrap(),
                conda: crate::package::CONDA.parse().unwrap(),
                node: crate::config::NODE.parse().unwrap(),
                go: crate::config::GO.parse().unwrap(),
                github: "https://api.github.com/".parse().unwrap(),
                crates_index: crate::config::CRATES_INDEX.parse().unwrap(),
                crates: crate::config::CRATES.parse().unwrap(),
                python_list: None,
                glibc: None,
                minimum_release_age: None,
                minimum_release_age_exclude: Vec::new(),
                caches: Vec::new(),
                trust: crate::config::TrustRules::default(),
            },
        }
    }

    fn store(&self) -> Store {
        Store::open(&self.directory.path().join("data"))
    }

    fn artifact(&self, part: &str, bytes: &[u8]) -> Artifact {
        let path = self.directory.path().join(format!("mirror-{part}"));
        fs::write(&path, bytes).unwrap();
        Artifact {
            part: part.to_owned(),
            url: url::Url::from_file_path(&path).unwrap(),
            digest: Sha256::of(bytes).into(),
            size: Some(bytes.len() as u64),
        }
    }

    fn install(&self, recipe: Recipe, archives: &[(&str, Vec<u8>)]) -> Result<PathBuf, Error> {
        let artifacts: Vec<_> = archives
            .iter()
            .map(|(part, bytes)| self.artifact(part, bytes))
            .collect();
        self.install_artifacts(recipe, &artifacts)
    }

    fn install_artifacts(&self, recipe: Recipe, artifacts: &[Artifact]) -> Result<PathBuf, Error> {
        let version = match recipe {
            Recipe::Python => "3.12.4",
            Recipe::Rust => "1.89.0",
            _ => "1.0",
        };
        self.install_version(recipe, version, artifacts)
    }

    fn install_version(
        &self,
        recipe: Recipe,
        version: &str,
        artifacts: &[Artifact],
    ) -> Result<PathBuf, Error> {
        let object = Object {
            name: &"tool".parse().unwrap(),
            version: &version.parse().unwrap(),
            recipe,
            artifacts,
            layout: &ReleaseOptions::default(),
        };
        let downloads = Downloads {
            client: &self.client,
            config: &self.config,
            directory: &self.directory.path().join("cache"),
        };
        self.store().install(&object, &downloads, &Silent)
    }
}

#[test]
fn a_python_is_placed_and_knows_its_prefix() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let read = |path: &str| fs::read_to_string(place.join(path)).unwrap();
    assert_eq!(
        fs::read_link(place.join("bin/python")).unwrap(),
        Path::new("python3")
    );
    assert_eq!(
        fs::read_link(place.join("bin/python3")).unwrap(),
        Path::new("python3.12")
    );
    assert!(read("lib/python3.12/_sysconfigdata__linux_.py").contains(place.to_str().unwrap()));
    assert!(read("bin/pip").contains(place.to_str().unwrap()));
    assert!(read("lib/python3.12/EXTERNALLY-MANAGED").contains("devsh"));
    assert_eq!(read("share/terminfo/2/2621a"), "A");
    let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("lib/python3.12/os.py"), 0o444);
    assert_eq!(mode("bin/python3.12"), 0o555);
    assert_eq!(fixture.store().verify(&place).unwrap().version, "3.12.4");
}

#[test]
fn an_object_that_is_there_needs_no_artifact() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("", &python());
    let first = fixture
        .install_artifacts(Recipe::Python, std::slice::from_ref(&artifact))
        .unwrap();
    fs::remove_file(artifact.url.to_file_path().unwrap()).unwrap();
    let second = fixture
        .install_artifacts(Recipe::Python, std::slice::from_ref(&artifact))
        .unwrap();
    assert_eq!(first, second);
    let cache = fixture.directory.path().join("cache");
    assert_eq!(fs::read_dir(cache).unwrap().count(), 0);
}

#[test]
fn sizes_that_no_number_holds_are_more_than_there_is() {
    let fixture = Fixture::new();
    let size = Some(u64::MAX);
    let huge = |part: &str| Artifact {
        size,
        ..fixture.artifact(part, b"")
    };
    let made = fixture.install_artifacts(Recipe::Python, &[huge("one"), huge("two")]);
    assert!(matches!(made, Err(Error::NoRoom { .. })), "{made:?}");
}

#[test]
fn rust_components_are_merged() {
    let fixture = Fixture::new();
    let rustc = component(
        "rustc",
        &[("bin/rustc", "x"), ("lib/a/b", "y")],
        "file:bin/rustc\ndir:lib/a\n",
        "3\n",
    );
    let cargo = component("cargo", &[("bin/cargo", "z")], "file:bin/cargo\n", "3\n");
    let place = fixture
        .install(Recipe::Rust, &[("rustc", rustc), ("cargo", cargo)])
        .unwrap();
    let read = |path: &str| fs::read_to_string(place.join(path)).unwrap();
    assert_eq!(read("bin/cargo") + &read("lib/a/b"), "zy");
    assert_eq!(read("lib/rustlib/components"), "cargo\nrustc\n");
    assert_eq!(read("lib/rustlib/manifest-cargo"), "file:bin/cargo\n");
    assert!(!place.join("install.sh").exists());
}

#[test]
fn rust_components_must_be_as_listed() {
    let fixture = Fixture::new();
    let refused = |archive| {
        let error = fixture
            .install(Recipe::Rust, &[("rustc", archive)])
            .unwrap_err();
        let Error::Unpack { reason, .. } = error else {
            panic!("{error}")
        };
        *reason
    };
    let files = [("bin/rustc", "x")];
    let unlisted = component("rustc", &files, "", "3\n");
    assert!(matches!(
        refused(unlisted),
        Error::Refused {
            rule: Rule::NotAsListed,
            ..
        }
    ));
    let missing = component("rustc", &files, "file:bin/rustc\nfile:bin/rustdoc\n", "3\n");
    assert!(matches!(
        refused(missing),
        Error::Refused {
            rule: Rule::NotAsListed,
            ..
        }
    ));
    let newer = component("rustc", &files, "file:bin/rustc\n", "4\n");
    assert!(matches!(refused(newer), Error::Installer { found } if found == "4"));
}

#[test]
fn the_programs_of_wheels_are_found() {
    let fixture = Fixture::new();
    let archive = wheel(&[
        ("tool-1.0.data/scripts/tool", "binary"),
        ("tool/__init__.py", ""),
    ]);
    let place = fixture.install(Recipe::Wheel, &[("", archive)]).unwrap();
    let mode = fs::metadata(place.join("bin/tool"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o555);
    assert!(!place.join("tool").exists());
}

#[test]
fn wheels_of_python_code_need_an_interpreter() {
    let fixture = Fixture::new();
    for files in [
        vec![("tool/__init__.py", "")],
        vec![("tool-1.0.data/scripts/tool", "#!python\nimport tool\n")],
    ] {
        let error = fixture
            .install(Recipe::Wheel, &[("", wheel(&files))])
            .unwrap_err();
        assert!(matches!(error, Error::NeedsInterpreter { .. }), "{error}");
    }
    let error = fixture
        .install(Recipe::Wheel, &[("", wheel(&[("x.txt", "")]))])
        .unwrap_err();
    assert!(matches!(error, Error::NoPrograms { .. }), "{error}");
}

#[test]
fn wheels_must_be_as_listed() {
    let fixture = Fixture::new();
    let files = [("tool-1.0.data/scripts/tool", "binary")];
    let changes: [fn(&str) -> String; 4] = [
        |record| record.replace(",6\n", ",7\n"),
        |record| record.replacen("sha256=", "sha256=AAAA", 1),
        |record| record.lines().skip(1).collect::<Vec<_>>().join("\n"),
        |record| format!("{record}{}\n", record.lines().next().unwrap()),
    ];
    for change in changes {
        let archive = wheel_with_record(&files, change);
        let error = fixture
            .install(Recipe::Wheel, &[("", archive)])
            .unwrap_err();
        let Error::Unpack { reason, .. } = error else {
            panic!("{error}")
        };
        let rule = matches!(
            *reason,
            Error::Refused {
                rule: Rule::NotAsListed,
                ..
            }
        );
        assert!(rule, "{reason}");
    }
}

#[test]
fn hostile_members_refuse_the_archive() {
    let cases: &[(&[Member<'_>], Rule)] = &[
        (&[("/etc/x", FILE, 0o644, "")], Rule::OddPath),
        (&[("python//etc/x", FILE, 0o644, "")], Rule::Absolute),
        (&[("python/../../x", FILE, 0o644, "")], Rule::OddPath),
        (&[("python/a/./b", FILE, 0o644, "")], Rule::OddPath),
        (&[("python/a\\b", FILE, 0o644, "")], Rule::OddPath),
        (&[("other/x", FILE, 0o644, "")], Rule::OddPath),
        (
            &[("python/a", FILE, 0o644, ""), ("python/a", FILE, 0o644, "")],
            Rule::Duplicate,
        ),
        (
            &[("python/a", FILE, 0o644, ""), ("python/A", FILE, 0o644, "")],
            Rule::CaseCollision,
        ),
        (
            &[
                ("python/d/a", FILE, 0o644, ""),
                ("python/D/b", FILE, 0o644, ""),
            ],
            Rule::CaseCollision,
        ),
        (
            &[
                ("python/a", FILE, 0o644, ""),
                ("python/a/b", FILE, 0o644, ""),
            ],
            Rule::Duplicate,
        ),
        (&[("python/a", FILE, 0o4755, "")], Rule::Privileged),
        (&[("python/a", EntryType::Char, 0o644, "")], Rule::OddType),
        (&[("python/a", EntryType::Fifo, 0o644, "")], Rule::OddType),
        (
            &[
                ("python/a", LINK, 0o777, "d"),
                ("python/a/b", FILE, 0o644, ""),
            ],
            Rule::ThroughLink,
        ),
        (
            &[("python/a", EntryType::Link, 0o644, "python/b")],
            Rule::HardLink,
        ),
        (
            &[("python/a", EntryType::Link, 0o644, "/etc/passwd")],
            Rule::OddPath,
        ),
    ];
    for (members, rule) in cases {
        refuses(members, rule);
    }
}

#[test]
fn links_stay_inside() {
    for target in ["/etc/passwd", "../../x", "..//../x", "../..", ""] {
        refuses(
            &[("python/a", LINK, 0o777, target)],
            &Rule::LinkTarget(target.to_owned()),
        );
    }
    let through = [
        ("python/a", LINK, 0o777, "d"),
        ("python/d/", EntryType::Directory, 0o755, ""),
        ("python/b", LINK, 0o777, "a/../../x"),
    ];
    refuses(&through, &Rule::LinkTarget("a/../../x".to_owned()));
}

fn refuses(members: &[Member<'_>], expected: &Rule) {
    let fixture = Fixture::new();
    let mut all = vec![("python/bin/python3.12", FILE, 0o755, ""), PATCHLEVEL];
    all.extend_from_slice(members);
    let error = fixture
        .install(Recipe::Python, &[("", gz(&tar_of(&all)))])
        .unwrap_err();
    let reason = match error {
        Error::Unpack { reason, .. } => *reason,
        error => error,
    };
    assert!(
        matches!(&reason, Error::Refused { rule, .. } if rule == expected),
        "{members:?}: {reason}"
    );
    let store = fixture.store();
    assert_eq!(
        fs::read_dir(store.root().join(".building"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(store.objects(), Vec::<String>::new());
    assert!(!fixture.directory.path().join("x").exists());
}

#[test]
fn bombs_are_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let mut tree = tree_builder::Tree::new(directory.path());
    tree.admit(1000);
    let mut endless = io::repeat(0);
    let error = tree
        .file("a", tree_builder::Placed::default(), &mut endless)
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Refused {
            rule: Rule::TooLarge,
            ..
        }
    ));
}

#[test]
fn headers_of_members_are_bounded() {
    /// Returns an archive of one program, after a header of this kind and length.
    fn archive(kind: EntryType, length: usize, record: &str) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size((record.len() + length) as u64);
        header.set_cksum();
        let content = record.as_bytes().iter().copied();
        let content: Vec<u8> = content.chain(std::iter::repeat_n(b'a', length)).collect();
        archive.append(&header, &content[..]).unwrap();
        let mut rest = archive.into_inner().unwrap();
        rest.truncate(rest.len() - 1024);
        let members = [("python/bin/python3.12", FILE, 0o755, ""), PATCHLEVEL];
        rest.extend(tar_of(&members));
        rest
    }
    let refused = |archive: Vec<u8>| {
        let fixture = Fixture::new();
        let error = fixture
            .install(Recipe::Python, &[("", gz(&archive))])
            .unwrap_err();
        let Error::Unpack { reason, .. } = error else {
            panic!("{error}");
        };
        matches!(
            *reason,
            Error::Refused {
                rule: Rule::TooLarge,
                ..
            }
        )
    };
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
    ] {
        assert!(refused(archive(kind, 1 << 21, "")), "{kind:?}");
        // Two of them before one member.
        let mut twice = archive(kind, 0, "");
        let header = twice[..512].to_vec();
        twice.splice(..0, header);
        assert!(refused(twice), "{kind:?}");
    }
    // Programs that use it find the next member elsewhere.
    assert!(refused(archive(EntryType::XHeader, 0, "9 size=1\n")));
    // A header for all members is skipped, however long it is.
    let fixture = Fixture::new();
    let skipped = archive(EntryType::XGlobalHeader, 1 << 21, "");
    fixture
        .install(Recipe::Python, &[("", gz(&skipped))])
        .unwrap();
}

#[test]
fn processes_that_want_one_object_make_it_once() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("", &python());
    let places: Vec<_> = thread::scope(|scope| {
        let install = || fixture.install_artifacts(Recipe::Python, std::slice::from_ref(&artifact));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(install)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap())
            .collect()
    });
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn remains_of_a_dead_process_are_removed() {
    let fixture = Fixture::new();
    let left = fixture.store().root().join(".building/0123");
    fs::create_dir_all(left.join("x")).unwrap();
    let trash = fixture.store().root().join(".trash/a-b-1.2.3.99999999.1");
    fs::create_dir_all(&trash).unwrap();
    let lease = fixture.store().root().join(".leases/envs/0123");
    fs::create_dir_all(lease.parent().unwrap()).unwrap();
    fs::write(&lease, "").unwrap();
    fixture.install(Recipe::Python, &[("", python())]).unwrap();
    assert!(!left.exists() && !trash.exists() && !lease.exists());
}

#[test]
fn artifacts_prove_their_name_and_version() {
    let fixture = Fixture::new();
    let found = |recipe, part: &str, archive| {
        let error = fixture.install(recipe, &[(part, archive)]).unwrap_err();
        let Error::OtherPackage { name, version } = error else {
            panic!("{error}")
        };
        format!("{name} {version}")
    };
    // Another package, another version, and a directory for scripts of another name.
    for (stem, expected) in [("evil-1.0", "evil 1.0"), ("tool-1.1", "tool 1.1")] {
        let script = format!("{stem}.data/scripts/tool");
        let archive = wheel(&[(&*script, "x")]);
        assert_eq!(found(Recipe::Wheel, "", archive), expected);
    }
    let files = [
        ("tool-1.0.data/scripts/tool", "x"),
        ("evil-1.0.data/scripts/ls", "x"),
    ];
    assert_eq!(found(Recipe::Wheel, "", wheel(&files)), "evil 1.0");
    let text = "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n\nName: tool\n";
    let files = [
        ("tool-1.0.data/scripts/tool", "x"),
        ("tool-1.0.dist-info/METADATA", text),
    ];
    assert_eq!(found(Recipe::Wheel, "", wheel(&files)), "evil 1.0");
    // Names and versions are compared in their normal form.
    let archive = wheel(&[("Tool-1.0.0.data/scripts/tool", "x")]);
    fixture.install(Recipe::Wheel, &[("", archive)]).unwrap();

    let wanted = "#define PY_VERSION \"3.12.4\"\n";
    let header = "python/include/python3.12/patchlevel.h";
    for (text, expected) in [
        ("#define PY_VERSION \"3.12.5\"\n", "python 3.12.5"),
        ("", "python "),
    ] {
        let archive = gz(&tar_of(&[
            ("python/bin/python3.12", FILE, 0o755, ""),
            (header, FILE, 0o644, text),
            ("python/include/x/patchlevel.h", FILE, 0o644, wanted),
        ]));
        assert_eq!(found(Recipe::Python, "", archive), expected);
    }

    let files = [("bin/x", "x")];
    let cargo = component("cargo", &files, "file:bin/x\n", "3\n");
    let expected = "cargo-1.89.0-x 1.89.0 (29483883e 2025-08-04)";
    assert_eq!(found(Recipe::Rust, "rustc", cargo), expected);

    let package = |name: &str, version: &str| {
        let text = format!(
            "{{\"name\": \"{name}\", \"version\": \"{version}\", \"bin\": {{\"ls\": \"x\"}}, \"dependencies\": {{\"dep\": \"*\"}}}}"
        );
        let members = [("package/package.json", text.as_str()), ("package/x", "")];
        gz(&tar_of(
            &members.map(|(path, text)| (path, FILE, 0o644, text)),
        ))
    };
    for (name, version) in [("evil", "1.0.0"), ("tool", "1.0.1")] {
        let archive = package(name, version);
        let expected = format!("{name} {version}");
        assert_eq!(found(Recipe::Npm, "tool", archive), expected);
    }
    let parts = |dependency| [("tool", package("tool", "v1.0.0")), ("dep", dependency)];
    let evil = parts(package("evil", "1.0.0"));
    let error = fixture.install(Recipe::Npm, &evil).unwrap_err();
    assert!(matches!(error, Error::OtherPackage { .. }), "{error}");
    let dependency = || package("dep", "2.0.0");
    fixture.install(Recipe::Npm, &parts(dependency())).unwrap();
    // A package that none of them asks for.
    let more = [
        ("tool", package("tool", "1.0.0")),
        ("other", package("other", "1.0.0")),
    ];
    let error = fixture.install(Recipe::Npm, &more).unwrap_err();
    assert!(matches!(error, Error::NotRequested { .. }), "{error}");
}

#[test]
fn rust_components_know_their_release_by_file_or_directory() {
    let fixture = Fixture::new();
    let install = |version: &str, part: &str, top: &str, about: &str| {
        let list = format!("file:bin/{part}\n");
        let members = [
            ("rust-installer-version", "3\n"),
            ("version", about),
            ("components", &*format!("{part}\n")),
            (&*format!("{part}/manifest.in"), &*list),
            (&*format!("{part}/bin/{part}"), "x"),
        ]
        .map(|(path, text)| (format!("{top}/{path}"), text.to_owned()));
        let members = members.each_ref();
        let members = members.map(|(path, text)| (&**path, FILE, 0o755, &**text));
        let artifact = fixture.artifact(part, &gz(&tar_of(&members)));
        fixture.install_version(Recipe::Rust, version, &[artifact])
    };
    for (version, part, top, about) in [
        (
            "1.95.0",
            "rustc",
            "rustc-1.95.0-x",
            "1.95.0 (59807616e 2026-04-14)",
        ),
        (
            "1.95.0",
            "cargo",
            "cargo-1.95.0-x",
            "0.96.0 (f2d3ce0bd 2026-03-21)",
        ),
        (
            "1.36.0",
            "cargo",
            "cargo-0.37.0-x",
            "0.37.0 (c4fcfb725 2019-05-15)",
        ),
        (
            "1.97.0.dev20261029",
            "rustc",
            "rustc-nightly-x",
            "1.97.0-nightly (0123 2026-10-28)",
        ),
        (
            "1.97.0.dev20261029",
            "cargo",
            "cargo-nightly-x",
            "0.98.0-nightly (0123 2026-10-28)",
        ),
        (
            "1.96.0-beta.3",
            "rustc",
            "rustc-beta-x",
            "1.96.0-beta.3 (0123 2026-10-28)",
        ),
    ] {
        install(version, part, top, about).unwrap();
    }
    for (version, part, top, about) in [
        (
            "1.95.0",
            "rustc",
            "rustc-1.95.0-x",
            "1.94.0 (59807616e 2026-04-14)",
        ),
        (
            "1.95.0",
            "rustc",
            "rustc-nightly-x",
            "1.95.0-nightly (0123 2026-03-21)",
        ),
        (
            "1.95.0",
            "cargo",
            "cargo-1.94.0-x",
            "0.95.0 (f2d3ce0bd 2026-03-21)",
        ),
        (
            "1.36.0",
            "rustc",
            "rustc-1.35.0-x",
            "1.35.0 (c4fcfb725 2019-05-15)",
        ),
        (
            "1.97.0.dev20261029",
            "rustc",
            "rustc-nightly-x",
            "1.96.0-nightly (0123 2026-10-28)",
        ),
    ] {
        let made = install(version, part, top, about);
        assert!(
            matches!(made, Err(Error::OtherPackage { .. })),
            "{top} {about}: {made:?}"
        );
    }
}

#[test]
fn a_directory_is_removed_while_files_are_added() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let object = directory.path().join("object");
        let bytecode = object.join("__pycache__");
        fs::create_dir_all(&bytecode).unwrap();
        let writer = thread::spawn(move || {
            for count in 0..200 {
                // The directory goes at some time.
                let _written = fs::write(bytecode.join(format!("{count}.pyc")), "x");
            }
        });
        remove_tree(&object).unwrap();
        writer.join().unwrap();
        assert!(!object.exists());
    }
}
