//! Variables that bash, zsh and fish read themselves: no project sets one without a grant.

use std::{collections::BTreeSet, process::Command};

use devsh::manifest;

use crate::support::{HostShell, Sandbox, for_each_shell, require};

/// The variables in the manuals: zshparam, zshzle, zshmodules and zshcontrib, "Shell Variables" of bash, and "Special
/// variables" of fish.
const DOCUMENTED: &str = "
    ARGV0 BAUD CDPATH COLUMNS CORRECT_IGNORE CORRECT_IGNORE_FILE DIRSTACKSIZE ENV FCEDIT FIGNORE FPATH HISTCHARS HISTFILE
    HISTORY_IGNORE HISTSIZE HOME IFS KEYBOARD_HACK KEYTIMEOUT LINES LISTMAX LOGCHECK MAIL MAILCHECK MAILPATH MODULE_PATH
    NULLCMD PATH POSTEDIT PROMPT PROMPT2 PROMPT3 PROMPT4 PROMPT_EOL_MARK PS1 PS2 PS3 PS4 PSVAR READNULLCMD REPORTMEMORY
    REPORTTIME REPLY RPROMPT RPS1 RPROMPT2 RPS2 SAVEHIST SPROMPT STTY TERMINFO TERMINFO_DIRS TIMEFMT TMOUT TMPPREFIX
    TMPSUFFIX WATCHFMT WORDCHARS ZBEEP ZDOTDIR ZLE_LINE_ABORTED ZLE_REMOVE_SUFFIX_CHARS ZLE_RPROMPT_INDENT
    ZLE_SPACE_SUFFIX_CHARS zle_bracketed_paste zle_highlight zle_cursorform ZLS_COLORS ZLS_COLOURS LISTPROMPT MENUPROMPT
    MENUSELECT MENUSCROLL MENUMODE SELECTMIN SELECTMAX ZFTP_TMOUT ZFTP_PREFS ZFTP_VERBOSE ZCALCPROMPT TCP_PROMPT
    TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT PERIOD SECONDS RANDOM
    BASHOPTS BASH_ALIASES BASH_ARGV0 BASH_CMDS BASH_COMPAT BASH_ENV BASH_LOADABLES_PATH BASH_XTRACEFD CHILD_MAX COMP_CWORD
    COMP_WORDBREAKS EMACS EXECIGNORE FUNCNEST GLOBIGNORE GLOBSORT HISTCONTROL HISTFILESIZE HISTIGNORE HISTTIMEFORMAT
    HOSTFILE IGNOREEOF ignoreeof hostname_completion_file INPUTRC OPTERR OPTIND POSIXLY_CORRECT PROMPT_COMMAND
    PROMPT_DIRTRIM PS0 SHELL SHELLOPTS TEXTDOMAIN TEXTDOMAINDIR TIMEFORMAT TMPDIR auto_resume histchars
    BROWSER fish_ambiguous_width fish_complete_path fish_cursor_default fish_cursor_unknown fish_emoji_width
    fish_escape_delay_ms fish_function_path fish_greeting fish_handle_reflow fish_help_browser fish_history
    fish_key_bindings fish_prompt_pwd_dir_length fish_sequence_key_delay_ms fish_term24bit fish_term256 fish_trace
    fish_user_paths FISH_DEBUG FISH_DEBUG_OUTPUT umask
    GIT_PS1_DESCRIBE_STYLE GIT_PS1_SHOWUPSTREAM GIT_PS1_STATESEPARATOR";

/// What the shells only show, compare or give to the C library.
const PLAIN: &[&str] = &[
    "COLORTERM",
    "CPUTYPE",
    "HOST",
    "HOSTNAME",
    "HOSTTYPE",
    "INSIDE_EMACS",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "MACHTYPE",
    "MANPATH",
    "OSTYPE",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TZ",
    "USER",
    "VENDOR",
    "WATCH",
    "hostname",
];

fn asks_nothing(name: &str) -> bool {
    sets(name, "x")
}

/// Returns whether a project can set a variable to this value without a grant.
fn sets(name: &str, value: &str) -> bool {
    let manifest = format!("[env]\n{name} = \"{value}\"\n");
    manifest::parse("devshell.toml", &manifest)
        .and_then(|layer| manifest::merge(&[layer]))
        .is_ok()
}

