//! Destinations as a medium uses them: which attributes each kind has, and what they mean.
//!
//! The text itself is taken apart by [`DestUri`], nowhere else. Attributes say where a destination is (`host`,
//! `s3_region`) and how it is used (`max_iops`, `delete_mode`, …). Only its [`strandline_types::Place`] is part of its
//! name: changing a limit or a key never makes another destination of it.

use crate::kind;
use crate::options::Options;
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
        let options = Options::from(&uri, kind.checksums)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Addressing, DeleteMode};

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
