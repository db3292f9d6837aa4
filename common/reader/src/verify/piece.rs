//! The small files of a piece: each one is what its name says, a frozen piece has all of them, and its file lists name
//! exactly the log files that are there.

use super::checker::Checker;
use super::log::Found;
use super::report::DamageKind;
use super::scope::PieceScope;
use std::collections::BTreeMap;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{PIECES_DIR, checkpoint_dir, piece_dir};
use strandline_format::{DataType, pb};
use strandline_types::{Failure, FileId, LsId, Lsn, PieceClock, PieceKey, Scn, TenantId};

/// What a destination says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) tenant: Option<TenantId>,
    /// Clock of the piece's round, where its start file could be read.
    pub(super) clock: Option<PieceClock>,
}

/// What the small files of a piece say.
#[derive(Clone, Debug, Default)]
pub(super) struct PieceFacts {
    pub(super) is_frozen: bool,
    pub(super) has_start: bool,
    pub(super) has_end: bool,
    /// Largest checkpoint in a name.
    pub(super) checkpoint: Option<Scn>,
    pub(super) single: Option<pb::PieceAttr>,
    /// Log streams that had log in the round when the checkpoint entered the piece, and where the round's log begins.
    pub(super) log_streams: BTreeMap<LsId, Lsn>,
    /// File lists of the log streams of a frozen piece.
    pub(super) lists: Option<BTreeMap<LsId, pb::SingleLsFileList>>,
}

/// Objects of a piece: below its directory, and its placeholders.
fn objects(c: &Checker, key: PieceKey) -> Vec<(String, u64)> {
    let placeholders = c.below(PIECES_DIR).filter(|(path, _)| match ArchivePath::parse(path) {
        Some(ArchivePath::PieceStart { key: k, .. } | ArchivePath::PieceEnd { key: k, .. }) => k == key,
        _ => false,
    });
    c.below(&piece_dir(key)).chain(placeholders).map(|(path, bytes)| (path.clone(), *bytes)).collect()
}

