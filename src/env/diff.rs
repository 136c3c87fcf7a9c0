//! The difference between two environments and its reversal, small enough for a variable.
//!
//! Invariant: `between(a, b).revert(b) == a`. A scalar that the user changed after the activation stays. A list loses
//! the added entries and keeps all others.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use serde::{Deserialize, Serialize};

use super::{
    Env, EnvDifference, VarName,
    default_lists::default_list,
    pathlist::{self, AddedEntries},
};

/// The steps that undo an activation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvDiff(pub BTreeMap<VarName, DiffEntry>);

/// The step that undoes the change of one variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiffEntry {
    /// The variable had another value or was unset.
    Scalar {
        /// The value before; `None` if the variable was unset.
        before: Option<OsString>,
        /// The fingerprint of the new value, which shows whether the user has changed it.
        after: Fingerprint,
    },
    /// Entries were added to a list of paths.
    List {
        added: AddedEntries,
        /// True if the variable was set before.
        was_set: bool,
        /// The list that programs use if the variable is unset or empty. The activation has written it out.
        default: OsString,
        /// The fingerprint of the list with the entries.
        after: Fingerprint,
    },
}

impl DiffEntry {
    /// Returns the fingerprint of the value that the activation has set.
    pub const fn after(&self) -> Fingerprint {
        match self {
            Self::Scalar { after, .. } | Self::List { after, .. } => *after,
        }
    }
}

/// A digest of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 8]);

impl Fingerprint {
    /// Returns the fingerprint of a value, or of an unset variable.
    pub fn of(value: Option<&OsStr>) -> Self {
        let Some(value) = value else {
            return Self([0; 8]);
        };
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&blake3::hash(value.as_bytes()).as_bytes()[..8]);
        Self(bytes)
    }
}

impl EnvDiff {
    /// Returns the variable with the longest old value, and the length of that, if any had a value.
    pub fn longest(&self) -> Option<(VarName, usize)> {
        let length = |entry: &DiffEntry| match entry {
            DiffEntry::Scalar { before, .. } => before.as_ref().map_or(0, |value| value.len()),
            DiffEntry::List { added, .. } => {
                let entries = added.front.iter().chain(&added.back);
                entries.map(|one| one.len()).sum()
            }
        };
        let all = self.0.iter().map(|(name, entry)| (name, length(entry)));
        let (name, length) = all.max_by_key(|(_, length)| *length)?;
        (length > 0).then(|| (name.clone(), length))
    }

    /// Returns the way back from `target` to `base`, without variables whose names are no `VarName`.
    pub fn between(base: &Env, target: &Env) -> Self {
        let mut entries = BTreeMap::new();
        for EnvDifference {
            name,
            before,
            after,
        } in base.differences(target)
        {
            let Some(checked) = name.to_str().and_then(|name| name.parse::<VarName>().ok()) else {
                continue;
            };
            let list = checked.is_path_list()
                || checked.as_str().ends_with("DIRS")
                || default_list(&checked, base).is_some();
            let entry = list
                .then(|| list_entry(before, after, default_list(&checked, base)))
                .flatten()
                .unwrap_or_else(|| DiffEntry::Scalar {
                    before: before.map(OsString::from),
                    after: Fingerprint::of(after),
                });
            entries.insert(checked, entry);
        }
        Self(entries)
    }

    /// Returns `env` as it was before the activation, and the variables that keep the user's values.
    pub fn revert(&self, env: &Env) -> (Env, Vec<VarName>) {
        let (mut reverted, mut kept) = (env.clone(), Vec::new());
        for (name, entry) in &self.0 {
            match entry {
                DiffEntry::Scalar { before, after } => {
                    if Fingerprint::of(env.get(name)) != *after {
                        // With its old value it is from an interrupted activation, not changed by the user.
                        if env.get(name) != before.as_deref() {
                            kept.push(name.clone());
                        }
                        continue;
                    }
                    match before {
                        Some(value) => reverted.set(name.as_str(), value),
                        None => reverted.unset(name),
                    }
                }
                DiffEntry::List {
                    added,
                    was_set,
                    default,
                    ..
                } => {
                    let Some(list) = env.get(name) else { continue };
                    let list = pathlist::withdraw(list, added);
                    match (list == *default, was_set) {
                        (true, false) => reverted.unset(name),
                        (true, true) => reverted.set(name.as_str(), ""),
                        (false, _) => reverted.set(name.as_str(), list),
                    }
                }
            }
        }
        (reverted, kept)
    }
}

