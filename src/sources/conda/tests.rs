//! Tests of locking, with channels on disk.

use std::{fs, path::Path, time::UNIX_EPOCH};

use rattler_conda_types::{
    PackageRecord, RepodataRevisions, Shard, ShardedRepodata, ShardedSubdirInfo, VersionWithSource,
    package::DistArchiveIdentifier,
};

use super::{memory_budget::MemoryBudget, record_index::RecordIndex, *};
use crate::{
    config::{Config, Keep, PromptVerbosity, ToolsFrom, TrustRules},
    fetch::Client,
    sources::CacheUse,
};

/// A package: directory, name, version, dependencies.
type TestPackage = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const PACKAGES: &[TestPackage] = &[
    ("linux-64", "app", "1.0", &["lib >=1,<2", "data"]),
    ("linux-64", "app", "2.0", &["lib >=2", "data"]),
    ("linux-aarch64", "app", "1.0", &["lib >=1,<2"]),
    ("osx-64", "app", "2.0", &["lib >=2"]),
    ("osx-arm64", "app", "2.0", &["lib >=2", "__osx >=14"]),
    ("linux-64", "lib", "1.5", &["__glibc >=2.17"]),
    ("linux-64", "lib", "2.1", &["__glibc >=2.17"]),
    ("linux-64", "lib", "2.2", &["__glibc >=2.34"]),
    ("linux-aarch64", "lib", "1.5", &[]),
    ("osx-64", "lib", "2.1", &[]),
    ("osx-arm64", "lib", "2.1", &[]),
    ("noarch", "data", "2026a", &[]),
    ("linux-64", "old", "1", &["lib <2"]),
];

/// A channel in a new directory.
struct Channel {
    directory: tempfile::TempDir,
    cache: tempfile::TempDir,
    config: Config,
    client: Client,
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    JsonZst,
    Sharded,
}

fn record((subdir, name, version, depends): TestPackage) -> (DistArchiveIdentifier, PackageRecord) {
    let version: VersionWithSource = version.parse().unwrap();
    let build = "h0_0";
    let file = format!("{name}-{version}-{build}.conda");
    let mut record = PackageRecord::new(name.parse().unwrap(), version, build.parse().unwrap());
    record.subdir = subdir.to_owned();
    record.depends = depends.iter().map(|one| (*one).to_owned()).collect();
    let digest = *Sha256::of(file.as_bytes()).as_bytes();
    record.sha256 = Some(digest.into());
    record.size = Some(7);
    (
        DistArchiveIdentifier::try_from_filename(&file).unwrap(),
        record,
    )
}

fn write_directory(place: &Path, packages: &[TestPackage], format: Format) {
    fs::create_dir_all(place.join("shards")).unwrap();
    let records = packages.iter().copied().map(record);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    if matches!(format, Format::Sharded) {
        let mut shards: BTreeMap<String, Shard> = BTreeMap::new();
        for (identifier, record) in records {
            let shard = shards
                .entry(record.name.as_normalized().to_owned())
                .or_default();
            shard.conda_packages.insert(identifier, record);
        }
        let shards = shards.into_iter().map(|(name, shard)| {
            let bytes = zstd(&rmp_serde::to_vec_named(&shard).unwrap());
            let digest = Sha256::of(&bytes);
            fs::write(place.join(format!("shards/{digest}.msgpack.zst")), bytes).unwrap();
            (name, (*digest.as_bytes()).into())
        });
        let index = ShardedRepodata {
            shards: shards.collect(),
            info: ShardedSubdirInfo {
                subdir: "x".to_owned(),
                base_url: "../packages".to_owned(),
                shards_base_url: "./shards/".to_owned(),
                created_at: None,
                repodata_revisions: RepodataRevisions::default(),
                channel_relations: None,
                virtual_package_detectors: None,
            },
        };
        let bytes = zstd(&rmp_serde::to_vec_named(&index).unwrap());
        fs::write(place.join("repodata_shards.msgpack.zst"), bytes).unwrap();
        return;
    }
    let records: BTreeMap<String, PackageRecord> = records
        .map(|(identifier, record)| (identifier.to_file_name(), record))
        .collect();
    let text = serde_json::json!({
        "info": { "subdir": "x", "base_url": "../packages/" },
        "packages": { "odd-1-0.tar.bz2": { "name": ["of an unknown kind"] } },
        "packages.conda": records,
    })
    .to_string();
    if matches!(format, Format::JsonZst) {
        fs::write(place.join("repodata.json.zst"), zstd(text.as_bytes())).unwrap();
    } else {
        fs::write(place.join("repodata.json"), text).unwrap();
    }
}

