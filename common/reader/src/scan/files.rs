//! Reads listings and small files for a scan; what is wrong with one of them is a problem and hides nothing else.

use super::found::{Problem, Scan};
use crate::source::object_name;
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError};
use strandline_media::{Listed, Looks, MediaError, Medium, Op};
use strandline_types::{ErrorClass, FileStatus};

/// What came of reading one small file.
pub(super) enum Small<M> {
    Read(M),
    Absent,
    /// It is there and cannot be read as what it must be; the problem is noted.
    Bad,
}

impl<M> Small<M> {
    pub(super) fn read(self) -> Option<M> {
        match self {
            Self::Read(message) => Some(message),
            Self::Absent | Self::Bad => None,
        }
    }
}

/// The objects below a directory; what cannot be read there is a problem and hides nothing else.
pub(super) async fn listed(found: &mut Scan, medium: &dyn Medium, dir: &str) -> Result<Vec<Listed>, MediaError> {
    let survey = medium.survey(dir).await?;
    for stray in survey.strays.into_iter().filter(|stray| stray.hides) {
        let object = object_name(&medium.uri(), &stray.path);
        found.problems.push(Problem { object, what: stray.what, class: ErrorClass::Permission });
    }
    Ok(survey.objects)
}

/// Reads a small file; what is wrong with it is noted when it stays, a dead medium is an error.
pub(super) async fn small<M: prost::Message + Default>(
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
pub(super) const fn is_of_object(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Corrupt | ErrorClass::Permission | ErrorClass::Invalid)
}

/// The same for a file that a sound destination need not have: that it is absent takes two looks and not more.
pub(super) async fn small_if_there<M: prost::Message + Default>(
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

pub(super) fn file_status(text: &str) -> FileStatus {
    FileStatus::ALL.into_iter().find(|s| s.to_string() == text).unwrap_or(FileStatus::Broken)
}
