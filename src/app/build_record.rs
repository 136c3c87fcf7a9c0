//! From a trusted project and its lockfile to a record that a prompt can load.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    builder::{
        self, BuildNotice, BuildRequest, BuiltShell, PartialBuild, ShellPart, ToolOrigin,
        UnbuiltPart, UnbuiltParts,
    },
    config::{Config, PromptVerbosity},
    context::Context,
    fetch::{Progress, Silent},
    lockfile::Lockfile,
    manifest::{DevShell, EnvValue, ShellName},
    package::Tool,
    project::{
        LOCKFILE, Project, approval::Trusted, locate::Place, lock_path, personal, watch::Watched,
    },
    prompt::{
        from_build::{self, Built},
        record::{MissingPart, Record, Retry, UnapprovedScripts},
    },
    report::failure::Failure,
    store::{self, ProcessMark},
    util::{binary, machine},
};

use super::{
    approved_entries::approved_conda,
    build_mode::BuildMode,
    build_request::{BuildInputs, BuildOptions},
    describe_lock_changes, host_notices, lockfiles,
    missing_parts::{self, FailedPart, Unlocked},
    new_name::NewName,
    programs::{self, CheckedShell, CondaPrograms},
    session::Session,
    store_changes, tool_summary,
    venv_link::{self, LinkOutcome},
    with_builder::with_builder,
};

/// The shortest and the longest wait before a prompt tries missing parts again.
const FIRST_PAUSE: Duration = Duration::from_mins(5);
const LONGEST_PAUSE: Duration = Duration::from_hours(4);

/// The inputs of the dev shells of one project.
#[derive(Clone, Copy)]
pub struct BuildBasis<'a> {
    pub project: &'a Trusted<Project>,
    pub lockfile: &'a Lockfile,
    /// The requests that the lockfile does not answer.
    pub unlocked: &'a Unlocked,
    /// The files behind both, as they were before they were read.
    pub watched: &'a [Watched],
    pub progress: &'a dyn Progress,
    /// The notices that were reported already: dev shells have most of their tools in common.
    pub reported: &'a RefCell<Vec<BuildNotice>>,
}

impl BuildBasis<'_> {
    fn report(&self, session: &Session<'_>, notice: &BuildNotice) {
        if !self.reported.borrow().contains(notice) {
            if !is_news(session, self.project.get().root(), notice) {
                return;
            }
            session.reporter.warn(&describe(session, notice));
            self.reported.borrow_mut().push(notice.clone());
        }
    }
}

/// Returns whether a notice is new to the user: host tools that replace locked ones are reported once.
fn is_news(session: &Session<'_>, root: &Path, notice: &BuildNotice) -> bool {
    match notice {
        BuildNotice::HostServes {
            tool,
            wanted: Some(wanted),
            found,
            ..
        } if wanted != found => {
            let name = tool.name.to_string();
            let line = host_notices::line(&name, found.as_str(), wanted.as_str());
            !host_notices::unreported(session.context, root, &[line]).is_empty()
        }
        _ => true,
    }
}

fn describe(session: &Session<'_>, notice: &BuildNotice) -> String {
    match notice {
        BuildNotice::HostServes {
            tool,
            wanted,
            found,
            program,
            reason,
        } => {
            // `devsh status` names the program.
            let mut text = match wanted {
                Some(wanted) if wanted != found => {
                    host_notices::line(&tool.to_string(), found.as_str(), wanted.as_str())
                }
                _ => format!(
                    "`{tool}` {found} is from the host: `{}`",
                    session.display(program)
                ),
            };
            if !reason.is_empty() {
                text.push_str(": ");
                text.push_str(reason);
            }
            text
        }
        BuildNotice::Conflict {
            program,
            used,
            hidden,
        } => format!("`{program}` is from `{used}`; the one from `{hidden}` is hidden"),
        BuildNotice::Conda { note } => note.clone(),
    }
}

/// Returns the stored record of a dev shell if this command may use it; it may lack parts.
///
/// A record is only stored for an allowed project, and the approval is one of the files it watches.
pub fn stored_record(session: &Session<'_>, place: &Place, shell: &ShellName) -> Option<Record> {
    let context = session.context;
    let record = Record::fresh(&context.directories.state, &place.root, shell, context.now)?;
    if session.decisions.is_denied(&place.root) || programs::hide_more(session, &record.scripts) {
        return None;
    }
    (!session.options.locked || !record.drifted).then_some(record)
}

