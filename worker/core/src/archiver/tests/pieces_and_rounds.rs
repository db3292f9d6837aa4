//! Where a stream begins, which files it fills, when a piece is over and how a round stops.

use super::*;
use strandline_types::limits::KEEP_ALIVE_IDLE_MS;

#[test]
fn a_fresh_log_is_archived_from_its_first_byte() {
    let mut log = Log::at(0);
    log.put(500, b"a").put(510, b"b");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    assert_eq!(archiver.progress(), None, "nothing is reported before the medium was looked at");
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&CLOCK) == (Lsn(0), log.bytes.clone()));
    let p = archiver.progress().unwrap();
    assert_eq!((p.archived, p.checkpoint, p.piece, &p.trouble), (log.end(), Scn(510), CLOCK.piece_of(Scn(510)), &None));
    assert_eq!(p.state, ArchiveLsState::Doing);
}

#[test]
fn a_round_begins_at_the_start_of_the_block_that_holds_its_start() {
    let mut log = Log::at(BLOCK_BODY_BYTES);
    let body = vec![7; 3 << 20];
    for n in 0..48 {
        log.put(60 + n, &body);
    }
    assert_eq!(log.end().block(), 3);
    for (round_start, block) in [(61, 1), (85, 2), (107, 3)] {
        let clock = PieceClock { round_start: Scn(round_start), ..CLOCK };
        let mut archiver = Archiver::new(&PALF, ArchiveOrder { clock, ..order(None) });
        let mut medium = Medium::default();
        run(&mut archiver, T0, &log, &mut medium);
        let (start, bytes) = medium.log(&clock);
        assert_eq!((start, start.block()), (start.block_start(), block), "round start {round_start}");
        assert!(bytes == log.bytes[(start.0 - log.start.0) as usize..]);
        for ((_, id), bytes) in medium.files.iter().filter(|((_, id), _)| *id < log.end().file_id()) {
            assert_eq!(bytes.len(), 64 << 20, "file {id} is full");
        }
    }
}

#[test]
fn log_that_was_recycled_before_the_round_saw_it_interrupts_the_round() {
    let mut log = Log::at(BLOCK_BODY_BYTES);
    log.put(500, b"younger than the round");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let p = archiver.progress().unwrap();
    assert_eq!(p.state, ArchiveLsState::Interrupted);
    let (failure, since) = p.trouble.as_ref().unwrap();
    assert_eq!((failure.code, *since), (CODE_LOG_RECYCLED, T0));
    assert_eq!(archiver.next(T0 + 99_999, log.view()), Action::Done);

    let resume = KnownProgress {
        piece: PieceId(3),
        piece_start: Lsn(0),
        start: Lsn(0),
        archived: Lsn(100),
        checkpoint: Scn::MIN,
    };
    let mut medium = Medium::default();
    let mut old = Log::at(0);
    old.put(100, b"12");
    run(&mut Archiver::new(&PALF, order(None)), T0, &old, &mut medium);
    let mut archiver = Archiver::new(&PALF, order(Some(KnownProgress { archived: old.end(), ..resume })));
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Interrupted, "a gap is never jumped over");
}

#[test]
fn a_log_that_begins_inside_a_block_is_searched_down_to_its_first_byte() {
    let mut log = Log::at(BLOCK_BODY_BYTES - 4000);
    log.put(60, &[1; 1000]).put(70, &[2; 5000]).put(500, &[3; 10]);
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(medium.log(&CLOCK).0, Lsn(BLOCK_BODY_BYTES), "the newest block begins early enough");
    let clock = PieceClock { round_start: Scn(65), ..CLOCK };
    let (mut archiver, mut medium) = (Archiver::new(&PALF, ArchiveOrder { clock, ..order(None) }), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&clock) == (log.start, log.bytes.clone()));
}

#[test]
fn the_group_decides_the_piece_and_a_piece_border_inside_a_block_starts_a_new_file() {
    let mut log = Log::at(0);
    // Pieces are [100,150) [150,200) [200,250) …; everything below the round start counts to the first.
    for scn in [10, 100, 149, 150, 199, 420] {
        log.put(scn, &[1; 100]);
    }
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let keys: Vec<_> = medium.files.keys().map(|(p, f)| (p.0, f.0)).collect();
    assert_eq!(keys, [(3, 1), (4, 1), (9, 1)], "the same file id in every piece, and no file for empty pieces");
    assert!(medium.log(&CLOCK) == (Lsn(0), log.bytes.clone()));
}

#[test]
fn a_file_ends_where_its_block_ends() {
    let mut log = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    log.put(110, &[1; 2000]).put(111, &[2; 2000]).put(112, &[3; 10]);
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    let clock = PieceClock { round_start: Scn(55), interval_ns: 1000, ..CLOCK };
    archiver.order.clock = clock;
    archiver.phase = Phase::Resuming(Resume::new(&PALF, clock, None));
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&clock) == (log.start, log.bytes.clone()));
    assert_eq!(medium.files.len(), 2, "the padding lies in the first file, what follows in the second");
}

