//! An archive destination, or one piece of it: identity, rounds, placeholders, pieces, and the log of every log stream,
//! several log streams side by side.

use super::checker::Checker;
use super::log::{LsWalk, walk_piece};
use super::piece::{self, Identity, PieceFacts};
use super::report::DamageKind;
use super::scope::PieceScope;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{PIECES_DIR, ROUNDS_DIR, ls_log_dir, parse_piece_dir, piece_dir};
use strandline_format::{DataType, pb};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, VERIFY_STREAMS_MAX};
use strandline_types::{DestId, ErrorClass, Failure, LsId, Lsn, PieceClock, PieceId, PieceKey, RoundId, Scn, TenantId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Pieces in order with what their small files say.
type Pieces = BTreeMap<PieceKey, PieceFacts>;

/// Everything of the destination that was listed.
pub(super) async fn destination(c: &Arc<Checker>, tenant: Option<TenantId>) -> Result<(), Failure> {
    names(c);
    identity_files(c).await?;
    let clocks = rounds(c).await?;
    let pieces = pieces(c, tenant, &clocks, &all_pieces(c)).await?;
    contiguous(c, &pieces);
    round_ends(c, &pieces, &clocks);
    walk(c, &pieces, &clocks, None).await
}

/// One piece: the log of one log stream (`Some`), what is of no log stream (`Some(LsId(0))`), or all of it.
pub(super) async fn one_piece(
    c: &Arc<Checker>,
    tenant: Option<TenantId>,
    key: PieceKey,
    only: Option<LsId>,
) -> Result<(), Failure> {
    let clocks = rounds(c).await?;
    let rest_only = only == Some(LsId(0));
    // Somebody who looks at one log stream needs the lists, too, but reports only what is of that stream.
    let facts = if only.is_none() || rest_only {
        pieces(c, tenant, &clocks, &[key]).await?
    } else {
        let quiet = Arc::new(c.quiet());
        pieces(&quiet, tenant, &clocks, &[key]).await?
    };
    if facts.get(&key).is_none_or(|f| !f.has_start) && c.below(&piece_dir(key)).next().is_none() {
        c.damage(piece_dir(key), DamageKind::Missing, "there is nothing of this piece");
        return Ok(());
    }
    if rest_only { Ok(()) } else { walk(c, &facts, &clocks, only).await }
}

/// Names that are of no layout.
fn names(c: &Checker) {
    for path in c.listed.keys().filter(|path| ArchivePath::parse(path).is_none()) {
        c.stranger(path, "not a name of the archive layout");
    }
}

/// Check files are whole; what is in them is for people.
async fn identity_files(c: &Checker) -> Result<(), Failure> {
    for path in c.listed.keys() {
        if let Some(ArchivePath::CheckFile { .. }) = ArchivePath::parse(path) {
            c.small::<pb::CheckFile>(path, DataType::CheckFile).await?;
        }
    }
    Ok(())
}

async fn rounds(c: &Checker) -> Result<BTreeMap<(DestId, RoundId), PieceClock>, Failure> {
    let mut clocks = BTreeMap::new();
    for (path, _) in c.below(ROUNDS_DIR) {
        if let Some(ArchivePath::RoundStart { dest, round }) = ArchivePath::parse(path)
            && let Some(start) = c.small::<pb::RoundStart>(path, DataType::RoundStart).await?
            && c.same(path, "round", (start.dest_id, start.round_id), (dest.0, round.0))
        {
            let interval_ns = start.piece_switch_interval_us.saturating_mul(1000);
            let (round_start, base_piece) = (Scn(start.start_scn), PieceId(start.base_piece_id));
            clocks.insert((dest, round), PieceClock { round_start, base_piece, interval_ns });
        }
    }
    for (path, _) in c.below(ROUNDS_DIR) {
        if let Some(ArchivePath::RoundEnd { dest, round }) = ArchivePath::parse(path)
            && let Some(end) = c.small::<pb::RoundEnd>(path, DataType::RoundEnd).await?
            && c.same(path, "round", (end.dest_id, end.round_id), (dest.0, round.0))
        {
            let start = ArchivePath::RoundStart { dest, round }.path();
            match clocks.get(&(dest, round)) {
                Some(clock) => {
                    let found = (end.start_scn, end.base_piece_id, end.piece_switch_interval_us.saturating_mul(1000));
                    c.same(path, "round start", found, (clock.round_start.0, clock.base_piece.0, clock.interval_ns));
                }
                None if c.listed.contains_key(&start) => {}
                None => c.damage(start, DamageKind::Missing, "the round has an end"),
            }
        }
    }
    Ok(clocks)
}

fn all_pieces(c: &Checker) -> Vec<PieceKey> {
    let mut keys = BTreeSet::new();
    for path in c.listed.keys() {
        match ArchivePath::parse(path) {
            Some(ArchivePath::PieceEnd { key, .. }) => {
                keys.insert(key);
            }
            _ => keys.extend(path.split('/').next().filter(|d| *d != PIECES_DIR).and_then(parse_piece_dir)),
        }
    }
    keys.into_iter().collect()
}

async fn pieces(
    c: &Arc<Checker>,
    tenant: Option<TenantId>,
    clocks: &BTreeMap<(DestId, RoundId), PieceClock>,
    keys: &[PieceKey],
) -> Result<Pieces, Failure> {
    let mut found = Pieces::new();
    for key in keys {
        let clock = clocks.get(&(key.dest_id, key.round_id)).copied();
        let round = ArchivePath::RoundStart { dest: key.dest_id, round: key.round_id }.path();
        if clock.is_none() && !c.listed.contains_key(&round) {
            c.damage(round, DamageKind::Missing, format!("piece {key} is of this round"));
        }
        let facts = piece::check(c, *key, Identity { tenant, clock }).await?;
        if !facts.has_start {
            let detail = "the piece has no start placeholder";
            c.damage(format!("{PIECES_DIR}/piece_{key}_start_…"), DamageKind::Missing, detail);
        }
        found.insert(*key, facts);
    }
    // Placeholders of pieces that were never entered.
    for (path, _) in c.below(PIECES_DIR) {
        if let Some(ArchivePath::PieceStart { key, .. }) = ArchivePath::parse(path)
            && !found.contains_key(&key)
            && keys.len() > 1
        {
            let clock = clocks.get(&(key.dest_id, key.round_id)).copied();
            piece::check(c, key, Identity { tenant, clock }).await?;
        }
    }
    Ok(found)
}

/// Cleaning removes pieces from the oldest on: a hole between two pieces of a round is damage.
fn contiguous(c: &Checker, pieces: &Pieces) {
    let keys: Vec<&PieceKey> = pieces.keys().collect();
    for pair in keys.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if (a.dest_id, a.round_id) == (b.dest_id, b.round_id) && a.piece_id.next() != b.piece_id {
            let missing = PieceKey { piece_id: a.piece_id.next(), ..*a };
            c.damage(piece_dir(missing), DamageKind::Missing, format!("pieces {a} and {b} are there"));
        }
    }
}

