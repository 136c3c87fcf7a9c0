//! The text of a first `devshell.toml`: what was detected, in as few lines as say the same. Pure.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{DevShell, EnvValue, Manifest, Origin, ShellName, ToolRequest};
use crate::package::{FREETHREADED, PROFILE, Requirement, Version};

/// What a manifest begins with.
const HEAD: &str = "\
# What this project needs. `devsh lock` keeps the exact versions in `devshell.lock`; commit both files.
";

/// A manifest for a project in which nothing was detected.
const EMPTY: &str = "\
[tools]
# python = \"3.13\"
# rust = { version = \"1.95\", components = [\"clippy\", \"rustfmt\"] }

# [env]
# ENV_FILE = \".env\"

# [shells.test]
";

/// Returns the text of a manifest that gives what `manifest` does.
pub fn draft(manifest: &Manifest) -> String {
    let mut text = HEAD.to_owned();
    let empty = DevShell::default();
    let dev = manifest.shells.get(&ShellName::dev()).unwrap_or(&empty);
    if dev.tools.is_empty() && manifest.shells.len() <= 1 {
        return text + "\n" + EMPTY;
    }
    tools(&mut text, "[tools]", dev, &empty);
    python(&mut text, dev);
    if !dev.env.is_empty() {
        text.push_str("\n[env]\n");
        for (name, value) in &dev.env {
            if let EnvValue::Set(value) = &value.value {
                line(&mut text, &format!("{name} = {}", quoted(value)));
            }
        }
    }
    let others = manifest.shells.iter();
    for (at, (name, shell)) in others
        .filter(|(name, _)| **name != ShellName::dev())
        .enumerate()
    {
        let about = match at {
            0 => {
                "\n# Each has the tables above; what it needs beside them stands below its own line.\n"
            }
            _ if text.ends_with("]\n")
                && text
                    .lines()
                    .last()
                    .is_some_and(|last| last.starts_with('[')) =>
            {
                ""
            }
            _ => "\n",
        };
        line(&mut text, &format!("{about}[shells.{name}]"));
        let known: BTreeSet<&str> = groups(dev).collect();
        let own: Vec<&str> = groups(shell)
            .filter(|group| !known.contains(group))
            .collect();
        if !own.is_empty() {
            line(&mut text, &format!("python.groups = {}", list(&own)));
        }
        let header = format!("[shells.{name}.tools]");
        tools(&mut text, &header, shell, dev);
    }
    text
}

/// Returns the requirement and the floors of a request as one requirement.
///
/// A floor that says nothing beyond the requirement and the other floors is left out. A channel stands alone:
/// no bound of a number can be written beside it.
pub fn whole(request: &ToolRequest) -> String {
    let requirement = &request.requirement.value;
    if requirement.channel().is_some() {
        return requirement.to_string();
    }
    let floors = request.floors.iter().map(|floor| &floor.value);
    let parts: Vec<&Requirement> = std::iter::once(requirement).chain(floors).collect();
    let mut alternatives = vec![String::new()];
    for (at, part) in parts.iter().enumerate() {
        let mut others = parts.iter().enumerate().filter(|(other, _)| *other != at);
        // Of two that say the same the first stays.
        let said = others.any(|(other, stronger)| {
            follows(part, stronger) && (other < at || !follows(stronger, part))
        });
        if part.as_str() == "*" || (at > 0 && said) {
            continue;
        }
        // What holds together with alternatives holds with each of them.
        alternatives = alternatives
            .iter()
            .flat_map(|before| {
                part.as_str()
                    .split("||")
                    .map(move |one| match before.as_str() {
                        "" => one.trim().to_owned(),
                        before => format!("{before},{}", one.trim()),
                    })
            })
            .collect();
    }
    match alternatives.join(" || ") {
        empty if empty.is_empty() => "*".to_owned(),
        text => text,
    }
}

/// Returns where the request says most: a floor, where no version is asked for.
pub fn decisive(request: &ToolRequest) -> &Origin {
    let own = &request.requirement;
    let floors = request.floors.iter();
    let mut floors = floors.filter(|_| own.value.as_str() == "*");
    &floors.next_back().unwrap_or(own).origin
}

/// Whether a floor of one lower bound is met by everything that `requirement` admits.
fn follows(floor: &Requirement, requirement: &Requirement) -> bool {
    let bound = floor.as_str().strip_prefix(">=");
    let single = bound.is_some_and(|bound| !bound.contains([',', '|']));
    let mut parts = requirement.as_str().split(',');
    let met = |part: &str| {
        let lowest = part
            .trim()
            .trim_start_matches(['=', '~', '^', '>'])
            .trim_end_matches(".*");
        let bounded = !part.contains(['|', '<', '!']);
        bounded
            && lowest
                .parse::<Version>()
                .is_ok_and(|lowest| floor.covers(&lowest))
    };
    single && parts.any(met)
}

