//! What the commands share: where they work, under which options, and the way to a trusted project.

use std::path::{Path, PathBuf};

use crate::report::paths::display_path;
use crate::{
    config::Config,
    context::Context,
    fetch::{Client, Credentials},
    manifest::{DevShell, Manifest, ShellName, presets},
    project::{
        Project,
        approval::{Decisions, Standing, TrustCheck, Trusted},
        detect,
        locate::{self, Place, SearchBounds},
        lock_path, personal,
    },
    report::{
        failure::{ExitStatus, Failure},
        ui::Ui,
    },
    util::{files, vars},
};

use super::fetch_extends;
use crate::{cli::args::Global, report::hints};

/// A command at work.
#[derive(Debug)]
pub struct Work<'a> {
    pub context: &'a Context,
    pub ui: &'a Ui,
    pub decisions: Decisions,
    /// Whether the lockfile is to be used as it is.
    pub locked: bool,
    /// Whether the network is not to be used.
    pub offline: bool,
    /// Whether the user trusts the project for this one command.
    pub trust: bool,
    /// The directory that the user named, as typed.
    directory: Option<PathBuf>,
}

impl<'a> Work<'a> {
    pub fn new(context: &'a Context, ui: &'a Ui, global: &Global, trust: bool) -> Self {
        Self {
            context,
            ui,
            decisions: Decisions::new(&context.directories.data),
            locked: global.locked,
            offline: global.offline,
            trust,
            directory: global.directory.clone(),
        }
    }

    /// Returns a command of devsh as the user would type it to reach the same project.
    pub fn command(&self, words: &str) -> String {
        let directory = self.directory.as_deref().map(Path::to_string_lossy);
        directory.map_or_else(
            || format!("devsh {words}"),
            |directory| format!("devsh -C {} {words}", shell_escape::unix::escape(directory)),
        )
    }

    /// Returns the project that a prompt in the working directory has, else the one that is meant.
    pub fn active_place(&self) -> Result<Place, Failure> {
        let bounds = SearchBounds::of(self.context);
        let active = self
            .context
            .cwd
            .as_deref()
            .and_then(|cwd| locate::active(cwd, &bounds, |path| self.decisions.is_known(path)));
        active.map_or_else(|| self.place(), Ok)
    }

    /// Returns the project that the working directory belongs to.
    pub fn place(&self) -> Result<Place, Failure> {
        let cwd = self.context.cwd.as_deref().ok_or_else(|| {
            Failure::new("the working directory no longer exists").hint("go to another with `cd`")
        })?;
        let markers: Vec<String> = presets::detect_files()
            .map_err(|error| hints::content(&error))?
            .into_iter()
            .collect();
        let bounds = SearchBounds::of(self.context);
        let config = &self.context.directories.config;
        let known = |path: &Path| {
            self.decisions.is_known(path) || personal::manifest_path(path, config).exists()
        };
        locate::meant(cwd, &bounds, &markers, detect::is_workspace, known).ok_or_else(|| {
            Failure::new(format!(
                "there is no project in `{}` or above",
                display_path(self.context, cwd)
            ))
            .note(
                "a project has a `devshell.toml` or files such as `pyproject.toml` or `Cargo.toml`",
            )
            .hint("begin one with `devsh init`")
        })
    }

    /// Returns the project, read but not trusted.
    pub fn project(&self) -> Result<Project, Failure> {
        self.open(self.place()?)
    }

    /// Returns the project that the working directory belongs to, if the user trusts it.
    pub fn trusted(&self) -> Result<Trusted<Project>, Failure> {
        self.trusted_at(self.place()?, None)
    }

    /// Returns the project at a place, if the user trusts it.
    ///
    /// With `shell` it has that dev shell, which may be several at once.
    pub fn trusted_at(
        &self,
        place: Place,
        shell: Option<&ShellName>,
    ) -> Result<Trusted<Project>, Failure> {
        let mut project = self.open(place)?;
        if let Some(shell) = shell.filter(|_| project.layers().wanted.is_empty()) {
            project = with_shell(self.context, project, shell)?;
        }
        self.trust(project)
    }

    /// Reads the project at a place.
    pub fn open(&self, place: Place) -> Result<Project, Failure> {
        let rules = self.config()?.trust;
        Project::open(place, &self.decisions, self.context, &rules)
            .map_err(|unreadable| hints::project(self.context, &unreadable.error))
    }

