//! The statements that turn one environment into another.

use std::ffi::OsStr;

use crate::{
    env::{Env, VarName},
    shell::ShellStatement,
    util::vars,
};

/// Returns the statements that turn the environment `from` into `to`.
///
/// `DEVSH_DIFF` is set first and removed last, so a host shell that is interrupted in between can undo everything.
pub fn env_statements(from: &Env, to: &Env) -> Vec<ShellStatement> {
    let own = [vars::DEVSH_DIFF, vars::DEVSH_ROOT, vars::DEVSH_SHELL].map(VarName::own);
    let statement = |name: VarName, value: Option<&OsStr>| match value {
        Some(value) => ShellStatement::Export(name, value.to_owned()),
        None => ShellStatement::Unset(name),
    };
    let change = |name: &VarName| {
        let value = to.get(name);
        (from.get(name) != value).then(|| statement(name.clone(), value))
    };
    let loads = to.get(vars::DEVSH_DIFF).is_some();
    let mut changes = Vec::new();
    if loads {
        changes.extend(change(&own[0]));
    }
    let (exports, removals): (Vec<_>, Vec<_>) = from
        .differences(to)
        .filter_map(|one| Some(statement(one.name.to_str()?.parse().ok()?, one.after)))
        .partition(|change| matches!(change, ShellStatement::Export(..)));
    changes.extend(exports);
    changes.extend(removals);
    changes.extend(own[1..].iter().filter_map(change));
    if !loads {
        changes.extend(change(&own[0]));
    }
    changes
}
