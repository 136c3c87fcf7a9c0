//! Parses env files: lines of `NAME=value`, as in dotenv files.
//!
//! A line may begin with `export`, have `NAME: value`, or name variables without a value, which sets nothing. `#`
//! begins a comment. A name that a project cannot set costs only its own line, because such files are shared with
//! programs that read it, for example `UID` for containers. A text in `'…'` is literal; `"…"` has the escapes `\n`,
//! `\r`, `\t`, `\"`, `\\` and `\$`. Both may have several lines. Outside `'…'`, `${NAME}` refers to a variable.

use super::{
    CompositionError, EnvValue, Error, Located, Text,
    template::{self, escape},
};
use crate::env::VarName;

/// The most variables in all env files of a project.
pub const VARIABLES: usize = 20_000;

/// The content of an env file.
#[derive(Debug, Default)]
pub struct EnvFileContent {
    /// The variables in order.
    pub variables: Vec<(VarName, Located<EnvValue>)>,
    /// The reasons for lines without an effect.
    pub left_out: Vec<Located<String>>,
}

impl EnvFileContent {
    /// Returns the number of variables and of lines without an effect.
    pub const fn lines(&self) -> usize {
        self.variables.len() + self.left_out.len()
    }
}

/// Returns the content of an env file with at most `left` lines that set something or have no effect: the rest of
/// [`VARIABLES`].
pub fn parse(text: &Text, left: usize) -> Result<EnvFileContent, Error> {
    let content = text.as_str();
    let mut found = EnvFileContent::default();
    let mut at = if content.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    while at < content.len() {
        let line = content[at..].split('\n').next().unwrap_or_default();
        let start = at + (line.len() - line.trim_start().len());
        let statement = line.trim();
        if statement.is_empty() || statement.starts_with('#') {
            at += line.len() + 1;
            continue;
        }
        if found.lines() >= left {
            let kind = CompositionError::TooMuch {
                counted: "the number of variables in env files",
                limit: VARIABLES,
            };
            return Err(text.error(start..start + statement.len(), kind));
        }
        let exported = statement
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']));
        let name_at = match exported {
            Some(rest) => start + statement.len() - rest.trim_start().len(),
            None => start,
        };
        let end = start + statement.len();
        let left_out = |at: usize, reason: String| Located {
            value: reason,
            origin: text.origin(at),
        };
        let Some((length, value_at)) = assignment(&content[name_at..end]) else {
            let words = content[name_at..end].split(" #").next().unwrap_or_default();
            let names: Vec<&str> = words.split_whitespace().collect();
            let are_names = names.iter().all(|name| name.chars().all(is_part_of_name));
            if !are_names || names.len() > 1 && exported.is_none() {
                return Err(fault(
                    text,
                    name_at..end,
                    "a line needs the form `NAME=value`",
                ));
            }
            // `export A` concerns a value from elsewhere.
            if exported.is_none() {
                let reason = format!("`{}` has no value, so it is left out", names[0]);
                found.left_out.push(left_out(name_at, reason));
            }
            at += line.len() + 1;
            continue;
        };
        let name = &content[name_at..name_at + length];
        let span = name_at..name_at + length;
        let (value, next) = value(text, name_at + value_at)?;
        if value.contains('\0') {
            return Err(fault(text, span, "a value cannot have a NUL character"));
        }
        match name.parse::<VarName>() {
            Ok(name) => {
                let origin = text.origin(span.start);
                let value = EnvValue::Set(value);
                found.variables.push((name, Located { value, origin }));
            }
            Err(invalid) => {
                let reason = format!("{invalid}, so it is left out");
                found.left_out.push(left_out(span.start, reason));
            }
        }
        at = next;
    }
    Ok(found)
}

/// Returns the length of the name and the start of the value in `NAME=value` or `NAME: value`.
fn assignment(statement: &str) -> Option<(usize, usize)> {
    let length = statement
        .find(|character| !is_part_of_name(character))
        .filter(|length| *length > 0)?;
    let rest = &statement[length..];
    if let Some(after) = rest.strip_prefix(':') {
        let is_value = after.is_empty() || after.starts_with([' ', '\t']);
        return is_value.then_some((length, length + 1));
    }
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest[blanks..]
        .starts_with('=')
        .then_some((length, length + blanks + 1))
}

/// Returns whether a name in an env file can have this character. Other programs allow more than shells.
const fn is_part_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

fn fault(text: &Text, span: std::ops::Range<usize>, message: &'static str) -> Error {
    text.error(span, CompositionError::EnvFile { message })
}

/// Returns the value that begins at `at`, and the start of the next line.
fn value(text: &Text, at: usize) -> Result<(String, usize), Error> {
    let rest = &text.as_str()[at..];
    let start = at + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
    let rest = &text.as_str()[start..];
    let Some(quote) = rest.chars().next().filter(|first| "'\"".contains(*first)) else {
        let line = rest.split('\n').next().unwrap_or_default();
        let comment = [" #", "\t#"]
            .iter()
            .filter_map(|begin| line.find(begin))
            .min();
        let plain = comment.map_or(line, |end| &line[..end]);
        let plain = if plain.starts_with('#') { "" } else { plain };
        return Ok((references(plain.trim()), start + line.len() + 1));
    };
    let Some((inside, length)) = quoted(&rest[1..], quote) else {
        let line = rest.lines().next().unwrap_or_default().len();
        return Err(fault(
            text,
            start..start + line,
            "the quote is never closed",
        ));
    };
    let after = start + 1 + length + 1;
    let line = text.as_str()[after..]
        .split('\n')
        .next()
        .unwrap_or_default();
    let left = line.trim();
    if !left.is_empty() && !left.starts_with('#') {
        let span = after..after + line.trim_end().len();
        return Err(fault(text, span, "nothing may follow the closing quote"));
    }
    Ok((inside, after + line.len() + 1))
}

