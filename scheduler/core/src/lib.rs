//! The scheduler's pure mind.
//!
//! [`State`] is everything that the scheduler knows; it lives in Raft. [`apply`] is the only thing that changes it, one
//! [`Command`] at a time, and is a pure function: same commands, same bytes, on every node. [`plan`] looks at a state
//! and says what to do next: [`Step`]s, each some work on the medium and then the [`Action`] that says it happened.
//! [`orders_for`] is what one worker has to do; [`views`] is what users see.
//!
//! This crate must never read a clock, draw a random number, spawn or do I/O, and holds no map whose order may differ
//! between nodes. Whatever waits says on what: [`Plan::waiting`].

pub mod address;
mod apply;
mod catalogue;
mod chain;
mod checkpoint;
mod clocks;
mod command;
mod cron;
mod damaged;
mod in_use;
mod jobs;
mod lint;
mod lost;
mod news;
mod orders;
mod placement;
mod plan;
mod reads;
mod refuse;
mod report;
mod results;
mod round_machine;
pub mod spool;
pub mod state;
mod step;
mod stored;
mod task;
pub mod views;
mod waiting;

pub use apply::apply;
pub use catalogue::StateCatalogue;
pub use chain::newest as newest_set;
pub use checkpoint::{round_checkpoint, round_lag_ms, tenant_max_scn};
pub use command::{
    Action, ArchiveDestSpec, BackupDest, BackupParam, BackupRequest, Command, Done, ImportCatalog, Outcome,
    RoundAction, ScheduleChange, SealKey, StartRecoverTable, StartRestore, StartValidate, Subject, Swept,
};
pub use cron::check as check_schedule;
pub use jobs::recover_table::logic::check as check_recover_table;
pub use jobs::restore::logic::check_name as check_restore_name;
pub use lint::lint;
pub use news::news;
pub use orders::{
    BackupIndexSpec, BackupLogSpec, BackupLsSpec, BaseSet, CleanSpec, DestCheckSpec, FingerprintSpec, LsResume, LsTurn,
    MediumName, Orders, RecoverTableSpec, ReplicaOrder, RestoreDataSpec, RestoreLogSpec, RestoreOrder, RoundOrder,
    RoundWork, SealSpec, SyntheticSpec, TabletMap, TaskOrder, TaskSpec, ValidateSpec, orders_for,
};
pub use plan::{dest_ref, plan, replayed_scn};
pub use report::{
    ArchiveReport, ArchiveWaiting, BackupIndexResult, BackupLogResult, BackupLsResult, ReplicaReport, RestoreLogResult,
    TaskReport, TaskResult, TaskState, WorkerReport,
};
pub use results::{CleanResult, Damage, FingerprintResult, RecoverTableResult, ValidateResult};
pub use round_machine::{RoundEvent, next as next_round_state};
pub use state::State;
pub use step::{
    CleanWork, ComplementLog, DestRef, DrillWork, FollowWork, FreezePiece, MediumWork, Plan, SealRun, SetInfos, Step,
    SweepWork, failure_action,
};
pub use task::{Part, TaskId, TaskKey, TaskKind};
pub use waiting::{Condition, On, Outlook, TenantName, Waiting, Who};
