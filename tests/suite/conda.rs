//! Packages of conda channels: locked together, linked into one prefix that projects share, and activated.

mod compilers;

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::{
    applications,
    support::{
        HostShell, Sandbox, Server,
        archive::sha256,
        conda::{CHANNEL, FilePackage, Layout, Package, archive, serve_channel, serve_files},
        cpython, for_each_shell,
        pypi::{serve_sdist, serve_tool},
        require,
        sandbox::DEVSH,
    },
};

const DATABASE: Package<'_> = Package {
    name: "database",
    version: "16.2",
    depends: &["libdb >=16,<17", "__glibc >=2.17"],
    files: &[
        (
            "bin/db",
            "#!/bin/sh\necho database at PREFIX with $(cat PREFIX/lib/libdb)\n",
        ),
        ("share/db/much", "the same in every environment\n"),
    ],
};
const PACKAGES: &[Package<'_>] = &[
    DATABASE,
    Package {
        version: "17.0",
        depends: &["libdb >=17"],
        ..DATABASE
    },
    Package {
        name: "libdb",
        version: "16.9",
        depends: &[],
        files: &[("lib/libdb", "libdb 16")],
    },
    Package {
        name: "libdb",
        version: "17.0",
        depends: &[],
        files: &[("lib/libdb", "libdb 17")],
    },
    Package {
        name: "gcc",
        version: "14.1",
        depends: &["libdb"],
        files: &[
            ("bin/gcc", "#!/bin/sh\necho gcc\n"),
            (
                "etc/conda/activate.d/gcc.sh",
                "export CC=PREFIX/bin/gcc LD_LIBRARY_PATH=PREFIX/lib\n",
            ),
            ("bin/.gcc-post-link.sh", "touch /tmp/devsh-must-not-exist\n"),
        ],
    },
];
const MANIFEST: &str = "[tools]\n\"conda:database\" = \"16\"\n\n[conda]\nchannels = [\"team\"]\n";

fn served(layout: Layout) -> (Sandbox, Server) {
    let server = Server::start();
    serve_channel(&server, PACKAGES, layout);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    (sandbox, server)
}

#[test]
fn a_channel_with_passwords_takes_those_of_the_user() {
    let (sandbox, server) = served(Layout::Sharded);
    server.require("Basic bWU6c2VjcmV0");
    let run = ["run", "-v", "--trust", "--", "db"];
    sandbox.devsh(&run).error(&["answered 401", "netrc"]);
    let netrc = "machine 127.0.0.1 login me password secret\n";
    fs::write(sandbox.home().join(".netrc"), netrc).unwrap();
    sandbox.devsh(&run).success();
    let address = server.address().replace("http://", "http://me:secret@");
    let sandbox = Sandbox::new()
        .served_by(&server)
        .env("CONDA_CHANNEL_ALIAS", format!("{address}/conda"))
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    let outcome = sandbox.devsh(&run).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        !format!("{outcome}{lockfile}").contains("secret"),
        "{outcome}\n{lockfile}"
    );
}

/// Returns the objects of the store whose name has this part.
fn objects(sandbox: &Sandbox, part: &str) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(sandbox.data().join("store")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains(part))
        .collect()
}

#[test]
fn a_second_worktree_gets_the_same_prefix_without_a_server() {
    let (sandbox, server) = served(Layout::Sharded);
    let git = |arguments: &[&str]| {
        let mut command = sandbox.command("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        sandbox.outcome(command.args(arguments)).success();
    };
    git(&["init", "-q", "-b", "main"]);
    sandbox.allow();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["worktree", "add", "-q", "../tree"]);
    drop(server);
    let before = objects(&sandbox, "-");
    let tree = sandbox.home().join("tree");
    for_each_shell(|shell| {
        let mut pty = sandbox.shell(shell);
        let shown = pty.cd(&tree);
        assert!(!shown.contains("not allowed"), "{shown}");
        let shown = pty.type_line("db");
        assert!(shown.contains("with libdb 16"), "{shown}");
    });
    assert_eq!(objects(&sandbox, "-"), before);
}

#[test]
fn a_tool_is_locked_with_its_libraries_and_runs() {
    for layout in [Layout::Sharded, Layout::Json] {
        let (sandbox, server) = served(layout);
        sandbox.allow();
        let ran = sandbox.devsh(&["run", "--", "db"]).success();
        assert!(ran.stdout.contains("-prefix-2"), "{}", ran.stdout);
        assert!(ran.stdout.ends_with("with libdb 16\n"), "{}", ran.stdout);
        let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
        assert!(lock.contains("https://conda.anaconda.org/team/linux-64/database-16.2-h0_0.conda"));
        assert!(
            lock.contains("depends = [\"libdb >=16,<17\", \"__glibc >=2.17\"]"),
            "{lock}"
        );
        assert!(!lock.contains(server.address()), "{lock}");
        sandbox.devsh(&["lock", "--check"]).success();
        sandbox.devsh(&["verify"]).success();
    }
}

#[test]
fn links_of_two_packages_together_stay_inside() {
    let mut outer = FilePackage::new("outer", "1.0", &["inner"]);
    let way = format!("../p/q/r/s/t{}/outside.sh", "/..".repeat(5));
    outer.links.push(("bin/l".to_owned(), way));
    let mut inner = FilePackage::new("inner", "1.0", &[]);
    // Alone, each link stays inside.
    inner
        .links
        .push(("p/q/r/s/t".to_owned(), "../../../..".to_owned()));
    let server = Server::start();
    serve_files(&server, &[outer, inner], Layout::Json);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .manifest("[conda]\nchannels = [\"team\"]\npackages = [\"outer\"]\n");
    let expected = ["`outer 1.0`", "`bin/l`", "outside.sh"];
    sandbox.devsh(&["allow", "--yes"]).error(&expected);
}

