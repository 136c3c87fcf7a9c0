//! Tests of asking sources, against a server in this process.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::{
    config::{PYTHON_RELEASES, RUST, ToolsFrom},
    lockfile::{EntryOrigin, LockKey},
    manifest::{Located, NamedRequest, Origin},
    resolve::resolve,
};

const MANIFEST: &str = include_str!("../../tests/fixtures/index/channel-rust.toml");
const PAGE: &str = include_str!("../../tests/fixtures/index/pypi-tool.json");

/// A server of fixed bodies that remembers what it was asked.
struct Server {
    address: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(bodies: BTreeMap<&'static str, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let asked = Arc::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &bodies, &log);
            }
        });
        Self { address, asked }
    }

    /// Returns what was asked since the last time, sorted.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

fn answer(mut stream: TcpStream, bodies: &BTreeMap<&str, String>, log: &Mutex<Vec<String>>) {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some((method, path)) = head.first().and_then(|line| {
        let mut words = line.split(' ');
        words.next().zip(words.next())
    }) else {
        return;
    };
    log.lock().unwrap().push(format!("{method} {path}"));
    let (status, body) = match bodies.get(path) {
        Some(body) => ("200 OK", body.as_str()),
        None => ("404 Not Found", ""),
    };
    let length = body.len();
    let body = if method == "HEAD" { "" } else { body };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
}

/// Everything that `fill` needs, on one server.
pub(super) struct World {
    server: Server,
    config: Config,
    client: Client,
    cache: tempfile::TempDir,
}

impl World {
    pub(super) fn new(bodies: BTreeMap<&'static str, String>, offline: bool) -> Self {
        let server = Server::start(bodies);
        let below = |path: &str| server.address.join(path).unwrap();
        let config = Config {
            hook_timeout: Duration::from_secs(10),
            verbosity: crate::config::PromptVerbosity::Normal,
            tools_from: ToolsFrom::Managed,
            pypi: below("simple/"),
            rust: below("rust/"),
            python: below("python/"),
            gc: crate::config::Keep::default(),
            hosts: Vec::new(),
            npm_keys: Vec::new(),
            npm: below("npm/"),
            conda: below("conda/"),
            node: below("node/"),
            go: below("go/"),
            github: "https://api.github.com/".parse().unwrap(),
            crates_index: "https://index.crates.io/".parse().unwrap(),
            crates: "https://static.crates.io/crates/".parse().unwrap(),
            python_list: None,
            glibc: None,
            minimum_release_age: None,
            minimum_release_age_exclude: Vec::new(),
            caches: Vec::new(),
            trust: crate::config::TrustRules::default(),
        };
        let cache = tempfile::tempdir().unwrap();
        Self {
            client: Client::new(offline),
            config,
            cache,
            server,
        }
    }

    pub(super) fn sources(&self) -> Sources<'_> {
        Sources {
            config: &self.config,
            client: &self.client,
            cache: self.cache.path(),
            now: UNIX_EPOCH + Duration::from_hours(500_000),
            system: System::LinuxX86_64,
            cache_use: CacheUse::Recent,
        }
    }

    fn lock(&self, requests: &[NamedRequest], previous: &Lockfile) -> Result<Lockfile, Error> {
        let sources = self.sources();
        let index = fill(requests, lookup(previous, sources))?;
        let mut lockfile =
            resolve(requests, &index, previous, &Upgrade::None, sources.system).unwrap();
        measure(&mut lockfile, previous, sources);
        Ok(lockfile)
    }
}

fn lookup<'a>(previous: &'a Lockfile, sources: Sources<'a>) -> Lookup<'a> {
    Lookup {
        previous,
        upgrade: &Upgrade::None,
        sources,
        best: crate::resolve::best,
        digests: true,
    }
}

fn bodies() -> BTreeMap<&'static str, String> {
    let digest = format!(
        "{}  channel-rust-1.89.toml\n",
        Sha256::of(MANIFEST.as_bytes())
    );
    BTreeMap::from([
        ("/simple/ruff/", PAGE.to_owned()),
        ("/rust/dist/channel-rust-1.89.toml", MANIFEST.to_owned()),
        ("/rust/dist/channel-rust-1.89.toml.sha256", digest),
        (
            "/rust/dist/2025-08-07/cargo-1.89.0-x86_64-unknown-linux-gnu.tar.xz",
            "x".repeat(42),
        ),
    ])
}

fn request(tool: &str, requirement: &str, floors: &[&str]) -> NamedRequest {
    let located = |text: &str| Located {
        value: text.parse().unwrap(),
        origin: Origin {
            file: "devshell.toml".into(),
            is_preset: false,
            line: 2,
        },
    };
    let request = ToolRequest {
        requirement: located(requirement),
        floors: floors.iter().map(|floor| located(floor)).collect(),
        components: Vec::new(),
        targets: Vec::new(),
        options: ReleaseOptions::default(),
        is_below_root: false,
    };
    NamedRequest {
        tool: tool.parse().unwrap(),
        request,
    }
}

