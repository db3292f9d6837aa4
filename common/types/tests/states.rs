//! Every state machine of the product, written out: which state may follow which, in which order, under which words.
//! A cell that is not in a table here must be refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use strandline_types::*;

/// Compares a whole table: every pair of states, the legal ones and all the others.
fn follows_its_table<S: Transition + Ord>(all: &[S], legal: &[(S, S)]) {
    for from in all {
        for to in all {
            let is_legal = legal.contains(&(*from, *to));
            assert_eq!(from.may_become(*to), is_legal, "{from:?} -> {to:?}");
            match from.transition(*to) {
                Ok(now) => assert!(is_legal && now == *to),
                Err(refused) => {
                    let both = (refused.from.as_str(), refused.to.as_str());
                    assert_eq!(both, (format!("{from:?}").as_str(), format!("{to:?}").as_str()));
                    assert!(!is_legal && refused.to_string().contains("cannot become"), "{refused}");
                }
            }
        }
    }
}

/// From `start` every state can be reached, and from every state one that nothing follows: no job can be caught in a circle
/// that it cannot leave.
fn begins_and_ends<S: Transition + Ord>(all: &[S], start: S) {
    let reachable = |from: S| {
        let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(state) = open.pop() {
            open.extend(state.next_states().iter().copied().filter(|next| seen.insert(*next)));
        }
        seen
    };
    assert_eq!(reachable(start), all.iter().copied().collect(), "what can be reached from {start:?}");
    for state in all {
        assert!(reachable(*state).iter().any(|end| end.next_states().is_empty()), "{state:?} never ends");
        assert!(!state.may_become(*state), "{state:?}: the same state is no transition");
        let next = state.next_states();
        assert_eq!(next.iter().collect::<BTreeSet<_>>().len(), next.len(), "{state:?} names a state twice");
    }
}

/// Words in the order of the states.
fn says<S: Display + Debug>(all: &[S], words: &[&str]) {
    let message: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(message, words);
}

#[test]
fn an_archive_round() {
    begins_and_ends(&RoundState::ALL, RoundState::Prepare);
    says(
        &RoundState::ALL,
        &["PREPARE", "BEGINNING", "DOING", "INTERRUPTED", "STOPPING", "STOP", "SUSPENDING", "SUSPEND"],
    );
    for state in RoundState::ALL {
        // NOARCHIVELOG is possible as long as the round is not over.
        let is_over = matches!(state, RoundState::Stopping | RoundState::Stop);
        assert_eq!(state.may_become(RoundState::Stopping), !is_over, "{state}");
        let writes = ["BEGINNING", "DOING", "SUSPENDING", "STOPPING"].contains(&state.to_string().as_str());
        assert_eq!(state.is_writing(), writes, "{state}");
    }
    let of_streams =
        [ArchiveLsState::Doing, ArchiveLsState::Stopped, ArchiveLsState::Interrupted, ArchiveLsState::Suspended];
    says(&of_streams, &["DOING", "STOP", "INTERRUPTED", "SUSPEND"]);
    says(&[Binding::Optional, Binding::Mandatory], &["OPTIONAL", "MANDATORY"]);
    assert_eq!(Binding::default(), Binding::Optional, "recycling never waits unless it is told to");
}

#[test]
fn a_piece_and_its_files() {
    use PieceStatus::*;
    let all = [Active, Frozen, Inactive];
    follows_its_table(&all, &[(Active, Frozen), (Frozen, Inactive)]);
    begins_and_ends(&all, Active);
    says(&all, &["ACTIVE", "FROZEN", "INACTIVE"]);
    begins_and_ends(&FileStatus::ALL, FileStatus::Incomplete);
    says(&FileStatus::ALL, &["AVAILABLE", "COPYING", "INCOMPLETE", "DELETING", "EXPIRED", "BROKEN", "DELETED"]);
    let last: Vec<_> = FileStatus::ALL.into_iter().filter(|s| s.may_become(FileStatus::Deleted)).collect();
    assert_eq!(last, [FileStatus::Deleting], "nothing is gone that was not marked before");
    assert_eq!(FileStatus::Deleting.next_states(), [FileStatus::Deleted], "a deletion is never taken back");
}

