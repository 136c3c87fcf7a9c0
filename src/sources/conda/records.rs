//! The records that some requirements can reach: those of the packages that they name, of the packages that these need,
//! and so on.

use std::collections::{BTreeMap, BTreeSet};

use rattler_conda_types::{RepoDataRecord, Version};

use super::{
    CondaQuery, CondaRelease, error::Error, memory_budget::MemoryBudget, record_index::RecordIndex,
};
use crate::{
    package::{CondaChannel, System, conda_package_of},
    sources::{Sources, page_cache::seconds},
    util::parallel,
};

/// Documents that are read at the same time.
const PARALLEL: usize = 16;
/// The most bytes that the indexes of all channels may have in memory, for all systems. Those of conda-forge, read from a
/// mirror without shards, have about 1 GiB.
const BUDGET: u64 = 2 << 30;
/// The directory with packages for every system.
pub(super) const NOARCH: &str = "noarch";

/// The records by directory, those of the winning channel first.
pub(super) struct Records {
    indexes: Vec<RecordIndex>,
    /// The records of each index.
    records: Vec<Vec<RepoDataRecord>>,
}

impl Records {
    /// Reads the records for every system.
    pub(super) fn load(query: &CondaQuery<'_>, sources: Sources<'_>) -> Result<Self, Error> {
        let names = query.requirements.iter().map(|one| one.name().to_owned());
        let budget = MemoryBudget::new(BUDGET);
        let indexes = load_indexes(query.channels, &budget, sources)?;
        let mut loaded = Self::of_indexes(indexes, names.collect(), Reach::All, &budget, sources)?;
        loaded.hold_young(sources);
        Ok(loaded)
    }

    /// Reads the records of one package.
    pub(super) fn load_named(
        channels: &[CondaChannel],
        name: &str,
        sources: Sources<'_>,
    ) -> Result<Self, Error> {
        let budget = MemoryBudget::new(BUDGET);
        let indexes = load_indexes(channels, &budget, sources)?;
        let names = BTreeSet::from([name.to_owned()]);
        Self::of_indexes(indexes, names, Reach::Named, &budget, sources)
    }

    fn of_indexes(
        indexes: Vec<RecordIndex>,
        names: BTreeSet<String>,
        reach: Reach,
        budget: &MemoryBudget,
        sources: Sources<'_>,
    ) -> Result<Self, Error> {
        let mut records: Vec<Vec<RepoDataRecord>> = indexes.iter().map(|_| Vec::new()).collect();
        let mut seen = names.clone();
        let mut open: Vec<String> = names.into_iter().collect();
        while !open.is_empty() {
            let jobs: Vec<(usize, &String)> = open
                .iter()
                .flat_map(|name| (0..indexes.len()).map(move |at| (at, name)))
                .filter(|(at, name)| indexes[*at].has(name))
                .collect();
            let answers = parallel::map(PARALLEL, &jobs, |(at, name)| {
                indexes[*at].records(name, budget, sources)
            });
            let mut next = BTreeSet::new();
            for ((at, _), answer) in jobs.iter().zip(answers) {
                let answer = answer?;
                if reach == Reach::All {
                    let records = answer.iter().map(|record| &record.package_record);
                    let depends = records.flat_map(|record| {
                        record
                            .depends
                            .iter()
                            .chain(record.extra_depends.values().flatten())
                    });
                    next.extend(depends.filter_map(|one| conda_package_of(one)));
                }
                records[*at].extend(answer);
            }
            open = next
                .into_iter()
                .filter(|name| seen.insert(name.clone()))
                .collect();
        }
        Ok(Self { indexes, records })
    }

    /// Removes the records that are younger than the settings allow.
    fn hold_young(&mut self, sources: Sources<'_>) {
        let config = sources.config;
        let exempt: BTreeSet<&str> = config
            .minimum_release_age_exclude
            .iter()
            .filter_map(|name| match name.as_str() {
                "conda" => Some(""),
                name => name.strip_prefix("conda:"),
            })
            .collect();
        let Some(minimum) = config.minimum_release_age.filter(|_| !exempt.contains("")) else {
            return;
        };
        let newest = seconds(sources.now).saturating_sub(minimum.as_secs());
        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
        for records in &mut self.records {
            records.retain(|record| {
                let record = &record.package_record;
                let time = record.indexed_timestamp.or(record.timestamp);
                exempt.contains(record.name.as_normalized())
                    || time.is_some_and(|time| time.jiff_timestamp().as_second() <= newest)
            });
        }
    }

