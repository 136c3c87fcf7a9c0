//! Bytecode of installed packages: Python writes it when it first imports a module, or a process in the background
//! before that. An installation does not wait for it.
//!
//! The directories for it are the only ones of an environment that stay writable, and no module is in them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{interpreter::Interpreter, uv::UvError};
use crate::{store, util::files};

/// Compiles all modules below a directory. A file of the store never changes, so Python need not compare its bytecode
/// with it. It fails for a package with files for another version of Python, which nothing imports here.
///
/// It keeps no file open that the caller of devsh left open, such as a lock of `flock`.
const COMPILE: &str = "import compileall, os, py_compile
os.closerange(3, 65536)
os.nice(19)
compileall.compile_dir('.', maxlevels=99, quiet=2, workers=0,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)";

/// Makes a directory for bytecode next to all modules of an environment; what packages brought is removed.
pub(super) fn make_bytecode_directories(environment: &Path) -> Result<(), UvError> {
    let mut pending = vec![environment.join("lib")];
    while let Some(directory) = pending.pop() {
        let bytecode = directory.join(store::BYTECODE);
        store::remove_tree(&bytecode)?;
        let mut has_modules = false;
        for entry in fs::read_dir(&directory).map_err(files::at("read", &directory))? {
            let entry = entry.map_err(files::at("read", &directory))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            } else {
                has_modules |= path.extension().is_some_and(|end| end == "py");
            }
        }
        if has_modules {
            fs::create_dir(&bytecode).map_err(files::at("create", &bytecode))?;
        }
    }
    Ok(())
}

/// Compiles the modules of an environment in a process that no one waits for.
///
/// The interpreter outside the environment does it, without `site`, and imports nothing of the environment.
pub fn compile_in_background(interpreter: &Interpreter, environment: &Path) {
    // A shell that ends at once leaves no child to a program that replaces this process.
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "\"$@\" &", "sh"])
        .arg(&interpreter.program)
        .args(["-I", "-S", "-B", "-c", COMPILE])
        // It makes missing directories. From here it makes none in the place of an object that was removed.
        .current_dir(environment.join("lib"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = command.status();
    tracing::debug!(?started, "compile the modules");
}
