//! Reads `config.toml`: every value with its place, so an error names the line and a fix.

use std::{ops::Range, path::Path, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use url::Url;

use super::{
    CacheSettings, FileHost, Keep, PromptVerbosity, ToolsFrom,
    trust::{self, LockfileTrust, TrustRules},
    units::{parse_bytes, parse_coarse_span},
};
use crate::{
    package::{CachePlace, Glibc, RegistryKey, cache_place::is_public_key},
    util::{
        address::{directory_address, file_address},
        conflict_marker::find_conflict_marker,
        nearest::nearest,
        redact::redact_invalid,
    },
};

/// The content of `config.toml`.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) verbosity: Option<PromptVerbosity>,
    pub(super) tools_from: Option<ToolsFrom>,
    pub(super) hook_timeout: Option<Duration>,
    pub(super) minimum_release_age: Option<Duration>,
    pub(super) minimum_release_age_exclude: Vec<String>,
    pub(super) pypi: Option<Url>,
    pub(super) rust: Option<Url>,
    pub(super) python: Option<Url>,
    pub(super) python_list: Option<Url>,
    pub(super) npm: Option<Url>,
    pub(super) npm_keys: Vec<RegistryKey>,
    pub(super) conda: Option<Url>,
    pub(super) node: Option<Url>,
    pub(super) go: Option<Url>,
    pub(super) github: Option<Url>,
    pub(super) crates_index: Option<Url>,
    pub(super) crates: Option<Url>,
    pub(super) hosts: Vec<FileHost>,
    pub(super) glibc: Option<Glibc>,
    pub(super) gc: Keep,
    /// Nothing if the file has no table `trust`.
    pub(super) trust: Option<TrustRules>,
    pub(super) caches: Vec<CacheSettings>,
}

/// A value that cannot be used.
#[derive(Debug)]
pub(super) struct SettingProblem {
    /// The bytes of the text that have the problem.
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A kind of value: its name in errors, and a hint.
#[derive(Clone, Copy)]
struct ExpectedValue {
    kind: &'static str,
    hint: &'static str,
}

const SPAN: ExpectedValue = ExpectedValue {
    kind: "a time span",
    hint: "write a number of hours, days or weeks such as `\"7 days\"`",
};
const SIZE: ExpectedValue = ExpectedValue {
    kind: "a size",
    hint: "write a size such as `\"20G\"`",
};
const GLIBC: ExpectedValue = ExpectedValue {
    kind: "a version of glibc",
    hint: "write a version such as `\"2.34\"`",
};
const NPM_KEY: ExpectedValue = ExpectedValue {
    kind: "a public key of an npm registry",
    hint: "write a `key` of the registry's page `-/npm/v1/keys`",
};
const ADDRESS: ExpectedValue = ExpectedValue {
    kind: "an address",
    hint: "write a whole address such as `https://host/path/`",
};
const PATH: ExpectedValue = ExpectedValue {
    kind: "a whole path",
    hint: "write a path such as `/srv/work` or `~/work`",
};
const HOST: ExpectedValue = ExpectedValue {
    kind: "a server",
    hint: "write a server such as `files.example`, or `files.example:8443/team/`",
};
const REMOTE: ExpectedValue = ExpectedValue {
    kind: "a group of repositories",
    hint: "write a server and an owner such as `github.com/acme`",
};

const CACHE: ExpectedValue = ExpectedValue {
    kind: "the address of a cache",
    hint: "write `file:///path`, `https://host/path`, `s3://bucket/prefix` or `oci://registry/repository`",
};
const PUBLIC_KEY: ExpectedValue = ExpectedValue {
    kind: "a public key",
    hint: "write a key such as `team-1:BASE64`, as `devsh cache key new` prints it",
};

impl Settings {
    /// Reads the text of the file; `home` is for paths with `~`.
    pub(super) fn parse(text: &str, home: Option<&Path>) -> Result<Self, SettingProblem> {
        let document = DeTable::parse(text).map_err(|error| syntax_problem(text, &error))?;
        let keys = [
            "caches",
            "gc",
            "hook-timeout",
            "minimum-release-age",
            "minimum-release-age-exclude",
            "sources",
            "tools-from",
            "trust",
            "verbosity",
        ];
        let root = ConfigTable::new("", document.get_ref(), &keys)?;
        let mut settings = Self {
            verbosity: root.choice(
                "verbosity",
                &[
                    ("quiet", PromptVerbosity::Quiet),
                    ("normal", PromptVerbosity::Normal),
                ],
            )?,
            tools_from: root.choice(
                "tools-from",
                &[
                    ("managed", ToolsFrom::Managed),
                    ("host", ToolsFrom::Host),
                    ("auto", ToolsFrom::Auto),
                ],
            )?,
            hook_timeout: root.seconds("hook-timeout")?,
            minimum_release_age: root.value("minimum-release-age", SPAN, parse_coarse_span)?,
            minimum_release_age_exclude: root.texts("minimum-release-age-exclude")?,
            gc: read_gc(&root)?,
            trust: read_trust(&root, home)?,
            caches: read_caches(&root, home)?,
            ..Self::default()
        };
        settings.read_sources(&root)?;
        Ok(settings)
    }

