//! `devsh report-environment`, which a script of a manifest runs last.

use crate::{
    context::Context,
    prompt::enter_leave_scripts,
    report::{failure::Failure, ui::Ui},
};

pub fn run(context: &Context, ui: &Ui) -> Result<(), Failure> {
    ui.code(&enter_leave_scripts::report(&context.shell_env))
}
