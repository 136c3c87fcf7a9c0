//! Zip archives that two programs would read differently, or that no program should read.

use std::{fs, path::Path};

use crate::store::{
    Error,
    tree_builder::{Placed, Tree},
    unpack::zip::Zip,
};

/// A member, as it says itself and as the directory says.
#[derive(Clone)]
struct Entry {
    own_name: Vec<u8>,
    name: Vec<u8>,
    own_flags: u16,
    flags: u16,
    own_method: u16,
    method: u16,
    own_crc: u32,
    crc: u32,
    own_sizes: [u32; 2],
    sizes: [u32; 2],
    extra: Vec<u8>,
    mode: u32,
    data: Vec<u8>,
    /// What stands between this member and the next.
    behind: Vec<u8>,
}

fn entry(name: impl AsRef<[u8]>) -> Entry {
    let data = b"content".to_vec();
    let mut crc = flate2::Crc::new();
    crc.update(&data);
    Entry {
        own_name: name.as_ref().to_vec(),
        name: name.as_ref().to_vec(),
        own_flags: 0,
        flags: 0,
        own_method: 0,
        method: 0,
        own_crc: crc.sum(),
        crc: crc.sum(),
        own_sizes: [7, 7],
        sizes: [7, 7],
        extra: Vec::new(),
        mode: 0o100_644,
        data,
        behind: Vec::new(),
    }
}

fn put(bytes: &mut Vec<u8>, numbers: &[(u32, usize)]) {
    for (number, length) in numbers {
        bytes.extend(&number.to_le_bytes()[..*length]);
    }
}

fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

/// Returns the members, the directory and the end record.
fn parts(entries: &[Entry]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (mut members, mut directory) = (Vec::new(), Vec::new());
    for one in entries {
        let offset = small(members.len());
        members.extend(b"PK\x03\x04");
        let flags = u32::from(one.own_flags);
        put(
            &mut members,
            &[(20, 2), (flags, 2), (u32::from(one.own_method), 2), (0, 4)],
        );
        put(
            &mut members,
            &[
                (one.own_crc, 4),
                (one.own_sizes[0], 4),
                (one.own_sizes[1], 4),
            ],
        );
        put(
            &mut members,
            &[(small(one.own_name.len()), 2), (small(one.extra.len()), 2)],
        );
        for bytes in [&one.own_name, &one.extra, &one.data, &one.behind] {
            members.extend(bytes);
        }
        directory.extend(b"PK\x01\x02");
        let flags = u32::from(one.flags);
        put(
            &mut directory,
            &[(0x0314, 2), (20, 2), (flags, 2), (u32::from(one.method), 2)],
        );
        put(
            &mut directory,
            &[(0, 4), (one.crc, 4), (one.sizes[0], 4), (one.sizes[1], 4)],
        );
        put(
            &mut directory,
            &[
                (small(one.name.len()), 2),
                (small(one.extra.len()), 2),
                (0, 2),
            ],
        );
        put(
            &mut directory,
            &[(0, 2), (0, 2), (one.mode << 16, 4), (offset, 4)],
        );
        directory.extend(one.name.iter().chain(&one.extra));
    }
    let count = small(entries.len());
    let end = end([0, 0, count, count], directory.len(), members.len());
    (members, directory, end)
}

fn end(counts: [u32; 4], size: usize, offset: usize) -> Vec<u8> {
    let mut end = b"PK\x05\x06".to_vec();
    put(&mut end, &counts.map(|count| (count, 2)));
    put(&mut end, &[(small(size), 4), (small(offset), 4), (0, 2)]);
    end
}

fn whole(entries: &[Entry]) -> Vec<u8> {
    let (members, directory, end) = parts(entries);
    [members, directory, end].concat()
}

/// What is done to a right member.
type Change = fn(&mut Entry);

