//! Projects whose dependencies only their build system knows (`setup.py`, `setup.cfg`, `dynamic`): uv asks it for the
//! metadata when devsh resolves, which runs code of the project and needs the approval of its build.
//!
//! Their development dependencies are often in lists such as `requirements-dev.txt`, which become groups.

use std::collections::BTreeSet;

use super::{
    LockFiles,
    built_metadata::add_metadata,
    fields::lock_error,
    requirements::{GroupLists, read_groups},
};
use crate::{
    manifest::{Error, Text, setup_name},
    package::PackageName,
    python::{lock::PythonLock, marker::normalize, scope::Scope},
};

/// Reads a `setup.py` or `setup.cfg`.
pub(super) fn read(files: &LockFiles) -> Result<PythonLock, Error> {
    let text = &files.lock;
    let Some(name) = setup_name(text) else {
        let message = "the name of its package is not a plain text";
        return Err(lock_error(text, 0..0, message));
    };
    let GroupLists { mut lock, extras } = read_groups(files)?;
    let name: PackageName = name.parse().map_err(|invalid| text.error(0..0, invalid))?;
    let always = [(Scope::Always, String::new())].into_iter();
    let own = setup_extras(text).into_iter();
    let own = own.map(|extra| (Scope::Extra(extra.clone()), extra));
    for (scope, extra) in always.chain(own).chain(extras) {
        if let Scope::Extra(extra) = &scope {
            lock.extras.insert(extra.clone());
        }
        let written = match extra.as_str() {
            "" => name.to_string(),
            extra => format!("{name}[{extra}]"),
        };
        add_metadata(&mut lock, text, &written, scope, &files.inputs)?;
    }
    lock.add_project(normalize(name.as_str()));
    Ok(lock)
}

/// Returns the extras of a `setup.cfg`, normalised; those of a `setup.py` are known only to its build.
fn setup_extras(text: &Text) -> BTreeSet<String> {
    let mut extras = BTreeSet::new();
    let mut is_inside = false;
    for line in text.as_str().lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_inside = section.trim_end() == "options.extras_require]";
        } else if is_inside && !line.starts_with([' ', '\t', '#', ';']) {
            let name = line.split(['=', ':']).next().unwrap_or_default().trim();
            if name.parse::<PackageName>().is_ok() {
                extras.insert(normalize(name));
            }
        }
    }
    extras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_the_keys_of_their_section() {
        let text = "[metadata]\nname = demo\n[options.extras_require]\n# test = x\nTest_All =\n    pytest\n\
                    docs: sphinx\n[options]\npackages = find:\n";
        let found = setup_extras(&Text::new("setup.cfg", text));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["docs", "test-all"]);
        assert_eq!(
            setup_extras(&Text::new("setup.py", "setup()\n")),
            BTreeSet::new()
        );
    }
}
