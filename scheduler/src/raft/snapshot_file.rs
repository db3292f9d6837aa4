//! The one file of a scheduler snapshot. It is written to a side directory, made durable, and appears under its name by a
//! rename.
//!
//! ```text
//! checksum             u32, little endian: CRC-32C of everything behind it
//! version              u8, of this layout: 2
//! length of the head   u32, little endian
//! head                 record: position and membership
//! state                record: the State at that position
//! ```
//!
//! Version 1 had neither version nor length: head and State followed the checksum in postcard. Its first byte was 0 or 1.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use strandline_consensus::{Applied, LogPos};
use strandline_format::checksum::crc32c_raw;
use strandline_scheduler_core::State;
use strandline_stored::{FIRST_VERSION, Step, Stored, StoredError};

const FILE: &str = "state";
const CRC_BYTES: usize = 4;
const LAYOUT_VERSION: u8 = 2;
const KIND: &str = "a scheduler snapshot";

/// What a snapshot holds.
pub struct Content {
    /// Position and membership.
    pub applied: Applied,
    /// The State at that position.
    pub state: State,
}

#[derive(Serialize, Deserialize)]
struct Head {
    last: Option<LogPos>,
    membership: Vec<u8>,
}

impl Stored for Head {
    const KIND: &'static str = "the head of a scheduler snapshot";
    const VERSION: u8 = FIRST_VERSION;
    const STEPS: &'static [Step] = &[];

    fn unversioned(_: &[u8]) -> Result<Self, StoredError> {
        Err(StoredError::TooOld { kind: Self::KIND, oldest: FIRST_VERSION })
    }
}

/// The bytes of the file.
///
/// # Errors
/// `Other` when the State cannot be encoded, which would be a defect.
pub fn encode(applied: &Applied, state: &State) -> io::Result<Vec<u8>> {
    let head = Head { last: applied.last, membership: applied.membership.to_vec() };
    let (head, state) = (record(&head)?, record(state)?);
    let head_bytes = u32::try_from(head.len()).map_err(io::Error::other)?;
    let body = [&[LAYOUT_VERSION], head_bytes.to_le_bytes().as_slice(), &head, &state].concat();
    Ok([crc32c_raw(0, &body).to_le_bytes().as_slice(), &body].concat())
}

fn record(record: &impl Stored) -> io::Result<Vec<u8>> {
    strandline_stored::encode(record).map_err(io::Error::other)
}

/// Reads the file in a snapshot directory.
///
/// # Errors
/// The disk's, or `InvalidData` that names the file.
pub fn read(dir: &Path) -> io::Result<Content> {
    let path = dir.join(FILE);
    let bytes = fs::read(&path)?;
    let (head, state) = decode(&bytes).map_err(|e| {
        let failure = e.into_failure(path.display().to_string());
        io::Error::new(io::ErrorKind::InvalidData, failure.to_string())
    })?;
    Ok(Content { applied: Applied { last: head.last, membership: head.membership.into() }, state })
}

fn decode(bytes: &[u8]) -> Result<(Head, State), StoredError> {
    let malformed = |why: &str| StoredError::Malformed { kind: KIND, why: why.to_owned() };
    let (crc, body) = bytes.split_first_chunk::<CRC_BYTES>().ok_or_else(|| malformed("it is too short"))?;
    if crc32c_raw(0, body) != u32::from_le_bytes(*crc) {
        return Err(malformed("its checksum does not match"));
    }
    match body.split_first() {
        Some((&LAYOUT_VERSION, rest)) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(|| malformed("it is too short"))?;
            let length = u32::from_le_bytes(*length) as usize;
            let (head, state) = rest.split_at_checked(length).ok_or_else(|| malformed("it is too short"))?;
            Ok((strandline_stored::decode(head)?, strandline_stored::decode(state)?))
        }
        Some((0 | 1, _)) => {
            let (head, state) = postcard::take_from_bytes(body).map_err(|e| malformed(&e.to_string()))?;
            Ok((head, State::unversioned(state)?))
        }
        Some((&found, _)) => Err(StoredError::TooNew { kind: KIND, found, known: LAYOUT_VERSION }),
        None => Err(malformed("it is empty")),
    }
}

/// Makes `bytes` the content of the snapshot directory `target` below `parent`, durably. A target that is there
/// already stays: same position, same State.
///
/// # Errors
/// The disk's.
pub fn place(parent: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    if target.exists() {
        return Ok(());
    }
    let building = parent.join("building");
    if building.exists() {
        fs::remove_dir_all(&building)?;
    }
    fs::create_dir(&building)?;
    let mut file = fs::File::create(building.join(FILE))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::File::open(&building)?.sync_all()?;
    fs::rename(&building, target)?;
    fs::File::open(parent)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn content() -> (Applied, State) {
        let mut state = State { clock_ms: 1_700_000_000_000, ..State::default() };
        state.cluster.name = "main".to_owned();
        (Applied { last: Some(LogPos { term: 3, index: 9 }), membership: vec![1, 2, 3].into() }, state)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let (applied, state) = content();
        let (head, read) = decode(&encode(&applied, &state).unwrap()).unwrap();
        assert_eq!((head.last, head.membership, read), (applied.last, vec![1, 2, 3], state));
    }

    #[test]
    fn a_snapshot_without_a_version_is_too_old() {
        for last in [None, Some(LogPos { term: 3, index: 9 })] {
            let body = postcard::to_stdvec(&(Head { last, membership: vec![7] }, [0; 9])).unwrap();
            let bytes = [crc32c_raw(0, &body).to_le_bytes().as_slice(), &body].concat();
            assert!(matches!(decode(&bytes), Err(StoredError::TooOld { .. })));
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_found() {
        let (applied, state) = content();
        let bytes = encode(&applied, &state).unwrap();
        for n in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[n] ^= 1;
            assert!(decode(&flipped).is_err(), "byte {n}");
            assert!(decode(&bytes[..n]).is_err(), "cut at {n}");
        }
    }

    #[test]
    fn a_newer_layout_is_refused_by_its_number() {
        let body = [LAYOUT_VERSION + 1, 0];
        let bytes = [crc32c_raw(0, &body).to_le_bytes().as_slice(), &body].concat();
        let known = LAYOUT_VERSION;
        assert_eq!(decode(&bytes).err(), Some(StoredError::TooNew { kind: KIND, found: known + 1, known }));
    }
}
