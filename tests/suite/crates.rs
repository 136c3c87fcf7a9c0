//! Tools of the source `cargo`: compiled from a registry on loopback with the toolchain of this machine.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    Sandbox, Server,
    archive::{gzip, script, sha256, tar},
    crates::{PackedCrate, sysroot},
    releases::{GithubRelease, serve_releases},
    rust_dist::serve_compiler,
    server::Fault,
};

/// The version that the toolchain of this machine is served as.
const RUST: &str = "1.95.0";

/// Starts a server with a toolchain; nothing if this machine has none.
fn server() -> Option<Server> {
    let sysroot = sysroot()?;
    let server = Server::start();
    serve_compiler(&server, RUST, &sysroot);
    Some(server)
}

fn sandbox(server: &Server, manifest: &str) -> Sandbox {
    Sandbox::new()
        .served_by(server)
        .config("tools-from = \"managed\"\n")
        .manifest(&format!("[tools]\n{manifest}\n"))
}

/// Serves the crate `greet-tool` 2.1.0, which has a dependency, features and two programs.
fn serve_greet(server: &Server) {
    let shout = PackedCrate {
        name: "shout",
        version: "0.3.0",
        manifest: "",
        lock: None,
        files: &[(
            "src/lib.rs",
            "pub fn shout(text: &str) -> String { text.to_uppercase() }",
        )],
        index: "",
    };
    let digest = shout.serve(server);
    let lock = format!(
        "[[package]]\nname = \"greet-tool\"\nversion = \"2.1.0\"\ndependencies = [\"shout\"]\n\
         [[package]]\nname = \"shout\"\nversion = \"0.3.0\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{digest}\"\n"
    );
    let main = "fn main() {\n\
         let end = if cfg!(feature = \"polite\") { \" please\" } else { \"\" };\n\
         let end = if cfg!(feature = \"twice\") { format!(\"{end}{end}\") } else { end.to_owned() };\n\
         println!(\"{}{end}\", shout::shout(\"hello\"));\n}\n";
    PackedCrate {
        name: "greet-tool",
        version: "2.1.0",
        manifest: "[dependencies]\nshout = \"0.3\"\n[features]\ndefault = [\"polite\"]\npolite = []\ntwice = []\n",
        lock: Some(&lock),
        files: &[
            ("src/bin/greet.rs", main),
            ("src/bin/other.rs", "fn main() { println!(\"other\") }"),
        ],
        index: ",\"rust_version\":\"1.60\"",
    }
    .serve(server);
}

fn run(sandbox: &Sandbox, command: &[&str]) -> String {
    let arguments = [&["run", "--trust", "--"][..], command].concat();
    sandbox.devsh(&arguments).success().stdout
}

/// Returns the files below a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Returns the names of the objects in the store.
fn objects(sandbox: &Sandbox) -> Vec<String> {
    let store = sandbox.home().join(".local/share/devsh/store");
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[test]
fn a_crate_is_compiled_with_a_toolchain_that_is_not_in_the_dev_shell() {
    let Some(server) = server() else { return };
    serve_greet(&server);
    let sandbox = sandbox(&server, "\"cargo:greet-tool\" = \"2\"");
    // cargo would read these.
    sandbox.write(".cargo/config.toml", "[build]\nrustc = \"/nowhere\"\n");
    let home = sandbox.home().join(".cargo");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("config.toml"), "[build]\nrustc = \"/nowhere\"\n").unwrap();

    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    let note = "`cargo:greet-tool` 2.1.0 is compiled, which takes minutes: the Rust registry has only its source\n";
    assert!(locked.stderr.contains(note), "{locked}");
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let line = "{ system = \"any\", url = \"https://static.crates.io/crates/greet-tool/2.1.0/download\", sha256 = ";
    assert!(lockfile.contains(line), "{lockfile}");
    assert!(
        lockfile.contains("name = \"rust\"\nrequirement = \"*\""),
        "{lockfile}"
    );

    assert_eq!(run(&sandbox, &["greet"]), "HELLO please\n");
    assert_eq!(run(&sandbox, &["other"]), "other\n");
    sandbox.devsh(&["run", "--trust", "--", "cargo"]).code(127);
    // No trace of the build, and no path of this machine.
    let objects = objects(&sandbox);
    let object = objects
        .iter()
        .find(|name| name.ends_with("-greet-tool-2.1.0"));
    let object = sandbox
        .home()
        .join(".local/share/devsh/store")
        .join(object.unwrap());
    assert!(!object.join(".build").exists());
    let program = fs::read(object.join("bin/greet")).unwrap();
    let trace = b".building";
    assert!(!program.windows(trace.len()).any(|part| part == trace));
    server.requests();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    assert_eq!(run(&sandbox, &["greet"]), "HELLO please\n");
    assert_eq!(
        server.requests(),
        [""; 0],
        "`--check` and a built dev shell ask nobody"
    );
}

