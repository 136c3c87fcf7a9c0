//! The layers of an image above its base: store objects, the profile, and files of the project.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use crate::{
    app::session::Session,
    builder::BuiltShell,
    config::ownership::Access,
    image::{
        self, CopiedFiles, IgnoreFiles, ImageLayer, ImageLayout, LayerFiles, ObjectFiles,
        ProfileFiles, Relocation, WorkTree,
    },
    manifest::ImageRequest,
    package::System,
    project::{Project, repository::Repository},
    report::failure::Failure,
    store::{self, ObjectRecord, PrefixNotes, PrefixPackages, Store},
    util::{digest_input::DigestInput, parallel},
};

use super::image_objects::{ImageObjects, damaged_object};

/// The profile in an image.
pub(super) const PROFILE: &str = "/devsh/profile";

/// The store in an image.
const STORE: &str = "/devsh/store";

/// The directory of layers, and their system.
#[derive(Clone, Copy)]
pub(super) struct LayerTarget<'a> {
    pub(super) layout: &'a ImageLayout,
    pub(super) system: System,
    /// The files and directories that the command writes.
    pub(super) outputs: &'a [PathBuf],
}

/// The layers of a dev shell, and how paths of this machine become those of the image.
pub(super) struct WrittenLayers {
    pub(super) layers: Vec<ImageLayer>,
    pub(super) relocation: Relocation,
}

/// Writes a layer for each store object, then one for the profile and one for the project's files.
pub(super) fn write_layers(
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
        let requested = PrefixNotes::read(&conda.prefix)?.programs.into_keys();
        let packages = PrefixPackages {
            objects: &conda.packages,
            requested: &requested.collect(),
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
        let layers_of_project = &project.layers().all;
        let env_files = layers_of_project
            .iter()
            .flat_map(|one| one.env_files.keys());
        // A symlink is left out with its target.
        let env_files = env_files.flat_map(|file| {
            let place = project.root().join(file);
            let target = place.canonicalize().ok();
            iter::once(place).chain(target)
        });
        let left_out = target.outputs.iter().cloned().chain(env_files).collect();
        let shared = &session.config()?.trust.shared;
        let mut access = Access::of(session.context, project.root(), shared);
        let ignored = read_ignored(project.root(), left_out, &mut access)?;
        let mut copied = LayerFiles::default();
        for rule in &request.copy {
            copied
                .add_copied(
                    CopiedFiles {
                        root: project.root(),
                        from: rule.from.value.as_str(),
                        to: rule.to.as_str(),
                        ignored: &ignored,
                    },
                    &mut access,
                )
                .map_err(|error| {
                    Failure::from(error).note(format!("{} asks for it", rule.from.origin))
                })?;
        }
        layers.push(copied.write(&blobs, "project")?);
    }
    Ok(WrittenLayers { layers, relocation })
}

/// Reads the patterns for what an image must not have of the project.
fn read_ignored(
    root: &Path,
    left_out: Vec<PathBuf>,
    access: &mut Access,
) -> Result<IgnoreFiles, Failure> {
    let repository = Repository::of(root);
    let work_tree = repository.as_ref().and_then(|repository| {
        Some(WorkTree {
            top: repository.top(root)?,
            git: &repository.common,
        })
    });
    Ok(IgnoreFiles::read(root, left_out, work_tree, access)?)
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
