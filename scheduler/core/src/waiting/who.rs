//! Who waits.

use crate::task::TaskKey;
use std::fmt;
use strandline_catalogue::retention::Object;
use strandline_types::{BackupMode, BackupSetId, DestId, JobId, LsId, NodeId, RoundId, TenantId, moment_text};

/// What wants to move and cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// An archive round.
    Round(RoundId),
    /// The round that is to follow one that was interrupted.
    RoundAfter(RoundId),
    /// A backup of one tenant.
    Backup(JobId),
    /// A backup of several tenants.
    Initiator(JobId),
    /// A restore.
    Restore(JobId),
    /// A table recovery.
    RecoverTable(JobId),
    /// A restore drill.
    Drill(JobId),
    /// A check of a destination.
    DestCheck(JobId),
    /// A cleaning.
    Clean(JobId),
    /// One set or piece that a cleaning deletes.
    Deletion(JobId, Object),
    /// A validation.
    Validate(JobId),
    /// A standby tenant, by its name.
    Standby(TenantName),
    /// A task that no worker has.
    Task(TaskKey),
    /// A run of a schedule, due at a time in milliseconds.
    ScheduledRun(BackupMode, u64),
    /// What an ended backup has left to be written.
    EndPlaceholder(BackupSetId),
    /// A destination that takes archived log.
    ArchiveDest(DestId),
    /// A destination that takes backup sets.
    DataDest(DestId),
    /// Files below a destination that belong to nothing.
    Orphans(Box<Who>),
    /// The clock of a worker.
    Clock(NodeId),
    /// The drop of a tenant.
    DropOfTenant(TenantName),
    /// A log stream.
    LogStream(LsId, TenantName),
    /// Tables that were dropped and still take room.
    DroppedTables(TenantName),
}

/// A tenant as users name it. One that is gone already has only its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantName {
    /// Its name.
    Name(String),
    /// Its number.
    Id(TenantId),
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round(round) => write!(f, "archive round {round}"),
            Self::RoundAfter(round) => write!(f, "the round after {round}"),
            Self::Backup(job) => write!(f, "backup job {job}"),
            Self::Initiator(job) => write!(f, "backup job {job} of sys"),
            Self::Restore(job) => write!(f, "restore job {job}"),
            Self::RecoverTable(job) => write!(f, "table recovery job {job}"),
            Self::Drill(job) => write!(f, "restore drill {job}"),
            Self::DestCheck(job) => write!(f, "destination check {job}"),
            Self::Clean(job) => write!(f, "cleaning job {job}"),
            Self::Deletion(job, object) => write!(f, "cleaning job {job}: {object}"),
            Self::Validate(job) => write!(f, "validation job {job}"),
            Self::Standby(tenant) => write!(f, "standby tenant {tenant}"),
            Self::Task(key) => write!(f, "{key}"),
            Self::ScheduledRun(mode, due_ms) => write!(f, "scheduled {mode} backup of {}", moment_text(*due_ms)),
            Self::EndPlaceholder(set) => write!(f, "the end placeholder of backup set {set}"),
            Self::ArchiveDest(dest) => write!(f, "archive destination {dest}"),
            Self::DataDest(dest) => write!(f, "data backup destination {dest}"),
            Self::Orphans(dest) => write!(f, "orphans of {dest}"),
            Self::Clock(worker) => write!(f, "the clock of worker {worker}"),
            Self::DropOfTenant(tenant) => write!(f, "drop of tenant {tenant}"),
            Self::LogStream(ls, tenant) => write!(f, "log stream {ls} of {tenant}"),
            Self::DroppedTables(tenant) => write!(f, "dropped tables of {tenant}"),
        }
    }
}
