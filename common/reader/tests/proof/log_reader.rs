//! Reading archived log: the same groups in whatever form, pieces, rounds and destinations they lie; whole groups up to a
//! torn end; and an error with its object where log is missing, damaged or sealed with another key.

use crate::support::archive::{Archive, Group, LOG_START, Round, Shape, USER, at, key, log, log_path};
use crate::support::look::{faulty, key_of_test, refusing, with_key, wrong_cases};
use crate::support::packed;
use crate::support::tree::{Change, Tree};
use proptest::prelude::*;
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_media::{Fault, Medium, Op};
use strandline_reader::{Keys, LogReader, LogSource, later_pieces};
use strandline_types::{ErrorClass, Failure, Lsn, PalfBase, PieceKey};

/// What was read, and why it ended before the end of the archive.
struct Read {
    groups: Vec<Group>,
    failure: Option<Failure>,
    position: Lsn,
    base: Option<PalfBase>,
}

fn pieces(medium: &Arc<dyn Medium>, keys: impl IntoIterator<Item = PieceKey>) -> Vec<LogSource> {
    keys.into_iter().map(|piece| LogSource { medium: Arc::clone(medium), piece }).collect()
}

async fn read_from(sources: Vec<LogSource>, start: Lsn, base: Option<PalfBase>, keys: Arc<Keys>) -> Read {
    let mut read = Read { groups: Vec::new(), failure: None, position: start, base };
    let mut reader = match LogReader::open(sources, USER, start, base, keys).await {
        Ok(reader) => reader,
        Err(e) => return Read { failure: Some(e), ..read },
    };
    loop {
        match reader.next_groups().await {
            Ok(None) => break,
            Err(e) => {
                read.failure = Some(e);
                break;
            }
            Ok(Some(groups)) => read.groups.extend(groups.iter().map(|g| {
                assert_eq!((g.range.end.0 - g.range.start.0) as usize, g.bytes.len());
                assert_eq!(g.is_padding, g.entries.is_empty());
                Group { lsn: g.range.start, scn: g.header.max_scn, bytes: g.bytes.to_vec() }
            })),
        }
    }
    (read.position, read.base) = (reader.position(), reader.base());
    read
}

/// Reads pieces of round 1 from where the log begins.
async fn read(tree: &Tree, numbers: impl IntoIterator<Item = u64>) -> Read {
    let sources = pieces(&tree.medium().await, numbers.into_iter().map(|piece| key(1, piece)));
    read_from(sources, LOG_START.lsn, Some(LOG_START), with_key(key_of_test())).await
}

#[tokio::test]
async fn groups_come_in_order_over_files_and_pieces_in_every_form() {
    let expected = log(USER, 25);
    assert!(expected.len() > 25, "a padding group fills the first block");
    let sealed = PartForm { compressor: Compressor::Zstd, key: Some(key_of_test()) };
    for shape in [
        Shape::Plain,
        Shape::Parts(PartForm::RAW, 333),
        Shape::Parts(packed(Compressor::Lz4), 1000),
        Shape::Parts(sealed, 4100),
    ] {
        let done = read(&Archive::usual().shaped(shape.clone()).tree(), 1..=3).await;
        assert_eq!((done.failure, done.groups.len()), (None, expected.len()), "{shape:?}");
        assert_eq!(done.groups, expected, "{shape:?}");
        assert_eq!(done.position, expected.last().unwrap().end());
    }
}

#[tokio::test]
async fn reading_begins_at_any_group_and_ends_at_once_behind_the_last_one() {
    let expected = log(USER, 25);
    let medium = Archive::usual().tree().medium().await;
    let all = || pieces(&medium, (1..=3).map(|n| key(1, n)));
    for (n, group) in expected.iter().enumerate() {
        let done = read_from(all(), group.lsn, None, Arc::default()).await;
        assert_eq!((done.failure, &done.groups[..]), (None, &expected[n..]), "from group {n}");
    }
    let end = expected.last().unwrap().end();
    let done = read_from(all(), end, None, Arc::default()).await;
    assert_eq!((done.failure, done.groups.len(), done.position), (None, 0, end));
}

#[tokio::test]
async fn a_start_inside_of_a_group_is_damage_and_no_group() {
    let medium = Archive::usual().tree().medium().await;
    for off in [1, 50, 100] {
        let sources = pieces(&medium, (1..=3).map(|n| key(1, n)));
        let done = read_from(sources, LOG_START.lsn.advance(off), None, Arc::default()).await;
        let failure = done.failure.unwrap();
        assert_eq!((failure.class, done.groups.len()), (ErrorClass::Corrupt, 0), "{failure}");
        assert!(failure.object.ends_with(&log_path(key(1, 1), USER, 1)), "{failure}");
    }
}

#[tokio::test]
async fn where_one_reader_ended_another_goes_on_with_its_base() {
    let first = read(&Archive::of([Round::open(1, 1, 0, 14)]).tree(), 1..=2).await;
    let medium = Archive::of([Round::open(1, 1, 0, 31)]).tree().medium().await;
    let sources = pieces(&medium, (2..=4).map(|n| key(1, n)));
    let rest = read_from(sources, first.position, first.base, Arc::default()).await;
    assert_eq!(rest.failure, None);
    assert_eq!([first.groups, rest.groups].concat(), log(USER, 31));
}

