//! Locking from the real sources; runs only when `DEVSH_TEST_NETWORK=1`.

use std::{path::Path, time::SystemTime};

use devsh::{
    config::{self, Config, ToolsFrom},
    context::Context,
    fetch::Client,
    lockfile::{self, Lockfile, Upgrade},
    manifest::{Located, NamedRequest, Origin, ToolRequest},
    package::{ReleaseOptions, System},
    resolve::{self, resolve},
    sources::{self, CacheUse, Lookup, Sources},
};

use crate::support::network;

fn request(tool: &str, requirement: &str, components: &[&str]) -> NamedRequest {
    let origin = Origin {
        is_preset: false,
        file: "devshell.toml".into(),
        line: 2,
    };
    let request = ToolRequest {
        requirement: Located {
            value: requirement.parse().unwrap(),
            origin,
        },
        floors: Vec::new(),
        components: components.iter().map(|name| (*name).to_owned()).collect(),
        targets: Vec::new(),
        options: ReleaseOptions::default(),
        is_below_root: false,
    };
    NamedRequest {
        tool: tool.parse().unwrap(),
        request,
    }
}

fn lock(
    requests: &[NamedRequest],
    previous: &Lockfile,
    client: &Client,
    cache: &Path,
) -> Result<Lockfile, String> {
    let config = Config {
        hook_timeout: std::time::Duration::from_secs(10),
        verbosity: config::PromptVerbosity::Normal,
        tools_from: ToolsFrom::Managed,
        pypi: config::PYPI.parse().unwrap(),
        rust: config::RUST.parse().unwrap(),
        python: config::PYTHON_RELEASES.parse().unwrap(),
        gc: config::Keep::default(),
        hosts: Vec::new(),
        npm_keys: devsh::package::RegistryKey::public(),
        npm: config::NPM.parse().unwrap(),
        github: config::GITHUB.parse().unwrap(),
        crates_index: config::CRATES_INDEX.parse().unwrap(),
        crates: config::CRATES.parse().unwrap(),
        conda: devsh::package::CONDA.parse().unwrap(),
        node: config::NODE.parse().unwrap(),
        go: config::GO.parse().unwrap(),
        python_list: None,
        glibc: None,
        minimum_release_age: None,
        minimum_release_age_exclude: Vec::new(),
        caches: Vec::new(),
        trust: config::TrustRules::default(),
    };
    let system = System::LinuxX86_64;
    let sources = Sources {
        config: &config,
        client,
        cache,
        now: SystemTime::now(),
        system,
        cache_use: CacheUse::Recent,
    };
    let upgrade = Upgrade::None;
    let lookup = Lookup {
        previous,
        upgrade: &upgrade,
        sources,
        best: resolve::best,
        digests: true,
    };
    let index = sources::fill(requests, lookup).map_err(|error| error.to_string())?;
    let mut lockfile = resolve(requests, &index, previous, &upgrade, system)
        .map_err(|error: resolve::Error| error.to_string())?;
    sources::measure(&mut lockfile, previous, sources);
    Ok(lockfile)
}

#[test]
fn real_tools_are_locked_once() {
    if !network() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let requests = [
        request("python", "3.12", &[]),
        request("ruff", "0.12", &[]),
        request("uv", "*", &[]),
        request("go", "*", &[]),
        request("node", "24", &[]),
        request(
            "rust",
            "1.89",
            &["clippy", "rust-analyzer", "rust-src", "rustfmt"],
        ),
        request("rust", ">=1.85,<1.90,!=1.89.*", &[]),
        request("rust", "nightly-2026-10-01", &[]),
        request("rust", "stable", &[]),
    ];
    let online = Client::of(&Context::from_process(), false);
    let lockfile = lock(&requests, &Lockfile::default(), &online, cache.path()).unwrap();
    let text = lockfile::print(&lockfile);
    println!("{text}");
    let version = |at: usize| {
        let NamedRequest { tool, request } = &requests[at];
        lockfile.locked(tool, request).unwrap().version.to_string()
    };
    assert!(version(1).starts_with("0.12."));
    assert_eq!(version(5), "1.89.0");
    assert_eq!(version(6), "1.88.0");
    assert!(version(7).ends_with(".dev20261001"), "{}", version(7));
    let NamedRequest { tool, request } = &requests[5];
    let rust = lockfile.locked(tool, request).unwrap();
    assert_eq!(rust.artifacts[&System::LinuxX86_64].len(), 7);
    assert!(
        rust.artifacts
            .values()
            .flatten()
            .all(|artifact| artifact.size.is_some())
    );

    // From its own lockfile nothing is asked: an offline client will do.
    let read = lockfile::parse("devshell.lock", &text).unwrap();
    assert_eq!(lockfile::print(&read), text);
    let empty = tempfile::tempdir().unwrap();
    let again = lock(
        &requests,
        &read,
        &Client::of(&Context::from_process(), true),
        empty.path(),
    )
    .unwrap();
    assert_eq!(lockfile::print(&again), text);
}

#[test]
fn an_unknown_package_is_named() {
    if !network() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let table = [
        (
            "pypi:devsh-no-such-package-x",
            "*",
            "`pypi.org` has no package `devsh-no-such-package-x`",
        ),
        (
            "ruff",
            "7",
            "no version of `ruff` satisfies every requirement",
        ),
        (
            "rust",
            "1.400",
            "no version of `rust` satisfies every requirement",
        ),
        (
            "rust",
            "nightly-2001-01-01",
            "there is no rust toolchain `nightly-2001-01-01`",
        ),
    ];
    for (tool, requirement, expected) in table {
        let requests = [request(tool, requirement, &[])];
        let error = lock(
            &requests,
            &Lockfile::default(),
            &Client::of(&Context::from_process(), false),
            cache.path(),
        );
        assert_eq!(error.unwrap_err(), expected);
    }
}
