//! Makes a profile a virtual environment: editors and tools find `bin/python`, `pyvenv.cfg` and
//! `site-packages` where they look for them.
//!
//! The packages stay in their store object, and one `.pth` file in the profile names it; only the editable installs
//! are in the profile itself. So no program inside changes the store: pip and uv see an environment without
//! packages that they could remove, and commands that would change it explain what to do instead.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use super::interpreter::{Interpreter, minor_version};
use crate::{
    store,
    util::{executables::list_executables, files},
};

/// The longest program of an environment that is read, in bytes.
const LARGEST_SCRIPT: u64 = 1 << 30;
/// The start of a script that finds the interpreter in its own directory.
const RELOCATABLE: &[u8] = b"#!/bin/sh\n'''exec'";
/// The module for `python -m pip`, in front of the real pip.
const PIP: &str = include_str!("venv/pip.py");
/// The wrapper of uv.
const UV: &str = include_str!("venv/uv.sh");

/// The parts of a virtual environment.
#[derive(Debug, Clone, Copy)]
pub struct VirtualEnv<'a> {
    pub interpreter: &'a Interpreter,
    /// The store object with the packages.
    pub packages: &'a Path,
    /// An environment with the editable installs, whose files are moved.
    pub editable: Option<&'a Path>,
}

/// Makes `profile`, whose programs are already linked, a virtual environment.
pub fn make_venv(profile: &Path, python: VirtualEnv<'_>) -> Result<(), store::Error> {
    let interpreter = python.interpreter;
    write_settings(profile, interpreter, interpreter.packages_visible)?;
    let minor = format!("python{}", minor_version(&interpreter.version));
    let bin = profile.join("bin");
    for name in ["python", "python3", &minor] {
        relink(&python.interpreter.program, &bin.join(name))?;
    }
    let packages = profile.join("lib").join(&minor).join("site-packages");
    fs::create_dir_all(&packages).map_err(files::at("create", &packages))?;
    let shared = python
        .packages
        .join("lib")
        .join(&minor)
        .join("site-packages");
    files::write_atomic(&packages.join("_devsh.pth"), path_file(&shared).as_bytes())?;
    copy_linked_scripts(&bin, python.packages)?;
    if let Some(editable) = python.editable {
        move_packages(&editable.join("lib").join(&minor), &packages)?;
        copy_linked_scripts(&bin, editable)?;
    }
    if let Some(editable) = python.editable {
        add_data(editable, profile, DataFiles::Moved)?;
    }
    add_data(python.packages, profile, DataFiles::Linked)?;
    write_guards(&bin, &packages)?;
    for closed in [&packages, &bin] {
        let mode = fs::Permissions::from_mode(0o555);
        fs::set_permissions(closed, mode).map_err(files::at("write", closed))?;
    }
    Ok(())
}

/// The parts of an environment that a profile has itself.
const OWN: [&str; 4] = ["bin", "lib", "lib64", "pyvenv.cfg"];

/// The two ways in which data files of an environment come into a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataFiles {
    /// By links to them: they stay in the store.
    Linked,
    /// They are moved: the environment is temporary.
    Moved,
}

/// Brings the data files of an environment's packages (`share`, `etc`, `include`) into a profile, because programs
/// look for them below `sys.prefix`. A directory that the profile has already gets the files that it lacks.
fn add_data(environment: &Path, profile: &Path, how: DataFiles) -> Result<(), store::Error> {
    let mut pending = Vec::new();
    for path in files::list(environment)? {
        let name = path.file_name().unwrap_or_default();
        if !OWN.iter().any(|own| name == *own) && !name.as_encoded_bytes().starts_with(b".") {
            let place = profile.join(name);
            pending.push((path, place));
        }
    }
    while let Some((path, place)) = pending.pop() {
        let found = fs::symlink_metadata(&path).map_err(files::at("read", &path))?;
        if found.is_dir() {
            // Never a link to the directory: a program could add files to the store through it.
            fs::create_dir_all(&place).map_err(files::at("create", &place))?;
            for below in files::list(&path)? {
                let name = below.file_name().unwrap_or_default().to_owned();
                pending.push((below, place.join(name)));
            }
        } else if fs::symlink_metadata(&place).is_err() {
            match how {
                DataFiles::Linked => symlink(&path, &place).map_err(files::at("link", &place))?,
                DataFiles::Moved => fs::rename(&path, &place).map_err(files::at("move", &place))?,
            }
        }
    }
    Ok(())
}

