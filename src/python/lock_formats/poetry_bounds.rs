//! Poetry's bounds on the version of Python and on the platform (`^3.8`, `~3.9 || >=3.11.4`, `win32`) as markers.

use crate::python::marker::Marker;

/// Returns the marker for bounds on Python; `None` if they cannot be read.
///
/// As in Poetry, a bound with two numbers is compared with `python_version`, and one with three with the whole version.
pub(super) fn python_marker(bounds: &str) -> Option<Marker> {
    let mut alternatives = Vec::new();
    for alternative in bounds.split('|').map(str::trim) {
        // The text between the bars of `||` is empty.
        if alternative.is_empty() && bounds.contains("||") {
            continue;
        }
        let mut all = Marker::default();
        for bound in split_bounds(alternative) {
            all = all.and(bound_marker(&bound)?);
        }
        alternatives.push(all);
    }
    Some(Marker::any(alternatives))
}

/// Returns the marker for bounds on `sys.platform`; `None` if they cannot be read.
pub(super) fn platform_marker(bounds: &str) -> Option<Marker> {
    let mut alternatives = Vec::new();
    for alternative in bounds.split("||") {
        let mut all = Marker::default();
        for bound in split_bounds(alternative) {
            if bound == "*" {
                continue;
            }
            let (operator, name) = match bound.strip_prefix("!=") {
                Some(name) => ("!=", name),
                None => ("==", bound.trim_start_matches('=')),
            };
            let marker: Marker = format!("sys_platform {operator} '{name}'").parse().ok()?;
            all = all.and(marker);
        }
        alternatives.push(all);
    }
    Some(Marker::any(alternatives))
}

/// Splits bounds that hold together, which commas or spaces separate; an operator may have a space behind it.
fn split_bounds(bounds: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in bounds.split([',', ' ']).map(str::trim) {
        let is_operator = |text: &String| text.bytes().all(|one| b"<>=!~^".contains(&one));
        match all.last_mut().filter(|last| is_operator(last)) {
            Some(last) => last.push_str(word),
            None if word.is_empty() => {}
            None => all.push(word.to_owned()),
        }
    }
    all
}

fn bound_marker(bound: &str) -> Option<Marker> {
    let at = bound.find(|one: char| !"<>=!~^".contains(one))?;
    let (operator, version) = bound.split_at(at);
    let version = version.strip_prefix('v').unwrap_or(version);
    if version == "*" {
        return matches!(operator, "" | "==").then(Marker::default);
    }
    let wild = version.strip_suffix(".*");
    let numbers: Vec<u64> = wild
        .unwrap_or(version)
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let range = |upper: usize| {
        let at_least = compare(">=", &numbers)?;
        Some(at_least.and(compare("<", &next(&numbers, upper))?))
    };
    match (operator, wild) {
        ("^", None) => range(0),
        ("~", None) => range(numbers.len().min(2) - 1),
        ("~=", None) if numbers.len() > 1 => range(numbers.len() - 2),
        ("" | "==" | "===", Some(_)) => range(numbers.len() - 1),
        ("!=", Some(_)) => {
            let below = compare("<", &numbers)?;
            let above = compare(">=", &next(&numbers, numbers.len() - 1))?;
            Some(Marker::any(vec![below, above]))
        }
        ("" | "===", None) => compare("==", &numbers),
        ("<" | "<=" | ">" | ">=" | "==" | "!=", None) => compare(operator, &numbers),
        _ => None,
    }
}

/// Returns the numbers with the one at `position` increased and the later ones left out.
fn next(numbers: &[u64], position: usize) -> Vec<u64> {
    let mut next = numbers[..=position].to_vec();
    next[position] = next[position].saturating_add(1);
    next
}

fn compare(operator: &str, numbers: &[u64]) -> Option<Marker> {
    let mut words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    if words.len() == 1 {
        words.push("0".to_owned());
    }
    let variable = if words.len() > 2 {
        "python_full_version"
    } else {
        "python_version"
    };
    let version = words.join(".");
    format!("{variable} {operator} '{version}'").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{package::System, python::TargetEnvironment};

    fn holds(marker: &Marker, python: &str) -> bool {
        let system = System::LinuxX86_64;
        marker.holds(&TargetEnvironment::new(&python.parse().unwrap(), system))
    }

    #[test]
    fn bounds_on_python_hold_as_in_poetry() {
        for (bounds, inside, outside) in [
            ("*", &["3.9.1", "3.13.0"][..], &[][..]),
            ("^3.9", &["3.9.0", "3.13.2"], &["3.8.9"]),
            ("~3.9", &["3.9.0", "3.9.19"], &["3.10.0", "3.8.1"]),
            ("~3.9.2", &["3.9.2", "3.9.19"], &["3.9.1", "3.10.0"]),
            ("~=3.9", &["3.9.0", "3.13.0"], &["3.8.0"]),
            ("~=3.9.2", &["3.9.2"], &["3.9.1", "3.10.0"]),
            (">=3.11.4", &["3.11.4", "3.12.0"], &["3.11.3"]),
            ("<3.11.5", &["3.11.4"], &["3.11.5", "3.11.7"]),
            (">=3.8,<3.12", &["3.8.0", "3.11.9"], &["3.12.0"]),
            (">= 3.8 < 3.12", &["3.8.0", "3.11.9"], &["3.12.0"]),
            (
                "<3.10 || >=3.12",
                &["3.9.9", "3.12.0"],
                &["3.10.0", "3.11.7"],
            ),
            ("<3.10|>=3.12", &["3.9.9", "3.12.0"], &["3.10.0"]),
            ("3.9", &["3.9.7"], &["3.10.0"]),
            ("3.9.*", &["3.9.7"], &["3.10.0"]),
            ("!=3.9.*", &["3.10.0", "3.8.2"], &["3.9.7"]),
            ("<=3.11", &["3.11.7"], &["3.12.0"]),
            (">3.9", &["3.10.0"], &["3.9.7"]),
        ] {
            let marker = python_marker(bounds).unwrap_or_else(|| panic!("{bounds}"));
            for python in inside {
                assert!(holds(&marker, python), "{bounds} {python}");
            }
            for python in outside {
                assert!(!holds(&marker, python), "{bounds} {python}");
            }
        }
        for odd in ["x", ">=", "^a", "~~3"] {
            assert!(python_marker(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn bounds_on_the_platform_hold_as_in_poetry() {
        for (bounds, expected) in [
            ("linux", true),
            ("win32", false),
            ("!=win32", true),
            ("win32 || linux", true),
            ("win32 || darwin", false),
        ] {
            let marker = platform_marker(bounds).unwrap();
            assert_eq!(holds(&marker, "3.12.1"), expected, "{bounds}");
        }
    }
}
