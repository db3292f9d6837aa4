//! The one file of a scheduler snapshot: a checksum, then position, membership and State in postcard.
//!
//! It is written to a side directory, made durable, and appears under its name by a rename.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use strandline_consensus::{Applied, LogPos};
use strandline_format::checksum::crc32c_raw;
use strandline_scheduler_core::State;

const FILE: &str = "state";
const CRC_BYTES: usize = 4;

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

/// The bytes of the file.
///
/// # Errors
/// `Other` when the State cannot be encoded, which would be a defect.
pub fn encode(applied: &Applied, state: &State) -> io::Result<Vec<u8>> {
    let head = Head { last: applied.last, membership: applied.membership.to_vec() };
    let mut bytes = vec![0; CRC_BYTES];
    bytes = postcard::to_extend(&(head, state), bytes).map_err(io::Error::other)?;
    let crc = crc32c_raw(0, &bytes[CRC_BYTES..]);
    bytes[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// Reads the file in a snapshot directory.
///
/// # Errors
/// The disk's, or `InvalidData` that names the file.
pub fn read(dir: &Path) -> io::Result<Content> {
    let path = dir.join(FILE);
    let bytes = fs::read(&path)?;
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
    let (crc, body) = bytes.split_first_chunk::<CRC_BYTES>().ok_or_else(|| bad("too short".to_owned()))?;
    if crc32c_raw(0, body) != u32::from_le_bytes(*crc) {
        return Err(bad("checksum does not match".to_owned()));
    }
    let (head, state): (Head, State) = postcard::from_bytes(body).map_err(|e| bad(e.to_string()))?;
    Ok(Content { applied: Applied { last: head.last, membership: head.membership.into() }, state })
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
