//! The source `url`: plain downloads of vendors, at addresses that the manifest or the catalogue spells with
//! placeholders.
//!
//! The versions are those of a repository's releases, or the one that the manifest asks for. The digest comes from the
//! manifest, else from the vendor's file of digests, else from the download itself.

use std::fs::File;

use url::Url;

use super::{
    Candidate, Error, Sources,
    checksums::{self, digest_of},
    computed_digest, get, github, lockable_address,
};
use crate::{
    lockfile::Artifact,
    manifest::ToolRequest,
    package::{Digest, MinisignKey, ReleaseName, ReleaseOptions, Sha256, System, Tool, Version},
    util::{address::parse_address, parallel, redact::redact_url},
};

/// Downloads at the same time.
const PARALLEL: usize = 4;
/// Longest accepted file of a signature, in bytes.
const LONGEST_SIGNATURE: u64 = 1 << 16;

/// Returns the versions with their downloads.
pub(super) fn candidates(
    tool: &Tool,
    request: &ToolRequest,
    sources: Sources<'_>,
) -> Result<Vec<Candidate>, Error> {
    let options = request.release_options(tool);
    let versions = match options.versions() {
        Some(package) => {
            let (_, repository) = package.split_once(':').unwrap_or(("", package));
            github::versions(tool, repository, request, sources)?
        }
        None => vec![Candidate::new(exact_version(tool, request)?)],
    };
    versions
        .into_iter()
        .map(|candidate| with_downloads(tool, candidate, &options))
        .collect()
}

fn exact_version(tool: &Tool, request: &ToolRequest) -> Result<Version, Error> {
    let wanted = &request.requirement.value;
    wanted
        .exact()
        .or_else(|| wanted.as_str().parse().ok())
        .ok_or_else(|| Error::NeedsVersion { tool: tool.clone() })
}

fn with_downloads(
    tool: &Tool,
    mut candidate: Candidate,
    options: &ReleaseOptions,
) -> Result<Candidate, Error> {
    let version = candidate.version.as_str().to_owned();
    let mut given = false;
    for system in System::ALL {
        let Some(url) = address(tool, options, &version, system)? else {
            continue;
        };
        // Other systems have no digest: the manifest leaves them out.
        match options.sha256(system) {
            Some(digest) => {
                given = true;
                candidate
                    .artifacts
                    .insert(system, vec![artifact(url, digest, None)]);
            }
            None if options.has_digests() => {}
            None => drop(candidate.undigested.insert(system, url)),
        }
    }
    if given {
        candidate.checked = Some("digests of the manifest".to_owned());
    }
    Ok(candidate)
}

/// Returns the address of the download for a system, if there is one.
pub fn address(
    tool: &Tool,
    options: &ReleaseOptions,
    version: &str,
    system: System,
) -> Result<Option<Url>, Error> {
    let text = options.url(system);
    text.map(|text| expanded(tool, options, text, version, system))
        .transpose()
}

fn expanded(
    tool: &Tool,
    options: &ReleaseOptions,
    text: &str,
    version: &str,
    system: System,
) -> Result<Url, Error> {
    let release = ReleaseName {
        version,
        tag: version,
        system,
    };
    let invalid = |message: String| Error::Address {
        tool: tool.clone(),
        message,
    };
    let expanded = options
        .expand(text, &release)
        .map_err(|error| invalid(error.to_string()))?;
    let url = parse_address(&expanded).map_err(|error| invalid(format!("`{text}`: {error}")))?;
    lockable_address(url)
}

/// Returns the only artifact of a download.
pub(super) const fn artifact(url: Url, digest: Sha256, size: Option<u64>) -> Artifact {
    Artifact {
        part: String::new(),
        url,
        digest: Digest::Sha256(digest),
        size,
    }
}

/// Returns the candidate with the digests of its downloads. A system whose download does not exist is left out, unless
/// it is this one.
pub(super) fn with_digests(
    tool: &Tool,
    request: &ToolRequest,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Candidate, Error> {
    let options = request.release_options(tool);
    let mut complete = candidate.clone();
    let open: Vec<(System, Url)> = std::mem::take(&mut complete.undigested)
        .into_iter()
        .collect();
    let version = candidate.version.as_str();
    let found = parallel::map(PARALLEL, &open, |(system, url)| {
        if let Some(key) = options.minisign() {
            let check = |file: &File| check_signature(tool, url, key, file, sources);
            let (digest, size) = computed_digest(tool, url, *system, sources, check)?;
            let origin = "digests computed from the signed downloads";
            return Ok::<_, Error>((digest, Some(size), origin.to_owned()));
        }
        let published = published_digest(tool, &options, version, *system, url, sources)?;
        if let Some((digest, origin)) = published {
            return Ok((digest, None, origin));
        }
        let (digest, size) = computed_digest(tool, url, *system, sources, |_| Ok(()))?;
        let origin = "digests computed from the downloads, because none are published";
        Ok((digest, Some(size), origin.to_owned()))
    });
    let mut origins: Vec<String> = Vec::new();
    for ((system, url), found) in open.into_iter().zip(found) {
        let (digest, size, origin) = match found {
            Ok(found) => found,
            Err(error) if system != sources.system && error.is_absent() => continue,
            Err(error) => return Err(error),
        };
        if !origins.contains(&origin) {
            origins.push(origin);
        }
        complete
            .artifacts
            .insert(system, vec![artifact(url, digest, size)]);
    }
    complete.checked = Some(origins.join(", "));
    let key = options.minisign();
    complete.verified = key.map(|key| format!("minisign signatures of {key}"));
    Ok(complete)
}

/// Checks the signature of a download, which is next to it on its server.
fn check_signature(
    tool: &Tool,
    url: &Url,
    key: &MinisignKey,
    file: &File,
    sources: Sources<'_>,
) -> Result<(), Error> {
    let mut address = url.clone();
    address.set_path(&format!("{}.minisig", url.path()));
    let signature = get(tool, &address, "*/*", LONGEST_SIGNATURE, sources)?;
    key.check(file, file_name(url), &String::from_utf8_lossy(&signature))
        .map_err(|reason| Error::Signature {
            subject: redact_url(url).to_string(),
            reason: format!("{} for {key}: {reason}", redact_url(&address)),
        })
}

/// Returns the digest in the vendor's file of digests, if the tool names one, and the name of the file.
fn published_digest(
    tool: &Tool,
    options: &ReleaseOptions,
    version: &str,
    system: System,
    url: &Url,
    sources: Sources<'_>,
) -> Result<Option<(Sha256, String)>, Error> {
    let Some(text) = options.checksums(system) else {
        return Ok(None);
    };
    let file = expanded(tool, options, text, version, system)?;
    let body = get(tool, &file, "*/*", checksums::LIMIT, sources)?;
    let (asset, name) = (file_name(url), file_name(&file));
    let digest = digest_of(asset, name, &String::from_utf8_lossy(&body));
    match digest {
        Some(digest) => {
            let server = file.host_str().unwrap_or_default();
            Ok(Some((digest, format!("digests of `{server}`"))))
        }
        None => Err(Error::Unreadable {
            place: redact_url(&file).to_string(),
            message: format!("it has no SHA-256 of `{asset}`"),
        }),
    }
}

fn file_name(url: &Url) -> &str {
    url.path().rsplit('/').next().unwrap_or_default()
}
