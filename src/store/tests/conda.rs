//! Conda packages and the prefixes that are linked from them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use super::{Fixture, Recipe};
use crate::{
    fetch::{Progress as _, Silent},
    lockfile::Artifact,
    package::{PackageName, Sha256, Source, System, Version},
    store::{Downloads, Error, Object, PrefixNotes, PrefixPackages},
};

/// The place that a package was built for: as long as those of conda-forge.
fn placeholder() -> String {
    format!("/{}", "placehold_".repeat(25) + "plac")
}

/// A member of a package.
#[derive(Clone)]
enum Member {
    File {
        path: &'static str,
        data: Vec<u8>,
        mode: u32,
        placeholder: Option<&'static str>,
    },
    Link {
        path: &'static str,
        target: &'static str,
    },
}

fn text(path: &'static str, data: &str) -> Member {
    Member::File {
        path,
        data: data.into(),
        mode: 0o644,
        placeholder: None,
    }
}

fn with_prefix(path: &'static str, data: String, kind: &'static str) -> Member {
    Member::File {
        path,
        data: data.into_bytes(),
        mode: 0o755,
        placeholder: Some(kind),
    }
}

/// A package to make.
struct TestPackage {
    name: &'static str,
    version: &'static str,
    noarch: Option<&'static str>,
    depends: &'static [&'static str],
    members: Vec<Member>,
    entry_points: &'static [&'static str],
}

impl TestPackage {
    fn new(name: &'static str, members: Vec<Member>) -> Self {
        Self {
            name,
            version: "1.1.1w",
            noarch: None,
            depends: &[],
            members,
            entry_points: &[],
        }
    }

    fn info(&self) -> Vec<Member> {
        let paths: Vec<_> = self
            .members
            .iter()
            .map(|member| match member {
                Member::File {
                    path,
                    placeholder: Some(kind),
                    ..
                } => serde_json::json!({
                    "_path": path, "path_type": "hardlink", "file_mode": kind,
                    "prefix_placeholder": placeholder(),
                }),
                Member::File { path, .. } => {
                    serde_json::json!({ "_path": path, "path_type": "hardlink" })
                }
                Member::Link { path, .. } => {
                    serde_json::json!({ "_path": path, "path_type": "softlink" })
                }
            })
            .collect();
        let index = serde_json::json!({
            "name": self.name, "version": self.version, "build": "h0_0", "build_number": 0,
            "depends": self.depends, "subdir": "linux-64", "noarch": self.noarch,
        });
        let mut info = vec![
            text("info/index.json", &index.to_string()),
            text(
                "info/paths.json",
                &serde_json::json!({ "paths": paths, "paths_version": 1 }).to_string(),
            ),
        ];
        if !self.entry_points.is_empty() {
            let link = serde_json::json!({
                "noarch": { "type": "python", "entry_points": self.entry_points },
                "package_metadata_version": 1,
            });
            info.push(text("info/link.json", &link.to_string()));
        }
        info
    }

    fn file(&self, end: &str) -> String {
        format!("{}-{}-h0_0{end}", self.name, self.version)
    }

