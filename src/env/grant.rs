//! Names of variables that can turn what they hold into code: a project sets them only with a grant.

/// Each name, or the beginning of names where it ends in `*`, with what the variable can do.
const EFFECTS: &[(&str, &str)] = &[
    ("ALL_PROXY", PROXY),
    ("BASH_ENV", START),
    ("BROWSER", COMMAND),
    ("CARGO_HOME", SETTINGS),
    ("CC", COMMAND),
    ("CDPATH", "changes where `cd` goes"),
    ("CURL_CA_BUNDLE", PROXY),
    ("CURL_HOME", SETTINGS),
    ("CXX", COMMAND),
    ("DOCKER_HOST", REMOTE),
    ("DYLD_*", LOADER),
    ("EDITOR", COMMAND),
    ("ENV", START),
    ("FPATH", START),
    ("GCONV_PATH", LOADER),
    ("GIT_ASKPASS", COMMAND),
    ("GIT_CONFIG*", SETTINGS),
    ("GIT_DIR", SETTINGS),
    ("GIT_EDITOR", COMMAND),
    ("GIT_EXEC_PATH", COMMAND),
    ("GIT_EXTERNAL_DIFF", COMMAND),
    ("GIT_PAGER", COMMAND),
    ("GIT_SEQUENCE_EDITOR", COMMAND),
    ("GIT_SSH", COMMAND),
    ("GIT_SSH_COMMAND", COMMAND),
    ("GIT_TEMPLATE_DIR", COMMAND),
    ("GOFLAGS", COMPILER),
    ("GOPROXY", REMOTE),
    ("HOME", SETTINGS),
    ("HTTPS_PROXY", PROXY),
    ("HTTP_PROXY", PROXY),
    ("JAVA_TOOL_OPTIONS", INTERPRETER),
    ("JDK_JAVA_OPTIONS", INTERPRETER),
    ("KUBECONFIG", REMOTE),
    ("LD_*", LOADER),
    ("LESSCLOSE", COMMAND),
    ("LESSOPEN", COMMAND),
    ("LOCPATH", LOADER),
    ("MAKEFLAGS", COMMAND),
    ("MANPAGER", COMMAND),
    ("NODE_EXTRA_CA_CERTS", PROXY),
    ("NODE_OPTIONS", INTERPRETER),
    ("NODE_PATH", INTERPRETER),
    ("NPM_CONFIG_*", REMOTE),
    ("PAGER", COMMAND),
    ("PATH", "decides which programs run"),
    ("PERL5DB", INTERPRETER),
    ("PERL5LIB", INTERPRETER),
    ("PERL5OPT", INTERPRETER),
    ("PIP_EXTRA_INDEX_URL", REMOTE),
    ("PIP_INDEX_URL", REMOTE),
    ("PROMPT_COMMAND", START),
    ("PS0", START),
    ("PS1", START),
    ("PS4", START),
    ("PYTHONBREAKPOINT", INTERPRETER),
    ("PYTHONHOME", INTERPRETER),
    ("PYTHONPATH", INTERPRETER),
    ("PYTHONSTARTUP", INTERPRETER),
    ("REQUESTS_CA_BUNDLE", PROXY),
    ("RUBYLIB", INTERPRETER),
    ("RUBYOPT", INTERPRETER),
    ("RUSTC", COMPILER),
    ("RUSTC_WORKSPACE_WRAPPER", COMPILER),
    ("RUSTC_WRAPPER", COMPILER),
    ("SHELL", COMMAND),
    ("SSH_ASKPASS", COMMAND),
    ("SSL_CERT_DIR", PROXY),
    ("SSL_CERT_FILE", PROXY),
    ("SUDO_ASKPASS", COMMAND),
    ("TERMINFO", LOADER),
    ("TMPDIR", "decides where programs put their temporary files"),
    ("UV_DEFAULT_INDEX", REMOTE),
    ("UV_INDEX", REMOTE),
    ("UV_INDEX_URL", REMOTE),
    ("VISUAL", COMMAND),
    ("XDG_*", SETTINGS),
    ("ZDOTDIR", START),
    ("_JAVA_OPTIONS", INTERPRETER),
    ("all_proxy", PROXY),
    ("fish_function_path", START),
    ("http_proxy", PROXY),
    ("https_proxy", PROXY),
    ("npm_config_*", REMOTE),
];

const COMMAND: &str = "names a command that programs run";
const COMPILER: &str = "changes what a compiler runs";
const INTERPRETER: &str = "makes an interpreter load code";
const LOADER: &str = "is read by the dynamic loader";
const PROXY: &str = "decides whom connections trust";
const REMOTE: &str = "decides which server programs use";
const SETTINGS: &str = "decides which settings programs read";
const START: &str = "makes a shell run code";

/// Returns what a variable of this name can do, if it can turn what it holds into code.
pub fn effect(name: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    EFFECTS
        .iter()
        .find(|(pattern, _)| matches(pattern))
        .map(|(_, effect)| *effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_code_are_known() {
        assert!(EFFECTS.is_sorted_by(|left, right| left.0 < right.0));
        for name in [
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "GIT_CONFIG_COUNT",
            "XDG_CONFIG_HOME",
            "CC",
        ] {
            assert!(effect(name).is_some(), "{name}");
        }
        for name in [
            "DATABASE_URL",
            "CCACHE_DIR",
            "LDFLAGS",
            "PORT",
            "PYTHONUNBUFFERED",
        ] {
            assert!(effect(name).is_none(), "{name}");
        }
    }
}
