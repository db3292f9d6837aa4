//! Reads what destinations hold, from the media alone: no State, no cluster.
//!
//! The medium decides: a set without its `end_success` placeholder does not exist for restore, the checkpoint of an
//! active piece is the largest name in its checkpoint directory that its log bears out. Tolerant: a file that cannot be read is a problem of
//! the set or piece that it belongs to, which then counts as damaged; everything else is still found.

mod archive;
mod backup;
mod deleted;
mod newest;

use crate::folder::Folder;
use crate::source::{Source, object_name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_catalogue::{Catalogue, Owner, Place, PlaceId, Role};
use strandline_format::paths::SetName;
use strandline_format::paths::backup::complement_log_dir;
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_media::identity::{self, DestType};
use strandline_media::{Listed, Looks, MediaError, Medium, Op};
use strandline_types::{BackupSetId, ClusterId, DestId, ErrorClass, Failure, FileStatus, TenantId};

/// A file that could not be read as what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The object, destination included.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// `Corrupt`, `Permission` for what may not be read, or `Invalid` for something whole that this version does not know.
    #[serde(skip)]
    pub class: ErrorClass,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Destinations, sets, pieces and rounds.
    pub catalogue: Catalogue,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Name and attributes of every set whose own info file could be read.
    pub infos: BTreeMap<(PlaceId, BackupSetId), (SetName, pb::BackupSetInfo)>,
    /// The medium of each place.
    pub media: Vec<Arc<dyn Medium>>,
}

impl Scan {
    /// The medium of a place.
    #[must_use]
    pub fn medium(&self, place: PlaceId) -> Option<&Arc<dyn Medium>> {
        self.media.get(place.0 as usize)
    }

    /// Adds what another scan found.
    pub fn absorb(&mut self, other: Self) {
        let base = u32::try_from(self.media.len()).unwrap_or(u32::MAX);
        self.catalogue.absorb(other.catalogue);
        self.problems.extend(other.problems);
        let moved = other.infos.into_iter().map(|((place, set), info)| ((PlaceId(place.0 + base), set), info));
        self.infos.extend(moved);
        self.media.extend(other.media);
    }

    fn problem(&mut self, medium: &dyn Medium, path: &str, what: impl Into<String>) {
        self.problem_of(object_name(&medium.uri(), path), what);
    }

    fn problem_of(&mut self, object: String, what: impl Into<String>) {
        self.problems.push(Problem { object, what: what.into(), class: ErrorClass::Corrupt });
    }

    /// An object that was not read as what it must be. `Invalid` is kept for what is of a newer version.
    fn unreadable(&mut self, medium: &dyn Medium, path: &str, error: MediaError) {
        let class = if error.class == ErrorClass::Permission { error.class } else { ErrorClass::Corrupt };
        self.problems.push(Problem { object: object_name(&medium.uri(), path), what: error.reason, class });
    }

    /// Something of a version whose form is not known here. It is left out of the catalogue: nothing here may judge it.
    fn newer(&mut self, medium: &dyn Medium, path: &str, (form, known): (u64, u64), version: &str) {
        let by = if version.is_empty() { String::new() } else { format!(" {version}") };
        let what =
            format!("it was made by a newer version{by} in form {form} (known here: up to {known}): use that version");
        self.problems.push(Problem { object: object_name(&medium.uri(), path), what, class: ErrorClass::Invalid });
    }
}

/// Scans several destinations as one catalogue.
///
/// # Errors
/// As [`scan`].
pub async fn scan_all(sources: &[Source]) -> Result<Scan, Failure> {
    let mut all = Scan::default();
    for source in sources {
        all.absorb(scan(source).await?);
    }
    Ok(all)
}

/// Scans one destination; `format.obbak` says what it is. The archive that a set carries itself is a place of its own.
///
/// # Errors
/// `NotFound` with -9080 where there is no `format.obbak`; what the medium says when it cannot be listed at all.
pub async fn scan(source: &Source) -> Result<Scan, Failure> {
    let medium = &source.medium;
    let there = Looks::default().sure(|| identity_of(medium)).await?;
    if there.dest_type == DestType::Archive.name() {
        return archive::scan(source, place(medium.as_ref(), &there, Role::Archive)).await;
    }
    let mut found = backup::scan(source, place(medium.as_ref(), &there, Role::Backup)).await?;
    for (set, id) in backup::with_own_log(&found) {
        let inside: Arc<dyn Medium> = Arc::new(Folder::new(Arc::clone(medium), complement_log_dir(set)));
        let own = Place { of_set: Some(id), ..place(inside.as_ref(), &there, Role::ComplementLog) };
        match archive::scan(&Source::whole(inside), own).await {
            Ok(log) => found.absorb(log),
            Err(e) => found.problems.push(Problem { object: e.object, what: e.what, class: ErrorClass::Corrupt }),
        }
    }
    Ok(found)
}