#[test]
fn a_package_of_a_channel_that_loses_asks() {
    let (sandbox, server) = served(Layout::Json);
    let database = Package {
        files: &[("bin/db", "#!/bin/sh\necho the other one\n")],
        ..DATABASE
    };
    let second = Server::start();
    serve_channel(
        &second,
        &[&[database], &PACKAGES[1..]].concat(),
        Layout::Json,
    );
    for path in second.paths("/team/") {
        let other = path.replace("/team/", "/other/");
        server.serve(&other, second.content(&path));
    }
    let channels = "[\"team\", \"other\"]";
    sandbox.write("devshell.toml", MANIFEST.replace("[\"team\"]", channels));
    sandbox.allow();
    sandbox.devsh(&["run", "--", "db"]).success();
    let place = sandbox.project().join("devshell.lock");
    let lock = fs::read_to_string(&place).unwrap();
    let from = "https://conda.anaconda.org/team/linux-64/database-16.2";
    assert!(lock.contains(from), "{lock}");
    let (own, other) = (archive(&DATABASE.into()), archive(&database.into()));
    let forged = lock
        .replace(from, &from.replace("/team/", "/other/"))
        .replace(&sha256(&own), &sha256(&other))
        .replace(
            &format!("size = {},", own.len()),
            &format!("size = {},", other.len()),
        );
    sandbox.write("devshell.lock", &forged);
    let error = "has sources of programs that you have not approved";
    sandbox
        .devsh(&["run", "--", "db"])
        .code(3)
        .error(&[error, "`other` for `conda package database`"]);
    sandbox.allow();
    sandbox.devsh(&["run", "--", "db"]).success();

    // A lockfile that the user approves as a whole asks nothing.
    let other = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(&MANIFEST.replace("[\"team\"]", channels));
    other.write("devshell.lock", &forged);
    other.allow();
    other.devsh(&["run", "--", "db"]).success();
}

#[test]
fn a_channel_that_only_a_requirement_names_is_asked_for_and_used() {
    let (sandbox, server) = served(Layout::Json);
    let greeter = Package {
        name: "greeter",
        version: "1.0",
        depends: &[],
        files: &[("bin/greet", "#!/bin/sh\necho hello\n")],
    };
    let second = Server::start();
    serve_channel(&second, &[greeter], Layout::Json);
    for path in second.paths("/team/") {
        server.serve(&path.replace("/team/", "/other/"), second.content(&path));
    }
    let packages = "packages = [\"other::greeter\"]\n";
    sandbox.write("devshell.toml", format!("{MANIFEST}{packages}"));
    let shown = sandbox.devsh(&["allow", "--show"]).success();
    let channel = "conda channel other";
    assert!(shown.stderr.contains(channel), "{shown}");
    sandbox.allow();
    let run = ["run", "--", "sh", "-c", "greet; db >&2"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "hello\n");
    sandbox.devsh(&["lock", "--check"]).success();
    sandbox.devsh(&["outdated"]).success();
}

/// Adds a package to a lockfile, as one that `database` needs.
fn forge_dependency(lock: &str, package: &FilePackage) -> String {
    let FilePackage { name, version, .. } = package;
    let line = format!(
        "  {{ system = \"linux-x86_64\", url = \"https://conda.anaconda.org/team/linux-64/{name}-{version}-h0_0.conda\", \
         sha256 = \"{}\", depends = [\"database\", \"libdb\"] }},\n]\n",
        sha256(&archive(package))
    );
    let depends = "\"__glibc >=2.17\"";
    let lock = lock.replace(depends, &format!("{depends}, \"{name}\""));
    let end = lock.rfind("]\n").unwrap();
    format!("{}{line}", &lock[..end])
}

#[test]
fn a_forged_dependency_replaces_nothing_and_asks() {
    let (sandbox, server) = served(Layout::Sharded);
    let guest = Package {
        name: "guest",
        version: "1.0",
        depends: &["database", "libdb"],
        files: &[
            ("bin/db", "#!/bin/sh\necho a guest\n"),
            ("bin/ls", "#!/bin/sh\necho a guest\n"),
            ("lib/libdb", "a guest"),
            ("etc/conda/activate.d/guest.sh", "export AR=PREFIX/bin/ls\n"),
        ],
    };
    serve_channel(&server, &[PACKAGES, &[guest]].concat(), Layout::Sharded);
    sandbox.allow();
    let place = sandbox.project().join("devshell.lock");
    let lock = fs::read_to_string(&place).unwrap();
    let forged = forge_dependency(&lock, &guest.into());
    sandbox.write("devshell.lock", &forged);
    let error = "has programs that you have not approved: the conda package `guest`, `ls` of `conda package guest`";
    // Nothing of the environment runs before the answer.
    for command in [&["sync"][..], &["run", "--", "db"]] {
        sandbox
            .devsh(command)
            .code(3)
            .error(&[error, "devsh allow"]);
    }

    // The user can have it.
    let allowed = sandbox.devsh(&["allow"]).success().stderr;
    let words: Vec<&str> = allowed.split_whitespace().collect();
    let allowed = words.join(" ");
    for part in [
        "+ conda package guest",
        "+ program of conda package guest ls",
        "the conda package `guest` would set variables",
    ] {
        assert!(allowed.contains(part), "{allowed}");
    }
    let shown = "db; echo [$AR]; ls";
    let ran = sandbox.devsh(&["run", "--", "sh", "-c", shown]).success();
    assert!(
        ran.stdout.ends_with("with libdb 16\n[]\na guest\n"),
        "{ran}"
    );

    // Its files do not win in a first build either.
    let other = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    other.write("devshell.lock", &forged);
    other.allow();
    let ran = other.devsh(&["run", "--", "db"]).success();
    assert!(ran.stdout.ends_with("with libdb 16\n"), "{ran}");
    let package = Package {
        name: "late",
        ..guest
    };
    serve_channel(
        &server,
        &[PACKAGES, &[guest, package]].concat(),
        Layout::Sharded,
    );
    other.write("devshell.lock", forge_dependency(&forged, &package.into()));
    other.devsh(&["run", "--", "db"]).code(3).error(&["`late`"]);
}

