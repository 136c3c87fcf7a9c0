//! The files of a layer: store objects, a profile, and files of the project.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::BufReader,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ignore::gitignore::Gitignore;

use super::{Error, IgnoreFiles, ImageLayer, LayerWriter, Relocation, ignore_files::refuse_link};
use crate::{config::ownership::Access, util::files};

/// Names of devsh's own records begin so. They describe this machine's store.
const RECORDS: &str = ".devsh-";
/// The bytes of the beginning of a file that decide whether it is text.
const HEAD: usize = 8192;
/// Names in a layer that begin so remove files of the layers below.
const WHITEOUT: &str = ".wh.";

/// The files of one layer by their paths in the image, without a leading `/`.
#[derive(Debug, Default)]
pub struct LayerFiles {
    entries: BTreeMap<String, LayerEntry>,
}

#[derive(Debug)]
enum LayerEntry {
    Directory,
    /// A file whose bytes stay as they are.
    File {
        source: PathBuf,
        executable: bool,
    },
    /// A file whose text was rewritten.
    Text {
        bytes: Vec<u8>,
        executable: bool,
    },
    Symlink(PathBuf),
}

/// A store object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFiles<'a> {
    pub object: &'a Path,
    /// The members that were published, relative to the object.
    pub members: &'a BTreeSet<String>,
    pub to: &'a str,
    pub relocation: &'a Relocation,
}

/// The profile of a dev shell.
#[derive(Debug, Clone, Copy)]
pub struct ProfileFiles<'a> {
    pub profile: &'a Path,
    pub to: &'a str,
    pub relocation: &'a Relocation,
}

/// Files of the project.
#[derive(Debug, Clone, Copy)]
pub struct CopiedFiles<'a> {
    pub root: &'a Path,
    /// Relative to the root; empty for the root.
    pub from: &'a str,
    pub to: &'a str,
    pub ignored: &'a IgnoreFiles,
}

/// A walk through files of the project.
struct CopyWalk<'a> {
    copied: CopiedFiles<'a>,
    /// The rule for whose files may be copied.
    access: &'a mut Access,
    /// The `.gitignore` files of the directories on the way, the outermost first.
    git: Vec<Gitignore>,
}

impl CopyWalk<'_> {
    /// Reads the `.gitignore` of the next directory on the way.
    fn enter(&mut self, directory: &Path) -> Result<(), Error> {
        let patterns = IgnoreFiles::git(self.copied.root, directory, self.access)?;
        self.git.push(patterns);
        Ok(())
    }
}

impl LayerFiles {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a store object, with the paths of the store in its text rewritten.
    pub fn add_object(&mut self, object: ObjectFiles<'_>) -> Result<(), Error> {
        let to = inside(object.to);
        self.put(&to, LayerEntry::Directory)?;
        for member in object.members {
            let path = object.object.join(member);
            self.add_member(&path, &join(&to, member), object.relocation)?;
        }
        Ok(())
    }

    /// Adds a profile with all its paths rewritten.
    pub fn add_profile(&mut self, profile: ProfileFiles<'_>) -> Result<(), Error> {
        let to = inside(profile.to);
        self.add_tree(profile.profile, &to, profile.relocation)
    }

    /// Adds files of the project that no other user can change. Links out of the project are refused.
    pub fn add_copied(
        &mut self,
        copied: CopiedFiles<'_>,
        access: &mut Access,
    ) -> Result<(), Error> {
        let source = copied.root.join(copied.from);
        if fs::symlink_metadata(&source).is_err() {
            return Err(Error::NothingToCopy(copied.from.to_owned()));
        }
        let git = copied.ignored.git_above(copied.root, access)?;
        let mut walk = CopyWalk {
            copied,
            access,
            git,
        };
        // The parents of the path have their own `.gitignore` files.
        let mut place = copied.root.to_owned();
        for part in Path::new(copied.from) {
            if place != copied.root {
                walk.enter(&place)?;
            }
            if place.is_symlink() {
                return Err(Error::LinkAbove(copied.from.to_owned()));
            }
            place.push(part);
            refuse_link(copied.root, &place)?;
            // Git usually ignores the results of builds, which are named here. Nothing else of them is left out.
            let is_dir = place.is_dir() && !place.is_symlink();
            if copied.ignored.is_ignored(&place, is_dir, &[]) {
                return Err(Error::IgnoredCopy(copied.from.to_owned()));
            }
        }
        self.copy(&mut walk, &source, &inside(copied.to))
    }

    fn copy(&mut self, walk: &mut CopyWalk<'_>, source: &Path, to: &str) -> Result<(), Error> {
        let found = fs::symlink_metadata(source).map_err(files::at("read", source))?;
        if found.is_dir() {
            self.put(to, LayerEntry::Directory)?;
            let is_root = source == walk.copied.root;
            if !is_root {
                walk.enter(source)?;
            }
            for path in files::list(source)? {
                let is_dir = path.is_dir() && !path.is_symlink();
                if !walk.copied.ignored.is_ignored(&path, is_dir, &walk.git) {
                    self.copy(walk, &path, &join(to, file_name(&path)?))?;
                }
            }
            if !is_root {
                walk.git.pop();
            }
        } else if found.is_symlink() {
            refuse_link(walk.copied.root, source)?;
            let target = fs::read_link(source).map_err(files::at("read", source))?;
            self.put(to, LayerEntry::Symlink(target))?;
        } else if found.is_file() {
            walk.access.check(source)?;
            let executable = found.permissions().mode() & 0o111 != 0;
            let source = source.to_owned();
            self.put(to, LayerEntry::File { source, executable })?;
        } else {
            return Err(Error::Special(source.to_owned()));
        }
        Ok(())
    }

