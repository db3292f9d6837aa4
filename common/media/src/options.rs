//! How a destination is used: its attributes beside those that say where it is. None of them is part of its name.

use strandline_types::DestUri;

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

impl Options {
    /// Options by a destination's attributes; `checksums` are those that its kind can send.
    ///
    /// # Errors
    /// Says which attribute has what wrong value.
    pub(crate) fn from(uri: &DestUri, checksums: &[(&str, Checksum)]) -> Result<Self, String> {
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
            checksum: checksum(get("checksum_type"), checksums)?,
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
