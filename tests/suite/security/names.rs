//! Names with control sequences, in every place from which devsh may print one.
//!
//! A name comes in every way in which text of others reaches devsh; what is then said, by whichever command, has no
//! control character, none that reorders or hides text, and keeps the name on its line.

use std::{fs, path::Path, process::Output};

use super::{effort, so_far};
use crate::support::{
    Random, Sandbox, Server,
    sandbox::{DEVSH, write},
    server::Fault,
};

/// Characters that a terminal must not get; line ends are allowed.
fn is_hostile(character: char) -> bool {
    let number = u32::from(character);
    let hidden = [
        0xad..=0xad,
        0x61c..=0x61c,
        0x200b..=0x200f,
        0x2028..=0x202e,
        0x2060..=0x2069,
        0xfeff..=0xfeff,
        0xfff9..=0xfffb,
        0xe0000..=0xe007f,
    ];
    let control = number < 0x20 && number != 0x0a || (0x7f..=0x9f).contains(&number);
    control || hidden.iter().any(|range| range.contains(&number))
}

/// The line that a name tries to have for itself.
const INJECTED: &str = "INJECTED";

fn name(seed: u64) -> String {
    const PIECES: [&str; 24] = [
        "a",
        "b-1",
        " ",
        "'",
        "\"",
        "`",
        "\\",
        "$(x)",
        "é",
        "漢",
        "\u{1b}[31m",
        "\u{1b}]0;t\u{7}",
        "\u{1b}P+q\u{1b}\\",
        "\u{9b}2J",
        "\u{9d}0;t\u{9c}",
        "\r",
        "\t",
        "\u{8}",
        "\u{7f}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
    ];
    let mut random = Random::new(seed);
    let mut name = String::new();
    for _ in 0..=random.below(5) {
        name.push_str(PIECES[random.below(PIECES.len())]);
        if random.below(4) == 0 {
            name.push('\n');
            name.push_str(INJECTED);
        }
    }
    name.push_str(PIECES[10 + random.below(14)]);
    name
}

