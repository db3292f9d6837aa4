//! `RESTORE … PREVIEW` and `SHOW RESTORE PREVIEW`: what a restore would read, how long that takes and what takes longest.

use super::replicas::{live_workers, replicas};
use super::source::RestorePoint;
use crate::clock;
use crate::effects::restore_source::Found;
use crate::sql::select::Rows;
use crate::statements::context::Context;
use crate::statements::settings::SessionSetting;
use crate::statements::statement::{Read, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::state::Worker;
use strandline_scheduler_core::views::Value;
use strandline_types::{Failure, Scn, scn_text};

/// Bytes per second and worker that a restore fetches, where nothing better is known: a plain disk.
const FETCH_BYTES_PER_S: u64 = 200 << 20;
/// Bytes of log per second and worker that are replayed, where nothing better is known.
const REPLAY_BYTES_PER_S: u64 = 100 << 20;

pub const SHOW: Syntax = Syntax {
    words: &["SHOW RESTORE PREVIEW"],
    rest: "",
    about: "Computes the session's last RESTORE … PREVIEW again.",
    parse: |c| Statement::read(c, ShowRestorePreview),
};

/// `RESTORE … PREVIEW`.
#[derive(Debug, PartialEq, Eq)]
pub struct RestorePreview(pub RestorePoint);

/// `SHOW RESTORE PREVIEW`.
#[derive(Debug, PartialEq, Eq)]
pub struct ShowRestorePreview;

#[async_trait]
impl Read for RestorePreview {
    async fn rows(&self, cx: &Context<'_>) -> Result<Rows, Failure> {
        preview(cx, &self.0, &cx.settings()?.sources).await
    }

    fn setting(&self) -> Option<SessionSetting> {
        Some(SessionSetting::Preview(self.0.clone()))
    }
}

#[async_trait]
impl Read for ShowRestorePreview {
    async fn rows(&self, cx: &Context<'_>) -> Result<Rows, Failure> {
        let settings = cx.settings()?;
        match &settings.preview {
            Some(point) => preview(cx, point, &settings.sources).await,
            None => Ok(Rows { columns: vec!["BACKUP_TYPE".to_owned()], rows: Vec::new() }),
        }
    }
}

async fn preview(cx: &Context<'_>, point: &RestorePoint, sources: &[String]) -> Result<Rows, Failure> {
    let found = point.find(sources, "").await?;
    Ok(preview_rows(cx, &found))
}

/// One row per set and piece, then the sum, then the workers that have not enough room.
fn preview_rows(cx: &Context<'_>, found: &Found) -> Rows {
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
    let pieces =
        found.choice.pieces.iter().map(|p| {
            row("BACKUP_PIECE", p.key.to_string(), place(p.place), p.output_bytes, p.start_scn, p.checkpoint_scn)
        });
    let mut rows: Vec<Vec<Value>> = sets.chain(pieces).collect();
    let work = Work::of(cx, found);
    rows.push(work.estimate(found.choice.target_scn));
    rows.extend(too_full(cx, &work));
    let columns = ["BACKUP_TYPE", "BACKUP_ID", "BACKUP_DEST", "BYTES", "ESTIMATED_SECONDS", "DESCRIPTION"];
    Rows { columns: columns.map(str::to_owned).to_vec(), rows }
}

/// Workers whose disks cannot hold their part of the data, if it is spread evenly.
fn too_full(cx: &Context<'_>, work: &Work) -> Vec<Vec<Value>> {
    let (now_ms, wanted) = (clock::now().as_ms(), work.bytes_per_worker());
    let row = |w: &Worker, free: u64| {
        let description = format!("NOT ENOUGH ROOM: it has to hold about {wanted} bytes of data, and {free} are free");
        let text = |t: String| Value::Text(t);
        let (kind, id) = (text("WORKER".to_owned()), text(w.id.to_string()));
        vec![kind, id, text(w.address.clone()), Value::Uint(wanted), Value::Null, text(description)]
    };
    cx.node.read(|s| {
        let live = s.workers.values().filter(|w| s.is_known(w.id, now_ms));
        let full = live.filter_map(|w| Some((w, w.free_bytes.filter(|free| *free < wanted)?)));
        full.map(|(w, free)| row(w, free)).collect()
    })
}

/// The size of a restore, and the workers that share it. Every replica fetches the data for itself.
struct Work {
    /// Workers that report, at least 1.
    workers: u64,
    replicas: u64,
    /// Log streams, at least 1.
    streams: u64,
    data_bytes: u64,
    log_bytes: u64,
}

impl Work {
    fn of(cx: &Context<'_>, found: &Found) -> Self {
        Self {
            workers: live_workers(cx).max(1) as u64,
            replicas: u64::from(replicas(cx, None, found.replicas)),
            streams: (found.metas.log_streams.len() as u64).max(1),
            data_bytes: found.choice.sets.iter().map(|s| s.output_bytes).sum(),
            log_bytes: found.choice.pieces.iter().map(|p| p.output_bytes).sum(),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::super::source::RestoreFrom;
    use super::*;
    use crate::statements::testing::read;
    use strandline_catalogue::Target;

    #[test]
    fn a_preview_is_read_with_or_without_the_name_of_a_tenant() {
        let both = RestoreFrom::Destinations { data: "file:///d".into(), archive: Some("file:///a".into()) };
        let (added, five) = (RestoreFrom::Added, Target::Scn(Scn(5)));
        for (text, from, until) in [
            ("ALTER SYSTEM RESTORE FROM 'file:///d,file:///a' UNTIL SCN = 5 PREVIEW", both, five),
            ("ALTER SYSTEM RESTORE PREVIEW", added.clone(), Target::Newest),
            ("ALTER SYSTEM RESTORE n UNTIL SCN 5 PREVIEW", added.clone(), five),
            ("ALTER SYSTEM RESTORE UNTIL SCN 5 PREVIEW", added, five),
        ] {
            assert_eq!(read(text), Ok(RestorePreview(RestorePoint { from, until })), "{text}");
        }
        assert_eq!(read("SHOW RESTORE PREVIEW"), Ok(ShowRestorePreview));
    }
}
