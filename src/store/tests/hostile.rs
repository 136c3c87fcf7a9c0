//! Archives that no reader should accept, each in every family, compression and position: all are refused, and
//! nothing is written outside.

use std::{fs, io::Write as _, path::Path};

use super::{
    fixtures::{gz, xz},
    hostile_frames, hostile_zips,
};
use crate::store::{
    Error,
    tree_builder::{Placed, Tree},
    unpack::{
        decompressed,
        tar::{self, Kind},
    },
};

/// One member as it lies in the archive, whatever that means.
#[derive(Clone)]
pub(super) struct Raw {
    name: Vec<u8>,
    kind: u8,
    mode: &'static str,
    link: Vec<u8>,
    data: Vec<u8>,
    size: Option<Vec<u8>>,
    /// Added to the sum.
    wrong: u32,
    /// Who owns it.
    owner: &'static [u8; 8],
}

fn raw(name: impl AsRef<[u8]>, kind: u8) -> Raw {
    Raw {
        name: name.as_ref().to_vec(),
        kind,
        mode: "0000644\0",
        link: Vec::new(),
        data: Vec::new(),
        size: None,
        wrong: 0,
        owner: b"0000000\0",
    }
}

fn link(name: &str, kind: u8, target: &str) -> Raw {
    Raw {
        link: target.as_bytes().to_vec(),
        ..raw(name, kind)
    }
}

pub(super) fn with(name: &str, kind: u8, data: impl AsRef<[u8]>) -> Raw {
    Raw {
        data: data.as_ref().to_vec(),
        ..raw(name, kind)
    }
}

impl Raw {
    pub(super) fn bytes(&self, gnu: bool) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, self.mode.as_bytes());
        put(108, b"0000000\x000000000\x00");
        let size = format!("{:011o}\0", self.data.len()).into_bytes();
        put(124, self.size.as_ref().unwrap_or(&size));
        put(108, self.owner);
        put(136, b"00000000001\0        ");
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, if gnu { b"ustar  \0" } else { b"ustar\x0000" });
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum::<u32>() + self.wrong;
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend(&self.data);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }
}

fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let fits = |length: &usize| length.to_string().len() + rest.len() == *length;
    format!("{}{rest}", (1..9999).find(fits).unwrap())
}

