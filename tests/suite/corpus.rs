//! Detection from manifests of other tools: every case of `tests/fixtures/corpus`, written from the specifications of
//! those tools.
//!
//! A case begins with `==` and its name, a file with `--`. `=>` expects the request for a tool: bounds follow `&`,
//! components `+`, and the version that is chosen among `OFFERS` follows `=`. `=>` with bare names expects tools without a
//! version, `=#` a note, `=!` the start of an error, `=?` a contradiction.

mod oracles;

use std::{collections::BTreeMap, fs, time::SystemTime};

use devsh::{
    config::ownership::Access,
    manifest::{self, ImportedSettings, MANIFEST, Manifest, ShellName, ToolRequest},
    package::{Tool, Version},
    project::{
        self,
        detect::{self, Detection, SoughtPresets},
        reader::Inputs,
    },
};
use tempfile::TempDir;

use crate::support::repository;

/// The versions that the sources have.
const OFFERS: &[(&str, &[&str])] = &[
    ("black", &["24.10.0", "25.1.0", "25.12.0", "26.1.0"]),
    ("bun", &["1.2.3", "1.3.0"]),
    (
        "go",
        &[
            "1.20.14", "1.21.13", "1.22.0", "1.22.3", "1.23.4", "1.24.1", "1.25.0",
        ],
    ),
    ("just", &["1.40.0", "1.41.2"]),
    (
        "node",
        &[
            "16.20.2", "18.20.1", "20.10.0", "20.11.1", "22.12.0", "24.1.0", "26.0.0",
        ],
    ),
    ("npm:@yarnpkg/cli-dist", &["3.8.7", "4.5.0", "4.9.1"]),
    ("pnpm", &["8.15.9", "9.1.0", "9.15.0", "10.5.2"]),
    ("poetry", &["1.8.5", "2.1.4"]),
    ("pre-commit", &["3.8.0", "4.1.0", "4.5.0"]),
    ("prettier", &["3.5.0"]),
    (
        "python",
        &[
            "3.9.25",
            "3.10.20",
            "3.11.9",
            "3.12.4",
            "3.13.1",
            "3.14.0",
            "3.15.0rc1",
        ],
    ),
    ("ruby", &["3.3.0", "3.4.1"]),
    (
        "ruff",
        &["0.11.13", "0.12.1", "0.12.3", "0.12.12", "0.13.0", "0.17.6"],
    ),
    ("rust", &["1.70.0", "1.80.1", "1.85.0", "1.89.0", "1.95.0"]),
    ("uv", &["0.8.22", "0.9.0", "0.9.9"]),
    ("yarn", &["1.22.19", "1.22.22"]),
];

/// A repository and the expected results.
#[derive(Debug, Default)]
struct Case {
    name: String,
    files: Vec<(String, String)>,
    /// Lines of `=>`, `=#`, `=!` and `=?`.
    expected: Vec<String>,
}

fn cases() -> Vec<Case> {
    let folder = repository().join("tests/fixtures/corpus");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut cases: Vec<Case> = Vec::new();
    for path in paths {
        let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in fs::read_to_string(&path).unwrap().lines() {
            if let Some(name) = line.strip_prefix("== ") {
                cases.push(Case {
                    name: format!("{kind}: {name}"),
                    ..Case::default()
                });
                continue;
            }
            let case = cases.last_mut().unwrap();
            if let Some(file) = line.strip_prefix("-- ") {
                case.files.push((file.to_owned(), String::new()));
            } else if ["=> ", "=# ", "=! ", "=? "]
                .iter()
                .any(|mark| line.starts_with(mark))
            {
                case.expected.push(line.to_owned());
            } else if case.expected.is_empty()
                && let Some((_, text)) = case.files.last_mut()
            {
                text.push_str(line);
                text.push('\n');
            } else {
                assert!(line.is_empty(), "{}: {line}", case.name);
            }
        }
    }
    cases
}

impl Case {
    /// Writes the files of the repository.
    fn write(&self) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    /// Returns the expectations of one kind, with a line for each bare name.
    fn lines(&self, mark: &str) -> Vec<String> {
        let lines = self
            .expected
            .iter()
            .filter_map(|line| line.strip_prefix(mark));
        let mut lines: Vec<String> = lines
            .flat_map(|line| match line {
                "nothing" => Vec::new(),
                line if mark != "=> " || line.contains(" = ") || line.contains(" +") => {
                    vec![line.to_owned()]
                }
                // A release line of Node.js has a name and no numbers.
                line if line.contains(' ') && !line.contains(", ") => vec![line.to_owned()],
                names => names.split(", ").map(|name| format!("{name} *")).collect(),
            })
            .collect();
        lines.sort();
        lines
    }
}

fn detected(root: &TempDir) -> Result<(Detection, Manifest), String> {
    let root = root.path().canonicalize().unwrap();
    let mut inputs = Inputs::new(&root, Access::default(), SystemTime::now());
    let detection = detect::detect(&mut inputs, SoughtPresets::OfRoot);
    let detection = detection.map_err(|error| match error {
        project::Error::Content(error) => format!("{}: {error}", error.origin()),
        other => other.to_string(),
    })?;
    let manifest = manifest::merge(&detection.layers).map_err(|error| error.to_string())?;
    Ok((detection, manifest))
}

