//! The source `cargo`: crates of the Rust registry, from its sparse index.
//!
//! A crate is the same file for every system, and is compiled on the machine. The lockfile has the public address of the
//! file and the SHA-256 of the index; the dependencies are in the `Cargo.lock` of the crate.

mod binstall;
mod lock_file;
pub(super) mod published;

use serde::Deserialize;
use url::Url;

use super::{Candidate, Error, IndexPage, PageAnswer, Sources, unreachable, unreadable};
use crate::{
    config::CRATES,
    fetch,
    lockfile::Artifact,
    package::{Sha256, System, Tool, Version},
    util::files,
};

pub use lock_file::{LockFileError, dependencies};
pub use published::names_files;

/// Largest accepted file of the index, in bytes.
const LIMIT: u64 = 64 << 20;
/// The newest form of lines that is known here; cargo leaves out the lines of newer forms too.
const FORM: u32 = 2;

/// A line of the index: one version of a crate.
#[derive(Deserialize)]
struct IndexLine {
    vers: String,
    cksum: String,
    #[serde(default)]
    yanked: bool,
    /// The oldest rust that compiles it.
    rust_version: Option<String>,
    /// The time of the publication (RFC 3339). Old lines have none.
    pubtime: Option<String>,
    /// The form of the line.
    v: Option<u32>,
}

/// Returns every version of a crate.
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let name = tool.package.as_str();
    let index = &sources.config.crates_index;
    let file = index
        .join(&index_path(name))
        .map_err(|error| unreadable(index, &error.to_string()))?;
    let page = IndexPage {
        address: &file,
        key: &file,
        accept: "text/plain",
        limit: LIMIT,
    };
    let new = match page.fetch(sources) {
        Ok(PageAnswer::Known(candidates)) => return Ok(candidates),
        Ok(PageAnswer::New(new)) => new,
        Err(error) if is_absent(&error) => {
            return Err(Error::UnknownPackage {
                tool: tool.clone(),
                host: index.host_str().unwrap_or("the index").to_owned(),
            });
        }
        Err(error) => return Err(unreachable(tool)(error)),
    };
    let text = String::from_utf8_lossy(&new.body);
    let mut candidates = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: IndexLine =
            serde_json::from_str(line).map_err(|error| unreadable(&file, &error.to_string()))?;
        candidates.extend(candidate(name, line));
    }
    page.store(&new, sources, &candidates);
    Ok(candidates)
}

/// Returns whether the index has no such crate, or its owners took it away.
fn is_absent(error: &fetch::Error) -> bool {
    match error {
        fetch::Error::Status { status, .. } => matches!(status, 404 | 410 | 451),
        fetch::Error::File(error) => files::is_absent(&error.source),
        _ => false,
    }
}

/// Returns the place of a crate in the index: `he/xy/hexyl`.
fn index_path(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.len() {
        1 => format!("1/{name}"),
        2 => format!("2/{name}"),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

fn candidate(name: &str, line: IndexLine) -> Option<Candidate> {
    if line.v.unwrap_or(1) > FORM {
        return None;
    }
    let digest: Sha256 = line.cksum.parse().ok()?;
    let artifact = crate_file(name, &line.vers, digest)?;
    let mut candidate = Candidate::new(line.vers.parse().ok()?);
    candidate.artifacts = System::ALL
        .into_iter()
        .map(|system| (system, vec![artifact.clone()]))
        .collect();
    candidate.yanked = line.yanked.then(String::new);
    candidate.rust = line.rust_version.and_then(|version| version.parse().ok());
    candidate.released = line.pubtime.and_then(|time| {
        let time: jiff::Timestamp = time.parse().ok()?;
        u64::try_from(time.as_second()).ok()
    });
    Some(candidate)
}

/// Returns the file of a crate, at its public address.
fn crate_file(name: &str, version: &str, digest: Sha256) -> Option<Artifact> {
    let mut url = Url::parse(CRATES).ok()?;
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend([name, version, "download"]);
    Some(Artifact {
        part: String::new(),
        url,
        digest: digest.into(),
        size: None,
    })
}

/// Returns whether one of these toolchains compiles a crate that needs at least `oldest`; without toolchains it does.
pub(super) fn compiles_with_any(oldest: &Version, toolchains: &[Version]) -> bool {
    toolchains.is_empty() || toolchains.iter().any(|toolchain| toolchain >= oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_have_their_places_in_the_index() {
        for (name, place) in [
            ("a", "1/a"),
            ("fd", "2/fd"),
            ("bat", "3/b/bat"),
            ("just", "ju/st/just"),
            ("Inflector", "in/fl/inflector"),
        ] {
            assert_eq!(index_path(name), place);
        }
    }

    #[test]
    fn lines_of_the_index_are_read() {
        let digest = "a".repeat(64);
        let read = |more: &str| {
            let line = format!(r#"{{"name":"a","vers":"1.2.0+x","cksum":"{digest}"{more}}}"#);
            candidate("a", serde_json::from_str(&line).unwrap())
        };
        let one = read(
            r#","deps":[],"features":{},"yanked":true,"rust_version":"1.85","pubtime":"2026-01-02T03:04:05Z""#,
        );
        let one = one.unwrap();
        assert_eq!(one.yanked.as_deref(), Some(""));
        assert_eq!(one.rust, "1.85".parse().ok());
        assert_eq!(one.released, Some(1_767_323_045));
        assert_eq!(one.systems(), System::ALL);
        let artifact = &one.artifacts[&System::LinuxX86_64][0];
        assert_eq!(
            artifact.url.as_str(),
            "https://static.crates.io/crates/a/1.2.0+x/download"
        );
        assert!(read(r#","v":2"#).is_some());
        assert!(read(r#","v":3"#).is_none());
    }
}
