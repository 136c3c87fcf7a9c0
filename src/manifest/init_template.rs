//! The text that `devsh init` writes: the detected dev shells in few lines.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{DevShell, EnvValue, Manifest, ShellName, ToolRequest, bounds::combined};
use crate::package::{FREETHREADED, PROFILE};

/// The first lines.
const HEAD: &str = "\
# What this project needs. `devsh lock` keeps the exact versions in `devshell.lock`; commit both files.
";

/// The rest of the manifest if nothing was detected.
const EMPTY: &str = "\
[tools]
# python = \"3.13\"
# rust = { version = \"1.95\", components = [\"clippy\", \"rustfmt\"] }

# [env]
# ENV_FILE = \".env\"

# [shells.test]
";

/// Returns the text of a manifest that gives the same dev shells as `manifest`.
pub fn init_template(manifest: &Manifest) -> String {
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
            0 => "\n# Each dev shell has the tables above and those below its line.\n",
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
        let all = combined(request);
        let left_out = all.is_none();
        let version = quoted(&all.unwrap_or_else(|| request.requirement.value.to_string()));
        let mut more = String::new();
        let mut parts: Vec<&str> = request.components.iter().map(String::as_str).collect();
        parts.retain(|part| {
            let (key, name) = match part.strip_prefix(PROFILE) {
                Some(profile) => ("profile", profile),
                // The name `python3.14t` says it already.
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
        line(text, &format!("{key} = {value}{}", from(request, left_out)));
    }
}

/// Returns a comment with the files of a request, or with those whose bounds were left out.
fn from(request: &ToolRequest, left_out: bool) -> String {
    let mut files: Vec<&str> = Vec::new();
    for origin in request.constraints().map(|one| &one.origin) {
        if !origin.is_preset && !files.contains(&&*origin.file) {
            files.push(&origin.file);
        }
    }
    match files.as_slice() {
        [] => String::new(),
        files if left_out => {
            let files = files.join(", ");
            format!("  # without the bounds of {files}: they are too many for one line")
        }
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

    #[test]
    fn flavours_are_written() {
        let text = "[tools]\npython = '3.14t'\n'python3.13t' = '3.13.5'\n\
            rust = { version = '1', profile = 'default', components = ['rust-src'] }\n";
        let read = |text: &str| {
            let layer = crate::manifest::parse("devshell.toml", text).unwrap();
            let manifest = crate::manifest::merge(&[layer]).unwrap();
            let tools = manifest.shells[&ShellName::dev()].tools.clone();
            let components = tools
                .into_iter()
                .map(|(tool, request)| (tool, request.components));
            (components.collect::<Vec<_>>(), init_template(&manifest))
        };
        let (asked, written) = read(text);
        assert_eq!(read(&written).0, asked, "{written}");
        assert!(written.contains("profile = \"default\""), "{written}");
        assert!(written.contains("variant = \"freethreaded\""), "{written}");
    }
}
