//! Rounds and pieces of an archive destination.

use super::deleted;
use super::files::{Small, file_status, listed, small, small_if_there};
use super::found::Scan;
use super::newest::Newest;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use strandline_catalogue::{PieceEntry, Place, PlaceId, RoundEntry};
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{ROUNDS_DIR, checkpoint_dir, parse_piece_dir, piece_dir};
use strandline_format::{DataType, pb};
use strandline_media::{Looks, Medium};
use strandline_types::limits::SCAN_PIECES_BACK_MAX;
use strandline_types::{
    ARCHIVE_COMPATIBLE, DestId, Failure, FileStatus, LsId, PieceClock, PieceId, PieceKey, PieceStatus, RoundId, Scn,
};

/// What the rounds' start files say, by destination and round.
type Clocks = BTreeMap<(DestId, RoundId), PieceClock>;

pub(super) async fn scan(source: &Source, place: Place) -> Result<Scan, Failure> {
    let mut found = Scan::default();
    let is_own = place.of_set.is_some();
    found.catalogue.places.push(place);
    found.media.push(std::sync::Arc::clone(&source.medium));
    let clocks = rounds(source, &mut found).await?;
    let told = pieces(source, &mut found, &clocks).await?;
    // The log that a set carries is of a fixed length, and there are many sets.
    if !is_own {
        newest_of_rounds(source, &mut found, &told).await?;
    }
    Ok(found)
}

