//! The KV client: finds the log streams of a tenant, follows their leaders, carries the causality token.
//!
//! Puts and deletes are repeated until they are acknowledged or the deadline passes. Every request has an identity, so
//! that it is done once however often it is sent (ADR 29); where the outcome stays open the error says so. A batch is
//! atomic per log stream, not over them.

mod channels;
mod dictionary;
mod first;
mod numbers;
mod route;
mod scan;
mod topology;

use crate::{EngineError, KvWrite, Result, ScanPage, WriteIdentity};
use bytes::Bytes;
use channels::Channels;
use dictionary::DictionaryCache;
use numbers::Numbers;
use route::Answer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::{Dictionary, Table};
use strandline_types::{CausalityToken, ErrorClass, Failure, LsId, Scn, TabletId};
use topology::Topology;
use xxhash_rust::xxh3::xxh3_64;

pub use first::{ANSWER_WITHIN, first_answer};

/// A client of one tenant; cheap to clone.
#[derive(Clone, Debug)]
pub struct KvClient {
    inner: Arc<Inner>,
    /// Its requests have no identity.
    is_nameless: bool,
}

#[derive(Debug)]
struct Inner {
    topology: Topology,
    channels: Channels,
    dictionary: DictionaryCache,
    numbers: Numbers,
    token: AtomicU64,
}

impl KvClient {
    /// Looks the tenant up at any of the schedulers.
    pub async fn connect(schedulers: &[String], tenant: &str) -> Result<Self> {
        Ok(Self::over(Topology::connect(schedulers, tenant).await?))
    }

    /// A client of a cluster whose places are known and do not change.
    #[must_use]
    pub fn with_topology(places: v1::TopologyReply) -> Self {
        Self::over(Topology::fixed(places))
    }

    fn over(topology: Topology) -> Self {
        let (channels, dictionary) = (Channels::default(), DictionaryCache::default());
        let (numbers, token) = (Numbers::default(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { topology, channels, dictionary, numbers, token }), is_nameless: false }
    }

