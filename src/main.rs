//! The devsh program: reads the process, runs the library, returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    devsh::ui::tell_panics();
    let arguments: Vec<_> = std::env::args_os().collect();
    devsh::cli::run(devsh::context::Context::from_process(), &arguments)
}
