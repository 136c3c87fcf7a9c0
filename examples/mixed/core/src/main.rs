//! Prints the slug of each line of standard input.

use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        writeln!(output, "{}", slug::slug(&line?))?;
    }
    Ok(())
}
