//! One command at work: its options, and the config, project and lockfiles that it reads, each once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    cache::{CacheServices, Caches, ReadableCache},
    config::{CacheSettings, Config, LockfileTrust, units},
    context::Context,
    env::Env,
    fetch::{Client, Credentials},
    lockfile::{self, ExtendsPins, Lockfile},
    manifest::presets,
    package::System,
    project::{
        self, FoundProject, Project, ReadMode, Unreadable,
        approval::{Decisions, Trusted},
        approval_summary::Facts,
        detect,
        locate::{self, Place, SearchBounds},
        lock_path, personal, watch,
    },
    report::{failure::Failure, paths::display_path, reporter::Reporter},
    sources::host::HostSearch,
    util::{files, vars},
};

use super::{locked_facts, new_name::NewName};

/// The longest accepted lockfile, in bytes.
const LOCKFILE_LIMIT: u64 = 16 << 20;
/// The number of projects below a directory that a message names.
const SHOWN_PROJECTS: usize = 8;
/// The longest accepted netrc, in bytes.
const NETRC_LIMIT: u64 = 1 << 20;

/// The options that all commands have in common.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, each with its own readers"
)]
pub struct Options {
    /// Never write the lockfile, and fail if it does not fit.
    pub locked: bool,
    /// Make no network connection.
    pub offline: bool,
    /// Trust the project for this one command.
    pub trust: bool,
    /// A prompt started the command: no code of the project runs.
    pub is_background: bool,
    /// The directory that the user named, as typed.
    pub directory: Option<PathBuf>,
}

/// One command at work.
#[derive(Debug)]
pub struct Session<'a> {
    pub context: &'a Context,
    pub reporter: &'a dyn Reporter,
    pub options: Options,
    pub decisions: Decisions,
    config: OnceLock<Config>,
    /// Has no settings of the sources. All clients share what it knows about the network.
    plain_client: OnceLock<Client>,
    client: OnceLock<Client>,
    caches: OnceLock<Arc<Caches>>,
    lockfiles: Mutex<BTreeMap<PathBuf, Arc<LoadedLockfile>>>,
    has_written_lockfile: AtomicBool,
    /// The names for which a build was refused.
    new_names: Mutex<Vec<NewName>>,
    /// The Python packages that a build left out because the user has not let them run their own build.
    new_builds: Mutex<BTreeSet<String>>,
}

/// A lockfile as this command read it.
#[derive(Debug)]
pub struct LoadedLockfile {
    /// The path as messages show it.
    pub name: String,
    bytes: Result<Option<Vec<u8>>, Failure>,
    content: Result<Option<Lockfile>, Failure>,
}

impl LoadedLockfile {
    fn new(name: String, bytes: Result<Option<Vec<u8>>, Failure>) -> Self {
        let content = match &bytes {
            Ok(Some(bytes)) => parse(&name, bytes).map(Some),
            Ok(None) => Ok(None),
            Err(failure) => Err(failure.clone()),
        };
        Self {
            name,
            bytes,
            content,
        }
    }

    /// Returns the content, if the file exists.
    pub fn content(&self) -> Result<Option<&Lockfile>, Failure> {
        self.content
            .as_ref()
            .map(Option::as_ref)
            .map_err(Clone::clone)
    }

    /// Returns whether the file has exactly this text.
    pub fn has_text(&self, text: &str) -> bool {
        matches!(&self.bytes, Ok(Some(bytes)) if bytes == text.as_bytes())
    }

    /// Returns whether the file has exactly these bytes, or is absent.
    pub fn has_bytes(&self, bytes: Option<&[u8]>) -> bool {
        matches!(&self.bytes, Ok(own) if own.as_deref() == bytes)
    }

    /// Returns the pins of fetched files. Commands that need the whole lockfile report invalid content.
    fn pins(&self) -> Result<ExtendsPins, Failure> {
        self.bytes.as_ref().map_err(Clone::clone)?;
        let content = self.content.as_ref().ok().and_then(Option::as_ref);
        Ok(content
            .map(|lockfile| lockfile.extends.clone())
            .unwrap_or_default())
    }
}