#[test]
fn a_lockfile_does_not_leave_the_requirements() {
    let (sandbox, _server) = served(Layout::Sharded);
    sandbox.allow();
    let place = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&place).unwrap();
    let digest = |version| {
        let package = PACKAGES
            .iter()
            .find(|one| one.name == "database" && one.version == version);
        sha256(&archive(&FilePackage::from(*package.unwrap())))
    };
    let moved = text
        .replace("database-16.2-", "database-17.0-")
        .replace(&digest("16.2"), &digest("17.0"));
    assert_ne!(moved, text);
    fs::write(&place, moved).unwrap();
    sandbox
        .devsh(&["lock", "--check"])
        .code(1)
        .error(&["the locked conda packages do not meet `database 16.*`"]);
    let ran = sandbox.devsh(&["run", "--", "db"]).success();
    assert!(ran.stdout.ends_with("with libdb 16\n"), "{ran}");
    assert_eq!(fs::read_to_string(&place).unwrap(), text);
}

#[test]
fn a_home_shared_with_an_older_machine_is_noticed() {
    if !cfg!(target_os = "linux") || require("setarch").is_none() {
        return;
    }
    let (sandbox, server) = served(Layout::Json);
    sandbox.allow();
    sandbox.devsh(&["run", "--", "db"]).success();
    drop(server);
    for _ in 0..2 {
        // The kernel names itself 2.6 for this process.
        let mut older = sandbox.command("setarch");
        older
            .args(["x86_64", "--uname-2.6"])
            .arg(DEVSH)
            .args(["run", "--", "db"]);
        sandbox.outcome(&mut older).error(&[
            "needs Linux 4.18, and this machine has 2.6",
            "remove the conda packages from the manifest, or use a newer system",
        ]);
        let ran = sandbox.devsh(&["run", "--", "db"]).success();
        assert!(ran.stdout.ends_with("with libdb 16\n"), "{ran}");
    }
}

#[test]
fn another_package_brings_no_programs_to_the_first_one() {
    let (sandbox, _server) = served(Layout::Sharded);
    sandbox.allow();
    let more = format!("{MANIFEST}packages = [\"gcc\"]\n");
    sandbox.write("devshell.toml", more);
    let allowed = sandbox.devsh(&["allow"]).success();
    assert!(!allowed.stderr.contains("program of"), "{allowed}");
    sandbox.devsh(&["run", "--", "gcc"]).success();
}

#[test]
fn the_index_is_asked_again_only_for_what_has_changed() {
    let (sandbox, server) = served(Layout::Sharded);
    sandbox.allow();
    assert!(!server.requests().is_empty());
    sandbox.devsh(&["lock"]).success();
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn projects_with_the_same_packages_share_every_byte() {
    let (sandbox, _server) = served(Layout::Sharded);
    sandbox.allow();
    let prefixes = objects(&sandbox, "-prefix-");
    assert_eq!(prefixes.len(), 1);
    sandbox.write("second/devshell.toml", MANIFEST);
    let lock = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    sandbox.write("second/devshell.lock", lock);
    let second = sandbox.project().join("second");
    let mut command = sandbox.command("devsh");
    sandbox
        .outcome(command.args(["allow", "--offline"]).current_dir(&second))
        .success();
    assert_eq!(objects(&sandbox, "-prefix-"), prefixes);
    let prefix = prefixes.first().unwrap();
    let package = objects(&sandbox, "-database-16.2");
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    let shared = inode(package.first().unwrap().join("share/db/much"));
    assert_eq!(inode(prefix.join("share/db/much")), shared);
}

#[test]
fn packages_set_variables_and_their_link_scripts_never_run() {
    let (sandbox, _server) = served(Layout::Sharded);
    sandbox.write(
        "devshell.toml",
        "[conda]\nchannels = [\"team\"]\npackages = [\"gcc >=14\", \"libdb 16.*\"]\n",
    );
    let allowed = sandbox.devsh(&["allow"]).success();
    // One thread makes the prefix for all tools.
    assert!(!allowed.stderr.contains("another devsh"), "{allowed}");
    assert!(
        allowed
            .stderr
            .contains("the conda package `gcc` has a script"),
        "{}",
        allowed.stderr
    );
    let variables = "echo $CC; echo $PKG_CONFIG_PATH; echo $LIBRARY_PATH; echo [$LD_LIBRARY_PATH]; gcc; cat $CONDA_PREFIX/lib/libdb";
    let ran = sandbox
        .devsh(&["run", "--", "sh", "-c", variables])
        .success();
    let prefix = objects(&sandbox, "-prefix-");
    let prefix = prefix
        .first()
        .unwrap()
        .file_name()
        .unwrap()
        .to_string_lossy();
    let prefix = format!("~/.local/share/devsh/store/{prefix}");
    let lines: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| line.replace(&prefix, "PREFIX"))
        .collect();
    assert_eq!(
        lines,
        [
            "PREFIX/bin/gcc",
            "PREFIX/lib/pkgconfig:PREFIX/share/pkgconfig",
            "PREFIX/lib",
            "[]",
            "gcc",
            "libdb 16",
        ]
    );
    assert!(!PathBuf::from("/tmp/devsh-must-not-exist").exists());
}

