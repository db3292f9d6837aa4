//! A sound archive destination of any number of rounds, pieces and log streams, built as the archiver and the freeze build
//! it. One log group of each log stream is written in every second; a block of the log ends within the first ten.

use super::tree::Tree;
use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_format::checksum::crc32c_raw;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::secret::format_meta;
use strandline_format::{DataType, pb};
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{
    ARCHIVE_COMPATIBLE, FileStatus, LsId, Lsn, PalfBase, PieceClock, PieceId, PieceKey, PieceStatus, Scn, Term,
};

pub const CLUSTER: u64 = 7;
pub const TENANT: u64 = 1002;
pub const SYS: LsId = LsId::SYS;
pub const USER: LsId = LsId::FIRST_USER;
/// Where the log of every log stream begins.
pub const LOG_START: PalfBase = PalfBase {
    lsn: Lsn(BLOCK_BODY_BYTES - 1500),
    prev_log_id: 41,
    prev_accumulated_checksum: 77,
    prev_scn: Scn(1_700_000_000_000_000_000),
};

/// The SCN of a second of the model.
pub const fn at(second: u64) -> Scn {
    Scn(1_700_000_000_000_000_000 + second * 1_000_000_000)
}

pub const fn key(round: u64, piece: u64) -> PieceKey {
    key_at(1001, round, piece)
}

pub const fn key_at(dest: u64, round: u64, piece: u64) -> PieceKey {
    use strandline_types::{DestId, RoundId};
    PieceKey { dest_id: DestId(dest), round_id: RoundId(round), piece_id: PieceId(piece) }
}

/// Paths with the key of a piece.
pub fn log_path(key: PieceKey, ls: LsId, file: u64) -> String {
    ArchivePath::<Scn>::Log { key, ls, file_id: file.into() }.path()
}

/// How log files lie on the medium.
#[derive(Clone, Debug)]
pub enum Shape {
    Plain,
    /// In parts of this form and so many plain bytes.
    Parts(PartForm, usize),
}

/// A destination.
#[derive(Clone, Debug)]
pub struct Archive {
    pub dest: u64,
    pub cluster: u64,
    pub tenant: u64,
    pub streams: Vec<LsId>,
    pub rounds: Vec<Round>,
    pub shape: Shape,
}

/// A round: log of the seconds after `start` up to `checkpoint`.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub id: u64,
    pub base_piece: u64,
    pub start: u64,
    pub checkpoint: u64,
    pub piece_seconds: u64,
    /// It was stopped: its last piece is frozen and it has an end placeholder.
    pub is_stopped: bool,
}

/// A group of the log, padding included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub lsn: Lsn,
    pub scn: Scn,
    pub bytes: Vec<u8>,
}

impl Group {
    pub fn end(&self) -> Lsn {
        self.lsn.advance(self.bytes.len() as u64)
    }
}

/// The log of a log stream up to a second.
pub fn log(ls: LsId, seconds: u64) -> Vec<Group> {
    let (mut framer, mut groups) = (Framer::new(LOG_START), Vec::new());
    for second in 1..=seconds {
        let mut body = format!("log stream {ls}, second {second}; ").repeat(4).into_bytes();
        body[0] = 2;
        let before = framer.base();
        let framed = framer.frame(Term(3), at(second), true, &body);
        let (padding, group) = framed.bytes.split_at((framed.lsn.0 - before.lsn.0) as usize);
        if !padding.is_empty() {
            groups.push(Group { lsn: before.lsn, scn: before.prev_scn, bytes: padding.to_vec() });
        }
        groups.push(Group { lsn: framed.lsn, scn: at(second), bytes: group.to_vec() });
    }
    groups
}

/// These groups as log files: number and bytes, header included.
pub fn log_files(groups: &[Group]) -> BTreeMap<u64, Vec<u8>> {
    let mut files: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for group in groups {
        let header = || ArchiveFileHeader { start_lsn: group.lsn }.encode().to_vec();
        files.entry(group.lsn.file_id().0).or_insert_with(header).extend_from_slice(&group.bytes);
    }
    files
}

