//! `devsh run`

use crate::{
    app::{
        ready_shell::Completeness,
        run_command::{CommandRequest, run_command},
        session::Session,
    },
    cli::args::Run,
    package::Invalid,
    report::failure::{ExitStatus, Failure},
};

pub fn run(session: &Session<'_>, options: &Run) -> Result<(), Failure> {
    let shell = options.shell.parse().map_err(|error: Invalid| {
        let failure = Failure::from(error);
        failure.code(ExitStatus::RunFailed)
    })?;
    let request = CommandRequest {
        shell,
        completeness: if options.partial {
            Completeness::Partial
        } else {
            Completeness::Whole
        },
        keep: options.pure.then_some(options.keep.as_slice()),
        expect: options.expect.as_deref(),
        command: &options.command,
    };
    Err(run_command(session, &request))
}
