//! The tables of a tenant, as table recovery writes them: like any client.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use strandline_types::{Failure, TenantId};

/// Opens the tables of a tenant for writing.
pub type TableOpener = Arc<dyn Fn(TenantId) -> BoxFuture<'static, Result<Arc<dyn TableSink>, Failure>> + Send + Sync>;

/// The tables of one tenant, to be written to as any client does.
pub trait TableSink: Send + Sync {
    /// Writes pairs into a table; repeated until acknowledged or refused.
    fn put(&self, table: String, pairs: Vec<(Bytes, Bytes)>) -> BoxFuture<'static, Result<(), Failure>>;
}
