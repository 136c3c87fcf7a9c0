//! A directory in the OCI image layout: blobs by digest, and an index with the images.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, BufWriter, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tar::{EntryType, Header};

use super::{Descriptor, Error, ImageIndex, ImageManifest, MediaType};
use crate::{package::Sha256, util::files};

/// The file with the images.
const INDEX: &str = "index.json";
/// The content of the file `oci-layout`.
const VERSION: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
/// The annotation with the tag of an image.
const TAG: &str = "org.opencontainers.image.ref.name";
/// The annotation with the whole name of an image, which docker with its containerd store takes.
const NAME: &str = "io.containerd.image.name";
/// The annotation with the image of the manifest that devsh built. A later build of the same image replaces only this one.
const BUILT: &str = "dev.devsh.image";
/// The longest accepted index, in bytes.
const INDEX_LIMIT: u64 = 4 << 20;

/// An image layout on disk.
#[derive(Debug)]
pub struct ImageLayout {
    directory: PathBuf,
}

/// The names of an image in the index.
#[derive(Debug, Clone, Copy)]
pub struct ImageNames<'a> {
    /// The name in the manifest, or that of the project.
    pub image: &'a str,
    pub tag: &'a str,
    /// `NAME:TAG`, for engines.
    pub engine: &'a str,
}

impl ImageLayout {
    /// Creates a layout where the user asks for one, or continues the one of an earlier build of `image`.
    ///
    /// Other blobs of a layout are removed, so a directory with anything else is refused.
    pub fn create_output(directory: &Path, image: &str) -> Result<Self, Error> {
        if !files::list(directory)?.is_empty() {
            let index = files::read_own(&directory.join(INDEX), INDEX_LIMIT)?.unwrap_or_default();
            let index: ImageIndex = serde_json::from_slice(&index)
                .map_err(|_| Error::OtherFiles(directory.to_owned()))?;
            let is_earlier = match index.manifests.as_slice() {
                [] => true,
                [one] => one.annotations.get(BUILT).is_some_and(|name| name == image),
                _ => false,
            };
            if !is_earlier {
                return Err(Error::OtherImage(directory.to_owned()));
            }
        }
        Self::create(directory)
    }

    /// Creates a layout, or continues the one in `directory`.
    pub fn create(directory: &Path) -> Result<Self, Error> {
        let layout = Self {
            directory: directory.to_owned(),
        };
        let blobs = layout.blobs();
        // A directory of a repository can have links, and what is not part of an image is removed from here.
        for path in [directory.to_owned(), directory.join("blobs"), blobs.clone()] {
            if path.is_symlink() {
                let error = std::io::Error::other("it is a symlink");
                return Err(files::at("write images to", &path)(error).into());
            }
        }
        fs::create_dir_all(directory).map_err(files::at("create", directory))?;
        // A build that is stopped leaves a layout that the next one continues.
        if layout.index().symlink_metadata().is_err() {
            layout.write_manifests(Vec::new())?;
        }
        fs::create_dir_all(&blobs).map_err(files::at("create", &blobs))?;
        files::write_atomic(&directory.join("oci-layout"), VERSION.as_bytes())?;
        Ok(layout)
    }

    /// Returns the directory of the blobs.
    pub fn blobs(&self) -> PathBuf {
        self.directory.join("blobs").join("sha256")
    }

    /// Returns the path of a blob.
    pub fn blob(&self, sha256: &Sha256) -> PathBuf {
        self.blobs().join(sha256.to_string())
    }

    /// Returns the bytes of a blob, if it is there and undamaged.
    pub fn read(&self, sha256: &Sha256) -> Option<Vec<u8>> {
        let bytes = fs::read(self.blob(sha256)).ok()?;
        (Sha256::of(&bytes) == *sha256).then_some(bytes)
    }