#[test]
fn features_and_programs_are_chosen() {
    let Some(server) = server() else { return };
    serve_greet(&server);
    let options = "version = \"2\", features = [\"twice\"], bin = [\"greet\"]";
    let sandbox = sandbox(
        &server,
        &format!("\"cargo:greet-tool\" = {{ {options} }}\nrust = \"*\""),
    );
    assert_eq!(run(&sandbox, &["greet"]), "HELLO please please\n");
    sandbox.devsh(&["run", "--trust", "--", "other"]).code(127);
    assert!(run(&sandbox, &["rustc", "--version"]).starts_with("rustc"));
    let options = "version = \"2\", default-features = false";
    sandbox.write(
        "devshell.toml",
        format!("[tools]\n\"cargo:greet-tool\" = {{ {options} }}\n"),
    );
    assert_eq!(run(&sandbox, &["greet"]), "HELLO\n");
    assert_eq!(run(&sandbox, &["other"]), "other\n");
}

#[test]
fn a_crate_with_another_digest_changes_nothing_in_the_store() {
    let Some(server) = server() else { return };
    serve_greet(&server);
    for lying in ["shout/0.3.0", "greet-tool/2.1.0"] {
        let sandbox = sandbox(&server, "\"cargo:greet-tool\" = \"2\"");
        sandbox.devsh(&["lock", "--trust"]).success();
        let path = format!("/crates/{lying}/download");
        server.fault(&path, Fault::Flip(40));
        // The lock has read the crate already.
        let _downloads = fs::remove_dir_all(sandbox.home().join(".cache/devsh/downloads"));
        sandbox
            .devsh(&["sync", "--trust"])
            .error(&["digest mismatch"]);
        let objects = objects(&sandbox);
        assert!(
            objects.iter().all(|name| !name.contains("greet")),
            "{objects:?}"
        );
        server.mend();
        assert_eq!(run(&sandbox, &["greet"]), "HELLO please\n");
    }
}

#[test]
fn a_lockfile_cannot_put_another_crate_in_the_place_of_a_tool() {
    let Some(server) = server() else { return };
    serve_greet(&server);
    let sandbox = sandbox(&server, "\"cargo:greet-tool\" = \"2\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let path = sandbox.project().join("devshell.lock");
    let lock = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("crates/greet-tool/", "crates/shout/"),
        ("/2.1.0/download", "/2.0.0/download"),
    ] {
        let changed = lock.replace(from, to);
        assert_ne!(changed, lock);
        fs::write(&path, changed).unwrap();
        sandbox
            .devsh(&["sync", "--trust"])
            .error(&["the lockfile has the address of another crate"]);
    }
    assert!(objects(&sandbox).iter().all(|name| !name.contains("greet")));
}

/// Returns whether this machine lets a user deny the network to a program.
fn denies_network() -> bool {
    let denies = Command::new("unshare")
        .args(["--user", "--map-current-user", "--net", "--", "true"])
        .stderr(Stdio::null())
        .status();
    let denies = cfg!(target_os = "macos") || denies.is_ok_and(|status| status.success());
    if !denies {
        eprintln!("skipped: this machine lets no user deny network to a program");
    }
    denies
}

#[test]
fn a_build_has_no_network() {
    let Some(server) = server() else { return };
    if !denies_network() {
        return;
    }
    let address = server.address().trim_start_matches("http://").to_owned();
    let build = format!(
        "fn main() {{ let open = std::net::TcpStream::connect(\"{address}\").is_ok();\n\
         println!(\"cargo:rustc-env=OPEN={{open}}\"); }}"
    );
    let main = "fn main() { println!(\"open: {}\", env!(\"OPEN\")) }";
    let files = [("build.rs", build.as_str()), ("src/main.rs", main)];
    PackedCrate::program("probe", "1.0.0", &files).serve(&server);
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    assert_eq!(run(&sandbox, &["probe"]), "open: false\n");
}

