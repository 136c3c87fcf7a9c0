//! File names of wheels: the package, and the interpreters and systems on which it runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Invalid, PackageName, System, Version};

/// The minor versions of Python 3 for which wheels are considered.
pub const MINORS: std::ops::RangeInclusive<u32> = 9..=20;

/// The version of a glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Glibc {
    major: u32,
    minor: u32,
}

impl Glibc {
    /// The glibc that every supported machine has.
    pub const FLOOR: Self = Self {
        major: 2,
        minor: 28,
    };
}

impl fmt::Display for Glibc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Glibc {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let numbers = numbers(&text.replacen('.', "_", 1));
        let (major, minor) = numbers.ok_or_else(|| Invalid::new("a version of glibc", text))?;
        Ok(Self { major, minor })
    }
}

/// A rank by the systems on which a wheel runs: the second choices last, then by the glibc or macOS that it needs. The
/// smallest is the best.
pub type PlatformRank = (u32, u32, u32);

/// A rank by the interpreters for which a wheel was built. The smallest is the best.
pub type PythonRank = (u32, u32);

/// The parts of a wheel's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName<'a> {
    /// The package.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// The tags of the interpreters, joined by dots (`py2.py3`).
    pub python: &'a str,
    /// The tags of the binary interface, joined by dots (`abi3`).
    pub abi: &'a str,
    /// The tags of the platforms, joined by dots (`manylinux_2_17_x86_64.manylinux2014_x86_64`).
    pub platforms: &'a str,
}

impl<'a> WheelName<'a> {
    /// Parses the name of a file; nothing if it is not a wheel's.
    pub fn parse(file: &'a str) -> Option<Self> {
        let fields: Vec<&str> = file.strip_suffix(".whl")?.split('-').collect();
        let plain = |tags: &str| {
            let tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
            !tags.is_empty() && tags.bytes().all(tag)
        };
        let is_build =
            |tag: &str| plain(tag) && tag.starts_with(|first: char| first.is_ascii_digit());
        let (name, version, [python, abi, platforms]) = match fields[..] {
            [name, version, python, abi, platforms] => (name, version, [python, abi, platforms]),
            [name, version, build, python, abi, platforms] if is_build(build) => {
                (name, version, [python, abi, platforms])
            }
            _ => return None,
        };
        [python, abi, platforms]
            .into_iter()
            .all(plain)
            .then_some(())?;
        Some(Self {
            name: name.parse().ok()?,
            version: version.parse().ok()?,
            python,
            abi,
            platforms,
        })
    }

    /// Returns whether the wheel is built for a platform, but for no particular interpreter.
    pub fn is_program(&self) -> bool {
        self.abi == "none"
            && self.python.split('.').any(|tag| tag == "py3")
            && self.platforms.split('.').any(|tag| tag != "any")
    }

    /// Returns the rank of the wheel on `system`; nothing if it does not run on every such machine.
    pub fn platform_rank(&self, system: System) -> Option<PlatformRank> {
        let fits = self
            .glibc(system)
            .is_none_or(|needed| needed <= Glibc::FLOOR);
        self.any_platform_rank(system).filter(|_| fits)
    }

    /// Returns the rank of the wheel on machines with any glibc; nothing if it does not run on `system`.
    pub fn any_platform_rank(&self, system: System) -> Option<PlatformRank> {
        self.platforms
            .split('.')
            .filter_map(|tag| platform_rank(tag, system))
            .min()
    }

    /// Returns the glibc that the wheel needs on `system`, if its tags name one.
    pub fn glibc(&self, system: System) -> Option<Glibc> {
        match self.any_platform_rank(system)? {
            (0, major, minor) if system.is_linux() => Some(Glibc { major, minor }),
            _ => None,
        }
    }

    /// Returns whether the wheel runs on every system.
    pub fn is_everywhere(&self) -> bool {
        self.platforms.split('.').any(|tag| tag == "any")
    }

    /// Returns the rank of the wheel for `CPython` 3.`minor`; nothing if it does not run there.
    ///
    /// Wheels for exactly this version come first, then the stable interface, then plain Python.
    pub fn python_rank(&self, minor: u32) -> Option<PythonRank> {
        let pythons = self.python.split('.');
        let ranks = pythons.flat_map(|python| {
            let abis = self.abi.split('.');
            abis.filter_map(move |abi| python_rank(python, abi, minor))
        });
        ranks.min()
    }
}

fn python_rank(python: &str, abi: &str, minor: u32) -> Option<PythonRank> {
    let version = |tag: &str| tag.strip_prefix('3')?.parse::<u32>().ok();
    if let Some(tag) = python.strip_prefix("cp") {
        let built = version(tag)?;
        return match abi {
            "abi3" => (built <= minor).then(|| (1, minor - built)),
            "none" => (built == minor).then_some((2, 0)),
            abi => (built == minor && abi.strip_prefix("cp") == Some(tag)).then_some((0, 0)),
        };
    }
    let tag = python.strip_prefix("py").filter(|_| abi == "none")?;
    if tag == "3" {
        return Some((4, 0));
    }
    let least = version(tag)?;
    (least <= minor).then(|| (3, minor - least))
}

