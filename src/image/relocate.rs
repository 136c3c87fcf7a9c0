//! Rewrites paths of this machine to those of the image, in links and in text.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters of a path that a `file:` address keeps.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Directories of this machine and their places in the image.
#[derive(Debug, Clone, Default)]
pub struct Relocation {
    /// The longest directory first, because it wins over its parents.
    rules: Vec<RelocationRule>,
}

#[derive(Debug, Clone)]
struct RelocationRule {
    from: PathBuf,
    to: String,
    /// The spellings of `from` in text: plain, in a Python literal, in an address.
    spellings: Vec<Vec<u8>>,
}

impl Relocation {
    /// Adds a directory.
    pub fn add(&mut self, from: &Path, to: &str) {
        self.rules.push(RelocationRule {
            from: from.to_owned(),
            to: to.to_owned(),
            spellings: spellings(from),
        });
        let length = |rule: &RelocationRule| rule.from.as_os_str().len();
        self.rules
            .sort_by_key(|rule| std::cmp::Reverse(length(rule)));
    }

    /// Returns the place of a path in the image, if it is below one of the directories.
    pub fn path(&self, path: &Path) -> Option<PathBuf> {
        self.rules.iter().find_map(|rule| {
            let rest = path.strip_prefix(&rule.from).ok()?;
            let to = Path::new(&rule.to);
            Some(if rest.as_os_str().is_empty() {
                to.to_owned()
            } else {
                to.join(rest)
            })
        })
    }

    /// Returns whether a text can have one of these paths.
    pub fn concerns(&self, text: &[u8]) -> bool {
        self.found_in(text).is_some()
    }

    /// Returns text with every path rewritten.
    pub fn text(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for rule in &self.rules {
            for spelling in &rule.spellings {
                text = replace(&text, spelling, rule.to.as_bytes());
            }
        }
        text
    }

    /// Returns the first of these directories that a text contains, however it is spelled.
    pub fn found_in(&self, text: &[u8]) -> Option<String> {
        let rule = self.rules.iter().find(|rule| {
            let mut spellings = rule.spellings.iter();
            spellings.any(|spelling| find(text, spelling).is_some())
        })?;
        Some(rule.from.display().to_string())
    }
}

fn spellings(path: &Path) -> Vec<Vec<u8>> {
    let mut all = vec![path.as_os_str().as_bytes().to_vec()];
    if let Some(text) = path.to_str() {
        let literal = text.chars().map(|one| {
            if one.is_ascii_graphic() && !matches!(one, '\'' | '\\') {
                one.to_string()
            } else {
                format!("\\U{:08x}", u32::from(one))
            }
        });
        all.push(literal.collect::<String>().into_bytes());
        let address = utf8_percent_encode(text, IN_ADDRESS).to_string();
        all.push(address.into_bytes());
    }
    all.dedup();
    all
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, word).find(|at| {
        // The name of a directory ends here: `/home/me` is not in `/home/mechanic`.
        let next = text.get(at + word.len());
        !next.is_some_and(|next| {
            next.is_ascii_alphanumeric() || b"-_.".contains(next) || *next >= 0x80
        })
    })
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut rest, mut replaced) = (text, Vec::with_capacity(text.len()));
    while let Some(at) = find(rest, from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_rewritten_in_every_spelling() {
        let mut relocation = Relocation::default();
        relocation.add(Path::new("/home/a b"), "/app");
        relocation.add(Path::new("/home/a b/store"), "/devsh/store");
        let text = b"/home/a b/store/x:/home/a b\nsite.addsitedir('/home/a\\U00000020b/store/y')\nfile:///home/a%20b/src /home/a bc";
        let expected =
            b"/devsh/store/x:/app\nsite.addsitedir('/devsh/store/y')\nfile:///app/src /home/a bc";
        assert_eq!(
            String::from_utf8(relocation.text(text)).unwrap(),
            String::from_utf8(expected.to_vec()).unwrap()
        );
        assert_eq!(
            relocation.path(Path::new("/home/a b/store/z")),
            Some(PathBuf::from("/devsh/store/z"))
        );
        assert_eq!(relocation.path(Path::new("/home/a bc")), None);
        assert!(relocation.found_in(b"x /home/a%20b/").is_some());
        assert!(relocation.found_in(b"x /home/a bc").is_none());
    }
}