/// A round whose last piece froze before its time was stopped, so it has an end.
fn round_ends(c: &Checker, pieces: &Pieces, clocks: &BTreeMap<(DestId, RoundId), PieceClock>) {
    for (dest, round) in clocks.keys() {
        let mut own = pieces.iter().filter(|(key, _)| (key.dest_id, key.round_id) == (*dest, *round));
        let Some((key, facts)) = own.next_back() else { continue };
        let end = ArchivePath::RoundEnd { dest: *dest, round: *round }.path();
        let stopped = facts.single.as_ref().is_some_and(|s| s.checkpoint_scn.saturating_add(1) < s.end_scn);
        if stopped && !c.listed.contains_key(&end) {
            let detail = format!("piece {key} was frozen before its time, so the round was stopped");
            c.damage(end, DamageKind::Missing, detail);
        }
    }
}

/// Walks every log stream of every round, several side by side.
async fn walk(
    c: &Arc<Checker>,
    pieces: &Pieces,
    clocks: &BTreeMap<(DestId, RoundId), PieceClock>,
    only: Option<LsId>,
) -> Result<(), Failure> {
    let pieces = Arc::new(pieces.clone());
    let mut streams: BTreeSet<(DestId, RoundId, LsId)> = BTreeSet::new();
    for (key, facts) in pieces.iter() {
        let listed = facts.lists.iter().flat_map(|lists| lists.keys().copied());
        let all = piece::log_streams(c, *key).into_iter().chain(listed);
        streams.extend(all.filter(|ls| only.is_none_or(|o| o == *ls)).map(|ls| (key.dest_id, key.round_id, ls)));
    }
    let slots = Arc::new(Semaphore::new(VERIFY_STREAMS_MAX));
    let mut tasks = JoinSet::new();
    for (dest, round, ls) in streams {
        let (c, pieces, slots) = (Arc::clone(c), Arc::clone(&pieces), Arc::clone(&slots));
        let clock = clocks.get(&(dest, round)).copied();
        tasks.spawn(async move {
            // `None` only after the semaphore was closed, which never happens.
            let _slot = slots.acquire_owned().await.ok();
            let walk = walk_stream(&c, &pieces, (dest, round), clock, ls).await?;
            Ok::<_, Failure>(((dest, round), ls, walk))
        });
    }
    let mut walks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        walks.push(done.map_err(|e| {
            Failure::new(ErrorClass::Transient, format!("a check ended by itself: {e}"), c.medium.uri(), "")
        })??);
    }
    if only.is_none() {
        checkpoints(c, &pieces, &walks);
        vanished(c, &pieces, clocks);
    }
    Ok(())
}

