//! Acknowledged pairs of keys and values by SCN: what a restore to an SCN has to show.
//!
//! There is one writer per table. Of what is older than its newest SCN nothing is missing here.

use super::{Outcome, jobs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_types::Scn;

/// The pairs, shared between the writer and the test.
#[derive(Debug, Default)]
pub struct AckedPairs(Mutex<BTreeMap<Scn, (Bytes, Bytes)>>);

impl AckedPairs {
    /// A write was acknowledged at `scn`.
    pub fn add(&self, scn: Scn, pair: (Bytes, Bytes)) {
        self.0.lock().insert(scn, pair);
    }

    /// What a reader sees at `scn`: of each key the newest value.
    #[must_use]
    pub fn at(&self, scn: Scn) -> BTreeMap<Bytes, Bytes> {
        let pairs = self.0.lock();
        pairs.range(..=scn).map(|(_, pair)| pair.clone()).collect()
    }

    /// SCNs of all writes, in order.
    #[must_use]
    pub fn scns(&self) -> Vec<Scn> {
        self.0.lock().keys().copied().collect()
    }

    /// Waits for nothing: compares a restored tenant with what was acknowledged at `scn`, and drops the tenant.
    ///
    /// # Errors
    /// The tenant cannot be read or dropped.
    ///
    /// # Panics
    /// The tenant shows anything else.
    pub async fn compare(&self, cluster: &Cluster, (tenant, table): (&str, &str), scn: Scn) -> Outcome<()> {
        let expected = self.at(scn);
        let client = KvClient::connect(&cluster.endpoints(), tenant).await?;
        let restored: BTreeMap<Bytes, Bytes> = client.scan(table, b"", b"", 0).await?.into_iter().collect();
        assert!(restored == expected, "{tenant} at SCN {scn}: {} keys, {} expected", restored.len(), expected.len());
        jobs::sql(cluster, &format!("DROP TENANT {tenant}")).await
    }
}
