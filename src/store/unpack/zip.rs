//! Reads the members of zip archives with the `zip` crate, as the tree builder needs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufReader, Read},
};

use zip::{ZipArchive, read::ZipFile};

use crate::store::{
    Error, Rule,
    name_budget::NameBudget,
    tree_builder::{checked, folded, refused},
    unpack::ArchiveFile,
};

/// A zip archive all of whose names are plain and different.
pub(in crate::store) struct Zip<'a> {
    archive: ZipArchive<BufReader<ArchiveFile<'a>>>,
    /// The index of each member by its name as written.
    members: BTreeMap<String, usize>,
}

/// One member of a zip archive.
#[derive(Debug)]
pub(in crate::store) struct ZipMember {
    pub(in crate::store) directory: bool,
    /// True if its owner may execute it.
    pub(in crate::store) executable: bool,
}

impl<'a> Zip<'a> {
    /// Opens `file` and checks the names of all members.
    pub(in crate::store) fn open(file: ArchiveFile<'a>) -> Result<Self, Error> {
        let archive = ZipArchive::new(BufReader::with_capacity(1 << 16, file))
            .map_err(|error| damaged("")(error.into()))?;
        let (mut members, mut names) = (BTreeMap::new(), BTreeSet::new());
        let mut budget = NameBudget::whole();
        for (index, name) in archive.file_names_raw().enumerate() {
            let name = String::from_utf8(name.to_vec()).map_err(|error| {
                refused(&String::from_utf8_lossy(error.as_bytes()), Rule::OddPath)
            })?;
            budget.take(&name)?;
            let path = checked(name.strip_suffix('/').unwrap_or(&name))?;
            if !names.insert(folded(path)) {
                return Err(refused(&name, Rule::CaseCollision));
            }
            members.insert(name, index);
        }
        if archive.has_duplicate_names() {
            return Err(refused("", Rule::Duplicate));
        }
        Ok(Self { archive, members })
    }

    /// Returns the path of every member as written.
    pub(in crate::store) fn names(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// Returns the content of a member of at most `limit` bytes.
    pub(in crate::store) fn text(&mut self, name: &str, limit: u64) -> Result<String, Error> {
        let entry = self.entry(name)?;
        if entry.size() > limit {
            return Err(refused(name, Rule::TooLarge));
        }
        let mut text = String::new();
        entry
            .take(limit)
            .read_to_string(&mut text)
            .map_err(damaged(name))?;
        Ok(text)
    }

    /// Passes a member and its data to `place`.
    pub(in crate::store) fn member(
        &mut self,
        name: &str,
        place: impl FnOnce(ZipMember, &mut dyn Read) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut entry = self.entry(name)?;
        let directory = name.ends_with('/');
        let mode = entry.unix_mode().unwrap_or_default();
        let kind = mode & 0o170_000;
        let expected = if directory { 0o040_000 } else { 0o100_000 };
        if (kind != 0 && kind != expected) || (directory && entry.size() != 0) {
            return Err(refused(name, Rule::OddType));
        }
        if mode & 0o6000 != 0 {
            return Err(refused(name, Rule::Privileged));
        }
        let member = ZipMember {
            directory,
            executable: mode & 0o100 != 0,
        };
        place(member, &mut entry)
    }

    fn entry(&mut self, name: &str) -> Result<ZipFile<'_, BufReader<ArchiveFile<'a>>>, Error> {
        let index = self.members.get(name).copied();
        let index = index.ok_or_else(|| refused(name, Rule::NotAsListed))?;
        self.archive
            .by_index(index)
            .map_err(|error| damaged(name)(error.into()))
    }
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
