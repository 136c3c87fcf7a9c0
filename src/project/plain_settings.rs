//! Build settings that only choose files, names and versions, so no code runs because of them. They are approved like all
//! others, and a change of one is shown; the first question counts them instead of listing each.

use super::build_packages::{are_known_packages, is_known_backend, requirement};

/// Keys that choose files and versions. A final `.` includes all keys below.
const PLAIN_KEYS: &[&str] = &[
    "project.dynamic",
    "tool.flit.module.name",
    "tool.flit.sdist.",
    "tool.hatch.build.artifacts",
    "tool.hatch.build.exclude",
    "tool.hatch.build.hooks.vcs.version-file",
    "tool.hatch.build.include",
    "tool.hatch.build.packages",
    "tool.hatch.metadata.allow-direct-references",
    "tool.hatch.metadata.hooks.fancy-pypi-readme.",
    "tool.hatch.version.path",
    "tool.hatch.version.pattern",
    "tool.pdm.build.excludes",
    "tool.pdm.build.includes",
    "tool.pdm.build.is-purelib",
    "tool.pdm.build.package-dir",
    "tool.pdm.build.source-excludes",
    "tool.pdm.build.source-includes",
    "tool.pdm.distribution",
    "tool.pdm.version.path",
    "tool.poetry.exclude",
    "tool.poetry.include",
    "tool.poetry.package-mode",
    "tool.poetry.packages",
    "tool.poetry.requires-poetry",
    "tool.setuptools.dynamic.dependencies.file",
    "tool.setuptools.dynamic.description.file",
    "tool.setuptools.dynamic.readme.file",
    "tool.setuptools.dynamic.version.file",
    "tool.setuptools.exclude-package-data.",
    "tool.setuptools.include-package-data",
    "tool.setuptools.license-files",
    "tool.setuptools.package-data.",
    "tool.setuptools.package-dir.",
    "tool.setuptools.packages",
    "tool.setuptools.packages.find.",
    "tool.setuptools.py-modules",
    "tool.setuptools.zip-safe",
    "tool.setuptools_scm",
    "tool.setuptools_scm.fallback_version",
    "tool.setuptools_scm.version_file",
    "tool.setuptools_scm.write_to",
    "tool.uv-dynamic-versioning.bump",
    "tool.uv-dynamic-versioning.dirty",
    "tool.uv-dynamic-versioning.fallback-version",
    "tool.uv-dynamic-versioning.latest-tag",
    "tool.uv-dynamic-versioning.metadata",
    "tool.uv-dynamic-versioning.pattern",
    "tool.uv-dynamic-versioning.pattern-prefix",
    "tool.uv-dynamic-versioning.strict",
    "tool.uv-dynamic-versioning.style",
    "tool.uv-dynamic-versioning.tag-branch",
    "tool.uv-dynamic-versioning.vcs",
    "tool.uv.build-backend.module-name",
    "tool.uv.build-backend.module-root",
    "tool.uv.default-groups",
    "tool.uv.managed",
    "tool.uv.package",
    "tool.uv.required-version",
    "tool.uv.workspace.",
];
/// The keys below a target of hatch that choose files.
const TARGET_KEYS: [&str; 7] = [
    "artifacts",
    "exclude",
    "force-include",
    "include",
    "only-include",
    "packages",
    "sources",
];
/// The sources of a version that are no code of the project.
const PLAIN_VERSION_SOURCES: [&str; 6] = [
    "env",
    "file",
    "regex",
    "scm",
    "uv-dynamic-versioning",
    "vcs",
];
/// Returns whether a fact is a build setting that only chooses files, names and versions.
pub fn is_plain_setting(name: &str, value: &str) -> bool {
    let setting = name.strip_prefix("build setting ");
    let Some((file, key)) = setting.and_then(|setting| setting.split_once(' ')) else {
        return false;
    };
    if file.rsplit('/').next() != Some("pyproject.toml") {
        return false;
    }
    match key {
        "build-system.build-backend" => is_known_backend(value),
        "build-system.requires" => are_requirements(value, are_known_packages),
        "tool.uv.build-constraint-dependencies" => are_requirements(value, |list| {
            list.iter().all(|one| requirement(one).is_some())
        }),
        "tool.hatch.version.source" | "tool.pdm.version.source" => {
            PLAIN_VERSION_SOURCES.contains(&value)
        }
        _ if key.starts_with("tool.uv.sources.") && key.ends_with(".workspace") => value == "true",
        _ => is_plain_key(key) && is_plain_text(key) && is_plain_text(value),
    }
}

