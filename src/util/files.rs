//! Small file helpers: bounded reads, atomic writes, advisory locks, the identity of a file's content.
//!
//! Invariant: a file written here is whole or absent, also after a crash.

use std::{
    fs::{File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{fcntl::OFlag, unistd::geteuid};

/// A file operation that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct Error {
    /// What was tried ("read", "create").
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Adds to an I/O error what was tried and where.
pub fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Creates a directory, and its parents, that only the user may read.
pub fn create_private_dir(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at("create", path))
}

/// Reads a regular file of at most `limit` bytes; nothing if there is no such file.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let Some((file, metadata)) = open_regular(path)? else {
        return Ok(None);
    };
    read_open(file, &metadata, path, limit).map(Some)
}

/// Opens a regular file for reading, with what `fstat` tells about it; nothing if there is no such file.
///
/// Opens without blocking and checks the open file, so a FIFO or a device cannot hang or flood devsh.
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

/// Reads the whole of an open file of at most `limit` bytes; `path` is for the error.
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

/// Returns the paths of all entries of a directory, in order; none where it is not there.
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

/// Returns the number of the user as whom devsh runs.
pub fn user() -> u32 {
    geteuid().as_raw()
}

fn is_open(metadata: &Metadata) -> bool {
    !(metadata.mode() & 0o777).is_multiple_of(0o100)
}

/// Returns whether a file is the user's or the system's, and nobody else may write it.
pub fn is_own(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    (owner == user() || owner == 0) && metadata.mode() & 0o002 == 0
}

/// Reads a file of devsh's own: no link, of this user alone, in a directory of this user alone.
///
/// Anything else counts as absent: what somebody else may have put there says nothing about the user.
pub fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
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
    if !metadata.is_file() || !private(&metadata) {
        return Ok(None);
    }
    read_open(file, &metadata, path, limit).map(Some)
}

/// Makes a directory of the user alone, also one that others could enter; an error if it is not the user's.
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

/// Returns whether an error says that there is no such file.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Writes a whole file with mode `0600`: temporary file, sync, rename, sync of the directory.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomic_mode(path, bytes, 0o600)
}

/// Writes a file that belongs to the project, readable as the umask allows.
///
/// What a writer that was killed left beside it goes: nobody wants such files in a repository.
pub fn write_project_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    sweep_temporaries(parent(path));
    write_atomic_mode(path, bytes, 0o666)
}

fn write_atomic_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let directory = parent(path);
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!("{TEMPORARY}{}.", std::process::id()))
        .permissions(PermissionsExt::from_mode(mode))
        .tempfile_in(directory)
        .map_err(at("write", path))?;
    temporary.write_all(bytes).map_err(at("write", path))?;
    temporary.as_file().sync_all().map_err(at("write", path))?;
    temporary
        .persist(path)
        .map_err(|error| at("write", path)(error.error))?;
    sync_dir(directory)
}

/// Returns the directory of a file; the parent of a bare name is empty, which is none that can be opened.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// How the names of files begin that are not finished; the writer's number follows.
const TEMPORARY: &str = ".devsh-tmp.";

/// Removes what writers that were killed left unfinished in `directory`.
pub fn sweep_temporaries(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| {
            name.strip_prefix(TEMPORARY)?
                .split('.')
                .next()?
                .parse()
                .ok()
        });
        let gone = writer.is_some_and(|pid: i32| {
            let pid = nix::unistd::Pid::from_raw(pid);
            matches!(nix::sys::signal::kill(pid, None), Err(nix::Error::ESRCH))
        });
        if gone {
            // What cannot be removed is of no harm.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes the entries of a directory durable.
pub fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at("sync", path))
}

/// Opens the file that stands for an advisory lock; lock it with `File::lock`.
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

/// Takes an exclusive advisory lock and returns the file that holds it; dropping the file frees it.
///
/// When the file was removed while this process waited, the one now there is locked instead. File systems
/// without locks (some NFS mounts) count as locked: publication by rename still keeps files whole.
pub fn lock(path: &Path) -> Result<File, Error> {
    lock_or_wait(path, || ())
}

/// Takes a lock as `lock` does, and calls `wait` first if somebody else has it.
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

/// Returns whether `path` is the name of an open file.
pub fn is_named(file: &File, path: &Path) -> bool {
    let named = std::fs::metadata(path).map(|there| (there.dev(), there.ino()));
    let held = file.metadata().map(|here| (here.dev(), here.ino()));
    matches!((named, held), (Ok(named), Ok(held)) if named == held)
}

/// Takes a lock if nobody has it, and tells whether it did; file systems without locks count as locked.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if lacks_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns whether an error of a lock says that the file system knows no locks.
pub fn lacks_locks(error: &io::Error) -> bool {
    /// What Linux answers for NFS servers without lock support; it has no name outside the kernel.
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
    /// Change time, seconds and nanoseconds; unlike `mtime` no program can set it.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of what `path` leads to, or nothing when nothing is there.
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
