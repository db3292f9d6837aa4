//! Packed and sealed parts of a log file as JSON: what their header says, and with which key they were sealed.

use super::hex;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader};
use crate::{DataType, FormatError, cipher};
use serde_json::{Value, json};

/// True when the bytes begin with the header of a packed or sealed part.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    CommonHeader::decode(bytes)
        .ok()
        .and_then(|h| DataType::from_number(h.data_type))
        .is_some_and(|t| matches!(t, DataType::PackedPart | DataType::SealedPart))
}

/// Describes a part with such a header; its payload's checksum must hold.
pub(super) fn describe(bytes: &[u8]) -> Result<Value, FormatError> {
    const WHAT: &str = "part of a log file";
    let header = CommonHeader::decode(bytes)?;
    let whole = usize::try_from(header.total_bytes()).unwrap_or(usize::MAX);
    let stored = &crate::error::need(bytes, whole, WHAT)?[COMMON_HEADER_BYTES..];
    header.check_payload(stored, WHAT)?;
    let is_sealed = header.data_type == DataType::SealedPart.number();
    let sealed_with = if is_sealed { Some(hex::text(&cipher::sealed_with(stored)?)) } else { None };
    Ok(json!({
        "kind": if is_sealed { DataType::SealedPart } else { DataType::PackedPart }.to_string(),
        "compressor": format!("{:?}", header.compressor).to_lowercase(),
        "plain_bytes": header.plain_bytes,
        "stored_bytes": header.stored_bytes,
        "sealed_with": sealed_with,
    }))
}
