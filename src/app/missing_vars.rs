//! Variables that a dev shell needs and the host shell does not have.

use std::fmt;

use serde::Serialize;

use crate::{
    context::Context,
    manifest::{self, EnvValue, ShellName},
    project::Project,
};

/// A variable that the user must set.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UnsetVariable {
    pub name: String,
    /// The help of the manifest, or the effect of its absence.
    pub help: String,
    /// The place that needs it, `file:line`.
    pub place: String,
    /// True if the dev shell cannot be loaded without it.
    pub required: bool,
}

impl fmt::Display for UnsetVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, help, place, ..
        } = self;
        write!(formatter, "`{name}` is not set: {help} ({place})")
    }
}

/// Returns the variables that the host shell's environment lacks.
pub fn missing(context: &Context, project: &Project, shell: &ShellName) -> Vec<UnsetVariable> {
    let Some(shell) = project.preview().shells.get(shell) else {
        return Vec::new();
    };
    let host = &context.env;
    let required = shell.env.iter().filter_map(|(name, value)| {
        let EnvValue::Required(help) = &value.value else {
            return None;
        };
        Some(UnsetVariable {
            name: name.to_string(),
            help: help.clone(),
            place: value.origin.to_string(),
            required: true,
        })
    });
    let expected = manifest::needed_host_variables(shell).into_iter();
    let expected = expected.map(|(name, origin)| UnsetVariable {
        help: format!("`${{{name}}}` is empty; `${{{name}:-}}` says that it may be"),
        name,
        place: origin.to_string(),
        required: false,
    });
    required
        .chain(expected)
        .filter(|one| host.get(&one.name).is_none())
        .collect()
}
