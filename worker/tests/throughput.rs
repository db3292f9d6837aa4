//! How fast backup and restore of data are on the local disk, fsync included. Prints; judges nothing.
//!
//! `cargo test -p strandline-worker --test throughput -- --ignored --nocapture`; `STRANDLINE_BENCH_MB` sets the size.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::Arc;
use std::time::Instant;
use strandline_proto::v1::{BackupIndexSpec, BackupLsSpec, LsTurn, RestoreDataSpec};
use strandline_types::limits::{BACKUP_DATA_FILE_BYTES, MACROBLOCK_BYTES_TARGET};
use strandline_types::{DataKind, LsId};
use strandline_worker::backup::{run_backup_index, run_backup_ls};
use strandline_worker::restore::run_restore_data;
use support::{FakeEngine, FakeStream, FakeTarget, LS, RESTORED, TENANT, task_ctx, task_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: prints, judges nothing"]
async fn backup_and_restore_of_one_log_stream() {
    let megabytes: u64 = std::env::var("STRANDLINE_BENCH_MB").map_or(1024, |text| text.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let engine = Arc::new(FakeEngine::default());
    for dir in ["source", "dest"] {
        std::fs::create_dir(path(dir)).unwrap();
    }
    let mut stream = FakeStream::new(&path("source"));
    for n in 0..(megabytes << 20) / MACROBLOCK_BYTES_TARGET {
        stream.add_block(200_001 + n % 8, DataKind::Major, MACROBLOCK_BYTES_TARGET as usize - 777);
    }
    engine.streams.lock().unwrap().insert((TENANT, LS), Arc::new(stream));
    engine.targets.lock().unwrap().insert((RESTORED, LS), FakeTarget::new(&path("restored"), Default::default()));
    let uri = format!("file://{}", path("dest").display());

    let spec = BackupLsSpec {
        dest_uri: uri.clone(),
        backup_set_id: 1,
        incremental: false,
        min_checkpoint_scn: 0,
        data_file_bytes: BACKUP_DATA_FILE_BYTES,
        ..Default::default()
    };
    let ctx = task_ctx(&engine, &path("scratch"));
    let started = Instant::now();
    run_backup_ls(&ctx, &spec, task_key(TENANT, LS, 0)).await.unwrap();
    let parts = vec![LsTurn { ls_id: LS.0, turn: 1, retry: 0 }];
    let spec =
        BackupIndexSpec { dest_uri: uri.clone(), backup_set_id: 1, incremental: false, parts, ..Default::default() };
    run_backup_index(&ctx, &spec, task_key(TENANT, LsId(0), 0)).await.unwrap();
    let backup = started.elapsed();

    let spec = RestoreDataSpec {
        data_uri: uri,
        backup_set_id: 1,
        incremental: false,
        turn: 1,
        source_ls_id: LS.0,
        ls_turn: 1,
        ls_retry: 0,
        ..Default::default()
    };
    let started = Instant::now();
    run_restore_data(&ctx, &spec, task_key(RESTORED, LS, 0)).await.unwrap();
    let restore = started.elapsed();
    let speed = |took: std::time::Duration| megabytes as f64 / took.as_secs_f64();
    println!("{megabytes} MiB: backup {:.0} MiB/s, restore {:.0} MiB/s", speed(backup), speed(restore));
}
