//! The parts that dev shells lack, with the failure of each: requests without a locked version, and what could not be
//! built.
//!
//! A prompt loads the rest and says in one line what is missing. A command that needs everything reports the failure.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    builder::{self, ShellPart},
    lockfile::{CondaKey, LockKey, PythonKey},
    manifest::{DevShell, NamedRequest, ToolRequest},
    package::Tool,
    prompt::record::MissingPart,
    report::failure::Failure,
    util::word_lists::join_with_and,
};

/// The hint for a lockfile that is older than a file of the project.
pub const RUN_LOCK: &str = "run `devsh lock`";

/// Requests that could not be resolved.
pub enum Unresolved {
    /// A source cannot be reached, of this tool if it is known.
    Unreachable(Option<Tool>, Box<Failure>),
    /// The sources have no version of this tool that fits.
    NoVersion(Tool, Box<Failure>),
    /// Any other reason.
    Failed(Box<Failure>),
}

impl Unresolved {
    /// Returns whether the same requests can resolve later, because a server was not reached.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(..) => true,
            Self::NoVersion(_, failure) => failure.is_temporary,
            Self::Failed(_) => false,
        }
    }

    /// Returns the tool that may resolve later, because its source was not reached.
    pub fn unreached_tool(&self) -> Option<&Tool> {
        match self {
            Self::Unreachable(tool, _) => tool.as_ref(),
            Self::NoVersion(tool, failure) if failure.is_temporary => Some(tool),
            Self::NoVersion(..) | Self::Failed(_) => None,
        }
    }

    pub fn into_failure(self) -> Failure {
        match self {
            Self::Unreachable(_, failure) | Self::NoVersion(_, failure) | Self::Failed(failure) => {
                *failure
            }
        }
    }
}

/// The requests of a project that have no locked version.
#[derive(Debug, Clone, Default)]
pub struct Unlocked {
    tools: BTreeMap<LockKey, UnlockedTool>,
    conda: BTreeMap<CondaKey, UnlockedTool>,
    packages: BTreeMap<PythonKey, UnlockedPackages>,
}

/// Python packages without locked versions.
#[derive(Debug, Clone)]
pub struct UnlockedPackages {
    pub failure: Failure,
    /// True if the same list can resolve later: uv does not say whether it failed for the network.
    pub may_pass: bool,
    /// True if the index cannot be reached.
    pub is_unreachable: bool,
}

/// A tool without a locked version.
#[derive(Debug, Clone)]
pub struct UnlockedTool {
    pub failure: Failure,
    /// True if its source cannot be reached, so a host tool may serve instead.
    pub is_unreachable: bool,
    /// True if the dev shell is complete without it.
    pub is_left_out: bool,
}

impl Unlocked {
    /// Returns whether every request is locked or left out.
    pub fn is_complete(&self) -> bool {
        self.first_failure().is_none()
    }

    /// Adds the requests that are left out.
    pub fn add_left_out(&mut self, left_out: &LeftOut) {
        for (key, failure) in &left_out.tools {
            self.add_tool(
                key.clone(),
                UnlockedTool {
                    failure: failure.clone(),
                    is_unreachable: false,
                    is_left_out: true,
                },
            );
        }
    }

    pub fn add_tool(&mut self, key: LockKey, tool: UnlockedTool) {
        self.tools.entry(key).or_insert(tool);
    }

    pub fn add_unresolved(
        &mut self,
        NamedRequest { tool, request }: &NamedRequest,
        why: Unresolved,
    ) {
        let is_unreachable = why.may_pass();
        let tool = LockKey::for_request(tool, request);
        let failure = why.into_failure();
        self.add_tool(
            tool,
            UnlockedTool {
                failure,
                is_unreachable,
                is_left_out: false,
            },
        );
    }

    /// Adds a request whose source was not reached.
    pub fn add_unreached(
        &mut self,
        NamedRequest { tool, request }: &NamedRequest,
        failure: Failure,
    ) {
        let unreached = UnlockedTool {
            failure,
            is_unreachable: true,
            is_left_out: false,
        };
        self.add_tool(LockKey::for_request(tool, request), unreached);
    }

    /// Adds a set of conda packages that could not be resolved.
    pub fn add_conda(&mut self, key: CondaKey, failure: Failure) {
        self.conda.entry(key).or_insert(UnlockedTool {
            is_unreachable: failure.is_temporary,
            failure,
            is_left_out: false,
        });
    }

    pub fn add_packages(&mut self, key: PythonKey, packages: UnlockedPackages) {
        self.packages.entry(key).or_insert(packages);
    }

    pub fn tool(&self, tool: &Tool, request: &ToolRequest) -> Option<&UnlockedTool> {
        self.tools.get(&LockKey::for_request(tool, request))
    }

    /// Returns why each conda tool of a set is missing.
    pub fn conda(&self, key: &CondaKey) -> Option<&UnlockedTool> {
        self.conda.get(key)
    }

    pub fn packages(&self, key: &PythonKey) -> Option<&Failure> {
        self.packages.get(key).map(|packages| &packages.failure)
    }

