//! Domain errors as failures: the one place where notes, hints and exit codes are chosen.

mod composition;
mod content;
mod exposed;
mod request;

use url::Url;

use crate::{
    builder::{self, Unavailable},
    config,
    context::Context,
    fetch,
    lockfile::{self, Problem},
    project,
    report::failure::{Excerpt, ExitStatus, Failure},
    resolve, sources, store,
    util::files,
};

use crate::app::tool_report;

pub use composition::{extend, missing};
pub use content::{content, not_a_source};
pub use request::fetch;

/// A file operation that failed.
pub fn file(error: &files::Error) -> Failure {
    use std::io::ErrorKind;
    let failure = Failure::new(format!("{error}: {}", reason(&error.source)));
    let own = error
        .path
        .components()
        .any(|part| part.as_os_str() == "devsh");
    match error.source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if !own => {
            failure.hint("make it writable, or commit a lockfile and use `--locked`")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => failure.hint(
            "make it writable, or point `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME` at \
             directories that are",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            failure.hint("free space there, then run the command again")
        }
        _ => failure,
    }
}

/// What the system said, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// A project that cannot be read.
pub fn project(context: &Context, error: &project::Error) -> Failure {
    match error {
        project::Error::File(error) => file(error),
        project::Error::Exposed(exposure) => exposed::exposed(context, exposure),
        project::Error::Content(error) => content(error),
    }
}

/// Settings that cannot be used.
pub fn config(error: &config::Error) -> Failure {
    match error {
        config::Error::File(error) => file(error),
        config::Error::Invalid {
            file,
            hint,
            span,
            text,
            ..
        } => {
            let mut failure = Failure::new(error.to_string());
            failure.excerpt = span.clone().map(|span| Excerpt {
                file: file.clone(),
                text: text.clone(),
                span,
                label: String::new(),
            });
            hint.iter().cloned().fold(failure, Failure::hint)
        }
        config::Error::Foreign { file } => Failure::new(error.to_string()).hint(format!(
            "make `{file}` your own, and run `chmod go-w` on it"
        )),
        config::Error::Address { .. } => Failure::new(error.to_string())
            .hint("write a whole address such as `https://host/path/`"),
    }
}

/// A lockfile that cannot be read.
pub fn lockfile(error: &lockfile::Error) -> Failure {
    let mut failure = Failure::new(error.to_string());
    failure.excerpt = Some(Excerpt {
        file: error.file.clone(),
        text: error.text.clone(),
        span: error.span.clone(),
        label: String::new(),
    });
    match &error.problem {
        Problem::Conflict { .. } => failure.hint(format!(
            "take either side, for example with `git checkout --ours {}`, then run `devsh lock`",
            error.file
        )),
        Problem::Format { found } if *found > 1 => failure.hint("update devsh"),
        _ => {
            failure.hint("restore the file from version control, or remove it and run `devsh lock`")
        }
    }
}

/// Says first what the failed step was for.
fn needed(mut failure: Failure, purpose: &str) -> Failure {
    failure
        .notes
        .insert(0, format!("this was needed {purpose}"));
    failure
}

/// An address in a lockfile that belongs to nobody the user trusts.
pub fn untrusted(url: &Url) -> Failure {
    let host = url.host_str().unwrap_or_default();
    Failure::new(format!(
        "the lockfile names `{url}`, which is no source that you trust"
    ))
    .note("a lockfile is used without approval, so it may only lead to known sources")
    .hint(format!(
        "if you trust the server, add `\"{host}\"` to `sources.hosts` in `config.toml`"
    ))
    .code(ExitStatus::NotAllowed)
}

