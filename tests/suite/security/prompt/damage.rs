//! Damage to files and directories.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The damage to a file or directory.
#[derive(Clone)]
pub(super) enum Damage {
    Absent,
    Bytes(Vec<u8>),
    /// The first half of it.
    Half,
    Directory,
    Fifo,
    Link(&'static str),
    Loop,
    /// 200 GB that take no place.
    Giant,
    Mode(u32),
    /// It belongs to somebody else, where that can be had.
    Foreign,
    /// Its time is so many seconds after the beginning of 1970.
    Dated(u64),
}

/// Where the undamaged one waits.
pub(super) fn whole(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap().to_owned();
    name.push(".whole");
    path.with_file_name(name)
}

/// Applies the damage; the undamaged file is kept next to it.
pub(super) fn spoil(path: &Path, damage: &Damage) {
    let whole = whole(path);
    fs::rename(path, &whole).unwrap();
    let copy = || fs::copy(&whole, path).unwrap();
    match damage {
        Damage::Absent => {}
        Damage::Bytes(bytes) => fs::write(path, bytes).unwrap(),
        Damage::Half => {
            let bytes = fs::read(&whole).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
        Damage::Directory => fs::create_dir(path).unwrap(),
        Damage::Fifo => nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        Damage::Link(target) => symlink(target, path).unwrap(),
        Damage::Loop => symlink(path.file_name().unwrap(), path).unwrap(),
        Damage::Giant => File::create(path).unwrap().set_len(200 << 30).unwrap(),
        Damage::Mode(mode) => {
            let _bytes = copy();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        Damage::Foreign => {
            let _bytes = copy();
            // Only root can give files away; the others have a file that everyone may write.
            chown(path, Some(4242), None)
                .or_else(|_| fs::set_permissions(path, fs::Permissions::from_mode(0o666)))
                .unwrap();
        }
        Damage::Dated(seconds) => {
            let _bytes = copy();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        }
    }
}
