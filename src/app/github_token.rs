//! Tokens for the API of GitHub, from the variables and the settings of GitHub's own programs.
//!
//! Each token is for one server: that of `GITHUB_API_URL` for `GITHUB_TOKEN`, github.com for `GH_TOKEN`, and the
//! Enterprise server of the settings for the variables with `ENTERPRISE`.

use std::path::PathBuf;

use url::Url;

use crate::{
    config::{self, Config},
    context::Context,
    util::{files, vars},
};

/// Largest accepted file of `gh`, in bytes.
const LIMIT: u64 = 1 << 20;

/// Returns the tokens, each with an address of its server.
pub(super) fn tokens(context: &Context, config: &Config) -> Vec<(Url, String)> {
    let value = |name: &str| {
        let value = context.env.get(name)?.to_str()?.trim().to_owned();
        // A token with other characters is no header.
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then_some(value)
    };
    let public = Url::parse(config::GITHUB).ok();
    let api = match value(vars::GITHUB_API_URL) {
        Some(api) => Url::parse(&api).ok(),
        None => public.clone(),
    };
    let is_public = public
        .as_ref()
        .is_some_and(|public| *public == config.github);
    let enterprise = (!is_public).then(|| config.github.clone());
    let named = [
        (vars::GH_TOKEN, &public),
        (vars::GITHUB_TOKEN, &api),
        (vars::GH_ENTERPRISE_TOKEN, &enterprise),
        (vars::GITHUB_ENTERPRISE_TOKEN, &enterprise),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, server)| Some((server.clone()?, value(name)?)));
    let own = gh_hosts(context);
    let host = if is_public {
        Some("github.com")
    } else {
        config.github.host_str()
    };
    let own = host.and_then(|host| token_of_host(&own, host));
    named
        .chain(own.map(|token| (config.github.clone(), token)))
        .collect()
}

/// Returns the text of the file in which `gh` keeps its logins; an unreadable one counts as absent.
fn gh_hosts(context: &Context) -> String {
    let directory = |name: &str| context.env.get(name).map(PathBuf::from);
    let home = context.directories.home.as_deref();
    let path = directory(vars::GH_CONFIG_DIR)
        .or_else(|| Some(directory(vars::XDG_CONFIG_HOME)?.join("gh")))
        .or_else(|| Some(home?.join(".config/gh")));
    let bytes = path.and_then(|path| files::read_own(&path.join("hosts.yml"), LIMIT).ok()?);
    String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
}

/// Returns the first token below a host in the file of `gh`: hosts begin their line, everything else is indented.
fn token_of_host(text: &str, host: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim_end().strip_suffix(':') != Some(host))
        .skip(1)
        .take_while(|line| line.starts_with([' ', '\t']) || line.trim().is_empty());
    lines.find_map(|line| {
        let token = line.trim().strip_prefix("oauth_token:")?.trim();
        let token = token.trim_matches(['"', '\'']);
        let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| token.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_host_is_found() {
        let text = "ghe.example:\n    oauth_token: other\n    user: me\ngithub.com:\n    users:\n        me:\n            oauth_token: gho_abc\n    git_protocol: https\n    oauth_token: gho_abc\n";
        assert_eq!(
            token_of_host(text, "github.com").as_deref(),
            Some("gho_abc")
        );
        assert_eq!(token_of_host(text, "ghe.example").as_deref(), Some("other"));
        assert_eq!(token_of_host(text, "example.com"), None);
        assert_eq!(
            token_of_host("github.com:\n    user: me\n", "github.com"),
            None
        );
        assert_eq!(
            token_of_host("github.com:\n    oauth_token: a b\n", "github.com"),
            None
        );
    }
}
