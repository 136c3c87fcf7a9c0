//! The addresses of prebuilt programs in `[package.metadata.binstall]` of a crate, as cargo-binstall reads them.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use crate::package::System;

/// Longest address, in bytes: a crate can repeat a long name in it.
const LONGEST_ADDRESS: usize = 8 << 10;
/// The server whose releases have usual names of files.
const GITHUB: &str = "github.com";
/// The usual tags and names of files in a release, for a crate that does not name them.
const TAGS: [&str; 4] = [
    "v{ version }",
    "{ version }",
    "{ subcrate }%2Fv{ version }",
    "{ subcrate }%2F{ version }",
];
const NAMES: [&str; 10] = [
    "{ name }-{ target }-v{ version }{ archive-suffix }",
    "{ name }-{ target }-{ version }{ archive-suffix }",
    "{ name }-{ version }-{ target }{ archive-suffix }",
    "{ name }-v{ version }-{ target }{ archive-suffix }",
    "{ name }_{ target }_v{ version }{ archive-suffix }",
    "{ name }_{ target }_{ version }{ archive-suffix }",
    "{ name }_{ version }_{ target }{ archive-suffix }",
    "{ name }_v{ version }_{ target }{ archive-suffix }",
    "{ name }-{ target }{ archive-suffix }",
    "{ name }_{ target }{ archive-suffix }",
];
/// The ends of names of files, for a crate that does not name its format.
const ENDS: [&str; 11] = [
    ".tgz", ".tar.gz", ".txz", ".tar.xz", ".tzst", ".tar.zst", ".tbz2", ".tar.bz2", ".tar", ".zip",
    "",
];

#[derive(Deserialize)]
struct CrateManifest {
    package: CratePackage,
}

#[derive(Deserialize)]
struct CratePackage {
    name: String,
    version: String,
    repository: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    binstall: Option<Binstall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Binstall {
    #[serde(flatten)]
    usual: Download,
    #[serde(default)]
    disabled_strategies: Vec<String>,
    /// By target.
    #[serde(default)]
    overrides: BTreeMap<String, Download>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Download {
    pkg_url: Option<String>,
    pkg_fmt: Option<String>,
}

/// The repository of a crate.
struct Repository {
    url: Url,
    /// The directory of the crate in it.
    subcrate: Option<String>,
}

impl Repository {
    /// Reads the address of `Cargo.toml`, which may lead to a directory: `https://github.com/o/r/tree/main/crates/c`.
    fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        let parts: Vec<&str> = url.path_segments()?.filter(|one| !one.is_empty()).collect();
        let is_directory = parts.len() > 4 && matches!(parts[2], "tree" | "blob");
        let subcrate = is_directory.then(|| parts[parts.len() - 1].to_owned());
        let kept = if is_directory {
            &parts[..2]
        } else {
            &parts[..]
        };
        let path = kept.join("/");
        let path = path.strip_suffix(".git").unwrap_or(&path).to_owned();
        url.set_path(&path);
        Some(Self { url, subcrate })
    }
}

/// Returns the addresses where the programs of a crate may be, for each system, the best first; nothing if its
/// `Cargo.toml` names none.
pub(super) fn addresses(manifest: &str) -> Option<BTreeMap<System, Vec<Url>>> {
    let manifest: CrateManifest = toml::from_str(manifest).ok()?;
    let package = manifest.package;
    let binstall = package.metadata.binstall.as_ref()?;
    let disabled = &binstall.disabled_strategies;
    if disabled.iter().any(|one| one == "crate-meta-data") {
        return None;
    }
    let repository = package.repository.as_deref().and_then(Repository::parse);
    let mut all = BTreeMap::new();
    for system in System::ALL {
        let mut urls: Vec<Url> = Vec::new();
        for target in targets(system) {
            let own = binstall.overrides.get(*target);
            let own_url = own.and_then(|own| own.pkg_url.as_ref());
            let format = own.and_then(|own| own.pkg_fmt.as_ref());
            let format = format.or(binstall.usual.pkg_fmt.as_ref());
            let templates = match own_url.or(binstall.usual.pkg_url.as_ref()) {
                Some(template) => vec![template.clone()],
                None => usual_templates(repository.as_ref()),
            };
            for template in templates {
                for end in ends(&template, format.map(String::as_str)) {
                    let values = Values {
                        package: &package,
                        repository: repository.as_ref(),
                        target,
                        end,
                    };
                    let url = values
                        .expand(&template)
                        .and_then(|url| Url::parse(&url).ok());
                    urls.extend(url.filter(|url| !urls.contains(url)));
                }
            }
        }
        all.insert(system, urls);
    }
    Some(all)
}

/// Returns the targets whose programs run on a system, the best first: a static program needs no library of the machine.
const fn targets(system: System) -> &'static [&'static str] {
    match system {
        System::LinuxX86_64 => &["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"],
        System::LinuxAarch64 => &["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"],
        System::MacosX86_64 => &[
            "x86_64-apple-darwin",
            "universal-apple-darwin",
            "universal2-apple-darwin",
        ],
        System::MacosAarch64 => &[
            "aarch64-apple-darwin",
            "universal-apple-darwin",
            "universal2-apple-darwin",
            "x86_64-apple-darwin",
        ],
    }
}

