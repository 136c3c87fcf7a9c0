//! The statements about a subject, and whether they count.

use crate::manifest::{Claim, Located, SourceScripts, Statement, Subject};

use super::{ExplainRow, Explained};

/// Returns a row for each statement; a statement that does not count has the reason.
pub(super) fn rows(
    explained: &Explained<'_>,
    subject: &Subject,
    statements: &[Statement],
) -> Vec<ExplainRow> {
    let replacements = subject.replacements(statements);
    let row = |(statement, replacement): (&Statement, Option<&Statement>)| {
        let reason = match replacement {
            Some(by) if by.claim == Claim::Remove => {
                Some(format!("removed by {}", by.origin.listed()))
            }
            Some(by) => Some(format!("overruled by {}", by.origin.listed())),
            None => {
                let listed = is_listed(explained, subject, &statement.claim);
                (!listed).then(|| "taken out of the list".to_owned())
            }
        };
        let value = if explained.is_secret(&statement.origin) {
            "not shown".to_owned()
        } else {
            statement.claim.to_string()
        };
        ExplainRow {
            value,
            place: statement.origin.listed(),
            shell: statement.shell.as_ref().map(ToString::to_string),
            counts: reason.is_none(),
            reason,
        }
    };
    statements.iter().zip(replacements).map(row).collect()
}

/// Returns whether the merged list still has the entry; claims that are no entries count.
fn is_listed(explained: &Explained<'_>, subject: &Subject, claim: &Claim) -> bool {
    let (Subject::Setting(key), Claim::Add(value)) = (subject, claim) else {
        return true;
    };
    let content = explained.content;
    let among = |list: &[Located<String>]| list.iter().any(|one| one.value == *value);
    match *key {
        "python.groups" => among(&content.python.groups),
        "python.extras" => among(&content.python.extras),
        "python.build" => among(&content.python.build),
        "python.packages" => among(&content.python.packages),
        "conda.channels" => among(&content.conda.channels),
        "conda.packages" => among(&content.conda.packages),
        "hooks.enter" => among(&content.enter),
        "hooks.leave" => among(&content.leave),
        "grants.env" => content
            .grants
            .iter()
            .any(|one| one.value.as_str() == *value),
        SourceScripts::GRANTS => {
            let mut granted = content.source_scripts.grants.iter();
            granted.any(|one| one.value.as_str() == *value)
        }
        key => content.source_scripts.by_key(key).is_none_or(among),
    }
}
