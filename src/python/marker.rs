//! Environment markers (`python_version < "3.12" and sys_platform == "linux"`): read once, asked often.

use std::{collections::BTreeSet, str::FromStr};

use pep440_rs::{Version as Pep440, VersionSpecifier};

use crate::package::{Invalid, System, Version};

/// What markers are asked about: an interpreter on a system, and what of the lockfile is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub(super) python: Version,
    pub(super) system: System,
    /// Extras in force, normalised.
    pub(super) extras: BTreeSet<String>,
    /// Dependency groups in force, normalised.
    pub(super) groups: BTreeSet<String>,
}

/// A condition on the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker(Option<Expression>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare(Term, Comparison, Term),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    Name(String),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Comparison {
    Operator(&'static str),
    In,
    NotIn,
}

/// The operators of versions, the longest first.
const OPERATORS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];
/// The deepest accepted nesting.
const DEPTH: usize = 64;

impl Environment {
    /// Returns the environment of an interpreter.
    pub fn new(python: &Version, system: System) -> Self {
        Self {
            python: python.clone(),
            system,
            extras: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    /// Returns the value of a variable; one that cannot be known beforehand is empty.
    fn value(&self, name: &str) -> Option<String> {
        let linux = matches!(self.system, System::LinuxAarch64 | System::LinuxX86_64);
        let text = match name {
            "python_version" => {
                let numbers = self.python.release().iter().take(2);
                let numbers: Vec<String> = numbers.map(u64::to_string).collect();
                return Some(numbers.join("."));
            }
            "python_full_version" | "implementation_version" => self.python.as_str(),
            "os_name" => "posix",
            "sys_platform" if linux => "linux",
            "sys_platform" => "darwin",
            "platform_system" if linux => "Linux",
            "platform_system" => "Darwin",
            "platform_machine" => match self.system {
                System::LinuxAarch64 => "aarch64",
                System::MacosAarch64 => "arm64",
                System::LinuxX86_64 | System::MacosX86_64 => "x86_64",
            },
            "implementation_name" => "cpython",
            "platform_python_implementation" | "python_implementation" => "CPython",
            "platform_release" | "platform_version" => "",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl Marker {
    /// Returns whether the condition holds.
    pub fn holds(&self, environment: &Environment) -> bool {
        self.0.as_ref().is_none_or(|one| one.holds(environment))
    }

    /// Returns the condition that both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Self(Some(Expression::All(vec![one, other]))),
            (one, other) => Self(one.or(other)),
        }
    }
}

impl Marker {
    /// Returns the condition that any of these holds; of no condition it is one that always holds.
    pub(super) fn any(markers: Vec<Self>) -> Self {
        let parts: Option<Vec<Expression>> = markers.into_iter().map(|marker| marker.0).collect();
        Self(parts.filter(|parts| !parts.is_empty()).map(Expression::Any))
    }
}

impl FromStr for Marker {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let invalid = || Invalid::new("an environment marker", text);
        let words = words(text).ok_or_else(invalid)?;
        let mut rest = words.as_slice();
        let expression = any(&mut rest, 0).ok_or_else(invalid)?;
        rest.is_empty()
            .then_some(Self(Some(expression)))
            .ok_or_else(invalid)
    }
}

impl Expression {
    fn holds(&self, environment: &Environment) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(environment)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(environment)),
            Self::Compare(left, comparison, right) => {
                compare(left, *comparison, right, environment)
            }
        }
    }
}

fn compare(left: &Term, comparison: Comparison, right: &Term, on: &Environment) -> bool {
    // Extras and groups are sets: `extra == "x"` asks whether x is among them, as `"x" in extras` does.
    for (one, other) in [(left, right), (right, left)] {
        let (Term::Name(name), Term::Text(text)) = (one, other) else {
            continue;
        };
        let set = match name.as_str() {
            "extra" | "extras" => &on.extras,
            "dependency_groups" => &on.groups,
            _ => continue,
        };
        let within = set.contains(&normal(text));
        return match comparison {
            Comparison::In | Comparison::Operator("==" | "===") => within,
            Comparison::NotIn | Comparison::Operator("!=") => !within,
            Comparison::Operator(_) => false,
        };
    }
    let versions = [left, right].iter().any(|term| {
        matches!(term, Term::Name(name) if matches!(name.as_str(),
            "python_version" | "python_full_version" | "implementation_version"))
    });
    let value = |term: &Term| match term {
        Term::Name(name) => on.value(name).unwrap_or_default(),
        Term::Text(text) => text.clone(),
    };
    let (one, other) = (value(left), value(right));
    match comparison {
        // A version is in a list of versions by whole words, a text in a text by its letters.
        Comparison::In if versions => listed(&one, &other),
        Comparison::NotIn if versions => !listed(&one, &other),
        Comparison::In => other.contains(&one),
        Comparison::NotIn => !other.contains(&one),
        Comparison::Operator(operator) => {
            let ordered = if matches!(left, Term::Name(_)) {
                by_version(&one, operator, &other)
            } else {
                by_version(&other, turned(operator), &one)
            };
            ordered
                .filter(|_| versions)
                .unwrap_or_else(|| by_text(&one, operator, &other))
        }
    }
}

