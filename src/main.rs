//! The devsh program: reads the process, runs the library, returns its exit code.

use std::process::ExitCode;

// The allocator of musl takes a lock for each allocation; see `Cargo.toml`.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    devsh::report::output::report_panics();
    let arguments: Vec<_> = std::env::args_os().collect();
    devsh::cli::run(devsh::context::Context::from_process(), &arguments)
}
