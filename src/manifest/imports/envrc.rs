//! `.envrc` of direnv: the lines that only declare something. Everything else is shell code, which is kept with its line.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::Importer;
use crate::manifest::{EnvValue, Located, Origin, Text, template};
use crate::util::paths::join_text;

/// The deepest chain of `source_env`.
const DEPTH: usize = 8;
/// Commands without an effect on the environment.
const IGNORED: [&str; 6] = [
    "direnv_version",
    "set",
    "shopt",
    "strict_env",
    "watch_dir",
    "watch_file",
];
/// Functions of direnv, which no other shell has.
const FUNCTIONS: [&str; 14] = [
    "PATH_rm",
    "dotenv",
    "env_vars_required",
    "has",
    "layout",
    "load_prefix",
    "path_rm",
    "semver_search",
    "source_env",
    "source_env_if_exists",
    "source_up",
    "source_up_if_exists",
    "source_url",
    "use",
];

/// The place of a file.
struct EnvrcFile<'r> {
    /// Its directory from the project's root.
    directory: String,
    read: &'r dyn Fn(&str) -> Option<Text>,
    /// The files that were read, from the project's root.
    seen: &'r RefCell<BTreeSet<String>>,
    depth: usize,
}

pub(super) fn read(importer: &mut Importer<'_>, read: &dyn Fn(&str) -> Option<Text>) {
    let seen = RefCell::new(BTreeSet::from([super::ENVRC.to_owned()]));
    let file = EnvrcFile {
        directory: String::new(),
        read,
        seen: &seen,
        depth: 0,
    };
    read_file(importer, &file);
}

fn read_file(importer: &mut Importer<'_>, file: &EnvrcFile<'_>) {
    let text = importer.text;
    let mut plain = BTreeMap::new();
    for statement in statements(text.as_str()) {
        let origin = Origin {
            file: text.file().clone(),
            is_preset: false,
            line: statement.line,
        };
        let words = if statement.is_block {
            None
        } else {
            words(&statement.code)
        };
        let taken = words.is_some_and(|words| take(importer, file, &origin, &words, &mut plain));
        if !taken {
            keep_code(importer, origin, &statement.code);
        }
    }
    for (name, (_, origin)) in plain {
        importer.leave(origin, format!("`{name}` is not exported"));
    }
}

fn keep_code(importer: &mut Importer<'_>, origin: Origin, code: &str) {
    let command = code.split_whitespace().next().unwrap_or_default();
    let first = code.lines().next().unwrap_or_default();
    let of_direnv = |line: &str| {
        let mut words = line.split(|one: char| !(one.is_alphanumeric() || one == '_'));
        words.any(|word| FUNCTIONS.contains(&word) && word != "use" && word != "has")
            || FUNCTIONS.contains(&line.split_whitespace().next().unwrap_or_default())
    };
    if code.lines().any(of_direnv) {
        let message = match command {
            "use" => format!("`{first}`: name the tools in `[tools]`"),
            "source_up" | "source_up_if_exists" => {
                format!(
                    "`{first}`: write `extends = [\"..\"]` if the directory above has a manifest"
                )
            }
            "source_url" => format!("`{first}`: write the address into `extends`"),
            _ => format!("`{first}` needs a function of direnv"),
        };
        importer.leave(origin, message);
        return;
    }
    importer.settings.enter.push(Located {
        value: code.to_owned(),
        origin,
    });
}

/// Assignments that are not exported yet.
type PlainVariables = BTreeMap<String, (String, Origin)>;

