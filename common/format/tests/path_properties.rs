//! Every path that can be built parses back to itself, and is a name that an independent reader of the layout accepts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use regex::RegexSet;
use std::sync::LazyLock;
use strandline_format::paths::{ArchivePath, BackupPath, IndexKind, InfoKind, LogPart, SetName};
use strandline_types::{
    BackupSetId, BackupSetKind, DataKind, DestId, FileId, LsId, PieceId, PieceKey, RetryId, RoundId, Scn, TenantId,
    TurnId,
};

/// The grammar as the second readers spell it, their back-references written out.
static ARCHIVE: LazyLock<RegexSet> = LazyLock::new(|| {
    grammar(&[
        r"format\.obbak",
        r"check_file/\d+_connect_file_<T>\.obbak",
        r"rounds/round_d\d+r\d+_(start|end)\.obarc",
        r"pieces/piece_d\d+r\d+p\d+_(start|end)_<T>\.obarc",
        r"piece_d\d+r\d+p\d+/piece_d\d+r\d+p\d+_<T>_<T>\.obarc",
        r"piece_d\d+r\d+p\d+/checkpoint/checkpoint\.\d+\.obarc",
        r"piece_d\d+r\d+p\d+/checkpoint/checkpoint_info\.0\.obarc",
        r"piece_d\d+r\d+p\d+/(single_piece_info|tenant_archive_piece_infos|file_info)\.obarc",
        r"piece_d\d+r\d+p\d+/logstream_\d+/file_info\.obarc",
        r"piece_d\d+r\d+p\d+/logstream_\d+/log/\d+\.obarc",
        r"piece_d\d+r\d+p\d+/logstream_\d+/log/\d+\.obarc/@APD_PART@(\d+-\d+|FORMAT_META|SEAL_META)\.obarc",
        r"piece_d\d+r\d+p\d+/logstream_1/schema_meta/\d+\.obarc",
    ])
});

static BACKUP: LazyLock<RegexSet> = LazyLock::new(|| {
    grammar(&[
        r"format\.obbak",
        r"check_file/\d+_connect_file_<T>\.obbak",
        r"backup_sets/<SET>_start\.obbak",
        r"backup_sets/<SET>_end_(?:success|failed)_<T>\.obbak",
        r"<SET>/<SET>_<T>_<T>\.obbak",
        r"<SET>/(?:single_backup_set_info|tenant_backup_set_infos)\.obbak",
        r"<SET>/infos/(?:diagnose_info|tenant_parameter|locality_info|deleted_tablet_info)\.obbak",
        r"<SET>/infos/table_list/(?:table_list\.\d+\.\d+|table_list_meta_info\.\d+)\.obbak",
        r"<SET>/infos/(major|minor)_data_info_turn_\d+/tablet_log_stream_info\.obbak",
        r"<SET>/infos/major_data_info_turn_\d+/tenant_major_data_(?:macro_range_index|meta_index|sec_meta_index)\.\d+\.obbak",
        r"<SET>/infos/minor_data_info_turn_\d+/tenant_minor_data_(?:macro_range_index|meta_index|sec_meta_index)\.\d+\.obbak",
        r"<SET>/infos/meta_info/(?:ls_attr_info\.\d+|ls_meta_infos)\.obbak",
        r"<SET>/logstream_\d+/<KIND>_turn_\d+_retry_\d+/(?:macro_block_data\.\d+|macro_range_index|meta_index|sec_meta_index)\.obbak",
        r"<SET>/logstream_\d+/meta_info_turn_\d+_retry_\d+/(?:ls_meta_info|tablet_info\.\d+)\.obbak",
        r"<SET>/complement_log/(?:format\.obbak|check_file/.*|rounds/.*|pieces/.*|piece_d\d+r\d+p\d+/.*)",
    ])
});

fn grammar(rules: &[&str]) -> RegexSet {
    let spell = |rule: &&str| {
        let rule = rule
            .replace("<SET>", r"backup_set_\d+_(?:full|inc)")
            .replace("<KIND>", "(?:major_data|minor_data|sys_data)")
            .replace("<T>", r"\d{8}T\d{6}");
        format!("^{rule}$")
    };
    RegexSet::new(rules.iter().map(spell)).unwrap()
}

fn scn() -> impl Strategy<Value = Scn> {
    // Four-digit years, as every tag has them.
    (0u64..200_000_000_000_000_000).prop_map(Scn)
}

