//! The user's settings: `config.toml`, then the variables that other tools' users already set.

use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::{context::Context, fsx, vars};

/// Where artifacts come from and which may serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether managed artifacts, host tools or either may serve.
    pub tools_from: ToolsFrom,
    /// The Python package index's simple API, ending in `/`.
    pub pypi: Url,
    /// The Rust dist server, without `/dist`, ending in `/`.
    pub rust: Url,
    /// Replaces `PYTHON_RELEASES` in the addresses of `CPython` builds, ending in `/`.
    pub python: Url,
    /// Further servers whose artifacts a lockfile may name, as host names.
    pub hosts: Vec<String>,
}

/// The public Python package index.
pub const PYPI: &str = "https://pypi.org/simple/";
/// The public Rust dist server.
pub const RUST: &str = "https://static.rust-lang.org/";
/// Where the public Python package index keeps its files.
pub const PYPI_FILES: &str = "https://files.pythonhosted.org/";
/// The public releases of python-build-standalone.
pub const PYTHON_RELEASES: &str =
    "https://github.com/astral-sh/python-build-standalone/releases/download/";

/// Which tools may serve a dev shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolsFrom {
    /// Only artifacts of the lockfile.
    Managed,
    /// Only what the machine has.
    Host,
    /// Artifacts where they can be had, else what the machine has and the manifest admits.
    #[default]
    Auto,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] fsx::Error),
    /// The file is not what devsh understands.
    #[error("`{file}` is not valid: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// What the parser said, one line.
        message: String,
        /// Where in the file, as byte offsets.
        span: Option<std::ops::Range<usize>>,
        /// The file's text.
        text: String,
    },
    /// A variable or setting is not an address.
    #[error("`{value}` in {place} is not an address")]
    Address {
        /// The variable or key.
        place: String,
        /// The value, without credentials.
        value: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawConfig {
    tools_from: Option<ToolsFrom>,
    #[serde(default)]
    sources: RawSources,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSources {
    pypi: Option<String>,
    rust: Option<String>,
    python: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Longest accepted `config.toml`, in bytes.
const LIMIT: u64 = 1 << 20;

impl Config {
    /// Reads the user's settings; the environment wins over the file.
    pub fn load(context: &Context) -> Result<Self, Error> {
        let path = context.directories.config.join("config.toml");
        let raw = match fsx::read_bounded(&path, LIMIT)? {
            Some(bytes) => parse(&path.display().to_string(), &bytes)?,
            None => RawConfig::default(),
        };
        let address = |variables: &[&str], setting: Option<String>, key: &str, default: &str| {
            let set = variables.iter().find_map(|name| {
                let value = context.env.get(name)?.to_str()?;
                (!value.is_empty()).then(|| ((*name).to_owned(), value.to_owned()))
            });
            let (place, value) = set
                .or_else(|| setting.map(|value| (format!("`sources.{key}`"), value)))
                .unwrap_or_else(|| ("the default".to_owned(), default.to_owned()));
            directory_address(&value).ok_or_else(|| {
                // What stands before the last `@` may be a password.
                let value = value.rsplit('@').next().unwrap_or_default().to_owned();
                Error::Address { place, value }
            })
        };
        let pypi = [
            vars::UV_DEFAULT_INDEX,
            vars::UV_INDEX_URL,
            vars::PIP_INDEX_URL,
        ];
        Ok(Self {
            tools_from: raw.tools_from.unwrap_or_default(),
            pypi: address(&pypi, raw.sources.pypi, "pypi", PYPI)?,
            rust: address(&[vars::RUSTUP_DIST_SERVER], raw.sources.rust, "rust", RUST)?,
            python: address(
                &[vars::UV_PYTHON_INSTALL_MIRROR],
                raw.sources.python,
                "python",
                PYTHON_RELEASES,
            )?,
            hosts: raw.sources.hosts,
        })
    }

    /// Returns whether an address in a lockfile belongs to a source that the user trusts: a public one, one
    /// that the settings name, or a further server of theirs.
    ///
    /// A lockfile needs no approval of its own, so it must not be able to send devsh anywhere.
    pub fn trusts(&self, url: &Url) -> bool {
        let public = [PYPI, PYPI_FILES, RUST, PYTHON_RELEASES];
        let named = [&self.pypi, &self.rust, &self.python];
        public.iter().any(|prefix| url.as_str().starts_with(prefix))
            || named.iter().any(|source| source.origin() == url.origin())
            || url
                .host_str()
                .is_some_and(|host| self.hosts.iter().any(|named| named == host))
    }

    /// Returns where to download what a lockfile names by its public address.
    ///
    /// Only the default prefix is replaced, as uv and rustup do it.
    pub fn mirrored(&self, url: &Url) -> Url {
        for (default, mirror) in [(RUST, &self.rust), (PYTHON_RELEASES, &self.python)] {
            if let Some(rest) = url.as_str().strip_prefix(default)
                && let Ok(url) = Url::parse(&format!("{mirror}{rest}"))
            {
                return url;
            }
        }
        url.clone()
    }
}

/// Parses an address and gives it the final `/` that relative addresses need.
fn directory_address(value: &str) -> Option<Url> {
    let mut text = value.trim().to_owned();
    if !text.ends_with('/') {
        text.push('/');
    }
    Url::from_str(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http" | "file"))
}

fn parse(file: &str, bytes: &[u8]) -> Result<RawConfig, Error> {
    let text = String::from_utf8_lossy(bytes);
    toml::from_str(&text).map_err(|error: toml::de::Error| Error::Invalid {
        file: file.to_owned(),
        message: error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        span: error.span(),
        text: text.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let url = |text| directory_address(text).unwrap();
        Config {
            tools_from: ToolsFrom::Auto,
            pypi: url("https://mirror.example:8443/simple"),
            rust: url(RUST),
            python: url("file:///srv/python"),
            hosts: vec!["files.example".to_owned()],
        }
    }

    #[test]
    fn a_lockfile_leads_to_trusted_sources_only() {
        for (address, trusted) in [
            ("https://files.pythonhosted.org/packages/a.whl", true),
            ("https://static.rust-lang.org/dist/a.tar.xz", true),
            (
                "https://github.com/astral-sh/python-build-standalone/releases/download/1/a",
                true,
            ),
            (
                "https://github.com/somebody/else/releases/download/1/a",
                false,
            ),
            ("https://mirror.example:8443/files/a.whl", true),
            ("https://mirror.example/files/a.whl", false),
            ("https://files.example/a.whl", true),
            ("https://files.pythonhosted.org.evil.example/a.whl", false),
            ("http://files.pythonhosted.org/a.whl", false),
            ("https://files.pythonhosted.org@evil.example/a.whl", false),
        ] {
            assert_eq!(
                config().trusts(&address.parse().unwrap()),
                trusted,
                "{address}"
            );
        }
    }

    #[test]
    fn only_the_public_prefix_is_mirrored() {
        let mirrored = |address: &str| config().mirrored(&address.parse().unwrap()).to_string();
        let public = format!("{PYTHON_RELEASES}20260814/a.tar.gz");
        assert_eq!(mirrored(&public), "file:///srv/python/20260814/a.tar.gz");
        assert_eq!(mirrored("https://github.com/x"), "https://github.com/x");
    }
}
