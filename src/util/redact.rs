//! Addresses in messages and files, without what may be a password or a token. The only code that removes these.

use std::ops::Range;

use url::Url;

use super::address::{check_address, variables, without_variables};

/// Characters that end an address in a text. A password can have `,` and `'`: what follows one of them is part of it.
const ENDS: [char; 7] = [' ', '\t', '\n', '"', '`', '<', '>'];
/// Parameters that name a revision, and are never secret.
const REVISION: [&str; 4] = ["branch", "rev", "subdirectory", "tag"];

/// Returns an address without user name, password, query, fragment and the token of a conda channel (`/t/TOKEN/`).
pub fn redact_url(url: &Url) -> Url {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    Url::parse(&redact_text(shown.as_str())).unwrap_or(shown)
}

/// Returns a text in which each address has no user name, password or token.
pub fn redact_text(text: &str) -> String {
    let mut shown = String::new();
    let mut end = 0;
    for secret in secrets(text) {
        shown.push_str(&text[end..secret.range.start]);
        shown.push_str(&secret.replacement);
        end = secret.range.end;
    }
    shown + &text[end..]
}

/// Returns a text for an approval: redacted, with a digest of the whole text if anything is hidden. Two texts that differ
/// in the hidden parts only look different.
pub fn redact_for_approval(text: &str) -> String {
    let shown = redact_text(text);
    if shown == text {
        return shown;
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    format!("{shown}  (a part is hidden, digest {})", &digest[..8])
}

/// Returns a text of the same length, in which what may be secret is hidden: for the lines of a file.
pub fn mask_text(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let hidden = secrets(text).into_iter().map(|secret| secret.range);
    for range in hidden.chain(odd_passwords(text)) {
        bytes[range].fill(b'*');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Returns the user names and passwords in lines with addresses that do not parse: a password can have any character and
/// end at any `@`.
fn odd_passwords(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let line = text[start..].lines().next()?;
        let (name, rest) = line.split_once(':')?;
        let after_port = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        let is_port =
            after_port.is_empty() || after_port.starts_with(['/', '\\', '?', '#', '"', '\'']);
        let address = &line[..line.find(ENDS).unwrap_or(line.len())];
        let (server, _) = split_before(address, &['/', '\\', '?', '#']);
        if is_port
            || server.contains('@')
            || name.contains(ENDS)
            || name.contains(['/', '\\', '?', '#'])
        {
            return None;
        }
        let end = line.rfind('@')?;
        Some(start..start + end + 1)
    })
}

/// Returns a text that should be an address and is none, without what may be a password.
pub fn redact_invalid(text: &str) -> String {
    if check_address(text).is_ok() && !text.contains(ENDS) {
        return redact_text(text);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    // Without a server, a password can have any character and end at any `@`.
    let (name, shown) = rest.rsplit_once('@').unwrap_or(("", rest));
    let shown = if name.contains(['?', '#']) {
        "..."
    } else {
        split_before(shown, &['?', '#']).0
    };
    redact_text(&format!("{scheme}{shown}"))
}

/// A part of a text that is not shown.
struct Secret {
    range: Range<usize>,
    replacement: String,
}

/// Returns the parts of all addresses in a text that may be secret, in their order.
fn secrets(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let address = &rest[..rest.find(ENDS).unwrap_or(rest.len())];
        let (address, _fragment) = split_before(address, &['#']);
        let (address, query) = split_before(address, &['?']);
        // After `https:` a backslash ends the server too. Only what is a user name for every program is hidden.
        let (server, path) = split_before(address, &['/', '\\']);
        if let Some(name) = server.rfind('@') {
            let user = start..start + name + 1;
            found.extend(Secret::in_place_of(text, user, |user| {
                let named = variables_of(user);
                if named.is_empty() {
                    named
                } else {
                    format!("{named}@")
                }
            }));
        }
        let start = start + server.len();
        found.extend(token(path).and_then(|range| {
            let token = start + range.start..start + range.end;
            Secret::in_place_of(text, token, |token| format!("...{}", variables_of(token)))
        }));
        let start = start + path.len();
        found.extend(Secret::in_place_of(
            text,
            start..start + query.len(),
            shown_query,
        ));
    }
    // An address in the path of another one.
    found.sort_by_key(|secret| secret.range.start);
    let mut end = 0;
    found.retain(|secret| {
        let is_next = secret.range.start >= end;
        if is_next {
            end = secret.range.end;
        }
        is_next
    });
    found
}

impl Secret {
    /// Returns the secret in a part of a text. A part that only has variables is none.
    fn in_place_of(
        text: &str,
        range: Range<usize>,
        replace: impl FnOnce(&str) -> String,
    ) -> Option<Self> {
        let part = &text[range.clone()];
        if is_only_variables(part.trim_end_matches('@')) {
            return None;
        }
        let replacement = replace(part);
        (replacement != part).then_some(Self { range, replacement })
    }
}

/// Returns a query with the parameters that are no secrets.
fn shown_query(query: &str) -> String {
    let parameters = query.trim_start_matches('?').split('&');
    let shown = parameters.map(|one| {
        let (key, value) = one.split_once('=').unwrap_or((one, one));
        if REVISION.contains(&key) || is_only_variables(value) {
            one.to_owned()
        } else {
            variables_of(one)
        }
    });
    let shown: Vec<String> = shown.filter(|one| !one.is_empty()).collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!("?{}", shown.join("&"))
    }
}

