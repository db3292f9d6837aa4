//! The request rules of S3, of stores that speak like it, and of OSS.
//!
//! Before a request is sent, the condition that nothing may be overwritten is added to copies and to completions of
//! uploads, then a digest of the body; then it is signed. After a refusal this module says whether a condition
//! failed, and remembers what the store does not support or requires.
//!
//! Signing is the last step, because the signature must cover the added headers. So the signing of `object_store`'s
//! own requests is switched off. For S3 its authorizer is called here; OSS is signed by [`super::oss`].

use super::answer::Reply;
use super::failed::Refusal;
use super::oss;
use super::transport::{Conditional, Dialect, has_query, is_conditional};
use crate::access::KeySource;
use crate::{Checksum, MediaError, Op};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use md5::{Digest, Md5};
use object_store::aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::HttpRequest;
use std::sync::atomic::{AtomicBool, Ordering};
use strandline_types::ErrorClass;

/// How requests are signed.
#[derive(Debug)]
pub(crate) enum Signing {
    /// AWS signature 4.
    Aws {
        region: String,
        /// Keys of the environment or of the machine's role.
        environment: Option<AwsCredentialProvider>,
    },
    /// OSS; with a region version 4, else version 1.
    Oss { bucket: String, region: Option<String> },
}

/// The dialect of one bucket.
#[derive(Debug)]
pub(crate) struct S3Dialect {
    uri: String,
    keys: KeySource,
    signing: Signing,
    checksum: Checksum,
    /// The digest of every body is part of its request's signature.
    signs_bodies: bool,
    /// Cleared when the store says that it knows no conditions.
    has_conditions: AtomicBool,
    /// The bucket takes no body without a digest of its own, whatever the signature covers: one that locks objects.
    wants_digest: AtomicBool,
}

impl S3Dialect {
    pub(crate) fn new(dest: &crate::Destination, keys: KeySource, signing: Signing, is_plain: bool) -> Self {
        let options = &dest.options;
        // Only TLS may do without: nothing else protects a body on its way.
        let signs_bodies = matches!(signing, Signing::Aws { .. }) && (is_plain || options.checksum == Checksum::Off);
        Self {
            uri: dest.name(),
            keys,
            signing,
            checksum: options.checksum,
            signs_bodies,
            has_conditions: AtomicBool::new(options.conditional_put),
            wants_digest: AtomicBool::new(options.worm),
        }
    }

    /// What lets the store notice that a body was damaged on its way. Where CRC was asked for, parts carry MD5: the CRC of a
    /// part would have to be announced when its upload begins.
    fn add_digest(&self, headers: &mut HeaderMap, body: &Bytes, is_part: bool) {
        let is_wanted = self.wants_digest.load(Ordering::Relaxed);
        let (name, digest) = match self.checksum {
            Checksum::Off if !is_wanted => return,
            // One digest is enough: MD5 costs more than all the rest of a request.
            Checksum::Auto if self.signs_bodies && !is_wanted => return,
            Checksum::Crc32 if !is_part => {
                let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body);
                // A CRC-32 is the low half.
                ("x-amz-checksum-crc32", BASE64_STANDARD.encode((crc as u32).to_be_bytes()))
            }
            Checksum::Auto | Checksum::Crc32 | Checksum::Md5 | Checksum::Off => ("content-md5", content_md5(body)),
        };
        // Base64 is text of a header.
        headers.insert(name, HeaderValue::from_str(&digest).unwrap_or(HeaderValue::from_static("")));
    }

    fn sign_aws(&self, request: &mut HttpRequest, keys: &AwsCredential, region: &str) -> Result<(), MediaError> {
        let signer = AwsAuthorizer::new(keys, "s3", region).with_sign_payload(self.signs_bodies);
        let signed = signer.try_authorize(request, None);
        signed.map_err(|e| self.refuse(format!("the request cannot be signed: {e}")))
    }

    fn refuse(&self, reason: String) -> MediaError {
        MediaError::new(ErrorClass::Permission, Op::Open, &self.uri, "", reason)
    }
}