/// A TOML string that means `text`.
fn toml(text: &str) -> String {
    let escaped = text.chars().map(|one| match one {
        '"' | '\\' => format!("\\{one}"),
        _ if is_hostile(one) || one == '\n' => format!("\\U{:08x}", u32::from(one)),
        _ => one.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// A way in which a name reaches devsh: files of the project, and the command that then is asked.
struct Way {
    files: Vec<(&'static str, String)>,
    command: Vec<String>,
}

/// Manifests that hold a name, with `@` for it quoted and `#` for it plain, and what is asked then.
const MANIFESTS: [(&str, &str); 16] = [
    ("[tools]\n@ = \"1\"\n", "allow"),
    ("[tools]\nruff = @\n", "status"),
    ("[env]\n@ = \"1\"\n", "export bash --nonce 1 --loaded x"),
    ("[env]\nA = @\n", "allow"),
    ("[env]\nA = @\n", "explain A"),
    ("[env]\nA = { required = @ }\n", "run --trust -- true"),
    ("[aliases]\nhi = @\n", "allow"),
    ("[shells.@]\n", "status"),
    ("extends = [@]\n", "allow"),
    ("[env-files]\nload = [@]\n", "allow"),
    ("[hooks]\nenter = @\n", "allow"),
    ("[python]\npackages = [@]\n", "explain"),
    ("#", "export fish --nonce 1 --loaded x"),
    ("[env]\nA = 1 #\n", "allow"),
    ("[env]\nA = @\n", "explain --json"),
    ("[@]\n", "doctor"),
];

/// Files next to the manifest with the same names.
const FILES: [(&str, &str, &str); 6] = [
    (".tool-versions", "ruff #\n", "status"),
    ("devshell.lock", "#", "lock --check --trust"),
    ("devshell.lock", "version = 1\n[[@]]\n", "status --json"),
    ("uv.lock", "version = 1\n#", "status"),
    ("../.config/devsh/config.toml", "@ = 1\n", "allow"),
    ("../.config/devsh/config.toml", "#", "status"),
];

/// Command lines with `@` for a name.
const LINES: [&str; 9] = [
    "run --trust -- @",
    "run --trust --shell @ -- true",
    "explain @",
    "-C @ status",
    "@",
    "--@",
    "add @ --trust",
    "search @",
    "-vv explain @",
];

/// Commands for a server or a host program that answers with such a name.
const SERVED: [&str; 3] = ["lock --trust", "-vv lock --trust", "run --trust -- ruff"];

const WAYS: usize = MANIFESTS.len() + FILES.len() + LINES.len() + SERVED.len();
/// The ways in which the server fails, and in which a program answers.
const FAILS: usize = WAYS - 2;
const ANSWERS: usize = WAYS - 1;

fn way(kind: usize, name: &str) -> Way {
    let filled = |text: &str| {
        let put = |one: char| match one {
            '@' => toml(name),
            '#' => name.to_owned(),
            _ => one.to_string(),
        };
        text.chars().map(put).collect::<String>()
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    let plain = "[tools]\nruff = \"0.12\"\n".to_owned();
    let at = kind.checked_sub(MANIFESTS.len());
    let further = at.and_then(|at| at.checked_sub(FILES.len()));
    let (manifest, more, command): (_, _, Vec<String>) = match (at, further) {
        (None, _) => {
            let (text, line) = MANIFESTS[kind];
            (filled(text), None, words(line))
        }
        (Some(at), None) => {
            let (file, text, line) = FILES[at];
            (plain, Some((file, filled(text))), words(line))
        }
        (_, Some(at)) if at < LINES.len() => {
            let words = LINES[at].split(' ').map(|word| word.replace('@', name));
            (String::new(), None, words.collect())
        }
        (_, Some(at)) => (plain, None, words(SERVED[at - LINES.len()])),
    };
    let files = std::iter::once(("devshell.toml", manifest))
        .chain(more)
        .collect();
    Way { files, command }
}

#[test]
fn nothing_that_is_said_speaks_to_the_terminal() {
    let server = Server::start();
    let sandbox = Sandbox::new().served_by(&server);
    let (mut said, rounds) = (0, effort(WAYS, 10_000));
    for seed in 0..rounds {
        so_far(seed, "names");
        let name = name(seed as u64);
        let kind = seed % WAYS;
        let way = way(kind, &name);
        // Sometimes the project is in a directory of that name.
        let place = match seed / WAYS % 3 {
            1 => sandbox
                .home()
                .join("odd")
                .join(name.replace('/', "_"))
                .join("p"),
            _ => sandbox.project().to_owned(),
        };
        let output = ask(&sandbox, &server, (kind, &way), (&name, &place));
        let command = &way.command;
        // Code for a shell quotes a path unchanged, and a program that devsh became prints its own text.
        let code = command[0] == "export" || kind == ANSWERS && output.status.code() == Some(3);
        let all = [
            (&output.stdout, code),
            (&output.stderr, kind == ANSWERS && code),
        ];
        for (bytes, _) in all.iter().filter(|(_, code)| !code) {
            let text = String::from_utf8_lossy(bytes);
            said += usize::from(!text.is_empty());
            let what = format!("{seed}: {kind} {command:?} {name:?}:\n{text:?}");
            assert!(!text.contains(is_hostile), "{what}");
            assert!(
                !text.lines().any(|line| line.starts_with(INJECTED)),
                "{what}"
            );
        }
    }
    eprintln!(
        "figure: {rounds} names in {WAYS} ways, {said} answers, nothing for the terminal in them"
    );
    assert!(said > rounds / 2, "{said}");
}

/// Puts the files of a way into a place, asks devsh, and takes them away again.
fn ask(
    sandbox: &Sandbox,
    server: &Server,
    (kind, way): (usize, &Way),
    (name, place): (&str, &Path),
) -> Output {
    fs::create_dir_all(place).unwrap();
    let path = |file: &str| match file.strip_prefix("../") {
        Some(below) => sandbox.home().join(below),
        None => place.join(file),
    };
    for (file, content) in &way.files {
        write(&path(file), content.as_bytes());
    }
    server.serve("/simple/ruff/", name);
    let mut process = sandbox.command(DEVSH);
    if kind == FAILS {
        server.fault("/simple/ruff/", Fault::Status(503));
    }
    if kind == ANSWERS {
        let script = "#!/bin/sh\necho \"$RUFF\"; echo \"$RUFF\" >&2; exit 3\n";
        sandbox.program("ruff", script);
        process.env("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple");
        process.env("RUFF", format!("ruff {name}"));
    }
    process.args(&way.command).current_dir(place);
    let output = process.output().unwrap();
    server.mend();
    fs::remove_dir_all(place).unwrap();
    let _absent = fs::remove_file(path("../.config/devsh/config.toml"));
    output
}
