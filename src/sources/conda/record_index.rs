//! The index of one directory of a channel: sharded (CEP 16) if the channel has it, else `repodata.json`.
//!
//! Only the records of the packages that are asked for are parsed: the whole index of conda-forge has a million.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read as _},
};

use rattler_conda_types::{
    PackageRecord, RepoDataRecord, Shard, ShardedRepodata, package::DistArchiveIdentifier,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{
    document_cache::{self, Addressed},
    error::Error,
};
use crate::{
    fetch::{self},
    package::{CondaChannel, Sha256},
    sources::Sources,
    util::redact::redact_url,
};

/// Largest accepted document after decompression, in bytes.
const LIMIT: u64 = 1 << 30;

/// The index of one directory.
pub(super) enum RecordIndex {
    Sharded {
        place: ChannelDirectory,
        /// The address of the shards.
        shards: Url,
        digests: BTreeMap<String, Sha256>,
    },
    Whole {
        place: ChannelDirectory,
        /// Unparsed records by the name of their package.
        records: BTreeMap<String, Vec<(String, Box<RawValue>)>>,
    },
}

/// A directory of a channel (`linux-64`).
pub(super) struct ChannelDirectory {
    pub(super) channel: CondaChannel,
    pub(super) subdir: &'static str,
    /// The address of its packages.
    packages: Url,
}

#[derive(Deserialize)]
struct WholeIndex {
    info: Option<IndexInfo>,
    #[serde(default)]
    packages: BTreeMap<String, Box<RawValue>>,
    #[serde(default, rename = "packages.conda")]
    conda_packages: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    removed: Vec<String>,
}

#[derive(Deserialize)]
struct IndexInfo {
    base_url: Option<String>,
}

impl RecordIndex {
    /// Reads the index of a directory; `None` if the channel does not have the directory.
    pub(super) fn load(
        channel: &CondaChannel,
        subdir: &'static str,
        sources: Sources<'_>,
    ) -> Result<Option<Self>, Error> {
        let address = channel.url().join(&format!("{subdir}/"));
        let address = address.map_err(|error| unreadable(channel.url(), &error))?;
        let document = |name: &str| -> Result<Option<(Url, Vec<u8>)>, Error> {
            let url = address
                .join(name)
                .map_err(|error| unreadable(&address, &error))?;
            let body = document_cache::document(&url, sources);
            let body = body.map_err(failed(channel))?;
            Ok(body.map(|body| (url, body)))
        };
        if let Some((url, body)) = document("repodata_shards.msgpack.zst")? {
            return Self::sharded(channel, subdir, &address, &url, &body).map(Some);
        }
        if let Some((url, body)) = document("repodata.json.zst")? {
            let body = decompressed(&url, &body)?;
            return Self::whole(channel, subdir, &address, &url, &body).map(Some);
        }
        let Some((url, body)) = document("repodata.json")? else {
            return Ok(None);
        };
        Self::whole(channel, subdir, &address, &url, &body).map(Some)
    }

    fn sharded(
        channel: &CondaChannel,
        subdir: &'static str,
        address: &Url,
        url: &Url,
        body: &[u8],
    ) -> Result<Self, Error> {
        let bytes = decompressed(url, body)?;
        let index: ShardedRepodata =
            rmp_serde::from_slice(&bytes).map_err(|error| unreadable(url, &error))?;
        let shards = directory(address, Some(&index.info.shards_base_url));
        let packages = directory(address, Some(&index.info.base_url));
        let digests = index.shards.into_iter().filter_map(|(name, digest)| {
            Some((name, Sha256::from_bytes(digest.as_slice().try_into().ok()?)))
        });
        Ok(Self::Sharded {
            place: ChannelDirectory {
                channel: channel.clone(),
                subdir,
                packages: packages.map_err(|error| unreadable(url, &error))?,
            },
            shards: shards.map_err(|error| unreadable(url, &error))?,
            digests: digests.collect(),
        })
    }

    fn whole(
        channel: &CondaChannel,
        subdir: &'static str,
        address: &Url,
        url: &Url,
        body: &[u8],
    ) -> Result<Self, Error> {
        let index: WholeIndex =
            serde_json::from_slice(body).map_err(|error| unreadable(url, &error))?;
        let base = index.info.and_then(|info| info.base_url);
        let packages = directory(address, base.as_deref());
        let mut records: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let removed: std::collections::BTreeSet<String> = index.removed.into_iter().collect();
        for (file, record) in index.packages.into_iter().chain(index.conda_packages) {
            // `name-version-build.conda`
            let name = file.rsplitn(3, '-').nth(2).map(str::to_ascii_lowercase);
            if let Some(name) = name.filter(|_| !removed.contains(&file)) {
                records.entry(name).or_default().push((file, record));
            }
        }
        Ok(Self::Whole {
            place: ChannelDirectory {
                channel: channel.clone(),
                subdir,
                packages: packages.map_err(|error| unreadable(url, &error))?,
            },
            records,
        })
    }

    pub(super) const fn place(&self) -> &ChannelDirectory {
        match self {
            Self::Sharded { place, .. } | Self::Whole { place, .. } => place,
        }
    }

    /// Returns whether the directory has a package of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Sharded { digests, .. } => digests.contains_key(name),
            Self::Whole { records, .. } => records.contains_key(name),
        }
    }

    /// Returns the names of all packages.
    pub(super) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Sharded { digests, .. } => Box::new(digests.keys().map(String::as_str)),
            Self::Whole { records, .. } => Box::new(records.keys().map(String::as_str)),
        }
    }

    /// Returns the records of a package.
    pub(super) fn records(
        &self,
        name: &str,
        sources: Sources<'_>,
    ) -> Result<Vec<RepoDataRecord>, Error> {
        match self {
            Self::Whole { place, records } => {
                let records = records.get(name).into_iter().flatten();
                Ok(records
                    .filter_map(|(file, raw)| {
                        // One record of a kind that is not known yet does not hide the others.
                        let record = serde_json::from_str::<PackageRecord>(raw.get());
                        let record = record
                            .map_err(|error| tracing::debug!(%file, %error, "record skipped"));
                        place.record(
                            DistArchiveIdentifier::try_from_filename(file)?,
                            record.ok()?,
                        )
                    })
                    .collect())
            }
            Self::Sharded {
                place,
                shards,
                digests,
            } => {
                let Some(digest) = digests.get(name) else {
                    return Ok(Vec::new());
                };
                let url = shards
                    .join(&format!("{digest}.msgpack.zst"))
                    .map_err(|error| unreadable(shards, &error))?;
                let body = document_cache::addressed(&url, *digest, sources);
                let Addressed::Whole(body) = body.map_err(failed(&place.channel))? else {
                    return Err(Error::Digest {
                        place: redact_url(&url).to_string(),
                    });
                };
                let bytes = decompressed(&url, &body)?;
                let shard: Shard =
                    rmp_serde::from_slice(&bytes).map_err(|error| unreadable(&url, &error))?;
                let Shard {
                    packages,
                    conda_packages,
                    removed,
                    ..
                } = shard;
                Ok(packages
                    .into_iter()
                    .chain(conda_packages)
                    .filter(|(identifier, _)| !removed.contains(identifier))
                    .filter_map(|(identifier, record)| place.record(identifier, record))
                    .collect())
            }
        }
    }
}

