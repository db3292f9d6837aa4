//! Data and index files of backup sets: every block of every file, and that indexes and blocks agree both ways.
//!
//! A data file is read front to back along its block list, a few blocks at once; what its blocks are is remembered, so
//! that the indexes of this set and of later ones of its chain are compared without reading a block twice.

use super::checker::Checker;
use super::report::DamageKind;
use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::blocks::{
    Block, BlockAt, BlockContent, BlockType, FILE_HEADER_BYTES, FileHeader, FileKind, TRAILER_BYTES, Trailer,
    open_macroblock, read_block, read_listed_blocks,
};
use strandline_format::checksum::crc32c_raw;
use strandline_format::index::{IndexEntry, IndexReader, MacroBlockId, MacroIndexEntry, PhysicalId};
use strandline_format::{FormatError, pb};
use strandline_types::limits::ARCHIVE_READ_BYTES_MAX;
use strandline_types::{BackupSetId, DataKind, Failure, FileId, LsId, RetryId, TabletId, TurnId};

/// Which data file: set, log stream, kind, turn, retry, number.
pub(super) type DataFile = (BackupSetId, LsId, DataKind, TurnId, RetryId, FileId);

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Macro {
        length: u64,
        plain_bytes: u64,
        checksum: u32,
        logical: Option<MacroBlockId>,
    },
    Meta {
        length: u64,
        tablet: TabletId,
    },
    /// It is damaged and was reported.
    Damaged,
}

/// Blocks of data files that were read, by offset.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<DataFile, Arc<BTreeMap<u64, Fact>>>>);

impl Known {
    pub(super) fn insert(&self, file: DataFile, facts: BTreeMap<u64, Fact>) {
        self.0.lock().insert(file, Arc::new(facts));
    }

    pub(super) fn file(&self, file: &DataFile) -> Option<Arc<BTreeMap<u64, Fact>>> {
        self.0.lock().get(file).cloned()
    }
}

/// The data file that a physical id lies in.
pub(super) const fn file_of(p: &PhysicalId) -> DataFile {
    (p.backup_set_id, p.ls_id, p.kind, p.turn, p.retry, p.file_id)
}

/// The head and the end of a data or index file: enough to see that it is whole as far as lengths go.
pub(super) async fn ends(c: &Checker, path: &str, bytes: u64, kind: FileKind) -> Result<Option<Trailer>, Failure> {
    let least = (FILE_HEADER_BYTES + TRAILER_BYTES) as u64;
    if bytes < least {
        c.damage(path, DamageKind::Truncated, format!("{bytes} bytes are less than header and trailer"));
        return Ok(None);
    }
    let Some(head) = c.get_range(path, 0..FILE_HEADER_BYTES as u64).await? else { return Ok(None) };
    match FileHeader::decode(&head) {
        Ok(header) if header.kind == kind => {}
        Ok(header) => {
            c.damage(path, DamageKind::Foreign, format!("it is a {}, its name says {kind}", header.kind));
            return Ok(None);
        }
        Err(e) => {
            c.format_damage(path, &e);
            return Ok(None);
        }
    }
    let Some(end) = c.get_range(path, bytes - TRAILER_BYTES as u64..bytes).await? else { return Ok(None) };
    c.add_bytes((head.len() + end.len()) as u64);
    match Trailer::decode(&end) {
        Ok(trailer) if trailer.file_bytes == bytes => Ok(Some(trailer)),
        Ok(trailer) => {
            c.damage(path, DamageKind::Corrupt, format!("{bytes} bytes, its trailer says {}", trailer.file_bytes));
            Ok(None)
        }
        Err(e) => {
            c.damage(path, DamageKind::Truncated, format!("it has no valid end: {e}"));
            Ok(None)
        }
    }
}

/// The same; what is found counts when it stays.
pub(super) async fn ends_for_sure(c: &Checker, path: &str, bytes: u64, kind: FileKind) -> Result<(), Failure> {
    let mut looked = 1;
    loop {
        let trial = c.trial();
        ends(&trial, path, bytes, kind).await?;
        if c.counts(&trial, looked).await {
            return Ok(());
        }
        looked += 1;
    }
}

/// Reads a whole data file and tells what its blocks are; what is wrong with it counts when it stays.
pub(super) async fn data_file_for_sure(c: &Checker, path: &str, bytes: u64) -> Result<BTreeMap<u64, Fact>, Failure> {
    let mut looked = 1;
    loop {
        let trial = c.trial();
        let facts = data_file(&trial, path, bytes).await?;
        if c.counts(&trial, looked).await {
            return Ok(facts);
        }
        looked += 1;
    }
}

