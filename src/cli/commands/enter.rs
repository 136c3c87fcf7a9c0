//! `devsh enter`: the user's own shell, with its rc files, aliases and history, inside a dev shell.
//!
//! The hook is loaded after the rc files, whether they load it or not, and puts the dev shell's programs
//! back in front of what the rc files put on `PATH`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    env::Env,
    manifest::ShellName,
    prompt::{Loading, load, record::Record, session_var},
    report::failure::Failure,
    shell::{HostShell, hook},
    store::leases,
    util::{files, vars},
};

use super::run::prepare;
use crate::{
    app::{prepare_env, session::Work},
    report::hints,
};

/// Replaces this process with the user's shell.
pub fn run(work: &Work<'_>, shell: &ShellName) -> Result<(), Failure> {
    let _pass = leases::pass(&work.context.directories.data);
    let (root, record) = prepare(work, shell)?;
    prepare_env::lease_until_exit(work.context, &record);
    let base = session_var::host_env(&work.context.env);
    let mut first = record.clone();
    let stored = Record::stored(&work.context.directories.state, &root, shell);
    if stored.is_some_and(|stored| stored.id() == record.id()) {
        // The shell's hook loads it anew after the rc files, and runs the enter scripts then.
        first.content.enter.clear();
    }
    let loading = Loading::new(work.context, &root, shell, &first).pinned(true);
    let loaded = load(&base, loading).map_err(|missing| hints::missing(&missing))?;
    let (program, host) = user_shell(&work.context.env);
    let mut start = Start::new(
        &program,
        host,
        &work.context.directories.state,
        &work.context.program,
    );
    start.env = loaded.env;
    start.prepare().map_err(|error| hints::file(&error))?;
    let mut command = Command::new(&start.program);
    command
        .args(&start.arguments)
        .env_clear()
        .envs(start.env.iter());
    if let Some(cwd) = &work.context.cwd {
        command.current_dir(cwd);
    }
    let error = command.exec();
    Err(Failure::new(format!(
        "cannot start `{}`: {error}",
        start.program.display()
    )))
}

/// Returns the user's shell: the one of the account, if devsh has a hook for it, else bash.
fn user_shell(env: &Env) -> (PathBuf, HostShell) {
    let program = env.get(vars::SHELL).filter(|program| !program.is_empty());
    let known =
        program.and_then(|program| Some((PathBuf::from(program), HostShell::of_program(program)?)));
    known.unwrap_or_else(|| (PathBuf::from("bash"), HostShell::Bash))
}

/// How a shell is started so that it loads its own rc files and then the hook.
struct Start {
    program: PathBuf,
    host: HostShell,
    arguments: Vec<OsString>,
    env: Env,
    directory: PathBuf,
    hook: Vec<u8>,
}

impl Start {
    fn new(program: &Path, host: HostShell, state: &Path, devsh: &Path) -> Self {
        Self {
            program: program.to_owned(),
            host,
            arguments: Vec::new(),
            env: Env::default(),
            directory: state.join("enter"),
            hook: hook::script(host, devsh),
        }
    }

    /// Writes the start files, which are the same each time.
    fn prepare(&mut self) -> Result<(), files::Error> {
        files::create_private_dir(&self.directory)?;
        match self.host {
            HostShell::Bash => {
                let rc = b"[ ! -r ~/.bashrc ] || . ~/.bashrc\n";
                let path = self.write("bashrc", &[rc, &self.hook[..]].concat())?;
                self.arguments = vec!["--rcfile".into(), path.into(), "-i".into()];
            }
            HostShell::Zsh => {
                self.write(".zshenv", &[ZSHENV, &self.hook[..]].concat())?;
                if let Some(own) = self.env.get("ZDOTDIR").map(OsStr::to_owned) {
                    self.env.set("DEVSH_ZDOTDIR", own);
                }
                self.env.set("ZDOTDIR", self.directory.clone());
                self.arguments = vec!["-i".into()];
            }
            HostShell::Fish => {
                let path = self.write("hook.fish", &self.hook.clone())?;
                let mut command = b"source ".to_vec();
                command.extend_from_slice(&self.host.quote(path.as_os_str()));
                let command = OsStr::from_bytes(&command).to_owned();
                self.arguments = vec!["-i".into(), "--init-command".into(), command];
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, files::Error> {
        let path = self.directory.join(name);
        if files::read_bounded(&path, 1 << 20)?.as_deref() != Some(bytes) {
            files::write_atomic(&path, bytes)?;
        }
        Ok(path)
    }
}

/// Gives zsh its own directory of start files back before it reads any of them.
const ZSHENV: &[u8] = b"if (( $+DEVSH_ZDOTDIR )); then
  export ZDOTDIR=$DEVSH_ZDOTDIR
  unset DEVSH_ZDOTDIR
else
  unset ZDOTDIR
fi
[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv
";
