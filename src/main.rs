//! The devsh program: reads the process, runs the library, returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
