//! Resolves requirements on Python packages to exact ones, with the Python and uv of a dev shell.

use std::{collections::BTreeSet, fs};

use super::{
    BuildRule, Builder, Error, ShellPart, choose_artifact::ServedTools,
    python_env::find_interpreter, request::BuildRequest,
};
use crate::{
    config::ToolsFrom,
    lockfile::{PythonKey, PythonSet},
    package::{Tool, Version},
    python::{CompileRequest, CompiledList, Interpreter, PythonRequirement, UvError},
    store,
    util::files,
};

/// Requirements to resolve.
#[derive(Debug, Clone, Copy)]
pub struct PackageQuery<'a> {
    pub key: &'a PythonKey,
    /// The oldest Python that the packages are for (`3.10`); `None` is the dev shell's own.
    pub python: Option<&'a str>,
    /// Locked packages, of which those that still fit are kept.
    pub previous: Option<&'a PythonSet>,
    /// Releases after this moment (`2026-08-14T12:30:15Z`) do not count.
    pub newest: Option<&'a str>,
    /// Packages of the public index that may run their own build.
    pub builds: &'a BTreeSet<String>,
}

impl<'a> PackageQuery<'a> {
    /// Returns a query without anything else; an empty `python` is the dev shell's own.
    pub fn of(key: &'a PythonKey, python: &'a str) -> Self {
        static NO_BUILDS: BTreeSet<String> = BTreeSet::new();
        Self {
            key,
            python: (!python.is_empty()).then_some(python),
            previous: None,
            newest: None,
            builds: &NO_BUILDS,
        }
    }
}

/// A Python application to resolve.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationQuery<'a> {
    pub tool: &'a Tool,
    pub version: &'a Version,
    /// The oldest Python that the packages are for (`3.10`).
    pub python: &'a str,
    /// Releases after this moment (`2026-08-14T12:30:15Z`) do not count.
    pub newest: Option<&'a str>,
}

impl Builder<'_> {
    /// Returns exact packages with digests as a list of requirements. The tools of `request` are python and uv.
    pub fn compile_packages(
        &self,
        request: &BuildRequest<'_>,
        query: PackageQuery<'_>,
    ) -> Result<CompiledList, Error> {
        let (builds, rule) = if request.build_project {
            let addresses = source_addresses(&query.key.requirements);
            (
                query.builds.iter().cloned().chain(addresses).collect(),
                BuildRule::Named,
            )
        } else {
            (BTreeSet::new(), BuildRule::NotApproved)
        };
        let compile = CompileRequest {
            requirements: &served_lines(&query.key.requirements),
            constraints: &query.key.constraints.join("\n"),
            overrides: &query.key.overrides.join("\n"),
            options: &query.key.options,
            root: request.root,
            output: "requirements.txt",
            previous: query.previous.map(PythonSet::to_requirements),
            python: query.python,
            newest: query.newest,
            builds,
            arguments: &["--generate-hashes", "--no-emit-index-url"],
        };
        self.resolve(request, &compile, rule, "python packages", |tool| {
            Error::PythonNeeds {
                lock: "devshell.lock".into(),
                tool,
            }
        })
    }

    /// Returns the exact packages of a Python application, only wheels, as a `pylock.toml`. The tools of `request`
    /// are python and uv.
    pub fn compile_application(
        &self,
        request: &BuildRequest<'_>,
        query: ApplicationQuery<'_>,
    ) -> Result<String, Error> {
        let (tool, version) = (query.tool, query.version);
        let compile = CompileRequest {
            requirements: &format!("{}=={version}", tool.package),
            constraints: "",
            overrides: "",
            options: &[],
            root: request.root,
            output: "pylock.toml",
            previous: None,
            python: Some(query.python),
            newest: query.newest,
            builds: BTreeSet::new(),
            arguments: &["--format", "pylock.toml"],
        };
        let compiled = self.resolve(
            request,
            &compile,
            BuildRule::Never,
            &format!("{tool} {version}"),
            |needed| Error::ApplicationNeeds {
                application: Box::new(tool.clone()),
                tool: needed,
            },
        )?;
        Ok(compiled.text)
    }

    fn resolve(
        &self,
        request: &BuildRequest<'_>,
        compile: &CompileRequest<'_>,
        builds: BuildRule,
        purpose: &str,
        needs: impl Fn(&'static str) -> Error,
    ) -> Result<CompiledList, Error> {
        let mut served = self.serve(request);
        let is_any_python = compile.builds.is_empty() && compile.python.is_some();
        let other = if is_any_python {
            self.take_any_python(request, &mut served)
        } else {
            None
        };
        let served = served.complete()?;
        let interpreter = find_interpreter(&served)?.or(other);
        let interpreter = interpreter.ok_or_else(|| needs("python"))?;
        let installer = self.installer(request, &served, &interpreter, &needs)?;
        let parent = self.context.directories.data.join("building");
        files::create_private_dir(&parent)?;
        let place = parent.join("resolving");
        let _lock = files::lock(&place.with_extension("lock"))?;
        store::remove_tree(&place)?;
        fs::create_dir(&place).map_err(files::at("create", &place))?;
        if request.build_project {
            request.refuse_changed_project()?;
        }
        let meter = self.progress.start(purpose, "resolving", None);
        let answer = self.uv(&installer).compile(compile, &place, &*meter);
        meter.finish();
        let answer = answer.map_err(|error| match error {
            UvError::Failed { output } => Error::PythonResolve {
                purpose: purpose.to_owned(),
                output,
                builds,
            },
            UvError::Variable { name, line } => Error::PythonVariable { name, line },
            UvError::Store(error) => error.into(),
            UvError::File(error) => error.into(),
        })?;
        store::remove_tree(&place)?;
        Ok(answer)
    }
}

impl Builder<'_> {
    /// Returns the newest Python of the host if the locked one cannot be reached: uv resolves for any version with any
    /// Python, as long as nothing is built.
    fn take_any_python(
        &self,
        request: &BuildRequest<'_>,
        served: &mut ServedTools,
    ) -> Option<Interpreter> {
        if request.tools_from == ToolsFrom::Managed {
            return None;
        }
        let parts = &mut served.unbuilt.parts;
        let at = parts.iter().position(|unbuilt| {
            unbuilt.part.is_python() && matches!(unbuilt.error, Error::Unavailable { .. })
        })?;
        let ShellPart::Tool(tool) = &parts[at].part else {
            return None;
        };
        let found = self.host_tools(request, tool, &|_| true).into_iter();
        let newest = found.max_by(|one, other| one.version.cmp(&other.version))?;
        let (_, program) = newest.programs.into_iter().next()?;
        parts.remove(at);
        Some(Interpreter {
            program,
            version: newest.version,
            identity: Vec::new(),
            packages_visible: false,
            build_variables: Vec::new(),
        })
    }
}

/// Returns the packages that requirements take from a repository or a source archive. Such an address needs approval
/// with the name of its package.
fn source_addresses(requirements: &[String]) -> impl Iterator<Item = String> {
    let parsed = requirements
        .iter()
        .filter_map(|text| text.parse::<PythonRequirement>().ok());
    parsed
        .filter(|one| one.url.as_ref().is_some_and(|url| !names_wheel(url)))
        .map(|one| one.name.to_string())
}

/// Returns the requirements that count on any system that devsh has packages for, one a line.
fn served_lines(requirements: &[String]) -> String {
    let lines = requirements.iter().filter(|text| {
        let parsed = text.parse::<PythonRequirement>();
        parsed.map_or(true, |one| one.marker.may_hold())
    });
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn names_wheel(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    path.strip_suffix(".whl").is_some()
}
