//! Environment markers (`python_version < "3.12" and sys_platform == "linux"`): parsed once, evaluated often.
//!
//! `pep508_rs` parses and evaluates single comparisons. `and` and `or` are kept as they are written, because its
//! own tree is a decision diagram, which grows exponentially with some markers: a lockfile is read at a prompt,
//! before anyone approved it.

use std::{collections::BTreeSet, str::FromStr};

use pep508_rs::{
    ExtraName, ExtraOperator, MarkerEnvironment, MarkerEnvironmentBuilder, MarkerExpression,
    MarkerTree, MarkerTreeKind, MarkerValueExtra, MarkerValueString,
};

use crate::package::{Invalid, PackageName, System, Version};

/// Distinguishes the groups of PEP 751 (`"x" in dependency_groups`) from extras.
const GROUP_PREFIX: &str = "devsh-dependency-group-";

/// The Python of an evaluation in which versions do not matter.
const ANY_PYTHON: &str = "3.13.0";

/// The target of a marker evaluation: an interpreter on a system, and the selected extras and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEnvironment {
    /// `None` if PEP 440 does not know the interpreter's version; then no comparison holds.
    environment: Option<MarkerEnvironment>,
    extras: Vec<ExtraName>,
    pub(super) system: System,
    /// The minor version of Python 3.
    pub(super) minor: u32,
}

/// A condition on the environment, in postfix order; without steps it always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Marker(Vec<MarkerStep>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum MarkerStep {
    Compare(MarkerTree),
    /// A comparison without meaning (`"a" == "b"`), which uv leaves out as well.
    Ignored,
    And,
    Or,
}

impl TargetEnvironment {
    /// Returns the environment of an interpreter, without extras and groups.
    pub fn new(python: &Version, system: System) -> Self {
        let numbers = python.release().iter().take(2);
        let numbers: Vec<String> = numbers.map(u64::to_string).collect();
        let linux = matches!(system, System::LinuxAarch64 | System::LinuxX86_64);
        let environment = MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: python.as_str(),
            os_name: "posix",
            platform_machine: match system {
                System::LinuxAarch64 => "aarch64",
                System::MacosAarch64 => "arm64",
                System::LinuxX86_64 | System::MacosX86_64 => "x86_64",
            },
            platform_python_implementation: "CPython",
            // These belong to one machine, and what is chosen must not.
            platform_release: "",
            platform_version: "",
            platform_system: if linux { "Linux" } else { "Darwin" },
            python_full_version: python.as_str(),
            python_version: &numbers.join("."),
            sys_platform: if linux { "linux" } else { "darwin" },
        };
        let minor = python.release().get(1).copied().unwrap_or_default();
        Self {
            environment: MarkerEnvironment::try_from(environment).ok(),
            extras: Vec::new(),
            system,
            minor: u32::try_from(minor).unwrap_or_default(),
        }
    }

    /// Returns the environment with these extras and dependency groups, whose names are normalised.
    #[must_use]
    pub(super) fn with(&self, extras: &BTreeSet<String>, groups: &BTreeSet<String>) -> Self {
        let groups = groups.iter().map(|group| format!("{GROUP_PREFIX}{group}"));
        let names = extras.iter().cloned().chain(groups);
        Self {
            environment: self.environment.clone(),
            extras: names.filter_map(|name| ExtraName::new(name).ok()).collect(),
            ..*self
        }
    }
}

impl Marker {
    /// Returns whether the condition holds.
    pub fn holds(&self, target: &TargetEnvironment) -> bool {
        self.evaluate(|comparison| {
            let environment = target.environment.as_ref();
            environment.is_some_and(|on| comparison.evaluate(on, &target.extras))
        })
    }

    /// Returns whether the condition can hold with some `CPython` on a system that devsh has packages for.
    pub fn may_hold(&self) -> bool {
        let Ok(python) = ANY_PYTHON.parse() else {
            return true;
        };
        System::ALL.iter().any(|system| {
            let target = TargetEnvironment::new(&python, *system);
            // A marker has no negation, so a comparison that may hold counts as one that does.
            self.evaluate(|comparison| {
                let environment = target.environment.as_ref();
                is_open_question(comparison)
                    || environment.is_some_and(|on| comparison.evaluate(on, &[]))
            })
        })
    }

    fn evaluate(&self, holds: impl Fn(&MarkerTree) -> bool) -> bool {
        let mut values: Vec<Option<bool>> = Vec::new();
        for step in &self.0 {
            let value = match step {
                MarkerStep::Ignored => None,
                MarkerStep::Compare(comparison) => Some(holds(comparison)),
                MarkerStep::And | MarkerStep::Or => {
                    let (right, left) = (values.pop().flatten(), values.pop().flatten());
                    match (left, right, step) {
                        (Some(left), Some(right), MarkerStep::And) => Some(left && right),
                        (Some(left), Some(right), _) => Some(left || right),
                        _ => left.or(right),
                    }
                }
            };
            values.push(value);
        }
        values.pop().flatten().unwrap_or(true)
    }

    /// Returns the condition that both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(other, MarkerStep::And)
    }

    /// Returns the condition that any of these holds; of no condition it is one that always holds.
    pub(super) fn any(markers: Vec<Self>) -> Self {
        if markers.iter().any(|marker| marker.0.is_empty()) {
            return Self::default();
        }
        let markers = markers.into_iter();
        markers.fold(Self::default(), |all, one| all.join(one, MarkerStep::Or))
    }

    fn join(mut self, other: Self, by: MarkerStep) -> Self {
        let both = !self.0.is_empty() && !other.0.is_empty();
        self.0.extend(other.0);
        self.0.extend(both.then_some(by));
        self
    }
}

