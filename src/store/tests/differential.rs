//! What is accepted is the same tree that GNU tar and Python's `tarfile` and `zipfile` see.
//!
//! Good archives come from three writers; each is then damaged in many ways. Whatever still is accepted must be
//! what the other programs make of it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::chance::{Chance, effort};
use crate::store::{
    Error,
    file_manifest::Node,
    tree_builder::{Placed, Tree},
    unpack::{
        tar::{self, Kind},
        zip::Zip,
    },
};

/// What an archive holds, as the reference program tells it.
pub(super) type Seen = BTreeMap<String, Value>;

/// Python, waiting for archives.
pub(super) struct Reference {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    pub(super) fn start() -> Option<Self> {
        let started = Command::new("python3")
            .args(["-c", include_str!("reference.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("skipped: `python3` is not installed");
            return None;
        };
        Some(Self {
            ask: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        })
    }

    fn see(&mut self, kind: &str, path: &Path) -> Result<Seen, String> {
        writeln!(self.ask, "{kind} {}", path.display()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer.get_mut("tree") {
            Some(tree) => Ok(serde_json::from_value(tree.take()).unwrap()),
            None => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Unpacks an archive below `place` as devsh does, every member of it.
pub(super) fn unpack(kind: &str, archive: &Path, place: &Path) -> Result<Seen, Error> {
    fs::create_dir_all(place).unwrap();
    let mut tree = Tree::new(place)?;
    tree.admit(64 << 20);
    let file = fs::File::open(archive).unwrap();
    let placed = |executable| Placed {
        executable,
        mtime: None,
    };
    if kind == "zip" {
        let mut zip = Zip::open(&file)?;
        for name in zip.names() {
            zip.member(&name, |member, data| {
                let path = name.strip_suffix('/').unwrap_or(&name);
                if member.directory {
                    return tree.directory(path);
                }
                tree.file(path, placed(member.executable), data).map(|_| ())
            })?;
        }
    } else {
        tar::read(&mut &file, |member, data| match member.kind {
            Kind::Directory => tree.directory(&member.path),
            Kind::File { executable } => tree
                .file(&member.path, placed(executable), data)
                .map(|_| ()),
            Kind::Link(target) => tree.link(&member.path, &target),
            Kind::HardLink(target) => {
                let target = target.strip_prefix("./").unwrap_or(&target).to_owned();
                tree.copy(&member.path, &target, placed(false))
            }
        })?;
    }
    let listing = tree.finish(false)?;
    Ok(listing
        .0
        .iter()
        .map(|(path, node)| (path.clone(), seen(place, path, node)))
        .collect())
}

fn seen(place: &Path, path: &str, node: &Node) -> Value {
    match node {
        Node::Directory => json!(["d"]),
        Node::Link { target } => json!(["l", target]),
        Node::File { executable, .. } => {
            let content = fs::read(place.join(path)).unwrap();
            json!(["f", executable, hex(&content)])
        }
    }
}

fn hex(content: &[u8]) -> String {
    crate::package::Sha256::of(content).to_string()
}

/// What GNU tar makes of an archive.
fn gnu(archive: &Path, place: &Path) -> Result<Seen, String> {
    fs::create_dir_all(place).unwrap();
    let output = Command::new("tar")
        .args(["--no-same-owner", "-xf"])
        .arg(archive)
        .arg("-C")
        .arg(place)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It warns of times that no clock shows, and goes on.
    if !output.status.success() {
        return Err(said);
    }
    let (mut seen, mut pending) = (Seen::new(), vec![place.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let value = if metadata.is_symlink() {
                json!(["l", fs::read_link(&path).unwrap().to_str().unwrap()])
            } else if metadata.is_dir() {
                pending.push(path.clone());
                json!(["d"])
            } else {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                json!(["f", executable, hex(&fs::read(&path).unwrap())])
            };
            let name = path
                .strip_prefix(place)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            seen.insert(name, value);
        }
    }
    Ok(seen)
}

/// Archives of three writers: GNU tar, Python, and the one of these tests.
pub(super) fn good(directory: &Path, kind: &str, number: usize) -> Vec<PathBuf> {
    let script = include_str!("write.py");
    let number = number.div_ceil(3);
    let written = Command::new("python3")
        .args(["-c", script, kind, &number.to_string()])
        .arg(directory)
        .status();
    assert!(written.unwrap().success());
    let mut archives: Vec<_> = (0..number)
        .map(|index| directory.join(format!("{kind}-python-{index}")))
        .collect();
    if kind == "zip" {
        archives.extend((0..number).map(|index| own_zip(directory, index)));
    } else {
        for index in 0..number {
            // What Python wrote, unpacked and packed again.
            let tree = directory.join(format!("tree-{index}"));
            if gnu(&archives[index], &tree).is_err() {
                continue;
            }
            let archive = directory.join(format!("tar-gnu-{index}"));
            let format = ["gnu", "pax", "ustar"][index % 3];
            let packed = Command::new("tar")
                .arg(format!("--format={format}"))
                .arg("-cf")
                .arg(&archive)
                .arg("-C")
                .arg(&tree)
                .arg(".")
                .output()
                .unwrap();
            if packed.status.success() {
                archives.push(archive);
            }
        }
        archives.extend((0..number).map(|index| own_tar(directory, index)));
    }
    archives
}

fn own_tar(directory: &Path, index: usize) -> PathBuf {
    use crate::store::fixtures::{FILE, LINK, tar_of};
    let mut chance = Chance(index as u64);
    let content = "z".repeat(chance.below(1500));
    let deep = "d/".repeat(1 + chance.below(30)) + "f";
    let bytes = tar_of(&[
        ("top/", ::tar::EntryType::Directory, 0o755, ""),
        (&deep, FILE, 0o755, &content),
        ("top/a", FILE, 0o644, "a"),
        ("top/b", ::tar::EntryType::Link, 0o644, "top/a"),
        ("c", LINK, 0o777, "top/a"),
    ]);
    let path = directory.join(format!("tar-own-{index}"));
    fs::write(&path, bytes).unwrap();
    path
}

fn own_zip(directory: &Path, index: usize) -> PathBuf {
    let mut chance = Chance(index as u64);
    let content = "z".repeat(chance.below(1500));
    let path = directory.join(format!("zip-own-{index}"));
    let name = format!("top/{}", "n".repeat(1 + chance.below(60)));
    let bytes = crate::store::fixtures::wheel(&[(&name, &content), ("b", "b"), ("ü", "u")]);
    fs::write(&path, bytes).unwrap();
    path
}

/// Damages an archive in one of many ways.
fn mutate(bytes: &mut Vec<u8>, kind: &str, chance: &mut Chance) {
    for _ in 0..=chance.below(3) {
        let length = bytes.len();
        if length < 600 {
            return;
        }
        let at = chance.below(length);
        let block = at / 512 * 512;
        match chance.below(8) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = [0, b'/', b'.', b'0', 0xff, b' '][chance.below(6)],
            2 => bytes.truncate(at),
            3 if kind == "tar" => {
                let copied = bytes[block..(block + 512).min(length)].to_vec();
                let to = chance.below(length / 512) * 512;
                bytes.splice(to..to, copied);
            }
            4 if kind == "tar" => drop(bytes.drain(block..(block + 512).min(length))),
            5 => bytes.extend([0, b'P', b'K', 5, 6][..=chance.below(5)].to_vec()),
            // Most of what decides is at the beginning of a header, or in the directory at the end.
            6 if kind == "tar" => {
                bytes[block + chance.below(512).min(length - block - 1)] ^= 1 << chance.below(8);
            }
            _ if kind == "tar" => {
                let field = [0, 100, 124, 136, 156, 157, 257, 263, 345][chance.below(9)];
                let digits = [b'0', b'1', b'5', b'7', b'x', b'L', 0];
                if let Some(byte) = bytes.get_mut(block + field + chance.below(8)) {
                    *byte = digits[chance.below(7)];
                }
            }
            _ => {
                let tail = length - 1 - chance.below(300.min(length));
                bytes[tail] ^= 1 << chance.below(8);
            }
        }
    }
    if kind == "tar" && chance.below(4) > 0 {
        add_up(bytes);
    }
}

/// Gives every block that looks like a header the sum that it has.
fn add_up(bytes: &mut [u8]) {
    for block in bytes
        .chunks_exact_mut(512)
        .filter(|block| &block[257..262] == b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Checks one archive; returns whether it was accepted.
fn compare(kind: &str, archive: &Path, reference: &mut Reference, place: &Path) -> Option<String> {
    let ours = place.join("ours");
    let accepted = unpack(kind, archive, &ours);
    let result = accepted.map_err(|error| error.to_string());
    if let Ok(seen) = &result {
        let python = reference.see(kind, archive);
        assert_eq!(
            Ok(seen),
            python.as_ref(),
            "Python differs: {}",
            archive.display()
        );
        if kind == "tar" {
            let theirs = gnu(archive, &place.join("gnu"));
            assert_eq!(
                Ok(seen),
                theirs.as_ref(),
                "GNU tar differs: {}",
                archive.display()
            );
            let _left = fs::remove_dir_all(place.join("gnu"));
        }
    }
    fs::remove_dir_all(&ours).unwrap();
    result.err()
}

#[test]
fn good_archives_of_three_writers_are_the_same_to_all() {
    let Some(mut reference) = Reference::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut count = 0;
    for kind in ["tar", "zip"] {
        for archive in good(directory.path(), kind, effort(24, 300)) {
            let refused = compare(
                kind,
                &archive,
                &mut reference,
                &directory.path().join("place"),
            );
            assert_eq!(refused, None, "{}", archive.display());
            count += 1;
        }
    }
    eprintln!("figure: {count} good archives of 3 writers, equal trees, none refused");
}

#[test]
fn what_is_accepted_of_damaged_archives_is_the_same_to_all() {
    let Some(mut reference) = Reference::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut figures = Vec::new();
    for kind in ["tar", "zip"] {
        let archives = good(directory.path(), kind, 60);
        let (mut chance, mut accepted) = (Chance(7), 0);
        let rounds = effort(400, 30_000);
        let changed = directory.path().join(format!("changed-{kind}"));
        for round in 0..rounds {
            if round > 0 && round % 5_000 == 0 {
                eprintln!("figure so far: {round} {kind} ({accepted} accepted)");
            }
            let mut bytes = fs::read(&archives[chance.below(archives.len())]).unwrap();
            mutate(&mut bytes, kind, &mut chance);
            fs::write(&changed, &bytes).unwrap();
            let refused = compare(
                kind,
                &changed,
                &mut reference,
                &directory.path().join("place"),
            );
            accepted += usize::from(refused.is_none());
        }
        figures.push(format!("{rounds} {kind} ({accepted} accepted)"));
    }
    eprintln!(
        "figure: damaged archives: {}; every accepted one equal to GNU tar and Python",
        figures.join(", ")
    );
}
