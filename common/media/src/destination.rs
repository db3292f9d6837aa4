//! Destinations as text (fact sheet 1.2): `scheme://bucket/path?name=value&…`, taken apart and checked.
//!
//! Attributes say where a destination is (`host`, `s3_region`), how it is used (`max_iops`, `delete_mode`, …) and, at
//! most, who asks (keys; see [`crate::access`]). Only the first kind is part of a destination's name: changing a limit
//! or a key never makes another destination of it.

use crate::{MediaError, Op};
use std::collections::BTreeMap;
use strandline_types::{ErrorClass, is_secret_name};

/// Longest text of a destination (fact sheet 1.2: path 2048, endpoint 256, keys 256, extension 512).
const URI_BYTES_MAX: usize = 4096;
/// Attributes of a destination that is reached over HTTP.
const REMOTE_NAMES: [&str; 12] = [
    "host",
    "s3_region",
    "oss_region",
    "access_key_file",
    "checksum_type",
    "delete_mode",
    "addressing_model",
    "conditional_put",
    "enable_worm",
    "appid",
    "account",
    "signature",
];
/// Attributes of every destination: limits, and which workers are near it.
const COMMON_NAMES: [&str; 5] = ["max_iops", "max_bandwidth", "zone", "idc", "region"];

/// What kind of medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// A directory.
    File,
    /// This process.
    Memory,
    /// S3 and what speaks like it.
    S3,
    /// Alibaba Cloud OSS.
    Oss,
    /// Azure Blob.
    Azure,
}

/// A destination, taken apart. It holds no secret.
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
    attributes: BTreeMap<String, String>,
}

/// How a destination is used (fact sheet 1.2).
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
    /// Takes a destination apart. Secrets must be gone from it: [`crate::split_secrets`].
    ///
    /// # Errors
    /// `Invalid` says what is wrong with the text.
    pub fn parse(uri: &str) -> Result<Self, MediaError> {
        Self::parts(uri).map_err(|reason| MediaError::new(ErrorClass::Invalid, Op::Open, uri, "", reason))
    }

    fn parts(uri: &str) -> Result<Self, String> {
        if uri.len() > URI_BYTES_MAX {
            return Err(format!("a destination has at most {URI_BYTES_MAX} bytes"));
        }
        if uri.contains(|c: char| c.is_control()) {
            return Err("a destination has no control characters".to_owned());
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Err(
                "not a destination: use file:// and an absolute path, or s3://, oss://, azblob:// and a bucket"
                    .to_owned(),
            );
        };
        let (place, text) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme = match scheme {
            "file" => Scheme::File,
            "mem" => Scheme::Memory,
            "s3" => Scheme::S3,
            "oss" => Scheme::Oss,
            "azblob" => Scheme::Azure,
            "cos" => {
                return Err("cos:// is not known: use s3:// with host=cos.<region>.myqcloud.com, as COS advises".into());
            }
            other => {
                return Err(format!(
                    "destinations of the kind {other}:// are not known: use file://, s3://, oss:// or azblob://"
                ));
            }
        };
        let mut attributes = attributes(scheme, text)?;
        if let Some(host) = attributes.get_mut("host") {
            *host = crate::host::spelled(host)?;
        }
        let (bucket, path) = match scheme {
            Scheme::File => (String::new(), directory(place)?),
            _ => bucket_and_path(scheme, place)?,
        };
        let options = Options::from(scheme, &attributes)?;
        let host = attributes.get("host").cloned();
        if scheme == Scheme::Oss && host.is_none() {
            return Err("an oss destination needs host=, for example host=oss-cn-hangzhou.aliyuncs.com".to_owned());
        }
        Ok(Self { scheme, bucket, path, host, options, attributes })
    }

    /// The destination's name: where it is, and nothing else.
    #[must_use]
    pub fn name(&self) -> String {
        let slash = if self.path.is_empty() || self.scheme == Scheme::File { "" } else { "/" };
        let host = self.host.as_ref().map_or(String::new(), |h| format!("?host={h}"));
        let scheme = match self.scheme {
            Scheme::File => "file",
            Scheme::Memory => "mem",
            Scheme::S3 => "s3",
            Scheme::Oss => "oss",
            Scheme::Azure => "azblob",
        };
        format!("{scheme}://{}{slash}{}{host}", self.bucket, self.path)
    }

    /// The destination with every attribute, in one order: two texts of one destination that is used in one way are
    /// equal.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.name();
        let place = name.split('?').next().unwrap_or(&name);
        let pairs: Vec<String> = self.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("{place}{mark}{}", pairs.join("&"))
    }

    /// One attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// True for an attribute that is a secret or tells whose it is; it never stays in a destination's text.
pub(crate) fn is_access(name: &str) -> bool {
    name.eq_ignore_ascii_case("access_id") || is_secret_name(name)
}

