//! Python environments with a `uv` that makes what the real one makes, and notes how it was called.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
};

use super::{
    super::{
        BuildRequest, Builder, BuiltShell, Error, PartialBuild, PythonPackages, ShellPart,
        UnbuiltPart, find,
    },
    programs,
    sandbox::{Asked, Sandbox},
};
use crate::{
    env::Change,
    fetch::{Meter, Progress},
    manifest::{ShellName, Text},
    python::{LockFiles, Selection, SelectionPart, read_lock},
    store::{Store, fixtures},
    util::vars,
};

const UV: &str = r#"#!/bin/sh
[ -z "$VIRTUAL_ENV" ] || exit 9
[ "$UV_LINK_MODE" = copy ] || exit 8
shift 2
printf '%s\n' "$*" >> "$HOME/calls"
for place in "$@"; do :; done
case "$1" in
pip)
  [ ! -e "$HOME/broken" ] || { echo 'Using Python' >&2; echo 'error: no such thing' >&2; exit 2; }
  while [ "$1" != --python ]; do shift; done
  site="$2/lib/python3.12/site-packages"
  : > "$2/.lock"
  echo 'Downloading numpy (15.9MiB)' >&2
  if [ "$3" = --requirements ]; then
    cp "$4" "$site/installed"
    : > "$site/module.py"
    for name in $(cat "$HOME/unbuildable" 2>/dev/null); do
      ! grep -q "^$name==" "$4" || { echo "error: $name does not build" >&2; exit 2; }
    done
    printf '#!/bin/sh\n'\'\'\''exec'\'' x\n' > "$2/bin/pytest"
    chmod 755 "$2/bin/pytest"
  else
    echo "$4" > "$site/project.pth"
    printf '#!/bin/sh\n'\'\'\''exec'\'' y\n' > "$2/bin/serve"
    chmod 755 "$2/bin/serve"
  fi ;;
esac
"#;

