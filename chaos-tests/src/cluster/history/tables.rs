//! Tables of a history: from which SCN to which each of them is in the tenant, and what a restore must therefore have.
//!
//! The data dictionary says when. A history makes one change of it at a time, so the dictionary that first shows a change
//! has the SCN of that change.

use super::{History, PATIENCE, in_table};
use crate::cluster::oracle::Oracle;
use crate::cluster::{Outcome, Patience};
use bytes::Bytes;
use std::collections::BTreeSet;
use strandline_engine::KvClient;
use strandline_types::Scn;

/// A table, as long as it lives.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub id: u64,
    pub name: String,
    /// The first SCN that has it.
    from: Scn,
    /// The first one that does not have it any more.
    until: Option<Scn>,
}

impl Life {
    fn is_at(&self, scn: Scn) -> bool {
        self.from <= scn && self.until.is_none_or(|until| scn < until)
    }
}

impl History {
    pub(super) fn living(&self) -> impl Iterator<Item = &Life> {
        self.tables.iter().filter(|t| t.until.is_none())
    }

    /// Under the first name that is free, also one that a dropped table had.
    pub(super) async fn create_table(&mut self) -> Outcome<()> {
        let names = (0..).map(|n| format!("t{n}"));
        let free = names.into_iter().find(|name| self.living().all(|t| t.name != *name));
        let (Some(name), tablets) = (free, self.rng.between(1, 4)) else { return Ok(()) };
        self.sql(&format!("CREATE TABLE {name} TABLETS = {tablets} TENANT = {}", self.name)).await?;
        let (from, id) = self.until_known(&name, |id| id).await?;
        self.tables.push(Life { id, name, from, until: None });
        Ok(())
    }

    pub(super) async fn drop_a_table(&mut self) -> Outcome<()> {
        let living: Vec<String> = self.living().map(|t| t.name.clone()).collect();
        let Some(name) = self.rng.pick(&living) else { return Ok(()) };
        self.sql(&format!("DROP TABLE {name} TENANT = {}", self.name)).await?;
        let (until, ()) = self.until_known(&name, |id| id.is_none().then_some(())).await?;
        for table in self.tables.iter_mut().filter(|t| t.until.is_none() && t.name == name) {
            table.until = Some(until);
        }
        self.told.push(format!("{name} dropped"));
        Ok(())
    }

    /// The SCN of the dictionary that has (or has not) a table of this name, as `is` wants it.
    async fn until_known<T>(&self, name: &str, is: impl Fn(Option<u64>) -> Option<T>) -> Outcome<(Scn, T)> {
        let patience = Patience::new(format!("{}: the dictionary knows what became of {name}", self.name), PATIENCE);
        loop {
            let dictionary = self.client.dictionary().await?;
            let id = dictionary.tables.iter().find(|t| t.name == name).map(|t| t.table_id);
            if let Some(found) = is(id) {
                return Ok((Scn(dictionary.scn), found));
            }
            patience.once_more(&format!("version {}", dictionary.version)).await?;
        }
    }

    /// Where tables came or went.
    pub(super) fn turning_points(&self) -> impl Iterator<Item = Scn> {
        self.tables.iter().flat_map(|t| [Some(t.from), t.until]).flatten()
    }

    /// What a restore to an SCN must show: writes into tables that are there at it.
    pub(super) fn oracle_at(&self, scn: Scn) -> Oracle {
        let there = |key: &Bytes| self.tables.iter().any(|t| t.is_at(scn) && key.starts_with(&in_table(t.id, b"")));
        Oracle::new(self.ops.iter().filter(|op| there(&op.key)).cloned())
    }

    /// Every pair of a tenant that was restored to an SCN; the inner error is a table too many or too few.
    pub(super) async fn pairs_of(&self, tenant: &str, scn: Scn) -> Outcome<Result<Vec<(Bytes, Bytes)>, String>> {
        let client = KvClient::connect(&self.endpoints, tenant).await?;
        let tables = client.dictionary().await?.tables;
        let found: BTreeSet<u64> = tables.iter().map(|t| t.table_id).collect();
        let expected: BTreeSet<u64> = self.tables.iter().filter(|t| t.is_at(scn)).map(|t| t.id).collect();
        if found != expected {
            return Ok(Err(format!("tables {found:?} at SCN {scn}, have to be {expected:?}: {:?}", self.tables)));
        }
        let mut pairs = Vec::new();
        for table in tables {
            let rows = client.scan(&table.name, b"", b"", 0).await?;
            pairs.extend(rows.into_iter().map(|(key, value)| (in_table(table.table_id, &key), value)));
        }
        Ok(Ok(pairs))
    }
}
