//! What was said about a subject, and whether it counts.

use crate::manifest::{Located, Said, Sourced, Subject};

use super::{Explained, Row};

/// Tells of everything that was said whether it counts, and why not.
pub(super) fn rows(explained: &Explained<'_>, subject: &Subject, said: &[Said]) -> Vec<Row> {
    let last = said.iter().rposition(|one| one.scalar);
    let present = |value: &str| present(explained, subject, value);
    let row = |(at, one): (usize, &Said)| {
        let overruled = last.filter(|last| {
            at < *last
                && (one.scalar
                    || matches!(subject, Subject::Variable(_))
                    || said[*last].value == "removed")
        });
        // Of a variable that was said outright, an extension above forgets it.
        let forgotten = matches!(subject, Subject::Variable(_))
            .then(|| {
                said[at + 1..]
                    .iter()
                    .find(|later| one.scalar && !later.scalar)
            })
            .flatten();
        let by = overruled.map(|last| &said[last]).or(forgotten);
        let reason = by.map(|by| {
            let verb = if by.value == "removed" {
                "removed"
            } else {
                "overruled"
            };
            format!("{verb} by {}", by.origin)
        });
        let reason =
            reason.or_else(|| (!present(&one.value)).then(|| "taken out of the list".to_owned()));
        let value = if explained.is_secret(&one.origin) {
            "not shown".to_owned()
        } else {
            one.value.clone()
        };
        Row {
            value,
            place: one.origin.to_string(),
            shell: one.shell.as_ref().map(ToString::to_string),
            counts: reason.is_none(),
            reason,
        }
    };
    said.iter().enumerate().map(row).collect()
}

/// Returns whether a list has the value in the end.
fn present(explained: &Explained<'_>, subject: &Subject, value: &str) -> bool {
    let Subject::Setting(key) = subject else {
        return true;
    };
    let content = explained.content;
    let among = |list: &[Located<String>]| list.iter().any(|one| one.value == value);
    match *key {
        "python.groups" => among(&content.python.groups),
        "python.extras" => among(&content.python.extras),
        "python.packages" => among(&content.python.packages),
        "hooks.enter" => among(&content.enter),
        "hooks.leave" => among(&content.leave),
        "grants.env" => content.grants.iter().any(|one| one.value.as_str() == value),
        Sourced::GRANTS => {
            let mut granted = content.sourced.grants.iter();
            granted.any(|one| one.value.as_str() == value)
        }
        key => content.sourced.by_key(key).is_none_or(among),
    }
}
