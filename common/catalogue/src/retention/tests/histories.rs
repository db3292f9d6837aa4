//! The law of retention over whole histories: every history up to a length, and long random ones. Two twins live through
//! the same events; one is cleaned by its policy after each of them, the other never. Whatever the other could still
//! restore of the window, and its newest moment, and the shortest way to it, the cleaned one can as well.
//!
//! A verdict of BROKEN may be taken back, so the twins are compared with all verdicts taken back, too.
//! `STRANDLINE_HISTORY_EVENTS` (default 4) is the length up to which all are tried, `STRANDLINE_HISTORY_STEPS` (default
//! 20,000) the number of random steps: a nightly run takes 6 and 1,000,000.

use super::super::losses::{first_lost, newest};
use super::super::planted::{Planted, plant};
use super::super::scope::restrict;
use super::*;

/// One thing that happens. A day passes with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A full set in the data destination.
    Full,
    /// An increment on the newest set that can be used, else a full set.
    Inc,
    /// A full set out of the newest chain: its consistent point and its log are that of the chain's last set.
    Synthetic,
    /// A full set with its own log.
    OwnLog,
    /// A full set in another place.
    Elsewhere,
    /// A backup that fails.
    FailedSet,
    /// The round ends, a gap, a new round begins.
    Gap,
    /// The archive stands still for four days, and so do backups.
    Outage,
    /// The cluster lives on for four days.
    Days,
    /// The newest set is found BROKEN.
    BreakSet,
    /// The newest frozen piece is found BROKEN.
    BreakPiece,
    /// All verdicts are taken back.
    Repair,
    /// A second archive begins, or ends.
    SecondArchive,
    /// Another path for data; the old one is a former destination from then on.
    NewDataPath,
}

const EVENTS: [Event; 14] = [
    Event::Full,
    Event::Inc,
    Event::Synthetic,
    Event::OwnLog,
    Event::Elsewhere,
    Event::FailedSet,
    Event::Gap,
    Event::Outage,
    Event::Days,
    Event::BreakSet,
    Event::BreakPiece,
    Event::Repair,
    Event::SecondArchive,
    Event::NewDataPath,
];

/// Places: 0 and 1 are archives, 2 is never current, 3 and above are data destinations or carried log.
const ELSEWHERE: PlaceId = PlaceId(2);

/// Both twins and what they have in common.
#[derive(Clone)]
struct Twins {
    cleaned: Catalogue,
    whole: Catalogue,
    now: u64,
    next_set: u64,
    /// By archive: round and last piece; `None` = does not archive.
    archives: [Option<(u64, u64)>; 2],
    next_round: u64,
    data: PlaceId,
    policy: Policy,
}

fn a_place(role: Role, of_set: Option<BackupSetId>) -> Place {
    Place {
        uri: "file:///x".to_owned(),
        role,
        owner: Owner::default(),
        cluster_name: String::new(),
        tenant_name: String::new(),
        dest_id: DestId(1001),
        of_set,
    }
}

impl Twins {
    fn new(policy: Policy) -> Self {
        let places = [Role::Archive, Role::Archive, Role::Backup, Role::Backup].map(|role| a_place(role, None));
        let born = Catalogue { places: places.into(), ..Catalogue::default() };
        let mut twins = Self {
            cleaned: born.clone(),
            whole: born,
            now: 10,
            next_set: 1,
            archives: [None, None],
            next_round: 1,
            data: PlaceId(3),
            policy,
        };
        twins.begin_round(0);
        twins.pass_day();
        twins
    }

    fn both(&mut self, change: impl Fn(&mut Catalogue)) {
        change(&mut self.cleaned);
        change(&mut self.whole);
    }

    fn begin_round(&mut self, archive: usize) {
        let (round, now) = (self.next_round, self.now);
        self.next_round += 1;
        self.archives[archive] = Some((round, 1));
        self.both(|c| c.pieces.push(a_piece(archive, round, 1, now)));
    }

    /// A day of log and a piece switch in every archive that goes on.
    fn pass_day(&mut self) {
        self.now += 1;
        let now = self.now;
        for archive in 0..2 {
            let Some((round, last)) = self.archives[archive] else { continue };
            self.archives[archive] = Some((round, last + 1));
            self.both(|c| {
                for piece in
                    c.pieces.iter_mut().filter(|p| p.key.round_id == RoundId(round) && p.key.piece_id == PieceId(last))
                {
                    piece.status = PieceStatus::Frozen;
                    piece.checkpoint_scn = piece.end_scn.prev();
                }
                c.pieces.push(a_piece(archive, round, last + 1, now));
            });
        }
    }

