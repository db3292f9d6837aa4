//! Everything the scheduler knows. It is changed by `apply` alone; whatever is not in here is forgotten when the
//! leader changes.
//!
//! Plain data in ordered maps, so that the same commands give the same bytes on every node. Fields are public for
//! reading: plan, views, orders and the body look, they never write.

mod archive;
mod audit;
mod destination;
mod imported;
mod leftovers;
mod schedule;
mod tenant;
mod worker;

pub use crate::jobs::backup::state::{BackupJob, BackupSet, LsPart, SetSeal};
pub(crate) use crate::jobs::clean::state::is_object_lock;
pub use crate::jobs::clean::state::{CleanJob, CleanPolicy, CleanTask, CleanWhat, Sweep};
pub use crate::jobs::dest_check::state::{DestCheck, DestFinding};
pub use crate::jobs::drill::state::{Drill, DrillPlan, DrillStage, is_drill_name};
pub use crate::jobs::initiator::state::{ChildJob, InitiatorJob};
pub use crate::jobs::machine::head::JobHead;
pub use crate::jobs::machine::list::{Job, JobKind};
pub use crate::jobs::machine::stage::Stage;
pub use crate::jobs::machine::task_run::TaskRun;
pub use crate::jobs::machine::tasks::Tasks;
pub use crate::jobs::recover_table::state::{RecoverStage, RecoverTableJob, RecoveredTable};
pub use crate::jobs::restore::state::{ArchivedLog, RestoreJob, RestoreSource, SourceLs};
pub use crate::jobs::standby::state::{Standby, StandbyStage};
pub use crate::jobs::validate::state::{MediumObject, ValidateJob, ValidateKind, ValidateTask};
pub use archive::{LagSample, LogGap, LsPiece, LsProgress, PieceRow, Restart, Round, Trouble};
pub use audit::AuditEvent;
pub use destination::{
    ArchiveConfig, ArchiveDest, DestKind, DestOptions, DestState, Destination, Encryption, StorageChange,
};
pub use imported::ImportedFrom;
pub use leftovers::Leftovers;
pub use schedule::{BackupSchedule, MissedRun, SchedulePlan, ScheduledRun};
pub use tenant::{
    BackupParams, Dictionary, LogStream, Table, Tablet, TabletList, Tenant, TenantCounters, TenantStatus,
};
pub use worker::{ReplicaSeen, ReplicaStanding, Worker};

use crate::command::ArchiveDestSpec;
use crate::refuse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    Access, BackupSetId, ClusterId, DestId, DestNo, DestOwner, Failure, JobId, NodeId, RoundId, RoundState, TenantId,
    Term, limits,
};

/// The scheduler's whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Identity of the cluster, as written into `format.obbak`.
    pub cluster: Cluster,
    /// Largest time that any command carried: the state's own clock, which never falls.
    pub clock_ms: u64,
    /// The scheduler nodes and who leads them.
    pub schedulers: Schedulers,
    /// Every worker that ever reported.
    pub workers: BTreeMap<NodeId, Worker>,
    /// Tenants.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Destinations, of archives and of data backups alike.
    pub destinations: BTreeMap<DestId, Destination>,
    /// Archive rounds, open and ended.
    pub rounds: BTreeMap<(TenantId, RoundId), Round>,
    /// Jobs of every kind, running and ended.
    pub jobs: BTreeMap<JobId, Job>,
    /// Backup schedules.
    pub schedules: BTreeMap<TenantId, BackupSchedule>,
    /// Backup sets.
    pub backup_sets: BTreeMap<(TenantId, BackupSetId), BackupSet>,
    /// How often backups are proven, and what is.
    pub drill_plans: BTreeMap<TenantId, DrillPlan>,
    /// archive_new_tenants: new tenants are archived below this destination.
    pub archive_new_tenants: Option<ArchiveDestSpec>,
    /// Retention policies.
    pub clean_policies: BTreeMap<TenantId, CleanPolicy>,
    /// What belongs to nothing, by destination.
    pub sweeps: BTreeMap<DestId, Sweep>,
    /// The newest audit events, oldest first.
    pub audit: Vec<AuditEvent>,
    /// Ids to give out next.
    pub next: Counters,
    /// What ended backups could not finish, by destination.
    pub leftovers: BTreeMap<DestId, Leftovers>,
}

