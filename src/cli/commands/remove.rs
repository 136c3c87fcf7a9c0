//! `devsh remove`

use crate::{
    app::{edit_tools::remove_tools, session::Session},
    cli::args::Edit,
    report::{failure::Failure, ui::Ui},
};

use super::add;

pub fn run(session: &Session<'_>, ui: &Ui, options: &Edit) -> Result<(), Failure> {
    let shell = options.shell.as_deref().map(str::parse).transpose()?;
    let edit = add::tool_edit(options, shell.as_ref());
    remove_tools(session, edit, |report| add::print(ui, report))
}
