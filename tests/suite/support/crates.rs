//! A registry of crates: a sparse index below `/index`, and the files below `/crates`.

use std::process::Command;

use super::{
    Server,
    archive::{gzip, sha256, tar},
    require,
};

/// A crate in the form in which `cargo package` writes it.
pub(crate) struct PackedCrate<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// The rest of `Cargo.toml` after the table `package`.
    pub(crate) manifest: &'a str,
    /// The dependencies of `Cargo.lock`, as it has them; nothing if the crate has none.
    pub(crate) lock: Option<&'a str>,
    /// Its sources.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// Further keys of the line in the index.
    pub(crate) index: &'a str,
}

impl<'a> PackedCrate<'a> {
    /// Returns a program without dependencies.
    pub(crate) const fn program(
        name: &'a str,
        version: &'a str,
        main: &'a [(&'a str, &'a str)],
    ) -> Self {
        Self {
            name,
            version,
            manifest: "",
            lock: Some(""),
            files: main,
            index: "",
        }
    }

    fn pack(&self) -> Vec<u8> {
        let top = format!("{}-{}", self.name, self.version);
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"{}\"\nedition = \"2021\"\n{}",
            self.name, self.version, self.manifest
        );
        let mut files = vec![(format!("{top}/Cargo.toml"), manifest)];
        if let Some(lock) = self.lock {
            files.push((format!("{top}/Cargo.lock"), format!("version = 4\n{lock}")));
        }
        for (path, text) in self.files {
            files.push((format!("{top}/{path}"), (*text).to_owned()));
        }
        let members: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_bytes(), false))
            .collect();
        gzip(&tar(&members, &[]))
    }

    /// Serves the crate, and adds it to the index; returns its SHA-256.
    pub(crate) fn serve(&self, server: &Server) -> String {
        let packed = self.pack();
        let digest = sha256(&packed);
        let (name, version) = (self.name, self.version);
        server.serve(&format!("/crates/{name}/{version}/download"), packed);
        let place = format!("/index/{}/{}/{name}", &name[..2], &name[2..4]);
        let known = server
            .paths(&place)
            .first()
            .map(|path| server.content(path));
        let mut lines = known.unwrap_or_default();
        let line = format!(
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{digest}\",\"features\":{{}},\"yanked\":false{}}}\n",
            self.index
        );
        lines.extend(line.into_bytes());
        server.serve(&place, lines);
        digest
    }
}

/// Returns the directory of this machine's toolchain, or nothing if there is none.
pub(crate) fn sysroot() -> Option<String> {
    let rustc = require("rustc")?;
    let output = Command::new(rustc).args(["--print", "sysroot"]).output();
    let output = output.expect("rustc runs").stdout;
    Some(String::from_utf8_lossy(&output).trim().to_owned())
}
