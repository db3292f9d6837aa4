//! Why the engine did not do what it was asked, and how that reads for a user.
//!
//! Variants are by meaning; the text of a variant never repeats its source.

use std::io;
use std::path::{Path, PathBuf};
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure, LsId, Lsn, NodeId, TabletId, TenantId};

/// The original's OB_TABLET_NOT_EXIST: a client that gets it looks at the dictionary again.
const TABLET_DROPPED_CODE: i32 = -4725;

/// What comes of damaged files. The scheduler says which of the two it is.
const CORRUPT_TODO: &str = "a replica is rebuilt by itself while the others are a majority that votes; otherwise bring a \
     whole copy of its files back, or DROP TENANT and RESTORE it from a backup";

/// Every error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No running replica of that log stream is on this worker.
    #[error("no replica of log stream {tenant}/{ls} is here")]
    NotHere {
        /// Tenant.
        tenant: TenantId,
        /// Log stream.
        ls: LsId,
    },
    /// Only the leader of the log stream can do it.
    #[error("this replica does not lead log stream {tenant}/{ls}")]
    NotLeader {
        /// Tenant.
        tenant: TenantId,
        /// Log stream.
        ls: LsId,
        /// Who leads, when that is known.
        leader: Option<NodeId>,
    },
    /// The tenant is being restored: clients have to wait.
    #[error("tenant {tenant} is not open for clients yet")]
    NotOpen {
        /// Tenant.
        tenant: TenantId,
    },
    /// The table was dropped.
    #[error("the table of this tablet was dropped")]
    Dropped {
        /// The tablet.
        tablet: TabletId,
    },
    /// The local log no longer reaches back that far.
    #[error("the log begins at {log_start}, {from} is recycled")]
    Recycled {
        /// What was asked for.
        from: Lsn,
        /// What is there.
        log_start: Lsn,
    },
    /// Worth another try: an election, a lost quorum, a full queue that drains.
    #[error("{what}")]
    Transient {
        /// What happened.
        what: String,
        /// To which object.
        object: String,
    },
    /// It was sent, and whether it was done is not known: sending the same request again is safe, a new one is not.
    #[error("{what}")]
    Unknown {
        /// What happened.
        what: String,
        /// To which object.
        object: String,
    },
    /// Refused for good, in the words of a user.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// Bytes on the local disk are not what they must be.
    #[error("{what}")]
    Corrupt {
        /// What is wrong.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// The local disk or RocksDB failed.
    #[error("{op} failed: {source}")]
    Io {
        /// What was being done.
        op: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Result of the engine.
pub type Result<T> = std::result::Result<T, EngineError>;

impl EngineError {
    /// An I/O error with its place; a body that says *corrupt* keeps saying so.
    pub(crate) fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        match corrupt_text(&source) {
            Some(what) => Self::Corrupt { what, path: path.to_owned() },
            None => Self::Io { op, path: path.to_owned(), source },
        }
    }

    /// True when it says that the table of a tablet was dropped, here or by another worker.
    pub(crate) fn is_dropped(&self) -> bool {
        match self {
            Self::Dropped { .. } => true,
            Self::Refused(f) => f.code == TABLET_DROPPED_CODE,
            _ => false,
        }
    }

    /// True when it says that the write may have been done, here or by another worker.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Refused(f) => f.code == CODE_OUTCOME_UNKNOWN,
            _ => false,
        }
    }

    /// What it means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotHere { .. } | Self::Dropped { .. } | Self::Recycled { .. } => ErrorClass::NotFound,
            Self::NotLeader { .. } | Self::NotOpen { .. } | Self::Transient { .. } | Self::Unknown { .. } => {
                ErrorClass::Transient
            }
            Self::Refused(f) => f.class,
            Self::Corrupt { .. } => ErrorClass::Corrupt,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorClass::Exhausted,
                io::ErrorKind::PermissionDenied => ErrorClass::Permission,
                _ => ErrorClass::Transient,
            },
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let class = error.class();
        let what = error.to_string();
        let (object, todo) = match error {
            EngineError::Refused(f) => return f,
            EngineError::NotHere { tenant, ls } => {
                (format!("log stream {tenant}/{ls}"), "ask the scheduler where it lives (CDB_OB_LS_LOCATIONS)")
            }
            EngineError::NotLeader { tenant, ls, .. } => (format!("log stream {tenant}/{ls}"), "ask its leader"),
            EngineError::NotOpen { tenant } => {
                (format!("tenant {tenant}"), "wait for the restore job; CDB_OB_RESTORE_PROGRESS shows how far it is")
            }
            EngineError::Dropped { tablet } => {
                let todo = "create it again; RECOVER TABLE brings back what a backup has of it";
                let object = format!("tablet {tablet}");
                return Self::new(class, what, object, todo).with_code(TABLET_DROPPED_CODE);
            }
            EngineError::Recycled { from, .. } => {
                (format!("log position {from}"), "start a new archive round and take a full backup")
            }
            EngineError::Transient { object, .. } => (object, "try again"),
            EngineError::Unknown { object, .. } => {
                let todo = "read the keys before you write them again";
                return Self::new(class, what, object, todo).with_code(CODE_OUTCOME_UNKNOWN);
            }
            EngineError::Corrupt { path, .. } => (path.display().to_string(), CORRUPT_TODO),
            EngineError::Io { path, .. } => (path.display().to_string(), "look at the disk of this worker"),
        };
        Self::new(class, what, object, todo)
    }
}

/// An `io::Error` that means *corrupt*: the form in which corruption crosses the border to the consensus crate.
pub(crate) fn corrupt(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, CorruptText(what.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CorruptText(String);

/// What is corrupt, when an error says so.
pub(crate) fn corrupt_text(error: &io::Error) -> Option<String> {
    error.get_ref().and_then(|e| e.downcast_ref::<CorruptText>()).map(|c| c.0.clone())
}
