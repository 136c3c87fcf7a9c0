//! The caches of a team: fill, list and check them.

pub mod inspect;
pub mod keys;
pub mod push;

use crate::{
    cache::{
        CacheServices, ReadableCache,
        backend::{Backend, Error},
    },
    config::CacheSettings,
    package::CachePlace,
    report::failure::Failure,
};

use super::session::Session;

/// The way out of a cache without room.
const FULL: &str = "make room in the cache, then run the command again: nothing is pushed twice";

/// A cache with the patience of a command that cannot do without it.
#[derive(Debug)]
pub struct OpenCache {
    /// Its address without credentials.
    pub name: String,
    pub settings: CacheSettings,
    pub backend: Box<dyn Backend>,
}

impl OpenCache {
    /// Opens a cache of the user's settings.
    pub fn new(session: &Session<'_>, settings: &CacheSettings) -> Result<Self, Failure> {
        let settings = settings.clone();
        Self::open(
            session,
            ReadableCache {
                settings,
                is_anonymous: false,
            },
        )
    }

    fn open(session: &Session<'_>, cache: ReadableCache) -> Result<Self, Failure> {
        let name = cache.settings.place.to_string();
        let client = session.plain_client().clone();
        let open = |services: &CacheServices<'_>| cache.open(services, client);
        let backend = session.with_cache_services(open);
        Ok(Self {
            backend: backend.map_err(|error| failure(&name, "used", &error))?,
            settings: cache.settings,
            name,
        })
    }

    /// Returns the failure of something that was done with the cache (`written`).
    pub fn failure(&self, done: &str, error: &Error) -> Failure {
        failure(&self.name, done, error)
    }
}

fn failure(name: &str, done: &str, error: &Error) -> Failure {
    let failure = Failure::new(format!("the cache `{name}` cannot be {done}: {error}"));
    match error {
        Error::Fetch(crate::fetch::Error::Offline { .. }) => {
            failure.hint("run it once without `--offline`")
        }
        Error::Fetch(crate::fetch::Error::Unreachable { .. }) => {
            failure.hint("check the network, or the address in `config.toml`").temporary()
        }
        Error::Fetch(crate::fetch::Error::Status {
            status: 401 | 403, ..
        }) => failure.hint("check the user's login or access key for it"),
        Error::Fetch(crate::fetch::Error::Status { status: 507, .. }) => failure.hint(FULL),
        Error::Refused { refusal } if refusal.is_of_clock() => {
            failure.hint("set the clock of this machine")
        }
        Error::Refused { refusal } if refusal.is_full() => failure.hint(FULL),
        Error::Refused { refusal } if refusal.status == 403 => failure.hint(
            "check `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or the profile in `~/.aws/credentials`",
        ),
        _ => failure,
    }
}

/// Returns the caches that `devsh cache push` writes to: the named one, else those of the settings.
pub fn push_targets(session: &Session<'_>, named: Option<&str>) -> Result<Vec<OpenCache>, Failure> {
    let all = &session.config()?.caches;
    let Some(named) = named else {
        let chosen = all.iter().filter(|one| one.push);
        let open: Vec<OpenCache> = chosen
            .map(|one| OpenCache::new(session, one))
            .collect::<Result<_, _>>()?;
        if open.is_empty() {
            return Err(Failure::new("no cache may be written to").hint(
                "add `push = true` to one of the `[[caches]]` in `config.toml`, or name one with `--to`",
            ));
        }
        return Ok(open);
    };
    let place = CachePlace::parse(named).ok_or_else(|| {
        Failure::new(format!("`{named}` is not the address of a cache"))
            .hint("write `file:///path`, `s3://bucket/prefix` or `oci://registry/repository`")
    })?;
    let shown = place.to_string();
    let known = all.iter().find(|one| one.place.to_string() == shown);
    let settings = known.cloned().unwrap_or(CacheSettings {
        place,
        keys: Vec::new(),
        push: true,
        signing_key: None,
    });
    Ok(vec![OpenCache::new(session, &settings)?])
}
