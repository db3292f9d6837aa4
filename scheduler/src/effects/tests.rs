//! What every piece of work leaves on a medium, once and when it is repeated.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::samples::{dest, key};
use super::*;
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::paths::{ArchivePath, BackupPath};
use strandline_format::small::read_small;
use strandline_format::{DataType, pb};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, MemoryMedium, Op, identity};
use strandline_scheduler_core::state::{
    ArchiveConfig, BackupParams, BackupSet, DestKind, Dictionary, LogStream, LsPart, PieceRow, SetSeal, Table, Tenant,
    TenantCounters, TenantStatus,
};
use strandline_scheduler_core::{Action, BackupLsResult, CleanWork, FreezePiece, MediumName, SetInfos, SweepWork};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{
    BackupSetId, BackupSetKind, BackupSetStatus, DestId, ErrorClass, FileId, FileStatus, JobId, LsId, Lsn, NodeId,
    PalfBase, PieceClock, PieceId, PieceStatus, RetryId, RoundId, Scn, TableId, TenantId, Term, TurnId,
};

mod follow;
mod owner;

const CLOCK: PieceClock = PieceClock { round_start: Scn(1_000), base_piece: PieceId(1), interval_ns: 100 };

fn row(piece: u64, checkpoint: u64, frozen: bool) -> PieceRow {
    let range = CLOCK.range(PieceId(piece));
    PieceRow {
        key: key(piece),
        status: if frozen { PieceStatus::Frozen } else { PieceStatus::Active },
        file_status: FileStatus::Available,
        start_scn: range.start,
        end_scn: range.end,
        checkpoint_scn: Scn(checkpoint),
        max_scn: Scn(checkpoint),
        input_bytes: 10,
        output_bytes: 10,
        sealed: frozen,
    }
}

/// The life of one frozen and one active piece of a round.
fn archive_life() -> Vec<MediumWork> {
    let start =
        |piece| MediumWork::PieceStart { dest: dest(), key: key(piece), start_scn: row(piece, 0, false).start_scn };
    let publish = |piece, scn, old: Option<u64>| MediumWork::PublishCheckpoint {
        dest: dest(),
        piece: row(piece, old.unwrap_or(0), false),
        checkpoint_scn: Scn(scn),
        old_scn: old.map(Scn),
    };
    let infos = |piece, frozen| MediumWork::PieceInfos {
        dest: dest(),
        piece: row(piece, 0, false),
        frozen,
        log_streams: Vec::new(),
    };
    let freeze = FreezePiece {
        dest: dest(),
        piece: row(1, 1_099, true),
        log_streams: vec![LsId(1), LsId(1001)],
        start_lsns: BTreeMap::new(),
        frozen: Vec::new(),
    };
    vec![
        MediumWork::Format { dest: dest(), kind: DestKind::Archive, created_ms: 1, again: false },
        MediumWork::RoundStart { dest: dest(), round: RoundId(1), clock: CLOCK },
        start(1),
        infos(1, Vec::new()),
        publish(1, 1_050, None),
        start(2),
        publish(1, 1_099, Some(1_050)),
        MediumWork::FreezePiece(Box::new(freeze)),
        infos(2, vec![row(1, 1_099, true)]),
        publish(2, 1_120, None),
    ]
}

fn set() -> BackupSet {
    BackupSet {
        tenant_id: TenantId(1002),
        set_id: BackupSetId(1),
        job_id: JobId(1),
        dest_id: DestId(1001),
        uri: "mem://x".into(),
        kind: BackupSetKind::Full,
        prev_full: BackupSetId(0),
        prev_inc: BackupSetId(0),
        status: BackupSetStatus::Success,
        file_status: FileStatus::Available,
        start_ms: 1,
        end_ms: 2,
        start_scn: Scn(1_000),
        start_replay_scn: Scn(1_010),
        min_restore_scn: Scn(1_090),
        consistent_scn: Scn(1_080),
        input_bytes: 1,
        output_bytes: 2,
        tablet_count: 3,
        finish_tablet_count: 3,
        macro_block_count: 4,
        file_count: 5,
        meta_turn: TurnId(1),
        data_turn: TurnId(1),
        index_retry: RetryId(0),
        parts: BTreeMap::from([(LsId(1), LsPart { turn: TurnId(1), retry: RetryId(2), executor: NodeId(3) })]),
        extra_bytes: 1,
        plus_archivelog: false,
        log_file_count: 0,
        archive_dest_id: DestId(1002),
        archive_round_id: RoundId(1),
        seal: Some(SetSeal { salt: [7; 16], fingerprint: [9; 8] }),
        version: "1.2.3".into(),
        note: String::new(),
        result: 0,
        comment: String::new(),
    }
}

