//! Addresses in settings, variables, manifests, lists and lockfiles.

use url::Url;

/// The characters that end the server in an address.
const SERVER_ENDS: [char; 3] = ['/', '?', '#'];
/// The variable with the project's root, in addresses of its local files (`file://${PROJECT_ROOT}/a.whl`).
pub const PROJECT_ROOT: &str = "PROJECT_ROOT";

/// The reason why a text is no address that all programs read alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("it is not an address (`https://host/path`)")]
    Form,
    /// For `https:` a backslash is a slash, for other programs it is not.
    #[error("an address has no backslash, space or control character: write `%5C` for a backslash")]
    Character,
    #[error("its server has several `@`: write `%40` in a user name or password")]
    Users,
    #[error("it names no server that all programs read alike")]
    Server,
    #[error("programs read its server as `{0}`: write that")]
    OtherServer(String),
}

/// Parses an address that all programs read alike. devsh, uv and git must ask the server that an approval shows.
pub fn parse_address(text: &str) -> Result<Url, AddressFault> {
    check_address(text)?;
    Url::parse(text).map_err(|_| AddressFault::Form)
}

/// Checks an address, in which variables (`${NAME}`) may be, and which may begin with `git+`.
pub fn check_address(text: &str) -> Result<(), AddressFault> {
    check_characters(text)?;
    let (scheme, rest) = text.split_once("://").ok_or(AddressFault::Form)?;
    let letter = |one: char| one.is_ascii_alphanumeric() || "+-.".contains(one);
    if !scheme.starts_with(|one: char| one.is_ascii_alphabetic()) || !scheme.chars().all(letter) {
        return Err(AddressFault::Form);
    }
    let scheme = scheme.rsplit_once('+').map_or(scheme, |(_, last)| last);
    let server = &rest[..rest.find(SERVER_ENDS).unwrap_or(rest.len())];
    if scheme.eq_ignore_ascii_case("file") {
        let is_root =
            variable_names(server).next().is_none() && without_variables(server).is_empty();
        return (is_root || server == "localhost")
            .then_some(())
            .ok_or(AddressFault::Server);
    }
    check_host(scheme, host_of(server)?)
}

/// Returns the host of `[USER@]HOST[:PORT]`.
fn host_of(server: &str) -> Result<&str, AddressFault> {
    let (user, host) = server.rsplit_once('@').unwrap_or(("", server));
    if user.contains('@') {
        return Err(AddressFault::Users);
    }
    let number_end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = host[number_end..].find(':') else {
        return Ok(host);
    };
    let (host, port) = host.split_at(number_end + colon);
    let port = without_variables(&port[1..]);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then_some(host).ok_or(AddressFault::Server)
}

fn check_host(scheme: &str, host: &str) -> Result<(), AddressFault> {
    if !host.contains("${") {
        let read = Url::parse(&format!("{scheme}://{host}/"));
        let read = read.map_err(|_| AddressFault::Server)?;
        let read = read.host_str().ok_or(AddressFault::Server)?;
        if !read.eq_ignore_ascii_case(host) {
            return Err(AddressFault::OtherServer(read.to_owned()));
        }
    }
    // git gives the host to ssh as a word.
    let plain = |one: char| one.is_ascii_alphanumeric() || "-._".contains(one);
    let is_name = !host.starts_with('-') && without_variables(host).chars().all(plain);
    let is_number = host.starts_with('[');
    (is_name || is_number)
        .then_some(())
        .ok_or(AddressFault::Server)
}

/// Checks that an address or a path has no character that programs read differently.
pub fn check_characters(text: &str) -> Result<(), AddressFault> {
    let odd = |one: char| one == '\\' || one.is_whitespace() || one.is_control();
    if text.contains(odd) {
        Err(AddressFault::Character)
    } else {
        Ok(())
    }
}

/// Returns the variables of the user in a text, in their order.
pub fn variable_names(text: &str) -> impl Iterator<Item = &str> {
    variables(text).filter(|name| *name != PROJECT_ROOT)
}

/// Returns the variables in a text as pip and uv read it: `${NAME}` of capitals, digits and underscores.
pub fn variables(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    let names = parts.filter_map(|part| Some(part.split_once('}')?.0));
    let letter = |one: u8| one.is_ascii_uppercase() || one.is_ascii_digit() || one == b'_';
    names.filter(move |name| !name.is_empty() && name.bytes().all(letter))
}

/// Returns a text without its variables.
pub fn without_variables(text: &str) -> String {
    let mut rest = text.to_owned();
    for name in variables(text) {
        rest = rest.replace(&format!("${{{name}}}"), "");
    }
    rest
}

