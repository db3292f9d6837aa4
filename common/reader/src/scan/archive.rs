//! Rounds and pieces of an archive destination.

use super::{Scan, Small, deleted, file_status, small};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use strandline_catalogue::{PieceEntry, Place, PlaceId, RoundEntry};
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{ROUNDS_DIR, checkpoint_dir, parse_piece_dir};
use strandline_format::{DataType, pb};
use strandline_types::{
    ARCHIVE_COMPATIBLE, DestId, Failure, FileStatus, PieceClock, PieceId, PieceKey, PieceStatus, RoundId, Scn,
};

/// What the rounds' start files say, by destination and round.
type Clocks = BTreeMap<(DestId, RoundId), PieceClock>;

pub(super) async fn scan(source: &Source, place: Place) -> Result<Scan, Failure> {
    let mut found = Scan::default();
    found.catalogue.places.push(place);
    found.media.push(std::sync::Arc::clone(&source.medium));
    let clocks = rounds(source, &mut found).await?;
    pieces(source, &mut found, &clocks).await?;
    Ok(found)
}

async fn rounds(source: &Source, found: &mut Scan) -> Result<Clocks, Failure> {
    let medium = source.medium.as_ref();
    let mut clocks = Clocks::new();
    let mut ends = BTreeMap::new();
    for object in medium.list(ROUNDS_DIR).await? {
        match ArchivePath::parse(&object.path) {
            Some(ArchivePath::RoundStart { dest, round }) => {
                let start = small::<pb::RoundStart>(found, medium, &object.path, DataType::RoundStart).await?;
                if let Some(start) = start.read() {
                    clocks.insert((dest, round), clock(&start));
                }
            }
            Some(ArchivePath::RoundEnd { dest, round }) => {
                let end = small::<pb::RoundEnd>(found, medium, &object.path, DataType::RoundEnd).await?;
                if let Some(end) = end.read() {
                    ends.insert((dest, round), Scn(end.checkpoint_scn));
                }
            }
            _ => {}
        }
    }
    for ((dest_id, round_id), clock) in &clocks {
        found.catalogue.rounds.push(RoundEntry {
            place: PlaceId(0),
            dest_id: *dest_id,
            round_id: *round_id,
            start_scn: clock.round_start,
            ended_at: ends.get(&(*dest_id, *round_id)).copied(),
        });
    }
    Ok(clocks)
}

const fn clock(start: &pb::RoundStart) -> PieceClock {
    PieceClock {
        round_start: Scn(start.start_scn),
        base_piece: PieceId(start.base_piece_id),
        interval_ns: start.piece_switch_interval_us.saturating_mul(1000),
    }
}

async fn pieces(source: &Source, found: &mut Scan, clocks: &Clocks) -> Result<(), Failure> {
    let medium = source.medium.as_ref();
    let dirs = medium.list_dirs("").await?;
    let mut keys: Vec<PieceKey> = dirs.iter().filter_map(|d| parse_piece_dir(d)).collect();
    keys.retain(|key| source.has_piece(*key));
    keys.sort_unstable();
    // The history in the newest piece tells of all frozen ones before it: one read instead of one per piece.
    let mut known: BTreeMap<PieceKey, PieceEntry> = BTreeMap::new();
    let ended = deleted::ended(source).await?;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys.into_iter().rev() {
        if let Some(piece) = known.get(&key) {
            let file_status = deleted::file_status(source, found, piece, &ended).await?;
            entries.push(PieceEntry { file_status, ..*piece });
            continue;
        }
        let path = ArchivePath::TenantArchivePieceInfos { key }.path();
        let infos =
            small::<pb::TenantArchivePieceInfos>(found, medium, &path, DataType::TenantArchivePieceInfos).await?;
        let clock = clocks.get(&(key.dest_id, key.round_id));
        let entry = match infos {
            Small::Read(infos) if infos.compatible > ARCHIVE_COMPATIBLE => {
                found.newer(medium, &path, (infos.compatible, ARCHIVE_COMPATIBLE), "");
                continue;
            }
            Small::Read(infos) => {
                for attr in infos.history.iter().filter(|attr| attr.compatible <= ARCHIVE_COMPATIBLE) {
                    let piece = frozen_piece(attr);
                    known.entry(piece.key).or_insert(piece);
                }
                own_piece(source, found, key, (Scn(infos.start_scn), Scn(infos.end_scn)), &ended).await?
            }
            // The checkpoint has not entered it, yet it may hold log.
            Small::Absent => unentered(key, clock, FileStatus::Incomplete),
            Small::Bad => unentered(key, clock, FileStatus::Broken),
        };
        entries.push(entry);
    }
    entries.reverse();
    found.catalogue.pieces = entries;
    Ok(())
}

fn unentered(key: PieceKey, clock: Option<&PieceClock>, file_status: FileStatus) -> PieceEntry {
    let range = clock.map(|c| c.range(key.piece_id)).unwrap_or_default();
    PieceEntry {
        place: PlaceId(0),
        key,
        status: PieceStatus::Active,
        file_status,
        start_scn: range.start,
        end_scn: range.end,
        checkpoint_scn: range.start,
        output_bytes: 0,
    }
}

/// A piece as its own files describe it: frozen when it has `single_piece_info`, else up to its newest checkpoint.
async fn own_piece(
    source: &Source,
    found: &mut Scan,
    key: PieceKey,
    (start_scn, end_scn): (Scn, Scn),
    ended: &BTreeSet<PieceKey>,
) -> Result<PieceEntry, Failure> {
    let medium = source.medium.as_ref();
    let path = ArchivePath::SinglePieceInfo { key }.path();
    let single = small::<pb::SinglePieceInfo>(found, medium, &path, DataType::SinglePieceInfo).await?;
    if let Small::Read(single) = single {
        let piece = frozen_piece(&single.piece.unwrap_or_default());
        let file_status = deleted::file_status(source, found, &piece, ended).await?;
        return Ok(PieceEntry { file_status, ..piece });
    }
    let mut checkpoint_scn = start_scn;
    for object in medium.list(&checkpoint_dir(key)).await? {
        if let Some(ArchivePath::Checkpoint { scn, .. }) = ArchivePath::parse(&object.path) {
            checkpoint_scn = checkpoint_scn.max(scn);
        }
    }
    Ok(PieceEntry {
        place: PlaceId(0),
        key,
        status: PieceStatus::Active,
        file_status: FileStatus::Available,
        start_scn,
        end_scn,
        checkpoint_scn,
        output_bytes: 0,
    })
}

fn frozen_piece(attr: &pb::PieceAttr) -> PieceEntry {
    PieceEntry {
        place: PlaceId(0),
        key: PieceKey { dest_id: attr.dest_id.into(), round_id: attr.round_id.into(), piece_id: attr.piece_id.into() },
        status: PieceStatus::Frozen,
        file_status: file_status(&attr.file_status),
        start_scn: Scn(attr.start_scn),
        end_scn: Scn(attr.end_scn),
        checkpoint_scn: Scn(attr.checkpoint_scn),
        output_bytes: attr.output_bytes,
    }
}
