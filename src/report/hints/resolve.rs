//! Hints for requests without a matching version.

use crate::{
    package::{Tool, Version},
    report::failure::Failure,
    resolve,
    util::word_lists::join_with_and,
};

impl From<&resolve::Error> for Failure {
    fn from(error: &resolve::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            resolve::Error::Contradiction { constraints, tool } => {
                let failure = bounds(failure, tool, constraints);
                let written: Vec<&resolve::Constraint> = constraints
                    .iter()
                    .filter(|bound| !is_generated(bound))
                    .collect();
                failure.hint(match written.as_slice() {
                    [one] if constraints.len() > 1 => {
                        format!("change the requirement at {}", one.origin)
                    }
                    [asked, bound] => format!(
                        "change `{}` to a version that `{}` accepts, or change that bound",
                        asked.origin, bound.origin
                    ),
                    [_] => "change this line".to_owned(),
                    [] => "make the lockfiles again".to_owned(),
                    _ => "change one of these lines".to_owned(),
                })
            }
            resolve::Error::NoVersion {
                constraints,
                refused,
                oldest,
                tool,
                system,
                unused,
            } => {
                let failure = bounds(failure, tool, constraints);
                let failure = near_versions(failure, tool, constraints, refused);
                let failure = match oldest {
                    Some(oldest) => failure.note(format!(
                        "the oldest of source `{}` is {oldest}",
                        tool.source
                    )),
                    None => failure,
                };
                // One supplier has been named by its versions already.
                let several = unused.iter().filter(|_| unused.len() > 1);
                let failure = several.fold(failure, |failure, one| {
                    let supplier = one.supplier.describe(tool.name.as_str());
                    failure.note(format!("{supplier} does not serve it: {}", one.reason))
                });
                let failure = if unused.iter().any(|one| one.may_pass) {
                    failure
                        .hint("if the version is right, try again later; `devsh doctor --network` shows which servers answer")
                        .temporary()
                } else {
                    failure
                };
                if refused.is_empty() {
                    return failure.note(format!(
                        "source `{}` has no version of `{}` for {system}",
                        tool.source, tool.package
                    ));
                }
                change(failure, constraints, refused)
            }
            resolve::Error::UnavailablePart {
                origin, missing, ..
            } => {
                let failure = match &missing.near {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure,
                };
                failure.hint(format!("remove it at {origin}, or ask for another version"))
            }
            resolve::Error::NotAsked { origin, .. } => {
                failure.note(format!("{origin} asks for it"))
            }
        }
    }
}

/// Adds the nearest versions, those of the same line first, and the newest.
fn near_versions(
    failure: Failure,
    tool: &Tool,
    constraints: &[resolve::Constraint],
    refused: &[resolve::Refusal],
) -> Failure {
    let is_other_version = |refusal: &&resolve::Refusal| {
        let mut reasons = refusal.reasons.iter();
        reasons.all(|reason| matches!(reason, resolve::Reason::NotAdmitted(_)))
    };
    let asked = constraints.first().map(|one| one.requirement.as_str());
    let asked = asked.unwrap_or_default();
    let line_of = |refusal: &resolve::Refusal| resolve::common_line(asked, &refusal.version);
    let line = refused.iter().find(is_other_version).and_then(line_of);
    let in_line = |refusal: &&resolve::Refusal| line.is_some() && line_of(refusal) == line;
    let near: Vec<&resolve::Refusal> = match &line {
        Some(_) => refused
            .iter()
            .filter(in_line)
            .filter(is_other_version)
            .collect(),
        None => refused.iter().filter(is_other_version).collect(),
    };
    let near: Vec<String> = near
        .iter()
        .take(2)
        .map(|one| one.version.to_string())
        .collect();
    let failure = match (&line, near.is_empty()) {
        (_, true) => failure,
        (Some(line), false) => failure.note(format!(
            "of {tool} {line} there is {}",
            join_with_and(&near)
        )),
        (None, false) => failure.note(format!(
            "the nearest versions of {tool} are {}",
            join_with_and(&near)
        )),
    };
    // A version with another fault is near too, and the fault is the reason.
    let faulty = refused.iter().filter(|one| !is_other_version(one)).take(2);
    let failure = faulty.fold(failure, |failure, refusal| {
        let reasons: Vec<String> = refusal.reasons.iter().map(ToString::to_string).collect();
        failure.note(format!(
            "{tool} {}: {}",
            refusal.version,
            reasons.join(", ")
        ))
    });
    let stable = refused.iter().filter(|one| !one.version.is_prerelease());
    match stable.max_by(|one, other| one.version.cmp(&other.version)) {
        Some(newest)
            if is_other_version(&newest) && !near.contains(&newest.version.to_string()) =>
        {
            failure.note(format!(
                "the newest of source `{}` is {}",
                tool.source, newest.version
            ))
        }
        _ => failure,
    }
}