/// Everything that must be refused, by a name for messages.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = vec![];
    let mut add = |name: &str, bytes: Vec<u8>| cases.push((format!("zip: {name}"), bytes));
    let names = [
        "../x",
        "a/../../x",
        "/x",
        "a//b",
        "a/./b",
        "..",
        "a\\b",
        "a\0b",
        "",
        "/",
        "./a",
        "C:/../x/..",
    ];
    for name in names {
        add(
            &format!("name `{}`", name.escape_debug()),
            whole(&[entry(name)]),
        );
    }
    for name in [&b"\xe9"[..], b"\xc3\xa9"] {
        add("a name without its mark", whole(&[entry(name)]));
    }
    for (one, other) in [
        ("a", "a"),
        ("a", "A"),
        ("d/a", "D/A"),
        ("a", "a/"),
        ("a", "a/b"),
    ] {
        add(
            &format!("`{one}` and `{other}`"),
            whole(&[entry(one), entry(other)]),
        );
    }
    for mode in [
        0o120_777, 0o020_644, 0o060_644, 0o010_644, 0o140_644, 0o104_755, 0o102_755, 0o040_755,
    ] {
        add(
            &format!("mode {mode:o}"),
            whole(&[Entry { mode, ..entry("a") }]),
        );
    }
    for method in [1, 6, 9, 12, 14, 93, 95, 98, 99] {
        let one = Entry {
            method,
            own_method: method,
            ..entry("a")
        };
        add(&format!("method {method}"), whole(&[one]));
    }
    for bit in [0, 4, 5, 6, 7, 13, 15] {
        let one = Entry {
            flags: 1 << bit,
            own_flags: 1 << bit,
            ..entry("a")
        };
        add(&format!("flag {bit}"), whole(&[one]));
    }
    let good = entry("a");
    let crc = good.crc;
    let changes: [(&str, Change); 12] = [
        ("its own name", |one| one.own_name = b"b".to_vec()),
        ("its own flags", |one| one.own_flags = 2),
        ("its own method", |one| one.own_method = 8),
        ("its own CRC", |one| one.own_crc ^= 1),
        ("its own sizes", |one| one.own_sizes = [6, 7]),
        ("the CRC", |one| (one.crc, one.own_crc) = (1, 1)),
        ("the size", |one| {
            (one.sizes, one.own_sizes) = ([7, 8], [7, 8]);
        }),
        ("the size in the archive", |one| {
            (one.sizes, one.own_sizes) = ([8, 8], [8, 8]);
        }),
        ("no deflated data", |one| {
            (one.method, one.own_method) = (8, 8);
        }),
        ("a gap", |one| one.behind = b"gap".to_vec()),
        ("two names", |one| {
            one.extra = b"\x75\x70\x06\0\x01\0\0\0\0b".to_vec();
        }),
        ("a cut extra field", |one| {
            one.extra = b"\x01\0\x20\0\0".to_vec();
        }),
    ];
    for (name, change) in changes {
        let mut one = good.clone();
        change(&mut one);
        add(name, whole(&[one.clone(), entry("other")]));
        add(&format!("{name}, last"), whole(&[entry("other"), one]));
    }
    let descriptor = |crc: u32| {
        let mut bytes = b"PK\x07\x08".to_vec();
        put(&mut bytes, &[(crc, 4), (7, 4), (7, 4)]);
        bytes
    };
    let open = |behind| Entry {
        flags: 8,
        own_flags: 8,
        own_crc: 0,
        own_sizes: [0, 0],
        behind,
        ..entry("a")
    };
    add("no descriptor", whole(&[open(Vec::new())]));
    add("another descriptor", whole(&[open(descriptor(crc ^ 1))]));
    let (members, directory, last) = parts(std::slice::from_ref(&good));
    let (size, offset) = (directory.len(), members.len());
    let framed = |end: Vec<u8>| [members.clone(), directory.clone(), end].concat();
    add(
        "something in front",
        [b"MZ".to_vec(), framed(last.clone())].concat(),
    );
    add(
        "something behind",
        [framed(last.clone()), b"x".to_vec()].concat(),
    );
    add(
        "another end behind",
        framed([last.clone(), last.clone()].concat()),
    );
    add(
        "a whole archive in front",
        [framed(last.clone()), framed(last.clone())].concat(),
    );
    add(
        "more members than there are",
        framed(end([0, 0, 2, 2], size, offset)),
    );
    add(
        "fewer members than there are",
        framed(end([0, 0, 0, 0], size, offset)),
    );
    add(
        "counts that differ",
        framed(end([0, 0, 1, 2], size, offset)),
    );
    add("another disk", framed(end([0, 1, 1, 1], size, offset)));
    add(
        "a shorter directory",
        framed(end([0, 0, 1, 1], size - 1, offset)),
    );
    add(
        "a directory elsewhere",
        framed(end([0, 0, 1, 1], size, offset - 1)),
    );
    add(
        "an end of 64 bits that is not there",
        framed(end([0, 0, 0xffff, 0xffff], size, offset)),
    );
    add("no directory", last.clone());
    add("nothing", Vec::new());
    let twice = [directory.clone(), directory.clone()].concat();
    let count = end([0, 0, 2, 2], twice.len(), offset);
    add(
        "two names for one place",
        [members.clone(), twice, count].concat(),
    );
    for cut in [1, 10, 21, 22, 30, 60] {
        let bytes = framed(last.clone());
        add(
            &format!("{cut} bytes short"),
            bytes[..bytes.len() - cut].to_vec(),
        );
    }
    cases
}

/// Unpacks every member.
pub(super) fn unpack(archive: &Path, place: &Path) -> Result<(), Error> {
    let file = fs::File::open(archive).unwrap();
    let mut zip = Zip::open(&file)?;
    let mut tree = Tree::new(place)?;
    tree.admit(1 << 20);
    for name in zip.names() {
        zip.member(&name, |member, data| {
            let path = name.strip_suffix('/').unwrap_or(&name);
            if member.directory {
                return tree.directory(path);
            }
            tree.file(path, Placed::default(), data).map(|_| ())
        })?;
    }
    tree.finish(false).map(|_| ())
}

#[test]
fn what_is_right_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let (archive, place) = (
        directory.path().join("archive"),
        directory.path().join("place"),
    );
    fs::write(&archive, whole(&[entry("a"), entry("b/c")])).unwrap();
    fs::create_dir(&place).unwrap();
    unpack(&archive, &place).unwrap();
    assert_eq!(fs::read(place.join("b/c")).unwrap(), b"content");
}
