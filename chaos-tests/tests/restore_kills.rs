//! `kill -9` of a worker and of the leading scheduler at every stage of a restore: it goes on after their restart, ends
//! with every pair in its place, and fetches almost nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use strandline_chaos::cluster::{Outcome, Patience, Site, Watch, jobs, server_faults};
use strandline_cli::cluster::Cluster;
use strandline_cli::scrape;
use strandline_engine::KvClient;
use strandline_types::{RestoreStage, Scn};

const TENANT: &str = "source";
const TABLE: &str = "numbers";
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_WORKER: u64 = 101;
/// Enough blocks that those under way at a kill are few of them.
const BASE_BATCHES: u64 = 320;
const LOG_BATCHES: u64 = 40;
const VALUE_BYTES: usize = 250_000;
const VALUES_PER_BATCH: u64 = 4;
const FETCHED: &str = "strandline_restore_blocks_fetched_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_die_at_every_stage_of_a_restore_and_it_goes_on_without_fetching_again() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = run(&site).await;
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let (expected, until) = make_and_lose(site).await?;
    let mut cluster = site.cluster(2, "second", 3, 2).await?;
    let blocks = undisturbed(site, &mut cluster, &expected, until).await?;
    let stages = RestoreStage::ALL.into_iter().filter(|stage| !stage.is_ended());
    let (mut again, mut all) = (0, 0);
    for (n, stage) in stages.enumerate() {
        let victim = FIRST_WORKER + n as u64 % 2;
        let tenant = format!("killed_{n}");
        jobs::begin_restore(&cluster, &tenant, &site.data(), &site.archive(), until).await?;
        let seen = until_at(&cluster, &tenant, stage).await?;
        cluster.kill_worker(victim);
        let scheduler = server_faults::kill_leading_scheduler(&mut cluster).await?;
        let here = files_of_restore(&site.path().join("second"), victim);
        cluster.restart_killed()?;
        jobs::until_restored(&mut cluster, &tenant).await?;
        check(&cluster, &tenant, &expected).await?;
        let fetched = fetched(&cluster, victim);
        // Files that were half written at the kill count as fetched twice, too.
        let twice = (here + fetched).saturating_sub(blocks);
        eprintln!(
            "chaos: {stage} (seen: {seen}): killed worker {victim} with {here} of {blocks} blocks and scheduler \
             {scheduler}; then fetched {fetched}, {twice} of them again"
        );
        (again, all) = (again + twice, all + 2 * blocks);
        assert!(twice * 10 <= 2 * blocks, "{stage}: {twice} of {blocks} blocks of each replica were fetched again");
    }
    eprintln!("chaos: {again} of {all} blocks were fetched again");
    cluster.destroy()
}

/// A tenant with a baseline and log after it, archived and backed up; then its cluster is gone.
async fn make_and_lose(site: &Site) -> Outcome<(BTreeMap<Bytes, Bytes>, Scn)> {
    let mut cluster = site.cluster(1, "first", 1, 3).await?;
    jobs::make_tenant(&cluster, TENANT, 1, TABLE).await?;
    jobs::archive(&cluster, TENANT, &site.archive(), 3600).await?;
    let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
    let mut expected = BTreeMap::new();
    write(&client, &mut expected, 0..BASE_BATCHES).await?;
    jobs::begin_backup(&cluster, TENANT, &site.data()).await?;
    jobs::until_backed_up(&cluster).await?;
    write(&client, &mut expected, BASE_BATCHES - 10..BASE_BATCHES + LOG_BATCHES).await?;
    let until = client.token().0;
    let watch = Watch::start(site.archive());
    let patience = Patience::new("the last write is archived", PATIENCE);
    while watch.checkpoint() < until {
        patience.once_more(&format!("checkpoint {}", watch.checkpoint())).await?;
        cluster.check_alive()?;
    }
    drop(watch);
    drop(client);
    cluster.destroy()?;
    Ok((expected, until))
}

async fn write(client: &KvClient, expected: &mut BTreeMap<Bytes, Bytes>, batches: std::ops::Range<u64>) -> Outcome<()> {
    for batch in batches {
        let pair = |i| (Bytes::from(format!("key {batch:06} {i}")), noise(batch * VALUES_PER_BATCH + i));
        let pairs: Vec<_> = (0..VALUES_PER_BATCH).map(pair).collect();
        expected.extend(pairs.iter().cloned());
        client.batch(TABLE, pairs.into_iter().map(|(k, v)| (k, Some(v))).collect()).await?;
    }
    Ok(())
}