#[test]
fn a_backup_job() {
    use BackupJobStatus::*;
    let legal = [
        (Init, Data),
        (Init, Failed),
        (Init, Canceling),
        (Data, Index),
        (Data, Failed),
        (Data, Canceling),
        (Index, Log),
        (Index, Infos),
        (Index, Failed),
        (Index, Canceling),
        (Log, CopyLog),
        (Log, Infos),
        (Log, Failed),
        (Log, Canceling),
        (CopyLog, Infos),
        (CopyLog, Failed),
        (CopyLog, Canceling),
        (Infos, End),
        (Infos, Failed),
        (Infos, Canceling),
        (End, Completed),
        (End, Failed),
        (Canceling, Canceled),
        (Canceling, Failed),
    ];
    follows_its_table(&BackupJobStatus::ALL, &legal);
    begins_and_ends(&BackupJobStatus::ALL, Init);
    says(
        &BackupJobStatus::ALL,
        &[
            "INIT",
            "BACKUP_USER_DATA",
            "BACKUP_FUSE_TABLET_META",
            "BEFORE_BACKUP_LOG",
            "BACKUP_LOG",
            "BACKUP_META_FINISH",
            "BACKUP_META_FINISH",
            "COMPLETED",
            "FAILED",
            "CANCELING",
            "CANCELED",
        ],
    );
    says(&[BackupSetStatus::Doing, BackupSetStatus::Success, BackupSetStatus::Failed], &["DOING", "SUCCESS", "FAILED"]);
    says(
        &[LsTaskStatus::Init, LsTaskStatus::Pending, LsTaskStatus::Doing, LsTaskStatus::Finish],
        &["INIT", "PENDING", "DOING", "FINISH"],
    );
    says(&[BackupMode::Full, BackupMode::Incremental, BackupMode::Synthetic], &["FULL", "INCREMENTAL", "SYNTHETIC"]);
}

#[test]
fn a_restore_job() {
    use RestoreStage::*;
    let legal = [
        (CreateTenant, RestoreData),
        (CreateTenant, Failed),
        (RestoreData, StartLogStreams),
        (RestoreData, Failed),
        (StartLogStreams, ReplayLog),
        (StartLogStreams, Failed),
        (ReplayLog, PostCheck),
        (ReplayLog, Failed),
        (PostCheck, Success),
        (PostCheck, Failed),
    ];
    follows_its_table(&RestoreStage::ALL, &legal);
    begins_and_ends(&RestoreStage::ALL, CreateTenant);
    for stage in RestoreStage::ALL {
        assert_eq!(stage.is_ended(), matches!(stage, Success | Failed), "{stage}");
    }
    says(
        &RestoreStage::ALL,
        &[
            "CREATE_TENANT",
            "RESTORE_CREATE_INIT_LS",
            "PHYSICAL_RESTORE_WAIT_RESTORE_TO_CONSISTENT_SCN",
            "RESTORE_WAIT_LS",
            "POST_CHECK",
            "RESTORE_SUCCESS",
            "RESTORE_FAIL",
        ],
    );
}

#[test]
fn jobs_over_many_objects() {
    use JobStatus::*;
    let legal = [
        (Init, Doing),
        (Init, Failed),
        (Init, Canceling),
        (Doing, Completed),
        (Doing, Failed),
        (Doing, Canceling),
        (Canceling, Canceled),
        (Canceling, Failed),
    ];
    follows_its_table(&JobStatus::ALL, &legal);
    begins_and_ends(&JobStatus::ALL, Init);
    says(&JobStatus::ALL, &["INIT", "DOING", "COMPLETED", "FAILED", "CANCELING", "CANCELED"]);
}

#[test]
fn the_deletion_of_a_set_or_piece() {
    use CleanStage::*;
    let legal = [
        (Waiting, Begin),
        (Waiting, Failed),
        (Waiting, Canceled),
        (Begin, LogStreams),
        (Begin, Failed),
        (Begin, Canceled),
        (LogStreams, Rest),
        (LogStreams, Failed),
        (LogStreams, Canceled),
        (Rest, Done),
        (Rest, Failed),
        (Rest, Canceled),
    ];
    follows_its_table(&CleanStage::ALL, &legal);
    begins_and_ends(&CleanStage::ALL, Waiting);
    for stage in CleanStage::ALL {
        let shown = stage.to_string();
        assert_eq!(stage.is_running(), shown == "DOING", "{stage:?}");
        assert_eq!(stage.is_ended(), ["COMPLETED", "FAILED", "CANCELED"].contains(&shown.as_str()), "{stage:?}");
    }
}

#[test]
fn kinds_of_data_and_sets_have_one_name_in_paths_and_one_number() {
    let tags: Vec<_> = DataKind::ALL.into_iter().map(DataKind::tag).collect();
    assert_eq!(tags, ["sys_data", "minor_data", "major_data"]);
    for (n, kind) in (0..).zip(DataKind::ALL) {
        assert_eq!((kind.number(), DataKind::from_number(n)), (n, Some(kind)));
    }
    assert_eq!(DataKind::from_number(3), None);
    let kinds = [BackupSetKind::Full, BackupSetKind::Inc];
    assert_eq!(kinds.map(BackupSetKind::tag), ["full", "inc"]);
    says(&kinds, &["FULL", "INC"]);
}
