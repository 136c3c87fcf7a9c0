//! Variables that can turn what they hold into code: no project sets one without a grant, and a grant is what
//! `devsh allow` shows first.

use std::{collections::BTreeSet, process::Command};

use devsh::manifest;

use crate::support::{Sandbox, for_each_shell, require};

/// The classes of threats.md, each by many names that programs really read.
const NAMES: &str = "
    PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_BIND_NOW LD_DEBUG_OUTPUT GCONV_PATH LOCPATH NLSPATH GLIBC_TUNABLES
    MALLOC_TRACE HOSTALIASES RES_OPTIONS TZDIR DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH DYLD_FRAMEWORK_PATH
    OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES GTK_MODULES GIO_EXTRA_MODULES QT_PLUGIN_PATH GST_PLUGIN_PATH
    GDK_PIXBUF_MODULE_FILE TERMINFO TERMINFO_DIRS TERMCAP
    BASH_ENV ENV PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 PROMPT RPROMPT SPROMPT ZDOTDIR FPATH fish_function_path
    fish_complete_path fish_user_paths NULLCMD READNULLCMD STTY BASH_LOADABLES_PATH GLOBIGNORE EXECIGNORE INPUTRC HISTFILE
    HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_DATA_DIRS XDG_CONFIG_DIRS XDG_RUNTIME_DIR IFS CDPATH TMPDIR SHELL
    PYTHONSTARTUP PYTHONPATH PYTHONHOME PYTHONBREAKPOINT PYTHONUSERBASE PYTHONWARNINGS PYTHONEXECUTABLE
    PYTHONPYCACHEPREFIX NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE RUBYOPT RUBYLIB RUBYSHELL GEM_PATH GEM_HOME
    BUNDLE_GEMFILE PERL5OPT PERL5LIB PERL5DB JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH MAVEN_OPTS
    GRADLE_OPTS LUA_INIT LUA_PATH LUA_CPATH PHPRC PHP_INI_SCAN_DIR R_PROFILE R_ENVIRON R_LIBS JULIA_LOAD_PATH
    DOTNET_STARTUP_HOOKS CORECLR_PROFILER ERL_FLAGS GUILE_LOAD_PATH EMACSLOADPATH VIMINIT EXINIT
    GIT_SSH GIT_SSH_COMMAND GIT_CONFIG_COUNT GIT_CONFIG_GLOBAL GIT_CONFIG_PARAMETERS GIT_DIR GIT_WORK_TREE GIT_EXEC_PATH
    GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_ASKPASS GIT_TEMPLATE_DIR GIT_PROXY_COMMAND
    GIT_OBJECT_DIRECTORY GIT_SSL_NO_VERIFY HGRCPATH HGEDITOR SVN_SSH CVS_RSH RSYNC_RSH
    PAGER LESS LESSOPEN LESSCLOSE LESSKEYIN MANPAGER BAT_PAGER SYSTEMD_PAGER PSQL_PAGER EDITOR VISUAL SUDO_EDITOR
    KUBE_EDITOR SYSTEMD_EDITOR FCEDIT BROWSER SUDO_ASKPASS SSH_ASKPASS SSH_AUTH_SOCK SSH_SK_PROVIDER
    RUSTC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTDOC CARGO_HOME CARGO_BUILD_RUSTC CARGO_TARGET_DIR RUSTUP_HOME
    MAKEFLAGS MAKEFILES GNUMAKEFLAGS CC CXX CPP LD AR AS COMPILER_PATH GCC_EXEC_PREFIX CCACHE_PREFIX CONFIG_SITE
    CONFIG_SHELL AWKPATH GOFLAGS GOPROXY GOSUMDB GOINSECURE GOROOT GOENV GOCACHEPROG
    http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy ftp_proxy NO_PROXY no_proxy SSL_CERT_FILE
    SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE CURL_HOME NODE_EXTRA_CA_CERTS AWS_CA_BUNDLE SSLKEYLOGFILE WGETRC NETRC
    PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE PIP_FIND_LINKS PIP_TRUSTED_HOST UV_INDEX UV_INDEX_URL
    UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_CONFIG_FILE NPM_CONFIG_REGISTRY npm_config_registry
    NPM_CONFIG_SCRIPT_SHELL YARN_REGISTRY COREPACK_NPM_REGISTRY RUSTUP_DIST_SERVER DOCKER_HOST DOCKER_CONFIG KUBECONFIG
    AWS_CONFIG_FILE CLOUDSDK_CONFIG TF_CLI_CONFIG_FILE ANSIBLE_CONFIG HELM_PLUGINS PSQLRC PGPASSFILE GNUPGHOME
    DBUS_SESSION_BUS_ADDRESS RIPGREP_CONFIG_PATH FZF_DEFAULT_COMMAND FZF_DEFAULT_OPTS FZF_CTRL_T_COMMAND
    RUSTFLAGS RUSTDOCFLAGS RUSTUP_TOOLCHAIN CARGO_ALIAS_B CARGO_ENCODED_RUSTFLAGS CARGO_SOURCE_CRATES_IO_REPLACE_WITH
    CARGO_NET_GIT_FETCH_WITH_CLI STARSHIP_CONFIG DIRENV_DIFF DIRENV_CONFIG __MISE_DIFF MISE_GLOBAL_CONFIG_FILE CONDA_EXE
    MAMBA_EXE NVM_DIR ASDF_DIR PYENV_ROOT RBENV_ROOT SDKMAN_DIR TMUX GH_PAGER GH_PATH GLAB_PAGER KUBECTL_EXTERNAL_DIFF
    CMAKE_C_COMPILER_LAUNCHER CMAKE_TOOLCHAIN_FILE CMAKE_GENERATOR PKG_CONFIG PKG_CONFIG_PATH PYTEST_PLUGINS PYTEST_ADDOPTS
    COVERAGE_PROCESS_START UV_PYTHON UV_CACHE_DIR UV_PYTHON_DOWNLOADS_JSON_URL UV_TOOL_DIR PIP_TARGET PIP_PYTHON JAVA_HOME
    JAVACMD MAVEN_ARGS GRADLE_USER_HOME XDG_CACHE_HOME XDG_STATE_HOME DOCKER_CLI_PLUGIN_EXTRA_DIRS COMPOSE_FILE
    TF_PLUGIN_CACHE_DIR PERLLIB PERL_MM_OPT RUBYGEMS_GEMDEPS COMPOSER_HOME ERL_LIBS NUGET_PACKAGES DENO_DIR BUN_INSTALL
    CFLAGS CXXFLAGS LDFLAGS CGO_CFLAGS GOVCS NIX_PATH NIX_CONFIG GI_TYPELIB_PATH VK_ICD_FILENAMES
    ODBCINI KRB5_CONFIG ELECTRON_RUN_AS_NODE GIT_NAMESPACE NEW_TOOL_PAGER NEW_TOOL_EDITOR NEW_TOOL_ASKPASS
    NEW_TOOL_HELPER NEW_TOOL_COMMAND NEW_TOOL_EXECUTABLE SSH_SK_HELPER SSH_PKCS11_HELPER GROFF_BIN_PATH MANROFFOPT
    LESSGLOBALTAGS GITPERLLIB DBUS_SYSTEM_BUS_ADDRESS APT_CONFIG GSS_MECH_CONFIG PGSSLKEY GIT_PS1_STATESEPARATOR
    Npm_Config_Script_Shell Https_Proxy PYTHON NODE CMAKE NM STRIP SED EMACSPATH ESHELL GVIMINIT VALGRIND_LIB
    LLDB_DEBUGSERVER_PATH DEBUGINFOD_URLS LIBMYSQL_PLUGIN_DIR POSH_THEME JJ_CONFIG TIG_SCRIPT TG_TF_PATH
    RCLONE_SFTP_SSH P4PORT PUPPETEER_EXECUTABLE_PATH CHROME_BIN PRISMA_QUERY_ENGINE_BINARY VIRTUALENVWRAPPER_HOOK_DIR
    LEFTHOOK_BIN BOTO_CONFIG BUILDKIT_HOST K9S_CONFIG_DIR PKCS11_MODULE_PATH MAIL REPORTTIME ZLE_RPROMPT_INDENT
    GIT_DIFFTOOL_EXTCMD ZIP ZIPOPT UNZIP MAILCAPS EXIFTOOL_HOME M4 BISON OBJC CUDACXX LDLIBS TARGET_ARCH LOADLIBES VPATH
    HARNESS_PERL HARNESS_PERL_SWITCHES HARNESS_SUBCLASS TCLLIBPATH TCL8_6_TM_PATH PYLINTRC PYLINTHOME TOX_OVERRIDE
    SCONSFLAGS SCONS_LIB_DIR HTTPIE_CONFIG_DIR SE_MANAGER_PATH SE_GECKODRIVER VIRTUAL_ENV DEPENDENCIES_OUTPUT
    SUNPRO_DEPENDENCIES NODE_REDIRECT_WARNINGS TMP TEMP TEMPDIR NINJA QUILTRC MAGICK_CONFIGURE_PATH LS_COLORS EZA_COLORS
    BLACK_CACHE_DIR AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE KEYRING_BACKEND
    PYTHON_HISTORY CATALINA_OPTS IBM_JAVA_OPTIONS CARGO_PROFILE_DEV_RUSTFLAGS MONO_PATH WINEDLLPATH PEX_PATH VAGRANT_CWD
    TASKRC BORG_REMOTE_PATH DARCS_SSH BZR_SSH OMP_TOOL_LIBRARIES SDL_DYNAMIC_API TEXMFCNF XMAKE_GLOBALDIR ZIG_LIB_DIR";

