//! Scripts that run in the host shell: `[hooks] source` and the grant that it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Located,
    overlay::{overlay_list, text_of},
};
use crate::env::HostShell;

/// The scripts of `[hooks] source` and their grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceScripts {
    /// The scripts of each host shell, in order.
    pub scripts: BTreeMap<HostShell, Vec<Located<String>>>,
    /// The host shells in which they may run.
    pub grants: Vec<Located<HostShell>>,
}

/// The effect of such a script, for the decision about the grant.
pub const EFFECT: &str = "runs code in your own shell";

impl SourceScripts {
    /// The key of the grants, also in `Tables::removed`.
    pub const GRANTS: &'static str = "grants.source";

    /// Returns the key of the scripts for a host shell, also in `Tables::removed`.
    pub const fn key(shell: HostShell) -> &'static str {
        match shell {
            HostShell::Bash => "hooks.source.bash",
            HostShell::Zsh => "hooks.source.zsh",
            HostShell::Fish => "hooks.source.fish",
        }
    }

    /// Returns the scripts for a host shell.
    pub fn of(&self, shell: HostShell) -> &[Located<String>] {
        self.scripts.get(&shell).map_or(&[], Vec::as_slice)
    }

    /// Returns the scripts whose key is `key`, if it is the key of any.
    pub fn by_key(&self, key: &str) -> Option<&[Located<String>]> {
        let mut shells = HostShell::ALL.into_iter();
        let shell = shells.find(|shell| Self::key(*shell) == key)?;
        Some(self.of(shell))
    }

    /// Merges `upper`, whose table has these removals, into these.
    pub(super) fn overlay(&mut self, upper: &Self, removed: &BTreeMap<&str, BTreeSet<String>>) {
        for shell in HostShell::ALL {
            let (more, gone) = (upper.of(shell), removed.get(Self::key(shell)));
            if !more.is_empty() || gone.is_some() {
                let list = self.scripts.entry(shell).or_default();
                overlay_list(list, more, gone, text_of);
            }
        }
        self.scripts.retain(|_, list| !list.is_empty());
        overlay_list(
            &mut self.grants,
            &upper.grants,
            removed.get(Self::GRANTS),
            |shell| shell.value.as_str(),
        );
    }

    /// Returns the first script that runs in a shell for which there is no grant.
    pub(super) fn ungranted(&self) -> Option<(HostShell, &Located<String>)> {
        let granted = |shell| self.grants.iter().any(|grant| grant.value == shell);
        let mut lists = self.scripts.iter();
        let (shell, list) = lists.find(|(shell, _)| !granted(**shell))?;
        list.first().map(|script| (*shell, script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{merge, parse};

    const GRANT: &str = "[grants]\nsource = ['zsh']\n";

    #[test]
    fn scripts_of_several_layers_add_up_and_lose_entries() {
        let layers = [
            "[hooks.source]\nzsh = 'a'\nfish = 'f'\n",
            "[hooks.source]\nzsh = ['b', 'a']\nfish = { remove = ['f'] }\n",
            "[hooks.source]\nzsh = { add = ['c'], remove = ['b'] }\n",
        ];
        let mut layers: Vec<_> = layers.map(|text| parse("m", text).unwrap()).into();
        layers.push(parse("m", GRANT).unwrap());
        let dev = &merge(&layers).unwrap().shells[&"dev".parse().unwrap()].source_scripts;
        let texts: Vec<&str> = dev
            .of(HostShell::Zsh)
            .iter()
            .map(|one| &*one.value)
            .collect();
        assert_eq!(texts, ["a", "c"]);
        assert_eq!(dev.of(HostShell::Fish), []);
    }

    #[test]
    fn overlays_are_associative() {
        let texts = [
            "[hooks.source]\nzsh = ['a', 'b']",
            "[hooks.source]\nzsh = { add = ['c'], remove = ['a'] }\n[grants]\nsource = ['fish']",
            "[hooks.source]\nzsh = { add = ['a'], remove = ['b'] }",
            "[grants]\nsource = { add = ['zsh'], remove = ['fish'] }",
        ];
        let all = texts.map(|text| parse("m", text).unwrap().top);
        let count = all.len();
        for at in 0..count.pow(3) {
            let [one, two, three] = [at, at / count, at / count / count].map(|at| &all[at % count]);
            let (mut left, mut upper, mut right) = (one.clone(), two.clone(), one.clone());
            left.overlay(two);
            left.overlay(three);
            upper.overlay(three);
            right.overlay(&upper);
            assert_eq!(left, right);
        }
    }

    #[test]
    fn a_script_without_a_grant_is_refused_at_its_line() {
        let error_of = |text: &str| {
            let layer = parse("m", text).unwrap();
            let merged = merge(&[layer]).map(|_| ());
            merged.map_err(|error| format!("{}: {error}", error.origin()))
        };
        let script = "[hooks.source]\nzsh = 'a'\n";
        assert_eq!(error_of(&format!("{script}{GRANT}")), Ok(()));
        let refused = error_of(script).unwrap_err();
        assert!(
            refused.contains("m:2") && refused.contains("`source.zsh` runs code"),
            "{refused}"
        );
        let unknown = parse("m", "[hooks.source]\nzhs = 'a'\n")
            .unwrap_err()
            .to_string();
        assert!(
            unknown.contains("zhs") && unknown.contains("hooks.source"),
            "{unknown}"
        );
    }
}
