//! The exact packages of a Python application. Their wheels are the artifacts of the tool.

use std::ops::Range;

use toml::Spanned;
use url::Url;

use super::{
    problem::{Problem, SpannedProblem},
    python::exact,
    values::{invalid, line, quoted},
};
use crate::package::{Requirement, Source, Supplier, Version, WheelName};

/// The packages of a Python application, for every Python that it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// The Pythons that it runs on (`>=3.10`); empty if its publisher names none.
    pub python: String,
    /// Itself and what it needs, each exact and with its condition
    /// (`tomli==2.2.1 ; python_full_version < '3.11'`), sorted.
    pub packages: Vec<String>,
}

/// Reads the keys `python` and `packages` of a block, which only an application has. With them, no other source would
/// check its own files.
pub(super) fn read(
    supplier: &Supplier,
    python: Option<Spanned<String>>,
    packages: Option<Vec<Spanned<String>>>,
    block: &Range<usize>,
) -> Result<Option<Application>, SpannedProblem> {
    if supplier.source != Source::Pypi && (python.is_some() || packages.is_some()) {
        let text =
            format!("only a package of PyPI has `python` and `packages`, and not `{supplier}`");
        return Err(Problem::Syntax(text).at(block.clone()));
    }
    let missing = |key: &str| Problem::Syntax(format!("missing field `{key}`")).at(block.clone());
    let (python, packages) = match (python, packages) {
        (None, None) => return Ok(None),
        (Some(python), Some(packages)) => (python, packages),
        (None, Some(_)) => return Err(missing("python")),
        (Some(_), None) => return Err(missing("packages")),
    };
    let span = python.span();
    let python = python.into_inner();
    let versions = python.parse::<pep440_rs::VersionSpecifiers>();
    if versions.is_err() && !python.is_empty() {
        return Err(invalid("versions of Python (`>=3.10`)", &python, span));
    }
    let packages = packages.into_iter().map(exact);
    let mut packages: Vec<String> = packages.collect::<Result<_, _>>()?;
    packages.sort();
    Ok(Some(Application { python, packages }))
}

/// Returns whether a publisher's requirement admits a Python; an unreadable requirement admits all.
pub fn runs_on(wanted: &str, python: &Version) -> bool {
    wanted.is_empty()
        || wanted
            .parse::<Requirement>()
            .map_or(true, |wanted| wanted.covers(python))
}

/// Returns whether a publisher's requirement admits one of these Pythons; without Pythons it does.
pub fn runs_on_any(wanted: &str, pythons: &[Version]) -> bool {
    pythons.is_empty() || pythons.iter().any(|python| runs_on(wanted, python))
}

/// Writes the keys.
pub(super) fn print(text: &mut String, application: &Application) {
    line(text, "python", quoted(&application.python));
    text.push_str("packages = [\n");
    for package in &application.packages {
        text.push_str("  ");
        text.push_str(&quoted(package));
        text.push_str(",\n");
    }
    text.push_str("]\n");
}

/// Returns the name of the wheel at an address; an application has it as a part.
pub fn wheel_name(url: &Url) -> Option<String> {
    let name = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(name)
        .decode_utf8()
        .ok()?;
    WheelName::parse(&name)?;
    Some(name.into_owned())
}

#[cfg(test)]
mod tests {
    use crate::{
        lockfile::{parse, print},
        package::System,
    };

    const APPLICATION: &str = r#"# written by devsh, do not edit
version = 1

[[tool]]
name = "black"
requirement = "25"
version = "25.1.0"
python = ">=3.9"
packages = [
  "black==25.1.0",
  "click==8.1.8 ; python_full_version < '3.10'",
]
artifacts = [
  { system = "any", url = "https://files.example/click-8.1.8-py3-none-any.whl", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size = 10 },
  { system = "linux-x86_64", url = "https://files.example/black-25.1.0%2Bx-cp39-cp39-linux_x86_64.whl", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
]
"#;

    #[test]
    fn an_application_names_its_wheels_by_their_addresses() {
        let lockfile = parse("devshell.lock", APPLICATION).unwrap();
        let package = lockfile.packages.values().next().unwrap();
        let application = package.application.as_ref().unwrap();
        assert_eq!(application.python, ">=3.9");
        assert_eq!(application.packages.len(), 2);
        let parts = |system| {
            let parts = package.artifacts[&system].iter();
            parts.map(|one| one.part.as_str()).collect::<Vec<_>>()
        };
        let pure = "click-8.1.8-py3-none-any.whl";
        let native = "black-25.1.0+x-cp39-cp39-linux_x86_64.whl";
        assert_eq!(parts(System::MacosAarch64), [pure]);
        assert_eq!(parts(System::LinuxX86_64), [native, pure]);
        assert_eq!(print(&lockfile), APPLICATION);
        let broken = |from: &str, to: &str| {
            let error = parse("devshell.lock", &APPLICATION.replace(from, to)).unwrap_err();
            error.problem.to_string()
        };
        let cases = [
            ("python = \">=3.9\"\n", "", "missing field `python`"),
            (
                ">=3.9",
                "three",
                "`three` is not versions of Python (`>=3.10`)",
            ),
            (
                "black==25.1.0\"",
                "black\"",
                "`black` is not an exact requirement (`idna==3.10`)",
            ),
            (
                "black==25.1.0\"",
                "--index x==1\"",
                "`--index x==1` is not a requirement on a Python package",
            ),
            (
                "click-8.1.8-py3-none-any.whl",
                "click.zip",
                "`https://files.example/click.zip` is not the address of a wheel",
            ),
        ];
        for (from, to, expected) in cases {
            assert_eq!(broken(from, to), expected);
        }
    }
}
