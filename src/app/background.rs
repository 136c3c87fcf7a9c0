//! Builds that a prompt does not wait for, and one build per project at a time.
//!
//! A prompt starts a supervisor in its own process group; that starts the build in a session of its own, so
//! that neither Ctrl-C nor a closed terminal reaches it, keeps its log short, and leaves word when the build
//! was killed. Whoever builds holds the project's lock; who comes later shows the running build and waits.
//!
//! Invariants: a prompt never waits here; the same content that failed is not built again at every prompt.

mod supervise;

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use supervise::{supervise, work_for_prompt};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    builder::build_progress::Live,
    context::Context,
    fetch::{Meter, Progress},
    manifest::ShellName,
    project::approval::project_key,
    prompt::session_var,
    report::failure::Failure,
    util::{
        codec::{Damaged, Reader, Writer},
        files, hex,
    },
};

use super::session::Work;
use crate::{report::hints, report::paths::display_path};

/// How long a failed build is not tried again by itself with the same content.
const RETRY: Duration = Duration::from_mins(10);
/// How often a running build is looked at by who waits for it.
const GLANCE: Duration = Duration::from_millis(100);
/// First field of a failure.
const FORMAT: u64 = 1;

/// Where the traces of builds of one project are.
#[derive(Debug, Clone)]
pub struct Traces {
    directory: PathBuf,
}

impl Traces {
    pub fn new(context: &Context, root: &Path) -> Self {
        let projects = context.directories.state.join("projects");
        Self {
            directory: projects.join(project_key(root)),
        }
    }

    /// Held while a build runs.
    fn lock(&self) -> PathBuf {
        self.directory.join("building")
    }

    /// What the running build tells.
    pub fn live(&self) -> PathBuf {
        self.directory.join("building.json")
    }

    /// How the last build of a dev shell failed, if it did.
    fn failure(&self, shell: &ShellName) -> PathBuf {
        self.directory.join(format!("{shell}.failed"))
    }

    /// Everything the last background build of a dev shell said.
    pub fn log(&self, shell: &ShellName) -> PathBuf {
        self.directory.join(format!("{shell}.log"))
    }

    /// Returns whether a build runs, without disturbing it.
    pub fn is_building(&self) -> bool {
        let opened = File::open(self.lock());
        opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Returns what the running build tells; nothing where none runs.
    pub fn running(&self) -> Option<Live> {
        self.is_building()
            .then(|| Live::read(&self.live()).unwrap_or_default())
    }

    /// Returns how the last build of a dev shell failed.
    pub fn failed(&self, shell: &ShellName) -> Option<Failed> {
        let bytes = files::read_bounded(&self.failure(shell), 1 << 16).ok()??;
        Failed::decode(&bytes).ok()
    }

    /// Leaves word of a failure.
    fn record(&self, shell: &ShellName, failed: &Failed) -> Result<(), Failure> {
        files::write_atomic(&self.failure(shell), &failed.encode())
            .map_err(|error| hints::file(&error))
    }

    /// Forgets a failure; tells whether there was one.
    pub fn forget(&self, shell: &ShellName) -> Result<bool, Failure> {
        let path = self.failure(shell);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if files::is_absent(&error) => Ok(false),
            Err(error) => Err(hints::file(&files::at("remove", &path)(error))),
        }
    }
}

/// How a build failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The content it was made from.
    basis: [u8; 16],
    /// When, in seconds since 1970.
    at: u64,
    /// What failed, one line.
    pub error: String,
    /// What helps.
    pub hint: Option<String>,
}

