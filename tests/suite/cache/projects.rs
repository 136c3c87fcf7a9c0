//! Caches that a manifest names: nothing is asked before the approval, and none gets the user's credentials.

use std::fs;

use super::{Team, serve_files};
use crate::support::{Sandbox, Server, bucket::Bucket, pypi::serve_tool, storage::ACCESS};

const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n";

/// A web server with the artifacts of a project, and another home with the project, whose manifest names it.
struct Named {
    server: Server,
    web: Server,
    home: Sandbox,
}

impl Named {
    fn new() -> Self {
        let (server, web) = (Server::start(), Server::start());
        serve_tool(&server, "ruff", &["0.12.4"]);
        let builder = Sandbox::new().served_by(&server).manifest(MANIFEST);
        builder.devsh(&["lock", "--trust"]).success();
        let root = builder.root().join("shared");
        let url = format!("file://{}", root.display());
        let push = ["cache", "push", "--trust", "--to", &url];
        builder.devsh(&push).success();
        serve_files(&web, &root, "/cache");
        let caches = format!("[[caches]]\nurl = \"{}/cache\"\n", web.address());
        let home = Sandbox::new()
            .served_by(&server)
            .env("AWS_ACCESS_KEY_ID", ACCESS.0)
            .env("AWS_SECRET_ACCESS_KEY", ACCESS.1)
            .manifest(&format!("{caches}{MANIFEST}"));
        let lockfile = fs::read(builder.project().join("devshell.lock")).unwrap();
        home.write("devshell.lock", lockfile);
        let netrc = "machine 127.0.0.1 login me password secret\n";
        fs::write(home.home().join(".netrc"), netrc).unwrap();
        server.requests();
        Self { server, web, home }
    }
}

#[test]
fn the_cache_of_a_project_is_asked_only_once_it_is_approved() {
    let Named { server, web, home } = Named::new();
    let run = ["run", "--locked", "--", "ruff"];
    home.devsh(&run)
        .error(&["is not allowed yet", "devsh allow"]);
    home.devsh(&["cache", "info"]).error(&[
        "is not allowed yet",
        "no cache in `config.toml`",
        "devsh allow",
    ]);
    for arguments in [&["status"][..], &["export", "bash"], &["lock", "--check"]] {
        home.devsh(arguments);
    }
    let shown = home.devsh(&["allow", "--show"]).success();
    let name = format!("cache {}/cache/", web.address());
    for part in [name.as_str(), "serves downloads"] {
        assert!(shown.stderr.contains(part), "{part} in {shown}");
    }
    assert_eq!(web.requests(), [""; 0]);
    home.devsh(&["allow", "--yes"]).success();
    let asked = web.requests();
    assert!(
        asked.iter().any(|one| one.contains("/artifacts/")),
        "{asked:?}"
    );
    assert_eq!(server.requests(), [""; 0]);
    let info = home.devsh(&["cache", "info"]).success();
    assert!(info.stdout.contains("answers"), "{info}");
    assert_eq!(web.authorized(), [""; 0]);

    // Another key is another request.
    let manifest = fs::read_to_string(home.project().join("devshell.toml")).unwrap();
    let key = "team-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let changed = manifest.replace("[tools]", &format!("keys = [\"{key}\"]\n[tools]"));
    home.write("devshell.toml", changed);
    web.requests();
    home.devsh(&run)
        .error(&["has changed since you allowed it", "devshell.toml"]);
    let shown = home.devsh(&["allow", "--show"]).success();
    assert!(shown.stderr.contains(key), "{shown}");
    home.devsh(&["cache", "info"])
        .error(&["has changed since you allowed it", "devsh allow"]);
    assert_eq!(web.requests(), [""; 0]);
}

#[test]
fn a_ci_job_lists_and_checks_the_cache_of_its_checkout() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let cache = format!("file://{}", team.builder.root().join("shared").display());
    team.push(&format!("[[caches]]\nurl = \"{cache}\"\n"));
    let job = team.second("").env("CI", "true");
    let manifest = fs::read_to_string(job.project().join("devshell.toml")).unwrap();
    let named = format!("[[caches]]\nurl = \"{cache}\"\nkeys = [\"{key}\"]\n{manifest}");
    job.write("devshell.toml", named);
    for command in ["list", "info", "verify"] {
        job.devsh(&["cache", command])
            .error(&["is not allowed yet", "pass `--trust`"]);
        let printed = job
            .devsh(&["cache", command, "--trust", "--json"])
            .success();
        let printed: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
        let expected = match command {
            "list" => &printed[0]["trusted"] == true,
            "info" => printed[0]["keys"] == serde_json::json!(["team-1"]),
            _ => printed[0]["damaged"] == serde_json::json!([]) && printed[0]["untrusted"] == 0,
        };
        assert!(expected, "{command}: {printed}");
    }
    job.devsh(&["deny"]).success();
    job.devsh(&["cache", "list", "--trust"])
        .error(&["is denied"]);
}

#[test]
fn a_manifest_lets_nobody_write_to_a_cache() {
    for key in ["push = true", "signing-key = '~/k'"] {
        let manifest = format!("[[caches]]\nurl = 's3://bucket/a'\n{key}\n");
        let sandbox = Sandbox::new().manifest(&manifest);
        sandbox.devsh(&["allow", "--yes"]).error(&[
            "unknown key",
            "config.toml",
            "devshell.toml:3",
        ]);
    }
}

#[test]
fn the_user_names_the_cache_of_a_project_to_give_it_a_login() {
    let Named { server, web, home } = Named::new();
    let home = home.config(&format!("[[caches]]\nurl = \"{}/cache/\"\n", web.address()));
    home.devsh(&["allow", "--yes"]).success();
    assert_eq!(server.requests(), [""; 0]);
    let sent = web.authorized();
    assert!(sent.iter().any(|one| one.contains("Basic ")), "{sent:?}");
}

#[test]
fn keys_of_the_manifest_count_for_its_own_cache() {
    let Some(team) = Team::new() else { return };
    let team = team.with_access_key();
    let (key, bucket) = (team.key(), Bucket::start());
    let report = team.push(&bucket.settings());
    assert_eq!(report[0]["not_shared"], serde_json::json!([]), "{report}");
    let manifest = fs::read_to_string(team.builder.project().join("devshell.toml")).unwrap();
    let named = |keys: &str| format!("{}{keys}{manifest}", bucket.settings());
    let keys = format!("keys = [\"{key}\"]\n");
    let used = |text: &str, config: &str| {
        let second = team.second(config).env("AWS_ACCESS_KEY_ID", ACCESS.0);
        let second = second.env("AWS_SECRET_ACCESS_KEY", ACCESS.1);
        second.write("devshell.toml", text);
        bucket.requests();
        let asked_elsewhere = team.run_in(&second);
        (asked_elsewhere, bucket.requests())
    };
    let (elsewhere, asked) = used(&named(&keys), "");
    assert_eq!(elsewhere, [""; 0]);
    assert!(
        asked.iter().any(|one| one.contains("/objects/")),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|one| one.contains("X-Amz")), "{asked:?}");
    // Without a key the cache serves artifacts.
    let (_, asked) = used(&named(""), "");
    assert!(
        !asked.iter().any(|one| one.contains("/objects/")),
        "{asked:?}"
    );
    // Keys of the manifest and access of the user.
    let (elsewhere, asked) = used(&named(&keys), &bucket.settings());
    assert_eq!(elsewhere, [""; 0]);
    assert!(asked.iter().all(|one| one.contains("X-Amz")), "{asked:?}");
}