/// Takes a statement over; returns whether that was possible.
fn take(
    importer: &mut Importer<'_>,
    file: &EnvrcFile<'_>,
    origin: &Origin,
    words: &[String],
    plain: &mut PlainVariables,
) -> bool {
    let Some((command, arguments)) = words.split_first() else {
        return true;
    };
    let here = |path: &str| place(&file.directory, path);
    match command.as_str() {
        command if IGNORED.contains(&command) => {}
        "export" => {
            for argument in arguments {
                let Some((name, value)) = argument.split_once('=') else {
                    let Some((value, origin)) = plain.remove(argument) else {
                        return false;
                    };
                    assign(importer, origin, argument, &value);
                    continue;
                };
                assign(importer, origin.clone(), name, value);
            }
        }
        "unset" => {
            for name in arguments {
                importer.variable(origin.clone(), name, EnvValue::Unset);
            }
        }
        "PATH_add" => {
            let entries = arguments.iter().map(|path| here(path)).collect();
            importer.prepend(origin.clone(), "PATH", entries);
        }
        "path_add" | "MANPATH_add" => {
            let (name, paths) = match (command.as_str(), arguments.split_first()) {
                ("path_add", Some((name, paths))) => (name.as_str(), paths),
                _ => ("MANPATH", arguments),
            };
            let entries = paths.iter().map(|path| here(path)).collect();
            importer.prepend(origin.clone(), name, entries);
        }
        "dotenv" | "dotenv_if_exists" => {
            let path = arguments.first().map_or(".env", String::as_str);
            let path = path.strip_prefix("${root}/").unwrap_or(path);
            let path = join_text(&file.directory, path);
            importer.env_file(origin.clone(), &path, command != "dotenv");
        }
        "env_vars_required" => {
            for name in arguments {
                let help = "set it in your own shell".to_owned();
                importer.variable(origin.clone(), name, EnvValue::Required(help));
            }
        }
        "source_env" | "source_env_if_exists" => return source(importer, file, arguments),
        "use" | "layout" => return use_tool(importer, origin, command, arguments),
        assignment => match assignment.split_once('=') {
            Some((name, value)) if arguments.is_empty() && is_name(name) => {
                plain.insert(name.to_owned(), (value.to_owned(), origin.clone()));
            }
            _ => return false,
        },
    }
    true
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|one| one.is_ascii_alphanumeric() || one == b'_')
}

/// Returns a directory for a list of paths.
fn place(directory: &str, path: &str) -> String {
    if let Some(below) = path.strip_prefix("${root}/") {
        return format!("./{below}");
    }
    if path.starts_with(['/', '$', '~']) {
        return path.to_owned();
    }
    format!("./{}", join_text(directory, path))
}

fn assign(importer: &mut Importer<'_>, origin: Origin, name: &str, value: &str) {
    // `NAME=${NAME:-text}` is a default.
    let own = format!("${{{name}:-");
    if let Some(default) = value
        .strip_prefix(&own)
        .and_then(|rest| rest.strip_suffix('}'))
    {
        importer.variable(origin, name, EnvValue::Default(default.to_owned()));
        return;
    }
    let itself = format!("${{{name}}}");
    let entries: Vec<&str> = value.split(':').collect();
    if let Some(at) = entries.iter().position(|entry| *entry == itself) {
        let list = |entries: &[&str]| entries.iter().map(|entry| place("", entry)).collect();
        let value = EnvValue::Extend {
            prepend: list(&entries[..at]),
            append: list(&entries[at + 1..]),
        };
        importer.variable(origin, name, value);
        return;
    }
    importer.variable(origin, name, EnvValue::Set(value.to_owned()));
}

fn source(importer: &mut Importer<'_>, file: &EnvrcFile<'_>, arguments: &[String]) -> bool {
    let Some(path) = arguments.first().filter(|path| !path.contains('$')) else {
        return false;
    };
    let mut path = join_text(&file.directory, path);
    let is_file = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with(".env"));
    if !is_file {
        path = join_text(&path, super::ENVRC);
    }
    // A file is read once, also if several files source it: files that source each other would never end.
    let is_new = file.seen.borrow_mut().insert(path.clone());
    if file.depth >= DEPTH || path.starts_with("..") || path.starts_with('/') || !is_new {
        return false;
    }
    let Some(text) = (file.read)(&path) else {
        return false;
    };
    let mut inner = Importer {
        text: &text,
        settings: super::ImportedSettings::default(),
        dependencies: Vec::new(),
    };
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let file = EnvrcFile {
        directory: directory.to_owned(),
        read: file.read,
        seen: file.seen,
        depth: file.depth + 1,
    };
    read_file(&mut inner, &file);
    importer.settings.add(inner.settings);
    true
}

/// Takes `use node 22` and `layout python` over. The presets find most of these without a line.
fn use_tool(
    importer: &mut Importer<'_>,
    origin: &Origin,
    command: &str,
    arguments: &[String],
) -> bool {
    let (Some(tool), version) = (arguments.first(), arguments.get(1)) else {
        return false;
    };
    let tool = match (command, tool.as_str()) {
        // devsh reads their files itself.
        ("use", "asdf" | "mise" | "nvm" | "nodenv") => return true,
        ("layout", "node") => {
            let entries = vec!["./node_modules/.bin".to_owned()];
            importer.prepend(origin.clone(), "PATH", entries);
            return true;
        }
        (_, "poetry" | "pipenv" | "pdm" | "uv" | "hatch" | "python3" | "pyenv" | "python") => {
            "python"
        }
        ("use", "node" | "go" | "rust" | "ruby" | "java") => tool,
        _ => return false,
    };
    if let Some(version) = version.map(|version| version.trim_start_matches("python")) {
        importer.tool(origin.clone(), tool, version);
    }
    true
}

