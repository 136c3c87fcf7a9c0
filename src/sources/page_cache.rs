//! Index pages kept on disk for a few minutes: only what devsh needs of them.
//!
//! Invariant: a page that is damaged, old or for another address is as good as none; keeping never fails
//! a command.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use url::Url;

use super::Candidate;
use crate::{
    lockfile::Artifact,
    package::{Digest, Sha256, System},
    util::{
        codec::{Damaged, Reader, Writer},
        files,
    },
};

/// How long a page is used.
const FRESH: Duration = Duration::from_mins(10);
/// Longest accepted file, in bytes.
const LIMIT: u64 = 64 << 20;
/// First field of a file; another layout gets another number.
const LAYOUT: u64 = 3;

/// Returns the candidates kept for `page`, if they were kept a short time ago.
pub(super) fn load(cache: &Path, page: &Url, now: SystemTime) -> Option<Vec<Candidate>> {
    let bytes = files::read_bounded(&path(cache, page), LIMIT).ok()??;
    let (kept, candidates) = decode(&bytes, page).ok()?;
    // A time in the future is a clock that was set back: nothing is known about the age.
    let age = seconds(now).checked_sub(kept)?;
    (age < FRESH.as_secs()).then_some(candidates)
}

/// Keeps the candidates of `page`.
pub(super) fn store(cache: &Path, page: &Url, now: SystemTime, candidates: &[Candidate]) {
    let path = path(cache, page);
    let stored = files::create_private_dir(path.parent().unwrap_or(cache))
        .and_then(|()| files::write_atomic(&path, &encode(page, now, candidates)));
    if let Err(error) = stored {
        tracing::debug!(%error, "page not kept");
    }
}

fn path(cache: &Path, page: &Url) -> PathBuf {
    let digest = blake3::hash(page.as_str().as_bytes()).to_hex();
    cache.join("index").join(&digest.as_str()[..32])
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The file names the page by digest, as the address may hold a password.
fn mark(page: &Url) -> [u8; 32] {
    *blake3::hash(page.as_str().as_bytes()).as_bytes()
}

fn encode(page: &Url, now: SystemTime, candidates: &[Candidate]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.number(LAYOUT);
    writer.bytes(mark(page));
    writer.number(seconds(now));
    writer.list(candidates.iter(), |writer, candidate| {
        writer.bytes(candidate.version.as_str());
        writer.option(candidate.build.as_ref(), Writer::bytes);
        writer.option(candidate.yanked.as_ref(), Writer::bytes);
        writer.option(candidate.released, Writer::number);
        writer.option(candidate.application.as_ref(), Writer::bytes);
        writer.list(candidate.artifacts.iter(), |writer, (system, artifacts)| {
            writer.bytes(system.as_str());
            writer.list(artifacts.iter(), |writer, artifact| {
                writer.bytes(&artifact.part);
                writer.bytes(artifact.url.as_str());
                writer.bytes(artifact.digest.as_bytes());
                writer.option(artifact.size, Writer::number);
            });
        });
    });
    writer.into_bytes()
}

fn decode(bytes: &[u8], page: &Url) -> Result<(u64, Vec<Candidate>), Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.number()? != LAYOUT || reader.array()? != mark(page) {
        return Err(Damaged);
    }
    let kept = reader.number()?;
    let candidates = reader.list(|reader| {
        let text = |reader: &mut Reader<'_>| Ok(reader.text()?.to_owned());
        let mut candidate = Candidate::new(reader.text()?.parse().map_err(|_| Damaged)?);
        candidate.build = reader.option(text)?;
        candidate.yanked = reader.option(text)?;
        candidate.released = reader.option(Reader::number)?;
        candidate.application = reader.option(text)?;
        candidate.artifacts = reader.list(artifacts)?.into_iter().collect();
        Ok(candidate)
    })?;
    reader.finish()?;
    Ok((kept, candidates))
}

fn artifacts(reader: &mut Reader<'_>) -> Result<(System, Vec<Artifact>), Damaged> {
    let system = reader.text()?.parse().map_err(|_| Damaged)?;
    let artifacts = reader.list(|reader| {
        Ok(Artifact {
            part: reader.text()?.to_owned(),
            url: reader.text()?.parse().map_err(|_| Damaged)?,
            digest: digest(reader.bytes()?)?,
            size: reader.option(Reader::number)?,
        })
    })?;
    Ok((system, artifacts))
}

/// The length of a digest tells its kind.
fn digest(bytes: &[u8]) -> Result<Digest, Damaged> {
    if let Ok(bytes) = bytes.try_into() {
        return Ok(Sha256::from_bytes(bytes).into());
    }
    bytes.try_into().map(Digest::Sha512).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_kept_for_a_while() {
        let cache = tempfile::tempdir().unwrap();
        let page: Url = "https://index.example/simple/ruff/".parse().unwrap();
        let other: Url = "https://other.example/simple/ruff/".parse().unwrap();
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        let candidates: Vec<Candidate> = super::super::python::compiled_in(false).unwrap();
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|candidate| Candidate {
                yanked: Some("x".to_owned()),
                application: Some(">=3.9".to_owned()),
                ..candidate
            })
            .collect();
        assert_eq!(load(cache.path(), &page, now), None);
        store(cache.path(), &page, now, &candidates);
        let minutes = |count| Duration::from_mins(count);
        assert_eq!(
            load(cache.path(), &page, now + minutes(9)),
            Some(candidates)
        );
        assert_eq!(load(cache.path(), &page, now + minutes(10)), None);
        assert_eq!(load(cache.path(), &page, now - minutes(1)), None);
        assert_eq!(load(cache.path(), &other, now), None);
        let file = path(cache.path(), &page);
        let whole = std::fs::read(&file).unwrap();
        for end in (0..whole.len()).step_by(997) {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert_eq!(load(cache.path(), &page, now), None, "{end}");
        }
    }
}