impl Failed {
    fn new(basis: [u8; 16], now: SystemTime, failure: &Failure) -> Self {
        Self {
            basis,
            at: seconds(now),
            error: failure.error.clone(),
            hint: failure.hints.first().cloned(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.bytes(self.basis);
        writer.number(self.at);
        writer.bytes(&self.error);
        writer.option(self.hint.as_ref(), Writer::bytes);
        writer.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        if reader.number()? != FORMAT {
            return Err(Damaged);
        }
        let failed = Self {
            basis: reader.array()?,
            at: reader.number()?,
            error: reader.text()?.to_owned(),
            hint: reader.option(|reader| reader.text().map(str::to_owned))?,
        };
        reader.finish()?;
        Ok(failed)
    }

    /// Returns whether a build of `basis` would fail again for all that is known at `now`.
    fn stands(&self, basis: [u8; 16], now: SystemTime) -> bool {
        self.basis == basis && seconds(now) < self.at.saturating_add(RETRY.as_secs())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Starts a build that outlives this process, unless one is under way or has just failed with the same
/// content; returns what there is to say.
pub fn start(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
) -> Result<String, Failure> {
    let traces = Traces::new(context, root);
    let name = display_path(context, root);
    let building = format!(
        "{name}: {shell} is being built in the background; `devsh status` shows how far it is"
    );
    files::create_private_dir(&traces.directory).map_err(|error| hints::file(&error))?;
    if traces.is_building() {
        return Ok(building);
    }
    if let Some(failed) = traces
        .failed(shell)
        .filter(|failed| failed.stands(basis, context.now))
    {
        return Err(told(context, &traces, &name, shell, failed));
    }
    supervisor(context, root, shell, basis)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start a background build: {error}")))?;
    Ok(building)
}

/// Builds as for a prompt, and waits for it.
pub fn build_now(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
) -> Result<(), Failure> {
    let traces = Traces::new(context, root);
    files::create_private_dir(&traces.directory).map_err(|error| hints::file(&error))?;
    let name = display_path(context, root);
    let standing = |traces: &Traces| {
        let failed = traces.failed(shell);
        failed.filter(|failed| failed.stands(basis, context.now))
    };
    if standing(&traces).is_none() {
        supervisor(context, root, shell, basis)
            .status()
            .map_err(|error| Failure::new(format!("cannot start a build: {error}")))?;
    }
    standing(&traces).map_or(Ok(()), |failed| {
        Err(told(context, &traces, &name, shell, failed))
    })
}

/// Returns the process that watches over a build.
fn supervisor(context: &Context, root: &Path, shell: &ShellName, basis: [u8; 16]) -> Command {
    let mut command = Command::new(&context.program);
    command
        .args(["sync", "--background", &hex::encode(basis), "--shell"])
        .arg(shell.as_str())
        .arg("-C")
        .arg(root)
        .env_clear()
        .envs(session_var::host_env(&context.env).iter())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

/// Returns a failure of a background build as it is told at a prompt: what, what helps, where to read more.
fn told(
    context: &Context,
    traces: &Traces,
    name: &str,
    shell: &ShellName,
    failed: Failed,
) -> Failure {
    let hint = failed
        .hint
        .unwrap_or_else(|| "run `devsh sync` to try it again".to_owned());
    let log = display_path(context, &traces.log(shell));
    Failure::new(format!(
        "{name}: {shell} could not be built: {}",
        failed.error
    ))
    .hint(format!("{hint}; log: {log}"))
}

/// The right to build a project, until it is dropped.
#[derive(Debug, Default)]
pub struct Claim {
    _lock: Option<File>,
    /// Where to tell how far the build is.
    pub live: Option<PathBuf>,
    /// Whether another build went before.
    pub waited: bool,
}

/// Ends a build for prompts of the project at `root`; tells whether there was one.
pub fn end(context: &Context, root: &Path) -> bool {
    let traces = Traces::new(context, root);
    let live = Live::read(&traces.live()).filter(|live| live.background && traces.is_building());
    let process = live.and_then(|live| i32::try_from(live.process).ok());
    // It leads a session, so what it has started ends with it.
    process.is_some_and(|process| killpg(Pid::from_raw(process), Signal::SIGTERM).is_ok())
}

/// Takes the right to build the project at `root`, showing and waiting for a build that is under way.
pub fn claim(work: &Work<'_>, root: &Path) -> Claim {
    let traces = Traces::new(work.context, root);
    // From a read-only home what was built can be used all the same, and the store has locks of its own.
    let opened = files::create_private_dir(&traces.directory)
        .and_then(|()| files::open_lock(&traces.lock()));
    let Ok(file) = opened else {
        return Claim::default();
    };
    let waited = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if waited {
        join(work, &traces, &file);
    }
    Claim {
        _lock: Some(file),
        live: Some(traces.live()),
        waited,
    }
}

/// Waits for the build that holds the lock of `file`, and shows it meanwhile.
fn join(work: &Work<'_>, traces: &Traces, file: &File) {
    let bars = work.ui.bars();
    let mut meters: BTreeMap<String, Shown> = BTreeMap::new();
    let mut said = false;
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        thread::sleep(GLANCE);
        // Who only looks whether there is a build holds the lock for a moment, too.
        let Some(live) = Live::read(&traces.live()) else {
            continue;
        };
        if !said {
            let by = live.process;
            work.ui.note(&format!(
                "waiting for the build that is under way (process {by})"
            ));
            said = true;
        }
        meters.retain(|name, shown| {
            let stays = live.items.iter().any(|item| item.name == *name);
            if !stays {
                shown.meter.finish();
            }
            stays
        });
        for item in live.items {
            let shown = meters.entry(item.name.clone()).or_insert_with(|| Shown {
                meter: bars.start(&item.name, item.total),
                done: 0,
                phase: None,
            });
            shown.update(item.done, item.phase);
        }
    }
    for shown in meters.values() {
        shown.meter.finish();
    }
}

/// A thing of another process's build, drawn here.
struct Shown {
    meter: Box<dyn Meter>,
    done: u64,
    phase: Option<String>,
}

impl Shown {
    fn update(&mut self, done: u64, phase: Option<String>) {
        if done >= self.done {
            self.meter.advance(done - self.done);
        } else {
            self.meter.retract(self.done - done);
        }
        self.done = done;
        if let Some(what) = phase.as_deref().filter(|_| phase != self.phase) {
            self.meter.phase(what);
        }
        self.phase = phase;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stands_for_its_content_and_for_a_while() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let failure = Failure::new("no").hint("do");
        let failed = Failed::new([7; 16], now, &failure);
        assert_eq!(Failed::decode(&failed.encode()), Ok(failed.clone()));
        assert!(failed.stands([7; 16], now));
        assert!(!failed.stands([8; 16], now));
        assert!(!failed.stands([7; 16], now + RETRY));
        let whole = failed.encode();
        for end in 0..whole.len() {
            assert_eq!(Failed::decode(&whole[..end]), Err(Damaged));
        }
    }
}
