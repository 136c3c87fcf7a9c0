//! Hints for requests without a matching version.

use crate::{package::Tool, report::failure::Failure, resolve};

impl From<&resolve::Error> for Failure {
    fn from(error: &resolve::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            resolve::Error::Contradiction { constraints, tool } => {
                let failure = bounds(failure, tool, constraints);
                failure.hint(match constraints.as_slice() {
                    [asked, bound] => format!(
                        "change `{}` to a version that `{}` accepts, or change that bound",
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
                // The user cannot change the requirement of a preset.
                let mut own = constraints
                    .iter()
                    .filter(|constraint| !constraint.origin.is_preset);
                let first = own.next().map(|constraint| constraint.origin.to_string());
                match (refused.is_empty(), first) {
                    (true, _) => failure.note(format!("the source has no version for {system}")),
                    (false, Some(place)) => {
                        failure.hint(format!("change the requirement at {place}"))
                    }
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
            resolve::Error::NotAsked { origin, .. } => {
                failure.note(format!("{origin} asks for it"))
            }
        }
    }
}

/// Sorts the refused versions: the most similar to the requested version first.
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
