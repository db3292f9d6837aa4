//! Tenants and tables.

use super::normal::normal;
use super::{destination, leftovers, sweep};
use crate::command::{Done, Outcome};
use crate::jobs::machine::life;
use crate::placement;
use crate::refuse;
use crate::state::{
    ArchiveConfig, BackupParams, LogStream, State, Table, Tablet, Tenant, TenantCounters, TenantStatus, is_drill_name,
};
use std::collections::BTreeMap;
use strandline_types::{Failure, JobId, LsId, Lsn, NodeId, Scn, TableId, TenantId, Term, limits};

/// Words that mean something else where a tenant's name can stand: every tenant, the cluster itself, or the next word of
/// a statement. In any case: names of tenants have none.
const RESERVED_NAMES: [&str; 10] =
    ["all", "all_user", "all_meta", "sys", "meta", "tenant", "drill", "from", "until", "preview"];
/// More replicas than this only cost. An even number stands no more failures than the odd one below it, but uses every
/// worker of a small cluster.
const REPLICAS_MAX: u32 = 5;

pub(crate) fn create(state: &mut State, name: String, log_streams: u32, replicas: u32) -> Outcome {
    check_chosen_name(&name)?;
    check_new_tenant(state, &name, replicas)?;
    // The system log stream is one of them.
    let user_max = limits::LOG_STREAMS_PER_TENANT_MAX - 1;
    if log_streams == 0 || log_streams as usize > user_max {
        return Err(refuse::bad_count("LOG_STREAMS", log_streams, user_max));
    }
    let mut ids = vec![LsId::SYS];
    ids.extend((0..u64::from(log_streams)).map(|n| LsId(LsId::FIRST_USER.0 + n)));
    let placed = placement::place(state, &ids, replicas)?;
    let archive = destination::place_of_new(state, state.next.tenant, &name)?;
    let id = insert(state, name, replicas, placed, TenantStatus::Normal, None);
    if let Some(spec) = archive {
        destination::archive_new(state, id, spec);
    }
    Ok(Done::Tenant(id))
}

/// What every new tenant must be, a restored one too.
pub(crate) fn check_new_tenant(state: &State, name: &str, replicas: u32) -> Result<(), Failure> {
    check_tenant_name(name)?;
    if let Ok(there) = state.tenant_by_name(name) {
        let is_going = there.status == TenantStatus::Dropping;
        return Err(if is_going { refuse::tenant_is_going(name) } else { refuse::tenant_exists(name) });
    }
    if (1..=REPLICAS_MAX).contains(&replicas) { Ok(()) } else { Err(refuse::bad_replicas(replicas)) }
}

pub(crate) fn insert(
    state: &mut State,
    name: String,
    replicas: u32,
    placed: BTreeMap<LsId, Vec<NodeId>>,
    status: TenantStatus,
    restored_by: Option<JobId>,
) -> TenantId {
    let id = state.next.tenant;
    // User tenants have even ids; the odd ones between are the meta tenants of the original.
    state.next.tenant = TenantId(id.0 + 2);
    let log_streams = placed.into_iter().map(|(ls, members)| (ls, new_log_stream(ls, members))).collect();
    let tenant = Tenant {
        id,
        name,
        status,
        created_ms: state.clock_ms,
        replicas,
        log_streams,
        tables: BTreeMap::new(),
        dictionary_version: 0,
        archive: ArchiveConfig::default(),
        data_dest: None,
        backup: BackupParams::default(),
        restored_by,
        imported: None,
        next: TenantCounters::default(),
    };
    state.tenants.insert(id, tenant);
    id
}

fn new_log_stream(id: LsId, members: Vec<NodeId>) -> LogStream {
    LogStream {
        id,
        members,
        started: false,
        leader: None,
        term: Term(0),
        end_lsn: Lsn::ZERO,
        max_scn: Scn::MIN,
        dictionary_version: 0,
        shrunk_version: 0,
        tablets_version: 0,
    }
}

pub(crate) fn drop_tenant(state: &mut State, id: TenantId) -> Outcome {
    let tenant = match state.tenant(id)? {
        other if matches!(other.status, TenantStatus::Standby | TenantStatus::Imported) => other,
        _ => normal(state, id)?,
    };
    if let Some(round) = state.open_round(id) {
        let what = format!("archive round {} is {}", round.round_id, round.state);
        return Err(refuse::drop_while(&tenant.name, &what, "ALTER SYSTEM NOARCHIVELOG, then wait for STOP"));
    }
    if let Some(job) = state.open_backup_job(id) {
        let what = format!("backup job {} is {}", job.id, job.status);
        return Err(refuse::drop_while(&tenant.name, &what, "ALTER SYSTEM CANCEL BACKUP first"));
    }
    if let Some(job) = state.open_recover_job(id) {
        let what = format!("table recovery job {} is {}", job.id, job.stage);
        return Err(refuse::drop_while(&tenant.name, &what, "ALTER SYSTEM CANCEL RECOVER TABLE first"));
    }
    // What a drill has restored is a tenant of its own: it goes with the drill, which is forgotten with this one.
    if let Some(drill) = state.open_drill(id).map(|d| d.id) {
        life::fail(state, drill, refuse::canceled(&format!("restore drill {drill}")));
    }
    begin_drop(state, id);
    Ok(Done::Ok)
}

/// From here on no worker is ordered to host anything of the tenant.
pub(crate) fn begin_drop(state: &mut State, id: TenantId) {
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.status = TenantStatus::Dropping;
    }
}

