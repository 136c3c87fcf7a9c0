//! Entries of lists of paths, and programs below them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::report::paths::display_path;
use crate::{
    builder::{self, ToolOrigin},
    manifest::{EnvValue, template},
    prompt::record::Record,
    util::{paths, vars},
};

use super::{Explained, Explanation};

impl Explained<'_> {
    /// Explains an entry of a list of paths, or a program below one.
    pub(super) fn path(&self, name: &str) -> Vec<Explanation> {
        let context = self.session.context;
        let wanted = if name.contains('/') {
            let cwd = context.cwd.clone().unwrap_or_default();
            vec![paths::join(cwd, name)]
        } else {
            Vec::new()
        };
        let mut all = Vec::new();
        for (variable, value) in &self.content.env {
            let EnvValue::Extend { prepend, append } = &value.value else {
                continue;
            };
            for entry in prepend.iter().chain(append) {
                let path = self.entry(entry);
                if wanted
                    .iter()
                    .any(|one| *one == path || one.parent() == Some(&path))
                {
                    all.push(self.path_row(&path, variable.as_str(), &value.origin.to_string()));
                }
            }
        }
        if let Some(bin) = self.profile().map(|profile| profile.join("bin")) {
            let program = match wanted.first() {
                Some(path) if *path == bin => Some(bin.clone()),
                Some(path) => (path.parent() == Some(&bin)).then(|| path.clone()),
                // The variable itself has the tools as one entry.
                None if name == vars::PATH => Some(bin.clone()),
                None => Some(bin.join(name)),
            };
            if let Some(program) = program.filter(|program| program.symlink_metadata().is_ok()) {
                let target = program.canonicalize().unwrap_or_else(|_| program.clone());
                let mut one = self.path_row(&program, "PATH", "the dev shell's tools");
                one.notes = vec![format!("is {}", display_path(context, &target))];
                all.push(one);
            }
        }
        all
    }

    /// Returns the tools that have a program, and those whose package has its name.
    pub(super) fn tools_of_program(&self, program: &str) -> BTreeSet<String> {
        let named = self.content.tools.keys().filter(|tool| {
            let names = [tool.name.as_str(), tool.package.as_str()];
            names.contains(&program)
        });
        let mut tools: BTreeSet<String> = named.map(ToString::to_string).collect();
        let target = self.profile().and_then(|profile| {
            let target = profile.join("bin").join(program).canonicalize().ok()?;
            Some((target, builder::built_at(&profile)?))
        });
        if let Some((target, built)) = target {
            let having = built.tools.iter().filter(|tool| match &tool.origin {
                // A guard of the profile is in front of some programs.
                ToolOrigin::Store(object) => {
                    target.starts_with(object) || object.join("bin").join(program).exists()
                }
                ToolOrigin::Host { program, .. } => target == *program,
            });
            tools.extend(having.map(|tool| tool.tool.to_string()));
        }
        tools
    }

    /// Returns the profile that was built last.
    fn profile(&self) -> Option<PathBuf> {
        let state = &self.session.context.directories.state;
        let record = Record::stored(state, self.project.root(), &self.shell)?;
        record.objects.into_iter().next()
    }

    fn path_row(&self, path: &Path, variable: &str, place: &str) -> Explanation {
        Explanation {
            kind: "path",
            name: display_path(self.session.context, path),
            value: Some(format!("on {variable}")),
            place: Some(place.to_owned()),
            said: Vec::new(),
            locked: None,
            refused: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The directory that an entry means here.
    fn entry(&self, entry: &str) -> PathBuf {
        let mut text = std::ffi::OsString::new();
        for piece in template::parse(entry).unwrap_or_default() {
            match piece {
                template::ValuePiece::Text(plain) => text.push(plain),
                template::ValuePiece::Root(below) => text.push(self.project.root().join(below)),
                template::ValuePiece::Variable { name, fallback } => {
                    let value = self
                        .session
                        .context
                        .env
                        .get(&name)
                        .filter(|value| !value.is_empty());
                    text.push(value.unwrap_or(fallback.unwrap_or_default().as_ref()));
                }
            }
        }
        paths::join(self.project.root(), text)
    }
}
