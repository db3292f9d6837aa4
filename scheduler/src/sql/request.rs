//! What an administrator can ask for, typed. The parser makes it, the executor turns it into commands; nothing else
//! reads statement text.

pub mod archive;
pub mod backup;
pub mod clean;
pub mod restore;

use archive::ArchiveRequest;
use backup::BackupRequest;
use clean::{CleanRequest, ValidateRequest};
use restore::{CatalogRequest, DrillRequest, RecoverTableRequest, RestorePreview, RestoreRequest, StandbyRequest};
use strandline_scheduler_core::{BackupParam, ScheduleChange};

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminRequest {
    /// Log archiving.
    Archive(ArchiveRequest),
    /// `SET DATA_BACKUP_DEST`; `None` clears it.
    SetDataBackupDest {
        /// Whose.
        tenant: Option<String>,
        /// Where to.
        uri: Option<String>,
    },
    /// `BACKUP DATABASE` or `BACKUP TENANT`.
    Backup(BackupRequest),
    /// `BACKUP CLUSTER PARAMETERS TO`.
    BackupClusterParameters {
        /// Where to.
        uri: String,
    },
    /// `SET backup_data_file_size`, `ha_low_thread_score`, `backup_compression`.
    SetBackupParam {
        /// Whose.
        tenant: Option<String>,
        /// Which, and its value.
        param: BackupParam,
    },
    /// `SET`, `ENABLE`, `DISABLE` and `DROP BACKUP SCHEDULE`.
    Schedule {
        /// Whose.
        tenants: Tenants,
        /// What changes.
        change: ScheduleChange,
    },
    /// `CANCEL BACKUP`.
    CancelBackup(Tenants),
    /// `RESTORE … FROM … [UNTIL …] WITH …`.
    Restore(RestoreRequest),
    /// `RESTORE … PREVIEW`.
    RestorePreview(RestorePreview),
    /// `RECOVER TABLE`.
    RecoverTable(RecoverTableRequest),
    /// `CANCEL RECOVER TABLE`.
    CancelRecoverTable {
        /// The tenant that gets the tables.
        target: String,
    },
    /// Standby tenants.
    Standby(StandbyRequest),
    /// Restore drills.
    Drill(DrillRequest),
    /// Destinations of others.
    Catalog(CatalogRequest),
    /// `VALIDATE`.
    Validate(ValidateRequest),
    /// `CANCEL VALIDATE BACKUP`.
    CancelValidate(Tenants),
    /// Cleaning.
    Clean(CleanRequest),
    /// Kept for later statements of the session.
    Session(SessionWord),
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
    /// `DROP TABLE`.
    DropTable {
        /// Whose.
        tenant: Option<String>,
        /// The table.
        name: String,
    },
    /// A read over the views, as SQLite understands it.
    Select(String),
    /// `SHOW …`, `DESC view`.
    Show(Show),
    /// `SET` of what is so anyway, `USE`, `BEGIN` and the like: clients send them by themselves.
    Nothing,
}

/// What `SHOW` can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// `SHOW RESTORE PREVIEW`: the session's last preview again.
    RestorePreview,
    /// A list that is the same on every node, filtered.
    List {
        /// Of what.
        list: ShowList,
        /// Which rows.
        filter: Filter,
    },
}

/// Lists of `SHOW`, with the columns that MySQL gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShowList {
    /// `SHOW [FULL] TABLES`: the views.
    Tables {
        /// With their kind.
        full: bool,
    },
    /// `SHOW COLUMNS FROM view`, `DESC view`.
    Columns {
        /// The view.
        view: String,
    },
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW VARIABLES`.
    Variables,
    /// `SHOW STATUS`.
    Status,
    /// `SHOW WARNINGS`: there are none, what is wrong is an error.
    Warnings,
    /// `SHOW COLLATION`.
    Collations,
    /// `SHOW CHARACTER SET`.
    Charsets,
    /// `SHOW ENGINES`: none that a client could choose.
    Engines,
    /// `SHOW PLUGINS`: none.
    Plugins,
}

/// Which rows of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those whose first column is like the pattern.
    Like(String),
    /// Those for which the expression is true.
    Where(String),
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

/// Something that later statements of the same session go by.
#[derive(Clone, PartialEq, Eq)]
pub enum SessionWord {
    /// `SET ENCRYPTION ON IDENTIFIED BY … ONLY`; `None` = `OFF`.
    Encryption(Option<String>),
    /// `SET DECRYPTION IDENTIFIED BY …`.
    Decryption(Vec<String>),
    /// `ADD RESTORE SOURCE`.
    AddSources(Vec<String>),
    /// `CLEAR RESTORE SOURCE`.
    ClearSources,
}

impl std::fmt::Debug for SessionWord {
    /// Without the passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encryption(password) => write!(f, "Encryption({})", if password.is_some() { "on" } else { "off" }),
            Self::Decryption(all) => write!(f, "Decryption({} passwords)", all.len()),
            Self::AddSources(uris) => write!(f, "AddSources({} uris)", uris.len()),
            Self::ClearSources => f.write_str("ClearSources"),
        }
    }
}