/// Returns the usual addresses in the releases of a repository.
fn usual_templates(repository: Option<&Repository>) -> Vec<String> {
    if repository.is_none_or(|repository| repository.url.host_str() != Some(GITHUB)) {
        return Vec::new();
    }
    let named = |tag: &str| NAMES.map(|name| format!("{{ repo }}/releases/download/{tag}/{name}"));
    TAGS.iter().flat_map(|tag| named(tag)).collect()
}

/// Returns the ends of the name of a file in this format; an address without a place for them has one form.
fn ends(template: &str, format: Option<&str>) -> &'static [&'static str] {
    let has_place = ["format", "archive-format", "archive-suffix"];
    if !has_place
        .iter()
        .any(|name| variables(template).any(|one| one == *name))
    {
        return &[""];
    }
    match format {
        None => &ENDS,
        Some("bin") => &["", ".bin"],
        Some("tar") => &[".tar"],
        Some("tbz2") => &[".tbz2", ".tar.bz2"],
        Some("tgz") => &[".tgz", ".tar.gz"],
        Some("txz") => &[".txz", ".tar.xz"],
        Some("tzstd") => &[".tzstd", ".tzst", ".tar.zst"],
        Some("zip") => &[".zip"],
        Some(_) => &[],
    }
}

/// Returns the names of the variables in a template.
fn variables(template: &str) -> impl Iterator<Item = &str> {
    let parts = template.split('{').skip(1);
    parts.filter_map(|part| Some(part.split_once('}')?.0.trim()))
}

/// The values of the variables.
struct Values<'a> {
    package: &'a CratePackage,
    repository: Option<&'a Repository>,
    target: &'a str,
    /// The end of the name of the file, with its dot.
    end: &'a str,
}

