//! Checks of devsh's directories, their file system, the clock, the settings, leftovers, and the network.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use url::Url;

use crate::{
    config::{Config, ownership::check_own_directories},
    context::Context,
    fetch,
    package::Glibc,
    project::watch::StampFiles,
    prompt::record::Record,
    sources::glibc,
    util::{
        files::{self, Stamp},
        vars,
        word_lists::join_with_and,
    },
};

use super::check::Check;
use crate::{
    app::{build_files::BuildTraces, gc_roots::may_exist, session::Session},
    report::{failure::Failure, paths::display_path},
};

/// The accepted difference between the times of files and the clock.
const SKEW: Duration = Duration::from_secs(5);
/// A clock before this is wrong: 1 January 2025 in seconds since 1970.
const EARLIEST: u64 = 1_735_689_600;
/// The longest accepted answer, in bytes.
const ANSWER: u64 = 64 << 20;

pub(super) fn checks(session: &Session<'_>, network: bool) -> Vec<Check> {
    let context = session.context;
    let directories = &context.directories;
    let mut checks = Vec::new();
    for (name, variable, path) in [
        ("store", vars::XDG_DATA_HOME, &directories.data),
        ("state", vars::XDG_STATE_HOME, &directories.state),
        ("cache", vars::XDG_CACHE_HOME, &directories.cache),
    ] {
        checks.push(writable(context, name, variable, path));
    }
    checks.extend(check_own_directories(context).err().map(|exposed| {
        let failure = Failure::from(&exposed);
        let hint = failure.hints.first().cloned().unwrap_or_default();
        Check::error("owner", failure.error, hint)
    }));
    checks.push(file_system(context));
    checks.push(clock(context));
    let config = session.config();
    checks.push(settings(session, config.as_ref().copied()));
    let setting = config.as_ref().ok().and_then(|config| config.glibc);
    checks.extend(glibc::of_machine().map(|machine| glibc_check(machine, setting)));
    checks.extend(certificates(context));
    checks.push(stale(context));
    if let (true, Ok(config)) = (network, config) {
        checks.extend(servers(session, config));
    }
    checks
}

/// Compares the glibc of this machine with the newest that a locked tool may need.
fn glibc_check(machine: Glibc, setting: Option<Glibc>) -> Check {
    let limit = setting.unwrap_or(machine).max(Glibc::FLOOR);
    let text = format!("{machine}, and a locked tool may need {limit}");
    if machine < limit {
        let hint = "use a newer system, or versions whose wheels need less";
        Check::warning("glibc", text, hint)
    } else {
        Check::ok("glibc", text)
    }
}

fn writable(context: &Context, name: &'static str, variable: &str, path: &Path) -> Check {
    let shown = display_path(context, path);
    let tried = files::create_private_dir(path).and_then(|()| {
        tempfile::Builder::new()
            .prefix(".devsh-")
            .tempfile_in(path)
            .map(drop)
            .map_err(files::at("write to", path))
    });
    match tried {
        Ok(()) => Check::ok(name, format!("`{shown}` is writable")),
        Err(error) => Check::error(
            name,
            Failure::from(&error).error,
            format!("make it writable for you, or set `{variable}` to a writable directory"),
        ),
    }
}

/// Checks what the store and the hook need: symlinks, locks, and times finer than a second.
fn file_system(context: &Context) -> Check {
    let data = &context.directories.data;
    let Ok(place) = tempfile::Builder::new().prefix(".devsh-").tempdir_in(data) else {
        return Check::error(
            "files",
            "the store's file system cannot be tested",
            "fix the line on `store` first",
        );
    };
    let mut missing = Vec::new();
    if std::os::unix::fs::symlink("target", place.path().join("link")).is_err() {
        missing.push("symbolic links");
    }
    if files::lock(&place.path().join("lock")).is_err() {
        missing.push("locks");
    }
    let fine = Stamp {
        identity: (0, 0),
        size: 0,
        mtime: (1_700_000_000, 123_456_789),
        ctime: (0, 0),
    };
    if StampFiles::new(place.path()).carrier(&fine).is_none() {
        missing.push("times in nanoseconds");
    }
    if missing.is_empty() {
        return Check::ok("files", "the file system has links, locks and fine times");
    }
    Check::error(
        "files",
        format!("the store's file system lacks {}", join_with_and(&missing)),
        "point `XDG_DATA_HOME` and `XDG_STATE_HOME` at a local disk",
    )
}

fn clock(context: &Context) -> Check {
    let since = context.now.duration_since(SystemTime::UNIX_EPOCH);
    if since.unwrap_or_default().as_secs() < EARLIEST {
        return Check::error(
            "clock",
            "it is years behind, so no certificate is valid",
            "set it: `timedatectl set-ntp true`, on macOS `sudo sntp -sS time.apple.com`",
        );
    }
    let state = &context.directories.state;
    let written = tempfile::Builder::new()
        .prefix(".devsh-")
        .tempfile_in(state);
    let time = written.and_then(|file| file.as_file().metadata()?.modified());
    let Ok(time) = time else {
        return Check::ok("clock", "plausible");
    };
    let apart = time
        .duration_since(context.now)
        .unwrap_or_else(|error| error.duration());
    if apart <= SKEW {
        return Check::ok("clock", "plausible, and files get its time");
    }
    Check::warning(
        "clock",
        format!("files are stamped {} s away from it", apart.as_secs()),
        "synchronise this machine and the file server with NTP",
    )
}

