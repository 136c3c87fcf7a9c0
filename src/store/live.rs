//! Which profile each running host shell has loaded: one symbolic link for each, named by the process.
//!
//! A link is made and replaced in one step and never synced: after a crash its shell is gone as well.

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::process::ProcessMark;
use crate::util::files;

/// Returns the directory of the links.
fn directory(data: &Path) -> PathBuf {
    data.join("store/.live")
}

/// From the links to the data directory.
const DATA: &str = "../..";

/// Returns what the link for a profile says.
///
/// File systems keep a short target in the inode (ext4 up to 59 bytes): making and removing such a link takes a
/// fifth of the time, which every `cd` in and out pays.
fn target<'a>(data: &Path, profile: &'a Path) -> Cow<'a, Path> {
    match profile.strip_prefix(data) {
        Ok(rest) => Path::new(DATA).join(rest).into(),
        Err(_) => profile.into(),
    }
}

/// Notes that `holder` has `profile` loaded; to be done before it is looked whether the profile is there.
pub fn hold(data: &Path, holder: ProcessMark, profile: &Path) -> io::Result<()> {
    let directory = directory(data);
    let place = directory.join(holder.to_string());
    let target = target(data, profile);
    match symlink(&target, &place) {
        Err(error) if files::is_absent(&error) => {
            files::create_private_dir(&directory).map_err(|error| error.source)?;
            symlink(&target, &place)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_link(&place).is_ok_and(|held| held == *target) {
                return Ok(());
            }
            let aside = directory.join(format!("{holder}.{}", ProcessMark::current()));
            symlink(&target, &aside)?;
            fs::rename(&aside, &place)
        }
        made => made,
    }
}

/// Notes that `holder` has nothing loaded any more.
pub fn release(data: &Path, holder: ProcessMark) {
    // One that stays ends with its process.
    let _left = fs::remove_file(directory(data).join(holder.to_string()));
}

/// Keeps what this process finds where it is: the collector moves nothing before the file that is returned is
/// closed, as an exec does.
///
/// To be taken before it is looked what is there. Nothing where there is no store, or none with locks.
pub fn pass(data: &Path) -> Option<File> {
    let file = File::open(data.join("store/.format")).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Waits until no pass is out; none is given before the file that is returned is closed.
pub(super) fn without_passes(store: &Path) -> Result<File, files::Error> {
    files::lock(&store.join(".format"))
}

/// Returns the profiles that running host shells have loaded; links of those that ended are removed.
///
/// An error says that not everything could be seen.
pub fn held(data: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let mut profiles = Vec::new();
    for path in files::list(&directory(data))? {
        if ProcessMark::of_file(&path).is_some_and(ProcessMark::is_alive) {
            match fs::read_link(&path) {
                Ok(target) => profiles.push(match target.strip_prefix(DATA) {
                    Ok(rest) => data.join(rest),
                    Err(_) => target,
                }),
                Err(error) if files::is_absent(&error) => {}
                Err(error) => return Err(files::at("read", &path)(error)),
            }
        } else {
            let _left = fs::remove_file(&path);
        }
    }
    Ok(profiles)
}

/// Returns when the first of the host shells that still run loaded its dev shell; nothing when none has one.
///
/// To be asked after `held`, which clears away what ended.
pub fn since(data: &Path) -> Result<Option<SystemTime>, files::Error> {
    let mut first = None;
    for path in files::list(&directory(data))? {
        // Of the link, not of what it leads to.
        let made = path
            .symlink_metadata()
            .and_then(|metadata| metadata.modified());
        match made {
            Ok(made) => first = Some(first.map_or(made, |first: SystemTime| first.min(made))),
            Err(error) if files::is_absent(&error) => {}
            Err(error) => return Err(files::at("read", &path)(error)),
        }
    }
    Ok(first)
}

/// Returns the paths below `data` that running processes name: their program, and their environment.
///
/// This finds what a shell started and left behind. Processes of others cannot be read, and need not be; any other
/// error says that not everything could be seen.
pub fn mentioned(data: &Path) -> Result<Vec<PathBuf>, files::Error> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut found = Vec::new();
    let base = data.as_os_str().as_bytes();
    for pid in super::process::numbers()? {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        found.extend(
            program
                .into_iter()
                .filter(|program| program.starts_with(data)),
        );
        let place = PathBuf::from(format!("/proc/{pid}/environ"));
        let environment = match environment(&place) {
            Err(error) if is_foreign(&error) => continue,
            environment => environment.map_err(files::at("read", &place))?,
        };
        let paths = paths_below(base, &environment);
        found.extend(paths.map(|path| std::ffi::OsString::from_vec(path.to_vec()).into()));
    }
    Ok(found)
}

/// Returns the environment of a process, waiting for one that is just becoming another program.
///
/// In an exec the kernel closes files, and with them a pass, some moments before it tells the new environment.
/// Until then the environment reads as empty. So does one that was opened before the exec and read after it.
fn environment(place: &Path) -> io::Result<Vec<u8>> {
    let end =
        || fs::read_to_string(place.with_file_name("stat")).map(|stat| environment_end(&stat));
    let mut empty = 0;
    for _ in 0..2_000 {
        let before = end()?;
        let found = read_at_once(place)?;
        // An exec in between puts the environment elsewhere, mostly.
        let settled = before.as_deref() != Some("0") && before == end()?;
        empty = if settled { empty + 1 } else { 0 };
        if !found.is_empty() || empty == 4 {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "its program is still being started",
    ))
}