/// Returns the content of a lockfile. `devsh allow` does this before the user has approved the project.
fn parse(name: &str, bytes: &[u8]) -> Result<Lockfile, Failure> {
    let length = bytes.len() as u64;
    if length > LOCKFILE_LIMIT {
        let (length, limit) = (units::bytes(length), units::bytes(LOCKFILE_LIMIT));
        let error = format!("`{name}` has {length}, and a lockfile may have at most {limit}");
        return Err(Failure::new(error).hint("restore it, or remove it and run `devsh lock`"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Failure::new(format!("`{name}` is not UTF-8 text")))?;
    Ok(lockfile::parse(name, text)?)
}

/// Reads a lockfile outside of a project, such as one that Git passes to its merge driver.
pub fn read_lockfile(path: &Path) -> Result<Option<Lockfile>, Failure> {
    let bytes = files::read_own(path, LOCKFILE_LIMIT).map_err(Failure::from);
    LoadedLockfile::new(path.display().to_string(), bytes).content
}

impl<'a> Session<'a> {
    pub fn new(context: &'a Context, reporter: &'a dyn Reporter, options: Options) -> Self {
        Self {
            context,
            reporter,
            options,
            decisions: Decisions::new(&context.directories.data),
            config: OnceLock::new(),
            plain_client: OnceLock::new(),
            client: OnceLock::new(),
            caches: OnceLock::new(),
            lockfiles: Mutex::default(),
            has_written_lockfile: AtomicBool::new(false),
            new_names: Mutex::default(),
            new_builds: Mutex::default(),
        }
    }

    /// Returns a command of devsh as the user would type it to reach the same project.
    pub fn command(&self, words: &str) -> String {
        let directory = self.options.directory.as_deref().map(Path::to_string_lossy);
        directory.map_or_else(
            || format!("devsh {words}"),
            |directory| format!("devsh -C {} {words}", shell_escape::unix::escape(directory)),
        )
    }

    /// Returns a path as messages show it.
    pub fn display(&self, path: &Path) -> String {
        display_path(self.context, path)
    }

    /// Returns the working directory.
    pub fn cwd(&self) -> Result<&Path, Failure> {
        self.context.cwd.as_deref().ok_or_else(|| {
            Failure::new("the working directory no longer exists")
                .hint("change to another directory with `cd`")
        })
    }

    /// Returns the current system, without which no version can be chosen.
    pub fn system(&self) -> Result<System, Failure> {
        self.context.system.ok_or_else(|| {
            Failure::new("devsh has no tools for this operating system and processor")
                .note("it supports Linux and macOS on x86_64 and aarch64")
        })
    }

    /// Returns the user's settings.
    pub fn config(&self) -> Result<&Config, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::load(self.context)?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Returns a client without credentials.
    pub fn plain_client(&self) -> &Client {
        let new = || Client::of(self.context, self.options.offline);
        self.plain_client.get_or_init(new)
    }

    /// Returns a client for the configured sources.
    pub fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let config = self.config()?;
        let sources = config.addresses();
        let sources = sources.into_iter().chain(&config.python_list);
        let credentials = Credentials::new(sources.clone(), &self.netrc())
            .with_tokens(super::github_token::tokens(self.context, config));
        let mut client = self
            .plain_client()
            .clone()
            .with_credentials(credentials)
            .with_github(config.github.clone())
            .allow_plain(sources);
        client = client.with_mirror(self.caches()?);
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Returns the team's caches.
    pub fn caches(&self) -> Result<Arc<Caches>, Failure> {
        if let Some(caches) = self.caches.get() {
            return Ok(Arc::clone(caches));
        }
        let caches = Caches::default();
        let wanted = self.readable_caches(None)?;
        if !wanted.is_empty() {
            self.with_cache_services(|services| caches.replace(&wanted, services));
        }
        Ok(Arc::clone(self.caches.get_or_init(|| Arc::new(caches))))
    }

    /// Reads the caches of a trusted project too from now on, and no longer those of another project.
    pub fn use_caches_of(&self, project: &Trusted<Project>) -> Result<(), Failure> {
        let caches = self.caches()?;
        let wanted = self.readable_caches(Some(project))?;
        if !wanted.is_empty() || !caches.is_empty() {
            self.with_cache_services(|services| caches.replace(&wanted, services));
        }
        Ok(())
    }

    /// Returns the caches of the user's settings, and those of a project.
    ///
    /// A cache of both has the user's settings, and the keys of both: the user's credentials go where the user's
    /// settings lead.
    pub fn readable_caches(
        &self,
        project: Option<&Trusted<Project>>,
    ) -> Result<Vec<ReadableCache>, Failure> {
        let own = self.config()?.caches.iter();
        let mut readable: Vec<ReadableCache> = own
            .map(|settings| ReadableCache {
                settings: settings.clone(),
                is_anonymous: false,
            })
            .collect();
        let requests = project.map(|project| &project.get().preview().caches);
        for request in requests.into_iter().flatten() {
            let name = request.name();
            let mut known = readable.iter_mut();
            if let Some(known) = known.find(|one| one.settings.place.to_string() == name) {
                let keys = &mut known.settings.keys;
                let new = request.keys.iter().filter(|key| !keys.contains(key));
                let new: Vec<String> = new.cloned().collect();
                keys.extend(new);
                continue;
            }
            readable.push(ReadableCache {
                settings: CacheSettings {
                    place: request.place.value.clone(),
                    keys: request.keys.clone(),
                    push: false,
                    signing_key: None,
                },
                is_anonymous: true,
            });
        }
        Ok(readable)
    }

    /// Calls `work` with what caches need from the process.
    pub fn with_cache_services<T>(&self, work: impl FnOnce(&CacheServices<'_>) -> T) -> T {
        let context = self.context;
        work(&CacheServices {
            client: self.plain_client(),
            env: &self.env_for_logins(),
            home: context.directories.home.as_deref(),
            directory: &context.directories.cache,
            netrc: &self.netrc(),
        })
    }

    /// Returns the user's environment, in which `PATH` has no entries of the project: a helper for logins gets the question
    /// which registry it is for, and answers with a password.
    pub fn env_for_logins(&self) -> Env {
        let mut env = self.context.env.clone();
        let root = self.place().map(|place| place.root);
        if let Some(root) = root.ok().or_else(|| self.context.cwd.clone()) {
            let search =
                HostSearch::for_project(&self.context.env, &self.context.directories, &root);
            env.set(vars::PATH, search.path());
        }
        env
    }

    /// Returns the text of the user's netrc; an unreadable one counts as absent.
    fn netrc(&self) -> String {
        let home = self.context.directories.home.as_deref();
        let named = self.context.env.get(vars::NETRC).map(PathBuf::from);
        let path = named.or_else(|| Some(home?.join(".netrc")));
        let bytes = path.and_then(|path| files::read_own(&path, NETRC_LIMIT).ok()?);
        String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// Returns the project that a prompt in the working directory loads, if there is one.
    pub fn prompt_place(&self) -> Option<Place> {
        let cwd = self.context.cwd.as_deref()?;
        self.prompt_place_at(cwd)
    }

    /// Returns the project that a prompt in `directory` loads, if there is one.
    pub fn prompt_place_at(&self, directory: &Path) -> Option<Place> {
        let known = |path: &Path| self.decisions.is_known(path);
        locate::active(directory, &SearchBounds::of(self.context), known)
    }

    /// Returns the project that a prompt in the working directory loads, else the one that it belongs to.
    pub fn active_place(&self) -> Result<Place, Failure> {
        self.prompt_place().map_or_else(|| self.place(), Ok)
    }

    /// Returns the project that the working directory belongs to.
    pub fn place(&self) -> Result<Place, Failure> {
        let cwd = self.cwd()?;
        let markers: Vec<String> = presets::detect_files()?.into_iter().collect();
        let bounds = SearchBounds::of(self.context);
        let config = &self.context.directories.config;
        let known = |path: &Path| {
            self.decisions.is_known(path) || personal::manifest_path(path, config).exists()
        };
        locate::meant(cwd, &bounds, &markers, detect::is_workspace, known)
            .ok_or_else(|| self.no_project(cwd))
    }

    /// Returns the failure for a directory without a project, with the projects below it.
    fn no_project(&self, cwd: &Path) -> Failure {
        let failure = Failure::new(format!(
            "there is no project in `{}` or above",
            self.display(cwd)
        ));
        let is_home = self.context.directories.home.as_deref() == Some(cwd);
        let below = if is_home {
            Vec::new()
        } else {
            detect::projects_below(cwd).unwrap_or_default()
        };
        let Some(first) = below.first() else {
            return failure
                .note("a project has a `devshell.toml` or files such as `pyproject.toml` or `Cargo.toml`")
                .hint("create one with `devsh init`");
        };
        let names = below.iter().take(SHOWN_PROJECTS);
        let names = names.map(|one| format!("`{}` ({})", one.directory, one.presets.join(", ")));
        let mut list = names.collect::<Vec<_>>().join(", ");
        if below.len() > SHOWN_PROJECTS {
            list.push_str(", …");
        }
        let init = self.command("init");
        failure
            .note(format!("projects below: {list}"))
            .hint(format!(
                "`cd {}` to use one of them, or `{init}` for one dev shell with the tools of all",
                first.directory
            ))
    }

    /// Reads the project that the working directory belongs to.
    pub fn project(&self) -> Result<Project, Failure> {
        self.open(self.place()?)
    }

    /// Reads the project at a place, as far as the user trusts it.
    pub fn open(&self, place: Place) -> Result<Project, Failure> {
        let mode = if self.options.trust {
            ReadMode::Trusted
        } else {
            ReadMode::Approved
        };
        self.open_as(place, mode)
    }

    /// Reads the project at a place.
    pub fn open_as(&self, place: Place, mode: ReadMode) -> Result<Project, Failure> {
        let found = self.find(place)?;
        Ok(self
            .read(found, mode)?
            .map_err(|unreadable| unreadable.error)?)
    }

    /// Reads a project that the user trusts, with fetched files at these pins instead of those of its lockfiles.
    pub fn open_with_pins(&self, place: Place, pins: &ExtendsPins) -> Result<Project, Failure> {
        let found = self.find(place)?;
        let locked = self.locked_facts(found.place())?;
        let opened = found.read(ReadMode::Trusted, self.context, pins, locked);
        Ok(opened.map_err(|unreadable| unreadable.error)?)
    }

    /// Finds the user's decisions about the project at a place.
    pub fn find(&self, place: Place) -> Result<FoundProject, Failure> {
        let rules = &self.config()?.trust;
        Ok(FoundProject::find(
            place,
            &self.decisions,
            self.context,
            rules,
        )?)
    }

    /// Reads a project; an unreadable one comes with the files that its error depends on.
    pub fn read(
        &self,
        found: FoundProject,
        mode: ReadMode,
    ) -> Result<Result<Project, Unreadable>, Failure> {
        let place = found.place();
        // The lockfile of a project about which nothing is known is not read.
        let is_gated = matches!(mode, ReadMode::Approved | ReadMode::Prompt);
        let (pins, locked) = if is_gated && !found.is_known() {
            (ExtendsPins::default(), None)
        } else {
            (self.lockfile_pins(place)?, self.locked_facts(place)?)
        };
        Ok(found.read(mode, self.context, &pins, locked))
    }

    /// Returns the facts about everything in the lockfiles, if the user approves those too.
    fn locked_facts(&self, place: &Place) -> Result<Option<Facts>, Failure> {
        if self.config()?.trust.lockfiles != LockfileTrust::Ask {
            return Ok(None);
        }
        let mut facts = Facts::new();
        for path in self.lockfile_paths(place) {
            let loaded = self.lockfile(&place.root, &path);
            // Commands that need the whole lockfile report invalid content.
            if let (Ok(Some(_)), Ok(Some(bytes))) = (&loaded.content, &loaded.bytes) {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let of_file = locked_facts::of_document(&String::from_utf8_lossy(bytes), &file);
                let of_file = of_file.map_err(project::Error::from)?;
                facts.join(of_file).map_err(project::Error::from)?;
            }
        }
        Ok(Some(facts))
    }

    /// Returns the pins of the lockfiles of the project at a place.
    pub fn lockfile_pins(&self, place: &Place) -> Result<ExtendsPins, Failure> {
        let mut pins = ExtendsPins::default();
        for path in self.lockfile_paths(place) {
            pins.extend(self.lockfile(&place.root, &path).pins()?);
        }
        Ok(pins)
    }

    /// Returns the paths of the lockfiles of the project at a place: the team's and one person's.
    pub fn lockfile_paths(&self, place: &Place) -> [PathBuf; 2] {
        let directories = &self.context.directories;
        [
            lock_path(place, &directories.state),
            personal::lock_path(&place.root, &directories.config),
        ]
    }

    /// Returns a lockfile of the project at `root`, which is read once.
    pub fn lockfile(&self, root: &Path, path: &Path) -> Arc<LoadedLockfile> {
        let mut lockfiles = self.lock_cache();
        if let Some(loaded) = lockfiles.get(path) {
            return Arc::clone(loaded);
        }
        let bytes = self.read_project_file(root, path);
        let loaded = Arc::new(LoadedLockfile::new(self.display(path), bytes));
        lockfiles.insert(path.to_owned(), Arc::clone(&loaded));
        loaded
    }

    /// Reads a file of the project at `root` again, if no other user could have changed it.
    pub fn read_project_file(&self, root: &Path, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let rules = &self.config()?.trust;
        Ok(project::read_file(self.context, root, rules, path)?)
    }

    /// Makes every host shell check for changes at its next prompt.
    pub fn notify_host_shells(&self) -> Result<(), Failure> {
        let state = &self.context.directories.state;
        Ok(watch::advance_generation(state, self.context.now)?)
    }

    /// Notes that this command has written a lockfile.
    pub fn note_written_lockfile(&self) {
        self.has_written_lockfile.store(true, Ordering::Relaxed);
        self.forget_lockfiles();
    }

    /// Returns whether this command has written a lockfile.
    pub fn has_written_lockfile(&self) -> bool {
        self.has_written_lockfile.load(Ordering::Relaxed)
    }

    /// Forgets the lockfiles, because another process or this one has changed them.
    pub fn forget_lockfiles(&self) {
        self.lock_cache().clear();
    }

    /// Keeps the names for which a build is refused.
    pub fn keep_new_names(&self, names: Vec<NewName>) {
        *self
            .new_names
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Takes the names for which the last build was refused.
    pub fn take_new_names(&self) -> Vec<NewName> {
        let mut names = self
            .new_names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *names)
    }

    /// Keeps the Python packages that a build left out, because they need a permission for their own build.
    pub fn keep_new_builds(&self, packages: &BTreeSet<String>) {
        let kept = self.new_builds.lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        kept.extend(packages.iter().cloned());
    }

    /// Takes the Python packages that the last build left out for want of a permission.
    pub fn take_new_builds(&self) -> BTreeSet<String> {
        let kept = self.new_builds.lock();
        std::mem::take(&mut *kept.unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Arc<LoadedLockfile>>> {
        self.lockfiles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
