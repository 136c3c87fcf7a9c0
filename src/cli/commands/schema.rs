//! `devsh schema`

use crate::{
    manifest,
    report::{failure::Failure, ui::Ui},
};

pub fn run(ui: &Ui) -> Result<(), Failure> {
    ui.code(manifest::schema().as_bytes())
}