/// Makes a directory the virtual environment of an interpreter.
pub(super) fn write_settings(
    environment: &Path,
    python: &Interpreter,
    packages_visible: bool,
) -> Result<(), store::Error> {
    let settings = venv_settings(python, packages_visible);
    files::write_atomic(&environment.join("pyvenv.cfg"), &settings)?;
    Ok(())
}

/// Returns the `pyvenv.cfg` of an interpreter's environment with scripts that can be moved; with `packages_visible` the
/// packages of the interpreter itself can be imported.
pub fn venv_settings(python: &Interpreter, packages_visible: bool) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let home = python.program.parent().unwrap_or(Path::new("/"));
    let mut settings = b"home = ".to_vec();
    settings.extend_from_slice(home.as_os_str().as_bytes());
    let rest = format!(
        "\nimplementation = CPython\nversion_info = {0}\nversion = {0}\ninclude-system-site-packages = {1}\nrelocatable = true\n",
        python.version, packages_visible
    );
    settings.extend_from_slice(rest.as_bytes());
    settings
}

/// Returns a `.pth` file for the directory `packages`: a plain line for tools that read `.pth` files, and one that
/// makes Python read the `.pth` files of that directory too.
fn path_file(packages: &Path) -> String {
    let Some(text) = packages.to_str() else {
        return String::new();
    };
    let escaped = |one: char| {
        if one.is_ascii_graphic() && !matches!(one, '\'' | '\\') {
            one.to_string()
        } else {
            format!("\\U{:08x}", u32::from(one))
        }
    };
    let literal: String = text.chars().map(escaped).collect();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let first = if plain {
        format!("{text}\n")
    } else {
        String::new()
    };
    format!("{first}import site; site.addsitedir('{literal}')\n")
}

/// Replaces links to scripts of another environment by copies, which run the interpreter of their own directory.
fn copy_linked_scripts(bin: &Path, environment: &Path) -> Result<(), store::Error> {
    for (name, script) in list_executables(&environment.join("bin"))? {
        let place = bin.join(&name);
        if fs::read_link(&place).is_ok_and(|target| target == script) {
            copy_script(&script, &place)?;
        }
    }
    Ok(())
}

/// Replaces the link to a script by a copy; other programs stay linked.
fn copy_script(script: &Path, place: &Path) -> Result<(), store::Error> {
    let content = files::read_own(script, LARGEST_SCRIPT)?.unwrap_or_default();
    if !content.starts_with(RELOCATABLE) {
        return Ok(());
    }
    store::remove_file(place)?;
    write_program(place, &content)
}

/// Writes a program that nothing changes later.
pub fn write_program(place: &Path, content: &[u8]) -> Result<(), store::Error> {
    fs::write(place, content).map_err(files::at("write", place))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o555))
        .map_err(files::at("write", place))?;
    Ok(())
}

/// Moves the packages of an environment's library directory.
fn move_packages(library: &Path, packages: &Path) -> Result<(), store::Error> {
    let from = library.join("site-packages");
    for entry in fs::read_dir(&from).map_err(files::at("read", &from))? {
        let entry = entry.map_err(files::at("read", &from))?;
        let target = packages.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(files::at("move", &target))?;
    }
    Ok(())
}

/// Replaces pip and uv by programs that explain what to do instead of changing the environment.
fn write_guards(bin: &Path, packages: &Path) -> Result<(), store::Error> {
    files::write_atomic(&packages.join("pip.py"), PIP.as_bytes())?;
    for name in ["pip", "pip3"] {
        store::remove_file(&bin.join(name))?;
        let script = "#!/bin/sh\nexec \"$(dirname -- \"$0\")/python\" -m pip \"$@\"\n";
        write_program(&bin.join(name), script.as_bytes())?;
    }
    let uv = bin.join("uv");
    if let Ok(real) = fs::read_link(&uv) {
        let quoted = shell_escape::unix::escape(real.to_string_lossy());
        store::remove_file(&uv)?;
        write_program(&uv, UV.replace("@UV@", &quoted).as_bytes())?;
    }
    Ok(())
}

fn relink(target: &Path, place: &Path) -> Result<(), store::Error> {
    store::remove_file(place)?;
    Ok(symlink(target, place).map_err(files::at("link", place))?)
}
