//! The key of an encrypted archive: a missing or wrong one is refused here, before anything is built.
//!
//! The archive carries the salt and a fingerprint of its key, never the key. A key that only the workers can read is
//! left to them.

use crate::effects::put;
use crate::effects::restore_source::Found;
use std::collections::BTreeSet;
use strandline_catalogue::PieceEntry;
use strandline_format::paths::LogPart;
use strandline_format::paths::archive::{ArchivePath, ls_log_dir};
use strandline_format::secret::KeyRing;
use strandline_format::{DataType, pb};
use strandline_media::key_source::{check_source, read_secret};
use strandline_types::{ErrorClass, Failure, LsId};

/// The original's number for a wrong password; it has no encrypted archives.
const WRONG_KEY_CODE: i32 = -9057;

/// Checks the key source of a restore against one log file of every round that it reads.
///
/// # Errors
/// `Permission` names the piece that the key does not open.
pub async fn check(found: &Found, source: &str) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for piece in &found.choice.pieces {
        if seen.insert((piece.place, piece.key.dest_id, piece.key.round_id)) {
            check_piece(found, piece, source).await?;
        }
    }
    Ok(())
}

async fn check_piece(found: &Found, piece: &PieceEntry, source: &str) -> Result<(), Failure> {
    let Some(meta) = format_meta(found, piece).await?.filter(|meta| !meta.key_salt.is_empty()) else { return Ok(()) };
    let object = format!("piece {}", piece.key);
    let todo = "RESTORE … WITH 'key_source=file:/path', the KEY that LOG_ARCHIVE_DEST had";
    if source.is_empty() {
        let what = "the archive is encrypted and no key was given";
        return Err(Failure::new(ErrorClass::Permission, what, object, todo).with_code(WRONG_KEY_CODE));
    }
    check_source(source)?;
    let Ok(secret) = read_secret(source).await else {
        tracing::info!(source, "the archive key cannot be read here; the workers look for it");
        return Ok(());
    };
    // The slow derivation must not hold up the loops of this process.
    let opened = tokio::task::spawn_blocking(move || KeyRing::new(secret).key_of(&meta).map(|_| ()));
    let opened = opened.await.map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), source, "try again"))?;
    opened.map_err(|_| {
        let what = "the archive is encrypted with another key";
        Failure::new(ErrorClass::Permission, what, object, todo).with_code(WRONG_KEY_CODE)
    })
}

/// What log stream 1's first log file of the piece says of its form; `None` for one that grows in place.
async fn format_meta(found: &Found, piece: &PieceEntry) -> Result<Option<pb::AppendFormatMeta>, Failure> {
    let Some(medium) = found.scan.medium(piece.place) else { return Ok(None) };
    let files = medium.list(&ls_log_dir(piece.key, LsId::SYS)).await?;
    let is_meta =
        |path: &str| matches!(ArchivePath::parse(path), Some(ArchivePath::LogPart { part: LogPart::FormatMeta, .. }));
    let Some(meta) = files.into_iter().find(|file| is_meta(&file.path)) else { return Ok(None) };
    put::read(medium.as_ref(), &meta.path, DataType::AppendFormatMeta).await.map(Some)
}
