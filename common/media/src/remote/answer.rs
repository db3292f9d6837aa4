//! What a store's answer means: its status and its own error code become a class.

use super::xml;
use crate::{MediaError, Op};
use bytes::Bytes;
use http::HeaderMap;
use std::error::Error;
use std::time::Duration;
use strandline_types::ErrorClass;

/// The original's number for "object storage: no permission" (fact sheet 4.13).
const CODE_PERMISSION: i32 = -9116;
/// Longest piece of a store's own words that is repeated.
const WORDS_MAX: usize = 300;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// A number in a header.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name).and_then(|v| v.parse().ok())
    }

    /// The store's own error code; empty when it gave none.
    pub(crate) fn code(&self) -> String {
        match self.header("x-ms-error-code") {
            Some(code) => code.to_owned(),
            None => xml::error(&self.body).0,
        }
    }

    /// The store asks for less.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.number("retry-after").map(Duration::from_secs)
    }

    /// This answer as an error.
    pub(crate) fn error(&self, op: Op, uri: &str, path: &str, store_code: i32) -> MediaError {
        let (code, words) = (self.code(), xml::error(&self.body).1);
        let class = class_of(self.status, &code, &words);
        let mut reason = match (code.is_empty(), words.is_empty()) {
            (true, true) => format!("HTTP {}", self.status),
            (false, true) => format!("{code} (HTTP {})", self.status),
            _ => format!("{code} (HTTP {}): {}", self.status, words.chars().take(WORDS_MAX).collect::<String>()),
        };
        if let Some(hint) = hint(self.status, &code, &words) {
            reason = format!("{reason}; {hint}");
        }
        let number = if class == ErrorClass::Permission { CODE_PERMISSION } else { store_code };
        let pause = self.retry_after().map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        MediaError::new(class, op, uri, path, reason).with_code(number).with_retry_after_ms(pause)
    }
}

fn is_locked(code: &str, words: &str) -> bool {
    matches!(code, "FileImmutable" | "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold")
        || (words.contains("object lock") || words.contains("Object Lock") || words.contains("WORM"))
}

fn class_of(status: u16, code: &str, words: &str) -> ErrorClass {
    if is_locked(code, words) {
        return ErrorClass::Permission;
    }
    match (status, code) {
        (_, "NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName") => ErrorClass::Invalid,
        (_, "ExpiredToken" | "InvalidToken" | "SecurityTokenExpired" | "TokenRefreshRequired") => {
            ErrorClass::Permission
        }
        // The body was damaged on its way.
        (_, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "Md5Mismatch" | "IncompleteBody") => {
            ErrorClass::Transient
        }
        (_, "RequestTimeout" | "OperationAborted" | "ConditionalRequestConflict" | "OperationTimedOut") => {
            ErrorClass::Transient
        }
        (_, "QuotaExceeded" | "InsufficientStorage" | "EntityTooLarge" | "BlockCountExceedsLimit") | (507 | 413, _) => {
            ErrorClass::Exhausted
        }
        (404, _) => ErrorClass::NotFound,
        (401 | 403, _) => ErrorClass::Permission,
        (409 | 412, _) => ErrorClass::Fenced,
        (408 | 429, _) | (500.., _) if status != 501 => ErrorClass::Transient,
        (300.., _) => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    }
}

fn hint(status: u16, code: &str, words: &str) -> Option<&'static str> {
    if is_locked(code, words) {
        return Some("OB_OBJECT_STORAGE_OBJECT_LOCKED_BY_WORM: the object is locked until its retention ends");
    }
    match (status, code) {
        (_, "NoSuchBucket" | "ContainerNotFound") => Some("create the bucket first"),
        (_, "RequestTimeTooSkewed") => Some("the clock of this machine is wrong"),
        (_, "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "AuthenticationFailed") => {
            Some("check access_id and access_key")
        }
        (_, "ExpiredToken" | "SecurityTokenExpired") => Some("the key has expired: give a new one"),
        (301 | 307, _) => Some("the bucket is in another region: set host and s3_region"),
        _ => None,
    }
}

/// An error with everything behind it, in one line.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        at = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, code: &str, words: &str) -> Reply {
        let body = if code.is_empty() {
            Bytes::new()
        } else {
            Bytes::from(format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>"))
        };
        let mut headers = HeaderMap::new();
        if status == 503 {
            headers.insert("retry-after", http::HeaderValue::from_static("7"));
        }
        Reply { status, headers, body }
    }

    #[test]
    fn an_answer_has_the_class_that_its_reader_needs() {
        use ErrorClass as C;
        for (status, code, class) in [
            (404, "NoSuchKey", C::NotFound),
            (404, "", C::NotFound),
            (404, "NoSuchBucket", C::Invalid),
            (403, "AccessDenied", C::Permission),
            (403, "RequestTimeTooSkewed", C::Permission),
            (400, "ExpiredToken", C::Permission),
            (400, "BadDigest", C::Transient),
            (400, "InvalidArgument", C::Invalid),
            (409, "FileImmutable", C::Permission),
            (412, "PreconditionFailed", C::Fenced),
            (409, "OperationAborted", C::Transient),
            (501, "NotImplemented", C::Invalid),
            (507, "", C::Exhausted),
            (503, "SlowDown", C::Transient),
            (429, "", C::Transient),
            (500, "InternalError", C::Transient),
            (301, "PermanentRedirect", C::Invalid),
        ] {
            let e = reply(status, code, "words").error(Op::Put, "u", "p", -9105);
            assert_eq!(e.class, class, "{status} {code}");
            assert_eq!(e.code, if class == C::Permission { CODE_PERMISSION } else { -9105 }, "{status} {code}");
            assert_eq!(e.retry_after_ms, (status == 503).then_some(7000));
        }
    }

    #[test]
    fn an_object_lock_is_named() {
        let e = reply(403, "AccessDenied", "Access Denied because object protected by object lock.");
        let e = e.error(Op::Delete, "u", "p", 0);
        assert!(e.class == ErrorClass::Permission && e.reason.contains("LOCKED_BY_WORM"), "{e}");
    }
}
