//! Every kind of file of both trees can be shown; a damaged one says so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use serde_json::json;
use strandline_format::blocks::{BlockType, DataFileWriter, FileKind};
use strandline_format::cipher::{Key, fingerprint};
use strandline_format::compress::Compressor;
use strandline_format::describe::{describe, hex};
use strandline_format::entry::{EntryKind, join};
use strandline_format::index::{MacroBlockId, MacroIndexEntry, PhysicalId, write_index};
use strandline_format::palf::{ArchiveFileHeader, BlockHeader, Framer};
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::small::write_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_types::{
    BackupSetId, DataKind, FileId, LsId, Lsn, PalfBase, RetryId, Scn, TabletId, TenantId, Term, TurnId,
};

const LOG: &str = "piece_d1002r1p1/logstream_1/log/1.obarc";

fn log_file() -> Vec<u8> {
    let mut file = ArchiveFileHeader { start_lsn: Lsn::ZERO }.encode().to_vec();
    let mut framer = Framer::new(PalfBase::default());
    framer.frame_into(&mut file, Term(1), Scn::MIN, false, &[&join(EntryKind::Blank, b"")]);
    framer.frame_into(&mut file, Term(2), Scn(1_673_436_649_723_677_822), true, &[&join(EntryKind::KeepAlive, b"")]);
    file
}

#[test]
fn a_log_file_shows_its_groups() {
    let d = describe(&format!("/mnt/archive/{LOG}"), &log_file()).unwrap();
    assert_eq!(d["name"], LOG);
    assert_eq!(d["kind"], "archive log file");
    assert_eq!(d["header"], json!({ "start_lsn": 0, "file_id": 1 }));
    assert_eq!(d["log"]["groups"], 2);
    assert_eq!(d["log"]["entries"], json!({ "blank": 1, "keep-alive": 1 }));
    assert_eq!(d["log"]["max_scn"]["last_time"], "2023-01-11 11:30:49.723677822");
    assert_eq!(d["log"]["term"], json!({ "first": 1, "last": 2 }));
    assert_eq!(d["log"]["problems"], json!([]));
}

#[test]
fn a_damaged_log_file_shows_the_groups_before_the_damage() {
    let mut file = log_file();
    *file.last_mut().unwrap() ^= 1;
    let d = describe(LOG, &file).unwrap();
    assert_eq!(d["log"]["groups"], 1);
    assert!(d["log"]["problems"][0].as_str().unwrap().contains("data checksum"), "{d}");
    file[3] ^= 1;
    assert!(describe(LOG, &file).is_err(), "its file header is damaged");
}

#[test]
fn a_local_block_is_known_by_its_bytes() {
    let base = PalfBase::default();
    let header = BlockHeader { tenant: TenantId(1002), ls: LsId(1001), base, first_index: 0, prev_term: Term(0) };
    let mut file = header.encode().to_vec();
    Framer::new(base).frame_into(&mut file, Term(1), Scn(9), true, &[&join(EntryKind::KeepAlive, b"")]);
    let d = describe("/var/lib/strandline/log/0", &file).unwrap();
    assert_eq!((d["kind"].as_str(), d["header"]["ls_id"].as_u64()), (Some("local log block"), Some(1001)));
}

#[test]
fn every_kind_of_small_file_can_be_shown() {
    let small = DataType::ALL.iter().filter(|t| !matches!(t, DataType::PackedPart | DataType::SealedPart));
    for data_type in small {
        let file = write_small(*data_type, &pb::ClientBatch::default());
        let d = describe("unknown", &file).unwrap();
        assert_eq!(d["kind"], data_type.to_string());
        assert!(d["content"].is_object());
    }
}

