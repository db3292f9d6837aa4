//! What a scan has found so far.

use crate::source::object_name;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_catalogue::{Catalogue, PlaceId};
use strandline_format::paths::SetName;
use strandline_format::pb;
use strandline_media::{MediaError, Medium};
use strandline_types::{BackupSetId, ErrorClass};

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

    pub(super) fn problem(&mut self, medium: &dyn Medium, path: &str, what: impl Into<String>) {
        self.problem_of(object_name(&medium.uri(), path), what);
    }

    pub(super) fn problem_of(&mut self, object: String, what: impl Into<String>) {
        self.problems.push(Problem { object, what: what.into(), class: ErrorClass::Corrupt });
    }

    /// An object that was not read as what it must be. `Invalid` is kept for what is of a newer version.
    pub(super) fn unreadable(&mut self, medium: &dyn Medium, path: &str, error: MediaError) {
        let class = if error.class == ErrorClass::Permission { error.class } else { ErrorClass::Corrupt };
        self.problems.push(Problem { object: object_name(&medium.uri(), path), what: error.reason, class });
    }

    /// Something of a version whose form is not known here. It is left out of the catalogue: nothing here may judge it.
    pub(super) fn newer(&mut self, medium: &dyn Medium, path: &str, (form, known): (u64, u64), version: &str) {
        let by = if version.is_empty() { String::new() } else { format!(" {version}") };
        let what =
            format!("it was made by a newer version{by} in form {form} (known here: up to {known}): use that version");
        self.problems.push(Problem { object: object_name(&medium.uri(), path), what, class: ErrorClass::Invalid });
    }
}
