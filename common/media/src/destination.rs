//! Destinations as a medium uses them: which attributes each kind has, and what they mean.
//!
//! The text itself is taken apart by [`DestUri`], nowhere else. Attributes say where a destination is (`host`,
//! `s3_region`) and how it is used (`max_iops`, `delete_mode`, …). Only its [`strandline_types::Place`] is part of its
//! name: changing a limit or a key never makes another destination of it.

use crate::kind::{self, Kind};
use crate::{MediaError, Op};
use strandline_types::{DestUri, ErrorClass, Scheme};

/// Attributes of every destination: limits, and which workers are near it.
const COMMON_NAMES: [&str; 5] = ["max_iops", "max_bandwidth", "zone", "idc", "region"];

/// A destination whose attributes are checked. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Kind.
    pub scheme: Scheme,
    /// Bucket, container, or the name of a destination in memory; empty for a directory.
    pub bucket: String,
    /// Below the bucket, without leading and trailing `/`; an absolute path for a directory.
    pub path: String,
    /// `host`, under its one spelling.
    pub host: Option<String>,
    /// How it is used.
    pub options: Options,
    uri: DestUri,
}

/// How a destination is used (docs/oceanbase.md, 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most requests per second of one process; `None` = no limit.
    pub max_iops: Option<u64>,
    /// Most bytes per second of one process, both directions; `None` = no limit.
    pub max_bandwidth_bytes: Option<u64>,
    /// What is sent along with every body, so that the server notices a damaged one.
    pub checksum: Checksum,
    /// What [`crate::Medium::delete`] does.
    pub delete_mode: DeleteMode,
    /// Where the bucket stands in a request.
    pub addressing: Addressing,
    /// The server honours "write only if absent"; `false` for a store that is known to ignore it.
    pub conditional_put: bool,
    /// The bucket locks objects; an object that cannot be deleted is no error.
    pub worm: bool,
}

/// `checksum_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing was asked for: `Content-MD5`, unless the signature covers the body and the store verifies that.
    Auto,
    /// `Content-MD5`.
    Md5,
    /// `x-amz-checksum-crc32`.
    Crc32,
    /// None beyond what the transport and the signature have.
    Off,
}

/// `delete_mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// Objects are deleted.
    Delete,
    /// Objects get the tag `delete_mode=tagging`; the bucket's life cycle deletes them.
    Tagging,
}

/// `addressing_model`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://bucket.host/key`
    VirtualHosted,
    /// `https://host/bucket/key`
    Path,
}

impl Destination {
    /// Takes a destination apart. Secrets must be gone from it: [`strandline_types::split_secrets`].
    ///
    /// # Errors
    /// `Invalid` says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, MediaError> {
        let invalid = |object: &str, reason: String| MediaError::new(ErrorClass::Invalid, Op::Open, object, "", reason);
        let uri = DestUri::parse(text).map_err(|f| invalid(&f.object, f.what))?;
        Self::new(uri).map_err(|reason| invalid(text, reason))
    }

    fn new(uri: DestUri) -> Result<Self, String> {
        let scheme = uri.place().scheme;
        let kind = kind::of(scheme);
        for (name, _) in uri.attributes() {
            if name == "role_arn" || name == "external_id" {
                return Err(format!("{name}: assuming a role is not supported; use a key, or the machine's own role"));
            }
            if !COMMON_NAMES.contains(&name) && !kind.attributes.contains(&name) {
                return Err(format!("the attribute '{name}' is not known for this kind of destination"));
            }
        }
        let options = Options::from(&uri, &kind)?;
        let place = uri.place().clone();
        if let (Some(example), None) = (kind.host_needed, &place.host) {
            return Err(format!("an {} destination needs host=, for example host={example}", scheme.name()));
        }
        Ok(Self { scheme, bucket: place.bucket, path: place.path, host: place.host, options, uri })
    }

    /// The destination's name: where it is, and nothing else.
    #[must_use]
    pub fn name(&self) -> String {
        self.uri.place().to_string()
    }

    /// One attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.uri.attribute(name)
    }
}

