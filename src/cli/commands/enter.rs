//! `devsh enter`

use crate::{
    app::{enter_shell::enter_shell, session::Session},
    report::failure::Failure,
};

pub fn run(session: &Session<'_>, shell: &str) -> Result<(), Failure> {
    enter_shell(session, &shell.parse()?)
}
