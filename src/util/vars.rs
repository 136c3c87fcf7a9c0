//! The environment variables that devsh reads or sets.

/// Set: canonical path of the project whose dev shell the host shell has loaded.
pub const DEVSH_ROOT: &str = "DEVSH_ROOT";
/// Set: name of the loaded dev shell (`dev`, `test`).
pub const DEVSH_SHELL: &str = "DEVSH_SHELL";
/// Set: the session, with the way back to the old environment; see `prompt::session_var`.
pub const DEVSH_DIFF: &str = "DEVSH_DIFF";
/// Read: what the hook remembers of former dev shells; see `prompt::former_values`.
pub const FORMER_VALUES: &str = "__devsh_former";
/// Read: the shell that requests completions.
pub const DEVSH_COMPLETE: &str = "DEVSH_COMPLETE";
/// Read: a filter for diagnostic logging on stderr, in the syntax of `tracing` (`devsh=debug`).
pub const DEVSH_LOG: &str = "DEVSH_LOG";
/// Read: directories with `:` between them at which the search for a project in parent directories stops.
pub const DEVSH_CEILING_DIRECTORIES: &str = "DEVSH_CEILING_DIRECTORIES";
/// Read: any value except an empty one and `0` lets the search for a project cross mount points.
pub const DEVSH_ACROSS_FILESYSTEMS: &str = "DEVSH_ACROSS_FILESYSTEMS";
/// Read: the API of GitHub or of an Enterprise server, instead of `sources.github-api` in the settings.
pub const DEVSH_GITHUB_API: &str = "DEVSH_GITHUB_API";
/// Read: the id of the user who called `sudo`.
pub const SUDO_UID: &str = "SUDO_UID";

/// Read: the user's home directory.
pub const HOME: &str = "HOME";
/// Read and changed: the directories of programs.
pub const PATH: &str = "PATH";
/// Read: the logical working directory, kept by host shells.
pub const PWD: &str = "PWD";
/// Read: the user's login shell, which `devsh enter` starts.
pub const SHELL: &str = "SHELL";
/// Read: base of the user's data files (store, approvals).
pub const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Read: base of the user's state files (records, logs).
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Read: base of the user's cache files (index pages, partial downloads).
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Read: base of the user's configuration files.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Read: any value turns colours off.
pub const NO_COLOR: &str = "NO_COLOR";
/// The width of the terminal, for output that is not on one.
pub const COLUMNS: &str = "COLUMNS";
/// Read: `dumb` turns colours and progress bars off.
pub const TERM: &str = "TERM";
/// Read: any value except an empty one, `0` and `false` means a CI job.
pub const CI: &str = "CI";

/// Read: the file of a GitHub job to which a step appends variables.
pub const GITHUB_ENV: &str = "GITHUB_ENV";
/// Read: the file of a GitHub job to which a step appends entries of `PATH`.
pub const GITHUB_PATH: &str = "GITHUB_PATH";
/// Read: the token for the server of `GITHUB_API_URL`, as GitHub's jobs set it.
pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// Read: the API that `GITHUB_TOKEN` is for; without it that of github.com.
pub const GITHUB_API_URL: &str = "GITHUB_API_URL";
/// Read: the token for github.com, as `gh` names it.
pub const GH_TOKEN: &str = "GH_TOKEN";
/// Read: the token for the Enterprise server of the settings, as `gh` names it.
pub const GH_ENTERPRISE_TOKEN: &str = "GH_ENTERPRISE_TOKEN";
/// Read: another name of `GH_ENTERPRISE_TOKEN`.
pub const GITHUB_ENTERPRISE_TOKEN: &str = "GITHUB_ENTERPRISE_TOKEN";
/// Read: the directory of `gh`'s settings.
pub const GH_CONFIG_DIR: &str = "GH_CONFIG_DIR";
/// Read by a non-interactive bash at its start; removed for enter and leave scripts.
pub const BASH_ENV: &str = "BASH_ENV";

