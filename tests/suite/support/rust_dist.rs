//! A Rust dist server whose toolchain is made of shell scripts: v2 channel manifest, rust-installer v3.

use std::fmt::Write;

use super::{
    Server,
    archive::{script, sha256, tar, xz},
};

const TRIPLES: [&str; 4] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-unknown-linux-gnu",
];
const DATE: &str = "2026-04-16";

/// The component in the manifest, the name of its archive, and its programs.
const COMPONENTS: [(&str, &str, &[&str]); 6] = [
    ("rustc", "rustc", &["rustc", "rustdoc"]),
    ("cargo", "cargo", &["cargo"]),
    ("rust-std", "rust-std", &[]),
    (
        "clippy-preview",
        "clippy",
        &["cargo-clippy", "clippy-driver"],
    ),
    ("rustfmt-preview", "rustfmt", &["rustfmt", "cargo-fmt"]),
    ("rust-analyzer-preview", "rust-analyzer", &["rust-analyzer"]),
];

/// Serves one release under `/rust/dist`, as its own channel and as the stable one.
pub(crate) fn serve_release(server: &Server, version: &str) {
    serve(server, version, &|program| {
        script(program, &format!("{version} (0123456789 {DATE})"))
    });
}

/// Serves a release whose programs start those of the toolchain in `sysroot`, so they compile.
pub(crate) fn serve_compiler(server: &Server, version: &str, sysroot: &str) {
    serve(server, version, &|program| {
        format!("#!/bin/sh\nexec '{sysroot}/bin/{program}' \"$@\"\n").into_bytes()
    });
}

fn serve(server: &Server, version: &str, content_of: &dyn Fn(&str) -> Vec<u8>) {
    let mut manifest = format!("manifest-version = \"2\"\ndate = \"{DATE}\"\n");
    for (component, archive, programs) in COMPONENTS {
        writeln!(
            manifest,
            "[pkg.{component}]\nversion = \"{version} (0123456789 {DATE})\""
        )
        .expect("text takes all");
        for triple in TRIPLES {
            let programs: Vec<(&str, Vec<u8>)> = programs
                .iter()
                .map(|program| (*program, content_of(program)))
                .collect();
            let content = component_archive(component, archive, programs, version, triple);
            let path = format!("dist/{DATE}/{archive}-{version}-{triple}.tar.xz");
            let (address, digest) = (server.address(), sha256(&content));
            writeln!(
                manifest,
                "[pkg.{component}.target.{triple}]\navailable = true\n\
                 xz_url = \"{address}/rust/{path}\"\nxz_hash = \"{digest}\""
            )
            .expect("text takes all");
            server.serve(&format!("/rust/{path}"), content);
        }
    }
    describe_toolchain(&mut manifest, version);
    let file = "channel-rust";
    let (major_minor, _) = version.rsplit_once('.').expect("three numbers");
    for channel in [version, major_minor, "stable"] {
        for directory in ["/rust/dist".to_owned(), format!("/rust/dist/{DATE}")] {
            let path = format!("{directory}/{file}-{channel}.toml");
            let digest = format!("{}  {file}-{channel}.toml\n", sha256(manifest.as_bytes()));
            server.serve(&path, manifest.clone());
            server.serve(&format!("{path}.sha256"), digest);
        }
    }
}

/// Writes the package `rust` with its parts, the renames and the profiles.
fn describe_toolchain(manifest: &mut String, version: &str) {
    writeln!(
        manifest,
        "[pkg.rust]\nversion = \"{version} (0123456789 {DATE})\""
    )
    .expect("text takes all");
    for triple in TRIPLES {
        writeln!(manifest, "[pkg.rust.target.{triple}]\navailable = false").expect("it does");
        for (component, _, _) in COMPONENTS {
            let list = if component.ends_with("-preview") {
                "extensions"
            } else {
                "components"
            };
            writeln!(
                manifest,
                "[[pkg.rust.target.{triple}.{list}]]\npkg = \"{component}\"\n\
                 target = \"{triple}\"\nis_extension = {}",
                list == "extensions"
            )
            .expect("text takes all");
        }
    }
    manifest.push_str(
        "[renames.clippy]\nto = \"clippy-preview\"\n[renames.rustfmt]\nto = \"rustfmt-preview\"\n\
         [renames.rust-analyzer]\nto = \"rust-analyzer-preview\"\n\
         [profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\"]\n\
         default = [\"rustc\", \"cargo\", \"rust-std\", \"clippy-preview\", \"rustfmt-preview\"]\n",
    );
}

fn component_archive(
    component: &str,
    archive: &str,
    programs: Vec<(&str, Vec<u8>)>,
    version: &str,
    triple: &str,
) -> Vec<u8> {
    let top = format!("{archive}-{version}-{triple}");
    // Only rust-std has its target in the component's name, as upstream.
    let name = if component == "rust-std" {
        format!("{component}-{triple}")
    } else {
        component.to_owned()
    };
    let mut files: Vec<(String, Vec<u8>, bool)> = programs
        .into_iter()
        .map(|(program, content)| (format!("bin/{program}"), content, true))
        .collect();
    if files.is_empty() {
        let path = format!("lib/rustlib/{triple}/lib/libstd.rlib");
        files.push((path, b"not a library".to_vec(), false));
    }
    let listed = files.iter().fold(String::new(), |listed, (path, _, _)| {
        listed + "file:" + path + "\n"
    });
    let mut members = vec![
        (
            format!("{top}/rust-installer-version"),
            b"3\n".to_vec(),
            false,
        ),
        (
            format!("{top}/version"),
            format!("{version}\n").into_bytes(),
            false,
        ),
        (
            format!("{top}/components"),
            format!("{name}\n").into_bytes(),
            false,
        ),
        (
            format!("{top}/{name}/manifest.in"),
            listed.into_bytes(),
            false,
        ),
    ];
    for (path, content, program) in files {
        members.push((format!("{top}/{name}/{path}"), content, program));
    }
    let members: Vec<_> = members
        .iter()
        .map(|(path, content, program)| (path.as_str(), content.as_slice(), *program))
        .collect();
    xz(&tar(&members, &[]))
}
