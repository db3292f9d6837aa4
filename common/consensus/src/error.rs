//! Errors of consensus, by what the caller has to do.

use strandline_types::{ErrorClass, Failure};

/// Why a proposal or a linearizable read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This node does not lead the group: go to `leader`, or look again. The proposal is not in the log.
    #[error("this node does not lead the group; leader: {leader:?}")]
    NotLeader {
        /// The leader, when known.
        leader: Option<u64>,
    },
    /// Try again later.
    #[error("{what}")]
    Transient {
        /// What happened.
        what: String,
        /// The proposal may be in the log, or still come into it: a retry needs deduplication.
        maybe_logged: bool,
    },
    /// The group on this node has stopped: its disk failed, or it was shut down. Another node may serve.
    #[error("the group has stopped on this node: {what}")]
    Fatal {
        /// What stopped it.
        what: String,
    },
}

impl ProposeError {
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Transient { what: what.into(), maybe_logged: false }
    }

    pub(crate) fn unknown(what: impl Into<String>) -> Self {
        Self::Transient { what: what.into(), maybe_logged: true }
    }

    /// As a user reads it; `object` names the group.
    #[must_use]
    pub fn into_failure(self, object: &str) -> Failure {
        let todo = match &self {
            Self::NotLeader { leader: Some(id) } => format!("send it to server {id}"),
            Self::NotLeader { leader: None } => "try again: a leader is being elected".to_owned(),
            Self::Transient { maybe_logged: true, .. } => "it may have happened: check before you repeat it".to_owned(),
            Self::Transient { .. } => "try again".to_owned(),
            Self::Fatal { .. } => "another server may serve; /readyz of this server says what it waits for".to_owned(),
        };
        Failure::new(ErrorClass::Transient, self.to_string(), object, todo)
    }
}

/// Why an operation on a whole group failed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The request makes no sense here.
    #[error("group {group}: {what}")]
    Invalid {
        /// Name of the group.
        group: String,
        /// What is wrong.
        what: String,
    },
    /// The disk failed.
    #[error("group {group}: {source}")]
    Storage {
        /// Name of the group.
        group: String,
        /// The error of the disk.
        source: std::io::Error,
    },
    /// It did not happen in time; it may still.
    #[error("group {group}: {what}")]
    Timeout {
        /// Name of the group.
        group: String,
        /// What was waited for.
        what: String,
    },
    /// The group has stopped on this node.
    #[error("group {group} has stopped: {what}")]
    Stopped {
        /// Name of the group.
        group: String,
        /// What stopped it.
        what: String,
    },
}

impl GroupError {
    /// As a user reads it.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let (class, group, todo) = match &self {
            Self::Invalid { group, .. } => (ErrorClass::Invalid, group.clone(), ""),
            Self::Storage { group, .. } => (ErrorClass::Transient, group.clone(), "check the disk of this server"),
            Self::Timeout { group, .. } => (ErrorClass::Transient, group.clone(), "try again"),
            Self::Stopped { group, .. } => {
                (ErrorClass::Transient, group.clone(), "look at the disk of this server: it starts again by itself")
            }
        };
        Failure::new(class, self.to_string(), group, todo)
    }
}
