//! The user's settings: `config.toml`, then the variables that other tools' users already set.

pub mod amount;
mod choice;
mod error;
mod keep;
mod remote;
mod trust;

use std::{str::FromStr, time::Duration};

use serde::Deserialize;
use url::Url;

use crate::{
    context::Context,
    package::Tool,
    util::{files, vars},
};

pub use choice::{ToolsFrom, Verbosity};
pub use error::Error;
pub use keep::Keep;
pub use remote::Remote;
pub use trust::{Ruling, TrustRules};

use keep::{RawKeep, span};
use trust::RawTrust;

/// Where artifacts come from and which may serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long an enter or leave script may take.
    pub hook_timeout: Duration,
    /// Whether a prompt that loads or leaves a dev shell says so.
    pub verbosity: Verbosity,
    /// Whether managed artifacts, host tools or either may serve.
    pub tools_from: ToolsFrom,
    /// The Python package index's simple API, ending in `/`.
    pub pypi: Url,
    /// The Rust dist server, without `/dist`, ending in `/`.
    pub rust: Url,
    /// Replaces `PYTHON_RELEASES` in the addresses of `CPython` builds, ending in `/`.
    pub python: Url,
    /// The npm registry, ending in `/`.
    pub npm: Url,
    /// A list of `CPython` builds in uv's format, which replaces the compiled-in one.
    pub python_list: Option<Url>,
    /// How long a release must be out before it is chosen.
    pub minimum_release_age: Option<Duration>,
    /// Tools (`pypi:ruff`) and whole sources (`rust`) whose releases may be younger.
    pub minimum_release_age_exclude: Vec<String>,
    /// What `devsh gc` leaves when it is not told otherwise.
    pub gc: Keep,
    /// Further servers whose artifacts a lockfile may name, as host names.
    pub hosts: Vec<String>,
    /// Where the user is not asked, and where nothing may ever run.
    pub trust: TrustRules,
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

/// The public npm registry.
pub const NPM: &str = "https://registry.npmjs.org/";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawConfig {
    verbosity: Option<Verbosity>,
    tools_from: Option<ToolsFrom>,
    minimum_release_age: Option<String>,
    hook_timeout: Option<u64>,
    #[serde(default)]
    minimum_release_age_exclude: Vec<String>,
    #[serde(default)]
    sources: RawSources,
    #[serde(default)]
    gc: RawKeep,
    #[serde(default)]
    trust: RawTrust,
    #[serde(skip)]
    checked_trust: TrustRules,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSources {
    pypi: Option<String>,
    rust: Option<String>,
    python: Option<String>,
    python_list: Option<String>,
    npm: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// How long an enter or leave script may take unless the user says otherwise, in seconds.
const HOOK_TIMEOUT: u64 = 10;
/// Longest accepted `config.toml`, in bytes.
const LIMIT: u64 = 1 << 20;

impl Config {
    /// Reads the user's settings; the environment wins over the file.
    pub fn load(context: &Context) -> Result<Self, Error> {
        let raw = read(context)?;
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
            verbosity: raw.verbosity.unwrap_or_default(),
            tools_from: raw.tools_from.unwrap_or_default(),
            pypi: address(&pypi, raw.sources.pypi, "pypi", PYPI)?,
            rust: address(&[vars::RUSTUP_DIST_SERVER], raw.sources.rust, "rust", RUST)?,
            python: address(
                &[vars::UV_PYTHON_INSTALL_MIRROR],
                raw.sources.python,
                "python",
                PYTHON_RELEASES,
            )?,
            npm: address(
                &[vars::NPM_CONFIG_REGISTRY, vars::NPM_CONFIG_REGISTRY_LOWER],
                raw.sources.npm,
                "npm",
                NPM,
            )?,
            python_list: file_address(context, raw.sources.python_list)?,
            hook_timeout: Duration::from_secs(raw.hook_timeout.unwrap_or(HOOK_TIMEOUT)),
            minimum_release_age: raw
                .minimum_release_age
                .map(|text| span("minimum-release-age", &text))
                .transpose()?,
            gc: raw.gc.check()?,
            minimum_release_age_exclude: raw.minimum_release_age_exclude,
            hosts: raw.sources.hosts,
            trust: raw.checked_trust,
        })
    }

    /// Returns how long a release of `tool` must be out before it is chosen.
    pub fn minimum_age(&self, tool: &Tool) -> Option<Duration> {
        let named = |name: &String| {
            name == tool.source.as_str()
                || *name == tool.to_string()
                || *name == format!("{}:{}", tool.source, tool.package)
        };
        let exempt = self.minimum_release_age_exclude.iter().any(named);
        self.minimum_release_age.filter(|_| !exempt)
    }

    /// Returns whether an address in a lockfile belongs to a source that the user trusts: a public one, one
    /// that the settings name, or a further server of theirs.
    ///
    /// A lockfile needs no approval of its own, so it must not be able to send devsh anywhere.
    pub fn trusts(&self, url: &Url) -> bool {
        let public = [PYPI, PYPI_FILES, RUST, PYTHON_RELEASES, NPM];
        let named = [&self.pypi, &self.rust, &self.python, &self.npm]
            .into_iter()
            .chain(&self.python_list);
        public.iter().any(|prefix| url.as_str().starts_with(prefix))
            || named
                .into_iter()
                .any(|source| source.origin() == url.origin())
            || url
                .host_str()
                .is_some_and(|host| self.hosts.iter().any(|named| named == host))
    }

    /// Returns where to download what a lockfile names by its public address.
    ///
    /// Only the default prefix is replaced, as uv and rustup do it.
    pub fn mirrored(&self, url: &Url) -> Url {
        let mirrors = [
            (RUST, &self.rust),
            (PYTHON_RELEASES, &self.python),
            (NPM, &self.npm),
        ];
        for (default, mirror) in mirrors {
            if let Some(rest) = url.as_str().strip_prefix(default)
                && let Ok(url) = Url::parse(&format!("{mirror}{rest}"))
            {
                return url;
            }
        }
        url.clone()
    }
}