    /// Returns whether a later try can find more, because a server was not reached.
    pub fn may_pass(&self) -> bool {
        self.unreachable().is_some() || self.packages.values().any(|packages| packages.may_pass)
    }

    /// Returns the failure of a tool whose source cannot be reached.
    pub fn unreachable(&self) -> Option<&Failure> {
        let mut tools = self.tools.values().chain(self.conda.values());
        tools
            .find(|tool| tool.is_unreachable)
            .map(|tool| &tool.failure)
    }

    /// Fails if any request is neither locked nor left out.
    pub fn complete(&self) -> Result<(), Failure> {
        self.first_failure()
            .map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Fails if a request has no answer for another reason than a server that was not reached, or if a tool in `needed`
    /// has none.
    pub fn complete_where_reached(&self, needed: &[Tool]) -> Result<(), Failure> {
        let tools = self.tools.iter().map(|(key, tool)| (Some(&key.tool), tool));
        let conda = self.conda.values().map(|tool| (None, tool));
        let may_lack = |tool: Option<&Tool>| !tool.is_some_and(|tool| needed.contains(tool));
        let tools = tools.chain(conda).filter(|(tool, unlocked)| {
            !(unlocked.is_left_out || unlocked.is_unreachable && may_lack(*tool))
        });
        let tools = tools.map(|(_, unlocked)| &unlocked.failure);
        let packages = self.packages.values().filter(|one| !one.is_unreachable);
        let mut failures = tools.chain(packages.map(|packages| &packages.failure));
        failures
            .next()
            .map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn first_failure(&self) -> Option<&Failure> {
        let tools = self.tools.values().chain(self.conda.values());
        let tools = tools.filter(|tool| !tool.is_left_out);
        let tools = tools.map(|tool| &tool.failure);
        let packages = self.packages.values();
        tools
            .chain(packages.map(|packages| &packages.failure))
            .next()
    }
}

/// The requests of directories below the root that no source can serve. The project is complete without them.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    tools: BTreeMap<LockKey, Failure>,
}

impl LeftOut {
    pub fn add_tool(&mut self, tool: &Tool, request: &ToolRequest, failure: &Failure) {
        self.tools
            .insert(LockKey::for_request(tool, request), failure.clone());
    }

    /// Returns whether a Python is left out, so its packages have none.
    pub fn has_python(&self) -> bool {
        let mut keys = self.tools.keys();
        keys.any(|key| key.tool.is_interpreter())
    }

