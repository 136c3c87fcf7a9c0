//! `devsh hook`

use crate::{
    app::reload::hook_script,
    context::Context,
    report::{failure::Failure, ui::Ui},
};

pub fn run(context: &Context, ui: &Ui, shell: &str) -> Result<(), Failure> {
    ui.code(&hook_script(context, shell.parse()?))
}
