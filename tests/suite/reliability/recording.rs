//! The changes of a command to the disk, recorded with strace.
//!
//! Calls of threads overlap in the log: strace sees the end of a call later than the threads that already use what the
//! call did. Therefore a call that needs the effect of an overlapping one is replayed after it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::disk::{Disk, Node};
use crate::support::{Sandbox, sandbox::DEVSH};

/// Every call that changes a disk, or makes changes durable.
const CALLS: &str = "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,\
    sendfile,splice,truncate,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,\
    unlink,unlinkat,rmdir,mkdir,mkdirat,chmod,fchmod,fchmodat,fsync,fdatasync,syncfs,sync";

/// One system call that succeeded.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    result: usize,
}

/// The effect of a call on the home directory, with paths below it.
#[derive(Debug)]
enum Effect {
    Open {
        path: String,
        /// The mode of a new file, if the call may make one.
        create: Option<u32>,
        exclusive: bool,
        truncate: bool,
    },
    Create(String, Node),
    Write(String, Vec<u8>),
    Cut(String, usize),
    Mode(String, u32),
    Rename(String, String),
    Exchange(String, String),
    Link(String, String),
    Remove(String),
    Sync(Option<String>),
}

/// A call in the log that may change the disk.
#[derive(Debug)]
struct RecordedCall {
    effect: Effect,
    /// The lines at which it began and ended.
    lines: (usize, usize),
    /// The number of changes when it began.
    began: usize,
    /// The file of a descriptor when it began, because another thread can rename it before the call ends.
    node: Option<usize>,
    is_done: bool,
}

/// Runs devsh, and returns the home directory with all that the command did to it.
pub(super) fn record(strace: &Path, sandbox: &Sandbox, arguments: &[&str]) -> Disk {
    let home = sandbox.home();
    let mut disk = Disk::of(&home);
    let log = sandbox.root().join("tmp/strace");
    let output = sandbox
        .command(strace)
        .args(["--seccomp-bpf", "-f", "-qq", "-y", "-xx", "-s", "100000000"])
        .arg("-e")
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(&log)
        .arg(DEVSH)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    replay(&text, &home, &mut disk);
    disk
}

/// Repeats on `disk` the changes of the log below `home`.
fn replay(log: &str, home: &Path, disk: &mut Disk) {
    let mut replay = Replay {
        calls: recorded_calls(log, home),
        disk,
    };
    // A call begins in the order of its first line, and ends in the order of its last one.
    let lines = |call: &RecordedCall| [(call.lines.0, false), (call.lines.1, true)];
    let calls = replay.calls.iter().enumerate();
    let mut moments: Vec<((usize, bool), usize)> = calls
        .flat_map(|(index, call)| lines(call).map(|moment| (moment, index)))
        .collect();
    moments.sort_unstable();
    for ((_, is_end), index) in moments {
        if is_end {
            replay.make(index);
        } else {
            replay.begin(index);
        }
    }
}

/// Returns the calls of the log that may change something below `home`.
fn recorded_calls(log: &str, home: &Path) -> Vec<RecordedCall> {
    let mut calls = Vec::new();
    // Unfinished calls of threads: the beginning of the line, and its number.
    let mut pending: HashMap<&str, (String, usize)> = HashMap::new();
    for (number, line) in log.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if let Some((beginning, _)) = rest.split_once(" <unfinished ...>") {
            pending.insert(thread, (beginning.to_owned(), number));
            continue;
        }
        let (whole, began) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let (mut beginning, began) = pending.remove(thread).unwrap();
                beginning.push_str(resumed.split_once(" resumed>").unwrap().1);
                (beginning, began)
            }
            None => (rest.to_owned(), number),
        };
        let effect = parse(&whole).and_then(|call| Paths { home }.effect(&call));
        calls.extend(effect.map(|effect| RecordedCall {
            effect,
            lines: (began, number),
            began: 0,
            node: None,
            is_done: false,
        }));
    }
    calls
}

