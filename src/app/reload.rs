//! `devsh reload`: a request for the next prompt of one host shell to load everything again.

use std::{fs, path::Path};

use crate::{
    context::Context,
    project::watch,
    report::failure::Failure,
    shell::{
        HostShell,
        hook::{self, HookPaths},
    },
    store::ProcessMark,
    util::files,
};

/// The directory of requests, below the state directory. A request is named after its host shell. Hooks look for it
/// after the program has failed.
const DIRECTORY: &str = "reload";

/// Returns the hook for a host shell.
pub fn hook_script(context: &Context, host: HostShell) -> Vec<u8> {
    let paths = HookPaths {
        program: &context.program,
        reloads: &context.directories.state.join(DIRECTORY),
    };
    hook::script(host, paths)
}

/// Makes the next prompt of the host shell load its dev shell again.
pub fn request_reload(context: &Context) -> Result<(), Failure> {
    let state = &context.directories.state;
    let directory = state.join(DIRECTORY);
    files::create_private_dir(&directory)?;
    remove_ended(&directory);
    let path = directory.join(ProcessMark::host_shell().to_string());
    files::write_atomic(&path, b"")?;
    watch::advance_generation(state, context.now)?;
    Ok(())
}

/// Takes the request for this host shell; returns whether there was one.
pub(super) fn take_request(state: &Path) -> bool {
    let directory = state.join(DIRECTORY);
    // Mostly no one has ever reloaded anything, and the name of the process costs more than this test.
    directory.exists()
        && fs::remove_file(directory.join(ProcessMark::host_shell().to_string())).is_ok()
}

/// Removes the files of host shells that have ended, which are named after them.
pub(super) fn remove_ended(directory: &Path) {
    for path in files::list(directory).unwrap_or_default() {
        let mark = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        if mark.is_some_and(|mark: ProcessMark| !mark.is_alive()) {
            // A file that stays does no harm.
            let _removed = fs::remove_file(path);
        }
    }
}
