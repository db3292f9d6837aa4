//! The list of a set's files with their sizes and a checksum of their ends: what a check compares that does not read all
//! data (docs/oceanbase.md, 1.4, "basic"), and what tells two files of one length apart.
//!
//! It is taken when all data, indexes, metas and copied log are there. A file is visible only when it is whole and never
//! changes again, so whatever a listing shows then stays true; files of attempts that failed are among them, because
//! later attempts may refer to their blocks. The list is in `diagnose_info`, which the first writer decides.

use futures::stream::{self, StreamExt, TryStreamExt};
use strandline_format::checksum::crc32c_raw;
use strandline_format::paths::backup::set_dir;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::pb;
use strandline_media::{Medium, read_agreed};
use strandline_reader::verify::TAIL_BYTES;
use strandline_types::Failure;
use strandline_types::limits::BLOCKS_IN_FLIGHT_MAX;

/// Everything of the set that lies on the medium now, in order, without what is written after the list.
pub async fn list(medium: &dyn Medium, set: SetName) -> Result<Vec<pb::SetFile>, Failure> {
    let dir = set_dir(set);
    let mut files = Vec::new();
    for object in medium.list(&dir).await? {
        let is_later = matches!(
            BackupPath::parse(&object.path),
            Some(
                BackupPath::DiagnoseInfo { .. }
                    | BackupPath::SetInner { .. }
                    | BackupPath::SingleSetInfo { .. }
                    | BackupPath::TenantSetInfos { .. }
            )
        );
        if let Some(path) = object.path.strip_prefix(&dir).map(|p| p.trim_start_matches('/')).filter(|_| !is_later) {
            files.push((path.to_owned(), object.path.clone(), object.bytes));
        }
    }
    stream::iter(files)
        .map(|(path, object, size_bytes)| async move {
            let tail_checksum = tail_checksum(medium, &object, size_bytes).await?;
            Ok(pb::SetFile { path, size_bytes, tail_checksum })
        })
        .buffered(BLOCKS_IN_FLIGHT_MAX)
        .try_collect()
        .await
}

/// The end of a small file is all of it; that of a data or index file holds the checksum of everything before it. It is
/// written down for good, so one answer is not enough.
async fn tail_checksum(medium: &dyn Medium, path: &str, bytes: u64) -> Result<u32, Failure> {
    let tail = read_agreed(medium, path, bytes.saturating_sub(TAIL_BYTES)..bytes).await?;
    Ok(crc32c_raw(0, &tail))
}
