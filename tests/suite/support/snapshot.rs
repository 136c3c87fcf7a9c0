//! Snapshots of the state of a host shell.

use std::collections::BTreeMap;

/// Variables that every command changes.
const VOLATILE: [&str; 3] = ["_", "OLDPWD", "SHLVL"];

/// The state of a host shell: its environment as bytes, and its definitions as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
    definitions: Vec<String>,
}

impl Snapshot {
    /// Reads a state from the output of the shell.
    pub(crate) fn new(mut environment: BTreeMap<Vec<u8>, Vec<u8>>, definitions: &[u8]) -> Self {
        for name in VOLATILE {
            environment.remove(name.as_bytes());
        }
        Self {
            environment,
            definitions: String::from_utf8_lossy(definitions)
                .lines()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Asserts that this state equals an earlier one, and prints the differences.
    #[track_caller]
    pub(crate) fn assert_restores(&self, earlier: &Self) {
        let mut differences = Vec::new();
        let names: std::collections::BTreeSet<_> = self
            .environment
            .keys()
            .chain(earlier.environment.keys())
            .collect();
        for name in names {
            let (was, is) = (earlier.environment.get(name), self.environment.get(name));
            if was != is {
                let show = |value: Option<&Vec<u8>>| {
                    value.map_or_else(
                        || "(unset)".to_owned(),
                        |value| format!("{:?}", String::from_utf8_lossy(value)),
                    )
                };
                differences.push(format!(
                    "variable {}: was {}, is {}",
                    String::from_utf8_lossy(name),
                    show(was),
                    show(is)
                ));
            }
        }
        for line in &earlier.definitions {
            if !self.definitions.contains(line) {
                differences.push(format!("gone: {line}"));
            }
        }
        for line in &self.definitions {
            if !earlier.definitions.contains(line) {
                differences.push(format!("new: {line}"));
            }
        }
        assert!(
            differences.is_empty() && self.definitions == earlier.definitions,
            "the host shell is not what it was:\n{}",
            differences.join("\n")
        );
    }
}
