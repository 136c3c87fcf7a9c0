//! Drops values that are too large for an environment. Pure.

use std::ffi::OsString;

use crate::env::{
    Env, EnvDifference,
    limits::{GROWTH, VARIABLE, length},
};

use super::enter_leave_scripts::Error;

/// Restores variables that are too long for any program, and the largest ones while all together grow too much.
/// Returns an error for each.
pub(super) fn restore_excess(base: &Env, env: &mut Env) -> Vec<Error> {
    let mut errors = Vec::new();
    while let Some((name, error)) = excess(base, env) {
        restore(base, env, &name);
        errors.push(error);
    }
    errors
}

/// Gives a variable the value of the host shell.
pub(super) fn restore(base: &Env, env: &mut Env, name: &std::ffi::OsStr) {
    match base.get(name) {
        Some(value) => env.set(name, value),
        None => env.unset(name),
    }
}

/// Returns the next variable to restore.
fn excess(base: &Env, env: &Env) -> Option<(OsString, Error)> {
    let (mut total, mut largest) = (0, None);
    for EnvDifference {
        name,
        before,
        after,
    } in base.differences(env)
    {
        let Some(now) = after.map(|after| length(name, after)) else {
            continue;
        };
        let before = before.map_or(0, |before| length(name, before));
        let grown = now.saturating_sub(before);
        let shown = || name.to_string_lossy().into_owned();
        if now > VARIABLE {
            let error = Error::TooLong {
                name: shown(),
                length: now,
            };
            return Some((name.to_owned(), error));
        }
        total += grown;
        if largest.as_ref().is_none_or(|(most, _)| *most < grown) {
            largest = Some((grown, name));
        }
    }
    let (grown, name) = largest.filter(|_| total > GROWTH)?;
    let error = Error::TooMuch {
        name: name.to_string_lossy().into_owned(),
        grown,
        total,
    };
    Some((name.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, usize)]) -> Env {
        let variable =
            |(name, length): &(&str, usize)| ((*name).into(), "x".repeat(*length).into());
        variables.iter().map(variable).collect()
    }

    #[test]
    fn a_longer_variable_than_a_program_can_take_is_dropped() {
        let base = env(&[("OLD", VARIABLE)]);
        let mut just = env(&[("OLD", VARIABLE), ("A", VARIABLE - 3)]);
        assert_eq!(restore_excess(&base, &mut just).len(), 0);
        let mut more = env(&[("OLD", VARIABLE), ("A", VARIABLE - 2), ("B", 1)]);
        assert_eq!(restore_excess(&base, &mut more).len(), 1);
        assert_eq!(more, env(&[("OLD", VARIABLE), ("B", 1)]));
    }

    #[test]
    fn the_largest_variable_is_dropped_when_all_grow_too_much() {
        let base = env(&[("A", 1000)]);
        let third = GROWTH / 3;
        let mut just = env(&[
            ("A", third + 1000),
            ("B", third - 3),
            ("C", GROWTH - 2 * third - 3),
        ]);
        let same = just.clone();
        assert_eq!(restore_excess(&base, &mut just).len(), 0);
        assert_eq!(just, same);
        let mut more = env(&[
            ("A", third + 1001),
            ("B", third - 3),
            ("C", GROWTH - 2 * third - 3),
        ]);
        assert_eq!(restore_excess(&base, &mut more).len(), 1);
        assert_eq!(more.get("A"), base.get("A"), "the largest stays as it was");
    }
}
