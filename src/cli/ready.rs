//! From a trusted project and its lockfile to a record: the bridge between building and activation.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use url::Url;

use crate::{
    activation::{
        content::{self, Built},
        record::Record,
    },
    builder::{self, Builder, PythonPackages, Realised, ToolOrigin, Wanted},
    config::Config,
    context::Context,
    failure::Failure,
    fetch, fsx,
    lock::{LockKey, Lockfile},
    manifest::{DevShell, ShellName},
    package::System,
    project::{Project, locate::Place, lock_path, trust::Trusted, watch::Watched},
    store::Store,
    wire::Writer,
};

use super::{
    hints, lock, shown,
    sync::Mode,
    tools,
    work::{Work, dev_shell},
};

/// Whether a dev shell can be loaded at once.
#[derive(Debug)]
pub(super) enum Readiness {
    /// It can.
    Ready(Box<Record>),
    /// It must be built first.
    NotBuilt,
}

/// What dev shells are built from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis<'a> {
    pub(super) project: &'a Trusted<Project>,
    pub(super) lockfile: &'a Lockfile,
    /// The files behind both, as they were before they were read.
    pub(super) watched: &'a [Watched],
}

/// Longest Python lockfile that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Returns the stored record of a dev shell if this command may use it.
///
/// A record is only ever stored for an allowed project, and the approval is one of the files it watches.
pub(super) fn warm(work: &Work<'_>, place: &Place, shell: &ShellName) -> Option<Record> {
    let record = Record::fresh(
        &work.context.directories.state,
        &place.root,
        shell,
        work.context.now,
    )?;
    (!work.locked || !record.drifted).then_some(record)
}

/// Looks for what was built for a dev shell, without network and without changing the project.
pub(super) fn find(
    context: &Context,
    project: &Trusted<Project>,
    shell: &ShellName,
    watched: &[Watched],
) -> Result<Readiness, Failure> {
    let (parts, realised) = look_up(context, project.get(), shell)?;
    let Some(realised) = realised else {
        return Ok(Readiness::NotBuilt);
    };
    let record = record(project, shell, &parts, &realised, watched);
    // A prompt works from a read-only home too, if more slowly.
    let _kept = keep(context, project, shell, &record);
    Ok(Readiness::Ready(Box::new(record)))
}

/// Returns what a dev shell is built from, and what was built if that is still there.
pub(super) fn look_up<'a>(
    context: &Context,
    project: &'a Project,
    shell: &'a ShellName,
) -> Result<(Parts<'a>, Option<Realised>), Failure> {
    let config = Config::load(context).map_err(|error| hints::config(&error))?;
    let path = lock_path(&project.place, &context.directories.state);
    let lockfile = lock::fitting(&path, &shown(context, &path), project.preview())?;
    let fits = lockfile.is_some();
    let parts = Parts::of(project, shell, lockfile.unwrap_or_default())?;
    let Some(system) = context.system.filter(|_| fits) else {
        return Ok((parts, None));
    };
    let options = Options {
        system,
        locked: false,
        mode: Mode::Background,
    };
    let request = parts.request(project, shell, &config, options);
    let realised = builder::find(&context.directories.data, &request);
    Ok((parts, realised))
}

/// Builds a dev shell and records it, saying what the user should know; tells whether the record is news.
pub(super) fn build(
    work: &Work<'_>,
    basis: &Basis<'_>,
    shell: &ShellName,
    mode: Mode,
) -> Result<(Record, bool), Failure> {
    let Basis {
        project,
        lockfile,
        watched,
    } = *basis;
    let config = work.config()?;
    let client = work.client(&config);
    let store = Store::open(&work.context.directories.data);
    let bars = work.ui.bars();
    let builder = Builder {
        context: work.context,
        config: &config,
        store: &store,
        client: &client,
        progress: &bars,
    };
    let parts = Parts::of(project.get(), shell, lockfile.clone())?;
    let options = Options {
        system: lock::system(work)?,
        locked: work.locked,
        mode,
    };
    let request = parts.request(project.get(), shell, &config, options);
    let strange = parts
        .artifacts(options.system)
        .find(|url| !config.trusts(url));
    if let Some(url) = strange {
        return Err(hints::untrusted(&fetch::redacted(url)));
    }
    let there = match mode {
        Mode::Refresh => None,
        Mode::Foreground | Mode::Background => {
            builder::find(&work.context.directories.data, &request)
        }
    };
    let realised = if let Some(realised) = there {
        realised
    } else {
        let realised = builder
            .realise(&request)
            .map_err(|error| hints::builder(&error))?;
        for notice in &realised.notices {
            tools::tell(work, notice);
        }
        realised
    };
    let record = record(project, shell, &parts, &realised, watched);
    // Trust for one command must not outlast it, so it leaves no record.
    let changed = !work.trust && keep(work.context, project, shell, &record)?;
    Ok((record, changed))
}

/// Stores a record unless it is stored already; returns whether it was not.
fn keep(
    context: &Context,
    project: &Trusted<Project>,
    shell: &ShellName,
    record: &Record,
) -> Result<bool, Failure> {
    let (state, root) = (&context.directories.state, project.get().root());
    if Record::stored(state, root, shell).as_ref() == Some(record) {
        return Ok(false);
    }
    record
        .store(state, root, shell)
        .map_err(|error| hints::file(&error))?;
    Ok(true)
}

