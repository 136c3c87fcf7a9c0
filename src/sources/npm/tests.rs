//! npm's lock, from texts in memory.

use serde_json::{Value, json};

use super::*;

fn entry(name: &str, version: &str, more: &Value) -> Value {
    let mut entry = json!({
        "version": version,
        "resolved": format!("https://registry.npmjs.org/{name}/-/{version}.tgz"),
        "integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

/// Returns each place with its version and the number of systems, sorted.
fn tree(packages: Value) -> Result<Vec<(String, String, usize)>, String> {
    let mut all = packages;
    all[""] = json!({ "dependencies": { "tool": "1.0.0" } });
    let text = json!({ "lockfileVersion": 3, "packages": all }).to_string();
    let nodes = package_lock::parse(&text, &System::ALL)?;
    Ok(nodes
        .into_iter()
        .map(|node| (node.place, node.version, node.systems.len()))
        .collect())
}

fn expected(nodes: &[(&str, &str, usize)]) -> Vec<(String, String, usize)> {
    nodes
        .iter()
        .map(|(place, version, systems)| ((*place).to_owned(), (*version).to_owned(), *systems))
        .collect()
}

#[test]
fn packages_keep_their_places_and_bundled_ones_are_in_the_tarball_above() {
    let found = tree(json!({
        "node_modules/tool": entry("tool", "1.0.0", &json!({})),
        "node_modules/@s/c": entry("@s/c", "1.2.0", &json!({})),
        "node_modules/b": entry("b", "3.0.0", &json!({})),
        "node_modules/b/node_modules/@s/c": entry("@s/c", "1.1.0", &json!({})),
        "node_modules/b/node_modules/inside": { "version": "9.0.0", "inBundle": true },
    }));
    let places = [
        ("@s/c", "1.2.0", 4),
        ("b", "3.0.0", 4),
        ("b/node_modules/@s/c", "1.1.0", 4),
        ("tool", "1.0.0", 4),
    ];
    assert_eq!(found.unwrap(), expected(&places));
}

#[test]
fn optional_packages_are_for_their_systems_and_required_ones_restrict_the_tool() {
    let packages = |optional: bool| {
        json!({
            "node_modules/tool": entry("tool", "1.0.0", &json!({})),
            "node_modules/arm": entry("arm", "1.0.0", &json!({ "optional": true, "cpu": "arm64", "os": ["!win32"] })),
            "node_modules/musl": entry("musl", "1.0.0", &json!({ "optional": true, "os": ["linux"], "libc": ["musl"] })),
            "node_modules/windows": entry("windows", "1.0.0", &json!({ "optional": true, "os": ["win32"] })),
            "node_modules/x64": entry("x64", "1.0.0", &json!({ "optional": optional, "os": ["linux"], "cpu": ["x64"] })),
        })
    };
    let free = [
        ("arm", "1.0.0", 2),
        ("tool", "1.0.0", 4),
        ("x64", "1.0.0", 1),
    ];
    assert_eq!(tree(packages(true)).unwrap(), expected(&free));
    let bound = [("tool", "1.0.0", 1), ("x64", "1.0.0", 1)];
    assert_eq!(tree(packages(false)).unwrap(), expected(&bound));
}

#[test]
fn other_places_are_refused() {
    for path in ["../evil", "node_modules/../evil", "packages/a", "/etc/x"] {
        let mut packages = json!({});
        packages[path] = entry("evil", "1.0.0", &json!({}));
        let error = tree(packages).unwrap_err();
        let expected = format!("`{path}` is not a place below `node_modules`");
        assert_eq!(error, expected);
    }
    assert!(package_lock::parse("{}", &System::ALL).is_err());
    assert!(package_lock::parse("[", &System::ALL).is_err());
}

#[test]
fn only_packages_with_dependencies_need_npm() {
    let needs = |fields: Value| {
        let mut release = fields;
        release["dist"] = json!({ "tarball": "https://r.example/a.tgz" });
        let text = json!({ "versions": { "1.0.0": release } }).to_string();
        let packument = Packument::parse(text.as_bytes()).unwrap();
        packument.release("1.0.0").unwrap().has_dependencies()
    };
    assert!(!needs(json!({})));
    assert!(!needs(
        json!({ "dependencies": { "a": "1" }, "bundleDependencies": ["a"] })
    ));
    assert!(needs(
        json!({ "dependencies": { "a": "1", "b": "1" }, "bundledDependencies": ["a"] })
    ));
    assert!(needs(json!({ "optionalDependencies": { "a": "1" } })));
    assert!(needs(json!({ "peerDependencies": { "a": "1" } })));
    assert!(!needs(json!({ "dependencies": [], "os": "linux" })));
}
