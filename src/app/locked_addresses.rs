//! Checks the addresses of a lockfile, which needs no approval.

use url::Url;

use crate::{
    config::Config,
    package::Supplier,
    report::{failure::Failure, hints},
    util::redact::redact_url,
};

/// Fails if one of these addresses of a lockfile is on a server that is not one of the supplier's.
pub(super) fn refuse_untrusted<'a>(
    config: &Config,
    artifacts: impl IntoIterator<Item = (&'a Supplier, &'a Url)>,
) -> Result<(), Failure> {
    let mut artifacts = artifacts.into_iter();
    let untrusted = artifacts.find(|(supplier, url)| !config.trusts_artifact(supplier, url));
    untrusted.map_or(Ok(()), |(_, url)| Err(hints::untrusted(&redact_url(url))))
}
