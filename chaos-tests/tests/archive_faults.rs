//! Leaders of log streams and of the cluster are killed, paused and cut off while a tenant is archived to S3 and to a directory at once: one
//! sleeps for half a minute and wakes up, one is cut off from its group and not from the media, and the scheduler that
//! leads dies in the middle of a piece switch. Neither archive may have a gap, a fork or an object with other bytes.
//!
//! The store is s3s-fs (scripts/test-servers.sh): its bucket is a directory, so that a copy of the bucket is what the
//! checkers read, all the while.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{EventLog, Links, MediumTree, Oracle, Outcome, Patience, Site, Watch, Writers};
use strandline_chaos::cluster::{jobs, readers, server_faults};
use strandline_cli::cluster::Cluster;
use strandline_media::testing::servers::{self, Server};
use strandline_types::{PieceKey, Scn};

const TENANT: &str = "twice";
const TABLE: &str = "numbers";
const LOG_STREAMS: usize = 3;
const WRITERS: usize = 3;
const PIECE_SECONDS: u64 = 3;
/// Longer than any lease, any deadline of a call and any keep-alive.
const SLEEP: Duration = Duration::from_secs(30);
/// A leader is cut off for so long after others lead.
const CUT: Duration = Duration::from_secs(5);
/// Schedulers that die in the middle of a piece switch.
const SWITCHES: usize = 2;
/// Acknowledgements of every writer between two faults.
const ACKS_BETWEEN: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Both archives and who writes.
struct Bed {
    cluster: Cluster,
    links: Links,
    writers: Writers,
    /// On S3, and in a directory.
    watches: [Watch; 2],
    events: EventLog,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_sleep_are_cut_off_and_die_in_a_piece_switch_and_both_archives_stay_one_log() {
    if servers::needed("s3s-fs").is_none() {
        return;
    }
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    run(&site).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let events = EventLog::begin();
    let buckets = site.directory("s3")?;
    let store = Server::s3_over(&buckets, None).expect("it was found just now");
    let archives = [buckets.join("bucket/archive"), site.archive()];
    let dests = [store.s3_uri("bucket", "archive"), format!("file://{}", archives[1].display())];

    let (cluster, links) = site.linked(1, "faults", 3, 3).await?;
    jobs::make_tenant(&cluster, TENANT, LOG_STREAMS, TABLE).await?;
    let watches = archives.clone().map(Watch::start);
    let writers = Writers::start(&cluster.endpoints(), TENANT, TABLE, WRITERS, &watches[0]).await?;
    jobs::archive_to(&cluster, TENANT, &dests, PIECE_SECONDS).await?;
    let mut bed = Bed { cluster, links, writers, watches, events };
    bed.go_on().await?;
    events.record("archived to S3 and to a directory");

    bed.a_leader_sleeps_and_wakes_up().await?;
    bed.a_leader_is_cut_off_from_its_group_only().await?;
    for _ in 0..SWITCHES {
        bed.the_leading_scheduler_dies_in_a_piece_switch(&archives[0]).await?;
    }
    let oracle = bed.end().await?;
    for archive in &archives {
        readers::check_archive(archive).unwrap_or_else(|problems| panic!("{problems}"));
    }
    same_log(&archives);
    events.record(&format!("{} acknowledged writes, one log on both media", oracle.acked().len()));
    Ok(())
}

impl Bed {
    /// Everybody writes, and both archives cover it.
    async fn go_on(&mut self) -> Outcome<()> {
        self.writers.go_on(ACKS_BETWEEN).await?;
        self.until_covered(self.writers.scn()).await
    }

    async fn until_covered(&mut self, scn: Scn) -> Outcome<()> {
        for (watch, medium) in self.watches.iter().zip(["S3", "the directory"]) {
            let patience = Patience::new(format!("the checkpoint on {medium} covers SCN {scn}"), PATIENCE);
            while watch.checkpoint() < scn && !watch.has_ended() {
                patience.once_more(&format!("checkpoint {}", watch.checkpoint())).await?;
                self.cluster.check_alive()?;
            }
        }
        Ok(())
    }

