//! Checks of a whole dev shell: cycles of references, names that need a grant, and size.

use std::collections::BTreeSet;

use super::{
    CompositionError, DevShell, EnvValue, Grant, Located, Origin, SOURCE_EFFECT,
    template::{self, ValuePiece},
};
use crate::env::{
    VarName, grant,
    limits::{GROWTH, VARIABLE},
    order::by_reference,
};

/// An error of a whole dev shell.
pub(super) struct CheckError {
    pub(super) origin: Origin,
    pub(super) word: String,
    pub(super) kind: CompositionError,
}

/// Checks a merged dev shell.
pub(super) fn check_shell(shell: &DevShell) -> Result<(), CheckError> {
    check_grants(shell)?;
    check_source_grants(shell)?;
    check_sizes(shell)?;
    check_cycles(shell)
}

fn check_grants(shell: &DevShell) -> Result<(), CheckError> {
    let granted: BTreeSet<&VarName> = shell.grants.iter().map(|one| &one.value).collect();
    for (name, value) in &shell.env {
        let sets = matches!(value.value, EnvValue::Set(_) | EnvValue::Default(_))
            || matches!(value.value, EnvValue::Extend { .. }) && name.as_str() != "PATH";
        let text = value.value.to_string();
        if let Some(effect) = grant::effect_of_value(name.as_str(), &text)
            && sets
            // Presets are part of devsh.
            && !value.origin.is_preset
            && !granted.contains(name)
        {
            return Err(CheckError {
                origin: value.origin.clone(),
                word: name.to_string(),
                kind: CompositionError::Ungranted {
                    name: Grant::Variable(name.to_string()),
                    effect,
                },
            });
        }
    }
    Ok(())
}

fn check_source_grants(shell: &DevShell) -> Result<(), CheckError> {
    let Some((host, script)) = shell.source_scripts.ungranted() else {
        return Ok(());
    };
    Err(CheckError {
        origin: script.origin.clone(),
        word: host.to_string(),
        kind: CompositionError::Ungranted {
            name: Grant::Source(host.to_string()),
            effect: SOURCE_EFFECT,
        },
    })
}

/// Checks the sizes without references, whose values are known only when the dev shell is loaded.
fn check_sizes(shell: &DevShell) -> Result<(), CheckError> {
    let (mut total, mut longest) = (0, None);
    for (name, value) in &shell.env {
        let length =
            name.as_str().len() + 2 + texts(&value.value).map(|text| plain(text)).sum::<usize>();
        let fault = |kind| CheckError {
            origin: value.origin.clone(),
            word: name.to_string(),
            kind,
        };
        if length > VARIABLE {
            return Err(fault(CompositionError::ValueTooLong {
                name: name.to_string(),
                length,
                limit: VARIABLE,
            }));
        }
        total += length;
        if longest.as_ref().is_none_or(|(most, _)| *most < length) {
            longest = Some((length, fault));
        }
    }
    match longest {
        Some((_, fault)) if total > GROWTH => Err(fault(CompositionError::EnvironmentTooLarge {
            length: total,
            limit: GROWTH,
        })),
        _ => Ok(()),
    }
}

/// Returns the length of a value without its references.
fn plain(text: &str) -> usize {
    let pieces = template::parse(text).unwrap_or_default();
    let lengths = pieces.iter().map(|piece| match piece {
        ValuePiece::Text(text) => text.len(),
        _ => 0,
    });
    lengths.sum()
}

/// Returns the texts of a value.
pub(super) fn texts(value: &EnvValue) -> impl Iterator<Item = &String> {
    let (one, first, last): (_, &[String], &[String]) = match value {
        EnvValue::Set(text) | EnvValue::Default(text) => (Some(text), &[], &[]),
        EnvValue::Extend { prepend, append } => (None, prepend, append),
        EnvValue::Required(_) | EnvValue::Unset => (None, &[], &[]),
    };
    one.into_iter().chain(first).chain(last)
}

/// Refuses variables that refer to each other in a cycle; a variable in its own value means that of the host shell.
fn check_cycles(shell: &DevShell) -> Result<(), CheckError> {
    let entries: Vec<(&VarName, &Located<EnvValue>)> = shell.env.iter().collect();
    let references = |value: &Located<EnvValue>| {
        let names = variables(&value.value).into_iter();
        names.map(|(name, _)| name).collect()
    };
    let cycle = by_reference(&shell.env, references)
        .cycle
        .unwrap_or_default();
    let [.., from, to] = cycle.as_slice() else {
        return Ok(());
    };
    let place = |at: &usize| (entries[*at].0.to_string(), entries[*at].1.origin.clone());
    Err(CheckError {
        origin: entries[*from].1.origin.clone(),
        word: entries[*to].0.to_string(),
        kind: CompositionError::VariableCycle {
            cycle: cycle.iter().map(place).collect(),
        },
    })
}

/// Returns the variables of the host shell that values refer to without a fallback, each with the place.
pub fn needed_host_variables(shell: &DevShell) -> Vec<(String, &Origin)> {
    let known: BTreeSet<&str> = shell.env.keys().map(VarName::as_str).collect();
    let mut needed = Vec::new();
    for (own, value) in &shell.env {
        let names = variables(&value.value).into_iter();
        let theirs = names.filter(|(name, fallback)| {
            fallback.is_none() && (own.as_str() == name || !known.contains(name.as_str()))
        });
        needed.extend(theirs.map(|(name, _)| (name, &value.origin)));
    }
    needed
}

/// Returns the variables that a value refers to, each with its fallback.
fn variables(value: &EnvValue) -> Vec<(String, Option<String>)> {
    let pieces = texts(value).flat_map(|text| template::parse(text).unwrap_or_default());
    pieces
        .filter_map(|piece| match piece {
            ValuePiece::Variable { name, fallback } => Some((name, fallback)),
            ValuePiece::Text(_) | ValuePiece::Root(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::manifest::{merge, parse};

    #[test]
    fn variables_may_refer_to_each_other_in_a_long_chain() {
        let mut text = "[env]\n".to_owned();
        for at in 0..3_000 {
            writeln!(text, "A{at} = '${{A{}}}'", at + 1).unwrap();
        }
        let last = "A3000 = ''\n";
        let merged = |last| merge(&[parse("devshell.toml", &format!("{text}{last}"))?]);
        assert_eq!(merged(last).unwrap().shells.len(), 1);
        let error = merged("A3000 = '${A2995}'\n").unwrap_err();
        assert_eq!(error.origin().line, 3_002);
        let shown = error.to_string();
        assert!(shown.ends_with("(devshell.toml:2997)"), "{shown}");
        let error = merged("A3000 = '${A0}'\n").unwrap_err().to_string();
        assert!(error.contains("(2992 more)"), "{error}");
    }
}
