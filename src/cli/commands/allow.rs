//! `devsh allow`

use std::collections::BTreeSet;

use crate::{
    app::{
        approvals::{Requests, Review},
        new_name::{NameKind, NewName},
        programs::program_on_host,
        session::Session,
    },
    cli::{commands::sync::ready_line, question::ask},
    package::shorten_digest,
    project::{
        Project,
        approval::{ApprovalDecision, ProjectDecision},
        approval_summary::Difference,
        fact_groups::{self, FactGroup},
    },
    report::{
        failure::{ExitStatus, Failure},
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
    util::word_lists::join_with_and,
};

/// The decision of the user.
#[derive(Debug, Clone, Copy)]
pub struct AllowOptions {
    /// Approve without a question.
    pub yes: bool,
    /// Show the requests, and change nothing.
    pub show: bool,
}

/// Shows the requests of the project, approves exactly them if the user says so, and builds its dev shell.
pub fn run(session: &Session<'_>, ui: &Ui, options: AllowOptions) -> Result<(), Failure> {
    let mut review = Review::begin(session)?;
    let name = session.display(review.project.root());
    if options.show {
        show_project(session, ui, &review)?;
        note_compilation(ui, &review.project);
        if review.is_incomplete() {
            ui.note("files that were not read can ask for more");
        }
        return Ok(());
    }
    let is_allowed = review.is_allowed;
    if !is_allowed && review.is_incomplete() {
        // The user sees the known requests before a server is asked, or a file outside is opened.
        show_project(session, ui, &review)?;
        if !confirm(session, ui, options, "Read the files that it names?")? {
            return Err(refused(&name));
        }
    }
    if !is_allowed {
        review = review.complete()?;
        show_project(session, ui, &review)?;
        for note in review.project.notes() {
            ui.note(&format!("{}: {}", note.origin, note.message));
        }
        note_compilation(ui, &review.project);
        if !review.is_empty() && !confirm(session, ui, options, "Allow?")? {
            return Err(refused(&name));
        }
        review.refuse_changed()?;
    }
    for variable in review.missing_variables() {
        ui.warn(&variable.to_string());
    }
    let mut approved = review.approve()?;
    if !is_allowed {
        ui.note(&format!("allowed {name}"));
    }
    let mut built = approved.build();
    let mut is_asked = false;
    loop {
        // A package without a wheel is known only when packages are chosen or installed, and one that it needs only when
        // it is built. The programs of a tool are known only when it is built, and no code of conda packages runs before
        // an answer.
        let builds = match &built {
            Ok(_) => BTreeSet::new(),
            Err(_) => approved.new_builds()?,
        };
        let names = approved.new_names()?;
        if builds.is_empty() && names.is_empty() {
            break;
        }
        is_asked = true;
        show_builds(ui, &builds);
        show_names(session, ui, &names);
        if !confirm(session, ui, options, "Allow?")? {
            return match NameKind::of(&names) {
                _ if names.is_empty() => built.map(drop),
                kind => Err(refused_names(session, &name, kind)),
            };
        }
        approved.approve_names(&names)?;
        approved = approved.approve_builds(builds)?;
        built = approved.build();
    }
    if is_allowed && !is_asked {
        ui.note(&format!("{name} is allowed already"));
    }
    // A first approval is about more than the build.
    if let Some((shell, record)) = built?.filter(|_| is_allowed) {
        ui.note(&ready_line(&shell, &record));
    }
    if let Some(line) = approved.describe_missing_packages() {
        ui.note(&line);
    }
    Ok(())
}

/// Shows packages that ask for their own build.
fn show_builds(ui: &Ui, packages: &BTreeSet<String>) {
    if packages.is_empty() {
        return;
    }
    let builds = packages.iter().map(|package| {
        let reason = "runs its own build: it has no wheel".to_owned();
        (format!("python build {package}"), Difference::Added(reason))
    });
    ui.note("packages without a wheel can only be built by their own code:");
    show(ui, Requests::added(builds));
}

/// Shows names that a build brought.
fn show_names(session: &Session<'_>, ui: &Ui, names: &[NewName]) {
    if !names.is_empty() {
        ui.note(NameKind::of(names).reason());
        show(ui, Requests::added(name_requests(session, names)));
    }
}

fn refused_names(session: &Session<'_>, project: &str, kind: NameKind) -> Failure {
    Failure::new(format!("these {kind} of `{project}` were not allowed"))
        .note("the project itself is allowed, but no dev shell with them is loaded")
        .hint(format!("`{}` asks again", session.command("allow")))
        .code(ExitStatus::NotAllowed)
}

/// Returns names of programs and packages as requests.
fn name_requests<'a>(
    session: &'a Session<'_>,
    names: &'a [NewName],
) -> impl Iterator<Item = (String, Difference)> {
    names.iter().map(|one| {
        let (name, value) = match one {
            NewName::CondaPackage(name) => ("conda package".to_owned(), name),
            NewName::Program { tool, program } => (format!("program of {tool}"), program),
            NewName::Place { tool, place } => (format!("programs of {tool} from"), place),
            NewName::Source { tool, source } => (format!("source of {tool}"), source),
            NewName::Commit { package, commit } => (format!("commit of {package}"), commit),
        };
        let hidden = Some(value).filter(|_| one.is_script());
        let hidden = hidden.and_then(|program| program_on_host(session, program));
        let value = match hidden {
            Some(hidden) => format!("{value}, before {}", session.display(&hidden)),
            None => value.clone(),
        };
        (name, Difference::Added(value))
    })
}

