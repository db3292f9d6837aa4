//! The one function that changes the state.
//!
//! Order rules: an action that says a step is done is compared with the state first and is void when the state has
//! moved on; every request is checked whole before anything is changed, so a refusal leaves no trace but the clock.

mod archive;
pub(crate) mod audit;
mod clock;
mod cluster;
mod data_dest;
pub(crate) mod destination;
mod heartbeat;
pub(crate) mod imported;
pub(crate) mod known_dest;
mod lag;
pub(crate) mod leftovers;
mod medium;
pub(crate) mod normal;
mod pieces;
mod restart;
mod schedule;
pub(crate) mod sweep;
pub(crate) mod tenant;

pub(crate) use crate::jobs::clean::decide::{Verdicts, by_policy as clean_by_policy, decide as decide_clean};
pub(crate) use crate::jobs::clean::policy::check_add as check_add_policy;

use crate::command::{Action, Command, Outcome, RoundAction};
use crate::jobs::clean::{logic as clean, policy as clean_policy};
use crate::jobs::machine::{attempts, life};
use crate::jobs::{backup, dest_check, drill, initiator, recover_table, restore, standby, validate};
use crate::state::State;
use strandline_types::{RoundId, TenantId};

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
        Action::CheckDest { uri, access, key_source } => dest_check::logic::start(state, &uri, access, key_source),
        Action::ChangeStorage { dest, uri, access } => destination::change_storage(state, dest, &uri, access),
        Action::SetArchiveLag { tenant, lag_target_ms } => archive::set_lag(state, tenant, lag_target_ms),
        Action::ArchiveLog { tenant } => archive::archive_log(state, tenant),
        Action::NoArchiveLog { tenant } => archive::no_archive_log(state, tenant),
        Action::DestFormatted { dest } => destination::formatted(state, dest),
        Action::DestChecked { dest, check_file } => destination::checked(state, dest, check_file),
        Action::MediumFailed { subject, failure } => medium::failed(state, subject, failure),
        Action::Round { tenant, round, what } => apply_round(state, (tenant, round), what),
        Action::SetDataDest { tenant, uri, access } => data_dest::set(state, tenant, uri, access),
        Action::SetBackupParam { tenant, param } => data_dest::set_param(state, tenant, param),
        Action::StartBackup { tenant, request } => backup::start::one(state, tenant, request),
        Action::StartBackups { tenants, all, request } => initiator::logic::start(state, &tenants, all, &request),
        Action::ChangeSchedule { tenant, change } => schedule::change(state, tenant, change),
        Action::RunSchedule { tenant, revision, due_ms, mode, request, left_out } => {
            schedule::run(state, tenant, revision, (due_ms, mode), request, left_out)
        }
        Action::RunSealed { tenant } => schedule::sealed(state, tenant),
        Action::NextTurn { job, turn } => backup::turn::next(state, job, turn),
        Action::AdvanceJob { job, from, to } => life::advance(state, job, from, to),
        Action::CancelJob { kind, tenant } => life::cancel(state, kind, tenant),
        Action::CloseJob { job } => life::close(state, job),
        Action::BackupLeft { job } => backup::logic::left(state, job),
        Action::LeftoverDone { dest, set } => leftovers::done(state, dest, set),
        Action::StartRestore(request) => restore::logic::start(state, *request),
        Action::MoveReplica { job, ls, from, to } => restore::logic::move_replica(state, job, ls, from, to),
        Action::StartRecoverTable(request) => recover_table::logic::start(state, *request),
        Action::ImportCatalog(request) => imported::import(state, *request),
        Action::ForgetCatalog { uri } => imported::forget(state, &uri),
        Action::RecoverStandby { tenant, until } => standby::logic::recover(state, tenant, until),
        Action::StopStandby { tenant } => standby::logic::stop(state, tenant),
        Action::ActivateStandby { tenant } => standby::logic::activate(state, tenant),
        Action::SetRestoreSource { tenant, from } => standby::logic::set_source(state, tenant, from),
        Action::StandbySource { tenant, pieces, reach } => standby::logic::take_source(state, tenant, pieces, reach),
        Action::StandbyScanned { tenant } => standby::logic::scanned(state, tenant),
        Action::StandbyReached { tenant } => standby::logic::reached(state, tenant),
        Action::OpenStandby { tenant } => standby::logic::open(state, tenant),
        Action::SetDrillInterval { tenant, interval_ms } => drill::logic::set_interval(state, tenant, interval_ms),
        Action::SetDrillSchedule { tenant, cron, time_zone } => {
            drill::logic::set_schedule(state, tenant, cron, time_zone)
        }
        Action::StartDrill { tenant, last_ms } => drill::logic::start(state, tenant, last_ms),
        Action::AddCleanPolicy { tenant, policy } => clean_policy::add(state, tenant, policy),
        Action::DropCleanPolicy { tenant, name } => clean_policy::drop(state, tenant, &name),
        Action::StartClean { tenant, what, description } => clean::start(state, tenant, what, description),
        Action::TickClean { tenant, last_run_ms } => clean::tick(state, tenant, last_run_ms),
        Action::Swept { dest, seen } => sweep::swept(state, dest, seen),
        Action::SweepEnded { dest, last_ms } => sweep::ended(state, dest, last_ms),
        Action::StartValidate(request) => validate::logic::start(state, *request),
        Action::AssignTask { key, executor } => attempts::assign(state, key, executor),
        Action::TaskLost { key, executor, failure } => attempts::lost(state, key, executor, failure),
        Action::JobFailed { job, failure } => life::failed(state, job, failure),
    }
}

fn apply_round(state: &mut State, key: (TenantId, RoundId), what: RoundAction) -> Outcome {
    match what {
        RoundAction::Begun => archive::round_begun(state, key.0, key.1),
        RoundAction::Move { from, event, comment } => archive::move_round(state, key, from, event, comment),
        RoundAction::Restart => restart::stop(state, key),
        RoundAction::Reopen => restart::reopen(state, key),
        RoundAction::BackupAfter { version } => restart::backup(state, key, version),
        RoundAction::PiecesStarted { upto } => pieces::started(state, key, upto),
        RoundAction::CheckpointPublished { piece, checkpoint_scn } => {
            pieces::checkpoint_published(state, key, piece, checkpoint_scn)
        }
        RoundAction::SealPiece { piece } => pieces::seal(state, key, piece),
        RoundAction::PieceFrozen { piece } => pieces::frozen(state, key, piece),
        RoundAction::Stopped { forced } => archive::round_stopped(state, key, forced),
    }
}
