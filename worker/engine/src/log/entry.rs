//! One Raft entry as the body of one log group: a kind byte, then the bytes of that kind.

use crate::error::corrupt;
use bytes::Bytes;
use std::io;
use strandline_consensus::{Entry, EntryBody, LogPos, Payload};
use strandline_format::entry::EntryKind;
use strandline_types::Scn;

/// What framing needs of an entry.
pub(super) struct Parts<'a> {
    pub(super) scn: Scn,
    /// The entry carries an SCN of its own: it has to be after everything before it.
    pub(super) strict: bool,
    pub(super) kind: [u8; 1],
    pub(super) body: &'a [u8],
}

/// Takes an entry apart.
pub(super) fn parts(entry: &Entry) -> io::Result<Parts<'_>> {
    let (scn, strict, kind, body): (Scn, bool, u8, &[u8]) = match &entry.body {
        EntryBody::Blank => (Scn::MIN, false, EntryKind::Blank.number(), &[]),
        EntryBody::Membership(bytes) => (Scn::MIN, false, EntryKind::Membership.number(), bytes),
        EntryBody::Normal(p) => (Scn(p.scn), true, p.kind, &p.body),
    };
    let reserved = [EntryKind::Blank.number(), EntryKind::Membership.number()];
    if strict && reserved.contains(&kind) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a proposal of kind {kind} is Raft's own")));
    }
    Ok(Parts { scn, strict, kind: [kind], body })
}

/// Puts an entry together again; its SCN is the effective one.
pub(super) fn entry(pos: LogPos, scn: Scn, body: &Bytes) -> io::Result<Entry> {
    let Some(kind) = body.first().copied() else { return Err(corrupt(format!("log entry {pos} has no kind"))) };
    let rest = body.slice(1..);
    let body = match EntryKind::from_number(kind) {
        Some(EntryKind::Blank) => EntryBody::Blank,
        Some(EntryKind::Membership) => EntryBody::Membership(rest),
        _ => EntryBody::Normal(Payload { scn: scn.0, kind, body: rest }),
    };
    Ok(Entry { pos, body })
}
