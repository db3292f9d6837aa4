//! Table recovery jobs: tables of a backup become tables of a tenant that is open (docs/oceanbase.md, 1.7, 2.5).
//!
//! Order rule: while a job runs its tables stand in the tenant's dictionary under names that no statement can spell;
//! they get their own names all together at the end, or go again. So nobody ever reads half a table.

use crate::jobs::machine::head::JobHead;
use crate::orders::TabletMap;
use crate::results::RecoverTableResult;
use crate::state::{RestoreSource, State, Table, TaskRun};
use crate::task::TaskKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{JobId, LsId, Scn, TableId, Transition};

/// No statement takes a name with it.
const HIDDEN_MARK: char = '$';

/// Where a table recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoverStage {
    /// The tenant has to know the tables.
    Prepare,
    /// Workers fetch, replay and write.
    Importing,
    /// The tables have their names.
    Completed,
    /// The tables are gone again.
    Failed,
    /// The tables are gone again, as an administrator asked.
    Canceled,
}

impl RecoverStage {
    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

impl Transition for RecoverStage {
    fn next_states(self) -> &'static [Self] {
        match self {
            Self::Prepare => &[Self::Importing, Self::Failed, Self::Canceled],
            Self::Importing => &[Self::Completed, Self::Failed, Self::Canceled],
            Self::Completed | Self::Failed | Self::Canceled => &[],
        }
    }
}

impl fmt::Display for RecoverStage {
    /// The original's words (docs/oceanbase.md, 2.5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "PREPARE",
            Self::Importing => "IMPORTING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        })
    }
}

/// One table that is recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredTable {
    /// Its name in the source.
    pub source_name: String,
    /// Its name in the tenant.
    pub target_name: String,
    /// Its tablets in the source, and the log streams that they belonged to at the target.
    pub tablets: Vec<crate::state::Tablet>,
    /// The table that is filled; 0 before the job is accepted.
    pub table_id: TableId,
}

/// What an administrator asked for with RECOVER TABLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverTableJob {
    /// What every job has.
    pub head: JobHead,
    /// Its name.
    pub tenant_name: String,
    /// Tables are as they were at this, inclusive.
    pub target_scn: Scn,
    /// Where they come from.
    pub source: RestoreSource,
    /// All tables of the source were asked for.
    pub all: bool,
    /// The tables.
    pub tables: Vec<RecoveredTable>,
    /// Version of the tenant's dictionary that has them.
    pub dictionary_version: u64,
    /// Where it stands.
    pub stage: RecoverStage,
    /// What came out of them.
    pub results: BTreeMap<LsId, RecoverTableResult>,
}

impl RecoverTableJob {
    /// True once the tenant's log has the dictionary with the tables in it.
    pub(crate) fn is_in_dictionary(&self, state: &State) -> bool {
        let sys = state.tenants.get(&self.tenant_id).and_then(|t| t.log_streams.get(&LsId::SYS));
        sys.is_some_and(|ls| ls.dictionary_version >= self.dictionary_version)
    }

    /// One task for each log stream of the source that has any of the tablets.
    pub fn tasks(&self) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.runs.of_streams(TaskKind::RecoverTable)
    }

    /// The name of a table until the job has ended.
    #[must_use]
    pub fn hidden_name(id: JobId, target_name: &str) -> String {
        format!("{target_name}{HIDDEN_MARK}{id}")
    }

    /// What the task of one log stream of the source has to write.
    #[must_use]
    pub fn tablet_maps(&self, ls: LsId) -> Vec<TabletMap> {
        let of_table = |t: &RecoveredTable| -> Vec<TabletMap> {
            let target = Self::hidden_name(self.id, &t.target_name);
            let tablets = t.tablets.iter().filter(|x| x.ls_id == ls);
            tablets.map(|x| TabletMap { source_tablet_id: x.id, target_table: target.clone() }).collect()
        };
        self.tables.iter().flat_map(of_table).collect()
    }
}

impl Table {
    /// True for a table that a recovery has not finished.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.name.contains(HIDDEN_MARK)
    }
}
