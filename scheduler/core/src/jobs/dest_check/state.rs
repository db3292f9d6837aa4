//! Checks of a destination from every worker.

use crate::jobs::machine::head::JobHead;
use crate::state::TaskRun;
use crate::task::{Part, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{Access, Failure, NodeId, Verdict};

/// One check: every worker that was known when it was asked for probes the destination once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestCheck {
    /// What every job has.
    pub head: JobHead,
    /// The destination, without keys.
    pub uri: String,
    /// Its keys; wiped when the check is over.
    pub access: Access,
    /// What each worker found.
    pub findings: BTreeMap<NodeId, Vec<DestFinding>>,
    /// Why a worker found nothing.
    pub failures: BTreeMap<NodeId, Failure>,
    /// Where workers find the key of an encrypted archive; empty = it is not encrypted.
    pub key_source: String,
}

impl DestCheck {
    /// The task of each worker.
    pub fn workers(&self) -> impl Iterator<Item = (NodeId, &TaskRun)> {
        self.runs.of(TaskKind::DestCheck).filter_map(|(part, run)| match part {
            Part::Worker(worker) => Some((worker, run)),
            _ => None,
        })
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
