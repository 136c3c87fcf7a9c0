//! Prints the words of standard input, the most frequent first.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut output = io::stdout().lock();
    for (word, count) in wordcount::ranked(&text) {
        writeln!(output, "{count:6} {word}")?;
    }
    Ok(())
}