/// Everything that must be refused, by a name for messages.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(String, Vec<Raw>)> {
    let file = |name: &str| with(name, b'0', "x");
    let mut cases: Vec<(String, Vec<Raw>)> = Vec::new();
    let deep = "d/".repeat(40) + "f";
    let names = [
        "../x",
        "a/../../x",
        "/x",
        "//x",
        "./../x",
        "a//b",
        "a/./b",
        "a/..",
        "..",
        "a\\b",
        "a/",
        "",
        "./",
    ];
    let own: Vec<&[u8]> = vec![b"a/\xff", b"\xc3", b"\xed\xa0\x80"];
    for name in names.iter().map(|name| name.as_bytes()).chain(own) {
        let shown = name.escape_ascii();
        cases.push((format!("name `{shown}`"), vec![raw(name, b'0')]));
        let path = vec![with("p", b'x', [b"x ", name].concat())];
        cases.push((format!("a malformed PAX name `{shown}`"), path));
        let odd = std::str::from_utf8(name).is_ok();
        if odd {
            let text = std::str::from_utf8(name).unwrap();
            let told = with("p", b'x', record("path", text));
            cases.push((format!("PAX name `{shown}`"), vec![told, file("f")]));
            let told = with("p", b'L', format!("{text}\0"));
            cases.push((format!("long name `{shown}`"), vec![told, file("f")]));
        }
    }
    for kind in *b"346SDMVNAZ89" {
        cases.push((format!("kind {}", char::from(kind)), vec![raw("a", kind)]));
    }
    for mode in [
        "0004755\0",
        "0002755\0",
        "0006755\0",
        "0000abc\0",
        "        ",
        "-000644\0",
    ] {
        let one = Raw { mode, ..file("a") };
        cases.push((format!("mode {mode:?}"), vec![one]));
    }
    for target in [
        "/etc/passwd",
        "../x",
        "../../x",
        "a/../../x",
        "",
        "..",
        "../",
    ] {
        cases.push((format!("link to `{target}`"), vec![link("l", b'2', target)]));
        cases.push((
            format!("hard link to `{target}`"),
            vec![link("l", b'1', target)],
        ));
    }
    let pairs = [
        ("through a link", link("l", b'2', "d"), file("l/x")),
        (
            "a directory over a link",
            link("l", b'2', "d"),
            raw("l/", b'5'),
        ),
        ("a link over a file", file("a"), link("a", b'2', "b")),
        (
            "a link over a link",
            link("a", b'2', "b"),
            link("a", b'2', "c"),
        ),
        ("a file over a link", link("a", b'2', "b"), file("a")),
        ("a file twice", file("a"), file("a")),
        ("a file over a directory", raw("a/", b'5'), file("a")),
        ("a directory over a file", file("a"), raw("a/", b'5')),
        ("a file below a file", file("a"), file("a/b")),
        (
            "a link through a link",
            link("a", b'2', "d"),
            link("b", b'2', "a/../x"),
        ),
        (
            "a hard link to a link",
            link("a", b'2', "b"),
            link("c", b'1', "a"),
        ),
        (
            "a hard link to a directory",
            raw("a/", b'5'),
            link("c", b'1', "a"),
        ),
        ("case", file("a"), file("A")),
        ("case of directories", file("d/a"), file("D/b")),
        ("accents", file("\u{e9}"), file("e\u{301}")),
        ("sharp s", file("\u{df}"), file("SS")),
        ("the sign for kelvin", file("\u{212a}"), file("k")),
    ];
    for (name, one, other) in pairs {
        cases.push((name.to_owned(), vec![one, other]));
    }
    for owner in [b"000000x\0", b"00000 7\0", b"8000000\0", b"+000001\0"] {
        let shown = owner.escape_ascii();
        cases.push((format!("owner `{shown}`"), vec![Raw { owner, ..file("f") }]));
    }
    let old = vec![with("p", b'x', record("path", "y")), raw("f/", 0)];
    cases.push(("an old directory that PAX makes a file".to_owned(), old));
    cases.push((
        "a hard link to itself".to_owned(),
        vec![link("a", b'1', "a")],
    ));
    cases.push((
        "too deep".to_owned(),
        vec![
            file(&deep),
            with("p", b'x', record("path", &"d/".repeat(70))),
        ],
    ));
    for (name, data) in [
        ("a wrong length", "99 path=x\n".to_owned()),
        ("a length with a sign", "+9 path=x\n".to_owned()),
        ("a leading zero", "010 path=x\n".to_owned()),
        ("no end of line", "9 path=xy".to_owned()),
        ("no key", record("", "x")),
        (
            "one thing twice",
            record("path", "a") + &record("path", "b"),
        ),
        ("another size", record("size", "7")),
        ("an odd size", record("size", "-1")),
        ("a sparse file", record("GNU.sparse.major", "1")),
        ("another character set", record("hdrcharset", "BINARY")),
        ("a NUL", record("path", "a\0b")),
        (
            "too long a header",
            record("comment", &"x".repeat(9000)).repeat(130),
        ),
    ] {
        let told = with("p", b'x', &data);
        cases.push((format!("PAX: {name}"), vec![told.clone(), file("f")]));
        cases.push((
            format!("PAX, global: {name}"),
            vec![with("p", b'g', record("path", "a")), file("f")],
        ));
    }
    let path = || with("p", b'x', record("path", "y"));
    let long = || with("p", b'L', "y\0");
    for (name, members) in [
        ("PAX on PAX", vec![path(), path(), file("f")]),
        ("PAX on a long name", vec![path(), long(), file("f")]),
        ("a long name on PAX", vec![long(), path(), file("f")]),
        ("two long names", vec![long(), long(), file("f")]),
        ("PAX without a member", vec![file("f"), path()]),
        ("a long name without a member", vec![file("f"), long()]),
        (
            "a long name with more behind it",
            vec![with("p", b'L', "a\0b"), file("f")],
        ),
        ("an empty long name", vec![with("p", b'L', "\0"), file("f")]),
        (
            "a link with data",
            vec![Raw {
                data: vec![1; 9],
                ..link("l", b'2', "d")
            }],
        ),
        ("a directory with data", vec![with("d/", b'5', "x")]),
        (
            "a wrong sum",
            vec![Raw {
                wrong: 1,
                ..file("f")
            }],
        ),
    ] {
        cases.push((name.to_owned(), members));
    }
    for size in [
        &b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"77777777777\0",
        b"0000000000x\0",
        b"            ",
    ] {
        let one = Raw {
            size: Some(size.to_vec()),
            ..file("f")
        };
        cases.push((format!("size `{}`", size.escape_ascii()), vec![one]));
    }
    cases
}

