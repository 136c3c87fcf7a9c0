//! A user with empty directories, a mirror of files and a `PATH` of their own.

use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf,
    time::SystemTime,
};

use crate::{
    builder::{BuildRequest, Builder, RequestedTool},
    cache::Caches,
    config::{Config, ToolsFrom},
    context::{Context, Directories, Terminal},
    env::Env,
    fetch::{Client, Silent},
    lockfile::{Artifact, EntryOrigin, LockedPackage},
    manifest::{Located, Origin, ShellName, ToolRequest},
    package::{Sha256, System, Tool},
    store::{Store, fixtures},
    util::{secret_key::SecretKey, vars},
};

const SYSTEM: System = System::LinuxX86_64;

/// A user with empty directories, a mirror and a `PATH` of their own.
pub(in crate::builder) struct Sandbox {
    pub(super) root: PathBuf,
    pub(in crate::builder) context: Context,
    config: Config,
    store: Store,
    client: Client,
    caches: Caches,
    _directory: tempfile::TempDir,
}

/// One tool of a request, owned.
pub(super) struct Asked {
    tool: Tool,
    request: ToolRequest,
    locked: LockedPackage,
}

impl Sandbox {
    pub(in crate::builder) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let mut env = Env::default();
        env.set(vars::PATH, format!("{0}/bin:/usr/bin:/bin", root.display()));
        for name in ["bin", "mirror", "project"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let context = Context {
            cwd: None,
            shell_env: env.clone(),
            env,
            directories: Directories {
                home: Some(root.clone()),
                data: root.join("data"),
                state: root.join("state"),
                cache: root.join("cache"),
                config: root.join("config"),
            },
            system: Some(SYSTEM),
            terminal: Terminal {
                stdin: false,
                stdout: false,
                stderr: false,
                color: false,
                columns: None,
            },
            session_key: SecretKey::new([root.join("state"), root.join("data")]),
            now: SystemTime::UNIX_EPOCH,
            program: root.join("devsh"),
        };
        Self {
            store: Store::open(&context.directories.data),
            config: Config::load(&context).unwrap(),
            client: Client::new(true),
            caches: Caches::default(),
            context,
            root,
            _directory: directory,
        }
    }

    pub(super) fn data(&self) -> &Path {
        &self.context.directories.data
    }

    pub(super) fn artifact(&self, part: &str, file: &str, bytes: &[u8]) -> Artifact {
        let path = self.root.join("mirror").join(file);
        fs::write(&path, bytes).unwrap();
        Artifact {
            part: part.to_owned(),
            url: url::Url::from_file_path(path).unwrap(),
            digest: Sha256::of(bytes).into(),
            size: Some(bytes.len() as u64),
        }
    }

    pub(super) fn asked(
        &self,
        tool: &str,
        requirement: &str,
        version: &str,
        files: &[(&str, Vec<u8>)],
    ) -> Asked {
        let artifacts = files
            .iter()
            .map(|(part, bytes)| self.artifact(part, &format!("{tool}{part}"), bytes))
            .collect();
        Asked {
            tool: tool.parse().unwrap(),
            request: ToolRequest {
                requirement: Located {
                    value: requirement.parse().unwrap(),
                    origin: Origin {
                        file: "devshell.toml".into(),
                        is_preset: false,
                        line: 1,
                    },
                },
                floors: Vec::new(),
                components: Vec::new(),
                targets: Vec::new(),
                options: crate::package::ReleaseOptions::default(),
                is_below_root: false,
            },
            locked: LockedPackage {
                origin: EntryOrigin::Read,
                version: version.parse().unwrap(),
                supplier: tool.parse::<Tool>().unwrap().unnamed_supplier(),
                build: None,
                checked: None,
                verified: None,
                artifacts: BTreeMap::from([(SYSTEM, artifacts)]),
                application: None,
            },
        }
    }

    pub(super) fn ruff(&self) -> Asked {
        let script = "#!/bin/sh\necho ruff 0.12.4\n";
        let wheel = fixtures::wheel(&[("ruff-0.12.4.data/scripts/ruff", script)]);
        self.asked("ruff", "0.12", "0.12.4", &[("", wheel)])
    }

    pub(super) fn python(&self) -> Asked {
        self.asked("python", "3.12", "3.12.4", &[("", fixtures::python())])
    }

    pub(super) fn rust(&self) -> Asked {
        let component = |name: &str| {
            let file = format!("bin/{name}");
            let list = format!("file:{file}\n");
            let files = [(file.as_str(), "#!/bin/sh\necho 1.89.0\n")];
            fixtures::component(name, &files, &list, "3\n")
        };
        let files = [("cargo", component("cargo")), ("rustc", component("rustc"))];
        self.asked("rust", "1.89", "1.89.0", &files)
    }

    pub(super) fn host(&self, name: &str, script: &str) {
        let path = self.root.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn builder(&self) -> Builder<'_> {
        Builder {
            context: &self.context,
            config: &self.config,
            store: &self.store,
            client: &self.client,
            caches: &self.caches,
            progress: &Silent,
        }
    }

    pub(super) fn request<'a>(
        &'a self,
        shell: &'a ShellName,
        tools: &'a [Asked],
    ) -> BuildRequest<'a> {
        let wanted = |asked: &'a Asked| RequestedTool {
            hidden: false,
            tool: &asked.tool,
            request: &asked.request,
            locked: Some(&asked.locked),
        };
        BuildRequest {
            root: Box::leak(self.root.join("project").into_boxed_path()),
            project_files: Box::leak(Box::default()),
            shell,
            system: SYSTEM,
            tools: tools.iter().map(wanted).collect(),
            python: None,
            tools_from: ToolsFrom::Auto,
            locked: false,
            build_project: true,
            runs_package_code: true,
            approved_conda: None,
            is_more_than_tools: false,
            conda_floors: crate::package::CondaFloors::default(),
            extra: b"",
        }
    }

    pub(super) fn empty_mirror(&self) {
        fs::remove_dir_all(self.root.join("mirror")).unwrap();
        fs::create_dir(self.root.join("mirror")).unwrap();
    }
}