#[test]
fn a_packed_part_shows_how_it_is_stored_and_with_which_key_it_was_sealed() {
    let plain = Bytes::from(vec![7; 5000]);
    let place = PartPlace::parse("piece_d1r1p1/logstream_1/log/1.obarc/@APD_PART@0-5000.obarc").unwrap();
    let key = Key::from_bytes([1; 32]);
    let form = PartForm { compressor: Compressor::Zstd, key: Some(key.clone()) };
    let part = encode_part(&place, &plain, &form).unwrap();
    for name in [place.path(), "unknown".to_owned()] {
        let d = describe(&name, &part).unwrap();
        assert_eq!(d["kind"], "sealed part of a log file");
        assert_eq!((d["compressor"].as_str(), d["plain_bytes"].as_u64()), (Some("zstd"), Some(5000)));
        assert_eq!(d["sealed_with"], hex::text(&fingerprint(&key)));
    }
    let mut bad = part.to_vec();
    bad[60] ^= 1;
    assert!(describe(&place.path(), &bad).is_err(), "damage is seen without the key");
}

#[test]
fn a_small_file_shows_its_fields_and_bytes_as_text() {
    let info = pb::LsMetaInfo {
        ls_id: 1001,
        engine_files: [("MANIFEST-000005".to_owned(), vec![1; 900].into())].into(),
        ..Default::default()
    };
    let path = "backup_set_1_full/logstream_1001/meta_info_turn_1_retry_0/ls_meta_info.obbak";
    let d = describe(path, &write_small(DataType::LsMetaInfo, &info)).unwrap();
    assert_eq!(d["content"]["ls_id"], 1001);
    assert_eq!(d["content"]["engine_files"]["MANIFEST-000005"], "900 bytes");
}

#[test]
fn a_file_under_another_files_name_is_an_error() {
    let file = write_small(DataType::RoundEnd, &pb::RoundEnd::default());
    let e = describe("rounds/round_d1002r1_start.obarc", &file).unwrap_err();
    assert!(matches!(e, FormatError::WrongType { .. }), "{e}");
    assert!(matches!(describe("/etc/hosts", b"127.0.0.1"), Err(FormatError::UnknownName)));
}

#[test]
fn a_checkpoint_is_its_name() {
    let path = "piece_d1002r1p1/checkpoint/checkpoint.1673436649723677822.obarc";
    assert_eq!(describe(path, b"").unwrap()["kind"], "checkpoint");
    assert!(describe(path, b"x").is_err());
}

#[test]
fn data_and_index_files_show_their_blocks_and_entries() {
    let mut writer = DataFileWriter::new(FileKind::Data);
    let mut file = writer.header().to_vec();
    file.extend(writer.block(BlockType::MacroData, &[7; 100]).bytes);
    file.extend(writer.finish().unwrap());
    let dir = "backup_set_1_full/logstream_1001/major_data_turn_1_retry_0";
    let d = describe(&format!("{dir}/macro_block_data.0.obbak"), &file).unwrap();
    assert_eq!(d["blocks"][0], json!({ "type": "macroblock", "offset": 4096, "length": 4096 }));
    assert_eq!(d["trailer"]["macro_block_count"], 1);

    let entry = MacroIndexEntry {
        logical: MacroBlockId { tablet_id: TabletId(200_001), logic_version: 1, data_seq: 5 },
        physical: PhysicalId {
            backup_set_id: BackupSetId(1),
            ls_id: LsId(1001),
            kind: DataKind::Major,
            turn: TurnId(1),
            retry: RetryId(0),
            file_id: FileId(0),
            offset: 4096,
            length: 4096,
        },
        file_name: "000005.sst".to_owned(),
        level: 6,
        plain_bytes: 100,
        checksum: 1,
        unique_id: vec![0xAB, 0xCD],
        storage: Default::default(),
    };
    let index = write_index(&[entry]).unwrap();
    let d = describe(&format!("{dir}/macro_range_index.obbak"), &index).unwrap();
    assert_eq!(d["entries"][0]["unique_id"], "abcd");
    assert_eq!(d["entries"][0]["physical"]["offset"], 4096);
    assert!(describe(&format!("{dir}/meta_index.obbak"), &index).is_err(), "another kind of index");
}
