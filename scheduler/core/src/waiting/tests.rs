//! Every text that users read of what waits.

use super::*;
use crate::task::{Part, TaskKey, TaskKind};
use strandline_catalogue::retention::Object;
use strandline_types::*;

fn name() -> TenantName {
    TenantName::Name("acme".to_owned())
}

fn failure() -> Failure {
    Failure::new(ErrorClass::Transient, "it is away", "file:///a", "wait")
}

const FAILED: &str = "it is away [file:///a]: wait";

#[test]
fn who_waits() {
    let (job, id) = (JobId(7), TenantId(1002));
    let key = TaskKey {
        job_id: job,
        tenant_id: id,
        part: Part::Ls(LsId(1001)),
        kind: TaskKind::BackupLs,
        turn: TurnId(1),
        retry: RetryId(2),
    };
    for (who, text) in [
        (Who::Round(RoundId(3)), "archive round 3"),
        (Who::RoundAfter(RoundId(3)), "the round after 3"),
        (Who::Backup(job), "backup job 7"),
        (Who::Initiator(job), "backup job 7 of sys"),
        (Who::Restore(job), "restore job 7"),
        (Who::RecoverTable(job), "table recovery job 7"),
        (Who::Drill(job), "restore drill 7"),
        (Who::DestCheck(job), "destination check 7"),
        (Who::Clean(job), "cleaning job 7"),
        (Who::Deletion(job, Object::Set(BackupSetId(4))), "cleaning job 7: backup set 4"),
        (Who::Validate(job), "validation job 7"),
        (Who::Standby(name()), "standby tenant acme"),
        (Who::Standby(TenantName::Id(id)), "standby tenant 1002"),
        (Who::Task(key), "BACKUP_DATA of job 7, log stream 1001, turn 1, retry 2"),
        (Who::ScheduledRun(BackupMode::Full, 1_673_436_649_723), "scheduled FULL backup of 2023-01-11 11:30:49.723000"),
        (Who::EndPlaceholder(BackupSetId(4)), "the end placeholder of backup set 4"),
        (Who::ArchiveDest(DestId(1001)), "archive destination 1001"),
        (Who::DataDest(DestId(1001)), "data backup destination 1001"),
        (Who::Orphans(Box::new(Who::DataDest(DestId(1001)))), "orphans of data backup destination 1001"),
        (Who::Clock(NodeId(2)), "the clock of worker 2"),
        (Who::DropOfTenant(name()), "drop of tenant acme"),
        (Who::LogStream(LsId(1001), name()), "log stream 1001 of acme"),
        (Who::DroppedTables(name()), "dropped tables of acme"),
    ] {
        assert_eq!(who.to_string(), text);
    }
}

