//! A file that is written once, from front to back; what is large goes to the disk past the page cache.
//!
//! A backup or a restore so neither pushes the clients' pages out of memory nor leaves gigabytes behind that one fsync
//! writes at once, while the clients' own fsync waits. Only whole pages go past the cache; the rest, and everything where
//! the file system refuses, goes the usual way. Between two writes the file is one like any other: who reads it back
//! need not know. Nothing is durable before the file is synced. Blocking.

use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Write};

/// What the page cache is left out for: at least this much, in multiples of [`ALIGN`].
const DIRECT_BYTES_MIN: usize = 256 << 10;
/// Of the place in the file, of the place in memory, and of the length.
const ALIGN: usize = 4096;
/// What does not lie right in memory is copied in pieces of this size.
const COPY_BYTES: usize = 2 << 20;

/// See the module.
#[derive(Debug)]
pub struct LargeFile {
    file: File,
    bytes: usize,
    /// False on network file systems, and on those that have refused.
    may_pass_cache: bool,
    /// Room for one copied piece; made when it is needed.
    copy: Vec<u8>,
}

impl LargeFile {
    /// Continues an empty file on what is probably a local disk.
    #[must_use]
    pub const fn new(file: File) -> Self {
        Self { file, bytes: 0, may_pass_cache: true, copy: Vec::new() }
    }

    /// Continues an empty file whose bytes all go through the page cache.
    #[must_use]
    pub const fn cached(file: File) -> Self {
        Self { file, bytes: 0, may_pass_cache: false, copy: Vec::new() }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// The file, for its sync.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// What the disk says; the file then holds an unknown part of them.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let whole = data.len() / ALIGN * ALIGN;
        let is_large = whole >= DIRECT_BYTES_MIN && self.bytes.is_multiple_of(ALIGN);
        let (large, rest) = data.split_at(if is_large && self.may_pass_cache { whole } else { 0 });
        if !large.is_empty() {
            self.pass_cache(true);
            let written = self.write_pages(large);
            self.pass_cache(false);
            written?;
        }
        self.file.write_all(rest)?;
        self.bytes += data.len();
        Ok(())
    }

    fn write_pages(&mut self, data: &[u8]) -> io::Result<()> {
        if data.as_ptr().align_offset(ALIGN) == 0 {
            return self.write_aligned(data);
        }
        let mut copy = std::mem::take(&mut self.copy);
        if copy.is_empty() {
            copy.resize(COPY_BYTES + ALIGN, 0);
        }
        let start = copy.as_ptr().align_offset(ALIGN);
        let written = data.chunks(COPY_BYTES).try_for_each(|piece| {
            let room = &mut copy[start..start + piece.len()];
            room.copy_from_slice(piece);
            self.write_aligned(room)
        });
        self.copy = copy;
        written
    }

    fn write_aligned(&mut self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nothing was written by this call: the usual way takes it from here.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput && self.may_pass_cache => {
                    self.pass_cache(false);
                    self.may_pass_cache = false;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Switches; where that is refused, everything goes the usual way.
    fn pass_cache(&mut self, pass: bool) {
        let flags = rustix::fs::fcntl_getfl(&self.file).map(|flags| match pass {
            true => flags | OFlags::DIRECT,
            false => flags - OFlags::DIRECT,
        });
        self.may_pass_cache &= flags.and_then(|flags| rustix::fs::fcntl_setfl(&self.file, flags)).is_ok();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn pieces_of_every_size_and_alignment_come_out_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store: Vec<u8> = (0..12 * DIRECT_BYTES_MIN).map(|i| (i / 7) as u8).collect();
        let aligned = &store[store.as_ptr().align_offset(ALIGN)..];
        let (large, odd) = (&aligned[..DIRECT_BYTES_MIN], &aligned[1..=DIRECT_BYTES_MIN]);
        let (huge, ragged) = (&aligned[3..3 + COPY_BYTES + 5], &aligned[..DIRECT_BYTES_MIN + 10]);
        let pieces = [&aligned[..4096], large, large, odd, &aligned[..10], large, &aligned[..4086], large, huge];
        let pieces = pieces.into_iter().chain([&aligned[..ALIGN - 5], ragged, &aligned[..ALIGN - 10], huge]);
        for (name, open) in [("a", LargeFile::new as fn(File) -> LargeFile), ("b", LargeFile::cached)] {
            let mut file = open(create(&dir.path().join(name)));
            let mut expected = Vec::new();
            for piece in pieces.clone() {
                file.write(piece).unwrap();
                expected.extend_from_slice(piece);
                // Memory and place as they come: nothing of this is aligned.
                let (end, mut tail) = (expected.len(), [0; 7]);
                file.file().read_exact_at(&mut tail, (end - 7) as u64).unwrap();
                assert_eq!(tail, expected[end - 7..], "it can be read back at any time");
            }
            assert!(std::fs::read(dir.path().join(name)).unwrap() == expected);
        }
    }

    fn create(path: &std::path::Path) -> File {
        File::options().read(true).write(true).create_new(true).open(path).unwrap()
    }
}