/// Leases the dev shell of a record for the host shell; returns whether the profile still exists.
pub fn lease_for_shell(context: &Context, record: &Record) -> bool {
    let shell = ProcessMark::host_shell();
    let data = &context.directories.data;
    let profile = record.objects.first();
    profile.is_none_or(|profile| store::leases::lease_for_shell(data, shell, profile))
}

/// Leases the dev shell of a record for the command that replaces this process.
pub fn lease_until_exit(context: &Context, record: &Record) {
    if let Some(profile) = record.objects.first() {
        // On a read-only disk nothing is collected.
        let _leased = store::leases::lease_until_exit(&context.directories.data, profile);
    }
}

/// Returns the record of a dev shell that was built, without network and without changing the project.
pub fn find_built(
    session: &Session<'_>,
    project: &Trusted<Project>,
    shell: &ShellName,
    watched: &[Watched],
) -> Result<Option<Record>, Failure> {
    store_changes::check(session, project.get(), shell)?;
    let (inputs, found) = look_up(session, project.get(), shell)?;
    check_separators(session, project.get(), inputs.shell)?;
    let Some(built_shell) = found else {
        return Ok(None);
    };
    programs::check(session, project.get(), &inputs, &built_shell)?;
    let config = session.config()?;
    let failed = &inputs.failed;
    let mut record = record(
        project,
        shell,
        &inputs,
        &built_shell,
        watched,
        config,
        failed,
    );
    record.scripts = programs::unapproved_scripts(session, project.get(), &inputs, &built_shell)?;
    // Commands report a link that cannot be made.
    let _linked = link(session, project.get(), shell, &inputs, &built_shell);
    // A prompt also works from a read-only home, only slower.
    let _kept = keep(session.context, project, shell, &record);
    Ok(Some(record))
}

/// Returns the inputs of a dev shell, and the environment that was built from them if it still exists.
pub fn look_up<'a>(
    session: &Session<'_>,
    project: &'a Project,
    shell: &'a ShellName,
) -> Result<(BuildInputs<'a>, Option<BuiltShell>), Failure> {
    let config = session.config()?;
    let joined = lockfiles::joined_lockfile(session, project)?;
    let inputs = BuildInputs::new(project, shell, joined.lockfile, &Unlocked::default())?;
    let Some(system) = session.context.system.filter(|_| joined.is_complete) else {
        return Ok((inputs, None));
    };
    let options = BuildOptions {
        system,
        locked: false,
        mode: BuildMode::Foreground,
    };
    let request = inputs.request(project, shell, config, options);
    let found = builder::find(&session.context.directories.data, &request);
    Ok((inputs, found))
}

/// Returns the conda packages of a dev shell that no requested one needs, with their programs. It runs no code of them.
fn unneeded_conda_packages(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    inputs: &BuildInputs<'_>,
) -> Result<CondaPrograms, Failure> {
    let options = BuildOptions {
        system: session.system()?,
        locked: session.options.locked,
        mode: BuildMode::Foreground,
    };
    let request = inputs.request(project, shell, session.config()?, options);
    inputs.refuse_untrusted(session, options.system)?;
    let packages = with_builder(session, &Silent, |builder| {
        builder.unneeded_conda_packages(&request)
    })?;
    Ok(packages?)
}

/// Returns the names of a dev shell that the user has not approved and that are known without a build.
pub fn unapproved_without_build(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    inputs: &BuildInputs<'_>,
) -> Result<Vec<NewName>, Failure> {
    let mut new = programs::unapproved_places(session, project, inputs)?;
    let packages = unneeded_conda_packages(session, project, shell, inputs)?;
    new.extend(programs::unapproved_conda(
        session, project, inputs, &packages,
    )?);
    Ok(new)
}

/// Fails if the lockfiles have tools from places or sources that the user has not approved, or conda packages next to
/// a Python of conda, which loads code of them: to resolve the rest, devsh runs some of these tools.
pub fn refuse_unapproved(session: &Session<'_>, project: &Project) -> Result<(), Failure> {
    if session.options.trust {
        return Ok(());
    }
    // A build reports a lockfile that cannot be read.
    let Ok(joined) = lockfiles::joined_lockfile(session, project) else {
        return Ok(());
    };
    for name in project.preview().shells.keys() {
        let lockfile = joined.lockfile.clone();
        let Ok(inputs) = BuildInputs::new(project, name, lockfile, &Unlocked::default()) else {
            continue;
        };
        let has_python = inputs.shell.tools.keys().any(Tool::is_conda_python);
        let checks_conda = has_python
            && approved_conda(session, project, inputs.shell, &inputs.lockfile)?.is_some();
        let new = if checks_conda {
            unapproved_without_build(session, project, name, &inputs)?
        } else {
            programs::unapproved_places(session, project, &inputs)?
        };
        if !new.is_empty() {
            return Err(programs::not_approved(session, project, &new));
        }
    }
    Ok(())
}