#[async_trait]
impl Dialect for S3Dialect {
    fn prepare(&self, request: &mut HttpRequest, body: &Bytes) {
        if self.is_long(request) && self.has_conditions() {
            request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
        }
        if has_object_body(request) {
            let is_part = has_query(request, "partNumber");
            self.add_digest(request.headers_mut(), body, is_part);
        }
        if matches!(self.signing, Signing::Oss { .. }) {
            oss::translate(request);
        }
    }

    async fn sign(&self, mut request: HttpRequest) -> Result<HttpRequest, MediaError> {
        let keys = self.keys.now(&self.uri)?;
        match (&self.signing, keys) {
            (Signing::Aws { region, .. }, Some(keys)) => {
                let keys = AwsCredential { key_id: keys.id, secret_key: keys.secret, token: keys.token };
                self.sign_aws(&mut request, &keys, region)?;
            }
            (Signing::Aws { region, environment: Some(environment) }, None) => {
                let keys = environment.get_credential().await;
                let keys = keys.map_err(|e| self.refuse(no_keys("AWS_ACCESS_KEY_ID", &e)))?;
                self.sign_aws(&mut request, &keys, region)?;
            }
            (Signing::Aws { .. }, None) => {
                return Err(self.refuse("no keys: give access_id and access_key, or access_key_file".to_owned()));
            }
            (Signing::Oss { bucket, region }, keys) => {
                let keys = keys.or_else(oss::keys_of_environment).ok_or_else(|| {
                    let reason = "no keys: give access_id and access_key, access_key_file, or OSS_ACCESS_KEY_ID";
                    self.refuse(reason.to_owned())
                })?;
                let signed = oss::sign(&mut request, &keys, bucket, region.as_deref(), chrono::Utc::now());
                signed.map_err(|reason| self.refuse(reason))?;
            }
        }
        Ok(request)
    }

    /// A completion puts the parts together, a copy reads and writes the whole object.
    fn is_long(&self, request: &HttpRequest) -> bool {
        is_copy(request) || (request.method() == Method::POST && has_query(request, "uploadId"))
    }

    fn has_conditions(&self) -> bool {
        self.has_conditions.load(Ordering::Relaxed)
    }

    fn learns(&self, sent: &HttpRequest, reply: &Reply) -> bool {
        let has_digest = ["content-md5", "x-amz-checksum-crc32"].iter().any(|name| sent.headers().contains_key(*name));
        if reply.asks_for_digest() && !has_digest {
            self.wants_digest.store(true, Ordering::Relaxed);
            return true;
        }
        if reply.status == 501 && is_conditional(sent) {
            self.has_conditions.store(false, Ordering::Relaxed);
            // The condition of a completion and of a copy was added here: who asked has looked at the place.
            return self.is_long(sent);
        }
        false
    }

    fn verdict(&self, refusal: &Refusal) -> Option<Conditional> {
        let (status, code) = (refusal.reply.status, refusal.reply.code());
        match (code.as_str(), status) {
            ("NoSuchUpload", _) => Some(Conditional::Unknown),
            ("PositionNotEqualToLength" | "ObjectNotAppendable", _) => Some(Conditional::Refused),
            ("FileAlreadyExists" | "PreconditionFailed", _) | (_, 412) if refusal.is_conditional => {
                Some(Conditional::Refused)
            }
            (_, 501) if refusal.is_conditional => Some(Conditional::Unknown),
            _ => None,
        }
    }
}

fn is_copy(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-amz-copy-source")
}

/// A whole object, a part of one, or bytes at its end.
fn has_object_body(request: &HttpRequest) -> bool {
    let is_append = request.method() == Method::POST && has_query(request, "append");
    let is_put = request.method() == Method::PUT && !is_copy(request) && !has_query(request, "tagging");
    is_put || is_append
}

/// The value of `Content-MD5`.
pub(crate) fn content_md5(body: &Bytes) -> String {
    BASE64_STANDARD.encode(Md5::digest(body))
}

/// The message where the environment has no keys.
pub(crate) fn no_keys(name: &str, error: &object_store::Error) -> String {
    format!("no keys: give access_id and access_key, access_key_file, or {name} in the environment ({error})")
}
