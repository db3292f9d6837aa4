//! The media as they are written, whatever happens to the leader on the way: every file comes after those that it relies
//! on, what State says was on the media first, and at rest State knows exactly what a scan would find.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::media::Media;
use harness::{TENANT, World, archive_spec};
use proptest::prelude::*;
use strandline_catalogue::{PieceEntry, SetEntry};
use strandline_scheduler_core::state::{CleanWhat, DestState, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes, with looks every so often.
    Pass(u64),
    /// The leader dies after so many pieces of work, before it can say so; the next one plans anew.
    Crash(usize),
    Backup(BackupMode, bool),
    CancelBackup,
    CreateTable,
    Kill(u64),
    Boot(u64),
    Away(bool),
    Archive(bool),
    Enable(bool),
    Clean(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let mode = prop::sample::select(vec![BackupMode::Full, BackupMode::Incremental, BackupMode::Synthetic]);
    let event = prop_oneof![
        6 => prop_oneof![Just(200u64), Just(700), Just(2_500)].prop_map(Event::Pass),
        6 => (0usize..5).prop_map(Event::Crash),
        4 => (mode, any::<bool>()).prop_map(|(mode, log)| Event::Backup(mode, log)),
        1 => Just(Event::CancelBackup),
        1 => Just(Event::CreateTable),
        1 => (1u64..4).prop_map(Event::Kill),
        2 => (1u64..4).prop_map(Event::Boot),
        2 => any::<bool>().prop_map(Event::Away),
        2 => any::<bool>().prop_map(Event::Archive),
        2 => any::<bool>().prop_map(Event::Enable),
        1 => (1u64..4).prop_map(Event::Clean),
    ];
    prop::collection::vec(event, 0..40)
}

/// The leader does what is planned, until it dies or nothing is left to do.
fn lead(w: &mut World, media: &mut Media, mut lives_for: Option<usize>) {
    w.now_ms += limits::HEARTBEAT_MS;
    w.write();
    w.beat();
    for _ in 0..200 {
        let steps = plan(&w.state, w.now_ms).steps;
        if steps.is_empty() {
            return;
        }
        for step in steps {
            if !execute(w, media, step, &mut lives_for) {
                let term = w.state.schedulers.term.next();
                w.act(Action::TakeLead { node: NodeId(901 + term.0 % 3), term }).unwrap();
                return;
            }
        }
        if w.medium_failure.is_some() {
            return;
        }
    }
    panic!("the plan never ends: {:#?}", plan(&w.state, w.now_ms).steps);
}

/// False when the leader has died on it.
fn execute(w: &mut World, media: &mut Media, step: Step, lives_for: &mut Option<usize>) -> bool {
    if let Some(failure) = w.medium_failure.clone().filter(|_| !step.work.is_empty()) {
        if let Some(action) = failure_action(&w.state, &step, failure) {
            w.act(action).unwrap();
        }
        return true;
    }
    for work in &step.work {
        match lives_for {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        media.take(work);
    }
    if *lives_for == Some(0) {
        return false;
    }
    w.act(step.then).unwrap();
    media.bear_out(&w.state);
    true
}

/// What is refused changes nothing.
fn ask(w: &mut World, action: Action) {
    let _ = w.act(action);
}

fn happen(w: &mut World, media: &mut Media, event: Event) {
    match event {
        Event::Backup(mode, plus_archivelog) => {
            let request = BackupRequest { plus_archivelog, ..BackupRequest::new(mode, "") };
            ask(w, Action::StartBackup { tenant: TENANT, request });
        }
        Event::CancelBackup => ask(w, Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }),
        Event::CreateTable => {
            let name = format!("t{}", w.state.tenants[&TENANT].tables.len());
            ask(w, Action::CreateTable { tenant: TENANT, name, tablets: 2 });
        }
        Event::Archive(true) => ask(w, Action::ArchiveLog { tenant: TENANT }),
        Event::Archive(false) => ask(w, Action::NoArchiveLog { tenant: TENANT }),
        Event::Enable(is_enabled) => {
            let state = if is_enabled { DestState::Enable } else { DestState::Defer };
            ask(w, Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state });
        }
        Event::Clean(set) => {
            let what = CleanWhat::Sets(vec![set]);
            ask(w, Action::StartClean { tenant: TENANT, what, description: String::new() });
        }
        Event::Kill(worker) => w.kill(NodeId(worker)),
        Event::Boot(worker) => w.boot(NodeId(worker)),
        Event::Away(is_away) => {
            let failure = Failure::new(ErrorClass::Transient, "it is away", "file:///", "");
            w.medium_failure = is_away.then_some(failure);
        }
        Event::Crash(after) => lead(w, media, Some(after)),
        Event::Pass(ms) => {
            for _ in 0..4 {
                w.now_ms += ms / 4;
                lead(w, media, None);
            }
        }
    }
}

/// All is well again, and what is under way comes to its end.
fn come_to_rest(w: &mut World, media: &mut Media) {
    w.medium_failure = None;
    for worker in (1..=3).map(NodeId).filter(|n| !w.alive.contains(n)).collect::<Vec<_>>() {
        w.boot(worker);
    }
    let is_at_rest = |w: &World| {
        let jobs_end = w.state.open_backup_job(TENANT).is_none() && w.state.open_clean_job(TENANT).is_none();
        let stands = |s| matches!(s, RoundState::Doing | RoundState::Suspend | RoundState::Stop);
        jobs_end && w.state.leftovers.is_empty() && w.state.rounds_of(TENANT).all(|r| stands(r.state))
    };
    for _ in 0..3_000 {
        lead(w, media, None);
        if is_at_rest(w) {
            return;
        }
    }
    panic!("it never comes to rest: {:#?}", plan(&w.state, w.now_ms).waiting);
}

