//! `devsh leave`, which the hook runs when the host shell exits.

use crate::{
    app::prompt_answer::run_leave_scripts,
    context::Context,
    report::{failure::Failure, ui::Ui},
};

pub fn run(context: &Context, ui: &Ui) {
    for error in run_leave_scripts(context) {
        ui.failure_line(&Failure::new(error.to_string()));
    }
}
