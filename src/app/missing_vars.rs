//! Variables that a dev shell needs from the host shell, which does not have them.

use std::fmt;

use serde::Serialize;

use crate::{
    context::Context,
    manifest::{self, EnvValue, ShellName},
    project::Project,
    prompt::session_var,
};

/// A variable that is to be set by the user.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub name: String,
    /// What the manifest says about getting it, or what comes of its absence.
    pub help: String,
    /// Where it is needed, `file:line`.
    pub place: String,
    /// Whether the dev shell cannot be loaded without it.
    pub required: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, help, place, ..
        } = self;
        write!(formatter, "`{name}` is not set: {help} ({place})")
    }
}

/// Returns what the host shell's own environment lacks.
pub fn missing(context: &Context, project: &Project, shell: &ShellName) -> Vec<Missing> {
    let Some(shell) = project.preview().shells.get(shell) else {
        return Vec::new();
    };
    let host = session_var::host_env(&context.env);
    let required = shell.env.iter().filter_map(|(name, value)| {
        let EnvValue::Required(help) = &value.value else {
            return None;
        };
        Some(Missing {
            name: name.to_string(),
            help: help.clone(),
            place: value.origin.to_string(),
            required: true,
        })
    });
    let expected = manifest::needed_host_variables(shell).into_iter();
    let expected = expected.map(|(name, origin)| Missing {
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
