//! What administrators and clients want, and what has to come true in the end.

use super::settings::TENANT;
use super::steps::is_frozen;
use super::world::{Event, World};
use crate::invariants::Broken;
use strandline_format::entry::{EntryKind, join, payload};
use strandline_format::pb;
use strandline_scheduler_core::state::{DestOptions, DestState, JobKind, Round};
use strandline_scheduler_core::{Action, ArchiveDestSpec, BackupRequest};
use strandline_types::{
    Access, BackupMode, BackupSetStatus, ClusterId, DestNo, FileStatus, LsId, RoundState, Scn, TabletId, Term,
};

/// BACKUP DATABASE.
pub(super) fn backup(mode: BackupMode) -> Action {
    Action::StartBackup { tenant: TENANT, request: BackupRequest::new(mode, "") }
}

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
        // Every other world has a second destination, with pieces of its own.
        for (no, uri) in [(0, "mem://sim"), (1, "mem://second")].into_iter().take(1 + usize::from(self.rng.chance(500)))
        {
            let options = DestOptions { piece_interval_s: self.rng.between(1, 5), ..DestOptions::default() };
            let dest = Some(ArchiveDestSpec { uri: uri.to_owned(), access: Access::default(), options });
            self.ask(Action::SetArchiveDest { tenant: TENANT, no: DestNo(no), dest })?;
        }
        let lag_target_ms = self.rng.between(0, 1500);
        self.ask(Action::SetArchiveLag { tenant: TENANT, lag_target_ms })?;
        self.ask(Action::SetDataDest {
            tenant: TENANT,
            uri: Some("mem://data".to_owned()),
            access: Access::default(),
        })?;
        // Without a policy administrators delete by hand.
        if self.rng.chance(700) {
            let policy = self.policy();
            self.ask(policy)?;
        }
        self.ask(Action::ArchiveLog { tenant: TENANT })
    }

    /// The true leader takes a request; a refusal is an answer.
    pub(super) fn ask(&mut self, action: Action) -> Result<(), Broken> {
        let leader = self.group.leader;
        self.propose(leader, action).map(|_| ())
    }

    /// An administrator changes their mind.
    pub(super) fn request(&mut self) -> Result<(), Broken> {
        if self.is_calm {
            return Ok(());
        }
        let next = self.rng.between(200, 2000);
        self.after(next, Event::Request);
        let action = match self.rng.between(0, 36) {
            0 => Action::NoArchiveLog { tenant: TENANT },
            1..=4 => Action::ArchiveLog { tenant: TENANT },
            5 => self.dest_state(DestState::Defer),
            6..=8 => self.dest_state(DestState::Enable),
            9..=13 => backup(BackupMode::Full),
            14..=19 => backup(BackupMode::Incremental),
            20 => Action::CancelJob { kind: JobKind::Backup, tenant: TENANT },
            21 | 25 => Action::CreateTable { tenant: TENANT, name: format!("t{}", self.number()), tablets: 2 },
            22 => Action::SetArchiveLag { tenant: TENANT, lag_target_ms: self.rng.between(0, 2000) },
            23 | 24 => self.dropping(),
            _ => self.cleaning_request(),
        };
        self.ask(action)
    }

    /// Some table goes, if there is any.
    fn dropping(&mut self) -> Action {
        let tables: Vec<String> = self.group.state().tenants[&TENANT].tables.values().map(|t| t.name.clone()).collect();
        Action::DropTable { tenant: TENANT, name: self.rng.pick(&tables).unwrap_or_default() }
    }

    /// A destination is paused, or goes on.
    fn dest_state(&mut self, state: DestState) -> Action {
        Action::SetArchiveDestState { tenant: TENANT, no: DestNo(u8::from(self.rng.chance(300))), state }
    }

    /// A client writes to some stream whose leader can commit.
    pub(super) fn client_writes(&mut self) -> Result<(), Broken> {
        let next = if self.rng.chance(20) { 1500 } else { self.rng.between(1, 120) };
        self.after(next, Event::Write);
        let ids: Vec<_> = self.streams.keys().copied().collect();
        let Some(ls) = self.rng.pick(&ids) else { return Ok(()) };
        let batch = self.batch(ls);
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
    fn batch(&mut self, ls: LsId) -> Vec<u8> {
        let tenant = &self.group.state().tenants[&TENANT];
        let all = tenant.tables.values().flat_map(|t| &t.tablets);
        let living: Vec<u64> = all.filter(|t| t.ls_id == ls).map(|t| t.id.0).collect();
        // Also tablets of tables that are gone, or yet to come.
        let (first, next) = (TabletId::FIRST_USER.0, tenant.next.tablet.0);
        let near = next.saturating_sub(6).max(first)..next + 3;
        let length = if self.rng.chance(30) { 8_000 } else { self.rng.between(1, 600) };
        let writes = (0..self.rng.between(1, 4)).map(|_| {
            let value = vec![self.rng.next() as u8; length as usize];
            let any = self.rng.between(near.start, near.end);
            let tablet_id = self.rng.pick(&living).filter(|_| self.rng.chance(700)).unwrap_or(any);
            pb::Write {
                tablet_id,
                key: vec![self.rng.between(0, 30) as u8].into(),
                value: value.into(),
                delete: self.rng.chance(200),
            }
        });
        let batch = pb::ClientBatch { writes: writes.collect(), identities: Vec::new() };
        join(EntryKind::ClientBatch, &payload(&batch))
    }

    /// The newest round of each destination.
    fn rounds(&self) -> Vec<&Round> {
        self.group.state().newest_rounds(TENANT).into_values().collect()
    }

    fn all_rounds(&self, are: impl Fn(&Round) -> bool) -> bool {
        self.rounds().into_iter().all(are)
    }

    /// Everything is well: what was written before must get under the published checkpoint.
    pub(super) fn archive_catches_up(&mut self, ms: u64) -> Result<(), Broken> {
        let dests: Vec<DestNo> = self.group.state().tenants[&TENANT].archive.dests.keys().copied().collect();
        for no in &dests {
            self.ask(Action::SetArchiveDestState { tenant: TENANT, no: *no, state: DestState::Enable })?;
        }
        // A round that lost log, or that is stopping, gives way to a new one.
        if !self.all_rounds(|r| r.state != RoundState::Interrupted) {
            self.ask(Action::NoArchiveLog { tenant: TENANT })?;
        }
        if !self.group.state().tenants[&TENANT].archive.log_mode {
            self.run_for(ms, "the last rounds stop", |w| w.all_rounds(|r| r.state == RoundState::Stop))?;
            self.ask(Action::ArchiveLog { tenant: TENANT })?;
        }
        let count = dests.len();
        self.run_for(ms, "the rounds are DOING", |w| {
            w.rounds().len() == count && w.all_rounds(|r| r.state == RoundState::Doing)
        })?;
        let last = self.streams.values().map(super::stream::Stream::max_scn).max().unwrap_or_default();
        let goal = format!("the checkpoint reaches {last}");
        self.run_for(ms, &goal, |w| w.all_rounds(|r| w.published(r.dest_id, r.round_id) >= Some(last)))
    }

    /// A full set and an increment can still be made.
    pub(super) fn backups_go_on(&mut self, ms: u64) -> Result<(), Broken> {
        for mode in [BackupMode::Full, BackupMode::Incremental] {
            self.run_for(ms, "no backup is under way", |w| w.group.state().open_backup_job(TENANT).is_none())?;
            self.ask(backup(mode))?;
            self.run_for(ms, "the backup ends", |w| w.group.state().open_backup_job(TENANT).is_none())?;
            let newest = self.group.state().backup_sets.values().next_back();
            if let Some(set) = newest.filter(|s| s.status != BackupSetStatus::Success) {
                return Err(format!("a backup in calm weather failed: {}", set.comment));
            }
        }
        Ok(())
    }

    /// The round stops, and every piece that log came into is whole.
    pub(super) fn archive_stops(&mut self, ms: u64) -> Result<(), Broken> {
        self.ask(Action::NoArchiveLog { tenant: TENANT })?;
        self.run_for(ms, "the rounds stop", |w| w.all_rounds(|r| r.state == RoundState::Stop))?;
        for round in self.rounds() {
            if !round.comment.is_empty() {
                return Err(format!("the stop was not clean: {}", round.comment));
            }
            let mut stays = round.pieces.values().filter(|p| p.file_status == FileStatus::Available);
            if let Some(piece) = stays.find(|p| !is_frozen(&self.medium, p)) {
                return Err(format!("piece {} of the stopped round is not whole: {piece:?}", piece.key));
            }
        }
        Ok(())
    }
}