#[tokio::test]
async fn a_log_that_does_not_follow_its_base_is_refused() {
    let medium = Archive::usual().tree().medium().await;
    let wrong = [
        PalfBase { prev_accumulated_checksum: 78, ..LOG_START },
        PalfBase { prev_log_id: 42, ..LOG_START },
        PalfBase { prev_scn: at(2), ..LOG_START },
    ];
    for base in wrong {
        let sources = pieces(&medium, (1..=3).map(|n| key(1, n)));
        let done = read_from(sources, LOG_START.lsn, Some(base), Arc::default()).await;
        assert_eq!((done.failure.unwrap().class, done.groups.len()), (ErrorClass::Corrupt, 0), "{base:?}");
    }
}

#[tokio::test]
async fn a_group_that_is_cut_off_at_the_very_end_is_the_end_of_the_log() {
    let tree = Archive::usual().tree();
    let mut expected = log(USER, 25);
    let torn = expected.pop().unwrap();
    let path = log_path(key(1, 3), USER, 2);
    for by in 1..=torn.bytes.len() {
        let done = read(&tree.changed(&path, Change::Cut(by)), 1..=3).await;
        assert_eq!((done.failure, done.position), (None, torn.lsn), "cut by {by}");
        assert_eq!(done.groups, expected, "cut by {by}");
    }
}

#[tokio::test]
async fn a_last_file_that_is_only_a_torn_header_holds_no_log() {
    let tree = Archive::of([Round::open(1, 1, 0, 21)]).tree();
    let path = log_path(key(1, 3), USER, 2);
    for len in [0, 1, 4095, 4096] {
        let done = read(&tree.with(&path, tree.bytes(&path).slice(..len)), 1..=3).await;
        assert_eq!((done.failure, done.groups), (None, log(USER, 19)), "{len} bytes");
    }
}

#[tokio::test]
async fn missing_log_is_a_hole_that_is_named_with_the_file_behind_it() {
    let tree = Archive::usual().tree();
    let groups = log(USER, 25);
    let second = |n| groups.iter().find(|g| g.scn == at(n) && g.bytes.len() < 400).unwrap().lsn;
    let cases = [
        ("a file", read(&tree.without(&log_path(key(1, 2), USER, 2)), 1..=3).await, second(10), second(20)),
        ("a piece", read(&tree, [1, 3]).await, second(10), second(20)),
        (
            "the end of a file",
            read(&tree.changed(&log_path(key(1, 2), USER, 2), Change::Cut(1)), 1..=3).await,
            Lsn(second(20).0 - 1),
            second(20),
        ),
        ("the beginning", read(&tree, [2, 3]).await, LOG_START.lsn, second(10)),
    ];
    for (what, done, from, to) in cases {
        let failure = done.failure.unwrap();
        assert_eq!((failure.class, done.groups.len()), (ErrorClass::NotFound, 0), "{what}: {failure}");
        assert!(failure.what.contains(&format!("[{from}, {to})")), "{what}: {failure}, not [{from}, {to})");
        assert!(failure.todo.contains("before the hole"), "{what}: {failure}");
    }
}

