//! What administrators and clients want, and what has to come true in the end.

use super::steps::is_frozen;
use super::world::{Event, TENANT, World};
use crate::invariants::Broken;
use strandline_format::entry::{EntryKind, join, payload};
use strandline_format::pb;
use strandline_scheduler_core::state::{DestOptions, DestState, Round};
use strandline_scheduler_core::{Action, ArchiveDestSpec, BackupWish};
use strandline_types::{Access, BackupMode, ClusterId, DestNo, RoundState, Scn, Term};

impl World {
    pub(super) fn found_cluster(&mut self) -> Result<(), Broken> {
        let schedulers = (0..3).map(|n| (super::group::Group::id(n), format!("scheduler-{n}:1"))).collect();
        self.ask(Action::InitCluster { id: ClusterId(1), name: "sim".to_owned(), schedulers })?;
        let node = super::group::Group::id(0);
        self.ask(Action::TakeLead { node, term: Term(1) })
    }

    pub(super) fn found_tenant(&mut self, log_streams: u64) -> Result<(), Broken> {
        self.ask(Action::CreateTenant { name: "t".to_owned(), log_streams: log_streams as u32, replicas: 3 })
    }

    pub(super) fn found_archive(&mut self) -> Result<(), Broken> {
        let options = DestOptions { piece_interval_s: self.rng.between(1, 5), ..DestOptions::default() };
        let spec = ArchiveDestSpec { uri: "mem://sim".to_owned(), access: Access::default(), options };
        self.ask(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) })?;
        let lag_target_ms = self.rng.between(0, 1500);
        self.ask(Action::SetArchiveLag { tenant: TENANT, lag_target_ms })?;
        self.ask(Action::SetDataDest {
            tenant: TENANT,
            uri: Some("mem://data".to_owned()),
            access: Access::default(),
        })?;
        self.ask(Action::ArchiveLog { tenant: TENANT })
    }

    /// The true leader takes a wish; a refusal is an answer.
    pub(super) fn ask(&mut self, action: Action) -> Result<(), Broken> {
        let leader = self.group.leader;
        self.propose(leader, action).map(|_| ())
    }

    /// An administrator changes their mind.
    pub(super) fn wish(&mut self) -> Result<(), Broken> {
        if self.is_calm {
            return Ok(());
        }
        let next = self.rng.between(500, 6000);
        self.after(next, Event::Wish);
        let action = match self.rng.between(0, 16) {
            0 => Action::NoArchiveLog { tenant: TENANT },
            1..=3 => Action::ArchiveLog { tenant: TENANT },
            4 => Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Defer },
            5 | 6 => Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Enable },
            7..=12 => Action::StartBackup { tenant: TENANT, wish: BackupWish::new(BackupMode::Full, "") },
            13 => Action::CancelBackup { tenant: TENANT },
            14 => Action::CreateTable { tenant: TENANT, name: format!("t{}", self.number()), tablets: 2 },
            _ => Action::SetArchiveLag { tenant: TENANT, lag_target_ms: self.rng.between(0, 2000) },
        };
        self.ask(action)
    }

    /// A client writes to some stream whose leader can commit.
    pub(super) fn client_writes(&mut self) -> Result<(), Broken> {
        let next = if self.rng.chance(20) { 1500 } else { self.rng.between(1, 120) };
        self.after(next, Event::Write);
        let ids: Vec<_> = self.streams.keys().copied().collect();
        let Some(ls) = self.rng.pick(&ids) else { return Ok(()) };
        let batch = self.batch();
        let Some(stream) = self.streams.get_mut(&ls) else { return Ok(()) };
        let Some(leader) = stream.leader else { return Ok(()) };
        let Some(worker) = self.workers.get(&leader).filter(|w| w.can_talk()) else { return Ok(()) };
        let wall = Scn::from_ms(worker.clock_ms(self.now_ms));
        let scn = stream.append(Scn::hybrid(wall.0, stream.max_scn(), Scn::MIN), true, &batch);
        self.committed(ls, scn)?;
        self.poke_all(leader);
        Ok(())
    }

    /// What one client writes at once: few keys, so that many are overwritten and deleted again.
    fn batch(&mut self) -> Vec<u8> {
        let length = if self.rng.chance(30) { 20_000 } else { self.rng.between(1, 600) };
        let writes = (0..self.rng.between(1, 4)).map(|_| {
            let value = vec![self.rng.next() as u8; length as usize];
            pb::Write {
                tablet_id: 200_001 + self.rng.between(0, 3),
                key: vec![self.rng.between(0, 30) as u8].into(),
                value: value.into(),
                delete: self.rng.chance(200),
            }
        });
        let batch = pb::ClientBatch { writes: writes.collect() };
        join(EntryKind::ClientBatch, &payload(&batch))
    }

    fn round(&self) -> Option<&Round> {
        self.group.state().newest_round(TENANT)
    }

    /// Everything is well: what was written before must get under the published checkpoint.
    pub(super) fn archive_catches_up(&mut self, ms: u64) -> Result<(), Broken> {
        self.ask(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Enable })?;
        // A round that lost log, or that is stopping, gives way to a new one.
        if self.round().is_some_and(|r| r.state == RoundState::Interrupted) {
            self.ask(Action::NoArchiveLog { tenant: TENANT })?;
        }
        if !self.group.state().tenants[&TENANT].archive.log_mode {
            self.run_for(ms, "the last round stops", |w| w.round().is_none_or(|r| r.state == RoundState::Stop))?;
            self.ask(Action::ArchiveLog { tenant: TENANT })?;
        }
        self.run_for(ms, "the round is DOING", |w| w.round().is_some_and(|r| r.state == RoundState::Doing))?;
        let last = self.streams.values().map(super::stream::Stream::max_scn).max().unwrap_or_default();
        let goal = format!("the checkpoint reaches {last}");
        self.run_for(ms, &goal, |w| w.round().is_some_and(|r| w.published(r.dest_id, r.round_id) >= Some(last)))
    }

    /// The round stops, and every piece that log came into is whole.
    pub(super) fn archive_stops(&mut self, ms: u64) -> Result<(), Broken> {
        self.ask(Action::NoArchiveLog { tenant: TENANT })?;
        self.run_for(ms, "the round stops", |w| w.round().is_some_and(|r| r.state == RoundState::Stop))?;
        let Some(round) = self.round() else { return Err("there is no round".to_owned()) };
        if !round.comment.is_empty() {
            return Err(format!("the stop was not clean: {}", round.comment));
        }
        match round.pieces.values().find(|p| !is_frozen(&self.medium, p)) {
            None => Ok(()),
            Some(piece) => Err(format!("piece {} of the stopped round is not whole: {piece:?}", piece.key)),
        }
    }
}
