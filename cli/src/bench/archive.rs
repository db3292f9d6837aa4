//! `bench archive`: what archiving costs and how far it is behind, then an outage of the medium and how fast the archive
//! catches up. All phases run on one cluster. The load is steady; what archiving costs is also measured with clients that
//! write as fast as they can, because a steady load says nothing about that unless it is too much.

use super::medium::BenchDest;
use super::patience::Patience;
use super::place::{Place, TENANT};
use super::report::Figures;
use super::writer::Writer;
use crate::args::{BenchArchiveArgs, ClientArgs};
use crate::cluster::Cluster;
use crate::demo::lag::{Outstanding, Sampler, published};
use crate::{Outcome, scrape};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

/// Load before the first measurement: leaders are found, caches are warm.
const WARM_UP: Duration = Duration::from_secs(5);
/// The archive has caught up once no acknowledged write is older than this and not covered.
const CAUGHT_UP: Duration = Duration::from_secs(1);
/// A round that has not begun by then, and an archive that has not caught up, end the bench. Clients write meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A measurement under way.
struct Bench {
    cluster: Cluster,
    dest: BenchDest,
    writer: Writer,
    outstanding: Arc<Outstanding>,
    figures: Figures,
}

/// Runs it and prints the figures.
pub async fn run(client: &ClientArgs, args: BenchArchiveArgs) -> Outcome<()> {
    let place = Place::make(args.place.clone())?;
    let dest = BenchDest::make(args.medium, &place.dir)?;
    let (cluster, table) = place.cluster(3, args.log_streams).await?;
    let outstanding = Arc::new(Outstanding::default());
    let (rate, most) = (args.ingest_mb_s * 1_000_000, args.write_mb_max * 1_000_000);
    let writer = Writer::start(&table, rate, most, &outstanding);
    let mut bench = Bench { cluster, dest, writer, outstanding, figures: Figures::default() };
    let measured = tokio::select! {
        measured = bench.measure(&args) => measured,
        stopped = crate::server::until_stopped(false) => stopped.and(Err(interrupted())),
    };
    measured?;
    bench.writer.finish().await?;
    bench.figures.print(client.wants_json())
}

impl Bench {
    async fn measure(&mut self, args: &BenchArchiveArgs) -> Outcome<()> {
        let time = Duration::from_secs(args.seconds);
        self.figures.say("medium", format!("{:?}", args.medium).to_lowercase());
        self.pass(WARM_UP).await?;
        let off = self.ingest_over(time).await?;
        let most_off = self.saturated(args).await?;
        self.begin_round(args).await?;
        self.pass(WARM_UP).await?;
        let (requests, began) = (self.requests(), Instant::now());
        let sampler = Sampler::start(self.dest.root().to_owned(), Arc::clone(&self.outstanding));
        let on = self.ingest_over(time).await?;
        let lag = sampler.finish();
        let requests_per_s = (self.requests() - requests) / began.elapsed().as_secs_f64();
        self.figures.add("lag_p50_ms", lag.p50_ms, "");
        self.figures.add("lag_p99_ms", lag.p99_ms, "bar 1000");
        self.figures.add("lag_max_ms", lag.max_ms, "");
        self.figures.add("ingest_mb_s_off", off, "without archiving");
        self.figures.add("ingest_mb_s_on", on, "bar 90 % of it");
        self.figures.add("requests_per_s", requests_per_s, "to the medium, all workers");
        let most_on = self.saturated(args).await?;
        if let (Some(off), Some(on)) = (most_off, most_on) {
            self.figures.add("saturated_mb_s_off", off, "clients write as fast as they can, without archiving");
            self.figures.add("saturated_mb_s_on", on, "the same with it");
            self.until_caught_up().await?;
        }
        if args.outage_seconds > 0 {
            self.outage(Duration::from_secs(args.outage_seconds)).await?;
        }
        let resident = self.cluster.worker_resident_peak() as f64 / 1e6;
        self.figures.add("memory_peak_mb", resident, "largest worker process");
        let held = scrape::largest(&self.cluster.worker_http(), "strandline_archive_memory_peak_bytes") / 1e6;
        self.figures.add("archive_memory_peak_mb", held, "log held by the archivers of one worker");
        Ok(())
    }

