//! The documentation: its commands run, its manifests parse, its links lead somewhere.
//!
//! Every page gets a sandbox with an interactive bash, the hook, and a server with stand-ins of the tools.
//! `DEVSH_TEST_UPDATE_DOCS=1` writes the output of `console` blocks into the pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::{
    applications::pure,
    support::{
        HostShell, Pty, Sandbox, Server,
        pypi::{serve_program, serve_pure, serve_tool, serve_tool_as},
        repository, require,
        sandbox::DEVSH,
    },
};

/// The blocks that the test does not run: page, first line, reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "tests/setup build", BUILDS),
    (
        "README.md",
        "tests/setup build && ./install.sh && ~/.local/bin/devsh -C examples/fastapi run --trust -- pytest",
        ".ci/run runs it",
    ),
    ("README.md", "tests/setup && cargo test", ".ci/run runs it"),
    (
        "examples/README.md",
        "devsh -C examples/fastapi run --trust -- pytest",
        NETWORK,
    ),
    ("docs/getting-started.md", "tests/setup build", BUILDS),
    (
        "docs/getting-started.md",
        "devsh run --locked --trust -- ruff check",
        "the test has only the machine's Python, which `--locked` refuses; the CI guide runs the line",
    ),
    (
        "docs/faq.md",
        "devsh self uninstall --purge",
        "`uninstall` tests it on a copy",
    ),
    (
        "docs/reference/commands.md",
        "devsh self uninstall --purge",
        "`uninstall` tests it on a copy",
    ),
    (
        "docs/guide/rust.md",
        "rustup toolchain link project \"$(rustc --print sysroot)\"",
        "needs rustup",
    ),
    (
        "docs/dev/contributing.md",
        "tests/setup && cargo test",
        LONG,
    ),
    ("docs/dev/contributing.md", "tests/reliability", LONG),
    (
        "docs/dev/contributing.md",
        "PATH=DIR:$PATH cargo test --test suite hook_",
        LONG,
    ),
    (
        "docs/dev/performance.md",
        "cargo build --release --target x86_64-unknown-linux-musl",
        LONG,
    ),
    ("docs/dev/reliability.md", "tests/reliability", LONG),
    (
        "docs/dev/security-trials.md",
        "tests/reliability security::",
        LONG,
    ),
];
const BUILDS: &str = "builds a release program and changes the user's files";
const NETWORK: &str = "needs the public sources";
const LONG: &str = "runs for minutes to hours";

/// The accepted words after the three backticks of a fence.
const FENCES: [&str; 17] = [
    "sh",
    "sh example",
    "console",
    "console example",
    "toml",
    "toml config",
    "toml example",
    "toml preset",
    "json",
    "yaml",
    "ini",
    "xml",
    "make",
    "lua",
    "elisp",
    "text",
    "",
];

/// A fenced block of a page.
struct Block {
    fence: String,
    /// Its content without the fences.
    text: String,
    /// Its first line, counted from 1.
    line: usize,
}

/// A page of the documentation, with its path below the repository.
struct Page {
    path: String,
    text: String,
}

impl Page {
    fn read(path: &str) -> Self {
        Self {
            text: fs::read_to_string(repository().join(path)).unwrap(),
            path: path.to_owned(),
        }
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (at, line) in self.text.lines().enumerate() {
            // A fence inside of a list item is indented.
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, Some(fence)) => {
                    open = Some(Block {
                        fence: fence.to_owned(),
                        text: String::new(),
                        line: at + 2,
                    });
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{} has a block without an end", self.path);
        blocks
    }

    /// Returns the text without fenced blocks.
    fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }
}

fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect_markdown(&repository().join("docs"), &mut paths);
    let mut pages: Vec<_> = [
        "README.md",
        "CHANGELOG.md",
        ".github/SECURITY.md",
        "examples/README.md",
    ]
    .map(Page::read)
    .into();
    paths.sort();
    pages.extend(paths.iter().map(|path| {
        let path = path.strip_prefix(repository()).unwrap();
        Page::read(path.to_str().unwrap())
    }));
    pages
}