#[test]
fn a_changed_lockfile_runs_no_activation_script_in_the_background() {
    let (sandbox, server) = served(Layout::Json);
    sandbox.write(
        "devshell.toml",
        "[conda]\nchannels = [\"team\"]\npackages = [\"gcc\"]\n",
    );
    sandbox.devsh(&["allow"]).success();
    let ran = sandbox.root().join("ran");
    let script = format!(
        "touch '{}'; export CC=PREFIX/bin/gcc BASH_ENV=PREFIX/lib/libdb\n",
        ran.display()
    );
    let newer = Package {
        version: "15.1",
        files: &[
            ("bin/gcc", "#!/bin/sh\necho gcc 15\n"),
            ("etc/conda/activate.d/gcc.sh", &script),
        ],
        ..PACKAGES[4]
    };
    serve_channel(&server, &[PACKAGES, &[newer]].concat(), Layout::Json);
    sandbox.devsh(&["lock", "--upgrade", "conda:gcc"]).success();
    sandbox
        .devsh(&["watch", "--once"])
        .error(&["conda packages have scripts that set variables"]);
    assert!(!ran.exists());

    sandbox.devsh(&["sync"]).success();
    assert!(ran.exists());
    let variables = "gcc; basename $CC; echo [$BASH_ENV]";
    let shown = sandbox.devsh(&["run", "--", "sh", "-c", variables]);
    // A package cannot set what host programs run as code.
    assert_eq!(shown.success().stdout, "gcc 15\ngcc\n[]\n");

    // The scripts of one prefix run once.
    fs::remove_file(&ran).unwrap();
    sandbox.write(
        "devshell.toml",
        "[conda]\nchannels = [\"team\"]\npackages = [\"gcc\"]\n[env]\nA = \"1\"\n",
    );
    sandbox.devsh(&["allow"]).success();
    assert!(!ran.exists());
}

#[test]
fn a_usual_name_leads_to_its_conda_package() {
    let (sandbox, server) = served(Layout::Json);
    let make = Package {
        name: "make",
        version: "4.4.1",
        depends: &[],
        files: &[("bin/make", "#!/bin/sh\necho make\n")],
    };
    serve_channel(&server, &[PACKAGES, &[make]].concat(), Layout::Json);
    sandbox.write(
        "devshell.toml",
        "[tools]\nmake = \"4\"\n\n[conda]\nchannels = [\"team\"]\n",
    );
    sandbox.devsh(&["allow"]).success();
    let ran = sandbox.devsh(&["run", "--", "make"]).success();
    assert_eq!(ran.stdout, "make\n");
    let status = sandbox.devsh(&["status"]).success();
    assert!(status.stdout.contains("make 4.4.1"), "{status}");
}

#[test]
fn search_lists_the_versions_of_a_channel() {
    let (sandbox, _server) = served(Layout::Json);
    sandbox
        .devsh(&["search", "conda:database"])
        .code(1)
        .error(&["there is no conda channel `conda-forge`"]);
    // An allowed project has channels of its own.
    sandbox.allow();
    let found = sandbox.devsh(&["search", "conda:database"]).success();
    let row = found.stdout.lines().nth(1).unwrap_or_default();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..2], ["conda:database", "17.0"], "{found}");
    assert!(row.contains("16.2"), "{found}");
    sandbox
        .devsh(&["search", "conda:absent"])
        .code(1)
        .error(&["conda:absent"]);
}

#[test]
fn a_library_needs_no_programs() {
    let (sandbox, _server) = served(Layout::Sharded);
    sandbox.write(
        "devshell.toml",
        "[conda]\nchannels = [\"team\"]\npackages = [\"libdb\"]\n",
    );
    sandbox.devsh(&["allow"]).success();
    let command = ["run", "--", "sh", "-c", "cat $CONDA_PREFIX/lib/libdb"];
    assert_eq!(sandbox.devsh(&command).success().stdout, "libdb 17");
}

#[test]
fn conflicts_name_requirements_and_places() {
    let (sandbox, _server) = served(Layout::Sharded);
    for (manifest, parts) in [
        (
            "[tools]\n\"conda:database\" = \"17\"\n[conda]\nchannels = [\"team\"]\npackages = [\"libdb <17\"]\n",
            [
                "no packages for linux-x86_64 meet `database 17.*` and `libdb <17` together",
                "devshell.toml:2 asks for `database 17.*`",
            ],
        ),
        (
            "[conda]\nchannels = [\"team\"]\npackages = [\"databse\"]\n",
            [
                "no package for `databse` in `team`",
                "did you mean `database`?",
            ],
        ),
        (
            "[conda]\nchannels = [\"team\"]\npackages = [\"database >=20\"]\n",
            [
                "no version of `database` matches `database >=20`",
                "the newest one is 17.0",
            ],
        ),
        (
            "[conda]\nchannels = [\"other\"]\npackages = [\"database\"]\n",
            [
                "there is no conda channel `other`",
                "check `[conda] channels`",
            ],
        ),
    ] {
        sandbox.write("devshell.toml", manifest);
        sandbox.devsh(&["allow"]).error(&parts);
    }
}