/// Compresses a tar.
pub(super) type Compress = fn(&[u8]) -> Vec<u8>;

pub(super) fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Unpacks a compressed archive as devsh does.
fn unpack(archive: &Path, place: &Path) -> Result<(), Error> {
    let file = fs::File::open(archive).unwrap();
    let mut tree = Tree::new(place)?;
    tree.admit(1 << 20);
    let damaged = |source| Error::Archive {
        member: String::new(),
        source,
    };
    let mut data = decompressed(&file).map_err(damaged)?;
    let placed = Placed::default();
    tar::read(&mut data, |member, data| match member.kind {
        Kind::Directory => tree.directory(&member.path),
        Kind::File { .. } => tree.file(&member.path, placed, data).map(|_| ()),
        Kind::Link(target) => tree.link(&member.path, &target),
        Kind::HardLink(target) => tree.copy(&member.path, &target, placed),
    })?;
    tree.finish(false).map(|_| ())
}

/// Asserts that an archive is refused by name and leaves nothing outside.
fn refused(name: &str, bytes: &[u8], unpack: impl Fn(&Path, &Path) -> Result<(), Error>) {
    let directory = tempfile::tempdir().unwrap();
    let (archive, place) = (
        directory.path().join("archive"),
        directory.path().join("place"),
    );
    fs::File::create(&archive)
        .unwrap()
        .write_all(bytes)
        .unwrap();
    fs::create_dir(&place).unwrap();
    let error = unpack(&archive, &place)
        .map(|()| "accepted")
        .unwrap_err_or(name);
    match &error {
        Error::Refused { .. } | Error::Archive { .. } => {}
        other => panic!("{name}: {other}"),
    }
    assert!(!error.to_string().is_empty());
    let around = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(around, 2, "{name}: something is outside");
}

/// Turns an acceptance into a failure of the test that names the case.
trait UnwrapErrOr {
    fn unwrap_err_or(self, name: &str) -> Error;
}

impl UnwrapErrOr for Result<&str, Error> {
    fn unwrap_err_or(self, name: &str) -> Error {
        match self {
            Ok(accepted) => panic!("{name}: {accepted}"),
            Err(error) => error,
        }
    }
}

#[test]
fn hostile_archives_are_refused() {
    let compressions: [(&str, Compress); 3] = [("gz", gz), ("xz", xz), ("zst", zst)];
    let mut count = 0;
    for (name, members) in cases() {
        for gnu in [false, true] {
            for first in [false, true] {
                let other = with("other", b'0', "o").bytes(gnu);
                let mut tar: Vec<u8> = if first { Vec::new() } else { other.clone() };
                tar.extend(members.iter().flat_map(|member| member.bytes(gnu)));
                if first {
                    tar.extend(&other);
                }
                tar.resize(tar.len() + 1024, 0);
                // A long name belongs to one family, a PAX header to the other; here is both.
                for (compression, compress) in compressions {
                    let name = format!("{name} ({compression}, GNU {gnu}, first {first})");
                    if swallowed(&members, first) {
                        continue;
                    }
                    refused(&name, &compress(&tar), unpack);
                    count += 1;
                }
            }
        }
    }
    for (name, bytes) in hostile_frames::cases() {
        refused(&name, &bytes, unpack);
        count += 1;
    }
    for (name, bytes) in hostile_zips::cases() {
        refused(&name, &bytes, hostile_zips::unpack);
        count += 1;
    }
    eprintln!("figure: {count} hostile archives, all refused, nothing outside");
    assert!(count >= 1000, "{count}");
}

/// An extension header without a member takes the member that comes next for its own.
fn swallowed(members: &[Raw], first: bool) -> bool {
    let last = members
        .last()
        .is_some_and(|member| matches!(member.kind, b'x' | b'L'));
    // A malformed one is refused wherever it is.
    first && last && members.len() > 1 && members[0].kind == b'0'
}
