//! PALF behind the border: each group once, borders where they are, nothing but changes in a replay.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Bounds, LogLink};
use prost::Message;
use strandline_format::palf::Framer;
use strandline_types::Term;

/// A log of groups with these SCNs, and where each begins.
fn log(scns: &[u64]) -> (Vec<u8>, Vec<Lsn>, PalfBase) {
    let mut framer = Framer::new(PalfBase::default());
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for scn in scns {
        let framed = framer.frame(Term(1), Scn(*scn), true, b"\x02row");
        starts.push(framed.lsn);
        bytes.extend_from_slice(&framed.bytes);
    }
    (bytes, starts, framer.base())
}

#[test]
fn a_walk_reports_the_first_group_and_each_group_that_is_outside_of_the_bounds() {
    let (bytes, starts, end) = log(&[10, 11, 20, 21, 30]);
    let mut seen = Vec::new();
    let walked = PALF.walk(&bytes, Lsn(0), None, &mut |before, group| {
        seen.push((before.map(|b| b.lsn), group.start, group.scn()));
        Bounds { scn: Scn(group.scn().0 / 10 * 10 + 10), ..Bounds::NONE }
    });
    assert_eq!(walked.unwrap(), Some(end.into()));
    let report = |nth: usize, scn| (Some(starts[nth]).filter(|_| nth > 0), starts[nth], Scn(scn));
    assert_eq!(seen, [report(0, 10), report(2, 20), report(4, 30)]);
}

#[test]
fn a_bound_in_positions_is_exclusive() {
    let (bytes, starts, _) = log(&[10, 11, 12]);
    let mut seen = Vec::new();
    let mut report = |_: Option<LogBase>, group: &LogGroup| {
        seen.push(group.start);
        Bounds { lsn: starts[1], ..Bounds::NONE }
    };
    PALF.walk(&bytes, Lsn(0), None, &mut report).unwrap();
    assert_eq!(seen, starts, "the second group begins at the bound, and the bound stays");
}

#[test]
fn a_group_that_is_not_whole_ends_the_walk_and_a_wrong_one_is_damage() {
    let (mut bytes, starts, _) = log(&[10, 11]);
    let mut none = |_: Option<LogBase>, _: &LogGroup| Bounds::NONE;
    let torn = PALF.walk(&bytes[..bytes.len() - 1], Lsn(0), None, &mut none).unwrap();
    assert_eq!(torn.map(|b| b.lsn), Some(starts[1]));
    assert_eq!(PALF.walk(&[], Lsn(0), None, &mut none), Ok(None));
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(PALF.walk(&bytes, Lsn(0), None, &mut none).unwrap_err().lsn, starts[1]);
    let other = LogBase { link: LogLink::new([7, 7]), ..LogBase::default() };
    let fork = PALF.walk(&bytes, Lsn(0), Some(other), &mut none).unwrap_err();
    assert!(fork.to_string().contains("the log has forked"), "{fork}");
}

#[test]
fn a_base_keeps_every_word_in_its_stored_form() {
    let base = LogBase { lsn: Lsn(5), scn: Scn(6), link: LogLink::new([7, 8]) };
    let stored = PalfBase::from(base);
    let words = (stored.lsn.0, stored.prev_log_id, stored.prev_accumulated_checksum, stored.prev_scn.0);
    assert_eq!((words, LogBase::from(stored)), ((5, 7, 8, 6), base));
}

#[test]
fn only_entries_that_change_data_are_replayed_and_unknown_ones_are_refused() {
    let entries: Vec<_> = (0..7).map(|kind: u8| (Scn(9), Bytes::from(vec![kind, 1]))).collect();
    let mut items = Vec::new();
    PALF.replay_items(Lsn(3), &entries, &mut items).unwrap();
    assert_eq!(items.iter().map(|i| i.entry[0]).collect::<Vec<_>>(), [2, 4, 5, 6]);
    let refused = |body: &'static [u8]| {
        PALF.replay_items(Lsn(3), &[(Scn(9), Bytes::from_static(body))], &mut Vec::new()).unwrap_err().to_string()
    };
    assert_eq!(refused(b""), "log group at 3 has an empty entry");
    assert_eq!(refused(b"\x09"), "log group at 3 has an entry of kind 9, which is not known here");
}

#[test]
fn dictionaries_of_the_log_have_the_scn_of_their_entry_and_keep_their_content() {
    let tablets = vec![pb::DictionaryTablet { tablet_id: 500_001, ls_id: 1001 }];
    let tables = vec![pb::DictionaryTable { table_id: 4, name: "t".to_owned(), tablets }];
    let logged = pb::Dictionary { version: 2, scn: 0, tables, next_tablet_id: 500_002 };
    let body = [&[EntryKind::Dictionary.number()][..], &logged.encode_to_vec()].concat();
    let mut framer = Framer::new(PalfBase::default());
    let bytes = [&b"\x03"[..], &body].map(|body| framer.frame(Term(1), Scn(40), true, body).bytes).concat();
    let found = PALF.dictionaries(&bytes, Lsn(0));
    let stored: Vec<_> = found.into_iter().map(dictionary_for_medium).collect();
    // The group before it took SCN 40.
    assert_eq!(stored, [pb::Dictionary { scn: 41, ..logged }]);
}
