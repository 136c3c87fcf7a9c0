//! Lists of paths in one variable, separated by `:`.
//!
//! Invariant: an empty value is the empty list, and empty entries (which mean the current directory in
//! `PATH`) survive, so a list that gains and loses entries is the same bytes as before.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

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

/// Returns `list` with entries put before and after it.
pub fn extend(list: &OsStr, before: &[OsString], after: &[OsString]) -> OsString {
    let before = before.iter().map(OsString::as_os_str);
    join(
        before
            .chain(split(list))
            .chain(after.iter().map(OsString::as_os_str)),
    )
}

/// Returns `list` without what `extend` added: of each entry one, from the end where it was put.
///
/// Entries that the user removed or added meanwhile stay as the user left them.
pub fn withdraw(list: &OsStr, before: &[OsString], after: &[OsString]) -> OsString {
    let mut entries: Vec<&OsStr> = split(list).collect();
    for added in before {
        if let Some(position) = entries.iter().position(|entry| entry == added) {
            entries.remove(position);
        }
    }
    for added in after.iter().rev() {
        if let Some(position) = entries.iter().rposition(|entry| entry == added) {
            entries.remove(position);
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
            // "" is both the empty list and a list of one empty entry: the first reading is kept.
            let list = OsString::from(list);
            let extended = extend(&list, &before, &after);
            prop_assert_eq!(withdraw(&extended, &before, &after), list);
        }

        #[test]
        fn what_the_user_added_stays(list in "[a-c:]{1,8}", mine in "[x-z]{1,3}") {
            let before = [OsString::from("/devsh")];
            let mut extended = OsString::from(format!("{mine}:"));
            extended.push(extend(OsStr::new(&list), &before, &[]));
            prop_assert_eq!(withdraw(&extended, &before, &[]), OsString::from(format!("{mine}:{list}")));
        }
    }
}