impl EnvDiff {
    /// Returns the variables that have neither the value of the activation nor, as after an interrupted one, the old one.
    pub fn overwritten(&self, env: &Env) -> impl Iterator<Item = (&VarName, &DiffEntry)> {
        self.0.iter().filter(|(name, entry)| {
            let value = env.get(name);
            let is_old =
                matches!(entry, DiffEntry::Scalar { before, .. } if before.as_deref() == value);
            Fingerprint::of(value) != entry.after() && !is_old
        })
    }

    /// Returns the variables that are not lists with added entries.
    pub fn replaced(&self) -> impl Iterator<Item = &VarName> {
        let extended = |entry: &DiffEntry| matches!(entry, DiffEntry::List { was_set: true, .. });
        self.0
            .iter()
            .filter(move |(_, entry)| !extended(entry))
            .map(|(name, _)| name)
    }

    /// Returns whether `reverted` still has a list that was unset before, which then has entries of the user.
    pub fn is_left(&self, name: &VarName, reverted: &Env) -> bool {
        let new = matches!(
            self.0.get(name),
            Some(DiffEntry::List { was_set: false, .. })
        );
        new && reverted.get(name).is_some()
    }

    /// Returns the added entries of a list, if entries were added to it.
    pub fn added(&self, name: impl AsRef<OsStr>) -> Option<&AddedEntries> {
        let entry = self.0.iter().find(|(one, _)| one.as_str() == name.as_ref());
        match entry {
            Some((_, DiffEntry::List { added, .. })) => Some(added),
            _ => None,
        }
    }

    /// Returns the lists that were unset before, with the added entries.
    pub fn new_lists(&self) -> impl Iterator<Item = (&VarName, &AddedEntries)> {
        self.0.iter().filter_map(|(name, entry)| match entry {
            DiffEntry::List {
                added,
                was_set: false,
                ..
            } => Some((name, added)),
            _ => None,
        })
    }

    /// Returns `env` with the added entries of lists back at the ends where the activation put them.
    pub fn settle(&self, env: &Env) -> Env {
        self.settle_lists(env, |_, _| true)
    }

    /// Does the same for the lists for which `is_wrong` returns true.
    pub fn settle_lists(
        &self,
        env: &Env,
        is_wrong: impl Fn(&VarName, &AddedEntries) -> bool,
    ) -> Env {
        let mut settled = env.clone();
        for (name, entry) in &self.0 {
            if let (DiffEntry::List { added, .. }, Some(list)) = (entry, env.get(name))
                && is_wrong(name, added)
            {
                let list = pathlist::withdraw(list, added);
                let list = pathlist::extend(&list, &added.front, &added.back);
                settled.set(name.as_str(), list);
            }
        }
        settled
    }
}

/// Returns the entries that `after` has in addition to `before` at its ends, if that is the whole difference.
///
/// `default` is the list that programs use without a value, if there is one.
fn list_entry(
    before: Option<&OsStr>,
    after: Option<&OsStr>,
    default: Option<OsString>,
) -> Option<DiffEntry> {
    let is_empty = before.is_none_or(OsStr::is_empty);
    let written = default.filter(|_| is_empty);
    let of_default = written.and_then(|default| {
        // A default without a name in the list is an empty entry.
        let old = if default.is_empty() {
            vec![OsStr::new("")]
        } else {
            pathlist::split(&default).collect()
        };
        entry_of(before, after, &old, &default)
    });
    of_default.or_else(|| {
        let old: Vec<_> = pathlist::split(before.unwrap_or_default()).collect();
        entry_of(before, after, &old, OsStr::new(""))
    })
}

