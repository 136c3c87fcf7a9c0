//! The overlay of one table on another: the rule of the merge for tools, variables and lists.
//!
//! Law: the overlay is associative, and a table on itself changes nothing. Therefore a table keeps its removals
//! (`removed`, `unset`, `reset`) next to its values.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EnvValue, Located,
    layer::{EnvEntry, FLAVOUR, Tables, ToolEntry},
};

impl ToolEntry {
    pub(super) fn overlay(&mut self, upper: &Self) {
        if upper.unset {
            self.clone_from(upper);
            return;
        }
        if !self.wanted {
            self.origin = upper.origin.clone();
            self.is_below_root = upper.is_below_root;
        } else if upper.wanted {
            self.is_below_root &= upper.is_below_root;
        }
        self.wanted |= upper.wanted;
        if upper.requirement.is_some() {
            self.requirement.clone_from(&upper.requirement);
        }
        for floor in &upper.floors {
            if !self.floors.contains(floor) {
                self.floors.push(floor.clone());
            }
        }
        self.options = upper.options.over(&self.options);
        let removed = &upper.removed;
        if let Some(overruled) = removed.get(FLAVOUR) {
            self.components.retain(|one| !overruled.contains(one));
        }
        overlay_list(
            &mut self.components,
            &upper.components,
            removed.get("components"),
            String::as_str,
        );
        overlay_list(
            &mut self.targets,
            &upper.targets,
            removed.get("targets"),
            String::as_str,
        );
        unite(&mut self.removed, removed);
    }
}

impl EnvEntry {
    /// Returns the overlay of `self` on `lower`: later entries are further out.
    fn over(&self, lower: &Self) -> Self {
        let EnvValue::Extend { prepend, append } = &self.value.value else {
            return self.clone();
        };
        if self.reset {
            return self.clone();
        }
        let EnvValue::Extend {
            prepend: front,
            append: end,
        } = &lower.value.value
        else {
            return Self {
                reset: true,
                ..self.clone()
            };
        };
        let kept = |list: &[String], above: &[String]| {
            let above: BTreeSet<&String> = above.iter().collect();
            let gone = |one: &&String| self.removed.contains(*one) || above.contains(one);
            list.iter()
                .filter(|one| !gone(one))
                .cloned()
                .collect::<Vec<_>>()
        };
        let merged = EnvValue::Extend {
            prepend: [prepend.clone(), kept(front, prepend)].concat(),
            append: [kept(end, append), append.clone()].concat(),
        };
        Self {
            value: Located {
                value: merged,
                origin: self.value.origin.clone(),
            },
            removed: self.removed.union(&lower.removed).cloned().collect(),
            reset: lower.reset,
        }
    }
}

impl Tables {
    /// Merges `upper` into these tables; `Subject::replaces` explains the result by the same rule.
    pub(super) fn overlay(&mut self, upper: &Self) {
        for (tool, entry) in &upper.tools {
            self.tools
                .entry(tool.clone())
                .and_modify(|lower| lower.overlay(entry))
                .or_insert_with(|| entry.clone());
        }
        self.python.overlay(&upper.python, &upper.removed);
        self.conda.overlay(&upper.conda, &upper.removed);
        for (name, entry) in &upper.env {
            let merged = self.env.get(name).map(|lower| entry.over(lower));
            self.env
                .insert(name.clone(), merged.unwrap_or_else(|| entry.clone()));
        }
        let aliases = upper.aliases.iter();
        self.aliases
            .extend(aliases.map(|(name, command)| (name.clone(), command.clone())));
        let gone = &upper.removed;
        overlay_list(&mut self.enter, &upper.enter, gone.get("enter"), text_of);
        overlay_list(&mut self.leave, &upper.leave, gone.get("leave"), text_of);
        self.source_scripts.overlay(&upper.source_scripts, gone);
        overlay_list(
            &mut self.env_files,
            &upper.env_files,
            gone.get("load"),
            |file| &file.path.value,
        );
        overlay_list(
            &mut self.grants,
            &upper.grants,
            gone.get("grants"),
            |name| name.value.as_str(),
        );
        unite(&mut self.removed, gone);
    }
}

/// Drops the removed entries, then adds the new ones.
pub(super) fn overlay_list<T: Clone>(
    list: &mut Vec<T>,
    more: &[T],
    removed: Option<&BTreeSet<String>>,
    key: fn(&T) -> &str,
) {
    if let Some(removed) = removed {
        list.retain(|one| !removed.contains(key(one)));
    }
    let fresh = {
        let mut there: BTreeSet<&str> = list.iter().map(key).collect();
        let fresh = more.iter().filter(|one| there.insert(key(one)));
        fresh.cloned().collect::<Vec<T>>()
    };
    list.extend(fresh);
}

pub(super) fn text_of(one: &Located<String>) -> &str {
    &one.value
}

fn unite(
    into: &mut BTreeMap<&'static str, BTreeSet<String>>,
    more: &BTreeMap<&'static str, BTreeSet<String>>,
) {
    for (list, names) in more {
        into.entry(list).or_default().extend(names.iter().cloned());
    }
}
