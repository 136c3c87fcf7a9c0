//! Pushes an image to a registry, with its bill of materials as a referrer.

use std::collections::BTreeMap;

use crate::{
    fetch::{
        self,
        registry::{LocalBlob, Pushed, Reference, Registry},
    },
    image::{Descriptor, ImageIndex, ImageLayout, ImageManifest, MediaType},
    manifest::SCRATCH,
    report::failure::Failure,
};

use super::{
    build_image::{BuiltPlatform, ImageOptions, build_image},
    image_bases,
    session::Session,
};

/// The result of a push.
#[derive(Debug)]
pub struct ImagePushReport {
    pub reference: Reference,
    pub digest: String,
    /// The numbers of blobs that the registry had already and that were uploaded.
    pub present: usize,
    pub uploaded: usize,
    pub uploaded_bytes: u64,
}

/// Builds an image and pushes it, with its bill of materials as a referrer.
pub fn push_image(
    session: &Session<'_>,
    options: &ImageOptions,
    reference: Reference,
) -> Result<ImagePushReport, Failure> {
    let built = build_image(session, options)?;
    let base: Option<Reference> = built.base.parse().ok();
    let base = base.filter(|base| base.host == reference.host && built.base != SCRATCH);
    let mut push = Push {
        layout: ImageLayout::create(&built.layout)?,
        registry: image_bases::registry(session, &reference)?,
        report: ImagePushReport {
            digest: built.descriptor.digest.clone(),
            reference,
            present: 0,
            uploaded: 0,
            uploaded_bytes: 0,
        },
    };
    let progress = session.reporter.progress();
    for platform in &built.platforms {
        let manifest = push.layout.read_manifest(&platform.manifest)?;
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let sha256 = descriptor.require_sha256()?;
            let meter = progress.start(
                &format!("layer {}", &sha256.to_string()[..12]),
                "uploading",
                Some(descriptor.size),
            );
            let mount = base.as_ref().map(|base| base.repository.as_str());
            match push.blob(descriptor, mount)? {
                Pushed::Uploaded => {
                    push.report.uploaded += 1;
                    push.report.uploaded_bytes += descriptor.size;
                }
                _ => push.report.present += 1,
            }
            meter.advance(descriptor.size);
            meter.finish();
        }
        push.manifest(&platform.manifest, &platform.manifest.digest)?;
        push.sbom(platform)?;
    }
    let tag = push.report.reference.tag.clone();
    push.manifest(&built.descriptor, tag.as_deref().unwrap_or("latest"))?;
    Ok(push.report)
}

/// A push from a layout to a repository.
struct Push {
    layout: ImageLayout,
    registry: Registry,
    report: ImagePushReport,
}

impl Push {
    fn failure(&self, error: &fetch::Error) -> Failure {
        image_bases::registry_failure(&self.report.reference, error)
    }

    /// Uploads a blob that the registry lacks; `mount` is a repository there that may have it.
    fn blob(&self, descriptor: &Descriptor, mount: Option<&str>) -> Result<Pushed, Failure> {
        let digest = descriptor.require_sha256()?;
        let blob = LocalBlob {
            digest,
            size: descriptor.size,
            file: &self.layout.blob(&digest),
        };
        let pushed = self.registry.push_blob(blob, mount);
        pushed.map_err(|error| self.failure(&error))
    }

    /// Stores a manifest under a tag or a digest.
    fn manifest(&self, descriptor: &Descriptor, name: &str) -> Result<(), Failure> {
        let bytes = self.layout.read_blob(descriptor)?;
        self.registry
            .put_manifest(name, &descriptor.media_type, &bytes)
            .map_err(|error| self.failure(&error))
    }

    /// Pushes the bill of materials as an artifact that refers to the image. Registries without the referrers API find
    /// it by the tag that the specification names.
    fn sbom(&self, platform: &BuiltPlatform) -> Result<(), Failure> {
        let sbom = self.layout.add_document(MediaType::SBOM, &platform.sbom)?;
        let empty = self.layout.add_bytes(MediaType::EMPTY, b"{}")?;
        for descriptor in [&sbom, &empty] {
            self.blob(descriptor, None)?;
        }
        let mut subject = platform.manifest.clone();
        subject.platform = None;
        let artifact = ImageManifest {
            schema_version: 2,
            media_type: Some(MediaType::MANIFEST.to_owned()),
            artifact_type: Some(MediaType::SBOM.to_owned()),
            config: empty,
            layers: vec![sbom],
            subject: Some(subject),
            annotations: BTreeMap::new(),
        };
        let mut descriptor = self.layout.add_document(MediaType::MANIFEST, &artifact)?;
        self.manifest(&descriptor, &descriptor.digest)?;
        descriptor
            .annotations
            .insert("artifactType".to_owned(), MediaType::SBOM.to_owned());
        let index = ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::INDEX.to_owned()),
            manifests: vec![descriptor],
            annotations: BTreeMap::new(),
        };
        let index = self.layout.add_document(MediaType::INDEX, &index)?;
        let tag = platform.manifest.digest.replace(':', "-");
        self.manifest(&index, &tag)
    }
}
