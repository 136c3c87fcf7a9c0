//! The build script: embeds every preset of this directory in the program, the catalogue of tools, and the pages of the
//! documentation. A new preset or page only needs a file.

mod catalogue;

use std::{
    error::Error,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The directories with pages for users.
const PAGES: [&str; 3] = ["docs", "docs/guide", "docs/reference"];

/// The file of the catalogue.
const CATALOGUE: &str = "tools.toml";

#[expect(
    clippy::disallowed_methods,
    reason = "cargo passes the output directory to a build script in a variable"
)]
fn main() -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=shells")?;
    writeln!(io::stdout(), "cargo::rerun-if-changed=docs")?;
    let presets = with_extension("shells", "toml")?;
    let presets = presets
        .into_iter()
        .filter(|path| !path.ends_with(CATALOGUE));
    let presets = list(presets)?;
    let mut pages = Vec::new();
    for directory in PAGES {
        pages.extend(with_extension(directory, "md")?);
    }
    // The README of the directory is a list of links.
    let pages = list(
        pages
            .into_iter()
            .filter(|path| !path.ends_with("README.md")),
    )?;
    let folder = std::env::var_os("OUT_DIR").ok_or("`OUT_DIR` is not set")?;
    fs::write(Path::new(&folder).join("presets.rs"), presets)?;
    fs::write(Path::new(&folder).join("pages.rs"), pages)?;
    let tools = fs::read_to_string(Path::new("shells").join(CATALOGUE))?;
    fs::write(
        Path::new(&folder).join("catalogue.rs"),
        catalogue::constants(&tools)?,
    )?;
    Ok(())
}

/// Returns the files of a directory with this extension, in order.
fn with_extension(directory: &str, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns a constant list of the names of files, without extension, and their texts.
fn list(files: impl Iterator<Item = PathBuf>) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let text = fs::read_to_string(&file)?;
        writeln!(list, "    ({name:?}, {text:?}),")?;
    }
    list.push_str("]\n");
    Ok(list)
}
