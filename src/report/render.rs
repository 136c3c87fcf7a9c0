//! Prints a failure: error, source excerpt, facts, notes, hints.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::{
    report::failure::{Excerpt, Failure},
    util::{
        redact::{mask_text, redact_text},
        terminal_text::{self, SafeText, shorten},
    },
};

use super::style::{Role, Style};

/// Returns a failure in full.
pub fn full(failure: &Failure, style: Style) -> SafeText {
    let mut text = style.paint(Role::Error, "error:").and(" ");
    text.push(shorten(&redact_text(&failure.error)).as_ref());
    let mut line = |head: SafeText, rest: SafeText| {
        text.end_line();
        text.push(head.and(rest));
    };
    if let Some(excerpt) = &failure.excerpt {
        line(SafeText::default(), render(excerpt, style));
    }
    for detail in &failure.details {
        line("  ".into(), shorten(&redact_text(detail)).as_ref().into());
    }
    for (role, word, texts) in [
        (Role::Strong, "note:", &failure.notes),
        (Role::Hint, "hint:", &failure.hints),
    ] {
        for text in texts {
            line(
                style.paint(role, word).and(" "),
                shorten(&redact_text(text)).as_ref().into(),
            );
        }
    }
    text
}

/// The least of an error that a hint leaves, in columns.
const LEAST_OF_ERROR: usize = 24;

/// Returns a failure in one line of at most `width` columns: place, error and first hint.
pub fn line(failure: &Failure, style: Style, width: Option<usize>) -> SafeText {
    let mut error = SafeText::default();
    if let Some(excerpt) = &failure.excerpt {
        let before = excerpt.text.get(..excerpt.span.start);
        let number = 1 + before.unwrap_or_default().matches('\n').count();
        error.push(format!("{}:{number}: ", shorten(&excerpt.file)));
    }
    error.push(shorten(&redact_text(&failure.error)).as_ref());
    let hint = failure.hints.first();
    let mut hint = hint.map_or_else(SafeText::default, |hint| {
        SafeText::from(format!("; {}", shorten(&redact_text(hint))))
    });
    let label = "devsh:";
    if let Some(width) = width.map(|width| width.saturating_sub(label.len() + 1)) {
        // The hint is what the user needs, but not without the error.
        let least = error.width().min(LEAST_OF_ERROR);
        if hint.width() + least > width {
            hint = SafeText::default();
        }
        error = error.cut(width - hint.width());
    }
    let line = style.paint(Role::Error, label).and(" ").and(error);
    if hint.as_str().is_empty() {
        return line;
    }
    line.and(style.paint(Role::Dim, hint))
}

/// Returns the report of a panic, which is a fault of devsh.
pub fn panic(what: &str) -> SafeText {
    let what = what.lines().collect::<Vec<_>>().join(" ");
    SafeText::from("devsh: ")
        .and(what)
        .and("; this is a fault of devsh, please report it")
}

/// Draws the place in its file, as rustc does. The renderer shows control characters as pictures.
fn render(excerpt: &Excerpt, style: Style) -> SafeText {
    if excerpt.text.trim().is_empty() {
        // The text was not kept because it can hold secrets: only the number of the line is known.
        let number = 1 + excerpt.text.matches('\n').count();
        return SafeText::from(format!(" --> {}:{number}", excerpt.file).as_str());
    }
    let cut = cut_long_line(excerpt);
    let number = cut.line;
    let excerpt = &cut.excerpt;
    let text = &terminal_text::of_same_length(&mask_text(&excerpt.text));
    let boundary = |at: usize| {
        (at..text.len())
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(text.len())
    };
    let start = boundary(excerpt.span.start);
    let end = boundary(excerpt.span.end.max(start));
    let label = SafeText::from(&redact_text(&excerpt.label)).to_string();
    let annotation = AnnotationKind::Primary.span(start..end).label(label);
    let snippet = Snippet::source(text)
        .path(SafeText::from(shorten(&excerpt.file).as_ref()).to_string())
        .line_start(number)
        .annotation(annotation);
    // devsh prints the title; the renderer draws only the place and the lines.
    let group = Group::with_level(Level::ERROR).element(snippet);
    let renderer = if style.has_color() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    SafeText::drawn(renderer.render(&[group]).trim_end())
}

/// A part of a text, with the number of its first line.
struct CutExcerpt {
    excerpt: Excerpt,
    line: usize,
}

