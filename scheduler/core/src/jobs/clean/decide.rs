//! What a cleaning deletes: what the policy says, or what an administrator named and the law of retention allows (ADR 25).
//!
//! Reads only. Order rule: what is decided here is marked in the same command (`clean.rs`); a deletion that waits is asked
//! about again whenever something has changed that it rests on.

use crate::catalogue::{StateCatalogue, is_current};
use crate::in_use::in_use;
use crate::orders::MediumName;
use crate::refuse;
use crate::state::{CleanJob, CleanTask, CleanWhat, PieceRow, State};
use std::collections::{BTreeMap, BTreeSet};
use strandline_catalogue::PlaceId;
use strandline_catalogue::retention::{self, CleanPlan, DeleteWhy, Item, Object, Policy, Rules};
use strandline_types::{
    BackupSetKind, CleanStage, DestId, Failure, FileStatus, JobId, PieceStatus, Scn, TenantId, limits,
};

/// One object that is to go.
pub(crate) struct Victim {
    pub(crate) dest_id: DestId,
    pub(crate) name: MediumName,
    pub(crate) why: String,
}

/// What a cleaning would delete and keep, by name, and why.
pub(crate) struct Verdicts {
    pub(crate) victims: Vec<Victim>,
    pub(crate) kept: Vec<(String, String)>,
}

impl Verdicts {
    /// A plan by name; what a running job reads stays.
    fn of(known: &StateCatalogue, plan: CleanPlan, used: &BTreeMap<Object, String>) -> Self {
        let mut verdicts = Self { victims: Vec::new(), kept: Vec::new() };
        for item in plan.delete {
            let (Some(name), Some(dest_id)) = (known.name(item.object), known.dest(item.place)) else { continue };
            match used.get(&item.object) {
                Some(who) => verdicts.kept.push((name.to_string(), who.clone())),
                None => verdicts.victims.push(Victim { dest_id, name, why: item.why.to_string() }),
            }
        }
        for item in plan.keep {
            let Some(name) = known.name(item.object) else { continue };
            verdicts.kept.push((name.to_string(), item.why.to_string()));
        }
        // Increments before what they are built on, and sets before log: whatever is cut off leaves whole chains.
        verdicts.victims.sort_by_key(|v| match v.name {
            MediumName::Set(set, kind) => (u8::from(kind == BackupSetKind::Full), u64::MAX - set.0, 0),
            MediumName::Piece(key) => (2, key.round_id.0, key.piece_id.0),
        });
        verdicts
    }

    /// Rows for a dry run: what, verdict, why.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, bool, &str)> {
        let deleted = self.victims.iter().map(|v| (v.name.to_string(), true, v.why.as_str()));
        deleted.chain(self.kept.iter().map(|(what, why)| (what.clone(), false, why.as_str())))
    }
}

/// Decides what goes. Nothing is changed.
///
/// # Errors
/// What stands in the way of what was asked for.
pub(crate) fn decide(state: &State, id: TenantId, what: &CleanWhat, now_ms: u64) -> Result<Verdicts, Failure> {
    let ground = Ground::of(state, id);
    let Ground { known, home, .. } = &ground;
    let policy = state.clean_policies.get(&id).map(|p| &p.policy);
    let rules = Rules { catalogue: &known.catalogue, home, policy, now: Scn::from_ms(now_ms) };
    // What a job reads may go later; what the law forbids may not. The reason that passes is told first.
    ground.refuse_used(what)?;
    let asked = |place, object| Item { place, object, why: DeleteWhy::Asked };
    let pieces = |ids: &[u64], within| -> Result<Vec<Item<DeleteWhy>>, Failure> {
        let found = retention::check_pieces(&rules, ids, within)?;
        Ok(found.iter().map(|p| asked(p.place, Object::Piece(p.key))).collect())
    };
    let delete = match what {
        CleanWhat::Obsolete => {
            let Some(policy) = policy else { return Err(refuse::no_policy(&state.tenant(id)?.name, "default")) };
            return Ok(ground.by_policy(policy, now_ms));
        }
        CleanWhat::Sets(ids) => {
            let sets = retention::check_sets(&rules, ids)?;
            sets.iter().map(|s| asked(s.place, Object::Set(s.set_id))).collect()
        }
        CleanWhat::Pieces(ids) => pieces(ids, None)?,
        CleanWhat::PiecesOf(dest, ids) => pieces(ids, Some(place_of(known, *dest)?))?,
        CleanWhat::All(dest) => {
            let place = place_of(known, *dest)?;
            if is_current(state, id, *dest) {
                return Err(refuse::clean_current(*dest));
            }
            check_quiet(state, *dest)?;
            let uri = || known.catalogue.place(place).map(|p| p.uri.clone()).unwrap_or_default();
            rules.check_all_of(place).map_err(|loss| refuse::would_lose(&uri(), &loss))?
        }
    };
    Ok(Verdicts::of(known, CleanPlan { delete, keep: Vec::new() }, &BTreeMap::new()))
}

/// What a policy would delete and keep now, whether the tenant has it or not.
pub(crate) fn by_policy(state: &State, id: TenantId, policy: &Policy, now_ms: u64) -> Verdicts {
    Ground::of(state, id).by_policy(policy, now_ms)
}

/// What a decision about one tenant rests on.
struct Ground {
    known: StateCatalogue,
    /// The current destinations.
    home: BTreeSet<PlaceId>,
    /// What running jobs read, and who.
    used: BTreeMap<Object, String>,
}

