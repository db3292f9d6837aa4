//! How a file lies in a table: chunk `n` of a file is one key, `<relative path> 00 <n, 4 bytes big-endian>`.
//!
//! The value of chunk 0 begins with the head (size and mode of the file); the file's bytes follow it, so that a small
//! file is exactly one key. A file that was overwritten by a shorter one may leave chunks behind the head's count: the
//! importer deletes them where it knows of them, and a reader ignores them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use strandline_types::limits::{KV_BATCH_BYTES_MAX, KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX};
use strandline_types::{ErrorClass, Failure};

/// File bytes of one chunk.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Longest relative path that fits in a key.
pub const PATH_BYTES_MAX: usize = KV_KEY_BYTES_MAX - 5;

const HEAD_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"SLF1";

const _: () = assert!(CHUNK_BYTES + HEAD_BYTES <= KV_VALUE_BYTES_MAX);
const _: () = assert!(2 * (CHUNK_BYTES + HEAD_BYTES + KV_KEY_BYTES_MAX) <= KV_BATCH_BYTES_MAX);

/// What chunk 0 says about the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size of the file.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
}

impl Head {
    /// Number of chunks; an empty file has one.
    pub fn chunks(self) -> u64 {
        self.bytes.div_ceil(CHUNK_BYTES as u64).max(1)
    }

    /// The value of chunk 0.
    pub fn encode(self, first_bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + first_bytes.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.mode.to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(first_bytes);
        out
    }

    /// Head and file bytes of the value of chunk 0; `None` when it is not one.
    pub fn decode(value: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = value.split_at_checked(HEAD_BYTES)?;
        let mode = u32::from_be_bytes(head[4..8].try_into().ok()?);
        let bytes = u64::from_be_bytes(head[8..16].try_into().ok()?);
        (&head[..4] == MAGIC).then_some((Self { bytes, mode }, rest))
    }
}

/// The key of chunk `n` of the file at `path` (relative).
pub fn chunk_key(path: &Path, n: u32) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    let mut key = Vec::with_capacity(path.len() + 5);
    key.extend_from_slice(path);
    key.push(0);
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// Path and chunk number of a key. A key that is none, or whose path would leave the directory, is refused: what is in a
/// table is not trusted to name files elsewhere.
pub fn parse_key(key: &[u8]) -> Result<(&Path, u32), Failure> {
    let refuse = |what: &str| {
        let todo = "export only tables that were filled by `kv import`";
        Failure::new(ErrorClass::Corrupt, what, String::from_utf8_lossy(key).into_owned(), todo)
    };
    let split = key.len().checked_sub(5).filter(|&at| at > 0 && key[at] == 0);
    let at = split.ok_or_else(|| refuse("the key is not a chunk of a file"))?;
    let n = u32::from_be_bytes([key[at + 1], key[at + 2], key[at + 3], key[at + 4]]);
    let path = Path::new(OsStr::from_bytes(&key[..at]));
    let stays_inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    if stays_inside { Ok((path, n)) } else { Err(refuse("the key names a file outside the directory")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_gives_back_path_and_chunk_even_when_the_number_holds_zero_bytes() {
        for n in [0, 1, 255, 256, u32::MAX] {
            let key = chunk_key(Path::new("a/b c.rs"), n);
            assert_eq!(parse_key(&key).unwrap(), (Path::new("a/b c.rs"), n));
        }
    }

    #[test]
    fn a_key_that_would_leave_the_directory_is_refused() {
        for path in ["../x", "/etc/passwd", "a/../../x"] {
            let failure = parse_key(&chunk_key(Path::new(path), 0)).unwrap_err();
            assert_eq!(failure.class, ErrorClass::Corrupt, "{path}");
        }
        assert!(parse_key(b"plain").is_err());
        assert!(parse_key(b"\0\0\0\0\0").is_err());
    }

    #[test]
    fn a_head_knows_its_chunks() {
        let head = |bytes| Head { bytes, mode: 0o644 };
        assert_eq!(head(0).chunks(), 1);
        assert_eq!(head(CHUNK_BYTES as u64).chunks(), 1);
        assert_eq!(head(CHUNK_BYTES as u64 + 1).chunks(), 2);
        let value = head(3).encode(b"abc");
        assert_eq!(Head::decode(&value), Some((head(3), b"abc".as_slice())));
        assert_eq!(Head::decode(b"short"), None);
    }
}