    /// Returns `project` as trusted if it is.
    fn trust(&self, project: Project) -> Result<Trusted<Project>, Failure> {
        let place = project.place.clone();
        if self.trust {
            let standing = project.standing(&self.decisions);
            if standing.map_err(|error| hints::file(&error))? == Standing::Denied {
                // A denial wins: nothing is fetched or written for such a project.
                return Err(self.refusal(&place, Standing::Denied));
            }
            return self.trust_once(fetch_extends::complete(self, project)?);
        }
        let checked = project.trusted(&self.decisions);
        self.require_trust(&place, checked)
    }

    /// Returns `project` as trusted for this command, unless it is denied.
    pub fn trust_once(&self, project: Project) -> Result<Trusted<Project>, Failure> {
        let place = project.place.clone();
        let checked = project.trusted_once(&self.decisions);
        self.require_trust(&place, checked)
    }

    fn require_trust(
        &self,
        place: &Place,
        checked: Result<TrustCheck<Project>, files::Error>,
    ) -> Result<Trusted<Project>, Failure> {
        match checked.map_err(|error| hints::file(&error))? {
            TrustCheck::Trusted(project) => Ok(project),
            TrustCheck::Refused(standing) => Err(self.refusal(place, standing)),
        }
    }

    fn refusal(&self, place: &Place, standing: Standing) -> Failure {
        let root = display_path(self.context, &place.root);
        let failure = match standing {
            Standing::Changed => Failure::new(format!("`{root}` has changed since you allowed it"))
                .hint(format!(
                    "review the change with `{}`",
                    self.command("allow")
                )),
            Standing::Denied => Failure::new(format!("`{root}` is denied")).hint(format!(
                "run `{}` to allow it after all",
                self.command("allow")
            )),
            Standing::Allowed | Standing::Unknown => {
                Failure::new(format!("`{root}` is not allowed yet")).hint(format!(
                    "review and approve it with `{}`",
                    self.command("allow")
                ))
            }
        };
        let failure = failure
            .note("devsh runs nothing from a project until its current content is approved")
            .code(ExitStatus::NotAllowed);
        if self.context.is_ci() {
            failure.hint("in a CI job that trusts its checkout, pass `--trust`")
        } else {
            failure
        }
    }

    /// Returns where the project's lockfile is kept.
    pub fn lock_path(&self, place: &Place) -> PathBuf {
        lock_path(place, &self.context.directories.state)
    }

    /// Reads the user's settings.
    pub fn config(&self) -> Result<Config, Failure> {
        Config::load(self.context).map_err(|error| hints::config(&error))
    }

    /// Returns a client for the configured sources.
    pub fn client(&self, config: &Config) -> Client {
        let sources = [&config.pypi, &config.rust, &config.python, &config.npm];
        let sources = sources.into_iter().chain(&config.python_list);
        let netrc = self.netrc();
        Client::new(self.offline)
            .with_credentials(Credentials::new(sources.clone(), &netrc))
            .allow_plain(sources)
    }

    /// Returns the text of the user's netrc; one that cannot be read is as good as none.
    fn netrc(&self) -> String {
        let home = self.context.directories.home.as_deref();
        let named = self.context.env.get(vars::NETRC).map(PathBuf::from);
        let path = named.or_else(|| Some(home?.join(".netrc")));
        let bytes = path.and_then(|path| files::read_bounded(&path, 1 << 20).ok()?);
        String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

/// Returns the project with a dev shell, which may be several at once.
pub fn with_shell(
    context: &Context,
    project: Project,
    shell: &ShellName,
) -> Result<Project, Failure> {
    // Nothing of it was read, so it has no dev shells; what is said is that it is denied.
    if project.is_denied() {
        return Ok(project);
    }
    for part in shell.parts() {
        dev_shell(
            project.preview(),
            &part
                .parse()
                .map_err(|error: crate::package::Invalid| Failure::new(error.to_string()))?,
        )?;
    }
    project
        .with_shell(shell)
        .map_err(|error| hints::project(context, &error))
}

/// Returns a dev shell of a manifest by its name.
pub fn dev_shell<'m>(manifest: &'m Manifest, name: &ShellName) -> Result<&'m DevShell, Failure> {
    manifest.shells.get(name).ok_or_else(|| {
        let names: Vec<String> = manifest
            .shells
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        Failure::new(format!("there is no dev shell `{name}`"))
            .note(format!("the project has {}", names.join(", ")))
    })
}
