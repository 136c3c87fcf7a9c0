//! Programs before those of the dev shell on PATH: shims of version managers, other environments.

use std::path::{Path, PathBuf};

use crate::{
    context::Context,
    env::pathlist,
    prompt::session_var::ShellSession,
    report::paths::display_path,
    util::{
        vars,
        word_lists::{in_backticks, join_first},
    },
};

use super::check::Check;

/// The largest number of programs in one line.
const MOST: usize = 3;

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let session = ShellSession::from_env(&context.shell_env, &context.session_key);
    let Some((root, shell)) = session.and_then(|session| session.project) else {
        return vec![Check::ok("PATH", "no dev shell is loaded in this shell")];
    };
    let path = context.shell_env.get(vars::PATH).unwrap_or_default();
    let entries: Vec<PathBuf> = pathlist::split(path).map(PathBuf::from).collect();
    let profiles = context.directories.data.join("envs");
    let Some(at) = entries
        .iter()
        .position(|entry| entry.starts_with(&profiles))
    else {
        return vec![Check::error(
            "PATH",
            format!("the programs of `{shell}` are no longer on it"),
            "start a new shell; if it happens again, move devsh's hook to the end of your rc file",
        )];
    };
    let hidden = hidden(&entries[at], &entries[..at], &root);
    if hidden.is_empty() {
        return vec![Check::ok(
            "PATH",
            format!("the programs of `{shell}` come first"),
        )];
    }
    let named = hidden.iter().map(|program| display_path(context, program));
    let named = join_first(&in_backticks(named), MOST);
    let by = hidden.first().and_then(|program| manager(program));
    let hint = by.map_or_else(
        || {
            "take that directory off PATH, or move devsh's hook to the end of your rc file"
                .to_owned()
        },
        |name| format!("load devsh's hook after {name} in your rc file, then start a new shell"),
    );
    let text = format!("{named} come before the dev shell's own");
    vec![Check::error("PATH", text, hint)]
}

/// Returns programs before the profile on PATH that hide one of it; those of the project are intended.
fn hidden(profile: &Path, before: &[PathBuf], root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(profile).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    let before = before
        .iter()
        .filter(|directory| !directory.starts_with(root));
    before
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)))
        .filter(|program| program.is_file())
        .collect()
}

/// The version manager that a shim belongs to.
fn manager(program: &Path) -> Option<&'static str> {
    let text = program.to_string_lossy();
    let known = [
        ("/.pyenv/", "pyenv"),
        ("/shims/", "its version manager"),
        ("/.cargo/bin/", "rustup"),
        ("/mise/", "mise"),
        ("/.asdf/", "asdf"),
        ("/.nvm/", "nvm"),
        ("/conda", "conda"),
    ];
    known
        .iter()
        .find(|(part, _)| text.contains(part))
        .map(|(_, name)| *name)
}
