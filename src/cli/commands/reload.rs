//! `devsh reload`

use crate::{
    app::reload::request_reload,
    context::Context,
    report::{failure::Failure, ui::Ui},
    util::vars,
};

pub fn run(context: &Context, ui: &Ui) -> Result<(), Failure> {
    request_reload(context)?;
    if context.shell_env.get(vars::DEVSH_ROOT).is_none() {
        ui.note("nothing is loaded; the next prompt checks this directory again");
    }
    Ok(())
}
