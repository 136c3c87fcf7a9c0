//! Wheels and compressed archives that no reader should accept.

use std::io::Cursor;

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn refused(recipe: Recipe, archive: Vec<u8>) -> Error {
    let fixture = Fixture::new();
    let error = fixture.install(recipe, &[("", archive)]).unwrap_err();
    assert!(!fixture.directory.path().join("x").exists());
    match error {
        Error::Unpack { reason, .. } => *reason,
        error => error,
    }
}

#[test]
fn wheels_with_odd_members_are_refused() {
    let climbing = wheel(&[("tool-1.0.data/scripts/../../../x", "x")]);
    let error = refused(Recipe::Wheel, climbing);
    assert!(
        matches!(
            error,
            Error::Refused {
                rule: Rule::OddPath,
                ..
            }
        ),
        "{error}"
    );
    let absolute = wheel(&[
        ("tool-1.0.data/data//x", "x"),
        ("tool-1.0.data/scripts/y", ""),
    ]);
    let error = refused(Recipe::Wheel, absolute);
    assert!(
        matches!(
            error,
            Error::Refused {
                rule: Rule::OddPath,
                ..
            }
        ),
        "{error}"
    );
    let twice = wheel(&[
        ("tool-1.0.data/scripts/y", ""),
        ("tool-1.0.data/data/bin/y", ""),
    ]);
    let error = refused(Recipe::Wheel, twice);
    assert!(
        matches!(
            error,
            Error::Refused {
                rule: Rule::Duplicate,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn wheels_with_links_are_refused() {
    let mut whole = ZipWriter::new_append(Cursor::new(wheel(&[]))).unwrap();
    let options = SimpleFileOptions::default();
    whole
        .add_symlink("tool-1.0.data/scripts/tool", "/bin/sh", options)
        .unwrap();
    let archive = whole.finish().unwrap().into_inner();
    assert!(matches!(
        refused(Recipe::Wheel, archive),
        Error::Refused { .. }
    ));
}

#[test]
fn archives_that_are_cut_or_changed_are_refused() {
    let whole = python();
    let cut = whole[..whole.len() - 20].to_vec();
    assert!(matches!(
        refused(Recipe::Python, cut),
        Error::Archive { .. }
    ));
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 0x40;
    assert!(matches!(
        refused(Recipe::Python, changed),
        Error::Archive { .. } | Error::Refused { .. }
    ));
    let tar = tar_of(&[("python/bin/python3.12", FILE, 0o755, "content")]);
    let cut = gz(&tar[..514]);
    assert!(matches!(
        refused(Recipe::Python, cut),
        Error::Archive { .. }
    ));
    assert!(matches!(
        refused(Recipe::Python, b"plain".to_vec()),
        Error::Archive { .. }
    ));
}

#[test]
fn long_names_are_read_and_checked() {
    let long = format!("python/{}", "long/".repeat(30));
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length =
            (1..4096).find(|length: &usize| length.to_string().len() + rest.len() == *length);
        format!("{}{rest}", length.unwrap())
    };
    let named = |data: &str| {
        let members = [
            ("python/bin/python3.12", FILE, 0o755, ""),
            PATCHLEVEL,
            ("x", EntryType::XHeader, 0o644, data),
            ("python/short", FILE, 0o644, "text"),
        ];
        gz(&tar_of(&members))
    };
    let fixture = Fixture::new();
    let archive = named(&record("path", &format!("{long}file")));
    let place = fixture.install(Recipe::Python, &[("", archive)]).unwrap();
    let below = long.strip_prefix("python/").unwrap();
    assert_eq!(
        fs::read_to_string(place.join(below).join("file")).unwrap(),
        "text"
    );
    for data in [
        record("path", "/etc/x"),
        record("path", "python/../../x"),
        record("GNU.sparse.major", "1"),
    ] {
        let error = refused(Recipe::Python, named(&data));
        assert!(
            matches!(error, Error::Refused { .. } | Error::Archive { .. }),
            "{error}"
        );
    }
}