    /// The medium goes away for a while and comes back.
    async fn outage(&mut self, length: Duration) -> Outcome<()> {
        eprintln!("bench: the medium goes away for {length:?}");
        let before = self.writer.acked();
        self.dest.break_off()?;
        self.pass(length).await?;
        self.dest.repair()?;
        let (back, acked_back) = (Instant::now(), self.writer.acked());
        self.until_caught_up().await?;
        let took = back.elapsed().as_secs_f64();
        let archived = (self.writer.acked() - before) as f64;
        let ingest = (acked_back - before) as f64 / length.as_secs_f64();
        self.figures.add("outage_s", length.as_secs_f64(), "");
        self.figures.add("catch_up_s", took, "");
        self.figures.add("catch_up_mb_s", archived / took / 1e6, "");
        self.figures.add("catch_up_ratio", archived / took / ingest.max(1.0), "bar 3 times the ingest");
        Ok(())
    }

    async fn until_caught_up(&mut self) -> Outcome<()> {
        let (mut patience, mut admin) = (Patience::new("the archive to catch up", PATIENCE), self.cluster.admin()?);
        while self.age().is_some_and(|age| age > CAUGHT_UP) {
            patience.look(&mut admin, &self.dest.shown()).await?;
            self.pass(LOOK_EVERY).await?;
        }
        Ok(())
    }

    /// What clients reach that write as fast as they can; then they keep their pace again.
    async fn saturated(&mut self, args: &BenchArchiveArgs) -> Outcome<Option<f64>> {
        if args.saturated_seconds == 0 {
            return Ok(None);
        }
        self.writer.set_pace(None);
        let reached = self.ingest_over(Duration::from_secs(args.saturated_seconds)).await;
        self.writer.set_pace(Some(args.ingest_mb_s * 1_000_000));
        reached.map(Some)
    }

    /// Bytes per second that are acknowledged over a time, in MB/s.
    async fn ingest_over(&mut self, time: Duration) -> Outcome<f64> {
        let (before, began) = (self.writer.acked(), Instant::now());
        self.pass(time).await?;
        Ok((self.writer.acked() - before) as f64 / 1e6 / began.elapsed().as_secs_f64())
    }

    /// Lets time pass; a server that dies meanwhile ends the bench, and so do clients that have written all they may.
    async fn pass(&mut self, time: Duration) -> Outcome<()> {
        tokio::time::sleep(time).await;
        self.cluster.check_alive()?;
        self.writer.check_bound()
    }

    async fn begin_round(&mut self, args: &BenchArchiveArgs) -> Outcome<()> {
        let mut admin = self.cluster.admin()?;
        let dest = format!("LOCATION={} PIECE_SWITCH_INTERVAL={}{}", self.dest.uri(), args.piece, args.options());
        admin.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{dest}' TENANT = {TENANT}")).await?;
        admin.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {TENANT}")).await?;
        let mut patience = Patience::new("the round to begin and to catch up", PATIENCE);
        loop {
            let round = admin.query("SELECT STATUS, COMMENT FROM CDB_OB_ARCHIVELOG").await?;
            if round.text(0, "STATUS") == "DOING" && self.age().is_none_or(|age| age <= CAUGHT_UP) {
                return Ok(());
            }
            patience.look(&mut admin, &self.dest.shown()).await?;
            self.pass(LOOK_EVERY).await?;
        }
    }

    fn age(&self) -> Option<Duration> {
        self.outstanding.age(published(self.dest.root()), Instant::now())
    }

    fn requests(&self) -> f64 {
        scrape::sum(&self.cluster.worker_http(), "strandline_media_calls_total")
    }
}

fn interrupted() -> Failure {
    Failure::new(ErrorClass::Invalid, "stopped by a signal", "bench", "")
}
