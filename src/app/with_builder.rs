//! A builder with the settings, the caches and the network of a session.

use crate::{builder::Builder, fetch::Progress, report::failure::Failure, store::Store};

use super::session::Session;

/// Calls `work` with a builder that shows its progress in `progress`.
pub(super) fn with_builder<T>(
    session: &Session<'_>,
    progress: &dyn Progress,
    work: impl FnOnce(&Builder<'_>) -> T,
) -> Result<T, Failure> {
    let config = session.config()?;
    let client = session.client()?;
    let caches = session.caches()?;
    let store = Store::open(&session.context.directories.data);
    Ok(work(&Builder {
        context: session.context,
        config,
        store: &store,
        client: &client,
        caches: &caches,
        progress,
    }))
}
