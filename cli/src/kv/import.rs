//! `kv import DIR`: every regular file under a directory into a table.
//!
//! Order rule of `--mirror`: first everything of the directory is written and acknowledged, then what the directory does
//! not hold is deleted, so that no moment shows fewer files than both ends have.

use super::files::{FileEntry, Listing, Record, send_file};
use super::loader::Loader;
use super::record::parse_key;
use super::table::Table;
use crate::Outcome;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes every file of `listing`; gives the hash of each, in the listing's order.
pub async fn write_all(loader: &mut Loader, listing: Arc<Listing>) -> Outcome<Vec<u128>> {
    let hashes = loader.load(move |to| listing.files.iter().map(|f| send_file(f, to)).collect()).await?;
    loader.finish().await?;
    Ok(hashes)
}

/// Deletes every key that no file of `files` has: files that are gone, chunks behind a shorter end. Gives their number.
pub async fn delete_others(table: &Arc<Table>, loader: &mut Loader, files: &[FileEntry]) -> Outcome<u64> {
    let chunks: HashMap<&Path, u64> = files.iter().map(|f| (f.relative.as_path(), f.head.chunks())).collect();
    let mut deleted = 0;
    for (tablet, ls) in table.tablets() {
        let mut start: Vec<u8> = Vec::new();
        loop {
            let page = table.page(tablet, ls, &start).await?;
            for (key, _) in &page.pairs {
                let (path, n) = parse_key(key)?;
                if chunks.get(path).is_none_or(|&count| u64::from(n) >= count) {
                    loader.put(Record { key: key.to_vec(), value: None }).await?;
                    deleted += 1;
                }
            }
            let Some((last, _)) = page.pairs.last().filter(|_| page.more) else { break };
            start = [last, &[0][..]].concat();
        }
    }
    loader.finish().await?;
    Ok(deleted)
}

/// Lists a directory on a thread of its own.
pub async fn list(dir: PathBuf) -> Outcome<Listing> {
    let listed = tokio::task::spawn_blocking(move || super::files::list(&dir)).await;
    listed.unwrap_or_else(|e| Err(crate::kv::task_died(&e)))
}
