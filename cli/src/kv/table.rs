//! One table of a tenant as the commands use it: which log stream a key belongs to, writes per log stream, pages of one
//! tablet. Leaders, retries and the causality token are the engine client's business.

use super::files::Record;
use crate::Outcome;
use bytes::Bytes;
use strandline_engine::{KvClient, KvWrite, ScanPage};
use strandline_proto::v1;
use strandline_types::{CausalityToken, LsId, Scn, TabletId};

/// Pairs of one page; the byte bound of a scan reply ends a page of large values earlier.
const PAGE_PAIRS: usize = 1024;

/// A table.
#[derive(Debug)]
pub struct Table {
    client: KvClient,
    name: String,
    layout: v1::Table,
}

impl Table {
    /// Looks up `name` of `tenant` at any of the schedulers.
    pub async fn open(schedulers: &[String], tenant: &str, name: &str) -> Outcome<Self> {
        let client = KvClient::connect(schedulers, tenant).await?;
        let layout = client.table(name).await?;
        Ok(Self { client, name: name.to_owned(), layout })
    }

    /// The tablets, in order, each with its log stream.
    pub fn tablets(&self) -> impl Iterator<Item = (TabletId, LsId)> + '_ {
        self.layout.tablets.iter().map(|t| (TabletId(t.tablet_id), LsId(t.ls_id)))
    }

    /// The log stream of a key.
    pub fn ls_of(&self, key: &[u8]) -> LsId {
        let tablet = KvClient::tablet_of(&self.layout, key);
        self.tablets().find(|(id, _)| *id == tablet).map_or(LsId::SYS, |(_, ls)| ls)
    }

    /// Writes records; atomic when they all belong to one log stream.
    pub async fn write(&self, records: Vec<Record>) -> Outcome<Scn> {
        let writes = records.into_iter().map(|r| KvWrite {
            tablet: KvClient::tablet_of(&self.layout, &r.key),
            key: r.key.into(),
            value: r.value,
        });
        Ok(self.client.write(writes.collect()).await?)
    }

    /// Reads one key.
    pub async fn get(&self, key: &[u8]) -> Outcome<Option<Bytes>> {
        Ok(self.client.get(&self.name, key).await?)
    }

    /// Pairs of `[start, end)` over all tablets, in key order.
    pub async fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Outcome<Vec<(Bytes, Bytes)>> {
        Ok(self.client.scan(&self.name, start, end, limit).await?)
    }

    /// One page of one tablet from `start` on.
    pub async fn page(&self, tablet: TabletId, ls: LsId, start: &[u8]) -> Outcome<ScanPage> {
        Ok(self.client.scan_tablet(ls, tablet, start, &[], PAGE_PAIRS).await?)
    }

    /// The highest SCN that this client has seen.
    pub fn token(&self) -> CausalityToken {
        self.client.token()
    }

    /// Takes in an SCN that another client has seen.
    pub fn observe(&self, scn: Scn) {
        self.client.observe(CausalityToken(scn));
    }
}
