//! The law of retention where the scheduler decides (ADR 25): policies are looked at before they act, what administrators
//! name is held against the law wherever it lies, and what waits is asked about again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, archive_spec, report};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::JobKind;
use strandline_scheduler_core::state::*;
use strandline_scheduler_core::*;
use strandline_types::*;

const MINUTE_MS: u64 = 60_000;

fn policy(window_ms: u64) -> Policy {
    let window_ns = window_ms * 1_000_000;
    Policy { window_ns, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false }
}

/// Some pieces of a minute pass.
fn go_on(w: &mut World) {
    for _ in 0..3 {
        w.now_ms += MINUTE_MS;
        w.write();
        w.run(3);
    }
}

fn back_up(w: &mut World) {
    go_on(w);
    let request = BackupRequest::new(BackupMode::Full, "");
    w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
    w.until("the backup", |w| w.state.open_backup_job(TENANT).is_none());
}

fn with_sets(count: usize) -> World {
    let mut w = World::archiving(3, 3, 60);
    for _ in 0..count {
        back_up(&mut w);
    }
    go_on(&mut w);
    w
}

fn start(w: &mut World, what: CleanWhat) -> Outcome {
    w.act(Action::StartClean { tenant: TENANT, what, description: String::new() })
}

fn add(w: &mut World, policy: Policy) -> Outcome {
    w.act(Action::AddCleanPolicy { tenant: TENANT, policy })
}

fn set_data_dest(w: &mut World, uri: Option<&str>) -> Outcome {
    let uri = uri.map(str::to_owned);
    w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() })
}

fn worth(w: &World) -> Vec<FileStatus> {
    w.state.backup_sets.values().map(|s| s.file_status).collect()
}

/// Cleaning stands still once it has begun.
fn nothing_goes(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    if order.key.kind == TaskKind::Clean { None } else { all_done(world, worker, order) }
}

/// As before, and whatever is validated is damaged.
fn nothing_goes_and_all_is_damaged(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    let damage = || Damage { path: "x/y".to_owned(), kind: "corrupt".to_owned(), detail: "checksum".to_owned() };
    match order.key.kind {
        TaskKind::Clean => None,
        TaskKind::Validate => {
            let result = ValidateResult { objects: 1, bytes: 1, damage_count: 1, damages: vec![damage()] };
            Some(report(order, TaskState::Done, None, Some(TaskResult::Validate(result))))
        }
        _ => all_done(world, worker, order),
    }
}

fn request(w: &World, id: u64) -> StartValidate {
    let set = &w.state.backup_sets[&(TENANT, BackupSetId(id))];
    let object = MediumObject {
        name: MediumName::Set(set.set_id, set.kind),
        at: harness::address(&set.uri),
        dest_id: set.dest_id,
        log_streams: set.parts.keys().copied().collect(),
        bytes: set.output_bytes,
        key_source: String::new(),
    };
    StartValidate {
        tenant: TENANT,
        kind: ValidateKind::BackupSet,
        level: ValidateLevel::Physical,
        path: String::new(),
        description: String::new(),
        objects: vec![object],
        keys: Vec::new(),
    }
}

fn validate(w: &mut World, id: u64) {
    let request = request(w, id);
    w.act(Action::StartValidate(Box::new(request))).unwrap();
    w.until("the validation", |w| w.state.validate_jobs().all(|j| j.status.is_ended()));
}

#[test]
fn a_policy_is_looked_at_before_it_acts_and_does_what_was_shown() {
    let mut w = with_sets(5);
    let wanted = policy(4 * MINUTE_MS);
    let before = w.state.clone();
    let shown = views::policy_preview(&w.state, TENANT, &wanted, w.now_ms).unwrap();
    assert_eq!(before, w.state, "a look changes nothing");
    let shown: Vec<String> = shown.rows.iter().map(|r| format!("{r:?}")).collect();
    assert!(shown.iter().any(|r| r.contains("DELETE")) && shown.iter().any(|r| r.contains("KEEP")), "{shown:#?}");
    add(&mut w, wanted).unwrap();
    w.run(60);
    assert!(w.state.clean_jobs().next().is_none(), "its first turn comes after an hour");
    let again = views::policy_preview(&w.state, TENANT, &wanted, w.now_ms).unwrap_err();
    assert!(again.what.contains("has the delete policy"), "{again}");
    let shown = views::clean_preview(&w.state, TENANT, &CleanWhat::Obsolete, w.now_ms).unwrap();
    start(&mut w, CleanWhat::Obsolete).unwrap();
    let marked = w.state.clean_tasks().map(|t| t.name.to_string());
    let promised = shown.rows.iter().map(|r| format!("{r:?}")).filter(|r| r.contains("\"DELETE\""));
    for (name, row) in marked.zip(promised) {
        assert!(row.contains(&format!("\"{name}\"")), "the job deletes {name}, the preview said {row}");
    }
}

