//! What the destinations of each kind have of their own, in one table: their attributes and what their requests cost. How
//! one is opened stands in `open.rs`, the names of the kinds in `strandline_types`.

use crate::Checksum;
use crate::traffic::Prices;
use strandline_types::Scheme;

/// Attributes of a destination that is reached over HTTP.
const REMOTE: &[&str] = &[
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
/// Values of `checksum_type`.
const MD5_OR_NONE: &[(&str, Checksum)] = &[("md5", Checksum::Md5), ("no_checksum", Checksum::Off)];
const MD5_CRC_OR_NONE: &[(&str, Checksum)] =
    &[("md5", Checksum::Md5), ("crc32", Checksum::Crc32), ("no_checksum", Checksum::Off)];

/// One kind of media.
pub(crate) struct Kind {
    /// Attributes beside those of every destination.
    pub(crate) attributes: &'static [&'static str],
    /// What bodies can be sent along with.
    pub(crate) checksums: &'static [(&'static str, Checksum)],
    /// A destination has to say its server, for example this one.
    pub(crate) host_needed: Option<&'static str>,
    pub(crate) prices: Prices,
}

/// A kind whose media are no servers.
const LOCAL: Kind = Kind { attributes: &[], checksums: MD5_OR_NONE, host_needed: None, prices: Prices::NONE };

/// The kind of a scheme.
pub(crate) const fn of(scheme: Scheme) -> Kind {
    match scheme {
        Scheme::File => LOCAL,
        Scheme::Memory => Kind { attributes: &["log_form"], ..LOCAL },
        Scheme::S3 => Kind {
            attributes: REMOTE,
            checksums: MD5_CRC_OR_NONE,
            host_needed: None,
            // S3 Standard, us-east-1: PUT, COPY, POST, LIST 0.005; GET and others 0.0004.
            prices: Prices { writes: 0.005, reads: 0.0004 },
        },
        Scheme::Oss => Kind {
            attributes: REMOTE,
            checksums: MD5_OR_NONE,
            host_needed: Some("oss-cn-hangzhou.aliyuncs.com"),
            // OSS Standard, outside mainland China: 0.016 per 10 000 PUT, 0.013 per 100 000 GET.
            prices: Prices { writes: 0.0016, reads: 0.000_13 },
        },
        Scheme::Azure => Kind {
            attributes: REMOTE,
            checksums: MD5_OR_NONE,
            host_needed: None,
            // Block blob, hot, LRS: 0.05 per 10 000 writes and lists, 0.004 per 10 000 reads.
            prices: Prices { writes: 0.005, reads: 0.0004 },
        },
    }
}