/// Returns the version that is chosen, if any.
fn chosen(tool: &Tool, request: &ToolRequest) -> Option<Version> {
    let name = tool.to_string();
    let (_, versions) = OFFERS.iter().find(|(known, _)| *known == name)?;
    let versions = versions
        .iter()
        .map(|version| version.parse::<Version>().unwrap());
    versions.filter(|version| request.admits(version)).max()
}

/// Returns a request in the form of the corpus.
fn told(tool: &Tool, request: &ToolRequest) -> String {
    let mut line = format!("{tool} {}", request.requirement.value);
    for floor in &request.floors {
        line = format!("{line} & {}", floor.value);
    }
    for part in request.components.iter().chain(&request.targets) {
        line = format!("{line} +{part}");
    }
    let plain = line == format!("{tool} *");
    let channel = request.requirement.value.channel().is_some();
    match chosen(tool, request) {
        Some(version) if !plain && !channel => format!("{line} = {version}"),
        _ => line,
    }
}

fn place(origin: &manifest::Origin) -> String {
    if origin.file.starts_with("preset ") {
        "preset".to_owned()
    } else {
        origin.to_string()
    }
}

/// Returns the contradictions among a manifest's requests in the form of the corpus.
fn contradictions(manifest: &Manifest) -> Vec<String> {
    let dev = &manifest.shells[&ShellName::dev()];
    let wrong = dev
        .tools
        .iter()
        .filter(|(_, request)| request.is_contradictory());
    let told = wrong.map(|(tool, request)| {
        let floors = request.floors.iter();
        let floors: Vec<String> = floors
            .map(|one| format!("{} {}", one.value, place(&one.origin)))
            .collect();
        let asked = &request.requirement;
        format!(
            "{tool} {} {} against {}",
            asked.value,
            place(&asked.origin),
            floors.join(", ")
        )
    });
    told.collect()
}

#[test]
fn every_case_agrees_with_the_specifications() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    for case in &cases {
        let found = detected(&case.write());
        let problem = match &found {
            Err(error) => match case.lines("=! ").as_slice() {
                [expected] if error.starts_with(expected) && !error.contains('\n') => continue,
                _ => format!("the error `{error}`"),
            },
            Ok((detection, manifest)) => {
                let dev = &manifest.shells[&ShellName::dev()];
                let mut tools: Vec<String> = dev
                    .tools
                    .iter()
                    .map(|(tool, request)| told(tool, request))
                    .collect();
                tools.sort();
                let mut notes: Vec<String> = detection
                    .notes
                    .iter()
                    .map(|note| format!("{}: {}", note.origin, note.message))
                    .collect();
                notes.sort();
                let contradictions = contradictions(manifest);
                let expected = case.lines("=? ");
                let as_expected = if expected.is_empty() {
                    tools == case.lines("=> ") && notes == case.lines("=# ")
                } else {
                    contradictions == expected
                };
                if as_expected && case.lines("=! ").is_empty() {
                    continue;
                }
                format!("{tools:#?} {notes:#?} {contradictions:#?}")
            }
        };
        wrong.push(format!(
            "{}\nexpected {:#?}\nfound {problem}",
            case.name, case.expected
        ));
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn a_manifest_of_init_gives_the_detected_dev_shells() {
    for case in cases() {
        let root = case.write();
        let Ok((detection, manifest)) = detected(&root) else {
            continue;
        };
        let text = manifest::init_template(&detection.presets, &ImportedSettings::default());
        let layer = manifest::parse(MANIFEST, &text).unwrap_or_else(|error| {
            panic!("{}: {error}\n{text}", case.name);
        });
        let root = root.path().canonicalize().unwrap();
        let mut inputs = Inputs::new(&root, Access::default(), SystemTime::now());
        let followed = detect::detect(&mut inputs, SoughtPresets::Named(&layer.presets)).unwrap();
        let followed = manifest::merge(&followed.layers).unwrap();
        assert_eq!(
            summary(&manifest),
            summary(&followed),
            "{}\n{text}",
            case.name
        );
    }
}

/// Returns the parts of a manifest that must agree: versions, components, packages, variables.
fn summary(manifest: &Manifest) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for (name, shell) in &manifest.shells {
        let mut lines: Vec<String> = Vec::new();
        for (tool, request) in &shell.tools {
            let version = match request.requirement.value.channel() {
                Some(channel) => channel.to_owned(),
                None => format!(
                    "{:?}",
                    chosen(tool, request).map(|version| version.to_string())
                ),
            };
            lines.push(format!(
                "{tool} {version} {:?} {:?}",
                request.components, request.targets
            ));
        }
        for (name, value) in &shell.env {
            lines.push(format!("{name:?} {:?}", value.value));
        }
        let groups: Vec<&str> = shell
            .python
            .groups
            .iter()
            .map(|group| group.value.as_str())
            .collect();
        lines.push(format!(
            "{:?} {groups:?}",
            shell.python.lock.as_ref().map(|lock| &lock.value)
        ));
        all.insert(name.to_string(), lines);
    }
    // A project with version lists only has no other dev shell than `dev`.
    all
}