/// Returns whether a comparison is about a version, an extra or one machine, not about the system.
fn is_open_question(comparison: &MarkerTree) -> bool {
    let of_machine = |key: &MarkerValueString| {
        matches!(
            key,
            MarkerValueString::PlatformRelease | MarkerValueString::PlatformVersion
        )
    };
    match comparison.kind() {
        MarkerTreeKind::String(tree) => of_machine(tree.key()),
        MarkerTreeKind::In(tree) => of_machine(tree.key()),
        MarkerTreeKind::Contains(tree) => of_machine(tree.key()),
        MarkerTreeKind::True
        | MarkerTreeKind::False
        | MarkerTreeKind::Version(_)
        | MarkerTreeKind::Extra(_) => true,
    }
}

impl FromStr for Marker {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("an environment marker", text);
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let tokens = tokens(text).ok_or_else(invalid)?;
        postfix(&tokens).map(Self).ok_or_else(invalid)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MarkerToken<'t> {
    Open,
    Close,
    And,
    Or,
    Comparison(&'t str),
}

/// Splits a marker at its parentheses, `and` and `or`; `None` if a quote is not closed.
fn tokens(text: &str) -> Option<Vec<MarkerToken<'_>>> {
    let (mut tokens, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(first) = text[at..].chars().next() {
        let name = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '.');
        let (length, token) = match first {
            '"' | '\'' => (text[at + 1..].find(first)? + 2, None),
            '(' => (1, Some(MarkerToken::Open)),
            ')' => (1, Some(MarkerToken::Close)),
            _ if name(first) => {
                let length = text[at..].find(|one| !name(one)).unwrap_or(text.len() - at);
                let token = match &text[at..at + length] {
                    "and" => Some(MarkerToken::And),
                    "or" => Some(MarkerToken::Or),
                    _ => None,
                };
                (length, token)
            }
            other => (other.len_utf8(), None),
        };
        if let Some(token) = token {
            push_comparison(&mut tokens, &text[start..at]);
            tokens.push(token);
            start = at + length;
        }
        at += length;
    }
    push_comparison(&mut tokens, &text[start..]);
    Some(tokens)
}

fn push_comparison<'t>(tokens: &mut Vec<MarkerToken<'t>>, text: &'t str) {
    let text = text.trim();
    if !text.is_empty() {
        tokens.push(MarkerToken::Comparison(text));
    }
}

/// Brings a marker into postfix order with a stack, so no nesting is too deep for it.
fn postfix(tokens: &[MarkerToken<'_>]) -> Option<Vec<MarkerStep>> {
    let (mut steps, mut operators) = (Vec::new(), Vec::new());
    let mut complete = false;
    let step = |operator| match operator {
        MarkerToken::And => Some(MarkerStep::And),
        MarkerToken::Or => Some(MarkerStep::Or),
        _ => None,
    };
    for token in tokens.iter().copied() {
        // An operand and an operator take turns.
        let operand = matches!(token, MarkerToken::Comparison(_) | MarkerToken::Open);
        if operand == complete {
            return None;
        }
        match token {
            MarkerToken::Comparison(text) => {
                steps.push(comparison(text)?);
                complete = true;
            }
            MarkerToken::Open => operators.push(token),
            MarkerToken::Close => loop {
                match operators.pop()? {
                    MarkerToken::Open => break,
                    operator => steps.push(step(operator)?),
                }
            },
            MarkerToken::And | MarkerToken::Or => {
                let binds = |top: &MarkerToken<'_>| {
                    *top == MarkerToken::And || (*top == MarkerToken::Or && token == *top)
                };
                while operators.last().is_some_and(binds) {
                    steps.push(step(operators.pop()?)?);
                }
                operators.push(token);
                complete = false;
            }
        }
    }
    while let Some(operator) = operators.pop() {
        steps.push(step(operator)?);
    }
    complete.then_some(steps)
}

fn comparison(text: &str) -> Option<MarkerStep> {
    if let Some(expression) = membership(text) {
        return Some(MarkerStep::Compare(MarkerTree::expression(expression)));
    }
    // Old packages separate the versions of `python_version in "2.7, 3.2"` by commas.
    let spaced = text.starts_with("python") && text.contains(" in ");
    let text = if spaced {
        text.replace(',', " ")
    } else {
        text.to_owned()
    };
    let expression = MarkerExpression::from_str(&text).ok()?;
    Some(expression.map_or(MarkerStep::Ignored, |expression| {
        MarkerStep::Compare(MarkerTree::expression(expression))
    }))
}

/// Reads the comparisons that PEP 751 adds: `"x" in extras` and `"x" not in dependency_groups`.
fn membership(text: &str) -> Option<MarkerExpression> {
    let quote = text.chars().next().filter(|one| "'\"".contains(*one))?;
    let (name, rest) = text[1..].split_once(quote)?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (operator, set) = match words[..] {
        ["in", set] => (ExtraOperator::Equal, set),
        ["not", "in", set] => (ExtraOperator::NotEqual, set),
        _ => return None,
    };
    let name = match set {
        "extras" => name.to_owned(),
        "dependency_groups" => format!("{GROUP_PREFIX}{name}"),
        _ => return None,
    };
    Some(MarkerExpression::Extra {
        operator,
        name: MarkerValueExtra::Extra(ExtraName::new(name).ok()?),
    })
}

/// Returns a name as the Python index compares it.
pub fn normalize(name: &str) -> String {
    let parsed = name.parse::<PackageName>();
    parsed.map_or_else(|_| name.to_lowercase(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
