//! Dev shells from small artifacts on a mirror of files, without network.

mod python;
pub(in crate::builder) mod sandbox;

use std::fs;

use self::sandbox::Sandbox;
use super::*;
use crate::{env::Change, fetch, manifest::ShellName, store::fixtures};

fn programs(built: &BuiltShell) -> Vec<String> {
    let entries = fs::read_dir(built.profile.join("bin")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_dev_shell_is_built_once() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let tools = [sandbox.python(), sandbox.ruff(), sandbox.rust()];
    let request = sandbox.request(&shell, &tools);
    assert_eq!(find(sandbox.data(), &request), None);
    let built = sandbox
        .builder()
        .find_or_build(&request)
        .and_then(PartialBuild::complete)
        .unwrap();
    let expected = [
        "cargo",
        "pip",
        "pip3",
        "python",
        "python3",
        "python3.12",
        "ruff",
        "rust-analyzer",
        "rustc",
    ];
    assert_eq!(programs(&built), expected);
    assert_eq!(built.notices, []);
    assert_eq!(built.objects.len(), 3);
    let output = std::process::Command::new(built.profile.join("bin/ruff")).output();
    assert_eq!(output.unwrap().stdout, b"ruff 0.12.4\n");

    sandbox.empty_mirror();
    assert_eq!(find(sandbox.data(), &request).as_ref(), Some(&built));
    assert_eq!(
        sandbox
            .builder()
            .find_or_build(&request)
            .and_then(PartialBuild::complete)
            .unwrap(),
        built
    );
    fs::remove_dir_all(sandbox.data().join("envs")).unwrap();
    // Objects that are there already are leased as well.
    let store = Store::open(sandbox.data());
    let builder = Builder {
        store: &store,
        ..sandbox.builder()
    };
    assert_eq!(
        builder
            .find_or_build(&request)
            .and_then(PartialBuild::complete)
            .unwrap(),
        built
    );
    let leased = store::leases::leased(sandbox.data()).unwrap();
    for object in &built.objects {
        assert!(leased.contains(object), "{leased:?}");
    }
}

#[test]
fn the_id_depends_on_the_plan_alone() {
    let (one, other) = (Sandbox::new(), Sandbox::new());
    let shell = ShellName::dev();
    let id = |sandbox: &Sandbox, extra: &'static [u8]| {
        let tools = [sandbox.python(), sandbox.ruff()];
        let request = BuildRequest {
            conda_floors: crate::package::CondaFloors::default(),
            extra,
            ..sandbox.request(&shell, &tools)
        };
        sandbox
            .builder()
            .find_or_build(&request)
            .and_then(PartialBuild::complete)
            .unwrap()
            .id
    };
    assert_eq!(id(&one, b""), id(&other, b""));
    assert_ne!(id(&one, b""), id(&one, b"x"));
}

#[test]
fn a_wrong_digest_is_never_worked_around() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let tools = [sandbox.ruff()];
    sandbox.host("ruff", "echo ruff 0.12.4");
    let mirror = sandbox.root.join("mirror/ruff");
    let size = fs::metadata(&mirror).unwrap().len();
    fs::write(&mirror, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    let error = sandbox
        .builder()
        .find_or_build(&sandbox.request(&shell, &tools))
        .unwrap_err();
    let Error::Install { reason, .. } = error else {
        panic!("{error}")
    };
    let digest = matches!(
        *reason,
        store::Error::Fetch(fetch::Error::DigestMismatch { .. })
    );
    assert!(digest, "{reason}");
    fs::write(&mirror, "cut").unwrap();
    let error = sandbox
        .builder()
        .find_or_build(&sandbox.request(&shell, &tools))
        .unwrap_err();
    assert!(error.to_string().contains("3 bytes instead of"), "{error}");
    assert!(!sandbox.data().join("envs").exists());
}

