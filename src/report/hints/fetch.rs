//! Hints for requests without a usable answer.

use crate::{fetch, report::failure::Failure};

impl From<&fetch::Error> for Failure {
    fn from(error: &fetch::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
        fetch::Error::Offline { .. } => failure.hint("run it once without `--offline`"),
        fetch::Error::Unreachable { .. } => failure
            .hint("check the network, or set a mirror below `[sources]` in `config.toml`")
            .temporary(),
        fetch::Error::UntrustedCertificate { .. } => failure
            .note("devsh trusts the certificates of the operating system")
            .hint("point `SSL_CERT_FILE` at the bundle that your network uses, or `SSL_CERT_DIR` at its directory"),
        fetch::Error::Insecure { .. } => {
            failure.hint("use `https`, or name the server as a source in `config.toml`")
        }
        fetch::Error::RateLimited { with_token: false, .. } => {
            failure
                .hint("set `GITHUB_TOKEN`: with a token the server accepts more requests")
                .temporary()
        }
        fetch::Error::RateLimited { .. } => {
            failure.hint("run the command again then").temporary()
        }
        fetch::Error::DigestMismatch {
            expected, received, ..
        } => failure
            .detail(format!("expected  {expected}"))
            .detail(format!("received  {received}"))
            .note("nothing was added to the store")
            .hint("if upstream republished it, run `devsh lock --upgrade` and review the diff"),
        fetch::Error::SizeMismatch { .. } => failure
            .note("nothing was added to the store")
            .hint("run the command again; if it fails again, report it to the owner of the server"),
        fetch::Error::File(error) | fetch::Error::Mirror(error) => Self::from(error),
        fetch::Error::Status {
            status: 401 | 403,
            url,
            ..
        } => failure.hint(format!(
            "put name and password for `{}` into `~/.netrc`, or into the address of the source",
            url.host_str().unwrap_or_default()
        )),
        fetch::Error::Status {
            wait: Some(wait), ..
        } => failure
            .hint(format!(
                "the server accepts the next request in {} seconds: run the command again then",
                wait.as_secs()
            ))
            .temporary(),
        fetch::Error::Status { status: 500.., .. } => failure.temporary(),
        fetch::Error::Status { .. } | fetch::Error::TooLarge { .. } | fetch::Error::EndlessList { .. } => failure,
    }
    }
}
