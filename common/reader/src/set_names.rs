//! The names of the sets of a destination by their ids: an index names an earlier set by its id alone, and where that one's
//! blocks lie hangs on whether it is a full or an incremental set.
//!
//! A name is never guessed. That a set is not there takes more than one listing ([`Looks`]): one may be of before.

use crate::source::object_name;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::index::PhysicalId;
use strandline_format::paths::{BackupPath, SetName};
use strandline_media::{Looks, MediaError, Medium};
use strandline_types::{BackupSetId, ErrorClass, Failure};

/// The sets of one destination, as far as they were asked for.
#[derive(Debug)]
pub struct SetNames {
    medium: Arc<dyn Medium>,
    looks: Looks,
    known: Mutex<BTreeMap<BackupSetId, SetName>>,
}

impl SetNames {
    /// Of a destination; these are known already.
    #[must_use]
    pub fn new(medium: Arc<dyn Medium>, looks: Looks, known: impl IntoIterator<Item = SetName>) -> Self {
        let known = known.into_iter().map(|set| (set.id, set)).collect();
        Self { medium, looks, known: Mutex::new(known) }
    }

    /// The name of a set; `None` where there is no directory of it.
    ///
    /// # Errors
    /// What the medium says.
    pub async fn find(&self, id: BackupSetId) -> Result<Option<SetName>, MediaError> {
        let mut looked = 0;
        while self.found(id).is_none() && looked < self.looks.most {
            if looked > 0 {
                self.looks.pause(looked).await;
            }
            let dirs = self.medium.list_dirs("").await?;
            self.known().extend(dirs.iter().filter_map(|dir| SetName::parse(dir)).map(|set| (set.id, set)));
            looked += 1;
        }
        Ok(self.found(id))
    }

    /// The data file that holds a block.
    ///
    /// # Errors
    /// As [`SetNames::name`].
    pub async fn data_file(&self, place: &PhysicalId) -> Result<String, Failure> {
        Ok(data_file(self.name(place.backup_set_id).await?, place))
    }

    /// The name of a set that was found before.
    #[must_use]
    pub fn found(&self, id: BackupSetId) -> Option<SetName> {
        self.known().get(&id).copied()
    }

    /// The name of a set that has to be there.
    ///
    /// # Errors
    /// `NotFound` names the set; what the medium says.
    pub async fn name(&self, id: BackupSetId) -> Result<SetName, Failure> {
        self.find(id).await?.ok_or_else(|| {
            let what = format!("there is no directory of backup set {id}, which a later set is built on");
            let todo = "bring it back from a copy, or take a new full backup";
            Failure::new(ErrorClass::NotFound, what, object_name(&self.medium.uri(), ""), todo)
        })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<BackupSetId, SetName>> {
        self.known.lock()
    }
}

/// The data file that holds a block of a set.
#[must_use]
pub fn data_file(set: SetName, place: &PhysicalId) -> String {
    let (ls, kind, turn, retry, n) = (place.ls_id, place.kind, place.turn, place.retry, place.file_id.0);
    BackupPath::MacroBlockData { set, ls, kind, turn, retry, n }.path()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, MemoryMedium, Op};
    use strandline_types::BackupSetKind;

    async fn names(stale: u32) -> SetNames {
        let (plan, medium) = (FaultPlan::new(1), MemoryMedium::new("names"));
        for path in ["backup_set_1_full/x", "backup_set_2_inc/x"] {
            medium.put(path, vec![1].into()).await.unwrap();
        }
        let fault = Fault::Short(usize::MAX);
        plan.add(FaultRule { op: Some(Op::List), path_part: String::new(), skip: 0, times: stale, fault });
        let of_set_2 = SetName { id: BackupSetId(2), kind: BackupSetKind::Inc };
        SetNames::new(Arc::new(Faulty::new(Arc::new(medium), plan)), Looks::at_once(), [of_set_2])
    }

    #[tokio::test]
    async fn a_set_is_found_under_its_own_kind_though_listings_do_not_show_it_yet() {
        for stale in 0..Looks::at_once().most {
            let kind = names(stale).await.name(BackupSetId(1)).await.unwrap().kind;
            assert_eq!(kind, BackupSetKind::Full, "{stale} listings of before");
        }
    }

    #[tokio::test]
    async fn a_set_that_no_listing_shows_is_missing_and_not_guessed() {
        let names = names(0).await;
        assert_eq!(names.find(BackupSetId(3)).await.unwrap(), None);
        let refused = names.name(BackupSetId(3)).await.unwrap_err();
        assert!(refused.class == ErrorClass::NotFound && refused.what.contains("backup set 3"), "{refused}");
    }
}
