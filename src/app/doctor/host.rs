//! The host shell: its version, its rc file, the hook, and other tools that hook into prompts.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    app::{rc_files::rc_file, reload::hook_script, typing_shell::TypingShell},
    context::Context,
    report::paths::display_path,
    shell::HostShell,
    util::{files, vars},
};

use super::check::Check;

/// The longest accepted rc file, in bytes.
const LIMIT: u64 = 1 << 20;

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let mut checks = vec![program(context)];
    let account = context.env.get(vars::SHELL).and_then(HostShell::of_program);
    let Some(shell) = CheckedShell::find(context, account) else {
        checks.push(match context.env.get(vars::SHELL) {
            None => Check::warning(
                "shell",
                "`SHELL` is not set, so your hook is unknown",
                "set `SHELL` to your shell; `devsh run` and `devsh enter SHELL` work without",
            ),
            Some(_) => Check::warning(
                "shell",
                "`SHELL` is not bash, zsh or fish, which have hooks",
                "use `devsh enter` and `devsh run`, or a shell with a hook",
            ),
        });
        return checks;
    };
    checks.push(version(context, &shell));
    let rc = RcFile::read(context, shell.host);
    checks.extend(rc.map(|rc| rc.check(context, &shell)));
    checks.extend(account.and_then(|account| account_shell(context, account, &shell)));
    checks.extend(written_hook(context, shell.host));
    checks.extend(others(context));
    checks
}

/// The host shell that is checked.
struct CheckedShell {
    program: PathBuf,
    host: HostShell,
    /// True if it has the hook; nothing if the user types in no known shell.
    is_hooked: Option<bool>,
}

impl CheckedShell {
    /// Returns the shell in which the command was typed, else the one of the account. A script may be in any shell.
    fn find(context: &Context, account: Option<HostShell>) -> Option<Self> {
        let typing = TypingShell::find();
        if let Some(typing) = typing.filter(|typing| typing.is_interactive) {
            return Some(Self {
                is_hooked: Some(typing.has_hook(&context.directories.state)),
                program: typing.program,
                host: typing.host,
            });
        }
        Some(Self {
            program: PathBuf::from(context.env.get(vars::SHELL)?),
            host: account?,
            is_hooked: None,
        })
    }
}

/// Says that new terminals may start a shell without the hook, if the user types in another one.
fn account_shell(context: &Context, account: HostShell, shell: &CheckedShell) -> Option<Check> {
    let rc = RcFile::read(context, account).filter(|_| account != shell.host)?;
    let name = display_path(context, &rc.path);
    rc.code().all(|line| !rc.loads_hook(line)).then(|| {
        Check::ok(
            "SHELL",
            format!("it is {account}, and {name} does not load the hook"),
        )
    })
}

/// Checks that `devsh` on PATH is this program.
fn program(context: &Context) -> Check {
    let own = context.program.canonicalize().ok();
    let path = context.shell_env.get(vars::PATH).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let name = display_path(context, &context.program);
    match which::which_in("devsh", Some(path), "/") {
        Ok(found) if found.canonicalize().ok() == own => Check::ok(
            "devsh",
            format!("{version}, `{}`", display_path(context, &found)),
        ),
        Ok(found) => Check::warning(
            "devsh",
            format!(
                "`{}` comes first on PATH, this is `{name}`",
                display_path(context, &found)
            ),
            format!(
                "remove the other one, or put `{}` first",
                directory(&context.program)
            ),
        ),
        Err(_) => Check::warning(
            "devsh",
            format!("`{name}` is not on PATH"),
            format!(
                "add `{}` to PATH in your rc file",
                directory(&context.program)
            ),
        ),
    }
}

fn directory(program: &Path) -> String {
    program.parent().unwrap_or(program).display().to_string()
}

/// The oldest version of a shell whose hook works.
const fn oldest(shell: HostShell) -> (u32, u32) {
    match shell {
        HostShell::Bash => (3, 2),
        HostShell::Zsh => (5, 0),
        HostShell::Fish => (3, 6),
    }
}

fn version(context: &Context, shell: &CheckedShell) -> Check {
    let (program, shell) = (&shell.program, shell.host);
    let output = Command::new(program)
        .arg("--version")
        .env_clear()
        .envs(context.env.iter())
        .env_remove(vars::BASH_ENV)
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let found = text.ok().as_deref().and_then(first_version);
    let (major, minor) = oldest(shell);
    match found {
        Some(found) if found >= (major, minor) => {
            Check::ok("shell", format!("{shell} {}.{}", found.0, found.1))
        }
        Some(found) => Check::error(
            "shell",
            format!(
                "{shell} {}.{} is older than {major}.{minor}",
                found.0, found.1
            ),
            format!("install {shell} {major}.{minor} or newer"),
        ),
        None => Check::error(
            "shell",
            format!("`{}` does not report its version", program.display()),
            "set `SHELL` to your shell, `chsh` does it for good",
        ),
    }
}

/// Returns the first `number.number` in the output of a shell.
fn first_version(text: &str) -> Option<(u32, u32)> {
    text.split(|character: char| !(character.is_ascii_digit() || character == '.'))
        .find_map(|word| {
            let (major, rest) = word.split_once('.')?;
            let minor = rest.split('.').next()?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        })
}

