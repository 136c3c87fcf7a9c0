//! The user's directories in a host shell whose dev shell sets `HOME` or the XDG variables.
//!
//! The files of devsh are those of the user outside of any project. The old values are in the session.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    context::{Context, Directories},
    util::{secret_key::SecretKey, vars},
};

use super::session_var::ShellSession;

/// Bytes of the signature before the content of a session.
const SIGNATURE: usize = 32;

/// Makes devsh use the directories that the user has outside of the loaded dev shell.
///
/// The key of sessions is in these directories, too. So a session whose key is not in the current ones is accepted if its
/// signature is right for a key that devsh made in the directories that it leads to.
pub fn use_host_directories(context: &mut Context) {
    let Some(value) = context.env.get(vars::DEVSH_DIFF) else {
        return;
    };
    let session = ShellSession::from_env(&context.env, &context.session_key).or_else(|| {
        let places = former_places(context, Path::new(value))?;
        ShellSession::from_former_places(&context.env, &places)
    });
    let Some(session) = session else { return };
    let directories = Directories::from_env(&session.unload(&context.env).0);
    let places = |one: &Directories| [one.state.clone(), one.data.clone(), one.config.clone()];
    if places(&directories) != places(&context.directories)
        || directories.home != context.directories.home
    {
        context.session_key = SecretKey::new([directories.state.clone(), directories.data.clone()]);
        context.directories = directories;
    }
}

/// Returns the places of the key for a session that is not verified yet.
fn former_places(context: &Context, value: &Path) -> Option<[PathBuf; 2]> {
    if value.is_absolute() {
        let state = value.parent()?.parent()?;
        return Some([state.to_owned(), state.to_owned()]);
    }
    let signed = URL_SAFE_NO_PAD.decode(value.to_str()?).ok()?;
    let session = ShellSession::decode(signed.get(SIGNATURE..)?)?;
    let directories = Directories::from_env(&session.unload(&context.env).0);
    Some([directories.state, directories.data])
}
