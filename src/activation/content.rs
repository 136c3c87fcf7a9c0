//! From a dev shell and what was built for it to what is loaded. Pure.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    env::{Change, EnvPlan, VarName},
    manifest::{DevShell, EnvValue},
    vars,
};

use super::record::Content;

/// What was built for a dev shell.
#[derive(Debug, Clone)]
pub struct Built<'a> {
    /// The environment id.
    pub environment: String,
    /// The profile, whose `bin` goes on `PATH`.
    pub profile: &'a Path,
    /// Variables that the build asks for.
    pub env: &'a [(VarName, Change)],
    /// What is said when the dev shell is loaded.
    pub summary: String,
}

/// Returns what is loaded for `shell` of the project at `root`.
pub fn content(root: &Path, shell: &DevShell, built: Built<'_>) -> Content {
    let mut plan: BTreeMap<VarName, Change> = built.env.iter().cloned().collect();
    let mut required = Vec::new();
    for (name, value) in &shell.env {
        let change = match &value.value {
            EnvValue::Set(text) => Change::Set(text.into()),
            EnvValue::Default(text) => Change::Default(text.into()),
            EnvValue::Unset => Change::Unset,
            EnvValue::Extend { prepend, append } => Change::Extend {
                before: absolute(root, prepend),
                after: absolute(root, append),
            },
            EnvValue::Required(help) => {
                required.push((name.clone(), help.clone(), value.origin.to_string()));
                continue;
            }
        };
        plan.insert(name.clone(), change);
    }
    put_on_path(&mut plan, built.profile.join("bin"));
    Content {
        environment: built.environment,
        summary: built.summary,
        plan: EnvPlan(plan),
        required,
        aliases: shell
            .aliases
            .iter()
            .map(|(name, value)| (name.clone(), value.value.clone()))
            .collect(),
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
    }
}

/// Puts the profile's programs behind the project's own entries and before the host shell's.
fn put_on_path(plan: &mut BTreeMap<VarName, Change>, programs: PathBuf) {
    let Ok(path) = vars::PATH.parse::<VarName>() else {
        return;
    };
    let programs = programs.into_os_string();
    match plan.get_mut(&path) {
        Some(Change::Extend { before, .. }) => before.push(programs),
        // A manifest that sets `PATH` outright still gets its tools.
        Some(Change::Set(value) | Change::Default(value)) => {
            *value = crate::env::pathlist::extend(value, &[programs], &[]);
        }
        _ => {
            plan.insert(
                path,
                Change::Extend {
                    before: vec![programs],
                    after: Vec::new(),
                },
            );
        }
    }
}

fn absolute(root: &Path, entries: &[String]) -> Vec<OsString> {
    let join = |entry: &String| {
        // `./scripts` is `scripts` below the root: dots in entries confuse people who read `PATH`.
        let entry = Path::new(entry)
            .components()
            .filter(|part| *part != std::path::Component::CurDir);
        root.join(entry.collect::<PathBuf>()).into_os_string()
    };
    entries.iter().map(join).collect()
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
            env: &[virtual_env],
            summary: "ruff 1".to_owned(),
        };
        content(
            Path::new("/my project"),
            &manifest.shells[&ShellName::dev()],
            built,
        )
    }

    #[test]
    fn the_project_s_entries_come_before_the_tools() {
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
        assert_eq!(content.required[0].2, "devshell.toml:5");
    }
}