/// Returns whether a key or value, as TOML, has no path outside of the project and no template.
fn is_plain_text(text: &str) -> bool {
    let is_inside = |path: &str| {
        !path.starts_with(['/', '~', '\\']) && path.split(['/', '\\']).all(|part| part != "..")
    };
    let has_template = ["{{", "{%", "${"].iter().any(|open| text.contains(open));
    !has_template && text.split(['"', '\'']).map(str::trim).all(is_inside)
}

fn is_plain_key(key: &str) -> bool {
    let is_plain = |plain: &str| match plain.strip_suffix('.') {
        Some(table) => key
            .strip_prefix(table)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        None => key == plain,
    };
    let target = key.strip_prefix("tool.hatch.build.targets.");
    let of_target = target.and_then(|target| target.split('.').nth(1));
    PLAIN_KEYS.iter().any(|plain| is_plain(plain))
        || of_target.is_some_and(|key| TARGET_KEYS.contains(&key))
}

/// Returns whether a list of requirements, as TOML, has the quality.
fn are_requirements(list: &str, quality: fn(&[toml::Value]) -> bool) -> bool {
    let table = format!("list = {list}").parse::<toml::Table>();
    let list = table.ok().and_then(|mut table| table.remove("list"));
    let list = list.as_ref().and_then(toml::Value::as_array);
    list.is_some_and(|list| quality(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_can_run_code_are_never_plain() {
        for (key, value, expected) in [
            ("build-system.build-backend", "hatchling.build", true),
            ("build-system.build-backend", "backend", false),
            (
                "build-system.requires",
                "[\"setuptools>=61\", \"wheel\"]",
                true,
            ),
            (
                "build-system.requires",
                "[\"hatchling\", \"hatch-odd\"]",
                false,
            ),
            (
                "build-system.requires",
                "[\"wheel @ https://a.example/w.whl\"]",
                false,
            ),
            ("build-system.backend-path", "[\".\"]", false),
            ("project.dynamic", "[\"version\"]", true),
            ("tool.hatch.build.hooks.custom.path", "hook.py", false),
            (
                "tool.hatch.build.targets.wheel.packages",
                "[\"src/a\"]",
                true,
            ),
            (
                "tool.hatch.build.targets.wheel.hooks.custom.path",
                "a.py",
                false,
            ),
            ("tool.hatch.version.source", "vcs", true),
            ("tool.hatch.version.source", "code", false),
            ("tool.setuptools.packages.find.where", "[\"src\"]", true),
            ("tool.setuptools.cmdclass.build", "a.B", false),
            ("tool.setuptools.dynamic.version.attr", "a.v", false),
            ("tool.uv.index-url", "https://a.example", false),
            ("tool.uv.workspace", "{}", true),
            ("tool.uv.sources.a.workspace", "true", true),
            ("tool.uv.sources.a.path", "../a", false),
            (
                "tool.uv.build-constraint-dependencies",
                "[\"hatchling==1.29\", \"jinja2<4\"]",
                true,
            ),
            (
                "tool.uv.build-constraint-dependencies",
                "[\"hatchling @ https://a.example/h.whl\"]",
                false,
            ),
            ("tool.uv-dynamic-versioning.bump", "true", true),
            (
                "tool.uv-dynamic-versioning.format-jinja",
                "{{ f() }}",
                false,
            ),
            ("tool.odd.x", "1", false),
            (
                "tool.hatch.metadata.hooks.uv-dynamic-versioning.dependencies",
                "[\"{{ f() }}\"]",
                false,
            ),
            ("tool.uv-dynamic-versioning.pattern", "{{ f() }}", false),
            ("tool.setuptools_scm.version_file", "src/a/_v.py", true),
            ("tool.setuptools_scm.version_file", "../a/_v.py", false),
            ("tool.setuptools_scm.write_to", "/home/a/.bashrc", false),
            (
                "tool.poetry.packages",
                "[{ include = \"a\", from = \"src/..a\" }]",
                true,
            ),
            (
                "tool.poetry.packages",
                "[{ include = \"a\", from = \"x/../../b\" }]",
                false,
            ),
            (
                "tool.hatch.build.targets.wheel.force-include.\"../x\"",
                "x",
                false,
            ),
        ] {
            let name = format!("build setting pyproject.toml {key}");
            assert_eq!(is_plain_setting(&name, value), expected, "{key} {value}");
        }
        assert!(!is_plain_setting("build setting uv.toml package", "true"));
        assert!(!is_plain_setting("build code setup.py", "3 lines"));
    }
}
