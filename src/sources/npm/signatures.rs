//! The signatures of npm registries. A registry signs the name, the version and the SHA-512 of each tarball.

use serde::{Deserialize, Serialize};

use super::packument::Dist;
use crate::{
    lockfile::Artifact,
    package::PackageName,
    sources::{Candidate, Error, Sources},
};

/// A signature of a tarball.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TarballSignature {
    /// The signed text: `NAME@VERSION:sha512-…`.
    signed: String,
    /// The name of the key.
    key: String,
    /// In base64.
    signature: String,
}

/// Returns the signatures of a version.
pub(super) fn read(package: &PackageName, version: &str, dist: &Dist) -> Vec<TarballSignature> {
    let Some(integrity) = &dist.integrity else {
        return Vec::new();
    };
    let all = dist.signatures.iter().flatten();
    all.map(|one| TarballSignature {
        signed: format!("{package}@{version}:{integrity}"),
        key: one.key.clone(),
        signature: one.sig.clone(),
    })
    .collect()
}

/// Checks the signatures of a version. If every tarball has one of a known key, the candidate says so.
///
/// A registry without signatures, or with keys that the settings do not have, is no error.
pub(in crate::sources) fn check(
    candidate: &mut Candidate,
    sources: Sources<'_>,
) -> Result<(), Error> {
    let mut proven: Vec<&TarballSignature> = Vec::new();
    for one in &candidate.signatures {
        let mut keys = sources.config.npm_keys.iter();
        let Some(key) = keys.find(|key| key.id() == one.key) else {
            continue;
        };
        if !key.accepts(&one.signed, &one.signature) {
            let subject = one.signed.rsplit_once(':');
            return Err(Error::Signature {
                subject: subject.map_or(&*one.signed, |(name, _)| name).to_owned(),
                reason: format!("the registry's answer has it, with the key {}", one.key),
            });
        }
        proven.push(one);
    }
    let is_proven = |artifact: &Artifact| {
        let integrity = artifact.digest.integrity();
        integrity.is_some_and(|integrity| {
            let mut proven = proven.iter();
            proven.any(|one| one.signed.ends_with(&format!(":{integrity}")))
        })
    };
    let all_proven = candidate.artifacts.values().flatten().all(is_proven);
    if all_proven && let Some(last) = proven.last() {
        candidate.verified = Some(format!("signatures of the npm registry, {}", last.key));
    }
    Ok(())
}
