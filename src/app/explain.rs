//! Explanations: the value of a tool, variable, alias, setting or path, and the statements behind it.

mod conda;
mod path;
mod python;
mod rows;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    lockfile::{LockedPackage, Lockfile},
    manifest::{self, DevShell, NamedRequest, ShellName, SourceScripts, Statement, Subject},
    package::{Source, Tool},
    project::{Project, approval::ApprovalState},
    prompt::session_var,
    report::failure::Failure,
    resolve,
    util::{redact::redact_text, vars},
};

use crate::sources::CandidateKey;

use super::{
    dev_shells::find_dev_shell,
    lockfiles::{JoinedLockfile, joined_lockfile},
    program_tools::tools_of_program,
    query_versions,
    session::Session,
    tool_status::{ToolStatus, tool_status},
};
use rows::rows;

/// Most refused versions to show.
const REFUSED: usize = 5;

/// One thing explained; the JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// `tool`, `package`, `variable`, `alias`, `setting`, `path` or `note`.
    pub kind: &'static str,
    pub name: String,
    /// The merged value; `None` if it was removed.
    pub value: Option<String>,
    /// The place of the value, `file:line`.
    pub place: Option<String>,
    pub said: Vec<ExplainRow>,
    /// The locked version of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
    /// Newer versions than the locked one, and why they are not chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One statement.
#[derive(Debug, Serialize)]
pub struct ExplainRow {
    pub value: String,
    pub place: String,
    /// The dev shell of the table.
    pub shell: Option<String>,
    /// True if it is part of the value.
    pub counts: bool,
    /// The reason if it is not.
    pub reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Refused {
    pub version: String,
    pub reasons: Vec<String>,
}

/// Explains one name, or everything that the manifests of a project set. Without a name of a dev shell the loaded one
/// counts, else `dev`.
pub fn explain(
    session: &Session<'_>,
    name: Option<&str>,
    shell: Option<ShellName>,
) -> Result<Vec<Explanation>, Failure> {
    let project = session.project()?;
    let loaded = session_var::ShellSession::from_env(
        &session.context.shell_env,
        &session.context.session_key,
    )
    .and_then(|session| session.project)
    .filter(|(root, _)| root == project.root())
    .map(|(_, shell)| shell);
    let shell = shell.or(loaded).unwrap_or_else(ShellName::dev);
    let project = project.with_shell(&shell)?;
    let mut explained = Explained::new(session, &project, shell)?;
    let mut all = match name {
        None => explained.everything(),
        Some(name) => {
            explained.built = tool_status(session, &project, &explained.shell)?;
            explained.about(name)?
        }
    };
    let tools = all.iter_mut().filter(|one| one.kind == "tool");
    tools.for_each(Explanation::redact);
    Ok(all)
}

impl Explanation {
    /// Removes passwords and tokens from the addresses.
    fn redact(&mut self) {
        let said = self.said.iter_mut().map(|row| &mut row.value);
        let texts = self.value.iter_mut().chain(said).chain(&mut self.notes);
        texts.for_each(|text| *text = redact_text(text));
    }
}

struct Explained<'a> {
    session: &'a Session<'a>,
    project: &'a Project,
    shell: ShellName,
    content: &'a DevShell,
    statements: BTreeMap<Subject, Vec<Statement>>,
    lockfile: Lockfile,
    /// The tools as they are built, if one name is explained.
    built: Vec<ToolStatus>,
}

impl<'a> Explained<'a> {
    fn new(
        session: &'a Session<'a>,
        project: &'a Project,
        shell: ShellName,
    ) -> Result<Self, Failure> {
        let content = find_dev_shell(project.preview(), &shell)?;
        let statements = manifest::statements(&project.layers().all, &shell)?;
        // The lockfiles of a project that is not allowed are not read.
        let joined = if project.is_complete() {
            joined_lockfile(session, project)?
        } else {
            JoinedLockfile::default()
        };
        let lockfile = if joined.fits {
            joined.lockfile
        } else {
            Lockfile::default()
        };
        Ok(Self {
            session,
            project,
            shell,
            content,
            statements,
            lockfile,
            built: Vec::new(),
        })
    }

    fn everything(&self) -> Vec<Explanation> {
        let subjects = self.statements.keys();
        let notes = self.project.notes().iter().map(|note| Explanation {
            kind: "note",
            name: note.origin.to_string(),
            value: Some(note.message.clone()),
            place: None,
            said: Vec::new(),
            locked: None,
            refused: Vec::new(),
            notes: Vec::new(),
        });
        subjects
            .map(|subject| self.subject(subject))
            .chain(notes)
            .collect()
    }

