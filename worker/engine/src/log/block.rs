//! Block files: their names, their headers, positional reads and writes.
//!
//! `<n>.log` is block `n`; `<n>.log.new` is block `n` while a block before it may not be durable. Offset of a position
//! is `4096 + lsn % body`.

use super::floor::Floor;
use super::state::LogId;
use crate::error::corrupt;
use crate::files;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use strandline_format::palf::BlockHeader;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::{Lsn, Term};

const SUFFIX: &str = ".log";
const PROVISIONAL: &str = ".log.new";

/// The directory of a log's blocks.
#[derive(Clone, Debug)]
pub(super) struct BlockDir {
    pub(super) path: PathBuf,
    pub(super) id: LogId,
}

/// What the names in a directory say.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) blocks: BTreeMap<u64, bool>,
}

/// Offset of a position in its block file.
pub(super) const fn offset_of(lsn: Lsn) -> u64 {
    ARCHIVE_FILE_HEADER_BYTES + lsn.0 % BLOCK_BODY_BYTES
}

impl BlockDir {
    pub(super) fn new(path: &Path, id: LogId) -> Self {
        Self { path: path.to_owned(), id }
    }

    pub(super) fn file(&self, block: u64) -> PathBuf {
        self.path.join(format!("{block}{SUFFIX}"))
    }

    pub(super) fn provisional(&self, block: u64) -> PathBuf {
        self.path.join(format!("{block}{PROVISIONAL}"))
    }

    /// Block numbers that are here; true = provisional.
    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let number = |suffix| name.strip_suffix(suffix).and_then(|n: &str| n.parse::<u64>().ok());
            if let Some(n) = number(PROVISIONAL) {
                listing.blocks.insert(n, true);
            } else if let Some(n) = number(SUFFIX) {
                listing.blocks.insert(n, false);
            }
        }
        Ok(listing)
    }

    /// Creates a block file under its provisional name. Any older one of that name is replaced.
    pub(super) fn create(&self, header: &BlockHeader) -> io::Result<File> {
        let path = self.provisional(header.base.lsn.block());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&header.encode(), 0)?;
        Ok(file)
    }

    /// Gives a block its final name. The caller has made every block before it durable.
    pub(super) fn confirm(&self, block: u64, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::rename(self.provisional(block), self.file(block))?;
        files::sync_dir(&self.path)
    }

    /// Opens a block for reading and writing, under whichever name it has.
    pub(super) fn open(&self, block: u64) -> io::Result<File> {
        let open = |path| OpenOptions::new().read(true).write(true).open(path);
        match open(self.file(block)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => open(self.provisional(block)),
            other => other,
        }
    }

    /// Reads and checks the header of a block.
    pub(super) fn header(&self, block: u64, file: &File) -> io::Result<BlockHeader> {
        let mut bytes = vec![0; ARCHIVE_FILE_HEADER_BYTES as usize];
        let place = || format!("log block {}", self.file(block).display());
        file.read_exact_at(&mut bytes, 0).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => corrupt(format!("{} is shorter than its header", place())),
            _ => e,
        })?;
        let header = BlockHeader::decode(&bytes).map_err(|e| corrupt(format!("{}: {e}", place())))?;
        if (header.tenant, header.ls) != (self.id.tenant, self.id.ls) || header.base.lsn.block() != block {
            return Err(corrupt(format!("{} belongs to another log or place", place())));
        }
        Ok(header)
    }

    /// Makes sure that a block for the next group after `floor` is here, durably.
    pub(super) fn ensure_block_for(&self, floor: &Floor) -> io::Result<()> {
        let block = floor.base.lsn.block();
        if !self.list()?.blocks.contains_key(&block) {
            let header = self.header_at(floor.base, floor.first_index(), floor.purged.map_or(0, |p| p.term));
            let file = self.create(&header)?;
            self.confirm(block, &file)?;
        }
        Ok(())
    }

    pub(super) fn header_at(&self, base: strandline_types::PalfBase, first_index: u64, prev_term: u64) -> BlockHeader {
        BlockHeader { tenant: self.id.tenant, ls: self.id.ls, base, first_index, prev_term: Term(prev_term) }
    }

    pub(super) fn remove(&self, block: u64) -> io::Result<()> {
        files::remove_if_there(&self.provisional(block))?;
        files::remove_if_there(&self.file(block))
    }
}
