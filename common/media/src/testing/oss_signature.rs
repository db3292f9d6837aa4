//! Checks OSS signatures of both versions, written from Alibaba's pages "Include signatures in the Authorization
//! header" and "Include a V4 signature in the Authorization header", apart from the driver's own code.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use std::collections::BTreeMap;

/// Sub-resources and parameters that version 1 signs, as far as documented for the calls of this server.
const SIGNED: [&str; 10] = [
    "acl",
    "append",
    "partNumber",
    "position",
    "security-token",
    "tagging",
    "uploadId",
    "uploads",
    "delete",
    "versioning",
];

/// The request was signed with these keys.
pub(super) fn is_good(request: &Parts, key_id: &str, secret: &str) -> bool {
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let given = header("authorization");
    if let Some(rest) = given.strip_prefix("OSS ") {
        return rest == format!("{key_id}:{}", version_1(request, secret));
    }
    let Some(rest) = given.strip_prefix("OSS4-HMAC-SHA256 ") else { return false };
    let fields: BTreeMap<&str, &str> = rest.split(',').filter_map(|f| f.trim().split_once('=')).collect();
    let Some((id, scope)) = fields.get("Credential").and_then(|c| c.split_once('/')) else { return false };
    let is_ours = id == key_id && scope.ends_with("/oss/aliyun_v4_request");
    is_ours && fields.get("Signature").copied() == Some(version_4(request, secret, scope).as_str())
}

fn oss_headers(request: &Parts, also: &[&str]) -> String {
    let sorted: BTreeMap<&str, &str> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, _)| name.starts_with("x-oss-") || also.contains(name))
        .collect();
    sorted.into_iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect()
}

/// Names and values of the query, sorted, still encoded.
fn query(request: &Parts) -> BTreeMap<&str, &str> {
    let text = request.uri.query().unwrap_or("");
    text.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).collect()
}

fn version_1(request: &Parts, secret: &str) -> String {
    let header = |name: &str| request.headers.get(name).map_or("", |v| v.to_str().unwrap());
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let signed: Vec<String> = query(request)
        .into_iter()
        .filter(|(name, _)| SIGNED.contains(name))
        .map(|(name, value)| if value.is_empty() { name.to_owned() } else { format!("{name}={}", decode(value)) })
        .collect();
    let mark = if signed.is_empty() { "" } else { "?" };
    let text = format!(
        "{}\n{}\n{}\n{}\n{}{}{mark}{}",
        request.method,
        header("content-md5"),
        header("content-type"),
        header("date"),
        oss_headers(request, &[]),
        decode(request.uri.path()),
        signed.join("&"),
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

fn version_4(request: &Parts, secret: &str, scope: &str) -> String {
    let time = request.headers.get("x-oss-date").map_or("", |v| v.to_str().unwrap());
    let body = request.headers.get("x-oss-content-sha256").map_or("", |v| v.to_str().unwrap());
    let pairs: Vec<String> = query(request)
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name.to_owned() } else { format!("{name}={value}") })
        .collect();
    let canonical = [
        request.method.to_string(),
        request.uri.path().to_owned(),
        pairs.join("&"),
        oss_headers(request, &["content-md5", "content-type"]),
        String::new(),
        body.to_owned(),
    ]
    .join("\n");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = ["OSS4-HMAC-SHA256", time, scope, &hashed].join("\n");
    let step =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("aliyun_v4{secret}").into_bytes(), |key, part| step(&key, part));
    hex(&step(&key, &text))
}
