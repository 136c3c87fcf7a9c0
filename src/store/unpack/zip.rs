//! Reads zip archives strictly: what two readers could understand differently is refused.

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use zip::{ZipArchive, result::ZipError};

use crate::store::{Error, Rule, tree::refused};

/// A zip archive whose directory agrees with its members.
pub(in crate::store) struct Zip<'a>(ZipArchive<BufReader<&'a File>>);

/// One member of an archive.
#[derive(Debug)]
pub(in crate::store) struct Member {
    /// Whether it is a directory.
    pub(in crate::store) directory: bool,
    /// Whether its owner may execute it.
    pub(in crate::store) executable: bool,
}

impl<'a> Zip<'a> {
    /// Opens `file` and checks that directory and members agree and no name occurs twice.
    pub(in crate::store) fn open(file: &'a File) -> Result<Self, Error> {
        let reader = BufReader::with_capacity(1 << 17, file);
        let mut archive = ZipArchive::new(reader).map_err(damaged(""))?;
        archive.validate_header_consistency().map_err(damaged(""))?;
        Ok(Self(archive))
    }

    /// Returns the path of every member as written.
    pub(in crate::store) fn names(&self) -> Result<Vec<String>, Error> {
        let name = |index| match self.0.name_for_index(index) {
            Some(Ok(name)) => Ok(name.into_owned()),
            Some(Err(error)) => Err(damaged("")(error)),
            None => Err(damaged("")(ZipError::FileNotFound)),
        };
        (0..self.0.len()).map(name).collect()
    }

    /// Returns the content of a small member.
    pub(in crate::store) fn text(&mut self, name: &str, limit: u64) -> Result<String, Error> {
        let member = self.0.by_name(name).map_err(damaged(name))?;
        let mut text = String::new();
        member
            .take(limit + 1)
            .read_to_string(&mut text)
            .map_err(|error| damaged(name)(error.into()))?;
        if text.len() as u64 > limit {
            return Err(refused(name, Rule::TooLarge));
        }
        Ok(text)
    }

    /// Gives a member and its data to `place`.
    pub(in crate::store) fn member(
        &mut self,
        name: &str,
        place: impl FnOnce(Member, &mut dyn Read) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut file = self.0.by_name(name).map_err(damaged(name))?;
        let mode = file.unix_mode().unwrap_or_default();
        let directory = file.is_dir();
        let plain = matches!(mode & 0o170_000, 0 | 0o100_000)
            || (directory && mode & 0o170_000 == 0o040_000);
        if !plain || file.encrypted() {
            return Err(refused(name, Rule::OddType));
        }
        if mode & 0o6000 != 0 {
            return Err(refused(name, Rule::Privileged));
        }
        let member = Member {
            directory,
            executable: mode & 0o100 != 0,
        };
        place(member, &mut file)
    }
}

fn damaged(member: &str) -> impl FnOnce(ZipError) -> Error + use<> {
    let member = member.to_owned();
    move |error| Error::Archive {
        member,
        source: match error {
            ZipError::Io(source) => source,
            error => io::Error::other(error.to_string()),
        },
    }
}