    /// The same client as it was before requests had an identity: for a test that has to find out.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn without_identities(self) -> Self {
        Self { is_nameless: true, ..self }
    }

    /// The layout of a table; the dictionary is fetched again when `table` is not in it.
    pub async fn table(&self, table: &str) -> Result<Table> {
        self.inner.table(table).await
    }

    /// The newest dictionary of the tenant.
    pub async fn dictionary(&self) -> Result<Dictionary> {
        self.inner.fetch_dictionary().await.map(|d| (*d).clone())
    }

    /// The tablet of a key.
    #[must_use]
    pub fn tablet_of(table: &Table, key: &[u8]) -> TabletId {
        TabletId(place_of(table, key).map_or(0, |t| t.tablet_id))
    }

    /// Writes one key.
    pub async fn put(&self, table: &str, key: Bytes, value: Bytes) -> Result<Scn> {
        self.batch(table, vec![(key, Some(value))]).await
    }

    /// Deletes one key.
    pub async fn delete(&self, table: &str, key: Bytes) -> Result<Scn> {
        self.batch(table, vec![(key, None)]).await
    }

    /// Writes several keys (`None` deletes): atomic per log stream; the answer is the highest SCN.
    pub async fn batch(&self, table: &str, writes: Vec<(Bytes, Option<Bytes>)>) -> Result<Scn> {
        let layout = self.table(table).await?;
        match self.write_into(&layout, &writes).await {
            Err(error) => self.write_into(&self.renewed(&layout, error).await?, &writes).await,
            done => done,
        }
    }

    async fn write_into(&self, table: &Table, writes: &[(Bytes, Option<Bytes>)]) -> Result<Scn> {
        let to_write = |(key, value): &(Bytes, Option<Bytes>)| {
            let tablet = Self::tablet_of(table, key);
            KvWrite { tablet, key: key.clone(), value: value.clone() }
        };
        self.write(writes.iter().map(to_write).collect()).await
    }

    /// The new table of the same name when the error says that the old one was dropped; else the error.
    async fn renewed(&self, old: &Table, error: EngineError) -> Result<Table> {
        if error.is_dropped() { self.inner.table_after(old).await } else { Err(error) }
    }

    /// Writes with tablets chosen by the caller.
    pub async fn write(&self, writes: Vec<KvWrite>) -> Result<Scn> {
        let mut by_ls: BTreeMap<LsId, Vec<v1::Write>> = BTreeMap::new();
        for w in writes {
            let ls = self.inner.ls_of(w.tablet).await?;
            let delete = w.value.is_none();
            let value = w.value.unwrap_or_default();
            by_ls.entry(ls).or_default().push(v1::Write { tablet_id: w.tablet.0, key: w.key, value, delete });
        }
        // Of a batch that is refused no part is written.
        let requests =
            by_ls.into_iter().map(|(ls, writes)| self.write_request(ls, writes)).collect::<Result<Vec<_>>>()?;
        let written = futures::future::try_join_all(requests.into_iter().map(|r| self.write_ls(r))).await?;
        Ok(written.into_iter().max().unwrap_or_default())
    }

    fn write_request(&self, ls: LsId, writes: Vec<v1::Write>) -> Result<v1::WriteRequest> {
        let (tenant_id, causality_scn) = (self.inner.topology.tenant().0, self.token().0.0);
        let request = v1::WriteRequest { tenant_id, ls_id: ls.0, writes, causality_scn, identity: None };
        request.check()?;
        Ok(request)
    }

    async fn write_ls(&self, request: v1::WriteRequest) -> Result<Scn> {
        let ls = LsId(request.ls_id);
        let numbered = self.inner.numbers.next(ls).await;
        let named = |identity| if self.is_nameless { None } else { Some(identity) };
        let repeatable = |uncertain_ms| v1::WriteRequest {
            identity: named(WriteIdentity { uncertain_ms, ..numbered.identity }.into()),
            ..request.clone()
        };
        let reply = self.inner.call_once(ls, repeatable, |mut kv, r| async move {
            let reply = kv.write(r).await?.into_inner();
            Ok(Answer { not_leader: reply.not_leader, failure: reply.failure, value: Scn(reply.scn) })
        });
        let scn = reply.await?;
        self.observe(CausalityToken(scn));
        Ok(scn)
    }

    /// Reads one key.
    pub async fn get(&self, table: &str, key: &[u8]) -> Result<Option<Bytes>> {
        let layout = self.table(table).await?;
        match self.get_from(&layout, key).await {
            Err(error) => self.get_from(&self.renewed(&layout, error).await?, key).await,
            done => done,
        }
    }

    async fn get_from(&self, table: &Table, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(place) = place_of(table, key) else { return Err(no_tablets(&table.name)) };
        let request = v1::GetRequest {
            tenant_id: self.inner.topology.tenant().0,
            ls_id: place.ls_id,
            tablet_id: place.tablet_id,
            key: Bytes::copy_from_slice(key),
        };
        let reply = self.inner.call(LsId(place.ls_id), request, |mut kv, r| async move {
            let r = kv.get(r).await?.into_inner();
            let value = (r.found.then_some(r.value), Scn(r.scn));
            Ok(Answer { not_leader: r.not_leader, failure: r.failure, value })
        });
        let (value, scn) = reply.await?;
        self.observe(CausalityToken(scn));
        Ok(value)
    }

    /// Up to `limit` pairs (0 = no limit) of `[start, end)` over all tablets of a table, in key order. An empty `end`
    /// is the end of the table.
    pub async fn scan(&self, table: &str, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let layout = self.table(table).await?;
        match scan::merged(self, &layout, start, end, limit).await {
            Err(error) => scan::merged(self, &self.renewed(&layout, error).await?, start, end, limit).await,
            done => done,
        }
    }

    /// One page of one tablet: up to `limit` pairs (0 = as many as fit) of `[start, end)`.
    pub async fn scan_tablet(
        &self,
        ls: LsId,
        tablet: TabletId,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<ScanPage> {
        let request = v1::ScanRequest {
            tenant_id: self.inner.topology.tenant().0,
            ls_id: ls.0,
            tablet_id: tablet.0,
            start_key: Bytes::copy_from_slice(start),
            end_key: Bytes::copy_from_slice(end),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let reply = self.inner.call(ls, request, |mut kv, r| async move {
            let r = kv.scan(r).await?.into_inner();
            let pairs = r.pairs.into_iter().map(|p| (p.key, p.value)).collect();
            let value = ScanPage { pairs, more: r.more, scn: Scn(r.scn) };
            Ok(Answer { not_leader: r.not_leader, failure: r.failure, value })
        });
        let page = reply.await?;
        self.observe(CausalityToken(page.scn));
        Ok(page)
    }

    /// The highest SCN this client has seen.
    #[must_use]
    pub fn token(&self) -> CausalityToken {
        CausalityToken(Scn(self.inner.token.load(Ordering::Acquire)))
    }

    /// Takes in a token from elsewhere.
    pub fn observe(&self, token: CausalityToken) {
        self.inner.token.fetch_max(token.0.0, Ordering::AcqRel);
    }
}

/// A key lives in `tablets[xxh3_64(key) % len]`.
fn place_of<'a>(table: &'a Table, key: &[u8]) -> Option<&'a v1::Tablet> {
    let n = table.tablets.len() as u64;
    // The remainder is below the length.
    (n > 0).then(|| &table.tablets[(xxh3_64(key) % n) as usize])
}

fn no_tablets(table: &str) -> crate::EngineError {
    Failure::new(ErrorClass::Corrupt, "the table has no tablets", format!("table {table}"), "create it again").into()
}
