//! The table of faults: how each strikes, and how it is repaired.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Case,
    damage::{Damage, spoil, whole},
    healthy,
};
use crate::support::require;

/// A fault of devsh, its files, the project or the machine.
pub(super) struct Fault {
    pub(super) name: String,
    /// True if the project is still loaded; `None` if both are correct.
    pub(super) loads: Option<bool>,
    /// True if a background build starts, which prints a line at its start and at its failure.
    pub(super) builds: bool,
    /// True if devsh exits as after Ctrl-C.
    pub(super) interrupts: bool,
    /// A program that the fault needs.
    needs: Option<&'static str>,
    pub(super) strike: Box<dyn Fn(&Case)>,
    pub(super) repair: Box<dyn Fn(&Case)>,
}

impl Fault {
    /// Returns the fault if it can be made here.
    pub(super) fn available(self) -> Option<Self> {
        match self.needs {
            Some(tool) => require(tool).map(|_| self),
            None => Some(self),
        }
    }
}

/// Every fault.
pub(super) fn faults() -> Vec<Fault> {
    let mut all = programs();
    all.extend(machines());
    all.extend(calls());
    all.extend(files());
    all.extend(directories());
    all.extend(scripts());
    all
}

/// The hook starts this in the place of devsh.
fn program(name: &str, script: &str) -> Fault {
    let script = script.to_owned();
    Fault {
        name: name.to_owned(),
        loads: Some(false),
        builds: false,
        interrupts: false,
        needs: None,
        strike: Box::new(move |case| drop(case.sandbox.program("hooked", &script))),
        repair: Box::new(|case| drop(case.sandbox.program("hooked", &healthy("")))),
    }
}

/// Programs in the place of devsh that are none, or fail, or say what is not whole.
fn programs() -> Vec<Fault> {
    let code = "export ACTIVE=half; set -gx ACTIVE half";
    let mut all: Vec<Fault> = [
        ("it fails", "exit 1".to_owned()),
        (
            "it fails loudly",
            "echo 'devsh: panicked at x' >&2; exit 101".to_owned(),
        ),
        ("it is killed by itself", "kill -KILL $$".to_owned()),
        ("it aborts", "kill -ABRT $$".to_owned()),
        ("it says nothing", "exit 0".to_owned()),
        ("it has no mark", format!("echo '{code}'")),
        (
            "it has the mark and fails",
            format!("echo '{code}'; echo \"# devsh $4\"; exit 1"),
        ),
        (
            "it has another mark",
            format!("echo '{code}'; echo '# devsh 1'"),
        ),
        (
            "its mark is not the end",
            format!("echo \"# devsh $4\"; echo '{code}'"),
        ),
        (
            "it says no code",
            "printf '((('; printf '\\001\\377\\n'".to_owned(),
        ),
        ("its output is closed", "exec 1>&-; exit 0".to_owned()),
    ]
    .into_iter()
    .map(|(name, script)| program(name, &format!("#!/bin/sh\n{script}\n")))
    .collect();
    all.push(program("it is empty", ""));
    all.push(program("it has no interpreter", "#!/no/where\n"));
    all.push(program("it is no program", "\u{7f}ELF\0\0\0\0"));
    for (name, damage) in [
        ("it is gone", Damage::Absent),
        ("it is a directory", Damage::Directory),
        ("it cannot be executed", Damage::Mode(0o644)),
        ("it leads nowhere", Damage::Link("/no/where")),
    ] {
        all.push(spoilt(
            name,
            |case| case.program.clone(),
            damage,
            Some(false),
        ));
    }
    all
}