/// Reads a file of `/proc` in one call: a second one would find nothing where an exec came between.
fn read_at_once(place: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 1 << 17];
    loop {
        let length = File::open(place)?.read(&mut bytes)?;
        if length < bytes.len() {
            bytes.truncate(length);
            return Ok(bytes);
        }
        bytes.resize(bytes.len() * 2, 0);
    }
}

/// Returns where the environment ends that `/proc/PID/stat` tells of, `0` while it has no place yet; nothing for what
/// has no memory: a thread of the kernel, or what ended.
fn environment_end(stat: &str) -> Option<String> {
    // The name of the program may hold blanks and brackets; the third field follows it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let field = |number: usize| fields.split_whitespace().nth(number - 3);
    let (memory, end) = (field(23)?, field(51)?);
    (memory != "0").then(|| end.to_owned())
}

/// Returns every path in `text` that begins with `base`, whatever stands around it: `-I/a:/b`, `/a/?.lua;/b`.
///
/// `base` may hold any character; what follows it is of devsh's own making and ends at one that divides paths.
fn paths_below<'a>(base: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let divides = |byte: &u8| {
        matches!(
            byte,
            0 | b':' | b';' | b',' | b'=' | b' ' | b'"' | b'\'' | b'\n'
        )
    };
    let starts = (0..text.len()).filter(|start| {
        // Most bytes are no slash, and a look at one is quick.
        text[*start] == b'/' && text[*start..].starts_with(base)
    });
    starts.map(move |start| {
        let rest = start + base.len();
        let length = text[rest..].iter().position(divides);
        &text[start..length.map_or(text.len(), |length| rest + length)]
    })
}

/// Returns whether a process ended, or belongs to somebody else.
fn is_foreign(error: &io::Error) -> bool {
    let ended = error.raw_os_error() == Some(nix::libc::ESRCH);
    ended || files::is_absent(error) || error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let text = b"PATH=/bin:/h=o:m e/d/envs/1/bin:/h=o:m e/d/store/2\0FLAGS=-O2 -I/h=o:m e/d/store/3/include \
            -L/x\0LUA_PATH=/x;/h=o:m e/d/store/4;;\0LAST=/h=o:m e/d/store/5";
        let found: Vec<_> = paths_below(b"/h=o:m e/d", text)
            .map(|path| std::str::from_utf8(path).unwrap())
            .collect();
        let expected = [
            "envs/1/bin",
            "store/2",
            "store/3/include",
            "store/4",
            "store/5",
        ]
        .map(|path| format!("/h=o:m e/d/{path}"));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_environment_that_is_empty_is_told_from_one_that_is_not_there_yet() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env_clear()
            .spawn()
            .unwrap();
        let place = PathBuf::from(format!("/proc/{}/environ", child.id()));
        assert_eq!(environment(&place).unwrap(), b"");
        let stat = fs::read_to_string(place.with_file_name("stat")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let mut fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let end = |fields: &[&str]| environment_end(&format!("1 (a ) b) {}", fields.join(" ")));
        assert_eq!(end(&fields), Some(fields[48].to_owned()));
        fields[48] = "0";
        assert_eq!(end(&fields).as_deref(), Some("0"));
        fields[20] = "0";
        assert_eq!(end(&fields), None);
    }

    #[test]
    fn a_program_that_becomes_another_is_seen_at_every_moment() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("again");
        fs::write(&script, "exec sh \"$0\"\n").unwrap();
        let mut child = std::process::Command::new("sh")
            .arg(&script)
            .env("MARK", "1")
            .spawn()
            .unwrap();
        let place = PathBuf::from(format!("/proc/{}/environ", child.id()));
        let seen = (0..3_000)
            .map(|_| environment(&place).unwrap())
            .filter(|found| found.windows(6).any(|part| part == b"MARK=1"))
            .count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, 3_000);
    }

    #[test]
    fn a_shell_holds_one_profile() {
        let data = tempfile::tempdir().unwrap();
        let (me, one) = (ProcessMark::current(), data.path().join("envs/1"));
        hold(data.path(), me, &one).unwrap();
        hold(data.path(), me, &one).unwrap();
        assert_eq!(held(data.path()).unwrap(), std::slice::from_ref(&one));
        let link = fs::read_link(directory(data.path()).join(me.to_string())).unwrap();
        assert_eq!(link, Path::new("../../envs/1"));
        let two = data.path().join("envs/2");
        let first = since(data.path()).unwrap();
        assert!(first.is_some_and(|time| time <= SystemTime::now()));
        hold(data.path(), me, &two).unwrap();
        assert_eq!(held(data.path()).unwrap(), [two]);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone: ProcessMark = format!("{}.0", child.id()).parse().unwrap();
        child.wait().unwrap();
        hold(data.path(), gone, Path::new("/elsewhere/envs/1")).unwrap();
        assert_eq!(held(data.path()).unwrap().len(), 1);
        release(data.path(), me);
        assert!(held(data.path()).unwrap().is_empty());
        assert_eq!(since(data.path()).unwrap(), None);
    }
}
