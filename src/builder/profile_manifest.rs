//! The files and symlinks of a profile at its publication, to find and repair damage.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::PermissionsExt as _,
    },
    path::Path,
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::{
    store::{Damage, DamageKind},
    util::files,
};

/// The file with the record of a profile, which is not part of the manifest.
pub(super) const RECORD: &str = ".devsh-profile";
/// Prefix of the target of a symlink.
pub(super) const LINK: &str = "link ";
/// Characters that are escaped, as are bytes beyond ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Each file and symlink below the profile by its path, with its kind and content in one word.
pub(super) type Files = BTreeMap<String, String>;

/// Lists a profile without its record.
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
            if below != Path::new(RECORD) {
                files.insert(text(below), describe(&path)?);
            }
        }
    }
    Ok(files)
}

/// Returns the damage of a profile; files that were added since are not looked at.
pub(super) fn damage(profile: &Path, files: &Files) -> Vec<Damage> {
    let fault = |(path, published): (&String, &String)| {
        let fault = match describe(&profile.join(os(path))) {
            Ok(found) if found == *published => return None,
            Ok(_) => DamageKind::Changed,
            Err(error) if files::is_absent(&error.source) => DamageKind::Missing,
            Err(_) => DamageKind::Unreadable,
        };
        Some(Damage {
            path: path.clone(),
            fault,
        })
    };
    files.iter().filter_map(fault).collect()
}

/// Returns a symlink with its target, or a file with its digest and whether it can be executed.
fn describe(path: &Path) -> Result<String, files::Error> {
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

/// Writes a path or value that need not be UTF-8 as text.
fn text(value: impl AsRef<OsStr>) -> String {
    percent_encode(value.as_ref().as_bytes(), ESCAPED).to_string()
}

/// Reads what `text` wrote.
pub(super) fn os(text: &str) -> OsString {
    OsString::from_vec(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn changed_and_missing_files_of_a_profile_are_found() {
        let profile = tempfile::tempdir().unwrap();
        let place = |name: &str| profile.path().join(name);
        fs::create_dir_all(place("bin")).unwrap();
        fs::create_dir_all(place("lib/__pycache__")).unwrap();
        symlink("/store/ruff", place("bin/ruff")).unwrap();
        symlink("/store/uv", place("bin/uv")).unwrap();
        fs::write(place("pyvenv.cfg"), "home = /store\n").unwrap();
        fs::write(place(RECORD), "{}").unwrap();
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
        let found: Vec<(String, DamageKind)> = damage(profile.path(), &files)
            .into_iter()
            .map(|one| (one.path, one.fault))
            .collect();
        let expected = [
            ("bin/ruff", DamageKind::Changed),
            ("bin/uv", DamageKind::Missing),
            ("pyvenv.cfg", DamageKind::Changed),
        ];
        let expected: Vec<_> = expected
            .map(|(path, fault)| (path.to_owned(), fault))
            .into();
        assert_eq!(found, expected);
    }
}
