//! The user's settings for S3, from the variables and files of the AWS tools.

use std::path::Path;

use url::Url;

use crate::{
    env::Env,
    util::{files, vars},
};

/// The longest accepted file, in bytes.
const LIMIT: u64 = 1 << 20;

/// Settings for one profile.
#[derive(Default)]
pub(super) struct AwsSettings {
    pub(super) credentials: Option<AwsCredentials>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<Url>,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AwsCredentials {
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl AwsSettings {
    /// Reads the variables, and for what they do not set the files.
    pub(super) fn of(env: &Env, home: Option<&Path>) -> Self {
        let variable = |name: &str| {
            let value = env.get(name)?.to_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let file = |name: &str, default: &str| {
            let named = variable(name).map(Into::into);
            let path = named.or_else(|| Some(home?.join(default)))?;
            // An unreadable file counts as absent.
            String::from_utf8(files::read_bounded(&path, LIMIT).ok()??).ok()
        };
        let profile = variable(vars::AWS_PROFILE).unwrap_or_else(|| "default".to_owned());
        let secrets = file(vars::AWS_SHARED_CREDENTIALS_FILE, ".aws/credentials");
        let config = file(vars::AWS_CONFIG_FILE, ".aws/config");
        let setting = |name: &str| {
            let named = |text: &Option<String>| value_in(text.as_deref()?, &profile, name);
            named(&secrets).or_else(|| named(&config))
        };
        let pair = |key: Option<String>, secret: Option<String>, token: Option<String>| {
            Some(AwsCredentials {
                key: key?,
                secret: secret?,
                token,
            })
        };
        let own = pair(
            variable(vars::AWS_ACCESS_KEY_ID),
            variable(vars::AWS_SECRET_ACCESS_KEY),
            variable(vars::AWS_SESSION_TOKEN),
        );
        let credentials = own.or_else(|| {
            pair(
                setting("aws_access_key_id"),
                setting("aws_secret_access_key"),
                setting("aws_session_token"),
            )
        });
        let endpoint = variable(vars::AWS_ENDPOINT_URL_S3)
            .or_else(|| variable(vars::AWS_ENDPOINT_URL))
            .or_else(|| setting("endpoint_url"));
        Self {
            credentials,
            region: variable(vars::AWS_REGION)
                .or_else(|| variable(vars::AWS_DEFAULT_REGION))
                .or_else(|| setting("region")),
            endpoint: endpoint.and_then(|endpoint| endpoint.parse().ok()),
        }
    }
}

/// Returns a value of a profile, whose section is `[name]` or `[profile name]`.
fn value_in(text: &str, profile: &str, name: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            let section = section.strip_prefix("profile ").unwrap_or(section);
            inside = section.trim() == profile;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == name
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_over_the_files_of_the_profile() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(".aws").join(name), text).unwrap();
        };
        write(
            "credentials",
            "[default]\naws_access_key_id = D\naws_secret_access_key=d\n[team]\naws_access_key_id = T\naws_secret_access_key = t=\n",
        );
        write(
            "config",
            "[profile team]\nregion = eu-1\nendpoint_url = https://s3.example/\n",
        );
        let mut env = Env::default();
        let settings = |env: &Env| AwsSettings::of(env, Some(home.path()));
        let key = |settings: &AwsSettings| {
            let known = settings.credentials.as_ref().unwrap();
            (known.key.clone(), known.secret.clone())
        };
        assert_eq!(key(&settings(&env)), ("D".to_owned(), "d".to_owned()));
        assert_eq!(settings(&env).region, None);
        env.set(vars::AWS_PROFILE, "team");
        let team = settings(&env);
        assert_eq!(key(&team), ("T".to_owned(), "t=".to_owned()));
        assert_eq!(team.region.as_deref(), Some("eu-1"));
        assert_eq!(team.endpoint.unwrap().host_str(), Some("s3.example"));
        env.set(vars::AWS_ACCESS_KEY_ID, "V");
        assert_eq!(key(&settings(&env)).0, "T", "half a pair is none");
        env.set(vars::AWS_SECRET_ACCESS_KEY, "v");
        env.set(vars::AWS_REGION, "us-2");
        assert_eq!(key(&settings(&env)).0, "V");
        assert_eq!(settings(&env).region.as_deref(), Some("us-2"));
    }
}
