//! Text of others (names, paths, messages of servers, output of programs) made safe for a terminal.
//!
//! Invariant: a `SafeText` holds nothing that a terminal obeys or a reader cannot see, but for line breaks and
//! colours that devsh itself puts there. Whatever is said to people is one, so nothing can be said that is not.

use std::{borrow::Cow, fmt, fmt::Write};

/// Text that can be shown: what it is made from is escaped, a line break in a name included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeText(String);

impl SafeText {
    /// Returns the text with more behind it.
    #[must_use]
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        self.push(more);
        self
    }

    /// Puts more behind the text.
    pub fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    /// Ends a line of the text.
    pub fn end_line(&mut self) {
        self.0.push('\n');
    }

    /// Returns the text without blanks at its end.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self(self.0.trim_end_matches(' ').to_owned())
    }

    /// Returns the text with blanks behind it, `width` characters wide at least.
    #[must_use]
    pub fn padded(&self, width: usize) -> Self {
        Self(format!("{:width$}", self.0))
    }

    /// Returns the text in a colour, by the numbers that a terminal takes for it (`1;31`).
    #[must_use]
    pub(crate) fn colored(&self, code: &'static str) -> Self {
        Self(format!("\u{1b}[{code}m{}\u{1b}[0m", self.0))
    }

    /// Returns a drawing of several lines, whose colours and line breaks are devsh's own.
    pub(crate) fn drawn(drawing: &str) -> Self {
        let mut safe = String::with_capacity(drawing.len());
        let mut rest = drawing;
        while let Some(character) = rest.chars().next() {
            let color = color(rest);
            if color > 0 {
                safe.push_str(&rest[..color]);
                rest = &rest[color..];
                continue;
            }
            if character == '\n' {
                safe.push('\n');
            } else {
                push(&mut safe, character);
            }
            rest = &rest[character.len_utf8()..];
        }
        Self(safe)
    }

    /// Returns several lines, of which only the breaks are kept.
    pub(crate) fn lines(text: &str) -> Self {
        let mut safe = Self::default();
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                safe.end_line();
            }
            safe.push(line);
        }
        safe
    }

    /// Returns the text as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns how many characters wide the text is.
    pub fn width(&self) -> usize {
        self.0.chars().count()
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        let mut safe = String::with_capacity(text.len());
        text.chars()
            .for_each(|character| push(&mut safe, character));
        Self(safe)
    }
}

impl From<String> for SafeText {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for SafeText {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Self> for SafeText {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

impl FromIterator<Self> for SafeText {
    fn from_iter<I: IntoIterator<Item = Self>>(texts: I) -> Self {
        texts.into_iter().fold(Self::default(), Self::and)
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Returns JSON with the same meaning and nothing in it that a terminal obeys.
///
/// Outside of strings JSON has only plain characters and line breaks.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character != '\n' && is_unsafe(character)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _written = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Returns `text` with characters that a drawing would not show well replaced by plain ones of the same length.
pub(crate) fn of_same_length(text: &str) -> String {
    let plain = |character: char| match (is_unsafe(character), character.len_utf8()) {
        // Line breaks and tabs have their meaning in a file, and the rest of ASCII is drawn as pictures.
        (false, _) | (true, 1) => character.to_string(),
        (true, 2) => "¿".to_owned(),
        (true, 3) => "\u{fffd}".to_owned(),
        (true, _) => "\u{fffd}?".to_owned(),
    };
    text.chars().map(plain).collect()
}

fn push(safe: &mut String, character: char) {
    if is_unsafe(character) {
        safe.extend(character.escape_default());
    } else {
        safe.push(character);
    }
}

/// The length of the colour with which `text` begins; 0 if it begins with none.
fn color(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let length = numbers
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b';')
        .count();
    if numbers[length..].starts_with('m') {
        length + 3
    } else {
        0
    }
}

/// Control characters, and the formatting ones that reorder or hide text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        SafeText::from(text).as_str().to_owned()
    }

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        assert_eq!(escaped("a\u{1b}[31mb\n\u{9b}c"), "a\\u{1b}[31mb\\n\\u{9b}c");
        assert_eq!(escaped("\u{202e}x\u{200d}"), "\\u{202e}x\\u{200d}");
        assert_eq!(escaped("é 漢 ~/`x`"), "é 漢 ~/`x`");
        let text = SafeText::from("a").and(SafeText::from("b").colored("1;31"));
        assert_eq!(text.and("\u{7}").as_str(), "a\u{1b}[1;31mb\u{1b}[0m\\u{7}");
    }

    #[test]
    fn a_drawing_keeps_its_colours_alone() {
        let drawing = "\u{1b}[1;31ma\u{1b}[0m\n\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}\u{1b}[3";
        let drawn = SafeText::drawn(drawing);
        let expected = "\u{1b}[1;31ma\u{1b}[0m\n\\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{202e}\\u{1b}[3";
        assert_eq!(drawn.as_str(), expected);
        let text = "a\u{202e}\u{9b}\u{e0041}é\n";
        assert_eq!(of_same_length(text).len(), text.len());
    }

    proptest! {
        #[test]
        fn json_keeps_its_meaning(text: String) {
            let written = serde_json::to_string_pretty(&[&text]).unwrap();
            let safe = json(&written);
            prop_assert!(!safe.contains(|one| one != '\n' && is_unsafe(one)));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [text]);
        }
    }
}