/// True for an attribute of any kind of destination.
pub(crate) fn is_attribute(name: &str) -> bool {
    COMMON_NAMES.contains(&name) || REMOTE_NAMES.contains(&name) || name == "log_form"
}

fn attributes(scheme: Scheme, text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not name=value"))?;
        let known = COMMON_NAMES.contains(&name)
            || match scheme {
                Scheme::File => false,
                Scheme::Memory => name == "log_form",
                Scheme::S3 | Scheme::Oss | Scheme::Azure => REMOTE_NAMES.contains(&name),
            };
        if is_access(name) {
            // The caller's mistake, or a key where none belongs; the value must not be repeated.
            return Err(format!("{name} does not belong here"));
        }
        if name == "role_arn" || name == "external_id" {
            return Err(format!("{name}: assuming a role is not supported; use a key, or the machine's own role"));
        }
        if !known {
            return Err(format!("the attribute '{name}' is not known for this kind of destination"));
        }
        if found.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("the attribute '{name}' is given twice"));
        }
    }
    Ok(found)
}

fn directory(place: &str) -> Result<String, String> {
    let names: Vec<&str> = place.split('/').filter(|n| !n.is_empty()).collect();
    if !place.starts_with('/') {
        return Err("a file destination is file:// and an absolute path, for example file:///backup/archive".into());
    }
    if names.is_empty() {
        return Err("the root of the file system cannot be a destination".into());
    }
    if names.iter().any(|n| *n == "." || *n == "..") {
        return Err("a destination has no '.' and '..' in its path".into());
    }
    Ok(format!("/{}", names.join("/")))
}

fn bucket_and_path(scheme: Scheme, place: &str) -> Result<(String, String), String> {
    let (bucket, path) = place.split_once('/').unwrap_or((place, ""));
    if scheme == Scheme::Memory {
        return if bucket.is_empty() || place.contains('/') {
            Err("a memory destination is mem:// and a name without '/'".into())
        } else {
            Ok((bucket.to_owned(), String::new()))
        };
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'$');
    if bucket.is_empty() || !bucket.bytes().all(is_name) {
        return Err("after :// comes a bucket, then a path, for example s3://bucket/archive?host=…".into());
    }
    let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
    if names.iter().any(|n| *n == "." || *n == "..") {
        return Err("a destination has no '.' and '..' in its path".into());
    }
    Ok((bucket.to_owned(), names.join("/")))
}

impl Options {
    fn from(scheme: Scheme, attributes: &BTreeMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| attributes.get(name).map(String::as_str);
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
            checksum: match (get("checksum_type"), scheme) {
                (None, _) => Checksum::Auto,
                (Some("md5"), _) => Checksum::Md5,
                (Some("crc32"), Scheme::S3) => Checksum::Crc32,
                (Some("no_checksum"), _) => Checksum::Off,
                (Some(text), Scheme::S3) => return Err(format!("checksum_type={text}: md5, crc32 or no_checksum")),
                (Some(text), _) => return Err(format!("checksum_type={text}: md5 or no_checksum")),
            },
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
        let same = Destination::parse("s3://b/p/q?max_iops=50&host=h").unwrap();
        assert_eq!(same.text(), "s3://b/p/q?host=h&max_iops=50");
        let cloud = Destination::parse("oss://b?host=oss-cn-hangzhou.aliyuncs.com").unwrap();
        assert_eq!((cloud.name().as_str(), cloud.path.as_str()), ("oss://b?host=oss-cn-hangzhou.aliyuncs.com", ""));
        assert_eq!(cloud.options.addressing, Addressing::VirtualHosted);
    }

    #[test]
    fn what_is_wrong_with_a_destination_is_said() {
        for (uri, word) in [
            ("s3://", "bucket"),
            ("s3://b c/x", "bucket"),
            ("s3://b/../x", "'..'"),
            ("s3://b/x?hots=h", "'hots'"),
            ("s3://b/x?host=a&host=b", "twice"),
            ("s3://b/x?checksum_type=sha", "md5, crc32"),
            ("oss://b/x?host=h&checksum_type=crc32", "md5 or no_checksum"),
            ("s3://b/x?delete_mode=never", "delete or tagging"),
            ("s3://b/x?max_iops=0", "positive"),
            ("s3://b/x?max_bandwidth=5XB", "positive"),
            ("s3://b/x?role_arn=a", "assuming a role"),
            ("oss://b/x", "needs host="),
            ("cos://b/x?host=h", "use s3://"),
            ("ftp://b/x", "not known"),
            ("file:///x?host=h", "'host'"),
        ] {
            let e = Destination::parse(uri).unwrap_err();
            assert_eq!(e.class, ErrorClass::Invalid, "{uri}");
            assert!(e.reason.contains(word), "{uri}: {}", e.reason);
        }
    }
}
