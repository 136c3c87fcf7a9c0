//! Bounded reads, atomic writes, advisory locks, and stamps of files.
//!
//! Invariant: a written file is complete or absent, also after a crash.

use std::{
    fs::{DirEntry, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::{fcntl::OFlag, unistd::geteuid};

use super::pid_namespace::pid_namespace;

/// A failed file operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct Error {
    /// The operation (`read`, `create`).
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Adds the operation and the path to an I/O error.
pub fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Closes the files that this process has inherited, except the standard streams. Call it before any other file is
/// opened.
///
/// A long-lived process would keep locks and pipes of a shell open that has ended.
pub fn close_inherited() {
    let directory = if cfg!(target_os = "linux") {
        "/proc/self/fd"
    } else {
        "/dev/fd"
    };
    let open = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let numbers: Vec<i32> = open
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The number of the directory itself is closed already.
        let _closed = nix::unistd::close(number);
    }
}

/// Creates a directory and its parents with mode 0700.
pub fn create_private_dir(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at("create", path))
}

/// Reads a regular file of at most `limit` bytes, if it exists.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let Some((file, metadata)) = open_regular(path)? else {
        return Ok(None);
    };
    read_open(file, &metadata, path, limit).map(Some)
}

/// Reads a file of devsh, or of the user outside of any project.
///
/// `project::reader` reads the files of projects: it checks their owner, mode and place.
pub fn read_own(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    read_bounded(path, limit)
}

/// Sets the mtime of a file of devsh to now.
pub fn touch_own(path: &Path) -> io::Result<()> {
    File::open(path)?.set_modified(SystemTime::now())
}

/// Returns whether another process has locked a file of devsh.
pub fn is_locked(path: &Path) -> bool {
    let opened = File::open(path);
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Opens a regular file for reading, if it exists, and returns its metadata from `fstat`.
///
/// Opens without blocking and checks the open file: a FIFO or a device must not block or flood devsh.
pub fn open_regular(path: &Path) -> Result<Option<(File, Metadata)>, Error> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(at("read", path)(error)),
    };
    let metadata = file.metadata().map_err(at("read", path))?;
    if !metadata.is_file() {
        return Err(at("read", path)(io::Error::other("not a regular file")));
    }
    Ok(Some((file, metadata)))
}

/// Reads an open file of at most `limit` bytes; `path` is for the error message.
pub fn read_open(
    file: File,
    metadata: &Metadata,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let too_large = || at("read", path)(io::Error::other(format!("larger than {limit} bytes")));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len() + 1).unwrap_or(0));
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Returns the sorted paths of all entries of a directory; none if it does not exist.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries.map_err(at("read", directory))?,
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(at("read", directory))?;
    paths.sort();
    Ok(paths)
}

/// Copies a directory with its files, modes and symlinks to a place that does not exist.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = pending.pop() {
        std::fs::create_dir_all(&to).map_err(at("create", &to))?;
        for path in list(&from)? {
            let place = to.join(path.file_name().unwrap_or_default());
            let found = path.symlink_metadata().map_err(at("read", &path))?;
            if found.is_dir() {
                pending.push((path, place));
            } else if found.is_symlink() {
                let target = std::fs::read_link(&path).map_err(at("read", &path))?;
                std::os::unix::fs::symlink(target, &place).map_err(at("link", &place))?;
            } else {
                std::fs::copy(&path, &place).map_err(at("copy", &path))?;
            }
        }
    }
    Ok(())
}

/// Returns when a file was made, since the Unix epoch; nothing if the file system does not keep it.
///
/// `Metadata::created` has no answer in the static program, because the standard library asks only glibc.
#[cfg(target_os = "linux")]
pub fn creation_time(path: &Path) -> Option<Duration> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BTIME).ok()?;
    let time = found.stx_btime;
    let is_known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    is_known.then(|| Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec)))?
}

#[cfg(not(target_os = "linux"))]
pub fn creation_time(path: &Path) -> Option<Duration> {
    let created = path.metadata().ok()?.created().ok()?;
    created.duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// Returns the effective user id.
pub fn user() -> u32 {
    geteuid().as_raw()
}

fn is_open(metadata: &Metadata) -> bool {
    !(metadata.mode() & 0o777).is_multiple_of(0o100)
}

/// Reads a private file: no symlink, only accessible to this user, in a directory with the same properties.
///
/// Any other file counts as absent, because another user may have written it.
pub fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let Some(file) = open_private(path)? else {
        return Ok(None);
    };
    let metadata = file.metadata().map_err(at("read", path))?;
    read_open(file, &metadata, path, limit).map(Some)
}

