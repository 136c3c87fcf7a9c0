//! Entries in a registry that keeps everything in memory.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Barrier, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::fetch::Client;

/// A registry that knows conditional requests or not, and that can refuse manifests.
#[derive(Default)]
struct MemoryRegistry {
    is_conditional: bool,
    /// The number of manifests that it refuses before it takes one.
    refused: usize,
    puts: AtomicUsize,
    /// The bodies by their paths.
    content: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryRegistry {
    /// Serves requests until the test ends, and returns a cache in the registry.
    fn serve(self) -> (Arc<Self>, RegistryCache) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("{}/team/cache", listener.local_addr().unwrap());
        let registry = Arc::new(self);
        let shared = Arc::clone(&registry);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let registry = Arc::clone(&shared);
                thread::spawn(move || registry.answer(&stream));
            }
        });
        let reference = name.parse().unwrap();
        let repository = Repository::new(Client::new(false), &reference, None).unwrap();
        (registry, RegistryCache { repository })
    }

    fn answer(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length, mut is_for_new) = (String::new(), 0, false);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            is_for_new |= line == "if-none-match: *";
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (status, sent) = self.decide(method, path, is_for_new, body);
        let length = sent.len();
        let location = path.split('?').next().unwrap_or_default();
        write!(
            stream,
            "HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\nConnection: close\r\nLocation: {location}\r\n\
             Content-Type: {MANIFEST_TYPE}\r\n\r\n"
        )?;
        stream.write_all(if method == "HEAD" { &[] } else { &sent })
    }

    fn decide(&self, method: &str, path: &str, is_for_new: bool, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        // A blob gets its path from the digest of the upload.
        let path = match path.split_once("/uploads/?digest=sha256%3A") {
            Some((blobs, digest)) => format!("{blobs}/sha256:{digest}"),
            None => path.replace("%3A", ":"),
        };
        match method {
            "POST" => (202, Vec::new()),
            "PUT" if path.contains("/manifests/") => {
                let put = self.puts.fetch_add(1, Ordering::Relaxed);
                if put < self.refused {
                    return (400, Vec::new());
                }
                if is_for_new && self.is_conditional && content.contains_key(&path) {
                    return (412, Vec::new());
                }
                content.insert(path, body);
                (201, Vec::new())
            }
            "PUT" => {
                content.insert(path, body);
                (201, Vec::new())
            }
            _ => content
                .get(&path)
                .map_or((404, Vec::new()), |found| (200, found.clone())),
        }
    }
}

#[test]
fn an_entry_that_is_refused_for_a_moment_is_sent_again() {
    for (refused, written) in [(0, true), (2, true), (usize::MAX, false)] {
        let (registry, cache) = MemoryRegistry {
            refused,
            ..MemoryRegistry::default()
        }
        .serve();
        let key = CacheKey::record("a", "team-1");
        let result = cache.replace(&key, EntryContent::Bytes(b"record"));
        assert_eq!(result.is_ok(), written, "{result:?}");
        let tries = usize::try_from(TRIES).unwrap().min(refused) + 1;
        assert_eq!(registry.puts.load(Ordering::Relaxed), tries);
    }
}

#[test]
fn two_records_of_one_key_leave_one_whole_record() {
    for is_conditional in [true, false] {
        let (_registry, cache) = MemoryRegistry {
            is_conditional,
            ..MemoryRegistry::default()
        }
        .serve();
        let key = CacheKey::record("a", "team-1");
        let records = [
            &b"the record of one builder"[..],
            b"that of another builder",
        ];
        let start = Barrier::new(records.len());
        // Both find nothing at first, because neither asks again before it writes.
        let stored = parallel::map(records.len(), &records, |record| {
            start.wait();
            cache.write_again(&key, EntryContent::Bytes(record), Replaced::No)
        });
        let stored: Vec<Stored> = stored.into_iter().map(Result::unwrap).collect();
        let written = stored.iter().filter(|one| **one == Stored::Written).count();
        assert_eq!(written, if is_conditional { 1 } else { 2 });
        let left = cache.read(&key, 1 << 10).unwrap().unwrap();
        let winner = records.iter().position(|record| *record == left);
        let winner = winner.expect("one of the records, whole");
        assert_eq!(stored[winner], Stored::Written);
        // Later pushes find it, and only a repair replaces it.
        let other = records[1 - winner];
        let again = cache.add(&key, EntryContent::Bytes(other)).unwrap();
        assert_eq!(again, Stored::Present);
        assert_eq!(cache.read(&key, 1 << 10).unwrap().unwrap(), left);
        cache.replace(&key, EntryContent::Bytes(other)).unwrap();
        assert_eq!(cache.read(&key, 1 << 10).unwrap().unwrap(), other);
    }
}
