//! A cache in a bucket of S3-compatible storage. `rusty-s3` signs addresses, and devsh's client sends the requests.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    time::{Duration, SystemTime},
};

use jiff::{civil::DateTime, tz::TimeZone};
use rusty_s3::{
    Bucket, Credentials, S3Action, UrlStyle,
    actions::{
        CompleteMultipartUpload, CompleteMultipartUploadResponse, CreateMultipartUpload, GetObject,
        HeadObject, ListObjectsV2, ListParts, PartsContent, PutObject, UploadPart,
    },
};
use url::Url;

use super::{
    aws::AwsSettings,
    backend::{Backend, CacheEntry, CacheKey, EntryContent, Error, Refusal, Stored, UploadState},
};
use crate::{
    fetch::{Answer, Client, Download, Exchange, ExpectedFile, Meter, RequestBody},
    package::{S3Place, Sha256},
    util::files,
};

/// The time for which a signed address is valid. A large download takes a while.
const VALID: Duration = Duration::from_hours(6);
/// The difference of clocks that S3 accepts.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(15);
/// The bytes of one part of a large upload; smaller files are sent at once.
const PART: u64 = 16 << 20;
/// The region of servers that have no regions.
const REGION: &str = "us-east-1";
/// The most pages of a list, which have a thousand entries each.
const PAGES: usize = 1000;
/// The longest identifier of an upload that is read, in bytes.
const UPLOAD_LIMIT: u64 = 4096;

#[derive(Debug)]
pub(super) struct S3 {
    client: Client,
    bucket: Bucket,
    prefix: String,
    credentials: Option<Credentials>,
    uploads: UploadState,
}

