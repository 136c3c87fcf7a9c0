//! The newest Python for which the locked packages have wheels.
//!
//! A repository may admit every later Python (`>=3.9`), and its lockfile may be older than the newest one. With that,
//! packages would be built from source, which takes minutes and often fails. `uv.lock`, `poetry.lock` and `pylock.toml`
//! name the wheels of each package, so the bound is known without the index.

use super::{dedupe_tools::selection, python_files::PythonFiles};
use crate::{
    manifest::{DevShell, Located, Manifest, Origin, PythonRequest, ToolRequest},
    package::{Requirement, System, Tool, Version, compatible, wheel::MINORS},
    python::{PythonLock, TargetEnvironment, WheelMinors},
};

/// Adds the bound to the Python of every dev shell that names no version.
pub(super) fn bound_python(manifest: &mut Manifest, files: &[PythonFiles]) {
    let bounds = manifest.shells.values().filter_map(|shell| {
        let lock = shell.python.lock.as_ref()?;
        let files = files.iter().find(|files| files.lock == lock.value)?;
        let (_, request) = shell.tools.iter().find(|(tool, _)| is_python(tool))?;
        let newest = newest_minor(
            &shell.python,
            request,
            files.locked.as_ref()?,
            &files.wheels,
        )?;
        Some((newest, lock.value.clone()))
    });
    let Some((newest, lock)) = bounds.min() else {
        return;
    };
    let Ok(value) = format!("<3.{}", newest + 1).parse::<Requirement>() else {
        return;
    };
    let floor = Located {
        value,
        origin: Origin {
            file: lock.into(),
            line: 1,
            is_preset: false,
        },
    };
    for shell in manifest.shells.values_mut() {
        let pythons = shell.tools.iter_mut().filter(|(tool, _)| is_python(tool));
        for (_, request) in pythons.filter(|(_, request)| request.requirement.value.as_str() == "*")
        {
            request.floors.push(floor.clone());
        }
    }
}

/// Copies the bound to a combined dev shell, so it gets the Python of the single ones.
pub(super) fn copy_bound(manifest: &Manifest, shell: &mut DevShell) {
    let single = manifest.shells.values().flat_map(|shell| &shell.tools);
    let floors: Vec<Located<Requirement>> = single
        .filter(|(tool, _)| is_python(tool))
        .flat_map(|(_, request)| request.floors.iter().cloned())
        .collect();
    for (_, request) in shell.tools.iter_mut().filter(|(tool, _)| is_python(tool)) {
        for floor in &floors {
            if !request.floors.contains(floor) {
                request.floors.push(floor.clone());
            }
        }
    }
}

fn is_python(tool: &Tool) -> bool {
    tool.is_interpreter() && tool.name.as_str() == "python"
}

/// Returns the newest minor version for which every selected package has a wheel, or else the fewest lack one; nothing
/// if that is the case for all later versions too.
fn newest_minor(
    python: &PythonRequest,
    request: &ToolRequest,
    locked: &PythonLock,
    wheels: &WheelMinors,
) -> Option<u32> {
    if request.requirement.value.as_str() != "*" {
        return None;
    }
    // One more represents all later versions.
    let later = wheels.newest_named()? + 1;
    let selection = selection(python, locked);
    let lacking = |minor: u32| -> Option<usize> {
        let python: Version = format!("3.{minor}").parse().ok()?;
        // The result must be the same on every machine.
        let target = TargetEnvironment::new(&python, System::LinuxX86_64);
        let pins = locked.select(&selection, &target).ok()?.packages;
        let pins = pins.iter().filter(|pin| {
            let version = pin.version.as_deref().unwrap_or_default();
            wheels.lacks(&pin.name, version, minor)
        });
        Some(pins.count())
    };
    let admitted = |minor: &u32| {
        let line = format!("3.{minor}").parse::<Requirement>();
        line.is_ok_and(|line| {
            let bounds = request.constraints().map(|one| &one.value);
            compatible(&bounds.chain([&line]).collect::<Vec<_>>())
        })
    };
    let mut best: Option<(usize, u32)> = None;
    for minor in (*MINORS.start()..=later).rev().filter(admitted) {
        let lacking = lacking(minor)?;
        if best.is_none_or(|(fewest, _)| lacking < fewest) {
            best = Some((lacking, minor));
        }
        if lacking == 0 {
            break;
        }
    }
    best.map(|(_, minor)| minor).filter(|minor| *minor < later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::Text,
        python::{LockFiles, read_lock},
    };

    fn newest(wheels: &[&str], marker: &str, floor: &str) -> Option<u32> {
        let digest = "0a".repeat(32);
        let wheels: Vec<String> = wheels
            .iter()
            .map(|wheel| {
                format!("{{ url = \"https://files.example/{wheel}\", hash = \"sha256:{digest}\" }}")
            })
            .collect();
        let text = format!(
            "version = 1\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"b\"{marker} }}]\n\n[[package]]\nname = \"b\"\nversion = \"2.0\"\n\
             source = {{ registry = \"https://pypi.org/simple\" }}\nwheels = [{}]\n",
            wheels.join(", ")
        );
        let text = Text::new("uv.lock", &text);
        let minors = WheelMinors::read(text.as_str());
        let locked = read_lock(&LockFiles::single(text)).unwrap();
        let located = |text: &str| Located {
            value: text.parse().unwrap(),
            origin: Origin {
                file: "x".into(),
                line: 1,
                is_preset: false,
            },
        };
        let request = ToolRequest {
            requirement: located("*"),
            floors: vec![located(floor)],
            components: Vec::new(),
            is_below_root: false,
            targets: Vec::new(),
            options: crate::package::ReleaseOptions::default(),
        };
        newest_minor(&PythonRequest::default(), &request, &locked, &minors)
    }

    #[test]
    fn the_newest_python_has_wheels() {
        let three = [
            "b-2.0-cp311-cp311-manylinux_2_17_x86_64.whl",
            "b-2.0-cp312-cp312-manylinux_2_17_x86_64.whl",
            "b-2.0-cp314-cp314-win_amd64.whl",
        ];
        assert_eq!(newest(&three, "", ">=3.9"), Some(12));
        assert_eq!(newest(&three, "", "<3.12"), Some(11));
        // A package for old Pythons only does not hold the others back.
        let old = ", marker = \"python_full_version < '3.10'\"";
        assert_eq!(newest(&three[..1], old, ">=3.9"), None);
        // Where every Python needs a build, the newest one is as good as any.
        assert_eq!(newest(&three[..2], "", ">=3.13"), None);
        for universal in [
            "b-2.0-py3-none-any.whl",
            "b-2.0-cp39-abi3-macosx_11_0_arm64.whl",
            "b-2.0-cp312-cp312-win_amd64.whl",
            "b-2.0.tar.gz",
        ] {
            assert_eq!(newest(&[universal], "", ">=3.9"), None, "{universal}");
        }
    }
}
