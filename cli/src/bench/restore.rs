//! `bench restore`: how fast a lost tenant comes back. Data and log are made, the cluster is thrown away, a new one of a
//! single worker restores from the medium alone; then `cp -r` copies the same backup set on the same disk.
//!
//! Rates are those of the work itself, from its first byte to its last, as the worker counts it; what the job takes in
//! all, with its schedule and its elections, stands beside them.

use super::place::{Place, TABLE, TENANT};
use super::report::Figures;
use crate::args::{BenchRestoreArgs, ClientArgs, OutputForm};
use crate::cluster::Cluster;
use crate::cluster::config::Identity;
use crate::demo::jobs;
use crate::demo::lag::published;
use crate::kv::files::Record;
use crate::kv::loader::Loader;
use crate::kv::table::Table;
use crate::output::io_failure;
use crate::{Outcome, scrape};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, Scn};

const VALUE_BYTES: usize = 4 << 10;
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);
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
        let until = lose_a_tenant(&place, &dests, &args).await?;
        let mut figures = Figures::default();
        bring_it_back(&place, &dests, until, &args, &mut figures).await?;
        Ok::<_, Failure>(figures)
    };
    let figures = tokio::select! {
        measured = measured => measured?,
        stopped = crate::server::until_stopped(false) => return stopped.and(Err(interrupted())),
    };
    figures.print(args.json || client.output == OutputForm::Json)
}

/// Data, backup, log; then the cluster and its disks are gone. Gives the SCN of the last write.
async fn lose_a_tenant(place: &Place, dests: &Dests, args: &BenchRestoreArgs) -> Outcome<Scn> {
    let (mut cluster, table) = place.cluster(1, args.log_streams).await?;
    eprintln!("bench: writing {} MB", args.size_mb);
    write(&table, args.size_mb, 0).await?;
    jobs::archive(&mut cluster, TENANT, &dests.archive, "1d").await?;
    jobs::backup(&mut cluster, TENANT, &dests.data).await?;
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
    Ok(until)
}

/// The new cluster and the figures of its restore.
async fn bring_it_back(
    place: &Place,
    dests: &Dests,
    until: Scn,
    args: &BenchRestoreArgs,
    figures: &mut Figures,
) -> Outcome<()> {
    let identity = Identity { id: 2, name: "bench-second".to_owned() };
    let mut cluster = Cluster::start(identity, &place.dir.join("second"), 3, 1).await?;
    let (data, log) = (Span::watch(cluster.worker_http(), DATA_BYTES), Span::watch(cluster.worker_http(), LOG_BYTES));
    let began = Instant::now();
    restore(&mut cluster, dests, until).await?;
    let seconds = began.elapsed().as_secs_f64();
    let (data, log) = (data.finish(), log.finish());
    let table = Table::open(&cluster.endpoints(), TENANT, TABLE).await?;
    if table.get(key(0).as_slice()).await?.is_none() {
        let what = "the restored tenant does not hold what was written";
        return Err(Failure::new(ErrorClass::Corrupt, what, TENANT, "report it with the logs of the servers"));
    }
    let peak = cluster.worker_resident_peak() as f64 / 1e6;
    drop(table);
    cluster.destroy()?;

    let (cached, copied) = copy(&dests.data, &place.dir.join("copy"))?;
    let (restore_mb_s, cp_mb_s) = (data.mb_s(), copied.mb_s());
    figures.add("restore_mb_s", restore_mb_s, "baseline, verified and synced");
    figures.add("cp_mb_s", cp_mb_s, "cp -r of the same set, until it is on the disk as a restore is");
    figures.add_fine("ratio_to_cp", restore_mb_s / cp_mb_s.max(0.001), "bar 0.80");
    figures.add("cp_cached_mb_s", cached.mb_s(), "the same cp, until it is in the page cache");
    figures.add("replay_mb_s_per_worker", log.mb_s(), "bar 100");
    figures.add("data_mb", data.bytes / 1e6, "");
    figures.add("log_mb", log.bytes / 1e6, "");
    figures.add("log_streams", args.log_streams as f64, "");
    figures.add("restore_seconds", seconds, "the whole job");
    figures.add("memory_peak_mb", peak, "worker process");
    Ok(())
}