#[test]
fn one_package_is_upgraded_and_the_others_stay() {
    let (sandbox, server) = served(Layout::Json);
    sandbox.write(
        "devshell.toml",
        "[conda]\nchannels = [\"team\"]\npackages = [\"database\", \"gcc\"]\n",
    );
    sandbox.devsh(&["allow"]).success();
    let newer = Package {
        version: "17.1",
        depends: &["libdb"],
        ..DATABASE
    };
    let compiler = Package {
        version: "15.1",
        ..PACKAGES[4]
    };
    let all = [PACKAGES, &[newer, compiler]].concat();
    serve_channel(&server, &all, Layout::Json);
    let upgraded = sandbox
        .devsh(&["lock", "--upgrade", "conda:database"])
        .success();
    let shown = upgraded.stdout + &upgraded.stderr;
    assert!(
        shown.contains("17.0 → 17.1") && !shown.contains("15.1"),
        "{shown}"
    );
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lock.contains("gcc-14.1-h0_0") && lock.contains("database-17.1-h0_0"),
        "{lock}"
    );
    assert_eq!(CHANNEL, "team");
}

/// A project with a package of the index on the Python of conda, and a package of conda with this machine's Python.
struct CondaPython {
    sandbox: Sandbox,
    python: FilePackage,
    /// The minor version, `3.12`.
    minor: String,
}

impl CondaPython {
    fn new(server: &Server) -> Option<Self> {
        let sandbox = applications::sandbox(server)?.config("tools-from = \"managed\"\n");
        let (version, archive) = cpython::repackaged()?;
        applications::serve(server);
        let minor = version.rsplit_once('.').unwrap().0.to_owned();
        let manifest = format!(
            "[tools]\npython = \"{minor}\"\n\n[python]\nfrom = \"conda\"\npackages = [\"helper-lib\"]\n\n\
             [conda]\nchannels = [\"team\"]\npackages = [\"native\"]\n"
        );
        Some(Self {
            sandbox: sandbox.manifest(&manifest),
            python: FilePackage::of_archive("python", &version, &archive),
            minor,
        })
    }
}

#[test]
fn wheels_of_the_index_sit_on_the_python_of_conda() {
    let server = Server::start();
    let Some(CondaPython {
        sandbox,
        python,
        minor,
    }) = CondaPython::new(&server)
    else {
        return;
    };
    let native = FilePackage::new("native", "1.0", &["python"]).file(
        &format!("lib/python{minor}/site-packages/native.py"),
        "NAME = 'of conda'\n",
        false,
    );
    // The same module is in both: the locked wheel wins.
    let native = native.file(
        &format!("lib/python{minor}/site-packages/helper_lib.py"),
        "raise ImportError('of conda')\n",
        false,
    );
    serve_files(&server, &[python, native], Layout::Sharded);
    sandbox.allow();
    let code = "import sys, os, native, helper_lib; print(native.NAME); \
        print(os.environ['CONDA_PREFIX'] == sys.base_prefix, sys.prefix != sys.base_prefix); \
        print('python-packages' in helper_lib.__file__)";
    let ran = sandbox
        .devsh(&["run", "--", "python", "-c", code])
        .success();
    assert_eq!(ran.stdout, "of conda\nTrue True\nTrue\n");
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(lock.contains(&format!("python = \"{minor}\"")), "{lock}");
    assert!(!lock.contains("[[tool]]\nname = \"python\""), "{lock}");
    sandbox.devsh(&["lock", "--check"]).success();
    sandbox.devsh(&["verify"]).success();

    // Without packages of the index the interpreter of the prefix is `python` itself.
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    let manifest = manifest.replace("packages = [\"helper-lib\"]\n", "");
    sandbox.write("devshell.toml", manifest);
    sandbox.allow();
    let code = "import sys, native; print(sys.prefix == sys.base_prefix)";
    let ran = sandbox
        .devsh(&["run", "--", "python", "-c", code])
        .success();
    assert_eq!(ran.stdout, "True\n");
    let code = "import os, sysconfig; \
        print(open(sysconfig.get_path('stdlib') + '/EXTERNALLY-MANAGED').read())";
    let ran = sandbox.devsh(&["run", "--", "python", "-c", code]);
    assert!(ran.success().stdout.contains("uv add"));
}

#[test]
fn a_changed_lockfile_starts_no_python_of_conda_in_the_background() {
    let server = Server::start();
    let Some(CondaPython {
        sandbox,
        python,
        minor,
    }) = CondaPython::new(&server)
    else {
        return;
    };
    let native = FilePackage::new("native", "1.0", &["python"]);
    serve_files(&server, &[python.clone(), native.clone()], Layout::Json);
    sandbox.allow();

    let ran = sandbox.root().join("ran");
    let newer = FilePackage::new("native", "1.1", &["python"]).file(
        &format!("lib/python{minor}/sitecustomize.py"),
        format!("open({:?}, 'w')\n", ran.to_str().unwrap()),
        false,
    );
    serve_files(&server, &[python, native, newer], Layout::Json);
    sandbox
        .devsh(&["lock", "--upgrade", "conda:native"])
        .success();
    let watched = sandbox.devsh(&["watch", "--once"]).code(1);
    let missing = "missing: Python packages; `devsh status` there has the reasons";
    assert!(watched.stderr.contains(missing), "{watched}");
    assert!(!ran.exists());
    sandbox.devsh(&["sync"]).success();
    assert!(ran.exists());
    sandbox.devsh(&["watch", "--once"]).success();
}

