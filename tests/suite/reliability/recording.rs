//! The changes of a command to the disk, recorded with strace.

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
    // Unfinished calls of threads: the beginning of the line, and how many changes were made by then.
    let mut pending: HashMap<&str, (String, usize)> = HashMap::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if let Some((beginning, _)) = rest.split_once(" <unfinished ...>") {
            pending.insert(thread, (beginning.to_owned(), disk.changes()));
            continue;
        }
        let (whole, began) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let (mut beginning, began) = pending.remove(thread).unwrap();
                beginning.push_str(resumed.split_once(" resumed>").unwrap().1);
                (beginning, began)
            }
            None => (rest.to_owned(), disk.changes()),
        };
        if let Some(call) = parse(&whole) {
            Change { home, disk }.make(&call, began);
        }
    }
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

/// Puts one call onto a disk.
struct Change<'a> {
    home: &'a Path,
    disk: &'a mut Disk,
}

impl Change<'_> {
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

    fn make(&mut self, call: &Call<'_>, began: usize) {
        let argument = |index: usize| call.arguments.get(index).copied().unwrap_or_default();
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
        };
        if call.name == "sync" {
            return self.disk.sync(None, began);
        }
        let Some(path) = path else { return };
        match call.name {
            "open" | "openat" | "openat2" | "creat" => self.open(&path, &call.arguments[first..]),
            "mkdir" | "mkdirat" => {
                let mode = octal(argument(first + 1)) & !0o022;
                self.disk.create(&path, Node::Directory(mode));
            }
            "symlink" | "symlinkat" => {
                let target = String::from_utf8(between(argument(0), '"', '"').unwrap()).unwrap();
                self.disk.create(&path, Node::Link(target));
            }
            "write" => {
                let bytes = between(argument(1), '"', '"').unwrap();
                self.disk.append(&path, &bytes[..call.result]);
            }
            "ftruncate" | "truncate" => self.disk.cut(&path, argument(1).parse().unwrap()),
            "rename" => self.to(&path, ("", argument(1)), Disk::rename),
            "renameat2" if argument(4).contains("RENAME_EXCHANGE") => {
                self.to(&path, (argument(2), argument(3)), Disk::exchange);
            }
            "renameat" | "renameat2" => self.to(&path, (argument(2), argument(3)), Disk::rename),
            "link" => self.to(&path, ("", argument(1)), Disk::link),
            "linkat" => self.to(&path, (argument(2), argument(3)), Disk::link),
            "unlink" | "unlinkat" | "rmdir" => self.disk.remove(&path),
            "chmod" | "fchmod" | "fchmodat" => {
                self.disk.mode(&path, octal(argument(first + 1)));
            }
            "fsync" | "fdatasync" => self.disk.sync(Some(&path), began),
            "syncfs" => self.disk.sync(None, began),
            other => panic!("`{other}` of `{path}` is not understood"),
        }
    }

    fn open(&mut self, path: &str, arguments: &[&str]) {
        let flags = arguments.get(1).copied().unwrap_or_default();
        let there = self.disk.find(path).is_some();
        if flags.contains("O_CREAT") && !there {
            // `openat2` has `{flags=..., mode=0600, ...}`, the others one argument more.
            let mode = flags.split_once("mode=").map(|(_, rest)| rest);
            let mode = mode.and_then(|rest| rest.split([',', '}']).next());
            let mode = mode.or_else(|| arguments.get(2).copied()).unwrap();
            self.disk
                .create(path, Node::File(octal(mode) & !0o022, Vec::new()));
        } else if flags.contains("O_TRUNC") && there {
            self.disk.cut(path, 0);
        }
    }

    fn to(&mut self, from: &str, (directory, name): (&str, &str), act: fn(&mut Disk, &str, &str)) {
        let to = self.path(directory, name);
        act(
            self.disk,
            from,
            &to.expect("nothing leaves the home directory"),
        );
    }
}