    /// Returns a line for each tool, with the places that ask for it.
    pub fn lines(&self) -> Vec<String> {
        let describe = |(key, failure): (&LockKey, &Failure)| {
            format!("`{}` is left out: {}", key.tool, one_line(failure))
        };
        self.tools.iter().map(describe).collect()
    }
}

/// A part that a dev shell lacks.
#[derive(Debug, Clone)]
pub struct FailedPart {
    pub part: ShellPart,
    pub failure: Failure,
    /// True if the same build can succeed later, because a server was not reached.
    pub may_pass: bool,
    /// True if the dev shell is complete without it.
    pub is_left_out: bool,
}

impl FailedPart {
    /// Returns the part as a record keeps it.
    pub fn missing(&self) -> MissingPart {
        MissingPart {
            name: self.part.to_string(),
            reason: one_line(&self.failure),
            hint: self.failure.hints.first().cloned(),
            is_left_out: self.is_left_out,
            directory: None,
        }
    }
}

/// Returns the directory below the root that alone needs a part of a dev shell.
pub fn directory_of(shell: &DevShell, part: &ShellPart) -> Option<String> {
    let file = match part {
        ShellPart::Tool(tool) => {
            let request = shell.tools.get(tool).filter(|one| one.is_below_root)?;
            let mut files = request.constraints().map(|one| &one.origin.file);
            let first = files.next()?;
            let folder = first.rsplit_once('/')?.0;
            let is_same = |file: &Arc<str>| {
                let above = file.rsplit_once('/');
                above.is_some_and(|(above, _)| above == folder)
            };
            files.all(is_same).then_some(first)?
        }
        _ => match (&shell.python.lock, &shell.python.place) {
            (Some(lock), _) => lock.value.as_str(),
            (None, Some(place)) => &*place.file,
            (None, None) => return None,
        },
    };
    file.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

/// Returns the part of a dev shell that is loaded without a lockfile that cannot be read.
pub fn unread_lockfile(name: &str, failure: &Failure) -> MissingPart {
    MissingPart {
        name: format!("changes of `{name}`"),
        reason: one_line(failure),
        hint: failure.hints.first().cloned(),
        is_left_out: false,
        directory: None,
    }
}

/// The longest fix that a prompt shows, in bytes.
const LONGEST_FIX: usize = 32;
/// The longest cause that is shown whole, in bytes.
const LONGEST_CAUSE: usize = 320;

/// Returns the cause of a failure in one line.
pub fn one_line(failure: &Failure) -> String {
    let Failure {
        error,
        details,
        notes,
        ..
    } = failure;
    // The hints of uv follow its causes.
    let causes = details
        .iter()
        .take_while(|line| !line.trim_start().starts_with("hint:"));
    let last = causes.clone().last();
    let words = causes.flat_map(|line| line.split_whitespace());
    // The marks of uv's trees of causes.
    let words: Vec<&str> = words
        .filter(|word| !matches!(*word, "×" | "╰─▶" | "├─▶" | "│" | "error:" | "cause:"))
        .collect();
    let more = if words.is_empty() {
        notes.first().cloned().unwrap_or_default()
    } else {
        let whole = words.join(" ");
        let whole = without_conclusion(&whole);
        match last {
            // The last line of a traceback says what went wrong.
            Some(last) if whole.len() > LONGEST_CAUSE => without_conclusion(last.trim()).to_owned(),
            _ => whole.to_owned(),
        }
    };
    if more.is_empty() {
        error.clone()
    } else {
        format!("{error}: {more}")
    }
}

/// Returns uv's reason why requirements do not resolve, without the words that say only that.
fn without_conclusion(text: &str) -> &str {
    let begins = [
        "No solution found when resolving dependencies",
        ":",
        " ",
        "Because ",
        "And because ",
    ];
    let text = begins
        .iter()
        .fold(text, |text, begin| text.strip_prefix(begin).unwrap_or(text));
    let end = ", we can conclude that your requirements are unsatisfiable.";
    text.strip_suffix(end).unwrap_or(text)
}

/// Returns the failure of a command that needs every part; `None` if only parts that are left out are missing.
pub fn failure_of(parts: &[FailedPart]) -> Option<Failure> {
    let mut needed = parts.iter().filter(|part| !part.is_left_out);
    let first = needed.next()?;
    // Servers that are not reached have one cause, and so have the packages of one set.
    let (same, others): (Vec<_>, Vec<_>) = needed
        .partition(|other| first.may_pass && other.may_pass || first.failure == other.failure);
    let mut failure = first.failure.clone();
    if !same.is_empty() {
        let names: Vec<String> = same.iter().map(|one| one.part.to_string()).collect();
        failure = failure.note(format!("missing too: {}", names.join(", ")));
    }
    Some(others.into_iter().fold(failure, |failure, other| {
        failure.note(format!(
            "missing too: {}: {}",
            other.part, other.failure.error
        ))
    }))
}

/// Returns the failure of a command that needs every part, from the record of an earlier build.
pub fn recorded_failure(parts: &[MissingPart]) -> Failure {
    let mut needed = parts.iter().filter(|part| !part.is_left_out);
    let Some(first) = needed.next() else {
        return Failure::default();
    };
    let (same, others): (Vec<_>, Vec<_>) = needed.partition(|other| other.reason == first.reason);
    let mut failure = Failure::new(first.to_string());
    failure.hints = first.hint.iter().cloned().collect();
    if !same.is_empty() {
        let names: Vec<&str> = same.iter().map(|one| &*one.name).collect();
        failure = failure.note(format!("missing too: {}", names.join(", ")));
    }
    others.into_iter().fold(failure, |failure, other| {
        failure.note(format!("missing too: {}: {}", other.name, other.reason))
    })
}

/// Returns one line about the missing parts of a loaded dev shell.
pub fn describe(parts: &[MissingPart]) -> Failure {
    let Some(first) = parts.first() else {
        return Failure::default();
    };
    let names = describe_names(parts);
    let fix = match parts {
        [only] => only.hint.as_deref(),
        _ => None,
    };
    let fix = fix.filter(|fix| fix.len() <= LONGEST_FIX);
    Failure::new(format!("{names}: {}", first.reason))
        .hint(fix.unwrap_or("`devsh status` has the details"))
}

/// Returns the names of missing parts in one phrase.
pub fn describe_names(parts: &[MissingPart]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
    let names = join_with_and(&names);
    let is_left_out = parts.iter().all(|part| part.is_left_out);
    let label = if is_left_out { "left out" } else { "missing" };
    format!("{label}: {names}")
}

/// Returns whether a prompt that tries again can get past an error of a build. It runs no build of the project or of a
/// package.
pub fn may_pass(error: &builder::Error) -> bool {
    match error {
        builder::Error::OnHostPython { error, .. } => may_pass(error),
        builder::Error::Unavailable { managed, .. } => {
            matches!(**managed, builder::Unavailable::Unreachable(_))
        }
        // uv does not say whether it failed for the network.
        builder::Error::PythonInstall { .. }
        | builder::Error::PythonResolve { .. }
        | builder::Error::NpmResolve { .. }
        | builder::Error::Install { .. }
        | builder::Error::Offline { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_of_packages_keeps_only_its_reason() {
        let failure = Failure::new("cannot resolve python packages")
            .detail("error: No solution found when resolving dependencies")
            .detail(
                "  cause: Because a==1 depends on b>2 and you require b<2, we can conclude that",
            )
            .detail("your requirements are unsatisfiable.")
            .detail("hint: `b` was found elsewhere");
        let line = "cannot resolve python packages: a==1 depends on b>2 and you require b<2";
        assert_eq!(one_line(&failure), line);
    }
}