/// Reads one line; nothing for a call that failed and for other lines.
fn parse(line: &str) -> Option<Call<'_>> {
    let (name, rest) = line.split_once('(')?;
    // All text is in hexadecimal, because a character of it could look like one of these.
    let (arguments, result) = rest.rsplit_once(") ")?;
    let result = result.trim_start().strip_prefix("= ")?;
    let digits = result.split(['<', ' ']).next()?;
    Some(Call {
        name,
        arguments: split(arguments),
        result: digits.parse().ok()?,
    })
}

/// Splits arguments at the commas that are in no bracket.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (index, sign) in text.char_indices() {
        match sign {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[from..index].trim());
                from = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

/// Returns the text between two signs, which is in hexadecimal.
fn between(argument: &str, open: char, close: char) -> Option<Vec<u8>> {
    let (_, rest) = argument.split_once(open)?;
    let (text, _) = rest.split_once(close)?;
    let bytes = text.split("\\x").skip(1);
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect()
}

fn octal(argument: &str) -> u32 {
    u32::from_str_radix(argument, 8).unwrap()
}

/// Reads the paths of calls.
struct Paths<'a> {
    home: &'a Path,
}

impl Paths<'_> {
    /// Returns a path below the home directory; nothing for another one, and for a file that has no name any more.
    fn path(&self, directory: &str, text: &str) -> Option<String> {
        if directory.ends_with("(deleted)") {
            return None;
        }
        let mut path = PathBuf::new();
        for part in [
            between(directory, '<', '>').unwrap_or_default(),
            between(text, '"', '"').unwrap_or_default(),
        ] {
            path.push(std::str::from_utf8(&part).ok()?);
        }
        let path = path.strip_prefix(self.home).ok()?;
        let path = path.components().collect::<PathBuf>();
        Some(path.to_str()?.to_owned())
    }

    /// Returns where a name is moved or linked to.
    fn target(&self, directory: &str, text: &str) -> String {
        let path = self.path(directory, text);
        path.expect("nothing leaves the home directory")
    }

    fn effect(&self, call: &Call<'_>) -> Option<Effect> {
        let argument = |index: usize| call.arguments.get(index).copied().unwrap_or_default();
        if call.name == "sync" {
            return Some(Effect::Sync(None));
        }
        // The calls without a directory are those with one, in the directory that all paths begin with.
        let (directory, first) = match call.name {
            name if name.ends_with("at") || name.ends_with("at2") => (argument(0), 1),
            _ => ("", 0),
        };
        let path = match call.name {
            "symlink" => self.path("", argument(1)),
            "symlinkat" => self.path(argument(1), argument(2)),
            _ if directory.is_empty() && argument(0).starts_with('"') => self.path("", argument(0)),
            _ if directory.is_empty() => self.path(argument(0), ""),
            _ => self.path(directory, argument(first)),
        }?;
        Some(match call.name {
            "open" | "openat" | "openat2" | "creat" => open(path, &call.arguments[first..]),
            "mkdir" | "mkdirat" => {
                let mode = octal(argument(first + 1)) & !0o022;
                Effect::Create(path, Node::Directory(mode))
            }
            "symlink" | "symlinkat" => {
                let target = String::from_utf8(between(argument(0), '"', '"').unwrap()).unwrap();
                Effect::Create(path, Node::Link(target))
            }
            "write" => {
                let bytes = between(argument(1), '"', '"').unwrap();
                Effect::Write(path, bytes[..call.result].to_vec())
            }
            "ftruncate" | "truncate" => Effect::Cut(path, argument(1).parse().unwrap()),
            "rename" => Effect::Rename(path, self.target("", argument(1))),
            "renameat2" if argument(4).contains("RENAME_EXCHANGE") => {
                Effect::Exchange(path, self.target(argument(2), argument(3)))
            }
            "renameat" | "renameat2" => Effect::Rename(path, self.target(argument(2), argument(3))),
            "link" => Effect::Link(path, self.target("", argument(1))),
            "linkat" => Effect::Link(path, self.target(argument(2), argument(3))),
            "unlink" | "unlinkat" | "rmdir" => Effect::Remove(path),
            "chmod" | "fchmod" | "fchmodat" => Effect::Mode(path, octal(argument(first + 1))),
            "fsync" | "fdatasync" => Effect::Sync(Some(path)),
            "syncfs" => Effect::Sync(None),
            other => panic!("`{other}` of `{path}` is not understood"),
        })
    }
}