/// Reads a whole data file and tells what its blocks are.
async fn data_file(c: &Checker, path: &str, bytes: u64) -> Result<BTreeMap<u64, Fact>, Failure> {
    let mut facts = BTreeMap::new();
    let Some(trailer) = ends(c, path, bytes, FileKind::Data).await? else { return Ok(facts) };
    let Some(list) = block_list(c, path, bytes, &trailer).await? else { return Ok(facts) };
    let mut walk = FileWalk { c, path, checksum: 0, is_damaged: false };
    let Some(head) = c.get_range(path, 0..FILE_HEADER_BYTES as u64).await? else { return Ok(facts) };
    walk.checksum = crc32c_raw(0, &head);
    for batch in batches(&list) {
        let (start, end) = (batch[0].0.offset, batch[batch.len() - 1].0.offset + batch[batch.len() - 1].0.length);
        let Some(data) = c.get_range(path, start..end).await? else { return Ok(facts) };
        c.add_bytes(data.len() as u64);
        walk.checksum = crc32c_raw(walk.checksum, &data);
        for (at, content) in batch {
            let from = (at.offset - start) as usize;
            let block = data.slice(from..from + at.length as usize);
            facts.insert(at.offset, walk.block(&block, *at, content.as_ref()));
        }
    }
    let Some(rest) = c.get_range(path, trailer.list_offset..bytes - TRAILER_BYTES as u64).await? else {
        return Ok(facts);
    };
    if crc32c_raw(walk.checksum, &rest) != trailer.file_checksum && !walk.is_damaged {
        c.damage(path, DamageKind::Corrupt, "its checksum is not that of its trailer");
    }
    let count = |wanted: BlockType| list.iter().filter(|(at, _)| at.block_type == wanted).count() as u64;
    let found = (count(BlockType::MacroData), count(BlockType::TabletMeta));
    c.same(path, "number of macroblocks and metas", found, (trailer.macro_block_count, trailer.meta_count));
    c.add(0, found.0);
    Ok(facts)
}

type Listed = (BlockAt, Option<BlockContent>);

/// The block list of a data file; it must tile the file from its header to itself.
async fn block_list(c: &Checker, path: &str, bytes: u64, trailer: &Trailer) -> Result<Option<Vec<Listed>>, Failure> {
    let (start, end) = (trailer.list_offset, trailer.list_offset.saturating_add(trailer.list_length));
    if end != bytes - TRAILER_BYTES as u64 || start < FILE_HEADER_BYTES as u64 || start > end {
        c.damage(path, DamageKind::Corrupt, "its trailer names no block list before itself");
        return Ok(None);
    }
    let Some(data) = c.get_range(path, start..end).await? else { return Ok(None) };
    c.add_bytes(data.len() as u64);
    let listed = read_block(&data).and_then(|block| {
        if block.block_type != BlockType::IndexRoot || block.bytes as u64 != trailer.list_length {
            let found = block.block_type.to_string();
            return Err(FormatError::WrongType { expected: BlockType::IndexRoot.to_string(), found });
        }
        read_listed_blocks(block.payload)
    });
    let listed = match listed {
        Ok(listed) => listed,
        Err(e) => {
            c.damage(path, DamageKind::Corrupt, e.moved(start).to_string());
            return Ok(None);
        }
    };
    let mut at = FILE_HEADER_BYTES as u64;
    for (block, _) in &listed {
        if block.offset != at || block.length == 0 {
            c.damage(path, DamageKind::Corrupt, format!("its block list has no block at offset {at}"));
            return Ok(None);
        }
        at = at.saturating_add(block.length);
    }
    if at != start {
        c.damage(path, DamageKind::Corrupt, format!("its block list ends at offset {at}, its blocks at {start}"));
        return Ok(None);
    }
    Ok(Some(listed))
}

/// Consecutive blocks that are read at once.
fn batches(list: &[Listed]) -> Vec<&[Listed]> {
    let (mut found, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (n, (at, _)) in list.iter().enumerate() {
        if bytes > 0 && bytes + at.length > ARCHIVE_READ_BYTES_MAX as u64 {
            found.push(&list[start..n]);
            (start, bytes) = (n, 0);
        }
        bytes += at.length;
    }
    if start < list.len() {
        found.push(&list[start..]);
    }
    found
}

struct FileWalk<'a> {
    c: &'a Checker,
    path: &'a str,
    checksum: u32,
    is_damaged: bool,
}