impl S3 {
    pub(super) fn new(
        client: Client,
        place: &S3Place,
        aws: &AwsSettings,
        uploads: UploadState,
    ) -> Result<Self, Error> {
        let region = place.region.clone().or_else(|| aws.region.clone());
        let region = region.unwrap_or_else(|| REGION.to_owned());
        let named = place.endpoint.clone().or_else(|| aws.endpoint.clone());
        let path_style = place.path_style.unwrap_or(named.is_some());
        let endpoint = match named {
            Some(endpoint) => endpoint,
            None => format!("https://s3.{region}.amazonaws.com/")
                .parse()
                .map_err(|_| Error::Settings {
                    reason: format!("`{region}` is not a region"),
                })?,
        };
        let client = client.allow_plain([&endpoint]);
        let style = if path_style {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let bucket = Bucket::new(endpoint, style, place.bucket.clone(), region);
        Ok(Self {
            client,
            bucket: bucket.map_err(|error| Error::Settings {
                reason: format!("`{}` cannot be used: {error}", place.bucket),
            })?,
            prefix: place.prefix.clone(),
            credentials: aws.credentials.as_ref().map(|known| match &known.token {
                Some(token) => Credentials::new_with_token(&*known.key, &*known.secret, &**token),
                None => Credentials::new(&*known.key, &*known.secret),
            }),
            uploads,
        })
    }

    fn name(&self, key: &CacheKey) -> String {
        format!("{}{key}", self.prefix)
    }

    fn download_url(&self, key: &CacheKey) -> Url {
        let name = self.name(key);
        GetObject::new(&self.bucket, self.credentials.as_ref(), &name).sign(VALID)
    }

    fn put(
        &self,
        key: &CacheKey,
        body: RequestBody<'_>,
        conditional: bool,
    ) -> Result<Stored, Error> {
        let name = self.name(key);
        let url = PutObject::new(&self.bucket, self.credentials.as_ref(), &name).sign(VALID);
        let mut exchange = Exchange::new("PUT", &url).body(body);
        if conditional {
            exchange = exchange.header("if-none-match", "*");
        }
        let answer = self.client.exchange(&exchange)?;
        match answer.status {
            200 | 201 | 204 => Ok(Stored::Written),
            // 409: another writer is adding the same content now.
            409 | 412 if conditional => Ok(Stored::Present),
            400 | 501 if conditional && is_unimplemented(&answer) => self.put(key, body, false),
            _ => Err(refused(&answer, &url)),
        }
    }

    /// Uploads a large file in parts. The identifier of the upload is kept, so the next try sends only what is missing.
    fn put_parts(&self, key: &CacheKey, file: &Path, size: u64) -> Result<Stored, Error> {
        let name = self.name(key);
        files::create_private_dir(&self.uploads.0)?;
        let place = Sha256::of(self.bucket.object_url(&name).as_str().as_bytes());
        let kept = self.uploads.0.join(place.to_string());
        let lock = kept.with_extension("lock");
        // Another process that uploads the same file would send the same parts.
        let _lock = files::lock(&lock)?;
        let mut parts: Vec<PartsContent> = Vec::new();
        let known = files::read_bounded(&kept, UPLOAD_LIMIT)?;
        let mut upload = known.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(id) = &upload {
            match self.parts(&name, id)? {
                Some(found) => parts = found,
                None => upload = None,
            }
        }
        let upload = if let Some(upload) = upload {
            upload
        } else {
            let action = CreateMultipartUpload::new(&self.bucket, self.credentials.as_ref(), &name);
            let url = action.sign(VALID);
            let answer = self.client.exchange(&Exchange::new("POST", &url))?;
            let text = successful(answer, &url)?;
            let created = CreateMultipartUpload::parse_response(&text).map_err(invalid)?;
            let upload = created.upload_id().to_owned();
            files::write_atomic(&kept, upload.as_bytes())?;
            upload
        };
        let mut source = File::open(file).map_err(files::at("read", file))?;
        let mut tags = Vec::new();
        for number in 1..=u16::try_from(size.div_ceil(PART)).unwrap_or(u16::MAX) {
            let start = u64::from(number - 1) * PART;
            let length = PART.min(size - start);
            let there = parts
                .iter()
                .find(|part| part.number == number && part.size == length);
            if let Some(part) = there {
                tags.push(part.etag.clone());
                continue;
            }
            let mut part = Vec::new();
            source
                .seek(SeekFrom::Start(start))
                .and_then(|_| (&mut source).take(length).read_to_end(&mut part))
                .map_err(files::at("read", file))?;
            let action = UploadPart::new(
                &self.bucket,
                self.credentials.as_ref(),
                &name,
                number,
                &upload,
            );
            let url = action.sign(VALID);
            let exchange = Exchange::new("PUT", &url).body(RequestBody::Bytes(&part));
            let answer = self.client.exchange(&exchange)?;
            if answer.status != 200 {
                return Err(refused(&answer, &url));
            }
            let tag = answer.header("etag").ok_or_else(|| Error::Answer {
                reason: "a part has no `ETag`".to_owned(),
            })?;
            tags.push(tag.to_owned());
        }
        let action = CompleteMultipartUpload::new(
            &self.bucket,
            self.credentials.as_ref(),
            &name,
            &upload,
            tags.iter().map(String::as_str),
        );
        let url = action.sign(VALID);
        let body = action.body();
        let exchange = Exchange::new("POST", &url).body(RequestBody::Bytes(body.as_bytes()));
        let answer = self.client.exchange(&exchange)?;
        if answer.status != 404 || !self.contains(key)? {
            let text = successful(answer, &url)?;
            // A failure can come with the status of a success.
            CompleteMultipartUploadResponse::parse(&text).map_err(invalid)?;
        }
        std::fs::remove_file(&kept).map_err(files::at("remove", &kept))?;
        let _left = std::fs::remove_file(&lock);
        Ok(Stored::Written)
    }

    /// Returns number, tag and size of the parts that the server has; nothing if it does not know the upload.
    fn parts(&self, name: &str, upload: &str) -> Result<Option<Vec<PartsContent>>, Error> {
        let mut all = Vec::new();
        let mut marker = None;
        for _ in 0..PAGES {
            let mut action = ListParts::new(&self.bucket, self.credentials.as_ref(), name, upload);
            if let Some(marker) = marker {
                action.set_part_number_marker(marker);
            }
            let url = action.sign(VALID);
            let answer = self.client.exchange(&Exchange::new("GET", &url))?;
            if answer.status == 404 {
                return Ok(None);
            }
            let text = successful(answer, &url)?;
            let listed = ListParts::parse_response(&text).map_err(invalid)?;
            all.extend(listed.parts);
            marker = listed.next_part_number_marker;
            if marker.is_none() {
                return Ok(Some(all));
            }
        }
        Err(too_many_pages())
    }
}

impl Backend for S3 {
    fn contains(&self, key: &CacheKey) -> Result<bool, Error> {
        let name = self.name(key);
        let url = HeadObject::new(&self.bucket, self.credentials.as_ref(), &name).sign(VALID);
        let answer = self.client.exchange(&Exchange::new("HEAD", &url))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refused(&answer, &url)),
        }
    }

    fn read(&self, key: &CacheKey, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let url = self.download_url(key);
        let mut exchange = Exchange::new("GET", &url);
        exchange.limit = limit;
        let answer = self.client.exchange(&exchange)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&answer, &url)),
        }
    }

    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let url = self.download_url(key);
        Ok(self.client.download(&url, expected, directory, meter)?)
    }

    fn add(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<Stored, Error> {
        match content {
            EntryContent::Bytes(bytes) => self.put(key, RequestBody::Bytes(bytes), true),
            EntryContent::File { path, size, .. } => {
                if self.contains(key)? {
                    return Ok(Stored::Present);
                }
                if size > 2 * PART {
                    return self.put_parts(key, path, size);
                }
                self.put(key, RequestBody::File(path), true)
            }
        }
    }

    fn replace(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<(), Error> {
        match content {
            EntryContent::Bytes(bytes) => self.put(key, RequestBody::Bytes(bytes), false),
            EntryContent::File { path, size, .. } if size > 2 * PART => {
                self.put_parts(key, path, size)
            }
            EntryContent::File { path, .. } => self.put(key, RequestBody::File(path), false),
        }
        .map(|_| ())
    }

    fn list(&self, prefix: &str) -> Result<Vec<CacheEntry>, Error> {
        let mut entries = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut action = ListObjectsV2::new(&self.bucket, self.credentials.as_ref());
            action.with_prefix(format!("{}{prefix}", self.prefix));
            if let Some(token) = &token {
                action.with_continuation_token(token.clone());
            }
            let url = action.sign(VALID);
            let answer = self.client.exchange(&Exchange::new("GET", &url))?;
            let text = successful(answer, &url)?;
            let page = ListObjectsV2::parse_response(&text).map_err(invalid)?;
            entries.extend(page.contents.into_iter().filter_map(|found| {
                let key = CacheKey::listed(found.key.strip_prefix(&self.prefix)?)?;
                Some(CacheEntry {
                    key,
                    size: found.size,
                })
            }));
            token = page.next_continuation_token;
            if token.is_none() {
                entries.sort();
                return Ok(entries);
            }
        }
        Err(too_many_pages())
    }
}

