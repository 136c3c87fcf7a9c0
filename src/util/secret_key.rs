//! A secret of the user, with which devsh recognises what it wrote itself.

use std::{
    fmt,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::NamedTempFile;

use super::files;

/// Bytes of a key, and of a code.
const LENGTH: usize = 32;
/// Bytes of the birth of the file, after the key.
const BIRTH: usize = 24;
/// The file of the key, in a directory of its own that only the user can enter.
const FILE: &str = "session/key";

/// A random key in private files, which are read at the first use and made when the key is first needed.
///
/// Two directories have the same key: what is signed stays valid when one of them is removed or cannot be written.
/// Each file also has its own inode and time of birth. An archive can deliver a private file with a chosen key, but not
/// these, so `verify_found` can tell a key of devsh from a delivered one.
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
        let key = self.stored().ok().flatten().or_else(|| self.create())?;
        for place in &self.directories {
            // A copy of the directory, such as a restored backup, has files with another birth.
            if read(place).is_ok_and(|stored| stored.is_some_and(|stored| stored.is_copied)) {
                let _renewed = replace(place, key);
            }
        }
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

    /// Returns the message of `signed`, if it was signed with a key in one of `directories`, which come from the message.
    ///
    /// devsh must have made the key at this place.
    pub fn verify_found<'a>(directories: &[PathBuf; 2], signed: &'a [u8]) -> Option<&'a [u8]> {
        directories.iter().find_map(|directory| {
            let stored = read(directory).ok()??;
            let key = stored.is_born_here.then_some(stored.key)?;
            open(&key, signed)
        })
    }

    fn stored(&self) -> Result<Option<&[u8; LENGTH]>, files::Error> {
        let mut failed = None;
        for place in &self.directories {
            if self.bytes.get().is_some() {
                break;
            }
            match read(place) {
                Ok(Some(stored)) => drop(self.bytes.set(stored.key)),
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

/// A key in a file.
struct StoredKey {
    key: [u8; LENGTH],
    /// Whether devsh made the file at its place.
    is_born_here: bool,
    /// Whether it names another file, or none though its own birth is known.
    is_copied: bool,
}

/// Reads a key; one that is damaged or that others can read counts as none.
fn read(directory: &Path) -> Result<Option<StoredKey>, files::Error> {
    let path = directory.join(FILE);
    let Some(file) = files::open_private(&path)? else {
        return Ok(None);
    };
    let birth = files::birth_of(&file);
    let mut bytes = Vec::new();
    // A longer file is no key.
    let limit = (LENGTH + BIRTH + 1) as u64;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(files::at("read", &path))?;
    let Some((key, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let is_born_here = birth.is_some_and(|birth| birth == *rest);
    Ok(matches!(rest.len(), 0 | BIRTH).then_some(StoredKey {
        key: *key,
        is_born_here,
        is_copied: birth.is_some() && !is_born_here,
    }))
}

/// Writes a key, unless there is one, and returns the one that is there then.
fn write(directory: &Path, key: &[u8; LENGTH]) -> Option<[u8; LENGTH]> {
    let file = temporary(directory, key)?;
    if file.persist_noclobber(directory.join(FILE)).is_err() && read(directory).ok()?.is_none() {
        // It is damaged, or others can read it.
        replace(directory, key)?;
    }
    Some(read(directory).ok()??.key)
}

fn replace(directory: &Path, key: &[u8; LENGTH]) -> Option<()> {
    let file = temporary(directory, key)?;
    file.persist(directory.join(FILE)).ok()?;
    Some(())
}

/// Writes a key with the birth of its file next to the place of the key.
fn temporary(directory: &Path, key: &[u8; LENGTH]) -> Option<NamedTempFile> {
    let path = directory.join(FILE);
    let parent = path.parent()?;
    files::own_dir(parent).ok()?;
    let mut file = NamedTempFile::new_in(parent).ok()?;
    file.write_all(key).ok()?;
    if let Some(birth) = files::birth_of(file.as_file()) {
        file.write_all(&birth).ok()?;
    }
    Some(file)
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
    fn a_delivered_key_is_not_one_that_devsh_made() {
        let directory = tempfile::tempdir().unwrap();
        let [own, delivered] = ["own", "delivered"].map(|name| directory.path().join(name));
        let signed = key(&own, Path::new("/dev/null")).sign(b"x").unwrap();
        let verify = |place: &Path| {
            let places = [place.to_owned(), place.to_owned()];
            SecretKey::verify_found(&places, &signed).is_some()
        };
        assert!(verify(&own));
        // As an archive is unpacked: owner and modes are right, with and without the birth of another file.
        files::own_dir(&delivered.join("session")).unwrap();
        for bytes in [LENGTH, LENGTH + BIRTH] {
            let content = fs::read(own.join(FILE)).unwrap();
            fs::write(delivered.join(FILE), &content[..bytes]).unwrap();
            fs::set_permissions(delivered.join(FILE), PermissionsExt::from_mode(0o600)).unwrap();
            assert!(!verify(&delivered), "{bytes} bytes");
            // In a directory of the user's own it is a key.
            assert!(
                key(&delivered, &delivered)
                    .verify(&signed)
                    .unwrap()
                    .is_some()
            );
        }
    }

    #[test]
    fn a_restored_key_belongs_to_its_place_at_the_next_signature() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let signed = key(place, Path::new("/dev/null")).sign(b"x").unwrap();
        let places = [place.to_owned(), place.to_owned()];
        let copied = fs::read(place.join(FILE)).unwrap();
        files::write_atomic(&place.join(FILE), &copied).unwrap();
        assert_eq!(SecretKey::verify_found(&places, &signed), None);
        let again = key(place, Path::new("/dev/null")).sign(b"x").unwrap();
        assert_eq!(again, signed, "the key is the same");
        assert!(SecretKey::verify_found(&places, &signed).is_some());
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
