//! The package and version that the address of an npm tarball names.
//!
//! `package.json` is no proof: registries do not compare it with the name and version under which it is published.

use url::Url;

use crate::{config::NPM, package::PackageName};

/// The address of a tarball in the usual form, decoded: `ROOT/NAME/-/…/BASE-VERSION.tgz`.
///
/// Some registries have more between: the scope again (`@team/a/-/@team/a-1.0.0.tgz`), or the version.
#[derive(Debug, PartialEq, Eq)]
pub struct NpmAddress {
    /// True if the name begins where the public registry begins, as in every lockfile that devsh writes: only its owners
    /// publish there.
    pub is_at_registry: bool,
    pub name: String,
    /// The version, for which registries leave build metadata out.
    pub version: String,
}

impl NpmAddress {
    /// Reads an address; nothing if it has another form.
    pub fn of(url: &Url) -> Option<Self> {
        if url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let decode = |path| {
            let path = percent_encoding::percent_decode_str(path).decode_utf8();
            path.ok().filter(|path| !path.contains("//"))
        };
        let (path, is_public) = match url.as_str().strip_prefix(NPM) {
            Some(path) => (path, true),
            None => (url.path().trim_start_matches('/'), false),
        };
        let path = decode(path)?;
        let (before, file) = path.rsplit_once("/-/")?;
        let (above, base) = before.rsplit_once('/').unwrap_or(("", before));
        let (root, scope) = above.rsplit_once('/').unwrap_or(("", above));
        let (root, name) = if scope.starts_with('@') {
            (root, format!("{scope}/{base}"))
        } else {
            (above, base.to_owned())
        };
        let file = file.rsplit('/').next()?.strip_suffix(".tgz")?;
        let version = file.strip_prefix(base)?.strip_prefix('-')?;
        PackageName::npm(&name).ok()?;
        Some(Self {
            is_at_registry: is_public && root.is_empty() && !path.starts_with('/'),
            name,
            version: version.to_owned(),
        })
    }

    /// Reads an address that only the owners of the package can have.
    pub fn at_registry(url: &Url) -> Option<Self> {
        Self::of(url).filter(|address| address.is_at_registry)
    }

    /// Returns whether this is the address of a version.
    pub fn has_version(&self, version: &str) -> bool {
        let [own, other] = [&self.version, version].map(|text| text.split('+').next());
        own == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_package_and_version() {
        for (path, expected) in [
            (
                "words/-/words-1.0.0-rc.1.tgz",
                Some(("words", "1.0.0-rc.1")),
            ),
            ("@team/a/-/a-1.0.0.tgz", Some(("@team/a", "1.0.0"))),
            ("@team%2fa/-/a-1.0.0.tgz", Some(("@team/a", "1.0.0"))),
            (
                "%40team%2Fa/-/1.0.0/a-1.0.0.tgz",
                Some(("@team/a", "1.0.0")),
            ),
            ("@team/a/-/@team/a-1.0.0.tgz", Some(("@team/a", "1.0.0"))),
            ("words/-/other-1.0.0.tgz", None),
            ("words/-/1.0.0.tgz", None),
            ("words-1.0.0.tgz", None),
            ("words/download/words-1.0.0.tgz", None),
            ("download/@team/a/1.0.0/0123456789abcdef", None),
            ("-/words-1.0.0.tgz", None),
            ("x//words/-/words-1.0.0.tgz", None),
            ("/words/-/words-1.0.0.tgz", None),
            ("words/-/words-1.0.0.tgz?x", None),
            ("words/-/words-1.0.0.tgz#x", None),
            ("x/words/-/words-1.0.0.tgz", None),
            ("x/-/@team/a/-/a-1.0.0.tgz", None),
            ("words%252f/-/words-1.0.0.tgz", None),
        ] {
            let address = NpmAddress::at_registry(&format!("{NPM}{path}").parse().unwrap());
            let found = address.as_ref();
            let found = found.map(|one| (one.name.as_str(), one.version.as_str()));
            assert_eq!(found, expected, "{path}");
        }
        let elsewhere = "https://a.example/api/npm/@team/a/-/a-1.0.0.tgz".parse();
        let elsewhere = NpmAddress::of(&elsewhere.unwrap()).unwrap();
        assert_eq!(elsewhere.name, "@team/a");
        assert!(!elsewhere.is_at_registry);
        assert!(elsewhere.has_version("1.0.0+build.1") && !elsewhere.has_version("1.0.1"));
    }
}
