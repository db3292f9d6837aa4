//! Retention and cleaning: what administrators ask for, and what has to hold whenever a cleaning is decided and when it
//! ends (invariant 9).
//!
//! A cleaning is looked at twice. When it is decided: everything that stays is told with a reason, and nothing stays that
//! is older than the window and that nothing needs. When it has ended, however it ended: every SCN that the policy promises
//! is still restored, and of what it deleted nothing is left.

use super::deletion::left_of;
use super::expected_state::Without;
use super::settings::TENANT;
use super::world::World;
use crate::invariants::{Broken, Promise, first_bare};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use strandline_catalogue::retention::Policy;
use strandline_catalogue::{Catalogue, SetEntry, restorable};
use strandline_scheduler_core::state::{BackupSet, CleanJob, CleanTask, CleanWhat, JobKind, State};
use strandline_scheduler_core::{Action, Done, MediumName, Outcome, StateCatalogue};
use strandline_types::{
    BackupSetId, BackupSetKind, BackupSetStatus, CleanStage, FileStatus, JobId, JobStatus, PieceStatus, Scn,
};

/// SCNs inside a promise that are restored when a cleaning has ended.
const TARGETS: usize = 3;

impl World {
    /// DELETE OBSOLETE, by hand, a cancel, or another policy.
    pub(super) fn cleaning_request(&mut self) -> Action {
        let tenant = TENANT;
        let start = |what| Action::StartClean { tenant, what, description: String::new() };
        match self.rng.between(0, 10) {
            0..=3 => start(CleanWhat::Obsolete),
            4 | 5 => start(CleanWhat::Sets(self.some_sets())),
            6 => start(CleanWhat::Pieces(self.some_pieces())),
            7 => Action::CancelJob { kind: JobKind::Clean, tenant },
            8 => Action::DropCleanPolicy { tenant, name: "default".to_owned() },
            _ => self.policy(),
        }
    }

    /// A policy with a window of some seconds.
    pub(super) fn policy(&mut self) -> Action {
        let policy = Policy {
            window_ns: self.rng.between(1_000, 8_000) * 1_000_000,
            redundancy: self.rng.between(1, 3) as u32,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            log_only: false,
        };
        Action::AddCleanPolicy { tenant: TENANT, policy }
    }

    /// The oldest full set with all that is built on it, or just any.
    fn some_sets(&mut self) -> Vec<u64> {
        let there = |s: &&BackupSet| s.file_status != FileStatus::Deleted;
        let sets: Vec<_> = self.group.state().backup_sets.values().filter(there).collect();
        let oldest = sets.iter().find(|s| s.kind == BackupSetKind::Full).map(|s| s.set_id);
        let all: Vec<u64> = sets.iter().map(|s| s.set_id.0).collect();
        let chain: Vec<u64> = sets
            .iter()
            .filter(|s| Some(s.set_id) == oldest || Some(s.prev_full) == oldest)
            .map(|s| s.set_id.0)
            .collect();
        if self.rng.chance(300) { self.rng.pick(&all).into_iter().collect() } else { chain }
    }

    /// The oldest pieces.
    fn some_pieces(&mut self) -> Vec<u64> {
        let pieces = self.group.state().rounds.values().flat_map(|r| r.pieces.values());
        let ids: BTreeSet<u64> =
            pieces.filter(|p| p.file_status != FileStatus::Deleted).map(|p| p.key.piece_id.0).collect();
        let count = self.rng.between(1, 4) as usize;
        ids.into_iter().take(count).collect()
    }

    /// A cleaning is noted when it is decided, and checked when it has ended.
    pub(super) fn look_at_cleanings(&mut self, outcome: &Outcome) -> Result<(), Broken> {
        if let Ok(Done::CleanJob(id)) = *outcome
            && self.job(id)?.status == JobStatus::Doing
        {
            // What the same event has just written counts.
            self.check()?;
            let promise = self.promised(id)?;
            self.cleanings.decided(id, promise);
        }
        for id in self.cleanings.open() {
            if self.job(id)?.status.is_ended() {
                self.cleaning_ended(id)?;
            }
        }
        Ok(())
    }

    fn job(&self, id: JobId) -> Result<&CleanJob, Broken> {
        self.group.state().clean_job(id).ok_or_else(|| format!("cleaning job {id} is not known"))
    }

    fn tasks<'a>(&'a self, job: &'a CleanJob) -> impl Iterator<Item = &'a CleanTask> {
        job.tasks.iter().filter_map(|t| self.group.state().clean_task(*t))
    }

