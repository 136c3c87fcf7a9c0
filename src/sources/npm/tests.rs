//! Trees of packages that need each other, from documents in memory.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// A document: each version with what it has beside `dist`.
fn document(name: &str, versions: &[(&str, Value)]) -> (PackageName, Packument) {
    let mut all = serde_json::Map::new();
    for (version, fields) in versions {
        let mut release = fields.clone();
        release["dist"] = json!({
            "tarball": format!("https://registry.npmjs.org/{name}/-/{version}.tgz"),
            "integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        });
        all.insert((*version).to_owned(), release);
    }
    let time: serde_json::Map<String, Value> = versions
        .iter()
        .enumerate()
        .map(|(at, (version, _))| {
            (
                (*version).to_owned(),
                json!(format!("2026-01-{:02}T00:00:00.000Z", at + 1)),
            )
        })
        .collect();
    let text = json!({
        "dist-tags": { "latest": versions.last().unwrap().0 },
        "versions": all,
        "time": time,
    });
    (
        PackageName::npm(name).unwrap(),
        Packument::parse(text.to_string().as_bytes()).unwrap(),
    )
}

/// Grows the tree of `tool`'s newest version; returns places with versions and the number of systems.
fn tree(
    documents: Vec<(PackageName, Packument)>,
    limit: Option<u64>,
) -> Result<Vec<(String, String, usize)>, String> {
    let tool: Tool = "npm:tool".parse().unwrap();
    let all: BTreeMap<PackageName, Packument> = documents.into_iter().collect();
    let version = all[&tool.package].latest().unwrap().to_owned();
    let systems = all[&tool.package].release(&version).unwrap().systems();
    let mut tree = Tree::new(&tool, &version, &systems, limit);
    let mut known = BTreeMap::new();
    loop {
        let wanted = tree.unknown(&known);
        if wanted.is_empty() {
            break;
        }
        for name in wanted {
            let packument = all.get(&name).cloned().unwrap_or_default();
            known.insert(name, packument);
        }
        tree.grow(&known).map_err(|error| error.to_string())?;
    }
    Ok(tree
        .finish()
        .into_iter()
        .map(|(place, node)| (place, node.version, node.systems.len()))
        .collect())
}

fn places(tree: &[(String, String, usize)]) -> BTreeSet<String> {
    tree.iter()
        .map(|(place, version, _)| format!("{place} {version}"))
        .collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_fits_is_shared_and_what_does_not_lies_below_who_needs_it() {
    let found = tree(
        vec![
            document(
                "tool",
                &[(
                    "2.0.0",
                    json!({ "dependencies": { "a": "^1", "b": "*", "@s/c": "1.x" } }),
                )],
            ),
            document(
                "a",
                &[
                    ("1.0.0", json!({})),
                    ("1.4.0", json!({})),
                    ("2.0.0", json!({})),
                ],
            ),
            document(
                "b",
                &[(
                    "3.0.0",
                    json!({ "dependencies": { "a": ">=2 <3", "@s/c": "~1.1" } }),
                )],
            ),
            document("@s/c", &[("1.1.0", json!({})), ("1.2.0", json!({}))]),
        ],
        None,
    );
    let expected = [
        "tool 2.0.0",
        "@s/c 1.2.0",
        "a 1.4.0",
        "b 3.0.0",
        "b/node_modules/a 2.0.0",
        "b/node_modules/@s/c 1.1.0",
    ];
    assert_eq!(places(&found.unwrap()), set(&expected));
}

#[test]
fn circles_end_and_aliases_peers_and_bundles_are_understood() {
    let found = tree(
        vec![
            document(
                "tool",
                &[(
                    "1.0.0",
                    json!({
                        "dependencies": { "a": "1", "alias": "npm:@s/real@^2", "inside": "9" },
                        "bundleDependencies": ["inside"],
                    }),
                )],
            ),
            document(
                "a",
                &[(
                    "1.0.0",
                    json!({
                        "dependencies": { "b": "1" },
                        "peerDependencies": { "peer": "*", "maybe": "*" },
                        "peerDependenciesMeta": { "maybe": { "optional": true } },
                    }),
                )],
            ),
            document("b", &[("1.0.0", json!({ "dependencies": { "a": "*" } }))]),
            document("peer", &[("5.0.0", json!({}))]),
            document("@s/real", &[("2.3.0", json!({})), ("3.0.0", json!({}))]),
        ],
        None,
    );
    let expected = [
        "tool 1.0.0",
        "a 1.0.0",
        "b 1.0.0",
        "peer 5.0.0",
        "alias 2.3.0",
    ];
    assert_eq!(places(&found.unwrap()), set(&expected));
}

#[test]
fn what_is_for_one_system_is_for_that_system() {
    let only = |os: &str, cpu: &str, libc: Value| json!({ "os": [os], "cpu": [cpu], "libc": libc });
    let documents = || {
        vec![
            document(
                "tool",
                &[(
                    "1.0.0",
                    json!({ "optionalDependencies": { "x64": "1", "musl": "1", "arm": "1", "gone": "1" } }),
                )],
            ),
            document("x64", &[("1.0.0", only("linux", "x64", json!(["glibc"])))]),
            document("musl", &[("1.0.0", only("linux", "x64", json!("musl")))]),
            document(
                "arm",
                &[("1.0.0", json!({ "cpu": "arm64", "os": ["!win32"] }))],
            ),
        ]
    };
    let found = tree(documents(), None).unwrap();
    let expected = [("arm", 2), ("tool", 4), ("x64", 1)];
    let found: Vec<(&str, usize)> = found
        .iter()
        .map(|(place, _, systems)| (place.as_str(), *systems))
        .collect();
    assert_eq!(found, expected);
    // What is needed and is for one system narrows the tool to it.
    let mut needed = documents();
    needed[0] = document(
        "tool",
        &[("1.0.0", json!({ "dependencies": { "x64": "1" } }))],
    );
    let found = tree(needed, None).unwrap();
    assert!(
        found.iter().all(|(_, _, systems)| *systems == 1),
        "{found:?}"
    );
}

#[test]
fn what_cannot_be_locked_is_named_with_who_needs_it() {
    let refused = |wanted: &str| {
        let documents = vec![
            document(
                "tool",
                &[("1.0.0", json!({ "dependencies": { "a": "1" } }))],
            ),
            document(
                "a",
                &[("1.0.0", json!({ "dependencies": { "b": wanted } }))],
            ),
            document("b", &[("1.0.0", json!({}))]),
        ];
        tree(documents, None).unwrap_err()
    };
    for (wanted, reason) in [
        ("^7", "no version fits"),
        (
            "git+ssh://git@host/b.git",
            "it comes from an address and not from the registry",
        ),
        (
            "owner/b",
            "it comes from an address and not from the registry",
        ),
        ("npm:missing@1", "the registry has no such package"),
    ] {
        let expected =
            format!("`npm:tool` needs `b@{wanted}` through `a`, which cannot be locked: {reason}");
        assert_eq!(refused(wanted), expected);
    }
}

#[test]
fn a_minimum_age_holds_for_dependencies_too() {
    let documents = || {
        vec![
            document(
                "tool",
                &[("1.0.0", json!({ "dependencies": { "a": "1" } }))],
            ),
            document("a", &[("1.0.0", json!({})), ("1.1.0", json!({}))]),
        ]
    };
    let limit = time_seconds("2026-01-01T12:00:00Z");
    assert!(places(&tree(documents(), limit).unwrap()).contains("a 1.0.0"));
    assert!(places(&tree(documents(), None).unwrap()).contains("a 1.1.0"));
    let nothing = tree(documents(), Some(0)).unwrap_err();
    assert!(nothing.contains("`minimum-release-age`"), "{nothing}");
}

#[test]
fn deprecated_versions_are_last_and_tags_are_known() {
    let (_, packument) = document(
        "a",
        &[
            ("1.0.0", json!({})),
            ("1.2.0", json!({ "deprecated": "broken" })),
            ("2.0.0-beta.1", json!({})),
            ("1.1.0", json!({ "deprecated": false })),
        ],
    );
    assert_eq!(packument.choose("^1", None), Some("1.1.0"));
    assert_eq!(packument.choose("1.2.x", None), Some("1.2.0"));
    assert_eq!(packument.choose(">=1.1.0 <1.2 || ^3", None), Some("1.1.0"));
    assert_eq!(packument.choose("latest", None), Some("1.1.0"));
    assert_eq!(packument.choose("", None), Some("1.1.0"));
    assert_eq!(packument.choose("next", None), None);
}
