//! The `[image]` and `[images.NAME]` tables: container images of a project.

use std::collections::BTreeMap;

use super::{
    Error, Located, Origin, ShellName,
    form::TableForm,
    image_values::{ImagePath, Port, ProjectPath},
    schema::{CopyField, CopyForm, ImageField},
};
use crate::{env::VarName, package::PackageName};

/// A container image of the project. A key without a value is not in the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRequest {
    /// The place of the table.
    pub origin: Option<Origin>,
    /// The dev shell whose tools and packages the image has.
    pub shell: Option<Located<ShellName>>,
    /// Dependency groups of the Python packages beyond the project's own dependencies.
    pub groups: Option<Vec<Located<PackageName>>>,
    /// The image below, by name, or `scratch`.
    pub base: Option<Located<String>>,
    pub copy: Vec<CopyRule>,
    pub cmd: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// Ports (`8000/tcp`).
    pub expose: Vec<Port>,
    pub env: BTreeMap<VarName, String>,
    pub user: Option<String>,
    pub workdir: Option<Located<ImagePath>>,
    pub labels: BTreeMap<String, String>,
}

/// Files of the project that an image has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRule {
    /// A path below the project's root; `.` is the root.
    pub from: Located<ProjectPath>,
    pub to: ImagePath,
}

/// The base of an image without one in the manifest.
pub const DEFAULT_BASE: &str = "debian:12-slim";
/// The base without any file.
pub const SCRATCH: &str = "scratch";

impl ImageRequest {
    /// Reads a table.
    pub(super) fn read<'n>(table: &TableForm<'n, ImageField<'n>>) -> Result<Self, Error> {
        let mut image = Self {
            origin: Some(table.origin()),
            ..Self::default()
        };
        for field in table.fields() {
            match field?.field {
                ImageField::Shell(shell) => image.shell = Some(shell.map(|name| name.0)),
                ImageField::Groups(groups) => image.groups = Some(groups),
                ImageField::Base(base) => image.base = Some(base),
                ImageField::Copy(rules) => {
                    let rules = rules.iter().map(CopyRule::read);
                    image.copy = rules.collect::<Result<_, _>>()?;
                }
                ImageField::Cmd(words) => image.cmd = Some(words_of(words)),
                ImageField::Entrypoint(words) => image.entrypoint = Some(words_of(words)),
                ImageField::Expose(ports) => image.expose = ports,
                ImageField::Env(variables) => {
                    for one in variables.values() {
                        let one = one?;
                        image.env.insert(one.name, one.value.value);
                    }
                }
                ImageField::User(user) => image.user = Some(user.value),
                ImageField::Workdir(path) => image.workdir = Some(path),
                ImageField::Labels(labels) => {
                    for one in labels.values() {
                        let one = one?;
                        image.labels.insert(one.name, one.value.value);
                    }
                }
            }
        }
        Ok(image)
    }

    /// Lays `upper` over this image: its keys win, variables and labels are united.
    pub(super) fn overlay(&mut self, upper: &Self) {
        fn set<T: Clone>(lower: &mut Option<T>, upper: Option<&T>) {
            if let Some(value) = upper {
                *lower = Some(value.clone());
            }
        }
        set(&mut self.origin, upper.origin.as_ref());
        set(&mut self.shell, upper.shell.as_ref());
        set(&mut self.groups, upper.groups.as_ref());
        set(&mut self.base, upper.base.as_ref());
        set(&mut self.cmd, upper.cmd.as_ref());
        set(&mut self.entrypoint, upper.entrypoint.as_ref());
        set(&mut self.user, upper.user.as_ref());
        set(&mut self.workdir, upper.workdir.as_ref());
        if !upper.copy.is_empty() {
            self.copy.clone_from(&upper.copy);
        }
        if !upper.expose.is_empty() {
            self.expose.clone_from(&upper.expose);
        }
        self.env.extend(upper.env.clone());
        self.labels.extend(upper.labels.clone());
    }

    /// Returns every key that is set, with its value as text.
    pub fn settings(&self) -> Vec<(Vec<String>, String)> {
        // Every key is named: the compiler then finds a new one that approvals leave out.
        let Self {
            origin: _,
            shell,
            groups,
            base,
            copy,
            cmd,
            entrypoint,
            expose,
            env,
            user,
            workdir,
            labels,
        } = self;
        let commands = [("cmd", cmd), ("entrypoint", entrypoint)];
        let commands = commands.into_iter().filter_map(|(key, words)| {
            let words = words.as_ref()?.iter();
            let words: Vec<_> = words
                .map(|word| shell_escape::unix::escape(word.into()))
                .collect();
            Some((key, words.join(" ")))
        });
        let groups = groups.as_ref().map(|groups| {
            let names: Vec<&str> = groups.iter().map(|one| one.value.as_str()).collect();
            names.join(", ")
        });
        let ports: Vec<&str> = expose.iter().map(Port::as_str).collect();
        let single = [
            ("shell", shell.as_ref().map(|one| one.value.to_string())),
            ("groups", groups),
            ("base", base.as_ref().map(|one| one.value.clone())),
            ("expose", (!ports.is_empty()).then(|| ports.join(", "))),
            ("user", user.clone()),
            (
                "workdir",
                workdir.as_ref().map(|one| one.value.as_str().to_owned()),
            ),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let single = single.chain(commands);
        let mut all: Vec<_> = single
            .map(|(key, value)| (vec![key.to_owned()], value))
            .collect();
        for (position, rule) in copy.iter().enumerate() {
            let from = match rule.from.value.as_str() {
                "" => ".",
                from => from,
            };
            let text = format!("{from} to {}", rule.to.as_str());
            all.push((vec!["copy".to_owned(), (position + 1).to_string()], text));
        }
        let variables = env
            .iter()
            .map(|(name, value)| ("env", name.as_str(), value));
        let labels = labels.iter().map(|(name, value)| ("label", &**name, value));
        for (key, name, value) in variables.chain(labels) {
            all.push((vec![key.to_owned(), name.to_owned()], value.clone()));
        }
        all
    }

    /// Returns the name of the image below, or `scratch`.
    pub fn base(&self) -> &str {
        self.base.as_ref().map_or(DEFAULT_BASE, |base| &base.value)
    }
}