#[test]
#[cfg(target_os = "linux")]
fn no_process_of_a_build_is_left() {
    let Some(server) = server() else { return };
    if !denies_network() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let build = format!(
        "use std::{{fs::File, io::Write, process::{{Command, Stdio}}}};\n\
         fn main() {{ let mut pipe = File::options().write(true).open({pipe:?}).unwrap();\n\
         pipe.write_all(b\"begun\\n\").unwrap();\n\
         Command::new(\"sh\").args([\"-c\", \"sleep 60; echo left\"]).stdout(pipe)\n\
         .stderr(Stdio::null()).spawn().unwrap(); }}"
    );
    let files = [
        ("build.rs", build.as_str()),
        ("src/main.rs", "fn main() {}"),
    ];
    PackedCrate::program("probe", "1.0.0", &files).serve(&server);
    // Ends when no process has the other end.
    let read = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    run(&sandbox, &["probe"]);
    assert_eq!(read.join().unwrap(), "begun\n");
}

#[test]
fn a_cache_serves_a_crate_that_was_compiled_elsewhere() {
    let Some(server) = server() else { return };
    serve_greet(&server);
    let manifest = "\"cargo:greet-tool\" = \"2\"";
    let builder = sandbox(&server, manifest);
    assert_eq!(run(&builder, &["greet"]), "HELLO please\n");
    let key = builder.devsh(&["cache", "key", "new", "team-1"]).success();
    let directory = tempfile::tempdir().unwrap();
    let cache = format!(
        "tools-from = \"managed\"\n[[caches]]\nurl = \"file://{}\"\n",
        directory.path().display()
    );
    let builder = builder.config(&format!(
        "{cache}push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n"
    ));
    builder.devsh(&["cache", "push", "--trust"]).success();
    let records = walk(&directory.path().join("objects"));
    let [record] = &records[..] else {
        panic!("{records:?}")
    };
    let text = fs::read_to_string(record).unwrap();
    // An older glibc cannot run it.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    assert!(text.contains("\"glibc\": \"2."), "{text}");

    // A machine that cannot build it: without a linker.
    let second =
        sandbox(&server, manifest).config(&format!("{cache}keys = [\"{}\"]\n", key.stdout.trim()));
    let lockfile = fs::read(builder.project().join("devshell.lock")).unwrap();
    second.write("devshell.lock", lockfile);
    let programs = second.root().join("bin");
    symlink("/bin/sh", programs.join("sh")).unwrap();
    let second = second.env("PATH", programs);
    assert_eq!(run(&second, &["greet"]), "HELLO please\n");
    second.devsh(&["verify"]).success();
}

#[test]
fn a_prompt_compiles_nothing() {
    let Some(server) = server() else { return };
    let files = [("src/main.rs", "fn main() { println!(\"one\") }")];
    PackedCrate::program("probe", "1.0.0", &files).serve(&server);
    let manifest = "\"cargo:probe\" = \"1\"";
    let sandbox = sandbox(&server, manifest);
    sandbox.allow();
    assert_eq!(run(&sandbox, &["probe"]), "one\n");
    let files = [("src/main.rs", "fn main() { println!(\"two\") }")];
    PackedCrate::program("probe", "1.1.0", &files).serve(&server);
    let colleague = self::sandbox(&server, manifest);
    colleague.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read(colleague.project().join("devshell.lock")).unwrap();
    sandbox.write("devshell.lock", lockfile);
    sandbox
        .devsh(&["watch", "--once"])
        .error(&["missing: `cargo:probe`"]);
    let status = sandbox.devsh(&["status"]).stdout;
    let reason = "`cargo:probe` 1.1.0 is not built yet: crates are compiled only when you build";
    assert!(status.contains(reason), "{status}");
    sandbox.devsh(&["sync"]).success();
    assert_eq!(run(&sandbox, &["probe"]), "two\n");
}

