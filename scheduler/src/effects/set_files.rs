//! The file list of a set: every object of it, its length, and a checksum of its end.
//!
//! Made when everything of the set is durable and nobody writes there any more; `end_success` carries it, so that who
//! reads a set knows what must be there without reading it all.

use futures::stream::{self, StreamExt, TryStreamExt};
use strandline_format::checksum::crc32c_raw;
use strandline_format::paths::SetName;
use strandline_format::paths::backup::set_dir;
use strandline_format::pb;
use strandline_media::Medium;
use strandline_reader::verify::TAIL_BYTES;
use strandline_types::Failure;
use strandline_types::limits::BLOCKS_IN_FLIGHT_MAX;

/// Lists the set.
pub async fn list(medium: &dyn Medium, set: SetName) -> Result<Vec<pb::SetFile>, Failure> {
    let dir = format!("{}/", set_dir(set));
    let objects = medium.list(&set_dir(set)).await?;
    stream::iter(objects)
        .map(|object| {
            let path = object.path.strip_prefix(&dir).unwrap_or(&object.path).to_owned();
            async move {
                let tail = object.bytes.saturating_sub(TAIL_BYTES)..object.bytes;
                let tail_checksum = match object.bytes {
                    0 => 0,
                    _ => crc32c_raw(0, &medium.get_range(&object.path, tail).await?),
                };
                Ok(pb::SetFile { path, size_bytes: object.bytes, tail_checksum })
            }
        })
        .buffered(BLOCKS_IN_FLIGHT_MAX)
        .try_collect()
        .await
}
