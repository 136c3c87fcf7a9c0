//! The fuzz targets on a stable compiler: the corpora, and mutations of them.
//!
//! The number of a mutation decides it, so a failure repeats. The long way is `tests/fuzz/run`.

use std::fs;

use devsh::fuzz::TARGETS;

use super::effort;
use crate::support::{Random, repository};

#[test]
fn targets_come_back_from_everything() {
    let count = effort(400, 100_000) as u64;
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            scope.spawn(move || {
                let corpus = corpus(name);
                for bytes in &corpus {
                    target(bytes);
                }
                for seed in 0..count {
                    target(&mutation(&corpus, seed));
                }
            });
        }
    });
}

/// Returns the inputs of a target, the accepted ones among them.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = repository().join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Returns the mutation of this number.
fn mutation(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.truncate(at),
            _ => {
                // A piece of another input, or of this one.
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + 1 + random.below(64)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}
