//! Finds the commands that the code of a prompt runs. Bash and zsh keep the text of `$(…)` in functions and replace
//! aliases in it each time it runs, so an alias could run there without being typed.

use std::{
    collections::{BTreeSet, HashMap},
    iter::Peekable,
    str::Chars,
};

/// Words after which a command follows.
const KEYWORDS: [&str; 11] = [
    "coproc",
    "do",
    "elif",
    "else",
    "if",
    "nocorrect",
    "then",
    "time",
    "until",
    "while",
    "!",
];

/// Nested code is read to this depth.
const MAX_DEPTH: usize = 64;

/// The code that a host shell runs by itself.
#[derive(Debug, Clone, Copy)]
pub struct PromptCode<'a> {
    /// Commands that run before a prompt, and names of functions that do.
    pub commands: &'a str,
    /// Texts that the shell expands and shows, such as `PS1`.
    pub texts: &'a str,
    /// All functions of the shell, as bash and zsh list them, and its aliases in the same form.
    pub functions: &'a str,
}

impl PromptCode<'_> {
    /// Returns the words in the place of a command, in this code and in all functions that it names.
    pub fn command_words(&self) -> BTreeSet<String> {
        let mut words = Words::default();
        Scanner::new(&join_lines(self.commands), &mut words).commands(None, 0);
        Scanner::new(&join_lines(self.texts), &mut words).text(None, 0);
        let mut functions = listed_functions(self.functions);
        let mut reached: Vec<String> = words.all.iter().cloned().collect();
        while let Some(name) = reached.pop() {
            let Some(body) = functions.remove(name.as_str()) else {
                continue;
            };
            let mut own = Words::default();
            Scanner::new(&join_lines(&body), &mut own).commands(None, 0);
            reached.extend(own.all);
            words.commands.extend(own.commands);
        }
        words.commands
    }
}

/// Removes each backslash with the line break after it.
fn join_lines(code: &str) -> String {
    let mut joined = String::with_capacity(code.len());
    let mut rest = code.chars();
    while let Some(next) = rest.next() {
        let escaped = if next == '\\' { rest.next() } else { None };
        if escaped != Some('\n') {
            joined.push(next);
            joined.extend(escaped);
        }
    }
    joined
}

/// Reads a list of functions. Each begins with a line that has its name, and ends with the line `}` before the next one.
/// An alias can have the name of a function.
fn listed_functions(list: &str) -> HashMap<&str, String> {
    let mut functions: HashMap<&str, String> = HashMap::new();
    let name_in = |line: &&'_ str| line.find(" ()").filter(|_| !line.starts_with([' ', '\t']));
    let mut open: Option<&str> = None;
    let mut lines = list.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = open else {
            open = name_in(&line).map(|end| &line[..end]);
            continue;
        };
        // A here-document can have this line too.
        let is_end = line == "}" && lines.peek().is_none_or(|next| name_in(next).is_some());
        if is_end {
            open = None;
            continue;
        }
        let body = functions.entry(name).or_default();
        body.push_str(line);
        body.push('\n');
    }
    functions
}

#[derive(Debug, Default)]
struct Words {
    /// All words without an expansion.
    all: BTreeSet<String>,
    /// Those in the place of a command.
    commands: BTreeSet<String>,
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    words: &'a mut Words,
}

impl<'a> Scanner<'a> {
    fn new(code: &'a str, words: &'a mut Words) -> Self {
        Self {
            rest: code.chars().peekable(),
            words,
        }
    }

    /// Reads commands up to `end`, or all of them.
    fn commands(&mut self, end: Option<char>, depth: usize) {
        let (mut starts, mut parentheses, mut cases) = (true, 0_usize, 0_usize);
        while let Some(&next) = self.rest.peek() {
            match next {
                ' ' | '\t' => {
                    self.rest.next();
                    continue;
                }
                '#' => {
                    while self.rest.next_if(|next| *next != '\n').is_some() {}
                    continue;
                }
                '<' | '>' => {
                    self.redirection(depth);
                    continue;
                }
                ')' if parentheses == 0 && cases == 0 && end == Some(')') => {
                    self.rest.next();
                    return;
                }
                '`' if end == Some('`') => {
                    self.rest.next();
                    return;
                }
                '(' => parentheses += 1,
                ')' => parentheses = parentheses.saturating_sub(1),
                '\n' | ';' | '&' | '|' | '{' | '}' => {}
                _ => {
                    let word = self.word(end, depth);
                    if self.is_descriptor(&word) {
                        continue;
                    }
                    self.words.all.insert(word.clone());
                    if !starts {
                        continue;
                    }
                    match word.as_str() {
                        "case" => cases += 1,
                        "esac" => cases = cases.saturating_sub(1),
                        _ => {}
                    }
                    // An option belongs to the word before, as in `time -p`.
                    let is_option = word.starts_with('-');
                    starts = is_option || KEYWORDS.contains(&word.as_str()) || is_assignment(&word);
                    if !starts {
                        self.words.commands.insert(word);
                    }
                    continue;
                }
            }
            self.rest.next();
            starts = true;
        }
    }

    /// Returns whether a word is the number of a redirection, as in `2>file`.
    fn is_descriptor(&mut self, word: &str) -> bool {
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        is_number && self.rest.peek().is_some_and(|next| "<>".contains(*next))
    }

