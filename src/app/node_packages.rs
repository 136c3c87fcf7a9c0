//! The packages of a Node.js project, which its own package manager installs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use crate::project::Project;

use super::session::Session;

/// The file that names the packages.
const PACKAGE_JSON: &str = "package.json";

/// A package manager: a file of its projects, and its commands.
struct PackageManager {
    file: &'static str,
    install: &'static str,
    /// Runs a program of a package.
    run: &'static str,
}

/// The package managers; the last one is that of a project without these files.
const MANAGERS: [PackageManager; 5] = [
    PackageManager {
        file: "pnpm-lock.yaml",
        install: "pnpm install",
        run: "pnpm exec",
    },
    PackageManager {
        file: "yarn.lock",
        install: "yarn install",
        run: "yarn run",
    },
    PackageManager {
        file: "bun.lock",
        install: "bun install",
        run: "bunx",
    },
    PackageManager {
        file: "bun.lockb",
        install: "bun install",
        run: "bunx",
    },
    PackageManager {
        file: PACKAGE_JSON,
        install: "npm install",
        run: "npx",
    },
];

/// The packages that the `package.json` of a project names.
pub struct NodePackages {
    /// The file that names them, below the root of the project.
    file: String,
    pub names: BTreeSet<String>,
    pub is_installed: bool,
    /// The command that installs them (`npm install`).
    pub install: &'static str,
    run: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependencies {
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, serde_json::Value>,
}

impl NodePackages {
    /// Returns the packages of the working directory, or of the nearest directory above it in the project at `root`.
    pub fn around(session: &Session<'_>, root: &Path) -> Option<Self> {
        let cwd = session.context.cwd.as_deref().unwrap_or(root);
        let mut directories = cwd.ancestors().take_while(|above| above.starts_with(root));
        directories.find_map(|directory| Self::of(session, root, directory))
    }

    /// Returns the packages that a directory of the project at `root` names, if there are any.
    fn of(session: &Session<'_>, root: &Path, directory: &Path) -> Option<Self> {
        let content = session.read_project_file(root, &directory.join(PACKAGE_JSON));
        let Dependencies {
            dependencies,
            dev_dependencies,
        } = serde_json::from_slice(&content.ok()??).ok()?;
        let names: BTreeSet<String> = dependencies
            .into_keys()
            .chain(dev_dependencies.into_keys())
            .collect();
        // A workspace has its lockfile at its root.
        let directories = || {
            let above = directory.ancestors();
            above.take_while(|above| above.starts_with(root))
        };
        let has = |name: &str| directories().any(|above| above.join(name).exists());
        let manager = MANAGERS.iter().find(|one| has(one.file))?;
        // Yarn can do without the directory.
        let is_installed = ["node_modules", ".pnp.cjs"].into_iter().any(has);
        let file = directory.join(PACKAGE_JSON);
        let file = file.strip_prefix(root).unwrap_or(&file);
        (!names.is_empty()).then(|| Self {
            file: file.display().to_string(),
            names,
            is_installed,
            install: manager.install,
            run: manager.run,
        })
    }

    /// Returns what a user does who wants the program of a package.
    pub fn describe_program(&self, session: &Session<'_>, package: &str) -> String {
        let command = session.command("run");
        let (file, run) = (&self.file, format!("`{command} -- {} {package}`", self.run));
        if self.is_installed {
            format!("`{package}` is a package of `{file}`: {run}")
        } else {
            format!(
                "`{package}` is a package of `{file}`: `{command} -- {}`, then {run}",
                self.install
            )
        }
    }
}

/// Returns the file and a line about the packages of the working directory, or of a directory above it in a project with
/// node, if they are not installed.
pub fn describe_missing_packages(
    session: &Session<'_>,
    project: &Project,
) -> Option<(String, String)> {
    let mut shells = project.preview().shells.values();
    let has_node = shells.any(|shell| {
        let mut tools = shell.tools.keys();
        tools.any(|tool| matches!(tool.name.as_str(), "node" | "bun"))
    });
    let packages = NodePackages::around(session, project.root()).filter(|_| has_node)?;
    let plural = if packages.names.len() == 1 { "" } else { "s" };
    (!packages.is_installed).then(|| {
        let line = format!(
            "{} package{plural} not installed yet: run `{}`",
            packages.names.len(),
            packages.install
        );
        (packages.file, line)
    })
}
