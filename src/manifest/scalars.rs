//! Texts of a manifest that have a grammar: paths, references, names of components.

use std::{fmt, str::FromStr};

use url::Url;

use super::{
    CompositionError, ErrorKind, PythonLockFormat, ShellName,
    form::{KeyValue, Scalar},
    preset_files::PRESET_NAMES,
    template,
};
use crate::package::{
    CachePlace, CondaChannel, CondaRequirement, FREETHREADED, Invalid, PROFILE, PROFILES,
    PackageName, Source, Tool, cache_place::is_public_key, release_option::WORD_NAMES,
};
use crate::util::{address::directory_address, nearest::nearest};

/// Defines a text that `check` has accepted.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(super) struct $name(pub(super) String);

        impl FromStr for $name {
            type Err = ErrorKind;

            fn from_str(text: &str) -> Result<Self, ErrorKind> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Scalar for $name {}
    };
}

checked_text!(
    /// A value that may refer to variables.
    ValueTemplate,
    check_references
);
checked_text!(
    /// An entry of a list of paths.
    PathEntry,
    check_path_entry
);
checked_text!(
    /// The path of an env file below the project's root.
    EnvFilePath,
    |text: &str| require(
        !text.starts_with('/') && !text.is_empty(),
        "a file below the project's root",
        text
    )
);
checked_text!(
    /// The path of a Python lockfile below the project's root.
    PythonLockPath,
    |text: &str| require(
        is_lock_path(text),
        "`uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`, `Pipfile.lock` or a `.txt` below the project's root",
        text
    )
);
checked_text!(
    /// A requirement on a package of the Python index.
    PythonPackage,
    |text: &str| require(
        is_package_requirement(text),
        "a requirement on a package of the Python index",
        text
    )
);
checked_text!(
    /// A conda channel.
    CondaChannelText,
    checked_channel
);
checked_text!(
    /// A requirement on a conda package.
    CondaPackageText,
    checked_conda_package
);
checked_text!(
    /// The name of a component or target of rust.
    ToolPart,
    |text: &str| require(is_tool_part(text), "the name of a component or target", text)
);

checked_text!(
    /// A public key of a cache.
    PublicKeyText,
    |text: &str| require(is_public_key(text), "a public key (`NAME:BASE64`)", text)
);

/// The address of a cache.
#[derive(Debug, Clone)]
pub(super) struct CacheAddress(pub(super) CachePlace);

impl FromStr for CacheAddress {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let expected = "the address of a cache (`s3://bucket/prefix`, `oci://registry/repository`, `https://host/path`, `file:///path`)";
        let place = CachePlace::parse(text).ok_or_else(|| Invalid::new(expected, text))?;
        Ok(Self(place))
    }
}

impl Scalar for CacheAddress {}

/// The address of a server.
#[derive(Debug, Clone)]
pub(super) struct ServerAddress(pub(super) Url);

impl FromStr for ServerAddress {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let url = directory_address(text).filter(Url::has_host);
        let url =
            url.ok_or_else(|| Invalid::new("the address of a server (`https://host/`)", text))?;
        Ok(Self(url))
    }
}

impl Scalar for ServerAddress {}

fn checked_channel(text: &str) -> Result<(), ErrorKind> {
    Ok(text.parse::<CondaChannel>().map(drop)?)
}

fn checked_conda_package(text: &str) -> Result<(), ErrorKind> {
    Ok(text.parse::<CondaRequirement>().map(drop)?)
}

fn require(valid: bool, expected: &'static str, text: &str) -> Result<(), ErrorKind> {
    if valid {
        Ok(())
    } else {
        Err(Invalid::new(expected, text).into())
    }
}

fn check_references(text: &str) -> Result<(), ErrorKind> {
    match template::parse(text) {
        Ok(_) => Ok(()),
        Err(found) => Err(CompositionError::Reference {
            found: found.to_owned(),
            value: text.to_owned(),
        }
        .into()),
    }
}

fn check_path_entry(text: &str) -> Result<(), ErrorKind> {
    check_references(text)?;
    // An empty entry means the working directory of each program. A fallback has its own `:`.
    let pieces = template::parse(text).unwrap_or_default();
    let is_split = pieces
        .iter()
        .any(|piece| matches!(piece, template::ValuePiece::Text(text) if text.contains(':')));
    if text.is_empty() || is_split {
        let entry = text.to_owned();
        return Err(ErrorKind::PathEntry { entry });
    }
    Ok(())
}

/// Returns whether a path leads to a lockfile and cannot leave the project by its text.
fn is_lock_path(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    PythonLockFormat::of(path).is_some()
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Returns whether a text names a package of the index and can be a line of a list: no option, no address.
fn is_package_requirement(text: &str) -> bool {
    let plain = text.len() < 1000
        && !text.contains(char::is_control)
        && !text.contains(['@', '/', '\\', '#']);
    // uv checks the conditions after `;`.
    let head = text.split(';').next().unwrap_or_default().trim();
    let end = head
        .find(|one: char| !one.is_ascii_alphanumeric() && !"-_.".contains(one))
        .unwrap_or(head.len());
    let (name, rest) = head.split_at(end);
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[').map(|extras| extras.split_once(']')) {
        None => rest,
        Some(Some((_, rest))) => rest.trim_start(),
        Some(None) => return false,
    };
    let inside = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let versions = inside.unwrap_or(rest).trim();
    plain
        && name.parse::<PackageName>().is_ok()
        && (versions.is_empty() || versions.parse::<pep440_rs::VersionSpecifiers>().is_ok())
}

