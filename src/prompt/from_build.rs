//! Makes the content of a record from a dev shell and its build. Pure.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    env::{Change, EnvPlan, PlanPiece, Template, VarName},
    manifest::{
        DevShell, EnvValue,
        template::{self, ValuePiece},
    },
    util::{paths, vars},
};

use super::record::{Content, MissingPart, RequiredVariable, UserScript};

/// The build of a dev shell.
#[derive(Debug, Clone)]
pub struct Built<'a> {
    pub environment: String,
    /// The profile, whose `bin` goes on `PATH`.
    pub profile: &'a Path,
    /// The parts that the build lacks.
    pub missing: Vec<MissingPart>,
    /// Variables that the build sets.
    pub env: &'a [(VarName, Change)],
    /// The message of an activation.
    pub summary: String,
    /// Host tools that replace locked ones, one line each.
    pub host_tools: Vec<String>,
    /// The timeout of an enter or leave script.
    pub timeout: std::time::Duration,
    /// True if activation and deactivation print no message.
    pub quiet: bool,
}

/// Returns the content of `shell` of the project at `root`.
pub fn content(root: &Path, shell: &DevShell, built: Built<'_>) -> Content {
    let own = built.env.iter().cloned();
    let mut plan: BTreeMap<VarName, Change<Template>> =
        own.map(|(name, change)| (name, change.into())).collect();
    let mut required = Vec::new();
    for (name, value) in &shell.env {
        let change = match &value.value {
            EnvValue::Set(text) => Change::Set(filled(root, text)),
            EnvValue::Default(text) => Change::Default(filled(root, text)),
            EnvValue::Unset => Change::Unset,
            EnvValue::Extend { prepend, append } => Change::Extend {
                before: absolute(root, prepend),
                after: absolute(root, append),
            },
            EnvValue::Required(help) => {
                required.push(RequiredVariable {
                    name: name.clone(),
                    help: help.clone(),
                    place: value.origin.to_string(),
                });
                continue;
            }
        };
        plan.insert(name.clone(), change);
    }
    put_on_path(&mut plan, built.profile.join("bin"));
    Content {
        environment: built.environment,
        summary: built.summary,
        host_tools: built.host_tools,
        plan: EnvPlan(plan),
        missing: built.missing,
        required,
        aliases: shell
            .aliases
            .iter()
            .map(|(name, value)| (name.clone(), value.value.clone()))
            .collect(),
        granted: shell.grants.iter().map(|name| name.value.clone()).collect(),
        enter: shell
            .enter
            .iter()
            .map(|script| script.value.clone())
            .collect(),
        leave: shell
            .leave
            .iter()
            .map(|script| script.value.clone())
            .collect(),
        user_scripts: shell
            .source_scripts
            .scripts
            .iter()
            .flat_map(|(host, list)| {
                list.iter().map(|script| UserScript {
                    host: *host,
                    text: script.value.clone(),
                })
            })
            .collect(),
        timeout: built.timeout.as_secs(),
        quiet: built.quiet,
    }
}

/// Adds the programs of the profile to `PATH`: after the project's entries, before those of the host shell.
fn put_on_path(plan: &mut BTreeMap<VarName, Change<Template>>, programs: PathBuf) {
    let Ok(path) = vars::PATH.parse::<VarName>() else {
        return;
    };
    let programs = programs.into_os_string();
    match plan.get_mut(&path) {
        Some(Change::Extend { before, .. }) => before.push(programs.into()),
        // A manifest that replaces `PATH` still gets its tools.
        Some(Change::Set(value) | Change::Default(value)) => {
            let separator = if value.0.is_empty() { "" } else { ":" };
            let front = [programs, separator.into()].map(PlanPiece::Text);
            value.0.splice(0..0, front);
        }
        _ => {
            plan.insert(
                path,
                Change::Extend {
                    before: vec![programs.into()],
                    after: Vec::new(),
                },
            );
        }
    }
}

/// Returns a value as a template with `${root}` filled in.
fn filled(root: &Path, text: &str) -> Template {
    let pieces = template::parse(text).unwrap_or_else(|_| vec![ValuePiece::Text(text.to_owned())]);
    let piece = |piece| match piece {
        ValuePiece::Text(text) => PlanPiece::Text(text.into()),
        ValuePiece::Root(below) => PlanPiece::Text(below_root(root, &below)),
        ValuePiece::Variable { name, fallback } => PlanPiece::Variable {
            name,
            fallback: fallback.unwrap_or_default().into(),
        },
    };
    Template(pieces.into_iter().map(piece).collect())
}

fn absolute(root: &Path, entries: &[String]) -> Vec<Template> {
    let absolute = |entry: &String| {
        let mut filled = filled(root, entry);
        // An entry that begins with a variable may be absolute through it.
        if let Some(PlanPiece::Text(first)) = filled.0.first_mut()
            && let Some(relative) = first.to_str().filter(|text| !text.starts_with('/'))
        {
            *first = below_root(root, relative);
        }
        filled
    };
    entries.iter().map(absolute).collect()
}

/// Joins without `.` and `..`, which make `PATH` hard to read.
fn below_root(root: &Path, relative: &str) -> OsString {
    let mut path = paths::join(root, relative).into_os_string();
    // The next piece of the template may go on with a name.
    if relative.ends_with('/') {
        path.push("/");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        env::Env,
        manifest::{self, ShellName},
    };

    fn loaded(manifest: &str) -> Content {
        let layer = manifest::parse("devshell.toml", manifest).unwrap();
        let manifest = manifest::merge(&[layer]).unwrap();
        let virtual_env = ("VIRTUAL_ENV".parse().unwrap(), Change::Set("/venv".into()));
        let built = Built {
            environment: "id".to_owned(),
            profile: Path::new("/envs/id"),
            missing: Vec::new(),
            env: &[virtual_env],
            summary: "ruff 1".to_owned(),
            host_tools: Vec::new(),
            timeout: std::time::Duration::from_secs(10),
            quiet: false,
        };
        content(
            Path::new("/my project"),
            &manifest.shells[&ShellName::dev()],
            built,
        )
    }

    #[test]
    fn entries_of_the_project_come_before_the_tools() {
        let content =
            loaded("[env]\nPATH = { prepend = [\"./scripts\", \"/x\"], append = [\"y\"] }");
        let mut base = Env::default();
        base.set("PATH", "/bin");
        let env = content.plan.apply(&base);
        assert_eq!(
            env.get("PATH").unwrap(),
            "/my project/scripts:/x:/envs/id/bin:/bin:/my project/y"
        );
        assert_eq!(env.get("VIRTUAL_ENV").unwrap(), "/venv");
    }

    #[test]
    fn variables_keep_their_meaning() {
        let content = loaded(
            "[env]\nA = \"1\"\nB = { default = \"2\" }\nC = { unset = true }\nD = { required = \"ask\" }",
        );
        let base: Env = [("B", "mine"), ("C", "x")]
            .map(|(n, v)| (n.into(), v.into()))
            .into_iter()
            .collect();
        let env = content.plan.apply(&base);
        assert_eq!(env.get("A").unwrap(), "1");
        assert_eq!(env.get("B").unwrap(), "mine");
        assert_eq!(env.get("C"), None);
        assert_eq!(content.required[0].place, "devshell.toml:5");
    }
}
