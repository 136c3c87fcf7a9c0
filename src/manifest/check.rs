//! What only a whole dev shell shows: references in a circle, names that need a grant, and size. Pure.

use std::collections::BTreeSet;

use super::{
    Composition, DevShell, EnvValue, Origin, SOURCE_EFFECT,
    template::{self, Piece},
};
use crate::env::{
    VarName, grant,
    limits::{GROWTH, VARIABLE},
};

/// A fault, the place and the word there.
pub(super) struct Fault {
    pub(super) origin: Origin,
    pub(super) word: String,
    pub(super) kind: Composition,
}

/// Checks a merged dev shell.
pub(super) fn shell(shell: &DevShell) -> Result<(), Fault> {
    grants(shell)?;
    source_grants(shell)?;
    sizes(shell)?;
    let mut done = BTreeSet::new();
    for name in shell.env.keys() {
        circle(shell, name, &mut Vec::new(), &mut done)?;
    }
    Ok(())
}

fn grants(shell: &DevShell) -> Result<(), Fault> {
    let granted: BTreeSet<&VarName> = shell.grants.iter().map(|one| &one.value).collect();
    for (name, value) in &shell.env {
        let sets = matches!(value.value, EnvValue::Set(_) | EnvValue::Default(_))
            || matches!(value.value, EnvValue::Extend { .. }) && name.as_str() != "PATH";
        // A preset is part of devsh.
        let own = value.origin.file.starts_with("preset ");
        if let Some(effect) = grant::effect(name.as_str())
            && sets
            && !own
            && !granted.contains(name)
        {
            return Err(Fault {
                origin: value.origin.clone(),
                word: name.to_string(),
                kind: Composition::Ungranted {
                    name: name.to_string(),
                    effect,
                },
            });
        }
    }
    Ok(())
}

fn source_grants(shell: &DevShell) -> Result<(), Fault> {
    let Some((host, script)) = shell.sourced.ungranted() else {
        return Ok(());
    };
    let name = format!("source.{host}");
    Err(Fault {
        origin: script.origin.clone(),
        word: host.to_string(),
        kind: Composition::Ungranted {
            name,
            effect: SOURCE_EFFECT,
        },
    })
}

/// Checks what the values alone come to; what others are put into them is known when they are loaded.
fn sizes(shell: &DevShell) -> Result<(), Fault> {
    let (mut total, mut longest) = (0, None);
    for (name, value) in &shell.env {
        let length =
            name.as_str().len() + 2 + texts(&value.value).map(|text| plain(text)).sum::<usize>();
        let fault = |kind| Fault {
            origin: value.origin.clone(),
            word: name.to_string(),
            kind,
        };
        if length > VARIABLE {
            return Err(fault(Composition::ValueTooLong {
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
        Some((_, fault)) if total > GROWTH => Err(fault(Composition::EnvironmentTooLarge {
            length: total,
            limit: GROWTH,
        })),
        _ => Ok(()),
    }
}

/// How long the text of a value is without what it refers to.
fn plain(text: &str) -> usize {
    let pieces = template::parse(text).unwrap_or_default();
    let lengths = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.len(),
        _ => 0,
    });
    lengths.sum()
}

/// The texts that a value is made of.
fn texts(value: &EnvValue) -> impl Iterator<Item = &String> {
    let (one, first, last): (_, &[String], &[String]) = match value {
        EnvValue::Set(text) | EnvValue::Default(text) => (Some(text), &[], &[]),
        EnvValue::Extend { prepend, append } => (None, prepend, append),
        EnvValue::Required(_) | EnvValue::Unset => (None, &[], &[]),
    };
    one.into_iter().chain(first).chain(last)
}

/// Follows the references of `name`; one to itself is to what the host shell has.
fn circle<'s>(
    shell: &'s DevShell,
    name: &'s VarName,
    path: &mut Vec<&'s VarName>,
    done: &mut BTreeSet<&'s VarName>,
) -> Result<(), Fault> {
    if done.contains(name) {
        return Ok(());
    }
    path.push(name);
    for other in references(shell, name) {
        if other == name {
            continue;
        }
        if let Some(start) = path.iter().position(|one| *one == other) {
            let place = |name: &VarName| (name.to_string(), shell.env[name].origin.clone());
            let around = path[start..].iter().copied().chain([other]).map(place);
            return Err(Fault {
                origin: shell.env[name].origin.clone(),
                word: other.to_string(),
                kind: Composition::VariableCycle {
                    circle: around.collect(),
                },
            });
        }
        circle(shell, other, path, done)?;
    }
    path.pop();
    done.insert(name);
    Ok(())
}

/// The variables of the dev shell that a value refers to.
fn references<'s>(shell: &'s DevShell, name: &VarName) -> Vec<&'s VarName> {
    let names = variables(&shell.env[name].value).into_iter();
    names
        .filter_map(|(name, _)| shell.env.keys().find(|one| one.as_str() == name))
        .collect()
}

/// Returns the variables of the host shell that values refer to without saying what stands for them when they
/// are not set, each with the place.
pub fn expected(shell: &DevShell) -> Vec<(String, &Origin)> {
    let mut expected = Vec::new();
    for (own, value) in &shell.env {
        let names = variables(&value.value).into_iter();
        let theirs = names.filter(|(name, fallback)| {
            let of_shell = || shell.env.keys().any(|one| one.as_str() == name);
            fallback.is_none() && (own.as_str() == name || !of_shell())
        });
        expected.extend(theirs.map(|(name, _)| (name, &value.origin)));
    }
    expected
}

/// The variables that a value refers to, with what stands for each when it is not set.
fn variables(value: &EnvValue) -> Vec<(String, Option<String>)> {
    let pieces = texts(value).flat_map(|text| template::parse(text).unwrap_or_default());
    pieces
        .filter_map(|piece| match piece {
            Piece::Variable { name, fallback } => Some((name, fallback)),
            Piece::Text(_) | Piece::Root(_) => None,
        })
        .collect()
}