fn collect_markdown(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_markdown(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

/// The manifest of `~/src/app`.
const APP: &str = "[tools]\nruff = \"0.17\"\n\"pypi:pytest\" = \"9\"\n\n\
    [env]\nDATABASE_URL = { default = \"postgres://localhost/app\" }\n\n\
    [shells.test]\n[shells.lint]\nstandalone = true\ntools = { ruff = \"0.17\" }\n\n\
    [image]\nshell = \"lint\"\nbase = \"scratch\"\ncopy = [{ from = \".\", to = \"/app\" }]\n";

/// The `pyproject.toml` of `~/src/shop`.
const SHOP: &str = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.9\"\n\
    dependencies = [\"httpx\"]\n\n[dependency-groups]\ndev = [\"pytest\"]\n\n[tool.uv]\npackage = false\n";

/// Returns the sandbox of a page, with `~/src/app` allowed and `~/src/shop` new.
fn sandbox(server: &Server) -> Option<Sandbox> {
    let uv = require("uv")?;
    require("python3")?;
    require("git")?;
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", uv.display());
    serve_tool_as(server, ("uv", "0.13.9"), "uv", script.as_bytes());
    serve_tool(server, "ruff", &["0.17.5", "0.17.6"]);
    serve_program(server, "rust-just", "just", &["1.59.0"]);
    serve_pure(
        server,
        &[
            pure("httpx", "0.28.1", &[], &[]),
            pure("pytest", "9.0.2", &[], &["pytest"]),
        ],
    );
    let sandbox = Sandbox::new()
        .served_by(server)
        .env("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/python")
        .env("SHELL", "/bin/bash")
        .env("NO_COLOR", "1");
    let app = sandbox.home().join("src/app");
    let shop = sandbox.home().join("src/shop");
    for (directory, name, text) in [
        (&app, "devshell.toml", APP),
        (&shop, "pyproject.toml", SHOP),
    ] {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(name), text).unwrap();
        for arguments in [
            ["init", "--quiet", "."].as_slice(),
            &["config", "user.name", "someone"],
            &["config", "user.email", "someone@host.example"],
        ] {
            let mut git = sandbox.command("git");
            sandbox
                .outcome(git.args(arguments).current_dir(directory))
                .success();
        }
    }
    let mut allow = sandbox.command(DEVSH);
    sandbox
        .outcome(allow.arg("allow").current_dir(&app))
        .success();
    Some(sandbox)
}

/// An interactive bash with the hook, in which the commands of a page run one after the other.
struct Terminal {
    pty: Pty,
    root: PathBuf,
    home: String,
    address: String,
}

impl Terminal {
    fn start(sandbox: &Sandbox, server: &Server, page: &Page) -> Self {
        let mut pty = sandbox.shell(HostShell::Bash);
        // The pages for beginners start where a new terminal starts.
        if !matches!(&*page.path, "README.md" | "docs/getting-started.md") {
            pty.cd(&sandbox.home().join("src/app"));
        }
        Self {
            pty,
            root: sandbox.root().to_owned(),
            home: sandbox.home().display().to_string(),
            address: server.address().to_owned(),
        }
    }

    /// Runs a command; returns what the terminal shows up to the next prompt, and the exit status.
    fn run(&mut self, command: &str) -> (Vec<String>, String) {
        let script = self.root.join("tmp/block");
        // A reader answers the question.
        let answered = if command == "devsh allow" {
            "devsh allow --yes"
        } else {
            command
        };
        fs::write(&script, format!("{answered}\n")).unwrap();
        let shown = self.pty.type_line(&format!(". {}", script.display()));
        let status = self.pty.run("echo $?").trim().to_owned();
        let shown = shown
            .replace('\r', "")
            .replace(&self.home, "~")
            .replace(&self.address, "[SERVER]");
        let lines = shown.lines().skip(1).map(|line| line.trim_end().to_owned());
        let mut lines: Vec<String> = lines.collect();
        // The last line is the prompt, behind output that has no end of line.
        if let Some(last) = lines.pop()
            && let Some((before, _)) = last.split_once("<<")
            && !before.is_empty()
        {
            lines.push(before.to_owned());
        }
        (lines, status)
    }
}

/// Splits a block of sh into commands: lines that are continued and here documents belong together.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut command = line.to_owned();
        while command.ends_with('\\') {
            command.push('\n');
            command.push_str(lines.next().unwrap_or_default());
        }
        if let Some((_, end)) = line.split_once("<<'") {
            let end = end.split('\'').next().unwrap_or_default();
            for line in lines.by_ref() {
                command.push('\n');
                command.push_str(line);
                if line == end {
                    break;
                }
            }
        }
        commands.push(command);
    }
    commands
}