/// Read: where `install.sh` installs.
pub const PREFIX: &str = "PREFIX";
/// Read: the Python package index, as pip names it.
pub const PIP_INDEX_URL: &str = "PIP_INDEX_URL";
/// Read: the Python package index, as uv names it; wins over `PIP_INDEX_URL`.
pub const UV_DEFAULT_INDEX: &str = "UV_DEFAULT_INDEX";
/// Read: the older name of `UV_DEFAULT_INDEX`.
pub const UV_INDEX_URL: &str = "UV_INDEX_URL";
/// Read: replaces the release URL of python-build-standalone; `file:` is allowed.
pub const UV_PYTHON_INSTALL_MIRROR: &str = "UV_PYTHON_INSTALL_MIRROR";
/// Read: the Rust dist server, without `/dist`.
pub const RUSTUP_DIST_SERVER: &str = "RUSTUP_DIST_SERVER";
/// Read: the file with user names and passwords of servers, instead of `~/.netrc`.
pub const NETRC: &str = "NETRC";
/// Set: the directory of a dev shell's conda packages.
pub const CONDA_PREFIX: &str = "CONDA_PREFIX";
/// Read: the server of the conda channels that are named without an address.
pub const CONDA_CHANNEL_ALIAS: &str = "CONDA_CHANNEL_ALIAS";
/// Read: the npm registry, as npm names it.
pub const NPM_CONFIG_REGISTRY: &str = "NPM_CONFIG_REGISTRY";
/// Read: the same in lower case, as npm exports it.
pub const NPM_CONFIG_REGISTRY_LOWER: &str = "npm_config_registry";
/// Read: the official releases of Node.js, as n and node-gyp name it.
pub const NODEJS_ORG_MIRROR: &str = "NODEJS_ORG_MIRROR";
/// Read: the same, as nvm names it.
pub const NVM_NODEJS_ORG_MIRROR: &str = "NVM_NODEJS_ORG_MIRROR";
/// Read: the same, as fnm names it.
pub const FNM_NODE_DIST_MIRROR: &str = "FNM_NODE_DIST_MIRROR";
/// Read: the official releases of Go.
pub const DEVSH_GO_MIRROR: &str = "DEVSH_GO_MIRROR";
/// Read: the sparse index of crates.
pub const DEVSH_CRATES_INDEX: &str = "DEVSH_CRATES_INDEX";
/// Read: the server with the files of crates.
pub const DEVSH_CRATES_MIRROR: &str = "DEVSH_CRATES_MIRROR";
/// Read: the URL or absolute path of a list of `CPython` builds in uv's format.
pub const UV_PYTHON_DOWNLOADS_JSON_URL: &str = "UV_PYTHON_DOWNLOADS_JSON_URL";
/// Read: the directory of rustup with its toolchains.
pub const RUSTUP_HOME: &str = "RUSTUP_HOME";
/// Read: the directory of pyenv with its versions.
pub const PYENV_ROOT: &str = "PYENV_ROOT";
/// Read: the directory of the Pythons that uv has installed.
pub const UV_PYTHON_INSTALL_DIR: &str = "UV_PYTHON_INSTALL_DIR";

/// Read: the file with the logins at registries, as podman reads it.
pub const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Read: the directory of docker's settings, with the logins at registries.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Read: the directory of podman's logins at registries.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";

/// Set: the Python environment of the dev shell, for editors and tools.
pub const VIRTUAL_ENV: &str = "VIRTUAL_ENV";
/// Set: stops `uv run` and `uv add` from changing the environment.
pub const UV_NO_SYNC: &str = "UV_NO_SYNC";
/// Set: makes `uv` use the dev shell's environment.
pub const UV_PROJECT_ENVIRONMENT: &str = "UV_PROJECT_ENVIRONMENT";

/// Read: the name of the access key of S3-compatible storage.
pub const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Read: the secret of the access key.
pub const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Read: the token of a temporary access key.
pub const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// Read: the profile of the AWS files.
pub const AWS_PROFILE: &str = "AWS_PROFILE";
/// Read: the file of access keys, instead of `~/.aws/credentials`.
pub const AWS_SHARED_CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// Read: the file of AWS settings, instead of `~/.aws/config`.
pub const AWS_CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// Read: the region of buckets.
pub const AWS_REGION: &str = "AWS_REGION";
/// Read: the older name of `AWS_REGION`.
pub const AWS_DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
/// Read: the address of the S3 server.
pub const AWS_ENDPOINT_URL_S3: &str = "AWS_ENDPOINT_URL_S3";
/// Read: the address of all AWS servers.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Read: the secret key that signs the objects of `devsh cache push`, for a CI job.
pub const DEVSH_SIGNING_KEY: &str = "DEVSH_SIGNING_KEY";
