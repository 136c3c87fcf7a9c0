//! Looks up the addresses of names, asks again after growing pauses, and remembers the answers for a while.
//!
//! Each request looks up its server's name, also one that uses an open connection.
//!
//! A question to a name server is one packet, which can get lost. The C library asks again after five seconds; a user
//! without a network must not wait that long for an answer.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{NextTimeout, time::Duration as Limit},
    },
};

/// The time after which the first question counts as lost; each later one has twice the time of the one before.
const AGAIN: Duration = Duration::from_millis(500);

/// The time for which an answer is used again.
const KEPT: Duration = Duration::from_secs(10);

/// Asks the resolver of the system.
#[derive(Debug, Default)]
pub(super) struct NameLookup {
    /// The last answers, by the scheme, name and port that were asked for.
    answers: Mutex<BTreeMap<String, (Instant, ResolvedSocketAddrs)>>,
}

impl Resolver for NameLookup {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let answers = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let server = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map_or("", |authority| authority.as_str())
        );
        if let Some((asked, addresses)) = answers().get(&server)
            && asked.elapsed() < KEPT
        {
            return Ok(addresses.clone());
        }
        let (uri, config) = (uri.clone(), config.clone());
        let patient = NextTimeout {
            after: Limit::NotHappening,
            ..timeout
        };
        let ask = move || DefaultResolver::default().resolve(&uri, &config, patient);
        let answer = first_answer(ask, AGAIN, *timeout.after);
        let addresses = answer.unwrap_or(Err(Error::Timeout(timeout.reason)))?;
        answers().insert(server, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

/// Returns the first answer to a question that is asked again each time it counts as lost; `None` if there is none in time.
fn first_answer<T: Send + 'static>(
    ask: impl Fn() -> T + Clone + Send + 'static,
    mut again: Duration,
    limit: Duration,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let mut left = limit;
    while !left.is_zero() {
        let (ask, sender) = (ask.clone(), sender.clone());
        // The receiver is gone if an earlier question was answered.
        thread::spawn(move || drop(sender.send(ask())));
        let wait = again.min(left);
        match receiver.recv_timeout(wait) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => left -= wait,
        }
        again *= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn a_lost_question_is_asked_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let released = Arc::new(Barrier::new(2));
        let ask = {
            let (asked, released) = (Arc::clone(&asked), Arc::clone(&released));
            move || {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                if number == 0 {
                    released.wait();
                }
                number
            }
        };
        let answer = first_answer(ask, Duration::from_millis(1), Duration::from_hours(1));
        assert!(answer.is_some_and(|number| number > 0));
        released.wait();
    }

    #[test]
    fn a_name_server_that_never_answers_is_given_up() {
        let released = Arc::new(Barrier::new(4));
        let ask = {
            let released = Arc::clone(&released);
            move || {
                released.wait();
            }
        };
        let step = Duration::from_millis(1);
        assert_eq!(first_answer(ask, step, 7 * step), None);
        // Three questions, after pauses of 1, 2 and 4 steps, are still waiting.
        released.wait();
    }
}
