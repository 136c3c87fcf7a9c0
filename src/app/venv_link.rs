//! The link `.venv` that a manifest asks for (`[python] venv-link = true`), for editors that look for it.
//!
//! Invariant: only a link that leads into devsh's data is replaced; every other file stays.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::{manifest::DevShell, util::files};

/// The name that editors look for.
const NAME: &str = ".venv";

/// The result of `make`.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// No link is requested, or it leads to the profile.
    Settled,
    /// Another file has the name.
    Taken,
}

/// Links `.venv` in `root` to `profile` if `shell` requests it; `data` is devsh's data directory.
pub fn make(
    root: &Path,
    shell: &DevShell,
    profile: &Path,
    data: &Path,
) -> Result<LinkOutcome, files::Error> {
    let is_requested = shell
        .python
        .venv_link
        .as_ref()
        .is_some_and(|wanted| wanted.value);
    if !is_requested || shell.python.place.is_none() {
        return Ok(LinkOutcome::Settled);
    }
    let place = root.join(NAME);
    match fs::read_link(&place) {
        Ok(target) if target == profile => return Ok(LinkOutcome::Settled),
        Ok(target) if target.starts_with(data) => {}
        Ok(_) => return Ok(LinkOutcome::Taken),
        Err(_) if fs::symlink_metadata(&place).is_ok() => return Ok(LinkOutcome::Taken),
        Err(_) => {}
    }
    let aside = root.join(format!("{NAME}.devsh-{}", std::process::id()));
    symlink(profile, &aside).map_err(files::at("link", &aside))?;
    fs::rename(&aside, &place).map_err(files::at("link", &place))?;
    Ok(LinkOutcome::Settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{self, ShellName};

    #[test]
    fn only_devsh_s_own_link_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (root, data) = (directory.path().join("root"), directory.path().join("data"));
        fs::create_dir(&root).unwrap();
        let shell = |text: &str| {
            let layer = manifest::parse("devshell.toml", text).unwrap();
            manifest::merge(&[layer]).unwrap().shells[&ShellName::dev()].clone()
        };
        let asked = shell("[python]\nvenv-link = true\n");
        let link =
            |shell: &DevShell, name: &str| make(&root, shell, &data.join(name), &data).unwrap();
        assert_eq!(link(&shell("[python]\n"), "one"), LinkOutcome::Settled);
        assert!(fs::symlink_metadata(root.join(NAME)).is_err());
        for name in ["one", "two", "two"] {
            assert_eq!(link(&asked, name), LinkOutcome::Settled);
            assert_eq!(fs::read_link(root.join(NAME)).unwrap(), data.join(name));
        }
        fs::remove_file(root.join(NAME)).unwrap();
        symlink("/elsewhere", root.join(NAME)).unwrap();
        assert_eq!(link(&asked, "one"), LinkOutcome::Taken);
        fs::remove_file(root.join(NAME)).unwrap();
        fs::create_dir(root.join(NAME)).unwrap();
        assert_eq!(link(&asked, "one"), LinkOutcome::Taken);
        assert!(root.join(NAME).is_dir());
    }
}