/// Splits a console block into commands with the output that each should have.
fn transcript(text: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix('$') {
            steps.push((command.trim().to_owned(), Vec::new()));
        } else if let Some((_, output)) = steps.last_mut() {
            output.push(line.to_owned());
        }
    }
    steps
}

/// Returns whether output matches: `...` is any lines, `…` any text within a line.
fn matches(expected: &[String], shown: &[String]) -> bool {
    match expected.split_first() {
        None => shown.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=shown.len()).any(|skipped| matches(rest, &shown[skipped..]))
        }
        Some((line, rest)) => shown
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && matches(rest, others)),
    }
}

fn line_matches(expected: &str, shown: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = shown.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn transcripts_match_by_line_and_by_text() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, shown, equal) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a\nb\nc", false),
        ("...\nb", "a\na\nb", true),
        ("a\n...", "a", true),
        ("a\n...\nc", "a\nb", false),
        ("devsh: …", "devsh: ruff", true),
        ("a … c … e", "a b c d e", true),
        ("a … c", "a b d", false),
        ("", "a", false),
    ] {
        assert_eq!(
            matches(&lines(expected), &lines(shown)),
            equal,
            "{expected:?} {shown:?}"
        );
    }
}

/// Runs the blocks of a page; returns what went wrong and the page with the actual output.
fn run_page(page: &Page) -> Option<(Vec<String>, String)> {
    let mut wrong = Vec::new();
    let mut updated = page.text.clone();
    let blocks = page.blocks();
    if !blocks
        .iter()
        .any(|block| matches!(&*block.fence, "sh" | "console"))
    {
        return Some((wrong, updated));
    }
    let server = Server::start();
    let sandbox = sandbox(&server)?;
    let mut terminal = Terminal::start(&sandbox, &server, page);
    for block in &blocks {
        let place = format!("{}:{}", page.path, block.line);
        match &*block.fence {
            "sh" => {
                for command in commands(&block.text) {
                    let (shown, status) = terminal.run(&command);
                    if status != "0" {
                        wrong.push(format!(
                            "{place}: `{command}` ends with {status}\n{}",
                            shown.join("\n")
                        ));
                    }
                }
            }
            "console" => {
                let mut actual = String::new();
                let mut equal = true;
                for (command, expected) in transcript(&block.text) {
                    let (shown, _) = terminal.run(&command);
                    actual.push_str(format!("$ {command}").trim_end());
                    actual.push('\n');
                    let same = matches(&expected, &shown);
                    for line in if same { &expected } else { &shown } {
                        actual.push_str(line);
                        actual.push('\n');
                    }
                    equal &= same;
                }
                if !equal {
                    wrong.push(format!("{place}: the output is now\n{actual}"));
                    updated = updated.replace(&block.text, &actual);
                }
            }
            _ => {}
        }
    }
    Some((wrong, updated))
}