/// Returns a quoted text without quotes and escapes, and its length in the file.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut plain = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => {
                inside.push_str(&if quote == '"' {
                    references(&plain)
                } else {
                    escape(&plain)
                });
                return Some((inside, at));
            }
            '\\' if quote == '"' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => plain.push('\n'),
                    'r' => plain.push('\r'),
                    't' => plain.push('\t'),
                    '$' => {
                        inside.push_str(&references(&std::mem::take(&mut plain)));
                        inside.push_str("$$");
                    }
                    '"' | '\\' => plain.push(escaped),
                    other => plain.extend(['\\', other]),
                }
            }
            _ => plain.push(character),
        }
    }
    None
}

/// Returns text of an env file as a value: `${NAME}` is a reference, every other `$` is literal.
fn references(text: &str) -> String {
    let mut value = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        value.push_str(&rest[..at]);
        let from = &rest[at..];
        // A reference holds no other one: the search ends at the next `$`, and the text is read once.
        let end = from[1..].find(['}', '$']).map(|at| at + 1);
        let whole = end
            .filter(|end| from.starts_with("${") && from.as_bytes()[*end] == b'}')
            .map(|end| &from[..=end]);
        let reference = whole.filter(|one| {
            let one = template::parse(one);
            matches!(one.as_deref(), Ok([template::ValuePiece::Variable { .. }]))
        });
        value.push_str(reference.unwrap_or("$$"));
        rest = &from[reference.map_or(1, str::len)..];
    }
    value.push_str(rest);
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content: &str) -> Result<Vec<(String, String, u32)>, Error> {
        let variables = parse(&Text::new(".env", content), VARIABLES)?
            .variables
            .into_iter();
        Ok(variables
            .map(|(name, value)| (name.to_string(), value.value.to_string(), value.origin.line))
            .collect())
    }

    #[test]
    fn a_file_full_of_dollar_signs_is_read_in_linear_time() {
        // Quadratic work would not end within a test run.
        let signs = "$".repeat(500_000);
        let read = read(&format!("A={signs}}}")).unwrap();
        assert_eq!(read[0].1.len(), 1_000_001);
    }

    #[test]
    fn the_grammar_of_env_files() {
        for (content, value) in [
            ("A=1", "1"),
            (" export  A = 1 # one\r\n", "1"),
            ("A=", ""),
            ("A=# none", ""),
            ("A=a#b", "a#b"),
            ("A='a $B ${C} \\n'", "a $$B $${C} \\n"),
            (
                "A=\"a $B ${C} \\$D \\\"q\\\" \\\\ \\n\" # end",
                "a $$B ${C} $$D \"q\" \\ \n",
            ),
            ("A=x${B:-y}$z", "x${B:-y}$$z"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A=${", "$${"),
            ("A=1\t# one", "1"),
            ("A=1 \t# one", "1"),
            ("export\tA=1", "1"),
            ("A: 1", "1"),
            ("A:\t'1 2' # one", "1 2"),
            ("export A: x=y", "x=y"),
            ("A:", ""),
            ("\u{feff}A=1", "1"),
            ("A=1\nexport B\nexport C D # both", "1"),
        ] {
            let read = read(content).unwrap();
            assert_eq!(read, [("A".to_owned(), value.to_owned(), 1)], "{content}");
        }
        let many = read("# c\n\nA='x\ny'\nB=2\n").unwrap();
        assert_eq!(many[1], ("B".to_owned(), "2".to_owned(), 5));
        for (content, message, line) in [
            ("A=1\nB C\n", "a line needs the form `NAME=value`", 2),
            ("B C=1\n", "a line needs the form `NAME=value`", 1),
            ("a:b=1\n", "a line needs the form `NAME=value`", 1),
            ("=1\n", "a line needs the form `NAME=value`", 1),
            ("é=1\n", "a line needs the form `NAME=value`", 1),
            ("A='x\n\n", "the quote is never closed", 1),
            ("A='x' y", "nothing may follow the closing quote", 1),
        ] {
            let error = read(content).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(error.origin().to_string(), format!(".env:{line}"));
        }
    }

    #[test]
    fn a_name_that_no_project_can_set_costs_its_own_line() {
        let content = "A=1\nUID='1\n2'\nmy.name=x\n1A=1\nexport PWD=/\nEMPTY\nB=2\n";
        let found = parse(&Text::new(".env", content), VARIABLES).unwrap();
        let names: Vec<&str> = found
            .variables
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["A", "B"]);
        let left_out: Vec<String> = found
            .left_out
            .iter()
            .map(|one| format!("{}: {}", one.origin, one.value))
            .collect();
        let expected = [
            "2: `UID` is not a variable that a project may set, so it is left out",
            "4: `my.name` is not a variable name (letters, digits and `_`), so it is left out",
            "5: `1A` is not a variable name (letters, digits and `_`), so it is left out",
            "6: `PWD` is not a variable that a project may set, so it is left out",
            "7: `EMPTY` has no value, so it is left out",
        ];
        assert_eq!(left_out, expected.map(|line| format!(".env:{line}")));
    }

    proptest! {
        #[test]
        fn reading_never_panics(content in "[A-Z=\\n '\"$\\\\{}#é]{0,60}") {
            if let Err(error) = read(&content) {
                prop_assert!(error.text.get(error.span.clone()).is_some());
            }
        }

        #[test]
        fn single_quotes_keep_everything(plain in "[^'\\x00]{0,40}") {
            let content = format!("A='{plain}'\nB=1\n");
            let read = read(&content).unwrap();
            prop_assert_eq!(&read[0].1, &escape(&plain));
            prop_assert_eq!(read.len(), 2);
        }
    }
}
