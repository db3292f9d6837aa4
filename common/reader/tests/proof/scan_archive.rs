//! What a scan finds in archives: every round and piece with its borders, whatever order and state they are in.

use crate::support::archive::{Archive, CLUSTER, Round, SYS, TENANT, USER, at, key, key_at, log_path};
use crate::support::look::{faulty, refusing, scan_of, scan_of_all};
use crate::support::tree::Tree;
use strandline_catalogue::{Owner, PieceEntry, PlaceId, Role};
use strandline_format::paths::ArchivePath;
use strandline_format::{DataType, pb};
use strandline_media::{Fault, Op};
use strandline_reader::{Only, Scan, Source, scan};
use strandline_types::{
    ARCHIVE_COMPATIBLE, ClusterId, DestId, ErrorClass, FileStatus, PieceKey, PieceStatus, RoundId, Scn, TenantId,
};

/// A piece without its place and lengths: name, state, slice and checkpoint.
type Piece = (PieceKey, PieceStatus, FileStatus, Scn, Scn, Scn);

fn piece(p: &PieceEntry) -> Piece {
    (p.key, p.status, p.file_status, p.start_scn, p.end_scn, p.checkpoint_scn)
}

fn pieces(scan: &Scan) -> Vec<Piece> {
    scan.catalogue.pieces.iter().map(piece).collect()
}

fn rounds(scan: &Scan) -> Vec<(RoundId, Scn, Option<Scn>)> {
    scan.catalogue.rounds.iter().map(|r| (r.round_id, r.start_scn, r.ended_at)).collect()
}

const fn frozen(key: PieceKey, start: u64, end: u64) -> Piece {
    (key, PieceStatus::Frozen, FileStatus::Available, at(start), at(end), at(end).prev())
}

const fn growing(key: PieceKey, start: u64, end: u64, checkpoint: u64) -> Piece {
    (key, PieceStatus::Active, FileStatus::Available, at(start), at(end), at(checkpoint))
}

#[tokio::test]
async fn a_destination_is_described_as_its_identity_says() {
    let scan = scan_of(&Archive::usual().tree()).await;
    let place = &scan.catalogue.places[0];
    let owner = Owner { cluster_id: ClusterId(CLUSTER), tenant_id: TenantId(TENANT) };
    assert_eq!((place.role, place.owner, place.dest_id, place.of_set), (Role::Archive, owner, DestId(1001), None));
    assert_eq!(place.uri, "mem://tree");
    assert_eq!((scan.catalogue.places.len(), scan.media.len()), (1, 1));
    assert!(scan.medium(PlaceId(0)).is_some() && scan.medium(PlaceId(1)).is_none());
}

#[tokio::test]
async fn pieces_are_half_open_slices_and_the_last_one_goes_up_to_its_checkpoint() {
    let scan = scan_of(&Archive::usual().tree()).await;
    assert_eq!(scan.problems, []);
    assert_eq!(rounds(&scan), [(RoundId(1), at(0), None)]);
    let (a, b, c) = (key(1, 1), key(1, 2), key(1, 3));
    assert_eq!(pieces(&scan), [frozen(a, 0, 10), frozen(b, 10, 20), growing(c, 20, 30, 25)]);
}

#[tokio::test]
async fn a_checkpoint_at_a_border_belongs_to_the_piece_that_begins_there() {
    for (checkpoint, expected) in [
        (9, vec![growing(key(1, 1), 0, 10, 9)]),
        (10, vec![frozen(key(1, 1), 0, 10), growing(key(1, 2), 10, 20, 10)]),
        (11, vec![frozen(key(1, 1), 0, 10), growing(key(1, 2), 10, 20, 11)]),
    ] {
        let scan = scan_of(&Archive::of([Round::open(1, 1, 0, checkpoint)]).tree()).await;
        assert_eq!((pieces(&scan), scan.problems), (expected, vec![]), "checkpoint {checkpoint}");
    }
}

#[tokio::test]
async fn a_round_that_was_stopped_says_so_and_its_last_piece_is_frozen_where_it_stopped() {
    let scan = scan_of(&Archive::of([Round::stopped(1, 1, 0, 14)]).tree()).await;
    let last = (key(1, 2), PieceStatus::Frozen, FileStatus::Available, at(10), at(20), at(14));
    assert_eq!((rounds(&scan), scan.problems.len()), (vec![(RoundId(1), at(0), Some(at(14)))], 0));
    assert_eq!(pieces(&scan), [frozen(key(1, 1), 0, 10), last]);
}