/// Opens a file as `read_private` does.
pub fn open_private(path: &Path) -> Result<Option<File>, Error> {
    let private = |metadata: &Metadata| metadata.uid() == user() && !is_open(metadata);
    let directory = path.parent().unwrap_or(Path::new("."));
    match directory.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() && private(&metadata) => {}
        Ok(_) => return Ok(None),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(at("read", directory)(error)),
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
    {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => return Ok(None),
        Err(error) => return Err(at("read", path)(error)),
    };
    let metadata = file.metadata().map_err(at("read", path))?;
    Ok((metadata.is_file() && private(&metadata)).then_some(file))
}

/// Creates a private directory, or removes the access of others to an existing one of the user.
pub fn own_dir(path: &Path) -> Result<(), Error> {
    create_private_dir(path)?;
    let metadata = path.symlink_metadata().map_err(at("read", path))?;
    if !metadata.is_dir() || metadata.uid() != user() {
        let message = "it is not a directory of your own";
        return Err(at("use", path)(io::Error::other(message)));
    }
    if is_open(&metadata) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))
            .map_err(at("change", path))?;
    }
    Ok(())
}

/// Returns whether an error means that the file does not exist.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Fails if a file that was not found is behind a symlink that leads nowhere.
///
/// The target can be on a disk that is not mounted, so the file may exist.
pub fn check_absent(path: &Path) -> Result<(), Error> {
    let mut ancestors = path.ancestors();
    let nearest = ancestors.find_map(|place| Some((place, place.symlink_metadata().ok()?)));
    match nearest {
        Some((place, found)) if found.is_symlink() && place.metadata().is_err() => {
            let cause = "a symlink on the way to it leads nowhere";
            Err(at("read", path)(io::Error::other(cause)))
        }
        _ => Ok(()),
    }
}

/// Writes a file with mode 0600: temporary file, sync, rename, sync of the directory.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomic_mode(path, bytes, 0o600)
}

/// Writes a file with mode 0600, whole or not at all unless the power fails: temporary file, rename.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = write_temporary(path, bytes, 0o600)?;
    persist(temporary, path)
}

/// Writes a file of the project with the permissions of the umask.
///
/// Removes temporary files of killed writers, which do not belong in a repository.
pub fn write_project_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    sweep_temporaries(parent(path));
    write_atomic_mode(path, bytes, 0o666)
}

/// Replaces the content of a file of the user, which keeps its mode.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let found = path.metadata().map_err(at("read", path))?;
    write_atomic_mode(path, bytes, found.mode() & 0o777)
}

fn write_atomic_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let temporary = write_temporary(path, bytes, mode)?;
    temporary.as_file().sync_all().map_err(at("write", path))?;
    persist(temporary, path)?;
    sync_dir(parent(path))
}

fn persist(temporary: tempfile::NamedTempFile, path: &Path) -> Result<(), Error> {
    let persisted = temporary.persist(path);
    persisted.map_err(|error| at("write", path)(error.error))?;
    Ok(())
}

/// Writes a temporary file next to `path`, which [`sweep_temporaries`] removes if its writer is killed.
pub fn write_temporary(
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<tempfile::NamedTempFile, Error> {
    let directory = parent(path);
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!(
            "{TEMPORARY}{}.{}.",
            std::process::id(),
            pid_namespace()
        ))
        .permissions(PermissionsExt::from_mode(mode))
        .tempfile_in(directory)
        .map_err(at("write", path))?;
    temporary.write_all(bytes).map_err(at("write", path))?;
    Ok(temporary)
}

/// Returns the directory of a file. The parent of a bare name is empty, which cannot be opened.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Prefix of temporary files, before the process id of the writer and its PID namespace.
const TEMPORARY: &str = ".devsh-tmp.";

/// The age of a temporary file that no writer uses any more.
const DAY: Duration = Duration::from_hours(24);

/// Removes temporary files of killed writers from `directory`.
pub fn sweep_temporaries(directory: &Path) {
    sweep(directory, |(pid, namespace), entry| {
        if namespace != pid_namespace() {
            // It cannot be seen from here whether the writer runs.
            return is_abandoned(entry);
        }
        let pid = nix::unistd::Pid::from_raw(pid);
        matches!(nix::sys::signal::kill(pid, None), Err(nix::Error::ESRCH))
    });
}