/// One line for everything that readers find in the set.
fn set_line(s: &SetEntry) -> String {
    let chain = format!("{} on {} of {}", s.kind, s.prev_inc, s.prev_full);
    let scns = format!("{}..{}..{}", s.start_replay_scn, s.consistent_scn, s.min_restore_scn);
    format!("set {}: {chain}, {scns}, index {}.{}, {:?}", s.set_id, s.data_turn, s.index_retry, s.status)
}

fn piece_line(p: &PieceEntry) -> String {
    let key = p.key;
    format!("piece {key}: {}..{}..{}, {} and {}", p.start_scn, p.checkpoint_scn, p.end_scn, p.status, p.file_status)
}

/// What State says that readers find.
fn known(state: &State) -> Vec<String> {
    let catalogue = StateCatalogue::of(state, TENANT).catalogue;
    let is_there = |s: FileStatus| s != FileStatus::Deleted;
    let sets = catalogue.sets.iter().filter(|s| is_there(s.file_status)).map(set_line);
    let own = |p: &&PieceEntry| is_there(p.file_status) && !catalogue.is_carried(p);
    let pieces = catalogue.pieces.iter().filter(own).map(piece_line);
    let rounds = catalogue.rounds.iter().map(|r| format!("round {}: {}..{:?}", r.round_id, r.start_scn, r.ended_at));
    let mut lines: Vec<String> = sets.chain(pieces).chain(rounds).collect();
    lines.sort();
    lines
}

/// What a scan finds.
fn found(media: &Media, state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, set) in &media.sets {
        let row = &state.backup_sets[&(TENANT, *id)];
        // Of a set without infos only the placeholders tell.
        let said = set.infos.as_ref().unwrap_or(row);
        let status = match set.end {
            Some(true) => BackupSetStatus::Success,
            Some(false) => BackupSetStatus::Failed,
            None => BackupSetStatus::Doing,
        };
        lines.push(set_line(&SetEntry {
            kind: set.kind,
            status,
            prev_full: said.prev_full,
            prev_inc: said.prev_inc,
            consistent_scn: said.consistent_scn,
            data_turn: said.data_turn,
            index_retry: said.index_retry,
            ..SetEntry::full(*id, said.start_replay_scn, said.min_restore_scn)
        }));
    }
    let knows = |key: &PieceKey| state.rounds[&(TENANT, key.round_id)].pieces.contains_key(&key.piece_id);
    for (key, piece) in media.pieces.iter().filter(|(key, piece)| piece.has_infos || knows(key)) {
        let slice = state.rounds[&(TENANT, key.round_id)].clock.range(key.piece_id);
        assert_eq!(slice.start, piece.start);
        let checkpoint_scn = piece.frozen.map(|row| row.checkpoint_scn).or(piece.checkpoint).unwrap_or(piece.start);
        let file_status = if piece.checkpoint.is_some() { FileStatus::Available } else { FileStatus::Incomplete };
        let status = if piece.frozen.is_some() { PieceStatus::Frozen } else { PieceStatus::Active };
        let there = PieceEntry::available(Default::default(), *key, slice, checkpoint_scn);
        lines.push(piece_line(&PieceEntry { status, file_status, ..there }));
    }
    lines.extend(media.rounds.iter().map(|(id, r)| format!("round {id}: {}..{:?}", r.start, r.end)));
    lines.sort();
    lines
}

/// A tenant that archives into short pieces and has a set already.
fn world(media: &mut Media) -> World {
    let mut w = World::with_tenant(3, 3);
    let dest = Some(archive_spec("file:///arc", 1));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest }).unwrap();
    let uri = Some("file:///data".to_owned());
    w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    for _ in 0..5 {
        lead(&mut w, media, None);
    }
    happen(&mut w, media, Event::Backup(BackupMode::Full, false));
    come_to_rest(&mut w, media);
    assert_eq!(media.sets[&BackupSetId(1)].end, Some(true));
    w
}

proptest! {
    #[test]
    fn media_are_written_in_their_order_and_state_knows_at_rest_what_a_scan_would_find(events in events()) {
        let mut media = Media::default();
        let mut w = world(&mut media);
        for event in &events {
            happen(&mut w, &mut media, *event);
            media.bear_out(&w.state);
        }
        come_to_rest(&mut w, &mut media);
        prop_assert_eq!(known(&w.state), found(&media, &w.state));
    }
}

#[test]
fn a_leader_that_dies_at_any_point_of_a_backup_leaves_a_set_with_one_end() {
    for lives_for in 0..12 {
        let mut media = Media::default();
        let mut w = world(&mut media);
        happen(&mut w, &mut media, Event::Backup(BackupMode::Incremental, true));
        lead(&mut w, &mut media, Some(lives_for));
        lead(&mut w, &mut media, Some(lives_for / 2));
        come_to_rest(&mut w, &mut media);
        assert_eq!(media.sets[&BackupSetId(2)].end, Some(true), "it lived for {lives_for} pieces of work");
        assert_eq!(known(&w.state), found(&media, &w.state));
    }
}