    /// Reads the blob of a descriptor.
    pub fn read_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let sha256 = descriptor.require_sha256()?;
        let bytes = self.read(&sha256);
        bytes.ok_or_else(|| Error::DamagedBlob(descriptor.digest.clone()))
    }

    /// Reads the manifest of an image.
    pub fn read_manifest(&self, descriptor: &Descriptor) -> Result<ImageManifest, Error> {
        let bytes = self.read_blob(descriptor)?;
        serde_json::from_slice(&bytes).map_err(|_| Error::DamagedBlob(descriptor.digest.clone()))
    }

    /// Stores a document as a blob.
    pub fn add_document(
        &self,
        media_type: &str,
        document: &impl Serialize,
    ) -> Result<Descriptor, Error> {
        // The documents have no maps with keys other than text, so this cannot fail.
        let bytes = serde_json::to_vec(document).unwrap_or_default();
        self.add_bytes(media_type, &bytes)
    }

    /// Stores bytes as a blob.
    pub fn add_bytes(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, Error> {
        let sha256 = Sha256::of(bytes);
        files::write_atomic(&self.blob(&sha256), bytes)?;
        Ok(Descriptor::new(media_type, &sha256, bytes.len() as u64))
    }

    /// Writes the index with one image.
    pub fn write_index(&self, image: &Descriptor, names: ImageNames<'_>) -> Result<(), Error> {
        let mut image = image.clone();
        for (key, value) in [(TAG, names.tag), (NAME, names.engine), (BUILT, names.image)] {
            image.annotations.insert(key.to_owned(), value.to_owned());
        }
        self.write_manifests(vec![image])
    }

    fn write_manifests(&self, manifests: Vec<Descriptor>) -> Result<(), Error> {
        let index = ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::INDEX.to_owned()),
            manifests,
            annotations: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&index).unwrap_or_default();
        Ok(files::write_atomic(&self.index(), &bytes)?)
    }

    fn index(&self) -> PathBuf {
        self.directory.join(INDEX)
    }

    /// Removes blobs that are not among `kept`, such as those of an earlier build in the same directory.
    pub fn retain(&self, kept: &[Sha256]) -> Result<(), Error> {
        for path in files::list(&self.blobs())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_blob = name.parse::<Sha256>().is_ok();
            if is_blob && !kept.iter().any(|sha256| sha256.to_string() == name) {
                fs::remove_file(&path).map_err(files::at("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// The image of one platform, for engines that do not read image layouts.
#[derive(Debug, Clone, Copy)]
pub struct EngineImage<'a> {
    pub manifest: &'a ImageManifest,
    /// `NAME:TAG`
    pub name: &'a str,
}

impl EngineImage<'_> {
    /// Returns the `manifest.json` with which `docker load` finds the blobs. Docker without its containerd store reads
    /// nothing else.
    fn to_json(self) -> Vec<u8> {
        let place = |descriptor: &Descriptor| {
            descriptor
                .sha256()
                .map(|sha256| format!("blobs/sha256/{sha256}"))
        };
        let layers: Vec<String> = self.manifest.layers.iter().filter_map(place).collect();
        let image = serde_json::json!({
            "Config": place(&self.manifest.config),
            "RepoTags": [self.name],
            "Layers": layers,
        });
        serde_json::to_vec(&[image]).unwrap_or_default()
    }
}

/// Writes a layout as one archive, the same bytes for the same layout. With `engine` it is also an archive of docker.
pub fn write_archive(
    layout: &Path,
    engine: Option<EngineImage<'_>>,
    archive: &Path,
) -> Result<(), Error> {
    let directory = archive
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let failed = |error| Error::from(files::at("write", archive)(error));
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    let mut tar = tar::Builder::new(BufWriter::new(temporary.as_file_mut()));
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let mut paths = files::list(&layout.join(&relative))?;
        paths.sort();
        for path in paths {
            let name = relative.join(path.file_name().unwrap_or_default());
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            if path.is_dir() {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                let written = tar.append_data(&mut header, name.join(""), std::io::empty());
                written.map_err(failed)?;
                pending.push(name);
                continue;
            }
            let file = File::open(&path).map_err(files::at("read", &path))?;
            header.set_mode(0o644);
            header.set_size(file.metadata().map_err(files::at("read", &path))?.len());
            tar.append_data(&mut header, name, BufReader::new(file))
                .map_err(failed)?;
        }
    }
    if let Some(engine) = engine {
        let bytes = engine.to_json();
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, "manifest.json", bytes.as_slice())
            .map_err(failed)?;
    }
    tar.into_inner()
        .and_then(|mut writer| writer.flush())
        .map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(archive)
        .map_err(|error| failed(error.error))?;
    // A temporary file is private; an image is for others.
    fs::set_permissions(archive, fs::Permissions::from_mode(0o644)).map_err(failed)
}