    /// Returns the records for a system, by directory in the order of the channels.
    pub(super) fn of(&self, system: System) -> Vec<&[RepoDataRecord]> {
        let pairs = self.indexes.iter().zip(&self.records);
        let own = |index: &RecordIndex| {
            let subdir = index.place().subdir;
            subdir == system.conda_subdir() || subdir == NOARCH
        };
        pairs
            .filter(|(index, _)| own(index))
            .map(|(_, records)| records.as_slice())
            .collect()
    }

    /// Returns whether any channel has a package of this name for any system.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.indexes.iter().any(|index| index.has(name))
    }

    /// Returns the names of all packages of all channels.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.indexes.iter().flat_map(RecordIndex::names).collect()
    }

    /// Returns the channels in order.
    pub(super) fn channels(&self) -> Vec<&CondaChannel> {
        let mut channels: Vec<&CondaChannel> = Vec::new();
        for index in &self.indexes {
            let channel = &index.place().channel;
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        channels
    }

    /// Returns the versions of a package, newest first; the first channel that has the package gives them.
    pub(super) fn releases(&self, name: &str) -> Vec<CondaRelease> {
        let of_channel = |channel: &CondaChannel| {
            let mut releases: BTreeMap<Version, CondaRelease> = BTreeMap::new();
            for (index, records) in self.indexes.iter().zip(&self.records) {
                if index.place().channel != *channel {
                    continue;
                }
                let subdir = index.place().subdir;
                let systems = System::ALL.into_iter();
                let systems: Vec<System> = systems
                    .filter(|system| subdir == NOARCH || subdir == system.conda_subdir())
                    .collect();
                let own = records.iter().map(|record| &record.package_record);
                for record in own.filter(|record| record.name.as_normalized() == name) {
                    let release = releases
                        .entry(record.version.version().clone())
                        .or_insert_with(|| CondaRelease {
                            version: record.version.to_string(),
                            channel: channel.clone(),
                            systems: BTreeSet::new(),
                        });
                    release.systems.extend(&systems);
                }
            }
            releases.into_values().rev().collect::<Vec<_>>()
        };
        let channels = self.channels().into_iter().map(of_channel);
        channels
            .into_iter()
            .find(|releases| !releases.is_empty())
            .unwrap_or_default()
    }
}

/// The packages that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only the named ones.
    Named,
    /// Also those that they need.
    All,
}

/// Reads the indexes of all directories, those of the winning channel first.
fn load_indexes(
    channels: &[CondaChannel],
    budget: &MemoryBudget,
    sources: Sources<'_>,
) -> Result<Vec<RecordIndex>, Error> {
    let subdirs: Vec<&'static str> = System::ALL
        .into_iter()
        .map(System::conda_subdir)
        .chain([NOARCH])
        .collect();
    let jobs: Vec<(&CondaChannel, &'static str)> = channels
        .iter()
        .flat_map(|channel| subdirs.iter().map(move |subdir| (channel, *subdir)))
        .collect();
    let answers = parallel::map(PARALLEL, &jobs, |(channel, subdir)| {
        RecordIndex::load(channel, subdir, budget, sources)
    });
    let mut indexes = Vec::new();
    for answer in answers {
        indexes.extend(answer?);
    }
    // A channel may lack systems, but one without any directory is a mistake in its name.
    let there = |channel: &CondaChannel| {
        indexes
            .iter()
            .any(|index: &RecordIndex| index.place().channel == *channel)
    };
    if let Some(channel) = channels.iter().find(|channel| !there(channel)) {
        return Err(Error::NoChannel {
            channel: channel.clone(),
        });
    }
    Ok(indexes)
}
