//! Python projects without a lockfile: the declared dependencies are installed, or a note gives the reason why not.

use super::{AppliedPreset, PresetNote, apply::Applying};
use crate::manifest::{
    Origin,
    pyproject_deps::{Needs, needs_of, setup_name},
};

/// The note on a `setup.py`.
const UNREAD_SETUP: &str = "the name of its package is not a plain text, so no packages are installed: name them in `pyproject.toml`";
/// The note on a `setup.cfg`.
const UNREAD_CFG: &str =
    "it has no `name`, so no packages are installed: name them in `pyproject.toml`";

impl Applying<'_, '_> {
    /// Finds a project that declares its dependencies without a lockfile, and adds notes on projects that do not.
    pub(super) fn unlocked<'d>(
        &mut self,
        applied: &'d AppliedPreset<'_>,
    ) -> Option<(&'d str, String)> {
        for directory in &applied.directories {
            let there = |name: &str| self.present.contains(&format!("{directory}{name}"));
            let name = format!("{directory}pyproject.toml");
            let dev_list = self.group_list(directory, "dev");
            let needs = match self.texts.get(&name) {
                Some(text) => {
                    let root = self.documents.parse(text);
                    let is_named = !root.select("project.name").is_empty();
                    // As for uv, a project with a build system is a package, also without any dependency.
                    let is_package = !root.select("build-system").is_empty();
                    match needs_of(text, &root) {
                        Needs::Nothing if is_named && (is_package || dev_list.is_some()) => {
                            Needs::Listed
                        }
                        needs => needs,
                    }
                }
                None => Needs::Nothing,
            };
            let cfg = self.texts.get(&format!("{directory}setup.cfg"));
            let cfg = cfg.and_then(|text| setup_needs(text.as_str()));
            let setup = ["setup.cfg", "setup.py"].into_iter().find(|name| {
                let text = self.texts.get(&format!("{directory}{name}"));
                text.is_some_and(|text| setup_name(text).is_some())
            });
            let (file, line, message) = match needs {
                Needs::Listed | Needs::Built(_) => return Some((directory, name)),
                Needs::Nothing if there("Pipfile") => {
                    return Some((directory, format!("{directory}Pipfile")));
                }
                Needs::Nothing if setup.is_some() && (there("setup.py") || cfg.is_some()) => {
                    let setup = setup.unwrap_or_default();
                    return Some((directory, format!("{directory}{setup}")));
                }
                Needs::Nothing if there("setup.py") => ("setup.py", 1, UNREAD_SETUP.to_owned()),
                Needs::Nothing => match (cfg, &dev_list) {
                    (Some(line), _) => ("setup.cfg", line, UNREAD_CFG.to_owned()),
                    (None, Some(list)) => {
                        let name = list.strip_prefix(directory.as_str()).unwrap_or(list);
                        let message = format!(
                            "its packages are not installed: write `lock = \"{list}\"` below `[python]` in `devshell.toml`"
                        );
                        (name, 1, message)
                    }
                    (None, None) => continue,
                },
                Needs::Unknown(why) => {
                    self.notes.push(PresetNote {
                        origin: why.origin,
                        message: why.value,
                        tool: None,
                    });
                    continue;
                }
            };
            let file = format!("{directory}{file}");
            self.notes.push(PresetNote {
                origin: Origin {
                    file: file.as_str().into(),
                    is_preset: false,
                    line,
                },
                message,
                tool: None,
            });
        }
        None
    }
}

/// Returns the line of a `setup.cfg` at which its dependencies begin.
fn setup_needs(text: &str) -> Option<u32> {
    let mut section = "";
    let mut key = None;
    for (line, text) in (1..).zip(text.lines()) {
        let word = text.trim();
        if word.is_empty() || word.starts_with(['#', ';']) {
            continue;
        }
        let mut value = word;
        if !text.starts_with([' ', '\t']) {
            key = None;
            if let Some(name) = word.strip_prefix('[') {
                section = name.trim_end_matches(']');
                continue;
            }
            let (name, rest) = word.split_once(['=', ':']).unwrap_or((word, ""));
            let counts = match section {
                "options" => matches!(name.trim(), "install_requires" | "install-requires"),
                other => other == "options.extras_require",
            };
            key = counts.then_some(line);
            value = rest.trim();
        }
        // The list usually begins on the line below its name.
        if key.is_some() && !value.is_empty() {
            return key;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_a_setup_cfg_have_a_line() {
        for (text, line) in [
            ("[options]\ninstall_requires =\n  six\n", Some(2)),
            ("[options]\ninstall_requires = six\n", Some(2)),
            ("[options]\ninstall_requires: file: a.txt\n", Some(2)),
            (
                "[options]\ninstall_requires =\n\n  # none\nzip_safe = 1\n",
                None,
            ),
            ("[options]\r\ninstall_requires =\r\n\tsix\r\n", Some(2)),
            (
                "[options]\n[options.extras_require]\ndev =\n  pytest\n",
                Some(3),
            ),
            ("[flake8]\ninstall_requires = six\n", None),
            ("install_requires = six\n[metadata]\nname = x\n", None),
            (
                "[options]\nsetup_requires = x\npython_requires = >=3.9\n",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(setup_needs(text), line, "{text:?}");
        }
    }
}
