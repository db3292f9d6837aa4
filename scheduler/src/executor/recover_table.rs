//! RECOVER TABLE: the leader chooses set and pieces as for a restore, finds the tables' tablets in the dictionary of the
//! source at the target, and puts both into one command.

use super::Executor;
use super::restore::{Found, Sources, Versions, find, set_keys};
use crate::session::Settings;
use crate::sql::request::restore::RecoverTableRequest;
use std::collections::BTreeMap;
use strandline_format::pb;
use strandline_scheduler_core::state::{RecoveredTable, Tablet};
use strandline_scheduler_core::{Action, Done, StartRecoverTable, check_recover_table};
use strandline_types::{ErrorClass, Failure, LsId, TableId, TabletId};

impl Executor {
    /// Starts a table recovery.
    pub(super) async fn recover_table(
        &self,
        request: RecoverTableRequest,
        settings: &Settings,
    ) -> Result<String, Failure> {
        let (tenant, name) = self.one_tenant(Some(&request.target), None)?;
        // What is refused anyway is refused before any medium is touched.
        let renamed = renames(&request)?;
        let target_of =
            |source: &str| renamed.get(&source.to_ascii_lowercase()).map_or(source, String::as_str).to_owned();
        let wanted: Vec<String> = request.tables.iter().map(|t| target_of(t)).collect();
        self.node.read(|s| check_recover_table(s, tenant, wanted.iter().map(String::as_str)))?;

        let from = Sources::of(&request.from, settings)?;
        let found = find(&from, request.until, &request.options).await?;
        let tables = tables_of(&found, &request, target_of).await?;
        let target_scn = found.choice.target_scn;
        let mut source = found.source(set_keys(&found, settings).await?)?;
        source.log_streams.retain(|ls| tables.iter().any(|t| t.tablets.iter().any(|x| x.ls_id == ls.ls_id)));
        let count = tables.len();
        let all = request.tables.is_empty();
        let description = request.description;
        let wish = StartRecoverTable { tenant, target_scn, source, all, tables, description };
        match self.node.act(Action::StartRecoverTable(Box::new(wish))).await? {
            Done::RecoverTableJob(job) => {
                Ok(format!("table recovery job {job}: {count} tables into tenant {name}, up to SCN {target_scn}"))
            }
            _ => Ok(format!("tables are being recovered into tenant {name}")),
        }
    }
}

/// New names by old ones, in lower case.
fn renames(request: &RecoverTableRequest) -> Result<BTreeMap<String, String>, Failure> {
    let is_asked = |old: &str| request.tables.is_empty() || request.tables.iter().any(|t| t.eq_ignore_ascii_case(old));
    if let Some((old, _)) = request.remap.iter().find(|(old, _)| !is_asked(old)) {
        let todo = "name the table in RECOVER TABLE too";
        return Err(Failure::new(ErrorClass::Invalid, "it is renamed and not recovered", format!("table {old}"), todo));
    }
    let mut renamed = BTreeMap::new();
    for (old, new) in &request.remap {
        if renamed.insert(old.to_ascii_lowercase(), new.clone()).is_some() {
            let todo = "recover it twice, one name after the other";
            return Err(Failure::new(ErrorClass::Invalid, "it is renamed twice", format!("table {old}"), todo));
        }
    }
    Ok(renamed)
}

/// The tables that were asked for, with their tablets at the target.
async fn tables_of(
    found: &Found,
    request: &RecoverTableRequest,
    target_of: impl Fn(&str) -> String,
) -> Result<Vec<RecoveredTable>, Failure> {
    let versions = Versions::read(found).await?;
    let there = &versions.at_target()?.tables;
    let names: Vec<String> = match request.tables.as_slice() {
        // What an unfinished recovery of the source has hidden is nobody's table.
        [] => there.iter().map(|t| t.name.clone()).filter(|n| !n.contains('$')).collect(),
        asked => asked.to_vec(),
    };
    if names.is_empty() {
        let todo = "recover up to a later SCN, or name the tables";
        return Err(Failure::new(ErrorClass::NotFound, "the tenant has no tables there", "RECOVER TABLE", todo));
    }
    let mut tables = Vec::with_capacity(names.len());
    for name in &names {
        match there.iter().find(|t| t.name.eq_ignore_ascii_case(name)) {
            Some(table) => tables.push(recovered(table, target_of(&table.name))),
            None => return Err(versions.absent(name).await?),
        }
    }
    Ok(tables)
}

fn recovered(table: &pb::DictionaryTable, target_name: String) -> RecoveredTable {
    let tablet = |t: &pb::DictionaryTablet| Tablet { id: TabletId(t.tablet_id), ls_id: LsId(t.ls_id) };
    RecoveredTable {
        source_name: table.name.clone(),
        target_name,
        tablets: table.tablets.iter().map(tablet).collect(),
        table_id: TableId(0),
    }
}
