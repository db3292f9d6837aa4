//! `kill -9` and `SIGSTOP` of the leaders, again and again, while writers write and the log is archived; then all
//! disks are lost, and every acknowledged write has to come back from the medium, up to the SCN that is asked for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use strandline_chaos::cluster::{
    EventLog, MediumTree, Oracle, Outcome, Patience, Site, Watch, Writers, jobs, readers, server_faults,
};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_types::{PieceClock, Scn};

const TENANT: &str = "storm";
const TABLE: &str = "numbers";
const LOG_STREAMS: usize = 3;
const WRITERS: usize = 4;
const PIECE_SECONDS: u64 = 2;
/// Each sort of fault falls so often.
const ROUNDS: u64 = 3;
/// A paused leader sleeps at least so long: others lead long before.
const PAUSE: Duration = Duration::from_secs(3);
/// Acknowledgements of every writer between two faults.
const ACKS_BETWEEN: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_die_while_archiving_and_every_acknowledged_write_comes_back() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = run(&site).await;
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let events = EventLog::begin();
    let (oracle, min_restore) = storm(site, &events).await?;
    readers::check(site.path()).unwrap_or_else(|problems| panic!("{problems}"));
    events.record("the second readers are done");
    back_from_the_medium(site, &events, &oracle, min_restore).await
}

/// The first cluster, from its start until its disks are gone; gives what was written.
async fn storm(site: &Site, events: &EventLog) -> Outcome<(Oracle, Scn)> {
    let mut cluster = site.cluster(1, "first", 3, 3).await?;
    events.record("3 schedulers and 3 workers run");
    jobs::make_tenant(&cluster, TENANT, LOG_STREAMS, TABLE).await?;
    let watch = Watch::start(site.archive());
    let writers = Writers::start(&cluster.endpoints(), TENANT, TABLE, WRITERS, &watch).await?;
    writers.go_on(ACKS_BETWEEN).await?;
    jobs::archive(&cluster, TENANT, &site.archive(), PIECE_SECONDS).await?;
    events.record("it archives");

    let mut min_restore = Scn::MIN;
    for round in 0..ROUNDS {
        assert!(!watch.has_ended(), "{:?}", watch.finish().err());
        // The second and the third round fall onto the end of a piece.
        if round > 0 {
            until_piece_end(site).await;
        }
        workers_leader_dies(&mut cluster, &writers, events).await?;
        schedulers_leader_dies(&mut cluster, &writers, &watch, events).await?;
        if round == 0 {
            jobs::begin_backup(&cluster, TENANT, &site.data()).await?;
            min_restore = jobs::until_backed_up(&cluster).await?;
            events.record(&format!("backed up, restorable from SCN {min_restore}"));
        }
        old_leader_wakes_up(&mut cluster, &writers, &watch, events).await?;
    }
    both_leaders_die(&mut cluster, &writers, &watch, events).await?;

    let oracle = writers.finish().await?;
    let last = *oracle.acked().last().expect("somebody wrote");
    until_covered(&mut cluster, &watch, last).await?;
    events.record(&format!("{} writes are acknowledged and archived", oracle.acked().len()));
    let (medium, sightings) = watch.finish().unwrap_or_else(|broken| panic!("{broken}"));
    sightings.check(&medium).unwrap_or_else(|broken| panic!("{broken}"));
    let (pieces, frozen) = medium.pieces();
    events.record(&format!("{pieces} pieces, {frozen} frozen, {} checkpoints seen", sightings.checkpoints()));
    assert!(frozen as u64 > 2 * ROUNDS, "{frozen} pieces only: the faults did not fall among piece switches");
    cluster.destroy()?;
    Ok((oracle, min_restore))
}

async fn workers_leader_dies(cluster: &mut Cluster, writers: &Writers, events: &EventLog) -> Outcome<()> {
    let victim = server_faults::kill_leading_worker(cluster, TENANT).await?;
    events.record(&format!("killed worker {victim}"));
    writers.go_on(ACKS_BETWEEN).await?;
    events.record("all writers go on");
    cluster.restart_killed()
}

/// Archiving goes on under the next leader: what was acknowledged after the fault is covered.
async fn schedulers_leader_dies(
    cluster: &mut Cluster,
    writers: &Writers,
    watch: &Watch,
    events: &EventLog,
) -> Outcome<()> {
    let victim = server_faults::kill_leading_scheduler(cluster).await?;
    events.record(&format!("killed scheduler {victim}"));
    writers.go_on(ACKS_BETWEEN).await?;
    until_covered(cluster, watch, writers.scn()).await?;
    events.record("the checkpoint goes on");
    cluster.restart_killed()
}