#[test]
fn commands_of_the_pages_run() {
    let update = std::env::var_os("DEVSH_TEST_UPDATE_DOCS").is_some();
    let pages = pages();
    let mut wrong = Vec::new();
    thread::scope(|scope| {
        let runs: Vec<_> = pages
            .iter()
            .map(|page| (page, scope.spawn(|| run_page(page))))
            .collect();
        for (page, run) in runs {
            let Some((found, updated)) = run.join().expect("the page runs") else {
                continue;
            };
            if update && updated != page.text {
                fs::write(repository().join(&page.path), updated).unwrap();
            }
            wrong.extend(found);
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn blocks_that_do_not_run_have_a_reason() {
    let mut listed: BTreeSet<(String, String)> = NOT_RUN
        .iter()
        .map(|(page, line, _)| ((*page).to_owned(), (*line).to_owned()))
        .collect();
    let pages = pages();
    for page in &pages {
        for block in page.blocks() {
            let place = format!("{}:{}", page.path, block.line);
            assert!(
                FENCES.contains(&&*block.fence) && !block.fence.is_empty(),
                "{place}: the fence says `{}`",
                block.fence
            );
            if !matches!(&*block.fence, "sh example" | "console example") {
                continue;
            }
            let first = block.text.lines().next().unwrap_or_default().to_owned();
            assert!(
                listed.remove(&(page.path.clone(), first.clone())),
                "{place}: give a reason in NOT_RUN why `{first}` does not run"
            );
            // A program of a block that does not run must at least exist.
            for line in block.text.lines() {
                let program = line.split_whitespace().find(|word| !word.contains('='));
                let program = program.unwrap_or_default();
                if program.contains('/') {
                    assert!(repository().join(program).is_file(), "{place}: {program}");
                }
            }
        }
    }
    assert!(
        listed.is_empty(),
        "NOT_RUN names blocks that are gone: {listed:?}"
    );
}

#[test]
fn manifests_and_settings_of_the_pages_are_valid() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            let place = format!("{}:{}", page.path, block.line);
            let outcome = match &*block.fence {
                "toml" => {
                    let sandbox = Sandbox::new().manifest(&without_extends(&block.text));
                    sandbox.write(".env", "");
                    sandbox.devsh(&["explain"])
                }
                "toml config" => Sandbox::new()
                    .config(&block.text)
                    .manifest("")
                    .devsh(&["explain"]),
                "json" => {
                    if let Err(error) = serde_json::from_str::<serde_json::Value>(&block.text) {
                        wrong.push(format!("{place}: {error}"));
                    }
                    continue;
                }
                _ => continue,
            };
            if !outcome.status.success() {
                wrong.push(format!("{place}: {outcome}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Returns a manifest without its `extends`, whose files a page does not have.
fn without_extends(text: &str) -> String {
    match text.split_once("extends = [\n") {
        Some((before, rest)) => {
            let (_, after) = rest.split_once("\n]\n").expect("the list has an end");
            format!("{before}{after}")
        }
        None => text.to_owned(),
    }
}

/// Returns the targets of links in prose, `[text](target)`.
fn links(prose: &str) -> Vec<&str> {
    let parts = prose.split("](").skip(1);
    parts.filter_map(|part| part.split(')').next()).collect()
}

/// Returns the anchors of a page, as GitHub makes them from headings.
fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.prose();
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
            kept.map(|one| if one == ' ' { '-' } else { one }).collect()
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let by_path: BTreeMap<PathBuf, &Page> = pages
        .iter()
        .map(|page| (repository().join(&page.path).canonicalize().unwrap(), page))
        .collect();
    let mut wrong = Vec::new();
    for (path, page) in &by_path {
        for link in links(&page.prose()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            let Ok(target) = target.canonicalize() else {
                wrong.push(format!("{}: `{link}` does not exist", page.path));
                continue;
            };
            if !anchor.is_empty()
                && !by_path
                    .get(&target)
                    .is_some_and(|page| anchors(page).contains(anchor))
            {
                wrong.push(format!("{}: `{link}` has no such heading", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let mut reached = BTreeSet::new();
    let mut left = vec![repository().join("README.md")];
    while let Some(path) = left.pop() {
        let Ok(path) = path.canonicalize() else {
            continue;
        };
        if path.extension().is_none_or(|extension| extension != "md")
            || !reached.insert(path.clone())
        {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            left.push(path.parent().unwrap().join(link.split('#').next().unwrap()));
        }
    }
    for page in pages() {
        let path = repository().join(&page.path).canonicalize().unwrap();
        let known = page.path == "CHANGELOG.md" || page.path.starts_with(".github/");
        assert!(
            known || reached.contains(&path),
            "no link leads to {}",
            page.path
        );
    }
}

#[test]
fn the_reference_has_every_command_and_option() {
    let page = Page::read("docs/reference/commands.md");
    let sections: BTreeMap<&str, &str> = page
        .text
        .split("\n### `devsh ")
        .skip(1)
        .filter_map(|section| section.split_once("`\n"))
        .collect();
    let (_, global) = page.text.split_once("## Options of every command").unwrap();
    let (global, _) = global.split_once("\n## ").unwrap();
    let commands: BTreeSet<String> = command_names();
    let described: BTreeSet<String> = sections.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(described, commands);
    for name in &commands {
        let own = all_options(name);
        for option in &own {
            let wanted = format!("--{option}");
            assert!(
                global.contains(&wanted) || sections[&**name].contains(&wanted),
                "`devsh {name}` has {wanted}"
            );
        }
        let section = Page {
            path: String::new(),
            text: sections[&**name].to_owned(),
        };
        for code in section.prose().split('`').skip(1).step_by(2) {
            if let Some(option) = code.strip_prefix("--") {
                let option = option.split(' ').next().unwrap_or_default();
                assert!(own.contains(option), "`devsh {name}` has no --{option}");
            }
        }
    }
}

/// Returns the names of the commands that the help lists.
fn command_names() -> BTreeSet<String> {
    let help = help(&["--help"]);
    let devsh = |line: &str| -> Option<String> {
        let name = line.strip_prefix("  ")?;
        let name: String = name.chars().take_while(|one| *one != ' ').collect();
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|one| one.is_ascii_lowercase() || one == '-');
        (plain && !name.starts_with('-')).then_some(name)
    };
    help.lines()
        .filter_map(devsh)
        .filter(|name| {
            let output = Command::new(DEVSH).args([name, "--help"]).output().unwrap();
            output.status.success()
        })
        .collect()
}

/// Returns the options of a command and of the commands below it.
fn all_options(name: &str) -> BTreeSet<String> {
    let mut all = options(&[name, "--help"]);
    let text = help(&[name, "--help"]);
    let below = text.split_once("\nCommands:\n").map(|(_, below)| below);
    let below = below.into_iter().flat_map(str::lines);
    for line in below.take_while(|line| !line.is_empty()) {
        if let Some(word) = line.split_whitespace().next() {
            all.extend(options(&[name, word, "--help"]));
        }
    }
    all
}

fn options(arguments: &[&str]) -> BTreeSet<String> {
    help(arguments)
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_once("--"))
        .map(|(_, rest)| {
            let option = rest.chars();
            option
                .take_while(|one| one.is_ascii_lowercase() || *one == '-')
                .collect()
        })
        .collect()
}

fn help(arguments: &[&str]) -> String {
    let outcome = Sandbox::new().devsh(arguments);
    outcome.success().stdout
}

/// Returns the names in backticks.
fn code_spans(prose: &str) -> impl Iterator<Item = &str> {
    prose
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn files_that_pages_for_contributors_name_exist() {
    let mut wrong = Vec::new();
    for page in pages() {
        for name in code_spans(&page.prose()) {
            let name = name.split([' ', '*', '{']).next().unwrap_or_default();
            let ours = ["src/", "tests/", "hooks/", "shells/"];
            if ours.iter().any(|start| name.starts_with(start)) && !repository().join(name).exists()
            {
                wrong.push(format!("{}: {name}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_architecture_names_every_module() {
    let page = Page::read("docs/dev/architecture.md");
    let rows: BTreeSet<&str> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for entry in fs::read_dir(repository().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap();
        let known = rows.contains(module) || matches!(module, "lib" | "main" | "fuzz");
        assert!(known, "`{module}` has no row in {}", page.path);
    }
}

#[test]
fn messages_name_topics_that_the_program_has() {
    let mut files = Vec::new();
    collect_files(&repository().join("src"), &mut files);
    let sandbox = Sandbox::new();
    let mut seen = 0;
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        for line in text.lines().filter(is_code) {
            for (at, begin) in line.match_indices("devsh help ") {
                let rest = &line[at + begin.len()..];
                let end = rest.find(|one: char| !(one.is_ascii_lowercase() || one == '-'));
                let topic = &rest[..end.unwrap_or(rest.len())];
                if !topic.is_empty() {
                    sandbox.devsh(&["help", topic]).success();
                    seen += 1;
                }
            }
        }
        // A file of the documentation is not installed.
        let mut strings = text
            .lines()
            .filter(is_code)
            .filter(|line| !line.contains("include_str!"));
        let page = strings.find(|line| line.contains("docs/") && line.contains(".md"));
        assert_eq!(page, None, "{}", path.display());
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn paths_of_pages_in_source_code_exist() {
    let mut wrong = Vec::new();
    let mut paths = Vec::new();
    for directory in ["src", "tests", "hooks", "shells"] {
        collect_files(&repository().join(directory), &mut paths);
    }
    paths.push(repository().join("install.sh"));
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (at, _) in text.match_indices("docs/") {
            let name: String = text[at..]
                .chars()
                .take_while(|one| one.is_ascii_alphanumeric() || "/-_.".contains(*one))
                .collect();
            let name = name.trim_end_matches('.');
            if Path::new(name).extension().is_some_and(|end| end == "md")
                && !repository().join(name).is_file()
            {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn collect_files(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// Collects the names of all keys in a JSON Schema.
fn collect_keys(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
    if let Some(table) = schema.as_object() {
        if let Some(properties) = table.get("properties").and_then(|one| one.as_object()) {
            keys.extend(properties.keys().cloned());
        }
        table.values().for_each(|value| collect_keys(value, keys));
    }
    for value in schema.as_array().into_iter().flatten() {
        collect_keys(value, keys);
    }
}

#[test]
fn the_pages_have_every_key_of_the_manifest() {
    let schema = serde_json::from_str(&help(&["schema"])).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &mut keys);
    assert!(keys.contains("standalone"), "{keys:?}");
    let pages: String = pages()
        .into_iter()
        .filter(|page| {
            page.path.starts_with("docs/guide") || page.path.starts_with("docs/reference")
        })
        .map(|page| page.text)
        .collect();
    let part_of_word = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
    let words: BTreeSet<&str> = pages.split(|one: char| !part_of_word(one)).collect();
    for key in keys {
        assert!(words.contains(&*key), "no page has `{key}`");
    }
}

#[test]
fn the_changelog_of_a_version_is_short() {
    let text = Page::read("CHANGELOG.md").text;
    for section in text.split("\n## ").skip(1) {
        assert!(section.lines().count() <= 40, "{section}");
    }
}

#[test]
fn the_lines_for_prompts_show_no_control_or_invisible_character() {
    let page = fs::read_to_string(repository().join("docs/guide/editors.md")).unwrap();
    let root = "/h/caf\u{e9} a\u{202e}b\u{2066}c\u{200b}d\u{9b}e\u{1b}f%z$(g)`h`";
    for (shell, show) in [
        ("bash", "; echo \"${PS1@P}\""),
        ("zsh", "; print -P -- $PROMPT"),
        ("fish", ""),
    ] {
        let Some(program) = require(shell) else {
            continue;
        };
        let start = format!("| {shell} | ");
        let is_row = |line: &&str| line.starts_with(&start) && line.contains("DEVSH_SHELL");
        let row = page.lines().find(is_row).unwrap();
        // The last code in the row; `|` is escaped in tables.
        let code = row.trim_end_matches("` |").rsplit_once('`').unwrap().1;
        let script = format!("{}{show}", code.replace("\\|", "|"));
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("LC_ALL", "C.UTF-8").env("HOME", "/nonexistent");
        command.env("DEVSH_ROOT", root).env("DEVSH_SHELL", "dev");
        let output = command.args(["-c", &script]).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let expected = "caf\u{e9} a?b?c?d?e?f?z??g??h?:dev) ";
        assert!(
            shown.trim_end_matches('\n').ends_with(expected),
            "{shell}: {shown:?}"
        );
    }
}
