//! What a new leader finds and repairs, and what is never continued.

use super::*;

#[test]
fn a_new_leader_completes_the_torn_append_of_the_old_one() {
    let mut log = Log::at(0);
    log.put(100, &[1; 300]).put(101, &[2; 300]);
    let (mut old, mut whole) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut old, T0, &log, &mut whole);
    let file = whole.files.values().next().unwrap().clone();
    for cut_at in 0..file.len() {
        let mut medium = whole.clone();
        medium.files.values_mut().next().unwrap().truncate(cut_at);
        let mut new = Archiver::new(&PALF, order(None));
        run(&mut new, T0, &log, &mut medium);
        assert!(medium == whole, "torn at {cut_at}");
        assert_eq!(new.progress().unwrap().archived, log.end());
        assert_eq!(new.progress().unwrap().start, Lsn(0));
    }
}

#[test]
fn a_torn_first_append_of_a_piece_is_completed_from_the_piece_before() {
    let mut log = Log::at(0);
    log.put(100, &[1; 300]);
    let (mut old, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let reported = known(&old);
    log.put(160, &[2; 300]);
    run(&mut old, T0 + LAG_MS, &log, &mut medium);
    let whole = medium.clone();
    for cut_at in [0, 1, 4095, 4096, 4097, 4200] {
        let mut medium = whole.clone();
        medium.files.get_mut(&(PieceId(4), FileId(1))).unwrap().truncate(cut_at);
        let mut new = Archiver::new(&PALF, order(reported));
        run(&mut new, T0, &log, &mut medium);
        assert!(medium == whole, "torn at {cut_at}");
    }
}

#[test]
fn what_an_earlier_leader_wrote_is_made_durable_before_it_is_reported() {
    let mut log = Log::at(0);
    log.put(100, b"written by a process that died before its sync");
    let (mut old, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let mut new = Archiver::new(&PALF, order(None));
    let made_durable = |new: &mut Archiver, medium: &mut Medium| {
        for _ in 0..10 {
            if let Action::Append(cut) = new.next(T0 + LAG_MS, log.view()) {
                return cut;
            }
            step(new, T0 + LAG_MS, &log, medium);
        }
        panic!("no sync was asked for");
    };
    let cut = made_durable(&mut new, &mut medium);
    let (file, end) = medium.files.iter().next_back().unwrap();
    assert_eq!((cut.file.piece, cut.file.file_id(), cut.at, cut.bytes.len()), (file.0, file.1, end.len() as u64, 0));
    assert_eq!(new.progress(), None);
    new.on_failed(T0 + LAG_MS, Failure::new(ErrorClass::Transient, "no sync", "f", ""), None);
    new.retry_at_ms = 0;
    assert_eq!(made_durable(&mut new, &mut medium), cut, "a sync that failed is asked for again");
    new.on_appended();
    assert_eq!(new.progress().unwrap().archived, log.end());
}

#[test]
fn another_history_on_the_medium_is_never_continued() {
    let mut theirs = Log::at(0);
    theirs.put(100, b"one").put(101, b"two");
    let mut medium = Medium::default();
    run(&mut Archiver::new(&PALF, order(None)), T0, &theirs, &mut medium);
    let before = medium.clone();
    let mut ours = Log::at(0);
    ours.put(100, b"one").put(101, b"TWO").put(102, b"three");
    let mut archiver = Archiver::new(&PALF, order(None));
    run(&mut archiver, T0, &ours, &mut medium);
    assert!(medium == before, "nothing was written");
    assert_eq!(archiver.trouble().unwrap().0.class, ErrorClass::Fenced);
    assert_eq!(archiver.progress(), None, "it is not known where this stream would begin");
    let reported = KnownProgress {
        piece: PieceId(3),
        piece_start: Lsn(0),
        start: Lsn(0),
        archived: Lsn(91),
        checkpoint: Scn::MIN,
    };
    let mut archiver = Archiver::new(&PALF, order(Some(reported)));
    run(&mut archiver, T0, &ours, &mut medium);
    run(&mut archiver, T0 + ARCHIVE_PAUSE_MS_MAX, &ours, &mut medium);
    let p = archiver.progress().unwrap();
    assert_eq!((p.archived, p.trouble.as_ref().unwrap().1), (Lsn(91), T0), "what was durable stays, and since when");
}

#[test]
fn a_reader_that_has_more_log_at_hand_than_was_asked_for_is_no_other_history() {
    let mut log = Log::at(0);
    log.put(100, b"one");
    let mut medium = Medium::default();
    run(&mut Archiver::new(&PALF, order(None)), T0, &log, &mut medium);
    log.put(101, b"two").put(102, b"three");
    let mut new = Archiver::new(&PALF, order(None));
    for _ in 0..100 {
        match new.next(T0, log.view()) {
            // As the reader of several destinations does: what one of them has read is given whole to the others.
            Action::ReadLog { from, .. } => new.on_log(T0, from, log.read(from, usize::MAX)),
            Action::Wait { .. } => break,
            _ => assert!(step(&mut new, T0, &log, &mut medium)),
        }
        assert_eq!(new.trouble(), None, "the archive is only behind");
    }
    run(&mut new, T0 + LAG_MS, &log, &mut medium);
    assert!(medium.log(&CLOCK) == (Lsn(0), log.bytes.clone()));
}

#[test]
fn a_history_that_forked_where_the_local_log_is_recycled_is_still_found() {
    let mut theirs = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    theirs.put(100, &[1; 2700]);
    let mut medium = Medium::default();
    let clock = PieceClock { round_start: Scn(55), interval_ns: 1000, ..CLOCK };
    let order = ArchiveOrder { clock, ..order(None) };
    run(&mut Archiver::new(&PALF, order), T0, &theirs, &mut medium);
    let mut ours = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    ours.put(100, &[9; 2700]).put(101, b"next block");
    let at = ours.bytes.len() - 3000;
    let recycled_below = (BLOCK_BODY_BYTES - ours.start.0) as usize;
    ours.bytes.drain(..recycled_below);
    ours.start = Lsn(BLOCK_BODY_BYTES);
    assert!(at > 0);
    let before = medium.clone();
    let mut archiver = Archiver::new(&PALF, order);
    run(&mut archiver, T0, &ours, &mut medium);
    assert!(medium == before);
    assert!(archiver.trouble().is_some(), "the accumulated checksum tells");
}

#[test]
fn a_medium_that_lost_reported_log_is_corrupt() {
    let mut log = Log::at(0);
    log.put(100, b"x").put(101, b"y");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    for lost in [Medium::default(), {
        let mut m = medium.clone();
        m.files.values_mut().next().unwrap().truncate(4096 + 100);
        m
    }] {
        let mut lost = lost;
        let before = lost.clone();
        let mut new = Archiver::new(&PALF, order(known(&archiver)));
        run(&mut new, T0, &log, &mut lost);
        assert_eq!(new.progress().unwrap().trouble.as_ref().unwrap().0.class, ErrorClass::Corrupt);
        assert!(lost == before);
    }
}

#[test]
fn a_full_medium_holds_the_stream_up_visibly_and_loses_nothing() {
    let mut log = Log::at(0);
    log.put(100, b"x");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    for _ in 0..3 {
        assert!(step(&mut archiver, T0, &log, &mut medium), "list, seek, read");
    }
    let full = || Failure::new(ErrorClass::Exhausted, "full", "file:///b", "free space");
    let mut now = T0;
    for failures in 0..12 {
        archiver.on_failed(now, full(), None);
        let Action::Wait { until_ms: Some(until) } = archiver.next(now, log.view()) else { panic!("must wait") };
        assert_eq!(until - now, (100 << failures).min(2_000));
        now = until;
        assert!(matches!(archiver.next(now, log.view()), Action::ReadLog { .. }), "no log is held meanwhile");
        assert!(step(&mut archiver, now, &log, &mut medium));
        assert!(matches!(archiver.next(now, log.view()), Action::Append(_)), "the same append again");
        let p = archiver.progress().unwrap();
        assert_eq!((p.archived, p.trouble.as_ref().unwrap().1), (Lsn(0), T0));
    }
    run(&mut archiver, now, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().trouble, None);
    assert!(medium.log(&CLOCK).1 == log.bytes);
}

#[test]
fn a_damaged_local_log_is_not_archived() {
    let mut log = Log::at(0);
    log.put(100, b"good").put(101, b"bad");
    let last = log.bytes.len() - 1;
    log.bytes[last] ^= 1;
    let mut archiver = Archiver::new(&PALF, order(None));
    let medium = Medium::default();
    archiver.next(0, log.view());
    archiver.on_listed(0, medium.list(PieceId(0)));
    archiver.next(0, log.view());
    archiver.on_log(0, Lsn(0), Bytes::copy_from_slice(&log.bytes));
    assert!(matches!(archiver.next(T0, log.view()), Action::ReadLog { .. }));
    archiver.on_log(0, Lsn(0), Bytes::copy_from_slice(&log.bytes));
    assert_eq!(archiver.progress().unwrap().trouble.as_ref().unwrap().0.class, ErrorClass::Corrupt);
}
