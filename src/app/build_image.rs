//! Builds container images: a dev shell from the store, files of the project, and a base become an image.

mod bill_of_materials;
mod dev_shell;
mod download_base;
mod image_config;
mod image_objects;
mod layers;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    fetch::registry::Reference,
    image::{
        self, Descriptor, EngineImage, ImageConfig, ImageIndex, ImageLayout, ImageManifest,
        ImageNames, MediaType, Platform,
    },
    manifest::{ImageRequest, SCRATCH, ShellName},
    package::{PackageName, Sha256, System},
    project::{Project, approval::Trusted},
    report::failure::Failure,
    util::files,
};

use super::{session::Session, trust};
use bill_of_materials::{base_component, components};
use dev_shell::build_shell;
use download_base::fetch_base;
use image_config::{ShellVariables, image_config};
use layers::{LayerTarget, WrittenLayers, write_layers};

/// The image that the user asks for.
#[derive(Debug, Default)]
pub struct ImageOptions {
    /// The name of an `[images.NAME]`; `None` for `[image]`.
    pub name: Option<PackageName>,
    /// The systems; none means this machine's processor.
    pub systems: Vec<System>,
    /// A directory for the layout, or a file that ends in `.tar`; devsh's cache without one.
    pub output: Option<PathBuf>,
    /// The file for the bill of materials of the only platform.
    pub sbom: Option<PathBuf>,
    /// The tag in the layout.
    pub tag: Option<String>,
    /// The digest that the image must have.
    pub expect: Option<String>,
    /// Labels beyond those of the manifest, such as the revision.
    pub labels: BTreeMap<String, String>,
}

/// An image that was built.
#[derive(Debug)]
pub struct BuiltImage {
    /// The manifest, or the index of several platforms.
    pub descriptor: Descriptor,
    pub platforms: Vec<BuiltPlatform>,
    /// The layout with all blobs.
    pub layout: PathBuf,
    /// The file or directory that the user asked for.
    pub output: Option<PathBuf>,
    pub tag: String,
    /// The name of the base.
    pub base: String,
}

