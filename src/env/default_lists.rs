//! Lists of paths whose unset value means a default, which an added entry must not replace.

use std::ffi::OsString;

use super::{Env, VarName};

/// Lists in which an empty entry is the default.
const EMPTY_ENTRY: &[&str] = &[
    "BIBINPUTS",
    "BSTINPUTS",
    "EMACSLOADPATH",
    "INFOPATH",
    "JULIA_DEPOT_PATH",
    "JULIA_LOAD_PATH",
    "MANPATH",
    "TERMINFO_DIRS",
    "TEXINPUTS",
];

/// Returns the list that programs use while the variable is unset or empty; an empty one for an empty entry.
pub(super) fn default_list(name: &VarName, env: &Env) -> Option<OsString> {
    let name = name.as_str();
    let below_home = |path: &str| {
        let mut home = env.get("HOME").filter(|home| !home.is_empty())?.to_owned();
        home.push(path);
        Some(home)
    };
    match name {
        "XDG_DATA_DIRS" => Some("/usr/local/share:/usr/share".into()),
        "XDG_CONFIG_DIRS" => Some("/etc/xdg".into()),
        "GOPATH" => below_home("/go"),
        "KUBECONFIG" => below_home("/.kube/config"),
        "PERL5LIB" => env
            .get("PERLLIB")
            .filter(|list| !list.is_empty())
            .map(OsString::from),
        _ => EMPTY_ENTRY.contains(&name).then(OsString::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Change, EnvDiff, EnvPlan};

    #[test]
    fn an_added_entry_keeps_the_default() {
        let base: Env = [("HOME", "/h"), ("PERLLIB", "/old")]
            .map(|(name, value)| (name.into(), value.into()))
            .into_iter()
            .collect();
        for (name, front, back) in [
            ("MANPATH", "/p:", ":/p"),
            (
                "XDG_DATA_DIRS",
                "/p:/usr/local/share:/usr/share",
                "/usr/local/share:/usr/share:/p",
            ),
            ("XDG_CONFIG_DIRS", "/p:/etc/xdg", "/etc/xdg:/p"),
            ("GOPATH", "/p:/h/go", "/h/go:/p"),
            ("PERL5LIB", "/p:/old", "/old:/p"),
            ("PYTHONPATH", "/p", "/p"),
        ] {
            let name: VarName = name.parse().unwrap();
            let extend = |before: &[&str], after: &[&str]| {
                let entries = |list: &[&str]| list.iter().map(OsString::from).collect();
                let change = Change::Extend {
                    before: entries(before),
                    after: entries(after),
                };
                let plan = EnvPlan([(name.clone(), change.into())].into());
                plan.apply(&base)
            };
            for (env, expected) in [(extend(&["/p"], &[]), front), (extend(&[], &["/p"]), back)] {
                assert_eq!(env.get(&name).unwrap(), expected, "{name}");
                let diff = EnvDiff::between(&base, &env);
                assert_eq!(diff.revert(&env).0, base, "{name}");
                // An entry that the user adds inside does not replace the default after leaving either.
                let mut own = env.clone();
                let mut list = OsString::from("/own:");
                list.push(expected);
                own.set(name.as_str(), list);
                let (left, _) = diff.revert(&own);
                let left = left.get(&name).unwrap().to_str().unwrap().to_owned();
                let expected = front.strip_prefix("/p").unwrap();
                let expected = if name.as_str() == "PYTHONPATH" {
                    ""
                } else {
                    expected
                };
                assert_eq!(left, format!("/own{expected}"), "{name}");
            }
            // Without entries nothing is written.
            let empty = extend(&[], &[]);
            assert_eq!(empty.get(&name).unwrap(), "", "{name}");
        }
    }
}
