//! The steps of the demo, in order: import files into a table, start archiving, take a full backup, start steady
//! small writes, change files while a worker is killed, note the target SCN, change them again while the leading
//! scheduler is killed, wait until all is archived, delete the servers and their disks, start a new cluster, restore
//! to the target SCN, compare files and probe values.
//!
//! Every write of the first changes is acknowledged before the target SCN is noted. Every write of the second ones
//! carries it as causality token, so the expected files at the target SCN are known exactly. Of the keys that are
//! written all the time a range of values is accepted.

use super::compare::{Differences, compare};
use super::lag::{Lag, Outstanding, Sampler, published};
use super::probe::{Journal, Probe};
use super::report::{Report, mb_s, millis, rounded};
use super::tree::{Content, Tree};
use super::{Dirs, EXPORT, changes, jobs, kill_worst, sources};
use crate::Outcome;
use crate::args::DemoArgs;
use crate::cluster::Cluster;
use crate::cluster::config::Identity;
use crate::kv::export::export;
use crate::kv::files::Listing;
use crate::kv::import::write_all;
use crate::kv::loader::{AckWatcher, Loader};
use crate::kv::table::Table;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, Scn};

const TENANT: &str = "demo";
const FILES: &str = "files";
const PROBE: &str = "probe";
/// What `--small` makes smaller.
struct Scale {
    /// Length of a piece: short, so that the run sees several switches.
    piece: &'static str,
    /// Steady writing between the backup and the blows: most of a cluster's life, and what the archive lag is about.
    steady: Duration,
    /// Files that are added.
    added: u64,
}

const FULL: Scale = Scale { piece: "15s", steady: Duration::from_secs(60), added: 120 };
const SMALL: Scale = Scale { piece: "5s", steady: Duration::from_secs(8), added: 20 };
const STEADY_PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(120);

/// What the lost cluster leaves to the second half: the files and values of the target moment.
struct Moment {
    scn: Scn,
    tree: Tree,
    journal: Journal,
    backup_bytes: u64,
    replayed_bytes: u64,
}

/// Runs it; gives the figures and what differed.
pub async fn run(args: &DemoArgs, dirs: &Dirs) -> Outcome<(Report, Differences)> {
    let began = Instant::now();
    let mut report = Report::default();
    let listing = sources::choose(args.files.as_deref(), args.small)?;
    let moment = lost_cluster(listing, args, dirs, &mut report).await?;
    let differences = new_cluster(&moment, dirs, &mut report).await?;
    report.restored_scn = moment.scn.0;
    report.restored_files = moment.tree.len() as u64;
    report.differences = differences.count;
    report.ok = differences.count == 0;
    report.seconds = rounded(began.elapsed().as_secs_f64());
    Ok((report, differences))
}

/// The first cluster, until its disks are gone.
async fn lost_cluster(listing: Listing, args: &DemoArgs, dirs: &Dirs, report: &mut Report) -> Outcome<Moment> {
    let identity = Identity { id: 1, name: "demo-first".to_owned() };
    let mut cluster = Cluster::start(identity, &dirs.work.join("first"), 3, 3).await?;
    eprintln!("demo: 3 schedulers and 3 workers run");
    let (files, probe_table) = make_tenant(&cluster).await?;

    let mut tree = import(listing, &files, report).await?;
    note_memory(&cluster, report);

    let scale = if args.small { SMALL } else { FULL };
    jobs::archive(&mut cluster, TENANT, &dirs.archive, scale.piece).await?;
    let outstanding = Arc::new(Outstanding::default());
    let sampler = Sampler::start(dirs.archive.clone(), Arc::clone(&outstanding));
    eprintln!("demo: archives");

    let probe = Probe::start(probe_table, &outstanding)?;
    jobs::set_data_dest(&cluster, TENANT, &dirs.data).await?;
    let backup = jobs::backup(&mut cluster, TENANT).await?;
    report.note_backup(&backup);
    note_memory(&cluster, report);
    eprintln!("demo: backed up {} MB", backup.bytes / 1_000_000);

    let steady = write_steadily(&files, &outstanding, &mut tree, scale.steady).await?;
    eprintln!("demo: wrote {} MB in small changes over {:?}", steady / 1_000_000, scale.steady);

    let first = changes::choose(&tree, 1, scale.added);
    let gap = {
        let write = write_changes(&files, &outstanding, first.clone());
        let (written, gap) = tokio::join!(write, kill_worst::worker(&mut cluster, TENANT, &probe));
        written?;
        gap?
    };
    changes::apply(&mut tree, &first);
    report.log_stream_failover_ms = millis(gap);
    let scn = files.token().0.max(probe.scn());
    files.observe(scn);
    probe.observe(scn);
    eprintln!("demo: changed {} files, noted SCN {scn}", first.len());

    let second = changes::choose(&tree, 2, scale.added / 4);
    let failover = {
        let write = write_changes(&files, &outstanding, second.clone());
        let (written, time) = tokio::join!(write, kill_worst::scheduler(&mut cluster));
        written?;
        time?
    };
    report.scheduler_failover_ms = millis(failover);
    let journal = probe.finish().await?;
    let last = files.token().0;
    wait_until_covered(dirs, last.max(scn), &mut cluster).await?;
    eprintln!("demo: changed {} more files, all archived", second.len());

    let Lag { p50_ms, p99_ms, max_ms } = sampler.finish();
    (report.lag_p50_ms, report.lag_p99_ms, report.lag_max_ms) = (rounded(p50_ms), rounded(p99_ms), rounded(max_ms));
    note_memory(&cluster, report);
    drop(files);
    cluster.destroy()?;
    eprintln!("demo: the cluster and its disks are gone");
    Ok(Moment { scn, tree, journal, backup_bytes: backup.bytes, replayed_bytes: steady + changes::bytes(&first) })
}