/// Names that no project can set, not even with a grant: they belong to the shells.
const NEVER: [&str; 2] = ["IFS", "PROMPT_COMMAND"];

fn understood(text: &str) -> Result<(), manifest::Error> {
    manifest::parse("devshell.toml", text)
        .and_then(|layer| manifest::merge(&[layer]))
        .map(|_| ())
}

#[test]
fn variables_that_can_run_code_need_a_grant() {
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    assert!(names.len() > 300, "{}", names.len());
    for name in &names {
        for table in ["env", "shells.dev.env"] {
            for value in ["\"x\"", "{ default = \"x\" }", "{ append = [\"x\"] }"] {
                // Entries for `PATH` are what dev shells are about.
                if *name == "PATH" && value.contains("append") {
                    continue;
                }
                let manifest = format!("[{table}]\n{name} = {value}\n");
                let Err(error) = understood(&manifest) else {
                    panic!("{name} = {value} needs no grant");
                };
                assert_eq!(error.origin().line, 2, "{name}: {error}");
                assert!(error.to_string().contains(name), "{error}");
                let granted = format!("{manifest}[grants]\nenv = [\"{name}\"]\n");
                let never = NEVER.contains(name);
                assert_eq!(understood(&granted).is_err(), never, "{name} = {value}");
            }
        }
        // To take one away grants nothing.
        let unset = format!("[env]\n{name} = {{ unset = true }}\n");
        assert_eq!(understood(&unset).is_err(), NEVER.contains(name), "{name}");
    }
}