fn entry_of(
    before: Option<&OsStr>,
    after: Option<&OsStr>,
    old: &[&OsStr],
    default: &OsStr,
) -> Option<DiffEntry> {
    let new: Vec<_> = pathlist::split(after?).collect();
    // Of several places the last one leaves the new entries in front, where programs are found first.
    let start = (0..=new.len().checked_sub(old.len())?)
        .rev()
        .find(|start| new[*start..*start + old.len()] == *old)?;
    let owned = |entries: &[&OsStr]| entries.iter().map(OsString::from).collect();
    let entry = DiffEntry::List {
        added: AddedEntries::to(old, owned(&new[..start]), owned(&new[start + old.len()..])),
        was_set: before.is_some(),
        default: default.to_owned(),
        after: Fingerprint::of(after),
    };
    // A list that cannot be restored exactly (an empty value or an empty entry) is handled as a scalar.
    let mut base = Env::default();
    let mut target = Env::default();
    if let Some(value) = before {
        base.set("PATH", value);
    }
    target.set("PATH", after?);
    let name: VarName = "PATH".parse().ok()?;
    let diff = EnvDiff(BTreeMap::from([(name, entry.clone())]));
    (diff.revert(&target).0 == base).then_some(entry)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        env::{Change, EnvPlan},
        util::binary,
    };

    fn values() -> impl Strategy<Value = OsString> {
        proptest::collection::vec(1u8..=255, 0..6).prop_map(OsString::from_vec)
    }

    fn lists() -> impl Strategy<Value = Vec<OsString>> {
        proptest::collection::vec("/[a-c]{0,2}".prop_map(OsString::from), 0..3)
    }

    fn names() -> impl Strategy<Value = VarName> {
        "A|B|C|PATH|MANPATH|XDG_DIRS".prop_map(|name| name.parse().unwrap())
    }

    fn envs() -> impl Strategy<Value = Env> {
        let listed = "[a-b:/]{0,6}".prop_map(OsString::from);
        proptest::collection::btree_map(names(), prop_oneof![values(), listed], 0..6).prop_map(
            |all| {
                all.into_iter()
                    .map(|(name, value)| (OsString::from(name), value))
                    .collect()
            },
        )
    }

    fn plans() -> impl Strategy<Value = EnvPlan> {
        let change = prop_oneof![
            values().prop_map(Change::Set),
            values().prop_map(Change::Default),
            Just(Change::Unset),
            (lists(), lists()).prop_map(|(before, after)| Change::Extend { before, after }),
        ];
        proptest::collection::btree_map(names(), change.prop_map(Into::into), 0..6)
            .prop_map(EnvPlan)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn revert_undoes_apply(base in envs(), plan in plans()) {
            let target = plan.apply(&base);
            let diff = EnvDiff::between(&base, &target);
            let (reverted, kept) = diff.revert(&target);
            prop_assert_eq!(reverted, base);
            prop_assert!(kept.is_empty());
        }

        #[test]
        fn revert_undoes_any_change(base in envs(), target in envs()) {
            let diff = EnvDiff::between(&base, &target);
            prop_assert_eq!(diff.revert(&target).0, base);
        }

        #[test]
        fn an_interrupted_activation_reverts_too(base in envs(), plan in plans(), applied: [bool; 6]) {
            let target = plan.apply(&base);
            let diff = EnvDiff::between(&base, &target);
            let mut partial = base.clone();
            for ((name, _), done) in diff.0.iter().zip(applied) {
                let scalar = matches!(diff.0[name], DiffEntry::Scalar { .. });
                match target.get(name) {
                    _ if !done || !scalar => {}
                    Some(value) => partial.set(name.as_str(), value),
                    None => partial.unset(name),
                }
            }
            let scalars = diff.0.into_iter().filter(|(_, entry)| matches!(entry, DiffEntry::Scalar { .. }));
            let (reverted, kept) = EnvDiff(scalars.collect()).revert(&partial);
            prop_assert_eq!(reverted, base);
            prop_assert!(kept.is_empty());
        }

        #[test]
        fn the_diff_survives_its_encoding(base in envs(), target in envs()) {
            let diff = EnvDiff::between(&base, &target);
            prop_assert_eq!(binary::decode(&binary::encode(&diff)), Ok(diff));
        }

        #[test]
        fn a_user_s_change_is_kept(base in envs(), mine in values()) {
            let name: VarName = "A".parse().unwrap();
            let mut target = base.clone();
            target.set("A", "devsh");
            let diff = EnvDiff::between(&base, &target);
            let mut changed = target;
            changed.set("A", &mine);
            let (reverted, kept) = diff.revert(&changed);
            if mine != "devsh" {
                prop_assert_eq!(reverted.get("A"), Some(mine.as_os_str()));
                prop_assert_eq!(kept, if base.get("A") == Some(&mine) { vec![] } else { vec![name] });
            }
        }
    }
}
