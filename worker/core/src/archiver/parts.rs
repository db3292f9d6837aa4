//! The parts of one log file: what they cover, which of them to read, which to merge, and when the file is sealed.
//!
//! Parts never disagree: each holds the file's bytes of its range. So a part that lies wholly inside another one may go,
//! whichever writer put it there, and a merge that two writers do differently leaves more parts, never fewer bytes. A part is
//! removed only after a larger one that covers it was read back and proved itself. One that does not prove itself
//! however often it is read is left alone: it is not merged, nothing is removed for it, and others are read where they can.

use std::collections::{BTreeMap, BTreeSet};
use strandline_types::limits::{ARCHIVE_PARTS_MERGED, ARCHIVE_UNIT_BYTES_MAX};

/// Plain bytes `[start, end)` of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// First byte after it.
    pub end: u64,
}

impl Span {
    /// Its length.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    const fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// What is to be done with the parts of a file, one thing at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidy {
    /// Remove these: each lies inside a larger part that has the same bytes.
    Remove(Vec<Span>),
    /// Put one part over these, read it back, and remove them.
    Merge(Vec<Span>),
    /// Write the list of parts: the file never grows again.
    Seal,
}

/// The parts of one log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Stored length of each.
    spans: BTreeMap<Span, u64>,
    /// Those that do not prove themselves.
    damaged: BTreeSet<Span>,
    /// It never grows again.
    pub is_sealed: bool,
    /// Its format file is there.
    pub has_format: bool,
    /// No byte will follow, although it is not sealed yet.
    pub is_closed: bool,
}

impl Parts {
    /// Takes in a part of `stored` bytes.
    pub fn insert(&mut self, span: Span, stored: u64) {
        if span.start < span.end {
            self.spans.insert(span, stored);
        }
    }

    /// Forgets a part.
    pub fn remove(&mut self, span: Span) {
        self.spans.remove(&span);
        self.damaged.remove(&span);
    }

    /// A part does not prove itself: it is left alone from now on.
    pub fn distrust(&mut self, span: Span) {
        self.damaged.insert(span);
    }

    /// Keeps of what was known before another listing that some parts do not prove themselves.
    pub fn distrust_as(&mut self, before: &Self) {
        self.damaged.extend(before.damaged.iter().filter(|span| self.spans.contains_key(span)));
    }

    /// Number of parts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// Bytes that all of them take on the medium.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.spans.values().sum()
    }

    /// Stored length of a part.
    #[must_use]
    pub fn stored(&self, span: Span) -> Option<u64> {
        self.spans.get(&span).copied()
    }

    /// Everything below is there without a hole.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.chain().last().map_or(0, |span| span.end)
    }

    /// The fewest parts that cover the file from its start on, up to the first hole.
    #[must_use]
    pub fn chain(&self) -> Vec<Span> {
        let (mut chain, mut end) = (Vec::new(), 0);
        while let Some(next) = self.best_from(end) {
            end = next.end;
            chain.push(next);
        }
        chain
    }

    /// The parts to read for `[start, end)`, in order.
    ///
    /// # Errors
    /// The first byte that is missing.
    pub fn covering(&self, start: u64, end: u64) -> Result<Vec<Span>, u64> {
        let (mut parts, mut at) = (Vec::new(), start);
        while at < end {
            let next = self.best_from(at).ok_or(at)?;
            at = next.end;
            parts.push(next);
        }
        Ok(parts)
    }

    /// The part that holds byte `at` and reaches farthest; one that does not prove itself only where no other holds it.
    fn best_from(&self, at: u64) -> Option<Span> {
        let holds = self.spans.keys().take_while(|s| s.start <= at).filter(|s| s.end > at);
        holds.max_by_key(|s| (!self.damaged.contains(s), s.end)).copied()
    }

    /// What to do next, if anything. `may_remove` is false where the medium keeps what was written.
    #[must_use]
    pub fn tidy(&self, may_remove: bool) -> Option<Tidy> {
        if self.is_sealed {
            return None;
        }
        if may_remove {
            let inside = self.superseded();
            if !inside.is_empty() {
                return Some(Tidy::Remove(inside));
            }
            let chain = self.chain();
            let sound = || chain.split(|span| self.damaged.contains(span));
            // What was merged before and did not prove itself is not merged again.
            let is_new =
                |run: &Vec<Span>| !self.damaged.contains(&Span { start: run[0].start, end: run[run.len() - 1].end });
            let run = sound().find_map(|parts| like_sized_run(parts).filter(is_new));
            let run =
                run.or_else(|| sound().filter(|_| self.is_closed).find_map(|parts| neighbours(parts).filter(is_new)));
            if let Some(run) = run {
                return Some(Tidy::Merge(run));
            }
        }
        (self.is_closed && !self.spans.is_empty()).then_some(Tidy::Seal)
    }

    /// Parts that lie wholly inside another one that may be believed.
    fn superseded(&self) -> Vec<Span> {
        let covers = |other: &Span, s: &Span| other != s && other.covers(*s) && !self.damaged.contains(other);
        let inside = |s: &&Span| self.spans.keys().any(|other| covers(other, s));
        self.spans.keys().filter(inside).copied().collect()
    }
}

