//! Checks of a destination from every worker.

use super::TaskRun;
use crate::task::{TaskKey, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{Access, Failure, JobId, NodeId, RetryId, TenantId, TurnId, Verdict};

/// One check: every worker that was known when it was asked for probes the destination once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestCheck {
    /// Id.
    pub id: JobId,
    /// The destination, without keys.
    pub uri: String,
    /// Its keys; wiped when the check is over.
    pub access: Access,
    /// When it was asked for.
    pub started_ms: u64,
    /// When it was over.
    pub ended_ms: Option<u64>,
    /// The task of each worker.
    pub runs: BTreeMap<NodeId, TaskRun>,
    /// What each worker found.
    pub findings: BTreeMap<NodeId, Vec<DestFinding>>,
    /// Why a worker found nothing.
    pub failures: BTreeMap<NodeId, Failure>,
    /// Where workers find the key of an encrypted archive; empty = it is not encrypted.
    pub key_source: String,
}

impl DestCheck {
    /// The name of each of its tasks; they differ by executor.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        TaskKey {
            job_id: self.id,
            tenant_id: TenantId::SYS,
            ls_id: TaskKey::TENANT,
            kind: TaskKind::DestCheck,
            turn: TurnId(1),
            retry: RetryId(0),
        }
    }
}

/// One property of a destination, as a worker found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestFinding {
    /// What was tried.
    pub probe: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// How long it took.
    pub took_us: u64,
}
