//! `bench restore`: how fast a lost tenant comes back. Data and log are made, the cluster is thrown away, a new one of a
//! single worker restores from the medium alone, several times, in turns with `cp -r` of the same backup set on the same
//! disk. The set lies in the page cache each time, for both.
//!
//! Rates are those of the work itself, from the moment in which a worker sets out to fetch until the last byte is durable,
//! as the worker counts it; what the job takes in all, with its schedule and its elections, stands beside them.

use super::backup::files_below;
use super::place::{Place, TABLE, TENANT};
use super::process;
use super::report::Figures;
use super::small::Small;
use super::span::{Moved, Span};
use crate::Outcome;
use crate::args::{BenchRestoreArgs, ClientArgs};
use crate::cluster::Cluster;
use crate::cluster::config::Identity;
use crate::demo::jobs::{self, RestoreFrom};
use crate::demo::lag::published;
use crate::kv::files::Record;
use crate::kv::loader::Loader;
use crate::kv::table::Table;
use crate::output::io_failure;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, Scn};

const VALUE_BYTES: usize = 4 << 10;
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Restores and copies, in pairs; who comes first changes from pair to pair.
const ROUNDS: u32 = 4;
const WANTED_BYTES: &str = "strandline_restore_wanted_bytes_total";
const DATA_BYTES: &str = "strandline_restore_data_bytes_total";
const LOG_BYTES: &str = "strandline_replayed_bytes_total";

/// Where the two destinations of the tenant lie.
struct Dests {
    data: PathBuf,
    archive: PathBuf,
}

/// Runs it and prints the figures.
pub async fn run(client: &ClientArgs, args: BenchRestoreArgs) -> Outcome<()> {
    let place = Place::make(args.place.clone())?;
    let dests = Dests { data: place.dir.join("data"), archive: place.dir.join("archive") };
    for dir in [&dests.data, &dests.archive] {
        std::fs::create_dir_all(dir).map_err(|e| io_failure("cannot make", dir, &e))?;
    }
    let measured = async {
        let mut figures = Figures::default();
        let (until, small) = lose_a_tenant(&place, &dests, &args, &mut figures).await?;
        bring_it_back(&place, &dests, until, &args, &small, &mut figures).await?;
        Ok::<_, Failure>(figures)
    };
    let figures = tokio::select! {
        measured = measured => measured?,
        stopped = crate::server::until_stopped(false) => return stopped.and(Err(interrupted())),
    };
    figures.print(client.wants_json())
}

