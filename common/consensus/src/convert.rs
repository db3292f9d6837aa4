//! Between the owners' nouns and openraft's types, and their encoding (postcard).
//!
//! The opaque bytes of a membership are openraft's `StoredMembership` *with* the position of its entry: a state machine
//! that keeps the bytes of the last membership entry keeps all that openraft wants back.

use crate::raft_types::{LogId, Membership, RaftEntry, StoredMembership};
use crate::types::{Entry, EntryBody, LogPos};
use bytes::Bytes;
use openraft::{BasicNode, EntryPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

pub(crate) fn pos_of(id: &LogId) -> LogPos {
    LogPos { term: id.committed_leader_id().term, index: id.index() }
}

pub(crate) fn log_id_of(pos: LogPos) -> LogId {
    LogId::new_term_index(pos.term, pos.index)
}

pub(crate) fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
}

pub(crate) fn encode_membership(membership: &StoredMembership) -> io::Result<Bytes> {
    if membership.log_id().is_none() {
        return Ok(Bytes::new());
    }
    encode(membership).map(Bytes::from)
}

pub(crate) fn decode_membership(bytes: &[u8]) -> io::Result<StoredMembership> {
    if bytes.is_empty() {
        return Ok(StoredMembership::default());
    }
    decode(bytes)
}

pub(crate) fn entry_from_raft(entry: RaftEntry) -> io::Result<Entry> {
    let pos = pos_of(&entry.log_id);
    let body = match entry.payload {
        EntryPayload::Blank => EntryBody::Blank,
        EntryPayload::Normal(payload) => EntryBody::Normal(payload),
        EntryPayload::Membership(m) => {
            EntryBody::Membership(encode_membership(&StoredMembership::new(Some(entry.log_id), m))?)
        }
    };
    Ok(Entry { pos, body })
}

pub(crate) fn entry_to_raft(entry: Entry) -> io::Result<RaftEntry> {
    let payload = match entry.body {
        EntryBody::Blank => EntryPayload::Blank,
        EntryBody::Normal(payload) => EntryPayload::Normal(payload),
        EntryBody::Membership(bytes) => EntryPayload::Membership(decode_membership(&bytes)?.membership().clone()),
    };
    Ok(RaftEntry { log_id: log_id_of(entry.pos), payload })
}

pub(crate) fn nodes_of(members: &BTreeMap<u64, String>) -> BTreeMap<u64, BasicNode> {
    members.iter().map(|(id, address)| (*id, BasicNode { addr: address.clone() })).collect()
}

/// The members of a group that begins at `pos` without an entry that says so.
pub(crate) fn membership_at(pos: LogPos, members: &BTreeMap<u64, String>) -> io::Result<StoredMembership> {
    let voters: BTreeSet<u64> = members.keys().copied().collect();
    let membership = Membership::new(vec![voters], nodes_of(members))
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))?;
    Ok(StoredMembership::new(Some(log_id_of(pos)), membership))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::raft_types::Vote;
    use crate::types::Payload;
    use serde::de::DeserializeOwned;
    use std::fmt::Debug;

    const POS: LogPos = LogPos { term: 3, index: 300 };

    /// These never change: logs, votes and memberships are read by every later version. Another layout needs a step in the
    /// data versions of both servers.
    fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &str) {
        let bytes = encode(value).unwrap();
        assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected, "{value:?}");
        assert_eq!(&decode::<T>(&bytes).unwrap(), value);
    }

    #[test]
    fn golden_bytes_of_what_is_stored() {
        let body = Bytes::from_static(b"body");
        golden(&Entry { pos: POS, body: EntryBody::Blank }, "03ac0200");
        golden(&Entry { pos: POS, body: EntryBody::Membership(body.clone()) }, "03ac020104626f6479");
        golden(
            &Entry { pos: POS, body: EntryBody::Normal(Payload { scn: 77, kind: 1, body }) },
            "03ac02024d0104626f6479",
        );
        golden(&log_id_of(POS), "03ac02");
        golden(&Vote::new(3, 1), "03010100");
        golden(&Vote::new_committed(3, 1), "03010101");
        let members = BTreeMap::from([(1, "a:1".to_owned()), (2, "b:2".to_owned())]);
        golden(&membership_at(POS, &members).unwrap(), "0103ac0201020102020103613a310203623a32");
    }
}