    /// Reads `[sources]`.
    fn read_sources(&mut self, root: &ConfigTable<'_>) -> Result<(), SettingProblem> {
        let keys = [
            "conda",
            "crates",
            "crates-index",
            "github-api",
            "glibc",
            "go",
            "hosts",
            "node",
            "npm",
            "npm-keys",
            "pypi",
            "python",
            "python-list",
            "rust",
        ];
        let Some(sources) = root.section("sources", &keys)? else {
            return Ok(());
        };
        let directory = |key| sources.value(key, ADDRESS, directory_address);
        self.pypi = directory("pypi")?;
        self.rust = directory("rust")?;
        self.python = directory("python")?;
        self.github = directory("github-api")?;
        self.npm = directory("npm")?;
        self.conda = directory("conda")?;
        self.node = directory("node")?;
        self.go = directory("go")?;
        self.crates_index = directory("crates-index")?;
        self.crates = directory("crates")?;
        self.npm_keys = sources.values("npm-keys", NPM_KEY, |text| text.parse().ok())?;
        self.python_list = sources.value("python-list", ADDRESS, file_address)?;
        self.hosts = sources.values("hosts", HOST, FileHost::named)?;
        self.glibc = sources.value("glibc", GLIBC, |text| text.parse().ok())?;
        Ok(())
    }
}

/// Describes a file that is not TOML.
fn syntax_problem(text: &str, error: &toml::de::Error) -> SettingProblem {
    match find_conflict_marker(text) {
        Some(at) => SettingProblem {
            span: Some(at..at + text[at..].lines().next().map_or(0, str::len)),
            message: "the file has conflict markers of Git".to_owned(),
            hint: Some("finish the merge first".into()),
        },
        None => SettingProblem {
            span: error.span(),
            message: error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            hint: None,
        },
    }
}

fn read_gc(root: &ConfigTable<'_>) -> Result<Keep, SettingProblem> {
    let Some(gc) = root.section("gc", &["keep-size", "older-than"])? else {
        return Ok(Keep::default());
    };
    Ok(Keep {
        older_than: gc.value("older-than", SPAN, parse_coarse_span)?,
        size: gc.value("keep-size", SIZE, |text| parse_bytes(text).ok())?,
    })
}

fn read_trust(
    root: &ConfigTable<'_>,
    home: Option<&Path>,
) -> Result<Option<TrustRules>, SettingProblem> {
    let keys = ["allow", "deny", "lockfiles", "remotes", "shared"];
    let Some(trust) = root.section("trust", &keys)? else {
        return Ok(None);
    };
    let paths = |key| trust.values(key, PATH, |text| trust::absolute(text, home));
    let lockfiles = trust.choice(
        "lockfiles",
        &[
            ("follow", LockfileTrust::Follow),
            ("ask", LockfileTrust::Ask),
        ],
    )?;
    Ok(Some(TrustRules {
        allow: paths("allow")?,
        deny: paths("deny")?,
        shared: paths("shared")?,
        remotes: trust.values("remotes", REMOTE, super::Remote::named)?,
        lockfiles: lockfiles.unwrap_or_default(),
    }))
}

fn read_caches(
    root: &ConfigTable<'_>,
    home: Option<&Path>,
) -> Result<Vec<CacheSettings>, SettingProblem> {
    let keys = [
        "endpoint",
        "keys",
        "path-style",
        "push",
        "region",
        "signing-key",
        "url",
    ];
    let caches = root.tables("caches", &keys)?;
    caches.iter().map(|one| read_cache(one, home)).collect()
}

fn read_cache(
    cache: &ConfigTable<'_>,
    home: Option<&Path>,
) -> Result<CacheSettings, SettingProblem> {
    let address = cache.text("url")?.ok_or_else(|| SettingProblem {
        span: Some(cache.span.clone()),
        message: "a cache has no `url`".to_owned(),
        hint: Some(CACHE.hint.to_owned()),
    })?;
    let unusable = || cache.unusable("url", &address, CACHE);
    let mut place = CachePlace::parse(address.get_ref()).ok_or_else(unusable)?;
    let endpoint = cache.value("endpoint", ADDRESS, directory_address)?;
    let (region, path_style) = (cache.text("region")?, cache.boolean("path-style")?);
    if let CachePlace::S3(s3) = &mut place {
        s3.endpoint = endpoint;
        s3.region = region.map(|region| region.into_inner().to_owned());
        s3.path_style = path_style;
    } else if let Some(key) = ["endpoint", "region", "path-style"]
        .into_iter()
        .find(|key| cache.table.get(*key).is_some())
    {
        return Err(SettingProblem {
            span: Some(address.span()),
            message: format!("`{key}` is for caches at `s3://` only"),
            hint: Some(format!("remove `{key}`")),
        });
    }
    let push = cache.boolean("push")?.unwrap_or_default();
    if push && matches!(place, CachePlace::Web(_)) {
        return Err(SettingProblem {
            span: Some(address.span()),
            message: format!("devsh cannot write to the web server `{place}`"),
            hint: Some(
                "remove `push`, or write to the cache at its `s3://` or `file://` address"
                    .to_owned(),
            ),
        });
    }
    Ok(CacheSettings {
        place,
        keys: cache.values("keys", PUBLIC_KEY, public_key)?,
        push,
        signing_key: cache.value("signing-key", PATH, |text| trust::absolute(text, home))?,
    })
}

/// Returns a public key if it has the form `NAME:BASE64` of 32 bytes.
fn public_key(text: &str) -> Option<String> {
    is_public_key(text).then(|| text.to_owned())
}

/// One table of the file.
struct ConfigTable<'t> {
    /// The prefix of its keys in messages, empty or `gc.`.
    prefix: String,
    table: &'t DeTable<'t>,
    /// Its place in the text; empty for the whole file.
    span: Range<usize>,
}