/// The rc file of a host shell.
struct RcFile {
    host: HostShell,
    path: PathBuf,
    text: String,
}

impl RcFile {
    /// Reads the file; one that cannot be read is empty.
    fn read(context: &Context, host: HostShell) -> Option<Self> {
        let path = rc_file(context, host)?;
        let bytes = files::read_own(&path, LIMIT).ok().flatten();
        Some(Self {
            host,
            text: String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
            path,
        })
    }

    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map(str::trim);
        lines.filter(|line| !line.starts_with('#'))
    }

    fn loads_hook(&self, line: &str) -> bool {
        let own = format!("hook.{}", self.host);
        line.contains("devsh hook") || (line.contains("devsh") && line.contains(&own))
    }

    /// Checks that the file and `shell` have the hook, and that nothing after it changes PATH.
    fn check(&self, context: &Context, shell: &CheckedShell) -> Check {
        let name = display_path(context, &self.path);
        let line = hook_line(context, self.host);
        let Some(at) = self.code().position(|line| self.loads_hook(line)) else {
            return match shell.is_hooked {
                Some(true) => Check::warning(
                    "hook",
                    format!("this shell has it, but {name} does not load it"),
                    format!("if new shells do not have it, add `{line}` to {name}"),
                ),
                _ => Check::error(
                    "hook",
                    format!("{name} does not load it"),
                    format!("add `{line}` to {name} and start a new shell"),
                ),
            };
        };
        if shell.is_hooked == Some(false) {
            return Check::warning(
                "hook",
                format!("{name} loads it, but this shell does not have it"),
                format!("start a new shell that reads {name}: `exec {}`", self.host),
            );
        }
        let rival = [
            "mise activate",
            "pyenv init",
            "direnv hook",
            "asdf.sh",
            "nvm.sh",
            "conda initialize",
        ];
        let mut after = self.code().skip(at + 1);
        let later = after.find_map(|line| rival.iter().find(|rival| line.contains(**rival)));
        match later {
            Some(rival) => Check::warning(
                "hook",
                format!("`{rival}` comes after it in {name} and may put its programs first"),
                format!("move `{line}` to the end of {name}"),
            ),
            None if shell.is_hooked == Some(true) => {
                Check::ok("hook", format!("this shell has it, and {name} loads it"))
            }
            None => Check::ok("hook", format!("{name} loads it")),
        }
    }
}

/// Returns the line of an rc file that loads the hook.
fn hook_line(context: &Context, host: HostShell) -> String {
    // `install.sh` writes the hook to a file, which a shell reads faster.
    let written = context.directories.data.join(format!("hooks/hook.{host}"));
    match host {
        HostShell::Fish if written.exists() => format!("source {}", quoted(&written)),
        HostShell::Fish => "devsh hook fish | source".to_owned(),
        _ if written.exists() => format!(". {}", quoted(&written)),
        _ => format!("eval \"$(devsh hook {host})\""),
    }
}

/// Checks that the hook that `install.sh` wrote has this version.
fn written_hook(context: &Context, shell: HostShell) -> Option<Check> {
    let path = context.directories.data.join(format!("hooks/hook.{shell}"));
    let bytes = files::read_own(&path, LIMIT).ok()??;
    let current = hook_script(context, shell);
    let name = display_path(context, &path);
    if bytes == current {
        return Some(Check::ok("hook text", format!("{name} is current")));
    }
    Some(Check::warning(
        "hook text",
        format!("{name} was written by another version or another program"),
        format!("write it again: `devsh hook {shell} > {}`", quoted(&path)),
    ))
}

fn quoted(path: &Path) -> String {
    shell_escape::unix::escape(path.to_string_lossy()).into_owned()
}

/// Checks for other tools that change the environment at prompts.
fn others(context: &Context) -> Vec<Check> {
    let is_set = |name: &str| {
        context
            .shell_env
            .get(name)
            .is_some_and(|value| !value.is_empty())
    };
    let mut checks = Vec::new();
    if is_set("DIRENV_DIR") {
        checks.push(Check::warning(
            "direnv",
            "direnv has loaded an `.envrc` here, and both change PATH",
            "use one of them in a directory: `direnv deny` here, or `devsh deny`",
        ));
    }
    if is_set("MISE_SHELL") || is_set("__MISE_DIFF") {
        checks.push(Check::warning(
            "mise",
            "mise is active in this shell and puts its tools on PATH at each prompt",
            "load devsh's hook after mise's, or remove the tools that the project has from mise",
        ));
    }
    let foreign = is_set(vars::VIRTUAL_ENV) && !is_set(vars::DEVSH_ROOT);
    if foreign {
        let place = context
            .shell_env
            .get(vars::VIRTUAL_ENV)
            .unwrap_or(OsStr::new(""));
        checks.push(Check::warning(
            "virtualenv",
            format!("`{}` is activated by hand", Path::new(place).display()),
            "run `deactivate` before you enter a project",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        for (text, version) in [
            (
                "GNU bash, version 3.2.57(1)-release (arm64-apple-darwin23)",
                (3, 2),
            ),
            ("zsh 5.9 (x86_64-debian-linux-gnu)", (5, 9)),
            ("fish, version 3.6.0", (3, 6)),
        ] {
            assert_eq!(first_version(text), Some(version));
        }
        assert_eq!(first_version("no version"), None);
    }
}