fn too_many_pages() -> Error {
    Error::Answer {
        reason: format!("a list has more than {PAGES} pages"),
    }
}

fn successful(answer: Answer, url: &Url) -> Result<String, Error> {
    if answer.status != 200 {
        return Err(refused(&answer, url));
    }
    String::from_utf8(answer.body).map_err(|error| Error::Answer {
        reason: error.to_string(),
    })
}

/// Returns the error of an answer, with the code of S3 that says why.
fn refused(answer: &Answer, url: &Url) -> Error {
    let refusal = Refusal {
        status: answer.status,
        code: error_code(answer).map(str::to_owned),
        clock_difference: clock_difference(answer, url),
    };
    if refusal.code.is_none() && refusal.clock_difference.is_none() {
        return answer.unexpected(url).into();
    }
    Error::Refused { refusal }
}

/// Returns how far the clocks differ, if that is why the server refuses the signature of an address.
///
/// For an address that is signed with a wrong time, S3 answers `AccessDenied` as for a wrong key.
fn clock_difference(answer: &Answer, url: &Url) -> Option<Duration> {
    if answer.status != 403 {
        return None;
    }
    let (_, signed) = url.query_pairs().find(|(name, _)| name == "X-Amz-Date")?;
    let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", signed.as_bytes()).ok()?;
    let signed = TimeZone::UTC.to_timestamp(signed).ok()?;
    let signed = SystemTime::try_from(signed).ok()?;
    let server = httpdate::parse_http_date(answer.header("date")?).ok()?;
    let difference = server.duration_since(signed);
    let difference = difference.unwrap_or_else(|error| error.duration());
    (difference > CLOCK_TOLERANCE).then_some(difference)
}

/// Returns the code in an error of S3: `<Error><Code>AccessDenied</Code>…`.
fn error_code(answer: &Answer) -> Option<&str> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(code)
}

fn is_unimplemented(answer: &Answer) -> bool {
    answer.status == 501 || error_code(answer) == Some("NotImplemented")
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::Answer {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::HeaderMap;

    #[test]
    fn a_wrong_clock_is_the_reason_of_a_refusal() {
        let url: Url = "http://host/b/k?X-Amz-Date=20261129T180000Z&X-Amz-Expires=1"
            .parse()
            .unwrap();
        let refusal = |date: &str, status: u16| {
            let answer = Answer {
                status,
                headers: HeaderMap::from_iter([(ureq::http::header::DATE, date.parse().unwrap())]),
                body: b"<Error><Code>AccessDenied</Code></Error>".to_vec(),
            };
            refused(&answer, &url).to_string()
        };
        for (date, status, expected) in [
            (
                "Sun, 29 Nov 2026 21:00:00 GMT",
                403,
                "it answers 403 AccessDenied, and its clock differs by 180 minutes",
            ),
            (
                "Sun, 29 Nov 2026 17:30:00 GMT",
                403,
                "it answers 403 AccessDenied, and its clock differs by 30 minutes",
            ),
            (
                "Sun, 29 Nov 2026 18:10:00 GMT",
                403,
                "it answers 403 AccessDenied",
            ),
            (
                "Sun, 29 Nov 2026 21:00:00 GMT",
                400,
                "it answers 400 AccessDenied",
            ),
        ] {
            assert_eq!(refusal(date, status), expected);
        }
    }
}
