//! What an administrator can ask for, typed. The parser makes it, the executor turns it into commands; nothing else
//! reads statement text.

use strandline_types::{Binding, Scn};

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminRequest {
    /// `SET LOG_ARCHIVE_DEST`; `None` clears it (the files stay).
    SetArchiveDest {
        /// Whose.
        tenant: Option<String>,
        /// Where to and how.
        dest: Option<ArchiveDest>,
    },
    /// `SET LOG_ARCHIVE_DEST_STATE = ENABLE | DEFER`.
    SetArchiveDestState {
        /// Whose.
        tenant: Option<String>,
        /// `ENABLE`.
        enable: bool,
    },
    /// `SET archive_lag_target`.
    SetArchiveLag {
        /// Whose.
        tenant: Option<String>,
        /// Milliseconds.
        lag_target_ms: u64,
    },
    /// `ARCHIVELOG`.
    ArchiveLog(Tenants),
    /// `NOARCHIVELOG`.
    NoArchiveLog(Tenants),
    /// `SET DATA_BACKUP_DEST`; `None` clears it.
    SetDataBackupDest {
        /// Whose.
        tenant: Option<String>,
        /// Where to.
        uri: Option<String>,
    },
    /// `BACKUP DATABASE` or `BACKUP TENANT`.
    Backup {
        /// Of whom.
        tenants: Tenants,
        /// `DESCRIPTION`.
        description: String,
    },
    /// `CANCEL BACKUP`.
    CancelBackup(Tenants),
    /// `RESTORE … FROM … [UNTIL …] WITH …`.
    Restore(RestoreRequest),
    /// `CANCEL RESTORE`.
    CancelRestore {
        /// The tenant that is being built.
        tenant: String,
    },
    /// `CREATE TENANT`.
    CreateTenant {
        /// Its name.
        name: String,
        /// User log streams.
        log_streams: u64,
        /// Replicas of each log stream.
        replicas: u64,
    },
    /// `DROP TENANT`.
    DropTenant {
        /// Its name.
        name: String,
    },
    /// `CREATE TABLE`.
    CreateTable {
        /// Whose.
        tenant: Option<String>,
        /// The table.
        name: String,
        /// Tablets it is spread over.
        tablets: u64,
    },
    /// A read over the views, as SQLite understands it.
    Select(String),
    /// `SHOW …`: answered from a fixed table of what clients ask for.
    Show(Show),
    /// `SET`, `USE`, `BEGIN` and the like: clients send them by themselves; there is nothing to do.
    Nothing,
}

/// What `SHOW` can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// `SHOW TABLES`: the views.
    Tables,
    /// `SHOW DATABASES`.
    Databases,
    /// Anything else that clients ask at login (`SHOW VARIABLES`, `SHOW WARNINGS`): empty.
    Empty,
}

/// The tenants that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// The session's tenant, or every user tenant in a session of `sys`.
    Session,
    /// `TENANT = all` or `all_user`.
    All,
    /// The named ones.
    Named(Vec<String>),
}

/// The value of `LOG_ARCHIVE_DEST`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveDest {
    /// The destination.
    pub location: String,
    /// Whether log recycling waits.
    pub binding: Binding,
    /// Length of a piece in seconds.
    pub piece_interval_seconds: u64,
}

/// The parts of a `RESTORE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Name of the tenant to make.
    pub tenant: String,
    /// Data backup destination.
    pub data_uri: String,
    /// Archive destination.
    pub archive_uri: String,
    /// Up to where.
    pub until: Until,
    /// `replicas=` of the options; `None` = three where there are enough workers, else one.
    pub replicas: Option<u64>,
    /// `DESCRIPTION`.
    pub description: String,
}

/// Target of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// As far as the archive reaches.
    Latest,
    /// This SCN, inclusive.
    Scn(Scn),
}