/// Returns the record of a dev shell from before a lockfile could not be read any more, with that as a missing part;
/// nothing if anything else has changed since.
pub fn before_unreadable_lockfile(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
) -> Option<Record> {
    let mut unreadable = Vec::new();
    for path in session.lockfile_paths(place) {
        let loaded = session.lockfile(&place.root, &path);
        if let Err(failure) = loaded.content() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let part = missing_parts::unread_lockfile(&name, &failure);
            unreadable.push((path, part));
        }
    }
    if unreadable.is_empty() {
        return None;
    }
    let is_unreadable = |file: &Watched| unreadable.iter().any(|(path, _)| *path == file.path);
    let mut record = usable_record(session, place, shell, is_unreadable)?;
    let (state, now) = (&session.context.directories.state, session.context.now);
    for (path, part) in unreadable {
        let missing = &mut record.content.missing;
        missing.retain(|known| known.name != part.name);
        missing.push(part);
        for file in record.watched.iter_mut().filter(|file| file.path == path) {
            *file = Watched::look(&path, now);
        }
    }
    record.retry = None;
    // Without a stored record the next prompt finds the same again.
    let _stored = record.store(state, &place.root, shell);
    Some(record)
}

/// Returns the record of the last build of a dev shell, which can be without some parts; nothing if the user has
/// decided about the project since.
pub fn before_build(session: &Session<'_>, place: &Place, shell: &ShellName) -> Option<Record> {
    let approval = session.decisions.approval_path(&place.root);
    let record = usable_record(session, place, shell, |file| file.path != approval)?;
    (!session.options.locked || !record.drifted).then_some(record)
}

/// Returns the stored record of a dev shell that still exists, if no file has changed except those that
/// `may_change` names.
fn usable_record(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    may_change: impl Fn(&Watched) -> bool,
) -> Option<Record> {
    let record = Record::stored(&session.context.directories.state, &place.root, shell)?;
    let is_refused =
        session.decisions.is_denied(&place.root) || programs::hide_more(session, &record.scripts);
    (!is_refused && record.is_usable(may_change)).then_some(record)
}

/// A dev shell that was built and recorded.
#[derive(Debug)]
pub struct RecordedShell {
    pub record: Record,
    /// True if the record differs from the stored one.
    pub is_new: bool,
    /// The parts that it lacks.
    pub failed: Vec<FailedPart>,
}

impl RecordedShell {
    /// Returns the record if no part is missing.
    pub fn complete(self) -> Result<Record, Failure> {
        missing_parts::failure_of(&self.failed).map_or(Ok(self.record), Err)
    }
}

/// Builds a dev shell as far as possible and records it.
pub fn build(
    session: &Session<'_>,
    basis: &BuildBasis<'_>,
    shell: &ShellName,
    mode: BuildMode,
) -> Result<RecordedShell, Failure> {
    let BuildBasis {
        project,
        lockfile,
        unlocked,
        ..
    } = *basis;
    let config = session.config()?;
    store_changes::check_files(session, project.get(), shell)?;
    let inputs = BuildInputs::new(project.get(), shell, lockfile.clone(), unlocked)?;
    check_separators(session, project.get(), inputs.shell)?;
    let options = BuildOptions {
        system: session.system()?,
        locked: session.options.locked,
        mode,
    };
    let mut request = inputs.request(project.get(), shell, config, options);
    request.approved_conda =
        approved_conda(session, project.get(), inputs.shell, &inputs.lockfile)?;
    let found = builder::find(&session.context.directories.data, &request);
    let is_built = found.is_some();
    if !is_built || mode == BuildMode::Refresh {
        inputs.refuse_untrusted(session, options.system)?;
    }
    let checked = CheckedShell {
        inputs: &inputs,
        system: options.system,
        is_built,
    };
    programs::check_places(session, project.get(), checked)?;
    let found = found.filter(|_| mode != BuildMode::Refresh);
    let outcome = if let Some(found) = found {
        BuildOutcome::new(found, inputs.failed.clone())
    } else {
        let compiles = !project.get().compilers().is_empty();
        if request.build_project && compiles && !session.options.trust {
            let target = Target {
                shell,
                mode,
                retry: None,
            };
            build_without_project(session, basis, &inputs, &request, target)?;
        }
        build_parts(session, basis, &inputs, &request)?
    };
    let retry = next_retry(session, project.get(), shell, &outcome.failed);
    store(
        session,
        basis,
        &inputs,
        outcome,
        Target { shell, mode, retry },
    )
}