    /// What a cleaning that was decided just now has to leave.
    fn promised(&self, id: JobId) -> Result<Promise, Broken> {
        let (state, job, all) = (self.group.state(), self.job(id)?, self.catalogue());
        // What an earlier cleaning has begun is lost already, and so is what an administrator named.
        let is_lost = |t: &&CleanTask| t.was != FileStatus::Available || matches!(job.what, CleanWhat::Sets(_));
        let mut lost = doomed(state);
        let spared: Vec<MediumName> = self.tasks(job).filter(|t| !is_lost(t)).map(|t| t.name).collect();
        lost.retain(|name| !spared.contains(name));
        let windows: Vec<(Scn, Scn)> = self.windows(&all, &lost).into_iter().map(|(_, w)| w).collect();
        // The newest SCN of everything that this job found, what an administrator named included.
        let mut earlier = doomed(state);
        let own: Vec<MediumName> = self.tasks(job).filter(|t| t.was == FileStatus::Available).map(|t| t.name).collect();
        earlier.retain(|name| !own.contains(name));
        let newest = self.newest(&all, &earlier);
        let (expire, redundancy) = match (&job.what, state.clean_policies.get(&TENANT)) {
            (CleanWhat::Obsolete, Some(policy)) => {
                let now = Scn::from_ms(state.clock_ms);
                let end = newest.map_or(now, |(scn, _)| scn.min(now));
                (Scn(end.0.saturating_sub(policy.policy.window_ns)), policy.policy.redundancy as usize)
            }
            _ => (Scn::MIN, usize::MAX),
        };
        let inside = windows.iter().filter(|(_, to)| *to >= expire).map(|(from, to)| (expire.max(*from), *to));
        let fulls = self.fulls(&all, &lost).min(redundancy);
        let promise = Promise { intervals: inside.collect(), fulls, newest };
        if job.what == CleanWhat::Obsolete {
            self.all_told(job)?;
            self.nothing_superfluous(job, &all, &promise, (expire.min(self.known_floor()), redundancy))?;
        }
        Ok(promise)
    }

    /// The beginning of the window as State sees it, which learns of a checkpoint after it was published: the newest SCN
    /// may be an older one there.
    fn known_floor(&self) -> Scn {
        let state = self.group.state();
        let window_ns = state.clean_policies.get(&TENANT).map_or(0, |p| p.policy.window_ns);
        let known = restorable(&StateCatalogue::of(state, TENANT).catalogue).intervals;
        Scn(known.iter().map(|(_, to)| to.0).max().unwrap_or(u64::MAX).saturating_sub(window_ns))
    }

    /// The newest SCN that can be restored, and the newest set that restores it.
    fn newest(&self, all: &Catalogue, without: &Without) -> Option<(Scn, (Scn, BackupSetId))> {
        let windows = self.windows(all, without);
        let newest = windows.iter().map(|(_, (_, to))| *to).max()?;
        let holding = windows.iter().filter(|(_, (from, to))| *from <= newest && newest <= *to);
        holding.map(|(s, _)| (s.min_restore_scn, s.set_id)).max().map(|way| (newest, way))
    }

    /// Whatever there is goes, or stays with a reason.
    fn all_told(&self, job: &CleanJob) -> Result<(), Broken> {
        let named: BTreeSet<String> = self.tasks(job).map(|t| t.name.to_string()).collect();
        let kept = |name: &str| job.kept.iter().any(|(n, why)| n == name && !why.is_empty());
        let missing = there(self.group.state()).map(|n| n.to_string()).find(|n| !named.contains(n) && !kept(n));
        missing.map_or(Ok(()), |name| Err(format!("cleaning job {} says nothing of {name}", job.id)))
    }

    /// Nothing stays that is older than the window and that is neither the newest set that serves some SCN of the window,
    /// nor one of the counted full sets, nor part of a chain.
    fn nothing_superfluous(
        &self,
        job: &CleanJob,
        all: &Catalogue,
        promise: &Promise,
        (expire, redundancy): (Scn, usize),
    ) -> Result<(), Broken> {
        let gone = doomed(self.group.state());
        let staying = self.windows(all, &gone);
        let why = |name: MediumName| job.kept.iter().find(|(n, _)| *n == name.to_string()).map(|(_, why)| why.clone());
        let age = |s: &SetEntry| (s.min_restore_scn, s.set_id);
        let mut fulls: Vec<&SetEntry> =
            staying.iter().map(|(s, _)| *s).filter(|s| s.kind == BackupSetKind::Full).collect();
        fulls.sort_by_key(|s| Reverse(age(s)));
        fulls.truncate(redundancy);
        for (set, (from, to)) in staying.iter().filter(|(s, _)| s.min_restore_scn <= expire) {
            let name = MediumName::Set(set.set_id, set.kind);
            let builds = |s: &BackupSet| s.status == BackupSetStatus::Doing && s.prev_inc == set.set_id;
            let is_of_chain = staying.iter().any(|(s, _)| [s.prev_full, s.prev_inc].contains(&set.set_id))
                || self.group.state().backup_sets.values().any(builds);
            let newer: Vec<_> = staying.iter().filter(|(s, _)| age(s) > age(set)).map(|(_, w)| *w).collect();
            let serves = [(expire.max(*from), *to)];
            let is_needed = !promise.intervals.is_empty() && first_bare(&serves, &newer).is_some();
            if !is_of_chain && !is_needed && !fulls.iter().any(|s| s.set_id == set.set_id) {
                let windows: Vec<_> = staying.iter().map(|(s, w)| (s.set_id, *w)).collect();
                return Err(format!(
                    "cleaning job {} leaves {name}: {:?}; the window begins at {expire}, staying sets restore {windows:?}",
                    job.id,
                    why(name)
                ));
            }
        }
        // State learns of a checkpoint after it was published: it may not know yet that the window can be restored.
        let knows = |why: &String| !why.starts_with("no backup set has log to be restored with");
        let oldest = staying.iter().map(|(s, _)| s.start_replay_scn).min().filter(|_| !promise.intervals.is_empty());
        let pieces = self.group.state().rounds.values().flat_map(|r| r.pieces.values());
        let stays = |s: FileStatus| !matches!(s, FileStatus::Deleting | FileStatus::Deleted);
        for piece in pieces.filter(|p| p.status == PieceStatus::Frozen && stays(p.file_status)) {
            if oldest.is_some_and(|oldest| piece.end_scn <= oldest) {
                let name = MediumName::Piece(piece.key);
                if why(name).as_ref().is_none_or(knows) {
                    return Err(format!("cleaning job {} leaves {name}: {:?}", job.id, why(name)));
                }
            }
        }
        Ok(())
    }

