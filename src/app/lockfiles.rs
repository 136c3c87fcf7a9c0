//! The lockfiles of a project: the team's, and beside it the one of a person who has a manifest.
//!
//! Invariant: what one person asks for never changes the team's lockfile.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::report::paths::display_path;
use crate::{
    context::Context,
    lockfile::{self, LockKey, Lockfile, Pins, PythonKey, PythonSets, Stale, Upgrade},
    manifest::{Manifest, ToolRequest},
    package::Tool,
    project::{LOCKFILE, Project, approval::Trusted, lock_path, personal},
    report::failure::Failure,
    util::files,
};

use super::{
    python_packages,
    python_tools::{self, Ground},
    session::Work,
};
use crate::{
    cli::commands::{
        lock::{Unresolved, partial, resolve, runtimes},
        sync::Mode,
    },
    report::hints,
};

/// Longest lockfile that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// One lockfile and what it has to answer.
#[derive(Debug)]
pub struct Part {
    pub path: PathBuf,
    pub requests: Vec<(Tool, ToolRequest)>,
    pub pins: Pins,
    /// The project as far as this lockfile answers it, for its Python packages.
    project: Project,
    /// The team's requests and the path of its lockfile, beside which this one stands.
    beside: Option<(Vec<(Tool, ToolRequest)>, PathBuf)>,
    /// Lists of Python packages that the team's lockfile answers.
    answered: BTreeSet<PythonKey>,
    /// Whether it is one person's.
    pub personal: bool,
    /// Whether it lies in the project.
    in_project: bool,
}

/// Returns the lockfiles of a project; who asks for one gets it `in_project`, prepared or not.
pub fn parts(context: &Context, project: &Project, in_project: bool) -> Result<Vec<Part>, Failure> {
    let (root, directories) = (project.root(), &context.directories);
    let team = if in_project {
        root.join(LOCKFILE)
    } else {
        lock_path(&project.place, &directories.state)
    };
    let own = personal::lock_path(root, &directories.config);
    let layers = project.layers();
    let part = |path: PathBuf, requests, pins: &Pins, personal| Part {
        in_project: path.starts_with(root),
        path,
        requests,
        pins: pins.clone(),
        project: if personal {
            project.clone()
        } else {
            project.of_team()
        },
        beside: None,
        answered: BTreeSet::new(),
        personal,
    };
    let shared = requests(project.team());
    let keys: BTreeSet<LockKey> = shared
        .iter()
        .map(|(tool, one)| LockKey::for_request(tool, one))
        .collect();
    let beside = (shared.clone(), team.clone());
    let mut parts = vec![part(team, shared, &layers.pins, false)];
    if project.has_personal() {
        let mut more = requests(project.preview());
        more.retain(|(tool, one)| !keys.contains(&LockKey::for_request(tool, one)));
        let mut own = part(own, more, &layers.own_pins, true);
        own.beside = Some(beside);
        own.answered = python_packages::keys(&project.of_team())?;
        parts.push(own);
    }
    Ok(parts)
}

impl Part {
    /// What is wrong with the lockfile, a line for each request.
    pub fn problems(&self, lockfile: Option<&Lockfile>) -> Result<Vec<String>, Failure> {
        let mut problems = self.tool_problems(lockfile);
        if problems.is_empty() {
            let nothing = Lockfile::default();
            let lockfile = lockfile.unwrap_or(&nothing);
            if !self.personal {
                problems = python_packages::problems(&self.project, lockfile)?;
            } else if self.own_keys()? != lockfile.python.keys().cloned().collect() {
                problems.push("Python packages are not locked as they are asked for".to_owned());
            }
        }
        Ok(problems)
    }

    /// What the team asks for and has locked, where this lockfile is one person's.
    pub fn ground(&self, context: &Context) -> Result<Ground, Failure> {
        let Some((requests, path)) = &self.beside else {
            return Ok(Ground::default());
        };
        Ok(Ground {
            requests: requests.clone(),
            lockfile: present(path, &display_path(context, path))?.unwrap_or_default(),
        })
    }

