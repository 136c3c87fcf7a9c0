//! Resolves requirements to exact packages with uv, for all platforms at once.

use std::{collections::BTreeSet, path::Path};

use super::{
    interpreter::minor_version,
    marker::normalize,
    requirement::is_built_metadata,
    settings::UvOptions,
    uv::{Uv, UvError},
};
use crate::{fetch::Meter, util::files};

/// Longest answer of uv that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// The input of uv and the form of its answer.
#[derive(Debug)]
pub struct CompileRequest<'a> {
    /// The requirements, one a line.
    pub requirements: &'a str,
    /// Constraints on what they lead to, one a line.
    pub constraints: &'a str,
    /// Requirements that replace those of other packages, one a line.
    pub overrides: &'a str,
    /// Options of the project, for indexes and for resolving.
    pub options: &'a [String],
    /// The root of the project, for its local files.
    pub root: &'a Path,
    /// The name of the output file, which decides the format.
    pub output: &'a str,
    /// An earlier answer, of which uv keeps what still fits.
    pub previous: Option<String>,
    /// The oldest Python that the answer is for (`3.12`); `None` is the interpreter's own.
    pub python: Option<&'a str>,
    /// Releases after this moment (`2026-08-14T12:30:15Z`) do not count.
    pub newest: Option<&'a str>,
    /// The packages that may run their own build to report their dependencies; they count as source archives only.
    pub builds: BTreeSet<String>,
    /// Further arguments of `uv pip compile`.
    pub arguments: &'a [&'a str],
}

/// The answer of uv.
#[derive(Debug)]
pub struct CompiledList {
    /// The exact packages, in the form of the output file.
    pub text: String,
    /// The extras that projects were asked for and do not have.
    pub absent_extras: BTreeSet<String>,
}

impl Uv<'_> {
    /// Resolves in the empty directory `place`.
    pub fn compile(
        &self,
        request: &CompileRequest<'_>,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<CompiledList, UvError> {
        let requirements = place.join("requirements.in");
        // A list is data, so it cannot name packages that run their own build.
        let is_build =
            |one: &String| one.starts_with("--no-binary") || one.starts_with("--only-binary");
        let options: Vec<String> = request
            .options
            .iter()
            .filter(|one| !is_build(one))
            .cloned()
            .collect();
        let (options, lines) = (&*options, request.requirements);
        let mut command = self.list_command(place, request.root, options, lines, &requirements)?;
        let output = place.join(request.output);
        if let Some(previous) = &request.previous {
            files::write_atomic(&output, previous.as_bytes())?;
        }
        let own_python = minor_version(&self.interpreter.version);
        command
            .args(["pip", "compile", "--universal"])
            .args(["--no-annotate", "--no-header"])
            .args(request.arguments)
            .args(UvOptions::new(options).arguments)
            .args(["--python-version", request.python.unwrap_or(&own_python)])
            .arg("--python")
            .arg(&self.interpreter.program);
        if let Some(newest) = request.newest {
            command.args(["--exclude-newer", newest]);
        }
        command.args(["--only-binary", ":all:"]);
        for name in &request.builds {
            // uv takes this as the exception.
            command.args(["--no-binary", name]);
        }
        for (argument, lines) in [
            ("--constraints", request.constraints),
            ("--overrides", request.overrides),
        ] {
            if !lines.is_empty() {
                let list = place.join(format!("{}.in", &argument[2..]));
                files::write_atomic(&list, lines.as_bytes())?;
                self.pass_variables(lines, &mut command)?;
                command.arg(argument).arg(list);
            }
        }
        command.arg("--output-file").arg(&output).arg(requirements);
        let warnings = self.run(command, meter)?;
        let bytes = files::read_own(&output, LIMIT)?.unwrap_or_default();
        Ok(CompiledList {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            absent_extras: absent_extras(&String::from_utf8_lossy(&warnings)),
        })
    }
}

/// Returns the extras in uv's warnings: ``The package `NAME @ ADDRESS` does not have an extra named `EXTRA` ``.
fn absent_extras(warnings: &str) -> BTreeSet<String> {
    let named = warnings.lines().filter_map(|line| {
        let (package, extra) = line.split_once("does not have an extra named `")?;
        let extra = extra.strip_suffix('`')?;
        is_built_metadata(package).then(|| normalize(extra))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_extras_of_projects_count_as_absent() {
        let project = "warning: The package `shop @ file:///shop#inputs=ab` does not have an extra named `Test_All`";
        let package = "warning: The package `six==1.0` does not have an extra named `x`";
        let found = absent_extras(&format!(
            "Resolved 2 packages in 3ms\n{project}\n{package}\n"
        ));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["test-all"]);
    }
}
