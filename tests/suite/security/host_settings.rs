//! Variables of a loaded dev shell decide nothing for devsh itself: servers, proxies, certificates, logins, directories.

use std::fmt::Write as _;

use crate::support::{Sandbox, Server, pypi::serve_tool};

/// Variables with an address, which devsh or its crates read.
const ADDRESSES: [&str; 18] = [
    "ALL_PROXY",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "CONDA_CHANNEL_ALIAS",
    "FNM_NODE_DIST_MIRROR",
    "GITHUB_API_URL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODEJS_ORG_MIRROR",
    "NPM_CONFIG_REGISTRY",
    "NVM_NODEJS_ORG_MIRROR",
    "PIP_INDEX_URL",
    "RUSTUP_DIST_SERVER",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_PYTHON_INSTALL_MIRROR",
    "http_proxy",
    "npm_config_registry",
];
/// Variables with a file or a directory.
const PLACES: [&str; 12] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "DOCKER_CONFIG",
    "GH_CONFIG_DIR",
    "HOME",
    "NETRC",
    "REGISTRY_AUTH_FILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];

#[test]
fn a_loaded_dev_shell_does_not_change_the_settings_of_devsh() {
    let (own, other) = (Server::start(), Server::start());
    serve_tool(&own, "ruff", &["0.12.4"]);
    let mut manifest = "[tools]\nruff = \"0.12\"\n[env]\n".to_owned();
    for name in ADDRESSES {
        writeln!(manifest, "{name} = \"{}/index/simple\"", other.address()).unwrap();
    }
    for name in PLACES {
        writeln!(manifest, "{name} = \"${{root}}/theirs\"").unwrap();
    }
    let granted: Vec<&str> = ADDRESSES.into_iter().chain(PLACES).collect();
    writeln!(manifest, "[grants]\nenv = {granted:?}").unwrap();
    let sandbox = Sandbox::new().served_by(&own).manifest(&manifest);
    sandbox.write("theirs", "machine 127.0.0.1 login theirs password theirs\n");
    sandbox.allow();
    let _before = own.requests();
    let seen = sandbox
        .devsh(&["run", "--", "printenv", "HOME", "ALL_PROXY"])
        .success();
    assert!(seen.stdout.contains("project/theirs"), "{seen}");
    assert!(seen.stdout.contains(other.address()), "{seen}");
    sandbox
        .devsh(&[
            "run",
            "--",
            crate::support::sandbox::DEVSH,
            "lock",
            "--upgrade",
        ])
        .success();
    assert!(!own.requests().is_empty());
    assert_eq!(own.authorized(), [""; 0]);
    assert_eq!(other.requests(), [""; 0]);
}
