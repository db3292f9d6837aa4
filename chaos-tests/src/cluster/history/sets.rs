//! Backups of a history, and deleting them again.

use super::{History, PATIENCE, Step};
use crate::cluster::{Outcome, Patience};
use std::collections::BTreeSet;
use strandline_types::{ErrorClass, Failure, Scn};

/// A set that can be restored.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsableSet {
    pub id: u64,
    pub min_restore: Scn,
}

impl History {
    pub(super) async fn back_up(&mut self, step: Step) -> Outcome<()> {
        let (what, told) = match step {
            Step::Incremental => ("INCREMENTAL DATABASE", "incremental backup"),
            _ => ("DATABASE", "full backup"),
        };
        let before = self.query("DBA_OB_BACKUP_JOB_HISTORY").await?.len();
        self.sql(&format!("ALTER SYSTEM BACKUP {what}")).await?;
        let patience = Patience::new(format!("{}: the backup ends", self.name()), PATIENCE);
        loop {
            let ended = self.query("DBA_OB_BACKUP_JOB_HISTORY").await?;
            if ended.len() > before {
                let newest = (0..ended.len()).max_by_key(|row| ended.number(*row, "JOB_ID")).unwrap_or_default();
                let (status, why) = (ended.text(newest, "STATUS"), ended.text(newest, "COMMENT"));
                if status == "COMPLETED" {
                    self.told.push(told.to_owned());
                    return Ok(());
                }
                return Err(Failure::new(ErrorClass::Invalid, format!("{told}: {status}: {why}"), self.name(), ""));
            }
            patience.once_more("it runs").await?;
        }
    }

    /// Any set is named; a refusal (the last one, or one that others stand on) is an answer, too.
    pub(super) async fn delete_a_set(&mut self) -> Outcome<()> {
        let usable = self.usable_sets().await?;
        let Some(set) = self.rng.pick(&usable) else { return Ok(()) };
        match self.sql(&format!("ALTER SYSTEM DELETE BACKUPSET {}", set.id)).await {
            Err(refused) if refused.class == ErrorClass::Invalid => {
                self.told.push(format!("set {} stays", set.id));
                return Ok(());
            }
            Err(failed) => return Err(failed),
            Ok(()) => {}
        }
        let patience = Patience::new(format!("{}: set {} is deleted", self.name(), set.id), PATIENCE);
        loop {
            let sets = self.query("DBA_OB_BACKUP_SET_FILES").await?;
            let row = (0..sets.len()).find(|row| sets.number(*row, "BACKUP_SET_ID") == set.id);
            let is = row.map(|row| sets.text(row, "FILE_STATUS")).unwrap_or_default();
            if is.is_empty() || is == "DELETED" {
                self.told.push(format!("set {} deleted", set.id));
                return Ok(());
            }
            patience.once_more(&is).await?;
        }
    }

    /// Sets that are there, each with everything it stands on.
    pub(super) async fn usable_sets(&mut self) -> Outcome<Vec<UsableSet>> {
        let sets = self.query("DBA_OB_BACKUP_SET_FILES").await?;
        let rows: Vec<usize> = (0..sets.len())
            .filter(|row| sets.text(*row, "STATUS") == "SUCCESS" && sets.text(*row, "FILE_STATUS") == "AVAILABLE")
            .collect();
        let there: BTreeSet<u64> = rows.iter().map(|row| sets.number(*row, "BACKUP_SET_ID")).collect();
        let stands = |row: &usize| {
            ["PREV_FULL_BACKUP_SET_ID", "PREV_INC_BACKUP_SET_ID"].into_iter().all(|base| {
                let id = sets.number(*row, base);
                id == 0 || there.contains(&id)
            })
        };
        let usable = |row: &usize| UsableSet {
            id: sets.number(*row, "BACKUP_SET_ID"),
            min_restore: Scn(sets.number(*row, "MIN_RESTORE_SCN")),
        };
        Ok(rows.iter().filter(|row| stands(row)).map(usable).collect())
    }
}
