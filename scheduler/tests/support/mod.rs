//! Scheduler nodes in one process, and workers that only pretend: they heartbeat, frame a real log, archive it by hand
//! and answer tasks, so that everything the scheduler itself does can be seen.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod backup_files;
pub mod cluster;
pub mod fake_log;
pub mod fake_worker;
pub mod mysql_client;
pub mod reader;
pub mod tmpfs;

use std::future::Future;
use std::time::{Duration, Instant};

/// Polls `what` until it gives something; panics after 60 s with `why`.
pub async fn until<T, F: Future<Output = Option<T>>>(why: &str, mut what: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = what().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for 60 s: {why}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
