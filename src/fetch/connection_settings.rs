//! Proxies and certificates of the user. The crates read the environment of the process, which a loaded dev shell may have
//! changed.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use ureq::{
    Proxy, ProxyProtocol,
    tls::{Certificate, RootCerts},
};
use url::Url;

use crate::context::Context;

/// In the order in which ureq reads them.
const PROXIES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];
const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];
const CERT_FILE: &str = "SSL_CERT_FILE";
const CERT_DIR: &str = "SSL_CERT_DIR";

/// The settings of connections.
#[derive(Debug, Clone)]
pub(super) struct ConnectionSettings {
    pub(super) proxy: Option<Proxy>,
    pub(super) root_certs: RootCerts,
}

impl ConnectionSettings {
    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self {
            proxy: None,
            root_certs: RootCerts::PlatformVerifier,
        }
    }

    /// Returns the settings of the user's environment.
    pub(super) fn of(context: &Context) -> Self {
        let is_own = |names: &[&str]| {
            let mut names = names.iter();
            names.all(|name| context.env.get(name) == context.shell_env.get(name))
        };
        Self {
            proxy: if is_own(&PROXIES) && is_own(&NO_PROXIES) {
                Proxy::try_from_env()
            } else {
                proxy(context)
            },
            root_certs: if is_own(&[CERT_FILE, CERT_DIR]) || cfg!(target_os = "macos") {
                RootCerts::PlatformVerifier
            } else {
                root_certs(context)
            },
        }
    }
}

fn proxy(context: &Context) -> Option<Proxy> {
    let value = |name: &&str| context.env.get(name)?.to_str();
    let exceptions = NO_PROXIES.iter().find_map(value).unwrap_or_default();
    PROXIES.iter().filter_map(value).find_map(|text| {
        let address = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("http://{text}"))
        };
        let address = address.ok()?;
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let protocol = ProxyProtocol::try_from(address.scheme()).ok()?;
        let mut proxy = Proxy::builder(protocol).host(address.host_str()?);
        if let Some(port) = address.port() {
            proxy = proxy.port(port);
        }
        if !address.username().is_empty() {
            proxy = proxy.username(&decoded(address.username())?);
        }
        if let Some(password) = address.password() {
            proxy = proxy.password(&decoded(password)?);
        }
        let exceptions = exceptions.split(',');
        let proxy = exceptions.fold(proxy, ureq::ProxyBuilder::no_proxy);
        proxy.build().ok()
    })
}

fn root_certs(context: &Context) -> RootCerts {
    let file = context.env.get(CERT_FILE).map(Path::new);
    let directories: Vec<PathBuf> = match context.env.get(CERT_DIR) {
        Some(list) => std::env::split_paths(list).collect(),
        None if file.is_none() => openssl_probe::candidate_cert_dirs()
            .map(Path::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let places = directories.iter().map(|one| (None, Some(one.as_path())));
    let places = places.chain([(file, None)]);
    let certs = places.flat_map(|(file, directory)| {
        rustls_native_certs::load_certs_from_paths(file, directory).certs
    });
    certs
        .map(|cert| Certificate::from_der(&cert).to_owned())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn settings_of_a_dev_shell_are_not_used() {
        let mut context = Context::from_process();
        context.env = Env::default();
        context.shell_env = Env::default();
        context.shell_env.set("HTTPS_PROXY", "http://project:1");
        context.shell_env.set(CERT_FILE, "/project.pem");
        let settings = ConnectionSettings::of(&context);
        assert!(settings.proxy.is_none());
        assert!(matches!(settings.root_certs, RootCerts::Specific(_)));
        context
            .env
            .set("https_proxy", "http://me:a%20b@own.example:8080");
        context.env.set("NO_PROXY", "one.example,.two.example");
        let proxy = ConnectionSettings::of(&context).proxy.unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("own.example", 8080));
        assert_eq!(
            (proxy.username(), proxy.password()),
            (Some("me"), Some("a b"))
        );
        for (host, direct) in [("one.example", true), ("a.two.example", true), ("x", false)] {
            let address = format!("https://{host}/").parse().unwrap();
            assert_eq!(proxy.is_no_proxy(&address), direct, "{host}");
        }
    }
}