/// A dev shell as far as it was built.
struct BuildOutcome {
    built_shell: BuiltShell,
    failed: Vec<FailedPart>,
}

impl BuildOutcome {
    fn new(built_shell: BuiltShell, mut failed: Vec<FailedPart>) -> Self {
        // A host tool may have replaced a tool of an unreachable source.
        failed.retain(|failed| {
            let mut tools = built_shell.tools.iter();
            !tools.any(|tool| failed.part == ShellPart::Tool(tool.tool.clone()))
        });
        Self {
            built_shell,
            failed,
        }
    }
}

/// The purpose of a record.
#[derive(Clone, Copy)]
struct Target<'a> {
    shell: &'a ShellName,
    mode: BuildMode,
    retry: Option<Retry>,
}

/// Builds what a request asks for, as far as possible.
fn build_parts(
    session: &Session<'_>,
    basis: &BuildBasis<'_>,
    inputs: &BuildInputs<'_>,
    request: &BuildRequest<'_>,
) -> Result<BuildOutcome, Failure> {
    let project = basis.project.get();
    let mut failed = inputs.failed.clone();
    let built = with_builder(session, basis.progress, |builder| {
        builder.find_or_build(request)
    })?;
    let PartialBuild {
        built_shell,
        unbuilt,
    } = built.map_err(|error| match &error {
        builder::Error::CondaUnapproved { packages } => {
            programs::refuse_conda(session, project, inputs, packages)
        }
        _ => first_cause(&failed, build_failure(&error, request.shell)),
    })?;
    if let Some(packages) = unbuilt.unapproved_conda() {
        return Err(programs::refuse_conda(session, project, inputs, packages));
    }
    for part in &unbuilt.parts {
        if let builder::Error::PythonBuild {
            packages,
            is_permitted: false,
            ..
        } = &part.error
        {
            session.keep_new_builds(packages);
        }
    }
    add_unbuilt(&mut failed, unbuilt, request.shell);
    for notice in &built_shell.notices {
        basis.report(session, notice);
    }
    Ok(BuildOutcome::new(built_shell, failed))
}

/// Builds everything but the project itself and stores that, because compiling the project takes minutes: other host
/// shells load the rest, and so does this one if the user stops the build.
fn build_without_project(
    session: &Session<'_>,
    basis: &BuildBasis<'_>,
    inputs: &BuildInputs<'_>,
    request: &BuildRequest<'_>,
    target: Target<'_>,
) -> Result<(), Failure> {
    let rest = BuildRequest {
        build_project: false,
        ..request.clone()
    };
    // The whole build meets the same failure, and reports it.
    let Ok(mut outcome) = build_parts(session, basis, inputs, &rest) else {
        return Ok(());
    };
    let mut parts = outcome.failed.iter_mut();
    let Some(project) = parts.find(|one| one.part == ShellPart::Project) else {
        return Ok(());
    };
    project.failure = Failure::new("its build has not ended yet")
        .hint("`devsh status` shows the build; `devsh sync` waits for it or starts it again");
    if store(session, basis, inputs, outcome, target)?.is_new {
        session.notify_host_shells()?;
        session
            .reporter
            .note("other shells can use the tools and packages while the project is compiled");
    }
    Ok(())
}

/// Records a dev shell that was built.
fn store(
    session: &Session<'_>,
    basis: &BuildBasis<'_>,
    inputs: &BuildInputs<'_>,
    outcome: BuildOutcome,
    target: Target<'_>,
) -> Result<RecordedShell, Failure> {
    let BuildOutcome {
        built_shell,
        failed,
    } = outcome;
    let Target { shell, mode, retry } = target;
    let project = basis.project;
    programs::check(session, project.get(), inputs, &built_shell)?;
    let mut record = record(
        project,
        shell,
        inputs,
        &built_shell,
        basis.watched,
        session.config()?,
        &failed,
    );
    record.retry = retry;
    record.scripts = programs::unapproved_scripts(session, project.get(), inputs, &built_shell)?;
    if link(session, project.get(), shell, inputs, &built_shell)? == LinkOutcome::Taken
        && mode != BuildMode::Background
    {
        let text = "`.venv` was not made by devsh, so it stays and `venv-link` has no effect";
        session.reporter.warn(text);
    }
    // Trust for one command must not outlive it, so no record is stored.
    let is_new = !session.options.trust && keep(session.context, project, shell, &record)?;
    Ok(RecordedShell {
        record,
        is_new,
        failed,
    })
}

