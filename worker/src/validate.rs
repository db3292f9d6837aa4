//! `VALIDATE`: reads one log stream of a backup set or an archive piece again, or what is of no log stream, and names
//! every object that is not what it should be.
//!
//! Damage is the result, not a failure: a task that found some has done its work. It fails only when it could not look.
//! What is checked, and how, is the reader's business; this is the same code as the offline verification.

use crate::task_ctx::{TaskCtx, cancelled};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_format::cipher::Key;
use strandline_format::paths::SetName;
use strandline_format::secret::KeySecret;
use strandline_media::key_source::read_secret;
use strandline_proto::OnWire;
use strandline_proto::v1::{Damage, ValidateResult, ValidateSpec};
use strandline_reader::verify::{self, Level, Options, Report};
use strandline_reader::{Keys, object_name};
use strandline_types::limits::DAMAGES_REPORTED_MAX;
use strandline_types::{
    BackupSetId, BackupSetKind, DestId, ErrorClass, Failure, LsId, PieceId, PieceKey, RoundId, ValidateLevel,
};

/// Runs the task.
///
/// # Errors
/// What the medium says when it cannot be read; `Invalid` for an order that names neither set nor piece.
pub async fn run_validate(ctx: &TaskCtx, spec: &ValidateSpec) -> Result<ValidateResult, Failure> {
    tokio::select! {
        done = validate(ctx, spec) => done.and_then(|report| result(report, spec)),
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn validate(ctx: &TaskCtx, spec: &ValidateSpec) -> Result<Report, Failure> {
    let medium = ctx.medium_with(&spec.uri, &spec.access)?;
    let (keys, progress) = (Arc::new(all_keys(spec).await?), progress(ctx));
    let options = Options { keys, progress, ..Options::new(level(spec)?) };
    let only = Some(LsId(spec.source_ls_id));
    if let Some(p) = &spec.piece {
        let (dest_id, round_id, piece_id) = (DestId(p.dest_id), RoundId(p.round_id), PieceId(p.piece_id));
        return verify::piece(&medium, PieceKey { dest_id, round_id, piece_id }, only, &options).await;
    }
    if spec.backup_set_id == 0 {
        return Err(invalid("the order names neither a backup set nor a piece", spec));
    }
    let kind = if spec.incremental { BackupSetKind::Inc } else { BackupSetKind::Full };
    verify::set(&medium, SetName { id: BackupSetId(spec.backup_set_id), kind }, only, &options).await
}

fn level(spec: &ValidateSpec) -> Result<Level, Failure> {
    match ValidateLevel::from_wire(spec.level).map_err(|unknown| unknown.into_failure(&spec.uri))? {
        ValidateLevel::Basic => Ok(Level::Basic),
        ValidateLevel::Physical => Ok(Level::Physical),
    }
}

async fn all_keys(spec: &ValidateSpec) -> Result<Keys, Failure> {
    // A set may carry log of an encrypted archive: both may be needed.
    let mut secrets: Vec<KeySecret> =
        spec.seal_keys.iter().filter_map(|key| Key::from_slice(key)).map(KeySecret::Key).collect();
    if !spec.archive_key_source.is_empty() {
        secrets.push(read_secret(&spec.archive_key_source).await?);
    }
    Ok(Keys::new(secrets))
}

/// The reader tells sums, the heartbeat wants what was added.
fn progress(ctx: &TaskCtx) -> verify::Progress {
    let (counter, bytes) = (Arc::clone(&ctx.progress), AtomicU64::new(0));
    Arc::new(move |_objects, sum| {
        bytes.fetch_max(sum, Ordering::Relaxed);
        counter.follow(&bytes);
    })
}

/// What may not be read here is no damage: another worker, or this one with other rights, may find it whole.
fn result(report: Report, spec: &ValidateSpec) -> Result<ValidateResult, Failure> {
    if let Some(first) = report.unreadable.first().filter(|_| report.is_sound()) {
        let what = format!("{} objects cannot be read; the first: {}", report.unreadable.len(), first.detail);
        let todo = "make them readable for the user of the workers, then validate again";
        return Err(Failure::new(ErrorClass::Permission, what, object_name(&spec.uri, &first.path), todo));
    }
    let damage_count = report.damages.len() as u64;
    let damages = report.damages.into_iter().take(DAMAGES_REPORTED_MAX);
    let damage = |d: verify::Damage| Damage { path: d.path, kind: d.kind.name().to_owned(), detail: d.detail };
    Ok(ValidateResult {
        objects: report.objects,
        bytes: report.bytes,
        damages: damages.map(damage).collect(),
        damage_count,
    })
}

fn invalid(what: &str, spec: &ValidateSpec) -> Failure {
    let todo = "upgrade this worker: the scheduler orders what it does not know";
    Failure::new(ErrorClass::Invalid, what, spec.uri.clone(), todo)
}
