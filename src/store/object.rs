//! What a published object says of itself, and the hash of its tree.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Built, Error, Object};
use crate::{fsx, package::Digest};

/// The file with the record, inside the object.
pub(super) const RECORD: &str = ".devsh-object.json";
/// Longest accepted record, in bytes.
const LIMIT: u64 = 1 << 20;

/// The commit record of an object: an object is complete when it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it was made from its artifacts.
    pub recipe: String,
    /// The BLAKE3 of the tree as published.
    pub tree: String,
    /// What it was made from.
    pub artifacts: Vec<ArtifactRecord>,
    /// What it was built from, if it was not unpacked: one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
}

/// One artifact of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Which part it is; empty for the only one.
    pub part: String,
    /// Its public address.
    pub url: String,
    /// Its SHA-256 in hexadecimal, or another digest with its kind in front.
    pub sha256: String,
}

impl ObjectRecord {
    /// Returns the record of `object` with this tree.
    pub(super) fn new(object: &Object<'_>, tree: String) -> Self {
        Self {
            name: object.name.to_string(),
            version: object.version.to_string(),
            recipe: object.recipe.as_str().to_owned(),
            tree,
            artifacts: object
                .artifacts
                .iter()
                .map(|artifact| ArtifactRecord {
                    part: artifact.part.clone(),
                    url: crate::fetch::redacted(&artifact.url).to_string(),
                    sha256: match artifact.digest {
                        Digest::Sha256(digest) => digest.to_string(),
                        other @ Digest::Sha512(_) => other.to_string(),
                    },
                })
                .collect(),
            inputs: Vec::new(),
        }
    }

    /// Returns the record of a built object with this tree.
    pub(super) fn of_built(built: &Built<'_>, tree: String) -> Self {
        Self {
            name: built.name.to_string(),
            version: built.version.to_string(),
            recipe: built.recipe.as_str().to_owned(),
            tree,
            artifacts: Vec::new(),
            inputs: built.inputs.to_vec(),
        }
    }

    /// Reads the record of the object in `directory`; nothing when there is none or it is damaged.
    pub fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let bytes = fsx::read_bounded(&directory.join(RECORD), LIMIT)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Writes the record into `directory`.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(RECORD);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| fsx::at("write", &path)(error.into()))?;
        bytes.push(b'\n');
        fsx::write_atomic(&path, &bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444))
            .map_err(fsx::at("write", &path))?;
        Ok(())
    }
}

/// One member of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether it can be executed.
        executable: bool,
        /// The BLAKE3 of its content.
        digest: [u8; 32],
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: String,
    },
}

/// Returns the hash of a tree: names in order, kinds, execute bits and contents, nothing else.
pub(super) fn tree_hash(nodes: &BTreeMap<String, Node>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, node) in nodes {
        if is_volatile(path) {
            continue;
        }
        let mut writer = crate::wire::Writer::default();
        writer.bytes(path);
        match node {
            Node::Directory => writer.number(0),
            Node::File { executable, digest } => {
                writer.number(1 + u64::from(*executable));
                writer.bytes(digest);
            }
            Node::Link { target } => {
                writer.number(3);
                writer.bytes(target);
            }
        }
        hasher.update(&writer.into_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Returns the hash of the tree in `root` as it is now.
pub(super) fn hash_on_disk(root: &Path) -> Result<String, Error> {
    let mut nodes = BTreeMap::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let place = root.join(&directory);
        for entry in fs::read_dir(&place).map_err(fsx::at("read", &place))? {
            let entry = entry.map_err(fsx::at("read", &place))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if directory.is_empty() && name == RECORD {
                continue;
            }
            let path = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            if is_volatile(&path) {
                continue;
            }
            let node = node_on_disk(&entry.path())?;
            if node == Node::Directory {
                pending.push(path.clone());
            }
            nodes.insert(path, node);
        }
    }
    Ok(tree_hash(&nodes))
}

fn node_on_disk(path: &Path) -> Result<Node, Error> {
    let metadata = fs::symlink_metadata(path).map_err(fsx::at("read", path))?;
    if metadata.is_dir() {
        return Ok(Node::Directory);
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(fsx::at("read", path))?;
        return Ok(Node::Link {
            target: target.to_string_lossy().into_owned(),
        });
    }
    if !metadata.is_file() {
        return Err(fsx::at("read", path)(std::io::Error::other("not a regular file")).into());
    }
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(fsx::at("read", path))?;
    hasher.update_reader(file).map_err(fsx::at("read", path))?;
    Ok(Node::File {
        executable: metadata.permissions().mode() & 0o111 != 0,
        digest: hasher.finalize().into(),
    })
}

/// Python writes its bytecode beside its modules whenever it likes; that is no change of the object.
fn is_volatile(path: &str) -> bool {
    path.split('/').any(|part| part == "__pycache__")
}
