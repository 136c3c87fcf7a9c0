//! Checks that no other user can change a file.
//!
//! A file that others own or may write, or that is below such a directory, cannot be trusted: it could change after the
//! user approved it.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use nix::unistd::{Group, User};

use crate::{
    context::Context,
    util::{files, vars},
};

/// A file or directory that others could change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// It belongs to another user.
    #[error("{} belongs to {owner}", kind(.path))]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// Its owner's name or number.
        owner: String,
        /// True if this is the user who called `sudo`.
        caller: bool,
    },
    /// Every user may write it.
    #[error("{} can be changed by every user", kind(.0))]
    Everyone(PathBuf),
    /// A group with other members may write it.
    #[error("{} can be changed by the group {group}", kind(.path))]
    Group {
        /// The file or directory.
        path: PathBuf,
        /// The group's name or number.
        group: String,
    },
    /// Symlinks form a cycle.
    #[error("{} has too many symlinks on its path", kind(.0))]
    Links(PathBuf),
}

impl Exposure {
    /// Returns the file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Foreign { path, .. }
            | Self::Group { path, .. }
            | Self::Everyone(path)
            | Self::Links(path) => path,
        }
    }
}

fn kind(path: &Path) -> String {
    let kind = if path.is_dir() { "directory" } else { "file" };
    format!("the {kind} `{}`", path.display())
}

/// The number of symlinks that a path may have, as in Linux.
const LINKS: usize = 40;
/// Longest list of users that is read, in bytes.
const USERS: u64 = 16 << 20;
/// Bits of a mode, the same on every Unix.
const FORMAT: u32 = 0o17_0000;
const LINK: u32 = 0o12_0000;
const DIRECTORY: u32 = 0o04_0000;
const STICKY: u32 = 0o1000;

/// The rule for whose files may be read.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The user of devsh; nothing if the user's settings accept every owner.
    user: Option<u32>,
    /// The user who called `sudo`.
    caller: Option<u32>,
    /// A directory that is not checked, nor those above it.
    accepted: Option<PathBuf>,
    /// Directories and files that were checked.
    checked: BTreeSet<PathBuf>,
}

/// A directory of devsh in which another user decides what is there.
#[derive(Debug, thiserror::Error)]
#[error("{exposure}, and devsh keeps its files there")]
pub struct OwnDirectoryExposed {
    pub exposure: Exposure,
    /// The variable that names the directory.
    pub variable: &'static str,
}

/// Checks that no other user can change the directories of devsh, nor has left something in them.
///
/// The home directory itself is not checked: its owner decides which programs the user runs.
pub fn check_own_directories(context: &Context) -> Result<(), OwnDirectoryExposed> {
    let directories = &context.directories;
    let mut access = Access {
        accepted: directories.home.clone(),
        ..Access::of(context, Path::new(""), &[])
    };
    for (variable, directory) in [
        (vars::XDG_DATA_HOME, &directories.data),
        (vars::XDG_STATE_HOME, &directories.state),
        (vars::XDG_CACHE_HOME, &directories.cache),
    ] {
        let checked = access.check(directory).and_then(|()| {
            // A directory that cannot be read is an error of the command that needs it.
            let entries = files::list(directory).unwrap_or_default();
            entries.iter().try_for_each(|entry| access.check(entry))
        });
        checked.map_err(|exposure| OwnDirectoryExposed { exposure, variable })?;
    }
    Ok(())
}

/// Owner, group and mode of a file.
#[derive(Debug, Clone, Copy)]
struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

/// The reason why other users can change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RightsProblem {
    Owner,
    Everyone,
    Group,
}

impl Access {
    /// Returns the rule for the project at `root`; it does not apply to the projects in `shared`.
    pub fn of(context: &Context, root: &Path, shared: &[PathBuf]) -> Self {
        let caller = context.env.get(vars::SUDO_UID);
        Self {
            user: (!shared.iter().any(|path| path == root)).then(files::user),
            caller: caller.and_then(|uid| uid.to_str()?.parse().ok()),
            ..Self::default()
        }
    }

