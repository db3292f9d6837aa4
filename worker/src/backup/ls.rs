//! `BACKUP_LS`: one consistent point of one log stream goes to the medium.
//!
//! What lies on the medium already (the chain of an incremental set, finished files of a failed retry) is only named
//! again. Order: consistent point, then sys, minor and major data with their indexes, then the metas. The metas come last, so
//! that a retry that has its `ls_meta_info` is whole. All names carry this task's turn and retry; a repetition of the
//! same task on another point meets other bytes under its names and ends as `Fenced`, never overwriting.

use super::block_reader::Reading;
use super::data_dir::{LsPlace, Written, file_bytes, write_dir};
use super::existing_blocks::known_blocks;
use super::share::share;
use crate::disk::{blocking, io_failure};
use crate::task_ctx::{TaskCtx, cancelled};
use prost::Message;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strandline_engine_api::{Checkpoint, LogStream, SourceError, dictionary_for_medium};
use strandline_format::blocks::Coding;
use strandline_format::cipher::{self, Key};
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_proto::v1::{self, BackupLsResult, BackupLsSpec, SetSeal};
use strandline_proto::{OnWire, TaskKey};
use strandline_types::limits::BACKUP_CATCH_UP_MS_MAX;
use strandline_types::{BackupSetId, BackupSetKind, Compression, ErrorClass, Failure, Lsn, PalfBase, Scn, TabletId};
use strandline_worker_core::backup_plan::{DirPlan, plan_backup, tablet_metas};
use tokio::time::{Instant, sleep, timeout_at};

