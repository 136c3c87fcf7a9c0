//! The user's environment and directories in a host shell that has loaded a dev shell.
//!
//! The settings and files of devsh are those of the user outside of any project. The old values are in the session.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    context::{Context, Directories},
    env::Env,
    util::{key_places, secret_key::SecretKey, vars},
};

use super::{enter_leave_scripts::Error, env_limits, session_var::ShellSession};

/// Bytes of the signature before the content of a session.
const SIGNATURE: usize = 32;

/// Makes devsh use the environment and the directories that the user has outside of the loaded dev shell.
///
/// The key of sessions is in these directories, too. A dev shell that sets `HOME` hides it, so devsh has remembered its
/// place then. Any other place that a session names is not looked at.
pub fn use_host_environment(context: &mut Context) {
    let Some(session) = find_session(context) else {
        ShellSession::erase(&mut context.env);
        return;
    };
    context.env = session.unload(&context.shell_env).0;
    let former = key_directories(&context.directories);
    context.directories = Directories::from_env(&context.env);
    let directories = key_directories(&context.directories);
    if directories != former {
        context.session_key = SecretKey::new(directories);
    }
}

/// Remembers the place of `key` if `env`, the environment of a dev shell, does not lead to it.
///
/// If that fails, `env` gets the variables of `base` that lead to it: without the key devsh could not undo the dev shell,
/// and would take the directories of the project for those of the user.
pub(super) fn remember_hidden_key(base: &Env, env: &mut Env, key: &SecretKey) -> Option<Error> {
    if key_directories(&Directories::from_env(env)) == *key.directories() {
        return None;
    }
    let mut places = key.directories().iter();
    let source = places.find_map(|one| key_places::remember(one).err())?;
    let leading = [vars::HOME, vars::XDG_DATA_HOME, vars::XDG_STATE_HOME];
    let changed: Vec<&str> = leading
        .into_iter()
        .filter(|name| base.get(name) != env.get(name))
        .collect();
    for name in &changed {
        env_limits::restore(base, env, name.as_ref());
    }
    let names = changed.join("`, `");
    Some(Error::HidesKey { names, source })
}

fn find_session(context: &Context) -> Option<ShellSession> {
    let value = context.shell_env.get(vars::DEVSH_DIFF)?;
    ShellSession::from_env(&context.shell_env, &context.session_key).or_else(|| {
        let named = named_directories(context, Path::new(value))?;
        let mut own = named
            .into_iter()
            .filter(|one| key_places::is_remembered(one));
        own.find_map(|own| {
            ShellSession::from_env(&context.shell_env, &SecretKey::new([own.clone(), own]))
        })
    })
}

/// Returns the directories of the key that a session names, which is not verified yet.
fn named_directories(context: &Context, value: &Path) -> Option<[PathBuf; 2]> {
    if value.is_absolute() {
        let state = value.parent()?.parent()?;
        return Some([state.to_owned(), state.to_owned()]);
    }
    let signed = URL_SAFE_NO_PAD.decode(value.to_str()?).ok()?;
    let session = ShellSession::decode(signed.get(SIGNATURE..)?)?;
    let (env, _kept) = session.unload(&context.shell_env);
    Some(key_directories(&Directories::from_env(&env)))
}

fn key_directories(directories: &Directories) -> [PathBuf; 2] {
    [directories.state.clone(), directories.data.clone()]
}
