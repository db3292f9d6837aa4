//! Golden bytes of what a worker keeps beside its logs and tablets: files of replicas, records of their inner column family.
//!
//! These never change. Another layout needs a step in the worker's `DATA_VERSIONS`, and golden bytes of its own.

use crate::log::Floor;
use crate::machine::SnapshotHead;
use crate::sessions::{SessionId, Sessions, WriteId};
use crate::spec::StoredSpec;
use crate::tablet::AppliedRecord;
use crate::{Access, Replayed, ReplicaSpec, RestoreStart, RestoredPoint};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use strandline_consensus::LogPos;
use strandline_types::{JobId, LsId, Lsn, NodeId, PalfBase, Scn, TenantId};

const POS: LogPos = LogPos { term: 3, index: 300 };
const BASE: PalfBase =
    PalfBase { lsn: Lsn(4096), prev_log_id: 7, prev_accumulated_checksum: 1 << 40, prev_scn: Scn(9) };

/// The bytes of a value as text, once they were read back.
fn stored<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let bytes = postcard::to_stdvec(value).unwrap();
    assert_eq!(&postcard::from_bytes::<T>(&bytes).unwrap(), value);
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn spec(restore: Option<RestoreStart>) -> ReplicaSpec {
    let members = BTreeMap::from([(NodeId(101), "a:1".to_owned()), (NodeId(102), "b:2".to_owned())]);
    ReplicaSpec { tenant: TenantId(1002), ls: LsId(1001), members, bootstrap: true, restore }
}

#[test]
fn what_a_replica_is() {
    let restore = Some(RestoreStart { job: JobId(5), base: BASE, start: true });
    let all = [(None, Access::Open), (restore, Access::ReadOnly), (restore, Access::Closed)]
        .map(|(restore, access)| stored(&StoredSpec { spec: spec(restore), access }));
    assert_eq!(
        all,
        [
            "ea07e907026503613a316603623a32010001",
            "ea07e907026503613a316603623a32010105802007808080808020090102",
            "ea07e907026503613a316603623a32010105802007808080808020090100",
        ]
    );
}

#[test]
fn where_a_restored_replica_begins() {
    assert_eq!(stored(&RestoredPoint { job: JobId(5), base: BASE, scn: Scn(77) }), "05802007808080808020094d");
}

#[test]
fn where_a_log_begins_and_a_snapshot_stands() {
    assert_eq!(stored(&Floor { purged: Some(POS), base: BASE }), "0103ac0280200780808080802009");
    assert_eq!(stored(&Floor::default()), "0000000000");
    let head = SnapshotHead { pos: POS, base: BASE, membership: Bytes::from_static(b"m") };
    assert_eq!(stored(&head), "03ac0280200780808080802009016d");
}

#[test]
fn what_is_applied_and_replayed() {
    assert_eq!(stored(&AppliedRecord { pos: POS, base: BASE }), "03ac0280200780808080802009");
    assert_eq!(stored(&vec![Replayed { lsn: Lsn(4096), scn: Scn(77) }]), "0180204d");
}

#[test]
fn what_is_remembered_of_a_session() {
    let mut sessions = Sessions::default();
    for (number, scn) in [(5, 70), (7, 77)] {
        sessions.note(WriteId { session: SessionId(1), number }, 4, Scn(scn));
    }
    let records = sessions.take_changes().unwrap();
    let written: Vec<_> = records.iter().map(|(key, value)| (hex(key), value.as_deref().map(hex))).collect();
    let (key, value) = ("73657373696f6e2f00000000000000000000000000000001", "014d04020546074d00");
    assert_eq!(written, [(key.to_owned(), Some(value.to_owned()))]);
}