fn backup_life() -> Vec<MediumWork> {
    let meta =
        pb::LsMetaInfo { tenant_id: 1002, ls_id: 1, base: Some(pb::PalfBaseInfo::default()), ..Default::default() };
    let tenant = Tenant {
        id: TenantId(1002),
        name: "t1".into(),
        status: TenantStatus::Normal,
        created_ms: 1,
        replicas: 1,
        log_streams: BTreeMap::new(),
        tables: BTreeMap::new(),
        dictionary_version: 1,
        archive: ArchiveConfig { lag_target_ms: 77, ..ArchiveConfig::default() },
        data_dest: None,
        backup: BackupParams::default(),
        restored_by: None,
        imported: None,
        next: TenantCounters::default(),
    };
    let table = Table { id: TableId(500_001), name: "files".into(), tablets: Vec::new() };
    let infos = SetInfos {
        dest: dest(),
        tenant,
        workers: vec![(NodeId(3), "w3:1".into())],
        set: set(),
        earlier: Vec::new(),
        parts: BTreeMap::from([(
            LsId(1),
            (
                LsPart { turn: TurnId(1), retry: RetryId(2), executor: NodeId(3) },
                BackupLsResult { ls_meta: meta.encode_to_vec(), ..Default::default() },
            ),
        )]),
        dictionary: Dictionary { version: 1, scn: Scn(5), tables: vec![table], ..Dictionary::default() },
    };
    vec![
        MediumWork::Format { dest: dest(), kind: DestKind::Data, created_ms: 1, again: false },
        MediumWork::SetStart { dest: dest(), set: BackupSetId(1), kind: BackupSetKind::Full },
        MediumWork::SetInfos(Box::new(infos)),
        MediumWork::SetEnd { dest: dest(), set: Box::new(set()), success: true },
    ]
}

fn empty() -> Arc<MemoryMedium> {
    Arc::new(MemoryMedium::new("x"))
}

/// SCNs of the groups of each piece.
const GROUPS: [&[u64]; 2] = [&[1_050, 1_099], &[1_120, 1_173]];

/// The log of log stream 1 in each piece: its first position and its bytes.
fn log() -> [(Lsn, Vec<u8>); 2] {
    let mut framer = Framer::new(PalfBase::default());
    let mut start = Lsn(0);
    GROUPS.map(|scns| {
        let groups = scns.iter().map(|scn| framer.frame(Term(1), Scn(*scn), true, &[2; 40]).bytes);
        let bytes: Vec<u8> = groups.flatten().collect();
        let first = start;
        start = first.advance(bytes.len() as u64);
        (first, bytes)
    })
}

/// One log file of log stream 1 in each piece, as a worker leaves them.
async fn put_log(medium: &dyn Medium) {
    for (piece, (start_lsn, log)) in (1..).zip(log()) {
        let path = ArchivePath::Log { key: key(piece), ls: LsId(1), file_id: FileId(1) }.path();
        let mut bytes = ArchiveFileHeader { start_lsn }.encode().to_vec();
        bytes.extend(log);
        medium.append(&path, 0, Bytes::from(bytes)).await.unwrap();
    }
}

/// Everything on a medium but the probes, whose names hold the time.
async fn content(medium: &dyn Medium) -> BTreeMap<String, Bytes> {
    let mut found = BTreeMap::new();
    for object in medium.list("").await.unwrap() {
        found.insert(object.path.clone(), medium.get(&object.path).await.unwrap());
    }
    found
}

