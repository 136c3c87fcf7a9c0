//! Resolves requirements on Python packages to exact ones, by the locked uv, for all platforms at once.

use std::{fs, path::Path};

use super::{
    Builder, Error, Request,
    installer::{Installer, Question},
    python::Interpreter,
};
use crate::{
    lockfile::{PythonKey, PythonSet},
    package::{Tool, Version},
    store,
    util::files,
};

/// Longest answer that is read, in bytes.
const LIMIT: u64 = 64 << 20;

impl Builder<'_> {
    /// Returns exact packages that answer `wanted` for every Python from `python` (`3.10`) on, as a list of
    /// requirements with digests.
    ///
    /// What `previous` has and still fits stays, and nothing comes that came out after `newest`
    /// (`2026-08-14T12:30:15Z`). The tools of `request` have python and uv.
    pub fn compile(
        &self,
        request: &Request<'_>,
        (wanted, python): (&PythonKey, Option<&str>),
        (previous, newest): (Option<&PythonSet>, Option<&str>),
    ) -> Result<String, Error> {
        let question = Question {
            purpose: "python packages",
            wanted: &wanted.requirements.join("\n"),
            constraints: &wanted.constraints.join("\n"),
            answer: "requirements.txt",
            previous: previous.map(PythonSet::to_requirements),
            python,
            newest,
            builds: request.build_project,
            arguments: &["--generate-hashes", "--no-emit-index-url"],
        };
        self.resolve(request, &question, |tool| Error::PythonNeeds {
            lock: "devshell.lock".into(),
            tool,
        })
    }

    /// Returns the exact packages of a Python application as a `pylock.toml`: wheels alone, for every Python
    /// from `python` (`3.10`) on, and nothing that came out after `newest` (`2026-08-14T12:30:15Z`).
    ///
    /// The tools of `request` have python and uv.
    pub fn compile_application(
        &self,
        request: &Request<'_>,
        (tool, version): (&Tool, &Version),
        (python, newest): (&str, Option<&str>),
    ) -> Result<String, Error> {
        let question = Question {
            purpose: &format!("{tool} {version}"),
            wanted: &format!("{}=={version}", tool.package),
            constraints: "",
            answer: "pylock.toml",
            previous: None,
            python: Some(python),
            newest,
            builds: true,
            arguments: &["--format", "pylock.toml", "--only-binary", ":all:"],
        };
        self.resolve(request, &question, |needed| Error::ApplicationNeeds {
            application: Box::new(tool.clone()),
            tool: needed,
        })
    }

    fn resolve(
        &self,
        request: &Request<'_>,
        question: &Question<'_>,
        needs: impl Fn(&'static str) -> Error,
    ) -> Result<String, Error> {
        let served = self.serve(request)?;
        let interpreter = Interpreter::of(&served)?.ok_or_else(|| needs("python"))?;
        let uv = self.uv(request, &served).ok_or_else(|| needs("uv"))?;
        let parent = self.context.directories.data.join("building");
        files::create_private_dir(&parent)?;
        let place = parent.join("resolving");
        let _lock = files::lock(&place.with_extension("lock"))?;
        store::remove_tree(&place)?;
        fs::create_dir(&place).map_err(files::at("create", &place))?;
        let meter = self.progress.start(question.purpose, None);
        meter.phase("resolving");
        let installer = Installer::new(self, &uv, &interpreter, Path::new(question.purpose));
        let answer = installer.compile(question, &place);
        meter.finish();
        let bytes = files::read_bounded(&answer?, LIMIT)?.unwrap_or_default();
        store::remove_tree(&place)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
