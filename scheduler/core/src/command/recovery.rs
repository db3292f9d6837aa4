//! What the body has prepared for larger statements: it has read the media, so the core need not.

use crate::state::{BackupSet, DestKind, ImportedFrom, RecoveredTable, RestoreSource, Round};
use serde::{Deserialize, Serialize};
use strandline_types::{Address, Scn, TenantId};

/// RECOVER TABLE. The tablets of the tables at the target come from the source's dictionary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecoverTable {
    /// The tenant that gets the tables.
    pub tenant: TenantId,
    /// Tables are as they were at this, inclusive.
    pub target_scn: Scn,
    /// What was chosen.
    pub source: RestoreSource,
    /// All tables were asked for.
    pub all: bool,
    /// The tables; their ids are given when the job is accepted.
    pub tables: Vec<RecoveredTable>,
    /// DESCRIPTION.
    pub description: String,
}

/// IMPORT CATALOG: one destination of another cluster, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCatalog {
    /// Where, and its keys.
    pub at: Address,
    /// What it is for.
    pub kind: DestKind,
    /// Whose it is.
    pub from: ImportedFrom,
    /// AS: the name under which it is known here; `None` = one is made.
    pub name: Option<String>,
    /// Its sets; tenant and destination are filled in when they are taken.
    pub sets: Vec<BackupSet>,
    /// Its rounds with their pieces; likewise.
    pub rounds: Vec<Round>,
}
