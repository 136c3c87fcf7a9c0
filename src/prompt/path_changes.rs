//! Changes of `PATH` by other tools between two prompts. Pure.
//!
//! A virtual environment, direnv or an rc file that is read again replaces `PATH` as a whole, often by a value from
//! another time. Then entries of the loaded dev shell are missing, or entries of a former one are back.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
};

use crate::{
    env::{
        Env, EnvDiff,
        pathlist::{self, AddedEntries},
    },
    util::vars,
};

/// The memory of the hook.
#[derive(Debug, Clone, Copy, Default)]
pub struct PathMemory<'a> {
    /// `PATH` after the last prompt that ran devsh; empty if unknown.
    pub known: &'a OsStr,
    /// Entries of former dev shells that were taken from `PATH`, joined.
    pub gone: &'a OsStr,
}

/// Most entries of former dev shells in the memory.
const MOST: usize = 64;

impl PathMemory<'_> {
    /// Returns `PATH` without entries of former dev shells, if another tool has put some back.
    ///
    /// If the known list is still a part of the new one, the user has added the entries.
    pub fn without_returned(&self, env: &Env) -> Option<OsString> {
        let path = env.get(vars::PATH)?;
        if self.gone.is_empty() || !self.is_replaced(path) {
            return None;
        }
        let gone: BTreeSet<&OsStr> = pathlist::split(self.gone).collect();
        let left: Vec<&OsStr> = pathlist::split(path)
            .filter(|entry| !gone.contains(entry))
            .collect();
        let left = pathlist::join(left);
        (left != path).then_some(left)
    }

    /// Returns `env` with the entries of the loaded dev shell back on `PATH`, if they were lost, and on the lists that
    /// were replaced with it.
    pub fn settle(&self, diff: &EnvDiff, env: &Env) -> Option<Env> {
        let path = env.get(vars::PATH)?;
        let added = diff.added(vars::PATH)?;
        let is_lost = self.is_replaced(path)
            && match missing(path, added) {
                Missing::None => false,
                Missing::All => true,
                // The user has removed single entries.
                Missing::Some => !is_subsequence(path, self.known),
            };
        is_lost.then(|| {
            diff.settle_lists(env, |name, added| {
                let list = env.get(name).unwrap_or_default();
                name.as_str() == vars::PATH || missing(list, added) == Missing::All
            })
        })
    }

    /// Returns the new memory of entries after `taken` were taken from the list that is now `path`.
    pub fn gone(&self, taken: Option<&AddedEntries>, path: &OsStr) -> OsString {
        let there: BTreeSet<&OsStr> = pathlist::split(path).collect();
        let taken = taken.into_iter().flat_map(AddedEntries::iter);
        let mut gone: Vec<&OsStr> = Vec::new();
        for entry in pathlist::split(self.gone).chain(taken) {
            if !there.contains(entry) && !gone.contains(&entry) {
                gone.push(entry);
            }
        }
        let first = gone.len().saturating_sub(MOST);
        pathlist::join(gone.split_off(first))
    }

    fn is_replaced(&self, path: &OsStr) -> bool {
        let known: Vec<&OsStr> = pathlist::split(self.known).collect();
        let now: Vec<&OsStr> = pathlist::split(path).collect();
        !known.is_empty() && !now.windows(known.len()).any(|part| part == known)
    }
}

/// The number of entries of a dev shell that a list lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    None,
    Some,
    All,
}

fn missing(list: &OsStr, added: &AddedEntries) -> Missing {
    let there: BTreeSet<&OsStr> = pathlist::split(list).collect();
    let (mut total, mut found) = (0, 0);
    for entry in added.iter() {
        total += 1;
        found += usize::from(there.contains(entry));
    }
    match found {
        _ if found == total => Missing::None,
        0 => Missing::All,
        _ => Missing::Some,
    }
}

fn is_subsequence(part: &OsStr, whole: &OsStr) -> bool {
    let mut whole = pathlist::split(whole);
    pathlist::split(part).all(|entry| whole.any(|one| one == entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(path: &str) -> Env {
        [("PATH".into(), path.into())].into_iter().collect()
    }

    fn memory<'a>(known: &'a str, gone: &'a str) -> PathMemory<'a> {
        PathMemory {
            known: OsStr::new(known),
            gone: OsStr::new(gone),
        }
    }

    #[test]
    fn entries_of_a_former_dev_shell_are_removed_unless_the_user_added_them() {
        for (known, now, left) in [
            ("/venv:/bin", "/p:/bin", Some("/bin")),
            ("/bin", "/p:/bin", None),
            ("/bin", "/p:/bin:/x", None),
            ("/venv:/bin", "/bin", None),
            ("", "/p:/bin", None),
        ] {
            let found = memory(known, "/p:/q").without_returned(&env(now));
            assert_eq!(found, left.map(OsString::from), "{known} {now}");
        }
        assert_eq!(memory("/a", "").without_returned(&env("/b")), None);
    }

    #[test]
    fn lost_entries_of_the_loaded_dev_shell_come_back() {
        let diff = EnvDiff::between(&env("/bin"), &env("/p:/q:/bin"));
        for (known, now, settled) in [
            ("/p:/q:/bin", "/usr/bin:/bin", Some("/p:/q:/usr/bin:/bin")),
            ("/p:/q:/bin", "/bin", Some("/p:/q:/bin")),
            ("/p:/q:/bin", "/q:/bin", None),
            ("/p:/q:/bin", "/q:/x:/bin", Some("/p:/q:/x:/bin")),
            ("/p:/q:/bin", "/own:/p:/q:/bin", None),
            ("/p:/q:/bin", "/bin:/q:/p", None),
            ("", "/bin", None),
        ] {
            let found = memory(known, "").settle(&diff, &env(now));
            assert_eq!(found, settled.map(env), "{known} {now}");
        }
    }

    #[test]
    fn the_memory_holds_what_is_not_on_path() {
        let diff = EnvDiff::between(&env("/bin"), &env("/p:/q:/bin"));
        let gone = memory("", "/r:/q").gone(diff.added("PATH"), OsStr::new("/r:/bin"));
        assert_eq!(gone, "/q:/p");
    }
}
