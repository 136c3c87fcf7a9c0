//! Text of others (names, paths, messages of servers) made safe for a terminal.

/// Returns `text` with everything a terminal could obey or a reader could not see written as an escape.
///
/// A name with a line break in it stays one line.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Control characters, and the formatting ones that reorder or hide text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        assert_eq!(
            escape("a\u{1b}[31mb\n\u{9b}c"),
            "a\\u{1b}[31mb\\u{a}\\u{9b}c"
        );
        assert_eq!(escape("\u{202e}x\u{200d}"), "\\u{202e}x\\u{200d}");
        assert_eq!(escape("é 漢 ~/`x`"), "é 漢 ~/`x`");
    }
}
