//! Names of programs.

use std::{fmt, str::FromStr};

use super::Invalid;

/// The name of a program: `[A-Za-z0-9][A-Za-z0-9._+-]*`.
///
/// A publisher chooses it. With this form it is one path component, is no option, and is the same to every shell and on
/// every terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgramName(String);

impl ProgramName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProgramName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        if text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(usual)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("the name of a program", text))
        }
    }
}

impl fmt::Display for ProgramName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<ProgramName> for String {
    fn from(name: ProgramName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_usual_names_are_programs() {
        for name in [
            "ruff",
            "c++",
            "python3.12",
            "x86_64-linux-gnu-gcc",
            "7z",
            "A.b_c",
        ] {
            assert!(name.parse::<ProgramName>().is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "-x",
            "_x",
            ".x",
            "a b",
            "a/b",
            "a\n",
            "a\u{1b}[m",
            "é",
            "[",
            "a$(x)",
        ] {
            assert!(name.parse::<ProgramName>().is_err(), "{name:?}");
        }
    }
}