impl Round {
    /// A round with pieces of ten seconds that still goes on.
    pub const fn open(id: u64, base_piece: u64, start: u64, checkpoint: u64) -> Self {
        Self { id, base_piece, start, checkpoint, piece_seconds: 10, is_stopped: false }
    }

    pub const fn stopped(id: u64, base_piece: u64, start: u64, checkpoint: u64) -> Self {
        Self { is_stopped: true, ..Self::open(id, base_piece, start, checkpoint) }
    }

    pub fn clock(&self) -> PieceClock {
        let interval_ns = self.piece_seconds * 1_000_000_000;
        PieceClock { round_start: at(self.start), base_piece: PieceId(self.base_piece), interval_ns }
    }

    fn pieces(&self) -> impl Iterator<Item = u64> + use<> {
        self.base_piece..=self.clock().piece_of(at(self.checkpoint)).0
    }

    fn is_frozen(&self, piece: u64) -> bool {
        self.is_stopped || self.clock().is_complete(PieceId(piece), at(self.checkpoint))
    }

    /// The checkpoint of one of its pieces.
    pub fn checkpoint_of(&self, piece: u64) -> Scn {
        at(self.checkpoint).min(self.clock().range(PieceId(piece)).end.prev())
    }
}

impl Archive {
    /// Destination 1001 with the system log stream and one of the user.
    pub fn of(rounds: impl IntoIterator<Item = Round>) -> Self {
        let (streams, rounds) = (vec![SYS, USER], rounds.into_iter().collect());
        Self { dest: 1001, cluster: CLUSTER, tenant: TENANT, streams, rounds, shape: Shape::Plain }
    }

    /// One round of 25 seconds: two frozen pieces and one that grows.
    pub fn usual() -> Self {
        Self::of([Round::open(1, 1, 0, 25)])
    }

    pub fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    fn key(&self, round: &Round, piece: u64) -> PieceKey {
        key_at(self.dest, round.id, piece)
    }

    /// The groups that are filed in a piece.
    pub fn groups(&self, round: &Round, piece: u64, ls: LsId) -> Vec<Group> {
        let range = at(round.start).next()..at(round.checkpoint).next();
        let is_filed = |g: &Group| range.contains(&g.scn) && round.clock().piece_of(g.scn) == PieceId(piece);
        log(ls, round.checkpoint).into_iter().filter(is_filed).collect()
    }

    /// Everything.
    pub fn tree(&self) -> Tree {
        let mut tree = self.without_identity();
        let format = pb::PathFormat {
            cluster_id: self.cluster,
            tenant_id: self.tenant,
            dest_id: self.dest,
            dest_type: "archive_log".to_owned(),
            ..Default::default()
        };
        tree.small(ArchivePath::<Scn>::Format.path(), DataType::Format, &format);
        tree
    }

    /// Everything but `format.obbak`: the log that a set carries.
    pub fn without_identity(&self) -> Tree {
        let (mut tree, mut frozen) = (Tree::default(), Vec::new());
        for round in &self.rounds {
            self.round(&mut tree, round);
            for piece in round.pieces() {
                self.begun(&mut tree, round, piece, &frozen);
                let files = self.log_of(&mut tree, round, piece);
                if round.is_frozen(piece) {
                    frozen.push(self.frozen(&mut tree, round, piece, &files));
                }
            }
        }
        tree
    }

