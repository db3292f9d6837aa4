//! Every kind of job in one list. What asks a question of all jobs asks it here: which tasks run, what is read, what
//! must hold.
//!
//! Order rule: [`State::jobs`] takes State apart without `..`, and code that matches a [`Job`] does it without `_`. So a
//! new kind of job does not compile before it has answered every question.

use super::{
    BackupJob, CleanJob, CleanTask, DestCheck, Drill, InitiatorJob, RecoverTableJob, RestoreJob, Standby, StandbyStage,
    State, TaskRun, Trouble, ValidateJob, ValidateTask,
};
use crate::waiting::{TenantName, Who};
use std::fmt;
use strandline_types::{JobId, TenantId};

/// One job of any kind. Cleaning and validation jobs have tasks of their own kind, one per set or piece.
#[derive(Clone, Copy, Debug)]
pub enum Job<'a> {
    /// A backup of one tenant.
    Backup(&'a BackupJob),
    /// A backup of several tenants; its children do the work.
    Initiator(&'a InitiatorJob),
    /// A restore.
    Restore(&'a RestoreJob),
    /// A table recovery.
    RecoverTable(&'a RecoverTableJob),
    /// A standby tenant that follows an archive.
    Standby(&'a Standby),
    /// A restore drill.
    Drill(&'a Drill),
    /// A check of a destination by every worker.
    DestCheck(&'a DestCheck),
    /// A cleaning; its tasks do the work.
    Clean(&'a CleanJob),
    /// One set or piece that is deleted.
    CleanTask(&'a CleanTask),
    /// A validation; its tasks do the work.
    Validate(&'a ValidateJob),
    /// One set or piece that is looked at.
    ValidateTask(&'a ValidateTask),
}

impl State {
    /// Every job, running and ended.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let Self {
            cluster: _,
            clock_ms: _,
            schedulers: _,
            workers: _,
            tenants: _,
            destinations: _,
            rounds: _,
            backup_jobs,
            initiators,
            schedules: _,
            backup_sets: _,
            restore_jobs,
            recover_jobs,
            standbys,
            drills,
            drill_plans: _,
            dest_checks,
            archive_new_tenants: _,
            clean_policies: _,
            clean_jobs,
            clean_tasks,
            sweeps: _,
            validate_jobs,
            validate_tasks,
            audit: _,
            next: _,
            leftovers: _,
        } = self;
        let backups = backup_jobs.values().map(Job::Backup).chain(initiators.values().map(Job::Initiator));
        let restores = restore_jobs.values().map(Job::Restore).chain(recover_jobs.values().map(Job::RecoverTable));
        let others = standbys.values().map(Job::Standby).chain(drills.values().map(Job::Drill));
        let others = others.chain(dest_checks.values().map(Job::DestCheck));
        let cleaning = clean_jobs.values().map(Job::Clean).chain(clean_tasks.values().map(Job::CleanTask));
        let validation =
            validate_jobs.values().map(Job::Validate).chain(validate_tasks.values().map(Job::ValidateTask));
        backups.chain(restores).chain(others).chain(cleaning).chain(validation)
    }
}

impl<'a> Job<'a> {
    /// The id that its tasks carry.
    #[must_use]
    pub const fn id(self) -> JobId {
        match self {
            Self::Backup(j) => j.id,
            Self::Initiator(j) => j.id,
            Self::Restore(j) => j.id,
            Self::RecoverTable(j) => j.id,
            Self::Standby(s) => s.job_id,
            Self::Drill(d) => d.id,
            Self::DestCheck(c) => c.id,
            Self::Clean(j) => j.id,
            Self::CleanTask(t) => t.id,
            Self::Validate(j) => j.id,
            Self::ValidateTask(t) => t.id,
        }
    }

    /// Whose it is; what belongs to nobody is the system tenant's.
    #[must_use]
    pub const fn tenant_id(self) -> TenantId {
        match self {
            Self::Backup(j) => j.tenant_id,
            Self::Initiator(_) | Self::DestCheck(_) => TenantId::SYS,
            Self::Restore(j) => j.tenant_id,
            Self::RecoverTable(j) => j.tenant_id,
            Self::Standby(s) => s.tenant_id,
            Self::Drill(d) => d.tenant_id,
            Self::Clean(j) => j.tenant_id,
            Self::CleanTask(t) => t.tenant_id,
            Self::Validate(j) => j.tenant_id,
            Self::ValidateTask(t) => t.tenant_id,
        }
    }

    /// What holds up the scheduler's own work for it.
    #[must_use]
    pub const fn own_trouble(self) -> Option<&'a Trouble> {
        match self {
            Self::Backup(j) => j.trouble.as_ref(),
            Self::Standby(s) => s.trouble.as_ref(),
            Self::Drill(d) => d.trouble.as_ref(),
            Self::Clean(j) => j.trouble.as_ref(),
            Self::CleanTask(t) => t.trouble.as_ref(),
            Self::Initiator(_)
            | Self::Restore(_)
            | Self::RecoverTable(_)
            | Self::DestCheck(_)
            | Self::Validate(_)
            | Self::ValidateTask(_) => None,
        }
    }

    /// Everything that holds it up: the scheduler's own work first, then its tasks.
    pub fn troubles(self) -> impl Iterator<Item = &'a Trouble> {
        self.own_trouble().into_iter().chain(self.runs().into_iter().filter_map(|run| run.trouble.as_ref()))
    }

    /// True while it may order tasks. What has ended may show its last ones for a while; they run no more.
    #[must_use]
    pub fn is_running(self) -> bool {
        match self {
            Self::Backup(j) => !j.status.is_ended(),
            Self::Initiator(j) => j.ended_ms.is_none(),
            Self::Restore(j) => !j.stage.is_ended(),
            Self::RecoverTable(j) => !j.stage.is_ended(),
            Self::Standby(s) => !matches!(s.stage, StandbyStage::Stopped | StandbyStage::Reached),
            Self::Drill(d) => !d.stage.is_ended(),
            Self::DestCheck(c) => c.ended_ms.is_none(),
            Self::Clean(j) => !j.status.is_ended(),
            Self::CleanTask(t) => !t.stage.is_ended(),
            Self::Validate(j) => !j.status.is_ended(),
            Self::ValidateTask(t) => !t.status.is_ended(),
        }
    }

    /// True when it has ended and the scheduler still has something to write for it.
    #[must_use]
    pub fn is_closing(self) -> bool {
        match self {
            Self::Backup(j) => j.status.is_ended() && j.is_open(),
            Self::Initiator(_)
            | Self::Restore(_)
            | Self::RecoverTable(_)
            | Self::Standby(_)
            | Self::Drill(_)
            | Self::DestCheck(_)
            | Self::Clean(_)
            | Self::CleanTask(_)
            | Self::Validate(_)
            | Self::ValidateTask(_) => false,
        }
    }

    /// True when its tasks run until they are no longer ordered: workers take no turn for them, so they keep no other
    /// task from running.
    #[must_use]
    pub const fn follows(self) -> bool {
        match self {
            Self::Standby(s) => matches!(s.stage, StandbyStage::Following),
            Self::Backup(_)
            | Self::Initiator(_)
            | Self::Restore(_)
            | Self::RecoverTable(_)
            | Self::Drill(_)
            | Self::DestCheck(_)
            | Self::Clean(_)
            | Self::CleanTask(_)
            | Self::Validate(_)
            | Self::ValidateTask(_) => false,
        }
    }

    /// Its tasks, of every stage.
    #[must_use]
    pub fn runs(self) -> Vec<&'a TaskRun> {
        match self {
            Self::Backup(j) => j.tasks.values().chain([&j.index]).chain(j.log_tasks.values()).collect(),
            Self::Restore(j) => j.data_tasks.values().chain(j.log_tasks.values()).collect(),
            Self::RecoverTable(j) => j.tasks.values().collect(),
            Self::Standby(s) => s.log_tasks.values().collect(),
            Self::Drill(d) => d.runs.values().collect(),
            Self::DestCheck(c) => c.runs.values().collect(),
            Self::CleanTask(t) => t.runs.values().collect(),
            Self::ValidateTask(t) => t.runs.values().collect(),
            Self::Initiator(_) | Self::Clean(_) | Self::Validate(_) => Vec::new(),
        }
    }
}

impl Job<'_> {
    /// As messages name it; a task is named by its job, which is what an administrator started.
    #[must_use]
    pub const fn who(self) -> Who {
        match self {
            Self::Backup(j) => Who::Backup(j.id),
            Self::Initiator(j) => Who::Initiator(j.id),
            Self::Restore(j) => Who::Restore(j.id),
            Self::RecoverTable(j) => Who::RecoverTable(j.id),
            Self::Standby(s) => Who::Standby(TenantName::Id(s.tenant_id)),
            Self::Drill(d) => Who::Drill(d.id),
            Self::DestCheck(c) => Who::DestCheck(c.id),
            Self::Clean(j) => Who::Clean(j.id),
            Self::CleanTask(t) => Who::Clean(t.job_id),
            Self::Validate(j) => Who::Validate(j.id),
            Self::ValidateTask(t) => Who::Validate(t.job_id),
        }
    }
}

impl fmt::Display for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who().fmt(f)
    }
}