impl ChannelDirectory {
    fn record(
        &self,
        identifier: DistArchiveIdentifier,
        package_record: PackageRecord,
    ) -> Option<RepoDataRecord> {
        Some(RepoDataRecord {
            url: self.packages.join(&identifier.to_file_name()).ok()?,
            channel: Some(self.channel.url().to_string()),
            package_record,
            identifier,
        })
    }
}

/// Returns a directory that an index names, which may be relative to the index.
fn directory(index: &Url, named: Option<&str>) -> Result<Url, url::ParseError> {
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        return Ok(index.clone());
    };
    let mut url = index.join(named)?;
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn decompressed(url: &Url, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let decoder = zstd::Decoder::new(Cursor::new(bytes));
    let read = decoder.and_then(|decoder| decoder.take(LIMIT + 1).read_to_end(&mut data));
    read.map_err(|error| unreadable(url, &error))?;
    if data.len() as u64 > LIMIT {
        let message = format!("it has more than {} MiB", LIMIT >> 20);
        return Err(unreadable(url, &io::Error::other(message)));
    }
    Ok(data)
}

fn unreadable(url: &Url, error: &dyn std::error::Error) -> Error {
    Error::Unreadable {
        place: redact_url(url).to_string(),
        message: error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn failed(channel: &CondaChannel) -> impl FnOnce(fetch::Error) -> Error {
    let channel = channel.clone();
    move |source| Error::Fetch {
        channel,
        source: Box::new(source),
    }
}
