//! Poetry's bounds on versions and on the platform (`^3.8`, `~3.9 || >=3.11.4`, `win32`) as conditions of PEP 508 and
//! version specifiers of PEP 440.

use crate::{package::Version, python::marker::Marker};

/// Returns the marker for bounds on Python; `None` if they cannot be read.
pub(super) fn python_marker(bounds: &str) -> Option<Marker> {
    python_condition(bounds)?.parse().ok()
}

/// Returns the marker for bounds on `sys.platform`; `None` if they cannot be read.
pub(super) fn platform_marker(bounds: &str) -> Option<Marker> {
    platform_condition(bounds)?.parse().ok()
}

/// Returns the condition for bounds on Python; an empty one always holds.
///
/// As in Poetry, a bound with two numbers is compared with `python_version`, and one with three with the whole version.
pub(super) fn python_condition(bounds: &str) -> Option<String> {
    let mut alternatives = Vec::new();
    for alternative in bounds.split('|').map(str::trim) {
        // The text between the bars of `||` is empty.
        if alternative.is_empty() && bounds.contains("||") {
            continue;
        }
        let all = split_bounds(alternative);
        let all: Option<Vec<String>> = all.iter().map(|bound| python_bound(bound)).collect();
        alternatives.push(join(all?, " and "));
    }
    Some(any(&alternatives))
}

/// Returns the condition for bounds on `sys.platform`; an empty one always holds.
pub(super) fn platform_condition(bounds: &str) -> Option<String> {
    let mut alternatives = Vec::new();
    for alternative in bounds.split("||") {
        let mut all = Vec::new();
        for bound in split_bounds(alternative) {
            if bound == "*" {
                continue;
            }
            let (operator, name) = match bound.strip_prefix("!=") {
                Some(name) => ("!=", name),
                None => ("==", bound.trim_start_matches('=')),
            };
            if name.contains(['\'', '"']) {
                return None;
            }
            all.push(format!("sys_platform {operator} '{name}'"));
        }
        alternatives.push(join(all, " and "));
    }
    Some(any(&alternatives))
}

/// Returns the specifiers of PEP 440 for bounds on a package (`>=1.2,<2`); `None` if they have no such form.
pub(super) fn specifiers(bounds: &str) -> Option<String> {
    if bounds.contains('|') {
        return None;
    }
    let mut all = Vec::new();
    for bound in split_bounds(bounds.trim()) {
        let at = bound.find(|one: char| !"<>=!~^".contains(one))?;
        let (operator, version) = bound.split_at(at);
        if version == "*" {
            if !matches!(operator, "" | "==") {
                return None;
            }
            continue;
        }
        let release = |version: &str| -> Option<Vec<u64>> {
            let version: Version = version.parse().ok()?;
            Some(version.release().to_vec())
        };
        let below = |position: usize, numbers: &[u64]| {
            let words: Vec<String> = next(numbers, position).iter().map(u64::to_string).collect();
            format!("<{}", words.join("."))
        };
        match operator {
            "^" => {
                let numbers = release(version)?;
                // Behind leading zeros the first other number counts.
                let first = numbers.iter().position(|one| *one > 0);
                let position = first.unwrap_or(numbers.len() - 1);
                all.extend([format!(">={version}"), below(position, &numbers)]);
            }
            "~" => {
                let numbers = release(version)?;
                let position = numbers.len().min(2) - 1;
                all.extend([format!(">={version}"), below(position, &numbers)]);
            }
            "" | "=" => all.push(format!("=={version}")),
            "<" | "<=" | ">" | ">=" | "==" | "===" | "!=" | "~=" => {
                all.push(format!("{operator}{version}"));
            }
            _ => return None,
        }
    }
    Some(all.join(","))
}

/// Joins conditions; one that always holds is left out.
pub(super) fn join(conditions: Vec<String>, word: &str) -> String {
    let conditions = conditions.into_iter().filter(|one| !one.is_empty());
    conditions.collect::<Vec<_>>().join(word)
}

/// Returns the condition that one of these holds.
fn any(alternatives: &[String]) -> String {
    match alternatives {
        [only] => only.clone(),
        all if all.iter().any(String::is_empty) => String::new(),
        all => format!("({})", all.join(") or (")),
    }
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

/// Returns the condition for one bound on Python.
fn python_bound(bound: &str) -> Option<String> {
    let at = bound.find(|one: char| !"<>=!~^".contains(one))?;
    let (operator, version) = bound.split_at(at);
    let version = version.strip_prefix('v').unwrap_or(version);
    if version == "*" {
        return matches!(operator, "" | "==").then(String::new);
    }
    let wild = version.strip_suffix(".*");
    let numbers: Vec<u64> = wild
        .unwrap_or(version)
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let range = |upper: usize| {
        let at_least = compare(">=", &numbers);
        format!("{at_least} and {}", compare("<", &next(&numbers, upper)))
    };
    Some(match (operator, wild) {
        ("^", None) => range(0),
        ("~", None) => range(numbers.len().min(2) - 1),
        ("~=", None) if numbers.len() > 1 => range(numbers.len() - 2),
        ("" | "==" | "===", Some(_)) => range(numbers.len() - 1),
        ("!=", Some(_)) => {
            let below = compare("<", &numbers);
            let above = compare(">=", &next(&numbers, numbers.len() - 1));
            format!("({below} or {above})")
        }
        ("" | "===", None) => compare("==", &numbers),
        ("<" | "<=" | ">" | ">=" | "==" | "!=", None) => compare(operator, &numbers),
        _ => return None,
    })
}

/// Returns the numbers with the one at `position` increased and the later ones left out.
fn next(numbers: &[u64], position: usize) -> Vec<u64> {
    let mut next = numbers[..=position].to_vec();
    next[position] = next[position].saturating_add(1);
    next
}

fn compare(operator: &str, numbers: &[u64]) -> String {
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
    format!("{variable} {operator} '{version}'")
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
    fn bounds_on_a_package_have_the_form_of_pep_440() {
        for (bounds, expected) in [
            ("*", Some("")),
            ("^1.2.3", Some(">=1.2.3,<2")),
            ("^0.2.3", Some(">=0.2.3,<0.3")),
            ("^0.0.3", Some(">=0.0.3,<0.0.4")),
            ("^0.0", Some(">=0.0,<0.1")),
            ("^2.0b1", Some(">=2.0b1,<3")),
            ("~1.2.3", Some(">=1.2.3,<1.3")),
            ("~1", Some(">=1,<2")),
            ("~=1.4", Some("~=1.4")),
            ("1.2", Some("==1.2")),
            ("1.*", Some("==1.*")),
            (">= 1.0, <3", Some(">=1.0,<3")),
            ("!=1.5", Some("!=1.5")),
            ("^1 || ^2", None),
            ("^x", None),
            ("^*", None),
        ] {
            assert_eq!(specifiers(bounds).as_deref(), expected, "{bounds}");
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