#[test]
fn crates_that_cannot_be_built_say_why() {
    let Some(server) = server() else { return };
    let main = [("src/main.rs", "fn main() {}")];
    PackedCrate {
        lock: None,
        ..PackedCrate::program("unlocked", "1.0.0", &main)
    }
    .serve(&server);
    let library = [("src/lib.rs", "")];
    PackedCrate::program("library", "1.0.0", &library).serve(&server);
    let broken = [("src/main.rs", "fn main() { missing }")];
    PackedCrate::program("broken", "1.0.0", &broken).serve(&server);
    for (name, expected) in [
        ("unlocked", "it was published without `Cargo.lock`"),
        ("library", "because it has no binaries"),
        ("broken", "cannot find value `missing`"),
        ("nothing", "has no package `nothing`"),
    ] {
        let sandbox = sandbox(&server, &format!("\"cargo:{name}\" = \"1\""));
        sandbox.devsh(&["sync", "--trust"]).error(&[expected]);
    }
    // A machine without a linker.
    let sandbox = sandbox(&server, "\"cargo:broken\" = \"1\"");
    let programs = sandbox.root().join("bin");
    symlink("/bin/sh", programs.join("sh")).unwrap();
    let sandbox = sandbox.env("PATH", programs);
    sandbox.devsh(&["sync", "--trust"]).error(&[
        "this machine has no linker: `cc` is not on PATH",
        "hint: install a C compiler",
    ]);
}

#[test]
fn the_newest_version_that_the_toolchain_compiles_is_locked() {
    let Some(server) = server() else { return };
    let main = [("src/main.rs", "fn main() {}")];
    for (version, index) in [
        ("1.0.0", ",\"rust_version\":\"1.60\""),
        ("1.1.0", ",\"rust_version\":\"1.200\""),
    ] {
        PackedCrate {
            index,
            ..PackedCrate::program("probe", version, &main)
        }
        .serve(&server);
    }
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"\nrust = \"1\"");
    let outcome = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(outcome.stderr.contains("cargo:probe  1.0.0"), "{outcome}");
    sandbox.write(
        "devshell.toml",
        "[tools]\n\"cargo:probe\" = \"1.1\"\nrust = \"1\"\n",
    );
    sandbox
        .devsh(&["lock", "--trust"])
        .error(&["it needs rust 1.200"]);
}

/// The targets of the prebuilt programs, in the order of the lockfile.
const TARGETS: [&str; 4] = [
    "aarch64-unknown-linux-musl",
    "x86_64-unknown-linux-musl",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
];

/// Returns an archive with the program `probe`.
fn prebuilt(version: &str) -> Vec<u8> {
    let program = script("prebuilt", version);
    gzip(&tar(&[("probe-dir/probe", &program, true)], &[]))
}

/// Returns the name of a file of the release of `probe`.
fn asset(version: &str, target: &str) -> String {
    format!("probe-{version}-{target}.tar.gz")
}

/// Serves prebuilt programs as plain downloads for every target, and returns their address as a crate spells it.
fn serve_downloads(server: &Server, versions: &[&str]) -> String {
    for version in versions {
        for target in TARGETS {
            let path = format!("/dl/{version}/probe-{target}.tgz");
            server.serve(&path, prebuilt(version));
        }
    }
    format!(
        "{}/dl/{{ version }}/probe-{{ target }}.tgz",
        server.address()
    )
}

/// Serves the crate `probe`, which is in the repository `team/probe` and names prebuilt programs at an address.
fn serve_probe(server: &Server, version: &str, address: &str) {
    serve_published_probe(server, version, address, "");
}

/// Serves the crate `probe` with further keys of its line in the index.
fn serve_published_probe(server: &Server, version: &str, address: &str, index: &str) {
    let manifest = format!(
        "repository = \"https://github.com/team/probe.git\"\n\
         [package.metadata.binstall]\npkg-url = \"{address}\"\npkg-fmt = \"tgz\"\n"
    );
    let files = [("src/main.rs", "fn main() { println!(\"compiled\") }")];
    PackedCrate {
        manifest: &manifest,
        index,
        ..PackedCrate::program("probe", version, &files)
    }
    .serve(server);
}

/// The address of prebuilt programs in the releases of the repository.
const RELEASE: &str =
    "{ repo }/releases/download/v{ version }/{ name }-{ version }-{ target }{ archive-suffix }";