/// Removes temporary files of killed writers from a directory that other machines and users write, too.
pub fn sweep_shared_temporaries(directory: &Path) {
    sweep(directory, |_, entry| is_abandoned(entry));
}

/// Removes the temporary files of which `is_gone` says that the writer, its process id and PID namespace, has ended.
fn sweep(directory: &Path, is_gone: impl Fn((i32, u64), &DirEntry) -> bool) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| {
            let mut numbers = name.strip_prefix(TEMPORARY)?.split('.');
            let pid: i32 = numbers.next()?.parse().ok()?;
            let namespace: u64 = numbers.next()?.parse().ok()?;
            Some((pid, namespace))
        });
        if writer.is_some_and(|writer| is_gone(writer, &entry)) {
            // A file that cannot be removed does no harm.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

/// Returns whether no writer uses a temporary file any more: no file takes a day.
fn is_abandoned(entry: &DirEntry) -> bool {
    let written = entry.metadata().and_then(|found| found.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > DAY))
}

/// Makes the entries of a directory durable with `fsync`.
pub fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at("sync", path))
}

/// Opens the file of an advisory lock, for `File::lock`.
pub fn open_lock(path: &Path) -> Result<File, Error> {
    // Read and write: network file systems refuse to lock a file that is open for reading only.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(at("open", path))
}

/// Takes an exclusive advisory lock, which is released when the returned file is dropped.
///
/// If the file was replaced while this process waited, the new one is locked. On file systems without locks (some NFS
/// mounts) the lock counts as taken: publication by rename still keeps files complete.
pub fn lock(path: &Path) -> Result<File, Error> {
    lock_or_wait(path, || ())
}

/// Takes a lock as `lock` does, and calls `wait` before it waits for another process.
pub fn lock_or_wait(path: &Path, wait: impl FnOnce()) -> Result<File, Error> {
    let mut wait = Some(wait);
    loop {
        let file = open_lock(path)?;
        if !try_lock(&file).map_err(at("lock", path))? {
            if let Some(wait) = wait.take() {
                wait();
            }
            match file.lock() {
                Err(error) if !lacks_locks(&error) => return Err(at("lock", path)(error)),
                _ => {}
            }
        }
        if is_named(&file, path) {
            return Ok(file);
        }
    }
}

/// Returns whether `path` leads to this open file.
pub fn is_named(file: &File, path: &Path) -> bool {
    let named = std::fs::metadata(path).map(|there| (there.dev(), there.ino()));
    let held = file.metadata().map(|here| (here.dev(), here.ino()));
    matches!((named, held), (Ok(named), Ok(held)) if named == held)
}

/// Returns whether a lock could be taken without waiting. On file systems without locks it counts as taken.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if lacks_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns whether an error of a lock means that the file system has no locks.
pub fn lacks_locks(error: &io::Error) -> bool {
    /// Linux returns it for NFS servers without lock support. It has no name outside the kernel.
    const ENOTSUPP: i32 = 524;
    let known = [
        nix::libc::EBADF,
        nix::libc::ENOLCK,
        nix::libc::ENOSYS,
        nix::libc::EOPNOTSUPP,
        ENOTSUPP,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| known.contains(&code))
}

/// Metadata of a file that changes when its content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Device and inode.
    pub identity: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Change time, seconds and nanoseconds. A program cannot set it, unlike `mtime`.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of the file that `path` leads to, if it exists.
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_files_of_writers_that_ended_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (own, gone) = (std::process::id(), 99_999_999);
        let here = pid_namespace();
        let file = |pid: u32, namespace: u64, days: u64| {
            let name = format!("{TEMPORARY}{pid}.{namespace}.x{days}");
            let file = File::create(directory.path().join(&name)).unwrap();
            let age = Duration::from_hours(24 * days);
            file.set_modified(SystemTime::now() - age).unwrap();
            name
        };
        let kept = [file(own, here, 3), file(gone, here + 1, 0)];
        let removed = [file(gone, here, 0), file(gone, here + 1, 2)];
        sweep_temporaries(directory.path());
        let is_there = |name: &String| directory.path().join(name).exists();
        assert!(kept.iter().all(is_there));
        assert!(!removed.iter().any(is_there));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the standard library has it with glibc"
    )]
    fn the_time_of_creation_is_that_of_the_standard_library() {
        let directory = tempfile::tempdir().unwrap();
        if let Ok(created) = directory.path().metadata().unwrap().created() {
            let expected = created.duration_since(SystemTime::UNIX_EPOCH).ok();
            assert_eq!(creation_time(directory.path()), expected);
        }
    }
}
