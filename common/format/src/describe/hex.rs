//! Bytes as text in JSON: hexadecimal, and only the beginning of what is long.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Write;

const SHOWN_BYTES: usize = 64;

/// Hexadecimal text; what is longer than 64 bytes ends in its length.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let mut out = String::with_capacity(shown.len() * 2);
    for byte in shown {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    if bytes.len() > SHOWN_BYTES {
        let _ = write!(out, "… ({} bytes)", bytes.len());
    }
    out
}

/// For `serialize_with` on a field of bytes.
///
/// # Errors
/// What the serializer says.
pub fn bytes<S: Serializer>(bytes: impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    text(bytes.as_ref()).serialize(to)
}

/// For `serialize_with` on files by name: their lengths.
///
/// # Errors
/// What the serializer says.
pub fn named_bytes<S: Serializer>(files: &BTreeMap<String, bytes::Bytes>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(files.iter().map(|(name, bytes)| (name, format!("{} bytes", bytes.len()))))
}
