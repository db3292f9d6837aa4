//! `RECOVER TABLE` and `CANCEL RECOVER TABLE`: the leader chooses set and pieces as for a restore, finds the tables' tablets
//! in the dictionary of the source at the target, and puts both into one command.

mod schema;

use super::answer::done_text;
use super::context::Context;
use super::restore::options::{RestoreOptions, recover_options, with_clause};
use super::restore::source::{RestorePoint, restore_point};
use super::statement::{Command, Statement, Syntax};
use crate::effects::restore_source::{Found, set_keys};
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use schema::Versions;
use std::collections::BTreeMap;
use strandline_format::pb;
use strandline_scheduler_core::state::{JobKind, RecoveredTable, Tablet};
use strandline_scheduler_core::{Action, Done, StartRecoverTable, check_recover_table};
use strandline_types::{ErrorClass, Failure, LsId, TableId, TabletId};

pub const RECOVER: Syntax = Syntax {
    words: &["ALTER SYSTEM RECOVER TABLE"],
    rest: "<table>, … | *.* TO [TENANT] <tenant> [FROM '<data uri>[,<archive uri>]'] \
           [UNTIL SCN = <n> | UNTIL TIME = '<time>'] [WITH 'key_source=…'] [REMAP TABLE <old>:<new>, …] \
           [DESCRIPTION = '<text>']",
    about: "Brings tables of a backup into a tenant that is in use.",
    parse,
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL RECOVER TABLE"],
    rest: "<tenant>",
    about: "Ends the table recovery of a tenant.",
    parse: |c| {
        let target = c.name("the tenant that gets the tables")?;
        Statement::command(c, CancelRecoverTable { target })
    },
};

/// `RECOVER TABLE`.
#[derive(Debug, PartialEq, Eq)]
pub struct RecoverTableRequest {
    /// Names in the source; empty = all.
    pub tables: Vec<String>,
    /// The tenant that gets them.
    pub target: String,
    /// What they are made from.
    pub point: RestorePoint,
    /// `WITH`.
    pub options: RestoreOptions,
    /// Old and new names.
    pub remap: Vec<(String, String)>,
    /// `DESCRIPTION`.
    pub description: String,
}

/// `CANCEL RECOVER TABLE`.
#[derive(Debug, PartialEq, Eq)]
pub struct CancelRecoverTable {
    /// The tenant that gets the tables.
    pub target: String,
}

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let tables = table_list(c)?;
    c.need("TO")?;
    let _ = c.accept("TENANT");
    c.optional_equals();
    let target = c.name("the tenant that gets the tables")?;
    let point = restore_point(c)?;
    let options = with_clause(c, recover_options)?;
    let mut remap = Vec::new();
    if c.accept("REMAP") {
        c.need("TABLE")?;
        remap.push(remap_pair(c)?);
        while c.accept_symbol(',') {
            remap.push(remap_pair(c)?);
        }
    }
    let description = c.description()?;
    Statement::command(c, RecoverTableRequest { tables, target, point, options, remap, description })
}

/// The named tables; none when one of the items stands for all.
fn table_list(c: &mut Cursor<'_>) -> Result<Vec<String>, Failure> {
    let mut tables = vec![table_name(c)?];
    while c.accept_symbol(',') {
        tables.push(table_name(c)?);
    }
    Ok(tables.into_iter().collect::<Option<Vec<String>>>().unwrap_or_default())
}

/// `t`, `db.t`, `db.*` or `*.*`; `None` = all. There is one namespace per tenant: the database is read and not used.
fn table_name(c: &mut Cursor<'_>) -> Result<Option<String>, Failure> {
    if c.accept_symbol('*') {
        if c.accept_symbol('.') && !c.accept_symbol('*') {
            return Err(c.failure());
        }
        return Ok(None);
    }
    let first = c.name("a table name")?;
    if !c.accept_symbol('.') {
        return Ok(Some(first));
    }
    if c.accept_symbol('*') { Ok(None) } else { c.name("a table name").map(Some) }
}

