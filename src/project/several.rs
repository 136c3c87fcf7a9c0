//! Several dev shells of a project at once.

use crate::manifest::{self, ShellName};

use super::{Error, Project};

impl Project {
    /// Returns the project with a dev shell that is several at once.
    pub fn with_shell(mut self, name: &ShellName) -> Result<Self, Error> {
        if name.is_single() || self.manifest.shells.contains_key(name) {
            return Ok(self);
        }
        let mut merged = manifest::merge_with(&self.layers.all, Some(name))?;
        if let Some(mut shell) = merged.shells.remove(name) {
            // What was found beside the manifest was found for each of them.
            let parts = self.manifest.shells.iter();
            let parts: Vec<_> = parts
                .filter(|(one, _)| name.parts().any(|part| part == one.as_str()))
                .map(|(_, shell)| &shell.python)
                .collect();
            let lock = parts.iter().find_map(|python| python.lock.as_ref());
            shell.python.lock = shell.python.lock.or_else(|| lock.cloned());
            let known = |group: &manifest::Located<String>| {
                parts.iter().any(|python| python.groups.contains(group))
            };
            shell.python.groups.retain(known);
            self.manifest.shells.insert(name.clone(), shell);
        }
        Ok(self)
    }
}
