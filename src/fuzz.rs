//! Everything that reads untrusted bytes, each as one function that must come back: the fuzz targets.
//!
//! `tests/fuzz` runs them under libFuzzer, and the test suite on the corpora and on mutations of them.

use std::path::Path;

use crate::{
    env::{Env, EnvDiff},
    lockfile, manifest,
    package::{Requirement, Version},
    project::approval::Approval,
    prompt::{record::Record, session_var::ShellSession},
    store::fuzz_entries,
    util::{binary, terminal_text::SafeText},
};

/// Reads some bytes, and panics if what must hold does not.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("env_diff", env_diff),
    ("lock", lock),
    ("manifest", manifest),
    ("state", state),
    ("tar", fuzz_entries::read_tar),
    ("version", version),
    ("wheel", fuzz_entries::read_wheel),
    ("zip", fuzz_entries::read_zip),
];

/// Returns the target of a name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}

/// A difference of environments: what is read is written and read again as the same.
fn env_diff(bytes: &[u8]) {
    if let Ok(diff) = binary::decode::<EnvDiff>(bytes) {
        assert_eq!(binary::decode(&binary::encode(&diff)), Ok(diff));
    }
}

/// A lockfile: what is read is written and read again as the same.
fn lock(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(lockfile) = lockfile::parse("fuzz", text) {
        let again = lockfile::parse("fuzz", &lockfile::print(&lockfile));
        assert_eq!(again.ok(), Some(lockfile));
    }
}

/// A manifest: it is understood, or the error can be shown.
fn manifest(bytes: &[u8]) {
    let result = manifest::parse_bytes("fuzz", bytes).and_then(|layer| manifest::merge(&[layer]));
    if let Err(error) = result {
        let shown = SafeText::from(error.to_string());
        assert!(!shown.as_str().contains(char::is_control), "{shown:?}");
    }
}

/// Files of devsh that someone has changed: session, record, approval.
fn state(bytes: &[u8]) {
    let root = Path::new("/r");
    let _record = Record::from_bytes(bytes, root);
    let _approval = Approval::from_bytes(bytes, root);
    if let Some(session) = ShellSession::decode(bytes) {
        let _unloaded = session.unload(&Env::default());
    }
}

/// Versions and requirements: order and text agree.
fn version(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let (version, requirement) = (first.parse::<Version>(), second.parse::<Requirement>());
    if let (Ok(version), Ok(requirement)) = (&version, &requirement) {
        let _admitted = requirement.admits(version);
    }
    if let Ok(version) = version {
        assert_eq!(version.as_str().parse::<Version>().ok(), Some(version));
    }
}
