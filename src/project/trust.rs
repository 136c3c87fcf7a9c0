//! Trust: nothing of a project is executed, fetched or exported before the user allowed its content.
//!
//! Invariant: only this module makes a `Trusted`, and only from the bytes that were compared with the
//! approval. Approvals lie in the user's data directory, never in the project.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    fsx,
    wire::{Damaged, Reader, Writer},
};

/// A value that comes from content the user allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<T>(T);

impl<T> Trusted<T> {
    /// Returns the value.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

/// A file that can change what a project does, as it was read: once, whole, into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file's name below the root.
    pub name: String,
    /// Its bytes; nothing when there is no such file, which counts like content.
    pub bytes: Option<Vec<u8>>,
}

/// What the user approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// Names of the inputs with the digests of their bytes.
    pub inputs: BTreeMap<String, Option<[u8; 32]>>,
    /// What the project asked for when it was approved, for the comparison at the next approval.
    pub facts: BTreeMap<String, String>,
}

/// How a project stands with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its content is approved.
    Allowed,
    /// Earlier content was approved.
    Changed,
    /// The user never decided.
    Unknown,
    /// The user denied it.
    Denied,
}

/// The user's decisions, by project.
#[derive(Debug, Clone)]
pub struct Decisions {
    data: PathBuf,
}

/// Longest approval that is read, in bytes.
const LIMIT: u64 = 16 << 20;
/// First field of an approval.
const FORMAT: u64 = 1;

impl Decisions {
    /// Returns the decisions kept below devsh's data directory.
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
        }
    }

    /// Returns where the approval of the project at `root` is kept.
    pub fn approval_path(&self, root: &Path) -> PathBuf {
        self.data.join("allow").join(project_key(root))
    }

    /// Returns where the denial of the project at `root` is kept.
    pub fn denial_path(&self, root: &Path) -> PathBuf {
        self.data.join("deny").join(project_key(root))
    }

    /// Returns whether some content of the project at `root` was allowed.
    pub fn is_known(&self, root: &Path) -> bool {
        self.approval_path(root).symlink_metadata().is_ok()
    }

    /// Returns the last approval of the project at `root`; a damaged one counts as none.
    pub fn approval(&self, root: &Path) -> Result<Option<Approval>, fsx::Error> {
        let bytes = fsx::read_bounded(&self.approval_path(root), LIMIT)?;
        Ok(bytes.and_then(|bytes| decode(&bytes, root).ok()))
    }

    /// Compares inputs with the user's decision.
    pub fn standing(&self, root: &Path, inputs: &[Input]) -> Result<Standing, fsx::Error> {
        if self.denial_path(root).symlink_metadata().is_ok() {
            return Ok(Standing::Denied);
        }
        Ok(match self.approval(root)? {
            Some(approval) if approval.inputs == digests(inputs) => Standing::Allowed,
            Some(_) => Standing::Changed,
            None => Standing::Unknown,
        })
    }

    /// Returns `value`, made from `inputs`, as trusted if they are allowed.
    pub fn trust<T>(
        &self,
        root: &Path,
        inputs: &[Input],
        value: T,
    ) -> Result<Result<Trusted<T>, Standing>, fsx::Error> {
        Ok(match self.standing(root, inputs)? {
            Standing::Allowed => Ok(Trusted(value)),
            standing => Err(standing),
        })
    }

    /// Trusts `value` for this one command, as the user said on its command line.
    pub const fn trust_once<T>(value: T) -> Trusted<T> {
        Trusted(value)
    }

    /// Records that the user allows these inputs.
    pub fn allow(
        &self,
        root: &Path,
        inputs: &[Input],
        facts: BTreeMap<String, String>,
    ) -> Result<(), fsx::Error> {
        let path = self.approval_path(root);
        fsx::create_private_dir(path.parent().unwrap_or(&self.data))?;
        fsx::write_atomic(
            &path,
            &encode(
                &Approval {
                    inputs: digests(inputs),
                    facts,
                },
                root,
            ),
        )?;
        remove(&self.denial_path(root))
    }

    /// Records that the user denies the project, whatever its content.
    pub fn deny(&self, root: &Path) -> Result<(), fsx::Error> {
        use std::os::unix::ffi::OsStrExt;
        let path = self.denial_path(root);
        fsx::create_private_dir(path.parent().unwrap_or(&self.data))?;
        fsx::write_atomic(&path, root.as_os_str().as_bytes())?;
        remove(&self.approval_path(root))
    }
}