/// Says what to change: the bound that excludes the nearest version.
fn change(
    failure: Failure,
    constraints: &[resolve::Constraint],
    refused: &[resolve::Refusal],
) -> Failure {
    let excluding = |refusal: &resolve::Refusal| -> Vec<resolve::Constraint> {
        let reasons = refusal.reasons.iter();
        let bounds = reasons.filter_map(|reason| match reason {
            resolve::Reason::NotAdmitted(bound) => Some(bound.clone()),
            _ => None,
        });
        bounds.collect()
    };
    if let [refusal, ..] = refused {
        let glibc = |reason: &resolve::Reason| match reason {
            resolve::Reason::Glibc { needed, .. } => Some(*needed),
            _ => None,
        };
        if let [reason] = refusal.reasons.as_slice()
            && let Some(needed) = glibc(reason)
        {
            return failure.hint(format!(
                "if every machine that uses the lockfile has it, set `sources.glibc = \"{needed}\"` in `config.toml`"
            ));
        }
    }
    // The user cannot change a requirement of a preset.
    let own = |bound: &&resolve::Constraint| !bound.origin.is_preset;
    let nearest = refused.first().map(excluding).unwrap_or_default();
    let bounds: Vec<&resolve::Constraint> = nearest.iter().chain(constraints).filter(own).collect();
    let written = bounds.iter().find(|bound| !is_generated(bound));
    match (written, bounds.first()) {
        (Some(bound), _) => match short_equality(bound, refused) {
            Some(prefix) => failure.hint(format!(
                "write `{prefix}` at {}: `{}` means that version alone",
                bound.origin, bound.requirement
            )),
            None => failure.hint(format!("change the requirement at {}", bound.origin)),
        },
        (None, Some(bound)) => failure.hint(format!(
            "change what `{}` was made from, and make it again",
            bound.origin.file
        )),
        (None, None) => failure,
    }
}

/// Returns whether a bound is in a lockfile, which no one edits.
fn is_generated(bound: &resolve::Constraint) -> bool {
    let name = bound.origin.file.rsplit('/').next().unwrap_or_default();
    // `package-lock.json`, `pnpm-lock.yaml`, `pylock.toml`, `pylock.docs.toml`, `bun.lockb`
    let stem = name.split('.').next().unwrap_or_default();
    let extension = name.rsplit('.').next().unwrap_or_default();
    stem.ends_with("lock") || extension.starts_with("lock") || stem == "npm-shrinkwrap"
}

/// Returns the prefix (`==3.11.*`) that was probably meant by `==3.11`, which admits no later patch.
fn short_equality(bound: &resolve::Constraint, refused: &[resolve::Refusal]) -> Option<String> {
    let version = bound.requirement.strip_prefix("==")?.trim();
    let short: Version = version.parse().ok()?;
    let begins =
        |refusal: &resolve::Refusal| refusal.version.release().starts_with(short.release());
    let meant = short.release().len() < 3 && refused.iter().any(begins);
    meant.then(|| format!("=={version}.*"))
}

/// Every bound, with its place in a separate column.
fn bounds(failure: Failure, tool: &Tool, constraints: &[resolve::Constraint]) -> Failure {
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