fn open(path: String, arguments: &[&str]) -> Effect {
    let flags = arguments.get(1).copied().unwrap_or_default();
    // `openat2` has `{flags=..., mode=0600, ...}`, the others one argument more.
    let mode = flags.split_once("mode=").map(|(_, rest)| rest);
    let mode = mode.and_then(|rest| rest.split([',', '}']).next());
    let mode = mode.or_else(|| arguments.get(2).copied());
    Effect::Open {
        path,
        create: mode
            .filter(|_| flags.contains("O_CREAT"))
            .map(|mode| octal(mode) & !0o022),
        exclusive: flags.contains("O_EXCL"),
        truncate: flags.contains("O_TRUNC"),
    }
}

impl Effect {
    /// Returns the paths that were there or not there when the call had its effect.
    fn needs(&self) -> Vec<(&str, bool)> {
        let above = |path| (parent(path), true);
        match self {
            Self::Open {
                path,
                create: Some(_),
                exclusive: true,
                ..
            }
            | Self::Create(path, _) => vec![above(path), (path, false)],
            Self::Open {
                path,
                create: Some(_),
                ..
            } => vec![above(path)],
            Self::Open { path, .. }
            | Self::Remove(path)
            | Self::Mode(path, _)
            | Self::Write(path, _)
            | Self::Cut(path, _)
            | Self::Sync(Some(path)) => vec![(path, true)],
            Self::Rename(from, to) => vec![(from, true), above(to)],
            Self::Exchange(one, other) => vec![(one, true), (other, true)],
            Self::Link(from, to) => vec![(from, true), above(to), (to, false)],
            Self::Sync(None) => Vec::new(),
        }
    }