#[test]
fn grants_are_shown_first() {
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    let names = names.iter().filter(|name| !NEVER.contains(name));
    // With an empty value none of them does harm to what `allow` starts.
    let (mut list, mut env) = (String::new(), String::new());
    for &name in names.clone() {
        list.extend(["\"", name, "\", "]);
        env.extend([name, " = { default = \"\" }\n"]);
    }
    let manifest =
        format!("[aliases]\na = \"b\"\n[env]\nAAA = \"1\"\n{env}[grants]\nenv = [{list}]\n");
    let sandbox = Sandbox::new().manifest(&manifest);
    let outcome = sandbox.devsh(&["allow"]).success();
    let shown: Vec<&str> = outcome.stderr.lines().collect();
    // Names with one value share their lines.
    let manifest = shown.iter().position(|line| line.contains("AAA"));
    let grants = manifest.unwrap_or_else(|| panic!("{outcome}"));
    assert!(shown[0].contains("grant"), "{outcome}");
    assert!(
        !shown[grants..].iter().any(|line| line.contains("grant")),
        "{outcome}"
    );
    for name in names {
        let word = |line: &&str| {
            let mut words = line.split_whitespace();
            words.any(|word| word.trim_end_matches(',') == *name)
        };
        assert!(shown[..grants].iter().any(word), "{name}: {outcome}");
    }
}

/// An enter script that changes variables of every kind, and a function that a child bash would import.
const SCRIPT: &str =
    "export GIT_PAGER=/x.so EDITOR=/x CC=clang HARMLESS=yes PATH=/project/tools:$PATH
env_only() { :; }
export -f env_only
unset PAGER";