fn settings(session: &Session<'_>, config: Result<&Config, &Failure>) -> Check {
    let path = session.context.directories.config.join("config.toml");
    let name = session.display(&path);
    match config {
        Ok(_) if path.exists() => Check::ok("settings", format!("`{name}` is valid")),
        Ok(_) => Check::ok("settings", "the defaults"),
        Err(error) => {
            let own = error.hints.first().cloned();
            let hint = own.unwrap_or_else(|| {
                format!("correct the line, or rename `{name}` to use the defaults")
            });
            Check::error("settings", error.error.clone(), hint)
        }
    }
}

/// Checks the configured certificates and proxies.
fn certificates(context: &Context) -> Vec<Check> {
    let value = |name: &str| context.env.get(name).filter(|value| !value.is_empty());
    let mut checks = Vec::new();
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(path) = value(name).map(Path::new).filter(|path| !path.exists()) {
            checks.push(Check::error(
                "certificates",
                format!(
                    "`{name}` names `{}`, which is not there",
                    display_path(context, path)
                ),
                format!("correct `{name}` or unset it"),
            ));
        }
    }
    let upper = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];
    for name in upper
        .into_iter()
        .chain(["https_proxy", "http_proxy", "all_proxy"])
    {
        let Some(proxy) = value(name) else {
            continue;
        };
        let address = proxy.to_str().and_then(|text| {
            let full = if text.contains("://") {
                text.to_owned()
            } else {
                format!("http://{text}")
            };
            Url::parse(&full).ok()
        });
        if address.is_none_or(|url| url.host_str().is_none()) {
            checks.push(Check::error(
                "proxy",
                format!("`{name}` is not an address"),
                format!("write it as `http://host:port`, or unset `{name}`"),
            ));
        }
    }
    checks
}

/// Checks for leftovers of killed builds and of deleted projects.
fn stale(context: &Context) -> Check {
    // Unreadable records are not reported as leftovers.
    let records = Record::all(&context.directories.state).unwrap_or_default();
    let gone = records.iter().filter(|(root, _)| !may_exist(root)).count();
    let broken = records
        .iter()
        .map(|(root, _)| BuildTraces::new(context, root))
        .filter(|traces| traces.live().exists() && !traces.is_building())
        .count();
    if gone + broken == 0 {
        return Check::ok("traces", "no leftovers");
    }
    let mut found = Vec::new();
    if gone > 0 {
        found.push(format!("{gone} dev shells of projects that are gone"));
    }
    if broken > 0 {
        found.push(format!("{broken} builds that were killed"));
    }
    let hint = if gone > 0 {
        "`devsh gc` removes what nothing uses"
    } else {
        "`devsh sync` in the project builds it again"
    };
    Check::warning("traces", found.join(", "), hint)
}

/// Checks that the servers of the sources answer.
fn servers(session: &Session<'_>, config: &Config) -> Vec<Check> {
    let Ok(client) = session.client() else {
        return Vec::new();
    };
    let pages = [
        ("pypi", config.pypi.join("ruff/")),
        (
            "rust",
            config.rust.join("dist/channel-rust-stable.toml.sha256"),
        ),
        ("npm", config.npm.join("is-number")),
        ("node", config.node.join("latest/SHASUMS256.txt")),
        ("go", Ok(config.go.clone())),
        ("python", Ok(config.python.clone())),
    ];
    let mut checks = Vec::new();
    for (name, url) in pages {
        let Ok(url) = url else {
            continue;
        };
        let server = url.host_str().unwrap_or("a file").to_owned();
        let failed = |error: &fetch::Error| match error {
            // It names the server.
            fetch::Error::Unreachable { .. } => error.to_string(),
            _ => format!("{server}: {error}"),
        };
        checks.push(match client.get(&url, "*/*", ANSWER) {
            Ok(_) => Check::ok(name, format!("{server} answers")),
            // Builds of Python have no page to ask for, so any answer is good.
            // The page of Go is larger than what is read here.
            Err(fetch::Error::Status { .. } | fetch::Error::TooLarge { .. })
                if matches!(name, "go" | "node" | "python") =>
            {
                Check::ok(name, format!("{server} answers"))
            }
            Err(error) if matches!(name, "go" | "node") => Check::warning(
                name,
                failed(&error),
                "packages of the registries serve where they have the version; you can set a mirror in `config.toml`",
            ),
            Err(error) if name == "python" => Check::warning(
                name,
                failed(&error),
                "the host's Python is used if it fits; you can set a mirror in `config.toml`",
            ),
            Err(error) => Check::error(
                name,
                failed(&error),
                "check proxy and certificates (`HTTPS_PROXY`, `SSL_CERT_FILE`), or set a mirror in \
                 `config.toml`",
            ),
        });
    }
    checks
}