async fn restore(cluster: &mut Cluster, dests: &Dests, until: Scn) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let from = format!("{},{}", jobs::uri(&dests.data), jobs::uri(&dests.archive));
    let with = "pool_list=default&replicas=1";
    admin.sql(&format!("ALTER SYSTEM RESTORE {TENANT} FROM '{from}' UNTIL SCN = {until} WITH '{with}'")).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = admin.query("SELECT * FROM CDB_OB_RESTORE_HISTORY").await?;
        match ended.text(0, "STATUS").as_str() {
            "SUCCESS" | "RESTORE_SUCCESS" => return Ok(()),
            "" if Instant::now() < deadline => {}
            status => {
                let what = format!("the restore ended as '{status}': {}", ended.text(0, "COMMENT"));
                return Err(Failure::new(ErrorClass::Invalid, what, TENANT, "read the logs of the servers"));
            }
        }
        cluster.check_alive()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
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

/// Bytes and the time in which they moved.
struct Moved {
    bytes: f64,
    seconds: f64,
}

impl Moved {
    fn mb_s(&self) -> f64 {
        self.bytes / 1e6 / self.seconds.max(0.001)
    }
}

/// Watches a counter of the workers: when it began to move, when it moved last, and how far.
struct Span {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Moved>,
}

impl Span {
    fn watch(addresses: Vec<String>, metric: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut last, mut from, mut to) = (0.0, Instant::now(), None);
            while !until.load(Ordering::Relaxed) {
                let (asked, now) = (Instant::now(), scrape::sum(&addresses, metric));
                match now > last {
                    true => (last, to) = (now, Some(Instant::now())),
                    // Nothing moved until this question.
                    false if to.is_none() => from = asked,
                    false => {}
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Moved { bytes: last, seconds: to.map_or(0.0, |to| (to - from).as_secs_f64()) }
        });
        Self { stop, thread }
    }

    fn finish(self) -> Moved {
        // One more look after the end, so that the last bytes are counted.
        std::thread::sleep(LOOK_EVERY * 3);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(Moved { bytes: 0.0, seconds: 0.0 })
    }
}

/// `cp -r` and then `sync`: what it took until the bytes were in the cache, and until they were on the disk.
fn copy(from: &Path, to: &Path) -> Outcome<(Moved, Moved)> {
    let began = Instant::now();
    command(Command::new("cp").arg("-r").arg(from).arg(to), to)?;
    let cached = began.elapsed().as_secs_f64();
    command(Command::new("sync").arg("-f").arg(to), to)?;
    let seconds = began.elapsed().as_secs_f64();
    let bytes = bytes_below(to)? as f64;
    Ok((Moved { bytes, seconds: cached }, Moved { bytes, seconds }))
}

fn command(command: &mut Command, to: &Path) -> Outcome<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let what = format!("copying ended with {status}");
            Err(Failure::new(ErrorClass::Exhausted, what, to.display().to_string(), "free space on this disk"))
        }
        Err(e) => Err(io_failure("cannot copy to", to, &e)),
    }
}

fn bytes_below(dir: &Path) -> Outcome<u64> {
    let walk = || -> std::io::Result<u64> {
        let (mut bytes, mut dirs) = (0, vec![dir.to_owned()]);
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    dirs.push(entry.path());
                } else {
                    bytes += entry.metadata()?.len();
                }
            }
        }
        Ok(bytes)
    };
    walk().map_err(|e| io_failure("cannot list", dir, &e))
}

fn interrupted() -> Failure {
    Failure::new(ErrorClass::Transient, "the bench was stopped", "bench restore", "")
}