#[test]
fn a_policy_that_cares_for_log_alone_and_data_backups_exclude_each_other() {
    let mut w = with_sets(1);
    let log_only = Policy { log_only: true, ..policy(MINUTE_MS) };
    assert!(add(&mut w, log_only).unwrap_err().what.contains("log_only"));
    set_data_dest(&mut w, None).unwrap();
    add(&mut w, log_only).unwrap();
    let refused = set_data_dest(&mut w, Some("file:///data")).unwrap_err();
    assert!(refused.what.contains("log_only"), "{refused}");
    let to = BackupDest { uri: "file:///other".to_owned(), access: Access::default() };
    let request = BackupRequest { to: Some(to), ..BackupRequest::new(BackupMode::Full, "") };
    let refused = w.act(Action::StartBackup { tenant: TENANT, request }).unwrap_err();
    assert!(refused.what.contains("log_only"), "{refused}");
    // The set that is there keeps its log whatever the policy's name.
    go_on(&mut w);
    let _ = start(&mut w, CleanWhat::Obsolete);
    w.until("no cleaning", |w| w.state.open_clean_job(TENANT).is_none());
    assert!(strandline_catalogue::restorable(&StateCatalogue::of(&w.state, TENANT).catalogue).intervals.len() == 1);
    let name = "log_only".to_owned();
    w.act(Action::DropCleanPolicy { tenant: TENANT, name }).unwrap();
    set_data_dest(&mut w, Some("file:///data")).unwrap();
}

#[test]
fn the_only_log_of_current_sets_stays_although_its_destination_is_a_former_one() {
    let mut w = with_sets(2);
    let former = w.round().dest_id;
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    let spec = Some(archive_spec("file:///arc2", 60));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: spec }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.until("DOING", |w| w.round().state == RoundState::Doing);
    let refused = start(&mut w, CleanWhat::All(former)).unwrap_err();
    assert!(refused.what.contains("nothing could be restored any more"), "{refused}");
    assert_eq!(refused.class, ErrorClass::Invalid);
    // A set whose log lies in the new place is another way: now the old log may go.
    back_up(&mut w);
    let old = w.state.backup_sets.values().next().unwrap().dest_id;
    assert_eq!(w.state.tenants[&TENANT].data_dest, Some(old));
    go_on(&mut w);
    assert!(matches!(start(&mut w, CleanWhat::All(former)), Ok(Done::CleanJob(_))));
}

#[test]
fn the_last_set_stays_although_its_destination_is_a_former_one() {
    let mut w = with_sets(2);
    let former = w.state.tenants[&TENANT].data_dest.unwrap();
    set_data_dest(&mut w, Some("file:///data2")).unwrap();
    for what in [CleanWhat::All(former), CleanWhat::Sets(vec![1, 2]), CleanWhat::Sets(vec![2])] {
        let refused = start(&mut w, what.clone()).unwrap_err();
        assert!(refused.what.contains("newest restorable SCN"), "{what:?}: {refused}");
    }
    assert!(matches!(start(&mut w, CleanWhat::Sets(vec![1])), Ok(Done::CleanJob(_))), "an older way may go");
}

#[test]
fn a_piece_id_of_two_destinations_is_named_with_its_destination() {
    let mut w = World::archiving(3, 3, 60);
    let spec = Some(archive_spec("file:///arc2", 60));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(1), dest: spec }).unwrap();
    w.run(5);
    go_on(&mut w);
    back_up(&mut w);
    let dests: Vec<DestId> = w.state.rounds.values().map(|r| r.dest_id).collect();
    assert_eq!(dests.len(), 2);
    // The oldest piece of the second round.
    let id = w.state.rounds.values().nth(1).unwrap().pieces.values().next().unwrap().key.piece_id;
    let refused = start(&mut w, CleanWhat::Pieces(vec![id.0])).unwrap_err();
    assert!(refused.what.contains("say which destination is meant"), "{refused}");
    assert!(matches!(start(&mut w, CleanWhat::PiecesOf(dests[1], vec![id.0])), Ok(Done::CleanJob(_))));
    w.until("the end", |w| w.state.open_clean_job(TENANT).is_none());
    let pieces = w.state.rounds.values().flat_map(|r| r.pieces.values());
    let gone: Vec<PieceKey> = pieces.filter(|p| p.file_status == FileStatus::Deleted).map(|p| p.key).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].dest_id, gone[0].piece_id), (dests[1], id), "the other copy stays");
}

