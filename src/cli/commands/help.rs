//! `devsh help`

use crate::{
    cli::{args, topics},
    report::{
        failure::{ExitStatus, Failure},
        style::Role,
        table::{Cell, Table},
        ui::Ui,
    },
    util::{nearest::nearest, terminal_text::SafeText},
};

/// The topic that lists all topics.
const TOPICS: &str = "topics";

/// Prints the overview, the help of a command, or a page of the documentation.
pub fn run(ui: &Ui, subject: Option<&str>) -> Result<(), Failure> {
    let Some(subject) = subject else {
        return print(ui, args::command());
    };
    let mut all = args::command();
    all.build();
    let is_subject =
        |command: &&clap::Command| command.get_name() == subject && !command.is_hide_set();
    if let Some(command) = all.get_subcommands().find(is_subject) {
        print(ui, command.clone())?;
        // A page can have the name of a command.
        let page = topics::find(subject).map(|text| topics::draw(text, ui.layout()));
        return page.map_or(Ok(()), |page| {
            ui.code(b"\n")?;
            ui.listing(&page)
        });
    }
    if subject == TOPICS {
        return ui.table(&list());
    }
    if let Some(text) = topics::find(subject) {
        return ui.listing(&topics::draw(text, ui.layout()));
    }
    let commands = all.get_subcommands().filter(|one| !one.is_hide_set());
    let commands = commands.map(|one| one.get_name().to_owned());
    let names = commands.chain(topics::names().map(str::to_owned));
    let failure = Failure::new(format!("there is no command and no topic `{subject}`"));
    let failure = match nearest(subject, names) {
        Some(name) => failure.hint(format!("did you mean `devsh help {name}`?")),
        None => failure.hint("`devsh help` lists the commands, `devsh help topics` the topics"),
    };
    Err(failure.code(ExitStatus::Usage))
}

fn print(ui: &Ui, mut command: clap::Command) -> Result<(), Failure> {
    let help = command.render_help();
    let text = if ui.layout().style.has_color() {
        help.ansi().to_string()
    } else {
        help.to_string()
    };
    ui.listing(&SafeText::drawn(&text))
}

fn list() -> Table {
    let mut table = Table::labels();
    for name in topics::names() {
        let title = topics::find(name).map(topics::title).unwrap_or_default();
        table.row([Cell::new(Role::Strong, name), title.into()]);
    }
    table
}