#[tokio::test]
async fn several_rounds_are_found_each_with_its_own_clock() {
    let slow = Round { piece_seconds: 30, ..Round::open(3, 9, 40, 75) };
    let tree = Archive::of([Round::stopped(1, 1, 0, 14), Round::stopped(2, 3, 14, 33), slow]).tree();
    let scan = scan_of(&tree).await;
    assert_eq!(scan.problems, []);
    let expected = [(1, 0, Some(14)), (2, 14, Some(33)), (3, 40, None)];
    assert_eq!(rounds(&scan), expected.map(|(id, start, end)| (RoundId(id), at(start), end.map(at))));
    let starts: Vec<(PieceKey, Scn)> = scan.catalogue.pieces.iter().map(|p| (p.key, p.start_scn)).collect();
    let expected =
        [(1, 1, 0), (1, 2, 10), (2, 3, 14), (2, 4, 24), (3, 9, 40), (3, 10, 70)].map(|(r, p, s)| (key(r, p), at(s)));
    assert_eq!(starts, expected);
}

#[tokio::test]
async fn log_that_the_checkpoint_has_not_entered_yet_is_a_piece_that_promises_nothing() {
    let ahead = Archive::of([Round::open(1, 1, 0, 33)]);
    let log = log_path(key(1, 4), USER, 2);
    let tree = Archive::of([Round::open(1, 1, 0, 29)]).tree().with(&log, ahead.tree().bytes(&log).clone());
    let scan = scan_of(&tree).await;
    let last = scan.catalogue.pieces.last().unwrap();
    assert_eq!((last.key, last.file_status), (key(1, 4), FileStatus::Incomplete));
    assert_eq!((last.start_scn, last.end_scn, last.checkpoint_scn), (at(30), at(40), at(30)));
    assert_eq!((pieces(&scan)[2], scan.problems), (growing(key(1, 3), 20, 30, 29), vec![]));
}

#[tokio::test]
async fn only_the_pieces_that_were_named_count() {
    let medium = Archive::usual().tree().medium().await;
    let scan = scan(&Source { medium, only: vec![Only::Piece(key(1, 2))] }).await.unwrap();
    assert_eq!((pieces(&scan), scan.problems), (vec![frozen(key(1, 2), 10, 20)], vec![]));
}

#[tokio::test]
async fn a_destination_that_holds_nothing_yet_is_an_empty_catalogue() {
    let scan = scan_of(&Archive::of([]).tree()).await;
    assert!(scan.catalogue.pieces.is_empty() && scan.catalogue.rounds.is_empty() && scan.problems.is_empty());
    assert_eq!(scan.catalogue.places.len(), 1);
}

#[tokio::test]
async fn what_is_no_destination_is_refused_and_names_what_to_do() {
    for tree in [Tree::default(), Archive::usual().tree().without("format.obbak")] {
        let refused = scan(&Source::whole(tree.medium().await)).await.unwrap_err();
        assert_eq!((refused.class, refused.code), (ErrorClass::NotFound, -9080), "{refused}");
        assert!(refused.todo.contains("format.obbak") && refused.object == "mem://tree", "{refused}");
    }
}

#[tokio::test]
async fn what_nobody_can_look_at_at_all_is_an_error_of_its_meaning() {
    let medium = Archive::usual().tree().medium().await;
    let cases = [
        (Op::Get, "format.obbak", ErrorClass::Permission),
        (Op::Get, "format.obbak", ErrorClass::Transient),
        (Op::Get, "round_d1001r1_start", ErrorClass::Transient),
        (Op::Get, "tenant_archive_piece_infos", ErrorClass::Exhausted),
        (Op::Get, "logstream_1001/log/2", ErrorClass::Transient),
        (Op::List, "rounds", ErrorClass::Transient),
        (Op::List, "pieces", ErrorClass::Permission),
        (Op::List, "checkpoint", ErrorClass::Transient),
        (Op::List, "piece_d1001r1p3", ErrorClass::Transient),
    ];
    for (op, part, class) in cases {
        let refused = scan(&Source::whole(refusing(medium.clone(), op, part, class))).await.unwrap_err();
        assert_eq!(refused.class, class, "{op} {part}: {refused}");
    }
    let spoiled = faulty(medium, Op::Get, "format.obbak", Fault::Flip(400));
    assert_eq!(scan(&Source::whole(spoiled)).await.unwrap_err().class, ErrorClass::Corrupt);
}