prop_compose! {
    fn key()(d: u64, r: u64, p: u64) -> PieceKey {
        PieceKey { dest_id: DestId(d), round_id: RoundId(r), piece_id: PieceId(p) }
    }
}

fn part() -> impl Strategy<Value = LogPart> {
    prop_oneof![
        Just(LogPart::FormatMeta),
        Just(LogPart::SealMeta),
        (any::<u64>(), any::<u64>()).prop_map(|(start, end)| LogPart::Data { start, end }),
    ]
}

fn archive() -> impl Strategy<Value = ArchivePath> {
    let ls = any::<u64>().prop_map(LsId);
    let file_id = any::<u64>().prop_map(FileId);
    prop_oneof![
        Just(ArchivePath::Format),
        (any::<u64>(), scn()).prop_map(|(t, time)| ArchivePath::CheckFile { tenant: TenantId(t), time }),
        any::<[u64; 2]>().prop_map(|[d, r]| ArchivePath::RoundStart { dest: DestId(d), round: RoundId(r) }),
        any::<[u64; 2]>().prop_map(|[d, r]| ArchivePath::RoundEnd { dest: DestId(d), round: RoundId(r) }),
        (key(), scn()).prop_map(|(key, time_scn)| ArchivePath::PieceStart { key, time_scn }),
        (key(), scn()).prop_map(|(key, time_scn)| ArchivePath::PieceEnd { key, time_scn }),
        (key(), scn(), scn()).prop_map(|(key, start_scn, checkpoint_scn)| ArchivePath::PieceInner {
            key,
            start_scn,
            checkpoint_scn
        }),
        key().prop_map(|key| ArchivePath::CheckpointInfo { key }),
        (key(), any::<u64>()).prop_map(|(key, s)| ArchivePath::Checkpoint { key, scn: Scn(s) }),
        key().prop_map(|key| ArchivePath::TenantArchivePieceInfos { key }),
        key().prop_map(|key| ArchivePath::SinglePieceInfo { key }),
        key().prop_map(|key| ArchivePath::PieceFileInfo { key }),
        (key(), ls.clone()).prop_map(|(key, ls)| ArchivePath::LsFileInfo { key, ls }),
        (key(), ls.clone(), file_id.clone()).prop_map(|(key, ls, file_id)| ArchivePath::Log { key, ls, file_id }),
        (key(), ls, file_id, part()).prop_map(|(key, ls, file_id, part)| ArchivePath::LogPart {
            key,
            ls,
            file_id,
            part
        }),
        (key(), any::<u64>()).prop_map(|(key, s)| ArchivePath::SchemaMeta { key, scn: Scn(s) }),
    ]
}

prop_compose! {
    fn set()(id: u64, full: bool) -> SetName {
        SetName { id: BackupSetId(id), kind: if full { BackupSetKind::Full } else { BackupSetKind::Inc } }
    }
}

prop_compose! {
    fn place()(set in set(), ls: u64, turn: u32, retry: u32) -> (SetName, LsId, TurnId, RetryId) {
        (set, LsId(ls), TurnId(turn), RetryId(retry))
    }
}

fn set_files() -> impl Strategy<Value = BackupPath> {
    prop_oneof![
        Just(BackupPath::Format),
        (any::<u64>(), scn()).prop_map(|(t, time)| BackupPath::CheckFile { tenant: TenantId(t), time }),
        set().prop_map(|set| BackupPath::SetStart { set }),
        (set(), any::<bool>(), scn()).prop_map(|(set, success, time_scn)| BackupPath::SetEnd {
            set,
            success,
            time_scn
        }),
        (set(), scn(), scn()).prop_map(|(set, start, end)| BackupPath::SetInner { set, start, end }),
        set().prop_map(|set| BackupPath::SingleSetInfo { set }),
        set().prop_map(|set| BackupPath::TenantSetInfos { set }),
        set().prop_map(|set| BackupPath::DiagnoseInfo { set }),
        set().prop_map(|set| BackupPath::TenantParameter { set }),
        set().prop_map(|set| BackupPath::LocalityInfo { set }),
        set().prop_map(|set| BackupPath::DeletedTabletInfo { set }),
        (set(), any::<u64>(), any::<u64>()).prop_map(|(set, s, n)| BackupPath::TableList { set, scn: Scn(s), n }),
        (set(), any::<u64>()).prop_map(|(set, s)| BackupPath::TableListMeta { set, scn: Scn(s) }),
        (set(), any::<u32>()).prop_map(|(set, t)| BackupPath::LsAttrInfo { set, turn: TurnId(t) }),
        set().prop_map(|set| BackupPath::LsMetaInfos { set }),
        (set(), archive()).prop_map(|(set, inner)| BackupPath::ComplementLog { set, inner }),
    ]
}

