//! Hints for variables that the host shell does not have.

use crate::{prompt::MissingVariable, report::failure::Failure};

impl From<&MissingVariable> for Failure {
    fn from(missing: &MissingVariable) -> Self {
        Self::new(missing.to_string())
            .note(format!("{} requires it", missing.0.place))
            .hint(missing.0.help.clone())
    }
}
