//! Questions to the user that are answered with yes or no.

use nix::sys::termios::{FlushArg, tcflush};

use crate::{
    app::session::Session,
    report::{failure::Failure, ui::Ui},
};

/// The number of times that a question is asked until there is an answer to it.
const QUESTIONS: usize = 3;

/// Asks the user, who can press Enter for yes; without a terminal the command itself is the answer.
pub fn ask(session: &Session<'_>, ui: &Ui, question: &str) -> Result<bool, Failure> {
    ask_with_default(session, ui, question, true)
}

/// Asks the user about something that cannot be undone: Enter is no.
pub fn ask_before_loss(session: &Session<'_>, ui: &Ui, question: &str) -> Result<bool, Failure> {
    ask_with_default(session, ui, question, false)
}

fn ask_with_default(
    session: &Session<'_>,
    ui: &Ui,
    question: &str,
    default: bool,
) -> Result<bool, Failure> {
    let terminal = session.context.terminal;
    if !terminal.stdin || !terminal.stderr {
        return Ok(true);
    }
    // An Enter from before the question, such as one of several pasted lines, is no answer to it.
    let _flushed = tcflush(std::io::stdin(), FlushArg::TCIFLUSH);
    // A line that was meant for something else, such as the next command, is no answer either.
    for _ in 0..QUESTIONS {
        let choices = if default { "[Y/n]" } else { "[y/N]" };
        ui.question(&format!("{question} {choices} "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        let count =
            read.map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            _ if count == 0 => return Ok(false),
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => ui.note(&format!(
                "`{}` is no answer: press Enter or type `y` or `n`",
                answer.trim()
            )),
        }
    }
    Ok(false)
}
