//! Tools that an approved project does not ask for any more.
//!
//! A dev shell with fewer tools and nothing else that is different brings nothing new, so it needs no approval.

use std::collections::BTreeSet;

use super::{
    approval::Approval,
    approval_summary::{Facts, fact_name},
};

/// Returns the tools that are gone, if nothing else differs from the approval.
pub(super) fn find(before: &Approval, now: &Approval) -> Option<BTreeSet<String>> {
    let gone = in_manifests(&before.manifest, &now.manifest)?;
    let mut tools = BTreeSet::new();
    for name in removed_facts(&before.all, &now.all)? {
        // Python packages that bring a tool take its place.
        if now.manifest.get(name).is_some() {
            return None;
        }
        RemovedFact::of(name, &now.all).add_to(&mut tools)?;
    }
    tools.extend(gone);
    Some(tools)
}

/// Returns the tools that are gone, as far as the manifests say.
pub(super) fn in_manifests(before: &Facts, now: &Facts) -> Option<BTreeSet<String>> {
    let mut tools = BTreeSet::new();
    for name in removed_facts(before, now)? {
        RemovedFact::of(name, now).add_to(&mut tools)?;
    }
    Some(tools)
}

/// Returns the names of the facts that are gone, if no other one is new or changed.
fn removed_facts<'f>(before: &'f Facts, now: &Facts) -> Option<Vec<&'f str>> {
    let mut names = now.names();
    let is_known = names.all(|name| before.get(name) == now.get(name));
    let gone = before.names().filter(|name| now.get(name).is_none());
    is_known.then(|| gone.collect())
}

/// The subject of a fact that is gone.
enum RemovedFact {
    Tool(String),
    /// A dev shell is as `dev` now, or gone.
    Shell,
    Other,
}

impl RemovedFact {
    fn of(name: &str, now: &Facts) -> Self {
        let Some(rest) = name.strip_prefix("shell ") else {
            return Self::Other;
        };
        let Some((shell, fact)) = rest.split_once(' ') else {
            return Self::Shell;
        };
        // A name with spaces is in quotes.
        let tool = fact.strip_prefix("tool ");
        let Some(tool) = tool.filter(|tool| !tool.contains([' ', '"'])) else {
            return Self::Other;
        };
        // A dev shell without its own statement on a tool has that of `dev`.
        let of_dev = format!("shell dev {}", fact_name("tool", &[tool]));
        if shell != "dev" && now.get(&of_dev).is_some() {
            return Self::Other;
        }
        Self::Tool(tool.to_owned())
    }

    /// Adds the tool; `None` if the fact is about something else.
    fn add_to(self, tools: &mut BTreeSet<String>) -> Option<()> {
        match self {
            Self::Tool(tool) => drop(tools.insert(tool)),
            Self::Shell => {}
            Self::Other => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::approval_summary::Fact;

    fn facts(list: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::new();
        for (name, text) in list {
            facts.add(name, &[], Fact::new(*text, "file")).unwrap();
        }
        facts
    }

    fn approval(manifest: &[(&str, &str)], all: &[(&str, &str)]) -> Approval {
        Approval {
            manifest: facts(manifest),
            all: facts(all),
        }
    }

    const RUFF: (&str, &str) = ("shell dev tool ruff", "1");
    const JUST: (&str, &str) = ("shell dev tool just", "1");
    const ALIAS: (&str, &str) = ("shell dev alias t", "pytest");
    const LINT: (&str, &str) = ("shell lint", "as dev");
    const OF_LINT: (&str, &str) = ("shell lint tool just", "2");

    #[test]
    fn only_tools_can_go() {
        let all = [RUFF, JUST, ALIAS, LINT, OF_LINT];
        let before = approval(&all, &all);
        let gone = |now: &[(&str, &str)]| {
            let found = find(&before, &approval(now, now))?;
            Some(found.into_iter().collect::<Vec<_>>().join(" "))
        };
        for (now, expected) in [
            (&all[..], Some("")),
            (&[JUST, ALIAS, LINT, OF_LINT], Some("ruff")),
            (&[RUFF, ALIAS, LINT, OF_LINT], Some("just")),
            (&[RUFF, ALIAS], Some("just")),
            // `lint` gets the version of `dev`.
            (&[RUFF, JUST, ALIAS], None),
            (&[RUFF, JUST, LINT, OF_LINT], None),
            (&[("shell dev tool just", "2"), ALIAS, LINT, OF_LINT], None),
            (&[JUST, ALIAS, LINT, OF_LINT, ("cache", "x")], None),
        ] {
            assert_eq!(gone(now).as_deref(), expected, "{now:?}");
        }
    }

    #[test]
    fn packages_do_not_replace_a_tool() {
        let before = approval(&[RUFF, JUST], &[RUFF, JUST]);
        assert_eq!(find(&before, &approval(&[RUFF, JUST], &[JUST])), None);
        let without = approval(&[JUST], &[JUST]);
        assert_eq!(find(&before, &without), Some(["ruff".to_owned()].into()));
    }
}
