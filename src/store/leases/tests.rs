//! Leases end with their holders, and a collection waits for passes.

use std::process::{Command, Stdio};

use super::*;

#[test]
fn a_shell_has_one_lease() {
    let data = tempfile::tempdir().unwrap();
    let (me, one) = (ProcessMark::current(), data.path().join("envs/1"));
    assert!(!lease_for_shell(data.path(), me, &one));
    fs::create_dir_all(&one).unwrap();
    assert!(lease_for_shell(data.path(), me, &one));
    assert_eq!(leased(data.path()).unwrap(), std::slice::from_ref(&one));
    let text = fs::read_link(shells(data.path()).join(me.to_string())).unwrap();
    assert_eq!(text, Path::new("../../../envs/1"));
    let first = first_shell_lease(data.path()).unwrap();
    assert!(first.is_some_and(|time| time <= SystemTime::now()));
    let two = data.path().join("envs/2");
    lease_for_shell(data.path(), me, &two);
    assert_eq!(leased(data.path()).unwrap(), [two]);
    let mut child = Command::new("true").spawn().unwrap();
    let me_text = me.to_string();
    let (_, namespace) = me_text.rsplit_once('.').unwrap();
    let gone: ProcessMark = format!("{}.0.{namespace}", child.id()).parse().unwrap();
    child.wait().unwrap();
    lease_for_shell(data.path(), gone, Path::new("/elsewhere/envs/1"));
    assert_eq!(leased(data.path()).unwrap().len(), 1);
    release_shell(data.path(), me);
    assert!(leased(data.path()).unwrap().is_empty());
    assert_eq!(first_shell_lease(data.path()).unwrap(), None);
}

#[test]
fn the_lease_of_a_shell_in_a_container_is_kept_for_a_month() {
    let data = tempfile::tempdir().unwrap();
    let one = data.path().join("envs/1");
    fs::create_dir_all(&one).unwrap();
    // No such process is here.
    let foreign: ProcessMark = "4194304.1.1".parse().unwrap();
    assert!(lease_for_shell(data.path(), foreign, &one));
    assert_eq!(leased(data.path()).unwrap(), std::slice::from_ref(&one));
    let place = shells(data.path()).join(foreign.to_string());
    let touch = |days: u64| {
        let age = format!("{days} days ago");
        let place = place.to_str().unwrap();
        let done = Command::new("touch")
            .args(["-h", "-d", &age, place])
            .status();
        assert!(done.unwrap().success());
    };
    touch(29);
    assert_eq!(leased(data.path()).unwrap(), [one]);
    touch(31);
    assert!(leased(data.path()).unwrap().is_empty());
    assert!(place.symlink_metadata().is_err());
}

#[test]
fn a_lease_lasts_as_long_as_a_program_that_inherited_it() {
    let data = tempfile::tempdir().unwrap();
    let (store, profile) = (data.path().join("store"), data.path().join("envs/1"));
    let lease = Lease::take(&store, "envs/1").unwrap();
    // Standard output of the child is a copy of the leased file.
    let mut child = Command::new("sleep")
        .arg("60")
        .stdout(Stdio::from(lease.file.try_clone().unwrap()))
        .spawn()
        .unwrap();
    drop(lease);
    assert_eq!(leased(data.path()).unwrap(), [profile]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(leased(data.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(store.join(".leases/envs")).unwrap().count(), 0);
}

#[test]
fn a_released_lease_leaves_the_lease_of_another_process() {
    let data = tempfile::tempdir().unwrap();
    let store = data.path().join("store");
    let (one, two) = (Leases::default(), Leases::default());
    for leases in [&one, &two] {
        leases.add(&store, "store/a".to_owned()).unwrap();
    }
    drop(one);
    assert_eq!(leased(data.path()).unwrap(), [store.join("a")]);
    drop(two);
    assert!(leased(data.path()).unwrap().is_empty());
}