/// The second cluster: from the medium alone.
async fn new_cluster(moment: &Moment, dirs: &Dirs, report: &mut Report) -> Outcome<Differences> {
    let identity = Identity { id: 2, name: "demo-second".to_owned() };
    let mut cluster = Cluster::start(identity, &dirs.work.join("second"), 3, 2).await?;
    eprintln!("demo: a new cluster of 2 workers runs");
    let from = jobs::RestoreFrom { data: &dirs.data, archive: &dirs.archive, until: Some(moment.scn), replicas: 2 };
    let restored = jobs::restore(&mut cluster, TENANT, from).await?;
    report.note_restore(&restored, moment.backup_bytes, moment.replayed_bytes);
    note_memory(&cluster, report);
    eprintln!("demo: restored to SCN {}", moment.scn);

    let mut differences = Differences::default();
    let files = open_table(&cluster, FILES).await?;
    let target = dirs.work.join(EXPORT);
    export(Arc::clone(&files), &target).await?;
    compare(&target, &moment.tree, &mut differences)?;
    let probe = open_table(&cluster, PROBE).await?;
    for difference in moment.journal.check(&probe, moment.scn).await? {
        differences.add(difference);
    }
    eprintln!("demo: compared {} files", moment.tree.len());
    drop((files, probe));
    cluster.destroy()?;
    Ok(differences)
}

/// Peaks are noted before a worker is killed, too: they go with its process.
fn note_memory(cluster: &Cluster, report: &mut Report) {
    report.worker_rss_max_mb = report.worker_rss_max_mb.max(rounded(cluster.worker_resident_peak() as f64 / 1e6));
}

/// The tenant and its two tables, ready to be written.
async fn make_tenant(cluster: &Cluster) -> Outcome<(Arc<Table>, Arc<Table>)> {
    let mut admin = cluster.admin()?;
    admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = 4 REPLICAS = 3")).await?;
    for table in [FILES, PROBE] {
        admin.sql(&format!("CREATE TABLE {table} TABLETS = 8 TENANT = {TENANT}")).await?;
    }
    Ok((open_table(cluster, FILES).await?, open_table(cluster, PROBE).await?))
}

/// A table, as soon as the log streams have leaders and the dictionary is logged.
async fn open_table(cluster: &Cluster, name: &str) -> Outcome<Arc<Table>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Table::open(&cluster.endpoints(), TENANT, name).await {
            Ok(table) => return Ok(Arc::new(table)),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn import(listing: Listing, table: &Arc<Table>, report: &mut Report) -> Outcome<Tree> {
    let listing = Arc::new(listing);
    report.files = listing.files.len() as u64;
    report.bytes = listing.bytes();
    let began = Instant::now();
    let hashes = write_all(&mut Loader::new(Arc::clone(table)), Arc::clone(&listing)).await?;
    report.import_mb_s = mb_s(report.bytes, began.elapsed());
    eprintln!("demo: imported {} files, {} MB", report.files, report.bytes / 1_000_000);
    let content = listing.files.iter().zip(hashes).map(|(f, hash)| (f.relative.clone(), Content::imported(f, hash)));
    Ok(content.collect())
}

/// Small changes, one round after the other; gives the bytes written.
async fn write_steadily(
    files: &Arc<Table>,
    outstanding: &Arc<Outstanding>,
    tree: &mut Tree,
    time: Duration,
) -> Outcome<u64> {
    let (began, mut round, mut bytes) = (Instant::now(), 0, 0);
    while began.elapsed() < time {
        let list = changes::choose_few(tree, round);
        write_changes(files, outstanding, list.clone()).await?;
        changes::apply(tree, &list);
        bytes += changes::bytes(&list);
        round += 1;
        tokio::time::sleep(STEADY_PAUSE).await;
    }
    Ok(bytes)
}

async fn write_changes(table: &Arc<Table>, outstanding: &Arc<Outstanding>, list: Vec<changes::Change>) -> Outcome<()> {
    let outstanding = Arc::clone(outstanding);
    let watcher: AckWatcher = Arc::new(move |scn, at| outstanding.acknowledged(scn, at));
    let mut loader = Loader::watched(Arc::clone(table), watcher);
    loader.load(move |to| changes::send(&list, to)).await?;
    loader.finish().await
}

/// Waits until the checkpoint on the medium covers `scn`.
async fn wait_until_covered(dirs: &Dirs, scn: Scn, cluster: &mut Cluster) -> Outcome<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let checkpoint = published(&dirs.archive);
        if checkpoint >= scn {
            return Ok(());
        }
        cluster.check_alive()?;
        if Instant::now() >= deadline {
            let what = format!("the archive checkpoint stays at {checkpoint}, below SCN {scn}");
            let todo = "SELECT * FROM CDB_OB_ARCHIVELOG says why";
            return Err(Failure::new(ErrorClass::Transient, what, dirs.archive.display().to_string(), todo));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
