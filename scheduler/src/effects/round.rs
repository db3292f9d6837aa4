//! Placeholders of a round: `rounds/round_d<D>r<R>_{start,end}.obarc`.

use super::put;
use strandline_format::DataType;
use strandline_format::paths::ArchivePath;
use strandline_format::pb;
use strandline_media::Medium;
use strandline_types::{DestId, Failure, PieceClock, RoundId, Scn};

/// The round has begun.
pub async fn start(medium: &dyn Medium, dest: DestId, round: RoundId, clock: &PieceClock) -> Result<(), Failure> {
    let message = pb::RoundStart {
        dest_id: dest.0,
        round_id: round.0,
        start_scn: clock.round_start.0,
        base_piece_id: clock.base_piece.0,
        piece_switch_interval_us: clock.interval_ns / 1000,
    };
    put::once(medium, &ArchivePath::RoundStart { dest, round }.path(), DataType::RoundStart, &message).await
}

/// The round has ended; all its pieces are frozen.
pub async fn end(
    medium: &dyn Medium,
    dest: DestId,
    round: RoundId,
    clock: &PieceClock,
    checkpoint_scn: Scn,
) -> Result<(), Failure> {
    let message = pb::RoundEnd {
        dest_id: dest.0,
        round_id: round.0,
        start_scn: clock.round_start.0,
        base_piece_id: clock.base_piece.0,
        piece_switch_interval_us: clock.interval_ns / 1000,
        checkpoint_scn: checkpoint_scn.0,
    };
    put::once(medium, &ArchivePath::RoundEnd { dest, round }.path(), DataType::RoundEnd, &message).await
}