/// Returns the failure of a dev shell of which nothing is left: that of the lockfile, if it is the cause.
fn first_cause(failed: &[FailedPart], failure: Failure) -> Failure {
    match missing_parts::failure_of(failed) {
        Some(first) => first.note(failure.error),
        None => failure,
    }
}

/// Adds the parts that could not be built. A tool that is not locked keeps that cause.
fn add_unbuilt(failed: &mut Vec<FailedPart>, unbuilt: UnbuiltParts, shell: &ShellName) {
    let mut offline = unbuilt.offline.as_ref().map(Failure::from);
    for UnbuiltPart { part, error } in unbuilt.parts {
        let error = match error {
            builder::Error::PythonNeeds { lock, tool } if lacks_tool(failed, tool) => {
                builder::Error::PythonNeedsMissing { lock, tool }
            }
            other => other,
        };
        let failure = build_failure(&error, shell);
        if let Some(known) = failed.iter_mut().find(|known| known.part == part) {
            known.failure.notes.push(failure.error);
            continue;
        }
        failed.push(FailedPart {
            failure: offline.take().unwrap_or(failure),
            may_pass: missing_parts::may_pass(&error),
            is_left_out: false,
            part,
        });
    }
}

/// Returns whether a tool is one of the parts that are missing.
fn lacks_tool(failed: &[FailedPart], name: &str) -> bool {
    let mut failed = failed.iter();
    failed.any(|one| matches!(&one.part, ShellPart::Tool(tool) if tool.name.as_str() == name))
}

/// Returns when a prompt tries the missing parts again: each time after a longer pause.
fn next_retry(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    failed: &[FailedPart],
) -> Option<Retry> {
    let context = session.context;
    let now = context.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = Record::stored(&context.directories.state, project.root(), shell);
    let before = before.and_then(|record| record.retry);
    let pause = before.map_or(FIRST_PAUSE, |before| {
        LONGEST_PAUSE.min(Duration::from_secs(before.pause) * 2)
    });
    // `--offline` says nothing about the next try.
    let wait = if session.options.offline {
        Duration::ZERO
    } else {
        pause
    };
    let can_pass = failed.iter().any(|part| part.may_pass);
    can_pass.then(|| Retry {
        at: (now + wait).as_secs(),
        pause: pause.as_secs(),
    })
}

/// Checks that no entry of a list of paths would have the `:` that separates its entries.
fn check_separators(
    session: &Session<'_>,
    project: &Project,
    shell: &DevShell,
) -> Result<(), Failure> {
    let data = &session.context.directories.data;
    let has_separator = |path: &Path| path.as_os_str().as_encoded_bytes().contains(&b':');
    if has_separator(data) {
        let name = session.display(data);
        return Err(Failure::new(format!(
            "the data directory `{name}` cannot be on PATH, because a `:` separates its entries"
        ))
        .hint("set `XDG_DATA_HOME` to a directory without `:`"));
    }
    if !has_separator(project.root()) {
        return Ok(());
    }
    let in_project = |entry: &&String| !entry.starts_with(['/', '$']) || entry.contains("${root");
    for (name, value) in &shell.env {
        let EnvValue::Extend { prepend, append } = &value.value else {
            continue;
        };
        if let Some(entry) = prepend.iter().chain(append).find(in_project) {
            let root = session.display(project.root());
            return Err(Failure::new(format!(
                "`{entry}` cannot be an entry of `{name}` ({}): a `:` separates the entries",
                value.origin
            ))
            .note(format!("the project is in `{root}`"))
            .hint("move the project to a directory without `:`"));
        }
    }
    Ok(())
}

/// Returns the failure for a dev shell that cannot be built. A combination of dev shells is only locked if the
/// manifest defines it.
fn build_failure(error: &builder::Error, shell: &ShellName) -> Failure {
    let mut failure = Failure::from(error);
    if !shell.is_single()
        && let builder::Error::Unavailable { managed, .. } = error
        && matches!(**managed, builder::Unavailable::NotLocked)
    {
        let names: Vec<String> = shell
            .as_str()
            .split(',')
            .map(|name| format!("\"{name}\""))
            .collect();
        failure.notes =
            vec!["each of the dev shells is locked, but not their combination".to_owned()];
        failure.hints = vec![format!(
            "name them in the manifest, `[shells.NAME] inherits = [{}]`, and run `devsh lock`",
            names.join(", ")
        )];
    }
    failure
}

