//! What a worker leaves of a backup: empty but well-formed files.

use bytes::Bytes;
use prost::Message;
use strandline_format::blocks::{DataFileWriter, FileKind};
use strandline_format::index::{MacroIndexEntry, MetaIndexEntry, SecMetaIndexEntry, write_index};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::Medium;
use strandline_proto::v1;
use strandline_types::{BackupSetKind, DataKind, LsId, RetryId, TurnId};

fn set_of(id: u64) -> SetName {
    SetName { id: id.into(), kind: BackupSetKind::Full }
}

fn index(kind: IndexKind) -> Vec<u8> {
    match kind {
        IndexKind::MacroRange => write_index::<MacroIndexEntry>(&[]),
        IndexKind::Meta => write_index::<MetaIndexEntry>(&[]),
        IndexKind::SecMeta => write_index::<SecMetaIndexEntry>(&[]),
    }
    .unwrap()
}

async fn put(medium: &dyn Medium, path: String, bytes: Vec<u8>) {
    medium.put_if_absent(&path, Bytes::from(bytes)).await.unwrap();
}

/// Meta and data of one log stream; gives the payload of its `ls_meta_info`.
pub async fn log_stream(
    medium: &dyn Medium,
    id: &v1::TaskId,
    spec: &v1::BackupLsSpec,
    base: v1::PalfBase,
    checkpoint_scn: u64,
) -> Vec<u8> {
    let (set, ls) = (set_of(spec.backup_set_id), LsId(id.ls_id));
    let (turn, retry) = (TurnId(id.turn), RetryId(id.retry));
    for kind in DataKind::ALL {
        let mut file = DataFileWriter::new(FileKind::Data);
        let mut bytes = file.header().to_vec();
        bytes.extend(file.finish().unwrap());
        put(medium, BackupPath::MacroBlockData { set, ls, kind, turn, retry, n: 0 }.path(), bytes).await;
        for i in IndexKind::ALL {
            put(medium, BackupPath::LsIndex { set, ls, kind, turn, retry, index: i }.path(), index(i)).await;
        }
    }
    let meta = pb::LsMetaInfo {
        tenant_id: id.tenant_id,
        ls_id: id.ls_id,
        base: Some(pb::PalfBaseInfo {
            lsn: base.lsn,
            prev_log_id: base.prev_log_id,
            prev_accumulated_checksum: base.prev_accumulated_checksum,
            prev_scn: base.prev_scn,
        }),
        checkpoint_scn,
        turn: id.turn,
        retry: id.retry,
        ..Default::default()
    };
    let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
    put(medium, path, write_small(DataType::LsMetaInfo, &meta)).await;
    let tablets = pb::TabletInfo { ls_id: id.ls_id, file_no: 1, tablets: Vec::new() };
    let path = BackupPath::TabletInfo { set, ls, turn, retry, n: 1 }.path();
    put(medium, path, write_small(DataType::TabletInfo, &tablets)).await;
    meta.encode_to_vec()
}

/// The tenant-level index.
pub async fn tenant_index(medium: &dyn Medium, id: &v1::TaskId, spec: &v1::BackupIndexSpec) {
    let (set, turn, retry) = (set_of(spec.backup_set_id), TurnId(id.turn), RetryId(id.retry));
    for kind in InfoKind::ALL {
        for i in IndexKind::ALL {
            put(medium, BackupPath::TenantIndex { set, kind, turn, index: i, retry }.path(), index(i)).await;
        }
        let info = pb::TabletLogStreamInfo { tenant_id: id.tenant_id, turn: id.turn, log_streams: Vec::new() };
        let path = BackupPath::TabletLsInfo { set, kind, turn }.path();
        put(medium, path, write_small(DataType::TabletLogStreamInfo, &info)).await;
    }
}
