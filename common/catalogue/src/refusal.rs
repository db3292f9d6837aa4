//! Why a target cannot be restored, and the nearest that can.

use crate::cover::LogEnd;
use crate::window::Window;
use strandline_types::{BackupSetId, CODE_NOT_ENOUGH_LOG, ErrorClass, Failure, Scn, scn_text};

/// A restore that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No set can be used at all.
    NoSet {
        /// The newest one that is there, whatever it is worth.
        newest: Option<BackupSetId>,
    },
    /// No window holds the target.
    OutOfReach {
        /// The target.
        target: Scn,
        /// The largest restorable SCN below it.
        below: Option<Scn>,
        /// The smallest restorable SCN above it.
        above: Option<Scn>,
        /// The set that would serve, and what its log lacks; `None` when every set is newer than the target.
        missing: Option<(BackupSetId, LogEnd)>,
    },
    /// The newest moment was asked for, and no set has the log that it needs.
    NoLog {
        /// The newest set.
        set: BackupSetId,
        /// What ends its log.
        ended_by: LogEnd,
        /// The log was there and cannot be read.
        is_loss: bool,
    },
    /// The newest moment was asked for, and log that was archived after the newest restorable one cannot be read.
    Lost {
        /// The newest SCN that can be restored.
        reach: Scn,
        /// What ends the log there.
        ended_by: LogEnd,
    },
}

impl Refusal {
    /// Finds the nearest bounds and what is missing.
    pub(crate) fn out_of_reach(windows: &[Window], target: Scn) -> Self {
        let usable = || windows.iter().filter(|w| !w.is_empty());
        // The newest set that begins before the target is the one that lacks log.
        let lacks = windows.iter().rev().find(|w| w.from <= target || w.is_empty());
        Self::OutOfReach {
            target,
            below: usable().filter(|w| w.to < target).map(|w| w.to).max(),
            above: usable().filter(|w| w.from > target).map(|w| w.from).min(),
            missing: lacks.map(|w| (w.set_id, w.ended_by.clone())),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let not_found = |what: String, object: String, todo: String| {
            Self::new(ErrorClass::NotFound, what, object, todo).with_code(CODE_NOT_ENOUGH_LOG)
        };
        let bound = |scn: Scn| format!("{scn} ({})", scn_text(scn));
        match refusal {
            Refusal::NoSet { newest: None } => not_found(
                "no full backup set exists".to_owned(),
                "data backup destination".to_owned(),
                "ALTER SYSTEM BACKUP DATABASE".to_owned(),
            ),
            Refusal::NoSet { newest: Some(newest) } => not_found(
                "no backup set is available".to_owned(),
                format!("backup set {newest} and all before it"),
                "use a destination with a set that is SUCCESS and AVAILABLE, its chain included".to_owned(),
            ),
            Refusal::NoLog { set, ended_by, is_loss } => {
                let (class, todo) = if is_loss {
                    (ErrorClass::Corrupt, "use another copy of the archive, or a backup set that carries its log")
                } else {
                    (ErrorClass::NotFound, "archive the log from before the backup on")
                };
                let what = format!("no enough log for restore: backup set {set}: {ended_by}");
                Self::new(class, what, "RESTORE without UNTIL", todo).with_code(CODE_NOT_ENOUGH_LOG)
            }
            Refusal::Lost { reach, ended_by } => Self::new(
                ErrorClass::Corrupt,
                format!("the archive cannot be restored to its end: {ended_by}"),
                "RESTORE without UNTIL",
                format!("use another copy of the archive, or restore with UNTIL SCN = {}", bound(reach)),
            )
            .with_code(CODE_NOT_ENOUGH_LOG),
            Refusal::OutOfReach { target, below, above, missing } => {
                let todo = match (below, above) {
                    (Some(b), Some(a)) => format!("restore to at most {} or at least {}", bound(b), bound(a)),
                    (Some(b), None) => format!("maximum restorable time is {}", bound(b)),
                    (None, Some(a)) => format!("minimum restorable time is {}", bound(a)),
                    (None, None) => "archive the log from before the backup on".to_owned(),
                };
                match missing {
                    Some((set, why)) => not_found(
                        format!("no enough log for restore: backup set {set}: {why}"),
                        format!("SCN {}", bound(target)),
                        todo,
                    ),
                    None => not_found("no full backup set can be used: all are newer".to_owned(), bound(target), todo),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nouns::PlaceId;
    use proptest::prelude::*;
    use strandline_types::parse_time_text;

    fn window(set_id: u64, from: u64, len: u64) -> Window {
        let ended_by = LogEnd::NoPiece { scn: Scn(from) };
        Window { place: PlaceId(0), set_id: BackupSetId(set_id), from: Scn(from), to: Scn(from + len), ended_by }
    }

    /// What stands in brackets: times as a user copies them.
    fn times_of(text: &str) -> Vec<String> {
        let inside = text.split('(').skip(1).filter_map(|part| part.split_once(')')).map(|(time, _)| time);
        inside.map(str::to_owned).collect()
    }

    proptest! {
        #[test]
        fn every_bound_that_a_refusal_prints_is_inside_a_window_when_it_is_typed(
            bounds in prop::collection::vec((1_700_000_000_000_000_000u64..1_700_000_000_000_009_999, 0u64..999), 1..4),
            target in 1_700_000_000_000_000_000u64..1_700_000_000_000_012_000,
        ) {
            let all: Vec<Window> = bounds.iter().zip(1..).map(|((from, len), id)| window(id, *from, *len)).collect();
            prop_assume!(!all.iter().any(|w| w.holds(Scn(target))));
            let failure = Failure::from(Refusal::out_of_reach(&all, Scn(target)));
            let times = times_of(&failure.todo);
            prop_assert!(!times.is_empty(), "{failure}");
            for time in times {
                let scn = parse_time_text(&time);
                prop_assert!(scn.as_ref().is_ok_and(|scn| all.iter().any(|w| w.holds(*scn))), "{time} of {failure}");
            }
        }
    }
}
