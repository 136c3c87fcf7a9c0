//! The hosts that a command has asked, and how long the next one may take.
//!
//! A user without a network must not wait long for an answer. Until a server answers, all hosts together have a few
//! seconds: the first ones most of them, each later one enough for a connection to a server far away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The longest time for an address or a connection, once a server has answered.
const CONNECT: Duration = Duration::from_secs(4);
/// The time for all hosts together until one answers. The system repeats a lost packet after a second.
const FIRST_ANSWER: Duration = Duration::from_millis(3500);
/// The shortest time for a host after that: two round trips to the other side of the world.
const SHORTEST: Duration = Duration::from_millis(700);

/// The state of all hosts; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    known: Arc<Mutex<BTreeMap<String, HostState>>>,
    network: Arc<Network>,
    /// The longest time for a connection, if it is shorter than usual.
    limit: Option<Duration>,
}

/// The state of the network; all clients of a command share it.
#[derive(Debug, Default)]
struct Network {
    first_request: OnceLock<Instant>,
    has_answered: AtomicBool,
}

/// The state of a host.
#[derive(Debug, Clone)]
enum HostState {
    /// It has answered, so a connection that takes too long is an accident.
    Answered,
    /// No connection was made in time. It is not asked again: each of its documents would take as long.
    Silent {
        reason: String,
        /// True if it had less time than usual, because no server had answered.
        in_haste: bool,
    },
}

impl Hosts {
    /// Returns an empty list of hosts in the same network, each of which gets at most `limit`.
    pub(super) fn forget(&self, limit: Duration) -> Self {
        Self {
            known: Arc::default(),
            network: Arc::clone(&self.network),
            limit: Some(limit),
        }
    }

    /// Returns the time for the address of the next host, and for the connection to it.
    pub(super) fn time_limit(&self) -> Duration {
        let limit = if self.has_answered() {
            CONNECT
        } else {
            let first = self.network.first_request.get_or_init(Instant::now);
            FIRST_ANSWER.saturating_sub(first.elapsed()).max(SHORTEST)
        };
        self.limit.map_or(limit, |own| limit.min(own))
    }

    /// Returns whether the network is most likely down, so no request is sent a second time.
    pub(super) fn is_hopeless(&self) -> bool {
        let first = self.network.first_request.get();
        !self.has_answered() && first.is_some_and(|first| first.elapsed() >= FIRST_ANSWER)
    }

    /// Returns whether any server has answered.
    pub(super) fn has_answered(&self) -> bool {
        self.network.has_answered.load(Ordering::Relaxed)
    }

    /// Returns why a host is not asked again.
    pub(super) fn silence(&self, host: &str) -> Option<String> {
        match self.lock().get(host)? {
            HostState::Silent { in_haste, .. } if *in_haste && self.has_answered() => None,
            HostState::Silent { reason, .. } => Some(reason.clone()),
            HostState::Answered => None,
        }
    }

    pub(super) fn add_answer(&self, host: String) {
        self.network.has_answered.store(true, Ordering::Relaxed);
        self.lock().insert(host, HostState::Answered);
    }

    /// Adds a host to which no connection was made in time; returns whether it has answered earlier.
    pub(super) fn add_silence(&self, host: String, reason: String) -> bool {
        let in_haste = !self.has_answered();
        let mut known = self.lock();
        let has_answered = matches!(known.get(&host), Some(HostState::Answered));
        if !has_answered {
            known.insert(host, HostState::Silent { reason, in_haste });
        }
        has_answered
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, HostState>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun_before(time: Duration) -> Hosts {
        let hosts = Hosts::default();
        let begun = Instant::now().checked_sub(time).unwrap();
        hosts.network.first_request.set(begun).unwrap();
        hosts
    }

    #[test]
    fn hosts_share_the_time_until_one_answers() {
        let hosts = begun_before(FIRST_ANSWER);
        assert_eq!(hosts.time_limit(), SHORTEST);
        assert!(hosts.is_hopeless());
        let cache = hosts.forget(Duration::from_secs(2));
        assert_eq!(cache.time_limit(), SHORTEST);
        cache.add_answer("cache".to_owned());
        assert_eq!(cache.time_limit(), Duration::from_secs(2));
        assert_eq!(hosts.time_limit(), CONNECT);
        assert!(!hosts.is_hopeless());
    }

    #[test]
    fn a_host_that_had_little_time_is_asked_again_after_an_answer() {
        let hosts = begun_before(FIRST_ANSWER);
        hosts.add_silence("far".to_owned(), "timeout".to_owned());
        assert_eq!(hosts.silence("far").as_deref(), Some("timeout"));
        hosts.add_answer("near".to_owned());
        assert_eq!(hosts.silence("far"), None);
        assert!(!hosts.add_silence("far".to_owned(), "timeout".to_owned()));
        assert_eq!(hosts.silence("far").as_deref(), Some("timeout"));
        assert!(hosts.add_silence("near".to_owned(), "timeout".to_owned()));
        assert_eq!(hosts.silence("near"), None);
    }
}