fn listed(version: &str, list: &str) -> bool {
    list.split([',', ' ', '|']).any(|one| one == version)
}

fn by_version(version: &str, operator: &str, bound: &str) -> Option<bool> {
    let specifier = VersionSpecifier::from_str(&format!("{operator}{bound}")).ok()?;
    Some(specifier.contains(&Pep440::from_str(version).ok()?))
}

fn by_text(one: &str, operator: &str, other: &str) -> bool {
    match operator {
        "==" | "===" => one == other,
        "!=" => one != other,
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        ">=" => one >= other,
        _ => false,
    }
}

/// `"3.9" <= python_version` is `python_version >= "3.9"`.
fn turned(operator: &'static str) -> &'static str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

/// Returns a name as the Python index compares it.
pub(super) fn normal(name: &str) -> String {
    let parsed = name.parse::<crate::package::PackageName>();
    parsed.map_or_else(|_| name.to_lowercase(), |name| name.to_string())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Open,
    Close,
    Text(String),
    Name(String),
    Operator(&'static str),
}

/// Takes a marker apart; nothing where a character has no place in one.
fn words(text: &str) -> Option<Vec<Word>> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' => {
                words.push(Word::Open);
                1
            }
            ')' => {
                words.push(Word::Close);
                1
            }
            '"' | '\'' => {
                let end = rest[1..].find(first)?;
                words.push(Word::Text(rest[1..=end].to_owned()));
                end + 2
            }
            _ => {
                if let Some(operator) = OPERATORS.into_iter().find(|one| rest.starts_with(one)) {
                    words.push(Word::Operator(operator));
                    operator.len()
                } else {
                    let name = |character: char| {
                        character.is_ascii_alphanumeric() || matches!(character, '_' | '.')
                    };
                    let end = rest.find(|one| !name(one)).unwrap_or(rest.len());
                    if end == 0 {
                        return None;
                    }
                    // Old spellings: `os.name`, `platform.machine`.
                    words.push(Word::Name(rest[..end].replace('.', "_")));
                    end
                }
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(words)
}

fn any(words: &mut &[Word], depth: usize) -> Option<Expression> {
    joined(words, depth, "or", all, Expression::Any)
}

fn all(words: &mut &[Word], depth: usize) -> Option<Expression> {
    joined(words, depth, "and", one, Expression::All)
}

fn joined(
    words: &mut &[Word],
    depth: usize,
    by: &str,
    part: fn(&mut &[Word], usize) -> Option<Expression>,
    join: fn(Vec<Expression>) -> Expression,
) -> Option<Expression> {
    let mut parts = vec![part(words, depth)?];
    while matches!(words.first(), Some(Word::Name(name)) if name == by) {
        *words = &words[1..];
        parts.push(part(words, depth)?);
    }
    if parts.len() == 1 {
        parts.pop()
    } else {
        Some(join(parts))
    }
}

fn one(words: &mut &[Word], depth: usize) -> Option<Expression> {
    if depth > DEPTH {
        return None;
    }
    if let Some((Word::Open, rest)) = words.split_first() {
        *words = rest;
        let inner = any(words, depth + 1)?;
        let (Word::Close, rest) = words.split_first()? else {
            return None;
        };
        *words = rest;
        return Some(inner);
    }
    let left = term(words)?;
    let (word, mut rest) = words.split_first()?;
    let comparison = match word {
        Word::Operator(operator) => Comparison::Operator(operator),
        Word::Name(name) if name == "in" => Comparison::In,
        Word::Name(name) if name == "not" => {
            let (next, after) = rest.split_first()?;
            rest = after;
            (*next == Word::Name("in".to_owned())).then_some(Comparison::NotIn)?
        }
        _ => return None,
    };
    *words = rest;
    let right = term(words)?;
    Some(Expression::Compare(left, comparison, right))
}

fn term(words: &mut &[Word]) -> Option<Term> {
    let (word, rest) = words.split_first()?;
    *words = rest;
    match word {
        Word::Text(text) => Some(Term::Text(text.clone())),
        Word::Name(name) => Some(Term::Name(name.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
