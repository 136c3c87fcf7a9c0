//! The base of an image, downloaded into its layout.

use std::fs;

use crate::{
    app::{image_bases, lock, session::Session},
    fetch::{self, registry::Reference},
    image::{ImageConfig, ImageLayout, ImageManifest, MediaType},
    package::{Sha256, System},
    project::Project,
    report::failure::Failure,
    util::files,
};

/// The base of an image, in the layout.
pub(super) struct BaseImage {
    pub(super) reference: Reference,
    /// The digest of its manifest.
    pub(super) digest: Sha256,
    pub(super) manifest: ImageManifest,
    pub(super) config: ImageConfig,
}

/// Brings the blobs of the base into the layout, exactly those that the lockfile names.
pub(super) fn fetch_base(
    session: &Session<'_>,
    project: &Project,
    base: &str,
    system: System,
    layout: &ImageLayout,
) -> Result<BaseImage, Failure> {
    let bases = lock::lock_image_bases(session, project)?;
    let locked = bases.get(base).and_then(|base| base.get(&system));
    let Some(locked) = locked else {
        return Err(Failure::new(format!(
            "the base image `{base}` has no manifest for {system}"
        )));
    };
    let reference: Reference = base.parse()?;
    let registry = image_bases::registry(session, &reference)?;
    let failed = |error: fetch::Error| image_bases::registry_failure(&reference, &error);
    let unusable =
        |reason: &str| Failure::new(format!("`{base}` is not usable as a base: {reason}"));
    let bytes = image_bases::base_manifest(session, &registry, locked).map_err(failed)?;
    let mut manifest: ImageManifest =
        serde_json::from_slice(&bytes).map_err(|_| unusable("its manifest cannot be read"))?;
    let config = image_bases::read_config(session, &registry, &manifest).map_err(failed)?;
    let config = config.ok_or_else(|| unusable("its configuration cannot be read"))?;
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return Err(unusable("its configuration has another number of layers"));
    }
    let progress = session.reporter.progress();
    let downloads = session.context.directories.cache.join("downloads");
    for descriptor in &mut manifest.layers {
        let media_type = MediaType::of_layer(&descriptor.media_type).ok_or_else(|| {
            unusable(&format!("a layer has the type `{}`", descriptor.media_type))
        })?;
        let sha256 = descriptor
            .sha256()
            .ok_or_else(|| unusable("a layer has no SHA-256"))?;
        media_type.clone_into(&mut descriptor.media_type);
        let place = layout.blob(&sha256);
        // A directory of a repository can hold another file under the name of the digest.
        if layout.read(&sha256).is_some() {
            continue;
        }
        let meter = progress.start(
            &format!("base {base}"),
            "downloading",
            Some(descriptor.size),
        );
        let blob = registry
            .blob(&sha256, Some(descriptor.size), &downloads, &*meter)
            .map_err(failed)?;
        meter.finish();
        let temporary = place.with_extension("partial");
        match fs::remove_file(&temporary) {
            Err(error) if !files::is_absent(&error) => {
                return Err(files::at("remove", &temporary)(error).into());
            }
            _ => {}
        }
        blob.copy_to(&temporary)
            .and_then(|()| fs::rename(&temporary, &place))
            .map_err(files::at("write", &place))?;
    }
    Ok(BaseImage {
        digest: *locked,
        reference: reference.clone(),
        manifest,
        config,
    })
}
