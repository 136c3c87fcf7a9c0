//! `devsh watch`

use std::path::PathBuf;

use crate::{
    app::{session::Session, watch_projects::watch_projects},
    report::failure::Failure,
};

pub fn run(session: &Session<'_>, projects: &[PathBuf], once: bool) -> Result<(), Failure> {
    watch_projects(session, projects, once)
}
