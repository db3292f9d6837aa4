//! Bodies of log entries: one byte for the kind, then the payload.
//!
//! The engine writes them, the engine and the replay of a restore read them. Values are never copied while decoding:
//! they share memory with the body.

use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;
use std::fmt;

const WHAT: &str = "log entry body";

/// What a log entry is; the first byte of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A new leader's first entry; nothing follows.
    Blank,
    /// Members of the Raft group, in the consensus layer's own encoding.
    Membership,
    /// What one client wrote atomically.
    ClientBatch,
    /// Nothing but a newer SCN.
    KeepAlive,
    /// A new version of the data dictionary; log stream 1 only.
    Dictionary,
    /// Entries of a source log, replayed by a restore.
    Replayed,
    /// The tablets that the log stream still has; the others were dropped.
    Tablets,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Blank,
        Self::Membership,
        Self::ClientBatch,
        Self::KeepAlive,
        Self::Dictionary,
        Self::Replayed,
        Self::Tablets,
    ];

    /// The byte in the body.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Blank => 0,
            Self::Membership => 1,
            Self::ClientBatch => 2,
            Self::KeepAlive => 3,
            Self::Dictionary => 4,
            Self::Replayed => 5,
            Self::Tablets => 6,
        }
    }

    /// From the byte in the body.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// True for entries that carry an SCN of their own, which must be after everything before them. The others take
    /// the SCN of the group before.
    #[must_use]
    pub const fn has_own_scn(self) -> bool {
        !matches!(self, Self::Blank | Self::Membership)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "blank",
            Self::Membership => "membership",
            Self::ClientBatch => "client batch",
            Self::KeepAlive => "keep-alive",
            Self::Dictionary => "dictionary",
            Self::Replayed => "replayed",
            Self::Tablets => "tablet list",
        })
    }
}

/// A decoded body.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryBody {
    /// Kind 0.
    Blank,
    /// Kind 1.
    Membership(Bytes),
    /// Kind 2.
    ClientBatch(pb::ClientBatch),
    /// Kind 3.
    KeepAlive,
    /// Kind 4.
    Dictionary(pb::Dictionary),
    /// Kind 5.
    Replayed(pb::ReplayedBatch),
    /// Kind 6.
    Tablets(pb::TabletList),
}

/// The body of an entry from its kind and its payload.
#[must_use]
pub fn join(kind: EntryKind, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(1 + payload.len());
    body.push(kind.number());
    body.extend_from_slice(payload);
    body
}

/// Kind and payload of a body.
///
/// # Errors
/// An empty body or an unknown kind.
pub fn split(body: &[u8]) -> Result<(EntryKind, &[u8]), FormatError> {
    let (first, payload) = body.split_first().ok_or(FormatError::Truncated { what: WHAT, at: 0, need: 1, have: 0 })?;
    Ok((known(*first)?, payload))
}

/// Kind and payload of a body, sharing its memory.
///
/// # Errors
/// As [`split`].
pub fn split_bytes(mut body: Bytes) -> Result<(EntryKind, Bytes), FormatError> {
    let (kind, _) = split(&body)?;
    Ok((kind, body.split_off(1)))
}

/// The payload of a message, for [`join`] or for a Raft proposal that carries the kind beside it.
#[must_use]
pub fn payload<M: Message>(message: &M) -> Bytes {
    message.encode_to_vec().into()
}

/// A body, decoded.
///
/// # Errors
/// As [`split`], and a payload that is not what its kind says.
pub fn decode(body: Bytes) -> Result<EntryBody, FormatError> {
    let (kind, payload) = split_bytes(body)?;
    decode_payload(kind, payload)
}

/// A payload of a known kind, decoded.
///
/// # Errors
/// A payload that is not what its kind says.
pub fn decode_payload(kind: EntryKind, payload: Bytes) -> Result<EntryBody, FormatError> {
    Ok(match kind {
        EntryKind::Blank => nothing(&payload, EntryBody::Blank)?,
        EntryKind::KeepAlive => nothing(&payload, EntryBody::KeepAlive)?,
        EntryKind::Membership => EntryBody::Membership(payload),
        EntryKind::ClientBatch => EntryBody::ClientBatch(message(payload)?),
        EntryKind::Dictionary => EntryBody::Dictionary(message(payload)?),
        EntryKind::Replayed => EntryBody::Replayed(message(payload)?),
        EntryKind::Tablets => EntryBody::Tablets(message(payload)?),
    })
}

/// The kind of an item of a replayed batch.
///
/// # Errors
/// An unknown kind.
pub fn kind_of_item(item: &pb::ReplayedItem) -> Result<EntryKind, FormatError> {
    known(u8::try_from(item.kind).unwrap_or(u8::MAX))
}

fn known(number: u8) -> Result<EntryKind, FormatError> {
    EntryKind::from_number(number).ok_or(FormatError::UnknownType { what: WHAT, at: 0, found: u64::from(number) })
}

fn nothing(payload: &Bytes, body: EntryBody) -> Result<EntryBody, FormatError> {
    if payload.is_empty() {
        return Ok(body);
    }
    Err(FormatError::Trailing { what: WHAT, at: 1, extra: payload.len() as u64 })
}

fn message<M: Message + Default>(payload: Bytes) -> Result<M, FormatError> {
    M::decode(payload).map_err(|e| FormatError::Payload { what: WHAT, at: 1, detail: e.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn batch() -> pb::ClientBatch {
        let write = pb::Write { tablet_id: 200_001, key: "k".into(), value: vec![7; 500].into(), delete: false };
        pb::ClientBatch {
            identities: Vec::new(),
            writes: vec![write, pb::Write { tablet_id: 200_002, delete: true, ..Default::default() }],
        }
    }

    #[test]
    fn a_client_batch_comes_back_without_a_copy_of_its_values() {
        let body = Bytes::from(join(EntryKind::ClientBatch, &payload(&batch())));
        let EntryBody::ClientBatch(read) = decode(body.clone()).unwrap() else { panic!("another kind") };
        assert_eq!(read, batch());
        assert!(body.as_ptr_range().contains(&read.writes[0].value.as_ptr()));
    }

    #[test]
    fn every_kind_is_known_by_its_byte() {
        for kind in EntryKind::ALL {
            assert_eq!(split(&[kind.number()]).unwrap().0, kind);
        }
    }

    #[test]
    fn an_empty_body_an_unknown_kind_and_a_talking_blank_are_errors() {
        assert!(decode(Bytes::new()).is_err());
        assert!(matches!(decode(Bytes::from_static(&[9])), Err(FormatError::UnknownType { found: 9, .. })));
        assert!(decode(Bytes::from_static(&[0, 1])).is_err());
        assert!(decode(Bytes::from_static(&[2, 0xff])).is_err());
    }
}
