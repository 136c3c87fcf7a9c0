//! Python packages of a dev shell: the lockfile that pins one, and what needs it.

use super::{Explained, Explanation};
use crate::{
    app::package_status::ChosenPackages,
    package::Source,
    python::{PackageSource, normalize},
    util::word_lists::join_first,
};

/// Most packages that are named as needing another one.
const NAMED: usize = 5;

impl Explained<'_> {
    /// Explains a locked Python package; `None` if the dev shell has none of this name.
    pub(super) fn python_package(&self, name: &str) -> Option<Explanation> {
        let prefix = format!("{}:", Source::Pypi);
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        let name = normalize(name);
        let (session, project) = (self.session, self.project);
        let chosen = ChosenPackages::of(session, project, self.content, &self.lockfile)?;
        let pin = chosen.pins.packages.iter().find(|pin| pin.name == name)?;
        let lock = chosen.packages.lock.display().to_string();
        let needed_by = chosen.packages.locked.dependents(&name);
        let mut notes = vec![format!("Python package of `{lock}`")];
        if !needed_by.is_empty() {
            notes.push(format!("needed by {}", join_first(&needed_by, NAMED)));
        }
        if pin.source != PackageSource::Index(None) {
            notes.push(format!("locked as `{pin}`"));
        }
        Some(Explanation {
            kind: "package",
            name,
            value: pin.version.clone(),
            place: Some(lock),
            said: Vec::new(),
            locked: None,
            refused: Vec::new(),
            notes,
        })
    }
}
