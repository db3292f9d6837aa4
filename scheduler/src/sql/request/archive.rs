//! What an administrator asks of log archiving (fact sheet 1.1, 1.2).

use super::Tenants;
use strandline_scheduler_core::state::DestOptions;
use strandline_types::DestNo;

/// One statement about archiving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveRequest {
    /// `SET LOG_ARCHIVE_DEST[_n]`; `None` clears it (the files stay).
    SetDest {
        /// Whose.
        tenant: Option<String>,
        /// Which.
        no: DestNo,
        /// Where to and how.
        dest: Option<ArchiveDest>,
    },
    /// `SET LOG_ARCHIVE_DEST_STATE[_n] = ENABLE | DEFER`.
    SetState {
        /// Whose.
        tenant: Option<String>,
        /// Which.
        no: DestNo,
        /// `ENABLE`.
        enable: bool,
    },
    /// `SET archive_lag_target`.
    SetLag {
        /// Whose.
        tenant: Option<String>,
        /// Milliseconds.
        lag_target_ms: u64,
    },
    /// `SET log_archive_concurrency`.
    SetConcurrency {
        /// Whose.
        tenants: Tenants,
        /// Threads per worker; 0 = by its CPU.
        threads: u64,
    },
    /// `SET archive_new_tenants`; `None` switches it off.
    NewTenants(Option<ArchiveDest>),
    /// `ARCHIVELOG`.
    On(Tenants),
    /// `NOARCHIVELOG`.
    Off(Tenants),
    /// `{ALTER|CHANGE|MODIFY} EXTERNAL_STORAGE_DEST`.
    ChangeStorage {
        /// The place, as the destination was set.
        path: String,
        /// What becomes new.
        change: StorageChange,
    },
    /// `CHECK DESTINATION`.
    CheckDest {
        /// The destination, with keys where it needs them.
        uri: String,
    },
}

/// What `EXTERNAL_STORAGE_DEST` changes.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageChange {
    /// `SET ACCESS_INFO`: keys.
    Access(String),
    /// `SET ATTRIBUTE`: attributes of the address.
    Attribute(String),
}

impl std::fmt::Debug for StorageChange {
    /// Keys are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Access(_) => f.write_str("Access(******)"),
            Self::Attribute(text) => f.debug_tuple("Attribute").field(text).finish(),
        }
    }
}

/// The value of `LOG_ARCHIVE_DEST`, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchiveDest {
    /// The destination, with its keys.
    pub location: String,
    /// Everything else.
    pub options: DestOptions,
}

impl std::fmt::Debug for ArchiveDest {
    /// Keys are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, _) = strandline_media::split_secrets(&self.location);
        f.debug_struct("ArchiveDest").field("location", &place).field("options", &self.options).finish()
    }
}
