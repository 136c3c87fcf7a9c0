//! `devsh report-environment`, which a script of a manifest runs last.

use crate::{
    context::Context,
    prompt::hook_scripts,
    report::{failure::Failure, ui::Ui},
};

pub fn run(context: &Context, ui: &Ui) -> Result<(), Failure> {
    ui.code(&hook_scripts::report(&context.env))
}