/// Data, backup, log; then the cluster and its disks are gone. Gives the SCN of the last write, and a small tenant.
async fn lose_a_tenant(
    place: &Place,
    dests: &Dests,
    args: &BenchRestoreArgs,
    figures: &mut Figures,
) -> Outcome<(Scn, Small)> {
    let (mut cluster, table) = place.cluster(1, args.log_streams).await?;
    let small = Small::back_up(&mut cluster, &place.dir, figures).await?;
    eprintln!("bench: writing {} MB", args.size_mb);
    write(&table, args.size_mb, 0).await?;
    jobs::archive(&mut cluster, TENANT, &dests.archive, "1d").await?;
    jobs::set_data_dest(&cluster, TENANT, &dests.data).await?;
    jobs::backup(&mut cluster, TENANT).await?;
    eprintln!("bench: backed up; writing {} MB of log", args.log_mb);
    write(&table, args.log_mb, args.size_mb / 2).await?;
    let until = table.token().0;
    let deadline = Instant::now() + PATIENCE;
    while published(&dests.archive) < until {
        cluster.check_alive()?;
        if Instant::now() >= deadline {
            let todo = "SELECT * FROM CDB_OB_ARCHIVELOG says why";
            let what = "the archive does not come as far as the last write";
            return Err(Failure::new(ErrorClass::Transient, what, dests.archive.display().to_string(), todo));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    drop(table);
    cluster.destroy()?;
    Ok((until, small))
}

/// The new cluster and the figures of its restore.
async fn bring_it_back(
    place: &Place,
    dests: &Dests,
    until: Scn,
    args: &BenchRestoreArgs,
    small: &Small,
    figures: &mut Figures,
) -> Outcome<()> {
    let identity = Identity { id: 2, name: "bench-second".to_owned() };
    let mut cluster = Cluster::start(identity, &place.dir.join("second"), 3, 1).await?;
    let (mut restores, mut copies) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("bench: round {round} of {ROUNDS}: a restore and a copy");
        let to = place.dir.join("copy");
        if round % 2 == 0 {
            copies.push(copy(&dests.data, &to)?);
        }
        warm(&dests.data)?;
        restores.push(restore(&mut cluster, dests, &format!("{TENANT}_{round}"), until).await?);
        if round % 2 == 1 {
            copies.push(copy(&dests.data, &to)?);
        }
    }
    small.restore(&mut cluster, figures).await?;
    let peak = cluster.worker_resident_peak() as f64 / 1e6;
    cluster.destroy()?;
    report(figures, &restores, &copies);
    figures.add("log_streams", args.log_streams as f64, "");
    figures.add("memory_peak_mb", peak, "worker process");
    Ok(())
}

/// One restore: its data, its log, and what the job took.
struct Restored {
    data: Moved,
    log: Moved,
    seconds: f64,
    waiting: f64,
}

/// One copy, until it is in the page cache and until it is on the disk.
struct Copied {
    cached: Moved,
    durable: Moved,
}

fn report(figures: &mut Figures, restores: &[Restored], copies: &[Copied]) {
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let restored: Vec<f64> = restores.iter().map(|r| r.data.mb_s()).collect();
    let (durable, cached): (Vec<f64>, Vec<f64>) = copies.iter().map(|c| (c.durable.mb_s(), c.cached.mb_s())).unzip();
    let ratio = |to: &[f64]| mean(&restored.iter().zip(to).map(|(r, c)| r / c.max(0.001)).collect::<Vec<_>>());
    figures.add("restore_mb_s", mean(&restored), "verified, and durable");
    figures.add("cp_mb_s", mean(&durable), "cp -r of the same set, until it is durable as a restore is");
    figures.add_fine("ratio_to_cp", ratio(&durable), "bar: 0.8; mean of pairs");
    figures.add("cp_cached_mb_s", mean(&cached), "the same cp, until it is in the page cache and lost with the power");
    figures.add_fine("ratio_to_cp_cached", ratio(&cached), "mean of pairs");
    let of = |field: fn(&Restored) -> f64| mean(&restores.iter().map(field).collect::<Vec<_>>());
    figures.add("replay_mb_s_per_worker", of(|r| r.log.mb_s()), "bar: 100");
    figures.add("data_mb", of(|r| r.data.bytes / 1e6), "");
    figures.add("log_mb", of(|r| r.log.bytes / 1e6), "");
    figures.add("restore_seconds", of(|r| r.seconds), "the whole job, from the statement until the tenant is open");
    figures.add_fine("waiting_share", of(|r| r.waiting), "of it no worker worked");
}

/// Restores under this name, looks whether it holds what was written, and drops it again.
async fn restore(cluster: &mut Cluster, dests: &Dests, name: &str, until: Scn) -> Outcome<Restored> {
    let data = Span::watch(cluster.worker_http(), WANTED_BYTES, DATA_BYTES);
    let log = Span::watch(cluster.worker_http(), LOG_BYTES, LOG_BYTES);
    let from = RestoreFrom { data: &dests.data, archive: &dests.archive, until: Some(until), replicas: 1 };
    let timed = jobs::restore(cluster, name, from).await?;
    let (seconds, waiting) = (timed.wall.as_secs_f64(), timed.waiting_share());
    let restored = Restored { data: data.finish(), log: log.finish(), seconds, waiting };
    let table = Table::open(&cluster.endpoints(), name, TABLE).await?;
    if table.get(key(0).as_slice()).await?.is_none() {
        let what = "the restored tenant does not hold what was written";
        return Err(Failure::new(ErrorClass::Corrupt, what, name, "report it with the logs of the servers"));
    }
    drop(table);
    cluster.admin()?.sql(&format!("DROP TENANT {name}")).await?;
    Ok(restored)
}

/// Writes `megabytes` of values under keys from `first_mb` on.
async fn write(table: &Arc<Table>, megabytes: u64, first_mb: u64) -> Outcome<()> {
    let per_mb = (1_000_000 / VALUE_BYTES) as u64;
    let mut loader = Loader::new(Arc::clone(table));
    for n in first_mb * per_mb..(first_mb + megabytes) * per_mb {
        loader.put(Record { key: key(n), value: Some(value(n)) }).await?;
    }
    loader.finish().await
}

fn key(n: u64) -> Vec<u8> {
    format!("row {n:012}").into_bytes()
}

/// Half random, half repetition, as rows are.
fn value(n: u64) -> Bytes {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut row = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        [state.to_le_bytes(), *b"a column"].concat()
    };
    std::iter::repeat_with(&mut row).take(VALUE_BYTES / 16).flatten().collect::<Vec<u8>>().into()
}

/// `cp -r` and then fsync of every file; the copy is removed again.
fn copy(from: &Path, to: &Path) -> Outcome<Copied> {
    warm(from)?;
    let began = Instant::now();
    process::run("cp", &["-r".as_ref(), from.as_ref(), to.as_ref()], &[])?;
    let cached = began.elapsed();
    process::sync_files(to)?;
    let durable = began.elapsed();
    let mut bytes = 0;
    for file in files_below(to)? {
        bytes += file.metadata().map_err(|e| io_failure("cannot look at", &file, &e))?.len();
    }
    std::fs::remove_dir_all(to).map_err(|e| io_failure("cannot remove", to, &e))?;
    let moved = |time: Duration| Moved { bytes: bytes as f64, seconds: time.as_secs_f64() };
    Ok(Copied { cached: moved(cached), durable: moved(durable) })
}

/// Reads every file, so that the next reader finds it in the page cache.
fn warm(dir: &Path) -> Outcome<()> {
    for file in files_below(dir)? {
        let read = std::fs::File::open(&file).and_then(|mut f| std::io::copy(&mut f, &mut std::io::sink()));
        read.map_err(|e| io_failure("cannot read", &file, &e))?;
    }
    Ok(())
}

fn interrupted() -> Failure {
    Failure::new(ErrorClass::Transient, "the bench was stopped", "bench restore", "")
}
