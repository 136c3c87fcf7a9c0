//! Container images: a dev shell from the store, files of the project, and a base become an image.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    builder::{
        Builder, BuiltShell, Error as BuildError, PartialBuild, RealisedTool, RequestedTool,
        ToolOrigin,
    },
    config::{Config, ToolsFrom},
    env::Change,
    fetch::{
        self,
        registry::{LocalBlob, Pushed, Reference, Registry},
    },
    image::{
        self, Component, CopiedFiles, Descriptor, EngineImage, History, IgnoreFiles, ImageConfig,
        ImageIndex, ImageLayer, ImageLayout, ImageManifest, LayerFiles, MediaType, ObjectFiles,
        Platform, ProfileFiles, Relocation, RootFs, RunConfig,
    },
    manifest::{DevShell, ImageRequest, SCRATCH, ShellName},
    package::{PackageName, Sha256, System, Tool, WheelName},
    project::{Project, approval::Trusted},
    report::failure::Failure,
    store::{self, ObjectRecord, PrefixPackages, Recipe, Store},
    util::{digest_input::DigestInput, files, parallel, vars},
};

use super::{
    build_mode::BuildMode,
    build_request::{BuildInputs, BuildOptions},
    dev_shells::find_dev_shell,
    image_bases, lock, missing_parts, programs,
    session::Session,
    trust,
};

