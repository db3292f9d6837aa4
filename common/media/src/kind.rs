//! What the media of each kind have of their own, in one table: the attributes of their destinations, what their requests
//! cost, and how one is opened. The names of the kinds stand in `strandline_types`.

use crate::limited::Limited;
use crate::traffic::{Prices, Traffic};
use crate::{Checksum, Destination, FileMedium, MediaError, Medium, MemoryMedium, Op, remote};
use std::sync::Arc;
use strandline_types::{ErrorClass, Scheme};

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
    /// Opens a destination; nothing is touched on the medium. The text is what was split off: keys.
    pub(crate) open: fn(&Destination, &str) -> Result<Arc<dyn Medium>, MediaError>,
}

/// A kind whose media are no servers.
const LOCAL: Kind =
    Kind { attributes: &[], checksums: MD5_OR_NONE, host_needed: None, prices: Prices::NONE, open: directory };

/// The kind of a scheme.
pub(crate) const fn of(scheme: Scheme) -> Kind {
    match scheme {
        Scheme::File => LOCAL,
        Scheme::Memory => Kind { attributes: &["log_form"], open: memory, ..LOCAL },
        Scheme::S3 => Kind {
            attributes: REMOTE,
            checksums: MD5_CRC_OR_NONE,
            host_needed: None,
            // S3 Standard, us-east-1: PUT, COPY, POST, LIST 0.005; GET and others 0.0004.
            prices: Prices { writes: 0.005, reads: 0.0004 },
            open: |dest, access| remote::open(dest, access, remote::S3),
        },
        Scheme::Oss => Kind {
            attributes: REMOTE,
            checksums: MD5_OR_NONE,
            host_needed: Some("oss-cn-hangzhou.aliyuncs.com"),
            // OSS Standard, outside mainland China: 0.016 per 10 000 PUT, 0.013 per 100 000 GET.
            prices: Prices { writes: 0.0016, reads: 0.000_13 },
            open: |dest, access| remote::open(dest, access, remote::S3),
        },
        Scheme::Azure => Kind {
            attributes: REMOTE,
            checksums: MD5_OR_NONE,
            host_needed: None,
            // Block blob, hot, LRS: 0.05 per 10 000 writes and lists, 0.004 per 10 000 reads.
            prices: Prices { writes: 0.005, reads: 0.0004 },
            open: |dest, access| remote::open(dest, access, remote::AZURE),
        },
    }
}

fn directory(dest: &Destination, _access: &str) -> Result<Arc<dyn Medium>, MediaError> {
    Ok(Arc::new(Limited::new(FileMedium::new(&dest.path), Traffic::of(dest))))
}

fn memory(dest: &Destination, _access: &str) -> Result<Arc<dyn Medium>, MediaError> {
    let medium = MemoryMedium::named(&dest.bucket);
    match dest.attribute("log_form") {
        None | Some("plain") => Ok(medium),
        Some("parts") => Ok(Arc::new(medium.in_parts())),
        Some(_) => Err(MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", "log_form: plain or parts")),
    }
}