#[tokio::test]
async fn each_damaged_byte_ends_the_log_with_the_groups_before_it_and_its_file() {
    let tree = Archive::usual().tree();
    let path = log_path(key(1, 2), USER, 2);
    let expected = log(USER, 25);
    let first = expected.iter().find(|g| g.scn == at(10)).unwrap().lsn;
    let (tree, path, expected) = (&tree, &path, &expected);
    let wrong = wrong_cases((4096..tree.bytes(path).len()).step_by(3), |offset| async move {
        let done = read(&tree.changed(path, Change::Flipped(offset)), 1..=3).await;
        let failure = done.failure.ok_or(format!("byte {offset} goes unseen"))?;
        let damaged = first.advance(offset as u64 - 4096);
        let is_named = failure.class == ErrorClass::Corrupt && failure.object.ends_with(path);
        let whole = expected.iter().take_while(|g| g.end() <= damaged).count();
        let is_right = done.groups == expected[..whole] && done.position == expected[whole].lsn;
        if is_named && is_right {
            Ok(())
        } else {
            Err(format!("byte {offset}: {} groups, {failure}", done.groups.len()))
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_damaged_header_of_a_file_is_named_before_anything_is_read() {
    let tree = Archive::usual().tree();
    let path = log_path(key(1, 2), USER, 2);
    for at in [0, 8, 16, 20, 23] {
        let done = read(&tree.changed(&path, Change::Flipped(at)), 1..=3).await;
        let failure = done.failure.unwrap();
        assert!(failure.object.ends_with(&path) && done.groups.is_empty(), "byte {at}: {failure}");
        assert_eq!(failure.class, ErrorClass::Corrupt, "byte {at}: {failure}");
    }
}

#[tokio::test]
async fn rounds_that_overlap_are_read_once_and_over_two_destinations() {
    let near = Archive::of([Round::stopped(1, 1, 0, 14)]).tree().medium().await;
    let sealed = Shape::Parts(PartForm { compressor: Compressor::Lz4, key: Some(key_of_test()) }, 700);
    let far = Archive::of([Round::open(2, 3, 11, 33)]).shaped(sealed).tree().medium().await;
    let sources = [pieces(&near, [key(1, 1), key(1, 2)]), pieces(&far, (3..=5).map(|n| key(2, n)))].concat();
    let done = read_from(sources, LOG_START.lsn, Some(LOG_START), with_key(key_of_test())).await;
    assert_eq!((done.failure, done.groups), (None, log(USER, 33)));
}

#[tokio::test]
async fn a_log_stream_that_nothing_is_archived_of_is_empty_and_says_where_it_was_looked_for() {
    let medium = Archive::usual().tree().medium().await;
    let sources = pieces(&medium, [key(1, 1), key(1, 2)]);
    let mut reader = LogReader::open(sources, 1077.into(), Lsn(500), None, Arc::default()).await.unwrap();
    assert!(reader.next_groups().await.unwrap().is_none());
    assert_eq!((reader.position(), reader.end()), (Lsn(500), Lsn(500)));
    assert_eq!(reader.last_object(), "mem://tree/piece_d1001r1p2/logstream_1077/log");
}

#[tokio::test]
async fn without_the_right_key_sealed_log_is_refused_as_a_matter_of_permission() {
    let sealed = Shape::Parts(PartForm { compressor: Compressor::None, key: Some(key_of_test()) }, 700);
    let medium = Archive::usual().shaped(sealed).tree().medium().await;
    for keys in [Arc::default(), with_key(Key::from_bytes([1; 32]))] {
        let done = read_from(pieces(&medium, [key(1, 1)]), LOG_START.lsn, None, keys).await;
        let failure = done.failure.unwrap();
        assert_eq!((failure.class, failure.code), (ErrorClass::Permission, -9057), "{failure}");
        assert!(failure.todo.contains("key"), "{failure}");
    }
}

#[tokio::test]
async fn errors_of_the_medium_keep_their_meaning() {
    let medium = Archive::usual().tree().medium().await;
    for op in [Op::List, Op::Get] {
        for class in [ErrorClass::Transient, ErrorClass::Permission, ErrorClass::Exhausted] {
            let bad = refusing(medium.clone(), op, "logstream_1001/log", class);
            let done = read_from(pieces(&bad, [key(1, 1)]), LOG_START.lsn, None, Arc::default()).await;
            assert_eq!(done.failure.unwrap().class, class, "{op}");
        }
    }
    let flipping = faulty(medium, Op::Get, "log/2.obarc", Fault::Flip(8));
    let done = read_from(pieces(&flipping, [key(1, 1)]), LOG_START.lsn, None, Arc::default()).await;
    assert_eq!(done.failure.unwrap().class, ErrorClass::Corrupt);
}

#[tokio::test]
async fn later_pieces_are_those_of_the_same_round_that_began_after_it() {
    let tree = Archive::of([Round::stopped(1, 1, 0, 24), Round::open(2, 4, 24, 51)]).tree();
    let medium = tree.medium().await;
    let later = |key| {
        let last = LogSource { medium: Arc::clone(&medium), piece: key };
        async move { later_pieces(&last).await.unwrap().into_iter().map(|s| s.piece).collect::<Vec<_>>() }
    };
    assert_eq!(later(key(1, 1)).await, [key(1, 2), key(1, 3)]);
    assert_eq!(later(key(1, 3)).await, [], "the next one is of another round");
    assert_eq!(later(key(2, 4)).await, [key(2, 5), key(2, 6)]);
    let dead = LogSource { medium: refusing(medium, Op::List, "pieces", ErrorClass::Transient), piece: key(1, 1) };
    assert_eq!(later_pieces(&dead).await.unwrap_err().class, ErrorClass::Transient);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_a_log_is_cut_into_parts_and_pieces_it_is_the_same_log(
        step in 60usize..9000,
        piece_seconds in 1u64..30,
        compressor in prop::sample::select(vec![Compressor::None, Compressor::Lz4, Compressor::Zstd]),
        is_sealed in any::<bool>(),
        from in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let form = PartForm { compressor, key: is_sealed.then(key_of_test) };
        let round = Round { piece_seconds, ..Round::open(1, 1, 0, 25) };
        let tree = Archive::of([round]).shaped(Shape::Parts(form, step)).tree();
        let expected = log(USER, 25);
        let from = from.index(expected.len());
        let last = round.clock().piece_of(at(25)).0;
        let done = runtime.block_on(async {
            let sources = pieces(&tree.medium().await, (1..=last).map(|n| key(1, n)));
            read_from(sources, expected[from].lsn, None, with_key(key_of_test())).await
        });
        prop_assert_eq!(done.failure, None);
        prop_assert_eq!(&done.groups[..], &expected[from..]);
    }
}
