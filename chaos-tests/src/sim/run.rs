//! The loop of the simulation: a storm with faults, then calm, in which everything has to come to rest.

use super::counts::{Cleaned, Restores};
use super::settings::START_MS;
use super::trace::Trace;
use super::world::{Event, World};
use crate::invariants::{Broken, StreamKey};
use std::fmt;
use strandline_scheduler_core::plan;
use strandline_scheduler_core::state::PieceRow;
use strandline_types::limits::{HEARTBEAT_MS, SCHEDULER_TICK_MS};
use strandline_types::{BackupSetKind, BackupSetStatus, PieceStatus};

/// Time with faults.
const STORM_MS: u64 = 25_000;
/// Time to come to rest.
const CALM_MS: u64 = 60_000;
/// User log streams.
const USER_STREAMS: u64 = 2;

/// What a good run was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The trace.
    pub trace: Trace,
    /// Entries of the scheduler's log.
    pub entries: usize,
    /// Rounds that were opened.
    pub rounds: usize,
    /// Pieces that were frozen.
    pub frozen_pieces: usize,
    /// Leader changes of log streams.
    pub elections: u64,
    /// Leader changes of the scheduler.
    pub scheduler_terms: u64,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Backup sets that are whole.
    pub sets: usize,
    /// Those of them that are incremental.
    pub incrementals: usize,
    /// What restores came to.
    pub restores: Restores,
    /// What was deleted.
    pub cleaned: Cleaned,
}

/// An invariant is broken, or the world did not come to rest.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Repeats the run.
    pub seed: u64,
    /// When, since the start.
    pub at_ms: u64,
    /// What.
    pub what: String,
    /// The last lines of the trace.
    pub tail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} at {} ms: {}", self.seed, self.at_ms, self.what)?;
        write!(f, "the last of what happened:\n{}", self.tail)
    }
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that was broken, or what did not come to rest.
pub fn run(seed: u64) -> Result<Report, Box<Violation>> {
    let mut world = World::new(seed);
    world.live().map_err(|what| {
        let at_ms = world.now_ms - START_MS;
        Box::new(Violation { seed, at_ms, what, tail: world.trace.tail() })
    })
}

impl World {
    fn live(&mut self) -> Result<Report, Broken> {
        self.found()?;
        let storm_ends = self.now_ms + STORM_MS;
        self.after(300, Event::Write);
        self.after(1500, Event::Fault);
        self.after(2000, Event::Request);
        self.after(3000, Event::Restore);
        self.run_until(storm_ends, |_| false)?;
        self.heal()?;
        self.come_to_rest()?;
        self.try_restores()?;
        Ok(self.report())
    }

    /// Cluster, tenant, destination, first round.
    fn found(&mut self) -> Result<(), Broken> {
        self.found_cluster()?;
        let workers = self.workers.len();
        self.run_for(2000, "all workers report", |w| w.group.state().workers.len() == workers)?;
        self.found_tenant(USER_STREAMS)?;
        let streams = USER_STREAMS as usize + 1;
        self.run_for(5000, "all log streams are led", |w| w.led_streams() == streams)?;
        self.found_archive()
    }

    /// Runs until a condition holds or time is up; true when it holds.
    pub(super) fn run_until(&mut self, end_ms: u64, holds: impl Fn(&Self) -> bool) -> Result<bool, Broken> {
        while let Some((at, event)) = self.queue.next() {
            if at > end_ms {
                self.queue.at(at, event);
                self.now_ms = end_ms;
                return Ok(holds(self));
            }
            self.now_ms = at;
            self.happen(event)?;
            self.check()?;
            if holds(self) {
                return Ok(true);
            }
        }
        Err("nothing happens any more".to_owned())
    }

    /// The same, where time being up is a violation.
    pub(super) fn run_for(&mut self, ms: u64, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), Broken> {
        if self.run_until(self.now_ms + ms, holds)? {
            return Ok(());
        }
        let waiting = plan(self.group.state(), self.now_ms).waiting;
        Err(format!("in {ms} ms it did not come that {what}; waiting: {waiting:#?}"))
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Tick(node) => {
                self.after(SCHEDULER_TICK_MS, Event::Tick(node));
                self.tick(node)
            }
            Event::Follow(node) => {
                let (pause, entries) = (self.rng.between(20, 200), self.rng.between(1, 20) as usize);
                self.after(pause, Event::Follow(node));
                self.group.follow(node, entries)
            }
            Event::StepPart(run) => self.step_part(run),
            Event::Beat(worker) => {
                self.after(HEARTBEAT_MS, Event::Beat(worker));
                self.beat(worker);
                Ok(())
            }
            Event::Report { node, boot, seq, report } => self.hear(node, boot, seq, *report),
            Event::Answer { worker, boot, seq, reply } => self.obey(worker, boot, seq, reply),
            Event::Poke(worker, key) => self.poke(worker, key),
            Event::Effect(op) => self.effect(op),
            Event::Write => self.client_writes(),
            Event::Elect(ls) => self.elect(ls),
            Event::Fault => self.fault(),
            Event::Repair(repair) => self.repair(repair),
            Event::Request => self.request(),
            Event::Restore => self.try_restores(),
        }
    }

    fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.archive_catches_up(CALM_MS)?;
        self.backups_go_on(CALM_MS)?;
        self.cleaning_ends(CALM_MS)?;
        self.archive_stops(CALM_MS)?;
        self.rounds_begin_where_they_say()
    }

    /// Where State says that a round's log begins it begins on the medium: the infos of pieces tell readers so.
    fn rounds_begin_where_they_say(&self) -> Result<(), Broken> {
        for round in self.group.state().rounds.values() {
            let (dest_id, round_id) = (round.dest_id, round.round_id);
            for (&ls_id, reported) in round.progress.iter().filter(|(_, p)| p.archived_lsn > p.start_lsn) {
                let found = self.archive.begins(StreamKey { dest_id, round_id, ls_id });
                if found != Some(reported.start_lsn) {
                    let start = reported.start_lsn;
                    return Err(format!(
                        "round {round_id} says that log stream {ls_id} begins at {start}, not {found:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn led_streams(&self) -> usize {
        self.streams.values().filter(|s| s.leader.is_some()).count()
    }

    fn report(&self) -> Report {
        let state = self.group.state();
        let whole = || state.backup_sets.values().filter(|s| s.status == BackupSetStatus::Success);
        let frozen = |p: &&PieceRow| p.status == PieceStatus::Frozen;
        Report {
            trace: self.trace.clone(),
            entries: self.group.log.len(),
            rounds: state.rounds.len(),
            frozen_pieces: state.rounds.values().flat_map(|r| r.pieces.values()).filter(frozen).count(),
            elections: self.streams.values().map(|s| s.term.0).sum(),
            scheduler_terms: self.group.term.0,
            writes: self.streams.values().map(|s| s.groups.len()).sum(),
            sets: whole().count(),
            incrementals: whole().filter(|s| s.kind == BackupSetKind::Inc).count(),
            restores: self.restores,
            cleaned: self.cleaned,
        }
    }
}