/// Serves the release of a version in a repository.
fn serve_release(server: &Server, repository: &str, version: &str) {
    let tag = format!("v{version}");
    let mut release = GithubRelease::new(&tag, &[]);
    for target in TARGETS {
        let name = asset(version, target);
        release.assets.push((name, prebuilt(version)));
    }
    serve_releases(server, repository, &[release]);
}

#[test]
fn the_release_that_a_crate_names_is_used() {
    let server = Server::start();
    serve_probe(&server, "1.0.0", RELEASE);
    serve_release(&server, "team/probe", "1.0.0");
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let digest = sha256(&prebuilt("1.0.0"));
    for target in TARGETS {
        let name = asset("1.0.0", target);
        assert!(locked.stderr.contains(&name), "{locked}");
        let url = format!("/team/probe/releases/download/v1.0.0/{name}\", sha256 = \"{digest}\"");
        assert!(lockfile.contains(&url), "{lockfile}");
    }
    assert!(
        lockfile.contains("source = \"github:team/probe\""),
        "{lockfile}"
    );
    let checked = "digests of the list of releases, at addresses of `Cargo.toml` of the crate";
    assert!(lockfile.contains(checked), "{lockfile}");
    assert!(!lockfile.contains("name = \"rust\""), "{lockfile}");
    server.requests();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    assert_eq!(server.requests(), [""; 0], "`--check` asks nobody");
    assert_eq!(run(&sandbox, &["probe", "--version"]), "prebuilt 1.0.0\n");
    sandbox.allow();
    let about = sandbox.devsh(&["explain", "cargo:probe"]).success().stdout;
    assert!(about.contains("from `github:team/probe`"), "{about}");
}

#[test]
fn a_crate_without_usable_programs_is_compiled() {
    let Some(server) = server() else { return };
    serve_probe(&server, "1.0.0", RELEASE);
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    let note = "`cargo:probe` 1.0.0 is compiled, which takes minutes, not taken from GitHub (`team/probe`): it has none of the files that the crate names";
    assert!(locked.stderr.contains(note), "{locked}");
    assert_eq!(run(&sandbox, &["probe"]), "compiled\n");
    // The digest of the list is not that of the file.
    serve_release(&server, "team/probe", "1.0.0");
    for target in TARGETS {
        let path = format!(
            "/team/probe/releases/download/v1.0.0/{}",
            asset("1.0.0", target)
        );
        server.fault(&path, Fault::Flip(40));
    }
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    sandbox
        .devsh(&["sync", "--trust"])
        .error(&["digest mismatch"]);
    server.mend();
    assert_eq!(run(&sandbox, &["probe", "--version"]), "prebuilt 1.0.0\n");
    // A release is not built with the features that the user wants.
    server.requests();
    let manifest = "[tools]\n\"cargo:probe\" = { version = \"1\", default-features = true }\n";
    sandbox.write("devshell.toml", manifest);
    assert_eq!(run(&sandbox, &["probe"]), "compiled\n");
    let requests = server.requests();
    assert!(
        requests.iter().all(|path| !path.contains("/releases/")),
        "{requests:?}"
    );
}

#[test]
fn a_lockfile_cannot_bring_the_programs_of_another_repository() {
    let server = Server::start();
    serve_probe(&server, "1.0.0", RELEASE);
    serve_release(&server, "team/probe", "1.0.0");
    serve_release(&server, "evil/probe", "1.0.0");
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    let shown = sandbox.devsh(&["allow", "--show"]).success();
    assert!(
        shown.stderr.contains("(may be compiled from its crate)"),
        "{shown}"
    );
    sandbox.allow();
    sandbox.devsh(&["run", "--", "probe"]).success();
    let path = sandbox.project().join("devshell.lock");
    let lockfile = fs::read_to_string(&path).unwrap();
    // Files of another repository than the entry names.
    fs::write(&path, lockfile.replace("/team/probe/", "/evil/probe/")).unwrap();
    sandbox.devsh(&["sync"]).error(&["/evil/probe/"]);
    fs::write(&path, lockfile.replace("team/probe", "evil/probe")).unwrap();
    server.requests();
    let refused = sandbox.devsh(&["sync"]);
    refused.error(&[
        "has sources of programs that you have not approved: `github:evil/probe` for `cargo:probe`",
    ]);
    let requests = server.requests();
    assert!(
        requests.iter().all(|path| !path.contains("evil")),
        "{requests:?}"
    );
    let shown = sandbox.devsh(&["allow", "--yes"]).success();
    assert!(
        shown.stderr.contains("programs of cargo:probe from"),
        "{shown}"
    );
    assert!(shown.stderr.contains("github:evil/probe"), "{shown}");
    sandbox.devsh(&["run", "--", "probe"]).success();
    // A lockfile that is there at the first approval asks too.
    let second = self::sandbox(&server, "\"cargo:probe\" = \"1\"");
    second.write("devshell.lock", &lockfile);
    let shown = second.devsh(&["allow", "--yes"]).success();
    assert!(shown.stderr.contains("github:team/probe"), "{shown}");
}