#[test]
fn a_changed_lockfile_leads_no_command_to_another_server() {
    let server = Server::start();
    let Some(CondaPython {
        sandbox, python, ..
    }) = CondaPython::new(&server)
    else {
        return;
    };
    let native = FilePackage::new("native", "1.0", &["python"]);
    serve_files(&server, &[python, native], Layout::Json);
    sandbox.allow();
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let line = lock
        .lines()
        .find(|line| line.contains("/native-1.0-"))
        .unwrap();
    let other = Server::start();
    let (before, after) = line.split_once("sha256 = \"").unwrap();
    let before = before.replace("https://conda.anaconda.org", other.address());
    let forged = format!("{before}sha256 = \"{}{}", "0".repeat(64), &after[64..]);
    for command in [&["lock"][..], &["sync"], &["run", "--", "true"]] {
        sandbox.write("devshell.lock", lock.replace(line, &forged));
        let said = sandbox.devsh(command);
        assert_eq!(other.requests(), [""; 0], "{said}");
    }
}

#[test]
fn a_terminal_shows_the_steps_of_packages() {
    let (sandbox, _server) = served(Layout::Sharded);
    let mut pty = sandbox.shell(HostShell::Bash);
    let seen = pty.type_line("TERM=xterm devsh -C project sync --trust");
    // Linking is too short to be drawn each time.
    for step in ["resolving conda packages", "dev is ready"] {
        assert!(seen.contains(step), "{step} in {seen}");
    }
}

#[test]
fn an_environment_file_is_enough() {
    let (sandbox, _server) = served(Layout::Sharded);
    fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();
    let environment = "name: x\nchannels: [team, not-a/?channel]\ndependencies:\n- database=16\n- libdb >=16\n\
        variables: {A: one}\n";
    sandbox.write("environment.yml", environment);
    let status = sandbox.devsh(&["status"]);
    assert!(status.stdout.contains("environment.yml:2"), "{status}");
    assert!(!sandbox.devsh(&["run", "--", "db"]).status.success());
    sandbox.allow();
    let command = ["run", "--", "sh", "-c", "db | grep -o 'libdb.*'; echo $A"];
    assert_eq!(sandbox.devsh(&command).success().stdout, "libdb 16\none\n");
    // The manifest of `init` gives the same.
    let made = sandbox.devsh(&["init"]).success();
    let note = "environment.yml:2";
    assert!(made.stderr.contains(note), "{made}");
    assert_eq!(sandbox.devsh(&command).success().stdout, "libdb 16\none\n");
    for file in ["devshell.toml", "devshell.lock"] {
        fs::remove_file(sandbox.project().join(file)).unwrap();
    }

    let pixi =
        "[workspace]\nchannels = ['team']\n[dependencies]\nlibdb = '17.*'\n[tasks]\nt = 'true'\n";
    sandbox.write("pixi.toml", pixi);
    let status = sandbox.devsh(&["status"]);
    for note in [
        "environment.yml:1",
        "yields to `pixi.toml`",
        "its tasks become aliases",
    ] {
        assert!(status.stdout.contains(note), "{note} in {status}");
    }
    sandbox.devsh(&["allow"]).success();
    let command = ["run", "--", "sh", "-c", "cat $CONDA_PREFIX/lib/libdb"];
    assert_eq!(sandbox.devsh(&command).success().stdout, "libdb 17");
    assert!(!sandbox.project().join("devshell.lock").exists());

    sandbox.devsh(&["init"]).success();
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    let part = "[conda]\nchannels = [\"team\"]\npackages = [\"libdb 17.*\"";
    assert!(manifest.contains(part), "{manifest}");
    assert!(
        !manifest.contains("presets") && !manifest.contains("libdb >=16"),
        "{manifest}"
    );
}

#[test]
fn platforms_and_environments_of_pixi_are_used() {
    let (sandbox, _server) = served(Layout::Sharded);
    fs::remove_file(sandbox.project().join("devshell.toml")).unwrap();
    // No server has `nosuch`, which only other systems ask for.
    let pixi = "[workspace]\nchannels = ['team']\n[dependencies]\nlibdb = '17.*'\n\
        [target.linux-64.dependencies]\nlibdb = '16.*'\n[target.osx.dependencies]\nnosuch = '*'\n\
        [target.linux.tasks]\nt = 'true'\n[feature.db.target.unix.dependencies]\ndatabase = '*'\n\
        [environments]\ndb = ['db']\n";
    sandbox.write("pixi.toml", pixi);
    let status = sandbox.devsh(&["status"]);
    let note = "`tasks` for one platform has no form in a manifest";
    assert!(
        status.stdout.contains(note) && status.stdout.contains("pixi.toml:9"),
        "{status}"
    );
    sandbox.allow();
    let shown = ["run", "--", "sh", "-c", "cat $CONDA_PREFIX/lib/libdb"];
    assert_eq!(sandbox.devsh(&shown).success().stdout, "libdb 16");
    let ran = sandbox.devsh(&["run", "--shell", "db", "--", "db"]);
    assert!(ran.success().stdout.ends_with("with libdb 16\n"));

    sandbox.devsh(&["init"]).success();
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    for part in [
        "\"libdb 17.* ; linux-aarch64, macos\", \"nosuch * ; macos\", \"libdb 16.* ; linux-x86_64\"",
        "[shells.db.conda]\npackages = [\"database *\"]",
    ] {
        assert!(manifest.contains(part), "{manifest}");
    }
    sandbox.devsh(&["allow"]).success();
    assert_eq!(sandbox.devsh(&shown).success().stdout, "libdb 16");
}

