//! Tools from releases: `github` and `url`, against a server that speaks the format of GitHub's API.

use std::fs;

use crate::support::{
    Sandbox, Server,
    archive::{gzip, script, sha256, tar, xz},
    releases::{GithubRelease, bzip2, serve_releases, zip, zstd},
    server::Fault,
};

/// Where the tool of every test comes from.
const REPOSITORY: &str = "team/greet";

fn sandbox(server: &Server, manifest: &str) -> Sandbox {
    Sandbox::new()
        .served_by(server)
        // A lockfile may lead to every address below an index.
        .env("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        .env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9/rust")
        .env("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/npm")
        .env("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/python")
        .config("tools-from = \"managed\"\n")
        .manifest(&format!("[tools]\n{manifest}\n"))
}

/// Returns an archive with the program `greet` in a directory.
fn archive(version: &str) -> Vec<u8> {
    let program = script("greet", version);
    gzip(&tar(
        &[
            ("greet-dir/README.md", b"read me", true),
            ("greet-dir/greet", &program, true),
            ("greet-dir/data/text", b"text", false),
        ],
        &[],
    ))
}

/// Returns the names of the assets of a version, one for each system.
fn names(version: &str) -> [String; 4] {
    ["linux_arm64", "linux_amd64", "macOS_arm64", "macOS_amd64"]
        .map(|system| format!("greet_{version}_{system}.tar.gz"))
}

/// Returns a release with an archive for each system, and files that are none.
fn release<'a>(tag: &'a str, version: &str) -> GithubRelease<'a> {
    let archive = archive(version);
    let mut release = GithubRelease::new(tag, &[]);
    for name in names(version) {
        release.assets.push((name, archive.clone()));
    }
    for other in [
        "greet_windows_amd64.zip",
        "greet_linux_amd64.deb",
        "greet.sbom.json",
    ] {
        release.assets.push((other.to_owned(), b"other".to_vec()));
    }
    release
}

/// Returns a file that gives all assets of a version this digest.
fn sums(version: &str, digest: &str) -> String {
    let lines = names(version).map(|name| format!("{digest}  {name}\n"));
    lines.concat()
}

fn lockfile(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap()
}

fn greet(sandbox: &Sandbox) -> String {
    let run = ["run", "--locked", "--trust", "--", "greet", "--version"];
    sandbox.devsh(&run).success().stdout
}

#[test]
fn a_replaced_asset_makes_an_old_release_young() {
    for digests in [true, false] {
        let server = Server::start();
        let releases = [
            GithubRelease {
                replaced: Some("2999-08-01T10:00:00Z"),
                digests,
                ..release("v2.1.0", "2.1.0")
            },
            release("v2.0.9", "2.0.9"),
        ];
        serve_releases(&server, REPOSITORY, &releases);
        let sandbox = sandbox(&server, "\"github:team/greet\" = \"2\"")
            .config("tools-from = \"managed\"\nminimum-release-age = \"1 hour\"\n");
        let outcome = sandbox.devsh(&["lock", "--trust"]).success();
        let held = "2.1.0 is held back: out for 0 hours";
        assert!(outcome.stderr.contains(held), "{outcome}");
        assert!(lockfile(&sandbox).contains("version = \"2.0.9\""));
    }
}

