//! Why an engine did not do what it was asked.

use strandline_types::{ErrorClass, Failure, LsId, Lsn, TenantId};

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// This worker hosts no such replica (any more).
    #[error("no replica of log stream {tenant}/{ls} is here")]
    NotHere {
        /// Tenant.
        tenant: TenantId,
        /// Log stream.
        ls: LsId,
    },
    /// Only the leader can do it.
    #[error("this replica does not lead its log stream")]
    NotLeader,
    /// The local log was recycled past the position.
    #[error("the log begins at {log_start}, {from} is recycled")]
    Recycled {
        /// What was asked for.
        from: Lsn,
        /// What is there.
        log_start: Lsn,
    },
    /// Anything else, already in the words of a user.
    #[error(transparent)]
    Engine(#[from] Failure),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let what = error.to_string();
        match error {
            SourceError::NotHere { tenant, ls } => {
                Self::new(ErrorClass::NotFound, what, format!("log stream {tenant}/{ls}"), "the task moves elsewhere")
            }
            SourceError::NotLeader => Self::new(ErrorClass::Transient, what, "log stream", "the leader goes on"),
            SourceError::Recycled { from, .. } => Self::new(
                ErrorClass::NotFound,
                what,
                format!("log position {from}"),
                "start a new archive round and take a full backup",
            ),
            SourceError::Engine(failure) => failure,
        }
    }
}
