//! Where a bench runs: its directory, its cluster, its tenant.

use crate::Outcome;
use crate::cluster::Cluster;
use crate::cluster::config::Identity;
use crate::kv::table::Table;
use crate::output::io_failure;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tenant of a bench.
pub const TENANT: &str = "bench";
/// Table of a bench.
pub const TABLE: &str = "load";

const TABLETS_PER_LOG_STREAM: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// The directory of one run; it goes when this is dropped.
#[derive(Debug)]
pub struct Place {
    /// Everything of the run lies below.
    pub dir: PathBuf,
}

impl Place {
    /// A fresh directory, below `parent` or the system's directory for temporary files.
    pub fn make(parent: Option<PathBuf>) -> Outcome<Self> {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("strandline-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|e| io_failure("cannot make the directory", &dir, &e))?;
        Ok(Self { dir })
    }

    /// 3 schedulers and `workers` workers, and a tenant of `log_streams` log streams with one table.
    pub async fn cluster(&self, workers: usize, log_streams: usize) -> Outcome<(Cluster, Arc<Table>)> {
        let identity = Identity { id: 1, name: "bench".to_owned() };
        let cluster = Cluster::start(identity, &self.dir.join("servers"), 3, workers).await?;
        let mut admin = cluster.admin()?;
        let replicas = workers.min(3);
        admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = {log_streams} REPLICAS = {replicas}")).await?;
        let tablets = log_streams * TABLETS_PER_LOG_STREAM;
        admin.sql(&format!("CREATE TABLE {TABLE} TABLETS = {tablets} TENANT = {TENANT}")).await?;
        let table = open_table(&cluster, TENANT, TABLE).await?;
        Ok((cluster, table))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left behind is untidy and nothing more.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A table, as soon as the log streams have leaders and the dictionary is logged.
pub async fn open_table(cluster: &Cluster, tenant: &str, table: &str) -> Outcome<Arc<Table>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Table::open(&cluster.endpoints(), tenant, table).await {
            Ok(table) => return Ok(Arc::new(table)),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
