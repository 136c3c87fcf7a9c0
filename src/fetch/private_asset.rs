//! Files of releases of private repositories. Their usual addresses answer 404 to every token; the API has
//! another address for each of them, which a token opens.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use ureq::{
    Body,
    http::{Response, header},
};
use url::Url;

use super::{Client, Error, successful};

/// The address of GitHub's files.
const WEB: &str = "https://github.com";
/// The address of GitHub's API.
const API: &str = "https://api.github.com";
/// Largest accepted description of a release, in bytes.
const LIMIT: u64 = 16 << 20;

/// A file of a release, as its usual address names it.
struct ReleaseFile {
    owner: String,
    repository: String,
    tag: String,
    name: String,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    /// The address of the file in the API.
    url: Option<Url>,
}

impl ReleaseFile {
    /// Reads an address below the server of this API: `…/OWNER/REPOSITORY/releases/download/TAG/NAME`.
    fn of(url: &Url, api: &Url) -> Option<Self> {
        let api = api.origin().ascii_serialization();
        let server = if api == API { WEB } else { &api };
        let segments: Vec<&str> = url.path_segments()?.collect();
        let &[owner, repository, "releases", "download", tag, name] = segments.as_slice() else {
            return None;
        };
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.ok().map(std::borrow::Cow::into_owned)
        };
        let own = url.origin().ascii_serialization() == server;
        own.then_some(())?;
        Some(Self {
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            tag: decoded(tag)?,
            name: decoded(name)?,
        })
    }

    /// Returns the address of the release in the API.
    fn release(&self, api: &Url) -> Option<Url> {
        let mut url = api.clone();
        let (owner, repository) = (self.owner.as_str(), self.repository.as_str());
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(["repos", owner, repository, "releases", "tags", &self.tag]);
        Some(url)
    }
}

impl Client {
    /// Returns the answer to a request for a file of a private release; nothing if `url` is no such file.
    pub(super) fn request_private_asset(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
    ) -> Result<Option<Response<Body>>, Error> {
        let Some(api) = self
            .github
            .as_ref()
            .filter(|api| self.credentials.header(api).is_some())
        else {
            return Ok(None);
        };
        let file = ReleaseFile::of(url, api);
        let release = file.as_ref().and_then(|file| file.release(api));
        let (Some(file), Some(release)) = (file, release) else {
            return Ok(None);
        };
        let accept = (header::ACCEPT.as_str(), "application/vnd.github+json");
        let answer = self.send_one(&release, &[accept])?;
        if answer.status().as_u16() == 404 {
            return Ok(None);
        }
        let body = successful(&release, answer)?.into_body();
        let body = self.read_body(&release, body.into_reader(), LIMIT)?;
        let found: Option<Release> = serde_json::from_slice(&body).ok();
        let assets = found.map(|release| release.assets).unwrap_or_default();
        let named = assets.into_iter().find(|asset| asset.name == file.name);
        // The token is for the API alone.
        let asset = named
            .and_then(|asset| asset.url)
            .filter(|url| url.origin() == api.origin());
        let Some(asset) = asset else { return Ok(None) };
        let others = headers
            .iter()
            .filter(|(name, _)| *name != header::ACCEPT.as_str());
        let accept = (header::ACCEPT.as_str(), "application/octet-stream");
        let headers: Vec<(&str, &str)> = others.copied().chain([accept]).collect();
        self.send_one(&asset, &headers).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_release_is_known_by_its_address() {
        let release = |url: &str, api: &str| {
            let api: Url = api.parse().unwrap();
            let file = ReleaseFile::of(&url.parse().unwrap(), &api)?;
            file.release(&api).map(String::from)
        };
        let public = "https://api.github.com/";
        let enterprise = "https://ghe.example/api/v3/";
        for (url, api, expected) in [
            (
                "https://github.com/o/r/releases/download/cli%2Fv1/a.zip",
                public,
                Some("https://api.github.com/repos/o/r/releases/tags/cli%2Fv1"),
            ),
            (
                "https://ghe.example/o/r/releases/download/v1/a.zip",
                enterprise,
                Some("https://ghe.example/api/v3/repos/o/r/releases/tags/v1"),
            ),
            (
                "https://other.example/o/r/releases/download/v1/a.zip",
                public,
                None,
            ),
            (
                "https://github.com/o/r/releases/download/v1/a.zip",
                enterprise,
                None,
            ),
            ("https://github.com/o/r/archive/v1.zip", public, None),
        ] {
            assert_eq!(release(url, api).as_deref(), expected, "{url}");
        }
    }
}