/// Identity of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Number.
    pub id: ClusterId,
    /// Name.
    pub name: String,
    /// When this State began, in milliseconds; 0 before. A group that lost its disks begins another one, and workers
    /// tell them apart by it.
    pub born_ms: u64,
}

/// The scheduler nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedulers {
    /// Addresses of their gRPC doors.
    pub nodes: BTreeMap<NodeId, String>,
    /// Who leads.
    pub leader: NodeId,
    /// In which term.
    pub term: Term,
    /// Since when: a new leader has to hear a worker itself before it may call it unknown.
    pub leader_since_ms: u64,
    /// When the leader last heard a worker, or began to lead, by its own clock.
    pub heard_raw_ms: u64,
    /// True once it has heard one.
    pub has_heard: bool,
}

/// Ids to give out next; they only rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Next tenant.
    pub tenant: TenantId,
    /// Next destination.
    pub dest: DestId,
    /// Next job.
    pub job: JobId,
}

impl Default for Counters {
    fn default() -> Self {
        Self { tenant: TenantId::FIRST_USER, dest: DestId::FIRST, job: JobId(1) }
    }
}

impl State {
    /// What of a leader's clock is believed. A clock in the far future would make every deadline pass, so a leader is
    /// believed only as far as the clocks of the workers (`said_ms`: of a report that comes with it) bear it out; one
    /// that has heard no worker for a while has only its own clock.
    #[must_use]
    pub fn believed(&self, now_ms: u64, said_ms: Option<u64>) -> u64 {
        let quiet_ms = now_ms.saturating_sub(self.schedulers.heard_raw_ms);
        let borne_out = self.workers.values().map(|w| w.clock_ms).max().max(said_ms);
        match borne_out.filter(|_| quiet_ms < limits::WORKER_UNKNOWN_MS) {
            Some(ms) => now_ms.min(ms.saturating_add(limits::MAX_CLOCK_OFFSET_MS)),
            None => now_ms,
        }
    }

    /// The present, by the clock of the caller as far as it is believed: never before the state's own.
    #[must_use]
    pub fn present(&self, now_ms: u64) -> u64 {
        self.believed(now_ms, None).max(self.clock_ms)
    }

    /// True while a worker is heard of. An unknown worker is not a dead one.
    #[must_use]
    pub fn is_known(&self, worker: NodeId, now_ms: u64) -> bool {
        let now_ms = self.believed(now_ms, None);
        self.workers.get(&worker).is_some_and(|w| {
            let heard = w.last_heard_ms.max(self.schedulers.leader_since_ms);
            now_ms.saturating_sub(heard) < limits::WORKER_UNKNOWN_MS
        })
    }

    /// A tenant by id.
    ///
    /// # Errors
    /// `NotFound` names the tenant.
    pub fn tenant(&self, id: TenantId) -> Result<&Tenant, Failure> {
        self.tenants.get(&id).ok_or_else(|| refuse::no_such_tenant(&id.to_string()))
    }

    /// A tenant by name; names are compared without case.
    ///
    /// # Errors
    /// `NotFound` names the tenant.
    pub fn tenant_by_name(&self, name: &str) -> Result<&Tenant, Failure> {
        let found = self.tenants.values().find(|t| t.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| refuse::no_such_tenant(name))
    }

    /// The open round that a tenant's backups rely on: of the lowest destination number that is DOING, else of the
    /// lowest with an open one.
    #[must_use]
    pub fn open_round(&self, tenant: TenantId) -> Option<&Round> {
        self.open_rounds(tenant).min_by_key(|r| (r.state != RoundState::Doing, r.dest_no))
    }

    /// Every round of a tenant that has not stopped; at most one per destination number.
    pub fn open_rounds(&self, tenant: TenantId) -> impl Iterator<Item = &Round> {
        self.rounds_of(tenant).filter(|r| r.is_open())
    }

    /// The open round of one of a tenant's archive destinations.
    #[must_use]
    pub fn open_round_of(&self, tenant: TenantId, dest_no: DestNo) -> Option<&Round> {
        self.open_rounds(tenant).find(|r| r.dest_no == dest_no)
    }

