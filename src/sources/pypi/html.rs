//! Pages of an index that has only HTML (PEP 503): one link for each file.

use std::collections::BTreeMap;

use super::{PypiFile, Yanked};

/// Returns the files that a page links to.
pub(super) fn read(page: &str) -> Vec<PypiFile> {
    let mut files = Vec::new();
    let mut rest = page;
    while let Some(tag) = next_link(&mut rest) {
        let mut attributes = attributes(tag);
        let Some(address) = attributes.remove("href") else {
            continue;
        };
        let (place, fragment) = address.split_once('#').unwrap_or((&*address, ""));
        let path = place.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let hashes = fragment.split('&').filter_map(|one| one.split_once('='));
        files.push(PypiFile {
            filename: percent_decoded(name),
            url: place.to_owned(),
            hashes: hashes
                .map(|(kind, digest)| (kind.to_owned(), digest.to_owned()))
                .collect(),
            size: None,
            requires_python: attributes.remove("data-requires-python"),
            upload_time: None,
            yanked: match attributes.remove("data-yanked") {
                Some(reason) => Yanked::Reason(reason),
                None => Yanked::default(),
            },
        });
    }
    files
}

/// Returns the attributes of the next `<a …>` as text, and moves `rest` behind it.
fn next_link<'p>(rest: &mut &'p str) -> Option<&'p str> {
    loop {
        let (_, tag) = rest.split_once('<')?;
        *rest = tag;
        let named = tag.strip_prefix(['a', 'A']);
        let Some(text) = named.filter(|text| text.starts_with(|one: char| one.is_whitespace()))
        else {
            continue;
        };
        let mut quote = None;
        // A `>` inside of quotes is part of a value (`data-requires-python=">=3.8"`).
        let end = text.find(|one: char| {
            let outside = quote.is_none();
            if quote == Some(one) {
                quote = None;
            } else if outside {
                quote = matches!(one, '"' | '\'').then_some(one);
            }
            outside && one == '>'
        })?;
        *rest = &text[end..];
        return Some(&text[..end]);
    }
}

fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|one: char| one == '=' || one.is_whitespace());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => {
                let quoted = value.strip_prefix(['"', '\'']).and_then(|inner| {
                    let mark = value.chars().next()?;
                    inner.split_once(mark)
                });
                let bare = || value.split_once(char::is_whitespace).unwrap_or((value, ""));
                quoted.unwrap_or_else(bare)
            }
        };
        if !name.is_empty() {
            let name = name.to_ascii_lowercase();
            found.entry(name).or_insert_with(|| unescaped(value));
        }
        rest = after.trim_start().trim_start_matches('=');
    }
    found
}

/// Replaces the references that a version bound or an address can have.
fn unescaped(text: &str) -> String {
    let references = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    references.iter().fold(text.to_owned(), replace)
}

/// Replaces the escapes of an address (`%2B` for the `+` of a local version).
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_files() {
        let page = r#"<!DOCTYPE html><html><body><abbr>x</abbr>
            <a href="/files/a-1.0-py3-none-any.whl#sha256=0a" data-requires-python="&gt;=3.8,&lt;4">a</a>
            <A data-yanked='broken > "1"' HREF='../b-1%2Blocal.whl?x=1#md5=1&amp;sha256=0b'>b</A>
            <a class=x href=c.tar.gz data-yanked>c</a><a name="top">d</a><a href="e"#;
        let files = read(page);
        let shown = files.iter().map(|file| {
            let yanked = match &file.yanked {
                Yanked::Flag(_) => "",
                Yanked::Reason(reason) => reason,
            };
            let hash = file.hashes.get("sha256").map_or("", String::as_str);
            let python = file.requires_python.as_deref().unwrap_or_default();
            [&*file.filename, &*file.url, hash, python, yanked].join("|")
        });
        let expected = [
            "a-1.0-py3-none-any.whl|/files/a-1.0-py3-none-any.whl|0a|>=3.8,<4|",
            "b-1+local.whl|../b-1%2Blocal.whl?x=1|0b||broken > \"1\"",
            "c.tar.gz|c.tar.gz|||",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert!(matches!(&files[2].yanked, Yanked::Reason(reason) if reason.is_empty()));
    }
}
