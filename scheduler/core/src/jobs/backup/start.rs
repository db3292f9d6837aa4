//! The beginning of a backup job: who may, where to, on which chain.
//!
//! Order rule: everything is checked before anything is changed; a refusal names the original's reason.

use crate::address;
use crate::apply::audit;
use crate::apply::known_dest::find_or_add;
use crate::apply::normal::normal;
use crate::chain;
use crate::checkpoint::tenant_max_scn;
use crate::command::{BackupRequest, Done, Outcome};
use crate::jobs::machine::between::clean::check_may_have_data;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::refuse;
use crate::state::{BackupJob, BackupSet, DestKind, Destination, State, Tenant};
use std::collections::BTreeMap;
use strandline_types::{
    BackupJobStatus, BackupMode, BackupSetId, BackupSetKind, BackupSetStatus, DestId, DestUri, Failure, FileStatus,
    JobId, RetryId, RoundId, RoundState, Scn, Secret, TenantId, TurnId, limits,
};

/// Where the set's place in its chain is.
struct Place {
    kind: BackupSetKind,
    /// What the data tasks look into.
    base: Option<BackupSetId>,
    prev_full: BackupSetId,
    prev_inc: BackupSetId,
    note: String,
}

/// BACKUP DATABASE of one tenant.
pub(crate) fn one(state: &mut State, id: TenantId, request: BackupRequest) -> Outcome {
    start(state, id, request, None).map(Done::BackupJob)
}

/// Accepts a job for one tenant.
pub(crate) fn start(
    state: &mut State,
    id: TenantId,
    request: BackupRequest,
    initiator: Option<JobId>,
) -> Result<JobId, Failure> {
    let (round, dest) = check(state, id, &request)?;
    let dest_id = match (dest, &request.to) {
        (Some(dest), _) => dest,
        // Named in the statement: a new path gets its id and its format file by the way.
        (None, Some(to)) => find_or_add(state, id, DestKind::Data, &to.uri, to.access.clone())?,
        (None, None) => return Err(refuse::backup_cannot_start("", "no destination", "")),
    };
    let place = place(state, id, dest_id, &request)?;
    let mode = request.mode.to_string();
    let Some(uri) = state.destinations.get(&dest_id).map(|d| d.uri.clone()) else {
        return Err(refuse::no_such_dest(&dest_id.to_string()));
    };
    let job = insert(state, id, request, initiator, (dest_id, uri), round, place);
    let values = [("job_id", job.to_string()), ("backup_type", mode)];
    audit::note(state, id, ("backup_data", "start_backup_data"), values);
    Ok(job)
}

/// An archive round and where it is.
type ArchiveRound = (DestId, RoundId);

/// The archive round that the job relies on, and its destination when that is known already.
fn check(
    state: &State,
    id: TenantId,
    request: &BackupRequest,
) -> Result<(Option<ArchiveRound>, Option<DestId>), Failure> {
    let tenant = normal(state, id)?;
    check_may_have_data(state, id)?;
    if let Some(job) = state.open_backup_job(id) {
        return Err(refuse::backup_in_progress(job.id));
    }
    if request.description.len() > limits::DESCRIPTION_BYTES_MAX {
        return Err(refuse::bad_description(request.description.len()));
    }
    let dest = match &request.to {
        Some(to) => {
            let named = address::named(&to.uri)?;
            let is_it = |d: &&Destination| d.uri.is_same_place(&named) && d.tenant_id == id && d.kind == DestKind::Data;
            state.destinations.values().find(is_it)
        }
        None => Some(ready_dest(state, tenant)?),
    };
    let dest = dest.map(|d| d.id);
    if request.mode == BackupMode::Synthetic {
        let dest = dest.ok_or_else(|| no_chain(tenant, "there is no set in this destination"))?;
        check_synthetic(state, tenant, dest, request)?;
        return Ok((None, Some(dest)));
    }
    Ok((Some(doing_round(state, tenant)?), dest))
}

fn ready_dest<'a>(state: &'a State, tenant: &Tenant) -> Result<&'a Destination, Failure> {
    let refused = |why: &str, todo: &str| Err(refuse::backup_cannot_start(&tenant.name, why, todo));
    let Some(dest) = tenant.data_dest.and_then(|d| state.destinations.get(&d)) else {
        return refused("no data backup destination is set", "ALTER SYSTEM SET DATA_BACKUP_DEST = '...' first");
    };
    if dest.formatted { Ok(dest) } else { refused("the destination is not ready", "see CDB_STRANDLINE_WAITING") }
}

fn doing_round(state: &State, tenant: &Tenant) -> Result<(DestId, RoundId), Failure> {
    let refused = |why: &str, todo: &str| Err(refuse::backup_cannot_start(&tenant.name, why, todo));
    match state.open_round(tenant.id) {
        Some(round) if round.state == RoundState::Doing => Ok((round.dest_id, round.round_id)),
        Some(round) => refused(&format!("archive round {} is {}", round.round_id, round.state), "wait for DOING"),
        None => refused("the log is not archived", "ALTER SYSTEM ARCHIVELOG first"),
    }
}

fn no_chain(tenant: &Tenant, why: &str) -> Failure {
    refuse::backup_cannot_start(&tenant.name, why, "ALTER SYSTEM BACKUP DATABASE, then BACKUP INCREMENTAL DATABASE")
}

