//! The build script: embeds every preset of this directory in the program, and the catalogue of tools. A new preset
//! only needs a file.

mod catalogue;

use std::{
    error::Error,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The file of the catalogue.
const CATALOGUE: &str = "tools.toml";

#[expect(
    clippy::disallowed_methods,
    reason = "cargo passes the output directory to a build script in a variable"
)]
fn main() -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=shells")?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir("shells")? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("toml")) && !path.ends_with(CATALOGUE) {
            files.push(path);
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let text = fs::read_to_string(&file)?;
        writeln!(list, "    ({name:?}, {text:?}),")?;
    }
    list.push_str("]\n");
    let folder = std::env::var_os("OUT_DIR").ok_or("`OUT_DIR` is not set")?;
    fs::write(Path::new(&folder).join("presets.rs"), list)?;
    let tools = fs::read_to_string(Path::new("shells").join(CATALOGUE))?;
    fs::write(
        Path::new(&folder).join("catalogue.rs"),
        catalogue::constants(&tools)?,
    )?;
    Ok(())
}