/// The longest line that is drawn, in bytes.
const LONGEST_LINE: usize = 1000;

/// Returns the excerpt; of a line that is too long only the part around the place.
fn cut_long_line(excerpt: &Excerpt) -> CutExcerpt {
    let text = &excerpt.text;
    let floor = |at: usize| {
        let at = at.min(text.len());
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    };
    let at = floor(excerpt.span.start);
    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    if end - begin <= LONGEST_LINE && excerpt.span.len() <= LONGEST_LINE {
        return CutExcerpt {
            excerpt: excerpt.clone(),
            line: 1,
        };
    }
    let start = floor(at.saturating_sub(100).max(begin));
    let stop = floor((at + 100).min(end));
    let span = (at - start)..(excerpt.span.end.clamp(at, stop) - start);
    CutExcerpt {
        line: 1 + text[..start].matches('\n').count(),
        excerpt: Excerpt {
            text: text[start..stop].to_owned(),
            span,
            file: excerpt.file.clone(),
            label: excerpt.label.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_well() {
        let text = "[tools]\nruf = \"0.12\"\n";
        let failure = Failure {
            excerpt: Some(Excerpt {
                file: "devshell.toml".to_owned(),
                text: text.to_owned(),
                span: 8..11,
                label: "not a tool".to_owned(),
            }),
            ..Failure::new("unknown tool `ruf`")
                .note("a note")
                .hint("write `ruff`")
        };
        let expected = "\
error: unknown tool `ruf`
 --> devshell.toml:2:1
  |
2 | ruf = \"0.12\"
  | ^^^ not a tool
note: a note
hint: write `ruff`";
        assert_eq!(full(&failure, Style::new(false)).as_str(), expected);
        assert_eq!(
            line(&failure, Style::new(false), None).as_str(),
            "devsh: devshell.toml:2: unknown tool `ruf`; write `ruff`"
        );
        assert_eq!(
            line(&failure, Style::new(false), Some(46)).as_str(),
            "devsh: devshell.toml:2: unknown…; write `ruff`"
        );
        assert_eq!(
            line(&failure, Style::new(false), Some(24)).as_str(),
            "devsh: devshell.toml:2:…"
        );
    }

    #[test]
    fn a_place_without_its_text_has_the_number_of_the_line() {
        let failure = Failure {
            excerpt: Some(Excerpt {
                file: ".env".to_owned(),
                text: "\n\n".to_owned(),
                span: 2..2,
                label: String::new(),
            }),
            ..Failure::new("no")
        };
        assert_eq!(
            full(&failure, Style::new(false)).as_str(),
            "error: no\n --> .env:3"
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "x".repeat(1 << 20);
        let failure = Failure {
            excerpt: Some(Excerpt {
                file: long.clone(),
                text: format!("a\nb = \"{long}\"\nc\n"),
                span: 6..long.len(),
                label: String::new(),
            }),
            ..Failure::new(format!("`{long}` is not a version")).hint(long.clone())
        };
        assert!(line(&failure, Style::new(false), None).as_str().len() < 2500);
        let full = full(&failure, Style::new(false));
        assert!(full.as_str().len() < 4000, "{}", full.as_str().len());
        assert!(full.as_str().contains("2 | b = "), "{full}");
    }

    #[test]
    fn a_panic_is_one_line() {
        assert_eq!(
            panic("panicked at src/a.rs:1:2:\nno\u{1b}[31m way").as_str(),
            "devsh: panicked at src/a.rs:1:2: no\\u{1b}[31m way; this is a fault of devsh, please report it"
        );
    }

    #[test]
    fn hostile_text_is_drawn_harmlessly() {
        let text = "a = \"\u{1b}]0;x\u{7}\"\n\u{202e}\u{9b}\u{7f}\u{200b}\u{e0041}";
        for start in 0..=text.len() + 2 {
            let excerpt = Excerpt {
                file: "d\u{1b}.toml".to_owned(),
                text: text.to_owned(),
                span: start..start + 1,
                label: String::new(),
            };
            let drawn = render(&excerpt, Style::new(false));
            assert!(
                !drawn.as_str().contains([
                    '\u{1b}',
                    '\u{7}',
                    '\u{202e}',
                    '\u{9b}',
                    '\u{7f}',
                    '\u{200b}',
                    '\u{e0041}'
                ]),
                "{start}: {drawn:?}"
            );
        }
    }
}
