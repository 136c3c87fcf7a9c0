//! Lets npm resolve the dependencies of a tool, on the locked node. Nothing of a package is run or installed.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Builder, Error, choose_artifact::ServedFrom, request::BuildRequest};
use crate::{
    package::{ReleaseOptions, Tool, Version},
    sources::npm,
    store::{self, Object, Recipe},
    util::{files, vars},
};

/// npm's program, below the directory that has node's `bin`.
const NPM: &str = "lib/node_modules/npm/bin/npm-cli.js";
/// Largest `package-lock.json` that is read, in bytes.
const LIMIT: u64 = 64 << 20;
/// The number of npm's last lines that an error shows.
const LINES: usize = 20;
/// The variables that npm gets: how to reach a server. Its settings come from devsh alone.
const PASSED: [&str; 10] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "TMPDIR",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

impl Builder<'_> {
    /// Returns the `package-lock.json` of one version of a tool, without releases after `newest`
    /// (`2026-08-14T12:30:15Z`).
    ///
    /// The tools of `request` have the node.
    pub fn npm_lock(
        &self,
        request: &BuildRequest<'_>,
        tool: &Tool,
        version: &Version,
        newest: Option<&str>,
    ) -> Result<String, Error> {
        let served = self.serve(request).complete()?;
        let node = served.iter().find_map(|served| {
            let program = served.program("node")?;
            Some((served, program))
        });
        let (served, node) = node.ok_or_else(|| Error::ApplicationNeeds {
            application: Box::new(tool.clone()),
            tool: "node",
        })?;
        let prefix = match &served.from {
            ServedFrom::Object(directory) => Some(directory.as_path()),
            ServedFrom::Host(_) => node.parent().and_then(Path::parent),
        };
        let own = prefix.map(|prefix| prefix.join(NPM));
        let npm = match own.filter(|npm| npm.is_file()) {
            Some(npm) => npm,
            None => self.npm_from_registry(request)?,
        };
        let parent = self.context.directories.data.join("building");
        files::create_private_dir(&parent)?;
        let place = parent.join("resolving");
        let _lock = files::lock(&place.with_extension("lock"))?;
        store::remove_tree(&place)?;
        fs::create_dir(&place).map_err(files::at("create", &place))?;
        let manifest = serde_json::json!({
            "private": true,
            "dependencies": { (tool.package.as_str()): version.as_str() },
        });
        files::write_atomic(&place.join("package.json"), manifest.to_string().as_bytes())?;
        files::write_atomic(&place.join(".npmrc"), self.npm_settings(newest).as_bytes())?;
        let name = format!("{tool} {version}");
        let meter = self.progress.start(&name, "resolving", None);
        let resolved = self.run_npm(&node, &npm, &place);
        meter.finish();
        resolved.map_err(|output| Error::NpmResolve {
            tool: Box::new(tool.clone()),
            version: version.clone(),
            output,
        })?;
        let lock = place.join("package-lock.json");
        let bytes = files::read_bounded(&lock, LIMIT)?.unwrap_or_default();
        store::remove_tree(&place)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Installs npm from the registry, for a node that comes without it; returns npm's program.
    fn npm_from_registry(&self, request: &BuildRequest<'_>) -> Result<PathBuf, Error> {
        let (tool, locked) = npm::npm_itself(self.sources(request.system)).map_err(Box::new)?;
        let artifacts = locked.artifacts.get(&request.system);
        let object = Object {
            name: &tool.package,
            version: &locked.version,
            recipe: Recipe::Npm,
            artifacts: artifacts.map(Vec::as_slice).unwrap_or_default(),
            layout: &ReleaseOptions::default(),
        };
        Ok(self.install(&tool, &locked, &object)?.join(NPM))
    }

    /// Returns the settings for npm: the registry with its credentials, no scripts, no questions.
    fn npm_settings(&self, newest: Option<&str>) -> String {
        let registry = crate::fetch::anonymous(&self.config.npm);
        let mut text = format!(
            "registry={registry}\npackage-lock=true\npackage-lock-only=true\nignore-scripts=true\n\
             audit=false\nfund=false\nupdate-notifier=false\nlogs-max=0\nloglevel=error\ncolor=false\n"
        );
        // Writing to a string cannot fail.
        if let Some(token) = self.client.basic_credentials(&self.config.npm) {
            let place = registry.as_str().trim_start_matches(registry.scheme());
            let place = place.trim_start_matches(':');
            let _infallible = writeln!(text, "{place}:_auth={token}");
        }
        if let Some(newest) = newest {
            let _infallible = writeln!(text, "before={newest}");
        }
        text
    }

    /// Runs `npm install` in `place`, which is its home too; the error is what npm wrote last.
    fn run_npm(&self, node: &Path, npm: &Path, place: &Path) -> Result<(), Vec<String>> {
        let env = &self.context.env;
        let passed = PASSED
            .iter()
            .filter_map(|name| Some((name, env.get(name)?)));
        let certificates = env
            .get("SSL_CERT_FILE")
            .filter(|_| env.get("NODE_EXTRA_CA_CERTS").is_none());
        let output = Command::new(node)
            .arg(npm)
            .arg("install")
            .current_dir(place)
            .stdin(Stdio::null())
            .env_clear()
            .envs(passed)
            .envs(certificates.map(|file| ("NODE_EXTRA_CA_CERTS", file)))
            // Trust what the system trusts, as devsh does.
            .env("NODE_USE_SYSTEM_CA", "1")
            .env("HOME", place)
            // No git: a dependency in a repository would run its own scripts.
            .env(vars::PATH, place)
            .env("npm_config_cache", place.join("cache"))
            .env("npm_config_globalconfig", "/dev/null")
            .output()
            .map_err(|error| vec![error.to_string()])?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let line = line.trim_end();
                let line = line
                    .strip_prefix("npm error")
                    .or(line.strip_prefix("npm ERR!"));
                line.unwrap_or_default().trim_start().to_owned()
            })
            .filter(|line| !line.is_empty() && !line.starts_with("Log files were not written"))
            .collect();
        Err(lines[lines.len().saturating_sub(LINES)..].to_vec())
    }
}
