//! The index of one directory of a channel: sharded (CEP 16) if the channel has it, else `repodata.json`.
//!
//! Only the records of the packages that are asked for are parsed: the whole index of conda-forge has a million.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::{self, Cursor},
    ops::Range,
};

use rattler_conda_types::{
    PackageRecord, RepoDataRecord, ShardedRepodata, package::DistArchiveIdentifier,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use url::Url;

use super::{
    document_cache::{self, Addressed},
    error::Error,
    memory_budget::MemoryBudget,
};
use crate::{
    fetch::{self},
    package::{CondaChannel, Sha256},
    sources::Sources,
    util::redact::redact_url,
};

/// Largest accepted `repodata.json` after decompression, in bytes. Its text stays in memory.
const LIMIT: u64 = 512 << 20;
/// Largest accepted index of shards, and largest shard, after decompression, in bytes. All of it is parsed.
const SHARD_LIMIT: u64 = 64 << 20;
/// Most files of one `repodata.json`. An entry takes more memory than the few bytes that a server sends for it.
const MOST_FILES: usize = 2_000_000;

/// The memory that an entry takes besides its text: itself and the two names that it owns.
const ENTRY_SIZE: usize = size_of::<UnparsedRecord>() + 64;

/// The memory that a parsed record takes besides its text. The list of records is copied once while it grows.
const RECORD_SIZE: usize = 2 * size_of::<RepoDataRecord>();

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
        text: Vec<u8>,
        /// Sorted by the name of the package.
        records: Vec<UnparsedRecord>,
    },
}

/// A directory of a channel (`linux-64`).
pub(super) struct ChannelDirectory {
    pub(super) channel: CondaChannel,
    pub(super) subdir: &'static str,
    /// The address of its packages.
    packages: Url,
}

/// A record that stays text until its package is asked for.
pub(super) struct UnparsedRecord {
    name: Box<str>,
    file: Box<str>,
    /// Where its text is in the index.
    place: Range<usize>,
}

#[derive(Deserialize)]
struct WholeIndex<'t> {
    info: Option<IndexInfo>,
    #[serde(borrow, default)]
    packages: Entries<'t>,
    #[serde(borrow, default, rename = "packages.conda")]
    conda_packages: Entries<'t>,
    #[serde(default)]
    removed: RemovedFiles,
}

/// The records of an object, at most [`MOST_FILES`].
#[derive(Default)]
struct Entries<'t>(Vec<(Box<str>, &'t RawValue)>);

/// The names of an array, at most [`MOST_FILES`].
#[derive(Default)]
struct RemovedFiles(HashSet<Box<str>>);

/// The records of one package (CEP 16), or only their number.
#[derive(Deserialize)]
struct PackageShard<Files, Removed> {
    packages: Files,
    #[serde(rename = "packages.conda", default)]
    conda_packages: Files,
    #[serde(default)]
    removed: Removed,
}

type ParsedShard =
    PackageShard<BTreeMap<DistArchiveIdentifier, PackageRecord>, HashSet<DistArchiveIdentifier>>;

/// The number of entries of an object or array, which are not kept.
#[derive(Default)]
struct EntryCount(usize);

#[derive(Deserialize)]
struct IndexInfo {
    base_url: Option<String>,
}