    /// Checks the file at `path` and every directory and symlink on the way, including those of symlinks' targets.
    ///
    /// If a part is absent, the directories up to it are checked.
    pub fn check(&mut self, path: &Path) -> Result<(), Exposure> {
        let Some(user) = self.user else {
            return Ok(());
        };
        let mut rest: Vec<OsString> = names(path).rev().collect();
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(name);
            if self.checked.contains(&at) {
                continue;
            }
            let Ok(metadata) = at.symlink_metadata() else {
                return Ok(());
            };
            let accepted = self.accepted.as_ref();
            if !accepted.is_some_and(|accepted| accepted.starts_with(&at)) {
                self.judge(user, &at, Rights::from(&metadata))?;
            }
            if !metadata.is_symlink() {
                self.checked.insert(at.clone());
                continue;
            }
            links += 1;
            let target = std::fs::read_link(&at).unwrap_or_default();
            if links > LINKS {
                return Err(Exposure::Links(path.to_owned()));
            }
            rest.extend(names(&target).rev());
            if target.is_absolute() {
                at = PathBuf::from("/");
            } else {
                at.pop();
            }
        }
        Ok(())
    }

    /// Opens a regular file that no other user could have changed; nothing if there is no such file.
    pub fn open<E>(&mut self, path: &Path) -> Result<Option<(File, Metadata)>, E>
    where
        E: From<files::Error> + From<Exposure>,
    {
        // The kind of the file is checked first: a message about the mode of a device would help no one.
        let opened = files::open_regular(path)?;
        self.check(path)?;
        if let Some((_, metadata)) = &opened {
            self.check_open(path, metadata)?;
        }
        Ok(opened)
    }

    /// Checks an open file: the file at its path may have been replaced since.
    pub fn check_open(&self, path: &Path, metadata: &Metadata) -> Result<(), Exposure> {
        self.user.map_or(Ok(()), |user| {
            self.judge(user, path, Rights::from(metadata))
        })
    }

    fn judge(&self, user: u32, path: &Path, rights: Rights) -> Result<(), Exposure> {
        let Some(fault) = rights.fault(user, |group| is_private(user, group)) else {
            return Ok(());
        };
        let path = path.to_owned();
        Err(match fault {
            RightsProblem::Owner => Exposure::Foreign {
                owner: user_name(rights.owner),
                caller: Some(rights.owner) == self.caller,
                path,
            },
            RightsProblem::Everyone => Exposure::Everyone(path),
            RightsProblem::Group => Exposure::Group {
                group: group_name(rights.group),
                path,
            },
        })
    }
}

impl Rights {
    /// Returns why other users than `user` can change the file; `private` returns true for a group without other members.
    fn fault(self, user: u32, private: impl Fn(u32) -> bool) -> Option<RightsProblem> {
        let kind = self.mode & FORMAT;
        // The mode of a symlink has no meaning: the directory decides who may replace it. In a sticky directory only
        // the owner may replace an entry, and the owner of every entry is checked.
        let closed = kind == LINK || (kind == DIRECTORY && self.mode & STICKY != 0);
        if self.owner != user && self.owner != 0 {
            Some(RightsProblem::Owner)
        } else if closed {
            None
        } else if self.mode & 0o002 != 0 {
            Some(RightsProblem::Everyone)
        } else if self.mode & 0o020 != 0 && self.group != 0 && !private(self.group) {
            Some(RightsProblem::Group)
        } else {
            None
        }
    }
}

impl From<&Metadata> for Rights {
    fn from(metadata: &Metadata) -> Self {
        Self {
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode(),
        }
    }
}

/// Returns the components of a path, including `..`.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// Returns whether the user is the only member of a group. Many systems make such a group for every user.
fn is_private(user: u32, group: u32) -> bool {
    let (Ok(Some(user)), Ok(Some(group))) =
        (User::from_uid(user.into()), Group::from_gid(group.into()))
    else {
        return false;
    };
    let users = files::read_bounded(Path::new("/etc/passwd"), USERS);
    let users = users.ok().flatten().unwrap_or_default();
    let primary = primary_members(&String::from_utf8_lossy(&users), group.gid.as_raw());
    user.gid == group.gid
        && user.name == group.name
        && group
            .mem
            .iter()
            .chain(&primary)
            .all(|member| *member == user.name)
}