#[test]
fn an_entry_for_another_requirement_approves_no_place() {
    let server = Server::start();
    serve_probe(&server, "1.0.0", RELEASE);
    serve_release(&server, "team/probe", "1.0.0");
    serve_release(&server, "evil/probe", "1.0.0");
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    sandbox.allow();
    let path = sandbox.project().join("devshell.lock");
    let lockfile = fs::read_to_string(&path).unwrap();
    let (head, block) = lockfile.split_once("\n[[tool]]\n").unwrap();
    let evil = block
        .replace("team/probe", "evil/probe")
        .replace("requirement = \"1\"", "requirement = \"1.0\"");
    // One that does not fit is in the way of the other.
    let unfit = block.replace("version = \"1.0.0\"", "version = \"0.9.0\"");
    for blocks in [vec![&evil], vec![&unfit, &evil]] {
        let blocks: Vec<String> = blocks
            .iter()
            .map(|one| format!("\n[[tool]]\n{one}"))
            .collect();
        let changed = format!("{head}{}", blocks.concat());
        for words in [&["run", "--", "probe"][..], &["sync"], &["lock"]] {
            fs::write(&path, &changed).unwrap();
            server.requests();
            sandbox.devsh(words).code(3).error(&[
                "has sources of programs that you have not approved: `github:evil/probe` for `cargo:probe`",
            ]);
            let requests = server.requests();
            assert!(
                requests.iter().all(|path| !path.contains("evil")),
                "{requests:?}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        }
    }
}

#[test]
fn a_lockfile_takes_no_tool_of_the_catalogue_from_another_place() {
    let server = Server::start();
    serve_release(&server, "evil/bat", "1.0.0");
    for (source, url) in [
        ("url:bat", "/dl/bat.tar.gz"),
        (
            "github:evil/bat",
            "/evil/bat/releases/download/v1.0.0/bat.tar.gz",
        ),
    ] {
        let sandbox = sandbox(&server, "bat = \"1\"");
        let address = server.address();
        let lockfile = format!(
            "version = 1\n[[tool]]\nname = \"bat\"\nrequirement = \"1\"\nversion = \"1.0.0\"\n\
             source = \"{source}\"\nartifacts = [\n  \
             {{ system = \"linux-x86_64\", url = \"{address}{url}\", sha256 = \"{}\" }},\n]\n",
            "1".repeat(64)
        );
        sandbox.write("devshell.lock", lockfile);
        let refused = sandbox.devsh(&["allow"]);
        refused.error(&[
            &format!("`bat` does not come from `{source}`"),
            "devshell.lock:6",
        ]);
        assert_eq!(server.requests(), [""; 0]);
    }
}

#[test]
fn programs_of_another_server_are_used_from_the_named_place_only() {
    let server = Server::start();
    let address = serve_downloads(&server, &["1.0.0", "1.1.0"]);
    serve_probe(&server, "1.0.0", &address);
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    sandbox.allow();
    let probe = ["run", "--", "probe", "--version"];
    assert_eq!(sandbox.devsh(&probe).success().stdout, "prebuilt 1.0.0\n");
    let path = sandbox.project().join("devshell.lock");
    let lockfile = fs::read_to_string(&path).unwrap();
    assert!(lockfile.contains("source = \"url:probe\""), "{lockfile}");
    // Another version at the same place does not ask.
    serve_probe(&server, "1.1.0", &address);
    sandbox.devsh(&["lock", "--upgrade"]).success();
    assert_eq!(sandbox.devsh(&probe).success().stdout, "prebuilt 1.1.0\n");
    let lockfile = fs::read_to_string(&path).unwrap();
    server.requests();
    for place in ["/evil/", "/dl/x%2f..%2f..%2fevil/"] {
        fs::write(&path, lockfile.replace("/dl/", place)).unwrap();
        sandbox.devsh(&["sync"]).error(&[
            "has sources of programs that you have not approved",
            "for `cargo:probe`",
        ]);
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_crate_with_another_digest_names_no_programs() {
    let server = Server::start();
    serve_probe(&server, "1.0.0", RELEASE);
    serve_release(&server, "team/probe", "1.0.0");
    server.fault("/crates/probe/1.0.0/download", Fault::Flip(40));
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    sandbox
        .devsh(&["lock", "--trust"])
        .error(&["digest mismatch"]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn programs_that_are_too_young_are_not_used() {
    let Some(server) = server() else { return };
    let plain = serve_downloads(&server, &["2.0.0"]);
    let old = ",\"pubtime\":\"2020-01-01T00:00:00Z\"";
    serve_published_probe(&server, "1.0.0", RELEASE, old);
    serve_published_probe(&server, "2.0.0", &plain, old);
    let release = "https://github.com/team/young/releases/download/v{ version }/{ name }-{ version }-{ target }.tar.gz";
    serve_published_probe(&server, "3.0.0", release, old);
    serve_release(&server, "team/probe", "1.0.0");
    serve_release(&server, "team/young", "3.0.0");
    let path = "/api/repos/team/young/releases/tags/v3.0.0";
    let document = String::from_utf8(server.content(path)).unwrap();
    server.serve(path, document.replace("2026-08-01", "2999-08-01"));
    for (version, expected) in [
        ("1.0.0", None),
        (
            "2.0.0",
            Some((
                "its own address",
                "held back: its source gives no publication time",
            )),
        ),
        (
            "3.0.0",
            Some(("GitHub (`team/young`)", "held back: out for 0 hours")),
        ),
    ] {
        let sandbox = sandbox(&server, &format!("\"cargo:probe\" = \"{version}\""))
            .config("minimum-release-age = \"1 hour\"\nminimum-release-age-exclude = [\"rust\"]\n");
        server.requests();
        let locked = sandbox.devsh(&["lock", "--trust"]).success();
        let requests = server.requests();
        assert!(
            requests.iter().all(|path| !path.starts_with("/dl/")),
            "{requests:?}"
        );
        let compiled = locked.stderr.contains("is compiled");
        assert_eq!(compiled, expected.is_some(), "{locked}");
        if let Some((supplier, reason)) = expected {
            let note = format!(
                "`cargo:probe` {version} is compiled, which takes minutes, not taken from {supplier}: {reason}"
            );
            assert!(locked.stderr.contains(&note), "{locked}");
        }
    }
}

#[test]
fn programs_are_used_only_if_no_system_loses_the_tool() {
    let Some(server) = server() else { return };
    let address = serve_downloads(&server, &["1.0.0"]);
    serve_probe(&server, "1.0.0", &address);
    let other = if cfg!(target_os = "macos") {
        "x86_64-unknown-linux-musl"
    } else {
        "x86_64-apple-darwin"
    };
    let path = format!("/dl/1.0.0/probe-{other}.tgz");
    for (status, reason) in [(404, "it has no file for"), (500, "500")] {
        server.fault(&path, Fault::Status(status));
        let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
        let locked = sandbox.devsh(&["lock", "--trust"]).success();
        let note = "`cargo:probe` 1.0.0 is compiled, which takes minutes, not taken from its own address: ";
        assert!(locked.stderr.contains(note), "{locked}");
        assert!(locked.stderr.contains(reason), "{locked}");
        let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
        assert!(lockfile.contains("system = \"any\""), "{lockfile}");
        server.mend();
    }
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    assert_eq!(run(&sandbox, &["probe", "--version"]), "prebuilt 1.0.0\n");
}

#[test]
fn a_missing_release_is_asked_for_once() {
    let Some(server) = server() else { return };
    let manifest = "repository = \"https://github.com/team/probe\"\n\
         [package.metadata.binstall]\npkg-fmt = \"tgz\"\n";
    PackedCrate {
        manifest,
        ..PackedCrate::program("probe", "1.0.0", &[("src/main.rs", "fn main() {}")])
    }
    .serve(&server);
    let sandbox = sandbox(&server, "\"cargo:probe\" = \"1\"");
    server.requests();
    sandbox.devsh(&["lock", "--trust"]).success();
    let mut asked = server.requests();
    asked.retain(|path| path.contains("/releases/tags/"));
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((count, asked.len()), (2, 2), "{asked:?}");
}

#[test]
fn a_crate_after_a_failed_release_brings_no_programs_of_another_place() {
    let Some(server) = server() else { return };
    let mut release = GithubRelease::new("v1.0.0", &[]);
    release.digests = false;
    for target in TARGETS {
        let name = format!("fd-v1.0.0-{target}.tar.gz");
        release.assets.push((name, prebuilt("1.0.0")));
    }
    let sums = b"unread".to_vec();
    release.assets.push(("SHA256SUMS".to_owned(), sums));
    serve_releases(&server, "sharkdp/fd", &[release]);
    server.fault(
        "/sharkdp/fd/releases/download/v1.0.0/SHA256SUMS",
        Fault::Status(500),
    );
    let manifest = format!(
        "[package.metadata.binstall]\npkg-url = \"{}/dl/{{ target }}.tgz\"\npkg-fmt = \"tgz\"\n",
        server.address()
    );
    for target in TARGETS {
        server.serve(&format!("/dl/{target}.tgz"), prebuilt("1.0.0"));
    }
    PackedCrate {
        manifest: &manifest,
        ..PackedCrate::program("fd-find", "1.0.0", &[("src/main.rs", "fn main() {}")])
    }
    .serve(&server);
    let sandbox = sandbox(&server, "fd = \"1\"");
    server.requests();
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(locked.stderr.contains("`fd` 1.0.0 is compiled"), "{locked}");
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lockfile.contains("source = \"cargo:fd-find\""),
        "{lockfile}"
    );
    let requests = server.requests();
    assert!(
        requests.iter().all(|path| !path.starts_with("/dl/")),
        "{requests:?}"
    );
}

#[test]
fn a_trust_rule_allows_only_places_that_the_crate_names() {
    let server = Server::start();
    let address = serve_downloads(&server, &["2.0.0"]);
    for repository in ["team/probe", "evil/probe"] {
        serve_release(&server, repository, "1.0.0");
    }
    serve_probe(&server, "1.0.0", RELEASE);
    serve_probe(&server, "2.0.0", &address);
    for (version, named, other) in [
        ("1.0.0", "team/probe", "evil/probe"),
        ("2.0.0", "/dl/", "/evil/"),
    ] {
        let manifest = format!("\"cargo:probe\" = \"{version}\"");
        let author = sandbox(&server, &manifest);
        author.devsh(&["lock", "--trust"]).success();
        let lockfile = fs::read_to_string(author.project().join("devshell.lock")).unwrap();
        let rule = "tools-from = \"managed\"\n[trust]\nallow = [\"~/project\"]\n";
        for (config, option) in [
            (rule, None),
            ("tools-from = \"managed\"\n", Some("--trust")),
        ] {
            let sandbox = sandbox(&server, &manifest).config(config);
            let words = |words: &[&'static str]| -> Vec<&'static str> {
                let (first, rest) = words.split_first().unwrap();
                let first = std::iter::once(*first).chain(option);
                first.chain(rest.iter().copied()).collect()
            };
            let probe = words(&["run", "--", "probe", "--version"]);
            sandbox.write("devshell.lock", lockfile.replace(named, other));
            server.requests();
            let refused = sandbox.devsh(&probe);
            refused.error(&[
                "the lockfile takes `cargo:probe` from",
                "its crate does not name these files",
            ]);
            let requests = server.requests();
            assert!(
                requests.iter().all(|path| !path.contains("evil")),
                "{requests:?}"
            );
            sandbox.write("devshell.lock", &lockfile);
            let expected = format!("prebuilt {version}\n");
            assert_eq!(sandbox.devsh(&probe).success().stdout, expected);
            // The crate is not read again.
            server.requests();
            sandbox.devsh(&words(&["sync"])).success();
            assert_eq!(server.requests(), [""; 0]);
        }
    }
}