impl<'t> ConfigTable<'t> {
    fn new(prefix: &str, table: &'t DeTable<'t>, keys: &[&str]) -> Result<Self, SettingProblem> {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !keys.contains(&name) {
                let similar = nearest(name, keys.iter().copied());
                let hint = match similar {
                    Some(similar) => format!("did you mean `{similar}`?"),
                    None => format!("the keys here are {}", list(keys)),
                };
                return Err(SettingProblem {
                    span: Some(key.span()),
                    message: format!("`{prefix}{name}` is not a setting"),
                    hint: Some(hint),
                });
            }
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            table,
            span: 0..0,
        })
    }

    /// Returns the tables of an array of tables.
    fn tables(&self, key: &str, keys: &[&str]) -> Result<Vec<Self>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = |value| self.wrong_type(key, value, "a list of tables");
        let array = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let tables = array.iter().map(|value| {
            let table = value.get_ref().as_table().ok_or_else(|| wrong(value))?;
            let table = Self::new(&format!("{key}."), table, keys)?;
            Ok(Self {
                span: value.span(),
                ..table
            })
        });
        tables.collect()
    }

    fn boolean(&self, key: &str) -> Result<Option<bool>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let boolean = value.get_ref().as_bool();
        let boolean = boolean.ok_or_else(|| self.wrong_type(key, value, "`true` or `false`"))?;
        Ok(Some(boolean))
    }

    fn section(&self, key: &str, keys: &[&str]) -> Result<Option<Self>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        Self::new(&format!("{key}."), table, keys).map(Some)
    }

    fn text(&self, key: &str) -> Result<Option<Spanned<&'t str>>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| self.wrong_type(key, value, "a string"))?;
        Ok(Some(Spanned::new(value.span(), text)))
    }

    fn spanned_texts(&self, key: &str) -> Result<Vec<Spanned<&'t str>>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = |value| self.wrong_type(key, value, "a list of strings");
        let array = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let texts = array.iter().map(|value| {
            let text = value.get_ref().as_str().ok_or_else(|| wrong(value))?;
            Ok(Spanned::new(value.span(), text))
        });
        texts.collect()
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, SettingProblem> {
        let texts = self.spanned_texts(key)?.into_iter();
        Ok(texts.map(|text| text.into_inner().to_owned()).collect())
    }

    fn value<T>(
        &self,
        key: &str,
        expected: ExpectedValue,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SettingProblem> {
        let text = self.text(key)?;
        text.map(|text| read(text.get_ref()).ok_or_else(|| self.unusable(key, &text, expected)))
            .transpose()
    }

    fn values<T>(
        &self,
        key: &str,
        expected: ExpectedValue,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, SettingProblem> {
        let values = self
            .spanned_texts(key)?
            .into_iter()
            .map(|text| read(text.get_ref()).ok_or_else(|| self.unusable(key, &text, expected)));
        values.collect()
    }

    fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, SettingProblem> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let chosen = choices.iter().find(|(name, _)| name == text.get_ref());
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        chosen
            .map(|(_, value)| Some(*value))
            .ok_or_else(|| SettingProblem {
                span: Some(text.span()),
                message: format!(
                    "`{}` is not a value of `{}{key}`",
                    text.get_ref(),
                    self.prefix
                ),
                hint: Some(format!("the values are {}", list(&names))),
            })
    }

    fn seconds(&self, key: &str) -> Result<Option<Duration>, SettingProblem> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let number = value.get_ref().as_integer();
        let number =
            number.and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        let number = number.ok_or_else(|| self.wrong_type(key, value, "a number of seconds"))?;
        Ok(Some(Duration::from_secs(number)))
    }

    fn wrong_type(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> SettingProblem {
        SettingProblem {
            span: Some(value.span()),
            message: format!("`{}{key}` is not {expected}", self.prefix),
            hint: Some(format!("write {expected}")),
        }
    }

    fn unusable(&self, key: &str, text: &Spanned<&str>, expected: ExpectedValue) -> SettingProblem {
        let shown = redact_invalid(text.get_ref());
        SettingProblem {
            span: Some(text.span()),
            message: format!(
                "`{shown}` in `{}{key}` is not {}",
                self.prefix, expected.kind
            ),
            hint: Some(expected.hint.to_owned()),
        }
    }
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_value_and_a_fix() {
        for (text, at, message, hint) in [
            (
                "verbosit = \"quiet\"",
                "verbosit",
                "`verbosit` is not a setting",
                "did you mean `verbosity`?",
            ),
            (
                "[gc]\nx = 1",
                "x",
                "`gc.x` is not a setting",
                "the keys here are `keep-size`, `older-than`",
            ),
            (
                "tools-from = \"moon\"",
                "\"moon\"",
                "`moon` is not a value of `tools-from`",
                "the values are `managed`, `host`, `auto`",
            ),
            (
                "tools-from = 1",
                "1",
                "`tools-from` is not a string",
                "write a string",
            ),
            (
                "hook-timeout = -1",
                "-1",
                "`hook-timeout` is not a number of seconds",
                "write a number of seconds",
            ),
            ("gc = 1", "1", "`gc` is not a table", "write a table"),
            (
                "[gc]\nkeep-size = \"much\"",
                "\"much\"",
                "`much` in `gc.keep-size` is not a size",
                SIZE.hint,
            ),
            (
                "[gc]\nolder-than = \"30\"",
                "\"30\"",
                "`30` in `gc.older-than` is not a time span",
                SPAN.hint,
            ),
            (
                "[sources]\npypi = \"me:pw@x?token=t\"",
                "\"me:pw@x?token=t\"",
                "`x` in `sources.pypi` is not an address",
                ADDRESS.hint,
            ),
            (
                "[sources]\nhosts = \"x\"",
                "\"x\"",
                "`sources.hosts` is not a list of strings",
                "write a list of strings",
            ),
            (
                "[sources]\nhosts = [\"https://x\"]",
                "\"https://x\"",
                "`https://x` in `sources.hosts` is not a server",
                HOST.hint,
            ),
            (
                "[trust]\nallow = [\"/a\", \"work\"]",
                "\"work\"",
                "`work` in `trust.allow` is not a whole path",
                PATH.hint,
            ),
            (
                "[trust]\nremotes = [\"github.com\"]",
                "\"github.com\"",
                "`github.com` in `trust.remotes` is not a group of repositories",
                REMOTE.hint,
            ),
        ] {
            let problem = Settings::parse(text, None).unwrap_err();
            assert_eq!(&text[problem.span.unwrap()], at, "{text}");
            assert_eq!(
                (&*problem.message, problem.hint.as_deref()),
                (message, Some(hint))
            );
        }
        let problem = Settings::parse("a = ", None).unwrap_err();
        assert!(problem.span.is_some() && !problem.message.is_empty());
    }

    #[test]
    fn limits_of_the_store_are_a_size_and_a_time_span() {
        let text = "[gc]\nkeep-size = \"1.5G\"\nolder-than = \"30d\"";
        let keep = Settings::parse(text, None).unwrap().gc;
        assert_eq!(keep.size, Some(3 << 29));
        assert_eq!(keep.older_than, Some(Duration::from_hours(720)));
        assert_eq!(Settings::parse("", None).unwrap().gc, Keep::default());
    }
}
