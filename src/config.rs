//! The user's settings: `config.toml`, and the variables of uv, rustup and npm.

mod cache;
mod error;
mod file;
mod file_host;
pub mod ownership;
mod remote;
mod trust;
pub mod units;

use std::time::Duration;

use percent_encoding::percent_decode;
use url::Url;

use crate::{
    context::Context,
    package::{CONDA, Glibc, RegistryKey, Source, Supplier, Tool},
    util::{
        address::{directory_address, file_address},
        files,
        redact::redact_invalid,
        vars,
    },
};

pub use cache::CacheSettings;
pub use error::Error;
pub use file_host::FileHost;
pub use remote::Remote;
pub use trust::{LockfileTrust, Ruling, TrustRules};

use file::Settings;
use ownership::Access;

/// The user's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest time of an enter or leave script.
    pub hook_timeout: Duration,
    pub verbosity: PromptVerbosity,
    pub tools_from: ToolsFrom,
    /// The Python package index's simple API, ending in `/`.
    pub pypi: Url,
    /// The Rust dist server, without `/dist`, ending in `/`.
    pub rust: Url,
    /// Replaces `PYTHON_RELEASES` in the addresses of `CPython` builds, ending in `/`.
    pub python: Url,
    /// The npm registry, ending in `/`.
    pub npm: Url,
    /// The keys whose signatures of npm packages are checked.
    pub npm_keys: Vec<RegistryKey>,
    /// Replaces `CONDA` in the addresses of channels and packages, ending in `/`.
    pub conda: Url,
    /// The official releases of Node.js, ending in `/`.
    pub node: Url,
    /// The official releases of Go, ending in `/`.
    pub go: Url,
    /// The API of GitHub or of an Enterprise server, ending in `/`.
    pub github: Url,
    /// The sparse index of crates, ending in `/`.
    pub crates_index: Url,
    /// Replaces `CRATES` in the addresses of crates, ending in `/`.
    pub crates: Url,
    /// A list of `CPython` builds in uv's format, which replaces the compiled-in one.
    pub python_list: Option<Url>,
    /// The newest glibc that a locked wheel may need; without it the one of the machine.
    pub glibc: Option<Glibc>,
    /// The age that a release must have before it is chosen.
    pub minimum_release_age: Option<Duration>,
    /// Tools (`pypi:ruff`) and whole sources (`rust`) whose releases may be younger.
    pub minimum_release_age_exclude: Vec<String>,
    /// The limits of `devsh gc` without options.
    pub gc: Keep,
    /// Further places that a lockfile may name.
    pub hosts: Vec<FileHost>,
    pub trust: TrustRules,
    /// The caches, in the order in which they are used.
    pub caches: Vec<CacheSettings>,
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

/// The official releases of Node.js.
pub const NODE: &str = "https://nodejs.org/dist/";

/// The official releases of Go.
pub const GO: &str = "https://go.dev/dl/";

/// The public API of GitHub.
pub const GITHUB: &str = "https://api.github.com/";

/// The public index of crates.
pub const CRATES_INDEX: &str = "https://index.crates.io/";

/// The files of the public crates.
pub const CRATES: &str = "https://static.crates.io/crates/";

/// The tools that a dev shell may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolsFrom {
    /// Only artifacts of the lockfile.
    Managed,
    /// Only tools of the machine.
    Host,
    /// Artifacts if they can be downloaded, else tools of the machine that the manifest admits.
    #[default]
    Auto,
}

/// The messages of a prompt that loads or leaves a dev shell. Problems are always printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptVerbosity {
    /// Nothing.
    Quiet,
    /// One line.
    #[default]
    Normal,
}

/// The limits for unused objects that `devsh gc` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Objects that were used within this time.
    pub older_than: Option<Duration>,
    /// The most recently used objects, until the store has this many bytes.
    pub size: Option<u64>,
}

/// The default of `hook-timeout`.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest accepted `config.toml`, in bytes.
const LIMIT: u64 = 1 << 20;

