//! Small files: one common header, one protobuf message, nothing after it.
//!
//! An unknown type, another type than asked for, and trailing bytes are errors: a reader never guesses.

use crate::error::need;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader, Compressor};
use crate::{DataType, FormatError};
use prost::Message;

/// Header and payload of one small file.
#[must_use]
pub fn write_small<M: Message>(data_type: DataType, message: &M) -> Vec<u8> {
    let payload_bytes = message.encoded_len();
    let mut file = Vec::with_capacity(COMMON_HEADER_BYTES + payload_bytes);
    file.resize(COMMON_HEADER_BYTES, 0);
    message.encode_raw(&mut file);
    let header = CommonHeader::plain(data_type.number(), &file[COMMON_HEADER_BYTES..]).encode();
    file[..COMMON_HEADER_BYTES].copy_from_slice(&header);
    file
}

/// The message of a small file that must be of this type.
///
/// # Errors
/// Anything that is not exactly one whole, intact file of this type.
pub fn read_small<M: Message + Default>(data_type: DataType, file: &[u8]) -> Result<M, FormatError> {
    let (found, payload) = open_small(file)?;
    if found != data_type {
        return Err(FormatError::WrongType { expected: data_type.to_string(), found: found.to_string() });
    }
    M::decode(payload).map_err(|e| FormatError::Payload {
        what: "small file payload",
        at: COMMON_HEADER_BYTES as u64,
        detail: e.to_string(),
    })
}

/// Checks a small file and tells its type and payload.
///
/// # Errors
/// Anything that is not exactly one whole, intact small file.
pub fn open_small(file: &[u8]) -> Result<(DataType, &[u8]), FormatError> {
    const WHAT: &str = "small file";
    let header = CommonHeader::decode(file)?;
    let data_type = DataType::from_number(header.data_type).ok_or(FormatError::UnknownType {
        what: WHAT,
        at: 0,
        found: u64::from(header.data_type),
    })?;
    if header.compressor != Compressor::None || header.plain_bytes != header.stored_bytes || header.padding_bytes != 0 {
        return Err(FormatError::Structure { what: WHAT, at: 0, detail: "packed or padded".to_owned() });
    }
    let total = header.total_bytes();
    let whole = need(file, usize::try_from(total).unwrap_or(usize::MAX), WHAT)?;
    if file.len() > whole.len() {
        return Err(FormatError::Trailing { what: WHAT, at: total, extra: file.len() as u64 - total });
    }
    let payload = &whole[COMMON_HEADER_BYTES..];
    header.check_payload(payload, WHAT)?;
    Ok((data_type, payload))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pb;
    use proptest::prelude::*;

    fn round() -> pb::RoundStart {
        pb::RoundStart { dest_id: 1002, round_id: 1, start_scn: 77, base_piece_id: 1, piece_switch_interval_us: 5 }
    }

    #[test]
    fn what_was_written_is_read() {
        let file = write_small(DataType::RoundStart, &round());
        assert_eq!(read_small::<pb::RoundStart>(DataType::RoundStart, &file).unwrap(), round());
    }

    #[test]
    fn another_type_an_unknown_type_and_trailing_bytes_are_errors() {
        let mut file = write_small(DataType::RoundStart, &round());
        let e = read_small::<pb::RoundEnd>(DataType::RoundEnd, &file).unwrap_err();
        assert_eq!(e.to_string(), "expected round end, found round start");
        file.push(0);
        assert!(matches!(open_small(&file), Err(FormatError::Trailing { extra: 1, .. })));
        let mut strange = CommonHeader::plain(999, b"").encode().to_vec();
        assert!(matches!(open_small(&strange), Err(FormatError::UnknownType { found: 999, .. })));
        strange.truncate(20);
        assert!(matches!(open_small(&strange), Err(FormatError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn each_byte_flip_and_each_cut_is_seen(at: prop::sample::Index, mask in 1u8..) {
            let good = write_small(DataType::RoundStart, &round());
            let at = at.index(good.len());
            let mut bad = good.clone();
            bad[at] ^= mask;
            prop_assert!(read_small::<pb::RoundStart>(DataType::RoundStart, &bad).is_err());
            prop_assert!(open_small(&good[..at]).is_err());
        }
    }
}