fn read(context: &Context) -> Result<RawConfig, Error> {
    let path = context.directories.config.join("config.toml");
    let Some((file, metadata)) = files::open_regular(&path)? else {
        return Ok(RawConfig::default());
    };
    let bytes = files::read_open(file, &metadata, &path, LIMIT)?;
    let name = path.display().to_string();
    let mut raw = parse(&name, &bytes)?;
    if raw.trust != RawTrust::default() && !files::is_own(&metadata) {
        return Err(Error::Foreign { file: name });
    }
    let home = context.directories.home.as_deref();
    raw.checked_trust =
        std::mem::take(&mut raw.trust)
            .check(home)
            .map_err(|(message, value)| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let start = text.find(&value);
                Error::Invalid {
                    file: name,
                    message,
                    span: start.map(|start| start..start + value.len()),
                    text,
                }
            })?;
    Ok(raw)
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

/// Returns the address of the list of `CPython` builds; a plain path is one too.
fn file_address(context: &Context, setting: Option<String>) -> Result<Option<Url>, Error> {
    let variable = vars::UV_PYTHON_DOWNLOADS_JSON_URL;
    let set = context.env.get(variable).and_then(|value| value.to_str());
    let set = set.filter(|value| !value.is_empty());
    let (place, value) = match (set, setting) {
        (Some(value), _) => (variable.to_owned(), value.to_owned()),
        (None, Some(value)) => ("`sources.python-list`".to_owned(), value),
        (None, None) => return Ok(None),
    };
    let url = if value.starts_with('/') {
        Url::from_file_path(&value).ok()
    } else {
        Url::parse(value.trim()).ok()
    };
    url.filter(|url| matches!(url.scheme(), "https" | "http" | "file"))
        .map(Some)
        .ok_or_else(|| Error::Address {
            place,
            value: value.rsplit('@').next().unwrap_or_default().to_owned(),
        })
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
            hook_timeout: Duration::from_secs(10),
            verbosity: Verbosity::Normal,
            tools_from: ToolsFrom::Auto,
            pypi: url("https://mirror.example:8443/simple"),
            rust: url(RUST),
            python: url("file:///srv/python"),
            npm: url(NPM),
            python_list: None,
            minimum_release_age: Some(Duration::from_hours(24 * 7)),
            minimum_release_age_exclude: vec!["rust".to_owned(), "pypi:rust-just".to_owned()],
            gc: Keep::default(),
            hosts: vec!["files.example".to_owned()],
            trust: TrustRules::default(),
        }
    }

    #[test]
    fn the_page_of_settings_is_right() {
        let page = include_str!("../docs/reference/config.md");
        let block = page.split("```").nth(1).unwrap();
        let raw = parse("page", block.strip_prefix("toml").unwrap().as_bytes()).unwrap();
        assert!(
            raw.hook_timeout.is_some()
                && raw.verbosity.is_some()
                && raw.sources.python_list.is_some()
        );
        assert!(raw.gc.check().is_ok_and(|keep| keep.size.is_some()));
        assert!(
            raw.trust
                .check(Some(std::path::Path::new("/home/me")))
                .is_ok()
        );
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
    fn who_is_exempt_from_an_age() {
        let age = |tool: &str| config().minimum_age(&tool.parse().unwrap());
        assert_eq!(age("ruff"), Some(Duration::from_hours(24 * 7)));
        assert_eq!(age("rust"), None);
        assert_eq!(age("just"), None);
    }

    #[test]
    fn only_the_public_prefix_is_mirrored() {
        let mirrored = |address: &str| config().mirrored(&address.parse().unwrap()).to_string();
        let public = format!("{PYTHON_RELEASES}20260814/a.tar.gz");
        assert_eq!(mirrored(&public), "file:///srv/python/20260814/a.tar.gz");
        assert_eq!(mirrored("https://github.com/x"), "https://github.com/x");
    }
}
