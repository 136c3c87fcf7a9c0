//! A secret of the user, with which devsh recognises what it wrote itself.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::OnceLock,
};

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

    /// Returns the first directory.
    pub fn directory(&self) -> &Path {
        &self.directories[0]
    }

    /// Returns `message` with its authentication code in front; nothing if there is no key and none can be stored.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = self.stored().or_else(|| self.create())?;
        let code = blake3::keyed_hash(key, message);
        Some([code.as_bytes(), message].concat())
    }

    /// Returns the message of `signed`, if it was signed with this key.
    pub fn verify<'a>(&self, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (code, message) = signed.split_first_chunk::<LENGTH>()?;
        let expected = blake3::keyed_hash(self.stored()?, message);
        // This comparison takes the same time for every code.
        (expected == *code).then_some(message)
    }

    fn stored(&self) -> Option<&[u8; LENGTH]> {
        if self.bytes.get().is_none() {
            let key = self.directories.iter().find_map(|place| read(place))?;
            let _set = self.bytes.set(key);
        }
        self.bytes.get()
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
        self.stored()
    }
}

fn read(directory: &Path) -> Option<[u8; LENGTH]> {
    let bytes = files::read_private(&directory.join(FILE), LENGTH as u64).ok()??;
    bytes.try_into().ok()
}

/// Writes a key, unless there is one, and returns the one that is there then.
fn write(directory: &Path, key: &[u8; LENGTH]) -> Option<[u8; LENGTH]> {
    let path = directory.join(FILE);
    let parent = path.parent()?;
    files::own_dir(parent).ok()?;
    let mut file = tempfile::NamedTempFile::new_in(parent).ok()?;
    file.write_all(key).ok()?;
    if file.persist_noclobber(&path).is_err() && read(directory).is_none() {
        // It is damaged, or others can read it.
        files::write_atomic(&path, key).ok()?;
    }
    read(directory)
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
        assert_eq!(key(&one, &two).verify(&signed), Some(&b"message"[..]));
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_eq!(key(&one, &two).verify(&changed), None, "byte {at}");
        }
        assert_eq!(key(&one, &two).verify(&signed[..20]), None);
        assert_eq!(key(&three, &three).verify(&signed), None, "there is no key");
        let _made = key(&three, &three).sign(b"").unwrap();
        assert_eq!(key(&three, &two).verify(&signed), None);
        // Each of the two directories is enough.
        fs::remove_dir_all(&one).unwrap();
        assert_eq!(key(&one, &two).verify(&signed), Some(&b"message"[..]));
    }

    #[test]
    fn a_key_that_others_can_read_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (place, nowhere) = (directory.path(), Path::new("/dev/null"));
        let own = || key(place, nowhere);
        let file = place.join(FILE);
        let signed = own().sign(b"x").unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(own().verify(&signed), None);
        let again = own().sign(b"x").unwrap();
        assert_ne!(again, signed);
        assert_eq!(own().verify(&again), Some(&b"x"[..]));
        fs::write(&file, "short").unwrap();
        let third = own().sign(b"x").unwrap();
        assert_eq!(own().verify(&third), Some(&b"x"[..]));
        assert_eq!(key(nowhere, place).verify(&third), Some(&b"x"[..]));
        assert_eq!(key(nowhere, nowhere).sign(b"x"), None);
    }
}