#[test]
fn explain_names_the_conflict_of_a_package() {
    let (sandbox, _server) = served(Layout::Json);
    let manifest = "[conda]\nchannels = [\"team\"]\npackages = [\n  \"database 17.*\",\n  \"gcc\",\n]\n\n\
        [shells.old.conda]\npackages = [\"libdb <17\"]\n[shells.mac.conda]\npackages = [\"nosuch ; macos\"]\n";
    sandbox.write("devshell.toml", manifest);
    let allowed = sandbox.devsh(&["allow"]).success();
    let note = "`database 17.*` has no package for macos-x86_64";
    assert_eq!(allowed.stderr.matches(note).count(), 1, "{allowed}");
    // All packages of the set have one reason.
    let ran = sandbox.devsh(&["run", "--shell", "old", "--", "true"]);
    let ran = ran.error(&["missing too: `conda:gcc`, `conda:libdb`"]);
    let reason = "no packages for linux-x86_64 meet";
    assert_eq!(ran.stderr.matches(reason).count(), 1, "{ran}");
    let lines = |arguments: &[&str]| -> Vec<String> {
        let explained = sandbox.devsh(arguments).success().stdout;
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        explained.lines().map(words).collect()
    };
    assert_eq!(
        lines(&["explain", "--shell", "old", "libdb"]),
        [
            "conda:libdb not locked devshell.toml:9",
            "note devshell.toml:9 asks for `libdb <17`",
            "note no packages for linux-x86_64 meet `database 17.*` and `libdb <17` together",
            "note devshell.toml:4 asks for `database 17.*`",
            "note `database 17.0` needs `libdb >=17`",
            "note loosen one of the requirements in `devshell.toml`",
        ]
    );
    assert_eq!(
        lines(&["explain", "--shell", "mac", "conda:nosuch"]),
        [
            "conda:nosuch not locked devshell.toml:11",
            "note devshell.toml:11 asks for `nosuch ; macos`",
            "note it is not for this system",
        ]
    );
}

#[test]
fn outdated_and_explain_know_packages() {
    let (sandbox, server) = served(Layout::Json);
    let manifest = "[conda]\nchannels = [\"team\"]\npackages = [\"database <18\", \"gcc\"]\n";
    sandbox.write("devshell.toml", manifest);
    sandbox.devsh(&["allow"]).success();
    let newer = Package {
        version: "17.5",
        ..PACKAGES[1]
    };
    let newest = Package {
        version: "18.0",
        ..PACKAGES[1]
    };
    serve_channel(
        &server,
        &[PACKAGES, &[newer, newest]].concat(),
        Layout::Json,
    );
    let outdated = sandbox.devsh(&["outdated", "--json"]).success();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&outdated.stdout).unwrap();
    let database = rows.iter().find(|row| row["tool"] == "conda:database");
    let database = database.unwrap();
    for (key, value) in [
        ("locked", "17.0"),
        ("admitted", "17.5"),
        ("newest", "18.0"),
        ("place", "devshell.toml:3"),
    ] {
        assert_eq!(database[key], value, "{rows:?}");
    }
    assert_eq!(rows.len(), 2, "{rows:?}");

    let explained = sandbox.devsh(&["explain", "libdb"]).success().stdout;
    let lines: Vec<String> = explained
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "conda:libdb 17.0 h0_0 devshell.toml:3",
            "note devshell.toml:3 asks for `database <18`",
            "note `database 17.0` needs `libdb >=17`",
            "note needed by `gcc`",
        ]
    );
    let explained = sandbox.devsh(&["explain", "conda.packages"]).success();
    assert!(
        explained.stdout.contains("database <18, gcc"),
        "{explained}"
    );
}

#[test]
fn a_set_without_an_answer_costs_only_itself() {
    let (sandbox, server) = served(Layout::Sharded);
    serve_tool(&server, "ruff", &["0.12.4"]);
    let manifest = "[tools]\nruff = \"0.12\"\n\n[conda]\nchannels = [\"team\"]\npackages = [\"libdb 16.*\"]\n\n\
        [shells.broken]\nconda.packages = [\"libdb 17.*\"]\n";
    sandbox.write("devshell.toml", manifest);
    sandbox.devsh(&["allow"]).success();
    sandbox
        .devsh(&["lock"])
        .error(&["libdb 16.*` and `libdb 17.*"]);
    let command = [
        "run",
        "--",
        "sh",
        "-c",
        "ruff --version; cat $CONDA_PREFIX/lib/libdb",
    ];
    let ran = sandbox.devsh(&command).success();
    assert_eq!(ran.stdout, "ruff 0.12.4\nlibdb 16");
    let broken = [
        "run",
        "--partial",
        "--shell",
        "broken",
        "--",
        "ruff",
        "--version",
    ];
    let ran = sandbox.devsh(&broken).success();
    assert_eq!(ran.stdout, "ruff 0.12.4\n");
    let missing = ran.stderr.lines().filter(|line| line.contains("missing: "));
    assert_eq!(missing.count(), 1, "{ran}");
    assert!(
        !sandbox
            .devsh(&["run", "--shell", "broken", "--", "true"])
            .status
            .success()
    );
}