/// Bytes that do not compress.
fn noise(seed: u64) -> Bytes {
    let mut x = seed | 1;
    let words = std::iter::repeat_with(|| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 16).to_le_bytes()
    });
    words.take(VALUE_BYTES / 8).flatten().collect::<Vec<u8>>().into()
}

/// An undisturbed restore; gives the blocks of one replica of all log streams.
async fn undisturbed(
    site: &Site,
    cluster: &mut Cluster,
    expected: &BTreeMap<Bytes, Bytes>,
    until: Scn,
) -> Outcome<u64> {
    jobs::begin_restore(cluster, "calm", &site.data(), &site.archive(), until).await?;
    jobs::until_restored(cluster, "calm").await?;
    check(cluster, "calm", expected).await?;
    let (one, other) = (fetched(cluster, FIRST_WORKER), fetched(cluster, FIRST_WORKER + 1));
    assert_eq!(one, other, "each replica fetches its blocks itself");
    assert!(one >= 40, "{one} blocks are too few to count with");
    Ok(one)
}

async fn check(cluster: &Cluster, tenant: &str, expected: &BTreeMap<Bytes, Bytes>) -> Outcome<()> {
    let client = KvClient::connect(&cluster.endpoints(), tenant).await?;
    let pairs = client.scan(TABLE, b"", b"", 0).await?;
    assert_eq!(pairs.len(), expected.len(), "{tenant}");
    assert!(pairs.iter().all(|(k, v)| expected.get(k) == Some(v)), "{tenant} holds other values");
    Ok(())
}

/// Waits until the job is at `stage` or beyond it; half-way through the data when that is the stage.
async fn until_at(cluster: &Cluster, tenant: &str, stage: RestoreStage) -> Outcome<String> {
    let order: Vec<String> = RestoreStage::ALL.iter().map(ToString::to_string).collect();
    let rank = |status: &str| order.iter().position(|s| s == status);
    let wanted = rank(&stage.to_string());
    let patience = Patience::new(format!("{tenant} comes to {stage}"), PATIENCE);
    let mut admin = cluster.admin()?;
    loop {
        let jobs = admin.query("SELECT * FROM CDB_OB_RESTORE_PROGRESS").await?;
        let row = (0..jobs.len()).find(|&row| jobs.text(row, "RESTORE_TENANT_NAME") == tenant);
        let Some(row) = row else {
            let ended = admin.query("SELECT * FROM CDB_OB_RESTORE_HISTORY").await?;
            if (0..ended.len()).any(|row| ended.text(row, "RESTORE_TENANT_NAME") == tenant) {
                return Ok("ended already".to_owned());
            }
            patience.once_more("not begun").await?;
            continue;
        };
        let status = jobs.text(row, "STATUS");
        let (total, done) = (jobs.number(row, "TOTAL_BYTES"), jobs.number(row, "FINISH_BYTES"));
        let half = total > 0 && done * 3 >= total;
        if rank(&status) > wanted || (rank(&status) == wanted && (stage != RestoreStage::RestoreData || half)) {
            return Ok(status);
        }
        patience.once_more(&status).await?;
    }
}

/// Block files that a worker has laid down for restores that have not ended.
fn files_of_restore(cluster: &Path, worker: u64) -> u64 {
    let disk = walk(cluster).into_iter().find(|p| {
        p.is_file()
            && p.ends_with("worker_id")
            && std::fs::read_to_string(p).is_ok_and(|id| id.trim() == worker.to_string())
    });
    let disk = disk.expect("the worker has a disk");
    let is_block = |p: &Path| {
        p.extension().is_some_and(|e| e == "sst")
            && p.components().any(|c| c.as_os_str().to_string_lossy().starts_with("restore-"))
    };
    walk(disk.parent().expect("a file lies in a directory")).iter().filter(|p| is_block(p)).count() as u64
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        // What goes away meanwhile is not there.
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                dirs.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// Blocks that the process of this worker has fetched.
fn fetched(cluster: &Cluster, worker: u64) -> u64 {
    let address = cluster.worker_http()[(worker - FIRST_WORKER) as usize].clone();
    scrape::sum(&[address], FETCHED) as u64
}