/// Devsh itself in an odd machine, made by what its starter does first.
fn machines() -> Vec<Fault> {
    [
        ("HOME is unset", "unset HOME", Some(true)),
        ("HOME is nowhere", "export HOME=/no/where", Some(true)),
        ("TMPDIR is nowhere", "export TMPDIR=/no/where", Some(true)),
        (
            "state is nowhere",
            "export XDG_STATE_HOME=/proc/no",
            Some(true),
        ),
        ("state is relative", "export XDG_STATE_HOME=state", None),
        ("data is nowhere", "export XDG_DATA_HOME=/proc/no", None),
        (
            "settings are nowhere",
            "export XDG_CONFIG_HOME=/proc/no",
            None,
        ),
        ("the locale is none", "export LC_ALL=xx_YY.none", Some(true)),
        ("PWD is wrong", "export PWD=/no/where", Some(true)),
        ("few files can be open", "ulimit -n 4", None),
        ("no file can grow", "ulimit -f 0", None),
        ("nothing can be said", "exec 2>&-", Some(true)),
        ("output is closed", "exec 1>&-", Some(false)),
        ("input is closed", "exec 0<&-", Some(true)),
    ]
    .into_iter()
    .map(|(name, before, loads)| Fault {
        loads,
        ..program(name, &healthy(before))
    })
    .collect()
}

/// Devsh itself, one of whose system calls fails or is its last.
fn calls() -> Vec<Fault> {
    [
        ("killed when it opens", "openat:signal=KILL:when=15"),
        ("killed when it writes", "write:signal=KILL:when=1"),
        ("killed when it is over", "exit_group:signal=KILL"),
        ("terminated when it looks", "statx:signal=TERM:when=4"),
        ("interrupted when it reads", "read:signal=INT:when=6"),
        ("the disk is full", "write:error=ENOSPC"),
        ("the disk is broken", "read:error=EIO:when=8+"),
        ("no file can be opened", "openat:error=EMFILE:when=12+"),
        ("nothing can be renamed", "rename:error=EROFS"),
        ("nothing can be made", "mkdir:error=EROFS"),
        ("nothing can be looked at", "statx:error=EACCES"),
        ("nothing can be started", "clone3:error=EAGAIN"),
        ("no thread can be started", "clone3:error=EAGAIN:when=2+"),
        ("no memory is left", "mmap:error=ENOMEM:when=40+"),
    ]
    .into_iter()
    .map(|(name, fault)| {
        let call = fault.split(':').next().unwrap();
        let before = format!(
            "set -- strace -qq -o /dev/null -e trace={call} -e inject={fault} '{}' \"$@\"\nexec \"$@\"",
            crate::support::sandbox::DEVSH
        );
        Fault {
            loads: None,
            interrupts: fault.contains("INT"),
            needs: Some("strace"),
            ..program(name, &healthy(&before))
        }
    })
    .collect()
}

/// Something happens to a file or directory.
fn spoilt(
    name: &str,
    path: impl Fn(&Case) -> PathBuf + Clone + 'static,
    damage: Damage,
    loads: Option<bool>,
) -> Fault {
    let repaired = path.clone();
    Fault {
        name: name.to_owned(),
        loads,
        builds: false,
        interrupts: false,
        needs: None,
        strike: Box::new(move |case| spoil(&path(case), &damage)),
        repair: Box::new(move |case| {
            let path = repaired(case);
            let _file = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            fs::rename(whole(&path), &path).unwrap();
        }),
    }
}

/// The one entry of a directory.
fn only(directory: &Path) -> PathBuf {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".whole"))
        .collect();
    entries.sort();
    entries.swap_remove(0)
}

