//! Projects whose dependencies only their build system knows (`setup.py`, `setup.cfg`, `dynamic`): uv asks it for the
//! metadata when devsh resolves, which runs code of the project and needs the approval of its build. The metadata has the
//! extras too.
//!
//! Their development dependencies are often in lists such as `requirements-dev.txt`, which become groups.

use super::{
    LockFiles,
    built_metadata::{add_metadata, metadata_of},
    fields::lock_error,
    requirements::{GroupLists, read_groups},
};
use crate::{
    manifest::{Error, setup_name},
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
    let metadata = metadata_of(text, name.as_str(), &files.inputs);
    add_metadata(&mut lock, text, &metadata, None, Scope::Always)?;
    for (scope, extra) in extras {
        add_metadata(&mut lock, text, &metadata, Some(&extra), scope)?;
    }
    lock.built_extras = Some(metadata);
    lock.add_project(normalize(name.as_str()));
    Ok(lock)
}