    fn end_round(&mut self, archive: usize) {
        let Some((round, last)) = self.archives[archive].take() else { return };
        self.both(|c| {
            for piece in
                c.pieces.iter_mut().filter(|p| p.key.round_id == RoundId(round) && p.key.piece_id == PieceId(last))
            {
                piece.status = PieceStatus::Frozen;
            }
        });
    }

    fn add_set(&mut self, build: impl Fn(SetEntry) -> SetEntry) -> BackupSetId {
        let id = BackupSetId(self.next_set);
        self.next_set += 1;
        let at = Scn(self.now * DAY - DAY / 2);
        let set = build(SetEntry { place: self.data, ..SetEntry::full(id, Scn(at.0 - DAY / 4), at) });
        self.both(|c| c.sets.push(set.clone()));
        id
    }

    /// The base that the scheduler would take: the newest set of the current destination that can be used.
    fn base(&self) -> Option<SetEntry> {
        usable_sets(&self.cleaned).into_iter().rfind(|s| s.place == self.data)
    }

    fn home(&self) -> BTreeSet<PlaceId> {
        BTreeSet::from([PlaceId(0), PlaceId(1), self.data])
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Full => drop(self.add_set(|set| set)),
            Event::Inc => {
                let base = self.base();
                self.add_set(|set| match &base {
                    Some(base) => SetEntry {
                        kind: BackupSetKind::Inc,
                        prev_full: if base.kind == BackupSetKind::Full { base.set_id } else { base.prev_full },
                        prev_inc: base.set_id,
                        ..set
                    },
                    None => set,
                });
            }
            Event::Synthetic => {
                if let Some(base) = self.base() {
                    self.add_set(|set| SetEntry {
                        start_replay_scn: base.start_replay_scn,
                        min_restore_scn: base.min_restore_scn,
                        consistent_scn: base.consistent_scn,
                        ..set
                    });
                }
            }
            Event::OwnLog => {
                let id = self.add_set(|set| SetEntry { plus_archivelog: true, ..set });
                let at = Scn(self.now * DAY - DAY / 2);
                self.both(|c| {
                    let place = PlaceId(c.places.len() as u32);
                    c.places.push(a_place(Role::ComplementLog, Some(id)));
                    c.pieces.push(PieceEntry {
                        place,
                        status: PieceStatus::Frozen,
                        start_scn: Scn(at.0 - DAY / 4),
                        end_scn: at.next(),
                        checkpoint_scn: at,
                        ..a_piece(0, 1, 1000 + id.0, 0)
                    });
                });
            }
            Event::Elsewhere => drop(self.add_set(|set| SetEntry { place: ELSEWHERE, ..set })),
            Event::FailedSet => drop(self.add_set(|set| SetEntry {
                status: BackupSetStatus::Failed,
                file_status: FileStatus::Incomplete,
                ..set
            })),
            Event::Gap => {
                for archive in 0..2 {
                    if self.archives[archive].is_some() {
                        self.end_round(archive);
                        self.begin_round(archive);
                    }
                }
            }
            Event::Outage => self.now += 4,
            Event::Days => (0..4).for_each(|_| self.pass_day()),
            Event::BreakSet => self.both(|c| {
                let newest =
                    c.sets.iter_mut().filter(|s| s.status == BackupSetStatus::Success).max_by_key(|s| s.set_id);
                newest.into_iter().for_each(|s| s.file_status = FileStatus::Broken);
            }),
            Event::BreakPiece => {
                let frozen = |p: &&mut PieceEntry| p.status == PieceStatus::Frozen && p.place.0 < 2;
                self.both(|c| {
                    let newest = c.pieces.iter_mut().filter(frozen).max_by_key(|p| p.key);
                    newest.into_iter().for_each(|p| p.file_status = FileStatus::Broken);
                });
            }
            Event::Repair => self.both(|c| *c = forgiven(c)),
            Event::SecondArchive if self.archives[1].is_some() => self.end_round(1),
            Event::SecondArchive => self.begin_round(1),
            Event::NewDataPath => {
                let place = PlaceId(self.cleaned.places.len() as u32);
                self.both(|c| c.places.push(a_place(Role::Backup, None)));
                self.data = place;
            }
        }
        // After an outage a round goes on where it was: its piece grows over the days without writes.
        if event == Event::Outage {
            let now = self.now;
            self.both(|c| {
                for piece in c.pieces.iter_mut().filter(|p| p.status == PieceStatus::Active) {
                    piece.end_scn = day(now + 1);
                }
            });
        } else {
            self.pass_day();
        }
    }

    /// Cleans one twin and holds both against the law.
    fn clean_and_compare(&mut self) -> Result<(), String> {
        let (now, home) = (day(self.now), self.home());
        let plan = plan(&self.cleaned, &self.policy, now, &home);
        let lost = losses(&self.cleaned, &plan.delete, Some(&self.policy), now, &home);
        if !lost.is_empty() {
            return Err(format!("{lost:?} by {:?}", plan.delete));
        }
        self.cleaned = without(&self.cleaned, &plan.delete);
        self.compare("all", &self.whole, &self.cleaned)?;
        self.compare("current", &restrict(&self.whole, &home), &restrict(&self.cleaned, &home))
    }

    fn compare(&self, what: &str, whole: &Catalogue, cleaned: &Catalogue) -> Result<(), String> {
        let expire = Scn(day(self.now).0.saturating_sub(self.policy.window_ns));
        // What is BROKEN for good may have been all that was kept for it: it counts once it is repaired.
        let (whole, cleaned) = (forgiven(whole), forgiven(cleaned));
        let (was, is) = (newest(&whole), newest(&cleaned));
        if was != is {
            return Err(format!("{what}: newest moment and its set: {was:?} became {is:?}"));
        }
        let Some((newest, _)) = was else { return Ok(()) };
        let floor = expire.min(Scn(newest.0.saturating_sub(self.policy.window_ns)));
        match first_lost(&whole, &cleaned, floor) {
            Some(scn) => Err(format!("{what}: SCN {scn} of the window is lost")),
            None => Ok(()),
        }
    }
}

