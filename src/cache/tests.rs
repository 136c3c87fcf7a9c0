//! Caches that keep a command waiting.

use std::net::TcpListener;

use url::Url;

use super::*;
use crate::fetch::Silent;

#[test]
fn a_cache_that_does_not_answer_in_time_is_left_out() {
    // It takes connections and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    let base: Url = address.parse().unwrap();
    let cache = Cache {
        name: "team".to_owned(),
        backend: Ok(Box::new(web::Web {
            base: base.clone(),
            client: Client::new(false),
        })),
        keys: vec![signing::SigningKey::generate("team-1").unwrap().public()],
        is_local: false,
        is_offline: false,
        failure: Mutex::default(),
        is_reported: AtomicBool::default(),
        source: ReadableCache {
            settings: CacheSettings {
                place: CachePlace::Web(base),
                keys: Vec::new(),
                push: false,
                signing_key: None,
            },
            is_anonymous: true,
        },
    };
    let cache = Arc::new(cache);
    let caches = Caches {
        all: RwLock::new(vec![Arc::clone(&cache)]),
        patience: Duration::ZERO,
    };
    let found = caches.find_object("0-a-1", "x86_64-linux", |_| true, &Silent);
    assert!(found.is_none());
    let reason = cache.lock().clone();
    assert_eq!(reason.as_deref(), Some("its answer takes too long"));
    assert!(!cache.is_usable());
}