impl Config {
    /// Reads the user's settings; variables win over the file.
    pub fn load(context: &Context) -> Result<Self, Error> {
        let settings = read(context)?;
        let address = |variables: &[&str], read: fn(&str) -> Option<Url>| {
            let set = variables.iter().find_map(|name| {
                let value = context.env.get(name)?.to_str()?;
                (!value.is_empty()).then_some((*name, value))
            });
            set.map(|(name, value)| {
                read(value).ok_or_else(|| Error::Address {
                    variable: name.to_owned(),
                    value: redact_invalid(value),
                })
            })
            .transpose()
        };
        let source = |variables: &[&str], setting: Option<Url>, default: &'static str| {
            let chosen = address(variables, directory_address)?.or(setting);
            chosen.map_or_else(|| public(default), Ok)
        };
        let pypi = [
            vars::UV_DEFAULT_INDEX,
            vars::UV_INDEX_URL,
            vars::PIP_INDEX_URL,
        ];
        let npm = [vars::NPM_CONFIG_REGISTRY, vars::NPM_CONFIG_REGISTRY_LOWER];
        let node = [
            vars::NODEJS_ORG_MIRROR,
            vars::NVM_NODEJS_ORG_MIRROR,
            vars::FNM_NODE_DIST_MIRROR,
        ];
        let python_list = address(&[vars::UV_PYTHON_DOWNLOADS_JSON_URL], file_address)?;
        Ok(Self {
            verbosity: settings.verbosity.unwrap_or_default(),
            tools_from: settings.tools_from.unwrap_or_default(),
            pypi: source(&pypi, settings.pypi, PYPI)?,
            rust: source(&[vars::RUSTUP_DIST_SERVER], settings.rust, RUST)?,
            python: source(
                &[vars::UV_PYTHON_INSTALL_MIRROR],
                settings.python,
                PYTHON_RELEASES,
            )?,
            npm: source(&npm, settings.npm, NPM)?,
            npm_keys: [RegistryKey::public(), settings.npm_keys].concat(),
            conda: source(&[vars::CONDA_CHANNEL_ALIAS], settings.conda, CONDA)?,
            node: source(&node, settings.node, NODE)?,
            go: source(&[vars::DEVSH_GO_MIRROR], settings.go, GO)?,
            github: source(&[vars::DEVSH_GITHUB_API], settings.github, GITHUB)?,
            crates_index: source(
                &[vars::DEVSH_CRATES_INDEX],
                settings.crates_index,
                CRATES_INDEX,
            )?,
            crates: source(&[vars::DEVSH_CRATES_MIRROR], settings.crates, CRATES)?,
            python_list: python_list.or(settings.python_list),
            hook_timeout: settings.hook_timeout.unwrap_or(HOOK_TIMEOUT),
            glibc: settings.glibc,
            minimum_release_age: settings.minimum_release_age,
            gc: settings.gc,
            minimum_release_age_exclude: settings.minimum_release_age_exclude,
            hosts: settings.hosts,
            trust: settings.trust.unwrap_or_default(),
            caches: settings.caches,
        })
    }

    /// Returns the addresses of the sources.
    pub const fn addresses(&self) -> [&Url; 10] {
        [
            &self.pypi,
            &self.rust,
            &self.python,
            &self.npm,
            &self.conda,
            &self.node,
            &self.go,
            &self.github,
            &self.crates_index,
            &self.crates,
        ]
    }

    /// Returns the age that a release of `tool` must have before it is chosen.
    pub fn minimum_age(&self, tool: &Tool) -> Option<Duration> {
        let named = |name: &String| {
            name == tool.source.as_str()
                || *name == tool.to_string()
                || *name == format!("{}:{}", tool.source, tool.package)
        };
        let exempt = self.minimum_release_age_exclude.iter().any(named);
        self.minimum_release_age.filter(|_| !exempt)
    }

    /// Returns whether an artifact of a supplier in a lockfile is at an address that belongs to it.
    pub fn trusts_artifact(&self, supplier: &Supplier, url: &Url) -> bool {
        if climbs(url) {
            return false;
        }
        let below =
            |public: &str, own: &Url| url.as_str().starts_with(public) || is_below(url, own);
        // The files of one source are never artifacts of another: everybody can publish at most of them.
        let is_own = match supplier.source {
            // Releases of other repositories are on the same server.
            Source::Github => {
                let releases = self.releases_of(supplier.package.as_str());
                url.as_str().starts_with(&releases)
            }
            Source::Go => below(GO, &self.go),
            Source::Node => below(NODE, &self.node),
            Source::Npm | Source::NpmPlatform => below(NPM, &self.npm),
            // Another index has other packages of the same names, so the public one is none of its places.
            Source::Pypi => self.is_file_of_index(url),
            Source::Python => {
                let list = self.python_list.as_ref();
                let list = list.and_then(|list| list.join("./").ok());
                below(PYTHON_RELEASES, &self.python)
                    || list.is_some_and(|list| is_below(url, &list))
            }
            Source::Rust => below(RUST, &self.rust),
            Source::Cargo => below(CRATES, &self.crates),
            // The manifest names the addresses and channels, and is asked before.
            Source::Conda | Source::Url => false,
        };
        is_own || self.hosts.iter().any(|host| host.has(url))
    }

    /// Returns whether an artifact of a stored object may be downloaded again: it is at a known source, or a release of
    /// a repository. The object was made from it, so its digest decides.
    pub fn trusts_stored(&self, url: &Url) -> bool {
        let server = self.releases_of("");
        let server = server
            .split_once("//releases")
            .map_or("", |(server, _)| server);
        let is_release = !server.is_empty()
            && url
                .as_str()
                .strip_prefix(server)
                .is_some_and(|path| path.starts_with('/') && path.contains("/releases/download/"));
        self.trusts(url) || (is_release && !climbs(url))
    }

    /// Returns the address below which a repository has the files of its releases.
    pub fn releases_of(&self, repository: &str) -> String {
        let server = if self.github.as_str() == GITHUB {
            "https://github.com".to_owned()
        } else {
            self.github.origin().ascii_serialization()
        };
        format!("{server}/{repository}/releases/download/")
    }

    /// Returns whether an address in a lockfile belongs to a known source: a public one, one of the settings, or
    /// one of `hosts`.
    ///
    /// A lockfile needs no approval, so it must not send devsh to other servers.
    pub fn trusts(&self, url: &Url) -> bool {
        if climbs(url) {
            return false;
        }
        let public = [
            PYPI,
            PYPI_FILES,
            RUST,
            PYTHON_RELEASES,
            NPM,
            CONDA,
            NODE,
            GO,
            CRATES,
        ];
        let lists = self
            .python_list
            .iter()
            .filter_map(|list| list.join("./").ok());
        let named = self.addresses().into_iter().skip(1);
        let index = index_root(&self.pypi);
        public.iter().any(|prefix| url.as_str().starts_with(prefix))
            || named.into_iter().any(|source| is_below(url, source))
            || lists.chain([index]).any(|source| is_below(url, &source))
            || self.hosts.iter().any(|host| host.has(url))
    }

    /// Returns whether the configured package index has its files at an address.
    pub fn is_file_of_index(&self, url: &Url) -> bool {
        is_file_of_index(url, &self.pypi)
    }

    /// Returns the address of a mirror for the public address in a lockfile.
    ///
    /// Only the default prefix is replaced, as in uv and rustup.
    pub fn mirrored(&self, url: &Url) -> Url {
        let mirrors = [
            (RUST, &self.rust),
            (PYTHON_RELEASES, &self.python),
            (NPM, &self.npm),
            (CONDA, &self.conda),
            (NODE, &self.node),
            (GO, &self.go),
            (CRATES, &self.crates),
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

/// Returns whether the package index with these pages has its files at an address.
pub fn is_file_of_index(url: &Url, pages: &Url) -> bool {
    let is_own = if pages.as_str() == PYPI {
        is_file_of_public_index(url)
    } else {
        is_below(url, &index_root(pages))
    };
    is_own && !climbs(url)
}

/// Returns whether the public package index has its files at an address.
pub fn is_file_of_public_index(url: &Url) -> bool {
    url.as_str().starts_with(PYPI_FILES)
}

/// Returns whether a server that decodes `%2e%2e%2f` can leave the prefix of an address.
pub fn climbs(url: &Url) -> bool {
    let mut path = url.path().as_bytes().to_vec();
    // Some servers decode twice.
    for _ in 0..2 {
        path = percent_decode(&path).collect();
    }
    let separates = |byte: &u8| matches!(byte, b'/' | b'\\');
    // Servers written in Java take `..;x` for `..`.
    path.split(separates).any(|name| name.starts_with(b".."))
}

/// Returns whether `url` has the server of `prefix`, and a path that begins with the path of `prefix`.
fn is_below(url: &Url, prefix: &Url) -> bool {
    url.origin() == prefix.origin() && url.path().starts_with(prefix.path())
}

/// Returns the address below which an index keeps its files: next to its pages, if those are in a directory `simple`.
///
/// Indexes that share a server (Artifactory, `GitLab`, Nexus) have pages in `…/simple/` and files in `…/files/` or
/// `…/packages/`.
fn index_root(pages: &Url) -> Url {
    let path = pages.path().trim_end_matches('/');
    let next_to = |name| path.strip_suffix(name);
    let root = next_to("/simple").or_else(|| next_to("/+simple"));
    let mut address = pages.clone();
    address.set_path(&format!("{}/", root.unwrap_or(path)));
    address
}

fn read(context: &Context) -> Result<Settings, Error> {
    let path = context.directories.config.join("config.toml");
    let Some((file, metadata)) = files::open_regular(&path)? else {
        // It can have rules that deny projects.
        files::check_absent(&path)?;
        return Ok(Settings::default());
    };
    // Its sources and trust rules decide which programs run.
    let mut access = Access::of(context, &path, &[]);
    access
        .check(&path)
        .and_then(|()| access.check_open(&path, &metadata))
        .map_err(|exposure| Error::Exposed {
            file: path.clone(),
            exposure,
        })?;
    let bytes = files::read_open(file, &metadata, &path, LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    let file = path.display().to_string();
    let home = context.directories.home.as_deref();
    Settings::parse(&text, home).map_err(|problem| Error::Invalid {
        file,
        message: problem.message,
        hint: problem.hint,
        span: problem.span,
        text: text.into_owned(),
    })
}

/// Returns a public address that is written here.
fn public(address: &'static str) -> Result<Url, Error> {
    directory_address(address).ok_or_else(|| Error::Address {
        variable: "the default".to_owned(),
        value: address.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let url = |text| directory_address(text).unwrap();
        Config {
            hook_timeout: Duration::from_secs(10),
            verbosity: PromptVerbosity::Normal,
            tools_from: ToolsFrom::Auto,
            pypi: url("https://mirror.example:8443/team/simple"),
            rust: url(RUST),
            python: url("file:///srv/python"),
            npm: url("https://node.example/npm"),
            npm_keys: RegistryKey::public(),
            conda: url("https://conda.example/channels"),
            node: url(NODE),
            go: url(GO),
            github: url(GITHUB),
            crates_index: url(CRATES_INDEX),
            crates: url(CRATES),
            python_list: file_address("https://lists.example/python/list.json"),
            glibc: None,
            minimum_release_age: Some(Duration::from_hours(24 * 7)),
            minimum_release_age_exclude: vec!["rust".to_owned(), "pypi:rust-just".to_owned()],
            gc: Keep::default(),
            hosts: ["files.example", "shared.example:8443/team"]
                .map(|named| FileHost::named(named).unwrap())
                .to_vec(),
            trust: TrustRules::default(),
            caches: Vec::new(),
        }
    }

    #[test]
    fn the_page_of_settings_is_right() {
        let page = include_str!("../docs/reference/config.md");
        let block = page.split("```").nth(1).unwrap();
        let (_, text) = block.split_once('\n').unwrap();
        let settings = Settings::parse(text, Some(std::path::Path::new("/home/me"))).unwrap();
        assert!(settings.hook_timeout.is_some() && settings.verbosity.is_some());
        assert!(settings.python_list.is_some() && settings.gc.size.is_some());
        assert!(settings.trust.is_some());
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
            ("https://mirror.example:8443/team/files/a.whl", true),
            ("https://mirror.example:8443/other/files/a.whl", false),
            (
                "https://mirror.example:8443/team/%2e%2e%2fother/a.whl",
                false,
            ),
            ("https://mirror.example:8443/team/..;/other/a.whl", false),
            (
                "https://mirror.example:8443/team/%252e%252e%252fother/a.whl",
                false,
            ),
            ("https://mirror.example:8443/team/../other/a.whl", false),
            ("https://node.example/npm/a.tgz", true),
            ("https://node.example/npm-evil/a.tgz", false),
            ("https://lists.example/python/a.tar.gz", true),
            ("https://lists.example/evil/a.tar.gz", false),
            ("https://shared.example:8443/team/a.whl", true),
            ("https://shared.example:8443/teams/a.whl", false),
            ("https://shared.example/team/a.whl", false),
            ("https://files.example:8443/a.whl", false),
            ("http://files.example/a.whl", true),
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
    fn the_index_serves_the_files_below_its_own_address() {
        let mut config = config();
        let is_file = |config: &Config, url: &str| config.is_file_of_index(&url.parse().unwrap());
        let public = "https://files.pythonhosted.org/packages/a.whl";
        assert!(is_file(
            &config,
            "https://mirror.example:8443/team/files/a.whl"
        ));
        assert!(!is_file(&config, public), "the settings have another index");
        assert!(!is_file(
            &config,
            "https://mirror.example:8443/team/%2e%2e/other/a.whl"
        ));
        assert!(!is_file(&config, "https://mirror.example:8443/other/a.whl"));
        config.pypi = PYPI.parse().unwrap();
        assert!(is_file(&config, public));
        assert!(!is_file(
            &config,
            "https://files.pythonhosted.org.evil.example/a.whl"
        ));
    }

    #[test]
    fn an_index_has_no_files_of_other_ones_on_its_server() {
        for (pages, own, other) in [
            (
                "https://h.example/repository/team/simple",
                "repository/team/packages/a.whl",
                "repository/proxy/a.whl",
            ),
            (
                "https://h.example/root/dev/+simple/",
                "root/dev/+f/a.whl",
                "root/public/+f/a.whl",
            ),
            ("https://h.example/team", "team/a.whl", "teams/a.whl"),
        ] {
            for pages in [pages.to_owned(), format!("{pages}/")] {
                let pages: Url = pages.parse().unwrap();
                let serves =
                    |path| is_file_of_index(&pages.join("/").unwrap().join(path).unwrap(), &pages);
                assert!(serves(own) && !serves(other), "{pages}");
            }
        }
    }

    #[test]
    fn a_release_is_of_the_repository_that_serves() {
        let supplier = "github:cli/cli".parse().unwrap();
        let trusted =
            |address: &str| config().trusts_artifact(&supplier, &address.parse().unwrap());
        let releases = "https://github.com/cli/cli/releases/download";
        assert!(trusted(&format!("{releases}/v2/gh.tar.gz")));
        assert!(!trusted(
            "https://github.com/cli/evil/releases/download/v2/gh.tar.gz"
        ));
        assert!(!trusted(&format!("{releases}/%2e%2e%2f%2e%2e/evil")));
        assert!(
            trusted("https://files.example/gh.tar.gz"),
            "a host of the settings"
        );
        assert!(!trusted("https://registry.npmjs.org/evil/-/evil-1.0.0.tgz"));
        let release = format!("{releases}/v2/gh.tar.gz");
        assert!(config().trusts_stored(&release.parse().unwrap()));
        assert!(!config().trusts_stored(&"https://github.com/cli/cli/raw/x".parse().unwrap()));
    }

    #[test]
    fn an_artifact_is_at_its_own_source() {
        let npm = "https://registry.npmjs.org/a/-/a-1.0.0.tgz";
        let wheel = "https://files.pythonhosted.org/packages/a-1-py3-none-any.whl";
        // The settings have another index than the public one.
        let mirrored = "https://mirror.example:8443/team/files/a-1-py3-none-any.whl";
        let conda = "https://conda.anaconda.org/somebody/linux-64/a-1-0.conda";
        for (supplier, own, strange) in [
            ("npm:a", npm, wheel),
            ("pypi:a", mirrored, wheel),
            (
                "node:node",
                "https://nodejs.org/dist/v22.0.0/a.tar.xz",
                conda,
            ),
            ("go:go", "https://go.dev/dl/a.tar.gz", conda),
            (
                "rust:rust",
                "https://static.rust-lang.org/dist/a.tar.xz",
                npm,
            ),
            (
                "cargo:a",
                "https://static.crates.io/crates/a/1.0.0/download",
                npm,
            ),
        ] {
            let supplier = supplier.parse().unwrap();
            let trusts = |url: &str| config().trusts_artifact(&supplier, &url.parse().unwrap());
            assert!(trusts(own), "{own}");
            assert!(!trusts(strange), "{strange}");
        }
        // The manifest names the channels and addresses of these.
        for supplier in ["conda:a", "url:a"] {
            let supplier = supplier.parse().unwrap();
            assert!(!config().trusts_artifact(&supplier, &conda.parse().unwrap()));
        }
    }

    #[test]
    fn some_tools_are_exempt_from_the_minimum_age() {
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
