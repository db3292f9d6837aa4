//! RESTORE: the leader scans the destinations, the catalogue crate chooses set and pieces, and everything that the job
//! needs goes into one command. From then on no scheduler reads the catalogue again.

mod archive_key;
mod choose;
mod keys;
mod schema;

pub(super) use choose::Found;
pub(crate) use choose::{Sources, find};
pub(super) use keys::{Sealed, keys_of};
pub(crate) use keys::{WRONG_PASSWORD_CODE, set_keys};
pub(super) use schema::Versions;

use super::Executor;
use crate::clock;
use crate::session::Settings;
use crate::sql::request::restore::{RestoreOptions, RestorePreview, RestoreRequest};
use crate::sql::select::Rows;
use std::time::Duration;
use strandline_scheduler_core::state::Worker;
use strandline_scheduler_core::views::Value;
use strandline_scheduler_core::{Action, Done, StartRestore};
use strandline_types::{DestUri, ErrorClass, Failure, Scn, scn_text};

/// Reading a catalogue takes at most this long.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// Bytes per second and worker that a restore fetches, where nothing better is known: a plain disk.
const FETCH_BYTES_PER_S: u64 = 200 << 20;
/// Bytes of log per second and worker that are replayed, where nothing better is known.
const REPLAY_BYTES_PER_S: u64 = 100 << 20;

/// Reading destinations is given up after a while.
pub(super) async fn in_time<T>(uri: &DestUri, reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(READ_TIMEOUT, reading).await.unwrap_or_else(|_| {
        let what = format!("the catalogue could not be read within {} s", READ_TIMEOUT.as_secs());
        let todo = "check that the destinations are mounted and reachable";
        Err(Failure::new(ErrorClass::Transient, what, uri.to_string(), todo))
    })
}

impl Executor {
    pub(super) async fn restore(&self, request: RestoreRequest, settings: &Settings) -> Result<String, Failure> {
        // What is refused anyway is refused before any medium is touched.
        self.node.read(|s| strandline_scheduler_core::check_restore_name(s, &request.tenant))?;
        let from = Sources::of(&request.from, settings)?;
        let found = find(&from, request.until, &request.options).await?;
        archive_key::check(&found, &request.options.key_source).await?;
        let target_scn = found.choice.target_scn;
        let mut source = found.source(set_keys(&found, settings).await?)?;
        if request.options.standby {
            found.follow_archive(&mut source);
        }
        let start = StartRestore {
            tenant_name: request.tenant.clone(),
            replicas: self.replicas(&request.options, found.replicas),
            target_scn,
            source,
            standby: request.options.standby,
            description: request.description,
        };
        let set = start.source.set_id;
        match self.node.act(Action::StartRestore(Box::new(start))).await? {
            Done::RestoreJob(job) => {
                Ok(format!("restore job {job}: tenant {} from backup set {set} to SCN {target_scn}", request.tenant))
            }
            _ => Ok(format!("tenant {} is being restored", request.tenant)),
        }
    }

    /// What a restore would read, how long that takes and what it waits for most.
    pub(super) async fn preview(&self, request: &RestorePreview, settings: &Settings) -> Result<Rows, Failure> {
        let from = Sources::of(&request.from, settings)?;
        let found = find(&from, request.until, &RestoreOptions::default()).await?;
        let text = |t: String| Value::Text(t);
        let row = |kind: &str, id: String, dest: String, bytes: u64, from: Scn, to: Scn| {
            let description = format!("{} to {}", scn_text(from), scn_text(to));
            vec![text(kind.to_owned()), text(id), text(dest), Value::Uint(bytes), Value::Null, text(description)]
        };
        let place = |p| found.scan.catalogue.place(p).map(|p| p.uri.clone()).unwrap_or_default();
        let sets = found.choice.sets.iter().map(|s| {
            let id = s.set_id.to_string();
            row("BACKUP_SET", id, place(s.place), s.output_bytes, s.start_replay_scn, s.min_restore_scn)
        });
        let pieces = found.choice.pieces.iter().map(|p| {
            row("BACKUP_PIECE", p.key.to_string(), place(p.place), p.output_bytes, p.start_scn, p.checkpoint_scn)
        });
        let mut rows: Vec<Vec<Value>> = sets.chain(pieces).collect();
        let work = self.work_of(&found);
        rows.push(work.estimate(found.choice.target_scn));
        rows.extend(self.too_full(&work));
        let columns = ["BACKUP_TYPE", "BACKUP_ID", "BACKUP_DEST", "BYTES", "ESTIMATED_SECONDS", "DESCRIPTION"];
        Ok(Rows { columns: columns.map(str::to_owned).to_vec(), rows })
    }

