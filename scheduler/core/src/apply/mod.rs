//! The one function that changes the state.
//!
//! Order rules: an action that says a step is done is compared with the state first and is void when the state has
//! moved on; every wish is checked whole before anything is changed, so a refusal leaves no trace but the clock.

mod archive;
mod audit;
mod backup;
mod backup_range;
mod backup_start;
pub(crate) mod backup_turn;
mod clean;
mod clean_decide;
mod clean_policy;
mod clock;
mod cluster;
mod dest_check;
mod destination;
mod drill;
mod heartbeat;
mod imported;
mod initiator;
mod jobs;
mod lag;
pub(crate) mod leftovers;
mod pieces;
mod recover;
mod restart;
mod restore;
mod schedule;
mod standby;
mod tenant;
mod validate;

pub(crate) use clean::has_objects;
pub(crate) use clean_decide::{Verdicts, by_policy as clean_by_policy, decide as decide_clean};
pub(crate) use clean_policy::check_add as check_add_policy;
pub(crate) use jobs::waiting_at;
pub use recover::check as check_recover_table;
pub(crate) use recover::is_known as recovered_tables_are_known;
pub use restore::check_name as check_restore_name;

use crate::command::{Action, Command, Done, Outcome};
use crate::state::State;

/// Applies one command: a pure function of state and command. A refusal changes nothing but the state's clock.
///
/// # Errors
/// A [`strandline_types::Failure`] says what was refused, on which object, and what to do.
pub fn apply(state: &mut State, command: Command) -> Outcome {
    clock::advance(state, &command);
    match command.action {
        Action::InitCluster { id, name, schedulers } => cluster::init(state, id, name, schedulers),
        Action::TakeLead { node, term } => cluster::take_lead(state, node, term),
        Action::Heartbeats(reports) => heartbeat::apply_all(state, reports),
        Action::CreateTenant { name, log_streams, replicas } => tenant::create(state, name, log_streams, replicas),
        Action::DropTenant { tenant } => tenant::drop_tenant(state, tenant),
        Action::TenantGone { tenant } => tenant::gone(state, tenant),
        Action::CreateTable { tenant, name, tablets } => tenant::create_table(state, tenant, name, tablets),
        Action::DropTable { tenant, name } => tenant::drop_table(state, tenant, &name),
        Action::SetArchiveDest { tenant, no, dest } => destination::set_archive_dest(state, tenant, no, dest),
        Action::SetArchiveDestState { tenant, no, state: to } => destination::set_archive_state(state, tenant, no, to),
        Action::SetArchiveConcurrency { tenant, threads } => archive::set_concurrency(state, tenant, threads),
        Action::ArchiveNewTenants { parent } => destination::set_archive_new_tenants(state, parent),
        Action::CheckDest { uri, access, key_source } => dest_check::start(state, &uri, access, key_source),
        Action::ChangeStorage { dest, uri, access } => destination::change_storage(state, dest, &uri, access),
        Action::SetArchiveLag { tenant, lag_target_ms } => archive::set_lag(state, tenant, lag_target_ms),
        Action::ArchiveLog { tenant } => archive::archive_log(state, tenant),
        Action::NoArchiveLog { tenant } => archive::no_archive_log(state, tenant),
        Action::DestFormatted { dest } => destination::formatted(state, dest),
        Action::DestChecked { dest, check_file } => destination::checked(state, dest, check_file),
        Action::MediumFailed { subject, failure } => jobs::medium_failed(state, subject, failure),
        Action::RoundBegun { tenant, round } => archive::round_begun(state, tenant, round),
        Action::MoveRound { tenant, round, from, event, comment } => {
            archive::move_round(state, (tenant, round), from, event, comment)
        }
        Action::RestartRound { tenant, round } => restart::stop(state, (tenant, round)),
        Action::ReopenRound { tenant, round } => restart::reopen(state, (tenant, round)),
        Action::BackupAfterRestart { tenant, round, version } => restart::backup(state, (tenant, round), version),
        Action::PiecesStarted { tenant, round, upto } => pieces::started(state, (tenant, round), upto),
        Action::CheckpointPublished { tenant, round, piece, checkpoint_scn } => {
            pieces::checkpoint_published(state, (tenant, round), piece, checkpoint_scn)
        }
        Action::SealPiece { tenant, round, piece } => pieces::seal(state, (tenant, round), piece),
        Action::PieceFrozen { tenant, round, piece } => pieces::frozen(state, (tenant, round), piece),
        Action::RoundStopped { tenant, round, forced } => archive::round_stopped(state, (tenant, round), forced),
        Action::SetDataDest { tenant, uri, access } => backup::set_dest(state, tenant, uri, access),
        Action::SetBackupParam { tenant, param } => backup::set_param(state, tenant, param),
        Action::StartBackup { tenant, wish } => backup_start::start(state, tenant, wish, None).map(Done::BackupJob),
        Action::StartBackups { tenants, all, wish } => initiator::start(state, &tenants, all, &wish),
        Action::ChangeSchedule { tenant, change } => schedule::change(state, tenant, change),
        Action::RunSchedule { tenant, revision, due_ms, mode, wish, left_out } => {
            schedule::run(state, tenant, revision, (due_ms, mode), wish, left_out)
        }
        Action::RunSealed { tenant } => schedule::sealed(state, tenant),
        Action::CancelBackup { tenant } => backup::cancel(state, tenant),
        Action::MoveBackup { job, from, to } => backup::advance(state, job, from, to),
        Action::NextTurn { job, turn } => backup_turn::next(state, job, turn),
        Action::BackupClosed { job } => backup::closed(state, job),
        Action::BackupLeft { job } => backup::left(state, job),
        Action::LeftoverDone { dest, set } => leftovers::done(state, dest, set),
        Action::StartRestore(wish) => restore::start(state, *wish),
        Action::CancelRestore { tenant } => restore::cancel(state, tenant),
        Action::MoveRestore { job, from, to } => restore::advance(state, job, from, to),
        Action::MoveReplica { job, ls, from, to } => restore::move_replica(state, job, ls, from, to),
        Action::StartRecoverTable(wish) => recover::start(state, *wish),
        Action::CancelRecoverTable { tenant } => recover::cancel(state, tenant),
        Action::MoveRecoverTable { job, from, to } => recover::advance(state, job, from, to),
        Action::ImportCatalog(wish) => imported::import(state, *wish),
        Action::ForgetCatalog { uri } => imported::forget(state, &uri),
        Action::RecoverStandby { tenant, until } => standby::recover(state, tenant, until),
        Action::StopStandby { tenant } => standby::stop(state, tenant),
        Action::ActivateStandby { tenant } => standby::activate(state, tenant),
        Action::SetRestoreSource { tenant, from } => standby::set_source(state, tenant, from),
        Action::StandbySource { tenant, pieces, reach } => standby::take_source(state, tenant, pieces, reach),
        Action::StandbyScanned { tenant } => standby::scanned(state, tenant),
        Action::StandbyReached { tenant } => standby::reached(state, tenant),
        Action::OpenStandby { tenant } => standby::open(state, tenant),
        Action::SetDrillInterval { tenant, interval_ms } => drill::set_interval(state, tenant, interval_ms),
        Action::SetDrillSchedule { tenant, cron, time_zone } => drill::set_schedule(state, tenant, cron, time_zone),
        Action::StartDrill { tenant, last_ms } => drill::start(state, tenant, last_ms),
        Action::CancelDrill { tenant } => drill::cancel(state, tenant),
        Action::MoveDrill { drill, from, to } => drill::advance(state, drill, from, to),
        Action::AddCleanPolicy { tenant, policy } => clean_policy::add(state, tenant, policy),
        Action::DropCleanPolicy { tenant, name } => clean_policy::drop(state, tenant, &name),
        Action::StartClean { tenant, what, description } => clean::start(state, tenant, what, description),
        Action::TickClean { tenant, last_run_ms } => clean::tick(state, tenant, last_run_ms),
        Action::CancelClean { tenant } => clean::cancel(state, tenant),
        Action::MoveClean { task, from, to } => clean::advance(state, task, from, to),
        Action::FinishClean { job } => clean::finish(state, job),
        Action::Swept { dest, seen } => clean::swept(state, dest, seen),
        Action::SweepEnded { dest, last_ms } => clean::sweep_ended(state, dest, last_ms),
        Action::StartValidate(wish) => validate::start(state, *wish),
        Action::CancelValidate { tenant } => validate::cancel(state, tenant),
        Action::FinishValidate { job } => validate::finish(state, job),
        Action::AssignTask { key, executor } => jobs::assign(state, key, executor),
        Action::TaskLost { key, executor, failure } => jobs::lost(state, key, executor, failure),
        Action::JobFailed { job, failure } => jobs::failed(state, job, failure),
    }
}
