//! What a profile consisted of when it was published, so that a link that is gone is noticed and mended.

use std::{
    collections::BTreeMap, fs, io::ErrorKind, os::unix::fs::PermissionsExt as _, path::Path,
};

use super::record::{FILE, os, text};
use crate::{
    store::{Damage, Fault},
    util::files,
};

/// What stands before the target of a link.
pub(super) const LINK: &str = "link ";

/// The path of each link and file below the profile, and what it is.
pub(super) type Files = BTreeMap<String, String>;

/// Lists what is in a profile, its record aside.
pub(super) fn list(profile: &Path) -> Result<Files, files::Error> {
    let mut files = Files::new();
    let mut rest = vec![profile.to_owned()];
    while let Some(directory) = rest.pop() {
        for path in files::list(&directory)? {
            let found = fs::symlink_metadata(&path).map_err(files::at("read", &path))?;
            if found.is_dir() {
                // Python may write there later.
                if path.file_name().is_none_or(|name| name != "__pycache__") {
                    rest.push(path);
                }
                continue;
            }
            let below = path.strip_prefix(profile).unwrap_or(&path);
            if below != Path::new(FILE) {
                files.insert(text(below), look(&path)?);
            }
        }
    }
    Ok(files)
}

/// Returns what of a profile is not as it was published; what was added since is not looked at.
pub(super) fn damage(profile: &Path, files: &Files) -> Vec<Damage> {
    let fault = |(path, published): (&String, &String)| {
        let fault = match look(&profile.join(os(path))) {
            Ok(found) if found == *published => return None,
            Ok(_) => Fault::Changed,
            Err(error) if files::is_absent(&error.source) => Fault::Missing,
            Err(_) => Fault::Unreadable,
        };
        Some(Damage {
            path: path.clone(),
            fault,
        })
    };
    files.iter().filter_map(fault).collect()
}

/// Returns a link with its target, or a file with its digest and whether it can be executed.
fn look(path: &Path) -> Result<String, files::Error> {
    let found = fs::symlink_metadata(path).map_err(files::at("read", path))?;
    if found.is_symlink() {
        let target = fs::read_link(path).map_err(files::at("read", path))?;
        return Ok(format!("{LINK}{}", text(target)));
    }
    let Some((file, _)) = files::open_regular(path)? else {
        return Err(files::at("read", path)(ErrorKind::NotFound.into()));
    };
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file)
        .map_err(files::at("read", path))?;
    let kind = match found.permissions().mode() & 0o111 {
        0 => "file",
        _ => "program",
    };
    Ok(format!("{kind} {}", hasher.finalize().to_hex()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_published_is_told_from_what_is_there() {
        let profile = tempfile::tempdir().unwrap();
        let place = |name: &str| profile.path().join(name);
        fs::create_dir_all(place("bin")).unwrap();
        fs::create_dir_all(place("lib/__pycache__")).unwrap();
        symlink("/store/ruff", place("bin/ruff")).unwrap();
        symlink("/store/uv", place("bin/uv")).unwrap();
        fs::write(place("pyvenv.cfg"), "home = /store\n").unwrap();
        fs::write(place(FILE), "{}").unwrap();
        fs::write(place("lib/__pycache__/a.pyc"), "").unwrap();
        let files = list(profile.path()).unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["bin/ruff", "bin/uv", "pyvenv.cfg"]);
        assert_eq!(damage(profile.path(), &files), []);
        fs::write(place("bin/added"), "").unwrap();
        fs::remove_file(place("bin/uv")).unwrap();
        fs::remove_file(place("bin/ruff")).unwrap();
        symlink("/elsewhere", place("bin/ruff")).unwrap();
        fs::set_permissions(place("pyvenv.cfg"), fs::Permissions::from_mode(0o755)).unwrap();
        let found: Vec<(String, Fault)> = damage(profile.path(), &files)
            .into_iter()
            .map(|one| (one.path, one.fault))
            .collect();
        let expected = [
            ("bin/ruff", Fault::Changed),
            ("bin/uv", Fault::Missing),
            ("pyvenv.cfg", Fault::Changed),
        ];
        let expected: Vec<_> = expected
            .map(|(path, fault)| (path.to_owned(), fault))
            .into();
        assert_eq!(found, expected);
    }
}