impl Values<'_> {
    /// Returns the text with its variables replaced; nothing if one of them is not known.
    fn expand(&self, template: &str) -> Option<String> {
        let mut expanded = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            expanded.push_str(before);
            expanded.push_str(&self.value(name.trim())?);
            if expanded.len() > LONGEST_ADDRESS {
                return None;
            }
            rest = after;
        }
        expanded.push_str(rest);
        Some(expanded)
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "name" | "bin" => self.package.name.clone(),
            "version" => self.package.version.clone(),
            "repo" => self
                .repository?
                .url
                .as_str()
                .trim_end_matches('/')
                .to_owned(),
            "subcrate" => self.repository?.subcrate.clone()?,
            "target" => self.target.to_owned(),
            "archive-suffix" => self.end.to_owned(),
            "archive-format" | "format" if self.end.is_empty() => "bin".to_owned(),
            "archive-format" | "format" => self.end.trim_start_matches('.').to_owned(),
            "binary-ext" => String::new(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses_of(name: &str, table: &str) -> Option<BTreeMap<System, Vec<String>>> {
        let text = format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\n{table}");
        let texts = |urls: Vec<Url>| urls.iter().map(ToString::to_string).collect();
        let all = addresses(&text)?.into_iter();
        Some(all.map(|(system, urls)| (system, texts(urls))).collect())
    }

    #[test]
    fn an_address_that_repeats_a_name_without_end_is_none() {
        let table = |times: usize| {
            let path = "{ name }/".repeat(times);
            format!("metadata.binstall.pkg-url = \"https://example.com/{path}{{ target }}.tgz\"")
        };
        let name = "n".repeat(1 << 10);
        let count = |times| {
            let all = addresses_of(&name, &table(times)).unwrap_or_default();
            all.values().map(Vec::len).sum::<usize>()
        };
        assert!(count(2) > 0);
        assert_eq!(count(100_000), 0);
    }

    #[test]
    fn addresses_are_read_as_crates_write_them() {
        // cargo-nextest
        let all = addresses_of(
            "cargo-nextest",
            r#"repository = "https://github.com/nextest-rs/nextest"
            [package.metadata.binstall]
            bin-dir = "{ bin }{ binary-ext }"
            pkg-fmt = "tgz"
            pkg-url = "{ repo }/releases/download/cargo-nextest-{ version }/{ name }-{ version }-{ target }.tar.gz"
            [package.metadata.binstall.overrides.aarch64-apple-darwin]
            pkg-url = "{ repo }/releases/download/cargo-nextest-{ version }/{ name }-{ version }-universal-apple-darwin.tar.gz"
            "#,
        );
        let all = all.unwrap();
        let at = "https://github.com/nextest-rs/nextest/releases/download/cargo-nextest-1.2.3/cargo-nextest-1.2.3";
        assert_eq!(
            all[&System::LinuxX86_64],
            [
                format!("{at}-x86_64-unknown-linux-musl.tar.gz"),
                format!("{at}-x86_64-unknown-linux-gnu.tar.gz"),
            ]
        );
        assert_eq!(
            all[&System::MacosAarch64][0],
            format!("{at}-universal-apple-darwin.tar.gz")
        );
        // git-cliff
        let all = addresses_of(
            "git-cliff",
            r#"repository = "https://github.com/orhun/git-cliff.git"
            metadata.binstall.pkg-fmt = "tgz"
            metadata.binstall.pkg-url = "{ repo }/releases/download/v{ version }/{ name }-{ version }-{ target }{ archive-suffix }"
            "#,
        );
        let at = "https://github.com/orhun/git-cliff/releases/download/v1.2.3/git-cliff-1.2.3";
        assert_eq!(
            all.unwrap()[&System::LinuxAarch64][..2],
            [
                format!("{at}-aarch64-unknown-linux-musl.tgz"),
                format!("{at}-aarch64-unknown-linux-musl.tar.gz"),
            ]
        );
        // cargo-binstall
        let all = addresses_of(
            "cargo-binstall",
            r#"repository = "https://github.com/cargo-bins/cargo-binstall"
            [package.metadata.binstall]
            pkg-url = "{ repo }/releases/download/v{ version }/{ name }-{ target }.{ archive-format }"
            [package.metadata.binstall.overrides.x86_64-apple-darwin]
            pkg-fmt = "zip"
            "#,
        );
        assert_eq!(
            all.unwrap()[&System::MacosX86_64][0],
            "https://github.com/cargo-bins/cargo-binstall/releases/download/v1.2.3/cargo-binstall-x86_64-apple-darwin.zip"
        );
    }

    #[test]
    fn a_crate_without_an_address_has_usual_ones() {
        // cargo-watch
        let all = addresses_of(
            "cargo-watch",
            "repository = \"https://github.com/watchexec/cargo-watch\"\n\
             metadata.binstall.bin-dir = \"{ bin }{ format }\"\n",
        );
        let url = "https://github.com/watchexec/cargo-watch/releases/download/v1.2.3/cargo-watch-v1.2.3-x86_64-unknown-linux-musl.tar.xz";
        assert!(
            all.unwrap()[&System::LinuxX86_64]
                .iter()
                .any(|one| one == url)
        );
        let all = addresses_of(
            "tool",
            "repository = \"https://github.com/o/r/tree/main/crates/tool\"\nmetadata.binstall = {}\n",
        );
        let url =
            "https://github.com/o/r/releases/download/tool%2Fv1.2.3/tool-aarch64-apple-darwin.tgz";
        assert!(
            all.unwrap()[&System::MacosAarch64]
                .iter()
                .any(|one| one == url)
        );
    }

    #[test]
    fn other_crates_have_no_addresses() {
        for table in [
            "repository = \"https://github.com/o/r\"\n",
            "metadata.binstall.pkg-url = 3\n",
            "metadata.binstall = { pkg-url = \"https://x.example/{ version }\", disabled-strategies = [\"crate-meta-data\"] }\n",
        ] {
            assert!(addresses_of("tool", table).is_none(), "{table}");
        }
        for table in [
            "metadata.binstall = {}\n",
            "repository = \"https://git.example/o/r\"\nmetadata.binstall = {}\n",
            "metadata.binstall.pkg-url = \"{ repo }/x\"\n",
            "metadata.binstall.pkg-url = \"https://x.example/{ unknown }\"\n",
            "metadata.binstall.pkg-url = \"https://x.example/{ version\"\n",
            "metadata.binstall = { pkg-url = \"https://x.example/a{ archive-suffix }\", pkg-fmt = \"rar\" }\n",
        ] {
            let all = addresses_of("tool", table).unwrap();
            assert!(all.values().all(Vec::is_empty), "{table}: {all:?}");
        }
    }
}