/// Names the content that a background build starts from: the same content fails the same way.
pub(super) fn basis(watched: &[Watched]) -> [u8; 16] {
    let mut writer = Writer::default();
    for file in watched {
        Watched {
            racy: None,
            ..file.clone()
        }
        .write(&mut writer);
    }
    let mut basis = [0; 16];
    basis.copy_from_slice(&blake3::hash(&writer.into_bytes()).as_bytes()[..16]);
    basis
}

/// Looks at the files that decide what a project's dev shells are; to be done before they are read.
pub(super) fn watch(context: &Context, project: &Project) -> Vec<Watched> {
    let mut files = BTreeSet::from([
        lock_path(&project.place, &context.directories.state),
        context.directories.config.join("config.toml"),
    ]);
    for shell in project.preview().shells.values() {
        files.extend(
            shell
                .python
                .lock
                .iter()
                .map(|lock| project.root().join(&lock.value)),
        );
    }
    let known: BTreeSet<&Path> = project
        .watched()
        .iter()
        .map(|file| file.path.as_path())
        .collect();
    let more = files.iter().filter(|path| !known.contains(path.as_path()));
    let more = more.map(|path| Watched::look(path, context.now));
    project.watched().iter().cloned().chain(more).collect()
}

/// How something is built.
#[derive(Debug, Clone, Copy)]
struct Options {
    system: System,
    locked: bool,
    mode: Mode,
}

/// What a request to the builder borrows from.
pub(super) struct Parts<'a> {
    pub(super) shell: &'a DevShell,
    pub(super) lockfile: Lockfile,
    python: Option<PythonPackages>,
    extra: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(project: &'a Project, shell: &ShellName, lockfile: Lockfile) -> Result<Self, Failure> {
        let shell = dev_shell(project.preview(), shell)?;
        let python = packages(project.root(), shell)?;
        Ok(Self {
            shell,
            lockfile,
            python,
            extra: extra(shell),
        })
    }

    /// The addresses from which this dev shell's tools may be downloaded.
    fn artifacts(&self, system: System) -> impl Iterator<Item = &Url> {
        let packages = self
            .shell
            .tools
            .iter()
            .filter_map(|(tool, request)| self.lockfile.locked(tool, request));
        packages
            .filter_map(move |package| package.artifacts.get(&system))
            .flatten()
            .map(|artifact| &artifact.url)
    }

    fn request<'b>(
        &'b self,
        project: &'b Project,
        shell: &'b ShellName,
        config: &Config,
        options: Options,
    ) -> builder::Request<'b> {
        let wanted = |(tool, request)| Wanted {
            tool,
            request,
            locked: self
                .lockfile
                .packages
                .get(&LockKey::for_request(tool, request)),
        };
        builder::Request {
            root: project.root(),
            shell,
            system: options.system,
            tools: self.shell.tools.iter().map(wanted).collect(),
            python: self.python.clone(),
            tools_from: config.tools_from,
            locked: options.locked,
            build_project: options.mode != Mode::Background,
            extra: &self.extra,
        }
    }
}

fn packages(root: &Path, shell: &DevShell) -> Result<Option<PythonPackages>, Failure> {
    let Some(lock) = &shell.python.lock else {
        return Ok(None);
    };
    let bytes = fsx::read_bounded(&root.join(&lock.value), LIMIT)
        .map_err(|error| hints::file(&error))?
        .ok_or_else(|| {
            Failure::new(format!("there is no `{}`", lock.value))
                .note(format!("{} takes the Python packages from it", lock.origin))
                .hint("make it with `uv lock`")
        })?;
    Ok(Some(PythonPackages {
        lock: PathBuf::from(&lock.value),
        digest: *blake3::hash(&bytes).as_bytes(),
        groups: shell
            .python
            .groups
            .iter()
            .map(|group| group.value.clone())
            .collect(),
    }))
}

/// Everything else that makes one environment differ from another, as bytes; no paths of this machine.
fn extra(shell: &DevShell) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.list(shell.env.iter(), |writer, (name, value)| {
        writer.bytes(name.as_str());
        writer.bytes(format!("{:?}", value.value));
    });
    writer.list(shell.aliases.iter(), |writer, (name, value)| {
        writer.bytes(name.as_str());
        writer.bytes(&value.value);
    });
    for scripts in [&shell.enter, &shell.leave] {
        writer.list(scripts.iter(), |writer, script| writer.bytes(&script.value));
    }
    writer.into_bytes()
}

fn record(
    project: &Trusted<Project>,
    shell: &ShellName,
    parts: &Parts<'_>,
    realised: &Realised,
    watched: &[Watched],
) -> Record {
    let root = project.get().root();
    let built = Built {
        environment: realised.id.to_string(),
        profile: &realised.profile,
        env: &realised.env,
        summary: tools::summary(shell, parts, realised),
    };
    let mut objects = vec![realised.profile.clone()];
    objects.extend(realised.objects.iter().cloned());
    objects.extend(realised.tools.iter().filter_map(|tool| match &tool.origin {
        ToolOrigin::Host { program, .. } => Some(program.clone()),
        ToolOrigin::Store(_) => None,
    }));
    Record {
        watched: watched.to_vec(),
        objects,
        drifted: tools::drifts(parts, realised).next().is_some(),
        content: content::content(root, parts.shell, built),
    }
}
