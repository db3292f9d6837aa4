//! What every job has, of whatever kind.

use super::tasks::Tasks;
use crate::state::Trouble;
use serde::{Deserialize, Serialize};
use strandline_types::{Failure, JobId, TenantId};

/// What every job has, of whatever kind. The struct of a kind holds it and dereferences to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHead {
    /// Id.
    pub id: JobId,
    /// The tenant that it works for; the system tenant where it works for none or for several.
    pub tenant_id: TenantId,
    /// The job that it is a part of.
    pub parent: Option<JobId>,
    /// What the administrator wrote.
    pub description: String,
    /// When it was accepted.
    pub started_ms: u64,
    /// When it last came a step further.
    pub progress_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Why it did not end well.
    pub failure: Option<Failure>,
    /// What holds the scheduler's own work for it up.
    pub trouble: Option<Trouble>,
    /// Its tasks.
    pub runs: Tasks,
}

impl JobHead {
    /// A job that is accepted now.
    #[must_use]
    pub fn new(id: JobId, tenant_id: TenantId, now_ms: u64) -> Self {
        Self {
            id,
            tenant_id,
            parent: None,
            description: String::new(),
            started_ms: now_ms,
            progress_ms: now_ms,
            ended_ms: None,
            failure: None,
            trouble: None,
            runs: Tasks::default(),
        }
    }

    /// The same as a part of another job.
    #[must_use]
    pub fn part_of(self, parent: Option<JobId>) -> Self {
        Self { parent, ..self }
    }

    /// The same with what the administrator wrote.
    #[must_use]
    pub fn described(self, description: String) -> Self {
        Self { description, ..self }
    }
}

/// A struct with a head can be asked and changed as its head.
macro_rules! has_head {
    ($body:ident) => {
        impl std::ops::Deref for $body {
            type Target = $crate::jobs::machine::head::JobHead;

            fn deref(&self) -> &Self::Target {
                &self.head
            }
        }

        impl std::ops::DerefMut for $body {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.head
            }
        }
    };
}
pub(crate) use has_head;