/// A leader that was away for a while writes to the archive of a stream that others lead by now.
async fn old_leader_wakes_up(
    cluster: &mut Cluster,
    writers: &Writers,
    watch: &Watch,
    events: &EventLog,
) -> Outcome<()> {
    let victim = server_faults::leading_worker(cluster, TENANT).await?;
    let paused = server_faults::pause_worker(cluster, victim)?;
    let until = Instant::now() + PAUSE;
    events.record(&format!("paused worker {victim}"));
    writers.go_on(ACKS_BETWEEN).await?;
    server_faults::until_led_by_others(cluster, TENANT, victim).await?;
    until_covered(cluster, watch, writers.scn()).await?;
    tokio::time::sleep_until(until.into()).await;
    drop(paused);
    events.record("it goes on");
    writers.go_on(ACKS_BETWEEN).await?;
    until_covered(cluster, watch, writers.scn()).await
}

async fn both_leaders_die(cluster: &mut Cluster, writers: &Writers, watch: &Watch, events: &EventLog) -> Outcome<()> {
    let worker = server_faults::kill_leading_worker(cluster, TENANT).await?;
    let scheduler = server_faults::kill_leading_scheduler(cluster).await?;
    events.record(&format!("killed worker {worker} and scheduler {scheduler}"));
    cluster.restart_killed()?;
    writers.go_on(ACKS_BETWEEN).await?;
    until_covered(cluster, watch, writers.scn()).await
}

/// Waits until shortly before a piece ends, by the clock that all servers here share.
async fn until_piece_end(site: &Site) {
    const BEFORE: Duration = Duration::from_millis(100);
    let clock = clock(site);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let end = Duration::from_nanos(clock.range(clock.piece_of(Scn(now.as_nanos() as u64))).end.0);
    tokio::time::sleep(end.saturating_sub(now).saturating_sub(BEFORE)).await;
}

fn clock(site: &Site) -> PieceClock {
    let medium = MediumTree::read(&site.archive()).expect("the archive can be read");
    let stream = *medium.streams().first().expect("something is archived");
    medium.clock(stream.dest_id, stream.round_id).expect("the round has begun")
}

async fn until_covered(cluster: &mut Cluster, watch: &Watch, scn: Scn) -> Outcome<()> {
    let patience = Patience::new(format!("the checkpoint covers SCN {scn}"), PATIENCE);
    while watch.checkpoint() < scn && !watch.has_ended() {
        patience.once_more(&format!("checkpoint {}", watch.checkpoint())).await?;
        cluster.check_alive()?;
    }
    Ok(())
}

/// A new cluster restores to several moments; each shows exactly what was acknowledged up to it.
async fn back_from_the_medium(site: &Site, events: &EventLog, oracle: &Oracle, min_restore: Scn) -> Outcome<()> {
    let mut cluster = site.cluster(2, "second", 1, 2).await?;
    events.record("the disks are gone; a new cluster runs");
    let moments = moments(site, oracle, min_restore);
    for (n, scn) in moments.iter().enumerate() {
        jobs::begin_restore(&cluster, &format!("again_{n}"), &site.data(), &site.archive(), *scn).await?;
    }
    for (n, &scn) in moments.iter().enumerate() {
        let tenant = format!("again_{n}");
        jobs::until_restored(&mut cluster, &tenant).await?;
        let pairs = KvClient::connect(&cluster.endpoints(), &tenant).await?.scan(TABLE, b"", b"", 0).await?;
        let shown = oracle.check(scn, pairs).unwrap_or_else(|differences| panic!("{tenant}: {differences}"));
        assert!(shown.open <= WRITERS, "{shown:?}");
        events.record(&format!("restored to SCN {scn}: {shown:?}"));
    }
    cluster.destroy()
}

/// An acknowledged SCN in the middle, the last one of a piece after it, and the last one of all.
fn moments(site: &Site, oracle: &Oracle, min_restore: Scn) -> Vec<Scn> {
    let possible: Vec<Scn> = oracle.acked().iter().copied().filter(|scn| *scn >= min_restore).collect();
    let at = |part: usize| possible[possible.len() * part / 4];
    let clock = clock(site);
    let end = clock.range(clock.piece_of(at(2))).end;
    let last_of_piece = possible.iter().copied().filter(|scn| *scn < end).max().expect("its own piece has one");
    vec![at(1), last_of_piece, *possible.last().expect("something was written after the backup")]
}