/// The image of one platform.
#[derive(Debug)]
pub struct BuiltPlatform {
    pub platform: Platform,
    pub manifest: Descriptor,
    /// The layers of the base, then those of devsh.
    pub layers: Vec<ImageLayerInfo>,
    pub sbom: serde_json::Value,
    pub config: ImageConfig,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct ImageLayerInfo {
    pub descriptor: Descriptor,
    pub title: String,
}

/// Builds an image.
pub fn build_image(session: &Session<'_>, options: &ImageOptions) -> Result<BuiltImage, Failure> {
    let project = trust::trusted_project(session)?;
    let mut request = find_request(project.get(), options.name.as_ref())?.clone();
    request.labels.extend(options.labels.clone());
    let request = &request;
    let systems = match options.systems.as_slice() {
        [] => vec![usual_system(session)?],
        systems => systems.to_vec(),
    };
    if options.sbom.is_some() && systems.len() > 1 {
        return Err(Failure::new("`--sbom` writes the parts of one platform")
            .hint("name one platform, or push the image: every platform gets its own"));
    }
    let name = image_name(project.get(), options.name.as_ref());
    let (directory, layout) = match &options.output {
        Some(output) if !is_archive(output) => {
            (output.clone(), ImageLayout::create_output(output, &name)?)
        }
        _ => {
            let directory = cached_layout(session, project.get(), &name)?;
            let layout = ImageLayout::create(&directory)?;
            (directory, layout)
        }
    };
    let cwd = session.cwd()?;
    let written = [&options.output, &options.sbom].into_iter().flatten();
    let outputs: Vec<PathBuf> = written.map(|path| plain_path(&cwd.join(path))).collect();
    let mut platforms = Vec::new();
    for system in systems {
        let target = LayerTarget {
            layout: &layout,
            system,
            outputs: &outputs,
        };
        platforms.push(build_platform(session, &project, request, &name, target)?);
    }
    let descriptor = match platforms.as_slice() {
        [one] => one.manifest.clone(),
        several => {
            let index = ImageIndex {
                schema_version: 2,
                media_type: Some(MediaType::INDEX.to_owned()),
                manifests: several.iter().map(|one| one.manifest.clone()).collect(),
                annotations: annotations(request),
            };
            let added = layout.add_document(MediaType::INDEX, &index);
            added?
        }
    };
    if let Some(expected) = &options.expect
        && *expected != descriptor.digest
    {
        return Err(Failure::new("the image is not the one that is expected")
            .detail(format!("expected  {expected}"))
            .detail(format!("built     {}", descriptor.digest))
            .note("the digest depends on the lockfile, the manifest and the copied files"));
    }
    let tag = options.tag.clone().unwrap_or_else(|| "latest".to_owned());
    let engine_name = engine_name(&name, &tag)?;
    let names = ImageNames {
        image: &name,
        tag: &tag,
        engine: &engine_name,
    };
    layout.write_index(&descriptor, names)?;
    layout.retain(&blobs_of(&layout, &descriptor, &platforms))?;
    if let (Some(path), [platform]) = (&options.sbom, platforms.as_slice()) {
        let text = format!("{:#}\n", platform.sbom);
        files::write_project_file(path, text.as_bytes())?;
    }
    let output = options.output.clone();
    if let Some(archive) = output.as_ref().filter(|output| is_archive(output)) {
        // Docker's own format has one platform.
        let manifest = match platforms.as_slice() {
            [one] => Some(layout.read_manifest(&one.manifest)?),
            _ => None,
        };
        let engine = manifest.as_ref().map(|manifest| EngineImage {
            manifest,
            name: &engine_name,
        });
        image::write_archive(&directory, engine, archive)?;
    }
    Ok(BuiltImage {
        descriptor,
        platforms,
        layout: directory,
        output,
        tag,
        base: request.base().to_owned(),
    })
}

/// Returns the directory in devsh's cache for an image of a project, below one that only the user can read.
fn cached_layout(session: &Session<'_>, project: &Project, name: &str) -> Result<PathBuf, Failure> {
    let cache = session.context.directories.cache.join("images");
    files::create_private_dir(&cache)?;
    let root = blake3::hash(project.root().as_os_str().as_encoded_bytes()).to_hex();
    Ok(cache.join(format!("{name}-{}", &root[..12])))
}

/// Returns a path without `.` in it.
fn plain_path(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Returns the name under which engines load an image: the tag if that is a whole name.
fn engine_name(image: &str, tag: &str) -> Result<String, Failure> {
    let mut name: Reference = if tag.contains([':', '/']) {
        tag.parse()?
    } else {
        format!("{image}:{tag}").parse()?
    };
    name.tag.get_or_insert_with(|| "latest".to_owned());
    Ok(name.to_string())
}

fn is_archive(output: &Path) -> bool {
    output.extension().is_some_and(|end| end == "tar")
}

fn usual_system(session: &Session<'_>) -> Result<System, Failure> {
    Ok(match session.system()? {
        System::LinuxX86_64 | System::MacosX86_64 => System::LinuxX86_64,
        System::LinuxAarch64 | System::MacosAarch64 => System::LinuxAarch64,
    })
}

fn find_request<'p>(
    project: &'p Project,
    name: Option<&PackageName>,
) -> Result<&'p ImageRequest, Failure> {
    let images = &project.team().images;
    if let Some(found) = images.get(&name.cloned()) {
        return Ok(found);
    }
    let names: Vec<String> = images
        .keys()
        .flatten()
        .map(|name| format!("`{name}`"))
        .collect();
    let failure = match name {
        Some(name) => Failure::new(format!("there is no image `{name}`")),
        None if names.is_empty() => Failure::new("the manifest has no `[image]`"),
        None => Failure::new("the manifest has no `[image]` without a name"),
    };
    Err(if names.is_empty() {
        failure.hint("add `[image]` to devshell.toml, for example with `copy = [{ from = \".\", to = \"/app\" }]`")
    } else {
        failure.note(format!("the manifest has {}", names.join(", ")))
    })
}