impl Options {
    fn from(uri: &DestUri, kind: &Kind) -> Result<Self, String> {
        let get = |name: &str| uri.attribute(name);
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(text) => quantity(text).map(Some).ok_or_else(|| format!("{name}={text} is not a positive number")),
        };
        let flag = |name: &str, otherwise: bool| match get(name) {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(text) => Err(format!("{name}={text}: true or false")),
        };
        Ok(Self {
            max_iops: number("max_iops")?,
            max_bandwidth_bytes: number("max_bandwidth")?,
            checksum: checksum(get("checksum_type"), kind.checksums)?,
            delete_mode: match get("delete_mode") {
                None | Some("delete") => DeleteMode::Delete,
                Some("tagging") => DeleteMode::Tagging,
                Some(text) => return Err(format!("delete_mode={text}: delete or tagging")),
            },
            addressing: match get("addressing_model") {
                Some("virtual_hosted_style") => Addressing::VirtualHosted,
                Some("path_style") => Addressing::Path,
                None => addressing_of(get("host")),
                Some(text) => return Err(format!("addressing_model={text}: virtual_hosted_style or path_style")),
            },
            conditional_put: flag("conditional_put", true)?,
            worm: flag("enable_worm", false)?,
        })
    }
}

fn checksum(asked: Option<&str>, known: &[(&str, Checksum)]) -> Result<Checksum, String> {
    let Some(text) = asked else { return Ok(Checksum::Auto) };
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, checksum)| *checksum).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        format!("checksum_type={text}: {} or {last}", others.join(", "))
    })
}

/// A server with a number for its name has no names for its buckets.
fn addressing_of(host: Option<&str>) -> Addressing {
    let bare = host.unwrap_or("").trim_start_matches("https://").trim_start_matches("http://");
    let name = bare.split(['/', ':']).next().unwrap_or("");
    let is_number = bare.starts_with('[') || name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok();
    if is_number { Addressing::Path } else { Addressing::VirtualHosted }
}

/// `100`, `64KB`, `200MB`, `1GB`; a unit is a power of 1024.
fn quantity(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match upper.get(digits.len()..)? {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|n| *n > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_named_by_where_it_is() {
        let d = Destination::parse(
            "s3://b/p//q/?host=http://127.0.0.1:9000&s3_region=eu&max_iops=50&max_bandwidth=2MB&delete_mode=tagging",
        )
        .unwrap();
        assert_eq!(d.name(), "s3://b/p/q?host=http://127.0.0.1:9000");
        assert_eq!((d.options.max_iops, d.options.max_bandwidth_bytes), (Some(50), Some(2 << 20)));
        assert_eq!((d.options.delete_mode, d.options.addressing), (DeleteMode::Tagging, Addressing::Path));
        let cloud = Destination::parse("oss://b?host=oss-cn-hangzhou.aliyuncs.com").unwrap();
        assert_eq!((cloud.name().as_str(), cloud.path.as_str()), ("oss://b?host=oss-cn-hangzhou.aliyuncs.com", ""));
        assert_eq!(cloud.options.addressing, Addressing::VirtualHosted);
    }

    #[test]
    fn what_is_wrong_with_a_destination_is_said() {
        for (uri, word) in [
            ("s3://b/x?hots=h", "'hots'"),
            ("s3://b/x?checksum_type=sha", "md5, crc32"),
            ("oss://b/x?host=h&checksum_type=crc32", "md5 or no_checksum"),
            ("s3://b/x?delete_mode=never", "delete or tagging"),
            ("s3://b/x?max_iops=0", "positive"),
            ("s3://b/x?max_bandwidth=5XB", "positive"),
            ("s3://b/x?role_arn=a", "assuming a role"),
            ("oss://b/x", "needs host="),
            ("cos://b/x?host=h", "use s3://"),
            ("file:///x?host=h", "'host'"),
        ] {
            let e = Destination::parse(uri).unwrap_err();
            assert_eq!(e.class, ErrorClass::Invalid, "{uri}");
            assert!(e.reason.contains(word), "{uri}: {}", e.reason);
        }
    }
}