pub(crate) fn gone(state: &mut State, id: TenantId) -> Outcome {
    if state.tenants.get(&id).is_none_or(|t| t.status != TenantStatus::Dropping) {
        return Ok(Done::Nothing);
    }
    // What lies on the media stays there; it can be restored under any name.
    state.tenants.remove(&id);
    state.destinations.retain(|_, d| d.tenant_id != id);
    state.rounds.retain(|(tenant, _), _| *tenant != id);
    state.backup_sets.retain(|(tenant, _), _| *tenant != id);
    state.schedules.remove(&id);
    state.clean_policies.remove(&id);
    state.drill_plans.remove(&id);
    life::forget_tenant(state, id);
    leftovers::prune(state);
    sweep::prune(state);
    Ok(Done::Ok)
}

pub(crate) fn create_table(state: &mut State, id: TenantId, name: String, tablets: u32) -> Outcome {
    check_name(&name)?;
    normal(state, id)?;
    if tablets == 0 || tablets as usize > limits::TABLETS_PER_TABLE_MAX {
        return Err(refuse::bad_count("TABLETS", tablets, limits::TABLETS_PER_TABLE_MAX));
    }
    let promised = state.open_recover_job(id).into_iter().flat_map(|j| &j.tables).map(|t| &t.target_name);
    let there = state.tenant(id)?.tables.values().map(|t| &t.name);
    if there.chain(promised).any(|n| n.eq_ignore_ascii_case(&name)) {
        return Err(refuse::table_exists(&name));
    }
    check_room(state.tenant(id)?, [(name.len(), tablets as usize)])?;
    add_table(state, id, name, tablets as usize).map(Done::Table)
}

/// Whether more tables fit: the dictionary goes into one log entry, and each tablet costs the replicas of its log stream
/// memory. New tables are given by the length of their names and their tablets.
pub(crate) fn check_room(tenant: &Tenant, new: impl IntoIterator<Item = (usize, usize)>) -> Result<(), Failure> {
    let there = tenant.tables.values().map(|t| (t.name.len(), t.tablets.len()));
    let all = there.chain(new);
    let (bytes, tablets) = all.fold((0, 0), |(bytes, count), (name, tablets)| {
        let table = limits::DICTIONARY_TABLE_BYTES + name + tablets * limits::DICTIONARY_TABLET_BYTES;
        (bytes + table, count + tablets)
    });
    if bytes > limits::DICTIONARY_BYTES_MAX {
        return Err(refuse::dictionary_full(&tenant.name, bytes));
    }
    let streams = tenant.log_streams.keys().filter(|ls| !ls.is_sys()).count().max(1);
    let max = streams * limits::TABLETS_PER_LOG_STREAM_MAX;
    if tablets > max { Err(refuse::too_many_tablets(&tenant.name, tablets, max)) } else { Ok(()) }
}

/// DROP TABLE: the dictionary does without it at once; its tablets go once log stream 1 has logged that. Sets and log that
/// are on the media keep it.
pub(crate) fn drop_table(state: &mut State, id: TenantId, name: &str) -> Outcome {
    let tenant = normal(state, id)?;
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    if let Some(job) = state.open_recover_job(id).filter(|j| j.tables.iter().any(|t| is_it(&t.target_name))) {
        return Err(refuse::table_is_recovered(name, job.id));
    }
    let found = tenant.tables.values().find(|t| !t.is_hidden() && is_it(&t.name)).map(|t| t.id);
    let table = found.ok_or_else(|| refuse::no_such_table(name, &tenant.name))?;
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.drop_tables(&[table]);
    }
    Ok(Done::Table(table))
}

/// Adds a table that was checked.
pub(crate) fn add_table(state: &mut State, id: TenantId, name: String, tablets: usize) -> Result<TableId, Failure> {
    let tenant = state.tenants.get_mut(&id).ok_or_else(|| refuse::no_such_tenant(&id.to_string()))?;
    let user: Vec<LsId> = tenant.log_streams.keys().copied().filter(|ls| !ls.is_sys()).collect();
    let homes = if user.is_empty() { vec![LsId::SYS] } else { user };
    let table_id = tenant.next.table;
    tenant.next.table = table_id.next();
    let mut made = Vec::with_capacity(tablets);
    for _ in 0..tablets {
        let tablet = tenant.next.tablet;
        tenant.next.tablet = tablet.next();
        // Round robin over the whole tenant, so that many small tables spread as well as one large one.
        let home = homes[(tablet.0 % homes.len() as u64) as usize];
        made.push(Tablet { id: tablet, ls_id: home });
    }
    tenant.tables.insert(table_id, Table { id: table_id, name, tablets: made });
    tenant.dictionary_version += 1;
    Ok(table_id)
}

pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word && !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(refuse::bad_name(name))
    }
}

/// What the name of a tenant must be.
pub(crate) fn check_tenant_name(name: &str) -> Result<(), Failure> {
    check_name(name)?;
    let is_reserved = RESERVED_NAMES.iter().any(|word| word.eq_ignore_ascii_case(name));
    if is_reserved { Err(refuse::reserved_name(name)) } else { Ok(()) }
}

/// As [`check_tenant_name`], for a name that a user chose: the tenants of restore drills have names of their own.
pub(crate) fn check_chosen_name(name: &str) -> Result<(), Failure> {
    check_tenant_name(name)?;
    if is_drill_name(name) { Err(refuse::reserved_name(name)) } else { Ok(()) }
}