    /// Reads `>file`, `2>&1` without the number, and `<(commands)`.
    fn redirection(&mut self, depth: usize) {
        while self.rest.next_if(|next| "<>&|".contains(*next)).is_some() {}
        if self.rest.next_if_eq(&'(').is_some() {
            self.nested(')', depth);
            return;
        }
        while self.rest.next_if(|next| " \t".contains(*next)).is_some() {}
        self.word(None, depth);
    }

    /// Reads one word and the code in it. `end` ends it too.
    fn word(&mut self, end: Option<char>, depth: usize) -> String {
        let mut word = String::new();
        while let Some(&next) = self.rest.peek() {
            if " \t\n;&|()<>".contains(next) || (next == '`' && end == Some('`')) {
                break;
            }
            self.rest.next();
            word.push(next);
            match next {
                '\\' => word.extend(self.rest.next()),
                '\'' => self.single_quoted(depth),
                '"' => self.text(Some('"'), depth),
                '`' => self.nested('`', depth),
                '$' => self.expansion(depth),
                _ => {}
            }
        }
        word
    }

    /// Reads text in single quotes: it can become a prompt later.
    fn single_quoted(&mut self, depth: usize) {
        let inner: String = self
            .rest
            .by_ref()
            .take_while(|next| *next != '\'')
            .collect();
        if depth < MAX_DEPTH {
            Scanner::new(&inner, self.words).text(None, depth + 1);
        }
    }

    /// Reads text in which only expansions are code, up to `end`.
    fn text(&mut self, end: Option<char>, depth: usize) {
        while let Some(next) = self.rest.next() {
            match next {
                _ if end == Some(next) => return,
                '\\' => {
                    self.rest.next();
                }
                '"' if end == Some('}') => self.text(Some('"'), depth),
                '`' => self.nested('`', depth),
                '$' => self.expansion(depth),
                _ => {}
            }
        }
    }

    /// Reads what follows `$`.
    fn expansion(&mut self, depth: usize) {
        if self.rest.next_if_eq(&'(').is_some() {
            self.nested(')', depth);
        } else if self.rest.next_if_eq(&'{').is_some() && depth < MAX_DEPTH {
            self.text(Some('}'), depth + 1);
        }
    }

    fn nested(&mut self, end: char, depth: usize) {
        if depth < MAX_DEPTH {
            self.commands(Some(end), depth + 1);
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+[]".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::PromptCode;

    fn found(commands: &str, texts: &str, functions: &str) -> String {
        let code = PromptCode {
            commands,
            texts,
            functions,
        };
        code.command_words()
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_in_the_place_of_a_command_are_found() {
        for (code, commands) in [
            ("git status; ls -l", "git ls"),
            ("A=\"b c\" word x", "word"),
            ("x=$(git x | sed s/a/b/) other", "git other sed"),
            ("echo \"$(git x `ls`)\" 'sed; awk'", "echo git ls"),
            ("if a; then b; else ! c; fi\nd", "a b c d fi"),
            (
                "y=$(case x in x) git;; (z) ls;; esac; sed)",
                "case esac git ls sed z",
            ),
            ("a <b >c $(d) < <(e) && f # g", "a d e f"),
            ("a ${b:-$(c \"}\")} d", "a c"),
            ("{ a; } ; (b) & c", "a b c"),
            ("time -p a x; nocorrect b", "a b"),
            ("\\git x", "\\git"),
            (">x a b", "a"),
            ("2>/dev/null git x; 2>&1 </dev/null ls y", "git ls"),
            ("a 2>&1 b; 2 >x c", "2 a"),
            ("g\\\nit x \\\n y", "git"),
            ("\\\ngit x\\\\\nls", "git ls"),
            ("$(2>x g\\\nit)", "$ git"),
            ("PS1='a; b $(git x)$ '; ls", "git ls"),
        ] {
            assert_eq!(found(code, "", ""), commands, "{code}");
        }
    }

    #[test]
    fn texts_are_code_only_in_expansions() {
        assert_eq!(found("", "git; $(ls a) `sed` \\$(awk)", ""), "ls sed");
    }

    #[test]
    fn functions_of_the_prompt_are_read_with_those_they_name() {
        let bash = "\
a () \n{ \n    local x=$(git y);\n    \"b\" c\n}\nc () \n{ \n    ls\n}\nunused () \n{ \n    sed\n}\n";
        assert_eq!(found("a", "", bash), "\" a git local ls");
        let zsh = "a () {\n\tls $(git)\n}\nb () {\n\t# undefined\n\tbuiltin autoload -XU\n}\n";
        assert_eq!(found("a", "", zsh), "a git ls");
        assert_eq!(found("", "$(b)", zsh), "b builtin");
        let with_text = "a () \n{ \n    cat <<X\n}\nX\n    b\n}\nc () \n{ \n    d\n}\n";
        assert_eq!(found("a; c", "", with_text), "X a b c cat d");
        let alias = "a () \n{ \na --long | b\n}\na () \n{ \nc\n}\n";
        assert_eq!(found("", "$(a)", alias), "a b c");
    }

    #[test]
    fn deep_and_cut_code_ends() {
        let deep = "$(".repeat(100_000);
        assert!(!found(&deep, &deep, "").contains('('));
        assert_eq!(found("a \"$(b '", "`", ""), "a b");
    }
}
