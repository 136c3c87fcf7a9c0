//! Trust: nothing of a project is executed, fetched or exported before the user allowed its content.
//!
//! Invariant: only `project` makes a `Trusted`, and only of what was made from the very bytes that were
//! compared with the approval. Approvals lie in the user's data directory, never in the project.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    fsx,
    wire::{Damaged, Reader, Writer},
};

use super::inputs::Closure;

/// A value that comes from content the user allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<T>(T);

impl<T> Trusted<T> {
    /// Vouches for `value`; only `Project` does, for the value that it made from an allowed closure.
    pub(super) const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value.
    pub const fn get(&self) -> &T {
        &self.0
    }
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

    /// Compares a closure with the user's decision.
    pub fn standing(&self, root: &Path, closure: &Closure) -> Result<Standing, fsx::Error> {
        if self.denial_path(root).symlink_metadata().is_ok() {
            return Ok(Standing::Denied);
        }
        Ok(match self.approval(root)? {
            Some(approval) if approval.inputs == *closure.approved() => Standing::Allowed,
            Some(_) => Standing::Changed,
            None => Standing::Unknown,
        })
    }

    /// Records that the user allows this closure.
    pub fn allow(
        &self,
        root: &Path,
        closure: &Closure,
        facts: BTreeMap<String, String>,
    ) -> Result<(), fsx::Error> {
        let path = self.approval_path(root);
        fsx::create_private_dir(path.parent().unwrap_or(&self.data))?;
        fsx::write_atomic(
            &path,
            &encode(
                &Approval {
                    inputs: closure.approved().clone(),
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
    use std::time::SystemTime;

    use super::{super::inputs::Inputs, *};

    fn closure(files: &[(&str, Option<&str>)]) -> Closure {
        let directory = tempfile::tempdir().unwrap();
        let mut inputs = Inputs::new(directory.path(), SystemTime::UNIX_EPOCH);
        for (name, content) in files {
            if let Some(content) = content {
                std::fs::write(directory.path().join(name), content).unwrap();
            }
            inputs.approved(name).unwrap();
        }
        inputs.close()
    }

    #[test]
    fn trust_follows_every_byte() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let root = Path::new("/a project\nof mine");
        let (manifest, local) = ("devshell.toml", "devshell.local.toml");
        let allowed = closure(&[(manifest, Some("x")), (local, None)]);
        let standing = |closure: &Closure| decisions.standing(root, closure).unwrap();
        assert_eq!(standing(&allowed), Standing::Unknown);
        decisions.allow(root, &allowed, BTreeMap::new()).unwrap();
        assert_eq!(standing(&allowed), Standing::Allowed);
        for changed in [
            closure(&[(manifest, Some("y")), (local, None)]),
            closure(&[(manifest, Some("x")), (local, Some(""))]),
            closure(&[(manifest, Some("x"))]),
            closure(&[(manifest, None), (local, None)]),
        ] {
            assert_eq!(standing(&changed), Standing::Changed);
        }
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
        decisions
            .allow(one, &closure(&[]), BTreeMap::new())
            .unwrap();
        std::fs::copy(decisions.approval_path(one), decisions.approval_path(two)).unwrap();
        assert_eq!(
            decisions.standing(two, &closure(&[])).unwrap(),
            Standing::Unknown
        );
        let whole = std::fs::read(decisions.approval_path(one)).unwrap();
        for end in 0..whole.len() {
            std::fs::write(decisions.approval_path(one), &whole[..end]).unwrap();
            assert_eq!(
                decisions.standing(one, &closure(&[])).unwrap(),
                Standing::Unknown,
                "{end}"
            );
        }
    }
}