#[tokio::test]
async fn destinations_are_one_catalogue_with_places_of_their_own() {
    let near = Archive::usual().tree();
    let far = Archive { dest: 1005, cluster: 8, ..Archive::of([Round::stopped(4, 7, 3, 12)]) }.tree();
    let scan = scan_of_all(&[near, far]).await;
    let owners: Vec<u64> = scan.catalogue.places.iter().map(|p| p.owner.cluster_id.0).collect();
    assert_eq!(owners, [CLUSTER, 8]);
    let places: Vec<(u32, PieceKey)> = scan.catalogue.pieces.iter().map(|p| (p.place.0, p.key)).collect();
    let expected = [(0, key(1, 1)), (0, key(1, 2)), (0, key(1, 3)), (1, key_at(1005, 4, 7))];
    assert_eq!(places, expected);
    let of_rounds: Vec<(u32, RoundId)> = scan.catalogue.rounds.iter().map(|r| (r.place.0, r.round_id)).collect();
    assert_eq!(of_rounds, [(0, RoundId(1)), (1, RoundId(4))]);
    assert_eq!((scan.media.len(), scan.problems), (2, vec![]));
}

#[tokio::test]
async fn a_piece_of_a_newer_version_is_left_out_and_named_and_all_others_are_found() {
    let tree = Archive::usual().tree();
    let path = ArchivePath::<Scn>::TenantArchivePieceInfos { key: key(1, 3) }.path();
    let newer = tree.edited(&path, DataType::TenantArchivePieceInfos, |i: &mut pb::TenantArchivePieceInfos| {
        i.compatible = ARCHIVE_COMPATIBLE + 1;
    });
    let scan = scan_of(&newer).await;
    assert_eq!(pieces(&scan), [frozen(key(1, 1), 0, 10), frozen(key(1, 2), 10, 20)]);
    let problem = &scan.problems[0];
    assert_eq!((scan.problems.len(), problem.class), (1, ErrorClass::Invalid));
    assert!(problem.object.ends_with(&path) && problem.what.contains("newer version"), "{problem:?}");
}

#[tokio::test]
async fn an_end_without_its_piece_and_a_history_of_somebody_else_are_told() {
    let tree = Archive::usual().tree();
    let scan = scan_of(&tree.without_all("piece_d1001r1p2/")).await;
    let lost = scan.catalogue.pieces.iter().find(|p| p.key == key(1, 2)).unwrap();
    assert_eq!((lost.file_status, lost.start_scn, lost.end_scn), (FileStatus::Broken, at(10), at(20)));
    assert!(scan.problems[0].what.contains("nothing of this piece"), "{:?}", scan.problems);
    let infos = |piece| ArchivePath::<Scn>::TenantArchivePieceInfos { key: key(1, piece) }.path();
    let swapped = scan_of(&tree.swapped(&infos(2), &infos(3))).await;
    let problem = swapped.problems.iter().find(|p| p.object.ends_with(&infos(3))).unwrap();
    assert_eq!(problem.what, "it is of piece d1001r1p2");
    assert_eq!(swapped.catalogue.pieces[2].file_status, FileStatus::Broken);
}

#[tokio::test]
async fn a_log_stream_that_lost_its_log_holds_the_promise_of_the_newest_piece_back() {
    let tree = Archive::usual().tree();
    for ls in [SYS, USER] {
        let scan = scan_of(&tree.without_all(&format!("piece_d1001r1p3/logstream_{ls}/log"))).await;
        assert_eq!(scan.catalogue.pieces[2].file_status, FileStatus::Broken, "log stream {ls}");
        assert!(scan.problems.iter().all(|p| p.object.contains(&format!("logstream_{ls}"))), "{:?}", scan.problems);
    }
}

#[tokio::test]
async fn placeholders_of_another_round_are_not_believed() {
    let tree = Archive::of([Round::stopped(1, 1, 0, 14), Round::stopped(2, 3, 14, 33)]).tree();
    for part in ["start", "end"] {
        let [one, two] = [1, 2].map(|round| format!("rounds/round_d1001r{round}_{part}.obarc"));
        let scan = scan_of(&tree.with(&one, tree.bytes(&two).clone())).await;
        assert_eq!(scan.problems.len(), 1, "{part}: {:?}", scan.problems);
        assert!(scan.problems[0].object.ends_with(&one) && scan.problems[0].what.contains("round d1001r2"));
        let told = |scan: &Scan| scan.catalogue.rounds.iter().map(|r| (r.round_id.0, r.ended_at)).collect::<Vec<_>>();
        let first = if part == "start" { vec![] } else { vec![(1, None)] };
        assert_eq!(told(&scan), [first, vec![(2, Some(at(33)))]].concat(), "{part}");
    }
}

#[tokio::test]
async fn an_end_that_is_told_twice_changes_nothing() {
    let tree = Archive::usual().tree();
    let before = scan_of(&tree).await.catalogue;
    let again = ArchivePath::PieceEnd { key: key(1, 1), time_scn: at(33) }.path();
    let scan = scan_of(&tree.with(&again, tree.bytes(&tree.path("p1_end_")).clone())).await;
    assert_eq!((scan.catalogue, scan.problems), (before, vec![]));
}
