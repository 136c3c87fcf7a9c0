//! `CPython` builds: everything under `python/` or, in full builds, `python/install/`, with the build's own prefix replaced by the store path.
//!
//! The version is read from `patchlevel.h`, which every build has for extensions.
//!
//! Modification times stay as in the archive, since the bytecode of the modules names them.

use std::{collections::BTreeSet, io::Read, path::Path};

use super::{Tree, read_head};
use crate::{
    package::{PackageName, Version},
    store::{
        Error, Rule,
        file_manifest::TreeNode,
        tree_builder::{Placed, refused},
        unpack::{
            ArchiveFile, decompressed,
            tar::{self, TarKind, TarMember},
        },
    },
};

/// The prefix that the builds were made for.
const PREFIX: &[u8] = b"/install";
/// Largest file in which the prefix is looked for, in bytes.
const LIMIT: u64 = 8 << 20;
/// Longest first line of a script that every kernel reads whole.
const SHEBANG: usize = 127;

/// The message of `pip` when it is asked to change the interpreter itself (PEP 668).
pub(in crate::store) const EXTERNALLY_MANAGED: &str = "[externally-managed]
Error=This Python belongs to devsh and is shared by projects, so it cannot be changed.
 Add a package to the project with `uv add NAME` or `[python] packages = [\"NAME\"]`,
 or make a virtual environment first.
";

/// The build that is unpacked.
pub(super) struct CPythonFiles<'a> {
    package: &'a PackageName,
    version: &'a Version,
    /// The versions that the archive names.
    found: BTreeSet<String>,
}

impl<'a> CPythonFiles<'a> {
    pub(super) const fn new(package: &'a PackageName, version: &'a Version) -> Self {
        Self {
            package,
            version,
            found: BTreeSet::new(),
        }
    }

    /// Places the members of a build.
    pub(super) fn unpack(
        &mut self,
        file: ArchiveFile<'_>,
        tree: &mut Tree,
        place: &Path,
    ) -> Result<(), Error> {
        tree.admit_case_below("share/terminfo/");
        let mut data = decompressed(file).map_err(|source| Error::Archive {
            member: String::new(),
            source,
        })?;
        tar::read(&mut data, |member, data| {
            self.place(member, data, tree, place)
        })
    }

    /// Checks the version, and adds the names by which the interpreter is called.
    pub(super) fn complete(&self, tree: &mut Tree) -> Result<(), Error> {
        let is_own = |found: &&String| found.parse().as_ref() == Ok(self.version);
        let other = self.found.iter().find(|found| !is_own(found));
        if self.found.is_empty() || other.is_some() {
            return Err(Error::OtherPackage {
                name: "python".to_owned(),
                version: other.cloned().unwrap_or_default(),
            });
        }
        let versioned = |path: &str| {
            let minor = path.strip_prefix("bin/python3.")?;
            let digits = minor.strip_suffix('t').unwrap_or(minor);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| format!("python3.{minor}"))
        };
        let Some(name) = tree.nodes().find_map(|(path, _)| versioned(path)) else {
            return Err(Error::NoPrograms {
                package: self.package.clone(),
            });
        };
        for (link, target) in [("bin/python3", name.as_str()), ("bin/python", "python3")] {
            if tree.node(link).is_none() {
                tree.link(link, target)?;
            }
        }
        let marker = format!("lib/{name}/EXTERNALLY-MANAGED");
        if tree.node(&marker).is_none()
            && matches!(tree.node(&format!("lib/{name}")), Some(TreeNode::Directory))
        {
            tree.file(
                &marker,
                Placed::default(),
                &mut EXTERNALLY_MANAGED.as_bytes(),
            )?;
        }
        Ok(())
    }

    fn place(
        &mut self,
        member: TarMember,
        data: &mut dyn Read,
        tree: &mut Tree,
        place: &Path,
    ) -> Result<(), Error> {
        if member.path == "python" {
            return Ok(());
        }
        let inside = member.path.strip_prefix("python/");
        let path = inside.ok_or_else(|| refused(&member.path, Rule::OddPath))?;
        let Some(path) = installed(path) else {
            return Ok(());
        };
        // The bytecode of a module that is rewritten would be stale from the start.
        if path.contains("__pycache__/_sysconfigdata") {
            return Ok(());
        }
        let placed = |executable| Placed {
            executable,
            mtime: Some(member.mtime),
        };
        match member.kind {
            TarKind::Directory => tree.directory(path),
            TarKind::Link(target) => tree.link(path, &target),
            TarKind::HardLink(target) => {
                let target = target.strip_prefix("python/").and_then(installed);
                let target = target.unwrap_or_default();
                tree.copy(path, target, placed(false))
            }
            TarKind::File { executable } if names_prefix(path) => {
                let mut head = read_head(path, data, LIMIT)?;
                if (head.len() as u64) < LIMIT && !head.contains(&0) {
                    head = moved(path, &head, place);
                }
                let mut whole = head.as_slice().chain(data);
                tree.file(path, placed(executable), &mut whole).map(|_| ())
            }
            TarKind::File { executable }
                if path.starts_with("include/") && path.ends_with("/patchlevel.h") =>
            {
                let text = read_head(path, data, LIMIT)?;
                let version = defined_version(&String::from_utf8_lossy(&text));
                self.found.insert(version.unwrap_or_default());
                let mut whole = text.as_slice().chain(data);
                tree.file(path, placed(executable), &mut whole).map(|_| ())
            }
            TarKind::File { executable } => tree.file(path, placed(executable), data).map(|_| ()),
        }
    }
}

