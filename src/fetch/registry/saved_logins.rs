//! The user's logins at registries, from the files and credential helpers of docker and podman.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::{
    env::Env,
    util::{
        child_process::{self, ChildLimits, Outcome},
        files, vars,
    },
};

/// The longest accepted file of logins, in bytes.
const LIMIT: u64 = 1 << 20;
/// The time for a credential helper, which may ask the user.
const HELPER_TIMEOUT: Duration = Duration::from_mins(2);
/// The name under which docker keeps the login of `docker.io`.
const DEFAULT_KEY: &str = "https://index.docker.io/v1/";
/// The user name that helpers give with an identity token.
const TOKEN_USER: &str = "<token>";

/// The login of a user at a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// The base64 of `name:password`.
    Basic(String),
    /// A token that is exchanged for others.
    IdentityToken(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthFile {
    auths: BTreeMap<String, AuthEntry>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The user's environment without that of a project, which could name other files and programs. Its `PATH` has no entries of
/// the project either.
#[derive(Debug, Clone, Copy)]
pub struct Logins<'a> {
    pub env: &'a Env,
    pub home: Option<&'a Path>,
}

impl Logins<'_> {
    /// Returns the user's login for `repository` at a registry.
    pub fn find(&self, host: &str, repository: &str) -> Option<Login> {
        find(self, host, repository)
    }
}

fn find(logins: &Logins<'_>, host: &str, repository: &str) -> Option<Login> {
    auth_files(logins).iter().find_map(|path| {
        let bytes = files::read_bounded(path, LIMIT).ok()??;
        match serde_json::from_slice(&bytes) {
            Ok(file) => of_file(logins, &file, host, repository),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "this file of logins is not read");
                None
            }
        }
    })
}

/// Returns the files of logins, the most specific first.
fn auth_files(logins: &Logins<'_>) -> Vec<PathBuf> {
    let path = |name: &str| {
        logins
            .env
            .get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(named) = path(vars::REGISTRY_AUTH_FILE) {
        return vec![named];
    }
    let home = logins.home;
    let config = path(vars::XDG_CONFIG_HOME).or_else(|| Some(home?.join(".config")));
    let docker = path(vars::DOCKER_CONFIG).or_else(|| Some(home?.join(".docker")));
    [
        path(vars::XDG_RUNTIME_DIR).map(|directory| directory.join("containers/auth.json")),
        config.map(|directory| directory.join("containers/auth.json")),
        docker.map(|directory| directory.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_file(logins: &Logins<'_>, file: &AuthFile, host: &str, repository: &str) -> Option<Login> {
    let keys = keys(host, repository);
    let helper = keys
        .iter()
        .find_map(|key| Some((key, file.helpers.get(key)?)));
    if let Some((key, helper)) = helper {
        return ask_helper(logins, helper, key);
    }
    let entry = keys.iter().find_map(|key| file.auths.get(key));
    if let Some(login) = entry.and_then(of_entry) {
        return Some(login);
    }
    let store = file.store.as_ref()?;
    let key = if host == "docker.io" {
        DEFAULT_KEY
    } else {
        host
    };
    ask_helper(logins, store, key)
}

/// Returns the names under which a login may be kept, the most specific first.
fn keys(host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = format!("{host}/{repository}");
    loop {
        keys.push(path.clone());
        let Some((shorter, _)) = path.rsplit_once('/') else {
            break;
        };
        path.truncate(shorter.len());
    }
    keys.extend([format!("https://{host}"), format!("https://{host}/v1/")]);
    if host == "docker.io" {
        keys.extend([DEFAULT_KEY.to_owned(), "index.docker.io".to_owned()]);
    }
    keys
}

fn of_entry(entry: &AuthEntry) -> Option<Login> {
    if let Some(token) = entry
        .identitytoken
        .as_ref()
        .filter(|token| !token.is_empty())
    {
        return Some(Login::IdentityToken(token.clone()));
    }
    if let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) {
        return Some(Login::Basic(auth.clone()));
    }
    Some(basic(entry.username.as_ref()?, entry.password.as_ref()?))
}

fn basic(name: &str, password: &str) -> Login {
    Login::Basic(BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// Asks `docker-credential-HELPER` of the user's PATH.
fn ask_helper(logins: &Logins<'_>, helper: &str, key: &str) -> Option<Login> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if helper.is_empty() || !helper.bytes().all(plain) {
        return None;
    }
    let name = format!("docker-credential-{helper}");
    let search = logins.env.get(vars::PATH)?;
    let program = which::which_in(&name, Some(search), Path::new("/")).ok()?;
    let mut command = Command::new(program);
    command
        .arg("get")
        .stdin(Stdio::from(question(key)?))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env_clear()
        .envs(logins.env.iter());
    let limits = ChildLimits {
        timeout: HELPER_TIMEOUT,
        output: 1 << 16,
        end_marker: None,
        own_group: false,
    };
    let Ok(Outcome::Exited(exited)) = child_process::run(&mut command, limits, || false) else {
        return None;
    };
    if !exited.status.success() {
        return None;
    }
    let answer: HelperAnswer = serde_json::from_slice(&exited.stdout).ok()?;
    if answer.username == TOKEN_USER {
        return Some(Login::IdentityToken(answer.secret));
    }
    Some(basic(&answer.username, &answer.secret))
}

/// Returns a file with the question, which the helper reads to its end.
fn question(key: &str) -> Option<std::fs::File> {
    use std::io::{Seek as _, SeekFrom};
    let mut file = tempfile::tempfile().ok()?;
    file.write_all(key.as_bytes()).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_login_counts() {
        let keys = keys("ghcr.io", "team/app");
        assert_eq!(keys[..3], ["ghcr.io/team/app", "ghcr.io/team", "ghcr.io"]);
        let entry: AuthEntry = serde_json::from_str(r#"{"username":"u","password":"p"}"#).unwrap();
        assert!(of_entry(&entry) == Some(Login::Basic("dTpw".to_owned())));
        let entry: AuthEntry =
            serde_json::from_str(r#"{"auth":"dTpw","identitytoken":"t"}"#).unwrap();
        assert!(of_entry(&entry) == Some(Login::IdentityToken("t".to_owned())));
        assert!(of_entry(&AuthEntry::default()).is_none());
    }
}