#[test]
fn nothing_is_asked_twice() {
    let world = World::new(bodies(), false);
    let requests = [
        request("ruff", "0.12", &[]),
        request("ruff", "0.12.2", &[]),
        request("rust", "1.89", &[]),
        request("rust", "1.89", &[">=1.80"]),
    ];
    let lockfile = world.lock(&requests, &Lockfile::default()).unwrap();
    let asked = world.server.asked();
    let gets: Vec<&str> = asked
        .iter()
        .filter_map(|line| line.strip_prefix("GET "))
        .collect();
    let expected = [
        "/rust/dist/channel-rust-1.89.toml",
        "/rust/dist/channel-rust-1.89.toml.sha256",
        "/simple/ruff/",
    ];
    assert_eq!(gets, expected);
    let rust = lockfile
        .locked(&requests[2].tool, &requests[2].request)
        .unwrap();
    let cargo = &rust.artifacts[&System::LinuxX86_64][0];
    assert!(cargo.url.as_str().starts_with(RUST), "{}", cargo.url);

    assert_eq!(world.lock(&requests, &lockfile).unwrap(), lockfile);
    assert_eq!(world.server.asked(), [""; 0]);
    // A page of the Python index serves again for a while.
    let nothing = Lockfile::default();
    fill(&requests[..2], lookup(&nothing, world.sources())).unwrap();
    assert_eq!(world.server.asked(), [""; 0]);
}

#[test]
fn sizes_come_from_the_server_or_the_previous_lockfile() {
    let world = World::new(bodies(), false);
    let mut artifact = Artifact {
        part: String::new(),
        url: format!("{RUST}dist/2025-08-07/cargo-1.89.0-x86_64-unknown-linux-gnu.tar.xz")
            .parse()
            .unwrap(),
        digest: Sha256::of(b"cargo").into(),
        size: None,
    };
    let NamedRequest { tool, request } = request("rust", "*", &[]);
    let lockfile = |artifact: &Artifact| {
        let package = crate::lockfile::LockedPackage {
            origin: EntryOrigin::Read,
            version: "1.89.0".parse().unwrap(),
            supplier: tool.unnamed_supplier(),
            build: None,
            checked: None,
            verified: None,
            artifacts: [(System::LinuxX86_64, vec![artifact.clone()])].into(),
            application: None,
        };
        Lockfile {
            packages: [(LockKey::for_request(&tool, &request), package)].into(),
            ..Lockfile::default()
        }
    };
    let measured = |artifact: &Artifact, previous: &Lockfile| {
        let mut measured = lockfile(artifact);
        measure(&mut measured, previous, world.sources());
        measured.locked(&tool, &request).unwrap().artifacts[&System::LinuxX86_64][0].size
    };
    assert_eq!(measured(&artifact, &Lockfile::default()), Some(42));
    assert_eq!(world.server.asked().len(), 1);
    let previous = lockfile(&Artifact {
        size: Some(7),
        ..artifact.clone()
    });
    assert_eq!(measured(&artifact, &previous), Some(7));
    assert_eq!(
        measured(&artifact, &lockfile(&artifact)),
        None,
        "known to be unknown"
    );
    assert_eq!(world.server.asked(), [""; 0]);
    artifact.url = format!("{PYTHON_RELEASES}absent").parse().unwrap();
    artifact.digest = Sha256::of(b"absent").into();
    assert_eq!(measured(&artifact, &Lockfile::default()), None);
    assert_eq!(world.server.asked(), ["HEAD /python/absent"]);
}

#[test]
fn a_source_that_cannot_answer_is_named() {
    let mut damaged = bodies();
    damaged.insert(
        "/rust/dist/channel-rust-1.89.toml",
        MANIFEST.replace("1.89", "1.88"),
    );
    damaged.insert("/simple/uv/", "<html>".to_owned());
    let world = World::new(damaged, false);
    let ask = |world: &World, tool: &str, requirement: &str| {
        world
            .lock(&[request(tool, requirement, &[])], &Lockfile::default())
            .unwrap_err()
    };
    let error = ask(&world, "rust", "1.89");
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    let error = ask(&world, "uv", "*");
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    let error = ask(&world, "typos", "*");
    assert_eq!(error.to_string(), "`127.0.0.1` has no package `typos`");
    let error = ask(&world, "rust", "nightly-2001-01-01");
    assert!(matches!(error, Error::UnknownChannel { .. }), "{error}");

    let offline = World::new(bodies(), true);
    let Error::Fetch { tool, source } = ask(&offline, "ruff", "*") else {
        panic!()
    };
    assert_eq!(tool.to_string(), "ruff");
    assert!(matches!(*source, fetch::Error::Offline { .. }));
}

#[test]
fn requests_without_a_source_work_offline() {
    let world = World::new(BTreeMap::new(), true);
    let python = [request("python", "3.12", &[">=3.11"])];
    let lockfile = world.lock(&python, &Lockfile::default()).unwrap();
    assert_eq!(lockfile.packages.len(), 1);
    // No version can meet these, so no source is asked. The choice explains it.
    let contradiction = [request("ruff", "0.12.1", &["<0.12"])];
    let nothing = Lockfile::default();
    let index = fill(&contradiction, lookup(&nothing, world.sources()));
    assert_eq!(index.unwrap(), Index::default());
    assert_eq!(world.server.asked(), [""; 0]);
}
