//! Pieces after those that a reader was given.
//!
//! A log stream that had nothing to say over whole pieces (a failover outlasted them) has its next group in a later
//! piece than the one after a target's. That group proves that nothing up to the target is missing, so a reader that needs the
//! proof goes on here. Only lists.

use super::LogSource;
use std::collections::BTreeSet;
use std::sync::Arc;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::PIECES_DIR;
use strandline_types::{Failure, PieceKey};

/// The pieces of the same round that began after `last`, on the same medium, in order.
///
/// # Errors
/// What the medium says.
pub async fn later_pieces(last: &LogSource) -> Result<Vec<LogSource>, Failure> {
    let placeholders = last.medium.list(PIECES_DIR).await?;
    let began = placeholders.iter().filter_map(|object| match ArchivePath::parse(&object.path)? {
        ArchivePath::PieceStart { key, .. } => Some(key),
        _ => None,
    });
    let is_later = |key: &PieceKey| {
        let of_round = (key.dest_id, key.round_id) == (last.piece.dest_id, last.piece.round_id);
        of_round && key.piece_id > last.piece.piece_id
    };
    let later: BTreeSet<PieceKey> = began.filter(is_later).collect();
    Ok(later.into_iter().map(|piece| LogSource { medium: Arc::clone(&last.medium), piece }).collect())
}
