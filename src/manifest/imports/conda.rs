//! Dependencies and channels of conda environments, as `environment.yml`, `pixi.toml` and `conda-lock.yml` have them.

use super::Importer;
use crate::{
    manifest::{Located, Origin},
    package::{CONDA_FORGE, CondaChannel, CondaRequirement, System, SystemSet},
};

/// Packages of conda that are tools of devsh, if nothing else in the environment needs them.
const TOOLS: [(&str, &str); 4] = [
    ("go", "go"),
    ("nodejs", "node"),
    ("python", "python"),
    ("rust", "rust"),
];
/// The interpreter, which the other packages of an environment may be built for.
const PYTHON: &str = "python";
/// Packages that only install others.
const INSTALLERS: [&str; 4] = ["pip", "setuptools", "uv", "wheel"];

/// The channels that conda means by `defaults` on Linux and macOS.
const DEFAULTS: [&str; 2] = [
    "https://repo.anaconda.com/pkgs/main",
    "https://repo.anaconda.com/pkgs/r",
];

/// A dependency of a conda environment.
pub(super) struct CondaDependency {
    origin: Origin,
    requirement: CondaRequirement,
}

impl Importer<'_> {
    /// Adds a dependency in conda's grammar.
    pub(super) fn conda_dependency(&mut self, origin: Origin, text: &str) {
        match text.parse::<CondaRequirement>() {
            Ok(requirement) => self.dependencies.push(CondaDependency {
                origin,
                requirement,
            }),
            Err(invalid) => self.leave(origin, invalid.to_string()),
        }
    }

    /// Adds a channel by name or address.
    pub(super) fn conda_channel(&mut self, origin: Origin, text: &str) {
        match text {
            // conda's word for "only these channels", which devsh always means.
            "nodefaults" => {}
            "defaults" => {
                for channel in DEFAULTS {
                    self.conda_channel(origin.clone(), channel);
                }
            }
            _ if text.parse::<CondaChannel>().is_ok() => {
                let value = text.to_owned();
                self.settings.conda.channels.push(Located { value, origin });
            }
            _ => self.leave(origin, format!("`{text}` is not a conda channel")),
        }
    }

    /// Turns the dependencies into tools of devsh and packages of conda.
    ///
    /// Python belongs to the conda packages, which may be built for it. An environment of Python alone gets devsh's own.
    pub(super) fn finish_conda(&mut self) {
        let dependencies = std::mem::take(&mut self.dependencies);
        let tool_of = |name: &str| TOOLS.iter().find(|(conda, _)| *conda == name);
        // A tool is one of every system.
        let is_limited = |one: &CondaDependency| !one.requirement.systems().is_all();
        let is_other = |one: &CondaDependency| {
            let name = one.requirement.name();
            (tool_of(name).is_none() || is_limited(one)) && !INSTALLERS.contains(&name)
        };
        let has_others = dependencies.iter().any(is_other);
        let mut python = None;
        for one in dependencies {
            let name = one.requirement.name();
            match tool_of(name) {
                _ if INSTALLERS.contains(&name) => {}
                Some((_, tool)) if !is_limited(&one) && (name != PYTHON || !has_others) => {
                    let version = plain_version(one.requirement.as_str());
                    self.tool(one.origin, tool, &version);
                }
                _ => {
                    if name == PYTHON {
                        python = Some(one.origin.clone());
                    }
                    self.conda_package(one.origin, one.requirement.as_str());
                }
            }
        }
        let packages = self.settings.packages.first();
        let needs_python = packages.map(|one| one.origin.clone());
        if let (true, None, Some(origin)) = (has_others, &python, needs_python) {
            self.conda_package(origin.clone(), PYTHON);
            python = Some(origin);
        }
        self.settings.python_of_conda = python;
        let channels = &mut self.settings.conda.channels;
        if self.settings.conda.packages.is_empty()
            || matches!(channels.as_slice(), [one] if one.value == CONDA_FORGE)
        {
            channels.clear();
        }
    }

    fn conda_package(&mut self, origin: Origin, text: &str) {
        let value = text.to_owned();
        self.settings.conda.packages.push(Located { value, origin });
    }
}

/// Returns the systems that a directory of a channel (`linux-64`), or a word for several of them (`unix`), is for; none
/// for those that devsh does not run on.
pub(super) fn systems_of(word: &str) -> SystemSet {
    let all = SystemSet::all();
    let own = |system: &System| match word {
        "unix" => true,
        "linux" => system.is_linux(),
        "osx" => !system.is_linux(),
        // The words of conda-lock's selectors.
        "linux64" => *system == System::LinuxX86_64,
        "osx64" => *system == System::MacosX86_64,
        "arm64" => *system == System::MacosAarch64,
        word => system.conda_subdir() == word,
    };
    all.iter().filter(own).collect()
}

/// Returns a requirement of Python that is only for these systems.
pub(super) fn python_requirement(text: &str, systems: &SystemSet) -> String {
    if systems.is_all() {
        return text.to_owned();
    }
    let parts = systems.by_operating_system().into_iter();
    let parts: Vec<String> = parts
        .map(|(name, system)| {
            let platform = if name == "linux" { "linux" } else { "darwin" };
            let machine = system.map(|system| match system {
                System::LinuxAarch64 => "aarch64",
                System::MacosAarch64 => "arm64",
                System::LinuxX86_64 | System::MacosX86_64 => "x86_64",
            });
            let machine = machine.map(|name| format!(" and platform_machine == '{name}'"));
            format!(
                "sys_platform == '{platform}'{}",
                machine.unwrap_or_default()
            )
        })
        .collect();
    format!("{text} ; {}", parts.join(" or "))
}

/// Returns the version of a requirement in devsh's grammar.
fn plain_version(requirement: &str) -> String {
    let text = requirement.rsplit("::").next().unwrap_or(requirement);
    let at = text.find(['=', '<', '>', '!', '~', ' ', '[']);
    let version = at.map_or("", |at| &text[at..]).trim();
    let version = version.trim_start_matches("==");
    // One `=` is a prefix of the version, and a build follows the second one.
    let version = match version.strip_prefix('=') {
        Some(rest) => rest
            .split('=')
            .next()
            .unwrap_or(rest)
            .trim_end_matches(".*"),
        None => version,
    };
    if version.is_empty() { "*" } else { version }.to_owned()
}
