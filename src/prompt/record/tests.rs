//! Records round-trip, and are stale after a change.

use super::*;
use crate::env::Change;

fn record(watched: &Path) -> Record {
    let extend = Change::Extend {
        before: vec!["/p".into()],
        after: vec![],
    };
    let plan = BTreeMap::from([
        ("PATH".parse().unwrap(), extend),
        ("A".parse().unwrap(), Change::Set("1".into())),
        ("B".parse().unwrap(), Change::Default("2".into())),
        ("C".parse().unwrap(), Change::Unset),
    ]);
    Record {
        watched: vec![Watched::look(watched, SystemTime::now())],
        objects: vec![watched.parent().unwrap().to_owned()],
        sealed: vec![Watched::settled_look(watched.to_owned())],
        machine: Some(machine::identity()),
        drifted: true,
        scripts: UnapprovedScripts {
            names: ["pytest".to_owned()].into(),
            searched: vec!["/usr/bin".into()],
        },
        versions: LockedVersions {
            tools: BTreeMap::from([("ruff".to_owned(), "0.12.4".to_owned())]),
            lockfiles: BTreeMap::from([("uv.lock".to_owned(), "01".to_owned())]),
        },
        retry: Some(Retry { at: 7, pause: 5 }),
        content: Content {
            missing: vec![MissingPart {
                name: "`node`".to_owned(),
                reason: "unreachable".to_owned(),
                hint: None,
                is_left_out: false,
                directory: Some("web".to_owned()),
            }],
            environment: "id".to_owned(),
            summary: "python 3.12".to_owned(),
            host_tools: vec!["python 3.11 is from the host".to_owned()],
            plan: EnvPlan(plan),
            required: vec![RequiredVariable {
                name: "T".parse().unwrap(),
                help: "ask".to_owned(),
                place: "m:1".to_owned(),
            }],
            aliases: vec![("t".parse().unwrap(), "pytest -x".to_owned())],
            granted: ["LD_PRELOAD".parse().unwrap()].into(),
            enter: vec!["echo".to_owned()],
            leave: vec![],
            user_scripts: vec![UserScript {
                host: HostShell::Zsh,
                text: "f() { :; }".to_owned(),
            }],
            timeout: 10,
            quiet: true,
        },
    }
}

#[test]
fn a_record_is_fresh_until_something_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (state, root, dev) = (directory.path(), Path::new("/p"), ShellName::dev());
    let watched = directory.path().join("devshell.toml");
    std::fs::write(&watched, "x").unwrap();
    let record = record(&watched);
    record.store(state, root, &dev).unwrap();
    // At a later time `fresh` would store the record again.
    let now = std::time::UNIX_EPOCH;
    assert_eq!(Record::fresh(state, root, &dev, now), Some(record.clone()));
    assert_eq!(
        Record::fresh(state, Path::new("/q"), &dev, SystemTime::now()),
        None
    );
    std::fs::write(&watched, "y").unwrap();
    assert_eq!(Record::fresh(state, root, &dev, SystemTime::now()), None);
    assert_eq!(Record::stored(state, root, &dev), Some(record));
}

#[test]
fn a_damaged_record_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let record = record(&directory.path().join("absent"));
    let whole = encode(&record, Path::new("/p"));
    assert_eq!(Record::from_bytes(&whole, Path::new("/q")), None);
    assert_eq!(decode(&whole), Ok(("/p".into(), record)));
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end]), Err(Damaged));
    }
}

#[test]
fn the_id_is_of_the_content_alone() {
    let directory = tempfile::tempdir().unwrap();
    let one = record(&directory.path().join("one"));
    let mut two = record(&directory.path().join("two"));
    assert_eq!(one.id(), two.id());
    two.content.enter.clear();
    assert_ne!(one.id(), two.id());
}

#[test]
fn objects_of_records_of_another_version_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (state, root) = (directory.path(), directory.path().join("project"));
    let record = record(&root);
    let shell = ShellName::dev();
    record.store(state, &root, &shell).unwrap();
    let path = Record::path(state, &root, &shell);
    let mut bytes = std::fs::read(&path).unwrap();
    let other = binary::encode(&(FORMAT + 1));
    bytes.splice(..other.len(), other);
    bytes.truncate(bytes.len() - 1);
    files::write_atomic(&path, &bytes).unwrap();
    assert!(Record::all(state).unwrap().is_empty());
    let expected = [(root, record.objects)];
    assert_eq!(Record::needs(state).unwrap(), expected);
}