impl RecordIndex {
    /// Reads the index of a directory; `None` if the channel does not have the directory.
    pub(super) fn load(
        channel: &CondaChannel,
        subdir: &'static str,
        budget: &MemoryBudget,
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
            let bytes = decompressed(&url, &body, SHARD_LIMIT, budget)?;
            return Self::sharded(channel, subdir, &address, &url, &bytes).map(Some);
        }
        if let Some((url, body)) = document("repodata.json.zst")? {
            let body = decompressed(&url, &body, LIMIT, budget)?;
            return Self::whole(channel, subdir, &address, (&url, body), budget).map(Some);
        }
        let Some((url, body)) = document("repodata.json")? else {
            return Ok(None);
        };
        let taken = budget.take(body.len() as u64);
        taken.map_err(|error| unreadable(&url, &error))?;
        Self::whole(channel, subdir, &address, (&url, body), budget).map(Some)
    }

    fn sharded(
        channel: &CondaChannel,
        subdir: &'static str,
        address: &Url,
        url: &Url,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let index: ShardedRepodata =
            rmp_serde::from_slice(bytes).map_err(|error| unreadable(url, &error))?;
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
        (url, text): (&Url, Vec<u8>),
        budget: &MemoryBudget,
    ) -> Result<Self, Error> {
        let index: WholeIndex<'_> =
            serde_json::from_slice(&text).map_err(|error| unreadable(url, &error))?;
        let base = index.info.and_then(|info| info.base_url);
        let packages = directory(address, base.as_deref());
        let mut records = Vec::new();
        for (file, record) in index.packages.0.into_iter().chain(index.conda_packages.0) {
            // `name-version-build.conda`
            let name = file.rsplitn(3, '-').nth(2).map(str::to_ascii_lowercase);
            if let Some(name) = name.filter(|_| !index.removed.0.contains(&file)) {
                let start = record.get().as_ptr().addr() - text.as_ptr().addr();
                records.push(UnparsedRecord {
                    name: name.into(),
                    file,
                    place: start..start + record.get().len(),
                });
            }
        }
        let taken = budget.take((records.len() * ENTRY_SIZE) as u64);
        taken.map_err(|error| unreadable(url, &error))?;
        records.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self::Whole {
            place: ChannelDirectory {
                channel: channel.clone(),
                subdir,
                packages: packages.map_err(|error| unreadable(url, &error))?,
            },
            text,
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
            Self::Whole { records, .. } => !named(records, name).is_empty(),
        }
    }

    /// Returns the names of all packages.
    pub(super) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Sharded { digests, .. } => Box::new(digests.keys().map(String::as_str)),
            Self::Whole { records, .. } => {
                let packages = records.chunk_by(|one, next| one.name == next.name);
                Box::new(packages.filter_map(|same| Some(&*same.first()?.name)))
            }
        }
    }

    /// Returns the records of a package.
    pub(super) fn records(
        &self,
        name: &str,
        budget: &MemoryBudget,
        sources: Sources<'_>,
    ) -> Result<Vec<RepoDataRecord>, Error> {
        match self {
            Self::Whole {
                place,
                text,
                records,
            } => {
                let named = named(records, name);
                let text_size: usize = named.iter().map(|one| one.place.len()).sum();
                let taken = place.take(named.len(), text_size, budget);
                taken.map_err(|error| unreadable(&place.packages, &error))?;
                let parse = |one: &UnparsedRecord| {
                    // One record of a kind that is not known yet does not hide the others.
                    let record =
                        serde_json::from_slice::<PackageRecord>(text.get(one.place.clone())?);
                    let record = record.map_err(
                        |error| tracing::debug!(file = %one.file, %error, "record skipped"),
                    );
                    place.record(
                        DistArchiveIdentifier::try_from_filename(&one.file)?,
                        record.ok()?,
                    )
                };
                Ok(named.iter().filter_map(parse).collect())
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
                let bytes = decompressed(&url, &body, SHARD_LIMIT, budget)?;
                let counted: PackageShard<EntryCount, EntryCount> =
                    rmp_serde::from_slice(&bytes).map_err(|error| unreadable(&url, &error))?;
                let EntryCount(count) = counted.packages;
                let count = count + counted.conda_packages.0 + counted.removed.0;
                let taken = place.take(count, bytes.len(), budget);
                taken.map_err(|error| unreadable(&url, &error))?;
                let ParsedShard {
                    packages,
                    conda_packages,
                    removed,
                } = rmp_serde::from_slice(&bytes).map_err(|error| unreadable(&url, &error))?;
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
    /// Takes the memory of records before they are parsed.
    fn take(&self, count: usize, text_size: usize, budget: &MemoryBudget) -> io::Result<()> {
        let addresses = self.packages.as_str().len() + self.channel.url().as_str().len();
        budget.take((count * (RECORD_SIZE + addresses) + text_size) as u64)
    }

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

impl<'de: 't, 't> Deserialize<'de> for Entries<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a record for each file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((file, record)) = map.next_entry::<String, _>()? {
                    check_count(entries.len()).map_err(A::Error::custom)?;
                    entries.push((file.into(), record));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for RemovedFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RemovedFiles;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of file names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut files = HashSet::new();
                while let Some(file) = list.next_element::<String>()? {
                    check_count(files.len()).map_err(A::Error::custom)?;
                    files.insert(file.into());
                }
                Ok(RemovedFiles(files))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

impl<'de> Deserialize<'de> for EntryCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = EntryCount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object or array")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut count = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(EntryCount(count))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(EntryCount(count))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Refuses one more file after [`MOST_FILES`].
fn check_count(read: usize) -> Result<(), String> {
    if read == MOST_FILES {
        return Err(format!("it has more than {MOST_FILES} files"));
    }
    Ok(())
}

/// Returns the records of a package in a sorted list.
fn named<'r>(records: &'r [UnparsedRecord], name: &str) -> &'r [UnparsedRecord] {
    let start = records.partition_point(|one| &*one.name < name);
    let rest = records.get(start..).unwrap_or_default();
    let end = rest.partition_point(|one| &*one.name == name);
    rest.get(..end).unwrap_or_default()
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

fn decompressed(
    url: &Url,
    bytes: &[u8],
    limit: u64,
    budget: &MemoryBudget,
) -> Result<Vec<u8>, Error> {
    let decoder = zstd::Decoder::new(Cursor::new(bytes));
    let read = decoder.and_then(|decoder| budget.read(decoder, limit));
    read.map_err(|error| unreadable(url, &error))
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