/// The profile in an image.
const PROFILE: &str = "/devsh/profile";
/// The store in an image.
const STORE: &str = "/devsh/store";
/// The PATH of a base that names none.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Distinguishes profiles of images from those of dev shells with the same tools.
const IMAGE_PROFILE: &[u8] = b"image";
/// The time of everything in an image: an image with another one would have another digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The image that the user asks for.
#[derive(Debug, Default)]
pub struct ImageOptions {
    /// The name of an `[images.NAME]`; `None` for `[image]`.
    pub name: Option<PackageName>,
    /// The systems; none means this machine's processor.
    pub systems: Vec<System>,
    /// A directory for the layout, or a file that ends in `.tar`; devsh's cache without one.
    pub output: Option<PathBuf>,
    /// The file for the bill of materials, which the caller writes.
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

/// The base of an image, in the layout.
struct BaseImage {
    manifest: ImageManifest,
    config: ImageConfig,
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
    let cache = session.context.directories.cache.join("images");
    files::create_private_dir(&cache)?;
    let name = image_name(project.get(), options.name.as_ref());
    let directory = match &options.output {
        Some(output) if !is_archive(output) => output.clone(),
        _ => cache.join(format!(
            "{name}-{}",
            &blake3::hash(project.get().root().as_os_str().as_encoded_bytes()).to_hex()[..12]
        )),
    };
    let layout = ImageLayout::create(&directory)?;
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
    layout.write_index(&descriptor, &tag, &engine_name)?;
    layout.retain(&blobs_of(&layout, &descriptor, &platforms))?;
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
    let components = components(&built)?;
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
        annotations: BTreeMap::new(),
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

/// Brings the blobs of the base into the layout, exactly those that the lockfile names.
fn fetch_base(
    session: &Session<'_>,
    project: &Project,
    base: &str,
    system: System,
    layout: &ImageLayout,
) -> Result<BaseImage, Failure> {
    let bases = lock::lock_image_bases(session, project)?;
    let locked = bases.get(base).and_then(|base| base.get(&system));
    let Some(sha256) = locked else {
        return Err(Failure::new(format!(
            "the base image `{base}` has no manifest for {system}"
        )));
    };
    let reference: Reference = base.parse()?;
    let registry = image_bases::registry(session, &reference)?;
    let failed = |error: fetch::Error| image_bases::registry_failure(&reference, &error);
    let unusable =
        |reason: &str| Failure::new(format!("`{base}` is not usable as a base: {reason}"));
    let bytes = image_bases::base_manifest(session, &registry, sha256).map_err(failed)?;
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
    Ok(BaseImage { manifest, config })
}

/// Builds the dev shell of an image: managed tools only, and no group that the image does not ask for.
fn build_shell(
    session: &Session<'_>,
    project: &Trusted<Project>,
    request: &ImageRequest,
    name: &ShellName,
    system: System,
) -> Result<BuiltShell, Failure> {
    let current = lock::bring_up_to_date(session, project, BuildMode::Foreground)?;
    // An image is complete or not built.
    current.unlocked.complete()?;
    // Personal layers of the manifest are not for others.
    let mut shell: DevShell = find_dev_shell(project.get().team(), name)?.clone();
    let groups = request.groups.clone().unwrap_or_default();
    shell.python.groups = groups
        .into_iter()
        .map(|group| group.map(|name| name.to_string()))
        .collect();
    shell.python.groups_named = true;
    let config = Config {
        tools_from: ToolsFrom::Managed,
        ..session.config()?.clone()
    };
    let native = session.context.system == Some(system);
    let inputs = BuildInputs::of(project.get(), &shell, current.lockfile, &current.unlocked)?;
    if let Some(failure) = missing_parts::failure_of(&inputs.failed) {
        return Err(failure);
    }
    let build_options = BuildOptions {
        system,
        locked: session.options.locked,
        mode: BuildMode::Foreground,
    };
    let mut wanted = inputs.request(project.get(), name, &config, build_options);
    // A profile of its own: the variables and scripts of the dev shell do not matter, and the uv that the manifest
    // implies for packages is not in it.
    wanted.extra = IMAGE_PROFILE;
    for requested in &mut wanted.tools {
        requested.hidden |= is_implied(&shell, requested);
    }
    inputs.refuse_untrusted(&config, system)?;
    if let Some(own) = session.context.system
        && own != system
    {
        // Programs of this machine's system, such as uv, install the packages for the other one.
        inputs.refuse_untrusted(&config, own)?;
    }
    let client = session.client()?;
    let store = Store::open(&session.context.directories.data);
    let shown = session.reporter.progress();
    let caches = session.caches()?;
    let builder = Builder {
        caches: &caches,
        context: session.context,
        config: &config,
        store: &store,
        client: &client,
        progress: &*shown,
    };
    let built = builder
        .find_or_build(&wanted)
        .and_then(PartialBuild::complete)
        .map_err(|error| {
            let failure = Failure::from(&error);
            match error {
                BuildError::Unavailable { .. } | BuildError::PythonInstall { .. } if !native => {
                    failure.note(format!("the image is for {system}"))
                }
                _ => failure,
            }
        })?;
    programs::check(session, project.get(), &built)?;
    Ok(built)
}

/// Returns whether a tool is only in a dev shell because its Python packages are installed with it.
fn is_implied(shell: &DevShell, requested: &RequestedTool<'_>) -> bool {
    let python = &shell.python;
    let place = python.lock.as_ref().map(|lock| &lock.origin);
    let origin = &requested.request.requirement.origin;
    is_uv(requested.tool) && place.or(python.place.as_ref()) == Some(origin)
}

fn is_uv(tool: &Tool) -> bool {
    tool.name.as_str() == "uv"
}

/// The objects of a dev shell in an image.
#[derive(Default)]
struct ImageObjects {
    tools: Vec<PathBuf>,
    /// The prefixes of conda packages with the packages' objects. They are linked again, because files in them name
    /// their place.
    prefixes: Vec<CondaObjects>,
    /// Python packages and applications.
    environments: Vec<PathBuf>,
}

struct CondaObjects {
    /// The object on this machine.
    prefix: PathBuf,
    packages: Vec<PathBuf>,
}

impl ImageObjects {
    /// Sorts the objects of a dev shell. Those that only built others are left out.
    fn of(built: &BuiltShell) -> Result<Self, Failure> {
        let mut objects = Self::default();
        let installers: Vec<&Path> = built.tools.iter().filter_map(installer).collect();
        for object in &built.objects {
            let record = ObjectRecord::read(object)?.ok_or_else(|| damaged_object(object))?;
            match record.known_recipe() {
                Some(Recipe::CondaPackage) => {}
                Some(Recipe::CondaPrefix) => {
                    let store = object.parent().unwrap_or(Path::new("/"));
                    objects.prefixes.push(CondaObjects {
                        prefix: object.clone(),
                        packages: record.inputs.iter().map(|name| store.join(name)).collect(),
                    });
                }
                _ if installers.contains(&object.as_path()) => {}
                Some(Recipe::Environment) => objects.environments.push(object.clone()),
                _ => objects.tools.push(object.clone()),
            }
        }
        objects.tools.sort();
        objects.environments.sort();
        Ok(objects)
    }
}

/// Returns the place of an environment on the Python of a conda prefix, whose name in the store depends on the place
/// of the prefix on this machine.
fn moved_environment(
    environment: &Path,
    relocation: &Relocation,
) -> Result<Option<String>, Failure> {
    let Ok(python) = fs::read_link(environment.join("bin/python")) else {
        return Ok(None);
    };
    let moved = relocation.path(&python).unwrap_or_default();
    let store = environment.parent().unwrap_or(Path::new("/"));
    if python
        .strip_prefix(store)
        .is_ok_and(|below| Path::new(STORE).join(below) == moved)
    {
        return Ok(None);
    }
    let record = ObjectRecord::read(environment)?.ok_or_else(|| damaged_object(environment))?;
    let mut input = DigestInput::default();
    input.os(&moved);
    input.list(record.inputs.iter(), DigestInput::bytes);
    let digest = blake3::hash(&input.into_bytes()).to_hex();
    let name = environment
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let title = name.split_once('-').map_or(&*name, |(_, title)| title);
    Ok(Some(format!("{STORE}/{}-{title}", &digest[..32])))
}

/// Returns the object of uv if it only installed the Python packages.
fn installer(tool: &RealisedTool) -> Option<&Path> {
    match &tool.origin {
        ToolOrigin::Store(object) if tool.programs.is_empty() && is_uv(&tool.tool) => Some(object),
        _ => None,
    }
}

fn damaged_object(object: &Path) -> Failure {
    let name = object.file_name().unwrap_or_default().to_string_lossy();
    Failure::new(format!("the object `{name}` of the store is damaged"))
        .hint("repair it with `devsh verify --repair`")
}

/// The layers of a dev shell, and how paths of this machine become those of the image.
struct WrittenLayers {
    layers: Vec<ImageLayer>,
    relocation: Relocation,
}

/// Writes a layer for each store object, then one for the profile and one for the project's files.
fn write_layers(
    session: &Session<'_>,
    project: &Project,
    request: &ImageRequest,
    built: &BuiltShell,
    target: LayerTarget<'_>,
) -> Result<WrittenLayers, Failure> {
    let store = Store::open(&session.context.directories.data);
    let mut relocation = Relocation::default();
    relocation.add(store.root(), STORE);
    relocation.add(&built.profile, PROFILE);
    for rule in &request.copy {
        let from = project.root().join(rule.from.value.as_str());
        relocation.add(&from, rule.to.as_str());
    }
    let mut objects = ImageObjects::of(built)?;
    let blobs = target.layout.blobs();
    let mut prefixes = Vec::new();
    for conda in &objects.prefixes {
        let packages = PrefixPackages {
            objects: &conda.packages,
            system: target.system,
        };
        let linked = store.link_prefix_for(packages, Path::new(STORE), |prefix| {
            let to = prefix.place.to_string_lossy().into_owned();
            relocation.add(&conda.prefix, &to);
            let files = ObjectFiles {
                object: prefix.directory,
                members: prefix.members,
                to: &to,
                relocation: &relocation,
            };
            write_object(files, &blobs).map_err(PrefixFailure)
        });
        prefixes.push(linked.map_err(|PrefixFailure(failure)| failure)?);
    }
    for environment in &objects.environments {
        if let Some(place) = moved_environment(environment, &relocation)? {
            relocation.add(environment, &place);
        }
    }
    // The order must not depend on names of this machine.
    objects
        .environments
        .sort_by_key(|environment| relocation.path(environment));
    let write = |object: &PathBuf| {
        let members = store::published_files(object)?.ok_or_else(|| damaged_object(object))?;
        let to = relocation.path(object).unwrap_or_default();
        write_object(
            ObjectFiles {
                object,
                members: &members,
                to: &to.to_string_lossy(),
                relocation: &relocation,
            },
            &blobs,
        )
    };
    let mut layers = Vec::new();
    // Tools change less often than packages, and a registry shares the layers up to the first difference.
    for layer in parallel::map(2, &objects.tools, write) {
        layers.push(layer?);
    }
    layers.append(&mut prefixes);
    for layer in parallel::map(2, &objects.environments, write) {
        layers.push(layer?);
    }
    let mut profile = LayerFiles::default();
    profile
        .add_profile(ProfileFiles {
            profile: &built.profile,
            to: PROFILE,
            relocation: &relocation,
        })
        .map_err(|error| profile_failure(error, project))?;
    layers.push(profile.write(&blobs, "profile")?);
    if !request.copy.is_empty() {
        let ignored = IgnoreFiles::read(project.root(), target.outputs.to_vec());
        let ignored = ignored?;
        let mut copied = LayerFiles::default();
        for rule in &request.copy {
            copied
                .add_copied(CopiedFiles {
                    root: project.root(),
                    from: rule.from.value.as_str(),
                    to: rule.to.as_str(),
                    ignored: &ignored,
                })
                .map_err(|error| {
                    Failure::from(error).note(format!("{} asks for it", rule.from.origin))
                })?;
        }
        layers.push(copied.write(&blobs, "project")?);
    }
    Ok(WrittenLayers { layers, relocation })
}

/// The directory of layers, and their system.
#[derive(Clone, Copy)]
struct LayerTarget<'a> {
    layout: &'a ImageLayout,
    system: System,
    /// The files and directories that the command writes.
    outputs: &'a [PathBuf],
}

/// A failure while a prefix is linked or read.
struct PrefixFailure(Failure);

impl From<store::Error> for PrefixFailure {
    fn from(error: store::Error) -> Self {
        Self(error.into())
    }
}

fn write_object(files: ObjectFiles<'_>, blobs: &Path) -> Result<ImageLayer, Failure> {
    let mut layer = LayerFiles::default();
    layer.add_object(files)?;
    let name = files.to.rsplit('/').next().unwrap_or_default();
    let title = name.split_once('-').map_or(name, |(_, title)| title);
    Ok(layer.write(blobs, title)?)
}

fn profile_failure(error: image::Error, project: &Project) -> Failure {
    let in_project =
        matches!(&error, image::Error::HostPath { path, .. } if Path::new(path) == project.root());
    let failure = Failure::from(error);
    if in_project {
        failure.hint("the project itself is installed in place: copy its directory, `copy = [{ from = \".\", to = \"/app\" }]`")
    } else {
        failure
    }
}

/// Returns the configuration: that of the base with the profile in front of PATH and the keys of the manifest.
fn image_config(
    request: &ImageRequest,
    base: Option<&BaseImage>,
    layers: &[ImageLayer],
    platform: Platform,
    shell: &ShellVariables<'_>,
) -> ImageConfig {
    let below = base.map(|base| base.config.clone());
    let mut run = below
        .as_ref()
        .map(|config| config.config.clone())
        .unwrap_or_default();
    run.env = Some(shell.merge_into(&run, request));
    if let Some(entrypoint) = &request.entrypoint {
        run.entrypoint = Some(entrypoint.clone());
        // A command of the base is for its own entrypoint.
        run.cmd = None;
    }
    if let Some(cmd) = &request.cmd {
        run.cmd = Some(cmd.clone());
    }
    if let Some(user) = &request.user {
        run.user = Some(user.clone());
    }
    if let Some(workdir) = &request.workdir {
        run.working_dir = Some(workdir.value.as_str().to_owned());
    }
    if !request.expose.is_empty() {
        let ports = run.exposed_ports.get_or_insert_default();
        for port in &request.expose {
            ports.insert(port.as_str().to_owned(), serde_json::json!({}));
        }
    }
    if !request.labels.is_empty() {
        let labels = run.labels.get_or_insert_default();
        labels.extend(request.labels.clone());
    }
    let mut diff_ids = Vec::new();
    let mut history = Vec::new();
    if let Some(below) = below {
        diff_ids = below.rootfs.diff_ids;
        history = below.history;
    }
    for layer in layers {
        diff_ids.push(layer.diff_id.clone());
        history.push(History {
            created: Some(CREATED.to_owned()),
            created_by: Some(format!("devsh: {}", layer.title)),
            ..History::default()
        });
    }
    ImageConfig {
        created: Some(CREATED.to_owned()),
        platform,
        config: run,
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids,
        },
        history,
    }
}

