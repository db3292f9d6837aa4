//! An archive in the plain form: every log file one object, uncompressed and unsealed, on a medium that can append.
//!
//! Every other object is copied as it is. Write-once like everything: an export that was cut off is simply repeated, and
//! nothing that is there with other bytes is overwritten.

use crate::keys::Keys;
use crate::log::chain::FileForm;
use crate::log::{LogFiles, LogSource};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use strandline_format::paths::ArchivePath;
use strandline_media::Medium;
use strandline_media::identity::{self, DestType};
use strandline_types::limits::ARCHIVE_READ_BYTES_MAX;
use strandline_types::{ErrorClass, Failure, LsId, Lsn, PieceKey};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Copies the archive `from` to `to`. `progress` is told bytes so far.
///
/// # Errors
/// `Invalid` when `from` is no archive; what either medium says; `Corrupt` for parts that cannot be opened.
pub async fn export_plain(
    from: &Arc<dyn Medium>,
    to: &Arc<dyn Medium>,
    keys: &Arc<Keys>,
    progress: impl Fn(u64, u64),
) -> Result<Exported, Failure> {
    let is_archive = identity::read(from.as_ref()).await?.is_some_and(|f| f.dest_type == DestType::Archive.name());
    if !is_archive {
        let todo = "name the folder of an archive destination, the one that holds format.obbak";
        return Err(Failure::new(ErrorClass::Invalid, "this is no archive destination", from.uri(), todo));
    }
    let mut done = Exported::default();
    let mut logs: BTreeSet<(PieceKey, LsId)> = BTreeSet::new();
    for object in from.list("").await? {
        match ArchivePath::parse(&object.path) {
            Some(ArchivePath::Log { key, ls, .. } | ArchivePath::LogPart { key, ls, .. }) => {
                logs.insert((key, ls));
            }
            _ => {
                from_to(from, to, &object.path).await?;
                done.add(object.bytes, &progress);
            }
        }
    }
    for (piece, ls) in logs {
        let source = LogSource { medium: Arc::clone(from), piece };
        let files = LogFiles::list(vec![source], ls, Lsn::ZERO, Arc::clone(keys)).await?;
        for index in 0..files.files().len() {
            let bytes = log_file(&files, index, to, ls).await?;
            done.add(bytes, &progress);
        }
    }
    Ok(done)
}

impl Exported {
    fn add(&mut self, bytes: u64, progress: &impl Fn(u64, u64)) {
        self.objects += 1;
        self.bytes += bytes;
        progress(self.objects, self.bytes);
    }
}

async fn from_to(from: &Arc<dyn Medium>, to: &Arc<dyn Medium>, path: &str) -> Result<(), Failure> {
    to.put_if_absent(path, from.get(path).await?).await?;
    Ok(())
}

async fn log_file(files: &LogFiles, index: usize, to: &Arc<dyn Medium>, ls: LsId) -> Result<u64, Failure> {
    let (file, _) = &files.files()[index];
    let path = ArchivePath::Log { key: file.piece, ls, file_id: file.file_id }.path();
    let is_packed = matches!(&file.form, FileForm::Parts(parts) if parts.iter().any(|p| p.is_packed()));
    // A packed file is opened part by part anyway: it is read at once, and it is no larger than a block.
    let step = if is_packed { file.bytes } else { ARCHIVE_READ_BYTES_MAX as u64 };
    let mut writer = to.open_writer(&path).await?;
    let mut at = 0;
    while at < file.bytes {
        let end = file.bytes.min(at + step);
        let data: Bytes = files.read(index, at..end).await?;
        writer.write(data).await?;
        at = end;
    }
    Ok(writer.finish().await?)
}