/// The first parts side by side that are all of one size class or smaller and enough of them: each byte is thus written
/// again only as often as there are classes.
fn like_sized_run(chain: &[Span]) -> Option<Vec<Span>> {
    const CLASS_BITS: u32 = ARCHIVE_PARTS_MERGED.ilog2();
    let class = |s: &Span| s.bytes().max(1).ilog2() / CLASS_BITS;
    let largest = (ARCHIVE_UNIT_BYTES_MAX as u64).ilog2() / CLASS_BITS;
    (0..=largest).find_map(|limit| {
        chain
            .split(|s| class(s) > limit || s.bytes() >= ARCHIVE_UNIT_BYTES_MAX as u64 / 2)
            .filter(|run| run.len() >= ARCHIVE_PARTS_MERGED)
            .find_map(fitting)
    })
}

/// Two or more neighbours that fit into one part.
fn neighbours(chain: &[Span]) -> Option<Vec<Span>> {
    (0..chain.len()).find_map(|at| fitting(&chain[at..]))
}

/// As many parts from the first on as fit into one, if that is more than one.
fn fitting(run: &[Span]) -> Option<Vec<Span>> {
    let first = run.first()?.start;
    let taken = run.iter().take_while(|s| s.end - first <= ARCHIVE_UNIT_BYTES_MAX as u64);
    let taken: Vec<Span> = taken.copied().collect();
    (taken.len() > 1).then_some(taken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    fn parts(spans: &[(u64, u64)]) -> Parts {
        let mut parts = Parts::default();
        for (start, end) in spans {
            parts.insert(span(*start, *end), end - start);
        }
        parts
    }

    /// Does everything that is to be done, and gives the bytes that were written again.
    fn tidy_up(parts: &mut Parts) -> u64 {
        let mut written = 0;
        while let Some(tidy) = parts.tidy(true) {
            match tidy {
                Tidy::Remove(spans) => spans.into_iter().for_each(|s| parts.remove(s)),
                Tidy::Merge(spans) => {
                    let whole = span(spans[0].start, spans[spans.len() - 1].end);
                    parts.insert(whole, whole.bytes());
                    written += whole.bytes();
                }
                Tidy::Seal => parts.is_sealed = true,
            }
        }
        written
    }

    #[test]
    fn overlapping_parts_cover_and_a_hole_ends_the_file() {
        let p = parts(&[(0, 10), (5, 20), (0, 30), (25, 40), (50, 60)]);
        assert_eq!(p.chain(), [span(0, 30), span(25, 40)]);
        assert_eq!(p.end(), 40);
        assert_eq!(p.covering(35, 45), Err(40), "the first missing byte is named");
        assert_eq!(p.covering(12, 14), Ok(vec![span(0, 30)]));
        assert_eq!(p.tidy(true), Some(Tidy::Remove(vec![span(0, 10), span(5, 20)])));
        assert_eq!(p.tidy(false), None, "a medium that keeps everything keeps everything");
    }

    #[test]
    fn a_closed_file_is_merged_then_sealed_and_a_sealed_one_is_left_alone() {
        let mut p = parts(&[(0, 4096), (4096, 5000), (5000, 6000)]);
        assert_eq!(p.tidy(true), None, "an open file has room for more parts");
        p.is_closed = true;
        tidy_up(&mut p);
        assert!(p.is_sealed);
        assert_eq!(p.chain(), [span(0, 6000)]);
        assert_eq!(p.tidy(true), None);
        p.is_sealed = false;
        assert_eq!(p.tidy(false), Some(Tidy::Seal));
    }

    #[test]
    fn a_part_that_does_not_prove_itself_is_left_alone_and_the_rest_goes_on() {
        let mut p = parts(&[(0, 4096), (4096, 5000), (5000, 6000), (6000, 7000), (7000, 8000)]);
        p.is_closed = true;
        p.distrust(span(5000, 6000));
        tidy_up(&mut p);
        assert!(p.is_sealed, "a file is sealed with what it has");
        assert_eq!(p.chain(), [span(0, 5000), span(5000, 6000), span(6000, 8000)]);
        let mut p = parts(&[(0, 4096), (4096, 5000), (0, 5000)]);
        p.distrust(span(0, 5000));
        assert_eq!(p.tidy(true), None, "nothing is removed for what does not prove itself");
        assert_eq!(p.covering(0, 5000), Ok(vec![span(0, 4096), span(4096, 5000)]), "the others are read");
        p.remove(span(4096, 5000));
        assert_eq!(p.end(), 5000, "it still tells how long the file is");
    }

    proptest! {
        #[test]
        fn the_parts_of_a_block_stay_few_and_are_written_again_only_a_few_times(
            sizes in proptest::collection::vec(prop_oneof![100u64..5000, 5000u64..500_000, 1_000_000u64..16_000_000], 1..400),
        ) {
            let (mut p, mut end, mut written, mut most) = (Parts::default(), 0u64, 0, 0);
            for bytes in sizes {
                let bytes = bytes.min((64 << 20) - end);
                p.insert(span(end, end + bytes), bytes);
                end += bytes;
                written += tidy_up(&mut p);
                most = most.max(p.count());
                prop_assert_eq!(p.end(), end, "no byte is ever lost");
            }
            prop_assert!(most <= strandline_types::limits::ARCHIVE_PARTS_PER_FILE_MAX, "{} parts", most);
            prop_assert!(written <= end * 8, "{} bytes written again for {}", written, end);
            p.is_closed = true;
            tidy_up(&mut p);
            prop_assert!(p.is_sealed && p.end() == end && p.count() <= 9, "{:?}", p);
        }
    }
}