    fn round(&self, tree: &mut Tree, round: &Round) {
        let (dest, id) = (self.dest.into(), round.id.into());
        let (start_scn, base_piece_id) = (at(round.start).0, round.base_piece);
        let (dest_id, round_id, piece_switch_interval_us) = (self.dest, round.id, round.piece_seconds * 1_000_000);
        let start = pb::RoundStart { dest_id, round_id, start_scn, base_piece_id, piece_switch_interval_us };
        tree.small(ArchivePath::<Scn>::RoundStart { dest, round: id }.path(), DataType::RoundStart, &start);
        if round.is_stopped {
            let checkpoint_scn = at(round.checkpoint).0;
            let end =
                pb::RoundEnd { dest_id, round_id, start_scn, base_piece_id, piece_switch_interval_us, checkpoint_scn };
            tree.small(ArchivePath::<Scn>::RoundEnd { dest, round: id }.path(), DataType::RoundEnd, &end);
        }
    }

    /// What a piece has since the checkpoint entered it.
    fn begun(&self, tree: &mut Tree, round: &Round, piece: u64, frozen: &[pb::PieceAttr]) {
        let (key, range) = (self.key(round, piece), round.clock().range(PieceId(piece)));
        let (tenant_id, dest_id, round_id, piece_id) = (self.tenant, self.dest, round.id, piece);
        let (start_scn, end_scn) = (range.start.0, range.end.0);
        let start = pb::PieceStart { dest_id, round_id, piece_id, start_scn };
        tree.small(ArchivePath::PieceStart { key, time_scn: range.start }.path(), DataType::PieceStart, &start);
        let begins = |ls: &LsId| self.groups(round, round.base_piece, *ls).first().map_or(0, |g| g.lsn.0);
        let infos = pb::TenantArchivePieceInfos {
            tenant_id,
            dest_id,
            round_id,
            piece_id,
            start_scn,
            end_scn,
            compatible: ARCHIVE_COMPATIBLE,
            history: frozen.to_vec(),
            log_streams: self
                .streams
                .iter()
                .map(|ls| pb::PieceLogStream { ls_id: ls.0, start_lsn: begins(ls) })
                .collect(),
            ..Default::default()
        };
        let path = ArchivePath::<Scn>::TenantArchivePieceInfos { key }.path();
        tree.small(path, DataType::TenantArchivePieceInfos, &infos);
        let info =
            pb::CheckpointInfo { tenant_id, dest_id, round_id, piece_id, start_scn, end_scn, ..Default::default() };
        tree.small(ArchivePath::<Scn>::CheckpointInfo { key }.path(), DataType::CheckpointInfo, &info);
        let scn = round.checkpoint_of(piece);
        tree.put(ArchivePath::<Scn>::Checkpoint { key, scn }.path(), Bytes::new());
        let schema = pb::SchemaMeta { tenant_id, scn: start_scn, ..Default::default() };
        tree.small(ArchivePath::<Scn>::SchemaMeta { key, scn: range.start }.path(), DataType::SchemaMeta, &schema);
    }

    /// The log files of a piece, by log stream: first and last LSN, and number and length of each file.
    fn log_of(&self, tree: &mut Tree, round: &Round, piece: u64) -> Vec<(LsId, Lsn, Lsn, Vec<pb::LogFile>)> {
        let (key, mut all) = (self.key(round, piece), Vec::new());
        for ls in &self.streams {
            let groups = self.groups(round, piece, *ls);
            let (Some(first), Some(last)) = (groups.first(), groups.last()) else { continue };
            let files = log_files(&groups);
            for (id, bytes) in &files {
                self.shape.put(tree, (key, *ls, *id), bytes, round.is_frozen(piece));
            }
            let listed = files.iter().map(|(id, b)| pb::LogFile { file_id: *id, size_bytes: b.len() as u64 });
            all.push((*ls, first.lsn, last.end(), listed.collect()));
        }
        all
    }