impl Channel {
    fn new(format: Format) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for subdir in ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "noarch"] {
            let own: Vec<TestPackage> = PACKAGES
                .iter()
                .filter(|one| one.0 == subdir)
                .copied()
                .collect();
            write_directory(&directory.path().join(subdir), &own, format);
        }
        let url = |text: &str| text.parse().unwrap();
        Self {
            config: Config {
                hook_timeout: Duration::from_secs(10),
                verbosity: PromptVerbosity::Normal,
                tools_from: ToolsFrom::Managed,
                pypi: url("https://a.example/"),
                rust: url("https://a.example/"),
                python: url("https://a.example/"),
                npm_keys: Vec::new(),
                npm: url("https://a.example/"),
                node: url("https://a.example/"),
                go: url("https://a.example/"),
                github: crate::config::GITHUB.parse().unwrap(),
                crates_index: crate::config::CRATES_INDEX.parse().unwrap(),
                crates: crate::config::CRATES.parse().unwrap(),
                conda: url("https://a.example/"),
                gc: Keep::default(),
                hosts: Vec::new(),
                python_list: None,
                glibc: None,
                minimum_release_age: None,
                minimum_release_age_exclude: Vec::new(),
                caches: Vec::new(),
                trust: TrustRules::default(),
            },
            client: Client::new(true),
            cache: tempfile::tempdir().unwrap(),
            directory,
        }
    }

    fn lock(&self, requirements: &[&str], floors: CondaFloors) -> CondaSolution {
        self.lock_over(requirements, floors, &CondaSet::default())
            .unwrap()
    }

    fn lock_over(
        &self,
        requirements: &[&str],
        floors: CondaFloors,
        preferred: &CondaSet,
    ) -> Result<CondaSolution, Error> {
        let address = format!("file://{}", self.directory.path().display());
        let requirements: Vec<CondaRequirement> = requirements
            .iter()
            .map(|one| one.parse().unwrap())
            .collect();
        let query = CondaQuery {
            channels: &[address.parse().unwrap()],
            requirements: &requirements,
            floors,
            preferred,
        };
        lock(&query, self.sources())
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            config: &self.config,
            client: &self.client,
            cache: self.cache.path(),
            now: UNIX_EPOCH + Duration::from_hours(500_000),
            system: System::LinuxX86_64,
            cache_use: CacheUse::Recent,
        }
    }
}

/// Returns the chosen packages of a system.
fn names(solution: &CondaSolution, system: System) -> Vec<String> {
    let packages = solution.set.packages.get(&system).into_iter().flatten();
    packages
        .map(|one| format!("{} {}", one.name, one.version))
        .collect()
}

fn floors(glibc: &str, macos: &str) -> CondaFloors {
    CondaFloors {
        glibc: glibc.parse().unwrap(),
        macos: macos.parse().unwrap(),
    }
}