async fn rounds(source: &Source, found: &mut Scan) -> Result<Clocks, Failure> {
    let medium = source.medium.as_ref();
    let mut clocks = Clocks::new();
    let mut ends = BTreeMap::new();
    for object in listed(found, medium, ROUNDS_DIR).await? {
        match ArchivePath::parse(&object.path) {
            Some(ArchivePath::RoundStart { dest, round }) => {
                let start = small::<pb::RoundStart>(found, medium, &object.path, DataType::RoundStart).await?;
                if let Some(start) = start.read()
                    && is_of_round(found, medium, &object.path, (start.dest_id, start.round_id), (dest, round))
                {
                    clocks.insert((dest, round), clock(&start));
                }
            }
            Some(ArchivePath::RoundEnd { dest, round }) => {
                let end = small::<pb::RoundEnd>(found, medium, &object.path, DataType::RoundEnd).await?;
                if let Some(end) = end.read()
                    && is_of_round(found, medium, &object.path, (end.dest_id, end.round_id), (dest, round))
                {
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

/// False for a placeholder that says another round than its name, which is a problem of the scan.
fn is_of_round(
    found: &mut Scan,
    medium: &dyn Medium,
    path: &str,
    (dest, round): (u64, u64),
    own: (DestId, RoundId),
) -> bool {
    let is_own = (DestId(dest), RoundId(round)) == own;
    if !is_own {
        found.problem(medium, path, format!("it is of round d{dest}r{round}"));
    }
    is_own
}

const fn clock(start: &pb::RoundStart) -> PieceClock {
    PieceClock {
        round_start: Scn(start.start_scn),
        base_piece: PieceId(start.base_piece_id),
        interval_ns: start.piece_switch_interval_us.saturating_mul(1000),
    }
}

/// What the small files of a piece say beside its entry.
#[derive(Default)]
struct Told {
    /// Checkpoints that names say.
    checkpoints: BTreeSet<Scn>,
    /// Log streams that had log in the round when the checkpoint entered the piece.
    log_streams: Vec<LsId>,
}

async fn pieces(source: &Source, found: &mut Scan, clocks: &Clocks) -> Result<BTreeMap<PieceKey, Told>, Failure> {
    let medium = source.medium.as_ref();
    // Before the directories: a piece that ends meanwhile is not taken for one whose directory is gone.
    let ended = deleted::ended(source, found).await?;
    let keys = piece_dirs(source, &ended).await?;
    // The history in the newest piece tells of all frozen ones before it: one read instead of one per piece.
    let mut known: BTreeMap<PieceKey, PieceEntry> = BTreeMap::new();
    let mut told: BTreeMap<PieceKey, Told> = BTreeMap::new();
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys.iter().rev().copied() {
        if let Some(piece) = known.get(&key) {
            let file_status = deleted::file_status(source, found, piece, &ended).await?;
            entries.push(PieceEntry { file_status, ..*piece });
            continue;
        }
        let path = ArchivePath::TenantArchivePieceInfos { key }.path();
        let infos = piece_infos(source, found, key, &ended).await?;
        let clock = clocks.get(&(key.dest_id, key.round_id));
        let entry = match infos {
            Small::Read(infos) if infos.compatible > ARCHIVE_COMPATIBLE => {
                found.newer(medium, &path, (infos.compatible, ARCHIVE_COMPATIBLE), "");
                continue;
            }
            Small::Read(infos) if key_of((infos.dest_id, infos.round_id, infos.piece_id)) != key => {
                let other = key_of((infos.dest_id, infos.round_id, infos.piece_id));
                found.problem(medium, &path, format!("it is of piece {other}"));
                unentered(key, clock, FileStatus::Broken)
            }
            Small::Read(infos) => {
                for attr in infos.history.iter().filter(|attr| attr.compatible <= ARCHIVE_COMPATIBLE) {
                    let piece = frozen_piece(attr);
                    known.entry(piece.key).or_insert(piece);
                }
                let told = told.entry(key).or_default();
                told.log_streams = infos.log_streams.iter().map(|s| LsId(s.ls_id)).collect();
                let range = (Scn(infos.start_scn), Scn(infos.end_scn));
                own_piece(source, found, key, range, (&ended, &mut told.checkpoints)).await?
            }
            // The checkpoint has not entered it, yet it may hold log.
            Small::Absent => unentered(key, clock, FileStatus::Incomplete),
            Small::Bad => unentered(key, clock, FileStatus::Broken),
        };
        entries.push(entry);
    }
    // A deletion takes the end placeholder first: where it is, the piece has to be.
    for key in ended.iter().filter(|key| source.has_piece(**key) && keys.binary_search(key).is_err()) {
        found.problem(medium, &piece_dir(*key), "there is nothing of this piece, yet it has its end placeholder");
        let entry = unentered(*key, clocks.get(&(key.dest_id, key.round_id)), FileStatus::Broken);
        entries.push(known.get(key).map_or(entry, |piece| PieceEntry { file_status: FileStatus::Broken, ..*piece }));
    }
    entries.sort_unstable_by_key(|piece| piece.key);
    found.catalogue.pieces = entries;
    Ok(told)
}

/// Directories of pieces. One that has to be there and is not takes more than one listing.
async fn piece_dirs(source: &Source, ended: &BTreeSet<PieceKey>) -> Result<Vec<PieceKey>, Failure> {
    let looks = Looks::default();
    let mut keys = BTreeSet::new();
    for looked in 1..=looks.most {
        let dirs = source.medium.list_dirs("").await?;
        keys.extend(dirs.iter().filter_map(|d| parse_piece_dir(d)).filter(|key| source.has_piece(*key)));
        if looked == looks.most || ended.iter().all(|key| keys.contains(key) || !source.has_piece(*key)) {
            break;
        }
        looks.pause(looked).await;
    }
    Ok(keys.into_iter().collect())
}

/// What never changes of a piece; `Absent` before the checkpoint enters it, `Bad` where it is missing afterwards.
async fn piece_infos(
    source: &Source,
    found: &mut Scan,
    key: PieceKey,
    ended: &BTreeSet<PieceKey>,
) -> Result<Small<pb::TenantArchivePieceInfos>, Failure> {
    let (medium, kind) = (source.medium.as_ref(), DataType::TenantArchivePieceInfos);
    let path = ArchivePath::TenantArchivePieceInfos { key }.path();
    let infos = small_if_there(found, medium, &path, kind).await?;
    if !matches!(infos, Small::Absent) {
        return Ok(infos);
    }
    if !ended.contains(&key) && listed(found, medium, &checkpoint_dir(key)).await?.is_empty() {
        return Ok(Small::Absent);
    }
    // They come before the checkpoint: perhaps both came between the two requests.
    match small(found, medium, &path, kind).await? {
        Small::Absent => {
            found.problem(medium, &path, "it is missing, yet the checkpoint has entered the piece");
            Ok(Small::Bad)
        }
        infos => Ok(infos),
    }
}

/// Looks at the log of the newest piece of each round that holds some. Where nothing of it is good, the piece before it has
/// become the newest one.
async fn newest_of_rounds(source: &Source, found: &mut Scan, told: &BTreeMap<PieceKey, Told>) -> Result<(), Failure> {
    let mut pieces = std::mem::take(&mut found.catalogue.pieces);
    let same_round =
        |a: &PieceEntry, b: &PieceEntry| (a.key.dest_id, a.key.round_id) == (b.key.dest_id, b.key.round_id);
    // A stopped round may have begun pieces ahead: frozen without log they bear nothing out.
    let may_hold_log = |p: &PieceEntry| p.status != PieceStatus::Frozen || p.output_bytes > 0;
    for round in pieces.chunk_by_mut(same_round) {
        let mut log_streams: Vec<LsId> = Vec::new();
        let nothing = Told::default();
        let Some(newest) = round.iter().rposition(|p| p.is_readable() && may_hold_log(p)) else { continue };
        let readable: Vec<usize> = (0..=newest).rev().filter(|at| round[*at].is_readable()).collect();
        for at in readable.into_iter().take(SCAN_PIECES_BACK_MAX) {
            let told = told.get(&round[at].key).unwrap_or(&nothing);
            log_streams.extend(&told.log_streams);
            log_streams.sort_unstable();
            log_streams.dedup();
            let (checkpoints, goes_on) = (&told.checkpoints, goes_on(found, &round[at]));
            let piece = Newest { piece: round[at], checkpoints, log_streams: &log_streams, goes_on };
            round[at] = piece.proven(source, found).await?;
            if round[at].is_readable() {
                break;
            }
        }
    }
    found.catalogue.pieces = pieces;
    Ok(())
}

/// True when the round went on after a piece.
fn goes_on(found: &Scan, piece: &PieceEntry) -> bool {
    let key = piece.key;
    let mut rounds = found.catalogue.rounds.iter();
    let own = rounds.find(|r| (r.dest_id, r.round_id) == (key.dest_id, key.round_id));
    piece.is_complete() && own.and_then(|r| r.ended_at).is_none_or(|end| end > piece.checkpoint_scn)
}

fn key_of((dest, round, piece): (u64, u64, u64)) -> PieceKey {
    PieceKey { dest_id: dest.into(), round_id: round.into(), piece_id: piece.into() }
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
    (ended, checkpoints): (&BTreeSet<PieceKey>, &mut BTreeSet<Scn>),
) -> Result<PieceEntry, Failure> {
    let medium = source.medium.as_ref();
    let path = ArchivePath::SinglePieceInfo { key }.path();
    let broken =
        PieceEntry { start_scn, end_scn, checkpoint_scn: start_scn, ..unentered(key, None, FileStatus::Broken) };
    let info = if ended.contains(&key) {
        small::<pb::SinglePieceInfo>(found, medium, &path, DataType::SinglePieceInfo).await?
    } else {
        small_if_there(found, medium, &path, DataType::SinglePieceInfo).await?
    };
    match info {
        Small::Read(single) => {
            let piece = frozen_piece(&single.piece.unwrap_or_default());
            if piece.key != key {
                found.problem(medium, &path, format!("it is of piece {}", piece.key));
                return Ok(broken);
            }
            let file_status = deleted::file_status(source, found, &piece, ended).await?;
            return Ok(PieceEntry { file_status, ..piece });
        }
        Small::Bad => return Ok(broken),
        Small::Absent if ended.contains(&key) => {
            found.problem(medium, &path, "it is missing, yet the piece has its end placeholder");
            return Ok(broken);
        }
        Small::Absent => {}
    }
    let checkpoint_scn = published(source, found, key, (start_scn, end_scn), checkpoints).await?;
    let Some(checkpoint_scn) = checkpoint_scn else { return Ok(broken) };
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

/// The largest checkpoint that a name says, of those that can be of the piece; `None` when none is there and has to be.
async fn published(
    source: &Source,
    found: &mut Scan,
    key: PieceKey,
    (start_scn, end_scn): (Scn, Scn),
    checkpoints: &mut BTreeSet<Scn>,
) -> Result<Option<Scn>, Failure> {
    let medium = source.medium.as_ref();
    let looks = Looks::default();
    for looked in 1.. {
        let mut has_info = false;
        let mut foreign = Vec::new();
        for object in listed(found, medium, &checkpoint_dir(key)).await? {
            match ArchivePath::parse(&object.path) {
                Some(ArchivePath::Checkpoint { scn, .. }) if scn < end_scn => drop(checkpoints.insert(scn)),
                Some(ArchivePath::Checkpoint { .. }) => foreign.push(object.path),
                Some(ArchivePath::CheckpointInfo { .. }) => has_info = true,
                _ => {}
            }
        }
        // A name follows `checkpoint_info.0` at once.
        if has_info && checkpoints.is_empty() && looked < looks.most {
            looks.pause(looked).await;
            continue;
        }
        for path in foreign {
            found.problem(medium, &path, format!("the piece ends before SCN {end_scn}: no checkpoint of it"));
        }
        if has_info && checkpoints.is_empty() {
            found.problem(medium, &checkpoint_dir(key), "checkpoint_info.0 is there, yet no checkpoint.<scn>");
            return Ok(None);
        }
        break;
    }
    Ok(Some(checkpoints.last().copied().unwrap_or(start_scn).max(start_scn)))
}

fn frozen_piece(attr: &pb::PieceAttr) -> PieceEntry {
    PieceEntry {
        place: PlaceId(0),
        key: key_of((attr.dest_id, attr.round_id, attr.piece_id)),
        status: PieceStatus::Frozen,
        file_status: file_status(&attr.file_status),
        start_scn: Scn(attr.start_scn),
        end_scn: Scn(attr.end_scn),
        checkpoint_scn: Scn(attr.checkpoint_scn),
        output_bytes: attr.output_bytes,
    }
}
