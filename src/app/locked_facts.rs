//! The facts about a lockfile, for users who approve its changes too.
//!
//! They are made from the document and not from what devsh understands of it, so a new section cannot be forgotten.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::project::approval_summary::{Fact, FactCollision, Facts};

/// The key of the lists whose entries are shown one by one.
const PACKAGES: &str = "packages";

/// Returns a fact about each block of a lockfile, and about each package in it.
pub(super) fn of_document(text: &str, file: &str) -> Result<Facts, FactCollision> {
    let document: Table = text.parse().unwrap_or_default();
    let mut facts = LockedFacts {
        file,
        facts: Facts::new(),
        seen: BTreeMap::new(),
    };
    for (section, value) in &document {
        match value {
            Value::Array(blocks) => {
                for block in blocks {
                    facts.add_block(section, block)?;
                }
            }
            value => facts.add(std::slice::from_ref(section), &value.to_string(), value)?,
        }
    }
    Ok(facts.facts)
}

struct LockedFacts<'a> {
    /// The team's lockfile, or one person's.
    file: &'a str,
    facts: Facts,
    /// The number of facts with the same words.
    seen: BTreeMap<Vec<String>, usize>,
}

impl LockedFacts<'_> {
    fn add_block(&mut self, section: &str, block: &Value) -> Result<(), FactCollision> {
        let mut words = vec![section.to_owned()];
        words.extend(
            ["name", "requirement", "requirements"]
                .iter()
                .filter_map(|key| {
                    Some(match block.get(key)? {
                        Value::Array(list) => {
                            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                            texts.join(", ")
                        }
                        value => value.as_str()?.to_owned(),
                    })
                }),
        );
        let mut rest = block.clone();
        let packages = match &mut rest {
            Value::Table(table) => table.remove(PACKAGES),
            _ => None,
        };
        let version = block.get("version").and_then(Value::as_str);
        self.add(&words, version.unwrap_or("is locked"), &rest)?;
        for package in packages.iter().filter_map(Value::as_array).flatten() {
            let (name, version) = name_and_version(package);
            let mut words = words.clone();
            words.extend(name);
            self.add(&words, version.unwrap_or("is locked"), package)?;
        }
        Ok(())
    }

    /// Adds a fact. Its number distinguishes it from others with the same words.
    fn add(&mut self, words: &[String], text: &str, value: &Value) -> Result<(), FactCollision> {
        let seen = self.seen.entry(words.to_vec()).or_default();
        *seen += 1;
        let number = format!("({seen})");
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if *seen > 1 {
            words.push(&number);
        }
        if self.file != crate::project::LOCKFILE {
            words.extend(["of", self.file]);
        }
        let fact = Fact::meaning(text, value.to_string().as_bytes(), self.file);
        self.facts.add("locked", &words, fact)
    }
}

/// Returns the name and version of a package: of `idna==3.10 ; python_version < '4'`, or of a file of conda.
fn name_and_version(package: &Value) -> (Vec<String>, Option<&str>) {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    if let Some(requirement) = text("requirement") {
        let (name, version) = requirement.split_once("==").unwrap_or((requirement, ""));
        let version = version.split([' ', ';']).next();
        return (vec![name.trim().to_owned()], version);
    }
    let file = text("url").and_then(|url| url.rsplit('/').next());
    let mut parts = file.unwrap_or_default().rsplitn(3, '-');
    let (_build, version, name) = (parts.next(), parts.next(), parts.next());
    let words = name.into_iter().chain(text("system"));
    (words.map(str::to_owned).collect(), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKFILE: &str = "version = 1
[[tool]]
name = \"ruff\"
requirement = \"0.17\"
version = \"0.17.6\"
artifacts = [{ system = \"linux-x86_64\", url = \"https://h.example/r.whl\", sha256 = \"1\" }]
[[python]]
requirements = [\"good\"]
packages = [
  { requirement = \"good==1.6\", sha256 = [\"2\"] },
  { requirement = \"good==1.6 ; python_full_version < '3.5'\", sha256 = [\"2\"] },
]
[[conda]]
channels = [\"https://h.example/c\"]
requirements = [\"mytool\"]
packages = [{ system = \"any\", url = \"https://h.example/c/mytool-1.0-0.conda\", sha256 = \"3\" }]
[[image-base]]
name = \"debian:12\"
manifests = [{ system = \"linux-x86_64\", sha256 = \"4\" }]
[[later]]
value = \"5\"
";

    #[test]
    fn every_value_of_a_lockfile_is_in_a_fact() {
        let facts = |text: &str| of_document(text, "devshell.lock").unwrap();
        let first = facts(LOCKFILE);
        let names: Vec<&str> = first.names().collect();
        assert!(names.contains(&"locked python good good (2)"), "{names:?}");
        assert!(
            names.contains(&"locked conda mytool mytool any"),
            "{names:?}"
        );
        for (from, to) in [
            ("sha256 = \"1\"", "sha256 = \"0\""),
            ("r.whl", "s.whl"),
            ("\"good==1.6\"", "\"good==1.7\""),
            ("good==1.6 ;", "good==1.7 ;"),
            ("mytool-1.0-0", "mytool-1.1-0"),
            ("sha256 = \"3\"", "sha256 = \"0\""),
            ("sha256 = \"4\"", "sha256 = \"0\""),
            ("value = \"5\"", "value = \"0\""),
        ] {
            assert!(LOCKFILE.contains(from), "{from}");
            assert_ne!(first, facts(&LOCKFILE.replace(from, to)), "{from}");
        }
        assert_eq!(
            first,
            facts(&LOCKFILE.replace("version = 1", "# x\nversion   = 1"))
        );
    }
}
