//! Parts of a log file on a medium where files cannot grow, and of every compressed or encrypted log file.
//!
//! The name of a part gives the **plain** range `[start, end)` of the file. A raw part is those bytes and nothing else.
//! A packed part is a common header (type [`DataType::PackedPart`] or [`DataType::SealedPart`]) and its payload: the
//! plain bytes compressed, then sealed. A packed part never has the length of its plain range, so no reader has to
//! guess which of the two a part is. The sealed bytes belong to their place: the part's path from the piece folder on.

use crate::cipher::{self, Key};
use crate::compress::{pack, unpack};
use crate::error::need;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader, Compressor};
use crate::paths::{ArchivePath, LogPart};
use crate::{DataType, FormatError};
use bytes::Bytes;
use strandline_types::{FileId, LsId, PieceKey};

const WHAT: &str = "part of a log file";

/// Which bytes of which log file a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartPlace {
    /// Piece.
    pub piece: PieceKey,
    /// Log stream.
    pub ls: LsId,
    /// Log file.
    pub file_id: FileId,
    /// First plain byte of the file, its header included.
    pub start: u64,
    /// First plain byte after it.
    pub end: u64,
}

impl PartPlace {
    /// The part that a path of an archive tree names; `None` when it is none.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        match ArchivePath::parse(path)? {
            ArchivePath::LogPart { key, ls, file_id, part: LogPart::Data { start, end } } => {
                Some(Self { piece: key, ls, file_id, start, end })
            }
            _ => None,
        }
    }

    /// Its path, relative to the root of the archive tree.
    #[must_use]
    pub fn path(&self) -> String {
        let part = LogPart::Data { start: self.start, end: self.end };
        ArchivePath::LogPart { key: self.piece, ls: self.ls, file_id: self.file_id, part }.path()
    }

    /// Plain bytes.
    #[must_use]
    pub const fn plain_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// How parts of a destination are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartForm {
    /// Compressor to try.
    pub compressor: Compressor,
    /// Key to seal with.
    pub key: Option<Key>,
}

impl PartForm {
    /// Plain bytes, as every reader of the original layout expects them.
    pub const RAW: Self = Self { compressor: Compressor::None, key: None };

    /// True when parts are the plain bytes.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        *self == Self::RAW
    }
}

/// The bytes of the part. The same arguments give the same bytes.
///
/// # Errors
/// `Unwritable` when `plain` has not the length of its range.
pub fn encode_part(place: &PartPlace, plain: &Bytes, form: &PartForm) -> Result<Bytes, FormatError> {
    if plain.len() as u64 != place.plain_bytes() || plain.is_empty() {
        let detail = format!("{} bytes for the range {}-{}", plain.len(), place.start, place.end);
        return Err(FormatError::Unwritable { what: WHAT, detail });
    }
    let overhead = COMMON_HEADER_BYTES + form.key.as_ref().map_or(0, |_| cipher::SEAL_OVERHEAD_BYTES);
    let packed = (form.compressor != Compressor::None)
        .then(|| pack(form.compressor, plain))
        .filter(|(done, bytes)| *done != Compressor::None && bytes.len() + overhead < plain.len());
    match (packed, &form.key) {
        (None, None) => Ok(plain.clone()),
        (Some((compressor, bytes)), None) => Ok(with_header(DataType::PackedPart, compressor, plain.len(), &bytes)),
        (packed, Some(key)) => {
            let (compressor, bytes) = match &packed {
                Some((compressor, bytes)) => (*compressor, &bytes[..]),
                None => (Compressor::None, &plain[..]),
            };
            let sealed = cipher::seal(key, place.path().as_bytes(), bytes);
            Ok(with_header(DataType::SealedPart, compressor, plain.len(), &sealed))
        }
    }
}

/// The plain bytes of a part. A raw part is given back as it is: its log has checksums of its own.
///
/// # Errors
/// Anything that is not exactly the whole, intact part of this place; [`FormatError::KeyMissing`] and
/// [`FormatError::WrongKey`] when it is sealed and cannot be opened.
pub fn decode_part(place: &PartPlace, bytes: &Bytes, key: Option<&Key>) -> Result<Bytes, FormatError> {
    if bytes.len() as u64 == place.plain_bytes() {
        return Ok(bytes.clone());
    }
    let structure = |detail: String| FormatError::Structure { what: WHAT, at: 0, detail };
    let not_the_range = || structure(format!("{} bytes, its name says {}", bytes.len(), place.plain_bytes()));
    let header = CommonHeader::decode(bytes).map_err(|_| not_the_range())?;
    let data_type = DataType::from_number(header.data_type).ok_or_else(not_the_range)?;
    if !matches!(data_type, DataType::PackedPart | DataType::SealedPart) {
        return Err(not_the_range());
    }
    if header.plain_bytes != place.plain_bytes() || header.padding_bytes != 0 {
        return Err(structure(format!("{} plain bytes, its name says {}", header.plain_bytes, place.plain_bytes())));
    }
    let total = header.total_bytes();
    let whole = need(bytes, usize::try_from(total).unwrap_or(usize::MAX), WHAT)?;
    if bytes.len() > whole.len() {
        return Err(FormatError::Trailing { what: WHAT, at: total, extra: bytes.len() as u64 - total });
    }
    let stored = &whole[COMMON_HEADER_BYTES..];
    header.check_payload(stored, WHAT)?;
    // A part is at most a block long; `unpack` refuses more than any object here has.
    let plain_len = usize::try_from(header.plain_bytes).unwrap_or(usize::MAX);
    let plain = if data_type == DataType::SealedPart {
        let key = key.ok_or_else(|| key_missing(stored))?;
        unpack(header.compressor, &cipher::open(key, place.path().as_bytes(), stored)?, plain_len)?
    } else {
        unpack(header.compressor, stored, plain_len)?
    };
    Ok(plain.into())
}

fn key_missing(sealed: &[u8]) -> FormatError {
    match cipher::sealed_with(sealed) {
        Ok(found) => FormatError::KeyMissing { what: WHAT, found },
        Err(damaged) => damaged,
    }
}

fn with_header(data_type: DataType, compressor: Compressor, plain_len: usize, payload: &[u8]) -> Bytes {
    let header =
        CommonHeader { compressor, plain_bytes: plain_len as u64, ..CommonHeader::plain(data_type.number(), payload) };
    let mut part = Vec::with_capacity(COMMON_HEADER_BYTES + payload.len());
    part.extend_from_slice(&header.encode());
    part.extend_from_slice(payload);
    part.into()
}

#[cfg(test)]
mod tests;
