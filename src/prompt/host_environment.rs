//! The user's environment and directories in a host shell that has loaded a dev shell.
//!
//! The settings and files of devsh are those of the user outside of any project. The old values are in the session.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    context::{Context, Directories},
    util::{secret_key::SecretKey, vars},
};

use super::session_var::ShellSession;

/// Bytes of the signature before the content of a session.
const SIGNATURE: usize = 32;

/// Makes devsh use the environment and the directories that the user has outside of the loaded dev shell.
///
/// The key of sessions is in these directories, too. So a session whose key is not in the current ones is accepted if its
/// signature is right for a key that devsh made in the directories that it leads to.
pub fn use_host_environment(context: &mut Context) {
    let Some(session) = find_session(context) else {
        ShellSession::erase(&mut context.env);
        return;
    };
    context.env = session.unload(&context.shell_env).0;
    let former = key_places(&context.directories);
    context.directories = Directories::from_env(&context.env);
    let places = key_places(&context.directories);
    if places != former {
        context.session_key = SecretKey::new(places);
    }
}

fn find_session(context: &Context) -> Option<ShellSession> {
    let value = context.shell_env.get(vars::DEVSH_DIFF)?;
    ShellSession::from_env(&context.shell_env, &context.session_key).or_else(|| {
        let places = former_places(context, Path::new(value))?;
        ShellSession::from_former_places(&context.shell_env, &places)
    })
}

/// Returns the places of the key for a session that is not verified yet.
fn former_places(context: &Context, value: &Path) -> Option<[PathBuf; 2]> {
    if value.is_absolute() {
        let state = value.parent()?.parent()?;
        return Some([state.to_owned(), state.to_owned()]);
    }
    let signed = URL_SAFE_NO_PAD.decode(value.to_str()?).ok()?;
    let session = ShellSession::decode(signed.get(SIGNATURE..)?)?;
    let (env, _kept) = session.unload(&context.shell_env);
    Some(key_places(&Directories::from_env(&env)))
}

fn key_places(directories: &Directories) -> [PathBuf; 2] {
    [directories.state.clone(), directories.data.clone()]
}
