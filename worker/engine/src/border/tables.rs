//! The tables of other tenants, as table recovery writes them: through the key-value service, like any client.

use crate::KvClient;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use strandline_engine_api::{TableOpener, TableSink};
use strandline_types::{Failure, TenantId};

/// Finds tenants by their id at any of the schedulers (`host:port`).
#[must_use]
pub fn table_opener(schedulers: Vec<String>) -> TableOpener {
    let schedulers = Arc::new(schedulers);
    Arc::new(move |tenant: TenantId| {
        let schedulers = Arc::clone(&schedulers);
        async move {
            let client = KvClient::connect(&schedulers, &format!("#{tenant}")).await?;
            Ok(Arc::new(Tables(client)) as Arc<dyn TableSink>)
        }
        .boxed()
    })
}

struct Tables(KvClient);

impl TableSink for Tables {
    fn put(&self, table: String, pairs: Vec<(Bytes, Bytes)>) -> BoxFuture<'static, Result<(), Failure>> {
        let client = self.0.clone();
        async move {
            let writes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
            client.batch(&table, writes).await?;
            Ok(())
        }
        .boxed()
    }
}
