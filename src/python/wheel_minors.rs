//! The Pythons for which the packages of a lockfile have wheels, from the names of the wheels alone.

use std::collections::BTreeMap;

use crate::package::{System, WheelName, wheel::MINORS};

/// The minor versions of Python 3 for which each package has wheels. A package without any for the systems of devsh is
/// left out: it is built in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WheelMinors {
    packages: BTreeMap<(String, String), Vec<u32>>,
}

impl WheelMinors {
    /// Reads the names of the wheels in the text of a lockfile.
    pub fn read(text: &str) -> Self {
        let mut packages: BTreeMap<(String, String), Vec<u32>> = BTreeMap::new();
        for (end, _) in text.match_indices(".whl") {
            let before = &text[..end];
            let start = before.rfind(['/', '"', '\'', ' ']).map_or(0, |at| at + 1);
            let file = text[start..end + ".whl".len()].replace("%2B", "+");
            let Some(wheel) = WheelName::parse(&file) else {
                continue;
            };
            let here = wheel.is_everywhere()
                || System::ALL
                    .into_iter()
                    .any(|system| wheel.any_platform_rank(system).is_some());
            if here {
                let minors = MINORS.filter(|minor| wheel.python_rank(*minor).is_some());
                let key = (wheel.name.to_string(), wheel.version.to_string());
                packages.entry(key).or_default().extend(minors);
            }
        }
        packages.retain(|_, minors| !minors.is_empty());
        Self { packages }
    }

    /// Returns the newest minor version for which any package has wheels that do not serve all later ones too.
    pub fn newest_named(&self) -> Option<u32> {
        let packages = self.packages.values();
        let named = packages.filter(|minors| !minors.contains(MINORS.end()));
        named.flatten().copied().max()
    }

    /// Returns whether a package has wheels, but none for Python 3.`minor`.
    pub fn lacks(&self, name: &str, version: &str, minor: u32) -> bool {
        let key = (name.to_owned(), version.to_owned());
        let minors = self.packages.get(&key);
        minors.is_some_and(|minors| !minors.contains(&minor))
    }
}
