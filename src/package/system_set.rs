//! The systems that a requirement is for.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{Invalid, System};

/// Systems, in lockfile order. As text: operating systems and names of systems, `linux, macos-aarch64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemSet(BTreeSet<System>);

/// The operating systems by name.
const OPERATING_SYSTEMS: [(&str, bool); 2] = [("linux", true), ("macos", false)];

impl SystemSet {
    pub fn all() -> Self {
        System::ALL.into_iter().collect()
    }

    pub fn is_all(&self) -> bool {
        self.0.len() == System::ALL.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, system: System) -> bool {
        self.0.contains(&system)
    }

    pub fn iter(&self) -> impl Iterator<Item = System> {
        self.0.iter().copied()
    }

    pub fn remove_all(&mut self, other: &Self) {
        self.0.retain(|system| !other.contains(*system));
    }

    pub fn insert(&mut self, system: System) {
        self.0.insert(system);
    }

    /// Returns the set as the fewest pairs of an operating system and one of its systems, if not all of them are in it.
    pub fn by_operating_system(&self) -> Vec<(&'static str, Option<System>)> {
        let mut parts = Vec::new();
        for (name, is_linux) in OPERATING_SYSTEMS {
            let own = |system: &System| system.is_linux() == is_linux;
            let there: Vec<System> = self.iter().filter(own).collect();
            if there.len() == System::ALL.iter().filter(|system| own(system)).count() {
                parts.push((name, None));
            } else {
                parts.extend(there.into_iter().map(|system| (name, Some(system))));
            }
        }
        parts
    }
}

impl FromIterator<System> for SystemSet {
    fn from_iter<I: IntoIterator<Item = System>>(systems: I) -> Self {
        Self(systems.into_iter().collect())
    }
}

impl FromStr for SystemSet {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut systems = BTreeSet::new();
        for word in text.split(',').map(str::trim) {
            let named = OPERATING_SYSTEMS.iter().find(|(name, _)| *name == word);
            match named {
                Some((_, is_linux)) => {
                    let own = System::ALL.into_iter();
                    systems.extend(own.filter(|system| system.is_linux() == *is_linux));
                }
                None => drop(systems.insert(word.parse()?)),
            }
        }
        Ok(Self(systems))
    }
}

impl fmt::Display for SystemSet {
    /// Writes the shortest form.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.by_operating_system().into_iter();
        let words: Vec<&str> = parts
            .map(|(name, system)| system.map_or(name, System::as_str))
            .collect();
        formatter.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_in_its_shortest_form() {
        for (text, shown) in [
            ("linux", "linux"),
            ("linux-x86_64,linux-aarch64", "linux"),
            ("macos-aarch64 , linux", "linux, macos-aarch64"),
            ("linux,macos", "linux, macos"),
        ] {
            let set: SystemSet = text.parse().unwrap();
            assert_eq!(set.to_string(), shown, "{text}");
        }
        for bad in ["", "windows", "linux linux", "linux,"] {
            assert!(bad.parse::<SystemSet>().is_err(), "{bad:?}");
        }
    }
}