/// Returns the names that a shell prints, without the environment of the test.
fn printed(shell: HostShell, arguments: &[&str]) -> Vec<String> {
    let Some(program) = require(shell.name()) else {
        return Vec::new();
    };
    let sandbox = Sandbox::new();
    let outcome = Command::new(program)
        .env_clear()
        .env("HOME", sandbox.home())
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(!text.trim().is_empty(), "{outcome:?}");
    text.lines().map(str::to_owned).collect()
}

/// Returns the names of the variables that a shell gives a meaning to.
fn own_names(shell: HostShell) -> Vec<String> {
    let arguments: &[&str] = match shell {
        HostShell::Zsh => &[
            "-fc",
            "for module in ${^module_path}/**/*.so(N); do \
zmodload ${${module#$module_path[1]/}%.so}; done 2>/dev/null >&2
for name in ${(k)parameters}; do [[ $parameters[$name] == *special* ]] && print -r -- $name; done; :",
        ],
        HostShell::Bash => &["--norc", "--noprofile", "-ic", "compgen -v"],
        HostShell::Fish => &["--no-config", "-ic", "set -n"],
    };
    let is_name = |name: &String| {
        let mut bytes = name.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    let mut names = printed(shell, arguments);
    names.retain(is_name);
    names
}

#[test]
fn a_project_needs_a_grant_for_the_variables_of_the_shells() {
    for name in DOCUMENTED.split_whitespace() {
        assert!(!asks_nothing(name), "{name}");
    }
    for name in HostShell::ALL.into_iter().flat_map(own_names) {
        let plain = PLAIN.contains(&name.as_str()) || name.starts_with("LC_");
        // The example module of zsh and the user that runs the test.
        let foreign = name.starts_with("ex") || name == "version" || name == "SHLVL";
        assert!(plain || foreign || !asks_nothing(&name), "{name}");
    }
}

#[test]
fn what_a_project_sets_without_a_grant_runs_no_code_in_a_shell() {
    for_each_shell(|shell| {
        let documented = DOCUMENTED.split_whitespace().chain(PLAIN.iter().copied());
        let all: BTreeSet<String> = own_names(shell)
            .into_iter()
            .chain(documented.map(str::to_owned))
            .filter(|name| asks_nothing(name))
            .collect();
        assert!(all.contains("HOST") && all.contains("TERM"), "{all:?}");
        for form in ["$(touch RAN)", "`touch RAN`", "path[$(touch RAN)1]"] {
            let sandbox = Sandbox::new();
            let ran = sandbox.root().join("ran");
            let value = form.replace("RAN", ran.to_str().unwrap());
            let lines = all.iter().map(|name| format!("{name} = '{value}'\n"));
            let sandbox = sandbox.manifest(&format!("[env]\n{}", lines.collect::<String>()));
            sandbox.allow();
            let mut pty = sandbox.shell(shell);
            pty.enter();
            assert_eq!(pty.var("HOST"), Some(value.clone()));
            // After an external command zsh looks at more of its variables.
            pty.type_line("cd . && /bin/ls");
            pty.leave();
            assert_eq!(pty.var("HOST"), None);
            assert!(!ran.exists(), "{form}");
            // The same value in a variable that needs a grant does run: zsh evaluates its numbers.
            if shell == HostShell::Zsh && form.starts_with("path") {
                let manifest =
                    format!("[grants]\nenv = [\"REPORTTIME\"]\n[env]\nREPORTTIME = '{value}'\n");
                sandbox.write("devshell.toml", manifest);
                sandbox.allow();
                pty.enter();
                pty.type_line("/bin/ls");
                assert!(ran.exists(), "{form}");
            }
        }
    });
}

#[test]
fn plain_numbers_need_a_grant_too() {
    // They shorten the file of the history, or change the meaning of the digits that the user types.
    for name in [
        "HISTCHARS",
        "HISTFILESIZE",
        "HISTSIZE",
        "KEYBOARD_HACK",
        "POSIXLY_CORRECT",
        "SAVEHIST",
    ] {
        assert!(!sets(name, "1"), "{name}");
    }
}