impl Ground {
    fn of(state: &State, id: TenantId) -> Self {
        let known = StateCatalogue::of(state, id);
        let home = home(state, id, &known);
        Self { known, home, used: in_use(state, id) }
    }

    fn by_policy(&self, policy: &Policy, now_ms: u64) -> Verdicts {
        let plan = retention::plan(&self.known.catalogue, policy, Scn::from_ms(now_ms), &self.home);
        Verdicts::of(&self.known, plan, &self.used)
    }

    /// Nothing that was named may be read by a running job.
    fn refuse_used(&self, what: &CleanWhat) -> Result<(), Failure> {
        let Self { known, used, .. } = self;
        let is_named = |place: PlaceId, object: Object| match (what, object) {
            (CleanWhat::Sets(ids), Object::Set(set)) => ids.contains(&set.0),
            (CleanWhat::Pieces(ids), Object::Piece(key)) => ids.contains(&key.piece_id.0),
            (CleanWhat::PiecesOf(dest, ids), Object::Piece(key)) => {
                known.dest(place) == Some(*dest) && ids.contains(&key.piece_id.0)
            }
            (CleanWhat::All(dest), _) => known.dest(place) == Some(*dest),
            _ => false,
        };
        let sets = known.catalogue.sets.iter().map(|s| (s.place, Object::Set(s.set_id)));
        let pieces = known.catalogue.pieces.iter().map(|p| (p.place, Object::Piece(p.key)));
        let mut named = sets.chain(pieces).filter(|(place, object)| is_named(*place, *object));
        let found = named.find_map(|(_, object)| Some((object, used.get(&object)?)));
        found.map_or(Ok(()), |(object, who)| Err(refuse::in_use(&object.to_string(), who)))
    }
}

/// The current destinations. All of an imported tenant are protected like them: nobody knows another copy.
fn home(state: &State, id: TenantId, known: &StateCatalogue) -> BTreeSet<PlaceId> {
    let is_imported = state.tenants.get(&id).is_some_and(|t| t.imported.is_some());
    let places = (0u32..).map(PlaceId).zip(&known.dests);
    places.filter(|(_, dest)| is_imported || is_current(state, id, **dest)).map(|(place, _)| place).collect()
}

fn place_of(known: &StateCatalogue, dest: DestId) -> Result<PlaceId, Failure> {
    known.place(dest).ok_or_else(|| refuse::no_such_dest(&dest.to_string()))
}

/// Nobody may be writing an imported destination that is to be emptied. An archive that is written moves every minute,
/// also when nothing happens in its tenant; what the import saw of it tells how long it had stood.
fn check_quiet(state: &State, dest: DestId) -> Result<(), Failure> {
    let Some(place) = state.destinations.get(&dest) else { return Ok(()) };
    let is_imported = state.tenants.get(&place.tenant_id).is_some_and(|t| t.imported.is_some());
    let is_growing = |p: &&PieceRow| {
        let quiet_ms = place.checked_ms.saturating_sub(p.checkpoint_scn.as_ms());
        p.file_status != FileStatus::Deleted && p.status == PieceStatus::Active && quiet_ms < limits::IMPORTED_QUIET_MS
    };
    let rounds = state.rounds.values().filter(|r| is_imported && r.dest_id == dest);
    match rounds.flat_map(|r| r.pieces.values()).find(is_growing) {
        None => Ok(()),
        Some(piece) => Err(refuse::still_written(&place.uri.to_string(), &MediumName::Piece(piece.key).to_string())),
    }
}

/// Deletions of a job that wait and may not be any more, and why.
pub(crate) fn called_back(state: &State, job: &CleanJob) -> Vec<(JobId, String)> {
    let tasks = job.tasks.iter().filter_map(|t| state.clean_task(*t));
    let waiting: Vec<&CleanTask> = tasks.filter(|t| t.stage == CleanStage::Waiting).collect();
    if waiting.is_empty() {
        return Vec::new();
    }
    let id = job.tenant_id;
    let mut known = StateCatalogue::of(state, id);
    for task in &waiting {
        known.set_worth(task.name, task.was);
    }
    let policy = state.clean_policies.get(&id).map(|p| &p.policy);
    let (home, now) = (home(state, id, &known), Scn::from_ms(state.clock_ms));
    let all = |why: String| waiting.iter().map(|t| (t.id, why.clone())).collect();
    match (&job.what, policy) {
        (CleanWhat::Obsolete, None) => all("the delete policy was dropped".to_owned()),
        (CleanWhat::Obsolete, Some(policy)) => {
            let plan = retention::plan(&known.catalogue, policy, now, &home);
            let kept = plan.keep.iter().filter_map(|item| Some((known.name(item.object)?, item.why.to_string())));
            let kept: BTreeMap<MediumName, String> = kept.collect();
            waiting.iter().filter_map(|t| Some((t.id, kept.get(&t.name)?.clone()))).collect()
        }
        (CleanWhat::Sets(_) | CleanWhat::Pieces(_) | CleanWhat::PiecesOf(..) | CleanWhat::All(_), policy) => {
            let item = |t: &&CleanTask| {
                let place = known.place(t.dest_id)?;
                Some(Item { place, object: t.name.object(), why: DeleteWhy::Asked })
            };
            let items: Vec<_> = waiting.iter().filter_map(item).collect();
            let loss = retention::losses(&known.catalogue, &items, policy, now, &home).into_iter().next();
            loss.map_or_else(Vec::new, |loss| all(loss.to_string()))
        }
    }
}
