//! The list of a set's files with their sizes: what a check compares that does not read data (fact sheet 1.4, "basic").
//!
//! It is taken when all data, indexes, metas and copied log are there. A file is visible only when it is whole and never
//! changes again, so whatever a listing shows then stays true; files of attempts that failed are among them, because
//! later attempts may refer to their blocks. The list is in `diagnose_info`, which the first writer decides.

use strandline_format::paths::backup::set_dir;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::pb;
use strandline_media::Medium;
use strandline_types::Failure;

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
            files.push(pb::SetFile { path: path.to_owned(), size_bytes: object.bytes });
        }
    }
    Ok(files)
}