    async fn a_leader_sleeps_and_wakes_up(&mut self) -> Outcome<()> {
        let victim = server_faults::leading_worker(&self.cluster, TENANT).await?;
        let asleep = server_faults::pause_worker(&self.cluster, victim)?;
        let until = Instant::now() + SLEEP;
        server_faults::until_led_by_others(&self.cluster, TENANT, victim).await?;
        self.go_on().await?;
        self.events.record(&format!("worker {victim} sleeps; others lead and archive"));
        tokio::time::sleep_until(until.into()).await;
        drop(asleep);
        self.go_on().await?;
        self.events.record(&format!("worker {victim} slept for {SLEEP:?} and woke up"));
        Ok(())
    }

    /// It reaches the media, its clients and the schedulers, and believes for a while that it leads.
    async fn a_leader_is_cut_off_from_its_group_only(&mut self) -> Outcome<()> {
        let victim = server_faults::leading_worker(&self.cluster, TENANT).await?;
        self.links.cut_off(&self.cluster, victim);
        server_faults::until_led_by_others(&self.cluster, TENANT, victim).await?;
        self.go_on().await?;
        self.events.record(&format!("worker {victim} is cut off; others lead and archive"));
        tokio::time::sleep(CUT).await;
        self.go_on().await?;
        self.links.repair();
        self.go_on().await?;
        self.events.record(&format!("worker {victim} is back"));
        Ok(())
    }

    /// The next piece has begun, the one before it is not frozen: there the scheduler that leads is killed.
    async fn the_leading_scheduler_dies_in_a_piece_switch(&mut self, archive: &Path) -> Outcome<()> {
        let patience = Patience::new("a kill falls into a piece switch", PATIENCE);
        let piece = loop {
            let piece = until_switching(archive).await?;
            let victim = server_faults::kill_leading_scheduler(&mut self.cluster).await?;
            let is_hit = !tree(archive).is_frozen(piece);
            self.events.record(&format!("killed scheduler {victim}; piece {piece} was being switched: {is_hit}"));
            self.go_on().await?;
            self.cluster.restart_killed()?;
            if is_hit {
                break piece;
            }
            patience.once_more("it was frozen before the scheduler was dead").await?;
        };
        let patience = Patience::new(format!("piece {piece} is frozen by the next leader"), PATIENCE);
        while !tree(archive).is_frozen(piece) {
            patience.once_more("not yet").await?;
        }
        self.go_on().await
    }

    /// Everything that was acknowledged is covered, and no look saw anything broken.
    async fn end(mut self) -> Outcome<Oracle> {
        let last = self.writers.scn();
        self.until_covered(last).await?;
        let oracle = self.writers.finish().await?;
        for watch in self.watches {
            let (medium, sightings) = watch.finish().unwrap_or_else(|broken| panic!("{broken}"));
            sightings.check(&medium).unwrap_or_else(|broken| panic!("{broken}"));
            let (pieces, frozen) = medium.pieces();
            self.events
                .record(&format!("{pieces} pieces, {frozen} frozen, {} checkpoints seen", sightings.checkpoints()));
        }
        self.cluster.destroy()?;
        Ok(oracle)
    }
}

async fn until_switching(archive: &Path) -> Outcome<PieceKey> {
    let patience = Patience::new("a piece is being switched", PATIENCE);
    loop {
        match tree(archive).switching() {
            Some(piece) => return Ok(piece),
            None => patience.once_more("no switch").await?,
        }
    }
}

fn tree(archive: &Path) -> MediumTree {
    MediumTree::read(archive).expect("the archive can be read")
}

/// Both archives hold the same groups, as far as both go.
fn same_log(archives: &[PathBuf; 2]) {
    let logs = archives.each_ref().map(|archive| {
        let groups = tree(archive).groups().unwrap_or_else(|broken| panic!("{broken}"));
        groups.into_iter().map(|(stream, groups)| (stream.ls_id, groups)).collect::<Vec<_>>()
    });
    assert_eq!(logs[0].len(), LOG_STREAMS + 1);
    for ((ls, one), (other_ls, other)) in logs[0].iter().zip(&logs[1]) {
        assert_eq!(ls, other_ls);
        // The rounds began one after the other: what is before the later begin is in one of them only.
        let begin = one.first().map(|g| g.end).max(other.first().map(|g| g.end)).expect("log was written");
        let from = |groups: &[strandline_chaos::invariants::Group]| {
            groups.iter().copied().filter(|g| g.end >= begin).collect::<Vec<_>>()
        };
        let (one, other) = (from(one), from(other));
        let both = one.len().min(other.len());
        assert!(both > 0, "log stream {ls}");
        assert_eq!(one[..both], other[..both], "log stream {ls}");
    }
}
