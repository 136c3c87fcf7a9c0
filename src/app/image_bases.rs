//! The bases of container images: found in their registries, and pinned by the lockfile.

use std::{collections::BTreeSet, io::Read as _, path::Path};

use crate::{
    fetch::{
        self, Download,
        registry::{Logins, Reference, Registry},
    },
    image::{ImageConfig, ImageIndex, ImageManifest, MediaType, Platform, digest_of},
    lockfile::{ImageBase, ImageBases, Upgrade},
    manifest::{Manifest, Origin, SCRATCH},
    package::{Digest, Sha256},
    report::failure::Failure,
    util::files,
};

use super::session::Session;

/// The longest accepted manifest or configuration, in bytes.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The base of an image.
#[derive(Clone, Copy)]
struct WantedBase<'m> {
    name: &'m str,
    /// The place of the key, or of the table of an image with the default base.
    origin: Option<&'m Origin>,
}

/// Returns the bases that the images of a manifest have.
fn wanted(manifest: &Manifest) -> impl Iterator<Item = WantedBase<'_>> {
    let bases = manifest.images.values().map(|image| WantedBase {
        name: image.base(),
        origin: match &image.base {
            Some(base) => Some(&base.origin),
            None => image.origin.as_ref(),
        },
    });
    bases.filter(|base| base.name != SCRATCH)
}

/// Returns the bases of a manifest's images, keeping what is locked unless everything is upgraded.
pub fn resolve(
    session: &Session<'_>,
    manifest: &Manifest,
    previous: &ImageBases,
    upgrade: &Upgrade,
) -> Result<ImageBases, Failure> {
    let mut bases = ImageBases::new();
    for wanted in wanted(manifest) {
        let name = wanted.name;
        let kept = previous.get(name).filter(|_| *upgrade != Upgrade::All);
        if bases.contains_key(name) {
            continue;
        }
        let base = match kept {
            Some(base) => base.clone(),
            None => find(session, name).map_err(|failure| match wanted.origin {
                Some(origin) => failure.note(format!("{origin} asks for the base `{name}`")),
                None => failure,
            })?,
        };
        bases.insert(name.to_owned(), base);
    }
    Ok(bases)
}

/// Returns the client for the repository of a reference, with the user's login.
pub fn registry(session: &Session<'_>, reference: &Reference) -> Result<Registry, Failure> {
    let logins = Logins {
        env: &session.env_for_logins(),
        home: session.context.directories.home.as_deref(),
    };
    let login = logins.find(&reference.host, &reference.repository);
    Ok(Registry::new(session.client()?, reference, login)?)
}

/// Returns the failure of a request to a registry.
pub fn registry_failure(reference: &Reference, error: &fetch::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        fetch::Error::Unreachable { .. } => failure
            .hint(format!(
                "check the network, and whether `{}` is the right host",
                reference.host
            ))
            .temporary(),
        fetch::Error::Status {
            status: 401 | 403, ..
        } => failure
            .note(format!("`{}` refuses this user", reference.host))
            .hint(format!(
                "log in with `docker login {0}` or `podman login {0}`; devsh reads their files",
                reference.host
            )),
        fetch::Error::Status { status: 404, .. } => failure.note(format!(
            "there is no `{reference}`, or this user may not see it"
        )),
        _ => Failure::from(error),
    }
}

/// Asks the registry for the manifests of a base.
fn find(session: &Session<'_>, name: &str) -> Result<ImageBase, Failure> {
    let reference: Reference = name.parse()?;
    let registry = registry(session, &reference)?;
    let asked = |error: fetch::Error| registry_failure(&reference, &error);
    let found = registry.manifest(&reference.version()).map_err(asked)?;
    let unusable =
        |reason: &str| Failure::new(format!("`{name}` is not usable as a base: {reason}"));
    let mut base = ImageBase::new();
    if matches!(
        found.media_type.as_str(),
        MediaType::INDEX | MediaType::DOCKER_LIST
    ) {
        let index: ImageIndex = serde_json::from_slice(&found.bytes)
            .map_err(|_| unusable("its index cannot be read"))?;
        for descriptor in index.manifests {
            let system = descriptor.platform.as_ref().and_then(Platform::system);
            if let (Some(system), Some(sha256)) = (system, descriptor.sha256()) {
                base.entry(system).or_insert(sha256);
            }
        }
    } else {
        let manifest: ImageManifest = serde_json::from_slice(&found.bytes)
            .map_err(|_| unusable("its manifest cannot be read"))?;
        let config = read_config(session, &registry, &manifest).map_err(asked)?;
        let config = config.ok_or_else(|| unusable("its configuration cannot be read"))?;
        base.extend(
            config
                .platform
                .system()
                .map(|system| (system, found.digest)),
        );
    }
    if base.is_empty() {
        return Err(unusable("it has no manifest for Linux on amd64 or arm64"));
    }
    Ok(base)
}

/// Downloads and reads the configuration of an image.
pub fn read_config(
    session: &Session<'_>,
    registry: &Registry,
    manifest: &ImageManifest,
) -> Result<Option<ImageConfig>, fetch::Error> {
    let Some(sha256) = manifest.config.sha256() else {
        return Ok(None);
    };
    let bytes = small_blob(session, registry, &sha256, manifest.config.size)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Returns the manifest of a locked base, which is asked for once.
pub fn base_manifest(
    session: &Session<'_>,
    registry: &Registry,
    sha256: &Sha256,
) -> Result<Vec<u8>, fetch::Error> {
    let directory = session.context.directories.cache.join("downloads");
    files::create_private_dir(&directory)?;
    let digest = Digest::Sha256(*sha256);
    if let Some(found) = fetch::find_download(&directory, &digest) {
        return content(&found, &directory);
    }
    let bytes = registry.manifest(&digest_of(sha256))?.bytes;
    files::write_atomic(&fetch::partial(&directory, &digest), &bytes)?;
    Ok(bytes)
}

fn small_blob(
    session: &Session<'_>,
    registry: &Registry,
    sha256: &Sha256,
    size: u64,
) -> Result<Vec<u8>, fetch::Error> {
    let directory = session.context.directories.cache.join("downloads");
    files::create_private_dir(&directory)?;
    if size > DOCUMENT_LIMIT {
        return Err(registry.too_large(sha256, DOCUMENT_LIMIT));
    }
    let blob = registry.blob(sha256, Some(size), &directory, &fetch::Silent)?;
    content(&blob, &directory)
}

/// Reads a small document.
fn content(document: &Download, directory: &Path) -> Result<Vec<u8>, fetch::Error> {
    let mut bytes = Vec::new();
    document
        .open()
        .and_then(|file| file.take(DOCUMENT_LIMIT).read_to_end(&mut bytes))
        .map_err(files::at("read", directory))?;
    Ok(bytes)
}

/// Returns the problems of a lockfile that lacks a base.
pub fn problems(manifest: &Manifest, locked: &ImageBases) -> Vec<String> {
    let names: BTreeSet<&str> = wanted(manifest).map(|wanted| wanted.name).collect();
    let missing = names.iter().filter(|name| !locked.contains_key(**name));
    let missing = missing.map(|name| format!("the base image `{name}` is not locked"));
    let left = locked
        .keys()
        .filter(|name| !names.contains(name.as_str()))
        .map(|name| format!("the base image `{name}` is locked and no image has it"));
    missing.chain(left).collect()
}