async fn walk_stream(
    c: &Arc<Checker>,
    pieces: &Pieces,
    round: (DestId, RoundId),
    clock: Option<PieceClock>,
    ls: LsId,
) -> Result<LsWalk, Failure> {
    let mut walk = LsWalk::default();
    let own = || pieces.iter().filter(|(key, _)| (key.dest_id, key.round_id) == round);
    let grows = own().next_back().is_some_and(|(_, facts)| !facts.is_frozen && facts.checkpoint.is_some());
    let log_bytes = |key: PieceKey| c.below(&ls_log_dir(key, ls)).map(|(_, bytes)| *bytes).sum::<u64>();
    let has_log = |key: &PieceKey| log_bytes(*key) >= ARCHIVE_FILE_HEADER_BYTES;
    let last = own().map(|(key, _)| *key).rfind(has_log).filter(|_| grows);
    for (key, facts) in own() {
        let range = clock.map(|clock| clock.range(key.piece_id));
        let is_base = clock.is_some_and(|clock| clock.base_piece == key.piece_id);
        let scope = PieceScope { key: *key, is_frozen: facts.is_frozen, range, is_base, ends_log: last == Some(*key) };
        if scope.is_base && !scope.is_frozen {
            walk.at = facts.log_streams.get(&ls).copied();
        }
        let found = walk_piece(c, scope, ls, &mut walk).await?;
        // Nothing was opened of packed files: the list says where the log of the piece ends.
        let told = facts.lists.as_ref().and_then(|lists| lists.get(&ls)).filter(|list| list.max_lsn > 0);
        if let Some(list) = told.filter(|_| walk.at.is_none() && !walk.is_damaged) {
            walk.at = Some(Lsn(list.max_lsn));
        }
        if let Some(list) = facts.lists.as_ref().and_then(|lists| lists.get(&ls)) {
            piece::compare_list(c, scope, ls, list, &found);
        } else if facts.lists.is_some() {
            for (file_id, _) in &found {
                let path = ArchivePath::Log { key: *key, ls, file_id: *file_id }.path();
                c.damage(path, DamageKind::Foreign, "the file list of the piece does not know this log stream");
            }
        }
    }
    Ok(walk)
}

/// The checkpoint of the newest piece of a round is not ahead of the log that is really there, of any log stream.
fn checkpoints(c: &Checker, pieces: &Pieces, walks: &[((DestId, RoundId), LsId, LsWalk)]) {
    let newest: BTreeMap<(DestId, RoundId), (&PieceKey, &PieceFacts)> =
        pieces.iter().map(|(key, facts)| ((key.dest_id, key.round_id), (key, facts))).collect();
    for (round, (key, facts)) in newest {
        let Some(checkpoint) = facts.checkpoint.filter(|_| !facts.is_frozen) else { continue };
        let own =
            walks.iter().filter(|(r, ls, walk)| *r == round && !walk.is_damaged && !was_dropped(pieces, round, *ls));
        for (_, ls, walk) in own {
            // Basic has walked the last file alone: without one it cannot tell.
            let Some(reach) = walk.reach.map(|(scn, _)| scn).or(c.is_physical().then_some(Scn::MIN)) else { continue };
            if reach < checkpoint {
                let detail = format!("the log ends at scn {reach}, before the checkpoint {checkpoint}: log is missing");
                c.damage(ls_log_dir(*key, *ls), DamageKind::Gap, detail);
            }
        }
    }
}

/// A round begins with log of every log stream, in its first piece. While that one grows no list names its files, but
/// its infos name the log streams.
fn vanished(c: &Checker, pieces: &Pieces, clocks: &BTreeMap<(DestId, RoundId), PieceClock>) {
    let is_base =
        |key: &PieceKey| clocks.get(&(key.dest_id, key.round_id)).is_some_and(|clock| clock.base_piece == key.piece_id);
    for (key, facts) in pieces.iter().filter(|(key, facts)| is_base(key) && !facts.is_frozen) {
        for ls in facts.log_streams.keys() {
            let dir = ls_log_dir(*key, *ls);
            if c.below(&dir).next().is_none() {
                c.damage(dir, DamageKind::Missing, "the infos of the piece name its log stream, there is no log of it");
            }
        }
    }
}

/// A dropped log stream has no log after its end.
fn was_dropped(pieces: &Pieces, round: (DestId, RoundId), ls: LsId) -> bool {
    let own = pieces.iter().filter(|(key, _)| (key.dest_id, key.round_id) == round);
    let mut lists = own.filter_map(|(_, facts)| facts.lists.as_ref()?.get(&ls));
    lists.any(|list| list.deleted)
}
