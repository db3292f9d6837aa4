//! openraft's storage suite over our log in RocksDB and the state machine of the tests.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_consensus::RocksLog;
use strandline_consensus::testing::{Storage, storage_suite};
use support::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn rocks_log_passes_the_suite_of_openraft() {
    let make = || {
        let dir = tempfile::tempdir()?;
        let log = Arc::new(RocksLog::open(&dir.path().join("log"))?);
        let sm = Machine::open(&dir.path().join("machine"));
        Ok(Storage { log, sm, guard: Box::new(dir) })
    };
    storage_suite(make).await.unwrap();
}