async fn live(medium: &dyn Medium, works: &[MediumWork]) -> Result<(), Failure> {
    run_on(medium, &works[0]).await?;
    put_log(medium).await;
    for work in &works[1..] {
        run_on(medium, work).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_locality_of_a_set_is_where_its_tenant_is() {
    let medium = empty();
    let mut works = backup_life();
    let stream = |id: u64, members: &[u64], leader: u64| LogStream {
        id: LsId(id),
        members: members.iter().map(|m| NodeId(*m)).collect(),
        started: true,
        leader: Some(NodeId(leader)),
        term: Term(1),
        end_lsn: Lsn(0),
        max_scn: Scn(0),
        dictionary_version: 1,
        shrunk_version: 0,
        tablets_version: 0,
    };
    let streams = [stream(1, &[101, 102], 102), stream(1001, &[102, 103], 102), stream(1002, &[101, 103], 101)];
    if let Some(MediumWork::SetInfos(infos)) = works.get_mut(2) {
        infos.tenant.log_streams = streams.into_iter().map(|ls| (ls.id, ls)).collect();
    }
    for work in &works {
        run_on(medium.as_ref(), work).await.unwrap();
    }
    let set = SetName { id: BackupSetId(1), kind: BackupSetKind::Full };
    let file = medium.get(&BackupPath::LocalityInfo { set }.path()).await.unwrap();
    let info: pb::LocalityInfo = read_small(DataType::LocalityInfo, &file).unwrap();
    assert_eq!(info.locality, "FULL{1}@worker_101,FULL{1}@worker_102,FULL{1}@worker_103");
    assert_eq!(info.primary_zone, "worker_102;worker_101");
    assert_eq!(info.sys_time_zone, "+00:00");
    assert_eq!(info.log_streams[1].node_ids, [102, 103]);
}

#[tokio::test]
async fn all_work_may_be_repeated_and_changes_nothing() {
    for works in [archive_life(), backup_life()] {
        let medium = empty();
        live(medium.as_ref(), &works).await.unwrap();
        let once = content(medium.as_ref()).await;
        for work in works.iter().filter(|w| !matches!(w, MediumWork::PublishCheckpoint { .. })) {
            run_on(medium.as_ref(), work).await.unwrap();
            run_on(medium.as_ref(), work).await.unwrap();
        }
        assert_eq!(content(medium.as_ref()).await, once);
    }
}

/// The call number `n` fails in every possible way; repeated work ends with the same bytes.
#[tokio::test]
async fn work_that_was_cut_off_anywhere_ends_the_same_when_it_is_repeated() {
    for works in [archive_life(), backup_life()] {
        let clean = empty();
        live(clean.as_ref(), &works).await.unwrap();
        let expected = content(clean.as_ref()).await;
        for fault in [Fault::LostReply, Fault::Refuse(ErrorClass::Transient), Fault::Refuse(ErrorClass::Exhausted)] {
            let mut cut_off = 0;
            for skip in 0.. {
                let plan = FaultPlan::new(1);
                plan.add(FaultRule { op: None, path_part: String::new(), skip, times: 1, fault });
                let inner = empty();
                run_on(inner.as_ref(), &works[0]).await.unwrap();
                put_log(inner.as_ref()).await;
                let medium = Faulty::new(inner.clone(), plan.clone());
                for work in &works[1..] {
                    if run_on(&medium, work).await.is_err() {
                        cut_off += 1;
                        run_on(&medium, work).await.unwrap();
                    }
                }
                assert_eq!(content(inner.as_ref()).await, expected, "{fault:?} at call {skip}");
                if plan.injected() == 0 {
                    break;
                }
            }
            assert!(cut_off > 5, "{fault:?} hit only {cut_off} calls");
        }
    }
}

#[tokio::test]
async fn the_catalogue_of_a_bare_destination_says_what_the_state_said() {
    let medium = empty();
    live(medium.as_ref(), &archive_life()).await.unwrap();
    let found = scan(medium.clone()).await;
    let seen: Vec<_> = found
        .catalogue
        .pieces
        .iter()
        .map(|p| (p.key.piece_id.0, p.status, p.checkpoint_scn.0, p.start_scn.0))
        .collect();
    assert_eq!(seen, [(1, PieceStatus::Frozen, 1_099, 1_000), (2, PieceStatus::Active, 1_120, 1_100)]);

    let data = empty();
    live(data.as_ref(), &backup_life()).await.unwrap();
    let found = scan(data.clone()).await.catalogue;
    assert_eq!(found.sets.len(), 1);
    assert_eq!(found.sets[0].status, BackupSetStatus::Success);
    assert_eq!((found.sets[0].start_replay_scn, found.sets[0].min_restore_scn), (Scn(1_010), Scn(1_090)));
}

async fn scan(medium: Arc<dyn Medium>) -> strandline_reader::Scan {
    strandline_reader::scan(&strandline_reader::Source::whole(medium)).await.unwrap()
}

#[tokio::test]
async fn a_set_of_a_newer_form_is_named_by_its_version_and_judged_by_nobody() {
    let data = empty();
    live(data.as_ref(), &backup_life()).await.unwrap();
    let info =
        data.list("").await.unwrap().into_iter().find(|o| o.path.ends_with("single_backup_set_info.obbak")).unwrap();
    let bytes = data.get(&info.path).await.unwrap();
    let kind = strandline_format::DataType::BackupSetInfo;
    let mut newer: pb::BackupSetInfo = read_small(kind, &bytes).unwrap();
    (newer.backup_compatible, newer.cluster_version) = (strandline_types::BACKUP_COMPATIBLE + 1, "9.0.0".to_owned());
    data.delete(&info.path).await.unwrap();
    data.put(&info.path, strandline_format::small::write_small(kind, &newer).into()).await.unwrap();
    let found = scan(data.clone()).await;
    assert!(found.catalogue.sets.is_empty(), "neither restored nor cleaned by a version that does not know it");
    let [problem] = &found.problems[..] else { panic!("{:?}", found.problems) };
    assert!(problem.what.contains("newer version 9.0.0") && problem.class == ErrorClass::Invalid, "{problem:?}");
}

#[tokio::test]
async fn a_set_without_its_end_placeholder_does_not_exist() {
    let data = empty();
    let works = backup_life();
    live(data.as_ref(), &works[..3]).await.unwrap();
    assert!(scan(data.clone()).await.catalogue.sets.is_empty());
}

/// What deletes the only set, or the frozen piece, of a destination.
#[tokio::test]
async fn where_objects_are_locked_old_checkpoints_stay_and_the_newest_one_counts() {
    let (medium, plan) = (empty(), FaultPlan::new(1));
    let fault = Fault::Refuse(ErrorClass::Permission);
    plan.add(FaultRule { op: Some(Op::Delete), path_part: String::new(), skip: 0, times: u32::MAX, fault });
    let locked = Faulty::new(Arc::clone(&medium) as Arc<dyn Medium>, plan.clone());
    identity::claim(&locked, &owner(), Scn::from_ms(5_000)).await.unwrap();
    identity::claim(&locked, &owner(), Scn::from_ms(9_000)).await.unwrap();
    live(&locked, &archive_life()).await.unwrap();
    let before = content(&*medium).await.keys().filter(|path| path.contains("p2/checkpoint/checkpoint.")).count();
    let piece = row(2, 1100, false);
    for (checkpoint, old) in [(1171, 1170), (1172, 1171), (1173, 1172)] {
        checkpoint::publish(&locked, &dest(), &piece, Scn(checkpoint), Some(Scn(old))).await.unwrap();
    }
    assert!(plan.injected() >= 4, "nothing was tried to be removed");
    let names = content(&*medium).await;
    assert_eq!(names.keys().filter(|path| path.contains("p2/checkpoint/checkpoint.")).count(), before + 3);
    let found = scan(medium).await;
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(found.catalogue.pieces.iter().map(|p| p.checkpoint_scn).max(), Some(Scn(1173)));
}

fn owner() -> identity::Identity {
    let of = dest();
    identity::Identity {
        cluster_name: of.cluster_name,
        tenant_name: of.tenant_name,
        cluster_id: of.cluster_id,
        tenant_id: of.tenant_id,
        dest_id: of.dest_id,
        dest_type: identity::DestType::Archive,
    }
}

fn clean_work(name: MediumName) -> Box<CleanWork> {
    Box::new(CleanWork { dest: dest(), name, ends_round: false })
}

#[tokio::test]
async fn a_set_that_is_deleted_leaves_nothing_and_is_unlisted_first() {
    let data = empty();
    live(data.as_ref(), &backup_life()).await.unwrap();
    let name = MediumName::Set(BackupSetId(1), BackupSetKind::Full);
    run_on(data.as_ref(), &MediumWork::CleanBegin(clean_work(name))).await.unwrap();
    assert!(scan(data.clone()).await.catalogue.sets.is_empty(), "no reader lists it any more");
    assert!(!data.list("backup_set_1_full").await.unwrap().is_empty(), "its files are still there");
    for _ in 0..2 {
        run_on(data.as_ref(), &MediumWork::CleanRest(clean_work(name))).await.unwrap();
    }
    let left: Vec<String> = data.list("").await.unwrap().into_iter().map(|o| o.path).collect();
    assert!(left.iter().all(|p| !p.contains("backup_set")), "{left:?}");
    let refused = run_on(data.as_ref(), &MediumWork::CleanDest { dest: dest() }).await.unwrap_err();
    assert!(refused.what.contains("are left"), "{refused}");
    for path in left.iter().filter(|p| p.starts_with("piece_")) {
        data.delete(path).await.unwrap();
    }
    run_on(data.as_ref(), &MediumWork::CleanDest { dest: dest() }).await.unwrap();
    assert!(data.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_anywhere_keeps_the_start_placeholder_until_all_else_is_gone() {
    for skip in 0.. {
        let inner = empty();
        live(inner.as_ref(), &backup_life()).await.unwrap();
        let plan = FaultPlan::new(1);
        let fault = Fault::Refuse(ErrorClass::Transient);
        let op = Some(strandline_media::Op::Delete);
        plan.add(FaultRule { op, path_part: String::new(), skip, times: 1, fault });
        let medium = Faulty::new(inner.clone(), plan.clone());
        let name = MediumName::Set(BackupSetId(1), BackupSetKind::Full);
        let outcome = run_on(&medium, &MediumWork::CleanRest(clean_work(name))).await;
        if plan.injected() == 0 {
            assert!(skip > 5, "only {skip} deletions");
            break;
        }
        assert!(outcome.is_err());
        let start = inner.head("backup_sets/backup_set_1_full_start.obbak").await;
        assert!(start.is_ok(), "somebody must know that something is left (cut off at {skip})");
        run_on(&medium, &MediumWork::CleanRest(clean_work(name))).await.unwrap();
        assert!(inner.list("backup_set_1_full").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_frozen_piece_is_deleted_and_the_active_one_stays() {
    let medium = empty();
    live(medium.as_ref(), &archive_life()).await.unwrap();
    let before = scan(medium.clone()).await.catalogue.pieces[1];
    run_on(medium.as_ref(), &MediumWork::CleanRest(clean_work(MediumName::Piece(key(1))))).await.unwrap();
    let found = scan(medium.clone()).await.catalogue;
    assert_eq!(found.pieces, [before]);
    assert!(medium.list("pieces").await.unwrap().iter().all(|o| !o.path.contains("p1_")), "its placeholders are gone");
}

#[tokio::test]
async fn orphans_are_only_what_state_has_deleted_and_go_only_after_their_grace_time() {
    let medium = empty();
    live(medium.as_ref(), &archive_life()).await.unwrap();
    let work = |gone: &[u64], remove: &[&str]| SweepWork {
        dest: dest(),
        gone: gone.iter().map(|p| MediumName::Piece(key(*p))).collect(),
        remove: remove.iter().map(|d| (*d).to_owned()).collect(),
        abort_before_ms: 0,
    };
    let seen = |action: Action| if let Action::Swept { seen, .. } = action { seen } else { panic!("{action:?}") };
    let nothing = seen(clean::sweep(medium.as_ref(), &work(&[], &[])).await.unwrap());
    assert!(nothing.orphans.is_empty(), "what State never knew is somebody else's");
    let found = seen(clean::sweep(medium.as_ref(), &work(&[1], &[])).await.unwrap());
    assert_eq!((found.orphans.as_slice(), found.removed), (&["piece_d1001r1p1".to_owned()][..], 0));
    let gone = seen(clean::sweep(medium.as_ref(), &work(&[1], &["piece_d1001r1p1"])).await.unwrap());
    assert_eq!((gone.orphans.len(), gone.removed), (0, 1));
    assert!(medium.list("piece_d1001r1p1").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_that_may_not_list_uploads_still_sweeps_the_rest() {
    let inner = empty();
    live(inner.as_ref(), &archive_life()).await.unwrap();
    let plan = FaultPlan::new(1);
    let fault = Fault::Refuse(ErrorClass::Permission);
    // The first listing is that of uploads.
    plan.add(FaultRule { op: Some(Op::List), path_part: String::new(), skip: 0, times: 1, fault });
    let medium = Faulty::new(inner.clone(), plan.clone());
    let gone = [MediumName::Piece(key(1))].into();
    let work = SweepWork { dest: dest(), gone, remove: vec!["piece_d1001r1p1".to_owned()], abort_before_ms: 0 };
    let Action::Swept { seen, .. } = clean::sweep(&medium, &work).await.unwrap() else { panic!("no sweep") };
    assert_eq!((plan.injected(), seen.removed, seen.unfinished), (1, 1, 0));
}

#[tokio::test]
async fn a_destination_that_somebody_began_to_write_again_is_left_whole() {
    let medium = empty();
    destination::format(medium.as_ref(), &dest(), DestKind::Data, 1).await.unwrap();
    medium.put("check_file/probe_1/a", Bytes::from_static(b"x")).await.unwrap();
    for stray in ["backup_sets/backup_set_9_full_start.obbak", "pieces/piece_d1001r9p1_start.obarc", "notes.txt"] {
        medium.put(stray, Bytes::from_static(b"x")).await.unwrap();
        let before = medium.list("").await.unwrap();
        let refused = clean::destination(medium.as_ref()).await.unwrap_err();
        assert!(refused.object.contains(stray) && refused.what.starts_with("1 object"), "{refused}");
        assert_eq!(medium.list("").await.unwrap(), before, "nothing is touched");
        medium.delete(stray).await.unwrap();
    }
    medium.put("rounds/round_d1001r1_start.obarc", Bytes::from_static(b"x")).await.unwrap();
    clean::destination(medium.as_ref()).await.unwrap();
    assert!(medium.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_frozen_piece_lists_its_files_with_their_log_range() {
    let medium = empty();
    live(medium.as_ref(), &archive_life()).await.unwrap();
    let path = ArchivePath::LsFileInfo { key: key(1), ls: LsId(1) }.path();
    let kind = strandline_format::DataType::SingleLsFileList;
    let list: pb::SingleLsFileList = put::read(medium.as_ref(), &path, kind).await.unwrap();
    let bytes = log()[0].1.len() as u64;
    assert_eq!((list.min_lsn, list.max_lsn), (0, bytes));
    assert_eq!(list.files, [pb::LogFile { file_id: 1, size_bytes: ARCHIVE_FILE_HEADER_BYTES + bytes }]);
    let absent = ArchivePath::LsFileInfo { key: key(1), ls: LsId(1001) }.path();
    assert!(medium.head(&absent).await.unwrap_err().is_not_found(), "a log stream without files gets no list");
}

#[tokio::test]
async fn a_destination_that_cannot_be_written_or_is_foreign_is_refused_and_left_alone() {
    let now = Scn(5_000_000_000);
    let examine = |medium: Arc<dyn Medium>| async move {
        destination::examine(medium.as_ref(), &dest(), DestKind::Archive, false, now).await
    };
    let plan = FaultPlan::new(1);
    let refuse = Fault::Refuse(ErrorClass::Permission);
    plan.add(FaultRule {
        op: Some(strandline_media::Op::Put),
        path_part: String::new(),
        skip: 0,
        times: 9,
        fault: refuse,
    });
    let read_only = Faulty::new(empty(), plan);
    assert_eq!(examine(Arc::new(read_only)).await.unwrap_err().class, ErrorClass::Permission);

    let used = empty();
    put_log(used.as_ref()).await;
    assert_eq!(examine(used.clone()).await.unwrap_err().code, -9080);
    assert_eq!(used.list("").await.unwrap().len(), 2, "nothing was written");

    let other = empty();
    let theirs = DestRef { cluster_id: 8.into(), ..dest() };
    destination::format(other.as_ref(), &theirs, DestKind::Archive, 1).await.unwrap();
    assert_eq!(examine(other).await.unwrap_err().code, -9081);

    let fresh = empty();
    examine(fresh.clone()).await.unwrap();
    examine(fresh.clone()).await.unwrap();
    destination::format(fresh.as_ref(), &dest(), DestKind::Archive, 1).await.unwrap();
}
