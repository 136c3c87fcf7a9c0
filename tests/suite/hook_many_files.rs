//! Files with other checks: many files, which zsh and fish check with one builtin, and symlinks.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use crate::support::{HostShell, Sandbox, for_each_shell};

/// The number of env files.
const FILES: usize = 12;
/// The age after which files and directories count as old.
const SETTLED: Duration = Duration::from_millis(3_200);

/// Gives a file an earlier time, because recent files have another check.
pub(crate) fn age(path: &Path, hours: u64) {
    set_time(path, SystemTime::now() - Duration::from_hours(hours));
}

fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
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

/// Returns a command that prints the checks of the shell, and the builtin that reads the times.
const fn checks(shell: HostShell) -> (&'static str, &'static str) {
    match shell {
        HostShell::Bash => ("declare -f $(compgen -A function __devsh_fresh_)", "-nt"),
        HostShell::Zsh => ("functions -m '__devsh_fresh*'", "__devsh_times"),
        HostShell::Fish => (
            "functions (functions -a | string match '__devsh_fresh_*')",
            "path mtime",
        ),
    }
}

/// Replaces a file by one with the same mtime second, as a checkout may have written both.
fn replace_within_second(place: &Path, new: &Path, content: &str) {
    let there = place.metadata().unwrap().modified().unwrap();
    let since = there.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
    let half = begin + Duration::from_millis(500);
    fs::write(new, content).unwrap();
    set_time(new, if there < half { half } else { begin });
    fs::rename(new, place).unwrap();
}

#[test]
fn a_change_of_any_of_many_files_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        thread::sleep(SETTLED);
        pty.enter();
        let path = |number: usize| sandbox.project().join(format!("env {number}"));
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(path(3), "V3=two\n").unwrap(),
            &|| {
                // An older file replaces it.
                fs::write(path(FILES), "V11=two\n").unwrap();
                age(&path(FILES), 48);
                fs::rename(path(FILES), path(11)).unwrap();
            },
            &|| {
                fs::write(path(0), "V0=two\n").unwrap();
                age(&path(0), 23);
            },
            &|| replace_within_second(&path(7), &path(FILES), "V7=two\n"),
            &|| fs::remove_file(path(5)).unwrap(),
        ];
        let (show, builtin) = checks(shell);
        for (turn, change) in changes.into_iter().enumerate() {
            let shown = pty.type_line("true");
            assert!(!shown.contains("devsh: "), "turn {turn}: {shown}");
            let shown = pty.run(show);
            assert!(shown.contains(builtin), "turn {turn}: {shown}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "turn {turn}");
            change();
            let shown = pty.type_line("true");
            assert!(shown.contains("devsh: "), "turn {turn}: {shown}");
            // The removed file comes back, and the project is approved again.
            fs::write(path(5), "V5=one\n").unwrap();
            for number in 0..FILES {
                let old = path(number).metadata().unwrap().modified().unwrap();
                let elapsed = old.elapsed();
                if elapsed.is_ok_and(|elapsed| elapsed < Duration::from_hours(1)) {
                    age(&path(number), 24);
                }
            }
            thread::sleep(SETTLED);
            sandbox.allow();
            pty.type_line("true");
        }
        for name in ["V0", "V3", "V7", "V11"] {
            assert_eq!(pty.var(name).as_deref(), Some("two"), "{name}");
        }
    });
}

#[test]
fn a_link_from_one_file_without_a_time_to_another_is_noticed() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest("[env-files]\nload = [\"env\"]\n");
        // As in a store that gives every file the same time.
        for version in ["one", "two"] {
            sandbox.write(version, format!("V={version}\n"));
            let place = sandbox.project().join(version);
            set_time(&place, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        }
        let link = sandbox.project().join("env");
        symlink("one", &link).unwrap();
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("V").as_deref(), Some("one"));
        fs::remove_file(&link).unwrap();
        symlink("two", &link).unwrap();
        let shown = pty.type_line("true");
        assert!(shown.contains("has changed since"), "{shown}");
    });
}
