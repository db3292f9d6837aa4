//! The small files of a backup set: each one is what its name says, and they agree with each other.

use super::checker::Checker;
use super::report::DamageKind;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::paths::{BackupPath, InfoKind, SetName};
use strandline_format::{DataType, pb};
use strandline_types::{Failure, Scn, TenantId, TurnId};

/// What every small file is compared with.
#[derive(Clone, Debug)]
pub(super) struct SetFacts {
    pub(super) set: SetName,
    pub(super) tenant: Option<TenantId>,
    pub(super) info: Option<pb::BackupSetInfo>,
}

/// Reads and compares all of them.
pub(super) async fn check(c: &Checker, facts: &SetFacts, paths: &[String]) -> Result<(), Failure> {
    let mut metas: Option<pb::LsMetaInfos> = None;
    let mut own_metas = BTreeMap::new();
    let mut tablets = Tablets::new();
    let mut maps = Vec::new();
    for path in paths {
        let Some(parsed) = BackupPath::parse(path) else {
            c.stranger(path, "not a name of the data backup layout");
            continue;
        };
        let file = SmallFile { c, facts, path };
        match parsed {
            BackupPath::LsMetaInfos { .. } => {
                metas = c.small(path, DataType::LsMetaInfos).await?;
                if let Some(metas) = &metas {
                    file.tenant(metas.tenant_id);
                }
            }
            BackupPath::LsMetaInfo { ls, turn, retry, .. } => {
                if let Some(meta) = c.small::<pb::LsMetaInfo>(path, DataType::LsMetaInfo).await? {
                    file.tenant(meta.tenant_id);
                    let found = (meta.ls_id, meta.turn, meta.retry);
                    c.same(path, "log stream, turn, retry", found, (ls.0, turn.0, retry.0));
                    own_metas.insert((ls.0, turn.0, retry.0), (path.clone(), meta));
                }
            }
            BackupPath::TabletInfo { ls, turn, retry, n, .. } => {
                let info = c.small::<pb::TabletInfo>(path, DataType::TabletInfo).await?;
                if let Some(info) = &info {
                    c.same(path, "log stream, file", (info.ls_id, u64::from(info.file_no)), (ls.0, n));
                }
                let known = tablets.entry((ls.0, turn.0, retry.0)).or_insert_with(|| Some(BTreeSet::new()));
                *known = info.zip(known.take()).map(|(info, mut ids)| {
                    ids.extend(info.tablets.iter().map(|t| t.tablet_id));
                    ids
                });
            }
            BackupPath::TabletLsInfo { kind, turn, .. } => {
                if let Some(map) = c.small::<pb::TabletLogStreamInfo>(path, DataType::TabletLogStreamInfo).await? {
                    file.tenant(map.tenant_id);
                    c.same(path, "turn", map.turn, turn.0);
                    maps.push((path.clone(), kind, turn, map));
                }
            }
            other => file.check(&other).await?,
        }
    }
    log_streams(c, facts, metas.as_ref(), &own_metas, &tablets);
    tablet_maps(c, facts, &maps, &tablets);
    Ok(())
}

struct SmallFile<'a> {
    c: &'a Checker,
    facts: &'a SetFacts,
    path: &'a str,
}