fn tools(text: &mut String, header: &str, shell: &DevShell, known: &DevShell) {
    let own = shell.tools.iter();
    let own: Vec<_> = own
        .filter(|(tool, request)| known.tools.get(tool) != Some(request))
        .collect();
    if own.is_empty() {
        return;
    }
    line(text, &format!("\n{header}"));
    for (tool, request) in own {
        let version = quoted(&whole(request));
        let mut more = String::new();
        let mut parts: Vec<&str> = request.components.iter().map(String::as_str).collect();
        parts.retain(|part| {
            let (key, name) = match part.strip_prefix(PROFILE) {
                Some(profile) => ("profile", profile),
                // The name of the tool says it where it is `python3.14t`.
                None if *part == FREETHREADED && tool.python_minor().is_some() => return false,
                None if *part == FREETHREADED => ("variant", *part),
                None => return true,
            };
            // Writing to a string cannot fail.
            let _written = write!(more, ", {key} = {}", quoted(name));
            false
        });
        let targets = request.targets.iter().map(String::as_str).collect();
        for (key, parts) in [("components", parts), ("targets", targets)] {
            if !parts.is_empty() {
                let _written = write!(more, ", {key} = {}", list(&parts));
            }
        }
        let value = if more.is_empty() {
            version
        } else {
            format!("{{ version = {version}{more} }}")
        };
        let name = tool.to_string();
        let plain = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
        let key = if name.chars().all(plain) {
            name
        } else {
            quoted(&name)
        };
        line(text, &format!("{key} = {value}{}", from(request)));
    }
}

/// A comment that names the files a request was read from.
fn from(request: &ToolRequest) -> String {
    let mut files: Vec<&str> = Vec::new();
    for origin in request.constraints().map(|one| &one.origin) {
        if !origin.file.starts_with("preset ") && !files.contains(&&*origin.file) {
            files.push(&origin.file);
        }
    }
    match files.as_slice() {
        [] => String::new(),
        files => format!("  # from {}", files.join(", ")),
    }
}

fn python(text: &mut String, shell: &DevShell) {
    let Some(lock) = &shell.python.lock else {
        return;
    };
    line(text, &format!("\n[python]\nlock = {}", quoted(&lock.value)));
    let groups: Vec<&str> = groups(shell).collect();
    if !groups.is_empty() {
        line(text, &format!("groups = {}", list(&groups)));
    }
}

fn groups(shell: &DevShell) -> impl Iterator<Item = &str> {
    shell.python.groups.iter().map(|group| group.value.as_str())
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Located;

    fn request(requirement: &str, floors: &[&str]) -> ToolRequest {
        let located = |text: &&str| Located {
            value: text.parse().unwrap(),
            origin: Origin {
                file: "a".into(),
                line: 1,
            },
        };
        ToolRequest {
            requirement: located(&requirement),
            floors: floors.iter().map(located).collect(),
            components: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn requirement_and_floors_are_one() {
        for (requirement, floors, expected) in [
            ("*", &[][..], "*"),
            ("*", &[">=3.11"], ">=3.11"),
            ("3.12", &[">=3.11"], "3.12"),
            ("3.12", &[">=3.12.4"], "3.12,>=3.12.4"),
            ("3.12.4", &[">=3.11", "<3.13"], "3.12.4,<3.13"),
            ("*", &[">=3.11", "<4"], ">=3.11,<4"),
            (">=3.12,<4", &[">=3.11"], ">=3.12,<4"),
            ("20", &["^18 || ^20"], "20,^18 || 20,^20"),
            ("*", &["^18 || >=20"], "^18 || >=20"),
            ("*", &[">=3.11", ">=3.13", ">=3.12"], ">=3.13"),
            ("*", &[">=3.11", ">=3.11.0"], ">=3.11"),
            ("nightly", &[">=1.80"], "nightly"),
        ] {
            let request = request(requirement, floors);
            let whole = whole(&request);
            assert_eq!(whole, expected);
            let parsed: Requirement = whole.parse().unwrap();
            for version in [
                "3.11.2", "3.12.3", "3.12.4", "3.13.0", "4.0", "18.1", "19.0", "20.2",
            ] {
                let version: Version = version.parse().unwrap();
                let alike = request.admits(&version) == parsed.admits(&version);
                assert!(alike || parsed.channel().is_some(), "{expected} {version}");
            }
        }
    }

    #[test]
    fn flavours_are_written_as_they_are_asked_for() {
        let text = "[tools]\npython = '3.14t'\n'python3.13t' = '3.13.5'\n\
            rust = { version = '1', profile = 'default', components = ['rust-src'] }\n";
        let read = |text: &str| {
            let layer = crate::manifest::parse("devshell.toml", text).unwrap();
            let manifest = crate::manifest::merge(&[layer]).unwrap();
            let tools = manifest.shells[&ShellName::dev()].tools.clone();
            let told = tools.into_iter().map(|(tool, request)| {
                let version = request.requirement.value.to_string();
                (tool.to_string(), version, request.components)
            });
            (told.collect::<Vec<_>>(), draft(&manifest))
        };
        let (asked, written) = read(text);
        assert_eq!(read(&written).0, asked, "{written}");
        assert!(written.contains("profile = \"default\""), "{written}");
        assert!(written.contains("variant = \"freethreaded\""), "{written}");
    }
}
