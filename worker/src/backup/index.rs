//! `BACKUP_INDEX`: the indexes of all log streams become one of the tenant, per kind of data.
//!
//! Reads only what earlier tasks finished, verifies all of it, and checks that every data file that the merged index
//! names, in this set or an earlier one of its chain, is there, finished, and long enough. The result is a pure function of the parts, so a repetition
//! writes the same bytes.

use super::existing_blocks::object;
use super::ls::set_name;
use crate::task_ctx::{TaskCtx, cancelled};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::blocks::{TRAILER_BYTES, Trailer};
use strandline_format::index::{
    IndexEntry, IndexReader, MacroIndexEntry, MetaIndexEntry, PhysicalId, SecMetaIndexEntry, write_index,
};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::{read_small, write_small};
use strandline_format::{DataType, pb};
use strandline_media::{Looks, Medium};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupIndexResult, BackupIndexSpec, LsTurn};
use strandline_reader::SetNames;
use strandline_types::limits::BLOCKS_IN_FLIGHT_MAX;
use strandline_types::{ErrorClass, Failure, LsId, RetryId, TurnId};
use strandline_worker_core::index_merge::{Mergeable, merge};

/// Runs the task.
///
/// # Errors
/// `NotFound` or `Corrupt` with the object for an index or data file that is missing or damaged.
pub async fn run_backup_index(
    ctx: &TaskCtx,
    spec: &BackupIndexSpec,
    id: TaskKey,
) -> Result<BackupIndexResult, Failure> {
    tokio::select! {
        done = build(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn build(ctx: &TaskCtx, spec: &BackupIndexSpec, id: TaskKey) -> Result<BackupIndexResult, Failure> {
    let medium = ctx.medium_to_write(&spec.dest_uri, &spec.access, spec.owner)?;
    let set = set_name(spec.backup_set_id, spec.incremental);
    let sets = SetNames::new(Arc::clone(&medium), Looks::default(), [set]);
    let mut merger = Merger { medium, set, sets, id, parts: &spec.parts, result: BackupIndexResult::default() };
    let tablets = merger.tablet_map().await?;
    for kind in InfoKind::ALL {
        let blocks = merger.index::<MacroIndexEntry>(kind, IndexKind::MacroRange).await?;
        merger.check_data_files(blocks.iter().map(Mergeable::physical)).await?;
        let metas = merger.index::<MetaIndexEntry>(kind, IndexKind::Meta).await?;
        merger.check_data_files(metas.iter().map(Mergeable::physical)).await?;
        merger.index::<SecMetaIndexEntry>(kind, IndexKind::SecMeta).await?;
        let path = BackupPath::TabletLsInfo { set: merger.set, kind, turn: id.turn }.path();
        merger.put(&path, write_small(DataType::TabletLogStreamInfo, &tablets)).await?;
    }
    Ok(merger.result)
}

struct Merger<'a> {
    medium: Arc<dyn Medium>,
    set: SetName,
    /// The sets of the destination: an index may name blocks of earlier sets of its chain.
    sets: SetNames,
    id: TaskKey,
    parts: &'a [LsTurn],
    result: BackupIndexResult,
}

impl Merger<'_> {
    /// Merges one index over all log streams, writes it and gives its entries.
    async fn index<E: Mergeable>(&mut self, kind: InfoKind, index: IndexKind) -> Result<Vec<E>, Failure> {
        let set = self.set;
        let path_of = |part| {
            let (ls, turn, retry) = place(part);
            BackupPath::LsIndex { set, ls, kind: kind.data_kind(), turn, retry, index }.path()
        };
        // A list, not an iterator: borrowed closures in a stream keep the task from being sent to another thread.
        let paths: Vec<String> = self.parts.iter().map(path_of).collect();
        let this = &*self;
        let parts: Vec<Vec<E>> = stream::iter(paths)
            .map(|path| async move { Looks::default().sure(|| this.read_index(&path)).await })
            .buffered(BLOCKS_IN_FLIGHT_MAX)
            .try_collect()
            .await?;
        let path = BackupPath::TenantIndex { set, kind, turn: self.id.turn, index, retry: self.id.retry }.path();
        let entries = merge(parts).map_err(|e| {
            Failure::new(ErrorClass::Corrupt, e.to_string(), self.object(&path), "take the backup again")
        })?;
        let file = write_index(&entries).map_err(|e| e.into_failure(&path))?;
        self.put(&path, file).await?;
        Ok(entries)
    }

    async fn read_index<E: IndexEntry>(&self, path: &str) -> Result<Vec<E>, Failure> {
        let file = self.medium.get(path).await?;
        IndexReader::parse(&file).map_err(|e| e.into_failure(self.object(path)))
    }

    /// Every data file that is named is there, finished, and long enough for the last block that is named in it.
    async fn check_data_files<'p>(&self, places: impl Iterator<Item = &'p PhysicalId>) -> Result<(), Failure> {
        let mut files: BTreeMap<String, u64> = BTreeMap::new();
        for p in places {
            let end = files.entry(self.sets.data_file(p).await?).or_default();
            *end = (*end).max(p.offset + p.length);
        }
        stream::iter(files)
            .map(Ok)
            .try_for_each_concurrent(BLOCKS_IN_FLIGHT_MAX, |(path, end)| async move {
                Looks::default().sure(|| self.check_data_file(&path, end)).await
            })
            .await
    }

    async fn check_data_file(&self, path: &str, end: u64) -> Result<(), Failure> {
        let bytes = self.medium.head(path).await?;
        let trailer = self.medium.get_range(path, bytes.saturating_sub(TRAILER_BYTES as u64)..bytes).await?;
        let trailer = Trailer::decode(&trailer).map_err(|e| e.into_failure(self.object(path)))?;
        if trailer.file_bytes != bytes || trailer.list_offset < end {
            let what = format!("the file has {bytes} bytes, its index names blocks up to {end}");
            return Err(Failure::new(ErrorClass::Corrupt, what, self.object(path), "take the backup again"));
        }
        Ok(())
    }

    async fn tablet_map(&self) -> Result<pb::TabletLogStreamInfo, Failure> {
        let mut log_streams = Vec::new();
        for part in self.parts {
            let (ls, turn, retry) = place(part);
            let path = BackupPath::TabletInfo { set: self.set, ls, turn, retry, n: 1 }.path();
            let look = || async {
                let file = self.medium.get(&path).await?;
                read_small(DataType::TabletInfo, &file).map_err(|e| e.into_failure(self.object(&path)))
            };
            let info: pb::TabletInfo = Looks::default().sure(look).await?;
            let tablet_ids = info.tablets.iter().map(|t| t.tablet_id).collect();
            log_streams.push(pb::LsTablets { ls_id: ls.0, tablet_ids });
        }
        log_streams.sort_by_key(|l| l.ls_id);
        Ok(pb::TabletLogStreamInfo { tenant_id: self.id.tenant_id.0, turn: self.id.turn.0, log_streams })
    }

    async fn put(&mut self, path: &str, data: Vec<u8>) -> Result<(), Failure> {
        let bytes = data.len() as u64;
        self.medium.put(path, Bytes::from(data)).await?;
        self.result.file_count += 1;
        self.result.output_bytes += bytes;
        Ok(())
    }

    fn object(&self, path: &str) -> String {
        object(&*self.medium, path)
    }
}

fn place(part: &LsTurn) -> (LsId, TurnId, RetryId) {
    (LsId(part.ls_id), TurnId(part.turn), RetryId(part.retry))
}