fn a_piece(archive: usize, round: u64, piece: u64, day_of: u64) -> PieceEntry {
    PieceEntry {
        place: PlaceId(archive as u32),
        key: PieceKey { dest_id: DestId(1001 + archive as u64), round_id: RoundId(round), piece_id: PieceId(piece) },
        status: PieceStatus::Active,
        file_status: FileStatus::Available,
        start_scn: day(day_of),
        end_scn: day(day_of + 1),
        checkpoint_scn: Scn(day_of * DAY + DAY / 16),
        output_bytes: 0,
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn policies() -> Vec<Policy> {
    vec![policy(2), Policy { redundancy: 2, keep_weekly: 1, ..policy(5) }]
}

/// All histories that go on from here, with up to `left` more events; an error tells what was lost after which.
fn every_history(twins: &Twins, told: &mut Vec<Event>, left: u64, count: &mut u64) -> Result<(), String> {
    if left == 0 {
        return Ok(());
    }
    for event in EVENTS {
        let mut next = twins.clone();
        told.push(event);
        next.step(event);
        *count += 1;
        next.clean_and_compare().map_err(|lost| format!("after {told:?} with {:?}: {lost}", twins.policy))?;
        every_history(&next, told, left - 1, count)?;
        told.pop();
    }
    Ok(())
}

/// Every history of up to so many events under every policy.
fn short_histories(events: u64, count: &mut u64) -> Result<(), String> {
    policies().into_iter().try_for_each(|policy| every_history(&Twins::new(policy), &mut Vec::new(), events, count))
}

/// Long random histories until so many steps are done.
fn long_histories(steps: u64, done: &mut u64) -> Result<(), String> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    while *done < steps {
        let history = prop::collection::vec(prop::sample::select(EVENTS.to_vec()), 10..60);
        let history = history.new_tree(&mut runner).unwrap().current();
        for policy in policies() {
            let mut twins = Twins::new(policy);
            for (at, event) in history.iter().enumerate() {
                twins.step(*event);
                *done += 1;
                let compared = twins.clean_and_compare();
                compared.map_err(|lost| format!("after {:?} with {policy:?}: {lost}", &history[..=at]))?;
            }
        }
    }
    Ok(())
}

#[test]
fn no_short_history_loses_the_newest_moment_its_way_or_a_moment_of_the_window() {
    let events = from_environment("STRANDLINE_HISTORY_EVENTS", 4);
    let mut count = 0;
    short_histories(events, &mut count).unwrap();
    println!("{count} histories of up to {events} events");
}

#[test]
fn twins_stay_equal_over_long_random_histories() {
    let steps = from_environment("STRANDLINE_HISTORY_STEPS", 20_000);
    let mut done = 0;
    long_histories(steps, &mut done).unwrap();
    println!("{done} steps");
}

#[test]
fn every_planted_error_is_found_within_the_share_of_ci() {
    for error in [Planted::WindowFromNow, Planted::BrokenIsFinal, Planted::CopyIsHeir] {
        plant(Some(error));
        let (mut short, mut long) = (0, 0);
        let found = (short_histories(4, &mut short), long_histories(20_000, &mut long));
        plant(None);
        println!("{error:?}: after {short} short histories ({:?}), after {long} random steps", found.0.as_ref().err());
        assert!(found.0.is_err() || found.1.is_err(), "{error:?} is not found");
    }
}
