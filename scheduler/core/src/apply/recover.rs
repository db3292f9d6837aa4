//! Table recovery jobs: their tables are made at the start, get their names at the end, or go again.

use super::tenant::{add_table, check_name, check_room, normal};
use crate::command::{Done, Outcome, StartRecoverTable};
use crate::reads::{check_stays, of_source};
use crate::refuse;
use crate::results::RecoverTableResult;
use crate::state::{RecoverStage, RecoverTableJob, State, TaskRun};
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{Failure, JobId, LsId, TenantId, limits};

pub(super) fn start(state: &mut State, wish: StartRecoverTable) -> Outcome {
    check(state, wish.tenant, wish.tables.iter().map(|t| t.target_name.as_str()))?;
    let tenant = normal(state, wish.tenant)?;
    let too_many = wish.tables.iter().find(|t| t.tablets.is_empty() || t.tablets.len() > limits::TABLETS_PER_TABLE_MAX);
    if let Some(table) = too_many {
        return Err(refuse::bad_count("TABLETS", clamp(table.tablets.len()), limits::TABLETS_PER_TABLE_MAX));
    }
    let streams: BTreeSet<LsId> = wish.tables.iter().flat_map(|t| t.tablets.iter().map(|x| x.ls_id)).collect();
    if let Some(ls) = streams.iter().find(|ls| wish.source.log_stream(**ls).is_none()) {
        return Err(refuse::table_in_no_stream(*ls));
    }
    check_stays(state, &of_source(&wish.source))?;
    check_room(
        tenant,
        wish.tables
            .iter()
            .map(|t| (RecoverTableJob::hidden_name(state.next.job, &t.target_name).len(), t.tablets.len())),
    )?;
    let tenant_name = tenant.name.clone();
    let id = state.next.job;
    state.next.job = id.next();
    let mut tables = wish.tables;
    for table in &mut tables {
        let name = RecoverTableJob::hidden_name(id, &table.target_name);
        table.table_id = add_table(state, wish.tenant, name, table.tablets.len())?;
    }
    let job = RecoverTableJob {
        id,
        tenant_id: wish.tenant,
        tenant_name,
        target_scn: wish.target_scn,
        source: wish.source,
        all: wish.all,
        tables,
        dictionary_version: state.tenant(wish.tenant)?.dictionary_version,
        description: wish.description,
        stage: RecoverStage::Prepare,
        started_ms: state.clock_ms,
        ended_ms: None,
        progress_ms: state.clock_ms,
        tasks: streams.into_iter().map(|ls| (ls, TaskRun::default())).collect(),
        results: BTreeMap::new(),
        failure: None,
    };
    state.recover_jobs.insert(id, job);
    prune(state);
    Ok(Done::RecoverTableJob(id))
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether tables of these names may be recovered into a tenant now.
///
/// # Errors
/// The tenant is missing or not open, a job runs already, a name is none or is taken.
pub fn check<'a>(state: &State, tenant: TenantId, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let there = normal(state, tenant)?;
    if let Some(job) = state.open_recover_job(tenant) {
        return Err(refuse::recover_in_progress(job.id));
    }
    let mut seen = BTreeSet::new();
    for name in names {
        check_name(name)?;
        let is_taken = there.tables.values().any(|t| t.name.eq_ignore_ascii_case(name));
        if is_taken || !seen.insert(name.to_ascii_lowercase()) {
            return Err(refuse::recovered_table_exists(name, &there.name));
        }
    }
    Ok(())
}

/// Brings a job a stage further, if it still is in `from`.
pub(super) fn advance(state: &mut State, id: JobId, from: RecoverStage, to: RecoverStage) -> Outcome {
    let Some(job) = state.recover_jobs.get(&id).filter(|j| j.stage == from) else { return Ok(Done::Nothing) };
    let may_advance = match (from, to) {
        (RecoverStage::Prepare, RecoverStage::Importing) => is_known(state, job),
        (RecoverStage::Importing, RecoverStage::Completed) => job.tasks.values().all(TaskRun::is_finished),
        _ => false,
    };
    if !may_advance {
        return Ok(Done::Nothing);
    }
    let now_ms = state.clock_ms;
    let Some(job) = state.recover_jobs.get_mut(&id) else { return Ok(Done::Nothing) };
    job.stage = to;
    job.progress_ms = now_ms;
    if to == RecoverStage::Completed {
        job.ended_ms = Some(now_ms);
        job.source.wipe();
        if let Some(tenant) = state.tenants.get_mut(&job.tenant_id) {
            for table in &job.tables {
                if let Some(made) = tenant.tables.get_mut(&table.table_id) {
                    made.name.clone_from(&table.target_name);
                }
            }
            tenant.dictionary_version += 1;
        }
    }
    Ok(Done::Ok)
}

/// True once the tenant's log has the dictionary with the tables in it.
pub(crate) fn is_known(state: &State, job: &RecoverTableJob) -> bool {
    let sys = state.tenants.get(&job.tenant_id).and_then(|t| t.log_streams.get(&LsId::SYS));
    sys.is_some_and(|ls| ls.dictionary_version >= job.dictionary_version)
}

pub(super) fn take_result(state: &mut State, id: JobId, ls: LsId, result: RecoverTableResult) -> bool {
    let now_ms = state.clock_ms;
    let Some(job) = state.recover_jobs.get_mut(&id) else { return false };
    job.progress_ms = now_ms;
    job.results.insert(ls, result);
    true
}

pub(super) fn cancel(state: &mut State, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let Some(id) = state.open_recover_job(tenant).map(|j| j.id) else { return Err(refuse::no_recover_running(&name)) };
    end(state, id, RecoverStage::Canceled, refuse::canceled(&format!("table recovery job {id}")));
    Ok(Done::RecoverTableJob(id))
}

/// Ends a job with a reason; what it made goes.
pub(super) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    end(state, id, RecoverStage::Failed, failure)
}

fn end(state: &mut State, id: JobId, stage: RecoverStage, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(job) = state.recover_jobs.get_mut(&id).filter(|j| !j.stage.is_ended()) else { return false };
    job.stage = stage;
    job.failure = Some(failure);
    job.ended_ms = Some(now_ms);
    job.source.wipe();
    if let Some(tenant) = state.tenants.get_mut(&job.tenant_id) {
        tenant.drop_tables(&job.tables.iter().map(|t| t.table_id).collect::<Vec<_>>());
    }
    true
}

/// Forgets the oldest ended jobs.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.recover_jobs.values().filter(|j| j.stage.is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::CLEAN_JOBS_KEPT_MAX)) {
        state.recover_jobs.remove(id);
    }
}