fn is_supported(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http" | "file")
}

/// Parses an address and adds the final `/` that relative addresses need.
pub fn directory_address(value: &str) -> Option<Url> {
    let mut text = value.trim().to_owned();
    if !text.ends_with('/') {
        text.push('/');
    }
    parse_address(&text).ok().filter(is_supported)
}

/// Parses the address of a file, or its path.
pub fn file_address(value: &str) -> Option<Url> {
    let url = if value.starts_with('/') {
        Url::from_file_path(value).ok()
    } else {
        parse_address(value.trim()).ok()
    };
    url.filter(is_supported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_server_that_every_program_asks() {
        for good in [
            "https://host.example/a/b?c=1#d",
            "http://127.0.0.1:8080/simple",
            "https://[::1]:8080/x",
            "https://me:pass@HOST.example/x@1/y",
            "https://${NAME}:${PASSWORD}@h/simple",
            "https://${HOST}:${PORT}/simple",
            "git+https://h/o/r.git@main#subdirectory=a",
            "git+ssh://git@h/o/r.git",
            "ssh://git@h:2222/o/r",
            "https://xn--bcher-kva.example/",
            "file:///srv/a",
            "git+file:///srv/a",
            "file://localhost/a",
            "file://${PROJECT_ROOT}/a",
            "oci://registry.example:5000/team",
        ] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        let other = |read: &str| AddressFault::OtherServer(read.to_owned());
        for (bad, fault) in [
            (r"https://evil.example\@pypi.org/x", AddressFault::Character),
            (r"git+ssh://evil.example\@h/x", AddressFault::Character),
            (r"https:\\evil.example/x", AddressFault::Character),
            ("https://evil.example\t@h/x", AddressFault::Character),
            ("https://evil.example\u{a0}@h/x", AddressFault::Character),
            ("https://a@evil.example@h/x", AddressFault::Users),
            ("https:evil.example", AddressFault::Form),
            ("../https://h", AddressFault::Form),
            ("host/x", AddressFault::Form),
            ("://host/x", AddressFault::Form),
            ("https:///evil.example/x", AddressFault::Server),
            ("https://", AddressFault::Server),
            ("https://h:x/", AddressFault::Server),
            ("https://h:1:2/", AddressFault::Server),
            ("https://${HOST}^/", AddressFault::Server),
            ("ssh://-oProxyCommand=x/r", AddressFault::Server),
            ("git+ssh://git@-x/r", AddressFault::Server),
            ("git+ssh://h;x/r", AddressFault::Server),
            ("file://evil.example/x", AddressFault::Server),
            ("https://127.1/x", other("127.0.0.1")),
            ("https://0x7f000001/x", other("127.0.0.1")),
            ("https://%65vil.example/x", other("evil.example")),
            ("https://bücher.example/x", other("xn--bcher-kva.example")),
            ("https://ｅvil.example/x", other("evil.example")),
        ] {
            assert_eq!(check_address(bad), Err(fault), "{bad}");
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_checked_is_what_is_parsed() {
        let parts = [
            "a", "@", ":", "\\", "/", "?", "#", "[", "]", "%40", ".", "1", "${A}", "é",
        ];
        let count = parts.len();
        for seed in 0..count.pow(4) {
            let picked = (0..4).map(|place| parts[seed / count.pow(place) % count]);
            let server: String = picked.collect();
            for scheme in ["https", "ssh"] {
                let text = format!("{scheme}://{server}@pypi.org/x");
                if let Ok(url) = parse_address(&text) {
                    let plain = &text[scheme.len() + 3..];
                    let plain = plain.split(SERVER_ENDS).next().unwrap_or_default();
                    let host = plain.rsplit('@').next().unwrap_or_default();
                    let read = url.host_str().unwrap_or_default();
                    let port = url
                        .port()
                        .map(|port| format!(":{port}"))
                        .unwrap_or_default();
                    let same = host
                        .trim_end_matches(':')
                        .eq_ignore_ascii_case(&format!("{read}{port}"));
                    assert!(
                        same || host.starts_with(&format!("{read}:")),
                        "{text}: {url}"
                    );
                }
            }
        }
    }

    #[test]
    fn variables_have_capital_letters() {
        let found: Vec<_> = variables("a${B_1}c${d}${}${E").collect();
        assert_eq!(found, ["B_1"]);
        assert_eq!(without_variables("a${B_1}c${d}"), "ac${d}");
    }
}