#[test]
fn a_checkpoint_never_completes_a_piece_that_may_still_grow() {
    let mut log = Log::at(0);
    log.put(100, b"x").put(149, b"last SCN of piece 3");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().checkpoint, Scn(148));
    log.blank();
    run(&mut archiver, T0 + LAG_MS, &log, &mut medium);
    assert!(!CLOCK.is_complete(PieceId(3), archiver.progress().unwrap().checkpoint), "a blank group came into piece 3");
    log.put(150, b"piece 4");
    run(&mut archiver, T0 + 3 * LAG_MS, &log, &mut medium);
    assert!(CLOCK.is_complete(PieceId(3), archiver.progress().unwrap().checkpoint));
}

#[test]
fn log_waits_a_quarter_of_the_lag_target_unless_it_is_much() {
    let mut log = Log::at(0);
    log.put(100, b"x");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.next(T0, log.view()), Action::Wait { until_ms: None }, "nothing to do until more is committed");
    log.put(101, b"y");
    let due = T0 + LAG_MS / 4;
    assert_eq!(archiver.next(T0 + 10, log.view()), Action::Wait { until_ms: Some(due) }, "since the last read");
    assert_eq!(archiver.next(due - 1, log.view()), Action::Wait { until_ms: Some(due) });
    assert!(matches!(archiver.next(due, log.view()), Action::ReadLog { .. }));
    run(&mut archiver, due, &log, &mut medium);
    log.put(102, &vec![0; 3 << 20]).put(103, &vec![0; 2 << 20]);
    assert!(matches!(archiver.next(T0 + 261, log.view()), Action::ReadLog { .. }), "a full read goes at once");
    run(&mut archiver, T0 + 261, &log, &mut medium);
    archiver.set_order(Goal::Write, 0);
    log.put(104, b"z");
    let now = T0 + 261 + LAG_MS / 4;
    assert!(matches!(archiver.next(now, log.view()), Action::ReadLog { .. }), "a target of 0 is at once");
}

#[test]
fn an_idle_stream_costs_one_append_per_group_and_its_first_write_goes_at_once() {
    let mut log = Log::at(0);
    log.put(100, b"x");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    for n in 1..10 {
        let now = T0 + n * KEEP_ALIVE_IDLE_MS;
        assert_eq!(archiver.next(now, log.view()), Action::Wait { until_ms: None }, "nothing is asked of the medium");
        log.put(100 + n, b"");
        let mut appends = 0;
        loop {
            match archiver.next(now, log.view()) {
                Action::ReadLog { from, max_bytes } => archiver.on_log(now, from, log.read(from, max_bytes)),
                Action::Append(cut) => {
                    medium.append(&cut, cut.bytes.len()).unwrap();
                    archiver.on_appended();
                    appends += 1;
                }
                other => break assert_eq!(other, Action::Wait { until_ms: None }),
            }
        }
        assert_eq!((appends, archiver.progress().unwrap().checkpoint), (1, Scn(100 + n)));
    }
}

#[test]
fn progress_tells_the_bounds_of_every_piece_that_the_scheduler_does_not_know() {
    let mut log = Log::at(0);
    for scn in [10, 120, 160, 420] {
        log.put(scn, &[1; 100]);
    }
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let bounds = |a: &Archiver| -> Vec<_> {
        a.progress().unwrap().pieces.iter().map(|(p, s)| (p.0, s.start, s.end, s.checkpoint.0)).collect()
    };
    let seen = bounds(&archiver);
    let (first, second) = (seen[0].2, seen[1].2);
    assert_eq!(seen, [(3, Lsn(0), first, 120), (4, first, second, 160), (9, second, log.end(), 420)]);
    // A leader that takes over finds the same bounds, and is told which piece is known.
    let mut next = Archiver::new(&PALF, order(None));
    run(&mut next, T0, &log, &mut medium);
    let found: Vec<_> = bounds(&next).into_iter().map(|(p, start, end, _)| (p, start, end)).collect();
    assert_eq!(found, seen.iter().map(|s| (s.0, s.1, s.2)).collect::<Vec<_>>());
    next.pieces_known(PieceId(4));
    assert_eq!(bounds(&next).len(), 2);
    let mut third = Archiver::new(&PALF, order(known(&next)));
    run(&mut third, T0, &log, &mut medium);
    assert_eq!(bounds(&third), [(9, second, log.end(), 420)]);
}