async fn identity_of(medium: &Arc<dyn Medium>) -> Result<pb::PathFormat, Failure> {
    identity::read(medium.as_ref()).await?.ok_or_else(|| {
        let todo = "name the folder that holds format.obbak, or one set or piece below it";
        let what = "there is no format.obbak: not a backup destination";
        Failure::new(ErrorClass::NotFound, what, medium.uri(), todo).with_code(identity::CODE_FORMAT_MISSING)
    })
}

fn place(medium: &dyn Medium, there: &pb::PathFormat, role: Role) -> Place {
    Place {
        uri: medium.uri(),
        role,
        owner: Owner { cluster_id: ClusterId(there.cluster_id), tenant_id: TenantId(there.tenant_id) },
        cluster_name: there.cluster_name.clone(),
        tenant_name: there.tenant_name.clone(),
        dest_id: DestId(there.dest_id),
        of_set: None,
    }
}

/// What came of reading one small file.
enum Small<M> {
    Read(M),
    Absent,
    /// It is there and cannot be read as what it must be; the problem is noted.
    Bad,
}

impl<M> Small<M> {
    fn read(self) -> Option<M> {
        match self {
            Self::Read(message) => Some(message),
            Self::Absent | Self::Bad => None,
        }
    }
}

/// The objects below a directory; what cannot be read there is a problem and hides nothing else.
async fn listed(found: &mut Scan, medium: &dyn Medium, dir: &str) -> Result<Vec<Listed>, MediaError> {
    let survey = medium.survey(dir).await?;
    for stray in survey.strays.into_iter().filter(|stray| stray.hides) {
        let object = object_name(&medium.uri(), &stray.path);
        found.problems.push(Problem { object, what: stray.what, class: ErrorClass::Permission });
    }
    Ok(survey.objects)
}

/// Reads a small file; what is wrong with it is noted when it stays, a dead medium is an error.
async fn small<M: prost::Message + Default>(
    found: &mut Scan,
    medium: &dyn Medium,
    path: &str,
    kind: DataType,
) -> Result<Small<M>, MediaError> {
    let look = || async {
        let bytes = medium.get(path).await?;
        let bad = |e: FormatError| MediaError::new(ErrorClass::Corrupt, Op::Get, &medium.uri(), path, e.to_string());
        read_small::<M>(kind, &bytes).map_err(bad)
    };
    match granted(|| Looks::default().sure(look)).await {
        Ok(message) => Ok(Small::Read(message)),
        Err(e) if e.is_not_found() => Ok(Small::Absent),
        Err(e) if is_of_object(e.class) => {
            found.unreadable(medium, path, e);
            Ok(Small::Bad)
        }
        Err(e) => Err(e),
    }
}

/// Asks again where it was refused, as for any other verdict: rights that were just given, and keys that just changed, take
/// a moment.
async fn granted<T, F>(read: impl Fn() -> F) -> Result<T, MediaError>
where
    F: Future<Output = Result<T, MediaError>>,
{
    let looks = Looks::default();
    let mut looked = 1;
    loop {
        match read().await {
            Err(e) if e.class == ErrorClass::Permission && looked < looks.most => looks.pause(looked).await,
            answer => return answer,
        }
        looked += 1;
    }
}

/// True for an error that is about one object and says nothing about the others.
const fn is_of_object(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Corrupt | ErrorClass::Permission | ErrorClass::Invalid)
}

/// The same for a file that a sound destination need not have: that it is absent takes two looks and not more.
async fn small_if_there<M: prost::Message + Default>(
    found: &mut Scan,
    medium: &dyn Medium,
    path: &str,
    kind: DataType,
) -> Result<Small<M>, MediaError> {
    for look in [1, 2] {
        match granted(|| medium.get(path)).await {
            Ok(bytes) => match read_small::<M>(kind, &bytes) {
                Ok(message) => return Ok(Small::Read(message)),
                Err(_) => return small(found, medium, path, kind).await,
            },
            Err(e) if is_of_object(e.class) => {
                found.unreadable(medium, path, e);
                return Ok(Small::Bad);
            }
            Err(e) if !e.is_not_found() => return Err(e),
            Err(_) if look == 1 => Looks::default().pause(look).await,
            Err(_) => {}
        }
    }
    Ok(Small::Absent)
}

fn file_status(text: &str) -> FileStatus {
    FileStatus::ALL.into_iter().find(|s| s.to_string() == text).unwrap_or(FileStatus::Broken)
}
