//! The files of a checkpoint: SST files as macroblocks, RocksDB's own small files by name.

use super::options::SharedMemory;
use super::store::column_families;
use super::{rocks, tablet_of};
use crate::{BlockUid, CheckpointBlock};
use bytes::Bytes;
use rocksdb::{DB, LiveFile};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use strandline_types::{DataKind, TabletId};
use xxhash_rust::xxh3::xxh3_128;

/// The end of an SST file that its identity is taken from. RocksDB writes its properties block (session id, file number,
/// counts, times) right before the last index and the footer.
const TAIL_BYTES: u64 = 16 << 10;

/// Every SST file of the checkpoint in `dir`.
pub(crate) fn list_blocks(dir: &Path, memory: &SharedMemory) -> io::Result<Vec<CheckpointBlock>> {
    let options = memory.database();
    let names = column_families(&options, dir)?;
    // The checkpoint itself says what is in it: the live store may have compacted files away already.
    let db = DB::open_cf_for_read_only(&options, dir, names, false).map_err(rocks)?;
    let files = db.live_files().map_err(rocks)?;
    drop(db);
    let mut bottom: HashMap<&str, i32> = HashMap::new();
    for file in &files {
        let level = bottom.entry(&file.column_family_name).or_default();
        *level = (*level).max(file.level);
    }
    let mut blocks = files.iter().map(|file| block(dir, file, &bottom)).collect::<io::Result<Vec<_>>>()?;
    blocks.sort_by(|a, b| (a.tablet, a.level, &a.file_name).cmp(&(b.tablet, b.level, &b.file_name)));
    Ok(blocks)
}

fn block(dir: &Path, file: &LiveFile, bottom: &HashMap<&str, i32>) -> io::Result<CheckpointBlock> {
    let cf = file.column_family_name.as_str();
    let tablet = tablet_of(cf)
        .ok_or_else(|| io::Error::other(format!("column family {cf} of {} is no tablet", dir.display())))?;
    let is_bottom = file.level > 0 && bottom.get(cf) == Some(&file.level);
    let kind = match (tablet, is_bottom) {
        (TabletId::INNER, _) => DataKind::Sys,
        (_, true) => DataKind::Major,
        (_, false) => DataKind::Minor,
    };
    let file_name = file.name.trim_start_matches('/').to_owned();
    let (bytes, unique_id) = identity(&dir.join(&file_name))?;
    // Levels are small non-negative numbers.
    Ok(CheckpointBlock { tablet, kind, file_name, bytes, level: file.level.unsigned_abs(), unique_id })
}

fn identity(path: &Path) -> io::Result<(u64, BlockUid)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let tail_bytes = bytes.min(TAIL_BYTES);
    let mut tail = vec![0; tail_bytes as usize];
    file.read_exact_at(&mut tail, bytes - tail_bytes)?;
    let mut id = [0; 24];
    id[..16].copy_from_slice(&xxh3_128(&tail).to_be_bytes());
    id[16..].copy_from_slice(&bytes.to_be_bytes());
    Ok((bytes, BlockUid(id)))
}

/// RocksDB's small files of a checkpoint, by name.
pub(crate) fn engine_files(dir: &Path) -> io::Result<Vec<(String, Bytes)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name == "CURRENT" || name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-") {
            files.push((name, Bytes::from(fs::read(entry.path())?)));
        }
    }
    files.sort();
    Ok(files)
}
