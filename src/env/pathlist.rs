//! Lists of paths with `:` between the entries.
//!
//! Invariant: an empty value is the empty list, and empty entries (the current directory in `PATH`) stay. A list that
//! gains and loses entries has the same bytes again.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use serde::{Deserialize, Serialize};

const SEPARATOR: u8 = b':';

/// Returns the entries of `list`.
pub fn split(list: &OsStr) -> impl Iterator<Item = &OsStr> {
    let entries = list
        .as_bytes()
        .split(|byte| *byte == SEPARATOR)
        .map(OsStr::from_bytes);
    entries.take(if list.is_empty() { 0 } else { usize::MAX })
}

/// Returns the list of `entries`.
pub fn join<'a>(entries: impl IntoIterator<Item = &'a OsStr>) -> OsString {
    let mut list = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if position > 0 {
            list.push(SEPARATOR);
        }
        list.extend_from_slice(entry.as_bytes());
    }
    OsString::from_vec(list)
}

/// Returns `list` with entries before and after it.
pub fn extend(list: &OsStr, before: &[OsString], after: &[OsString]) -> OsString {
    let before = before.iter().map(OsString::as_os_str);
    join(
        before
            .chain(split(list))
            .chain(after.iter().map(OsString::as_os_str)),
    )
}

/// Returns a default with entries before and after it. An empty default is an empty entry.
pub fn extend_default(default: &OsStr, before: &[OsString], after: &[OsString]) -> OsString {
    let before = before.iter().map(OsString::as_os_str);
    join(
        before
            .chain([default])
            .chain(after.iter().map(OsString::as_os_str)),
    )
}

/// Entries that were added to a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedEntries {
    /// Entries at the front, the first one first.
    pub front: Vec<OsString>,
    /// Entries at the end.
    pub back: Vec<OsString>,
    /// The added entries that the list had before, each with the number of entries after it.
    pub own: Vec<(OsString, u64)>,
}

impl AddedEntries {
    /// Returns all added entries.
    pub fn iter(&self) -> impl Iterator<Item = &OsStr> {
        self.front.iter().chain(&self.back).map(OsString::as_os_str)
    }

    pub fn to(list: &[&OsStr], front: Vec<OsString>, back: Vec<OsString>) -> Self {
        let own = list.iter().rev().enumerate().filter(|(_, entry)| {
            let mut added = front.iter().chain(&back);
            added.any(|added| added == *entry)
        });
        let own = own.map(|(after, entry)| ((*entry).to_owned(), after as u64));
        Self {
            own: own.collect(),
            front,
            back,
        }
    }
}

/// Returns `list` without the added entries: each is removed once, from the end where it was added.
///
/// Other changes of the user stay.
pub fn withdraw(list: &OsStr, added: &AddedEntries) -> OsString {
    let mut entries: Vec<&OsStr> = split(list).collect();
    let mut own = added.own.clone();
    own.retain(|(entry, _)| entries.contains(&entry.as_os_str()));
    for added in &added.front {
        if let Some(position) = entries.iter().position(|entry| entry == added) {
            entries.remove(position);
        }
    }
    for added in added.back.iter().rev() {
        if let Some(position) = entries.iter().rposition(|entry| entry == added) {
            entries.remove(position);
        }
    }
    // A shell that removes duplicates (zsh with `typeset -U path`) has removed the entry that the list had before.
    for (entry, after) in &own {
        if !entries.contains(&entry.as_os_str()) {
            let after = usize::try_from(*after).unwrap_or(usize::MAX);
            entries.insert(entries.len().saturating_sub(after), entry);
        }
    }
    join(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists() -> impl Strategy<Value = Vec<OsString>> {
        proptest::collection::vec("[a-c]{1,2}".prop_map(OsString::from), 0..4)
    }

    proptest! {
        #[test]
        fn withdraw_undoes_extend(list in "[a-c:]{0,8}", before in lists(), after in lists()) {
            // "" is the empty list, not a list with one empty entry.
            let list = OsString::from(list);
            let extended = extend(&list, &before, &after);
            let entries: Vec<_> = split(&list).collect();
            let added = AddedEntries::to(&entries, before, after);
            prop_assert_eq!(withdraw(&extended, &added), list);
        }

        #[test]
        fn a_shell_that_has_no_entry_twice_gets_its_own_back(
            list in "[a-c:]{0,8}",
            before in lists(),
            after in lists(),
        ) {
            fn once(list: &OsStr) -> OsString {
                let mut seen = Vec::new();
                for entry in split(list) {
                    if !seen.contains(&entry) {
                        seen.push(entry);
                    }
                }
                join(seen)
            }
            let list = once(OsStr::new(&list));
            let extended = once(&extend(&list, &before, &after));
            let entries: Vec<_> = split(&list).collect();
            let added = AddedEntries::to(&entries, before, after);
            prop_assert_eq!(withdraw(&extended, &added), list);
        }

        #[test]
        fn what_the_user_added_stays(list in "[a-c:]{1,8}", mine in "[x-z]{1,3}") {
            let before = vec![OsString::from("/devsh")];
            let mut extended = OsString::from(format!("{mine}:"));
            extended.push(extend(OsStr::new(&list), &before, &[]));
            let added = AddedEntries::to(&[], before, Vec::new());
            prop_assert_eq!(withdraw(&extended, &added), OsString::from(format!("{mine}:{list}")));
        }
    }
}