/// Pause between two looks at a replica that has not come far enough.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Runs the task.
///
/// # Errors
/// What the engine or the medium says; `Fenced` when it was cancelled or other bytes stand under its names;
/// `Transient` when the replica does not reach the SCN that it has to cover.
pub async fn run_backup_ls(ctx: &TaskCtx, spec: &BackupLsSpec, id: TaskKey) -> Result<BackupLsResult, Failure> {
    tokio::select! {
        done = back_up(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

/// The name of a set.
pub(super) fn set_name(backup_set_id: u64, incremental: bool) -> SetName {
    let kind = if incremental { BackupSetKind::Inc } else { BackupSetKind::Full };
    SetName { id: BackupSetId(backup_set_id), kind }
}

async fn back_up(ctx: &TaskCtx, spec: &BackupLsSpec, id: TaskKey) -> Result<BackupLsResult, Failure> {
    let medium = ctx.medium_to_write(&spec.dest_uri, &spec.access, spec.owner)?;
    let place = LsPlace {
        set: set_name(spec.backup_set_id, spec.incremental),
        ls: id.ls_id,
        turn: id.turn,
        retry: id.retry,
        file_bytes: file_bytes(&*medium, spec.data_file_bytes),
        medium,
    };
    let coding = coding(spec)?;
    let fingerprint = coding.key.as_ref().map(cipher::fingerprint);
    let known = known_blocks(&*place.medium, spec, id, fingerprint).await?;
    let (source, point) = take_point(ctx, Scn(spec.min_checkpoint_scn), id).await?;
    let plan = plan_backup(&point.blocks, point.scn, &known).map_err(|e| unplannable(&e, id))?;
    drop(known);
    let input_bytes = plan.iter().map(DirPlan::bytes).sum();
    ctx.progress.set_total(input_bytes);
    let (referenced_blocks, referenced_bytes) =
        plan.iter().map(DirPlan::known).fold((0, 0), |sum, (n, bytes)| (sum.0 + n, sum.1 + bytes));

    let tenant = share().tenant(id.tenant_id, spec.threads_max, spec.bytes_per_s_max);
    let reading = Reading { source, dir: point.dir.clone(), coding, tenant };
    let mut written = Written::default();
    for dir in plan {
        let dir = write_dir(ctx, &place, &reading, dir).await?;
        written.files += dir.files;
        written.bytes += dir.bytes;
    }
    let meta = ls_meta(&point, id);
    write_metas(&place, &point, &meta, &mut written).await?;
    Ok(BackupLsResult {
        base: Some(PalfBase::from(point.base).into()),
        checkpoint_scn: point.scn.0,
        input_bytes,
        output_bytes: written.bytes,
        macro_block_count: point.blocks.len() as u64,
        tablet_count: meta.tablet_ids.len() as u64,
        file_count: written.files,
        tablets: meta.tablet_ids.clone(),
        // The engine's files stay in the log stream's own meta: they can be large, and this goes through Raft.
        ls_meta: pb::LsMetaInfo { engine_files: Default::default(), ..meta }.encode_to_vec().into(),
        dictionary: point.dictionary.clone().filter(|_| id.ls_id.is_sys()).map(Into::into),
        referenced_blocks,
        referenced_bytes,
    })
}

/// What the order says is done to blocks.
fn coding(spec: &BackupLsSpec) -> Result<Coding, Failure> {
    let compression = Compression::from_wire(spec.compression)
        .map_err(|unknown| unknown.into_failure(format!("backup set {}", spec.backup_set_id)))?;
    Ok(Coding { compressor: compression.into(), key: seal_key(spec.seal.as_ref())? })
}

/// The key of a set that is sealed.
///
/// # Errors
/// `Invalid` for a cipher that is not known, and for a key that is none.
pub(super) fn seal_key(seal: Option<&SetSeal>) -> Result<Option<Key>, Failure> {
    let Some(seal) = seal else { return Ok(None) };
    let key = Key::from_slice(&seal.key).filter(|_| seal.cipher() == v1::Cipher::Aes256Gcm);
    key.map(Some).ok_or_else(|| {
        let todo = "give the backup its password again, or upgrade this worker";
        Failure::new(ErrorClass::Invalid, "an unknown cipher, or no key for it", "backup set", todo)
    })
}

/// A consistent point that covers `at_least`; waits until the replica has come so far.
async fn take_point(ctx: &TaskCtx, at_least: Scn, id: TaskKey) -> Result<(Arc<dyn LogStream>, Checkpoint), Failure> {
    let dir = ctx.scratch.join("checkpoint");
    let deadline = Instant::now() + Duration::from_millis(BACKUP_CATCH_UP_MS_MAX);
    loop {
        // Looked up each time: a replica that was removed meanwhile must not be waited for.
        let not_here = SourceError::NotHere { tenant: id.tenant_id, ls: id.ls_id };
        let source = ctx.engine.log_stream(id.tenant_id, id.ls_id).ok_or(not_here)?;
        let status = source.log_status();
        if status.max_scn >= at_least {
            let (scratch, stale) = (ctx.scratch.clone(), dir.clone());
            blocking(move || make_room(&scratch, &stale)).await?;
            let point = source.checkpoint(&dir).await?;
            if point.scn >= at_least {
                return Ok((source, point));
            }
        }
        if timeout_at(deadline, next_log(&*source, status.end_lsn)).await.is_err() {
            return Err(Failure::new(
                ErrorClass::Transient,
                format!("the replica is at scn {} and has to reach {at_least} first", status.max_scn),
                format!("log stream {}/{}", id.tenant_id, id.ls_id),
                "the task is tried on another replica",
            ));
        }
    }
}

async fn next_log(source: &dyn LogStream, after: Lsn) {
    source.wait_for_log_after(after).await;
    // A busy log stream wakes this at every write; the point is not worth a look each time.
    sleep(LOOK_AGAIN).await;
}

/// The directory of a consistent point must not exist; an attempt before a restart may have left one.
fn make_room(scratch: &Path, stale: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(scratch).map_err(|e| io_failure("make scratch space", scratch, &e))?;
    match std::fs::remove_dir_all(stale) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_failure("clear scratch space", stale, &e)),
        _ => Ok(()),
    }
}

fn ls_meta(point: &Checkpoint, id: TaskKey) -> pb::LsMetaInfo {
    let tablets = tablet_metas(&point.blocks, point.scn).into_iter().map(|t| t.tablet_id);
    let base = PalfBase::from(point.base);
    pb::LsMetaInfo {
        tenant_id: id.tenant_id.0,
        ls_id: id.ls_id.0,
        base: Some(pb::PalfBaseInfo {
            lsn: base.lsn.0,
            prev_log_id: base.prev_log_id,
            prev_accumulated_checksum: base.prev_accumulated_checksum,
            prev_scn: base.prev_scn.0,
        }),
        checkpoint_scn: point.scn.0,
        applied_index: point.mark.index,
        applied_term: point.mark.epoch,
        engine_files: point.engine_files.iter().cloned().collect(),
        tablet_ids: tablets.filter(|t| *t != TabletId::INNER.0).collect(),
        dictionary: point.dictionary.clone().filter(|_| id.ls_id.is_sys()).map(dictionary_for_medium),
        replayed_source_lsn: 0,
        turn: id.turn.0,
        retry: id.retry.0,
    }
}

async fn write_metas(
    place: &LsPlace,
    point: &Checkpoint,
    meta: &pb::LsMetaInfo,
    written: &mut Written,
) -> Result<(), Failure> {
    const FIRST_FILE: u32 = 1;
    let LsPlace { set, ls, turn, retry, .. } = *place;
    let mut tablets = tablet_metas(&point.blocks, point.scn);
    tablets.retain(|t| t.tablet_id != TabletId::INNER.0);
    let tablets = pb::TabletInfo { ls_id: ls.0, file_no: FIRST_FILE, tablets };
    let path = BackupPath::TabletInfo { set, ls, turn, retry, n: u64::from(FIRST_FILE) }.path();
    place.put(&path, write_small(DataType::TabletInfo, &tablets), written).await?;
    let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
    place.put(&path, write_small(DataType::LsMetaInfo, meta), written).await
}

fn unplannable(error: &strandline_worker_core::backup_plan::PlanError, id: TaskKey) -> Failure {
    let object = format!("log stream {}/{}", id.tenant_id, id.ls_id);
    Failure::new(ErrorClass::Corrupt, error.to_string(), object, "try another replica of the log stream")
}