#[test]
fn enter_scripts_need_the_grants_of_a_manifest() {
    for granted in [false, true] {
        let grants = if granted {
            "\"GIT_PAGER\", \"CC\", \"EDITOR\", \"PAGER\""
        } else {
            "\"CC\""
        };
        let manifest =
            format!("[hooks]\nenter = \"\"\"\n{SCRIPT}\"\"\"\n[grants]\nenv = [{grants}]\n");
        let prepared = || {
            let sandbox = Sandbox::new().manifest(&manifest).env("EDITOR", "vi");
            sandbox.allow();
            sandbox.env("PAGER", "less")
        };
        let sandbox = prepared();
        // Only bash has functions in the environment.
        let outcome = sandbox.devsh(&["run", "--", "/usr/bin/env"]).success();
        let value = |name: &str| {
            let mut lines = outcome.stdout.lines();
            lines.find_map(|line| line.strip_prefix(&format!("{name}=")))
        };
        let expected = if granted {
            [Some("/x.so"), Some("/x"), None]
        } else {
            [None, Some("vi"), Some("less")]
        };
        let changed = ["GIT_PAGER", "EDITOR", "PAGER"].map(value);
        assert_eq!(changed, expected, "{outcome}");
        assert_eq!(value("CC"), Some("clang"));
        assert_eq!(value("HARMLESS"), Some("yes"));
        assert!(
            value("PATH").unwrap().contains("/project/tools:"),
            "{outcome}"
        );
        assert!(!outcome.stdout.contains("env_only"), "{outcome}");
        let said = "enter scripts may not change `EDITOR`, `GIT_PAGER`, `PAGER`; write `env = [\"EDITOR\", \"GIT_PAGER\", \"PAGER\"]`";
        assert_eq!(outcome.stderr.contains(said), !granted, "{outcome}");
        for_each_shell(|shell| {
            let sandbox = prepared();
            let mut pty = sandbox.shell(shell);
            pty.enter();
            assert_eq!(pty.var("HARMLESS").as_deref(), Some("yes"));
            assert_eq!(pty.var("GIT_PAGER").as_deref(), expected[0]);
            assert_eq!(pty.var("EDITOR").as_deref(), expected[1]);
        });
    }
}

#[test]
fn an_enter_script_cannot_take_the_path_away() {
    let sandbox = Sandbox::new().manifest("[hooks]\nenter = \"export SEEN=1; unset PATH HOME\"\n");
    sandbox.allow();
    let outcome = sandbox.devsh(&["run", "--", "/usr/bin/env"]).success();
    for kept in ["SEEN=1\n", "/bin:/usr/bin:/bin\n", "HOME=~\n"] {
        assert!(outcome.stdout.contains(kept), "{kept}: {outcome}");
    }
    let said = "enter scripts may not change `HOME`, `PATH`";
    assert!(outcome.stderr.contains(said), "{outcome}");
}

#[test]
fn control_characters_need_a_grant_in_every_variable() {
    for value in ["\\u001b]52;c;eA==\\u0007", "\\r", "\\u007f", "\\u009b31m"] {
        let manifest = format!("[env]\nNOTE = \"{value}\"\n");
        let error = understood(&manifest).unwrap_err().to_string();
        assert!(error.contains("`NOTE` has control characters"), "{error}");
        let granted = format!("{manifest}[grants]\nenv = [\"NOTE\"]\n");
        assert!(understood(&granted).is_ok(), "{value}");
    }
    assert!(understood("[env]\nNOTE = \"two\\n\\tlines é\"\n").is_ok());
    let script =
        "[hooks]\nenter = \"export NOTE=$(printf 'a\\\\033]0;b') KEY=$(printf 'a\\\\nb')\"\n";
    let sandbox = Sandbox::new().manifest(script);
    sandbox.allow();
    let outcome = sandbox.devsh(&["run", "--", "/usr/bin/env"]).success();
    assert!(!outcome.stdout.contains("NOTE="), "{outcome}");
    assert!(outcome.stdout.contains("KEY=a\nb\n"), "{outcome}");
}

/// Make expands these in its built-in rules, and `$(shell COMMAND)` in them runs.
#[test]
fn variables_of_the_built_in_rules_of_make_need_a_grant() {
    let Some(make) = require("make") else {
        return;
    };
    let rules = Command::new(make)
        .env_clear()
        .args(["-p", "-f", "/dev/null"])
        .output()
        .unwrap();
    let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
    let is_name = |name: &&str| {
        let mut bytes = name.bytes();
        name.len() > 1
            && bytes.all(|byte| byte.is_ascii_uppercase() || b"_0123456789".contains(&byte))
    };
    let names: BTreeSet<&str> = rules
        .split("$(")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(is_name)
        .collect();
    assert!(names.contains("LDLIBS") && names.len() > 30, "{names:?}");
    for name in names {
        let manifest = format!("[env]\n{name} = \"x\"\n");
        assert!(understood(&manifest).is_err(), "{name}");
    }
}