/// A command of the file, or a block of several lines.
struct EnvrcStatement {
    line: u32,
    code: String,
    is_block: bool,
}

/// Returns the statements of a file without comments.
fn statements(text: &str) -> Vec<EnvrcStatement> {
    let mut all: Vec<EnvrcStatement> = Vec::new();
    let mut depth = 0_usize;
    let mut continued = false;
    for (line, raw) in (1..).zip(text.lines()) {
        let trimmed = raw.trim();
        if depth == 0 && !continued && (trimmed.is_empty() || trimmed.starts_with('#')) {
            continue;
        }
        let opened = blocks(trimmed);
        if depth > 0 || continued {
            if let Some(last) = all.last_mut() {
                last.code = match last
                    .code
                    .strip_suffix('\\')
                    .filter(|_| continued && depth == 0)
                {
                    Some(start) => format!("{start}{}", raw.trim_end()),
                    None => format!("{}\n{raw}", last.code),
                };
                last.is_block |= opened > 0;
            }
        } else {
            all.push(EnvrcStatement {
                line,
                code: trimmed.to_owned(),
                is_block: opened != 0,
            });
        }
        continued = trimmed.ends_with('\\');
        depth = depth.saturating_add_signed(opened);
    }
    all
}

/// Returns how many blocks of the shell a line opens, less those that it closes.
fn blocks(line: &str) -> isize {
    let words = line.split(|one: char| one.is_whitespace() || one == ';');
    words
        .filter(|word| !word.is_empty())
        .map(|word| match word {
            "if" | "case" | "do" | "{" => 1,
            "fi" | "esac" | "done" | "}" => -1,
            word if word.ends_with("(){") => 1,
            _ => 0,
        })
        .sum()
}

/// Returns the words of a simple command as values of a manifest; nothing if a shell must run it.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    let mut quote = None;
    while let Some(one) = rest.chars().next() {
        let after = &rest[one.len_utf8()..];
        rest = match (one, quote) {
            ('\'', Some('\'')) | ('"', Some('"')) => {
                quote = None;
                after
            }
            (one, Some('\'')) => {
                push(&mut word, &template::escape(one.encode_utf8(&mut [0; 4])));
                after
            }
            ('\'' | '"', None) => {
                quote = Some(one);
                word.get_or_insert_default();
                after
            }
            ('$', _) => reference(rest, word.get_or_insert_default())?,
            ('\\', _) => {
                let next = after.chars().next()?;
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    push(&mut word, "\\");
                }
                push(&mut word, &template::escape(next.encode_utf8(&mut [0; 4])));
                &after[next.len_utf8()..]
            }
            ('`', _) | (';' | '&' | '|' | '<' | '>' | '(' | ')', None) => return None,
            ('#', None) if word.is_none() => break,
            (one, None) if one.is_whitespace() => {
                words.extend(word.take());
                after
            }
            ('~', None)
                if word
                    .as_deref()
                    .is_none_or(|word| word.ends_with(['=', ':'])) =>
            {
                push(&mut word, "${HOME}");
                after
            }
            (one, _) => {
                push(&mut word, one.encode_utf8(&mut [0; 4]));
                after
            }
        };
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn push(word: &mut Option<String>, text: &str) {
    word.get_or_insert_default().push_str(text);
}

/// Reads a reference to a variable; returns the text after it, or nothing if a shell must evaluate it.
fn reference<'t>(text: &'t str, word: &mut String) -> Option<&'t str> {
    for root in ["$(pwd)", "$(expand_path .)", "${PWD}"] {
        if let Some(rest) = text.strip_prefix(root) {
            word.push_str("${root}");
            return Some(rest);
        }
    }
    let after = &text[1..];
    if let Some(inner) = after.strip_prefix('{') {
        let end = inner.find('}')?;
        let (name, fallback) = match inner[..end].split_once(":-") {
            Some((name, fallback)) => (name, Some(fallback)),
            None => (&inner[..end], None),
        };
        if !is_name(name) || fallback.is_some_and(|text| text.contains(['$', '`', '"', '\''])) {
            return None;
        }
        word.push_str(&text[..end + 3]);
        return Some(&inner[end + 1..]);
    }
    let end = after
        .find(|one: char| !(one.is_ascii_alphanumeric() || one == '_'))
        .unwrap_or(after.len());
    let name = &after[..end];
    if name.is_empty() || name.starts_with(|one: char| one.is_ascii_digit()) {
        return None;
    }
    if name == "PWD" {
        word.push_str("${root}");
    } else {
        word.push_str("${");
        word.push_str(name);
        word.push('}');
    }
    Some(&after[end..])
}