    fn conda(&self) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        let stem = self.file("");
        let pack = |members: &[Member]| zstd::encode_all(&*tar_of(members), 1).unwrap();
        for (name, data) in [
            (
                "metadata.json".to_owned(),
                br#"{"conda_pkg_format_version": 2}"#.to_vec(),
            ),
            (format!("pkg-{stem}.tar.zst"), pack(&self.members)),
            (format!("info-{stem}.tar.zst"), pack(&self.info())),
        ] {
            zip.start_file(name, stored).unwrap();
            zip.write_all(&data).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn tar_bz2(&self) -> Vec<u8> {
        let members = [self.info(), self.members.clone()].concat();
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(&tar_of(&members)).unwrap();
        encoder.finish().unwrap()
    }
}

fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        header.set_mode(0o777);
        match member {
            Member::File {
                path, data, mode, ..
            } => {
                header.set_mode(*mode);
                header.set_size(data.len() as u64);
                // The crate refuses the paths of hostile packages.
                header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
                header.set_cksum();
                tar.append(&header, &**data).unwrap();
            }
            Member::Link { path, target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

impl Fixture {
    fn conda(&self, package: &TestPackage) -> Result<PathBuf, Error> {
        self.conda_file(package, &package.file(".conda"), &package.conda())
    }

    fn conda_file(
        &self,
        package: &TestPackage,
        file: &str,
        bytes: &[u8],
    ) -> Result<PathBuf, Error> {
        let path = self.directory.path().join(file);
        fs::write(&path, bytes).unwrap();
        let artifact = Artifact {
            part: String::new(),
            url: url::Url::from_file_path(&path).unwrap(),
            digest: Sha256::of(bytes).into(),
            size: None,
        };
        let object = Object {
            name: &PackageName::of(Source::Conda, package.name).unwrap(),
            version: &Version::opaque(package.version).unwrap(),
            recipe: Recipe::CondaPackage,
            artifacts: &[artifact],
            layout: &crate::package::ReleaseOptions::default(),
        };
        let downloads = Downloads {
            client: &self.client,
            config: &self.config,
            directory: &self.directory.path().join("cache"),
        };
        self.store().install(&object, &downloads, &Silent)
    }

    /// Links a prefix whose packages are all requested.
    fn prefix(&self, objects: &[PathBuf]) -> Result<PathBuf, Error> {
        let names = objects.iter().map(|object| {
            let name = object.file_name().unwrap().to_str().unwrap();
            name.split('-').nth(1).unwrap()
        });
        self.prefix_of(objects, &names.collect::<Vec<_>>())
    }

    fn prefix_of(&self, objects: &[PathBuf], requested: &[&str]) -> Result<PathBuf, Error> {
        let packages = PrefixPackages {
            objects,
            requested: &requested.iter().map(ToString::to_string).collect(),
            system: System::LinuxX86_64,
        };
        self.store()
            .link_prefix(packages, &*Silent.start("x", "linking", None))
    }
}

fn python() -> TestPackage {
    TestPackage {
        version: "3.12.4",
        ..TestPackage::new(
            "python",
            vec![with_prefix(
                "bin/python3.12",
                format!("\u{7f}ELF\0{}/lib\0end", placeholder()),
                "binary",
            )],
        )
    }
}

#[test]
fn both_formats_of_packages_give_the_same_tree() {
    let fixture = Fixture::new();
    let package = TestPackage::new(
        "lib_a",
        vec![
            text("lib/a.py", "1"),
            Member::Link {
                path: "lib/b",
                target: "a.py",
            },
        ],
    );
    let zip = fixture.conda(&package).unwrap();
    let tar = fixture
        .conda_file(&package, &package.file(".tar.bz2"), &package.tar_bz2())
        .unwrap();
    assert_ne!(zip, tar);
    let list = |place: &PathBuf| fs::read_to_string(place.join(".devsh-files")).unwrap();
    assert_eq!(list(&zip), list(&tar));
    assert!(zip.to_str().unwrap().ends_with("-lib_a-1.1.1w"), "{zip:?}");
    assert_eq!(
        fs::metadata(zip.join("lib/a.py")).unwrap().mtime(),
        1_700_000_000
    );
    let record = fixture.store().verify(&zip).unwrap();
    assert_eq!(record.recipe, "conda");
}

#[test]
fn a_package_is_the_one_of_its_name() {
    let fixture = Fixture::new();
    let package = TestPackage::new("a", vec![text("x", "1")]);
    for file in [
        "a-1.1.1w-h9_0.conda",
        "b-1.1.1w-h0_0.conda",
        "a-1.1.1w-h0_0-x.conda",
    ] {
        let error = fixture
            .conda_file(&package, file, &package.conda())
            .unwrap_err();
        assert!(
            error.to_string().contains("version 1.1.1w h0_0 of `a`"),
            "{file}: {error}"
        );
    }
}

#[test]
fn hostile_packages_are_refused() {
    let hostile: [(&str, Vec<Member>); 7] = [
        ("../escape", vec![text("../escape", "1")]),
        ("/absolute", vec![text("/absolute", "1")]),
        ("case", vec![text("lib/a", "1"), text("lib/A", "2")]),
        (
            "outside",
            vec![Member::Link {
                path: "lib/x",
                target: "../../outside",
            }],
        ),
        (
            "absolute link",
            vec![Member::Link {
                path: "x",
                target: "/etc/passwd",
            }],
        ),
        (
            "through",
            vec![
                Member::Link {
                    path: "x",
                    target: "lib",
                },
                text("x/y", "1"),
            ],
        ),
        (
            "loop",
            vec![
                Member::Link {
                    path: "a",
                    target: "b/x",
                },
                Member::Link {
                    path: "b",
                    target: "a/x",
                },
            ],
        ),
    ];
    for (kind, members) in hostile {
        let fixture = Fixture::new();
        let error = fixture
            .conda(&TestPackage::new("evil", members))
            .unwrap_err();
        let refused = matches!(error, Error::Unpack { .. } | Error::Refused { .. });
        assert!(refused, "{kind}: {error}");
        assert!(fixture.store().objects().is_empty(), "{kind}");
        assert!(!fixture.directory.path().join("escape").exists());
    }
}

#[test]
fn links_of_packages_may_lead_through_links() {
    let fixture = Fixture::new();
    let members = vec![
        Member::Link {
            path: "lib64",
            target: "usr/lib64",
        },
        Member::Link {
            path: "usr/lib64/a.so",
            target: "../../lib64/a.so.1",
        },
        text("usr/lib64/a.so.1", "1"),
        text("share/terminfo/a", "1"),
        text("share/terminfo/A", "2"),
    ];
    let place = fixture
        .conda(&TestPackage::new("sysroot", members))
        .unwrap();
    assert_eq!(
        fs::read_to_string(place.join("usr/lib64/a.so")).unwrap(),
        "1"
    );
}

#[test]
fn a_prefix_shares_files_and_names_its_place() {
    let fixture = Fixture::new();
    let tool = TestPackage::new(
        "tool",
        vec![
            text("share/data", "much"),
            with_prefix(
                "bin/tool",
                format!("#!{0}/bin/sh\necho {0}\n", placeholder()),
                "text",
            ),
            Member::Link {
                path: "bin/t",
                target: "tool",
            },
        ],
    );
    let code = TestPackage {
        noarch: Some("python"),
        entry_points: &["run = code.main:go"],
        ..TestPackage::new(
            "code",
            vec![
                text("site-packages/code/main.py", "x = 1"),
                text("python-scripts/helper", "1"),
            ],
        )
    };
    let objects = [
        fixture.conda(&tool).unwrap(),
        fixture.conda(&python()).unwrap(),
        fixture.conda(&code).unwrap(),
    ];
    let prefix = fixture.prefix(&objects).unwrap();
    let place = prefix.to_str().unwrap();
    let read = |path: &str| fs::read(prefix.join(path)).unwrap();
    assert_eq!(
        read("bin/tool"),
        format!("#!{place}/bin/sh\necho {place}\n").as_bytes()
    );
    assert_eq!(
        fs::read_link(prefix.join("bin/t")).unwrap(),
        PathBuf::from("tool")
    );
    let mut binary = format!("\u{7f}ELF\0{place}/lib").into_bytes();
    binary.resize(binary.len() + placeholder().len() - place.len(), 0);
    binary.extend_from_slice(b"\0end");
    assert_eq!(read("bin/python3.12"), binary);
    assert_eq!(read("lib/python3.12/site-packages/code/main.py"), b"x = 1");
    assert_eq!(read("bin/helper"), b"1");
    let run = String::from_utf8(read("bin/run")).unwrap();
    assert!(
        run.starts_with(&format!("#!{place}/bin/python3.12\n")),
        "{run}"
    );
    assert!(run.contains("from code.main import go\n") && run.ends_with("sys.exit(go())\n"));
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    assert_eq!(
        inode(prefix.join("share/data")),
        inode(objects[0].join("share/data"))
    );
    assert_eq!(
        fs::metadata(prefix.join("bin/run"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o555
    );
    let description = String::from_utf8(read("conda-meta/tool-1.1.1w-h0_0.json")).unwrap();
    assert!(description.contains("\"bin/tool\""), "{description}");
    let notes = PrefixNotes::read(&prefix).unwrap();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let programs = [
        ("code", names(&["helper", "run"])),
        ("python", names(&["python3.12"])),
        ("tool", names(&["t", "tool"])),
    ];
    let programs = programs.map(|(name, programs)| (name.to_owned(), programs));
    let expected = PrefixNotes {
        programs: programs.into(),
        ..PrefixNotes::default()
    };
    assert_eq!(notes, expected);
    assert_eq!(
        fixture.store().verify(&prefix).unwrap().recipe,
        "conda-prefix"
    );
    // The same packages in another order are the same prefix.
    let [first, second, third] = objects;
    assert_eq!(fixture.prefix(&[third, first, second]).unwrap(), prefix);
}

#[test]
fn a_file_of_several_packages_is_that_of_the_dependent_one() {
    let fixture = Fixture::new();
    let base = TestPackage::new(
        "zbase",
        vec![
            text("lib/x", "base"),
            text("lib/same", "1"),
            text("bin/.zbase-post-link.sh", "touch /tmp/ran"),
        ],
    );
    let top = TestPackage {
        depends: &["zbase"],
        ..TestPackage::new("atop", vec![text("lib/x", "top"), text("lib/same", "1")])
    };
    let objects = [fixture.conda(&top).unwrap(), fixture.conda(&base).unwrap()];
    let prefix = fixture.prefix(&objects).unwrap();
    assert_eq!(fs::read_to_string(prefix.join("lib/x")).unwrap(), "top");
    let notes = PrefixNotes::read(&prefix).unwrap();
    assert_eq!(notes.scripts, ["zbase"]);
    let [clobbered] = &notes.clobbered[..] else {
        panic!("{notes:?}");
    };
    assert_eq!((&*clobbered.path, &*clobbered.from), ("lib/x", "atop"));
    assert_eq!(clobbered.others, ["zbase"]);
}

#[test]
fn many_common_files_hide_no_package() {
    let fixture = Fixture::new();
    let places = ["lib/a", "lib/b", "lib/c", "lib/d"];
    let package = |name| TestPackage::new(name, places.map(|place| text(place, name)).to_vec());
    let objects = [
        fixture.conda(&package("wanted")).unwrap(),
        fixture.conda(&package("other")).unwrap(),
    ];
    let prefix = fixture.prefix_of(&objects, &["wanted"]).unwrap();
    let notes = PrefixNotes::read(&prefix).unwrap();
    assert_eq!(notes.unneeded.into_keys().collect::<Vec<_>>(), ["other"]);
    assert_eq!(notes.clobbered.len(), 3, "those that are shown");
    let nothing = tempfile::tempdir().unwrap();
    let unknown = PrefixNotes::read(nothing.path());
    assert!(matches!(unknown, Err(Error::Damaged { .. })), "{unknown:?}");
}

#[test]
fn a_package_that_no_other_needs_replaces_and_sets_nothing() {
    let fixture = Fixture::new();
    let wanted = TestPackage {
        depends: &["library >=1"],
        ..TestPackage::new("wanted", vec![text("bin/tool", "wanted")])
    };
    let library = TestPackage::new(
        "library",
        vec![text("lib/x", "library"), text("bin/l", "l")],
    );
    let guest = TestPackage {
        // It would come after both.
        depends: &["wanted", "library"],
        ..TestPackage::new(
            "guest",
            vec![
                text("lib/x", "guest"),
                text("bin/tool", "guest"),
                text("bin/new", "new"),
                text("etc/conda/activate.d/guest.sh", "export CC=x"),
                text("etc/conda/env_vars.d/guest.json", "{}"),
            ],
        )
    };
    let objects = [&wanted, &library, &guest].map(|one| fixture.conda(one).unwrap());
    let prefix = fixture.prefix_of(&objects, &["wanted"]).unwrap();
    let read = |path: &str| fs::read_to_string(prefix.join(path)).ok();
    assert_eq!(read("lib/x").as_deref(), Some("library"));
    assert_eq!(read("bin/tool").as_deref(), Some("wanted"));
    assert_eq!(read("etc/conda/activate.d/guest.sh"), None);
    assert_eq!(read("etc/conda/env_vars.d/guest.json"), None);
    let notes = PrefixNotes::read(&prefix).unwrap();
    let name = |name: &str| name.to_owned();
    let programs = [(name("wanted"), [name("l"), name("tool")].into())];
    assert_eq!(notes.programs, programs.into());
    assert_eq!(
        notes.unneeded,
        [(name("guest"), [name("new")].into())].into()
    );
    assert_eq!(notes.unset, [name("guest")].into());
    // Asked for, it is like any other package.
    let prefix = fixture.prefix_of(&objects, &["guest", "wanted"]).unwrap();
    let text = fs::read_to_string(prefix.join("lib/x")).unwrap();
    assert_eq!(text, "guest");
    assert_eq!(PrefixNotes::read(&prefix).unwrap().unneeded, [].into());
}

#[test]
fn what_cannot_be_linked_is_refused() {
    let fixture = Fixture::new();
    let code = TestPackage {
        noarch: Some("python"),
        ..TestPackage::new("code", vec![text("site-packages/x.py", "1")])
    };
    let error = fixture
        .prefix(&[fixture.conda(&code).unwrap()])
        .unwrap_err();
    assert!(matches!(error, Error::NoPython { .. }), "{error}");
    let short = TestPackage::new(
        "short",
        vec![with_prefix("bin/x", "1".to_owned(), "binary")],
    );
    let error = fixture
        .prefix(&[fixture.conda(&short).unwrap()])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not match the archive's own list"),
        "{error}"
    );
    let left = fixture.store().objects();
    assert!(
        left.iter().all(|name| !name.contains("-prefix-")),
        "{left:?}"
    );
}
