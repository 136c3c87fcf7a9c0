//! The user's own shell, with its rc files, aliases and history, in a dev shell.
//!
//! The hook is loaded after the rc files, also if they load it. It puts the programs of the dev shell back in
//! front of the entries that the rc files add to `PATH`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    context::Context,
    env::Env,
    manifest::ShellName,
    prompt::{Loading, load, record::Record, session_var::ShellSession},
    report::failure::{ExitStatus, Failure},
    shell::HostShell,
    store::leases,
    util::{files, vars},
};

use super::{
    build_record,
    ready_shell::{Completeness, prepare},
    reload::hook_script,
    session::Session,
    typing_shell::TypingShell,
};

/// Replaces this process with the user's shell.
pub fn enter_shell(session: &Session<'_>, shell: &ShellName) -> Result<(), Failure> {
    let context = session.context;
    refuse_nesting(session)?;
    let _pass = leases::pass(&context.directories.data);
    let ready = prepare(session, shell, Completeness::Partial)?;
    require_terminal(context)?;
    build_record::lease_until_exit(context, &ready.record);
    let base = context.env.clone();
    let mut first = ready.record.clone();
    let stored = Record::stored(&context.directories.state, &ready.root, shell);
    if stored.is_some_and(|stored| stored.id() == ready.record.id()) {
        // The hook of the new shell loads it again after the rc files, and runs the enter scripts then.
        first.content.enter.clear();
    }
    let loading = Loading {
        record: &first,
        ..ready.loading(session, true)
    };
    let loaded = load(&base, loading);
    let root = session.display(&ready.root);
    session.reporter.note(&format!(
        "inside dev shell `{shell}` of {root}; leave it with `exit`"
    ));
    let (program, host) = TypingShell::find().map_or_else(
        || user_shell(&context.env),
        |shell| (shell.program, shell.host),
    );
    let mut start = ShellStart::new(&program, host, context);
    start.env = loaded.env;
    start.prepare()?;
    let mut command = Command::new(&start.program);
    command
        .args(&start.arguments)
        .env_clear()
        .envs(start.env.iter());
    if let Some(cwd) = &context.cwd {
        command.current_dir(cwd);
    }
    let error = command.exec();
    Err(Failure::new(format!(
        "cannot start `{}`: {error}",
        start.program.display()
    )))
}

/// Refuses a second shell inside of an entered one.
fn refuse_nesting(session: &Session<'_>) -> Result<(), Failure> {
    let context = session.context;
    let entered = ShellSession::from_env(&context.shell_env, &context.session_key);
    if let Some((root, shell)) = entered.filter(|one| one.pinned).and_then(|one| one.project) {
        let root = session.display(&root);
        return Err(Failure::new(format!(
            "this shell is inside dev shell `{shell}` of `{root}`"
        ))
        .hint("leave it with `exit` first, or run one command with `devsh run`")
        .code(ExitStatus::Usage));
    }
    Ok(())
}

/// Refuses to start a shell that no one can type into.
fn require_terminal(context: &Context) -> Result<(), Failure> {
    if !context.terminal.stdin || !context.terminal.stdout {
        return Err(
            Failure::new("`devsh enter` starts an interactive shell and needs a terminal")
                .hint("run a command with `devsh run -- COMMAND`")
                .code(ExitStatus::Usage),
        );
    }
    Ok(())
}

/// Returns the shell of the user's account if devsh has a hook for it, else bash.
fn user_shell(env: &Env) -> (PathBuf, HostShell) {
    let program = env.get(vars::SHELL).filter(|program| !program.is_empty());
    let known =
        program.and_then(|program| Some((PathBuf::from(program), HostShell::of_program(program)?)));
    known.unwrap_or_else(|| (PathBuf::from("bash"), HostShell::Bash))
}

/// The start of a shell that loads its rc files and then the hook.
struct ShellStart {
    program: PathBuf,
    host: HostShell,
    arguments: Vec<OsString>,
    env: Env,
    directory: PathBuf,
    hook: Vec<u8>,
}

impl ShellStart {
    fn new(program: &Path, host: HostShell, context: &Context) -> Self {
        Self {
            program: program.to_owned(),
            host,
            arguments: Vec::new(),
            env: Env::default(),
            directory: context.directories.state.join("enter"),
            hook: hook_script(context, host),
        }
    }

    /// Writes the start files, whose content never changes.
    fn prepare(&mut self) -> Result<(), files::Error> {
        files::create_private_dir(&self.directory)?;
        match self.host {
            HostShell::Bash => {
                let rc = b"[ ! -r ~/.bashrc ] || . ~/.bashrc\n";
                let path = self.write("bashrc", &[rc, &self.hook[..], BASH_PROMPT].concat())?;
                self.arguments = vec!["--rcfile".into(), path.into(), "-i".into()];
            }
            HostShell::Zsh => {
                self.write(".zshenv", &[ZSHENV, &self.hook[..], ZSH_PROMPT].concat())?;
                match self.env.get("ZDOTDIR").map(OsStr::to_owned) {
                    Some(own) => self.env.set("DEVSH_ZDOTDIR", own),
                    // An inherited one would decide which start files zsh reads.
                    None => self.env.unset("DEVSH_ZDOTDIR"),
                }
                self.env.set("ZDOTDIR", self.directory.clone());
                self.arguments = vec!["-i".into()];
            }
            HostShell::Fish => {
                let path = self.write("hook.fish", &[&self.hook[..], FISH_PROMPT].concat())?;
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
        if files::read_own(&path, 1 << 20)?.as_deref() != Some(bytes) {
            files::write_atomic(&path, bytes)?;
        }
        Ok(path)
    }
}

/// Shows the dev shell in the prompt. A theme that sets the prompt later wins; it can show `DEVSH_SHELL` itself.
const BASH_PROMPT: &[u8] = b"PS1=\"(${DEVSH_SHELL-}) ${PS1-}\"\n";
/// zsh reads the user's prompt after this file, so the first prompt adds it.
const ZSH_PROMPT: &[u8] = b"__devsh_enter_prompt() {
  PS1=\"(${DEVSH_SHELL-}) ${PS1-}\"
  precmd_functions=(${precmd_functions:#__devsh_enter_prompt})
  unfunction __devsh_enter_prompt
}
precmd_functions+=(__devsh_enter_prompt)
";
const FISH_PROMPT: &[u8] =
    b"functions -q fish_prompt; and functions -c fish_prompt __devsh_own_prompt
function fish_prompt
  echo -n \"($DEVSH_SHELL) \"
  functions -q __devsh_own_prompt; and __devsh_own_prompt
end
";

/// Restores the directory of zsh's start files before zsh reads any of them.
const ZSHENV: &[u8] = b"if (( $+DEVSH_ZDOTDIR )); then
  export ZDOTDIR=$DEVSH_ZDOTDIR
  unset DEVSH_ZDOTDIR
else
  unset ZDOTDIR
fi
[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv
";
