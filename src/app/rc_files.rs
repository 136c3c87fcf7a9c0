//! The rc files of the host shells, and the lines in them that load devsh.

use std::path::PathBuf;

use crate::{context::Context, env::HostShell, util::vars};

/// Returns the rc file of a host shell.
pub fn rc_file(context: &Context, shell: HostShell) -> Option<PathBuf> {
    let home = context.directories.home.clone()?;
    let base = |name: &str, or: &str| {
        let set = context.env.get(name).filter(|path| !path.is_empty());
        set.map_or_else(|| home.join(or), PathBuf::from)
    };
    Some(match shell {
        HostShell::Bash => home.join(".bashrc"),
        HostShell::Zsh => base("ZDOTDIR", "").join(".zshrc"),
        HostShell::Fish => base(vars::XDG_CONFIG_HOME, ".config").join("fish/config.fish"),
    })
}

/// Returns whether a line of an rc file does nothing but load the hook or the completions of devsh.
pub fn loads_devsh(line: &str) -> bool {
    let line = line.trim();
    let sourced = line
        .strip_prefix(". ")
        .or_else(|| line.strip_prefix("source "));
    if let Some(path) = sourced {
        let own = ["hook.", "completions."]
            .iter()
            .any(|name| path.contains(&format!("/devsh/hooks/{name}")));
        return own && is_one_word(path.trim());
    }
    HostShell::ALL.iter().any(|shell| {
        ["hook", "completions"].iter().any(|command| {
            line == format!("eval \"$(devsh {command} {shell})\"")
                || line == format!("devsh {command} {shell} | source")
        })
    })
}

/// Returns whether a shell takes `text` for one word.
fn is_one_word(text: &str) -> bool {
    let (mut quote, mut characters) = (None, text.chars().peekable());
    while let Some(character) = characters.next() {
        match (character, quote) {
            // fish has this escape inside of quotes, too.
            ('\\', _) if characters.peek() == Some(&'\'') => drop(characters.next()),
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            (';' | '&' | '|', None) => return false,
            (space, None) if space.is_whitespace() => return false,
            _ => {}
        }
    }
    quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_load_devsh_are_known() {
        for line in [
            "eval \"$(devsh hook bash)\"",
            "  devsh completions fish | source",
            ". /home/u/.local/share/devsh/hooks/hook.zsh",
            ". '/home/a b/.local/share/devsh/hooks/completions.bash'",
            "source /x/devsh/hooks/hook.fish",
            ". '/home/a;b|c&d/.local/share/devsh/hooks/hook.bash'",
            ". '/home/it'\\''s/.local/share/devsh/hooks/hook.zsh'",
            "source '/home/it\\'s/.local/share/devsh/hooks/hook.fish'",
        ] {
            assert!(loads_devsh(line), "{line}");
        }
        for line in [
            "# eval \"$(devsh hook bash)\"",
            "eval \"$(devsh hook bash)\"; rm x",
            ". /x/devsh/hooks/hook.bash && true",
            ". '/x/devsh/hooks/hook.bash'; rm x",
            ". /x/devsh/hooks/hook.bash x",
            "alias d=devsh",
            ". ~/.bash_aliases",
        ] {
            assert!(!loads_devsh(line), "{line}");
        }
    }
}
