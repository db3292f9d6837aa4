//! Spans of SCNs, both ends inclusive.

use strandline_types::Scn;

/// The first SCN that is in `wanted` and not in `covered`.
pub(super) fn first_bare(wanted: &[(Scn, Scn)], covered: &[(Scn, Scn)]) -> Option<Scn> {
    let bare = |&(from, to): &(Scn, Scn)| {
        let mut scn = from;
        while let Some((_, end)) = covered.iter().find(|(a, b)| *a <= scn && scn <= *b) {
            if *end == Scn::MAX {
                return None;
            }
            scn = end.next();
        }
        (scn <= to).then_some(scn)
    };
    wanted.iter().filter_map(bare).min()
}
