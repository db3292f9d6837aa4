//! Table recovery jobs: their tables are made at the start, get their names at the end, or go again.

use super::{plan, spec};
use crate::apply::normal::normal;
use crate::apply::tenant::{add_table, check_name, check_room};
use crate::command::{Done, Outcome, StartRecoverTable};
use crate::in_use::check_stays;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::{check as must, keeps_no_key};
use crate::orders::TaskSpec;
use crate::reads::{Read, of_source};
use crate::refuse;
use crate::report::TaskResult;
use crate::state::{RecoverStage, RecoverTableJob, State, TaskRun};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKind};
use crate::waiting::Who;
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{Failure, JobId, LsId, TenantId, Transition, TurnId, limits};

impl JobLogic for RecoverTableJob {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::Newest(limits::CLEAN_JOBS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        false
    }

    fn who(&self) -> Who {
        Who::RecoverTable(self.id)
    }

    fn is_running(&self) -> bool {
        !self.stage.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        match self.stage {
            RecoverStage::Importing => Some(TaskKind::RecoverTable),
            RecoverStage::Prepare | RecoverStage::Completed | RecoverStage::Failed | RecoverStage::Canceled => None,
        }
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        if self.stage.is_ended() { Vec::new() } else { of_source(&self.source) }
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, _state: &State, task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        spec::spec(self, task)
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let Some(job) = state.recover_job_mut(id) else { return false };
        let (Some(ls), Some(TaskResult::RecoverTable(result))) = (task.part.ls(), result) else { return false };
        job.results.insert(ls, result);
        true
    }

    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
        let (Stage::RecoverTable(from), Stage::RecoverTable(to)) = (from, to) else { return VOID };
        advance(state, id, from, to)
    }

    /// What it made goes.
    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        end(state, id, RecoverStage::Failed, failure)
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        end(state, id, RecoverStage::Canceled, refuse::canceled(&format!("table recovery job {id}")));
        Ok(Done::RecoverTableJob(id))
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

pub(crate) fn start(state: &mut State, request: StartRecoverTable) -> Outcome {
    check(state, request.tenant, request.tables.iter().map(|t| t.target_name.as_str()))?;
    let tenant = normal(state, request.tenant)?;
    let too_many =
        request.tables.iter().find(|t| t.tablets.is_empty() || t.tablets.len() > limits::TABLETS_PER_TABLE_MAX);
    if let Some(table) = too_many {
        return Err(refuse::bad_count("TABLETS", clamp(table.tablets.len()), limits::TABLETS_PER_TABLE_MAX));
    }
    let streams: BTreeSet<LsId> = request.tables.iter().flat_map(|t| t.tablets.iter().map(|x| x.ls_id)).collect();
    if let Some(ls) = streams.iter().find(|ls| request.source.log_stream(**ls).is_none()) {
        return Err(refuse::table_in_no_stream(*ls));
    }
    check_stays(state, &of_source(&request.source))?;
    check_room(
        tenant,
        request
            .tables
            .iter()
            .map(|t| (RecoverTableJob::hidden_name(state.next.job, &t.target_name).len(), t.tablets.len())),
    )?;
    let tenant_name = tenant.name.clone();
    let id = life::next_id(state);
    let mut tables = request.tables;
    for table in &mut tables {
        let name = RecoverTableJob::hidden_name(id, &table.target_name);
        table.table_id = add_table(state, request.tenant, name, table.tablets.len())?;
    }
    let mut job = RecoverTableJob {
        head: JobHead::new(id, request.tenant, state.clock_ms).described(request.description),
        tenant_name,
        target_scn: request.target_scn,
        source: request.source,
        all: request.all,
        tables,
        dictionary_version: state.tenant(request.tenant)?.dictionary_version,
        stage: RecoverStage::Prepare,
        results: BTreeMap::new(),
    };
    job.runs.begin(TaskKind::RecoverTable, streams.into_iter().map(Part::Ls), TurnId(1));
    life::insert(state, job);
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
fn advance(state: &mut State, id: JobId, from: RecoverStage, to: RecoverStage) -> Outcome {
    let Some(job) = state.recover_job(id).filter(|j| j.stage == from && from.may_become(to)) else { return VOID };
    let may_advance = match to {
        RecoverStage::Importing => job.is_in_dictionary(state),
        RecoverStage::Completed => job.runs.are_finished(TaskKind::RecoverTable),
        // Other ends have a reason.
        RecoverStage::Prepare | RecoverStage::Failed | RecoverStage::Canceled => false,
    };
    if !may_advance {
        return VOID;
    }
    let now_ms = state.clock_ms;
    let Some(job) = state.recover_job_mut(id) else { return VOID };
    job.stage = to;
    job.progress_ms = now_ms;
    if to == RecoverStage::Completed {
        job.ended_ms = Some(now_ms);
        job.source.wipe();
        let (tenant, tables) = (job.tenant_id, job.tables.clone());
        if let Some(tenant) = state.tenants.get_mut(&tenant) {
            for table in &tables {
                if let Some(made) = tenant.tables.get_mut(&table.table_id) {
                    made.name.clone_from(&table.target_name);
                }
            }
            tenant.dictionary_version += 1;
        }
    }
    Ok(Done::Ok)
}

/// Ends a job with a reason.
fn end(state: &mut State, id: JobId, stage: RecoverStage, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(job) = state.recover_job_mut(id).filter(|j| j.stage.may_become(stage)) else { return false };
    job.stage = stage;
    job.failure = Some(failure);
    job.ended_ms = Some(now_ms);
    job.source.wipe();
    let (tenant, tables) = (job.tenant_id, job.tables.iter().map(|t| t.table_id).collect::<Vec<_>>());
    if let Some(tenant) = state.tenants.get_mut(&tenant) {
        tenant.drop_tables(&tables);
    }
    true
}

/// A running recovery has all of its tables, hidden; an ended one has none of them under a hidden name.
fn lint(state: &State, job: &RecoverTableJob, found: &mut Vec<String>) {
    let name = format!("table recovery job {}", job.id);
    must(found, job.stage.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.stage));
    must(found, !job.stage.is_ended() || keeps_no_key(&job.source), || format!("{name} has ended and keeps keys"));
    let has_failed = matches!(job.stage, RecoverStage::Failed | RecoverStage::Canceled);
    must(found, has_failed == job.failure.is_some(), || format!("{name}: {} and its reason", job.stage));
    let Some(tenant) = state.tenants.get(&job.tenant_id) else { return };
    for made in &job.tables {
        let hidden = tenant.tables.get(&made.table_id).filter(|t| t.is_hidden()).is_some();
        must(found, hidden != job.stage.is_ended(), || format!("{name}: table {} is hidden: {hidden}", made.table_id));
    }
}