/// Returns the name under which devsh keeps what belongs to the project at `root`.
pub fn project_key(root: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    blake3::hash(root.as_os_str().as_bytes()).to_hex()[..32].to_owned()
}

fn remove(path: &Path) -> Result<(), fsx::Error> {
    match std::fs::remove_file(path) {
        Err(error) if !fsx::is_absent(&error) => Err(fsx::at("remove", path)(error)),
        _ => Ok(()),
    }
}

fn digests(inputs: &[Input]) -> BTreeMap<String, Option<[u8; 32]>> {
    let digest = |bytes: &Vec<u8>| *blake3::hash(bytes).as_bytes();
    inputs
        .iter()
        .map(|input| (input.name.clone(), input.bytes.as_ref().map(digest)))
        .collect()
}

fn encode(approval: &Approval, root: &Path) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.number(FORMAT);
    writer.os(root);
    writer.list(approval.inputs.iter(), |writer, (name, digest)| {
        writer.bytes(name);
        writer.option(digest.as_ref(), Writer::bytes);
    });
    writer.list(approval.facts.iter(), |writer, (name, value)| {
        writer.bytes(name);
        writer.bytes(value);
    });
    writer.into_bytes()
}

fn decode(bytes: &[u8], root: &Path) -> Result<Approval, Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.number()? != FORMAT || reader.path()? != root {
        return Err(Damaged);
    }
    let inputs = reader
        .list(|reader| Ok((reader.text()?.to_owned(), reader.option(Reader::array)?)))?
        .into_iter()
        .collect();
    let facts = reader
        .list(|reader| Ok((reader.text()?.to_owned(), reader.text()?.to_owned())))?
        .into_iter()
        .collect();
    reader.finish()?;
    Ok(Approval { inputs, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, bytes: Option<&str>) -> Input {
        Input {
            name: name.to_owned(),
            bytes: bytes.map(|bytes| bytes.as_bytes().to_vec()),
        }
    }

    #[test]
    fn trust_follows_every_byte() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let root = Path::new("/a project\nof mine");
        let allowed = [
            input("devshell.toml", Some("x")),
            input("devshell.local.toml", None),
        ];
        let standing = |inputs: &[Input]| decisions.standing(root, inputs).unwrap();
        assert_eq!(standing(&allowed), Standing::Unknown);
        decisions.allow(root, &allowed, BTreeMap::new()).unwrap();
        assert_eq!(standing(&allowed), Standing::Allowed);
        assert_eq!(
            standing(&[input("devshell.toml", Some("y")), allowed[1].clone()]),
            Standing::Changed
        );
        assert_eq!(
            standing(&[allowed[0].clone(), input("devshell.local.toml", Some(""))]),
            Standing::Changed
        );
        assert_eq!(standing(&allowed[..1]), Standing::Changed);
        assert_eq!(
            decisions.standing(Path::new("/a"), &allowed).unwrap(),
            Standing::Unknown
        );
        decisions.deny(root).unwrap();
        assert_eq!(standing(&allowed), Standing::Denied);
        decisions.allow(root, &allowed, BTreeMap::new()).unwrap();
        assert_eq!(standing(&allowed), Standing::Allowed);
    }

    #[test]
    fn an_approval_of_another_path_or_damaged_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let (one, two) = (Path::new("/one"), Path::new("/two"));
        decisions.allow(one, &[], BTreeMap::new()).unwrap();
        std::fs::copy(decisions.approval_path(one), decisions.approval_path(two)).unwrap();
        assert_eq!(decisions.standing(two, &[]).unwrap(), Standing::Unknown);
        let whole = std::fs::read(decisions.approval_path(one)).unwrap();
        for end in 0..whole.len() {
            std::fs::write(decisions.approval_path(one), &whole[..end]).unwrap();
            assert_eq!(
                decisions.standing(one, &[]).unwrap(),
                Standing::Unknown,
                "{end}"
            );
        }
    }
}