/// The variables of the tools of a dev shell.
struct ShellVariables<'a> {
    built: &'a BuiltShell,
    relocation: &'a Relocation,
}

impl ShellVariables<'_> {
    /// Returns the variables of an image: those of the base, of the tools, and the ones that `[image] env` declares.
    fn merge_into(&self, base: &RunConfig, request: &ImageRequest) -> Vec<String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for one in base.env.iter().flatten() {
            if let Some((name, value)) = one.split_once('=') {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
        all.entry(vars::PATH.to_owned())
            .or_insert_with(|| USUAL_PATH.to_owned());
        for (name, change) in &self.built.env {
            let name = name.as_str();
            match change {
                Change::Set(value) | Change::Default(value) => {
                    all.insert(name.to_owned(), self.in_image(value));
                }
                Change::Extend { before, after } => {
                    let old = all.remove(name).filter(|old| !old.is_empty());
                    let before = before.iter().map(|value| self.in_image(value));
                    let after = after.iter().map(|value| self.in_image(value));
                    let parts: Vec<String> = before.chain(old).chain(after).collect();
                    all.insert(name.to_owned(), parts.join(":"));
                }
                Change::Unset => drop(all.remove(name)),
            }
        }
        let path = all.remove(vars::PATH).unwrap_or_default();
        all.insert(vars::PATH.to_owned(), format!("{PROFILE}/bin:{path}"));
        for (name, value) in &request.env {
            all.insert(name.as_str().to_owned(), value.clone());
        }
        all.into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn in_image(&self, value: &OsStr) -> String {
        let value = self.relocation.text(value.as_encoded_bytes());
        String::from_utf8_lossy(&value).into_owned()
    }
}

/// Returns the parts of a dev shell that are in its image, from the records of its objects.
fn components(built: &BuiltShell) -> Result<Vec<Component>, Failure> {
    let installers: Vec<&Path> = built.tools.iter().filter_map(installer).collect();
    let mut components = Vec::new();
    for object in &built.objects {
        if installers.contains(&object.as_path()) {
            continue;
        }
        let record = ObjectRecord::read(object)?.ok_or_else(|| damaged_object(object))?;
        if record.known_recipe() == Some(Recipe::Environment) {
            components.extend(
                record
                    .inputs
                    .iter()
                    .filter_map(|input| python_component(input)),
            );
        }
        for artifact in &record.artifacts {
            let name = if artifact.part.is_empty() {
                record.name.clone()
            } else {
                format!("{} {}", record.name, artifact.part)
            };
            let sha256 = artifact.digest.parse::<Sha256>().ok();
            components.push(Component {
                name,
                version: record.version.clone(),
                purl: purl(&record),
                sha256: sha256.map(|sha256| sha256.to_string()),
                url: Some(artifact.url.clone()),
            });
        }
    }
    Ok(components)
}

/// Returns a package of a Python environment: its inputs are pins (`idna 3.10`) or the names of wheels.
fn python_component(input: &str) -> Option<Component> {
    let (name, version) = if let Some(wheel) = WheelName::parse(input) {
        (wheel.name.to_string(), wheel.version.to_string())
    } else {
        let mut words = input.split(' ');
        (words.next()?.to_owned(), words.next()?.to_owned())
    };
    Some(Component {
        purl: Some(format!("pkg:pypi/{name}@{version}")),
        name,
        version,
        sha256: None,
        url: None,
    })
}

/// Returns the package URL of an object that is one package of a registry.
fn purl(record: &ObjectRecord) -> Option<String> {
    let kind = match record.known_recipe()? {
        Recipe::Wheel => "pypi",
        Recipe::CondaPackage => "conda",
        Recipe::NpmPlatform => "npm",
        Recipe::Release if record.name.contains('/') => "github",
        _ => return None,
    };
    // The `@` of a scope would begin the version.
    let name = record.name.replace('@', "%40");
    Some(format!("pkg:{kind}/{name}@{}", record.version))
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
        };
        let index = self.layout.add_document(MediaType::INDEX, &index)?;
        let tag = platform.manifest.digest.replace(':', "-");
        self.manifest(&index, &tag)
    }
}

