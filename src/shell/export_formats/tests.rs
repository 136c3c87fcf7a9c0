//! Readers of the formats get the values that were written.

use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

fn change(name: &str, value: &str) -> Assignment {
    Assignment {
        name: name.parse().unwrap(),
        value: Some(value.into()),
    }
}

fn unset(name: &str) -> Assignment {
    Assignment {
        name: name.parse().unwrap(),
        value: None,
    }
}

#[test]
fn each_format_has_its_text() {
    let changes = [
        change("A", "/a:/b"),
        unset("B"),
        change("C", "two words"),
        change("D", "it's\n\"$x\" \\"),
        change("E", ""),
    ];
    assert_eq!(
        json(&changes).unwrap(),
        "{\n  \"A\": \"/a:/b\",\n  \"B\": null,\n  \"C\": \"two words\",\n  \
         \"D\": \"it's\\n\\\"$x\\\" \\\\\",\n  \"E\": \"\"\n}\n"
    );
    assert_eq!(
        dotenv(&changes).unwrap(),
        "A=/a:/b\nC='two words'\nD=\"it's\\n\\\"\\$x\\\" \\\\\"\nE=\n"
    );
    assert_eq!(
        github(&changes[..1], "x1").unwrap(),
        "A<<devsh_x1\n/a:/b\ndevsh_x1\n"
    );
    assert_eq!(gitlab(&changes[..3]).unwrap(), "A=/a:/b\nC=two words\n");
}

#[test]
fn errors_name_the_variable() {
    let name = || "D".parse().unwrap();
    let bytes = Assignment {
        name: name(),
        value: Some(OsString::from_vec(vec![b'a', 0xff])),
    };
    for result in [
        json(std::slice::from_ref(&bytes)),
        dotenv(std::slice::from_ref(&bytes)),
        github(std::slice::from_ref(&bytes), "x"),
        gitlab(std::slice::from_ref(&bytes)),
    ] {
        assert_eq!(result, Err(Error::NotText(name())));
    }
    assert_eq!(
        gitlab(&[change("D", "a\nb")]),
        Err(Error::LineBreak(name()))
    );
    assert_eq!(
        dotenv(&[change("D", "a\rb")]),
        Err(Error::LineBreak(name()))
    );
    assert_eq!(
        dotenv(&[change("D", "it's `id`")]),
        Err(Error::Backtick(name()))
    );
    assert_eq!(dotenv(&[change("D", "`id`")]).unwrap(), "D='`id`'\n");
    assert_eq!(gitlab(&[change("D", " a")]), Err(Error::Blank(name())));
    let long = "x".repeat(GITLAB_BYTES);
    let found = GITLAB_BYTES + 3;
    assert_eq!(gitlab(&[change("D", &long)]), Err(Error::TooLong { found }));
    let many: Vec<_> = (0..151).map(|at| change(&format!("V{at}"), "1")).collect();
    assert_eq!(gitlab(&many), Err(Error::TooMany { found: 151 }));
    assert!(gitlab(&many[..150]).is_ok());
}

#[test]
fn a_value_cannot_close_its_block() {
    let file = github(&[change("A", "x\ndevsh_z\nPATH<<devsh_z\n/evil")], "z").unwrap();
    assert_eq!(
        file,
        "A<<devsh_z_\nx\ndevsh_z\nPATH<<devsh_z\n/evil\ndevsh_z_\n"
    );
}

#[test]
fn github_keeps_its_own_names() {
    for (name, admitted) in [
        ("GITHUB_TOKEN", false),
        ("RUNNER_OS", false),
        ("NODE_OPTIONS", false),
        ("CI", true),
        ("MY_GITHUB_X", true),
    ] {
        assert_eq!(github_admits(&name.parse().unwrap()), admitted, "{name}");
    }
}

/// Reads an environment file as the runner of GitHub Actions does: name, delimiter, lines up to the delimiter.
fn read_github(file: &str) -> Vec<(String, String)> {
    let mut lines = file.split('\n');
    let mut found = Vec::new();
    while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
        found.push((name.to_owned(), value.join("\n")));
    }
    found
}

proptest! {
    #[test]
    fn a_dotenv_reader_gets_every_value(value in "[ -~\n\té漢]{0,40}") {
        let refused = value.contains('`') && value.contains(['\'', '\\', '\n', '\t']);
        let file = dotenv(&[change("FIRST", &value), change("LAST", "z")]);
        prop_assert_eq!(file.is_err(), refused);
        let Ok(file) = file else { return Ok(()) };
        let read: Result<Vec<_>, _> = dotenvy::from_read_iter(file.as_bytes()).collect();
        let read = read.map_err(|error| TestCaseError::fail(format!("{error}: {file:?}")))?;
        prop_assert_eq!(&read[0], &("FIRST".to_owned(), value), "{:?}", file);
        prop_assert_eq!(&read[1].1, "z");
    }

    #[test]
    fn github_s_runner_gets_every_value(value in "[ -~\né漢]{0,40}") {
        let file = github(&[change("FIRST", &value), change("LAST", "z")], "r").unwrap();
        let expected = vec![("FIRST".to_owned(), value), ("LAST".to_owned(), "z".to_owned())];
        prop_assert_eq!(read_github(&file), expected);
    }

    #[test]
    fn json_carries_every_text(value in "\\PC{0,40}") {
        let file = json(&[change("A", &value)]).unwrap();
        let read: serde_json::Value = serde_json::from_str(&file).unwrap();
        prop_assert_eq!(read["A"].as_str(), Some(value.as_str()));
    }
}