impl FileWalk<'_> {
    fn block(&mut self, bytes: &Bytes, at: BlockAt, content: Option<&BlockContent>) -> Fact {
        match fact(self.c, bytes, at, content) {
            Ok(fact) => fact,
            Err(e) => {
                self.is_damaged = true;
                self.c.damage(self.path, DamageKind::Corrupt, e.moved(at.offset).to_string());
                Fact::Damaged
            }
        }
    }
}

/// What a block is, verified as far as the keys go.
fn fact(c: &Checker, bytes: &Bytes, at: BlockAt, content: Option<&BlockContent>) -> Result<Fact, FormatError> {
    let block = read_block(bytes)?;
    if block.block_type != at.block_type || block.bytes as u64 != at.length {
        let (expected, found) = (at.block_type.to_string(), block.block_type.to_string());
        return Err(FormatError::WrongType { expected, found });
    }
    let length = at.length;
    match block.block_type {
        BlockType::TabletMeta => {
            let meta = pb::TabletMeta::decode(block.payload).map_err(|e| FormatError::Payload {
                what: "tablet meta",
                at: 0,
                detail: e.to_string(),
            })?;
            Ok(Fact::Meta { length, tablet: TabletId(meta.tablet_id) })
        }
        BlockType::MacroData => macro_fact(c, bytes, &block, length, content),
        other => Err(FormatError::WrongType { expected: "data block".into(), found: other.to_string() }),
    }
}

fn macro_fact(
    c: &Checker,
    bytes: &Bytes,
    block: &Block,
    length: u64,
    content: Option<&BlockContent>,
) -> Result<Fact, FormatError> {
    let Some(content) = content else {
        let (plain_bytes, checksum) = (block.payload.len() as u64, crc32c_raw(0, &block.payload));
        return Ok(Fact::Macro { length, plain_bytes, checksum, logical: None });
    };
    let (plain_bytes, checksum) = (content.plain_bytes, content.checksum);
    let entry = entry_of(content, length);
    match open_macroblock(bytes, &entry, |print| c.keys.find(print)) {
        Ok(_) => {}
        Err(FormatError::KeyMissing { .. }) => {
            c.note(
                "encrypted blocks were checked by the checksums of their stored bytes only: their key was not given",
            );
        }
        Err(e) => return Err(e),
    }
    Ok(Fact::Macro { length, plain_bytes, checksum, logical: Some(content.logical) })
}

/// An index entry as the block list of a data file would make it.
fn entry_of(content: &BlockContent, length: u64) -> MacroIndexEntry {
    MacroIndexEntry {
        logical: content.logical,
        physical: PhysicalId {
            backup_set_id: BackupSetId(0),
            ls_id: LsId(0),
            kind: DataKind::Sys,
            turn: TurnId(0),
            retry: RetryId(0),
            file_id: FileId(0),
            offset: 0,
            length,
        },
        file_name: "a block of the list".to_owned(),
        level: 0,
        plain_bytes: content.plain_bytes,
        checksum: content.checksum,
        unique_id: content.unique_id.clone(),
        storage: content.storage,
    }
}

/// A whole index file; what is wrong with it is a damage.
pub(super) async fn index<E: IndexEntry>(c: &Checker, path: &str) -> Result<Option<Vec<E>>, Failure> {
    let found = c.sound(path, |file| IndexReader::parse(file)).await?;
    c.add_bytes(found.as_ref().map_or(0, |(_, bytes)| *bytes));
    Ok(found.map(|(entries, _)| entries))
}

/// One entry of a macroblock index against the block that it names. `false`: the file was not read in this run.
pub(super) fn macro_agrees(c: &Checker, known: &Known, path: &str, entry: &MacroIndexEntry) -> bool {
    let p = &entry.physical;
    let Some(facts) = known.file(&file_of(p)) else { return false };
    match facts.get(&p.offset) {
        Some(Fact::Damaged) => {}
        Some(Fact::Macro { length, plain_bytes, checksum, logical }) => {
            let found = (*length, *plain_bytes, *checksum, logical.unwrap_or(entry.logical));
            let expected = (p.length, entry.plain_bytes, entry.checksum, entry.logical);
            if found != expected {
                let detail = format!("it names another block for '{}' than lies there", entry.file_name);
                c.damage(path, DamageKind::Foreign, detail);
            }
        }
        Some(Fact::Meta { .. }) | None if !facts.is_empty() => {
            let detail =
                format!("it names a block at offset {} of data file {} that is not there", p.offset, p.file_id);
            c.damage(path, DamageKind::Foreign, detail);
        }
        // The file is damaged as a whole and was reported.
        _ => {}
    }
    true
}
