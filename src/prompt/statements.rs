//! The statements that turn one environment into another.

use std::collections::BTreeSet;

use crate::{
    env::{Env, VarName},
    shell::ShellStatement,
    util::vars,
};

/// Returns the statements that turn the environment `from` into `to`.
///
/// `DEVSH_DIFF` is set first and removed last, so a host shell that is interrupted in between can undo everything.
pub fn statements(from: &Env, to: &Env) -> Vec<ShellStatement> {
    let own = [vars::DEVSH_DIFF, vars::DEVSH_ROOT, vars::DEVSH_SHELL].map(VarName::own);
    let change = |name: &VarName| {
        if from.get(name) == to.get(name) {
            return None;
        }
        Some(match to.get(name) {
            Some(value) => ShellStatement::Export(name.clone(), value.to_owned()),
            None => ShellStatement::Unset(name.clone()),
        })
    };
    let names: BTreeSet<VarName> = from
        .iter()
        .chain(to.iter())
        // Most names have the same value on both sides and need no check.
        .filter(|(name, _)| from.get(name) != to.get(name))
        .filter_map(|(name, _)| name.to_str()?.parse().ok())
        .collect();
    let loads = to.get(vars::DEVSH_DIFF).is_some();
    let mut changes = Vec::new();
    if loads {
        changes.extend(change(&own[0]));
    }
    let (exports, removals): (Vec<_>, Vec<_>) = names
        .iter()
        .filter_map(change)
        .partition(|change| matches!(change, ShellStatement::Export(..)));
    changes.extend(exports);
    changes.extend(removals);
    changes.extend(own[1..].iter().filter_map(change));
    if !loads {
        changes.extend(change(&own[0]));
    }
    changes
}