/// Returns the users in a text such as `/etc/passwd` who have this group as primary group. The group does not list them.
fn primary_members(users: &str, group: u32) -> Vec<String> {
    let group = group.to_string();
    let fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(3) == Some(&&*group))
        .filter_map(|fields| Some((*fields.first()?).to_owned()))
        .collect()
}

fn user_name(uid: u32) -> String {
    let user = User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(
        || format!("user {uid}"),
        |user| format!("user `{}`", user.name),
    )
}

fn group_name(gid: u32) -> String {
    let group = Group::from_gid(gid.into()).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| format!("`{}`", group.name))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use super::*;

    #[test]
    fn files_that_others_can_change_are_refused() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        let mut count = 0;
        for owner in [0, ME, OTHER, 65534] {
            for mode in [0o644, 0o664, 0o646, 0o666, 0o600, 0o755, 0o777, 0o1777] {
                for (kind, group) in [(DIRECTORY, 100), (0o10_0000, 100), (0o10_0000, ME)] {
                    let rights = Rights {
                        owner,
                        group,
                        mode: kind | mode,
                    };
                    let foreign = owner == OTHER || owner == 65534;
                    let sticky = kind == DIRECTORY && mode == 0o1777;
                    let others = mode & 0o2 != 0 && !sticky;
                    let group_writes = mode & 0o20 != 0 && group != ME && !sticky;
                    let safe = !foreign && !others && !group_writes;
                    let fault = rights.fault(ME, |group| group == ME);
                    assert_eq!(fault.is_none(), safe, "{rights:?}");
                    count += 1;
                }
            }
        }
        assert_eq!(count, 96);
    }

    #[test]
    fn users_are_members_of_their_primary_group() {
        let users = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n\
                     bob:x:1001:1000::/:\nodd\ncarol:x:1000:100::/:\n";
        assert_eq!(primary_members(users, 1000), ["alice", "bob"]);
        assert_eq!(primary_members(users, 7), [""; 0]);
    }

    fn access() -> Access {
        Access {
            user: Some(files::user()),
            ..Access::default()
        }
    }

    #[test]
    fn every_directory_and_symlink_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let file = root.join("a/b/file");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(access().check(&file), Ok(()));
        for path in ["a", "a/b", "a/b/file"] {
            let path = root.join(path);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            std::fs::set_permissions(&path, Permissions::from_mode(mode | 0o2)).unwrap();
            assert_eq!(access().check(&file), Err(Exposure::Everyone(path.clone())));
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        // A symlink's target has a path of its own.
        std::fs::create_dir(root.join("open")).unwrap();
        symlink("../a/b/file", root.join("open/link")).unwrap();
        symlink("open/link", root.join("entry")).unwrap();
        assert_eq!(access().check(&root.join("entry")), Ok(()));
        std::fs::set_permissions(root.join("open"), Permissions::from_mode(0o777)).unwrap();
        let exposed = Err(Exposure::Everyone(root.join("open")));
        assert_eq!(access().check(&root.join("entry")), exposed);
        symlink("loop", root.join("loop")).unwrap();
        let looping = root.join("loop");
        assert_eq!(
            access().check(&looping),
            Err(Exposure::Links(looping.clone()))
        );
    }

    #[test]
    fn the_files_of_others_are_refused_unless_excepted() {
        if files::user() != 0 {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        chown(&file, Some(4242), None).unwrap();
        let mut own = access();
        own.caller = Some(4242);
        let Err(Exposure::Foreign {
            path,
            owner,
            caller,
        }) = own.check(&file)
        else {
            panic!("accepted");
        };
        assert_eq!(
            (path, owner.as_str(), caller),
            (file.clone(), "user 4242", true)
        );
        assert_eq!(Access::default().check(&file), Ok(()));
        // The open file is still the other user's after its path has a new file.
        let opened = File::open(&file).unwrap().metadata().unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(access().check(&file), Ok(()));
        assert!(access().check_open(&file, &opened).is_err());
    }
}
