//! The place of a prefix in its files: packages are built with a placeholder for it.

use memchr::memmem;

use crate::package::System;

/// Longest first line that Linux reads, in bytes.
const LINE_LINUX: usize = 127;
/// Longest first line that macOS reads, in bytes.
const LINE_MACOS: usize = 512;

/// A placeholder and the place that replaces it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacement<'a> {
    pub(super) placeholder: &'a str,
    pub(super) prefix: &'a str,
    pub(super) system: System,
}

impl Replacement<'_> {
    /// Replaces the placeholder in a text, also in its first line, which has a limited length if it names an interpreter.
    pub(super) fn in_text(self, text: &[u8]) -> Vec<u8> {
        if !text.starts_with(b"#!") {
            return self.everywhere(text);
        }
        let end = text
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(text.len());
        let (first, rest) = text.split_at(end);
        let first = self.everywhere(first);
        let first = match std::str::from_utf8(&first) {
            Ok(line) => interpreter_line(line, self.system).into_bytes(),
            Err(_) => first,
        };
        [first, self.everywhere(rest)].concat()
    }

    /// Replaces the placeholder in each string of a binary, and fills the string up to its length with zeros.
    ///
    /// The prefix must not be longer than the placeholder.
    pub(super) fn in_binary(self, data: &[u8]) -> Vec<u8> {
        let mut replaced = Vec::with_capacity(data.len());
        let mut rest = data;
        while let Some(start) = memmem::find(rest, self.placeholder.as_bytes()) {
            let end = memchr::memchr(0, &rest[start..]);
            let end = end.map_or(rest.len(), |length| start + length);
            replaced.extend_from_slice(&rest[..start]);
            let string = self.everywhere(&rest[start..end]);
            let padding = (end - start).saturating_sub(string.len());
            replaced.extend_from_slice(&string);
            replaced.resize(replaced.len() + padding, 0);
            rest = &rest[end..];
        }
        replaced.extend_from_slice(rest);
        replaced
    }

    fn everywhere(self, data: &[u8]) -> Vec<u8> {
        let placeholder = self.placeholder.as_bytes();
        let mut replaced = Vec::with_capacity(data.len());
        let mut rest = data;
        while let Some(at) = memmem::find(rest, placeholder) {
            replaced.extend_from_slice(&rest[..at]);
            replaced.extend_from_slice(self.prefix.as_bytes());
            rest = &rest[at + placeholder.len()..];
        }
        replaced.extend_from_slice(rest);
        replaced
    }
}

/// Returns a first line that the kernel can read: an interpreter at a long path is started in another way.
pub(super) fn interpreter_line(line: &str, system: System) -> String {
    let limit = if system.is_linux() {
        LINE_LINUX
    } else {
        LINE_MACOS
    };
    let command = line
        .strip_prefix("#!")
        .unwrap_or(line)
        .trim_start_matches(' ');
    let end = command.find(char::is_whitespace).unwrap_or(command.len());
    let (program, options) = command.split_at(end);
    if line.len() <= limit || !program.starts_with('/') {
        return line.to_owned();
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    if is_python(name) {
        // The shell reads this as a command, Python as a string.
        format!("#!/bin/sh\n'''exec' \"{program}\"{options} \"$0\" \"$@\" #'''")
    } else {
        format!("#!/usr/bin/env {name}{options}")
    }
}

fn is_python(name: &str) -> bool {
    let Some(version) = name.strip_prefix("python") else {
        return false;
    };
    let mut numbers = version.splitn(2, '.');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version.is_empty() || numbers.all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacement<'a>(placeholder: &'a str, prefix: &'a str) -> Replacement<'a> {
        Replacement {
            placeholder,
            prefix,
            system: System::LinuxX86_64,
        }
    }

    #[test]
    fn strings_of_binaries_keep_their_length() {
        let binary = replacement("/placeholder", "/opt");
        for (data, expected) in [
            (
                &b"\x7f/placeholder/lib\0rest"[..],
                &b"\x7f/opt/lib\0\0\0\0\0\0\0\0\0rest"[..],
            ),
            (
                b"a\0/placeholder/a:/placeholder/b\0c",
                b"a\0/opt/a:/opt/b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0c",
            ),
            (b"/placeholder", b"/opt\0\0\0\0\0\0\0\0"),
            (b"/placeholde", b"/placeholde"),
            (b"", b""),
        ] {
            let replaced = binary.in_binary(data);
            assert_eq!(replaced, expected);
            assert_eq!(replaced.len(), data.len());
        }
    }

    #[test]
    fn texts_change_their_length() {
        let text = replacement("/PFX", "/opt/long");
        for (data, expected) in [
            (
                "#!/PFX/bin/sh\nx=/PFX:/PFX\n",
                "#!/opt/long/bin/sh\nx=/opt/long:/opt/long\n",
            ),
            ("prefix=/PFX", "prefix=/opt/long"),
            ("#!/PFX/bin/python3.12 -E", "#!/opt/long/bin/python3.12 -E"),
        ] {
            assert_eq!(text.in_text(data.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn an_interpreter_at_a_long_path_is_started_in_another_way() {
        let long = format!("/{}", "x".repeat(130));
        let text = replacement("/PFX", &long);
        let replaced = |line: &str| String::from_utf8(text.in_text(line.as_bytes())).unwrap();
        assert_eq!(
            replaced("#!/PFX/bin/python3.12 -E\nx"),
            format!("#!/bin/sh\n'''exec' \"{long}/bin/python3.12\" -E \"$0\" \"$@\" #'''\nx")
        );
        assert_eq!(
            replaced("#! /PFX/bin/perl -w\n"),
            "#!/usr/bin/env perl -w\n"
        );
        let short = "#!/bin/sh\n# /PFX\n";
        assert_eq!(replaced(short), format!("#!/bin/sh\n# {long}\n"));
    }
}