    /// How much there is to do, and for how many.
    fn work_of(&self, found: &Found) -> Work {
        Work {
            workers: self.live_workers().max(1) as u64,
            replicas: u64::from(self.replicas(&RestoreOptions::default(), found.replicas)),
            streams: (found.metas.log_streams.len() as u64).max(1),
            data_bytes: found.choice.sets.iter().map(|s| s.output_bytes).sum(),
            log_bytes: found.choice.pieces.iter().map(|p| p.output_bytes).sum(),
        }
    }

    /// Workers whose disks cannot hold their part of the data, if it is spread evenly.
    fn too_full(&self, work: &Work) -> Vec<Vec<Value>> {
        let (now_ms, wanted) = (clock::now().as_ms(), work.bytes_per_worker());
        let row = |w: &Worker, free: u64| {
            let description =
                format!("NOT ENOUGH ROOM: it has to hold about {wanted} bytes of data, and {free} are free");
            let text = |t: String| Value::Text(t);
            let (kind, id) = (text("WORKER".to_owned()), text(w.id.to_string()));
            vec![kind, id, text(w.address.clone()), Value::Uint(wanted), Value::Null, text(description)]
        };
        self.node.read(|s| {
            let live = s.workers.values().filter(|w| s.is_known(w.id, now_ms));
            let full = live.filter_map(|w| Some((w, w.free_bytes.filter(|free| *free < wanted)?)));
            full.map(|(w, free)| row(w, free)).collect()
        })
    }

    fn live_workers(&self) -> usize {
        let now_ms = clock::now().as_ms();
        self.node.read(|s| s.workers.keys().filter(|w| s.is_known(**w, now_ms)).count())
    }

    /// As asked for; else as many as the source had, as far as there are workers.
    pub(super) fn replicas(&self, options: &RestoreOptions, source: u32) -> u32 {
        let live = u32::try_from(self.live_workers()).unwrap_or(u32::MAX);
        match options.replicas {
            Some(n) => u32::try_from(n).unwrap_or(u32::MAX),
            None => source.clamp(1, live.max(1)),
        }
    }
}

/// What a restore has to move, and who does it. Every replica fetches the data for itself.
struct Work {
    /// Workers that live, at least 1.
    workers: u64,
    replicas: u64,
    /// Log streams, at least 1.
    streams: u64,
    data_bytes: u64,
    log_bytes: u64,
}

impl Work {
    /// The sum: bytes, seconds, and what takes most of them.
    fn estimate(&self, target: Scn) -> Vec<Value> {
        let Self { workers, replicas, streams, data_bytes, log_bytes } = *self;
        let fetch_s = data_bytes * replicas / (FETCH_BYTES_PER_S * workers.min(replicas * streams));
        let replay_s = log_bytes / (REPLAY_BYTES_PER_S * workers.min(streams));
        let bottleneck = if fetch_s >= replay_s { "fetching data" } else { "replaying log" };
        let description = format!(
            "to SCN {target} ({}); {replicas} replicas on {workers} workers; {fetch_s} s of fetching data, {replay_s} s of \
             replaying log; the bottleneck is {bottleneck}",
            scn_text(target)
        );
        let text = |t: String| Value::Text(t);
        let (bytes, seconds) = (Value::Uint(data_bytes + log_bytes), Value::Uint(fetch_s + replay_s));
        vec![text("TOTAL".to_owned()), text(String::new()), text(String::new()), bytes, seconds, text(description)]
    }

    /// What a worker has to hold, if the data is spread evenly.
    const fn bytes_per_worker(&self) -> u64 {
        let copies = if self.replicas < self.workers { self.replicas } else { self.workers };
        self.data_bytes * copies / self.workers
    }
}
