//! A log of another format is archived by the same core: nothing in it reads the bytes of a group.

use super::*;
use crate::replay::{Fed, ReplayCore, SourceGroup};
use strandline_engine_api::{EntryError, LogGroup, LogLink, ReplayItem};
use strandline_types::LsnRange;

/// Groups of a length (4 bytes), an SCN (8), a sum over this and all groups before (8) and a payload.
#[derive(Debug)]
struct Toy;

static TOY: Toy = Toy;
const HEADER: usize = 20;

fn sum(before: u64, scn: u64, payload: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte);
    scn.to_be_bytes().iter().chain(payload).fold(before, step)
}

impl LogFormat for Toy {
    fn group(&self, log: &[u8], at: Lsn, before: Option<&LogBase>) -> Result<Option<LogGroup>, LogDamage> {
        let Some(header) = log.get(..HEADER) else { return Ok(None) };
        let number = |from: usize| u64::from_be_bytes(header[from..from + 8].try_into().unwrap());
        let bytes = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        let Some(payload) = log.get(HEADER..bytes) else { return Ok(None) };
        let (scn, found) = (number(4), number(12));
        if before.is_some_and(|b| sum(b.link.words()[0], scn, payload) != found) {
            return Err(LogDamage { lsn: at, what: "its sum does not follow".to_owned() });
        }
        let after = LogBase { lsn: at.advance(bytes as u64), scn: Scn(scn), link: LogLink::new([found, 0]) };
        Ok(Some(LogGroup { start: at, after }))
    }

    fn replay_items(&self, _: Lsn, entries: &[(Scn, Bytes)], items: &mut Vec<ReplayItem>) -> Result<(), EntryError> {
        let changes = entries.iter().filter(|(_, entry)| entry.starts_with(b"+"));
        items.extend(changes.map(|(scn, entry)| ReplayItem { scn: *scn, entry: entry.clone() }));
        Ok(())
    }
}

/// A log with these SCNs.
fn toy_log(scns: &[u64]) -> Log {
    let mut log = Log { format: &TOY, ..Log::at(0) };
    let mut chain = 0;
    for scn in scns {
        let payload = vec![b'+'; 40 + (*scn as usize) % 7];
        chain = sum(chain, *scn, &payload);
        log.bytes.extend_from_slice(&((HEADER + payload.len()) as u32).to_be_bytes());
        log.bytes.extend_from_slice(&scn.to_be_bytes());
        log.bytes.extend_from_slice(&chain.to_be_bytes());
        log.bytes.extend_from_slice(&payload);
    }
    log
}

/// The bytes of each file behind its header, and its piece.
fn bodies(medium: &Medium) -> Vec<(u64, Vec<u8>)> {
    let body =
        |(key, bytes): (&(PieceId, FileId), &Vec<u8>)| (key.0.0, bytes[ARCHIVE_FILE_HEADER_BYTES as usize..].to_vec());
    medium.files.iter().map(body).collect()
}

#[test]
fn another_format_is_cut_at_its_own_groups_and_continued_by_the_next_leader() {
    let log = toy_log(&[90, 110, 149, 150, 199, 210]);
    let (mut first, mut whole) = (Archiver::new(&TOY, order(None)), Medium::default());
    run(&mut first, T0, &log, &mut whole);
    let group = |nth: usize| HEADER + 40 + [90, 110, 149, 150, 199, 210][nth] % 7;
    let pieces = [(3, (0..3).map(group).sum::<usize>()), (4, group(3) + group(4)), (5, group(5))];
    let (numbers, bodies): (Vec<_>, Vec<_>) = bodies(&whole).into_iter().unzip();
    assert_eq!(numbers.into_iter().zip(bodies.iter().map(Vec::len)).collect::<Vec<_>>(), pieces);
    assert!(bodies.concat() == log.bytes);
    assert_eq!(first.progress().unwrap().checkpoint, Scn(210));

    let newest = (PieceId(5), FileId(1));
    for torn in 0..whole.files[&newest].len() {
        let mut medium = whole.clone();
        medium.files.get_mut(&newest).unwrap().truncate(torn);
        let mut next = Archiver::new(&TOY, order(None));
        run(&mut next, T0, &log, &mut medium);
        assert!(medium.files == whole.files, "torn at {torn}");
        assert_eq!(next.progress().unwrap().archived, log.end());
    }
}

#[test]
fn log_whose_groups_do_not_follow_in_its_own_format_is_not_archived() {
    let mut log = toy_log(&[90, 110, 120]);
    *log.bytes.last_mut().unwrap() ^= 1;
    let (mut archiver, mut medium) = (Archiver::new(&TOY, order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let (failure, _) = archiver.trouble().unwrap();
    assert_eq!((failure.class, medium.files.len()), (ErrorClass::Corrupt, 0), "{failure}");
    assert!(failure.what.ends_with("its sum does not follow"), "{failure}");
}

#[test]
fn a_replay_takes_the_entries_that_their_own_format_names() {
    let mut core = ReplayCore::new(&TOY, Lsn(0), Scn(0), Scn(9));
    let entries = [&b"+row"[..], b"-note"].map(|entry| (Scn(9), Bytes::from_static(entry))).to_vec();
    let range = LsnRange { start: Lsn(0), end: Lsn(50) };
    assert_eq!(core.feed(&SourceGroup { range, scn: Scn(9), entries }), Ok(Fed::Taken));
    let items = core.take_rest().unwrap().items;
    assert_eq!(items.iter().map(|i| &i.entry[..]).collect::<Vec<_>>(), [b"+row"]);
}
