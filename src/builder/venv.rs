//! Makes a profile a virtual environment: editors and tools find `bin/python`, `pyvenv.cfg` and
//! `site-packages` where they look for them.
//!
//! The packages stay in their store object, to which one `.pth` file leads; only the project's own
//! directories lie in the profile. So nothing that is run inside can reach into the store: pip and uv see an
//! environment without removable packages, and what would change it says what to do instead.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{
    Error,
    profile::{executables, link, minor},
    python::{Own, PythonEnvironment},
};
use crate::{store, util::files};

/// The start of a script that finds the interpreter beside itself.
const RELOCATABLE: &[u8] = b"#!/bin/sh\n'''exec'";
/// What `python -m pip` is without a pip in the lockfile.
const PIP: &str = include_str!("venv/pip.py");
/// What stands in front of uv.
const UV: &str = include_str!("venv/uv.sh");

/// Makes `profile`, whose programs are linked already, a virtual environment.
pub(super) fn make(profile: &Path, python: &PythonEnvironment) -> Result<(), Error> {
    settings(profile, python)?;
    let minor = format!("python{}", minor(&python.version));
    let bin = profile.join("bin");
    for name in ["python", "python3", &minor] {
        relink(&python.interpreter, &bin.join(name))?;
    }
    let packages = profile.join("lib").join(&minor).join("site-packages");
    fs::create_dir_all(&packages).map_err(files::at("create", &packages))?;
    let shared = python.object.join("lib").join(&minor).join("site-packages");
    files::write_atomic(&packages.join("_devsh.pth"), search(&shared).as_bytes())?;
    own_scripts(&bin, &python.object)?;
    if let Some(own) = &python.own {
        take(own, &minor, (&packages, &bin))?;
    }
    guards(&bin, &packages, &shared)?;
    for closed in [&packages, &bin] {
        let mode = fs::Permissions::from_mode(0o555);
        fs::set_permissions(closed, mode).map_err(files::at("write", closed))?;
    }
    Ok(())
}

fn settings(profile: &Path, python: &PythonEnvironment) -> Result<(), Error> {
    use std::os::unix::ffi::OsStrExt as _;
    let home = python.interpreter.parent().unwrap_or(Path::new("/"));
    let mut settings = b"home = ".to_vec();
    settings.extend_from_slice(home.as_os_str().as_bytes());
    let rest = format!(
        "\nimplementation = CPython\nversion_info = {0}\nversion = {0}\ninclude-system-site-packages = false\nrelocatable = true\n",
        python.version
    );
    settings.extend_from_slice(rest.as_bytes());
    files::write_atomic(&profile.join("pyvenv.cfg"), &settings)?;
    Ok(())
}

/// The line that leads to the packages: a plain one for readers of `.pth` files, and one that has the `.pth`
/// files there read too.
fn search(packages: &Path) -> String {
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

/// Gives scripts of the packages this environment's interpreter: the one beside them.
fn own_scripts(bin: &Path, object: &Path) -> Result<(), Error> {
    for (name, script) in executables(&object.join("bin"))? {
        let place = bin.join(&name);
        let linked = fs::read_link(&place).is_ok_and(|target| target == script);
        if linked {
            copy_script(&script, &place)?;
        }
    }
    Ok(())
}

/// Puts a copy in the place of a link to a script; other programs stay linked.
fn copy_script(script: &Path, place: &Path) -> Result<(), Error> {
    let content = fs::read(script).map_err(files::at("read", script))?;
    if !content.starts_with(RELOCATABLE) {
        return Ok(());
    }
    store::remove_file(place)?;
    write_program(place, &content)
}

fn write_program(place: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(place, content).map_err(files::at("write", place))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o555))
        .map_err(files::at("write", place))?;
    Ok(())
}

/// Takes over what was installed aside.
fn take(own: &Own, minor: &str, (packages, bin): (&Path, &Path)) -> Result<(), Error> {
    let from = own.directory.join("lib").join(minor).join("site-packages");
    for entry in fs::read_dir(&from).map_err(files::at("read", &from))? {
        let entry = entry.map_err(files::at("read", &from))?;
        let target = packages.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(files::at("move", &target))?;
    }
    for (name, script) in executables(&own.directory.join("bin"))? {
        let place = bin.join(&name);
        if fs::read_link(&place).is_ok_and(|target| target == script) {
            copy_script(&script, &place)?;
        }
    }
    Ok(())
}

/// Puts what explains itself in the place of what would change the environment.
fn guards(bin: &Path, packages: &Path, shared: &Path) -> Result<(), Error> {
    if !shared.join("pip").exists() {
        files::write_atomic(&packages.join("pip.py"), PIP.as_bytes())?;
        for name in ["pip", "pip3"] {
            store::remove_file(&bin.join(name))?;
            let script = "#!/bin/sh\nexec \"$(dirname -- \"$0\")/python\" -m pip \"$@\"\n";
            write_program(&bin.join(name), script.as_bytes())?;
        }
    }
    let uv = bin.join("uv");
    if let Ok(real) = fs::read_link(&uv) {
        let quoted = shell_escape::unix::escape(real.to_string_lossy());
        store::remove_file(&uv)?;
        write_program(&uv, UV.replace("@UV@", &quoted).as_bytes())?;
    }
    Ok(())
}

fn relink(target: &Path, place: &Path) -> Result<(), Error> {
    store::remove_file(place)?;
    Ok(link(target, place)?)
}
