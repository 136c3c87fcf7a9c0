//! Addresses in settings, variables and manifests.

use std::str::FromStr;

use url::Url;

fn is_supported(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http" | "file")
}

/// Parses an address and adds the final `/` that relative addresses need.
pub fn directory_address(value: &str) -> Option<Url> {
    let mut text = value.trim().to_owned();
    if !text.ends_with('/') {
        text.push('/');
    }
    Url::from_str(&text).ok().filter(is_supported)
}

/// Parses the address of a file, or its path.
pub fn file_address(value: &str) -> Option<Url> {
    let url = if value.starts_with('/') {
        Url::from_file_path(value).ok()
    } else {
        Url::parse(value.trim()).ok()
    };
    url.filter(is_supported)
}