#[test]
fn a_release_is_locked_for_every_system_and_runs() {
    let server = Server::start();
    serve_releases(
        &server,
        REPOSITORY,
        &[
            release("v3.0.0", "3.0.0"),
            release("v2.1.0", "2.1.0"),
            release("v2.0.9", "2.0.9"),
        ],
    );
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"2\"");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(
        locked.stderr.contains("+ github:team/greet  2.1.0"),
        "{}",
        locked.stderr
    );
    // The choice is shown.
    for name in names("2.1.0") {
        assert!(locked.stderr.contains(&name), "{}", locked.stderr);
    }
    let text = lockfile(&sandbox);
    let digest = sha256(&archive("2.1.0"));
    for (system, name) in [
        "linux-aarch64",
        "linux-x86_64",
        "macos-aarch64",
        "macos-x86_64",
    ]
    .into_iter()
    .zip(names("2.1.0"))
    {
        let line = format!(
            "{{ system = \"{system}\", url = \"{}/team/greet/releases/download/v2.1.0/{name}\", sha256 = \"{digest}\", size = {} }}",
            server.address(),
            archive("2.1.0").len()
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(
        text.contains("checked = \"digests of the list of releases\""),
        "{text}"
    );
    assert_eq!(greet(&sandbox), "greet 2.1.0\n");
    // With a lockfile no server is asked.
    let _before = server.requests();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    assert_eq!(greet(&sandbox), "greet 2.1.0\n");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn digests_come_from_a_file_of_the_release_or_the_download() {
    let server = Server::start();
    let mut with_file = release("v2.0.0", "2.0.0");
    with_file.digests = false;
    let sums = sums("2.0.0", &sha256(&archive("2.0.0")));
    with_file
        .assets
        .push(("checksums.txt".to_owned(), sums.into_bytes()));
    let mut without = release("v1.0.0", "1.0.0");
    without.digests = false;
    serve_releases(&server, REPOSITORY, &[with_file, without]);
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"2\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    assert!(
        text.contains("checked = \"digests of `checksums.txt` of the release\""),
        "{text}"
    );
    assert!(text.contains(&sha256(&archive("2.0.0"))), "{text}");
    let requests = server.requests();
    assert!(
        !requests.iter().any(|one| one.ends_with(".tar.gz")),
        "{requests:?}"
    );

    sandbox.write("devshell.toml", "[tools]\n\"github:team/greet\" = \"1\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    let checked = "checked = \"digests computed from the downloads, because the release has none\"";
    assert!(text.contains(checked), "{text}");
    assert!(text.contains(&sha256(&archive("1.0.0"))), "{text}");
    assert_eq!(greet(&sandbox), "greet 1.0.0\n");
}

#[test]
fn a_wrong_checksum_file_changes_nothing_in_the_store() {
    let server = Server::start();
    let mut lying = release("v2.0.0", "2.0.0");
    lying.digests = false;
    let sums = sums("2.0.0", &"0".repeat(64));
    lying
        .assets
        .push(("SHA256SUMS".to_owned(), sums.into_bytes()));
    serve_releases(&server, REPOSITORY, &[lying]);
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"2\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = sandbox
        .devsh(&["run", "--locked", "--trust", "--", "greet"])
        .code(125);
    assert!(run.stderr.contains("digest mismatch"), "{}", run.stderr);
    let store = sandbox.home().join(".local/share/devsh/store");
    let objects = fs::read_dir(store).into_iter().flatten().flatten();
    let visible = objects.filter(|one| !one.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(visible.count(), 0);
}

#[test]
fn every_kind_of_archive_is_unpacked() {
    let program = script("greet", "1.0.0");
    let members: &[_] = &[
        ("greet", program.as_slice(), true),
        ("LICENSE", b"text", false),
    ];
    let tree = tar(members, &[]);
    for (name, content) in [
        ("greet_linux_amd64.tar.gz", gzip(&tree)),
        ("greet_linux_amd64.tar.xz", xz(&tree)),
        ("greet_linux_amd64.tar.zst", zstd(&tree)),
        ("greet_linux_amd64.tar.bz2", bzip2(&tree)),
        ("greet_linux_amd64.zip", zip(members)),
        ("greet_linux_amd64.gz", gzip(&program)),
        ("greet_linux_amd64.xz", xz(&program)),
        ("greet-1.0.0-linux-amd64", program.clone()),
    ] {
        let server = Server::start();
        let name = name.replace("amd64", std::env::consts::ARCH);
        let release = GithubRelease::new("v1.0.0", &[(&name, &content)]);
        serve_releases(&server, REPOSITORY, &[release]);
        let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
        sandbox.devsh(&["lock", "--trust"]).success();
        assert_eq!(greet(&sandbox), "greet 1.0.0\n", "{name}");
    }
}

#[test]
fn settings_override_every_choice() {
    let server = Server::start();
    let program = script("greet", "1.0.0");
    let odd = gzip(&tar(
        &[
            ("a/b/tools/greet-x64", &program, true),
            ("a/b/tools/other", b"#!/bin/sh\n", true),
        ],
        &[],
    ));
    serve_releases(
        &server,
        REPOSITORY,
        &[
            GithubRelease::new("lib-v9.0.0", &[("x", b"")]),
            GithubRelease::new(
                "cli/v1.0.0",
                &[("PORTABLE-1.0.0.tgz", &odd), ("greet-linux-amd64", b"x")],
            ),
        ],
    );
    let settings = "version = \"1\", asset = \"PORTABLE-{version}.tgz\", tag-prefix = \"cli/v\", strip = 2, bin = [\"tools/greet\"]";
    let sandbox = sandbox(
        &server,
        &format!("\"github:team/greet\" = {{ {settings} }}"),
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    let options = "options = [\"asset=PORTABLE-{version}.tgz\", \"bin=tools/greet\", \"strip=2\", \"tag-prefix=cli/v\"]";
    assert!(text.contains(options), "{text}");
    assert_eq!(greet(&sandbox), "greet 1.0.0\n");
    let other = sandbox.devsh(&["run", "--locked", "--trust", "--", "other"]);
    assert!(!other.status.success());
    // A lockfile alone cannot choose another product, a tag that only ends in the version, or another file.
    let digest = text.split("sha256 = \"").nth(1).unwrap();
    let text_of_no_build = text.replace(&digest[..64], &"0".repeat(64));
    for (chosen, forged) in [
        ("download/cli/v1.0.0", "download/other/v1.0.0"),
        ("download/cli/v1.0.0", "download/cli/v0-1.0.0"),
        ("PORTABLE-1.0.0.tgz\"", "greet-linux-amd64\""),
    ] {
        let changed = text_of_no_build.replace(chosen, forged);
        assert_ne!(changed, text_of_no_build, "{text}");
        sandbox.write("devshell.lock", changed);
        let refused = sandbox.devsh(&["run", "--trust", "--", "greet"]).code(3);
        refused.error(&[
            "not the file that the manifest asks for",
            "devsh lock --upgrade github:team/greet",
        ]);
    }
    sandbox.write("devshell.lock", &text);
    // A changed setting is a changed request.
    sandbox.write(
        "devshell.toml",
        format!(
            "[tools]\n\"github:team/greet\" = {{ {} }}\n",
            settings.replace("tools/greet", "tools/none")
        ),
    );
    sandbox.devsh(&["lock", "--check", "--trust"]).code(1);
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = sandbox.devsh(&["run", "--trust", "--", "greet"]).code(125);
    assert!(
        run.stderr.contains("the archive has no `tools/none`"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("tools/greet-x64"), "{}", run.stderr);
}

#[test]
fn keys_of_releases_are_only_for_releases() {
    let server = Server::start();
    for (tools, expected) in [
        (
            "ruff = { strip = 1 }",
            "`strip` is not for `ruff`, only for tools of `github` and `url`",
        ),
        (
            "\"github:a/b\" = { url = \"https://x.example\" }",
            "`url` is not for `github:a/b`",
        ),
        ("\"github:a/b\" = { strip = 300 }", "a small number"),
        ("\"url:x\" = { words = { bsd = \"x\" } }", "bsd"),
        (
            "\"url:x\" = { sha256 = { linux-x86_64 = \"12\" } }",
            "SHA-256",
        ),
    ] {
        let sandbox = sandbox(&server, tools);
        let refused = sandbox.devsh(&["lock", "--trust"]).code(1);
        assert!(
            refused.stderr.contains(expected),
            "{tools}\n{}",
            refused.stderr
        );
    }
}

#[test]
fn pre_releases_are_chosen_only_by_name() {
    let server = Server::start();
    let mut marked = release("v2.2.0", "2.2.0");
    marked.prerelease = true;
    let named = release("v2.3.0-rc.1", "2.3.0-rc.1");
    serve_releases(
        &server,
        REPOSITORY,
        &[named, marked, release("v2.1.0", "2.1.0")],
    );
    for (requirement, expected) in [("2", "2.1.0"), ("==2.2.0", "2.2.0")] {
        let sandbox = sandbox(
            &server,
            &format!("\"github:team/greet\" = \"{requirement}\""),
        );
        sandbox.devsh(&["lock", "--trust"]).success();
        let text = lockfile(&sandbox);
        assert!(
            text.contains(&format!("version = \"{expected}\"")),
            "{text}"
        );
    }
}

#[test]
fn further_pages_are_read_until_a_release_fits() {
    let server = Server::start();
    let tags: Vec<String> = (0..230)
        .rev()
        .map(|minor| format!("v1.{minor}.0"))
        .collect();
    let releases: Vec<GithubRelease<'_>> = tags
        .iter()
        .map(|tag| release(tag, tag.trim_start_matches('v')))
        .collect();
    serve_releases(&server, REPOSITORY, &releases);
    let pages = |server: &Server| {
        let requests = server.requests().into_iter();
        requests.filter(|one| one.ends_with("/releases")).count()
    };
    for (requirement, expected, count) in [
        ("1", "1.229.0", 1),
        ("1.120", "1.120.0", 2),
        ("1.3", "1.3.0", 3),
    ] {
        let sandbox = sandbox(
            &server,
            &format!("\"github:team/greet\" = \"{requirement}\""),
        );
        sandbox.devsh(&["lock", "--trust"]).success();
        let text = lockfile(&sandbox);
        assert!(
            text.contains(&format!("version = \"{expected}\"")),
            "{text}"
        );
        assert_eq!(pages(&server), count, "{requirement}");
    }
}

#[test]
fn a_rate_limit_is_told_with_its_end() {
    let server = Server::start();
    serve_releases(&server, REPOSITORY, &[release("v1.0.0", "1.0.0")]);
    // 2026-11-29, 13:05 UTC.
    server.fault(
        "/api/repos/team/greet/releases",
        Fault::RateLimit(1_795_957_500),
    );
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
    let refused = sandbox.devsh(&["lock", "--trust"]).code(1);
    assert!(
        refused
            .stderr
            .contains("accepts no more requests until 13:05 UTC"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("set `GITHUB_TOKEN`"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_unchanged_list_is_not_sent_again() {
    let server = Server::start();
    serve_releases(&server, REPOSITORY, &[release("v1.0.0", "1.0.0")]);
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let before = lockfile(&sandbox);
    let _before = server.requests();
    // Within ten minutes the list is not even asked for, except for an upgrade.
    fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(server.requests(), [""; 0]);
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    assert_eq!(server.requests(), ["GET /api/repos/team/greet/releases"]);
    assert_eq!(lockfile(&sandbox), before);
}

#[test]
fn a_token_goes_to_its_own_server_only() {
    let (server, files) = (Server::start(), Server::start());
    serve_releases(&server, REPOSITORY, &[release("v1.0.0", "1.0.0")]);
    for name in names("1.0.0") {
        let path = format!("/team/greet/releases/download/v1.0.0/{name}");
        files.serve(&path, archive("1.0.0"));
        server.fault(&path, Fault::Redirect(format!("{}{path}", files.address())));
    }
    let api = format!("{}/api", server.address());
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"")
        .env("GITHUB_API_URL", api)
        .env("GITHUB_TOKEN", "secret-token");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(greet(&sandbox), "greet 1.0.0\n");
    let sent = server.authorized();
    assert!(
        sent.contains(&"/api/repos/team/greet/releases Bearer secret-token".to_owned()),
        "{sent:?}"
    );
    assert_eq!(files.authorized(), [""; 0]);
    assert!(!files.requests().is_empty());
    assert!(!format!("{}{}", locked.stdout, locked.stderr).contains("secret-token"));
    // The token is for another server.
    let sandbox = sandbox.env("GITHUB_API_URL", "https://ghe.example/api/v3");
    fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    assert_eq!(server.authorized(), [""; 0]);
}

#[test]
fn files_of_a_private_repository_come_from_the_api() {
    let (server, storage) = (Server::start(), Server::start());
    let mut private = release("v1.0.0", "1.0.0");
    // The digests are in a file of the release, which is as private as the others.
    private.digests = false;
    let sums = sums("1.0.0", &sha256(&archive("1.0.0")));
    private
        .assets
        .push(("checksums.txt".to_owned(), sums.into_bytes()));
    serve_releases(&server, REPOSITORY, &[private]);
    let all = names("1.0.0")
        .into_iter()
        .chain(["checksums.txt".to_owned()]);
    for name in all {
        let public = format!("/team/greet/releases/download/v1.0.0/{name}");
        storage.serve(&format!("/{name}"), server.content(&public));
        server.fault(&public, Fault::Status(404));
        let asset = format!("/api/repos/team/greet/releases/assets/{name}");
        server.fault(
            &asset,
            Fault::Redirect(format!("{}/{name}", storage.address())),
        );
    }
    let manifest = "\"github:team/greet\" = \"1\"";
    let api = format!("{}/api", server.address());
    let sandbox = sandbox(&server, manifest)
        .env("GITHUB_API_URL", api)
        .env("GITHUB_TOKEN", "secret-token");
    sandbox.devsh(&["lock", "--trust"]).success();
    let locked = lockfile(&sandbox);
    assert!(
        locked.contains("/team/greet/releases/download/v1.0.0/"),
        "{locked}"
    );
    assert!(
        locked.contains("digests of `checksums.txt` of the release"),
        "{locked}"
    );
    assert_eq!(greet(&sandbox), "greet 1.0.0\n");
    assert_eq!(
        storage.authorized(),
        [""; 0],
        "the token stays with its server"
    );
    // Without a token the repository does not exist.
    let stranger = self::sandbox(&server, manifest);
    stranger.write("devshell.lock", locked);
    stranger
        .devsh(&["sync", "--locked", "--trust"])
        .error(&["404"]);
}

#[test]
fn tokens_of_gh_and_netrc_are_used() {
    let server = Server::start();
    serve_releases(&server, REPOSITORY, &[release("v1.0.0", "1.0.0")]);
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
    let settings = sandbox.home().join(".config/gh");
    fs::create_dir_all(&settings).unwrap();
    fs::write(
        settings.join("hosts.yml"),
        "127.0.0.1:\n    oauth_token: gho_own\n    user: me\n",
    )
    .unwrap();
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_eq!(
        server.authorized(),
        ["/api/repos/team/greet/releases Bearer gho_own"]
    );
    fs::remove_file(settings.join("hosts.yml")).unwrap();
    fs::write(
        sandbox.home().join(".netrc"),
        "machine 127.0.0.1 login me password pw\n",
    )
    .unwrap();
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    assert_eq!(
        server.authorized(),
        ["/api/repos/team/greet/releases Basic bWU6cHc="]
    );
}

#[test]
fn a_repository_without_the_right_files_is_told() {
    let server = Server::start();
    serve_releases(
        &server,
        REPOSITORY,
        &[GithubRelease::new(
            "v1.0.0",
            &[("greet-windows.zip", b"x"), ("notes.txt", b"x")],
        )],
    );
    let lacking = sandbox(&server, "\"github:team/greet\" = \"1\"");
    let refused = lacking.devsh(&["lock", "--trust"]).code(1);
    assert!(
        refused.stderr.contains("github:team/greet"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("1.0.0"), "{}", refused.stderr);
    let unknown = sandbox(&server, "\"github:team/none\" = \"1\"");
    let refused = unknown.devsh(&["lock", "--trust"]).code(1);
    let expected = "`127.0.0.1` has no repository `team/none` with releases";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
}

#[test]
fn a_lockfile_cannot_name_another_repository_or_tag() {
    let server = Server::start();
    serve_releases(
        &server,
        REPOSITORY,
        &[release("v1.0.0", "1.0.0"), release("v0.9.0", "0.9.0")],
    );
    serve_releases(&server, "evil/greet", &[release("v1.0.0", "1.0.0")]);
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let good = lockfile(&sandbox);
    for (from, to, expected) in [
        (
            "/team/greet/releases/",
            "/evil/greet/releases/",
            "evil/greet",
        ),
        (
            "download/v1.0.0/greet_1.0.0",
            "download/v0.9.0/greet_0.9.0",
            "which is not the file that the manifest asks for",
        ),
    ] {
        let changed = good.replace(from, to).replace(
            &sha256(&archive("1.0.0")),
            &sha256(&archive(if to.contains("0.9") { "0.9.0" } else { "1.0.0" })),
        );
        let changed = changed.replace(
            &format!("size = {}", archive("1.0.0").len()),
            &format!(
                "size = {}",
                archive(if to.contains("0.9") { "0.9.0" } else { "1.0.0" }).len()
            ),
        );
        sandbox.write("devshell.lock", &changed);
        let run = sandbox
            .devsh(&["run", "--locked", "--trust", "--", "greet"])
            .code(3);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

#[test]
fn a_program_for_another_system_is_refused() {
    let server = Server::start();
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(18, 0);
    // RISC-V.
    program.extend([243, 0]);
    program.resize(64, 0);
    let name = format!("greet-linux-{}", std::env::consts::ARCH);
    serve_releases(
        &server,
        REPOSITORY,
        &[GithubRelease::new("v1.0.0", &[(&name, &program)])],
    );
    let sandbox = sandbox(&server, "\"github:team/greet\" = \"1\"");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = sandbox
        .devsh(&["run", "--locked", "--trust", "--", "greet"])
        .code(125);
    assert!(
        run.stderr
            .contains("`greet` is a program for Linux on another processor"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_plain_download_needs_no_list_of_versions() {
    let server = Server::start();
    for system in ["linux-arm64", "linux-amd64", "osx-amd64"] {
        server.serve(
            &format!("/files/1.2.3/greet-{system}.tar.gz"),
            archive("1.2.3"),
        );
    }
    let address = format!(
        "{}/files/{{version}}/greet-{{os}}-{{arch}}.tar.gz",
        server.address()
    );
    let settings =
        format!("version = \"1.2.3\", url = \"{address}\", words = {{ macos = \"osx\" }}");
    let sandbox = sandbox(&server, &format!("\"url:greet\" = {{ {settings} }}"));
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    assert!(
        text.contains(
            "checked = \"digests computed from the downloads, because none are published\""
        ),
        "{text}"
    );
    assert!(
        text.contains("/files/1.2.3/greet-osx-amd64.tar.gz"),
        "{text}"
    );
    // The vendor has none for this system.
    assert!(!text.contains("macos-aarch64"), "{text}");
    // The address is the manifest's: a lockfile cannot have another one.
    let changed = text.replace("/files/1.2.3/", "/other/1.2.3/");
    server.serve("/other/1.2.3/greet-linux-amd64.tar.gz", archive("1.2.3"));
    sandbox.write("devshell.lock", &changed);
    let run = sandbox
        .devsh(&["run", "--locked", "--trust", "--", "greet"])
        .code(3);
    assert!(run.stderr.contains("/other/1.2.3/"), "{}", run.stderr);
    sandbox.write("devshell.lock", &text);
    assert_eq!(greet(&sandbox), "greet 1.2.3\n");
}

#[test]
fn an_archive_with_endless_names_is_refused() {
    let server = Server::start();
    let program = script("greet", "1.2.3");
    let target = "a/".repeat(500_000);
    let names: Vec<String> = (0..34).map(|at| format!("link-{at}")).collect();
    let links: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &*target)).collect();
    let archive = gzip(&tar(&[("bin/greet", &program, true)], &links));
    let digest = sha256(&archive);
    server.serve("/greet.tar.gz", archive);
    let address = format!("{}/greet.tar.gz", server.address());
    let own = std::env::consts::ARCH;
    let manifest = format!(
        "\"url:greet\" = {{ version = \"1.2.3\", url = \"{address}\", sha256 = {{ linux-{own} = \"{digest}\" }} }}"
    );
    let run = sandbox(&server, &manifest).devsh(&["run", "--trust", "--", "greet"]);
    run.code(125)
        .error(&["`link-33` makes the names of the archive too long together"]);
}

#[test]
fn digests_of_a_plain_download_come_from_the_manifest_or_the_vendor() {
    let server = Server::start();
    let system = if std::env::consts::ARCH == "aarch64" {
        "linux-arm64"
    } else {
        "linux-amd64"
    };
    let file = format!("greet-{system}.tar.gz");
    server.serve(&format!("/files/1.2.3/{file}"), archive("1.2.3"));
    let address = format!(
        "{}/files/{{version}}/greet-{{os}}-{{arch}}.tar.gz",
        server.address()
    );
    let digest = sha256(&archive("1.2.3"));
    let own = std::env::consts::ARCH;
    let manifest = format!(
        "\"url:greet\" = {{ version = \"1.2.3\", url = \"{address}\", sha256 = {{ linux-{own} = \"{digest}\" }} }}"
    );
    let given = sandbox(&server, &manifest);
    given.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&given);
    assert!(
        text.contains("checked = \"digests of the manifest\""),
        "{text}"
    );
    assert_eq!(text.matches("system = ").count(), 1, "{text}");
    assert_eq!(greet(&given), "greet 1.2.3\n");

    // A lockfile does not replace the digest of the manifest.
    let mut other = archive("1.2.3");
    other.extend(b"more");
    server.serve(&format!("/files/1.2.3/{file}"), other.clone());
    let place = given.project().join("devshell.lock");
    let locked = |digest: &str| format!(", sha256 = \"{digest}\"");
    let forged = text.replace(&locked(&digest), &locked(&sha256(&other)));
    assert_ne!(forged, text);
    fs::write(&place, forged).unwrap();
    given
        .devsh(&["lock", "--check", "--trust"])
        .code(1)
        .error(&["`url:greet` 1.2.3 is locked with another `sha256` than the manifest gives"]);
    let run = ["run", "--trust", "--", "greet", "--version"];
    let ran = given.devsh(&run).success().stdout;
    assert_eq!(ran, "greet 1.2.3\n");
    assert_eq!(lockfile(&given), text);
    server.serve(&format!("/files/1.2.3/{file}"), archive("1.2.3"));

    let wrong = sandbox(&server, &manifest.replace(&digest, &"0".repeat(64)));
    wrong.devsh(&["lock", "--trust"]).success();
    let run = wrong.devsh(&["run", "--trust", "--", "greet"]).code(125);
    assert!(run.stderr.contains("digest mismatch"), "{}", run.stderr);

    server.serve("/files/1.2.3/SHA256SUMS", format!("{digest}  {file}\n"));
    let sums = format!("{}/files/{{version}}/SHA256SUMS", server.address());
    let manifest = format!(
        "\"url:greet\" = {{ version = \"1.2.3\", url = {{ linux-{own} = \"{address}\" }}, checksums = \"{sums}\" }}"
    );
    let vendor = sandbox(&server, &manifest);
    vendor.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&vendor);
    assert!(
        text.contains("checked = \"digests of `127.0.0.1`\""),
        "{text}"
    );
    assert_eq!(greet(&vendor), "greet 1.2.3\n");
}

#[test]
fn versions_of_a_plain_download_come_from_a_repository() {
    let server = Server::start();
    serve_releases(
        &server,
        REPOSITORY,
        &[
            GithubRelease::new("v1.3.0", &[]),
            GithubRelease::new("v1.2.3", &[]),
        ],
    );
    for system in ["linux-arm64", "linux-amd64", "darwin-amd64", "darwin-arm64"] {
        server.serve(
            &format!("/files/1.3.0/greet-{system}.tar.gz"),
            archive("1.3.0"),
        );
    }
    let address = format!(
        "{}/files/{{version}}/greet-{{os}}-{{arch}}.tar.gz",
        server.address()
    );
    let manifest = format!(
        "\"url:greet\" = {{ version = \"1\", url = \"{address}\", versions = \"github:team/greet\" }}"
    );
    let sandbox = sandbox(&server, &manifest);
    sandbox.devsh(&["lock", "--trust"]).success();
    let text = lockfile(&sandbox);
    assert!(text.contains("version = \"1.3.0\""), "{text}");
    assert_eq!(text.matches("system = ").count(), 4, "{text}");
    assert_eq!(greet(&sandbox), "greet 1.3.0\n");
    let open = sandbox.manifest(&format!(
        "[tools]\n\"url:greet\" = {{ url = \"{address}\" }}\n"
    ));
    let refused = open.devsh(&["lock", "--trust"]).code(1);
    assert!(
        refused.stderr.contains("needs a whole version"),
        "{}",
        refused.stderr
    );
}
