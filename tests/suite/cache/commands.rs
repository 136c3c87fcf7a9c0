//! `devsh cache list|info|push|verify|key new`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use super::Team;
use crate::support::Sandbox;

fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&sandbox.devsh(arguments).success().stdout).unwrap()
}

#[test]
fn a_cache_is_filled_listed_and_checked() {
    let Some(team) = Team::new() else { return };
    let (key, builder) = (team.key(), &team.builder);
    let root = builder.root().join("shared");
    let url = format!("file://{}", root.display());
    let settings = format!("[[caches]]\nurl = \"{url}\"\n");
    // The dev shell is built and pushed without a key: only its packages stay here.
    let pushed = json_of(
        builder,
        &["cache", "push", "--trust", "--json", "--to", &url],
    );
    assert_eq!(
        pushed[0]["not_shared"][0]["reason"],
        "there is no key to sign it"
    );
    let artifacts = pushed[0]["written"].as_u64().unwrap();
    let packages = pushed[0]["not_shared"][0]["object"].as_str().unwrap();
    let signed = "push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n";
    team.configure(&format!("{settings}{signed}keys = [\"{key}\"]\n"));

    // One object, by its name and by the beginning of its name.
    let (_, plain) = packages.split_once('-').unwrap();
    for name in [packages, &packages[..12], plain] {
        let pushed = json_of(builder, &["cache", "push", "--json", name]);
        let both = pushed[0]["written"].as_u64().unwrap() + pushed[0]["present"].as_u64().unwrap();
        assert_eq!(
            (both, &pushed[0]["not_shared"]),
            (1, &json!([])),
            "{name}: {pushed}"
        );
    }
    builder.devsh(&["cache", "push", "no-such-object"]).error(&[
        "the store has no object `no-such-object`",
        "devsh du --objects",
    ]);
    let all = json_of(builder, &["cache", "push", "--all", "--json"]);
    assert_eq!(
        (&all[0]["written"], &all[0]["present"]),
        (&json!(0), &json!(artifacts + 1)),
        "{all}"
    );

    let mut listed = json_of(builder, &["cache", "list", "--json"]);
    // Outcomes show paths in another form.
    listed[0]["cache"].take();
    let expected = json!({ "cache": null, "object": packages, "key": "team-1", "trusted": true });
    assert_eq!(listed, json!([expected]));
    let info = json_of(builder, &["cache", "info", "--json"]);
    assert_eq!(
        (
            &info[0]["artifacts"],
            &info[0]["objects"],
            &info[0]["push"],
            &info[0]["keys"]
        ),
        (
            &json!(artifacts),
            &json!(1),
            &json!(true),
            &json!(["team-1"])
        ),
        "{info}"
    );
    let shown = builder.devsh(&["cache", "info"]).success();
    let content = format!("{artifacts} artifacts, 1 built objects");
    assert!(shown.stdout.contains(&content), "{shown}");
    let verified = json_of(builder, &["cache", "verify", "--json"]);
    let counts = (
        &verified[0]["checked"],
        &verified[0]["untrusted"],
        &verified[0]["damaged"],
    );
    assert_eq!(
        counts,
        (&json!(artifacts + 2), &json!(0), &json!([])),
        "{verified}"
    );

    // A cache that does not answer keeps no other one from the check.
    let gone = "[[caches]]\nurl = \"oci://127.0.0.1:9/team/cache\"\n";
    team.configure(&format!("{gone}{settings}keys = [\"{key}\"]\n"));
    let verified = builder.devsh(&["cache", "verify", "--json"]).code(1);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert!(verified[0]["problem"].is_string(), "{verified}");
    assert_eq!(verified[1]["checked"], artifacts + 2, "{verified}");
    builder.devsh(&["cache", "verify"]).error(&[
        "oci://127.0.0.1:9/team/cache",
        "cannot be listed",
        "devsh cache info",
    ]);

    // Another user trusts no key: the record is not checked, and not used.
    team.configure(&settings);
    let verified = json_of(builder, &["cache", "verify", "--json"]);
    assert_eq!(verified[0]["untrusted"], 1, "{verified}");
    let shown = builder.devsh(&["cache", "list"]).success();
    assert!(shown.stdout.contains("team-1 (not trusted)"), "{shown}");
}

#[test]
fn a_key_is_secret_and_made_once() {
    let sandbox = Sandbox::new();
    let made = sandbox.devsh(&["cache", "key", "new", "team-1"]).success();
    let (name, encoded) = made.stdout.trim().split_once(':').unwrap();
    assert_eq!((name, encoded.len()), ("team-1", 44), "{made}");
    let file = sandbox.home().join(".config/devsh/keys/team-1.key");
    let permissions = fs::metadata(&file).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&file).unwrap();
    assert!(!made.stderr.contains(secret.trim()), "{made}");
    sandbox
        .devsh(&["cache", "key", "new", "team-1"])
        .error(&["is there already", "team-2"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    for name in ["", "../x", "a b", ".x"] {
        sandbox
            .devsh(&["cache", "key", "new", name])
            .error(&["the name of a key"]);
    }
}