    /// The lists of Python packages that only this lockfile answers.
    fn own_keys(&self) -> Result<BTreeSet<PythonKey>, Failure> {
        let mut keys = python_packages::keys(&self.project)?;
        keys.retain(|key| !self.answered.contains(key));
        Ok(keys)
    }

    /// Returns the Python packages that answer the project, keeping what is locked and fits.
    pub fn python(
        &self,
        work: &Work<'_>,
        lockfile: &Lockfile,
        from: (&Lockfile, &Upgrade),
    ) -> Result<PythonSets, Failure> {
        let own = self.own_keys()?;
        python_packages::resolve(work, &self.project, lockfile, from.0, from.1, &own)
    }

    fn tool_problems(&self, lockfile: Option<&Lockfile>) -> Vec<String> {
        // Who asks for nothing needs no lockfile.
        let Some(lockfile) = lockfile else {
            return if self.requests.is_empty() && self.pins.is_empty() {
                vec![]
            } else {
                vec!["there is no lockfile".to_owned()]
            };
        };
        let held = self
            .pins
            .iter()
            .filter(|(source, pin)| lockfile.extends.get(*source) != Some(pin))
            .map(|(source, _)| format!("`{source}` is not locked"));
        let left = lockfile
            .extends
            .keys()
            .filter(|source| !self.pins.contains_key(*source))
            .map(|source| format!("`{source}` is locked and nothing extends it"));
        let ground = Ground {
            requests: self
                .beside
                .iter()
                .flat_map(|(team, _)| team.clone())
                .collect(),
            ..Ground::default()
        };
        let implied = python_tools::implied(&self.requests, lockfile, &ground);
        let tools = lockfile::stale(&[&*self.requests, &*implied].concat(), lockfile);
        let tools = tools.iter().map(Stale::to_string);
        let unfit = python_tools::unfit(lockfile);
        held.chain(left).chain(tools).chain(unfit).collect()
    }

    /// Writes the lockfile unless the file has the same bytes already; returns whether it did.
    ///
    /// It answers what was read a while ago: where that has changed since, nothing is written.
    pub fn write(&self, work: &Work<'_>, lockfile: &Lockfile) -> Result<bool, Failure> {
        for layer in &self.project.layers().all {
            let path = self.project.root().join(&**layer.text.file());
            let now = files::read_bounded(&path, LIMIT).map_err(|error| hints::file(&error))?;
            // The text is without a mark of the byte order.
            if now.is_some_and(|now| !now.ends_with(layer.text.as_str().as_bytes())) {
                let name = display_path(work.context, &path);
                return Err(Failure::new(format!("`{name}` was changed meanwhile"))
                    .note(format!(
                        "`{}` is as it was",
                        display_path(work.context, &self.path)
                    ))
                    .hint("run the command again"));
            }
        }
        let text = lockfile::print(lockfile);
        let present =
            files::read_bounded(&self.path, LIMIT).map_err(|error| hints::file(&error))?;
        if present.as_deref() == Some(text.as_bytes()) {
            return Ok(false);
        }
        let put = if self.in_project {
            files::write_project_file(&self.path, text.as_bytes())
        } else {
            let directory = self.path.parent().unwrap_or(&self.path);
            files::create_private_dir(directory).map_err(|error| hints::file(&error))?;
            files::write_atomic(&self.path, text.as_bytes())
        };
        put.map_err(|error| hints::file(&error))?;
        Ok(true)
    }
}

/// The lockfiles that answer the project's manifest, as one.
pub struct Current {
    pub lockfile: Lockfile,
    /// Which were written.
    pub written: Vec<PathBuf>,
    /// Why some tools are not in it.
    pub unreached: Option<Failure>,
}

/// Returns lockfiles that answer the project's manifest, written where they belong.
///
/// With `--locked` nothing is resolved and nothing is written; for a prompt nothing is written into a project.
pub fn up_to_date(
    work: &Work<'_>,
    project: &Trusted<Project>,
    mode: Mode,
) -> Result<Current, Failure> {
    let mut current = Current {
        lockfile: Lockfile::default(),
        written: Vec::new(),
        unreached: None,
    };
    for part in parts(work.context, project.get(), false)? {
        answer(work, project, &part, (mode, &mut current))?;
    }
    Ok(current)
}