fn remap_pair(c: &mut Cursor<'_>) -> Result<(String, String), Failure> {
    let from = table_name(c)?;
    if !c.accept_symbol(':') {
        return Err(c.failure());
    }
    let to = table_name(c)?;
    from.zip(to).ok_or_else(|| {
        let todo = "write REMAP TABLE old:new[, old:new]";
        Failure::new(ErrorClass::Invalid, "only single tables can be renamed", "REMAP TABLE", todo)
    })
}

#[async_trait]
impl Command for RecoverTableRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(Some(&self.target))?;
        // The core refuses before any medium is touched.
        let renamed = renames(&self)?;
        let target_of =
            |source: &str| renamed.get(&source.to_ascii_lowercase()).map_or(source, String::as_str).to_owned();
        let wanted: Vec<String> = self.tables.iter().map(|t| target_of(t)).collect();
        cx.node.read(|s| check_recover_table(s, tenant, wanted.iter().map(String::as_str)))?;

        let settings = cx.settings()?;
        let found = self.point.find(&settings.sources, &self.options.key_source).await?;
        let tables = tables_of(&found, &self, target_of).await?;
        let target_scn = found.choice.target_scn;
        let mut source = found.source(set_keys(&found, &settings.decryption).await?)?;
        source.log_streams.retain(|ls| tables.iter().any(|t| t.tablets.iter().any(|x| x.ls_id == ls.ls_id)));
        let (count, all) = (tables.len(), self.tables.is_empty());
        let request = StartRecoverTable { tenant, target_scn, source, all, tables, description: self.description };
        match cx.node.act(Action::StartRecoverTable(Box::new(request))).await? {
            Done::RecoverTableJob(job) => {
                Ok(format!("table recovery job {job}: {count} tables into tenant {name}, up to SCN {target_scn}"))
            }
            _ => Ok(format!("tables are being recovered into tenant {name}")),
        }
    }

    fn uses_up_sources(&self) -> bool {
        true
    }
}

#[async_trait]
impl Command for CancelRecoverTable {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(Some(&self.target))?;
        let done = cx.node.act(Action::CancelJob { kind: JobKind::RecoverTable, tenant }).await?;
        Ok(format!("{name}: {} is cancelled", done_text(&done)))
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
        // A name with a `$` is a hidden table of an unfinished recovery of the source.
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

#[cfg(test)]
mod tests {
    use super::super::restore::source::RestoreFrom;
    use super::*;
    use crate::statements::testing::command;
    use strandline_catalogue::Target;
    use strandline_types::Scn;

    #[test]
    fn tables_are_named_alone_or_all_at_once() {
        let recover = |tables: &[&str], remap: &[(&str, &str)]| RecoverTableRequest {
            tables: tables.iter().map(|t| (*t).to_owned()).collect(),
            target: "u".into(),
            point: RestorePoint {
                from: RestoreFrom::Destinations { data: "file:///d".into(), archive: Some("file:///a".into()) },
                until: Target::Scn(Scn(9)),
            },
            options: RestoreOptions::default(),
            remap: remap.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            description: String::new(),
        };
        for (text, expected) in [
            (
                "ALTER SYSTEM RECOVER TABLE db.a, b TO TENANT u FROM 'file:///d,file:///a' UNTIL SCN = 9 REMAP TABLE \
                 db.a:x.y",
                recover(&["a", "b"], &[("a", "y")]),
            ),
            ("ALTER SYSTEM RECOVER TABLE db.* TO u FROM 'file:///d,file:///a' UNTIL SCN = 9", recover(&[], &[])),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
        let cancel = CancelRecoverTable { target: "u".into() };
        assert_eq!(command("ALTER SYSTEM CANCEL RECOVER TABLE u"), Ok(cancel));
    }
}
