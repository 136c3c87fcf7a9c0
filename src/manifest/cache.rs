//! `[[caches]]`: the caches of a team, in the manifest of a project.

use std::collections::{HashMap, HashSet};

use super::{
    Error, Located,
    schema::{CacheField, CacheForm},
};
use crate::package::{CachePlace, Invalid};

/// A cache that is read, once the project is approved. Only the user's settings let devsh write to a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRequest {
    pub place: Located<CachePlace>,
    /// Public keys (`team-1:BASE64`) whose built objects are used; without one, the cache serves artifacts only.
    pub keys: Vec<String>,
}

impl CacheRequest {
    pub(super) fn read(form: &CacheForm<'_>) -> Result<Self, Error> {
        let (mut place, mut keys) = (None, Vec::new());
        let (mut endpoint, mut region, mut path_style) = (None, None, None);
        let mut storage_key = None;
        for field in form.0.fields() {
            let field = field?;
            if field.at.key != "url" && field.at.key != "keys" {
                storage_key.get_or_insert(field.at.clone());
            }
            match field.field {
                CacheField::Url(url) => place = Some(url.map(|url| url.0)),
                CacheField::Keys(all) => {
                    keys = all.into_iter().map(|key| key.value.0).collect();
                }
                CacheField::Endpoint(address) => endpoint = Some(address.value.0),
                CacheField::Region(name) => region = Some(name.value),
                CacheField::PathStyle(style) => path_style = Some(style.value),
            }
        }
        let mut place = place.ok_or_else(|| form.0.lacks("url"))?;
        match (&mut place.value, storage_key) {
            (CachePlace::S3(s3), _) => {
                s3.endpoint = endpoint;
                s3.region = region;
                s3.path_style = path_style;
            }
            (_, Some(at)) => {
                let expected = "a setting of a cache that is not at `s3://`";
                return Err(at.key_error(Invalid::new(expected, at.key)));
            }
            (_, None) => {}
        }
        Ok(Self { place, keys })
    }

    /// Returns the address without credentials, by which caches are the same.
    pub fn name(&self) -> String {
        self.place.value.to_string()
    }
}

/// Merges the caches of layers: of two with one address the later settings are used, with the keys of both.
pub(super) fn merge<'a>(all: impl Iterator<Item = &'a CacheRequest>) -> Vec<CacheRequest> {
    let mut merged: Vec<CacheRequest> = Vec::new();
    let mut known = HashMap::new();
    let mut keys = HashSet::new();
    for cache in all {
        let position = *known.entry(cache.name()).or_insert(merged.len());
        let new = cache.keys.iter();
        let new = new.filter(|key| keys.insert((position, key.as_str())));
        let new: Vec<String> = new.cloned().collect();
        match merged.get_mut(position) {
            Some(one) => {
                one.place = cache.place.clone();
                one.keys.extend(new);
            }
            None => merged.push(CacheRequest {
                place: cache.place.clone(),
                keys: new,
            }),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use crate::manifest::{merge, parse};

    const KEY: &str = "team-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn caches_of_one_address_are_one_cache_with_all_keys() {
        let lower = format!(
            "[[caches]]\nurl = 's3://bucket/a'\nregion = 'eu-1'\nkeys = ['{KEY}']\n\
             [[caches]]\nurl = 'https://host/c'\n"
        );
        let upper = format!(
            "[[caches]]\nurl = 's3://bucket/a/'\nendpoint = 'https://s3.example'\n\
             keys = ['{KEY}', '{}']\n",
            KEY.replace("team-1", "team-2")
        );
        let layers = [&lower, &upper].map(|text| parse("m", text).unwrap());
        let caches = merge(&layers).unwrap().caches;
        let names: Vec<String> = caches.iter().map(super::CacheRequest::name).collect();
        assert_eq!(names, ["s3://bucket/a", "https://host/c/"]);
        assert_eq!((caches[0].keys.len(), caches[1].keys.len()), (2, 0));
        assert_eq!(caches[0].place.origin.line, 2);
    }

    #[test]
    fn wrong_values_are_errors_at_their_place() {
        for (text, expected) in [
            ("url = 'ftp://host/a'", "the address of a cache"),
            ("keys = []", "`url` is missing"),
            (
                "url = 'https://host/a'\nkeys = ['team-1:AAAA']",
                "a public key",
            ),
            (
                "url = 'https://host/a'\nregion = 'eu-1'",
                "`region` is not a setting of a cache that is not at `s3://`",
            ),
            ("url = 's3://b/a'\npush = true", "push"),
            (
                "url = 's3://b/a'\nendpoint = 'x'",
                "the address of a server",
            ),
        ] {
            let error = parse("m", &format!("[[caches]]\n{text}\n")).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
