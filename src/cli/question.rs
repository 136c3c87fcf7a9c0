//! Questions to the user that are answered with yes or no.

use crate::{
    app::session::Session,
    report::{failure::Failure, ui::Ui},
};

/// The number of times that a question is asked until there is an answer to it.
const QUESTIONS: usize = 3;

/// Asks the user; without a terminal the command itself is the answer.
pub fn ask(session: &Session<'_>, ui: &Ui, question: &str) -> Result<bool, Failure> {
    let terminal = session.context.terminal;
    if !terminal.stdin || !terminal.stderr {
        return Ok(true);
    }
    // A line that was typed ahead, such as the next command, is no answer.
    for _ in 0..QUESTIONS {
        ui.question(&format!("{question} [Y/n] "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        let count =
            read.map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            _ if count == 0 => return Ok(false),
            "" | "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => ui.note(&format!(
                "`{}` is no answer: press Enter or type `y` or `n`",
                answer.trim()
            )),
        }
    }
    Ok(false)
}