#[test]
fn what_is_waited_for() {
    let (ls, worker) = (LsId(1001), NodeId(2));
    let damaged = |outlook| On::Replica { worker, condition: Condition::Damaged(outlook), failure: failure() };
    let replica = |condition| On::Replica { worker, condition, failure: failure() };
    let spool = |binding| On::Spool { ls, full_percent: 60, binding };
    for (on, text) in [
        (On::failure(failure()), FAILED.to_owned()),
        (On::Failure { failure: failure(), more: 2 }, format!("{FAILED} (and 2 more of its tasks)")),
        (On::StreamFailure(ls, failure()), format!("log stream 1001: {FAILED}")),
        (On::StreamState(ls, ArchiveLsState::Doing), "log stream 1001 to report DOING".to_owned()),
        (
            spool(Binding::Mandatory),
            "its destination to take the log of stream 1001: the spool is 60 % full; writes are refused when it is full"
                .to_owned(),
        ),
        (
            spool(Binding::Optional),
            "its destination to take the log of stream 1001: the spool is 60 % full; log is let go when it is full, \
             and the round is interrupted"
                .to_owned(),
        ),
        (On::Destination(None), "its destination, which is not ready".to_owned()),
        (On::Destination(Some(failure())), format!("its destination, which is not ready. {FAILED}")),
        (On::DataDestination, "the data backup destination, which is not ready".to_owned()),
        (On::Enable, "ENABLE".to_owned()),
        (On::BackupJob(JobId(7)), "backup job 7 to end".to_owned()),
        (
            On::BackupJobBeforeFull(JobId(7)),
            "backup job 7 to end, to begin a full backup after the interruption".to_owned(),
        ),
        (
            On::Checkpoint { at: Scn(5), needed: Scn(9), name: Some("min_restore_scn") },
            "checkpoint_scn 5 to reach min_restore_scn 9".to_owned(),
        ),
        (On::Checkpoint { at: Scn(5), needed: Scn(9), name: None }, "checkpoint_scn 5 to reach 9".to_owned()),
        (
            On::SourceArchive { until: Scn(9), at: Scn(5) },
            "its source's archive to come to SCN 9 (1970-01-01 00:00:00.000000009): it holds everything up to SCN 5 \
             (1970-01-01 00:00:00.000000005)"
                .to_owned(),
        ),
        (On::RestoreSource, "an archive: ALTER SYSTEM SET LOG_RESTORE_SOURCE".to_owned()),
        (
            On::Placeholder(Box::new(Who::DataDest(DestId(1))), Some(failure())),
            format!("data backup destination 1 to take it: {FAILED}"),
        ),
        (
            On::Placeholder(Box::new(Who::ArchiveDest(DestId(1))), None),
            "archive destination 1 to take it".to_owned(),
        ),
        (On::Dictionary, "log stream 1 to log the newest data dictionary".to_owned()),
        (On::RestoredDictionary, "the leader of log stream 1 to tell its dictionary".to_owned()),
        (On::RecoveredTables, "the leader of log stream 1 to log the tables".to_owned()),
        (On::DroppedTablets, "its log streams to drop the tablets of dropped tables".to_owned()),
        (On::DroppedTabletsOf(ls), "log stream 1001 to drop their tablets".to_owned()),
        (On::LiveWorker, "a live worker that can do it".to_owned()),
        (On::Room, "a worker that has room for it: all are busy with other jobs".to_owned()),
        (On::Release(worker), "worker 2".to_owned()),
        (On::Leader, "a leader".to_owned()),
        (On::LeaderOf(ls), "a leader of log stream 1001".to_owned()),
        (On::SilentLeader(worker), "its leader, worker 2, which is not heard of".to_owned()),
        (
            On::LostReplicas(vec![NodeId(1), NodeId(2)]),
            format!("the replica that worker 1, 2 lost with its disk: {LOST_TODO}"),
        ),
        (
            damaged(Outlook::Rebuilt),
            format!(
                "its replica on worker 2, which is damaged; it is put aside and rebuilt from the others: {FAILED}"
            ),
        ),
        (
            damaged(Outlook::Only),
            format!("its replica on worker 2, which is damaged; it is the only one, so nothing is moved: {FAILED}"),
        ),
        (
            damaged(Outlook::NoMajority),
            format!(
                "its replica on worker 2, which is damaged; the others are no majority that votes now, so nothing is \
                 moved: {FAILED}"
            ),
        ),
        (replica(Condition::NotWhole), format!("its replica on worker 2, which is not whole: {FAILED}")),
        (replica(Condition::Stopped), format!("its replica on worker 2, which does not run: {FAILED}")),
        (On::DropOfDrill, "its tenant to be dropped".to_owned()),
        (On::Reader("restore job 3 reads it".to_owned()), "restore job 3 reads it".to_owned()),
    ] {
        assert_eq!(on.to_string(), text);
    }
}

#[test]
fn a_wrong_clock_is_told_with_the_side_and_what_to_do() {
    let said = |ahead_ms, is_nobody_well| On::Clock { ahead_ms, is_nobody_well }.to_string();
    assert!(said(3_600_000, false).starts_with("it is 3600 s ahead of the schedulers': set the time of that host"));
    assert!(said(-3_600_000, false).starts_with("it is 3600 s behind the schedulers'"));
    assert!(said(60_000, true).contains("the clock of the leading scheduler is the likely cause"));
}

#[test]
fn a_line_says_both() {
    let waiting = Waiting { tenant_id: TenantId(1002), who: Who::Backup(JobId(7)), on: On::Leader, since_ms: None };
    assert_eq!(waiting.to_string(), "backup job 7 waits for a leader");
}
