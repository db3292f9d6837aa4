//! What can be asked about restores: RESTORE and its preview, RECOVER TABLE, standby tenants, drills, adopted
//! destinations (fact sheet 1.7).

use strandline_types::Scn;

/// The parts of a `RESTORE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Name of the tenant to make.
    pub tenant: String,
    /// Where from.
    pub from: RestoreFrom,
    /// Up to where.
    pub until: Until,
    /// `WITH`.
    pub options: RestoreOptions,
    /// `DESCRIPTION`.
    pub description: String,
}

/// `RESTORE … PREVIEW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePreview {
    /// Where from.
    pub from: RestoreFrom,
    /// Up to where.
    pub until: Until,
}

/// Where a restore comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreFrom {
    /// `FROM '<data uri>[,<archive uri>]'`: without an archive, the sets' own log is used.
    Destinations {
        /// Data backup destination.
        data: String,
        /// Archive destination.
        archive: Option<String>,
    },
    /// What `ADD RESTORE SOURCE` has named in this session.
    Added,
}

/// Target of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// As far as the archive reaches.
    Latest,
    /// This SCN, inclusive.
    Scn(Scn),
}

/// The options of `RESTORE … WITH`; what would do nothing is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `replicas=`: of every log stream; `None` = as the source had, as far as there are workers.
    pub replicas: Option<u64>,
    /// `standby=true`: the tenant stays read-only and follows the archive.
    pub standby: bool,
    /// `key_source=file:/path|command:…`: where the key of an encrypted archive comes from, on every worker.
    pub key_source: String,
}

/// `RECOVER TABLE …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverTableRequest {
    /// Names in the source; empty = all.
    pub tables: Vec<String>,
    /// The tenant that gets them.
    pub target: String,
    /// Where from.
    pub from: RestoreFrom,
    /// Up to where.
    pub until: Until,
    /// `WITH`.
    pub options: RestoreOptions,
    /// Old and new names.
    pub remap: Vec<(String, String)>,
    /// `DESCRIPTION`.
    pub description: String,
}

/// Statements about standby tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandbyRequest {
    /// `RECOVER STANDBY … UNTIL`.
    Recover {
        /// Which.
        tenant: Option<String>,
        /// Up to where; `None` = unlimited.
        until: Option<Scn>,
    },
    /// `RECOVER STANDBY … CANCEL`.
    Stop {
        /// Which.
        tenant: Option<String>,
    },
    /// `ACTIVATE STANDBY`.
    Activate {
        /// Which.
        tenant: Option<String>,
    },
    /// `SET LOG_RESTORE_SOURCE = 'LOCATION=<uri>'`.
    SetSource {
        /// Which.
        tenant: Option<String>,
        /// The archive.
        uri: String,
    },
}

/// Statements about restore drills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillRequest {
    /// `RUN RESTORE DRILL`.
    Run {
        /// Whose newest backup.
        tenant: Option<String>,
    },
    /// `SET RESTORE_DRILL_INTERVAL`; 0 = never by itself.
    Every {
        /// Whose.
        tenant: Option<String>,
        /// Milliseconds.
        interval_ms: u64,
    },
    /// `SET RESTORE_DRILL_SCHEDULE = '<cron>' [TIME ZONE = '<zone>']`; an empty text clears it.
    At {
        /// Whose.
        tenant: Option<String>,
        /// Cron text.
        cron: String,
        /// IANA name.
        time_zone: String,
    },
    /// `CANCEL RESTORE DRILL`.
    Cancel {
        /// Whose.
        tenant: Option<String>,
    },
}

/// Statements about destinations of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogRequest {
    /// `IMPORT CATALOG 'uri' [AS name] [ALLOW DELETE]`.
    Import {
        /// The destination.
        uri: String,
        /// `AS`: the name of the tenant that stands for its owner here.
        name: Option<String>,
        /// Its files may be deleted from here: nobody else writes it any more.
        allow_delete: bool,
    },
    /// `DROP CATALOG 'uri'`: forgotten here; its files stay.
    Drop {
        /// The destination.
        uri: String,
    },
}
