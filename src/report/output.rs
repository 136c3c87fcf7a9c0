//! The only code that writes to standard output and standard error.
//!
//! Standard output is for results (code for a host shell, JSON, listings). Everything else goes to standard
//! error. A closed pipe is not an error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, Write},
};

use crate::util::terminal_text::SafeText;

use super::{failure::Failure, render};

/// Writes bytes to standard output.
pub(super) fn write_result(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error.
pub(super) fn write_message(text: &SafeText) {
    // When standard error is closed, there is no other place for the message.
    let _closed = io::stderr()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}

/// Writes text to standard error without a line break after it: a question, or whole lines.
pub(super) fn write_block(text: &SafeText) {
    let mut stderr = io::stderr().lock();
    let _closed = stderr.write_all(text.as_str().as_bytes());
    let _closed = stderr.flush();
}

/// Reports a panic in one line, like every other error at a prompt.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        write_message(&render::panic(&panic.to_string()));
        // Captured only if `RUST_BACKTRACE` is set.
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            write_message(&SafeText::drawn(&trace.to_string()));
        }
    }));
}

/// Standard error for diagnostics, which can quote text from servers and files.
#[derive(Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let safe = SafeText::lines(&String::from_utf8_lossy(bytes));
        io::stderr().write_all(safe.as_str().as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