/// Returns the variables (`${NAME}`) of a hidden part. Their names are no secrets, and the user must see which are sent.
fn variables_of(text: &str) -> String {
    let names = variables(text).map(|name| format!("${{{name}}}"));
    names.collect()
}

fn is_only_variables(text: &str) -> bool {
    variables(text).next().is_some() && without_variables(text).bytes().all(|one| one == b':')
}

/// Returns the token of a conda channel in a path.
fn token(path: &str) -> Option<Range<usize>> {
    let start = path.find("/t/")? + 3;
    let length = path[start..].find('/').unwrap_or(path.len() - start);
    (length > 0).then_some(start..start + length)
}

fn split_before<'t>(text: &'t str, ends: &[char]) -> (&'t str, &'t str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_different_hidden_parts_look_different() {
        assert_eq!(
            redact_for_approval("1 url=https://h/x"),
            "1 url=https://h/x"
        );
        let hidden = [
            "https://me:A@h/x",
            "https://me:B@h/x",
            "https://h/x?repo=A",
            "https://h/x?repo=B",
        ];
        let shown: Vec<String> = hidden.iter().map(|one| redact_for_approval(one)).collect();
        for (at, one) in shown.iter().enumerate() {
            let start = "https://h/x  (a part is hidden, digest ";
            assert!(one.starts_with(start), "{one}");
            assert!(!shown[..at].contains(one), "{one}");
        }
    }

    #[test]
    fn the_server_and_the_variables_are_shown() {
        for (text, expected) in [
            (r"https://evil.example\@h/x", r"https://evil.example\@h/x"),
            (
                r#"["a @ https://evil.example\\@h/x"]"#,
                r#"["a @ https://evil.example\\@h/x"]"#,
            ),
            (
                "https://${A}:${B}@h/x?k=${C}",
                "https://${A}:${B}@h/x?k=${C}",
            ),
            ("https://me:${A}@h/x", "https://${A}@h/x"),
            ("https://h/x?k=S${A}&l=S", "https://h/x?${A}"),
            ("https://h/x?${A}", "https://h/x?${A}"),
            ("https://h/t/${A}/x", "https://h/t/${A}/x"),
            ("https://h/t/S${A}/x", "https://h/t/...${A}/x"),
            ("https://$a:${b}@h/x", "https://h/x"),
        ] {
            assert_eq!(redact_text(text), expected);
        }
    }

    #[test]
    fn no_password_and_no_token_is_shown() {
        for (text, expected) in [
            ("no address: a@b", "no address: a@b"),
            ("https://me:SECRET@host/a b", "https://host/a b"),
            (
                "https://SECRET@host:1/@types/node?x",
                "https://host:1/@types/node",
            ),
            ("https://me:SEC@RET@host", "https://host"),
            (
                "https://host/?rev=1&token=SECRET&tag=2#c",
                "https://host/?rev=1&tag=2#c",
            ),
            (
                "https://host/x/t/SECRET/main/",
                "https://host/x/t/.../main/",
            ),
            ("https://host/t/SECRET", "https://host/t/..."),
            (
                "a @ git+ssh://git:SECRET@h/r@v, \"x://SECRET@y\"",
                "a @ git+ssh://h/r@v, \"x://y\"",
            ),
            ("file:///t/SECRET/x", "file:///t/.../x"),
            ("https://me:a,SECRET@host/x, y", "https://host/x, y"),
            ("'https://me:a'SECRET@host/x'", "'https://host/x'"),
            (
                "https://host/a,b/t/SECRET/x?k=a,SECRET",
                "https://host/a,b/t/.../x",
            ),
        ] {
            assert_eq!(redact_text(text), expected);
            let masked = mask_text(text);
            assert_eq!(masked.len(), text.len());
            assert!(!masked.contains("SECRET"), "{masked}");
            if let Ok(url) = text.parse() {
                assert!(!redact_url(&url).as_str().contains("SECRET"), "{text}");
            }
        }
        for (text, expected) in [
            ("me:SECRET@host/x", "host/x"),
            (
                "https://me:a/SECRET@host/t/SECRET/x",
                "https://host/t/.../x",
            ),
            ("https://me:SECRET@host/x", "https://host/x"),
            ("host?token=SECRET", "host"),
            ("http://me:SEC RET@host/x", "http://host/x"),
            ("http:///me:SECRET@host/x", "http://host/x"),
            ("http://me:a\"SECRET@host/x", "http://host/x"),
            ("http://me:a#SECRET@host/x", "http://..."),
            ("http://host:x/?token=a@SECRET", "http://..."),
        ] {
            assert_eq!(redact_invalid(text), expected);
        }
        for text in [
            "a = \"http://me:SEC RET@host/x\"",
            "a = \"http://me:9 SECRET@host/x\"\nb = 1",
            "a = 'http://me:a\"SECRET@host/x'",
            "a = 'http://me:a#SECRET@b@host/x'",
        ] {
            let masked = mask_text(text);
            assert!(
                !masked.contains("SEC") && !masked.contains("RET"),
                "{masked}"
            );
            assert!(
                masked.contains("host/x") && masked.len() == text.len(),
                "{masked}"
            );
        }
        for text in [
            "a = \"https://host:8080/@types/node\"",
            "a = \"https://host:8080\" # me@host",
            "a = \"https://host/x\", b: me@host",
        ] {
            assert_eq!(mask_text(text), text);
        }
    }
}