    fn frozen(
        &self,
        tree: &mut Tree,
        round: &Round,
        piece: u64,
        files: &[(LsId, Lsn, Lsn, Vec<pb::LogFile>)],
    ) -> pb::PieceAttr {
        let (key, range) = (self.key(round, piece), round.clock().range(PieceId(piece)));
        let (dest_id, round_id, piece_id) = (self.dest, round.id, piece);
        let (start_scn, checkpoint_scn) = (range.start.0, round.checkpoint_of(piece).0);
        let list = |(ls, first, end, files): &(LsId, Lsn, Lsn, Vec<pb::LogFile>)| pb::SingleLsFileList {
            dest_id,
            round_id,
            piece_id,
            ls_id: ls.0,
            start_scn,
            checkpoint_scn,
            min_lsn: first.0,
            max_lsn: end.0,
            files: files.clone(),
            schema_meta_scns: if ls.is_sys() { vec![start_scn] } else { Vec::new() },
            has_schema_metas: ls.is_sys(),
            ..Default::default()
        };
        let log_streams: Vec<pb::SingleLsFileList> = files.iter().map(list).collect();
        for list in &log_streams {
            let path = ArchivePath::<Scn>::LsFileInfo { key, ls: LsId(list.ls_id) }.path();
            tree.small(path, DataType::SingleLsFileList, list);
        }
        let attr = pb::PieceAttr {
            tenant_id: self.tenant,
            dest_id,
            round_id,
            piece_id,
            file_count: log_streams.iter().map(|l| l.files.len() as u64).sum(),
            start_scn,
            checkpoint_scn,
            end_scn: range.end.0,
            compatible: ARCHIVE_COMPATIBLE,
            output_bytes: log_streams.iter().flat_map(|l| &l.files).map(|f| f.size_bytes).sum(),
            status: PieceStatus::Frozen.to_string(),
            file_status: FileStatus::Available.to_string(),
            ..Default::default()
        };
        let all = pb::PieceFileList { dest_id, round_id, piece_id, log_streams };
        tree.small(ArchivePath::<Scn>::PieceFileInfo { key }.path(), DataType::PieceFileList, &all);
        let (start, checkpoint) = (range.start, round.checkpoint_of(piece));
        let inner = pb::PieceInner { dest_id, round_id, piece_id, start_scn, checkpoint_scn };
        let path = ArchivePath::PieceInner { key, start_scn: start, checkpoint_scn: checkpoint }.path();
        tree.small(path, DataType::PieceInner, &inner);
        let single = pb::SinglePieceInfo { piece: Some(attr.clone()) };
        tree.small(ArchivePath::<Scn>::SinglePieceInfo { key }.path(), DataType::SinglePieceInfo, &single);
        let end = pb::PieceEnd { dest_id, round_id, piece_id, end_scn: checkpoint_scn };
        tree.small(ArchivePath::PieceEnd { key, time_scn: checkpoint }.path(), DataType::PieceEnd, &end);
        attr
    }
}

impl Shape {
    /// Puts one log file in this shape.
    pub fn put(&self, tree: &mut Tree, (key, ls, id): (PieceKey, LsId, u64), bytes: &[u8], is_frozen: bool) {
        let Self::Parts(form, step) = self else { return tree.put(log_path(key, ls, id), bytes.to_vec()) };
        let path = |part| ArchivePath::<Scn>::LogPart { key, ls, file_id: id.into(), part }.path();
        let meta = format_meta(form.key.as_ref().map(|key| (key, super::SALT)));
        tree.small(path(LogPart::FormatMeta), DataType::AppendFormatMeta, &meta);
        let mut parts = Vec::new();
        for start in (0..bytes.len()).step_by(*step) {
            let end = bytes.len().min(start + step);
            let place = PartPlace { piece: key, ls, file_id: id.into(), start: start as u64, end: end as u64 };
            let part = encode_part(&place, &Bytes::copy_from_slice(&bytes[start..end]), form).unwrap();
            tree.put(place.path(), part);
            parts.push(pb::AppendPart { start: place.start, end: place.end });
        }
        if is_frozen {
            let digest = crc32c_raw(0, bytes).to_be_bytes().to_vec().into();
            let seal = pb::SealMeta { size_bytes: bytes.len() as u64, parts, digest };
            tree.small(path(LogPart::SealMeta), DataType::SealMeta, &seal);
        }
    }
}
