//! The schema and the reader of manifests say the same.

use std::path::Path;

use super::schema;
use crate::manifest::parse;

/// The copy that editors are pointed at.
const COPY: &str = "docs/devshell.schema.json";

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(&schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn admits(validator: &jsonschema::Validator, manifest: &str) -> bool {
    let table: toml::Table = toml::from_str(manifest).unwrap();
    validator.is_valid(&serde_json::to_value(table).unwrap())
}

#[test]
fn the_copy_in_the_docs_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COPY);
    let copy = std::fs::read_to_string(path).unwrap_or_default();
    assert!(copy == schema(), "write it with `devsh schema >{COPY}`");
}

#[test]
fn the_examples_are_admitted() {
    let validator = validator();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for example in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = example.unwrap().path().join("devshell.toml");
        if let Ok(text) = std::fs::read_to_string(&path) {
            assert!(admits(&validator, &text), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 3);
    let page = std::fs::read_to_string(root.join("docs/manifest.md")).unwrap();
    let block = page.split("```").nth(1).unwrap();
    assert!(admits(&validator, block.strip_prefix("toml").unwrap()));
}

#[test]
fn what_is_admitted_is_what_is_read() {
    let validator = validator();
    let good = [
        "",
        "extends = [\"./team.toml\"]",
        "[tools]\nruff = \"0.17\"\npython = [\"3.12\", \"3.13\"]",
        "[tools]\nrust = { version = \"1.95\", components = [\"clippy\"], targets = { add = [], remove = [\"x\"] } }",
        "[tools]\nrust = { profile = \"minimal\" }\npython = { variant = \"freethreaded\" }\nruff = { unset = true }",
        "[python]\nlock = \"uv.lock\"\ngroups = [\"dev\"]\nextras = { remove = [\"x\"] }\nvenv-link = true",
        "[python]\npackages = [\"fastapi>=0.1\"]",
        "[env]\nA = \"1\"\nB = { default = \"2\" }\nC = { required = \"ask\" }\nD = { unset = true }",
        "[env]\nPATH = { prepend = [\"x\"], append = [\"y\"], remove = [\"z\"] }",
        "[env-files]\nload = [\".env\"]\noptional = { add = [\".env.local\"] }",
        "[aliases]\nt = \"pytest\"\nu = { unset = true }",
        "[hooks]\nenter = \"echo\"\nleave = [\"a\", \"b\"]",
        "[grants]\nenv = [\"LD_PRELOAD\"]",
        "[shells.test]\npython.groups = [\"test\"]\ninherits = [\"dev\"]\nstandalone = true\n[shells.test.env]\nA = \"1\"",
    ];
    let bad = [
        "extends = \"./team.toml\"",
        "[tools]\nruff = 1",
        "[tools]\nruff = { versoin = \"1\" }",
        "[tools]\nruff = { unset = false }",
        "[tools]\nrust = { profile = \"big\" }",
        "[tools]\npython = []",
        "[tool]\nruff = \"1\"",
        "[python]\nlocks = \"uv.lock\"",
        "[python]\ngroups = \"dev\"",
        "[env]\nA = 1",
        "[env]\nA = { unset = false }",
        "[env]\nA = { default = \"1\", required = \"x\" }",
        "[env]\nA = {}",
        "[env-files]\nfiles = []",
        "[aliases]\nt = [\"a\"]",
        "[hooks]\nenter = true",
        "[grants]\ntools = []",
        "[shells.test]\nshells = {}",
        "[shells.test]\nextends = [\"x\"]",
        "[shells.test]\nstandalone = \"yes\"",
        "shells = []",
    ];
    for (manifests, expected) in [(&good[..], true), (&bad[..], false)] {
        for manifest in manifests {
            assert_eq!(admits(&validator, manifest), expected, "schema: {manifest}");
            assert_eq!(
                parse("devshell.toml", manifest).is_ok(),
                expected,
                "reader: {manifest}"
            );
        }
    }
}
