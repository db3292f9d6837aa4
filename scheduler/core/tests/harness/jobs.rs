//! Every kind of job that an administrator can start, in one small world, and how to see that it has ended.

use super::{TENANT, World, restore_request};
use std::sync::OnceLock;
use strandline_scheduler_core::state::{CleanWhat, MediumObject, RecoveredTable, Tablet, ValidateKind};
use strandline_scheduler_core::*;
use strandline_types::*;

/// Everything that an administrator can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Full,
    Incremental,
    Synthetic,
    WithLog,
    Restore,
    Drill,
    RecoverTable,
    Validate,
    Clean,
    DestCheck,
}

pub const JOBS: [Job; 10] = [
    Job::Full,
    Job::Incremental,
    Job::Synthetic,
    Job::WithLog,
    Job::Restore,
    Job::Drill,
    Job::RecoverTable,
    Job::Validate,
    Job::Clean,
    Job::DestCheck,
];

/// A tenant with a full set and a chain of two more in its destination, and an archive that runs.
pub fn world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let made = WORLD.get_or_init(|| {
        let mut w = World::archiving(3, 3, 3600);
        for mode in [BackupMode::Full, BackupMode::Full, BackupMode::Incremental] {
            w.write();
            w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(mode, "") }).unwrap();
            w.until("the set", |w| w.state.open_backup_job(TENANT).is_none());
        }
        w
    });
    made.clone()
}

pub fn start(w: &mut World, job: Job) -> Outcome {
    let backup = |mode| Action::StartBackup { tenant: TENANT, request: BackupRequest::new(mode, "") };
    w.act(match job {
        Job::Full => backup(BackupMode::Full),
        Job::Incremental => backup(BackupMode::Incremental),
        Job::Synthetic => backup(BackupMode::Synthetic),
        Job::WithLog => {
            let request = BackupRequest { plus_archivelog: true, ..BackupRequest::new(BackupMode::Full, "") };
            Action::StartBackup { tenant: TENANT, request }
        }
        Job::Restore => restore_request("r", 3),
        Job::Drill => Action::StartDrill { tenant: TENANT, last_ms: None },
        Job::RecoverTable => recover_table(),
        Job::Validate => validate(w),
        Job::Clean => Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() },
        Job::DestCheck => Action::CheckDest {
            uri: "file:///somewhere".to_owned(),
            access: Access::default(),
            key_source: String::new(),
        },
    })
}

pub fn source(name: &str) -> StartRestore {
    let Action::StartRestore(request) = restore_request(name, 3) else { unreachable!() };
    *request
}

pub fn recover_table() -> Action {
    let tablets = vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }];
    let (source_name, target_name) = ("a".to_owned(), "a2".to_owned());
    Action::StartRecoverTable(Box::new(StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: source("x").source,
        all: false,
        tables: vec![RecoveredTable { source_name, target_name, tablets, table_id: TableId(0) }],
        description: String::new(),
    }))
}

pub fn validate(w: &World) -> Action {
    let objects = w.state.backup_sets.values().map(|s| MediumObject {
        name: MediumName::Set(s.set_id, s.kind),
        at: Address::parse(&s.uri).unwrap(),
        dest_id: s.dest_id,
        log_streams: s.parts.keys().copied().collect(),
        bytes: s.output_bytes,
        key_source: String::new(),
    });
    Action::StartValidate(Box::new(StartValidate {
        tenant: TENANT,
        kind: ValidateKind::BackupSet,
        level: ValidateLevel::Physical,
        path: String::new(),
        description: String::new(),
        objects: objects.collect(),
        keys: Vec::new(),
    }))
}

/// Every job that has not ended, in words.
pub fn open_jobs(state: &State) -> Vec<String> {
    let mut open = Vec::new();
    open.extend(state.backup_jobs().filter(|j| j.is_open()).map(|j| format!("backup {}: {}", j.id, j.status)));
    let restores = state.restore_jobs().filter(|j| !j.stage.is_ended());
    open.extend(restores.map(|j| format!("restore {}: {}", j.id, j.stage)));
    let drills = state.drills().filter(|d| !d.stage.is_ended());
    open.extend(drills.map(|d| format!("drill {}: {}", d.id, d.stage)));
    let recoveries = state.recover_jobs().filter(|j| !j.stage.is_ended());
    open.extend(recoveries.map(|j| format!("table recovery {}: {:?}", j.id, j.stage)));
    let validations = state.validate_jobs().filter(|j| !j.status.is_ended());
    open.extend(validations.map(|j| format!("validation {}: {:?}", j.id, j.status)));
    let cleanings = state.clean_jobs().filter(|j| !j.status.is_ended());
    open.extend(cleanings.map(|j| format!("cleaning {}: {:?}", j.id, j.status)));
    let checks = state.dest_checks().filter(|c| c.ended_ms.is_none());
    open.extend(checks.map(|c| format!("destination check {}", c.id)));
    open
}

/// Time passes, workers report, the leader does what is planned, several times over.
pub fn turn(w: &mut World, ms: u64) {
    w.now_ms += ms;
    w.write();
    for _ in 0..4 {
        w.beat();
        for step in plan(&w.state, w.now_ms).steps {
            execute(w, step);
        }
    }
}

pub fn execute(w: &mut World, step: Step) {
    let failure = w.medium_failure.clone().filter(|_| step.work.iter().any(w.failing));
    if let Some(failure) = failure {
        if let Some(action) = failure_action(&w.state, &step, failure) {
            let _ = w.act(action);
        }
        return;
    }
    if step.work.iter().any(|work| matches!(work, MediumWork::Drill(_))) {
        // The body reads the destinations and starts the restore under the drill's name.
        let drill = w.state.open_drill(TENANT).unwrap();
        let mut request = source(&drill.tenant_name());
        let mut user = request.source.log_streams[1].clone();
        user.ls_id = LsId(1002);
        request.source.log_streams.push(user);
        let _ = w.act(Action::StartRestore(Box::new(request)));
    }
    let _ = w.act(step.then);
}
