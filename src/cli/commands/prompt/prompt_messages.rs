//! What is said at a prompt, beside the code.

use crate::{
    context::Context,
    project::{
        approval::Standing,
        locate::{self, Place, ProjectKind},
    },
    prompt::update::{PromptEvent, ShellUpdate},
    report::paths::display_path,
    report::{failure::Failure, hints, ui::Ui},
};

/// Says what happened to the host shell.
pub(super) fn say(context: &Context, ui: &Ui, outcome: &ShellUpdate) {
    for event in &outcome.events {
        match event {
            PromptEvent::Loaded(summary) => ui.note(summary),
            PromptEvent::Left(root) => ui.note(&format!("left {}", display_path(context, root))),
            PromptEvent::Kept(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                ui.note(&format!("kept your own {}", names.join(", ")));
            }
            PromptEvent::ScriptFailed(error) => ui.failure_line(&Failure::new(error.to_string())),
            PromptEvent::MissingVariable(missing) => {
                let mut failure = hints::missing(missing);
                failure.error.push_str(", so nothing is loaded");
                ui.failure_line(&failure);
            }
        }
    }
}

/// What is said of a project, once.
#[derive(Debug)]
pub(super) enum Message {
    Note(String),
    Failure(Box<Failure>),
}

impl Message {
    pub(super) fn say(&self, ui: &Ui) {
        match self {
            Self::Note(text) => ui.note(text),
            Self::Failure(failure) => ui.failure_line(failure),
        }
    }
}

/// What is said about a project that is not allowed; nothing about one that was never prepared.
pub(super) fn refusal(context: &Context, place: &Place, standing: Standing) -> Option<Message> {
    let name = display_path(context, &place.root.join(locate::MANIFEST));
    match (standing, place.kind) {
        // Which of its files it is, the approval tells.
        (Standing::Changed, _) => Some(Message::Failure(Box::new(
            Failure::new(format!(
                "`{}` has changed since you allowed it",
                display_path(context, &place.root)
            ))
            .hint("review it with `devsh allow`"),
        ))),
        (Standing::Unknown, ProjectKind::Prepared) => Some(Message::Note(format!(
            "`{name}` is not allowed yet; review it with `devsh allow`"
        ))),
        _ => None,
    }
}