    fn cleaning_ended(&mut self, id: JobId) -> Result<(), Broken> {
        self.check()?;
        let catalogue = self.catalogue();
        let expected = self.restorable(&catalogue);
        let none = Without::new();
        let newest = self.newest(&catalogue, &none);
        let left = Promise { intervals: expected.clone(), fulls: self.fulls(&catalogue, &none), newest };
        let promise = self.cleanings.ended(id, &left)?;
        let job = self.job(id)?;
        let done: Vec<MediumName> = self.tasks(job).filter(|t| t.stage == CleanStage::Done).map(|t| t.name).collect();
        let (is_complete, by_policy) = (job.status == JobStatus::Completed, job.what == CleanWhat::Obsolete);
        for name in done {
            match name {
                MediumName::Set(..) => self.cleaned.sets += 1,
                MediumName::Piece(_) => self.cleaned.pieces += 1,
            }
            if let Some(path) = left_of(&self.medium, name) {
                if !self.medium.came_back(&path) {
                    return Err(format!("cleaning job {id} is done with {name}, yet {path} is there"));
                }
                self.cleaned.came_back += 1;
            }
        }
        self.cleaned.jobs += 1;
        self.cleaned.by_policy += usize::from(is_complete && by_policy);
        self.cleaned.by_hand += usize::from(is_complete && !by_policy);
        let borders: Vec<Scn> = promise.intervals.iter().flat_map(|(from, to)| [*from, *to]).collect();
        let targets: BTreeSet<Scn> = (0..TARGETS).filter_map(|_| self.rng.pick(&borders)).collect();
        self.try_targets(&catalogue, &expected, targets)
    }

    /// In calm weather a cleaning by policy completes.
    pub(super) fn cleaning_ends(&mut self, ms: u64) -> Result<(), Broken> {
        self.run_for(ms, "no cleaning is under way", |w| w.group.state().open_clean_job(TENANT).is_none())?;
        if !self.group.state().clean_policies.contains_key(&TENANT) {
            let policy = self.policy();
            self.ask(policy)?;
        }
        self.run_for(ms, "the policy's turn is over", |w| w.group.state().open_clean_job(TENANT).is_none())?;
        self.ask(Action::StartClean { tenant: TENANT, what: CleanWhat::Obsolete, description: String::new() })?;
        self.run_for(ms, "the cleaning ends", |w| w.group.state().open_clean_job(TENANT).is_none())?;
        match self.group.state().clean_jobs().next_back() {
            Some(job) if job.status != JobStatus::Completed && job.what == CleanWhat::Obsolete => {
                Err(format!("a cleaning in calm weather is {}: {:?}", job.status, job.failure))
            }
            _ => Ok(()),
        }
    }
}

/// Every set and piece that State knows files of.
fn there(state: &State) -> impl Iterator<Item = MediumName> {
    names(state).filter(|(_, s)| *s != FileStatus::Deleted).map(|(name, _)| name)
}

/// What is deleted, or is being.
fn doomed(state: &State) -> Without {
    let is_doomed = |s: FileStatus| matches!(s, FileStatus::Deleting | FileStatus::Deleted);
    names(state).filter(|(_, s)| is_doomed(*s)).map(|(name, _)| name).collect()
}

fn names(state: &State) -> impl Iterator<Item = (MediumName, FileStatus)> {
    let sets = state.backup_sets.values().map(|s| (MediumName::Set(s.set_id, s.kind), s.file_status));
    let pieces = state.rounds.values().flat_map(|r| r.pieces.values());
    sets.chain(pieces.map(|p| (MediumName::Piece(p.key), p.file_status)))
}