/// Returns the version that `patchlevel.h` defines: `#define PY_VERSION "3.12.4"`.
fn defined_version(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("#define PY_VERSION "))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// Returns the place of a member; nothing for members of a full build that no interpreter needs.
///
/// Full builds have the tree in `install`, next to object files for linking another interpreter.
fn installed(path: &str) -> Option<&str> {
    match path.split_once('/') {
        Some(("install", path)) => Some(path),
        Some(("build" | "licenses", _)) => None,
        None if matches!(path, "install" | "build" | "licenses" | "PYTHON.json") => None,
        _ => Some(path),
    }
}

/// Returns whether a file may name the prefix of the build.
fn names_prefix(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("bin/")
        || path.starts_with("lib/pkgconfig/")
        || (name.starts_with("_sysconfigdata") && !path.contains("__pycache__"))
        || (name == "Makefile" && path.contains("/config-"))
        || (name.starts_with("_sysconfig_vars") && path.ends_with("json"))
}

fn moved(path: &str, content: &[u8], place: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let place = place.as_os_str().as_bytes();
    if !path.starts_with("bin/") {
        return replace(content, place);
    }
    let Some(rest) = content.strip_prefix(b"#!/install/") else {
        return replace(content, place);
    };
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let mut interpreter = place.to_vec();
    interpreter.push(b'/');
    interpreter.extend_from_slice(&rest[..end]);
    let plain = interpreter.len() + 2 <= SHEBANG && !place.contains(&b' ');
    let mut script = b"#!".to_vec();
    if plain {
        script.extend_from_slice(&interpreter);
    } else {
        // A first line that kernels would cut: the shell starts Python, to which these lines are a text.
        script.extend_from_slice(b"/bin/sh\n'''exec' \"");
        script.extend_from_slice(&interpreter);
        script.extend_from_slice(b"\" \"$0\" \"$@\"\n' '''");
    }
    script.extend_from_slice(&replace(&rest[end..], place));
    script
}

/// Replaces the prefix where a path begins with it.
fn replace(content: &[u8], place: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        let here = &content[at..];
        let next = here.get(PREFIX.len());
        let ends = next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"_.-".contains(byte));
        let flag = content[..at].ends_with(b"-I") || content[..at].ends_with(b"-L");
        let begins = flag
            || at == 0
            || !(content[at - 1].is_ascii_alphanumeric() || b"_.-/+)}".contains(&content[at - 1]));
        if here.starts_with(PREFIX) && begins && ends {
            result.extend_from_slice(place);
            at += PREFIX.len();
        } else {
            result.push(content[at]);
            at += 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_replaced_where_a_path_begins() {
        let text = b"'prefix': '/install', -I/install/include:/install/lib /x/install /installer $(D)/install/x";
        let moved = replace(text, b"/s p");
        let expected =
            "'prefix': '/s p', -I/s p/include:/s p/lib /x/install /installer $(D)/install/x";
        assert_eq!(String::from_utf8(moved).unwrap(), expected);
    }

    #[test]
    fn full_builds_lose_the_parts_that_are_not_installed() {
        for (path, expected) in [
            ("bin/python3.12", Some("bin/python3.12")),
            ("install/bin/python3.12", Some("bin/python3.12")),
            ("build/Modules/config.o", None),
            ("licenses/LICENSE.txt", None),
            ("PYTHON.json", None),
            ("install", None),
        ] {
            assert_eq!(installed(path), expected, "{path}");
        }
    }

    #[test]
    fn scripts_start_the_moved_interpreter() {
        let script = moved(
            "bin/pip",
            b"#!/install/bin/python3.12\nimport x\n",
            Path::new("/d/s"),
        );
        assert_eq!(script, b"#!/d/s/bin/python3.12\nimport x\n");
        let script = moved(
            "bin/pip",
            b"#!/install/bin/python3\nimport x\n",
            Path::new("/d s"),
        );
        let expected = "#!/bin/sh\n'''exec' \"/d s/bin/python3\" \"$0\" \"$@\"\n' '''\nimport x\n";
        assert_eq!(String::from_utf8(script).unwrap(), expected);
    }
}
