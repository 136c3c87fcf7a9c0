//! The variables of the host shell that `devsh run --pure` keeps.

use crate::{
    env::{Env, VarName},
    report::failure::{ExitStatus, Failure},
    util::vars,
};

/// Variables without which programs do not know the user, the terminal, the language or the CI job.
const KEPT: [&str; 14] = [
    vars::CI,
    "COLORTERM",
    vars::HOME,
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    vars::NO_COLOR,
    vars::SHELL,
    "SSL_CERT_FILE",
    vars::TERM,
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_RUNTIME_DIR",
];

/// Families of variables that are kept, too.
const KEPT_PREFIXES: [&str; 1] = ["LC_"];

/// The directories of the system's own programs.
const SYSTEM_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// Returns what passes of `host`, with the variables that the user names.
pub fn reduced(host: &Env, keep: &[String]) -> Result<Env, Failure> {
    for name in keep {
        let checked = name.parse::<VarName>();
        checked.map_err(|error| Failure::new(error.to_string()).code(ExitStatus::Usage))?;
    }
    let passes = |name: &str| {
        KEPT.contains(&name)
            || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || keep.iter().any(|kept| kept == name)
    };
    let mut env: Env = host
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(passes))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if !keep.iter().any(|kept| kept == vars::PATH) {
        env.set(vars::PATH, SYSTEM_PATH);
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_variables_pass() {
        let pairs = [
            ("HOME", "/h"),
            ("LC_TIME", "C"),
            ("LCX", "x"),
            ("PATH", "/home/bin"),
            ("SECRET", "s"),
            ("TOKEN", "t"),
        ];
        let host: Env = pairs
            .map(|(n, v)| (n.into(), v.into()))
            .into_iter()
            .collect();
        let env = reduced(&host, &["TOKEN".to_owned()]).unwrap();
        let names: Vec<_> = env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["HOME", "LC_TIME", "PATH", "TOKEN"]);
        assert_eq!(env.get("PATH").unwrap(), SYSTEM_PATH);
        let env = reduced(&host, &["PATH".to_owned()]).unwrap();
        assert_eq!(env.get("PATH").unwrap(), "/home/bin");
        assert_eq!(
            reduced(&host, &["a b".to_owned()]).unwrap_err().code,
            ExitStatus::Usage
        );
    }
}