fn answer(
    work: &Work<'_>,
    project: &Trusted<Project>,
    part: &Part,
    (mode, current): (Mode, &mut Current),
) -> Result<(), Failure> {
    let name = display_path(work.context, &part.path);
    let present = present(&part.path, &name)?;
    let problems = part.problems(present.as_ref())?;
    let mut lockfile = present.unwrap_or_default();
    if !problems.is_empty() {
        runtimes(project.get().preview())?;
        if work.locked || (mode == Mode::Background && part.in_project) {
            return Err(out_of_date(work, &name, &problems));
        }
        let ground = part.ground(work.context)?;
        match resolve(work, (&part.requests, &ground), &lockfile, &Upgrade::None) {
            Ok(resolved) => {
                let python = part.python(work, &resolved, (&lockfile, &Upgrade::None))?;
                lockfile = resolved;
                lockfile.python = python;
                lockfile.extends.clone_from(&part.pins);
                if part.write(work, &lockfile)? && part.in_project {
                    work.ui.note(&format!("wrote {name}"));
                }
                current.written.push(part.path.clone());
            }
            Err(Unresolved::Unreachable(failure)) => {
                let python = lockfile.python.clone();
                lockfile =
                    partial(work, &part.requests, &lockfile).ok_or_else(|| (*failure).clone())?;
                lockfile.python = python;
                current.unreached = Some(*failure);
            }
            Err(Unresolved::Failed(failure)) => return Err(*failure),
        }
    }
    join(&mut current.lockfile, lockfile);
    Ok(())
}

/// Returns the project's lockfiles as one if they answer every request.
pub fn fitting(context: &Context, project: &Project) -> Result<Option<Lockfile>, Failure> {
    let mut whole = Lockfile::default();
    for part in parts(context, project, false)? {
        let present = present(&part.path, &display_path(context, &part.path))?;
        if !part.problems(present.as_ref())?.is_empty() {
            return Ok(None);
        }
        join(&mut whole, present.unwrap_or_default());
    }
    Ok(Some(whole))
}

/// Adds what another lockfile of the same project holds.
fn join(whole: &mut Lockfile, part: Lockfile) {
    whole.packages.extend(part.packages);
    whole.extends.extend(part.extends);
    whole.python.extend(part.python);
}

/// Returns the project's lockfiles as one, whether or not they answer everything; to be shown, not built from.
pub fn as_they_are(context: &Context, project: &Project) -> Result<Lockfile, Failure> {
    let mut whole = Lockfile::default();
    for part in parts(context, project, false)? {
        let present = present(&part.path, &display_path(context, &part.path))?;
        join(&mut whole, present.unwrap_or_default());
    }
    Ok(whole)
}

/// Returns what all dev shells of a manifest ask for.
pub fn requests(manifest: &Manifest) -> Vec<(Tool, ToolRequest)> {
    let shells = manifest.shells.iter();
    // What is several at once asks for what each of them asks for.
    let all = shells
        .filter(|(name, _)| name.is_single())
        .flat_map(|(_, shell)| &shell.tools);
    let mut seen = BTreeSet::new();
    all.filter(|(tool, request)| seen.insert(LockKey::for_request(tool, request)))
        .map(|(tool, request)| (tool.clone(), request.clone()))
        .collect()
}

/// Returns the lockfile at a path, if there is one; `name` is its name in messages.
pub fn present(path: &Path, name: &str) -> Result<Option<Lockfile>, Failure> {
    let Some(bytes) = files::read_bounded(path, LIMIT).map_err(|error| hints::file(&error))? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(format!("`{name}` is not UTF-8 text")))?;
    lockfile::parse(name, &text)
        .map(Some)
        .map_err(|error| hints::lockfile(&error))
}

pub fn out_of_date(work: &Work<'_>, name: &str, problems: &[String]) -> Failure {
    let failure = Failure::new(format!("`{name}` does not fit the manifest"));
    let failure = problems.iter().fold(failure, Failure::detail);
    failure.hint(format!(
        "run `{}` and commit the result",
        work.command("lock")
    ))
}