/// The kinds of damage to a file.
fn damages() -> [(&'static str, Damage); 12] {
    let garbage = Damage::Bytes(
        (0..4096_u32)
            .map(|n| (n * 37 % 251).to_le_bytes()[0])
            .collect(),
    );
    [
        ("is cut", Damage::Half),
        ("is empty", Damage::Bytes(Vec::new())),
        ("is garbage", garbage),
        ("is a directory", Damage::Directory),
        ("is a FIFO", Damage::Fifo),
        ("is a giant", Damage::Giant),
        ("is a device", Damage::Link("/dev/zero")),
        ("is a link to itself", Damage::Loop),
        ("is somebody else's", Damage::Foreign),
        ("is of the future", Damage::Dated(4_000_000_000)),
        ("is of the past", Damage::Dated(1)),
        ("is gone", Damage::Absent),
    ]
}

/// Files of the project, of the user and of devsh.
fn files() -> Vec<Fault> {
    let manifest = |case: &Case| case.sandbox.project().join("devshell.toml");
    let record = |case: &Case| {
        // Its place is the same in every case.
        only(&case.home(".local/state/devsh/projects")).join("dev.record")
    };
    let approval = |case: &Case| {
        let directory = case.home(".local/share/devsh/allow");
        let key = only(&case.home(".local/state/devsh/projects"));
        directory.join(key.file_name().unwrap())
    };
    let config = |case: &Case| case.home(".config/devsh/config.toml");
    let mut all = Vec::new();
    for (what, damage) in damages() {
        let timed = matches!(damage, Damage::Dated(_));
        let name = |file: &str| format!("the {file} {what}");
        all.push(spoilt(
            &name("manifest"),
            manifest,
            damage.clone(),
            Some(timed),
        ));
        all.push(spoilt(&name("record"), record, damage.clone(), Some(true)));
        all.push(spoilt(
            &name("approval"),
            approval,
            damage.clone(),
            Some(timed),
        ));
        all.push(spoilt(&name("config"), config, damage, None));
    }
    let broken = Damage::Bytes(b"[env\n\x1b]0;x\x07".to_vec());
    all.push(spoilt(
        "the manifest is broken",
        manifest,
        broken,
        Some(false),
    ));
    let open = Damage::Mode(0o666);
    all.push(spoilt(
        "the manifest is everybody's",
        manifest,
        open,
        Some(false),
    ));
    all
}

/// Directories of devsh, and the project's.
fn directories() -> Vec<Fault> {
    let mut all = Vec::new();
    for (below, loads) in [
        (".local/state/devsh", Some(true)),
        (".local/state/devsh/projects", Some(true)),
        (".local/state/devsh/stamps", Some(true)),
        (".local/share/devsh", Some(false)),
        (".local/share/devsh/allow", Some(false)),
        (".local/share/devsh/envs", None),
        ("project", Some(false)),
    ] {
        for (what, damage) in [
            ("is gone", Damage::Absent),
            ("is a file", Damage::Bytes(b"in the way".to_vec())),
        ] {
            let place = move |case: &Case| case.home(below);
            let mut fault = spoilt(&format!("{below} {what}"), place, damage, loads);
            if below.ends_with("envs") {
                let repair = fault.repair;
                fault.builds = true;
                fault.repair = Box::new(move |case| {
                    // A build under way would go on behind the next faults.
                    let _ended = case.sandbox.devsh(&["sync"]);
                    repair(case);
                });
            }
            all.push(fault);
        }
    }
    all
}

/// Enter scripts; what they do is in a file that they run.
fn scripts() -> Vec<Fault> {
    [
        ("the script fails", "exit 3", Some(true)),
        ("the script is killed", "kill -KILL $$", Some(true)),
        ("the script kills devsh", "kill -KILL $PPID", Some(false)),
        (
            "the script leaves somebody",
            "sleep 5 >/dev/null 2>&1 &",
            Some(true),
        ),
        (
            "the script closes what it reports on",
            "exec 3>&-",
            Some(true),
        ),
        ("the script never ends", "exec sleep 60", Some(true)),
    ]
    .into_iter()
    .map(|(name, script, loads)| Fault {
        name: name.to_owned(),
        loads,
        builds: false,
        interrupts: false,
        needs: None,
        strike: Box::new(move |case| fs::write(case.home("fault"), script).unwrap()),
        repair: Box::new(|case| fs::write(case.home("fault"), "").unwrap()),
    })
    .collect()
}