/// Log streams with a directory in a piece.
pub(super) fn log_streams(c: &Checker, key: PieceKey) -> Vec<LsId> {
    let of = |path: &str| match ArchivePath::parse(path)? {
        ArchivePath::Log { ls, .. } | ArchivePath::LogPart { ls, .. } | ArchivePath::LsFileInfo { ls, .. } => Some(ls),
        _ => None,
    };
    let mut found: Vec<LsId> = c.below(&piece_dir(key)).filter_map(|(path, _)| of(path)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Reads and compares every small file of a piece.
pub(super) async fn check(c: &Checker, key: PieceKey, identity: Identity) -> Result<PieceFacts, Failure> {
    let mut facts = PieceFacts::default();
    let mut ls_lists = BTreeMap::new();
    let mut schema = Vec::new();
    for (path, bytes) in objects(c, key) {
        let Some(parsed) = ArchivePath::parse(&path) else {
            c.stranger(&path, "not a name of the archive layout");
            continue;
        };
        let file = SmallFile { c, key, path: &path, identity };
        match parsed {
            ArchivePath::PieceStart { .. } => {
                facts.has_start = true;
                file.piece_start().await?;
            }
            ArchivePath::PieceEnd { .. } => facts.has_end = true,
            ArchivePath::Checkpoint { scn, .. } => {
                c.count(0);
                facts.checkpoint = facts.checkpoint.max(Some(scn));
                if bytes != 0 {
                    c.damage(&path, DamageKind::Corrupt, format!("{bytes} bytes, a checkpoint has none"));
                }
            }
            ArchivePath::CheckpointInfo { .. } => file.checkpoint_info().await?,
            ArchivePath::TenantArchivePieceInfos { .. } => facts.log_streams = file.piece_infos().await?,
            ArchivePath::LsFileInfo { ls, .. } => {
                if let Some(list) = c.small(&path, DataType::SingleLsFileList).await? {
                    ls_lists.insert(ls, list);
                }
            }
            ArchivePath::SchemaMeta { scn, .. } => {
                schema.push(scn);
                file.schema_meta(scn).await?;
            }
            _ => {}
        }
    }
    checkpoints(c, key, &facts);
    let names = |path: ArchivePath| c.listed.contains_key(&path.path());
    // The file lists come first: a piece that has only some of them is being frozen, and everything in it may still come.
    facts.is_frozen = facts.has_end || names(ArchivePath::SinglePieceInfo { key });
    if facts.is_frozen {
        frozen(c, key, identity, &mut facts, &ls_lists, &schema).await?;
    }
    Ok(facts)
}

fn checkpoints(c: &Checker, key: PieceKey, facts: &PieceFacts) {
    let info = ArchivePath::CheckpointInfo { key }.path();
    match (c.listed.contains_key(&info), facts.checkpoint) {
        (true, None) => {
            c.damage(checkpoint_dir(key), DamageKind::Missing, "checkpoint_info.0 is there, yet no checkpoint.<scn>")
        }
        (false, Some(_)) => c.damage(info, DamageKind::Missing, "a checkpoint is there, yet not its info"),
        _ => {}
    }
    let infos = ArchivePath::TenantArchivePieceInfos { key }.path();
    if facts.checkpoint.is_some() && !c.listed.contains_key(&infos) {
        c.damage(infos, DamageKind::Missing, "the checkpoint has entered the piece");
    }
}

struct SmallFile<'a> {
    c: &'a Checker,
    key: PieceKey,
    path: &'a str,
    identity: Identity,
}

impl SmallFile<'_> {
    fn key(&self, dest: u64, round: u64, piece: u64) {
        let found = PieceKey { dest_id: dest.into(), round_id: round.into(), piece_id: piece.into() };
        self.c.same(self.path, "piece", found, self.key);
    }

    fn tenant(&self, tenant: u64) {
        if let Some(own) = self.identity.tenant {
            self.c.same(self.path, "tenant", TenantId(tenant), own);
        }
    }

    fn range(&self, start_scn: u64, end_scn: Option<u64>) {
        let Some(clock) = self.identity.clock else { return };
        let range = clock.range(self.key.piece_id);
        self.c.same(self.path, "start scn", Scn(start_scn), range.start);
        if let Some(end) = end_scn {
            self.c.same(self.path, "end scn", Scn(end), range.end);
        }
    }

    async fn piece_start(&self) -> Result<(), Failure> {
        if let Some(start) = self.c.small::<pb::PieceStart>(self.path, DataType::PieceStart).await? {
            self.key(start.dest_id, start.round_id, start.piece_id);
            self.range(start.start_scn, None);
            let name = ArchivePath::PieceStart { key: self.key, time_scn: Scn(start.start_scn) }.path();
            self.c.same(self.path, "name", self.path, name.as_str());
        }
        Ok(())
    }

    async fn checkpoint_info(&self) -> Result<(), Failure> {
        if let Some(info) = self.c.small::<pb::CheckpointInfo>(self.path, DataType::CheckpointInfo).await? {
            self.key(info.dest_id, info.round_id, info.piece_id);
            self.tenant(info.tenant_id);
            self.range(info.start_scn, Some(info.end_scn));
        }
        Ok(())
    }

    async fn piece_infos(&self) -> Result<BTreeMap<LsId, Lsn>, Failure> {
        let kind = DataType::TenantArchivePieceInfos;
        let Some(infos) = self.c.small::<pb::TenantArchivePieceInfos>(self.path, kind).await? else {
            return Ok(BTreeMap::new());
        };
        self.key(infos.dest_id, infos.round_id, infos.piece_id);
        self.tenant(infos.tenant_id);
        self.range(infos.start_scn, Some(infos.end_scn));
        Ok(infos.log_streams.iter().map(|s| (LsId(s.ls_id), Lsn(s.start_lsn))).collect())
    }

    async fn schema_meta(&self, scn: Scn) -> Result<(), Failure> {
        if let Some(meta) = self.c.small::<pb::SchemaMeta>(self.path, DataType::SchemaMeta).await? {
            self.tenant(meta.tenant_id);
            self.c.same(self.path, "scn", Scn(meta.scn), scn);
        }
        Ok(())
    }
}

/// A frozen piece has every file that the layout knows, and they agree with each other.
async fn frozen(
    c: &Checker,
    key: PieceKey,
    identity: Identity,
    facts: &mut PieceFacts,
    ls_lists: &BTreeMap<LsId, pb::SingleLsFileList>,
    schema: &[Scn],
) -> Result<(), Failure> {
    let path = ArchivePath::SinglePieceInfo { key }.path();
    let single = c.small::<pb::SinglePieceInfo>(&path, DataType::SinglePieceInfo).await?;
    let single = single.and_then(|s| s.piece);
    if let Some(attr) = &single {
        let file = SmallFile { c, key, path: &path, identity };
        file.key(attr.dest_id, attr.round_id, attr.piece_id);
        file.tenant(attr.tenant_id);
        file.range(attr.start_scn, Some(attr.end_scn));
        placeholders(c, key, attr).await?;
    }
    let infos = ArchivePath::TenantArchivePieceInfos { key }.path();
    if facts.checkpoint.is_none() && !c.listed.contains_key(&infos) {
        c.damage(infos, DamageKind::Missing, "the piece is frozen");
    }
    let path = ArchivePath::PieceFileInfo { key }.path();
    if let Some(list) = c.small::<pb::PieceFileList>(&path, DataType::PieceFileList).await? {
        SmallFile { c, key, path: &path, identity }.key(list.dest_id, list.round_id, list.piece_id);
        if let Some(attr) = &single {
            let files = list.log_streams.iter().map(|l| l.files.len() as u64).sum::<u64>();
            c.same(&path, "number of log files", files, attr.file_count);
        }
        let lists: BTreeMap<LsId, _> = list.log_streams.into_iter().map(|l| (LsId(l.ls_id), l)).collect();
        for (ls, list) in &lists {
            let path = ArchivePath::LsFileInfo { key, ls: *ls }.path();
            match ls_lists.get(ls) {
                Some(own) if own == list => {}
                Some(_) => c.damage(path, DamageKind::Foreign, "it is not what the file list of the piece says"),
                None if c.listed.contains_key(&path) => {}
                // Not listed, yet the list of the piece was written after it.
                None => match c.small::<pb::SingleLsFileList>(&path, DataType::SingleLsFileList).await? {
                    Some(own) if own != *list => {
                        c.damage(path, DamageKind::Foreign, "it is not what the file list of the piece says");
                    }
                    _ => {}
                },
            }
            if ls.is_sys() {
                dictionaries(c, key, list, schema);
            }
        }
        for ls in ls_lists.keys().filter(|ls| !lists.contains_key(ls)) {
            let path = ArchivePath::LsFileInfo { key, ls: *ls }.path();
            c.damage(path, DamageKind::Foreign, "the file list of the piece does not know this log stream");
        }
        facts.lists = Some(lists);
    }
    facts.single = single;
    Ok(())
}