#[test]
fn every_format_of_an_index_gives_the_same_lock() {
    for format in [Format::Json, Format::JsonZst, Format::Sharded] {
        let channel = Channel::new(format);
        let solution = channel.lock(&["app"], CondaFloors::default());
        assert_eq!(
            names(&solution, System::LinuxX86_64),
            ["app 2.0", "data 2026a", "lib 2.1"]
        );
        assert_eq!(
            names(&solution, System::LinuxAarch64),
            ["app 1.0", "lib 1.5"]
        );
        assert_eq!(
            names(&solution, System::MacosX86_64),
            ["app 2.0", "lib 2.1"]
        );
        assert!(names(&solution, System::MacosAarch64).is_empty());
        assert_eq!(solution.missing.len(), 1);
        let app = &solution.set.packages[&System::LinuxX86_64][0];
        assert!(
            app.url.path().ends_with("/packages/app-2.0-h0_0.conda"),
            "{}",
            app.url
        );
        assert_eq!(app.depends, ["lib >=2", "data"]);
    }
}

#[test]
fn newer_systems_get_newer_packages() {
    let channel = Channel::new(Format::Sharded);
    let solution = channel.lock(&["app", "lib >=2.1"], floors("2.35", "14.0"));
    assert!(names(&solution, System::LinuxX86_64).contains(&"lib 2.2".to_owned()));
    assert_eq!(
        names(&solution, System::MacosAarch64),
        ["app 2.0", "lib 2.1"]
    );
}

#[test]
fn locked_packages_stay() {
    let channel = Channel::new(Format::Json);
    let old = channel.lock(&["lib 2.1"], floors("2.35", "14.0")).set;
    let kept = channel
        .lock_over(&["lib"], floors("2.35", "14.0"), &old)
        .unwrap();
    assert_eq!(names(&kept, System::LinuxX86_64), ["lib 2.1"]);
    let newest = channel.lock(&["lib"], floors("2.35", "14.0"));
    assert_eq!(names(&newest, System::LinuxX86_64), ["lib 2.2"]);
}

#[test]
fn conflicts_are_about_requirements() {
    let channel = Channel::new(Format::Sharded);
    let clash = |requirements: &[&str]| {
        let mut solution = channel.lock(requirements, CondaFloors::default());
        solution.missing.remove(&System::LinuxX86_64).unwrap().clash
    };
    let text = |text: &str| text.to_owned();
    let Clash::UnknownPackage {
        requirement, near, ..
    } = clash(&["lib", "apq"])
    else {
        panic!("no unknown package");
    };
    assert_eq!((requirement, near), (text("apq"), Some(text("app"))));
    assert_eq!(
        clash(&["lib >=3", "app"]),
        Clash::NoVersion {
            requirement: text("lib >=3"),
            package: text("lib"),
            newest: text("2.2"),
        }
    );
    assert_eq!(
        clash(&["data", "lib 2.2"]),
        Clash::Floor {
            requirements: vec![text("lib 2.2")],
            floor: Floor::Glibc,
            declared: text("2.28"),
            needed: text("2.34"),
        }
    );
    assert_eq!(
        clash(&["data", "app 2.*", "old"]),
        Clash::Together {
            requirements: vec![text("app 2.*"), text("old")],
            reason: Some([
                Need {
                    package: text("app 2.0"),
                    dependency: text("lib >=2"),
                },
                Need {
                    package: text("old 1"),
                    dependency: text("lib <2"),
                },
            ]),
        }
    );
    let mut solution = channel.lock(&["old"], CondaFloors::default());
    assert_eq!(
        solution.missing.remove(&System::MacosX86_64).unwrap().clash,
        Clash::OtherSystems {
            requirement: text("old")
        }
    );
}

#[test]
fn the_solver_stops_in_time() {
    let mut problem = SolverProblem {
        records: Vec::new(),
        requirements: &[],
        floors: CondaFloors::default(),
        system: System::LinuxX86_64,
        preferred: &[],
        deadline: Instant::now() + SOLVER_TIME,
    };
    assert!(matches!(problem.solve(), SolverAnswer::Chosen(_)));
    problem.deadline = Instant::now();
    assert!(matches!(problem.solve(), SolverAnswer::TimedOut));
}

