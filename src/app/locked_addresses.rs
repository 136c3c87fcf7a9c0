//! Checks the addresses of a lockfile, which needs no approval.

use std::collections::BTreeSet;

use url::{Position, Url};

use crate::{
    config::{Config, climbs},
    lockfile::LockedPackage,
    package::{Source, Supplier, Tool},
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

/// Returns the places of prebuilt programs that a crate names: a repository, or the part of the addresses before the
/// version. They are empty if the crate is compiled.
pub(super) fn places_of_crate(tool: &Tool, locked: &LockedPackage) -> BTreeSet<String> {
    if !is_named_by_crate(tool, &locked.supplier) {
        return BTreeSet::new();
    }
    if locked.supplier.source == Source::Github {
        return BTreeSet::from([locked.supplier.to_string()]);
    }
    let artifacts = locked.artifacts.values().flatten();
    let place = |url: &Url| {
        if climbs(url) {
            return redact_url(url).to_string();
        }
        let (server, path) = (&url[..Position::BeforePath], url.path());
        let before = path.split_once(locked.version.as_str());
        let before = before.map_or(path, |(before, _)| before);
        let directory = before.rfind('/').map_or(before, |at| &before[..=at]);
        format!("{server}{directory}")
    };
    artifacts.map(|artifact| place(&artifact.url)).collect()
}

/// Returns whether a supplier is none that devsh knows for the tool: a crate names it.
pub(super) fn is_named_by_crate(tool: &Tool, supplier: &Supplier) -> bool {
    tool.supplier_rank(supplier).is_some() && !tool.suppliers().contains(supplier)
}
