//! Tasks over what lies on a medium: validation, cleaning, drills and table recovery.

use super::{RestoreDataSpec, RestoreLogSpec, TaskOrder, TaskSpec};
use crate::state::{DrillStage, State, TaskRun};
use crate::task::{TaskKey, TaskKind};
use strandline_catalogue::retention::Object;
use strandline_types::{
    Access, Address, BackupSetId, BackupSetKind, CleanStage, DestOwner, JobId, LsId, NodeId, PieceKey, Scn, Secret,
    TabletId, TenantId, ValidateLevel,
};

/// A set or a piece, as it lies in a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum MediumName {
    /// A backup set.
    Set(BackupSetId, BackupSetKind),
    /// A piece of an archive.
    Piece(PieceKey),
}

impl MediumName {
    /// The same in the words of retention.
    #[must_use]
    pub const fn object(self) -> Object {
        match self {
            Self::Set(id, _) => Object::Set(id),
            Self::Piece(key) => Object::Piece(key),
        }
    }
}

/// Probe a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestCheckSpec {
    /// Destination, without keys.
    pub uri: String,
    /// Its keys.
    pub access: Access,
    /// Whose it has to be, when it was claimed before.
    pub owner: Option<DestOwner>,
    /// Where the key of an encrypted archive is to be found; empty = it is not encrypted.
    pub key_source: String,
}

/// Read one log stream of a set or piece again, or what is not of any log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSpec {
    /// The destination.
    pub at: Address,
    /// How closely.
    pub level: ValidateLevel,
    /// What.
    pub name: MediumName,
    /// The log stream; 0 = what is not of any.
    pub source_ls_id: LsId,
    /// Keys of encrypted sets: of this one and of those that it is built on.
    pub seal_keys: Vec<Secret>,
    /// Where the key of an encrypted archive comes from.
    pub archive_key_source: String,
}

/// Delete everything in some directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Directories below it.
    pub directories: Vec<String>,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// Digest the content of one log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintSpec {
    /// As of this SCN; 0 = as it is now.
    pub scn: Scn,
}

/// Fetch some tablets of one log stream and write them into another tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverTableSpec {
    /// The log stream in the source.
    pub source_ls_id: LsId,
    /// Where the tablets' blocks are.
    pub data: RestoreDataSpec,
    /// Where their log is, and up to where it is replayed.
    pub log: RestoreLogSpec,
    /// Which tablets become which tables.
    pub tablets: Vec<TabletMap>,
    /// Whose tables they become.
    pub target_tenant_id: TenantId,
}

/// One tablet and the table that it becomes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TabletMap {
    /// In the source.
    pub source_tablet_id: TabletId,
    /// Name in the target tenant.
    pub target_table: String,
}

/// Validation and cleaning tasks of one worker.
pub(super) fn tasks(state: &State, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    let is_for = |run: &TaskRun| run.is_running() && run.executor == Some(worker);
    for task in state.validate_tasks.values().filter(|t| !t.status.is_ended()) {
        let Some(job) = state.validate_jobs.get(&task.job_id) else { continue };
        for (&ls, run) in task.runs.iter().filter(|(_, r)| is_for(r)) {
            let object = &task.object;
            let seal_keys = match object.name {
                MediumName::Set(..) => job.keys.iter().map(|(_, key)| key.clone()).collect(),
                MediumName::Piece(_) => Vec::new(),
            };
            let spec = TaskSpec::Validate(ValidateSpec {
                at: object.at.clone(),
                level: job.level,
                name: object.name,
                source_ls_id: ls,
                seal_keys,
                archive_key_source: object.key_source.clone(),
            });
            tasks.push(TaskOrder { key: key(task.id, task.tenant_id, ls, TaskKind::Validate, run), spec });
        }
    }
    for drill in state.drills.values() {
        let (tenant, scn) = match drill.stage {
            DrillStage::Source => (Some(drill.tenant_id), drill.scn),
            DrillStage::Restored => (drill.restore.map(|(_, t)| t), Scn::MIN),
            _ => continue,
        };
        for (&ls, run) in drill.runs.iter().filter(|(_, r)| is_for(r)) {
            let Some(tenant) = tenant else { continue };
            let spec = TaskSpec::Fingerprint(FingerprintSpec { scn });
            tasks.push(TaskOrder { key: key(drill.id, tenant, ls, TaskKind::Fingerprint, run), spec });
        }
    }
    for task in state.clean_tasks.values().filter(|t| t.stage == CleanStage::LogStreams) {
        let Some(dest) = state.destinations.get(&task.dest_id) else { continue };
        for (&ls, run) in task.runs.iter().filter(|(_, r)| is_for(r)) {
            let spec = TaskSpec::Clean(CleanSpec {
                uri: dest.uri.to_string(),
                access: dest.access.clone(),
                directories: vec![task.name.part(ls)],
                owner: state.owner_of(dest),
            });
            tasks.push(TaskOrder { key: key(task.id, task.tenant_id, ls, TaskKind::Clean, run), spec });
        }
    }
}

fn key(job_id: JobId, tenant_id: TenantId, ls_id: LsId, kind: TaskKind, run: &TaskRun) -> TaskKey {
    TaskKey { job_id, tenant_id, ls_id, kind, turn: run.turn, retry: run.retry }
}

impl MediumName {
    /// The directory of one log stream; 0 = the set's own archive.
    #[must_use]
    pub fn part(&self, ls: LsId) -> String {
        match ls {
            LsId(0) => format!("{self}/complement_log"),
            ls => format!("{self}/logstream_{ls}"),
        }
    }
}

impl std::fmt::Display for MediumName {
    /// The directory on the medium (docs/oceanbase.md, 3.1, 3.2).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(id, kind) => write!(f, "backup_set_{id}_{}", kind.tag()),
            Self::Piece(key) => write!(f, "piece_{key}"),
        }
    }
}
