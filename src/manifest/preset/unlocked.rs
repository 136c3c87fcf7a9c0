//! Python projects without a lockfile: one that says what it needs is installed by that, of any other it is
//! told why nothing is.

use super::{Applied, Note, fit::Fitting};
use crate::manifest::{
    Error, Origin,
    needs::{Needs, needs_of},
};

/// Why nothing is installed of what a `pdm.lock` has.
const UNREAD_PDM: &str =
    "devsh does not read it, so no packages are installed: export a `pylock.toml` with pdm";
/// Why nothing is installed of what a `setup.py` names.
const UNREAD_SETUP: &str = "devsh does not run it, so no packages are installed: name them in `pyproject.toml` or `requirements.txt`";

impl Fitting<'_, '_> {
    /// Finds a project without a lockfile that says what it needs; of one that does not it is noted.
    pub(super) fn unlocked<'d>(
        &mut self,
        applied: &'d Applied<'_>,
    ) -> Result<Option<(&'d str, String)>, Error> {
        for directory in &applied.directories {
            let there = |name: &str| self.present.contains(&format!("{directory}{name}"));
            let name = format!("{directory}pyproject.toml");
            let needs = match self.texts.get(&name) {
                Some(text) => needs_of(text, &*self.documents.parse(text)?),
                None => Needs::Nothing,
            };
            let (file, message) = match needs {
                _ if there("pdm.lock") => ("pdm.lock", UNREAD_PDM),
                Needs::Listed => return Ok(Some((directory, name))),
                Needs::Nothing if there("setup.py") => ("setup.py", UNREAD_SETUP),
                Needs::Nothing => continue,
                Needs::Unknown(why) => {
                    self.notes.push(Note {
                        origin: why.origin,
                        message: why.value,
                        tool: None,
                    });
                    continue;
                }
            };
            let file = format!("{directory}{file}");
            self.notes.push(Note {
                origin: Origin {
                    file: file.as_str().into(),
                    line: 1,
                },
                message: message.to_owned(),
                tool: None,
            });
        }
        Ok(None)
    }
}
