//! Crates as tools: compiled with the locked toolchain, and kept in the store.
//!
//! devsh downloads the crate and the dependencies of its `Cargo.lock` by their digests; cargo compiles these files
//! without an index, and without network where the system can deny it. cargo reads no settings of the user: its home is
//! the build's own, and its working directory is `/`, because cargo also searches the directories above that.
//!
//! The object depends on the crate, the toolchain and the features, so all projects share it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;
use url::Url;

use super::{
    Builder, Error,
    choose_artifact::{ManagedTool, ServedTool},
    request::{BuildRequest, RequestedTool},
};
use crate::{
    fetch::{Download, Meter},
    lockfile::{Artifact, LockedPackage},
    package::{ReleaseOption, ReleaseOptions, Source, System, Version},
    sources::cargo,
    store::{self, BuiltObject, Downloads, Recipe, StorePath},
    util::{
        child_process, digest_input::DigestInput, files, no_network::Isolation, parallel, vars,
    },
};

/// Counts changes in how crates are built.
const FORMAT: u64 = 1;
/// The directory of a build in the object, which is removed at the end.
const BUILD: &str = ".build";
/// Downloads at the same time.
const PARALLEL: usize = 8;
/// Largest accepted `Cargo.lock`, in bytes.
const LIMIT: u64 = 16 << 20;
/// The number of cargo's last lines that an error shows.
const LINES: usize = 30;
/// The linker that rustc starts.
const LINKER: &str = "cc";
/// The variables that a build gets: where Xcode has its files, and the language of messages.
const PASSED: [&str; 4] = ["DEVELOPER_DIR", "LANG", "SDKROOT", "TMPDIR"];

/// A toolchain that compiles crates.
struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    version: Version,
    /// Names the toolchain in the keys of objects.
    identity: Vec<u8>,
}

/// The name of a crate with its exact version, as its registry writes both.
struct CrateName {
    name: String,
    version: String,
}

