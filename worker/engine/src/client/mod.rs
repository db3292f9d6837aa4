//! The KV client: finds log streams, follows their leaders, carries the causality token.

use crate::{KvWrite, Result, ScanPage};
use bytes::Bytes;
use strandline_proto::v1::{Dictionary, Table};
use strandline_types::{CausalityToken, LsId, Scn, TabletId};

/// A client of one tenant.
#[derive(Debug)]
pub struct KvClient {}

impl KvClient {
    /// Looks the tenant up at any of the schedulers.
    pub async fn connect(_schedulers: &[String], _tenant: &str) -> Result<Self> {
        unimplemented!()
    }

    /// The dictionary as this client knows it now, fetched when `table` is not in it.
    pub async fn table(&self, _table: &str) -> Result<Table> {
        unimplemented!()
    }

    /// The newest dictionary of the tenant.
    pub async fn dictionary(&self) -> Result<Dictionary> {
        unimplemented!()
    }

    /// The tablet of a key.
    #[must_use]
    pub fn tablet_of(_table: &Table, _key: &[u8]) -> TabletId {
        unimplemented!()
    }

    /// Writes one key.
    pub async fn put(&self, _table: &str, _key: Bytes, _value: Bytes) -> Result<Scn> {
        unimplemented!()
    }

    /// Deletes one key.
    pub async fn delete(&self, _table: &str, _key: Bytes) -> Result<Scn> {
        unimplemented!()
    }

    /// Writes several keys: atomic per log stream; the answer is the highest SCN.
    pub async fn batch(&self, _table: &str, _writes: Vec<(Bytes, Option<Bytes>)>) -> Result<Scn> {
        unimplemented!()
    }

    /// Writes with tablets chosen by the caller.
    pub async fn write(&self, _writes: Vec<KvWrite>) -> Result<Scn> {
        unimplemented!()
    }

    /// Reads one key.
    pub async fn get(&self, _table: &str, _key: &[u8]) -> Result<Option<Bytes>> {
        unimplemented!()
    }

    /// Up to `limit` pairs (0 = no limit) of `[start, end)` over all tablets of a table, in key order.
    pub async fn scan(&self, _table: &str, _start: &[u8], _end: &[u8], _limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        unimplemented!()
    }

    /// One page of one tablet, `[start, end)` (an empty end = all): for callers that read tablets in parallel
    /// (`kv export`). Used by the CLI.
    pub async fn scan_tablet(
        &self,
        _ls: LsId,
        _tablet: TabletId,
        _start: &[u8],
        _end: &[u8],
        _limit: usize,
    ) -> Result<ScanPage> {
        unimplemented!()
    }

    /// The highest SCN this client has seen.
    #[must_use]
    pub fn token(&self) -> CausalityToken {
        unimplemented!()
    }

    /// Takes in a token from elsewhere.
    pub fn observe(&self, _token: CausalityToken) {}
}