fn data_files() -> impl Strategy<Value = BackupPath> {
    let (kind, info) = (prop::sample::select(&DataKind::ALL[..]), prop::sample::select(&InfoKind::ALL[..]));
    let index = prop::sample::select(&IndexKind::ALL[..]);
    prop_oneof![
        (place(), info.clone()).prop_map(|((set, _, turn, _), kind)| BackupPath::TabletLsInfo { set, kind, turn }),
        (place(), info, index.clone()).prop_map(|((set, _, turn, retry), kind, index)| BackupPath::TenantIndex {
            set,
            kind,
            turn,
            index,
            retry
        }),
        place().prop_map(|(set, ls, turn, retry)| BackupPath::LsMetaInfo { set, ls, turn, retry }),
        (place(), any::<u64>()).prop_map(|((set, ls, turn, retry), n)| BackupPath::TabletInfo {
            set,
            ls,
            turn,
            retry,
            n
        }),
        (place(), kind.clone(), any::<u64>())
            .prop_map(|((set, ls, turn, retry), kind, n)| BackupPath::MacroBlockData { set, ls, kind, turn, retry, n }),
        (place(), kind, index).prop_map(|((set, ls, turn, retry), kind, index)| BackupPath::LsIndex {
            set,
            ls,
            kind,
            turn,
            retry,
            index
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn an_archive_path_parses_back_to_itself(path in archive()) {
        let text = path.path();
        prop_assert!(ARCHIVE.is_match(&text), "{} is no name of the layout", text);
        prop_assert_eq!(ArchivePath::parse(&text), Some(path.tagged()));
        prop_assert_eq!(path.tagged().text(), text);
    }

    #[test]
    fn a_data_backup_path_parses_back_to_itself(path in prop_oneof![set_files(), data_files()]) {
        let text = path.path();
        prop_assert!(BACKUP.is_match(&text), "{} is no name of the layout", text);
        prop_assert_eq!(BackupPath::parse(&text), Some(path.tagged()));
        prop_assert_eq!(path.tagged().text(), text);
    }

    #[test]
    fn a_damaged_name_never_parses_to_another_text(path in archive(), at: prop::sample::Index, c in "[a-z0-9/._@-]") {
        let mut text = path.path();
        let at = at.index(text.len());
        text.replace_range(at..=at, &c);
        if let Some(parsed) = ArchivePath::parse(&text) {
            prop_assert_eq!(parsed.text(), text);
        }
    }
}

#[test]
fn what_is_no_name_of_a_tree_does_not_parse() {
    for bad in [
        "",
        "/",
        "format.obarc",
        "piece_d1r1p1",
        "piece_d1r1p1/",
        "piece_d1r1p01/file_info.obarc",
        "piece_d1r1p1/piece_d1r1p2_20230111T193049_20230111T193249.obarc",
        "piece_d1r1p1/logstream_1001/schema_meta/5.obarc",
        "piece_d1r1p1/logstream_1/log/1.obarc/@APD_PART@5.obarc",
        "piece_d1r1p1/logstream_1/log/1.obarc#2",
        "pieces/piece_d1r1p1_start.obarc",
    ] {
        assert_eq!(ArchivePath::parse(bad), None, "{bad}");
    }
    for bad in [
        "backup_sets/backup_set_1_half_start.obbak",
        "backup_sets/backup_set_1_full_end_success.obbak",
        "backup_set_1_full/backup_set_2_full_20230111T193330_20230111T193420.obbak",
        "backup_set_1_full/infos/sys_data_info_turn_1/tablet_log_stream_info.obbak",
        "backup_set_1_full/infos/major_data_info_turn_1/tenant_minor_data_meta_index.0.obbak",
        "backup_set_1_full/logstream_1/meta_info_turn_1_retry_0/macro_block_data.0.obbak",
        "backup_set_1_full/complement_log/nothing",
    ] {
        assert_eq!(BackupPath::parse(bad), None, "{bad}");
    }
}