/// Makes the link for editors, which always leads to `dev`.
fn link(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    inputs: &BuildInputs<'_>,
    built_shell: &BuiltShell,
) -> Result<LinkOutcome, Failure> {
    if *shell != ShellName::dev() {
        return Ok(LinkOutcome::Settled);
    }
    let profile = &built_shell.profile;
    let data = &session.context.directories.data;
    Ok(venv_link::make(
        project.root(),
        inputs.shell,
        profile,
        data,
    )?)
}

/// Stores a record unless it is stored already; returns whether it was not.
fn keep(
    context: &Context,
    project: &Trusted<Project>,
    shell: &ShellName,
    record: &Record,
) -> Result<bool, Failure> {
    let (state, root) = (&context.directories.state, project.get().root());
    let before = Record::stored(state, root, shell);
    if before.as_ref() == Some(record) {
        return Ok(false);
    }
    record.store(state, root, shell)?;
    // The new dev shell is in use from now on, and the old one was until now.
    for profile in [before.as_ref(), Some(record)]
        .into_iter()
        .flatten()
        .filter_map(|record| record.objects.first())
    {
        builder::inventory::mark_used(profile);
    }
    Ok(true)
}

/// Returns the digest of the inputs of a background build: the same inputs fail in the same way.
pub fn basis_digest(watched: &[Watched]) -> [u8; 16] {
    let mut files = watched.to_vec();
    for file in &mut files {
        file.racy = None;
    }
    let mut basis = [0; 16];
    basis.copy_from_slice(&blake3::hash(&binary::encode(&files)).as_bytes()[..16]);
    basis
}

/// Takes the stamps of the files that define a project's dev shells. Call it before they are read.
pub fn watch(context: &Context, project: &Project) -> Vec<Watched> {
    // A lockfile that appears in the project takes the place of the one in devsh's own state.
    let files = BTreeSet::from([
        lock_path(&project.place, &context.directories.state),
        project.root().join(LOCKFILE),
        context.directories.config.join("config.toml"),
    ]);
    let own = project
        .has_personal()
        .then(|| personal::lock_path(project.root(), &context.directories.config));
    let more = files
        .iter()
        .chain(&own)
        .map(|path| Watched::look(path, context.now));
    project.watched().iter().cloned().chain(more).collect()
}

fn record(
    project: &Trusted<Project>,
    shell: &ShellName,
    inputs: &BuildInputs<'_>,
    built_shell: &BuiltShell,
    watched: &[Watched],
    config: &Config,
    failed: &[FailedPart],
) -> Record {
    let root = project.get().root();
    let built = Built {
        environment: built_shell.id.to_string(),
        profile: &built_shell.profile,
        missing: failed
            .iter()
            .map(|one| MissingPart {
                directory: missing_parts::directory_of(inputs.shell, &one.part),
                ..one.missing()
            })
            .collect(),
        env: &built_shell.env,
        timeout: config.hook_timeout,
        quiet: config.verbosity == PromptVerbosity::Quiet,
        summary: tool_summary::summary(shell, inputs, built_shell),
        host_tools: tool_summary::host_tools(inputs, built_shell),
    };
    let mut objects = vec![built_shell.profile.clone()];
    objects.extend(built_shell.objects.iter().cloned());
    objects.extend(
        built_shell
            .tools
            .iter()
            .filter_map(|tool| match &tool.origin {
                ToolOrigin::Host { program, .. } => Some(program.clone()),
                ToolOrigin::Store(_) => None,
            }),
    );
    // The directory shows a link that was added or removed.
    let bin = Watched::settled_look(built_shell.profile.join("bin"));
    let of_objects = store_changes::places(&objects);
    Record {
        watched: watched.to_vec(),
        sealed: [bin].into_iter().chain(of_objects).collect(),
        objects,
        machine: built_shell.has_conda().then(machine::identity),
        drifted: tool_summary::drifts(inputs, built_shell).next().is_some(),
        scripts: UnapprovedScripts::default(),
        versions: describe_lock_changes::locked_versions(project.get(), inputs),
        retry: None,
        content: from_build::content(root, inputs.shell, built),
    }
}