    fn about(&self, name: &str) -> Result<Vec<Explanation>, Failure> {
        let tool = name.parse::<Tool>().map(|tool| tool.to_string()).ok();
        let matches = |subject: &&Subject| match subject {
            Subject::Tool(one) => one == name || Some(one) == tool.as_ref(),
            Subject::Setting(key) => *key == name || subject.name() == name,
            _ => subject.name() == name,
        };
        let mut subjects: Vec<&Subject> = self.statements.keys().filter(matches).collect();
        let is_program = subjects.is_empty() && !name.contains('/');
        if is_program {
            let tools = tools_of_program(self.session, self.project, &self.shell, name);
            let is_named =
                |subject: &&Subject| matches!(subject, Subject::Tool(one) if tools.contains(one));
            subjects.extend(self.statements.keys().filter(is_named));
        }
        let mut all: Vec<Explanation> = subjects
            .into_iter()
            .map(|subject| self.subject(subject))
            .collect();
        for one in &mut all {
            if one.kind == "tool" {
                let unused = self.project.notes().iter();
                let unused = unused.filter(|note| {
                    let about = note.tool.as_ref();
                    about.is_some_and(|tool| tool.to_string() == one.name)
                });
                one.notes
                    .extend(unused.map(|note| format!("{}: {}", note.origin, note.message)));
                self.candidates(one);
            }
        }
        all.extend(self.conda_package(name));
        all.extend(self.python_package(name));
        if name.contains('/') || name == vars::PATH || is_program {
            all.extend(self.path(name));
        }
        if all.is_empty() {
            return Err(
                Failure::new(format!("no manifest says anything about `{name}`"))
                    .note(format!("the dev shell is `{}`", self.shell))
                    .hint(format!(
                        "see all with `{}`",
                        self.session.command("explain")
                    )),
            );
        }
        Ok(all)
    }

    /// Returns the note on a program of the host that serves a tool.
    fn host_program(&self, name: &str) -> Option<String> {
        let tool = self.built.iter().find(|tool| tool.name == name)?;
        let program = self.session.display(tool.host.as_ref()?);
        Some(format!(
            "{} of the host is used: `{program}`",
            tool.version()
        ))
    }

    fn subject(&self, subject: &Subject) -> Explanation {
        let said = &self.statements[subject];
        let (kind, value) = match subject {
            Subject::Tool(name) => ("tool", self.tool(name).map(|(_, value)| value)),
            Subject::Variable(name) => ("variable", self.variable(name)),
            Subject::Alias(name) => {
                let found = self
                    .content
                    .aliases
                    .iter()
                    .find(|(one, _)| one.as_str() == name);
                ("alias", found.map(|(_, command)| command.value.clone()))
            }
            Subject::Setting(key) => ("setting", self.setting(key)),
        };
        let said = rows(self, subject, said);
        let place = said
            .iter()
            .rfind(|row| row.counts)
            .map(|row| row.place.clone());
        let package = match subject {
            Subject::Tool(name) => self.locked(name),
            _ => None,
        };
        let host = match subject {
            Subject::Tool(name) => self.host_program(name),
            _ => None,
        };
        let locked = package.map(|package| package.version.to_string());
        let from = package.map(|package| {
            let checked = package.checked.as_ref();
            let checked = checked.map(|checked| format!("; {checked}"));
            let verified = match &package.verified {
                Some(signature) => format!("; checked {signature}"),
                None => "; no signature was checked".to_owned(),
            };
            format!(
                "from `{}`{}{verified}",
                package.supplier,
                checked.unwrap_or_default()
            )
        });
        Explanation {
            kind,
            name: subject.name().to_owned(),
            place: place.filter(|_| value.is_some()),
            value,
            said,
            locked,
            refused: Vec::new(),
            notes: from.into_iter().chain(host).collect(),
        }
    }

    fn tool(&self, name: &str) -> Option<(&Tool, String)> {
        // `[python] from` decides which of the two the name means.
        let of_conda = self.content.python.from.as_ref();
        let of_conda = of_conda.is_some_and(|from| from.value == Source::Conda);
        let name = if name == "python" && of_conda {
            "conda:python"
        } else {
            name
        };
        let mut tools = self.content.tools.iter();
        let (tool, request) = tools.find(|(tool, _)| tool.to_string() == name)?;
        Some((tool, manifest::whole(request)))
    }