/// A component becomes a part of a file's name at the source.
fn is_tool_part(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The name of a tool in `[tools]`.
#[derive(Debug)]
pub(super) struct ToolName(pub(super) Tool);

impl Scalar for ToolName {
    /// A name that is not in the catalogue is that of a plain download if its table has an address.
    fn of_key(at: &KeyValue<'_>) -> Result<Self, ErrorKind> {
        let known = at.key.parse();
        if known.is_err() && !at.key.contains(':') && at.node.get("url").is_some() {
            return format!("{}:{}", Source::Url, at.key).parse();
        }
        known
    }
}

impl FromStr for ToolName {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let tool = text.parse::<Tool>();
        tool.map(Self)
            .map_err(|invalid| unknown_tool(text, invalid))
    }
}

/// Returns the error for a name that is not the name of a tool.
pub fn unknown_tool(name: &str, invalid: Invalid) -> ErrorKind {
    if name.contains(':') {
        return invalid.into();
    }
    let package = name.parse::<PackageName>().ok();
    ErrorKind::UnknownTool {
        name: name.to_owned(),
        suggestion: nearest(name, Tool::short_names()),
        pypi: package.map(|name| format!("{}:{name}", Source::Pypi)),
    }
}

/// The name of an operating system or a processor.
#[derive(Debug)]
pub(super) struct PlatformName(pub(super) &'static str);

impl Scalar for PlatformName {
    const WORDS: &'static [&'static str] = &WORD_NAMES;
}

impl FromStr for PlatformName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = WORD_NAMES.into_iter().find(|name| *name == text);
        known
            .map(Self)
            .ok_or_else(|| Invalid::new("`linux`, `macos`, `x86_64` or `aarch64`", text))
    }
}

/// The name of one dev shell, not of a combination (`test,lint`).
#[derive(Debug)]
pub(super) struct SingleShellName(pub(super) ShellName);

impl Scalar for SingleShellName {}

impl FromStr for SingleShellName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name: ShellName = text.parse()?;
        if name.is_single() {
            Ok(Self(name))
        } else {
            Err(Invalid::new("the name of one dev shell", text))
        }
    }
}

/// A profile of rust, as the component that it adds; the smallest profile adds none.
#[derive(Debug)]
pub(super) struct RustProfile(pub(super) Option<String>);

impl Scalar for RustProfile {
    const WORDS: &'static [&'static str] = &PROFILES;
}

impl FromStr for RustProfile {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if PROFILES.contains(&text) {
            return Ok(Self(
                (text != PROFILES[0]).then(|| format!("{PROFILE}{text}")),
            ));
        }
        let expected = "a profile (`minimal`, `default` or `complete`)";
        Err(Invalid::new(expected, text))
    }
}

/// The name of a preset.
#[derive(Debug)]
pub(super) struct PresetName(pub(super) String);

impl Scalar for PresetName {
    const WORDS: &'static [&'static str] = &PRESET_NAMES;
}

impl FromStr for PresetName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if PRESET_NAMES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new("a preset (`python`, `node`, …)", text))
    }
}

/// The source of the interpreter.
#[derive(Debug)]
pub(super) struct PythonFrom(pub(super) Source);

impl PythonFrom {
    const SOURCES: [Source; 2] = [Source::Python, Source::Conda];
}

impl Scalar for PythonFrom {
    const WORDS: &'static [&'static str] = &["python", "conda"];
}

impl FromStr for PythonFrom {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut sources = Self::SOURCES.into_iter();
        let found = sources.find(|source| source.as_str() == text);
        found
            .map(Self)
            .ok_or_else(|| Invalid::new("a source of python (`python` or `conda`)", text))
    }
}

/// A build of python, as the component that it adds; the default build adds none.
#[derive(Debug)]
pub(super) struct PythonVariant(pub(super) Option<String>);

impl Scalar for PythonVariant {
    const WORDS: &'static [&'static str] = &["default", FREETHREADED];
}

impl FromStr for PythonVariant {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "default" => Ok(Self(None)),
            FREETHREADED => Ok(Self(Some(text.to_owned()))),
            _ => {
                let expected = "a variant of python (`freethreaded` or `default`)";
                Err(Invalid::new(expected, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_package_requirement;

    #[test]
    fn package_requirements_have_no_options_and_no_addresses() {
        for good in [
            "fastapi",
            "fastapi>=0.115,<1",
            "uvicorn[standard] ~= 0.30",
            "typing_extensions (>=4)",
            "tomli==2.*; python_version < '3.11'",
        ] {
            assert!(is_package_requirement(good), "{good}");
        }
        for bad in [
            "",
            "att rs>>1",
            "a>>1",
            "a ==",
            "-r x",
            "a[b",
            "a @ https://x",
            "--index x",
            "a\n-r b",
        ] {
            assert!(!is_package_requirement(bad), "{bad}");
        }
    }
}
