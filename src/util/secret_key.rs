//! A secret of the user, with which devsh recognises what it wrote itself.

use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::NamedTempFile;

use super::files;

/// Bytes of a key, and of a code.
const LENGTH: usize = 32;
/// The file of the key, in a directory of its own that only the user can enter.
const FILE: &str = "session/key";

/// A random key in private files, which are read at the first use and made when the key is first needed.
///
/// Two directories have the same key: what is signed stays valid when one of them is removed or cannot be written.
#[derive(Clone)]
pub struct SecretKey {
    directories: [PathBuf; 2],
    bytes: OnceLock<[u8; LENGTH]>,
}

impl SecretKey {
    /// Returns the key in `directories`, which is not read yet.
    pub const fn new(directories: [PathBuf; 2]) -> Self {
        Self {
            directories,
            bytes: OnceLock::new(),
        }
    }

    /// Returns the directories with the key.
    pub const fn directories(&self) -> &[PathBuf; 2] {
        &self.directories
    }

    /// Returns the first directory.
    pub fn directory(&self) -> &Path {
        &self.directories[0]
    }

    /// Returns `message` with its authentication code in front; nothing if there is no key and none can be stored.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = self.stored().ok().flatten().or_else(|| self.create())?;
        for place in &self.directories {
            // A killed process may have stored it in one directory only.
            if !place.join(FILE).exists() {
                let _stored = write(place, key);
            }
        }
        let code = blake3::keyed_hash(key, message);
        Some([code.as_bytes(), message].concat())
    }

    /// Returns the message of `signed`, if it was signed with this key. An error says that the key may exist.
    pub fn verify<'a>(&self, signed: &'a [u8]) -> Result<Option<&'a [u8]>, files::Error> {
        let Some(key) = self.stored()? else {
            return Ok(None);
        };
        Ok(open(key, signed))
    }

    /// Removes temporary files of killed writers.
    pub fn sweep(&self) {
        for place in &self.directories {
            if let Some(parent) = place.join(FILE).parent() {
                files::sweep_temporaries(parent);
            }
        }
    }

    fn stored(&self) -> Result<Option<&[u8; LENGTH]>, files::Error> {
        let mut failed = None;
        for place in &self.directories {
            if self.bytes.get().is_some() {
                break;
            }
            match read(place) {
                Ok(Some(key)) => drop(self.bytes.set(key)),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        match (self.bytes.get(), failed) {
            (None, Some(error)) => Err(error),
            (key, _) => Ok(key),
        }
    }

    /// Stores a new key. Of several processes the first one wins.
    fn create(&self) -> Option<&[u8; LENGTH]> {
        let mut key = [0; LENGTH];
        getrandom::fill(&mut key).ok()?;
        for place in &self.directories {
            // The second directory gets the key that the first one has now.
            if let Some(stored) = write(place, &key) {
                key = stored;
            }
        }
        self.stored().ok().flatten()
    }
}

/// Returns the message of `signed` if its code is right.
fn open<'a>(key: &[u8; LENGTH], signed: &'a [u8]) -> Option<&'a [u8]> {
    let (code, message) = signed.split_first_chunk::<LENGTH>()?;
    // This comparison takes the same time for every code.
    (blake3::keyed_hash(key, message) == *code).then_some(message)
}

/// Reads a key; one that is damaged or that others can read counts as none.
fn read(directory: &Path) -> Result<Option<[u8; LENGTH]>, files::Error> {
    let path = directory.join(FILE);
    let Some(file) = files::open_private(&path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    // A longer file is no key.
    file.take(LENGTH as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(files::at("read", &path))?;
    Ok(bytes.try_into().ok())
}

/// Writes a key, unless there is one, and returns the one that is there then.
fn write(directory: &Path, key: &[u8; LENGTH]) -> Option<[u8; LENGTH]> {
    let file = temporary(directory, key)?;
    if file.persist_noclobber(directory.join(FILE)).is_err() && read(directory).ok()?.is_none() {
        // It is damaged, or others can read it.
        replace(directory, key)?;
    }
    read(directory).ok()?
}

fn replace(directory: &Path, key: &[u8; LENGTH]) -> Option<()> {
    let file = temporary(directory, key)?;
    file.persist(directory.join(FILE)).ok()?;
    Some(())
}

/// Writes a key next to its place.
fn temporary(directory: &Path, key: &[u8; LENGTH]) -> Option<NamedTempFile> {
    let path = directory.join(FILE);
    files::own_dir(path.parent()?).ok()?;
    files::write_temporary(&path, key, 0o600).ok()
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({})", self.directory().display())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn key(first: &Path, second: &Path) -> SecretKey {
        SecretKey::new([first.to_owned(), second.to_owned()])
    }

    #[test]
    fn only_messages_of_the_same_key_verify() {
        let directory = tempfile::tempdir().unwrap();
        let [one, two, three] = ["1", "2", "3"].map(|name| directory.path().join(name));
        let signed = key(&one, &two).sign(b"message").unwrap();
        let file = one.join(FILE);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            key(&one, &two).verify(&signed).unwrap(),
            Some(&b"message"[..])
        );
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_eq!(key(&one, &two).verify(&changed).unwrap(), None, "byte {at}");
        }
        assert_eq!(key(&one, &two).verify(&signed[..20]).unwrap(), None);
        assert_eq!(
            key(&three, &three).verify(&signed).unwrap(),
            None,
            "there is no key"
        );
        let _made = key(&three, &three).sign(b"").unwrap();
        assert_eq!(key(&three, &two).verify(&signed).unwrap(), None);
        // Each of the two directories is enough.
        fs::remove_dir_all(&one).unwrap();
        assert_eq!(
            key(&one, &two).verify(&signed).unwrap(),
            Some(&b"message"[..])
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (place, nowhere) = (directory.path(), Path::new("/dev/null"));
        let own = || key(place, nowhere);
        let file = place.join(FILE);
        let signed = own().sign(b"x").unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(own().verify(&signed).unwrap(), None);
        let again = own().sign(b"x").unwrap();
        assert_ne!(again, signed);
        assert_eq!(own().verify(&again).unwrap(), Some(&b"x"[..]));
        fs::write(&file, "short").unwrap();
        let third = own().sign(b"x").unwrap();
        assert_eq!(own().verify(&third).unwrap(), Some(&b"x"[..]));
        assert_eq!(key(nowhere, place).verify(&third).unwrap(), Some(&b"x"[..]));
        assert_eq!(key(nowhere, nowhere).sign(b"x"), None);
        // It cannot be read, which does not mean that there is none.
        let unreadable = place.join("x".repeat(300));
        assert!(key(&unreadable, nowhere).verify(&third).is_err());
        assert!(key(&unreadable, place).verify(&third).unwrap().is_some());
    }
}