/// Builds an image and loads it into the container engine of this machine; returns its name there.
pub fn load_image(
    session: &Session<'_>,
    options: ImageOptions,
    tag: Option<&str>,
) -> Result<String, Failure> {
    let env = &session.context.env;
    let search = env.get(vars::PATH).unwrap_or_default();
    let find = |name: &&str| which::which_in(name, Some(search), Path::new("/")).ok();
    let engines: Vec<PathBuf> = ["docker", "podman"].iter().filter_map(find).collect();
    if engines.is_empty() {
        return Err(Failure::new("there is no docker and no podman on PATH")
            .hint("write the image to a file with `devsh image build -o image.tar`"));
    }
    let project = session.project()?;
    let name = match tag {
        Some(tag) => tag.to_owned(),
        None => format!("{}:latest", image_name(&project, options.name.as_ref())),
    };
    let directory = tempfile::tempdir().map_err(files::at("create", Path::new("a directory")))?;
    let archive = directory.path().join("image.tar");
    build_image(
        session,
        &ImageOptions {
            output: Some(archive.clone()),
            // Engines take the name of a loaded image from here.
            tag: Some(name.clone()),
            ..options
        },
    )?;
    // A docker without its daemon is usual where podman is in use.
    let mut failure = Failure::new("no engine can load the image")
        .hint("start one, or write the image to a file with `devsh image build -o image.tar`");
    for engine in &engines {
        let mut command = Command::new(engine);
        command
            .args(["load", "--quiet", "--input"])
            .arg(&archive)
            .env_clear()
            .envs(env.iter())
            .stdin(Stdio::null());
        let output = command.output().map_err(files::at("run", engine))?;
        if output.status.success() {
            return Ok(name);
        }
        failure = failure.detail(format!("`{}`:", engine.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        failure = said.lines().take(5).fold(failure, Failure::detail);
    }
    Err(failure)
}