#[test]
fn what_waits_is_called_back_when_the_policy_goes() {
    let mut w = with_sets(8);
    w.task_hook = nothing_goes;
    add(&mut w, policy(MINUTE_MS)).unwrap();
    start(&mut w, CleanWhat::Obsolete).unwrap();
    w.run(3);
    let stages = |w: &World, stage| w.state.clean_tasks().filter(|t| t.stage == stage).count();
    let waiting = stages(&w, CleanStage::Waiting);
    assert!(waiting > 0);
    w.act(Action::DropCleanPolicy { tenant: TENANT, name: "default".to_owned() }).unwrap();
    assert_eq!((stages(&w, CleanStage::Waiting), stages(&w, CleanStage::Canceled)), (0, waiting));
    let deleting = worth(&w).iter().filter(|s| **s == FileStatus::Deleting).count();
    assert_eq!(deleting, limits::CLEAN_TASKS_AT_ONCE, "what has begun is gone on with, and nothing else");
    w.task_hook = all_done;
    w.until("the end", |w| w.state.open_clean_job(TENANT).is_none());
    let job = w.state.clean_jobs().next_back().unwrap();
    assert_eq!(job.status, JobStatus::Completed);
    let told: Vec<_> = w.state.clean_tasks().filter_map(|t| t.failure.as_ref()).collect();
    assert!(told.len() == waiting && told.iter().all(|f| f.what.contains("policy was dropped")));
}

#[test]
fn what_waits_is_called_back_when_what_was_to_replace_it_is_found_damaged() {
    let mut w = with_sets(8);
    w.task_hook = nothing_goes;
    add(&mut w, policy(MINUTE_MS)).unwrap();
    start(&mut w, CleanWhat::Obsolete).unwrap();
    w.run(3);
    let stage_of = |w: &World, id: u64| {
        let is_it = |t: &&CleanTask| matches!(t.name, MediumName::Set(set, _) if set.0 == id);
        w.state.clean_tasks().find(is_it).map(|t| t.stage)
    };
    let waiting: Vec<u64> = (1..=8).filter(|id| stage_of(&w, *id) == Some(CleanStage::Waiting)).collect();
    let staying: Vec<u64> = (1..=8).filter(|id| stage_of(&w, *id).is_none()).collect();
    let newest_waiting = *waiting.last().expect("a set that has to wait for its turn");
    w.task_hook = nothing_goes_and_all_is_damaged;
    for id in staying {
        validate(&mut w, id);
    }
    // Everything newer is damaged or going: what waits is now the way to the newest moment.
    assert_eq!(stage_of(&w, newest_waiting), Some(CleanStage::Canceled));
    assert_eq!(w.state.backup_sets[&(TENANT, BackupSetId(newest_waiting))].file_status, FileStatus::Available);
    w.task_hook = all_done;
    w.until("the end", |w| w.state.open_clean_job(TENANT).is_none());
    let left = strandline_catalogue::restorable(&StateCatalogue::of(&w.state, TENANT).catalogue);
    assert!(!left.intervals.is_empty(), "something can still be restored");
}

#[test]
fn nothing_that_is_to_go_is_judged_and_a_cancel_gives_back_what_it_was_worth() {
    let mut w = with_sets(3);
    w.task_hook = nothing_goes_and_all_is_damaged;
    validate(&mut w, 1);
    assert_eq!(worth(&w)[0], FileStatus::Broken);
    w.held.insert(TaskKind::Clean, |_, _, _| None);
    start(&mut w, CleanWhat::Sets(vec![1])).unwrap();
    assert_eq!(worth(&w)[0], FileStatus::Deleting);
    let refused = w.act(Action::StartValidate(Box::new(request(&w, 1)))).unwrap_err();
    assert!(refused.what.contains("being deleted"), "{refused}");
    w.act(Action::CancelJob { kind: JobKind::Clean, tenant: TENANT }).unwrap();
    w.run(2);
    assert_eq!(worth(&w), [FileStatus::Broken, FileStatus::Available, FileStatus::Available]);
}
