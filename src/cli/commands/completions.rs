//! `devsh completions`

use crate::{
    cli::complete,
    report::{failure::Failure, ui::Ui},
};

pub fn run(ui: &Ui, shell: &str) -> Result<(), Failure> {
    ui.code(&complete::script(shell.parse()?)?)
}
