//! The laws of chains, over any listing: what touches is one log, what does not is a hole that is named exactly.

use crate::support::archive::key;
use proptest::prelude::*;
use strandline_reader::log::chain::{
    ChainError, FileForm, LogFile, LogObject, ObjectRole, chain, fold_each, fold_objects,
};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES as HEADER, BLOCK_BODY_BYTES as BLOCK};
use strandline_types::{FileId, Lsn, LsnRange};

/// A log `[from, from + bytes)` in files as pieces that change at the given positions would hold it.
fn files(from: u64, bytes: u64, changes: &[u64]) -> Vec<(LogFile, Lsn)> {
    let end = from + bytes;
    let mut cuts: Vec<(u64, bool)> = changes.iter().map(|at| (from + at % bytes.max(1), true)).collect();
    cuts.extend((from / BLOCK + 1..=end / BLOCK).map(|block| (block * BLOCK, false)));
    cuts.push((end, false));
    cuts.sort_unstable();
    let (mut at, mut piece, mut all) = (from, 1, Vec::new());
    for (cut, is_new_piece) in cuts {
        if cut > at {
            let (file_id, bytes) = (Lsn(at).file_id(), HEADER + cut - at);
            all.push((LogFile { piece: key(1, piece), file_id, form: FileForm::Plain, bytes }, Lsn(at)));
            at = cut;
        }
        piece += u64::from(is_new_piece);
    }
    all
}

/// The log that a chain reads, checked to touch.
fn read(files: &[(LogFile, Lsn)], from: u64) -> Result<LsnRange, ChainError> {
    let chain = chain(files, Lsn(from))?;
    let mut at = Lsn(from);
    for segment in &chain.segments {
        let (file, start) = &files[segment.file];
        assert_eq!((segment.range.start, segment.file_start), (at, *start), "segments touch");
        assert!(*start <= at && segment.range.end.0 == start.0 + file.bytes - HEADER, "a segment ends with its file");
        assert!(!segment.range.is_empty());
        at = segment.range.end;
    }
    assert_eq!(chain.end, at);
    Ok(LsnRange { start: Lsn(from), end: at })
}

fn logs() -> impl Strategy<Value = (u64, u64, Vec<u64>)> {
    (0..3 * BLOCK, 1..3 * BLOCK, prop::collection::vec(any::<u64>(), 0..5))
}

proptest! {
    #[test]
    fn a_log_without_holes_is_read_from_anywhere_to_its_end((from, bytes, changes) in logs(), skip: prop::sample::Index) {
        let files = files(from, bytes, &changes);
        let end = from + bytes;
        prop_assert_eq!(read(&files, from), Ok(LsnRange { start: Lsn(from), end: Lsn(end) }));
        let middle = from + skip.index(bytes as usize) as u64;
        prop_assert_eq!(read(&files, middle), Ok(LsnRange { start: Lsn(middle), end: Lsn(end) }));
        prop_assert_eq!(read(&files, end), Ok(LsnRange { start: Lsn(end), end: Lsn(end) }));
        let twice: Vec<(LogFile, Lsn)> = files.iter().chain(&files).cloned().collect();
        prop_assert_eq!(read(&twice, from).map(|r| r.end), Ok(Lsn(end)), "a second round with the same log");
    }

    #[test]
    fn a_file_that_is_missing_inside_is_a_hole_of_exactly_its_log((from, bytes, changes) in logs(), gone: prop::sample::Index) {
        let mut files = files(from, bytes, &changes);
        prop_assume!(files.len() > 1);
        let gone = gone.index(files.len() - 1);
        let (file, start) = files.remove(gone);
        let missing = LsnRange { start, end: Lsn(start.0 + file.bytes - HEADER) };
        let next = &files[gone].0;
        let expected = ChainError::Hole { missing, piece: next.piece, file_id: next.file_id };
        prop_assert_eq!(read(&files, from), Err(expected));
        prop_assert!(read(&files, missing.end.0).is_ok(), "behind the hole the log is whole");
    }

    #[test]
    fn parts_in_any_order_make_the_file_that_they_cover(
        cuts in prop::collection::btree_set(1u64..10_000, 1..8),
        overlap in 0u64..50,
        gone in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let object = |role, bytes| LogObject { file_id: FileId(3), role, bytes };
        let cuts: Vec<u64> = [0].into_iter().chain(cuts).collect();
        let range = |w: &[u64]| (w[0].saturating_sub(overlap), w[1]);
        let ranges: Vec<(u64, u64)> = cuts.windows(2).map(range).collect();
        let part = |(start, end): &(u64, u64)| object(ObjectRole::Part { start: *start, end: *end }, end - start);
        let mut objects: Vec<LogObject> = ranges.iter().map(part).collect();
        objects.push(object(ObjectRole::FormatMeta, 9));
        let len = objects.len();
        objects.rotate_left((seed % len as u64) as usize);
        let folded = fold_objects(key(1, 1), objects.clone()).unwrap();
        prop_assert_eq!((folded.len(), folded[0].bytes), (1, *cuts.last().unwrap()));
        let gone = gone.index(ranges.len());
        let left = objects.into_iter().filter(|o| o.role != part(&ranges[gone]).role);
        let folded = fold_each(key(1, 1), left).remove(0).1;
        let covered_to = ranges[..gone].last().map_or(0, |r| r.1);
        match ranges.get(gone + 1).filter(|next| next.0 > covered_to) {
            Some(next) => prop_assert_eq!(
                folded,
                Err(ChainError::PartHole { piece: key(1, 1), file_id: FileId(3), missing: covered_to..next.0 })
            ),
            None => prop_assert!(folded.is_ok()),
        }
    }
}