#[test]
fn a_shard_with_another_digest_is_refused() {
    let channel = Channel::new(Format::Sharded);
    for entry in fs::read_dir(channel.directory.path().join("linux-64/shards")).unwrap() {
        fs::write(entry.unwrap().path(), "other").unwrap();
    }
    let error = channel.lock_over(&["app"], CondaFloors::default(), &CondaSet::default());
    assert!(matches!(error, Err(Error::Digest { .. })), "{error:?}");
}

#[test]
fn a_channel_without_an_index_is_an_error() {
    let channel = Channel::new(Format::Json);
    fs::remove_dir_all(channel.directory.path()).unwrap();
    let error = channel.lock_over(&["app"], CondaFloors::default(), &CondaSet::default());
    assert!(matches!(error, Err(Error::NoChannel { .. })), "{error:?}");
}

#[test]
fn an_index_with_too_many_files_is_refused() {
    let channel = Channel::new(Format::Json);
    let index = channel.directory.path().join("linux-64/repodata.json");
    let records = r#""a-1-0.conda":0,"#.repeat(2_000_000);
    let removed = (0..=2_000_000).map(|number| format!("\"{number}\","));
    let removed: String = removed.collect();
    for text in [
        format!(r#"{{"packages":{{{records}"b-1-0.conda":0}}}}"#),
        format!(r#"{{"removed":[{removed}"last"]}}"#),
    ] {
        fs::write(&index, text).unwrap();
        let error = channel.lock_over(&["app"], CondaFloors::default(), &CondaSet::default());
        let message = "it has more than 2000000 files";
        assert!(
            matches!(&error, Err(Error::Unreadable { message: said, .. }) if said.starts_with(message)),
            "{error:?}"
        );
    }
}

#[test]
fn parsed_records_are_taken_from_the_memory() {
    for format in [Format::Json, Format::Sharded] {
        let channel = Channel::new(format);
        let address = format!("file://{}", channel.directory.path().display());
        let sources = channel.sources();
        let whole = MemoryBudget::new(1 << 20);
        let index = RecordIndex::load(&address.parse().unwrap(), "linux-64", &whole, sources);
        let index = index.unwrap().unwrap();
        assert!(!index.records("app", &whole, sources).unwrap().is_empty());
        // It holds the text of a few records, but not what is made of them.
        let small = MemoryBudget::new(1000);
        let error = index.records("app", &small, sources);
        let message = "the indexes of all channels take more than 0 MiB of memory";
        assert!(
            matches!(&error, Err(Error::Unreadable { message: said, .. }) if said == message),
            "{error:?}"
        );
    }
}

#[test]
fn young_packages_are_held_back() {
    let mut channel = Channel::new(Format::Json);
    channel.config.minimum_release_age = Some(Duration::from_hours(24));
    // The records have no time, so they count as young.
    let solution = channel.lock(&["lib"], CondaFloors::default());
    assert!(solution.set.packages.is_empty());
    channel.config.minimum_release_age_exclude = vec!["conda:lib".to_owned()];
    let solution = channel.lock(&["lib"], CondaFloors::default());
    assert_eq!(names(&solution, System::LinuxX86_64), ["lib 2.1"]);
}

#[test]
fn releases_are_listed_newest_first() {
    let channel = Channel::new(Format::Sharded);
    let address = format!("file://{}", channel.directory.path().display());
    let channels = [address.parse().unwrap()];
    let releases = releases(&channels, "lib", channel.sources()).unwrap();
    let versions: Vec<&str> = releases.iter().map(|one| &*one.version).collect();
    assert_eq!(versions, ["2.2", "2.1", "1.5"]);
    assert!(releases[0].systems.contains(&System::LinuxX86_64));
    assert!(!releases[0].systems.contains(&System::MacosX86_64));
}
