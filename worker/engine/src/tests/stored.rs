//! Golden bytes of what a worker keeps beside its logs and tablets: files of replicas, records of their inner column family.
//!
//! These never change. Another layout needs a step in the worker's `data_versions.rs`, and golden bytes of its own.

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

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &str) {
    let bytes = postcard::to_stdvec(value).unwrap();
    assert_eq!(hex(&bytes), expected, "{value:?}");
    assert_eq!(&postcard::from_bytes::<T>(&bytes).unwrap(), value);
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
    golden(&StoredSpec { spec: spec(None), access: Access::Open }, "");
    let restore = Some(RestoreStart { job: JobId(5), base: BASE, start: true });
    golden(&StoredSpec { spec: spec(restore), access: Access::ReadOnly }, "");
    golden(&StoredSpec { spec: spec(restore), access: Access::Closed }, "");
}

#[test]
fn where_a_restored_replica_begins() {
    golden(&RestoredPoint { job: JobId(5), base: BASE, scn: Scn(77) }, "");
}

#[test]
fn where_a_log_begins_and_a_snapshot_stands() {
    golden(&Floor { purged: Some(POS), base: BASE }, "");
    golden(&Floor::default(), "");
    golden(&SnapshotHead { pos: POS, base: BASE, membership: Bytes::from_static(b"m") }, "");
}

#[test]
fn what_is_applied_and_replayed() {
    golden(&AppliedRecord { pos: POS, base: BASE }, "");
    golden(&vec![Replayed { lsn: Lsn(4096), scn: Scn(77) }], "");
}

#[test]
fn what_is_remembered_of_a_session() {
    let mut sessions = Sessions::default();
    for (number, scn) in [(5, 70), (7, 77)] {
        sessions.note(WriteId { session: SessionId(1), number }, 4, Scn(scn));
    }
    let records = sessions.take_changes().unwrap();
    let written: Vec<_> = records.iter().map(|(key, value)| (hex(key), value.as_deref().map(hex))).collect();
    assert_eq!(written, [(String::new(), Some(String::new()))]);
}