fn platform_rank(tag: &str, system: System) -> Option<PlatformRank> {
    match system {
        System::LinuxAarch64 => linux_rank(tag, "_aarch64"),
        System::LinuxX86_64 => linux_rank(tag, "_x86_64"),
        System::MacosAarch64 => macos_rank(tag, "_arm64"),
        System::MacosX86_64 => macos_rank(tag, "_x86_64"),
    }
}

fn linux_rank(tag: &str, processor: &str) -> Option<PlatformRank> {
    let base = tag.strip_suffix(processor)?;
    let glibc = match base {
        "manylinux1" => (2, 5),
        "manylinux2010" => (2, 12),
        "manylinux2014" => (2, 17),
        // A `linux` tag says nothing about the glibc, so every other tag is better.
        "linux" => return Some((1, 0, 0)),
        _ => numbers(base.strip_prefix("manylinux_")?)?,
    };
    Some((0, glibc.0, glibc.1))
}

fn macos_rank(tag: &str, processor: &str) -> Option<PlatformRank> {
    let rest = tag.strip_prefix("macosx_")?;
    let (base, universal) = match rest.strip_suffix(processor) {
        Some(base) => (base, false),
        None => (rest.strip_suffix("_universal2")?, true),
    };
    let (major, minor) = numbers(base)?;
    Some((u32::from(universal), major, minor))
}

fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('_')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_tags_are_ranked() {
        let table = [
            (
                "manylinux_2_28_x86_64",
                System::LinuxX86_64,
                Some((0, 2, 28)),
            ),
            (
                "manylinux_2_34_x86_64",
                System::LinuxX86_64,
                Some((0, 2, 34)),
            ),
            ("manylinux1_x86_64", System::LinuxX86_64, Some((0, 2, 5))),
            (
                "manylinux2014_aarch64",
                System::LinuxAarch64,
                Some((0, 2, 17)),
            ),
            ("manylinux2014_aarch64", System::LinuxX86_64, None),
            ("linux_x86_64", System::LinuxX86_64, Some((1, 0, 0))),
            ("musllinux_1_2_x86_64", System::LinuxX86_64, None),
            ("macosx_11_0_arm64", System::MacosAarch64, Some((0, 11, 0))),
            (
                "macosx_10_9_universal2",
                System::MacosAarch64,
                Some((1, 10, 9)),
            ),
            ("macosx_10_9_x86_64", System::MacosAarch64, None),
            ("win_amd64", System::LinuxX86_64, None),
            ("any", System::LinuxX86_64, None),
        ];
        for (tag, system, rank) in table {
            assert_eq!(platform_rank(tag, system), rank, "{tag} {system}");
        }
        for (tags, needed, everywhere) in [
            ("manylinux_2_34_x86_64", Some("2.34"), false),
            (
                "manylinux_2_34_x86_64.manylinux2014_x86_64",
                Some("2.17"),
                true,
            ),
            ("linux_x86_64", None, true),
        ] {
            let file = format!("a-1-py3-none-{tags}.whl");
            let wheel = WheelName::parse(&file).unwrap();
            let glibc = wheel.glibc(System::LinuxX86_64);
            assert_eq!(glibc, needed.map(|needed| needed.parse().unwrap()));
            let ranked = wheel.platform_rank(System::LinuxX86_64).is_some();
            assert_eq!(ranked, everywhere, "{tags}");
        }
    }

    #[test]
    fn wheels_for_the_interpreter_s_version_rank_first() {
        let rank = |file: &str, minor| WheelName::parse(file).unwrap().python_rank(minor);
        let order = [
            "a-1-cp312-cp312-linux_x86_64.whl",
            "a-1-cp311-abi3-linux_x86_64.whl",
            "a-1-cp38-abi3-linux_x86_64.whl",
            "a-1-cp312-none-linux_x86_64.whl",
            "a-1-py312-none-any.whl",
            "a-1-py38-none-any.whl",
            "a-1-py2.py3-none-any.whl",
        ];
        let ranks: Vec<_> = order.iter().map(|file| rank(file, 12).unwrap()).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for unfit in [
            "a-1-cp313-cp313-linux_x86_64.whl",
            "a-1-cp312-cp312t-linux_x86_64.whl",
            "a-1-cp313-abi3-linux_x86_64.whl",
            "a-1-py313-none-any.whl",
            "a-1-pp312-pypy312_pp73-linux_x86_64.whl",
            "a-1-py2-none-any.whl",
        ] {
            assert_eq!(rank(unfit, 12), None, "{unfit}");
        }
        for bad in [
            "a-1.zip",
            "a-1-x1-py3-none-any.whl",
            "a-1-1(x-py3-none-any.whl",
            "a-1--py3-none-any.whl",
            "a-1-py3-none.whl",
            "a-1-py3-no/ne-any.whl",
            "-1-py3-none-any.whl",
        ] {
            assert!(WheelName::parse(bad).is_none(), "{bad}");
        }
    }
}
