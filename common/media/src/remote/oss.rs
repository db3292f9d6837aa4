//! OSS: the headers that it names otherwise than S3, and its two signatures, which `object_store` does not have.
//!
//! Version 4 (`OSS4-HMAC-SHA256`) needs the region; version 1 (`OSS …`, HMAC-SHA1) does not. Both as Alibaba documents
//! them. No key ever reaches a message.

use super::bucket::encode_key;
use super::transport::set;
use crate::access::Keys;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use object_store::client::HttpRequest;
use std::fmt::Write;

/// What OSS signs of a query (version 1), as far as it is used here.
const OSS_SUBRESOURCES: [&str; 8] =
    ["append", "partNumber", "position", "security-token", "tagging", "uploadId", "uploads", "versioning"];

/// Replaces what OSS names otherwise than S3.
pub(crate) fn translate(request: &mut HttpRequest) {
    let headers = request.headers_mut();
    if headers.remove("if-none-match").is_some() {
        headers.insert("x-oss-forbid-overwrite", HeaderValue::from_static("true"));
    }
    if headers.contains_key("range") {
        // Without it a range beyond the end is answered with the whole object.
        headers.insert("x-oss-range-behavior", HeaderValue::from_static("standard"));
    }
    if let Some(uri) = request.uri().query().and_then(|query| with_query(request.uri(), &strict(query))) {
        *request.uri_mut() = uri;
    }
}

/// A query as OSS signs it: a blank is `%20`, and what has no value has no `=`.
fn strict(query: &str) -> String {
    let pairs = query.split('&').map(|pair| pair.strip_suffix('=').unwrap_or(pair).replace('+', "%20"));
    pairs.collect::<Vec<String>>().join("&")
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{query}", uri.path())).ok()?);
    Uri::from_parts(parts).ok()
}

/// Keys of the environment.
pub(crate) fn keys_of_environment() -> Option<Keys> {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    Some(Keys { id: var("OSS_ACCESS_KEY_ID")?, secret: var("OSS_ACCESS_KEY_SECRET")?, token: var("OSS_SESSION_TOKEN") })
}

/// Signs a request; a reason when a key cannot be one.
pub(crate) fn sign(
    request: &mut HttpRequest,
    keys: &Keys,
    bucket: &str,
    region: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    set(request.headers_mut(), "date", &date)?;
    if let Some(token) = &keys.token {
        set(request.headers_mut(), "x-oss-security-token", token)?;
    }
    let value = match region {
        None => oss_v1(request, keys, bucket, &date),
        Some(region) => {
            set(request.headers_mut(), "x-oss-date", &now.format("%Y%m%dT%H%M%SZ").to_string())?;
            set(request.headers_mut(), "x-oss-content-sha256", "UNSIGNED-PAYLOAD")?;
            oss_v4(request, keys, bucket, region, now)
        }
    };
    set(request.headers_mut(), "authorization", &value)
}

/// The object's key as the bucket knows it, decoded, from the path of the request.
fn oss_key(request: &HttpRequest, bucket: &str) -> String {
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let key = path.strip_prefix('/').unwrap_or(&path);
    // Path style: the bucket stands first.
    let is_path_style = request.uri().host().is_none_or(|h| !h.starts_with(&format!("{bucket}.")));
    match key.strip_prefix(bucket).and_then(|k| k.strip_prefix('/')) {
        Some(rest) if is_path_style => rest.to_owned(),
        _ => key.to_owned(),
    }
}

fn query_pairs(request: &HttpRequest) -> Vec<(String, String)> {
    let text = request.uri().query().unwrap_or("");
    let mut pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    pairs.sort();
    pairs
}

/// `x-oss-…` headers (and `also`), sorted, one `name:value` per line.
fn oss_headers(headers: &HeaderMap, also: &[&str]) -> String {
    let is_signed = |name: &str| name.starts_with("x-oss-") || also.contains(&name);
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| is_signed(name.as_str()))
        .map(|(name, value)| format!("{name}:{}\n", value.to_str().unwrap_or("").trim()))
        .collect();
    lines.sort();
    lines.concat()
}

fn oss_v1(request: &HttpRequest, keys: &Keys, bucket: &str, date: &str) -> String {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let mut resource = format!("/{bucket}/{}", oss_key(request, bucket));
    let mut mark = '?';
    for (name, value) in query_pairs(request) {
        if OSS_SUBRESOURCES.contains(&name.as_str()) {
            let value = percent_encoding::percent_decode_str(&value).decode_utf8_lossy();
            let joint = if value.is_empty() { "" } else { "=" };
            // Writing into a text cannot fail.
            let _ = write!(resource, "{mark}{name}{joint}{value}");
            mark = '&';
        }
    }
    let text = format!(
        "{}\n{}\n{}\n{date}\n{}{resource}",
        request.method(),
        header("content-md5"),
        header("content-type"),
        oss_headers(request.headers(), &[]),
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, keys.secret.as_bytes());
    format!("OSS {}:{}", keys.id, BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes())))
}

fn oss_v4(request: &HttpRequest, keys: &Keys, bucket: &str, region: &str, now: DateTime<Utc>) -> String {
    let query: Vec<String> = query_pairs(request)
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{}\n\nUNSIGNED-PAYLOAD",
        request.method(),
        encode_key(&format!("/{bucket}/{}", oss_key(request, bucket))),
        query.join("&"),
        oss_headers(request.headers(), &["content-md5", "content-type"]),
    );
    let day = now.format("%Y%m%d").to_string();
    let scope = format!("{day}/{region}/oss/aliyun_v4_request");
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("OSS4-HMAC-SHA256\n{}\n{scope}\n{hashed}", now.format("%Y%m%dT%H%M%SZ"));
    let mut key = format!("aliyun_v4{}", keys.secret).into_bytes();
    for step in [day.as_str(), region, "oss", "aliyun_v4_request"] {
        key = hmac_sha256(&key, step.as_bytes());
    }
    let signature = hex(&hmac_sha256(&key, text.as_bytes()));
    format!("OSS4-HMAC-SHA256 Credential={}/{scope},Signature={signature}", keys.id)
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// The worked example of the page "Include signatures in the Authorization header" of OSS (version 1).
    #[test]
    fn the_vendors_example_of_version_1_comes_out() {
        let keys = Keys {
            id: "44CF9590006BF252F707".into(),
            secret: "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV".into(),
            token: None,
        };
        let request = http::Request::put("http://oss-example.oss-cn-hangzhou.aliyuncs.com/nelson")
            .header("content-md5", "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=")
            .header("content-type", "text/html")
            .header("x-oss-meta-author", "foo@bar.com")
            .header("x-oss-magic", "abracadabra")
            .body(Bytes::new().into())
            .unwrap();
        let value = oss_v1(&request, &keys, "oss-example", "Thu, 17 Nov 2005 18:49:58 GMT");
        assert_eq!(value, "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=");
    }

    #[test]
    fn both_versions_sign_the_same_key_in_both_addressing_styles() {
        for url in ["http://127.0.0.1:1/b/a%40x/1?append&position=7", "http://b.oss.example/a%40x/1?append&position=7"]
        {
            let request: HttpRequest = http::Request::post(url).body(Bytes::new().into()).unwrap();
            assert_eq!(oss_key(&request, "b"), "a@x/1", "{url}");
        }
    }
}
