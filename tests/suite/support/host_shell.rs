//! Differences between the host shells: their start and their languages.

use std::{ffi::OsString, path::Path};

/// A host shell that the tests drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostShell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl HostShell {
    /// Every host shell.
    pub(crate) const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// Returns the shell's name, as `devsh hook` takes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// Returns the line that users put into their rc file.
    pub(crate) fn hook_line(self) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("eval \"$(devsh hook {})\"", self.name()),
            Self::Fish => "devsh hook fish | source".to_owned(),
        }
    }

    /// Returns the rc file below the sandbox's home directory.
    pub(crate) const fn rc_file(self) -> &'static str {
        match self {
            Self::Bash => ".bashrc",
            Self::Zsh => ".zshrc",
            Self::Fish => ".config/fish/config.fish",
        }
    }

    /// Returns the arguments of an interactive shell that reads `rc` and nothing else of the machine.
    ///
    /// Line editors are off where that is possible, because they change the input.
    pub(crate) fn arguments(self, rc: &Path) -> Vec<OsString> {
        match self {
            Self::Bash => vec![
                "--noprofile".into(),
                "--noediting".into(),
                "--rcfile".into(),
                rc.into(),
                "-i".into(),
            ],
            Self::Zsh => vec!["-d".into(), "+Z".into(), "-i".into()],
            Self::Fish => vec!["-i".into()],
        }
    }

    /// Returns the line of this shell that starts `other`, as `arguments` has it, with the rc file in `home`.
    pub(crate) fn interactive(self, other: Self, home: &Path) -> String {
        let mut line = other.name().to_owned();
        for argument in other.arguments(&home.join(other.rc_file())) {
            line.push(' ');
            line.push_str(&self.quoted(argument.to_str().expect("test paths are text")));
        }
        line
    }

    /// Returns the rc text that makes the prompt show the number of commands that were run.
    ///
    /// With a number, a prompt that is drawn twice does not count as a second command.
    pub(crate) const fn prompt(self) -> &'static str {
        match self {
            Self::Bash => "PS1='<<\\#>>' PS2='' HISTFILE=\n",
            Self::Zsh => {
                "unsetopt prompt_sp prompt_cr; setopt prompt_subst\n\
                 __devsh_test_count=1 PS1='<<$__devsh_test_count>>' PS2='' HISTFILE=\n\
                 __devsh_test_preexec() { __devsh_test_count=$((__devsh_test_count + 1)); }\n\
                 preexec_functions=(__devsh_test_preexec)\n"
            }
            Self::Fish => {
                "set -g __devsh_test_count 1\n\
                 function __devsh_test_preexec --on-event fish_preexec\n\
                 set -g __devsh_test_count (math $__devsh_test_count + 1)\nend\n\
                 function fish_prompt; echo -n \"<<$__devsh_test_count>>\"; end\n\
                 function fish_right_prompt; end\nfunction fish_greeting; end\n\
                 function fish_title; end\n\
                 set -g fish_autosuggestion_enabled 0\n"
            }
        }
    }

    /// Returns `text` as one word of the shell's language.
    pub(crate) fn quoted(self, text: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("'{}'", text.replace('\'', "'\\''")),
            Self::Fish => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }

    /// Returns `line` with both outputs redirected to `file`, without a subshell.
    pub(crate) fn redirected(self, line: &str, file: &Path) -> String {
        let file = self.quoted(file.to_str().expect("test paths are text"));
        match self {
            Self::Bash | Self::Zsh => format!("{{ {line}; }} >{file} 2>&1"),
            Self::Fish => format!("begin; {line}; end >{file} 2>&1"),
        }
    }

    /// Returns the statement that sets and exports a variable.
    pub(crate) fn export(self, name: &str, value: &str) -> String {
        let value = self.quoted(value);
        match self {
            Self::Bash | Self::Zsh => format!("export {name}={value}"),
            Self::Fish => format!("set -gx {name} {value}"),
        }
    }

    /// Returns the statement that removes a variable.
    pub(crate) fn unset(self, name: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("unset {name}"),
            Self::Fish => format!("set -e {name}"),
        }
    }

    /// Returns the statement that defines an alias.
    pub(crate) fn alias(self, name: &str, value: &str) -> String {
        format!("alias {name}={}", self.quoted(value))
    }

    /// Returns the statement that defines a function printing `text`.
    pub(crate) fn function(self, name: &str, text: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("{name}() {{ echo {text}; }}"),
            Self::Fish => format!("function {name}; echo {text}; end"),
        }
    }

    /// Returns the statement that prints how a variable is declared, with its value.
    pub(crate) fn declaration(self, name: &str) -> String {
        match self {
            Self::Bash => format!("declare -p {name}"),
            Self::Zsh => format!("typeset -p {name}"),
            Self::Fish => format!("set -S {name}"),
        }
    }

    /// Returns the expression of the last command's exit status.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Bash | Self::Zsh => "$?",
            Self::Fish => "$status",
        }
    }

    /// Returns a script that prints the state of the shell without the parts of devsh and of the tests.
    pub(crate) const fn dump(self) -> &'static str {
        match self {
            Self::Bash => DUMP_BASH,
            Self::Zsh => DUMP_ZSH,
            Self::Fish => DUMP_FISH,
        }
    }
}

// Variables that the shell updates, and `PROMPT_COMMAND` with the hook, are left out by name.
// Tests about them read their values.
const DUMP_BASH: &str = r##"
echo "# aliases"; alias -p
echo "# functions"
for __devsh_test_name in $(compgen -A function); do
  case $__devsh_test_name in __devsh_*) ;; *) declare -f "$__devsh_test_name" ;; esac
done
echo "# options"; shopt -p; set +o
echo "# traps"; trap -p
echo "# variables"
for __devsh_test_name in $(compgen -v); do
  case $__devsh_test_name in __devsh_*|BASH_*|FUNCNAME|PIPESTATUS|OLDPWD|_) ;; *) echo "$__devsh_test_name" ;; esac
done
"##;

const DUMP_ZSH: &str = r##"
echo "# aliases"; alias -L; alias -gL; alias -sL
echo "# functions"
for __devsh_test_name in ${(ko)functions[@]}; do
  case $__devsh_test_name in __devsh_*) ;; *) functions "$__devsh_test_name" ;; esac
done
echo "# options"
for __devsh_test_name in ${(ko)options[@]}; do print -r -- "$__devsh_test_name ${options[$__devsh_test_name]}"; done
echo "# traps"; trap
echo "# variables"
for __devsh_test_name in ${(ko)parameters[@]}; do
  case $__devsh_test_name in __devsh_*|OLDPWD|precmd_functions|_) ;; *) print -r -- "$__devsh_test_name" ;; esac
done
"##;

// The first loop autoloads functions, which may define more functions.
const DUMP_FISH: &str = r##"
for __devsh_test_name in (functions --all --names)
    functions $__devsh_test_name >/dev/null
end
echo "# functions"
for __devsh_test_name in (functions --all --names)
    string match -q '__devsh_*' -- $__devsh_test_name; or functions --no-details $__devsh_test_name
end
echo "# abbreviations"; abbr --show
echo "# variables"
set --names | string match -v -r '^(__devsh_.*|__fish_.*|_|OLDPWD|dirprev|dirnext|__fish_cd_direction|CMD_DURATION|history|status_generation|pipestatus|status)$'
set -e __devsh_test_name
"##;
