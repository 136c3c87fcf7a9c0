//! A project with many watched files, which zsh and fish look at all at once.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::support::{Sandbox, for_each_shell};

/// How many env files there are.
const FILES: usize = 12;

/// Gives a file an earlier time: what just changed is looked at in another way.
pub(crate) fn age(path: &Path, hours: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let time = SystemTime::now() - Duration::from_hours(hours);
    file.set_modified(time).unwrap();
}

/// An approved project that loads old env files; each sets `V` and a number.
pub(crate) fn prepared() -> Sandbox {
    let names: Vec<String> = (0..FILES).map(|number| format!("env {number}")).collect();
    let manifest = format!("[env-files]\nload = {names:?}\n[env]\nACTIVE = \"yes\"\n");
    let sandbox = Sandbox::new().manifest(&manifest);
    for (number, name) in names.iter().enumerate() {
        sandbox.write(name, format!("V{number}=one\n"));
        age(&sandbox.project().join(name), 24);
    }
    age(&sandbox.project().join("devshell.toml"), 24);
    sandbox.allow();
    sandbox
}

#[test]
fn a_change_of_any_of_many_files_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let path = |number: usize| sandbox.project().join(format!("env {number}"));
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(path(3), "V3=two\n").unwrap(),
            &|| {
                // An older file in its place.
                fs::write(path(FILES), "V11=two\n").unwrap();
                age(&path(FILES), 48);
                fs::rename(path(FILES), path(11)).unwrap();
            },
            &|| {
                fs::write(path(0), "V0=two\n").unwrap();
                age(&path(0), 23);
            },
            &|| fs::remove_file(path(5)).unwrap(),
        ];
        for (turn, change) in changes.into_iter().enumerate() {
            let shown = pty.type_line("true");
            assert!(!shown.contains("devsh: "), "turn {turn}: {shown}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "turn {turn}");
            change();
            let shown = pty.type_line("true");
            assert!(shown.contains("devsh: "), "turn {turn}: {shown}");
            // What is gone comes back, and everything is approved again.
            fs::write(path(5), "V5=one\n").unwrap();
            for number in 0..FILES {
                let old = path(number).metadata().unwrap().modified().unwrap();
                if old
                    .elapsed()
                    .is_ok_and(|elapsed| elapsed < Duration::from_hours(1))
                {
                    age(&path(number), 24);
                }
            }
            sandbox.allow();
            pty.type_line("true");
        }
        assert_eq!(pty.var("V3").as_deref(), Some("two"));
        assert_eq!(pty.var("V11").as_deref(), Some("two"));
        assert_eq!(pty.var("V0").as_deref(), Some("two"));
    });
}