#[test]
fn a_host_tool_serves_where_no_artifact_can_be_had() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let tools = [sandbox.ruff()];
    let auto = sandbox.request(&shell, &tools);
    let policy = |tools_from, locked| BuildRequest {
        tools_from,
        locked,
        ..auto.clone()
    };
    sandbox.empty_mirror();
    sandbox.host("ruff", "echo ruff 0.12.9");

    let served = sandbox
        .builder()
        .find_or_build(&auto)
        .and_then(PartialBuild::complete)
        .unwrap();
    assert_eq!(served.tools[0].version.as_str(), "0.12.9");
    assert!(
        matches!(&served.notices[..], [BuildNotice::HostServes { found, .. }] if found.as_str() == "0.12.9")
    );
    assert_eq!(find(sandbox.data(), &auto), Some(served.clone()));
    assert_eq!(programs(&served), ["ruff"]);

    let locked = policy(ToolsFrom::Auto, true);
    assert_eq!(find(sandbox.data(), &locked), None);
    let error = sandbox
        .builder()
        .find_or_build(&locked)
        .and_then(PartialBuild::complete)
        .unwrap_err();
    let Error::Unavailable { host, accepted, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(host, Some(vec!["0.12.9".parse().unwrap()]));
    assert_eq!(accepted, "0.12.4");

    let managed = policy(ToolsFrom::Managed, false);
    assert_eq!(find(sandbox.data(), &managed), None);
    let error = sandbox
        .builder()
        .find_or_build(&managed)
        .and_then(PartialBuild::complete)
        .unwrap_err();
    assert!(
        matches!(error, Error::Unavailable { host: None, .. }),
        "{error}"
    );

    let only = policy(ToolsFrom::Host, false);
    assert!(find(sandbox.data(), &only).is_some());
    assert_eq!(
        sandbox
            .builder()
            .find_or_build(&only)
            .and_then(PartialBuild::complete)
            .unwrap()
            .id,
        served.id
    );

    sandbox.host("ruff", "echo a newer ruff 0.12.10");
    assert_eq!(
        find(sandbox.data(), &auto),
        None,
        "the program was replaced"
    );
    sandbox.host("ruff", "echo ruff 0.11.0");
    fs::remove_dir_all(sandbox.data()).unwrap();
    let error = sandbox
        .builder()
        .find_or_build(&auto)
        .and_then(PartialBuild::complete)
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[test]
fn an_artifact_replaces_the_host_tool_as_soon_as_it_can_be_had() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let tools = [sandbox.ruff()];
    let request = sandbox.request(&shell, &tools);
    sandbox.empty_mirror();
    sandbox.host("ruff", "echo ruff 0.12.4");
    let served = sandbox
        .builder()
        .find_or_build(&BuildRequest {
            locked: true,
            ..request.clone()
        })
        .unwrap();
    assert!(!served.built_shell.is_managed());
    let _again = sandbox.ruff();
    let managed = sandbox
        .builder()
        .find_or_build(&request)
        .and_then(PartialBuild::complete)
        .unwrap();
    assert!(managed.is_managed());
    assert_ne!(managed.id, served.built_shell.id);
    assert_eq!(find(sandbox.data(), &request), Some(managed));
}

#[test]
fn a_program_of_two_tools_is_the_first_one_s() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let wheel = |name: &str| {
        let [own, both] = [name, "both"].map(|one| format!("{name}-1.0.data/scripts/{one}"));
        fixtures::wheel(&[(own.as_str(), "x"), (both.as_str(), name)])
    };
    let tools = [
        sandbox.asked("pypi:a", "1", "1.0", &[("", wheel("a"))]),
        sandbox.asked("pypi:b", "1", "1.0", &[("", wheel("b"))]),
    ];
    let built = sandbox
        .builder()
        .find_or_build(&sandbox.request(&shell, &tools))
        .and_then(PartialBuild::complete)
        .unwrap();
    assert_eq!(
        fs::read_to_string(built.profile.join("bin/both")).unwrap(),
        "a"
    );
    assert!(
        matches!(&built.notices[..], [BuildNotice::Conflict { program, .. }] if program == "both")
    );
}

#[test]
fn records_keep_every_path() {
    use std::os::unix::ffi::OsStringExt as _;
    let directory = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsString::from_vec(b"/a %41\n\xff\xc3\xa9".to_vec());
    let built = BuiltShell {
        id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        profile: odd.clone().into(),
        env: vec![
            ("A".parse().unwrap(), Change::Set(odd.clone())),
            ("B".parse().unwrap(), Change::Unset),
            (
                "C".parse().unwrap(),
                Change::Extend {
                    before: vec![odd.clone()],
                    after: vec![],
                },
            ),
        ],
        tools: vec![RealisedTool {
            tool: "ruff".parse().unwrap(),
            version: "0.12.4".parse().unwrap(),
            origin: ToolOrigin::Host {
                program: odd.clone().into(),
                seal: "1:2.3".to_owned(),
            },
            programs: vec!["ruff".to_owned()],
        }],
        package_programs: vec!["pytest".to_owned()],
        directory_programs: vec!["shop".to_owned()],
        unneeded_packages: [("guest".to_owned(), ["g".to_owned()].into())].into(),
        objects: vec![odd.into()],
        notices: Vec::new(),
    };
    profile_record::write(directory.path(), &built).unwrap();
    assert_eq!(profile_record::read(directory.path()), Some(built));
}

#[test]
fn the_objects_of_a_profile_are_known_without_its_record() {
    let sandbox = Sandbox::new();
    let shell = ShellName::dev();
    let tools = [sandbox.python(), sandbox.ruff()];
    let builder = sandbox.builder();
    let built = builder
        .find_or_build(&sandbox.request(&shell, &tools))
        .and_then(PartialBuild::complete)
        .unwrap();
    let needs = || {
        let inventory = inventory::Inventory::of(sandbox.data()).unwrap();
        let reached = inventory.reached([&built.profile]);
        let objects = built.objects.iter();
        objects.filter(|object| reached.contains(*object)).count()
    };
    assert_eq!(needs(), 2);
    let place = built.profile.join(profile_manifest::RECORD);
    let written = fs::read(&place).unwrap();
    let mut other_format = written.clone();
    // The format follows 8 bytes of magic.
    other_format[8] = 99;
    other_format.extend(b"unknown");
    fs::write(&place, other_format).unwrap();
    assert_eq!(
        (needs(), profile_record::damage(&built.profile)),
        (2, vec![])
    );
    assert_eq!(profile_record::read(&built.profile), None);
    for damaged in [&written[..written.len() / 2], &[0; 99], &[]] {
        fs::write(&place, damaged).unwrap();
        assert_eq!(
            (needs(), profile_record::damage(&built.profile).len()),
            (2, 1)
        );
        assert_eq!(profile_record::read(&built.profile), None);
    }
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    assert_eq!(needs(), 2);
}