const LOCK: &str = r#"
version = 1
[[package]]
name = "app"
version = "1"
source = { editable = "." }
dependencies = [{ name = "idna" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "idna"
version = "3.10"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/i.whl", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }]
[[package]]
name = "pytest"
version = "8"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/p.whl", hash = "sha256:1111111111111111111111111111111111111111111111111111111111111111" }]
[[package]]
name = "ruff"
version = "1"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/r.whl", hash = "sha256:2222222222222222222222222222222222222222222222222222222222222222" }]
"#;

fn packages(lock: &str) -> PythonPackages {
    let files = LockFiles {
        inputs: String::new(),
        setup_name: None,
        directories: BTreeMap::new(),
        lock: Text::new("uv.lock", lock),
        project: None,
        lists: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let locked = read_lock(&files).unwrap();
    PythonPackages {
        lock: "uv.lock".into(),
        selection: Selection {
            groups: locked.default_groups.clone(),
            ..Selection::default()
        },
        builds: BTreeSet::new(),
        locked: Arc::new(locked),
        project: [7; 32],
        build_settings: None,
        without: BTreeSet::new(),
    }
}

struct World {
    sandbox: Sandbox,
    tools: Vec<Asked>,
    shell: ShellName,
}

impl World {
    fn new() -> Self {
        let mut sandbox = Sandbox::new();
        let home = sandbox.root.clone();
        sandbox.context.env.set(vars::HOME, &home);
        sandbox.context.env.set(vars::VIRTUAL_ENV, "/elsewhere");
        let uv = fixtures::wheel(&[("uv-0.9.0.data/scripts/uv", UV)]);
        let tools = vec![
            sandbox.python(),
            sandbox.asked("uv", "0.9", "0.9.0", &[("", uv)]),
        ];
        Self {
            sandbox,
            tools,
            shell: ShellName::dev(),
        }
    }

    fn request(&self, lock: &str) -> BuildRequest<'_> {
        BuildRequest {
            python: Some(packages(lock)),
            ..self.sandbox.request(&self.shell, &self.tools)
        }
    }

    fn build(&self, request: &BuildRequest<'_>) -> BuiltShell {
        self.sandbox
            .builder()
            .find_or_build(request)
            .and_then(PartialBuild::complete)
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.root.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn an_environment_is_a_sealed_object_without_the_project() {
    let world = World::new();
    let request = world.request(LOCK);
    let built = world.build(&request);
    assert_eq!(world.build(&request), built);
    let expected = [
        "pip",
        "pip3",
        "pytest",
        "python",
        "python3",
        "python3.12",
        "serve",
        "uv",
    ];
    assert_eq!(programs(&built), expected);
    let by_tool: Vec<_> = built.programs().collect();
    let (python, uv) = ("python".parse().unwrap(), "uv".parse().unwrap());
    let names = ["python", "python3", "python3.12"].map(str::to_owned);
    assert_eq!(
        by_tool,
        [(&python, &names[..]), (&uv, &["uv".to_owned()][..])]
    );
    assert_eq!(built.package_programs, ["pytest"]);
    assert_eq!(built.directory_programs, ["serve"]);
    let profile = &built.profile;
    let packages = profile.join("lib/python3.12/site-packages");
    let path = fs::read_to_string(packages.join("_devsh.pth")).unwrap();
    let object = built
        .objects
        .iter()
        .find(|one| one.to_string_lossy().contains("python-packages"))
        .unwrap();
    assert!(path.starts_with(&format!(
        "{}/lib/python3.12/site-packages\nimport site",
        object.display()
    )));
    assert!(packages.join("project.pth").exists());
    let list = fs::read_to_string(object.join("lib/python3.12/site-packages/installed")).unwrap();
    assert_eq!(
        list.lines()
            .map(|line| line.split(' ').next().unwrap())
            .collect::<Vec<_>>(),
        ["idna==3.10", "pytest==8"]
    );
    assert!(!object.join(".lock").exists());
    let site = object.join("lib/python3.12/site-packages");
    let mode = |place: &Path| fs::metadata(place).unwrap().permissions().mode();
    assert_eq!(mode(&site) & 0o222, 0, "nothing can be written into it");
    let bytecode = site.join("__pycache__");
    assert_eq!(mode(&bytecode) & 0o700, 0o700, "Python caches its bytecode");
    fs::write(bytecode.join("module.cpython-312.pyc"), "x").unwrap();
    Store::open(world.sandbox.data()).verify(object).unwrap();
    assert!(
        fs::symlink_metadata(profile.join("bin/pytest"))
            .unwrap()
            .is_file(),
        "a copy finds this interpreter"
    );
    let calls = world.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].contains("--no-deps") && calls[0].contains("--require-hashes"));
    assert!(calls[1].contains("--editable"));
}

#[test]
fn editors_find_an_environment_in_the_profile() {
    let world = World::new();
    let built = world.build(&world.request(LOCK));
    let settings = fs::read_to_string(built.profile.join("pyvenv.cfg")).unwrap();
    assert!(settings.starts_with("home = "));
    assert!(settings.contains("include-system-site-packages = false"));
    let variables = built.env.iter().map(|(name, _)| name.as_str());
    let expected = ["VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_NO_SYNC"];
    assert_eq!(variables.collect::<Vec<_>>(), expected);
    let place = Change::Set(built.profile.clone().into_os_string());
    assert_eq!(built.env[0].1, place);
}

#[test]
fn only_the_selected_packages_change_the_environment() {
    let world = World::new();
    let first = world.build(&world.request(LOCK));
    let calls = world.calls().len();
    // `ruff` is in no group that is wanted, so its version does not matter.
    let unrelated = world.build(&world.request(&LOCK.replace(
        "version = \"1\"\nsource = { registry",
        "version = \"2\"\nsource = { registry",
    )));
    assert_eq!(unrelated, first);
    assert_eq!(world.calls().len(), calls);
    // Another branch, and back.
    let branch = LOCK.replace("3.10", "3.11");
    let other = world.build(&world.request(&branch));
    assert_ne!(other.id, first.id);
    let calls = world.calls().len();
    assert_eq!(world.build(&world.request(LOCK)), first);
    assert_eq!(world.build(&world.request(&branch)), other);
    assert_eq!(world.calls().len(), calls);
}

#[test]
fn checkouts_share_the_packages_and_not_the_project() {
    let world = World::new();
    let first = world.build(&world.request(LOCK));
    let clone = world.sandbox.root.join("clone");
    fs::create_dir(&clone).unwrap();
    let second = world.build(&BuildRequest {
        root: &clone,
        ..world.request(LOCK)
    });
    assert_eq!((&second.id, &second.objects), (&first.id, &first.objects));
    assert_ne!(second.profile, first.profile);
    let installs = world
        .calls()
        .iter()
        .filter(|call| call.contains("--require-hashes"))
        .count();
    assert_eq!(installs, 1);
    // A checkout without its own package needs no separate profile.
    let plain = LOCK.replace("editable = \".\"", "virtual = \".\"");
    let third = world.build(&world.request(&plain));
    let fourth = world.build(&BuildRequest {
        root: &clone,
        ..world.request(&plain)
    });
    assert_eq!(third, fourth);
    assert_eq!(third.objects, first.objects);
}

#[test]
fn a_prompt_gets_the_packages_and_runs_nothing_of_the_project() {
    let world = World::new();
    let request = world.request(LOCK);
    let background = BuildRequest {
        build_project: false,
        runs_package_code: false,
        approved_conda: None,
        ..request.clone()
    };
    let partial = world.sandbox.builder().find_or_build(&background);
    let PartialBuild {
        built_shell: without,
        unbuilt,
    } = partial.unwrap();
    assert!(
        matches!(
            &*unbuilt.parts,
            [UnbuiltPart {
                part: ShellPart::Project,
                error: Error::ProjectNotBuilt { has_earlier: false },
            }]
        ),
        "{unbuilt:?}"
    );
    assert!(!programs(&without).contains(&"serve".to_owned()));
    let calls = world.calls();
    assert!(
        calls[0].contains("--no-build") && calls.len() == 1,
        "{calls:?}"
    );
    assert_eq!(find(world.sandbox.data(), &request), None);
    let whole = world.build(&request);
    assert_eq!(find(world.sandbox.data(), &background), Some(whole.clone()));
    assert_eq!(whole.objects, without.objects);
}

/// Keeps the steps of all meters.
#[derive(Default, Clone)]
struct Steps(Arc<Mutex<Vec<String>>>);

impl Progress for Steps {
    fn start(&self, name: &str, step: &str, _total: Option<u64>) -> Box<dyn Meter> {
        let steps = self.clone();
        steps.step(&format!("{step} {name}"), None);
        Box::new(steps)
    }
}

impl Meter for Steps {
    fn advance(&self, _bytes: u64) {}
    fn retract(&self, _bytes: u64) {}
    fn step(&self, what: &str, _total: Option<u64>) {
        self.0.lock().unwrap().push(what.to_owned());
    }
    fn finish(&self) {}
}

#[test]
fn the_steps_of_the_installer_are_shown() {
    let world = World::new();
    let steps = Steps::default();
    let builder = Builder {
        progress: &steps,
        ..world.sandbox.builder()
    };
    builder.find_or_build(&world.request(LOCK)).unwrap();
    let steps = steps.0.lock().unwrap();
    let mut of_packages = steps
        .iter()
        .skip_while(|step| *step != "installing 2 python packages");
    of_packages.next().unwrap();
    assert_eq!(
        of_packages.next().unwrap(),
        "downloading numpy (15.9MiB) of"
    );
}

#[test]
fn a_package_that_does_not_build_costs_only_its_group() {
    let world = World::new();
    fs::write(world.sandbox.root.join("unbuildable"), "pytest").unwrap();
    let lock = LOCK.replace(
        "dev = [{ name = \"pytest\" }]",
        "dev = [{ name = \"pytest\" }]\nlint = [{ name = \"ruff\" }]",
    );
    let mut request = world.request(&lock);
    let groups = ["dev", "lint"].map(str::to_owned);
    let python = request.python.as_mut().unwrap();
    python.selection.groups = groups.into();
    let build = || world.sandbox.builder().find_or_build(&request).unwrap();
    let partial = build();
    let parts = &*partial.unbuilt.parts;
    let group = ShellPart::PackagesOf(SelectionPart::Group("dev".to_owned()));
    assert!(
        matches!(parts, [UnbuiltPart { part, error: Error::PythonInstall { output, .. } }]
            if *part == group && output == &["error: pytest does not build"]),
        "{parts:?}"
    );
    let mut objects = partial.built_shell.objects.iter();
    let object = objects.find(|one| one.to_string_lossy().contains("python-packages"));
    let site = object.unwrap().join("lib/python3.12/site-packages");
    let list = fs::read_to_string(site.join("installed")).unwrap();
    assert!(
        list.contains("idna==3.10") && list.contains("ruff==1"),
        "{list}"
    );
    // A later build, in which it succeeds, is complete.
    fs::remove_file(world.sandbox.root.join("unbuildable")).unwrap();
    assert!(build().complete().is_ok());

    // Without the packages of the project itself there are none.
    fs::write(world.sandbox.root.join("unbuildable"), "idna").unwrap();
    let other = lock.replace("3.10", "3.11");
    let request = BuildRequest {
        python: Some(PythonPackages {
            selection: request.python.as_ref().unwrap().selection.clone(),
            ..packages(&other)
        }),
        ..request
    };
    let partial = world.sandbox.builder().find_or_build(&request).unwrap();
    let parts = &*partial.unbuilt.parts;
    assert!(
        matches!(
            parts,
            [UnbuiltPart {
                part: ShellPart::PythonPackages,
                ..
            }]
        ),
        "{parts:?}"
    );
}

#[test]
fn packages_that_other_tools_can_change_wait_for_them() {
    let mut world = World::new();
    let is_early = |world: &World, request: &BuildRequest<'_>| {
        let (_, early) = world.sandbox.builder().serve_and_install(request);
        early.is_some()
    };
    assert!(is_early(&world, &world.request(LOCK)));
    // Packages of other indexes and packages that the manifest names can be built.
    let private = LOCK.replacen("https://pypi.org", "https://packages.example", 1);
    assert!(!is_early(&world, &world.request(&private)));
    let building = BuildRequest {
        python: Some(PythonPackages {
            builds: BTreeSet::from(["idna".to_owned()]),
            ..packages(LOCK)
        }),
        ..world.request(LOCK)
    };
    assert!(!is_early(&world, &building));
    let conda = world.sandbox.asked("conda:zlib", "1", "1.3.1", &[]);
    world.tools.push(conda);
    assert!(!is_early(&world, &world.request(LOCK)));
}

#[test]
fn the_output_of_the_installer_is_kept() {
    let world = World::new();
    fs::write(world.sandbox.root.join("broken"), "").unwrap();
    let error = world
        .sandbox
        .builder()
        .find_or_build(&world.request(LOCK))
        .and_then(PartialBuild::complete)
        .unwrap_err();
    assert!(
        matches!(&error, Error::PythonInstall { output, .. } if output == &["error: no such thing"]),
        "{error:?}"
    );
    let store = Store::open(world.sandbox.data());
    let objects = fs::read_dir(store.root()).unwrap().flatten();
    let left = objects.filter(|one| {
        one.file_name()
            .to_string_lossy()
            .contains("python-packages")
    });
    assert_eq!(left.count(), 0);
    let broken = LOCK.replace("name = \"pytest\"\nversion", "name = \"other\"\nversion");
    let error = world
        .sandbox
        .builder()
        .find_or_build(&world.request(&broken))
        .and_then(PartialBuild::complete)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`uv.lock` is incomplete: the project depends on `pytest`, which is missing"
    );
}
