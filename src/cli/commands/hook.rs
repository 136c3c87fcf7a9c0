//! `devsh hook`

use crate::{
    context::Context,
    report::{failure::Failure, ui::Ui},
    shell::hook,
};

pub fn run(context: &Context, ui: &Ui, shell: &str) -> Result<(), Failure> {
    ui.code(&hook::script(shell.parse()?, &context.program))
}
