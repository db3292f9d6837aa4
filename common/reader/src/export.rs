//! An archive in the plain form: every log file one object, uncompressed and unsealed, on a medium that can append.
//!
//! Every other object is copied as it is. Write-once like everything: an export that was cut off is simply repeated, and
//! nothing that is there with other bytes is overwritten. Log has proven itself before it is written, and what has no
//! checksum that is known here is read twice.

use crate::keys::Keys;
use crate::log::{LogFiles, LogSource};
use std::collections::BTreeSet;
use std::sync::Arc;
use strandline_format::palf::{ProofError, prove_log};
use strandline_format::paths::ArchivePath;
use strandline_media::identity::{self, DestType};
use strandline_media::{Listed, Looks, Medium, read_agreed};
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
                from_to(from, to, &object).await?;
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

async fn from_to(from: &Arc<dyn Medium>, to: &Arc<dyn Medium>, object: &Listed) -> Result<(), Failure> {
    let bytes = read_agreed(from.as_ref(), &object.path, 0..object.bytes).await?;
    to.put_if_absent(&object.path, bytes).await?;
    Ok(())
}

async fn log_file(files: &LogFiles, index: usize, to: &Arc<dyn Medium>, ls: LsId) -> Result<u64, Failure> {
    let (file, _) = &files.files()[index];
    let path = ArchivePath::Log { key: file.piece, ls, file_id: file.file_id }.path();
    // A file is no larger than a block, and only the whole of it proves itself.
    let look = || async {
        let bytes = files.read(index, 0..file.bytes).await?;
        match prove_log(file.file_id, 0, &bytes) {
            // The last group of a file that grows may be torn.
            Ok(_) | Err(ProofError::CutOff { .. }) => Ok(bytes),
            Err(e) => Err(e.into_failure(files.object(index))),
        }
    };
    let bytes = Looks::default().sure(look).await?;
    let mut writer = to.open_writer(&path).await?;
    writer.write(bytes).await?;
    Ok(writer.finish().await?)
}