fn check_synthetic(state: &State, tenant: &Tenant, dest: DestId, request: &BackupRequest) -> Result<(), Failure> {
    let Some(newest) = chain::newest(state, tenant.id, dest) else {
        return Err(no_chain(tenant, "there is no set in this destination"));
    };
    if newest.kind == BackupSetKind::Full {
        return Err(no_chain(tenant, &format!("the newest set {} is a full one already", newest.set_id)));
    }
    chain::chain_of(state, newest).map_err(|why| no_chain(tenant, &why.to_string()))?;
    if newest.seal != request.seal.as_ref().map(|s| s.seal) {
        let todo = "SET ENCRYPTION ON IDENTIFIED BY '<password of the chain>' ONLY in this session first";
        let what = format!("set {} is encrypted otherwise than this session asks for", newest.set_id);
        return Err(refuse::backup_cannot_start(&tenant.name, &what, todo));
    }
    Ok(())
}

fn place(state: &State, id: TenantId, dest: DestId, request: &BackupRequest) -> Result<Place, Failure> {
    let full = |base, note| Place { kind: BackupSetKind::Full, base, prev_full: 0.into(), prev_inc: 0.into(), note };
    let seal = request.seal.as_ref().map(|s| &s.seal);
    Ok(match request.mode {
        BackupMode::Full => full(None, String::new()),
        BackupMode::Synthetic => {
            let newest = chain::newest(state, id, dest).map(|s| s.set_id);
            full(newest, newest.map(|n| format!("a full set made out of the chain of set {n}")).unwrap_or_default())
        }
        BackupMode::Incremental => match chain::base(state, id, dest, &request.version, seal) {
            Ok(base) => Place {
                kind: BackupSetKind::Inc,
                base: Some(base.set_id),
                prev_full: if base.kind == BackupSetKind::Full { base.set_id } else { base.prev_full },
                prev_inc: base.set_id,
                note: String::new(),
            },
            Err(why) => full(None, format!("an incremental set was asked for, a full one was made: {why}")),
        },
    })
}

fn insert(
    state: &mut State,
    id: TenantId,
    request: BackupRequest,
    initiator: Option<JobId>,
    (dest_id, uri): (DestId, DestUri),
    round: Option<(DestId, RoundId)>,
    place: Place,
) -> JobId {
    let start_scn = tenant_max_scn(state, id);
    let now_ms = state.clock_ms;
    let job_id = life::next_id(state);
    let (archive_dest_id, round_id) = round.unwrap_or_default();
    let mut set_id = BackupSetId(0);
    let (mut params, mut turn_dictionary) = (crate::state::BackupParams::default(), 0);
    if let Some(tenant) = state.tenants.get_mut(&id) {
        set_id = tenant.next.backup_set;
        tenant.next.backup_set = set_id.next();
        (params, turn_dictionary) = (tenant.backup, tenant.dictionary_version);
    }
    let job = BackupJob {
        head: JobHead::new(job_id, id, now_ms).part_of(initiator).described(request.description.clone()),
        mode: request.mode,
        set_id,
        kind: place.kind,
        base: place.base,
        plus_archivelog: request.plus_archivelog && request.mode != BackupMode::Synthetic,
        dest_id,
        uri,
        status: BackupJobStatus::Init,
        round_id,
        data_file_bytes: params.data_file_bytes,
        compression: params.compression,
        threads_max: params.ha_low_thread_score,
        seal_key: request.seal.as_ref().map(|s| s.key.clone()).unwrap_or(Secret::NONE),
        turn: TurnId(1),
        turn_scn: start_scn,
        turn_dictionary,
        spent: BTreeMap::new(),
        results: BTreeMap::new(),
        index_result: None,
        log_results: BTreeMap::new(),
        log_pieces: Vec::new(),
        closed: false,
    };
    let mut set = new_set(&job, start_scn, &request, &place);
    (set.archive_dest_id, set.archive_round_id) = (archive_dest_id, round_id);
    state.backup_sets.insert((id, set_id), set);
    life::insert(state, job);
    job_id
}

fn new_set(job: &BackupJob, start_scn: Scn, request: &BackupRequest, place: &Place) -> BackupSet {
    BackupSet {
        tenant_id: job.tenant_id,
        set_id: job.set_id,
        job_id: job.id,
        dest_id: job.dest_id,
        uri: job.uri.to_string(),
        kind: job.kind,
        prev_full: place.prev_full,
        prev_inc: place.prev_inc,
        status: BackupSetStatus::Doing,
        file_status: FileStatus::Incomplete,
        start_ms: job.started_ms,
        end_ms: 0,
        start_scn,
        start_replay_scn: Scn::MIN,
        min_restore_scn: Scn::MIN,
        consistent_scn: Scn::MIN,
        input_bytes: 0,
        output_bytes: 0,
        tablet_count: 0,
        finish_tablet_count: 0,
        macro_block_count: 0,
        file_count: 0,
        meta_turn: TurnId(1),
        data_turn: TurnId(1),
        index_retry: RetryId(0),
        parts: BTreeMap::new(),
        extra_bytes: 0,
        plus_archivelog: job.plus_archivelog,
        log_file_count: 0,
        archive_dest_id: DestId(0),
        archive_round_id: RoundId(0),
        seal: request.seal.as_ref().map(|s| s.seal),
        version: request.version.clone(),
        note: place.note.clone(),
        result: 0,
        comment: String::new(),
    }
}