#[test]
fn bytes_that_a_prefix_shares_with_packages_count_once() {
    let (sandbox, server) = served(Layout::Sharded);
    let much = "a line of a large file\n".repeat(100_000);
    let large = Package {
        name: "large",
        version: "1.0",
        depends: &[],
        files: &[("share/large", &much), ("share/place", "PREFIX\n")],
    };
    serve_channel(&server, &[PACKAGES, &[large]].concat(), Layout::Sharded);
    let manifest = "[conda]\nchannels = [\"team\"]\npackages = [\"large\"]\n";
    sandbox.write("devshell.toml", manifest);
    sandbox.devsh(&["allow"]).success();
    let used = || -> u64 {
        let usage = sandbox.devsh(&["du", "--json"]).success();
        let usage: serde_json::Value = serde_json::from_str(&usage.stdout).unwrap();
        usage["total_bytes"].as_u64().unwrap()
    };
    let one = used();
    assert!(one < 2 * much.len() as u64, "{one}");
    // Another environment with the same package has a few bytes of its own.
    sandbox.write(
        "second/devshell.toml",
        manifest.replace("\"large\"", "\"large\", \"libdb\""),
    );
    let second = sandbox.project().join("second");
    let mut command = sandbox.command("devsh");
    let allow = command.arg("allow").current_dir(&second);
    sandbox.outcome(allow).success();
    let both = used();
    assert!(both - one < much.len() as u64 / 4, "{one} {both}");
    assert_eq!(objects(&sandbox, "-prefix-").len(), 2);

    // Garbage collection keeps the packages of the prefix that is still used.
    sandbox.write("second/devshell.toml", "[env]\nA = \"1\"\n");
    let mut command = sandbox.command("devsh");
    let allow = command.arg("allow").current_dir(&second);
    sandbox.outcome(allow).success();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox, "-prefix-").len(), 1);
    assert_eq!(objects(&sandbox, "-libdb-").len(), 0);
    assert_eq!(objects(&sandbox, "-large-1.0").len(), 1);
    sandbox.devsh(&["verify"]).success();
    sandbox.devsh(&["run", "--offline", "--", "true"]).success();
}

/// Builds a wheel with the value of a macro that only a package of conda defines.
const NATIVE: &str = r##"
import os, subprocess, zipfile


def build_wheel(directory, settings=None, metadata=None):
    flags = subprocess.check_output(["pkg-config", "--cflags", "thing"], text=True).split()
    source = "#include <thing.h>\nTHING\n"
    out = subprocess.run(["cc", "-E", "-P", *flags, "-"], input=source, text=True, capture_output=True, check=True)
    config = subprocess.check_output(["thing-config"], text=True).strip()
    text = "VALUE = %r\n" % (out.stdout.strip() + " " + config)
    information = "native-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, "native-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("native.py", text)
        wheel.writestr(information + "METADATA", "Metadata-Version: 2.2\nName: native\nVersion: 1.0\n")
        wheel.writestr(information + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["native.py", information + "METADATA", information + "WHEEL", information + "RECORD"]
        wheel.writestr(information + "RECORD", "".join(one + ",,\n" for one in names))
    return "native-1.0-py3-none-any.whl"
"##;

#[test]
fn builds_of_python_packages_find_libraries_of_conda() {
    let server = Server::start();
    let (Some(sandbox), Some(_), Some(_)) = (
        applications::sandbox(&server),
        require("pkg-config"),
        require("cc"),
    ) else {
        return;
    };
    let project = "[project]\nname = \"native\"\nversion = \"1.0\"\n\
        [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    let about = "Metadata-Version: 2.2\nName: native\nVersion: 1.0\n";
    let members = [
        ("native-1.0/pyproject.toml", project.as_bytes(), false),
        ("native-1.0/backend.py", NATIVE.as_bytes(), false),
        ("native-1.0/PKG-INFO", about.as_bytes(), false),
    ];
    serve_sdist(&server, ("native", "1.0"), &members);
    let thing = Package {
        name: "thing",
        version: "1.0",
        depends: &[],
        files: &[
            ("include/thing.h", "#define THING forty two\n"),
            (
                "lib/pkgconfig/thing.pc",
                "prefix=PREFIX\nName: thing\nDescription: x\nVersion: 1.0\nCflags: -I${prefix}/include\n",
            ),
            ("bin/thing-config", "#!/bin/sh\necho of the prefix\n"),
        ],
    };
    let compiler = Package {
        name: "c-compiler",
        version: "1.0",
        depends: &[],
        files: &[("share/c-compiler", "the one of the host serves\n")],
    };
    serve_channel(&server, &[thing, compiler], Layout::Json);
    let manifest = "[tools]\npython = \"*\"\n[python]\npackages = [\"native\"]\nbuild = [\"native\"]\n\
        [conda]\nchannels = [\"team\"]\npackages = [\"thing\", \"c-compiler\"]\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.allow();
    let code = "import native; print(native.VALUE)";
    let ran = sandbox
        .devsh(&["run", "--", "python", "-c", code])
        .success();
    assert_eq!(ran.stdout, "forty two of the prefix\n");
}