    /// Returns whether the effect can make a path appear, or disappear.
    fn brings(&self, path: &str, appears: bool) -> bool {
        let is_in = |given: &String| {
            let rest = path.strip_prefix(given.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Self::Open {
                path,
                create: Some(_),
                ..
            }
            | Self::Create(path, _)
            | Self::Link(_, path) => appears && is_in(path),
            Self::Rename(from, to) => is_in(if appears { to } else { from }),
            Self::Exchange(one, other) => is_in(one) || is_in(other),
            Self::Remove(path) => !appears && is_in(path),
            _ => false,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

/// Puts calls onto a disk.
struct Replay<'a> {
    calls: Vec<RecordedCall>,
    disk: &'a mut Disk,
}

impl Replay<'_> {
    fn begin(&mut self, index: usize) {
        let node = match &self.calls[index].effect {
            Effect::Write(path, _)
            | Effect::Cut(path, _)
            | Effect::Mode(path, _)
            | Effect::Sync(Some(path)) => self.disk.find(path),
            _ => None,
        };
        let call = &mut self.calls[index];
        call.node = node;
        call.began = self.disk.changes();
    }

    fn make(&mut self, index: usize) {
        if std::mem::replace(&mut self.calls[index].is_done, true) {
            return;
        }
        while let Some(earlier) = self.needed_before(index) {
            self.make(earlier);
        }
        self.apply(index);
    }

    /// Returns an overlapping call that had its effect before this one, if something is still missing.
    fn needed_before(&self, index: usize) -> Option<usize> {
        let call = &self.calls[index];
        if call.node.is_some() {
            return None;
        }
        let needs = call.effect.needs().into_iter();
        let mut unmet = needs.filter(|(path, there)| self.disk.find(path).is_some() != *there);
        unmet.find_map(|(path, there)| {
            self.calls.iter().position(|other| {
                let overlaps = other.lines.0 < call.lines.1 && call.lines.0 < other.lines.1;
                !other.is_done && overlaps && other.effect.brings(path, there)
            })
        })
    }

    fn apply(&mut self, index: usize) {
        let RecordedCall {
            effect,
            began,
            node,
            ..
        } = &self.calls[index];
        let disk = &mut *self.disk;
        let node = |disk: &Disk, path: &str| {
            let found = node.or_else(|| disk.find(path));
            found.unwrap_or_else(|| panic!("`{path}` is not there for {effect:?}"))
        };
        match effect {
            Effect::Open {
                path,
                create,
                truncate,
                ..
            } => match (disk.find(path), create) {
                (None, Some(mode)) => disk.create(path, Node::File(*mode, Vec::new())),
                (Some(file), _) if *truncate => disk.cut(file, 0),
                _ => {}
            },
            Effect::Create(path, made) => disk.create(path, made.clone()),
            Effect::Write(path, bytes) => disk.append(node(disk, path), bytes),
            Effect::Cut(path, length) => disk.cut(node(disk, path), *length),
            Effect::Mode(path, mode) => disk.mode(node(disk, path), *mode),
            Effect::Rename(from, to) => disk.rename(from, to),
            Effect::Exchange(one, other) => disk.exchange(one, other),
            Effect::Link(from, to) => disk.link(from, to),
            Effect::Remove(path) => disk.remove(path),
            Effect::Sync(path) => {
                let of = path.as_ref().map(|path| node(disk, path));
                disk.sync(of, *began);
            }
        }
    }
}

/// Replays a log in an empty home directory and returns its paths.
fn replayed(lines: &[&str]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let mut disk = Disk::of(home.path());
    let text = |path: &str| -> String {
        let bytes = home.path().join(path);
        let bytes = bytes.to_str().unwrap().bytes();
        let encoded: Vec<String> = bytes.map(|byte| format!("\\x{byte:02x}")).collect();
        encoded.concat()
    };
    // Words such as `@a/b` are paths below the home directory.
    let encode = |line: &&str| {
        let mut parts = line.split('@');
        let mut encoded = parts.next().unwrap().to_owned();
        for part in parts {
            let end = part.find(['"', '>']).unwrap();
            encoded = format!("{encoded}{}{}", text(&part[..end]), &part[end..]);
        }
        encoded
    };
    let log: Vec<String> = lines.iter().map(encode).collect();
    replay(&log.join("\n"), home.path(), &mut disk);
    disk.tree().into_keys().collect()
}

#[test]
fn a_call_comes_after_the_overlapping_one_that_it_needs() {
    // Another thread finds the new directory before strace sees the end of the call that made it.
    let made = replayed(&[
        "1 mkdir(\"@d\", 0700 <unfinished ...>",
        "2 openat(AT_FDCWD, \"@d/f\", O_WRONLY|O_CREAT, 0600) = 3<@d/f>",
        "2 write(3<@d/f>, \"\\x41\", 1) = 1",
        "1 <... mkdir resumed>) = 0",
    ]);
    assert_eq!(made, ["d", "d/f"]);
    // A file is synced while another thread renames its directory.
    let renamed = replayed(&[
        "1 mkdir(\"@d\", 0700) = 0",
        "1 openat(AT_FDCWD, \"@d/f\", O_WRONLY|O_CREAT, 0600) = 3<@d/f>",
        "2 fsync(3<@d/f> <unfinished ...>",
        "1 rename(\"@d\", \"@e\") = 0",
        "2 <... fsync resumed>) = 0",
    ]);
    assert_eq!(renamed, ["e", "e/f"]);
    // The descriptor shows the new name before strace sees the end of the renaming.
    let shown = replayed(&[
        "1 mkdir(\"@d\", 0700) = 0",
        "1 openat(AT_FDCWD, \"@d/f\", O_WRONLY|O_CREAT, 0600) = 3<@d/f>",
        "1 rename(\"@d\", \"@e\" <unfinished ...>",
        "2 fsync(3<@e/f>) = 0",
        "1 <... rename resumed>) = 0",
    ]);
    assert_eq!(shown, ["e", "e/f"]);
    // A name is used again before strace sees that it was free.
    let again = replayed(&[
        "1 mkdir(\"@d\", 0700) = 0",
        "1 rmdir(\"@d\" <unfinished ...>",
        "2 mkdir(\"@d\", 0700) = 0",
        "1 <... rmdir resumed>) = 0",
    ]);
    assert_eq!(again, ["d"]);
}
