//! One backup set: its placeholders, its file list, its small files, its data files and indexes, and the archive that it
//! carries itself.
//!
//! A set without end placeholder is not finished and is only noted, unless its infos say that it was: then the
//! placeholder is missing. Blocks of earlier sets that an incremental one names are checked, too.

use super::archive;
use super::checker::Checker;
use super::data;
use super::report::DamageKind;
use super::set_indexes::Compare;
use super::set_small::{self, SetFacts};
use super::shared::Shared;
use crate::folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strandline_format::blocks::FileKind;
use strandline_format::checksum::crc32c_raw;
use strandline_format::paths::backup::{SETS_DIR, complement_log_dir, set_dir};
use strandline_format::paths::{BackupPath, IndexKind, SetName};
use strandline_format::{DataType, pb};
use strandline_types::limits::{BLOCK_ALIGN_BYTES, VERIFY_STREAMS_MAX};
use strandline_types::{BACKUP_COMPATIBLE, BackupSetStatus, ErrorClass, Failure, FileId, LsId, Scn, TenantId, TurnId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Bytes at the end of a file that the file list has a checksum of.
pub const TAIL_BYTES: u64 = BLOCK_ALIGN_BYTES as u64;

/// Checks a set; `only` as in `archive::one_piece`.
pub(super) async fn check(c: &Arc<Checker>, set: SetName, shared: &Shared, only: Option<LsId>) -> Result<(), Failure> {
    let info_path = BackupPath::SingleSetInfo { set }.path();
    let has_info = c.listed.contains_key(&info_path);
    // Where the placeholders may not be read, a set with its infos is taken for a whole one.
    let Some(success) = ends(c, set).or((has_info && c.is_hidden(SETS_DIR)).then_some(true)) else {
        if has_info {
            let path = format!("backup_sets/{set}_end_success_…");
            c.damage(path, DamageKind::Missing, "the set is whole but for its end placeholder");
        } else {
            c.note(format!("{set} is not finished and was not verified"));
        }
        return Ok(());
    };
    if !success {
        c.note(format!("{set} ended without success and was not verified"));
        return Ok(());
    }
    let rest = only.is_none_or(|ls| ls.0 == 0);
    let info = c.small::<pb::BackupSetInfo>(&info_path, DataType::BackupSetInfo).await?;
    if let Some(newer) = info.as_ref().filter(|i| i.backup_compatible > BACKUP_COMPATIBLE) {
        let (version, form) = (&newer.cluster_version, newer.backup_compatible);
        c.note(format!(
            "{set} was made by the newer version {version} in form {form} and was not verified: use that version"
        ));
        return Ok(());
    }
    if let Some(salt) = info.as_ref().and_then(|i| <[u8; 16]>::try_from(&i.password_salt[..]).ok()) {
        let keys = Arc::clone(&c.keys);
        // Deriving is slow on purpose: not on a thread that others wait for.
        tokio::task::spawn_blocking(move || keys.meet(&salt)).await.ok();
    }
    if rest {
        if let Some(info) = &info {
            own_info(c, set, shared, &info_path, info);
        }
        file_list(c, set).await?;
        let start = BackupPath::SetStart { set }.path();
        if !c.listed.contains_key(&start) {
            c.damage(start, DamageKind::Missing, "every set has a start placeholder");
        }
        let facts = SetFacts { set, tenant: shared.tenant, info: info.clone() };
        set_small::check(c, &facts, &small_paths(c, set)).await?;
        complement_log(c, set, shared, info.as_ref()).await?;
    }
    if let Some(info) = &info {
        needed(c, set, info, rest);
        data_files(c, set, shared, info, only).await?;
    }
    Ok(())
}

/// Whether the set ended with success; `None` while it has no end placeholder. Of several one of success counts.
fn ends(c: &Checker, set: SetName) -> Option<bool> {
    let end = |path: &str| match BackupPath::parse(path)? {
        BackupPath::SetEnd { set: s, success, .. } if s == set => Some(success),
        _ => None,
    };
    c.below(SETS_DIR).filter_map(|(path, _)| end(path)).max()
}

fn own_info(c: &Checker, set: SetName, shared: &Shared, path: &str, info: &pb::BackupSetInfo) {
    c.same(path, "backup set", (info.backup_set_id, info.backup_type.as_str()), (set.id.0, set.kind.tag()));
    if let Some(tenant) = shared.tenant {
        c.same(path, "tenant", TenantId(info.tenant_id), tenant);
    }
    c.same(path, "status", info.status.as_str(), BackupSetStatus::Success.to_string().as_str());
}

/// Objects of the set but data, index and complement log files.
fn small_paths(c: &Checker, set: SetName) -> Vec<String> {
    let mine = c.below(SETS_DIR).chain(c.below(&set_dir(set))).filter(|(path, _)| match BackupPath::parse(path) {
        Some(
            BackupPath::MacroBlockData { .. }
            | BackupPath::LsIndex { .. }
            | BackupPath::TenantIndex { .. }
            | BackupPath::ComplementLog { .. }
            | BackupPath::SingleSetInfo { .. }
            | BackupPath::DiagnoseInfo { .. },
        ) => false,
        Some(BackupPath::SetStart { set: s } | BackupPath::SetEnd { set: s, .. }) => s == set,
        _ => !path.starts_with(SETS_DIR),
    });
    mine.map(|(path, _)| path.clone()).collect()
}

/// Everything that the stored list names is there with its length and its end, and nothing else.
async fn file_list(c: &Checker, set: SetName) -> Result<(), Failure> {
    let path = BackupPath::DiagnoseInfo { set }.path();
    if !c.listed.contains_key(&path) {
        return Ok(());
    }
    let Some(list) = c.small::<pb::DiagnoseInfo>(&path, DataType::DiagnoseInfo).await? else { return Ok(()) };
    c.same(&path, "backup set", list.backup_set_id, set.id.0);
    if list.files.is_empty() {
        c.note(format!("{set} was written by a version that stored no file list: extra files are not seen"));
        return Ok(());
    }
    let dir = format!("{}/", set_dir(set));
    for file in &list.files {
        let path = format!("{dir}{}", file.path);
        match c.listed.get(&path) {
            None => c.damage(path, DamageKind::Missing, "the file list of the set names it"),
            Some(bytes) if *bytes != file.size_bytes => {
                let kind = if *bytes < file.size_bytes { DamageKind::Truncated } else { DamageKind::Corrupt };
                c.damage(path, kind, format!("{bytes} bytes, the file list of the set says {}", file.size_bytes));
            }
            Some(bytes) if c.is_physical() && *bytes > 0 => {
                for looked in 1.. {
                    let trial = c.trial();
                    let tail = trial.get_range(&path, bytes.saturating_sub(TAIL_BYTES)..*bytes).await?;
                    if tail.is_some_and(|tail| crc32c_raw(0, &tail) != file.tail_checksum) {
                        trial.damage(&path, DamageKind::Corrupt, "its end is not that of the file list of the set");
                    }
                    if c.counts(&trial, looked).await {
                        break;
                    }
                }
            }
            Some(_) => {}
        }
    }
    let named: BTreeSet<&str> = list.files.iter().map(|f| f.path.as_str()).collect();
    let own = c.below(&set_dir(set));
    // What is of no layout is told elsewhere; some files are written after the list.
    let is_told = |path: &str| {
        use BackupPath as P;
        let parsed = BackupPath::parse(path);
        matches!(
            parsed,
            None | Some(
                P::DiagnoseInfo { .. } | P::SetInner { .. } | P::SingleSetInfo { .. } | P::TenantSetInfos { .. }
            )
        )
    };
    for (path, _) in own.filter(|(path, _)| !named.contains(&path[dir.len()..]) && !is_told(path)) {
        c.damage(path, DamageKind::Foreign, "the file list of the set does not name it");
    }
    Ok(())
}

/// Files that every set has, whatever its list says.
fn needed(c: &Checker, set: SetName, info: &pb::BackupSetInfo, rest: bool) {
    let (start, end) = (Scn(info.start_replay_scn), Scn(info.min_restore_scn));
    let scn = Scn(info.consistent_scn);
    let infos = [
        BackupPath::SetInner { set, start, end },
        BackupPath::TenantSetInfos { set },
        BackupPath::DiagnoseInfo { set },
        BackupPath::TenantParameter { set },
        BackupPath::LocalityInfo { set },
        BackupPath::LsMetaInfos { set },
        BackupPath::LsAttrInfo { set, turn: TurnId(info.meta_turn_id) },
        BackupPath::TableListMeta { set, scn },
    ];
    for path in infos.iter().filter(|_| rest).map(BackupPath::path) {
        if !c.listed.contains_key(&path) {
            c.damage(path, DamageKind::Missing, "every set has it");
        }
    }
}

/// The archive inside the set, as an archive destination of its own.
async fn complement_log(
    c: &Arc<Checker>,
    set: SetName,
    shared: &Shared,
    info: Option<&pb::BackupSetInfo>,
) -> Result<(), Failure> {
    let dir = complement_log_dir(set);
    let prefix = format!("{dir}/");
    let inside: BTreeMap<String, u64> =
        c.below(&dir).map(|(path, bytes)| (path[prefix.len()..].to_owned(), *bytes)).collect();
    if inside.is_empty() {
        if info.is_some_and(|i| i.plus_archivelog) {
            c.damage(dir, DamageKind::Missing, "the set says that it carries its own log");
        }
        return Ok(());
    }
    let medium = Arc::new(Folder::new(Arc::clone(&c.medium), dir));
    let own = Arc::new(c.with_medium(medium, Arc::new(inside)));
    archive::destination(&own, shared.tenant).await?;
    let mut report = own.take_report();
    for damage in &mut report.damages {
        damage.path = format!("{prefix}{}", damage.path);
    }
    c.absorb(report);
    Ok(())
}

/// Reads the data files of the set (Basic: their ends), then compares the indexes with them.
async fn data_files(
    c: &Arc<Checker>,
    set: SetName,
    shared: &Shared,
    info: &pb::BackupSetInfo,
    only: Option<LsId>,
) -> Result<(), Failure> {
    let slots = Arc::new(Semaphore::new(VERIFY_STREAMS_MAX));
    let mut tasks = JoinSet::new();
    for (path, bytes) in c.below(&set_dir(set)) {
        let Some(parsed) = BackupPath::parse(path) else { continue };
        let (kind, file) = match parsed {
            BackupPath::MacroBlockData { set: s, ls, kind, turn, retry, n } if s == set => {
                (FileKind::Data, Some((set.id, ls, kind, turn, retry, FileId(n))))
            }
            BackupPath::LsIndex { set: s, index, .. } | BackupPath::TenantIndex { set: s, index, .. } if s == set => {
                (index_kind(index), None)
            }
            _ => continue,
        };
        if !is_wanted(path, only) {
            continue;
        }
        let (c, path, bytes, known) = (Arc::clone(c), path.clone(), *bytes, Arc::clone(&shared.known));
        let slots = Arc::clone(&slots);
        tasks.spawn(async move {
            // `None` only after the semaphore was closed, which never happens.
            let _slot = slots.acquire_owned().await.ok();
            c.count(0);
            match file.filter(|_| c.is_physical()) {
                Some(file) => known.insert(file, data::data_file_for_sure(&c, &path, bytes).await?),
                None => data::ends_for_sure(&c, &path, bytes, kind).await?,
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|e| {
            Failure::new(ErrorClass::Transient, format!("a check ended by itself: {e}"), c.medium.uri(), "")
        })??;
    }
    let compare = Compare { c, set, shared, info };
    compare.log_streams(only).await?;
    if only.is_none_or(|ls| ls.0 == 0) { compare.tenant().await } else { Ok(()) }
}

fn is_wanted(path: &str, only: Option<LsId>) -> bool {
    match (BackupPath::parse(path), only) {
        (_, None) => true,
        (Some(BackupPath::MacroBlockData { ls, .. } | BackupPath::LsIndex { ls, .. }), Some(only)) => ls == only,
        (_, Some(only)) => only.0 == 0,
    }
}

const fn index_kind(index: IndexKind) -> FileKind {
    match index {
        IndexKind::MacroRange => FileKind::RangeIndex,
        IndexKind::Meta => FileKind::MetaIndex,
        IndexKind::SecMeta => FileKind::SecMetaIndex,
    }
}