/// A source that gave no usable answer.
pub fn index(error: &sources::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        sources::Error::Fetch { source, tool } => {
            needed(fetch(source), &format!("to look up `{tool}`"))
        }
        sources::Error::Dependency { .. } => {
            failure.hint("ask for another version of it, or for a tool that comes as one package")
        }
        sources::Error::NoFlavour { .. } => {
            failure.hint("write `\"3.14t\"` for the free-threaded build")
        }
        sources::Error::UnknownPackage { .. } => {
            failure.hint("check the name, or the index it is on")
        }
        sources::Error::UnknownChannel { .. } => failure
            .hint("write a version such as `\"1.89\"`, `\"stable\"` or `\"nightly-2026-10-01\"`"),
        sources::Error::Digest {
            expected, received, ..
        } => failure
            .detail(format!("expected  {expected}"))
            .detail(format!("received  {received}"))
            .hint("run the command again; a server in between may have served an old copy"),
        sources::Error::NoWheels { .. }
        | sources::Error::Unreadable { .. }
        | sources::Error::Insecure { .. } => failure,
    }
}

/// A request that no version answers.
pub fn resolve(error: &resolve::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        resolve::Error::Contradiction { constraints, tool } => {
            let failure = bounds(failure, tool, constraints);
            failure.hint(match constraints.as_slice() {
                [asked, bound] => format!(
                    "change `{}` to what `{}` admits, or that bound",
                    asked.origin, bound.origin
                ),
                [_] => "change this line".to_owned(),
                _ => "change one of these lines".to_owned(),
            })
        }
        resolve::Error::NoVersion {
            constraints,
            refused,
            tool,
            system,
        } => {
            let failure = bounds(failure, tool, constraints);
            let near = nearest_refusals(constraints, refused);
            let failure = near.into_iter().take(3).fold(failure, |failure, refusal| {
                let reasons: Vec<String> =
                    refusal.reasons.iter().map(ToString::to_string).collect();
                failure.note(format!(
                    "{tool} {} is {}",
                    refusal.version,
                    reasons.join(", ")
                ))
            });
            // Nobody can change what a preset asks for.
            let mut own = constraints
                .iter()
                .filter(|constraint| !constraint.origin.file.starts_with("preset "));
            let first = own.next().map(|constraint| constraint.origin.to_string());
            match (refused.is_empty(), first) {
                (true, _) => failure.note(format!("the source has no version for {system}")),
                (false, Some(place)) => failure.hint(format!("change the requirement at {place}")),
                (false, None) => failure,
            }
        }
        resolve::Error::MissingPart {
            origin, missing, ..
        } => {
            let failure = match &missing.near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure,
            };
            failure.hint(format!("remove it at {origin}, or ask for another version"))
        }
        resolve::Error::NotAsked { origin, .. } => failure.note(format!("{origin} asks for it")),
    }
}

/// Puts first what is most like the version that is asked for, else the newest.
fn nearest_refusals<'a>(
    constraints: &[resolve::Constraint],
    refused: &'a [resolve::Refusal],
) -> Vec<&'a resolve::Refusal> {
    let numbers = |text: &str| -> Vec<u64> {
        let text = text.trim_start_matches(|one: char| !one.is_ascii_digit());
        let parts = text.split('.').map(str::parse::<u64>);
        parts.map_while(Result::ok).collect()
    };
    let asked: Vec<Vec<u64>> = constraints
        .iter()
        .map(|constraint| numbers(&constraint.requirement))
        .collect();
    let likeness = |refusal: &&resolve::Refusal| {
        let release = refusal.version.release();
        let alike = |asked: &Vec<u64>| {
            let pairs = asked.iter().zip(release.iter());
            pairs.take_while(|(one, other)| one == other).count()
        };
        std::cmp::Reverse(asked.iter().map(alike).max().unwrap_or_default())
    };
    let mut near: Vec<&resolve::Refusal> = refused.iter().collect();
    near.sort_by_key(likeness);
    near
}

/// Every bound, with its place in a column of its own.
fn bounds(
    failure: Failure,
    tool: &crate::package::Tool,
    constraints: &[resolve::Constraint],
) -> Failure {
    let places: Vec<String> = constraints
        .iter()
        .map(|one| one.origin.to_string())
        .collect();
    let width = places.iter().map(String::len).max().unwrap_or(0);
    let lines = constraints.iter().zip(places);
    lines.fold(failure, |failure, (constraint, place)| {
        failure.detail(format!("{place:width$}  {tool} {}", constraint.requirement))
    })
}

