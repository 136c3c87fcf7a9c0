//! `devsh export SHELL --nonce …`, which the hook runs at a prompt when something may have changed.

use crate::{
    app::missing_parts,
    app::prompt_answer::{
        ExportedVariables, Message, PromptAnswer, PromptRequest, absorb_variables, answer,
    },
    context::Context,
    prompt::update::PromptEvent,
    report::{failure::Failure, paths::display_path, ui::Ui},
};

pub fn run(context: &Context, ui: &Ui, request: PromptRequest<'_>) -> Result<(), Failure> {
    print(context, ui, &answer(context, request)?)
}

/// Answers the script that reports what the scripts of `[hooks] source` exported.
pub fn absorb(context: &Context, ui: &Ui, exported: ExportedVariables<'_>) -> Result<(), Failure> {
    match absorb_variables(context, exported) {
        Some(answer) => print(context, ui, &answer),
        None => Ok(()),
    }
}

fn print(context: &Context, ui: &Ui, answer: &PromptAnswer) -> Result<(), Failure> {
    ui.code(&answer.code)?;
    for event in &answer.outcome.events {
        print_event(context, ui, event);
    }
    if let Some(failure) = &answer.failed_scripts {
        ui.failure_line(failure);
    }
    match &answer.message {
        Some(Message::Note(text)) => ui.prompt_note(text),
        Some(Message::Failure(failure)) => ui.failure_line(failure),
        None => {}
    }
    Ok(())
}

fn print_event(context: &Context, ui: &Ui, event: &PromptEvent) {
    match event {
        PromptEvent::Loaded(summary) => ui.prompt_note(summary),
        PromptEvent::HostTools(lines) => lines.iter().for_each(|line| ui.prompt_note(line)),
        PromptEvent::Left(root) => ui.prompt_note(&format!("left {}", display_path(context, root))),
        PromptEvent::Kept(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            ui.prompt_note(&format!("kept your own {}", names.join(", ")));
        }
        PromptEvent::ScriptFailed(error) => ui.failure_line(&Failure::new(error.to_string())),
        PromptEvent::MissingVariable(missing) => {
            ui.failure_line(&Failure::from(missing));
        }
        PromptEvent::MissingParts(parts) => ui.failure_line(&missing_parts::describe(parts)),
    }
}