/// Shows the requests of a project.
fn show_project(session: &Session<'_>, ui: &Ui, review: &Review<'_>) -> Result<(), Failure> {
    let scripts = review.declared_scripts()?;
    let mut requests = review.requests();
    requests
        .differences
        .extend(name_requests(session, &scripts));
    if review.is_empty() && !review.project.was_approved() {
        let name = session.display(review.project.root());
        let add = session.command("add TOOL");
        ui.note(&format!("{name} asks for nothing yet; `{add}` adds a tool"));
    }
    show(ui, requests);
    Ok(())
}

/// Says that the build takes long, before the user starts it.
fn note_compilation(ui: &Ui, project: &Project) {
    let compilers: Vec<&str> = project.compilers().into_iter().collect();
    if !compilers.is_empty() {
        ui.note(&format!(
            "installing the project compiles it with {}, which can take minutes; its tools can be used in other shells before that",
            join_with_and(&compilers)
        ));
    }
}

fn refused(name: &str) -> Failure {
    Failure::new(format!("`{name}` was not allowed")).code(ExitStatus::NotAllowed)
}

/// Asks the user; without a terminal, or with `--yes`, the command itself is the answer.
fn confirm(
    session: &Session<'_>,
    ui: &Ui,
    options: AllowOptions,
    question: &str,
) -> Result<bool, Failure> {
    if options.yes {
        return Ok(true);
    }
    ask(session, ui, question)
}

/// Lists all decisions of the user.
pub fn list(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let decisions = session.decisions.all()?;
    let mut table = Table::labels();
    for ProjectDecision { root, decision } in &decisions {
        let verb = match decision {
            ApprovalDecision::Allowed => Cell::new(Role::Good, "allowed"),
            ApprovalDecision::Denied => Cell::new(Role::Warning, "denied"),
        };
        let gone = if root.is_dir() { "" } else { " (gone)" };
        let root = Cell::from(session.display(root));
        table.row([verb, root.and(Some(Role::Dim), gone)]);
    }
    if decisions.is_empty() {
        ui.note("no project is allowed or denied");
    }
    ui.table(&table)
}

/// Removes the decisions about deleted projects, and unreadable approvals.
pub fn prune(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let forgotten = session.decisions.prune()?;
    for root in &forgotten {
        let verb = ui.paint(Role::Dim, "forgot");
        ui.line(verb.and(" ").and(session.display(root)));
    }
    ui.note(&match forgotten.len() {
        0 => "every decision is about a project that exists".to_owned(),
        1 => "forgot 1 project".to_owned(),
        count => format!("forgot {count} projects"),
    });
    Ok(())
}

fn show(ui: &Ui, requests: Requests) {
    // The name of a fetched file is longer than all others.
    let columns = [Column::new("").at_most(36), Column::new("").wrapped()];
    let mut table = Table::new(columns).without_header();
    for group in fact_groups::group(requests.differences) {
        let FactGroup {
            name,
            members,
            difference,
        } = group;
        let is_tool = name.split(' ').any(|word| word == "tool");
        let in_words = |text: String| match text.strip_prefix('*') {
            Some(rest) if is_tool && !rest.starts_with(|one: char| !one.is_whitespace()) => {
                format!("any version{rest}")
            }
            _ => text,
        };
        let difference = match difference {
            Difference::Added(now) => Difference::Added(in_words(now)),
            Difference::Removed(was) => Difference::Removed(in_words(was)),
            Difference::Changed { before, after } => Difference::Changed {
                before: in_words(before),
                after: in_words(after),
            },
        };
        let (sign, mut value) = match difference {
            Difference::Added(now) if !requests.is_known => {
                ("  ", Cell::new(Role::Strong, shorten_digest(&now)))
            }
            Difference::Added(now) => ("+ ", Cell::new(Role::Good, shorten_digest(&now))),
            Difference::Removed(was) => ("- ", Cell::new(Role::Error, was)),
            Difference::Changed { before, after } => {
                let before = Cell::new(Role::Error, before);
                ("~ ", before.and(None, " → ").and(Some(Role::Good), after))
            }
        };
        if !members.is_empty() {
            value = value.and(None, ": ").and(None, members.join(", "));
        }
        table.row([Cell::from(sign).and(Some(Role::Dim), name), value]);
    }
    if requests.plain_settings > 0 {
        let count = match requests.plain_settings {
            1 => "1 more: it only chooses files or versions, and runs no code".to_owned(),
            count => format!("{count} more: they only choose files and versions, and run no code"),
        };
        let name = Cell::from("  ").and(Some(Role::Dim), "build settings");
        table.row([name, Cell::new(Role::Dim, count)]);
    }
    ui.message_table(&table);
}