/// Dictionary snapshots are listed like log files; pieces of older versions list none.
fn dictionaries(c: &Checker, key: PieceKey, list: &pb::SingleLsFileList, found: &[Scn]) {
    if !list.has_schema_metas {
        return;
    }
    for scn in list.schema_meta_scns.iter().map(|scn| Scn(*scn)).filter(|scn| !found.contains(scn)) {
        c.damage(ArchivePath::SchemaMeta { key, scn }.path(), DamageKind::Missing, "the file list names it");
    }
    for scn in found.iter().filter(|scn| !list.schema_meta_scns.contains(&scn.0)) {
        let path = ArchivePath::SchemaMeta { key, scn: *scn }.path();
        c.damage(path, DamageKind::Foreign, "the file list of the frozen piece does not name it");
    }
}

/// Inner and end placeholder say what `single_piece_info` says, in name and content.
async fn placeholders(c: &Checker, key: PieceKey, attr: &pb::PieceAttr) -> Result<(), Failure> {
    let (start_scn, checkpoint_scn) = (Scn(attr.start_scn), Scn(attr.checkpoint_scn));
    let inner_path = ArchivePath::PieceInner { key, start_scn, checkpoint_scn }.path();
    if let Some(inner) = c.small::<pb::PieceInner>(&inner_path, DataType::PieceInner).await? {
        let expected = pb::PieceInner {
            dest_id: key.dest_id.0,
            round_id: key.round_id.0,
            piece_id: key.piece_id.0,
            start_scn: attr.start_scn,
            checkpoint_scn: attr.checkpoint_scn,
        };
        c.same(&inner_path, "content", inner, expected);
    }
    let path = ArchivePath::PieceEnd { key, time_scn: checkpoint_scn }.path();
    if let Some(end) = c.small::<pb::PieceEnd>(&path, DataType::PieceEnd).await? {
        let expected = pb::PieceEnd {
            dest_id: key.dest_id.0,
            round_id: key.round_id.0,
            piece_id: key.piece_id.0,
            end_scn: attr.checkpoint_scn,
        };
        c.same(&path, "content", end, expected);
    }
    let is_other = |other: &str| match ArchivePath::parse(other) {
        Some(ArchivePath::PieceEnd { key: k, .. }) => k == key && other != path,
        Some(ArchivePath::PieceInner { key: k, .. }) => k == key && other != inner_path,
        _ => false,
    };
    let placeholders = c.below(PIECES_DIR).chain(c.below(&piece_dir(key)));
    for (other, _) in placeholders.filter(|(other, _)| is_other(other)) {
        c.damage(other, DamageKind::Foreign, "the piece ended at another time");
    }
    Ok(())
}

/// The log files that are there are those that the list of a frozen piece names.
pub(super) fn compare_list(c: &Checker, scope: PieceScope, ls: LsId, list: &pb::SingleLsFileList, found: &Found) {
    let key = scope.key;
    let path_of = |file_id: FileId| ArchivePath::Log { key, ls, file_id }.path();
    for file in &list.files {
        let file_id = FileId(file.file_id);
        match found.iter().find(|(id, _)| *id == file_id) {
            None => c.damage(path_of(file_id), DamageKind::Missing, "the file list of the piece names it"),
            Some((_, Some(bytes))) if *bytes != file.size_bytes => {
                let kind = if *bytes < file.size_bytes { DamageKind::Truncated } else { DamageKind::Corrupt };
                let detail = format!("{bytes} bytes, the file list of the piece says {}", file.size_bytes);
                c.damage(path_of(file_id), kind, detail);
            }
            Some(_) => {}
        }
    }
    for (file_id, _) in found.iter().filter(|(id, _)| list.files.iter().all(|f| f.file_id != id.0)) {
        c.damage(path_of(*file_id), DamageKind::Foreign, "the file list of the piece does not name it");
    }
}