/// A dev shell that cannot be had.
pub fn builder(error: &builder::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        builder::Error::Install {
            reason,
            tool,
            version,
        } => needed(store(reason), &format!("to install `{tool}` {version}")),
        builder::Error::Offline { missing } => tool_report::missing(failure, missing),
        builder::Error::Unavailable {
            tool,
            accepted,
            managed,
            host,
            ..
        } => {
            let failure = match host {
                None => failure.note("the settings allow no host tools"),
                Some(versions) if versions.is_empty() => {
                    failure.note(format!("this machine has no `{}` of its own", tool.name))
                }
                Some(versions) => {
                    let mut versions = versions.clone();
                    versions.sort();
                    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                    failure.note(format!(
                        "this machine has {}, and {accepted} is needed",
                        versions.join(", ")
                    ))
                }
            };
            match &**managed {
                Unavailable::Unreachable(cause) => {
                    let cause = fetch(cause);
                    cause.hints.into_iter().fold(failure, Failure::hint)
                }
                Unavailable::NotLocked => failure.hint("run `devsh lock`"),
                Unavailable::NoArtifact(_) => {
                    failure.hint("ask for a version that is published for this system")
                }
                Unavailable::HostOnly => {
                    failure.hint("install it, or set `tools-from = \"auto\"` in `config.toml`")
                }
            }
        }
        builder::Error::PythonMissing { .. } => failure.hint("make the lockfile anew"),
        builder::Error::Unfit { .. } => {
            failure.hint("ask for another version of it, or for another `python`")
        }
        builder::Error::PythonNeeds { tool, .. }
        | builder::Error::ApplicationNeeds { tool, .. } => {
            failure.hint(format!("add `{tool}` to `[tools]`"))
        }
        builder::Error::PythonInstall { output, .. } => uv_said(failure, output, true),
        builder::Error::PythonResolve { output, builds, .. } => uv_said(failure, output, *builds),
        builder::Error::NpmResolve { output, .. } => output.iter().fold(failure, Failure::detail),
        builder::Error::Source(error) => index(error),
        builder::Error::Store(error) => store(error),
        builder::Error::File(error) => file(error),
    }
}

/// What uv said last; without `builds` it may be that a package would have to be built.
fn uv_said(failure: Failure, output: &[String], builds: bool) -> Failure {
    let failure = output.iter().fold(failure, Failure::detail);
    if builds {
        return failure;
    }
    failure
        .note("no package is built for a manifest that has changed since you allowed it")
        .hint("review the change with `devsh allow`, which resolves them too")
}

/// An object of the store that cannot be made or used.
pub fn store(error: &store::Error) -> Failure {
    match error {
        store::Error::Fetch(error) => fetch(error),
        store::Error::File(error) => file(error),
        store::Error::Damaged { .. } => {
            Failure::new(error.to_string()).hint("run `devsh verify --repair`")
        }
        store::Error::NoRoom { .. } => {
            Failure::new(error.to_string()).hint("free space there, or run `devsh gc`")
        }
        store::Error::Newer { .. } => Failure::new(error.to_string())
            .note("what is in it can be used; nothing was written")
            .hint("update devsh"),
        store::Error::Unpack { .. }
        | store::Error::Refused { .. }
        | store::Error::Archive { .. } => {
            Failure::new(error.to_string()).note("nothing was added to the store")
        }
        store::Error::NeedsInterpreter { package } | store::Error::Library { package } => {
            Failure::new(error.to_string()).hint(format!(
                "put it into the project's Python environment: `[python] packages = [\"{package}\"]`"
            ))
        }
        store::Error::Installer { .. } | store::Error::NoPrograms { .. } => {
            Failure::new(error.to_string())
        }
    }
}