fn words_of(words: Vec<Located<String>>) -> Vec<String> {
    words.into_iter().map(|word| word.value).collect()
}

impl CopyRule {
    fn read(rule: &CopyForm<'_>) -> Result<Self, Error> {
        let (mut from, mut to) = (None, None);
        for field in rule.0.fields() {
            match field?.field {
                CopyField::From(path) => from = Some(path),
                CopyField::To(path) => to = Some(path),
            }
        }
        match (from, to) {
            (Some(from), Some(to)) => Ok(Self { from, to: to.value }),
            (None, _) => Err(rule.0.lacks("from")),
            (_, None) => Err(rule.0.lacks("to")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{merge, parse};

    #[test]
    fn an_image_begins_with_the_keys_of_the_common_table() {
        let text = "[image]\nbase = 'alpine@sha256:0'\nexpose = [8000, '53/udp']\n\
            copy = [{ from = './app/', to = '/srv/app/' }]\nenv = { A = '1', B = '1' }\n\
            [images.api]\ncmd = ['uvicorn', 'app:app']\nenv = { B = '2' }\n[images.worker]\nbase = 'scratch'\n";
        let manifest = merge(&[parse("devshell.toml", text).unwrap()]).unwrap();
        assert_eq!(manifest.images.len(), 3);
        let api = &manifest.images[&Some("api".parse().unwrap())];
        assert_eq!(api.base(), "alpine@sha256:0");
        assert_eq!(api.cmd.as_ref().unwrap().len(), 2);
        let variables: Vec<&str> = api.env.values().map(String::as_str).collect();
        assert_eq!(variables, ["1", "2"]);
        let ports: Vec<&str> = api
            .expose
            .iter()
            .map(crate::manifest::image_values::Port::as_str)
            .collect();
        assert_eq!(ports, ["8000/tcp", "53/udp"]);
        let copied = &api.copy[0];
        assert_eq!(
            (copied.from.value.as_str(), copied.to.as_str()),
            ("app", "/srv/app")
        );
        let worker = &manifest.images[&Some("worker".parse().unwrap())];
        assert_eq!((worker.base(), worker.copy.len()), ("scratch", 1));
    }

    #[test]
    fn wrong_values_are_errors_at_their_place() {
        for (text, expected) in [
            (
                "copy = [{ from = '../x', to = '/a' }]",
                "a path below the project's root",
            ),
            (
                "copy = [{ from = 'x', to = 'a' }]",
                "an absolute path in the image",
            ),
            (
                "copy = [{ from = 'x', to = '/devsh/x' }]",
                "not below `/devsh`",
            ),
            ("copy = [{ from = 'x' }]", "`to` is missing"),
            ("expose = [0]", "a port"),
            ("expose = ['x']", "a port"),
            ("cmd = 'a b'", "a list of strings"),
            ("user = 1", "a string"),
        ] {
            let error = parse("m", &format!("[image]\n{text}\n")).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
