//! Programs in front of tools that would write into the store, or outside of the dev shell, when a user asks them to
//! install something. They explain what to do instead.

use std::path::Path;

use super::Error;
use crate::{package::Tool, python::write_program, store, util::files};

/// A script in front of a program of a stored tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard(&'static str);

impl Guard {
    /// The `pip` of an interpreter, which the `EXTERNALLY-MANAGED` file of the interpreter protects.
    pub(super) const PIP: Self = Self(include_str!("guards/pip.sh"));

    /// The `rust-analyzer` of a toolchain without that component.
    pub(super) const RUST_ANALYZER: Self = Self(include_str!("guards/rust-analyzer.sh"));

    /// Returns the guard of a program, if it has one.
    pub(super) fn of(tool: &Tool, program: &str) -> Option<Self> {
        match (tool.name.as_str(), program) {
            ("node", "npm") => Some(Self(include_str!("guards/npm.sh"))),
            ("node", "corepack") => Some(Self(include_str!("guards/corepack.sh"))),
            ("rust", "cargo") => Some(Self(include_str!("guards/cargo.sh"))),
            _ => None,
        }
    }

    /// Writes the script to `place`, in front of `program`, which is in the directory `bin` of its object.
    pub(super) fn write(self, place: &Path, program: &Path) -> Result<(), Error> {
        let object = program.parent().and_then(Path::parent).unwrap_or(program);
        // npm compares real paths.
        let object = object.canonicalize().unwrap_or_else(|_| object.to_owned());
        let quoted = |path: &Path| shell_escape::unix::escape(path.to_string_lossy()).into_owned();
        let script = self
            .0
            .replace("@PROGRAM@", &quoted(program))
            .replace("@OBJECT@", &quoted(&object));
        // The profile keeps the name of the guarded program.
        store::remove_file(place)?;
        write_program(place, script.as_bytes())?;
        files::sync_dir(place.parent().unwrap_or(place))?;
        Ok(())
    }
}
