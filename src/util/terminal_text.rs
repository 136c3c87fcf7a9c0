//! Makes foreign text (names, paths, messages of servers, output of programs) safe for a terminal.
//!
//! Invariant: a `SafeText` has no control sequences and no invisible characters, except line breaks and colours that
//! devsh adds. All messages for people have this type.

use std::{borrow::Cow, fmt, fmt::Write};

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The most characters of a text in backticks, and of a message.
const QUOTED: usize = 200;
const MESSAGE: usize = 1000;

/// Returns a message in which no quoted text is long: the text can be from a hostile file.
pub fn shorten(message: &str) -> Cow<'_, str> {
    if message.len() <= QUOTED {
        return Cow::Borrowed(message);
    }
    let cut = |text: &str, limit: usize| match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let parts = message.split('`').enumerate();
    let parts: Vec<String> = parts
        .map(|(at, part)| cut(part, if at % 2 == 1 { QUOTED } else { MESSAGE }))
        .collect();
    Cow::Owned(cut(&parts.join("`"), MESSAGE))
}

/// Text for a terminal. Conversion from other text escapes it, including line breaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeText(String);

impl SafeText {
    /// Returns the text followed by more text.
    #[must_use]
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        self.push(more);
        self
    }

    /// Appends text.
    pub fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    /// Appends a line break.
    pub fn end_line(&mut self) {
        self.0.push('\n');
    }

    /// Returns the text without spaces at the end.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self(self.0.trim_end_matches(' ').to_owned())
    }

    /// Returns the words between single spaces.
    pub fn split_spaces(&self) -> Vec<Self> {
        let words = self.0.split(' ');
        words.map(|word| Self(word.to_owned())).collect()
    }

    /// Returns the text in the colour of an SGR code (`1;31`).
    #[must_use]
    pub(crate) fn colored(&self, code: &'static str) -> Self {
        Self(format!("\u{1b}[{code}m{}\u{1b}[0m", self.0))
    }

    /// Returns a drawing whose line breaks and colour codes stay.
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

    /// Returns text whose line breaks stay.
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

    /// Returns at most `width` columns of text without colours; the rest is `…`.
    #[must_use]
    pub fn cut(&self, width: usize) -> Self {
        if self.width() <= width {
            return self.clone();
        }
        let mut cut = String::new();
        let mut columns = 1;
        for character in self.0.chars() {
            columns += character.width().unwrap_or(0);
            if columns > width {
                break;
            }
            cut.push(character);
        }
        Self(cut.trim_end().to_owned() + "…")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number of columns on a terminal, for text without colours.
    pub fn width(&self) -> usize {
        self.0.width()
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

/// Escapes unsafe characters in JSON without a change of its meaning.
///
/// They occur only in strings: outside of strings JSON has plain characters and line breaks.
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

/// Replaces unsafe characters by visible ones with the same number of bytes, because spans refer to bytes.
pub(crate) fn of_same_length(text: &str) -> String {
    let plain = |character: char| match (is_unsafe(character), character.len_utf8()) {
        // The drawing shows ASCII control characters as pictures, except line breaks and tabs.
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

/// Returns the length of the colour code at the beginning of `text`, or 0.
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

/// Characters that fonts draw as nothing, although Unicode counts them as letters or symbols: the blank pattern of
/// Braille, blanks of hieroglyphs, the filler of Khitan and the note without a head.
const BLANK: [char; 5] = [
    '\u{2800}',
    '\u{13441}',
    '\u{13442}',
    '\u{16fe4}',
    '\u{1d159}',
];

/// Returns whether a character is a control character or reorders or hides text, or looks like a space and is none.
fn is_unsafe(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let is_invisible = matches!(
        CodePointMapData::<GeneralCategory>::new().get(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::SpaceSeparator
    );
    is_invisible
        || BLANK.contains(&character)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        SafeText::from(text).as_str().to_owned()
    }

    #[test]
    fn control_sequences_are_escaped() {
        assert_eq!(escaped("a\u{1b}[31mb\n\u{9b}c"), "a\\u{1b}[31mb\\n\\u{9b}c");
        assert_eq!(escaped("\u{202e}x\u{200d}"), "\\u{202e}x\\u{200d}");
        assert_eq!(escaped("é 漢 ~/`x`"), "é 漢 ~/`x`");
        let text = SafeText::from("a").and(SafeText::from("b").colored("1;31"));
        assert_eq!(text.and("\u{7}").as_str(), "a\u{1b}[1;31mb\u{1b}[0m\\u{7}");
    }

    #[test]
    fn invisible_characters_are_escaped() {
        let ranges = "ad 34f 61c 115f-1160 17b4-17b5 180b-180f 200b-200f 2028-202e 2060-206f 3164 fe00-fe0f feff ffa0 \
                      fff0-fffb 1bca0-1bca3 1d173-1d17a e0000-e0fff a0 1680 2000-200a 202f 205f 3000 2800 13430-1343f \
                      13441-13442 16fe4 1d159";
        let code = |hex: &str| u32::from_str_radix(hex, 16).unwrap();
        for range in ranges.split_whitespace() {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            for one in code(first)..=code(last) {
                assert!(is_unsafe(char::from_u32(one).unwrap()), "{one:x}");
            }
        }
        for shown in [
            'é', '\u{301}', '漢', '…', '\u{e0a0}', '😀', '⠿', 'ا', '\u{93f}',
        ] {
            assert!(!is_unsafe(shown), "{shown}");
        }
    }

    #[test]
    fn text_is_cut_at_a_column() {
        let text = SafeText::from("ab 漢字 c");
        assert_eq!(text.width(), 9);
        assert_eq!(text.cut(9), text);
        assert_eq!(text.cut(8).as_str(), "ab 漢字…");
        assert_eq!(text.cut(7).as_str(), "ab 漢…");
    }

    #[test]
    fn a_drawing_keeps_only_its_colours() {
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
