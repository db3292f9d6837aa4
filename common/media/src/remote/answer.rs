//! What a store's answer means: its status and its own error code become a class.

use super::xml;
use crate::error::LOCKED_BY_WORM;
use crate::{MediaError, Op};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use std::error::Error;
use std::time::Duration;
use strandline_types::ErrorClass;

/// The original's number for "object storage: no permission" (docs/oceanbase.md, 4.13).
const CODE_PERMISSION: i32 = -9116;
/// What an administrator can do about refused keys.
const GIVE_KEYS: &str = "give keys that are valid and may list, read, write and delete below the destination: ALTER SYSTEM ALTER \
                         EXTERNAL_STORAGE_DEST … SET ACCESS_INFO, or the destination's access_key_file; what runs goes on with them";
/// What an administrator can do about a refused time.
const SET_THE_CLOCK: &str =
    "set the clock of the machine that says this, and let NTP keep it; requests are signed anew each time";
/// How a locked object is told, behind the original's name of it.
const LOCKED: &str = "the object is locked until its retention ends";
/// What an administrator can do about it.
const WAIT_FOR_THE_LOCK: &str = "it can be deleted when its retention has ended";
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

    /// The store takes this write only with a digest of its body: a bucket that locks objects is like that.
    pub(crate) fn asks_for_digest(&self) -> bool {
        let (code, words) = (self.code(), xml::error(&self.body).1.to_ascii_lowercase());
        let names_digest = words.contains("content-md5") || words.contains("x-amz-checksum");
        code == "MissingUploadObjectWithObjectLockHeaders"
            || (matches!(code.as_str(), "InvalidRequest" | "MissingContentMD5") && names_digest)
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
        let is_locked = is_locked(op, &code, &words);
        let class = match is_locked {
            true => ErrorClass::Permission,
            // An error in the body of a good answer: the store gave up in the middle of it.
            false if self.is_good() => ErrorClass::Transient,
            false => class_of(self.status, &code),
        };
        let mut reason = match (code.is_empty(), words.is_empty()) {
            (true, true) => format!("HTTP {}", self.status),
            (false, true) => format!("{code} (HTTP {})", self.status),
            _ => format!("{code} (HTTP {}): {}", self.status, words.chars().take(WORDS_MAX).collect::<String>()),
        };
        if is_locked {
            reason = format!("{reason}; {LOCKED_BY_WORM}: {LOCKED}");
        } else if let Some(hint) = hint(self.status, &code) {
            reason = format!("{reason}; {hint}");
        }
        let is_clock = code == "RequestTimeTooSkewed";
        if let Some(apart) = is_clock.then(|| self.clock_ahead(Utc::now())).flatten() {
            let way = if apart.num_seconds() < 0 { "behind" } else { "ahead of" };
            reason =
                format!("{reason}; the clock of this machine is {} s {way} the store's", apart.num_seconds().abs());
        }
        let todo = match class {
            ErrorClass::Permission if is_clock => Some(SET_THE_CLOCK),
            // A lock is no matter of keys.
            ErrorClass::Permission if !is_locked => Some(GIVE_KEYS),
            ErrorClass::Permission => Some(WAIT_FOR_THE_LOCK),
            _ => None,
        };
        let number = if class == ErrorClass::Permission { CODE_PERMISSION } else { store_code };
        let pause = self.retry_after().map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        MediaError::new(class, op, uri, path, reason).with_code(number).with_retry_after_ms(pause).with_todo(todo)
    }

    /// By how much a clock is ahead of the store's, by the date of the answer.
    fn clock_ahead(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let date = DateTime::parse_from_rfc2822(self.header("date")?).ok()?;
        Some(now.signed_duration_since(date))
    }
}

/// True for the refusal to remove or to replace a locked object. Azure has codes for it; S3 has one code for all that is
/// denied and says the rest in words, which count only where something was to be removed: that a bucket locks objects is
/// used in other refusals, too.
fn is_locked(op: Op, code: &str, words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    matches!(code, "FileImmutable" | "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold" | "ObjectLocked")
        || (op == Op::Delete && (words.contains("object lock") || words.contains("worm")))
}

fn class_of(status: u16, code: &str) -> ErrorClass {
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

fn hint(status: u16, code: &str) -> Option<&'static str> {
    match (status, code) {
        (_, "NoSuchBucket" | "ContainerNotFound") => Some("create the bucket first"),
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
#[allow(clippy::unwrap_used)]
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
    fn refused_keys_and_a_wrong_clock_lead_to_what_helps() {
        let todo =
            |code: &str| strandline_types::Failure::from(reply(400, code, "words").error(Op::Put, "u", "p", 0)).todo;
        for code in ["ExpiredToken", "InvalidToken"] {
            assert!(todo(code).contains("ACCESS_INFO"), "{}", todo(code));
        }
        let mut skewed =
            reply(403, "RequestTimeTooSkewed", "The difference between the request time and ours is too large.");
        let date = Utc::now() - TimeDelta::minutes(20);
        skewed.headers.insert("date", http::HeaderValue::from_str(&date.to_rfc2822().replace("+0000", "GMT")).unwrap());
        let failure = strandline_types::Failure::from(skewed.error(Op::Put, "u", "p", 0));
        assert!(failure.what.contains("this machine is 1200 s ahead of the store's"), "{failure}");
        assert!(failure.todo.contains("NTP"), "{failure}");
    }

    #[test]
    fn an_object_lock_is_named() {
        let e = reply(403, "AccessDenied", "Access Denied because object protected by object lock.");
        let e = e.error(Op::Delete, "u", "p", 0);
        assert!(e.class == ErrorClass::Permission && e.reason.contains("LOCKED_BY_WORM"), "{e}");
    }

    #[test]
    fn a_write_that_a_locking_bucket_wants_otherwise_is_not_called_locked() {
        let words = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        for code in ["MissingUploadObjectWithObjectLockHeaders", "InvalidRequest"] {
            let reply = reply(400, code, words);
            let e = reply.error(Op::Put, "u", "p", 0);
            assert!(e.class == ErrorClass::Invalid && !e.reason.contains("LOCKED_BY_WORM"), "{e}");
            assert!(reply.asks_for_digest());
        }
        assert!(!reply(400, "InvalidRequest", "a header is missing").asks_for_digest());
    }

    #[test]
    fn keys_that_have_ended_or_are_not_known_lead_to_new_keys_and_not_to_rights_on_files() {
        for (status, code) in [(400, "ExpiredToken"), (403, "InvalidAccessKeyId"), (403, "AccessDenied")] {
            let e = reply(status, code, "words").error(Op::Get, "s3://b/p?host=h", "x", 0);
            let failure = strandline_types::Failure::from(e);
            assert!(failure.todo.contains("keys") && !failure.todo.contains("user"), "{code}: {failure}");
        }
    }
}