#[test]
fn a_stop_drains_what_is_committed_and_not_what_comes_after() {
    for (goal, state) in [(Goal::Stop, ArchiveLsState::Stopped), (Goal::Suspend, ArchiveLsState::Suspended)] {
        let mut log = Log::at(0);
        log.put(100, b"x");
        let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
        run(&mut archiver, T0, &log, &mut medium);
        log.put(101, b"committed before the order");
        let end = log.end();
        archiver.set_order(goal, LAG_MS);
        assert!(
            matches!(archiver.next(T0 + 1, log.view()), Action::ReadLog { .. }),
            "a drain does not wait for the target"
        );
        let read = log.read(archiver.progress().unwrap().archived, 1);
        archiver.on_log(T0 + 1, archiver.progress().unwrap().archived, read);
        log.put(102, b"committed after it");
        run(&mut archiver, T0 + 1, &log, &mut medium);
        let p = archiver.progress().unwrap();
        assert_eq!((p.state, p.archived), (state, end));
        if goal == Goal::Stop {
            continue;
        }
        let mut again = Archiver::new(&PALF, order(known(&archiver)));
        run(&mut again, T0 + 2, &log, &mut medium);
        assert!(medium.log(&CLOCK).1 == log.bytes, "enabling goes on where it paused");
    }
}

#[test]
fn every_earlier_piece_is_sealed_before_the_next_one_begins_and_a_stop_seals_the_last() {
    let mut log = Log::begun_at(0);
    log.put(110, b"piece 3").put(160, b"piece 4").put(260, b"piece 6");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    // The medium of these tests refuses to begin a piece before that.
    run(&mut archiver, T0, &log, &mut medium);
    let sealed: Vec<u64> = medium.sealed.iter().map(|(piece, _)| piece.0).collect();
    assert_eq!(sealed, [3, 4]);
    archiver.set_order(Goal::Suspend, LAG_MS);
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(medium.sealed.len(), 2, "a round that pauses goes on in the same file");
    let mut archiver = Archiver::new(&PALF, ArchiveOrder { goal: Goal::Stop, ..order(known(&archiver)) });
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Stopped);
    assert_eq!(medium.sealed.len(), 3);
}

#[test]
fn what_was_sealed_for_a_stop_is_not_appended_to_by_the_next_leader() {
    let mut log = Log::begun_at(0);
    log.put(110, b"last");
    let (mut old, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let reported = known(&old);
    old.set_order(Goal::Stop, LAG_MS);
    run(&mut old, T0, &log, &mut medium);
    let before = medium.clone();
    // It dies before it says so; the new leader's first entry is in the log.
    log.blank();
    let mut new = Archiver::new(&PALF, ArchiveOrder { goal: Goal::Stop, ..order(reported) });
    run(&mut new, T0, &log, &mut medium);
    assert!(medium == before);
    let p = new.progress().unwrap();
    assert_eq!((p.state, p.checkpoint), (ArchiveLsState::Stopped, Scn(110)));
}

#[test]
fn a_stream_that_has_stopped_stays_so_under_every_later_leader() {
    let mut log = Log::begun_at(0);
    log.put(110, b"after the stop");
    let known = KnownProgress {
        piece: PieceId(3),
        piece_start: Lsn(0),
        start: Lsn(0),
        archived: Lsn(91),
        checkpoint: Scn(100),
    };
    let mut archiver = Archiver::stopped(&PALF, ArchiveOrder { goal: Goal::Stop, ..order(Some(known)) });
    assert_eq!(archiver.next(T0, log.view()), Action::Done);
    let p = archiver.progress().unwrap();
    assert_eq!((p.state, p.archived, p.checkpoint), (ArchiveLsState::Stopped, Lsn(91), Scn(100)));
}

#[test]
fn a_gap_is_recorded_exactly() {
    let mut log = Log::begun_at(0);
    log.put(110, b"archived");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let archived = archiver.progress().unwrap().archived;
    archiver.on_recycled(T0, archived, Lsn(5000), Some(Scn(777)));
    let p = archiver.progress().unwrap();
    assert_eq!(p.state, ArchiveLsState::Interrupted);
    let gap = Gap { start: archived, end: Lsn(5000), start_scn: Scn(110), end_scn: Some(Scn(777)) };
    assert_eq!(p.gap, Some(gap));
}

#[test]
fn a_medium_that_asks_for_a_pause_gets_it() {
    let mut log = Log::begun_at(0);
    log.put(110, b"x");
    let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let slow_down = Failure::new(ErrorClass::Transient, "slow down", "f", "");
    archiver.on_failed(T0, slow_down, Some(7_000));
    assert_eq!(archiver.next(T0, log.view()), Action::Wait { until_ms: Some(T0 + 7_000) });
    archiver.retry_now();
    assert!(!matches!(archiver.next(T0, log.view()), Action::Wait { until_ms: Some(_) }), "a new key ends it");
}

#[test]
fn an_empty_stream_can_be_stopped() {
    let mut archiver = Archiver::new(&PALF, ArchiveOrder { goal: Goal::Stop, ..order(None) });
    assert_eq!(archiver.next(0, Log::at(0).view()), Action::Done);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Stopped);
}