    fn locked(&self, name: &str) -> Option<&LockedPackage> {
        let (tool, _) = self.tool(name)?;
        self.lockfile.locked(tool, &self.content.tools[tool])
    }

    fn variable(&self, name: &str) -> Option<String> {
        let (_, value) = self
            .content
            .env
            .iter()
            .find(|(one, _)| one.as_str() == name)?;
        Some(if self.is_secret(&value.origin) {
            format!("from {}", value.origin.file)
        } else {
            value.value.to_string()
        })
    }

    /// Returns whether a value comes from an env file, which may hold secrets.
    fn is_secret(&self, origin: &manifest::Origin) -> bool {
        let mut layers = self.project.layers().all.iter();
        layers.any(|layer| layer.env_files.contains_key(&*origin.file))
    }

    fn setting(&self, key: &str) -> Option<String> {
        let texts = |list: &[manifest::Located<String>]| {
            let texts: Vec<&str> = list.iter().map(|one| one.value.as_str()).collect();
            texts.join(", ")
        };
        if let Some(list) = self.content.source_scripts.by_key(key) {
            return (!list.is_empty()).then(|| texts(list));
        }
        let value = match key {
            "python.from" => self.content.python.from.as_ref()?.value.to_string(),
            "conda.channels" => texts(&self.content.conda.channels),
            "conda.packages" => texts(&self.content.conda.packages),
            "conda.glibc" => self.content.conda.glibc.as_ref()?.value.to_string(),
            "conda.macos" => self.content.conda.macos.as_ref()?.value.to_string(),
            "python.lock" => self.content.python.lock.as_ref()?.value.clone(),
            "python.groups" => texts(&self.content.python.groups),
            "python.extras" => texts(&self.content.python.extras),
            "python.build" => texts(&self.content.python.build),
            "python.packages" => texts(&self.content.python.packages),
            "hooks.enter" => texts(&self.content.enter),
            "hooks.leave" => texts(&self.content.leave),
            SourceScripts::GRANTS => {
                let shells = &self.content.source_scripts.grants;
                let names: Vec<&str> = shells.iter().map(|one| one.value.as_str()).collect();
                names.join(", ")
            }
            _ => {
                let said = self
                    .statements
                    .iter()
                    .find(|(subject, _)| **subject == Subject::Setting("env-files.load"))?;
                let files: Vec<String> = said.1.iter().map(|one| one.claim.to_string()).collect();
                files.join(", ")
            }
        };
        (!value.is_empty()).then_some(value)
    }

    /// Adds the newer versions that were not chosen, where the source can be asked.
    fn candidates(&self, about: &mut Explanation) {
        let Some((tool, _)) = self.tool(&about.name) else {
            return;
        };
        // The packages of conda are chosen together: they have an explanation of their own.
        if tool.source == Source::Conda {
            return;
        }
        if self.project.standing() != ApprovalState::Allowed {
            about
                .notes
                .push("versions are queried only after the project is allowed".to_owned());
            return;
        }
        let request = NamedRequest::of((tool, &self.content.tools[tool]));
        let index = query_versions::offers(self.session, std::slice::from_ref(&request));
        let system = self.session.system();
        let (index, system) = match (index, system) {
            (Ok(index), Ok(system)) => (index, system),
            (Err(failure), _) | (_, Err(failure)) => {
                about
                    .notes
                    .push(format!("other versions are not known: {}", failure.error));
                return;
            }
        };
        let locked = self
            .locked(&about.name)
            .map(|package| package.version.clone());
        let unused = index.unused(&CandidateKey::of(tool, &request.request));
        about.notes.extend(
            unused
                .iter()
                .map(|one| format!("`{}` does not serve now: {}", one.supplier, one.reason)),
        );
        let refusals = resolve::refusals(tool, &request.request, &index, system);
        let newer = refusals
            .into_iter()
            .filter(|one| locked.as_ref().is_none_or(|locked| one.version > *locked))
            // There is always a newer pre-release; a requirement must ask for it.
            .filter(|one| !one.reasons.contains(&resolve::Reason::Prerelease));
        about.refused = newer
            .take(REFUSED)
            .map(|one| Refused {
                version: one.version.to_string(),
                reasons: if one.reasons.is_empty() {
                    vec!["newer than the lockfile; `devsh lock --upgrade` takes it".to_owned()]
                } else {
                    one.reasons.iter().map(ToString::to_string).collect()
                },
            })
            .collect();
    }
}