    /// Every round of a tenant, oldest first.
    pub fn rounds_of(&self, tenant: TenantId) -> impl DoubleEndedIterator<Item = &Round> {
        self.rounds.range((tenant, RoundId(0))..=(tenant, RoundId(u64::MAX))).map(|(_, r)| r)
    }

    /// The round that speaks for a tenant: the one that its backups rely on, else the newest.
    #[must_use]
    pub fn newest_round(&self, tenant: TenantId) -> Option<&Round> {
        self.open_round(tenant).or_else(|| self.rounds_of(tenant).next_back())
    }

    /// The newest round of each of a tenant's archive destinations, open or not, by destination number.
    #[must_use]
    pub fn newest_rounds(&self, tenant: TenantId) -> BTreeMap<DestNo, &Round> {
        self.rounds_of(tenant).map(|r| (r.dest_no, r)).collect()
    }

    /// The job of a tenant that still has something to do on the medium; there is at most one.
    #[must_use]
    pub fn open_backup_job(&self, tenant: TenantId) -> Option<&BackupJob> {
        self.backup_jobs().find(|j| j.tenant_id == tenant && j.is_open())
    }

    /// Keys of a destination: for orders and for the medium, never for views.
    #[must_use]
    pub fn access_of(&self, dest: DestId) -> Access {
        self.destinations.get(&dest).map_or_else(Access::default, |d| d.access.clone())
    }

    /// What a writer has to find in a destination. An imported one is that of another cluster, under an id of its own.
    #[must_use]
    pub fn owner_of(&self, dest: &Destination) -> DestOwner {
        match self.tenants.get(&dest.tenant_id).and_then(|t| t.imported.as_ref()) {
            Some(from) => {
                DestOwner { cluster_id: from.cluster_id, tenant_id: from.tenant_id, dest_id: DestId::default() }
            }
            None => DestOwner { cluster_id: self.cluster.id, tenant_id: dest.tenant_id, dest_id: dest.id },
        }
    }

    /// The same of a destination by its id.
    #[must_use]
    pub fn owner_by_id(&self, dest: DestId) -> DestOwner {
        self.destinations.get(&dest).map_or_else(DestOwner::default, |d| self.owner_of(d))
    }

    /// True while the end placeholder of a set that failed or was cancelled waits for its medium.
    #[must_use]
    pub fn is_left_over(&self, dest: DestId, set: BackupSetId) -> bool {
        self.leftovers.get(&dest).is_some_and(|left| left.sets.contains_key(&set))
    }

    /// The restore job that builds a tenant.
    #[must_use]
    pub fn open_restore_job(&self, tenant: TenantId) -> Option<&RestoreJob> {
        self.restore_jobs().find(|j| j.tenant_id == tenant && !j.stage.is_ended())
    }

    /// The table recovery into a tenant that has not ended; there is at most one.
    #[must_use]
    pub fn open_recover_job(&self, tenant: TenantId) -> Option<&RecoverTableJob> {
        self.recover_jobs().find(|j| j.tenant_id == tenant && !j.stage.is_ended())
    }

    /// The restore drill of a tenant that has not ended; there is at most one.
    #[must_use]
    pub fn open_drill(&self, tenant: TenantId) -> Option<&Drill> {
        self.drills().find(|d| d.tenant_id == tenant && !d.stage.is_ended())
    }

    /// The cleaning job of a tenant that has not ended; there is at most one.
    #[must_use]
    pub fn open_clean_job(&self, tenant: TenantId) -> Option<&CleanJob> {
        self.clean_jobs().find(|j| j.tenant_id == tenant && !j.status.is_ended())
    }

    /// The validation job of a tenant that has not ended; there is at most one.
    #[must_use]
    pub fn open_validate_job(&self, tenant: TenantId) -> Option<&ValidateJob> {
        self.validate_jobs().find(|j| j.tenant_id == tenant && !j.status.is_ended())
    }

    /// What a standby tenant follows.
    #[must_use]
    pub fn standby(&self, tenant: TenantId) -> Option<&Standby> {
        self.standbys().find(|s| s.tenant_id == tenant)
    }

    /// The same, to be changed.
    pub(crate) fn standby_mut(&mut self, tenant: TenantId) -> Option<&mut Standby> {
        let id = self.standby(tenant)?.id;
        self.standby_job_mut(id)
    }
}
