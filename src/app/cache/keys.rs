//! The keys that sign built objects.

use std::path::{Path, PathBuf};

use crate::{
    cache::signing::{PublicKey, SigningKey},
    report::failure::Failure,
    util::{files, vars},
};

use super::{super::session::Session, OpenCache};

/// The longest accepted key, in bytes.
const LIMIT: u64 = 4096;

/// A new key.
#[derive(Debug)]
pub struct NewKey {
    pub file: PathBuf,
    pub public: PublicKey,
}

/// Makes a key and keeps it in the user's configuration.
pub fn new_key(session: &Session<'_>, name: &str) -> Result<NewKey, Failure> {
    let key = SigningKey::generate(name).map_err(|error| {
        Failure::from(error).hint("write letters, digits, `.`, `-` and `_`: `team-1`")
    })?;
    let directory = session.context.directories.config.join("keys");
    files::create_private_dir(&directory)?;
    let file = directory.join(format!("{name}.key"));
    if file.symlink_metadata().is_ok() {
        return Err(
            Failure::new(format!("`{}` is there already", session.display(&file)))
                .hint("give the new key another number, such as `team-2`"),
        );
    }
    files::write_atomic(&file, format!("{}\n", key.secret_text()).as_bytes())?;
    Ok(NewKey {
        file,
        public: key.public(),
    })
}

/// Returns the key that signs what is pushed: of the variable, else of the cache, else of the first cache with one.
pub fn signing_key(
    session: &Session<'_>,
    cache: &OpenCache,
) -> Result<Option<SigningKey>, Failure> {
    let env = &session.context.env;
    if let Some(text) = env
        .get(vars::DEVSH_SIGNING_KEY)
        .and_then(|text| text.to_str())
        && !text.is_empty()
    {
        let key = text.parse::<SigningKey>();
        return Ok(Some(key.map_err(|error| {
            Failure::new(format!("`{}`: {error}", vars::DEVSH_SIGNING_KEY))
        })?));
    }
    let mut others = session.config()?.caches.iter();
    let file = cache
        .settings
        .signing_key
        .clone()
        .or_else(|| others.find_map(|one| one.signing_key.clone()));
    file.map(|file| read_key(session, &file)).transpose()
}

fn read_key(session: &Session<'_>, file: &Path) -> Result<SigningKey, Failure> {
    let shown = session.display(file);
    let bytes = files::read_private(file, LIMIT)?.ok_or_else(|| {
        Failure::new(format!("the signing key `{shown}` is not there"))
            .hint("make one with `devsh cache key new NAME`")
    })?;
    let text = String::from_utf8_lossy(&bytes);
    text.parse::<SigningKey>()
        .map_err(|error| Failure::new(format!("`{shown}`: {error}")))
}
