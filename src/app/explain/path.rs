//! Entries of lists of paths, and programs below them.

use std::path::{Path, PathBuf};

use crate::report::paths::display_path;
use crate::{
    app::program_tools::last_profile,
    manifest::{EnvValue, template},
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
        if let Some(profile) = last_profile(self.session, self.project, &self.shell) {
            let bin = profile.join("bin");
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
