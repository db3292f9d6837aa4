//! Applying replayed source log, each source entry at most once.
//!
//! A source that was itself restored has replayed entries in its own log, some of which it passed over. Its positions
//! came with its data, one level up, so the same entries are passed over here.

use super::apply::take_dictionary;
use crate::Replayed;
use crate::error::corrupt;
use crate::tablet::Effects;
use std::io;
use strandline_format::entry::{EntryBody, decode_payload, kind_of_item};
use strandline_format::pb::{ReplayedBatch, ReplayedItem};
use strandline_types::{LsId, Lsn, Scn};

/// Applies a batch of the nearest source, see [`apply`].
pub(crate) fn apply_replayed(
    effects: &mut Effects<'_>,
    ls: LsId,
    batch: &ReplayedBatch,
) -> io::Result<Result<(), Lsn>> {
    apply(effects, ls, 0, batch)
}

/// Applies a batch of the source `level` steps up. The inner error is where that source stands when the batch does not
/// start there; a batch that is already applied is success without effect.
pub(super) fn apply(
    effects: &mut Effects<'_>,
    ls: LsId,
    level: usize,
    batch: &ReplayedBatch,
) -> io::Result<Result<(), Lsn>> {
    let Some(stands) = effects.replayed(level) else {
        return Err(corrupt("replayed log in a log stream that was never restored"));
    };
    if batch.source_end_lsn <= stands.lsn.0 {
        return Ok(Ok(()));
    }
    if batch.source_start_lsn != stands.lsn.0 {
        return Ok(Err(stands.lsn));
    }
    for item in &batch.items {
        apply_item(effects, ls, level, item)?;
    }
    let to = Replayed { lsn: Lsn(batch.source_end_lsn), scn: Scn(batch.source_scn).max(stands.scn) };
    effects.set_replayed(level, to);
    Ok(Ok(()))
}

fn apply_item(effects: &mut Effects<'_>, ls: LsId, level: usize, item: &ReplayedItem) -> io::Result<()> {
    let kind = kind_of_item(item).map_err(|e| corrupt(e.to_string()))?;
    let body = decode_payload(kind, item.body.clone()).map_err(|e| corrupt(format!("replayed {kind} entry: {e}")))?;
    match body {
        EntryBody::ClientBatch(batch) => effects.put(&batch.writes),
        EntryBody::Dictionary(dictionary) => take_dictionary(effects, ls, &dictionary, Scn(item.scn)),
        EntryBody::Tablets(list) => {
            effects.set_tablets(list.into());
            Ok(())
        }
        // What the source passed over is passed over here.
        EntryBody::Replayed(batch) => apply(effects, ls, level + 1, &batch).map(drop),
        EntryBody::Blank | EntryBody::Membership(_) | EntryBody::KeepAlive => Ok(()),
    }
}