impl CrateName {
    /// Reads the name from an address: `…/crates/hexyl/0.16.0/download`.
    fn of(url: &Url) -> Option<Self> {
        let mut segments = url.path_segments()?.rev().skip(1);
        let (version, name) = (segments.next()?, segments.next()?);
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    /// Returns whether this is the crate that the lockfile names: a lockfile decides which bytes are compiled, not which
    /// crate.
    fn is_of(&self, locked: &LockedPackage) -> bool {
        self.name.parse().as_ref() == Ok(&locked.supplier.package)
            && self.version.parse().as_ref() == Ok(&locked.version)
    }

    /// Returns the name of the directory in the crate's file.
    fn directory(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// The directories of one build.
struct BuildPlace {
    root: PathBuf,
}

impl BuildPlace {
    /// The sources of all crates, each in a directory of its own.
    fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// cargo's home.
    fn home(&self) -> PathBuf {
        self.root.join("home")
    }
}

impl Builder<'_> {
    /// Returns the programs of a crate from the store, compiling them if they are missing.
    pub(super) fn crate_tool(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        artifacts: &[Artifact],
        served: &[&ServedTool],
    ) -> Result<ManagedTool, Error> {
        let toolchain = find_toolchain(served)?.ok_or_else(|| Error::ApplicationNeeds {
            application: Box::new(requested.tool.clone()),
            tool: "rust",
        })?;
        let built = self.build_crate(request, requested, locked, artifacts, &toolchain);
        let installed = match built {
            Ok(directory) => Ok(directory),
            Err(Error::Store(reason)) => Err(reason),
            Err(other) => return Err(other),
        };
        ManagedTool::from_install(requested, locked, installed)
    }

    fn build_crate(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        artifacts: &[Artifact],
        toolchain: &Toolchain,
    ) -> Result<PathBuf, Error> {
        let failed = |reason: CrateFailure| Error::CrateBuild {
            tool: Box::new(requested.tool.clone()),
            version: locked.version.clone(),
            reason,
        };
        let [artifact] = artifacts else {
            return Err(failed(CrateFailure::NoAddress));
        };
        let name = CrateName::of(&artifact.url).ok_or_else(|| failed(CrateFailure::NoAddress))?;
        if !name.is_of(locked) {
            return Err(failed(CrateFailure::OtherCrate(name.directory())));
        }
        let options = requested
            .request
            .release_options(requested.tool)
            .crate_build();
        let key = key(request.system, artifacts, toolchain, &options);
        let mut inputs = vec![format!("rust {}", toolchain.version)];
        inputs.extend(artifacts.iter().map(|one| one.digest.to_string()));
        inputs.extend(options.iter().map(ToString::to_string));
        let built = BuiltObject {
            name: &locked.supplier.package,
            version: &locked.version,
            recipe: Recipe::Crate,
            key: &key,
            inputs: &inputs,
            is_received: false,
        };
        if let Some(place) = self.store.find(&StorePath::of_built(&built)) {
            return Ok(place);
        }
        let label = format!("{} {}", requested.tool, locked.version);
        if let Some(place) = self.receive(&built, &label) {
            return Ok(place);
        }
        if !request.runs_package_code {
            return Err(Error::CrateNotBuilt {
                tool: Box::new(requested.tool.clone()),
                version: locked.version.clone(),
            });
        }
        let path = self.build_path(request, toolchain)?;
        if which::which_in(LINKER, Some(&path), "/").is_err() {
            return Err(failed(CrateFailure::NoLinker));
        }
        let meter = self.progress.start(&label, "downloading", None);
        let mut downloads = Vec::new();
        let made = self.store.build(&built, &*meter, |place| {
            let workspace = BuildPlace {
                root: place.join(BUILD),
            };
            for directory in [&workspace.root, &workspace.sources(), &workspace.home()] {
                fs::create_dir(directory).map_err(files::at("create", directory))?;
            }
            downloads.push(self.unpack_crate(artifact, &name.directory(), &workspace, &*meter)?);
            let lock = workspace
                .sources()
                .join(name.directory())
                .join("Cargo.lock");
            let lock = files::read_bounded(&lock, LIMIT)?;
            let lock = lock.ok_or_else(|| failed(CrateFailure::NoLockFile))?;
            let dependencies = cargo::dependencies(&String::from_utf8_lossy(&lock))
                .map_err(|error| failed(CrateFailure::LockFile(error)))?;
            let unpacked = parallel::map(PARALLEL, &dependencies, |one| {
                self.unpack_crate(one, &one.part, &workspace, &*meter)
            });
            for one in unpacked {
                downloads.push(one?);
            }
            meter.step("compiling", None);
            let compile = Compile {
                toolchain,
                name: &name,
                options: &options,
                path: &path,
                build: &workspace,
                place,
            };
            self.compile(&compile).map_err(failed)?;
            Ok::<(), Error>(store::remove_tree(&workspace.root)?)
        });
        meter.finish();
        if made.is_ok() {
            downloads.into_iter().for_each(Download::discard);
        }
        made
    }

    /// Returns the value of `PATH` for builds: the toolchain, then the programs of the machine.
    fn build_path(
        &self,
        request: &BuildRequest<'_>,
        toolchain: &Toolchain,
    ) -> Result<std::ffi::OsString, Error> {
        let host = self.host_search(request).path();
        let own = toolchain.rustc.parent().map(Path::to_owned);
        let all = own.into_iter().chain(std::env::split_paths(&host));
        std::env::join_paths(all).map_err(|error| {
            let error = std::io::Error::other(error);
            files::at("use", &toolchain.rustc)(error).into()
        })
    }

    /// Downloads a crate and unpacks it among the sources.
    fn unpack_crate(
        &self,
        artifact: &Artifact,
        directory: &str,
        build: &BuildPlace,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let downloads = Downloads {
            client: self.client,
            config: self.config,
            directory: &self.context.directories.cache.join("downloads"),
        };
        let download = downloads.artifact(artifact, meter)?;
        let place = build.sources().join(directory);
        let file = download.open().map_err(files::at("read", &place))?;
        store::unpack_crate(file, directory, &place).map_err(|reason| store::Error::Unpack {
            artifact: format!("{directory}.crate"),
            reason: Box::new(reason),
        })?;
        // Without digests of the files cargo checks none: the file of the crate had the right one.
        let record = json!({ "files": {}, "package": artifact.digest.hex() });
        let list = place.join(".cargo-checksum.json");
        fs::write(&list, record.to_string()).map_err(files::at("write", &list))?;
        Ok(download)
    }

    /// Compiles the programs into the object's `bin`.
    fn compile(&self, compile: &Compile<'_>) -> Result<(), CrateFailure> {
        let Compile {
            toolchain,
            name,
            options,
            path,
            build,
            place,
        } = *compile;
        let home = build.home();
        let settings = json!({
            "source": {
                "crates-io": { "replace-with": "locked" },
                "locked": { "directory": build.sources() },
            },
            // No path of this machine gets into the programs.
            "build": {
                "rustflags": [format!("--remap-path-prefix={}=/build", build.root.display())],
            },
        });
        let file = home.join("config.toml");
        let settings = toml::to_string(&settings).map_err(std::io::Error::other);
        settings
            .and_then(|text| fs::write(&file, text))
            .map_err(files::at("write", &file))?;
        let env = &self.context.env;
        let passed = PASSED
            .iter()
            .filter_map(|name| Some((name, env.get(name)?)));
        let mut command = Isolation::available().command(&toolchain.cargo);
        command
            .args(["install", "--locked", "--offline", "--no-track", "--root"])
            .arg(place)
            .args(["--version", &format!("={}", name.version)]);
        for option in options.iter() {
            match option {
                ReleaseOption::Feature(feature) => command.args(["--features", feature]),
                ReleaseOption::DefaultFeatures(false) => command.arg("--no-default-features"),
                ReleaseOption::Bin(program) => command.args(["--bin", program]),
                _ => &mut command,
            };
        }
        let output = command
            .arg("--")
            .arg(&name.name)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env_clear()
            .envs(passed)
            .env(vars::HOME, &home)
            .env(vars::PATH, path)
            .env("CARGO_HOME", &home)
            .env("CARGO_TARGET_DIR", build.root.join("target"))
            .env("CARGO_TERM_COLOR", "never")
            .env("RUSTC", &toolchain.rustc)
            .output()
            .map_err(files::at("run", &toolchain.cargo))?;
        if output.status.success() {
            return Ok(());
        }
        Err(CrateFailure::Cargo {
            output: child_process::error_lines(&output.stderr, LINES, |line| {
                line.starts_with("error")
            }),
        })
    }
}

/// The inputs of one run of cargo.
struct Compile<'a> {
    toolchain: &'a Toolchain,
    name: &'a CrateName,
    options: &'a ReleaseOptions,
    path: &'a std::ffi::OsStr,
    build: &'a BuildPlace,
    place: &'a Path,
}

/// The reason why a crate was not built.
#[derive(Debug, thiserror::Error)]
pub enum CrateFailure {
    /// The machine has no linker.
    #[error("this machine has no linker: `{LINKER}` is not on PATH")]
    NoLinker,
    /// The crate was published without a `Cargo.lock`.
    #[error("it was published without `Cargo.lock`, so its dependencies have no exact versions")]
    NoLockFile,
    /// The lockfile has another form of address than devsh writes.
    #[error("the lockfile has no address of a crate")]
    NoAddress,
    /// The lockfile has the address of another crate.
    #[error("the lockfile has the address of another crate, `{0}`")]
    OtherCrate(String),
    #[error(transparent)]
    LockFile(cargo::LockFileError),
    #[error("cargo failed")]
    Cargo {
        /// The last lines that cargo wrote.
        output: Vec<String>,
    },
    #[error(transparent)]
    File(#[from] files::Error),
}

/// Returns what decides the content of the object.
fn key(
    system: System,
    artifacts: &[Artifact],
    toolchain: &Toolchain,
    options: &ReleaseOptions,
) -> Vec<u8> {
    let mut input = DigestInput::default();
    input.number(FORMAT);
    input.bytes(system.as_str());
    input.list(artifacts.iter(), |input, artifact| {
        input.bytes(artifact.digest.as_bytes());
    });
    input.bytes(&toolchain.identity);
    for option in options.iter() {
        input.bytes(option.to_string());
    }
    input.into_bytes()
}

/// Returns the toolchain of a dev shell.
fn find_toolchain(served: &[&ServedTool]) -> Result<Option<Toolchain>, Error> {
    let mut toolchains = served.iter().filter(|one| one.tool.source == Source::Rust);
    let found =
        toolchains.find_map(|one| Some((one, one.program("cargo")?, one.program("rustc")?)));
    let Some((served, cargo, rustc)) = found else {
        return Ok(None);
    };
    let real = |program: PathBuf| fs::canonicalize(&program).map_err(files::at("read", &program));
    let (cargo, rustc) = (real(cargo)?, real(rustc)?);
    let mut input = DigestInput::default();
    served.identify(&rustc, &mut input);
    Ok(Some(Toolchain {
        cargo,
        rustc,
        version: served.version.clone(),
        identity: input.into_bytes(),
    }))
}