/// Returns the name of an image without a name in the manifest: that of the project's directory.
pub fn image_name(project: &Project, name: Option<&PackageName>) -> String {
    if let Some(name) = name {
        return name.to_string();
    }
    let directory = project.root().file_name().unwrap_or_default();
    let plain: String = directory
        .to_string_lossy()
        .to_lowercase()
        .chars()
        .map(|one| {
            if one.is_ascii_alphanumeric() {
                one
            } else {
                '-'
            }
        })
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "image" } else { plain }.to_owned()
}

fn build_platform(
    session: &Session<'_>,
    project: &Trusted<Project>,
    request: &ImageRequest,
    name: &str,
    target: LayerTarget<'_>,
) -> Result<BuiltPlatform, Failure> {
    let LayerTarget { layout, system, .. } = target;
    let platform = Platform::of(system)
        .ok_or_else(|| Failure::new(format!("there are no images for {system}")))?;
    let shell_name = request.shell.as_ref();
    let shell_name = shell_name.map_or_else(ShellName::dev, |shell| shell.value.clone());
    let built = build_shell(session, project, request, &shell_name, system)?;
    let base = match request.base() {
        SCRATCH => None,
        base => Some(fetch_base(session, project.get(), base, system, layout)?),
    };
    session.reporter.note(&format!(
        "writing the layers of {}/{}",
        platform.os, platform.architecture
    ));
    let WrittenLayers { layers, relocation } =
        write_layers(session, project.get(), request, &built, target)?;
    let mut components = components(&built)?;
    components.extend(
        base.as_ref()
            .map(|base| base_component(&base.reference, base.digest)),
    );
    let config = image_config(
        request,
        base.as_ref(),
        &layers,
        platform.clone(),
        &ShellVariables {
            built: &built,
            relocation: &relocation,
        },
    );
    let run_config = config.clone();
    let config = layout.add_document(MediaType::CONFIG, &config)?;
    let below = base.map(|base| base.manifest.layers).unwrap_or_default();
    let own = layers.iter().map(|layer| layer.descriptor.clone());
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(MediaType::MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: below.iter().cloned().chain(own).collect(),
        subject: None,
        annotations: annotations(request),
    };
    let mut descriptor = layout.add_document(MediaType::MANIFEST, &manifest)?;
    descriptor.platform = Some(platform.clone());
    let base_layers = below.into_iter().map(|descriptor| ImageLayerInfo {
        descriptor,
        title: format!("base {}", request.base()),
    });
    let own_layers = layers.into_iter().map(|layer| ImageLayerInfo {
        descriptor: layer.descriptor,
        title: layer.title,
    });
    Ok(BuiltPlatform {
        platform,
        manifest: descriptor,
        layers: base_layers.chain(own_layers).collect(),
        sbom: image::sbom(name, &components),
        config: run_config,
    })
}

/// Returns the labels that registries read without the configuration, which an image of several platforms lacks.
fn annotations(request: &ImageRequest) -> BTreeMap<String, String> {
    let labels = request.labels.iter();
    let known = labels.filter(|(name, _)| name.starts_with("org.opencontainers.image."));
    known
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the digests of all blobs of an image.
fn blobs_of(
    layout: &ImageLayout,
    descriptor: &Descriptor,
    platforms: &[BuiltPlatform],
) -> Vec<Sha256> {
    let mut kept: BTreeSet<Sha256> = descriptor.sha256().into_iter().collect();
    for one in platforms {
        kept.extend(one.manifest.sha256());
        kept.extend(
            one.layers
                .iter()
                .filter_map(|layer| layer.descriptor.sha256()),
        );
        let bytes = one
            .manifest
            .sha256()
            .and_then(|sha256| layout.read(&sha256));
        let manifest = bytes.and_then(|bytes| serde_json::from_slice::<ImageManifest>(&bytes).ok());
        kept.extend(manifest.and_then(|manifest| manifest.config.sha256()));
    }
    kept.into_iter().collect()
}