impl SmallFile<'_> {
    fn tenant(&self, found: u64) {
        if let Some(tenant) = self.facts.tenant {
            self.c.same(self.path, "tenant", TenantId(found), tenant);
        }
    }

    fn set(&self, found: u64) {
        self.c.same(self.path, "backup set", found, self.facts.set.id.0);
    }

    async fn check(&self, parsed: &strandline_format::paths::ParsedBackupPath) -> Result<(), Failure> {
        let (c, path, facts) = (self.c, self.path, self.facts);
        match parsed {
            BackupPath::SetStart { .. } | BackupPath::SetEnd { .. } | BackupPath::SetInner { .. } => {
                self.placeholder(parsed).await?;
            }
            BackupPath::TenantSetInfos { .. } => {
                let all = c.small::<pb::TenantBackupSetInfos>(path, DataType::TenantBackupSetInfos).await?;
                if let Some(all) = all {
                    self.tenant(all.tenant_id);
                    let own = all.sets.into_iter().find(|s| s.backup_set_id == facts.set.id.0);
                    if facts.info.is_some() {
                        c.same(path, "what it says of its own set", own.is_some(), true);
                    }
                }
            }
            BackupPath::TenantParameter { .. } => {
                if let Some(info) = c.small::<pb::Parameters>(path, DataType::Parameters).await? {
                    self.tenant(info.tenant_id);
                }
            }
            BackupPath::LocalityInfo { .. } => {
                if let Some(info) = c.small::<pb::LocalityInfo>(path, DataType::LocalityInfo).await? {
                    self.tenant(info.tenant_id);
                    self.set(info.backup_set_id);
                }
            }
            BackupPath::DeletedTabletInfo { .. } => {
                c.small::<pb::DeletedTabletInfo>(path, DataType::DeletedTabletInfo).await?;
            }
            BackupPath::TableListMeta { scn, .. } => self.table_list_meta(*scn).await?,
            BackupPath::TableList { .. } => {
                c.small::<pb::TableList>(path, DataType::TableList).await?;
            }
            BackupPath::LsAttrInfo { .. } => {
                if let Some(attrs) = c.small::<pb::LsAttrInfo>(path, DataType::LsAttrInfo).await?
                    && let Some(info) = &facts.info
                {
                    let found: BTreeSet<u64> = attrs.log_streams.iter().map(|l| l.ls_id).collect();
                    c.same(path, "log streams", found, info.log_streams.iter().map(|l| l.ls_id).collect());
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn placeholder(&self, parsed: &strandline_format::paths::ParsedBackupPath) -> Result<(), Failure> {
        let (c, path) = (self.c, self.path);
        let Some(found) = c.small::<pb::SetPlaceholder>(path, DataType::SetPlaceholder).await? else { return Ok(()) };
        self.tenant(found.tenant_id);
        self.set(found.backup_set_id);
        c.same(path, "kind of set", found.backup_type.as_str(), self.facts.set.kind.tag());
        if let BackupPath::SetEnd { .. } = parsed {
            // Only sets that ended with success are looked at.
            let (set, time_scn) = (self.facts.set, Scn(found.min_restore_scn));
            c.same(path, "name", path, BackupPath::SetEnd { set, success: true, time_scn }.path().as_str());
        }
        if let (Some(info), BackupPath::SetInner { .. }) = (&self.facts.info, parsed) {
            let (set, start, end) = (self.facts.set, Scn(info.start_replay_scn), Scn(info.min_restore_scn));
            c.same(path, "name", path, BackupPath::SetInner { set, start, end }.path().as_str());
            let found = (found.start_replay_scn, found.min_restore_scn);
            c.same(path, "replay start and consistent point", found, (info.start_replay_scn, info.min_restore_scn));
        }
        Ok(())
    }

    /// The table list says how many files it has, and what the first and last name of each one is.
    async fn table_list_meta(&self, scn: Scn) -> Result<(), Failure> {
        let (c, path, set) = (self.c, self.path, self.facts.set);
        let Some(meta) = c.small::<pb::TableListMeta>(path, DataType::TableListMeta).await? else { return Ok(()) };
        c.same(path, "scn", Scn(meta.scn), scn);
        let mut count = 0;
        for (n, part) in meta.parts.iter().enumerate() {
            let list = BackupPath::TableList { set, scn, n: n as u64 + 1 }.path();
            let Some(names) = c.small::<pb::TableList>(&list, DataType::TableList).await? else { return Ok(()) };
            count += names.tables.len() as u64;
            let name = |t: Option<&pb::TableName>| t.map(|t| t.table_name.as_bytes().to_vec());
            let found = (name(names.tables.first()), name(names.tables.last()));
            c.same(&list, "first and last name", found, (Some(part.start_key.to_vec()), Some(part.end_key.to_vec())));
        }
        c.same(path, "number of tables", count, meta.count);
        Ok(())
    }
}

type OwnMetas = BTreeMap<(u64, u32, u32), (String, pb::LsMetaInfo)>;
/// Tablets of a log stream's turn and retry; `None` where one of the files that say so cannot be read.
type Tablets = BTreeMap<(u64, u32, u32), Option<BTreeSet<u64>>>;

/// The metas of all log streams are those of the log streams' own directories.
fn log_streams(c: &Checker, facts: &SetFacts, metas: Option<&pb::LsMetaInfos>, own: &OwnMetas, tablets: &Tablets) {
    let set = facts.set;
    let infos = BackupPath::LsMetaInfos { set }.path();
    for ((_, (path, meta)), of_tablets) in
        own.iter().map(|(key, value)| ((key, value), tablets.get(key).and_then(Option::as_ref)))
    {
        let ids: BTreeSet<u64> = meta.tablet_ids.iter().copied().collect();
        if let Some(of_tablets) = of_tablets {
            c.same(path, "tablets", &ids, of_tablets);
        }
    }
    let Some(metas) = metas else { return };
    if let Some(info) = &facts.info {
        let found: BTreeSet<_> = metas.log_streams.iter().map(|m| (m.ls_id, m.turn, m.retry)).collect();
        let expected: BTreeSet<_> = info.log_streams.iter().map(|l| (l.ls_id, l.turn, l.retry)).collect();
        c.same(&infos, "log streams with turn and retry", found, expected);
    }
    for meta in &metas.log_streams {
        let key = (meta.ls_id, meta.turn, meta.retry);
        let path = BackupPath::LsMetaInfo { set, ls: key.0.into(), turn: key.1.into(), retry: key.2.into() }.path();
        match own.get(&key) {
            Some((_, found)) => {
                let found = pb::LsMetaInfo { engine_files: BTreeMap::new().into_iter().collect(), ..found.clone() };
                if found != *meta {
                    c.damage(&path, DamageKind::Foreign, "it is not what ls_meta_infos says of its log stream");
                }
            }
            None if c.listed.contains_key(&path) => {}
            None => c.damage(path, DamageKind::Missing, "ls_meta_infos names it"),
        }
        let (ls, turn, retry) = (key.0.into(), key.1.into(), key.2.into());
        let path = BackupPath::TabletInfo { set, ls, turn, retry, n: 1 }.path();
        if !c.listed.contains_key(&path) {
            c.damage(path, DamageKind::Missing, "ls_meta_infos names its log stream");
        }
    }
}

/// The tablet maps of both kinds say the same as the tablet infos.
fn tablet_maps(
    c: &Checker,
    facts: &SetFacts,
    maps: &[(String, InfoKind, TurnId, pb::TabletLogStreamInfo)],
    tablets: &Tablets,
) {
    let Some(info) = &facts.info else { return };
    let (mut expected, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    for l in &info.log_streams {
        match tablets.get(&(l.ls_id, l.turn, l.retry)).cloned().flatten() {
            Some(ids) => {
                expected.insert(l.ls_id, ids);
            }
            // What says them is damaged and was reported; the maps may be right.
            None => {
                unknown.insert(l.ls_id);
            }
        }
    }
    for (path, _, turn, map) in maps.iter().filter(|(_, _, turn, _)| turn.0 == info.data_turn_id) {
        let known = map.log_streams.iter().filter(|l| !unknown.contains(&l.ls_id));
        let found: BTreeMap<u64, BTreeSet<u64>> =
            known.map(|l| (l.ls_id, l.tablet_ids.iter().copied().collect())).collect();
        c.same(path, &format!("tablets of turn {turn}"), found, expected.clone());
    }
    for kind in InfoKind::ALL {
        let path = BackupPath::TabletLsInfo { set: facts.set, kind, turn: TurnId(info.data_turn_id) }.path();
        if !c.listed.contains_key(&path) {
            c.damage(path, DamageKind::Missing, "every set has it");
        }
    }
}