    fn add_tree(&mut self, source: &Path, to: &str, relocation: &Relocation) -> Result<(), Error> {
        self.put(to, LayerEntry::Directory)?;
        for path in files::list(source)? {
            let name = file_name(&path)?;
            if name.starts_with(RECORDS) {
                continue;
            }
            let place = join(to, name);
            if path.is_dir() && !path.is_symlink() {
                self.add_tree(&path, &place, relocation)?;
            } else {
                self.add_member(&path, &place, relocation)?;
            }
        }
        Ok(())
    }

    /// Adds one file, link or empty directory with its paths rewritten.
    fn add_member(
        &mut self,
        path: &Path,
        place: &str,
        relocation: &Relocation,
    ) -> Result<(), Error> {
        let found = fs::symlink_metadata(path).map_err(files::at("read", path))?;
        if found.is_dir() {
            self.put(place, LayerEntry::Directory)?;
        } else if found.is_symlink() {
            let target = fs::read_link(path).map_err(files::at("read", path))?;
            let target = relocation.path(&target).unwrap_or(target);
            self.put(place, LayerEntry::Symlink(target))?;
        } else if found.is_file() {
            let executable = found.permissions().mode() & 0o111 != 0;
            let entry = match relocated(path, relocation)? {
                Some(bytes) => LayerEntry::Text { bytes, executable },
                None => LayerEntry::File {
                    source: path.to_owned(),
                    executable,
                },
            };
            self.put(place, entry)?;
        } else {
            return Err(Error::Special(path.to_owned()));
        }
        Ok(())
    }

    /// Adds an entry and the directories above it.
    fn put(&mut self, path: &str, entry: LayerEntry) -> Result<(), Error> {
        if path.split('/').any(|name| name.starts_with(WHITEOUT)) {
            return Err(Error::Whiteout(format!("/{path}")));
        }
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            let there = self.entries.entry(parent.to_owned());
            // A program that unpacks the layer would follow a symlink there.
            if !matches!(
                there.or_insert(LayerEntry::Directory),
                LayerEntry::Directory
            ) {
                return Err(Error::BelowFile {
                    path: format!("/{path}"),
                    file: format!("/{parent}"),
                });
            }
            above = parent;
        }
        let is_directory = matches!(entry, LayerEntry::Directory);
        let below = format!("{path}/");
        let mut later = self.entries.range(below.clone()..);
        if let Some((inside, _)) = later.next().filter(|(other, _)| other.starts_with(&below))
            && !is_directory
        {
            return Err(Error::BelowFile {
                path: format!("/{inside}"),
                file: format!("/{path}"),
            });
        }
        if !path.is_empty() && (!is_directory || !self.entries.contains_key(path)) {
            self.entries.insert(path.to_owned(), entry);
        }
        Ok(())
    }

    /// Writes the layer into a directory of blobs.
    pub fn write(&self, directory: &Path, title: &str) -> Result<ImageLayer, Error> {
        let mut layer = LayerWriter::new(directory, title)?;
        for (path, entry) in &self.entries {
            match entry {
                LayerEntry::Directory => layer.directory(path)?,
                LayerEntry::Symlink(target) => layer.symlink(path, target)?,
                LayerEntry::Text { bytes, executable } => {
                    layer.file(path, *executable, bytes.len() as u64, bytes.as_slice())?;
                }
                LayerEntry::File { source, executable } => {
                    let file = File::open(source).map_err(files::at("read", source))?;
                    let size = file.metadata().map_err(files::at("read", source))?.len();
                    layer.file(path, *executable, size, BufReader::new(file))?;
                }
            }
        }
        layer.finish()
    }
}

/// Returns a path in the image without its leading `/`.
fn inside(path: &str) -> String {
    path.trim_matches('/').to_owned()
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

/// Returns the name of a file, which layers have as UTF-8.
fn file_name(path: &Path) -> Result<&str, Error> {
    let name = path.file_name().unwrap_or_default().to_str();
    name.ok_or_else(|| Error::OddName(path.to_owned()))
}

/// Returns the text of a file with its paths rewritten, if it is text and has any.
fn relocated(path: &Path, relocation: &Relocation) -> Result<Option<Vec<u8>>, Error> {
    let bytes = fs::read(path).map_err(files::at("read", path))?;
    let head = &bytes[..bytes.len().min(HEAD)];
    if head.contains(&0) || !relocation.concerns(&bytes) {
        return Ok(None);
    }
    let bytes = relocation.text(&bytes);
    match relocation.found_in(&bytes) {
        Some(left) => Err(Error::HostPath {
            file: path.to_owned(),
            path: left,
        }),
        None => Ok(Some(bytes)),
    }
}
