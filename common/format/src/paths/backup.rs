//! The tree of a data backup destination.

use super::{ArchivePath, PathTime, TimeTag, lex};
use std::fmt;
use strandline_types::{BackupSetId, BackupSetKind, DataKind, LsId, RetryId, Scn, TenantId, TurnId};

/// A backup set as its directory is named: `backup_set_<N>_{full|inc}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName {
    /// Its id.
    pub id: BackupSetId,
    /// Full or incremental.
    pub kind: BackupSetKind,
}

impl SetName {
    /// The set that a directory is named after.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, kind) = text.strip_prefix("backup_set_")?.split_once('_')?;
        let kind = match kind {
            "full" => BackupSetKind::Full,
            "inc" => BackupSetKind::Inc,
            _ => return None,
        };
        Some(Self { id: BackupSetId(lex::number(id)?), kind })
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backup_set_{}_{}", self.id, self.kind.tag())
    }
}

/// Which data the tenant-level files of a set describe. Sys data has none: it is always read from its own set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InfoKind {
    /// Bottom-level blocks.
    Major,
    /// Blocks above the bottom level.
    Minor,
}

impl InfoKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Major, Self::Minor];

    /// The kind of data that it describes.
    #[must_use]
    pub const fn data_kind(self) -> DataKind {
        match self {
            Self::Major => DataKind::Major,
            Self::Minor => DataKind::Minor,
        }
    }
}

/// Which index a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKind {
    /// Logical id to place of every macroblock.
    MacroRange,
    /// Places of tablet metas.
    Meta,
    /// Logical to physical ids.
    SecMeta,
}

impl IndexKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::MacroRange, Self::Meta, Self::SecMeta];

    /// As in names.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::MacroRange => "macro_range_index",
            Self::Meta => "meta_index",
            Self::SecMeta => "sec_meta_index",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.tag() == text)
    }
}

/// One file of a data backup destination. `T` is the time in a name: an [`Scn`] to build, a [`TimeTag`] once parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the ids in a name mean what their types say
pub enum BackupPath<T = Scn> {
    /// Identity of the path.
    Format,
    /// Connectivity probe.
    CheckFile { tenant: TenantId, time: T },
    /// The set has been begun.
    SetStart { set: SetName },
    /// The set has ended; with `success` it exists for restore.
    SetEnd { set: SetName, success: bool, time_scn: T },
    /// Interval of a set, display only.
    SetInner { set: SetName, start: T, end: T },
    /// Attributes of this set.
    SingleSetInfo { set: SetName },
    /// Attributes of all sets of the tenant.
    TenantSetInfos { set: SetName },
    /// Attributes for people.
    DiagnoseInfo { set: SetName },
    /// Parameters of the tenant.
    TenantParameter { set: SetName },
    /// Replicas and resources of the tenant.
    LocalityInfo { set: SetName },
    /// Tablets that went away during the backup.
    DeletedTabletInfo { set: SetName },
    /// Table names, part `n` from 1.
    TableList { set: SetName, scn: Scn, n: u64 },
    /// What the table name files hold.
    TableListMeta { set: SetName, scn: Scn },
    /// Which tablet lies in which log stream.
    TabletLsInfo { set: SetName, kind: InfoKind, turn: TurnId },
    /// An index over all log streams.
    TenantIndex { set: SetName, kind: InfoKind, turn: TurnId, index: IndexKind, retry: RetryId },
    /// The log streams of the tenant.
    LsAttrInfo { set: SetName, turn: TurnId },
    /// Metas of all log streams.
    LsMetaInfos { set: SetName },
    /// Meta of one log stream.
    LsMetaInfo { set: SetName, ls: LsId, turn: TurnId, retry: RetryId },
    /// Metas of a log stream's tablets, part `n` from 1.
    TabletInfo { set: SetName, ls: LsId, turn: TurnId, retry: RetryId, n: u64 },
    /// Macroblocks, part `n` from 0.
    MacroBlockData { set: SetName, ls: LsId, kind: DataKind, turn: TurnId, retry: RetryId, n: u64 },
    /// An index of one log stream.
    LsIndex { set: SetName, ls: LsId, kind: DataKind, turn: TurnId, retry: RetryId, index: IndexKind },
    /// A file of the set's own archive.
    ComplementLog { set: SetName, inner: ArchivePath<T> },
}

/// A path of the data backup tree as parsed: times are text.
pub type ParsedBackupPath = BackupPath<TimeTag>;

impl BackupPath<Scn> {
    /// The path, relative to the root of the destination.
    #[must_use]
    pub fn path(&self) -> String {
        self.build()
    }

    /// The file that a path names, if it is one of the data backup tree.
    #[must_use]
    pub fn parse(path: &str) -> Option<ParsedBackupPath> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["format.obbak"] => Some(BackupPath::Format),
            ["check_file", name] => {
                lex::check_file(name).map(|(tenant, time)| BackupPath::CheckFile { tenant: TenantId(tenant), time })
            }
            [SETS_DIR, name] => parse_placeholder(name),
            [set, "complement_log", ..] => {
                let set = SetName::parse(set)?;
                let inner = ArchivePath::parse(path.strip_prefix(&complement_log_dir(set))?.strip_prefix('/')?)?;
                Some(BackupPath::ComplementLog { set, inner })
            }
            [set, rest @ ..] => parse_in_set(SetName::parse(set)?, rest),
            [] => None,
        }
    }

    /// The same file with its times as text: what [`BackupPath::parse`] gives for [`BackupPath::path`].
    #[must_use]
    pub fn tagged(&self) -> ParsedBackupPath {
        use BackupPath as P;
        match self.clone() {
            P::Format => P::Format,
            P::CheckFile { tenant, time } => P::CheckFile { tenant, time: time.tag() },
            P::SetStart { set } => P::SetStart { set },
            P::SetEnd { set, success, time_scn } => P::SetEnd { set, success, time_scn: time_scn.tag() },
            P::SetInner { set, start, end } => P::SetInner { set, start: start.tag(), end: end.tag() },
            P::SingleSetInfo { set } => P::SingleSetInfo { set },
            P::TenantSetInfos { set } => P::TenantSetInfos { set },
            P::DiagnoseInfo { set } => P::DiagnoseInfo { set },
            P::TenantParameter { set } => P::TenantParameter { set },
            P::LocalityInfo { set } => P::LocalityInfo { set },
            P::DeletedTabletInfo { set } => P::DeletedTabletInfo { set },
            P::TableList { set, scn, n } => P::TableList { set, scn, n },
            P::TableListMeta { set, scn } => P::TableListMeta { set, scn },
            P::TabletLsInfo { set, kind, turn } => P::TabletLsInfo { set, kind, turn },
            P::TenantIndex { set, kind, turn, index, retry } => P::TenantIndex { set, kind, turn, index, retry },
            P::LsAttrInfo { set, turn } => P::LsAttrInfo { set, turn },
            P::LsMetaInfos { set } => P::LsMetaInfos { set },
            P::LsMetaInfo { set, ls, turn, retry } => P::LsMetaInfo { set, ls, turn, retry },
            P::TabletInfo { set, ls, turn, retry, n } => P::TabletInfo { set, ls, turn, retry, n },
            P::MacroBlockData { set, ls, kind, turn, retry, n } => P::MacroBlockData { set, ls, kind, turn, retry, n },
            P::LsIndex { set, ls, kind, turn, retry, index } => P::LsIndex { set, ls, kind, turn, retry, index },
            P::ComplementLog { set, inner } => P::ComplementLog { set, inner: inner.tagged() },
        }
    }
}

impl ParsedBackupPath {
    /// The path that was parsed.
    #[must_use]
    pub fn text(&self) -> String {
        self.build()
    }
}

impl<T: PathTime> BackupPath<T> {
    fn build(&self) -> String {
        match self {
            Self::Format => "format.obbak".to_owned(),
            Self::CheckFile { tenant, time } => format!("check_file/{tenant}_connect_file_{}.obbak", time.tag()),
            Self::SetStart { set } => format!("{SETS_DIR}/{set}_start.obbak"),
            Self::SetEnd { set, success, time_scn } => {
                let end = if *success { "success" } else { "failed" };
                format!("{SETS_DIR}/{set}_end_{end}_{}.obbak", time_scn.tag())
            }
            Self::SetInner { set, start, end } => format!("{set}/{set}_{}_{}.obbak", start.tag(), end.tag()),
            Self::SingleSetInfo { set } => format!("{set}/single_backup_set_info.obbak"),
            Self::TenantSetInfos { set } => format!("{set}/tenant_backup_set_infos.obbak"),
            Self::DiagnoseInfo { set } => format!("{set}/infos/diagnose_info.obbak"),
            Self::TenantParameter { set } => format!("{set}/infos/tenant_parameter.obbak"),
            Self::LocalityInfo { set } => format!("{set}/infos/locality_info.obbak"),
            Self::DeletedTabletInfo { set } => format!("{set}/infos/deleted_tablet_info.obbak"),
            Self::TableList { set, scn, n } => format!("{set}/infos/table_list/table_list.{scn}.{n}.obbak"),
            Self::TableListMeta { set, scn } => format!("{set}/infos/table_list/table_list_meta_info.{scn}.obbak"),
            Self::TabletLsInfo { set, kind, turn } => {
                format!("{}/tablet_log_stream_info.obbak", turn_info_dir(*set, *kind, *turn))
            }
            Self::TenantIndex { set, kind, turn, index, retry } => {
                let (dir, data) = (turn_info_dir(*set, *kind, *turn), kind.data_kind().tag());
                format!("{dir}/tenant_{data}_{}.{retry}.obbak", index.tag())
            }
            Self::LsAttrInfo { set, turn } => format!("{set}/infos/meta_info/ls_attr_info.{turn}.obbak"),
            Self::LsMetaInfos { set } => format!("{set}/infos/meta_info/ls_meta_infos.obbak"),
            Self::LsMetaInfo { set, ls, turn, retry } => {
                format!("{}/ls_meta_info.obbak", ls_meta_dir(*set, *ls, *turn, *retry))
            }
            Self::TabletInfo { set, ls, turn, retry, n } => {
                format!("{}/tablet_info.{n}.obbak", ls_meta_dir(*set, *ls, *turn, *retry))
            }
            Self::MacroBlockData { set, ls, kind, turn, retry, n } => {
                format!("{}/macro_block_data.{n}.obbak", ls_data_dir(*set, *ls, *kind, *turn, *retry))
            }
            Self::LsIndex { set, ls, kind, turn, retry, index } => {
                format!("{}/{}.obbak", ls_data_dir(*set, *ls, *kind, *turn, *retry), index.tag())
            }
            Self::ComplementLog { set, inner } => format!("{}/{}", complement_log_dir(*set), inner.build()),
        }
    }
}

/// Directory of the set placeholders.
pub const SETS_DIR: &str = "backup_sets";

/// Directory of a set.
#[must_use]
pub fn set_dir(set: SetName) -> String {
    set.to_string()
}

/// Root of the set's own archive.
#[must_use]
pub fn complement_log_dir(set: SetName) -> String {
    format!("{set}/complement_log")
}

/// Directory of the tenant-level files of one kind and turn.
#[must_use]
pub fn turn_info_dir(set: SetName, kind: InfoKind, turn: TurnId) -> String {
    format!("{set}/infos/{}_info_turn_{turn}", kind.data_kind().tag())
}

/// Directory of a log stream in a set.
#[must_use]
pub fn ls_dir(set: SetName, ls: LsId) -> String {
    format!("{set}/logstream_{ls}")
}

/// Directory of a log stream's metas of one turn and retry.
#[must_use]
pub fn ls_meta_dir(set: SetName, ls: LsId, turn: TurnId, retry: RetryId) -> String {
    format!("{set}/logstream_{ls}/meta_info_turn_{turn}_retry_{retry}")
}

/// Directory of a log stream's data of one kind, turn and retry.
#[must_use]
pub fn ls_data_dir(set: SetName, ls: LsId, kind: DataKind, turn: TurnId, retry: RetryId) -> String {
    format!("{set}/logstream_{ls}/{}_turn_{turn}_retry_{retry}", kind.tag())
}

fn parse_placeholder(name: &str) -> Option<ParsedBackupPath> {
    let name = name.strip_suffix(".obbak")?;
    if let Some(set) = name.strip_suffix("_start") {
        return Some(BackupPath::SetStart { set: SetName::parse(set)? });
    }
    let (set, end) = name.split_once("_end_")?;
    let (end, time) = end.split_once('_')?;
    let success = match end {
        "success" => true,
        "failed" => false,
        _ => return None,
    };
    Some(BackupPath::SetEnd { set: SetName::parse(set)?, success, time_scn: lex::time(time)? })
}

fn parse_in_set(set: SetName, rest: &[&str]) -> Option<ParsedBackupPath> {
    match rest {
        ["single_backup_set_info.obbak"] => Some(BackupPath::SingleSetInfo { set }),
        ["tenant_backup_set_infos.obbak"] => Some(BackupPath::TenantSetInfos { set }),
        ["infos", rest @ ..] => parse_infos(set, rest),
        [name] => {
            let times = name.strip_prefix(&format!("{set}_"))?.strip_suffix(".obbak")?;
            let (start, end) = times.split_once('_')?;
            Some(BackupPath::SetInner { set, start: lex::time(start)?, end: lex::time(end)? })
        }
        [ls, dir, file] => {
            parse_in_ls(set, LsId(lex::number(ls.strip_prefix("logstream_")?)?), dir, file.strip_suffix(".obbak")?)
        }
        _ => None,
    }
}

fn parse_infos(set: SetName, rest: &[&str]) -> Option<ParsedBackupPath> {
    match rest {
        ["diagnose_info.obbak"] => Some(BackupPath::DiagnoseInfo { set }),
        ["tenant_parameter.obbak"] => Some(BackupPath::TenantParameter { set }),
        ["locality_info.obbak"] => Some(BackupPath::LocalityInfo { set }),
        ["deleted_tablet_info.obbak"] => Some(BackupPath::DeletedTabletInfo { set }),
        ["meta_info", "ls_meta_infos.obbak"] => Some(BackupPath::LsMetaInfos { set }),
        ["meta_info", name] => {
            let turn = name.strip_prefix("ls_attr_info.")?.strip_suffix(".obbak")?;
            Some(BackupPath::LsAttrInfo { set, turn: TurnId(lex::number32(turn)?) })
        }
        ["table_list", name] => {
            let name = name.strip_suffix(".obbak")?;
            if let Some(scn) = name.strip_prefix("table_list_meta_info.") {
                return Some(BackupPath::TableListMeta { set, scn: Scn(lex::number(scn)?) });
            }
            let (scn, n) = name.strip_prefix("table_list.")?.split_once('.')?;
            Some(BackupPath::TableList { set, scn: Scn(lex::number(scn)?), n: lex::number(n)? })
        }
        [dir, name] => parse_turn_info(set, dir, name.strip_suffix(".obbak")?),
        _ => None,
    }
}

fn parse_turn_info(set: SetName, dir: &str, name: &str) -> Option<ParsedBackupPath> {
    let kind = InfoKind::ALL.into_iter().find(|kind| dir.starts_with(kind.data_kind().tag()))?;
    let tag = kind.data_kind().tag();
    let turn = TurnId(lex::number32(dir.strip_prefix(tag)?.strip_prefix("_info_turn_")?)?);
    if name == "tablet_log_stream_info" {
        return Some(BackupPath::TabletLsInfo { set, kind, turn });
    }
    let (index, retry) = name.strip_prefix("tenant_")?.strip_prefix(tag)?.strip_prefix('_')?.split_once('.')?;
    let (index, retry) = (IndexKind::parse(index)?, RetryId(lex::number32(retry)?));
    Some(BackupPath::TenantIndex { set, kind, turn, index, retry })
}

fn parse_in_ls(set: SetName, ls: LsId, dir: &str, name: &str) -> Option<ParsedBackupPath> {
    let (what, rest) = dir.split_once("_turn_")?;
    let (turn, retry) = rest.split_once("_retry_")?;
    let (turn, retry) = (TurnId(lex::number32(turn)?), RetryId(lex::number32(retry)?));
    if what == "meta_info" {
        if name == "ls_meta_info" {
            return Some(BackupPath::LsMetaInfo { set, ls, turn, retry });
        }
        let n = lex::number(name.strip_prefix("tablet_info.")?)?;
        return Some(BackupPath::TabletInfo { set, ls, turn, retry, n });
    }
    let kind = DataKind::ALL.into_iter().find(|kind| kind.tag() == what)?;
    if let Some(index) = IndexKind::parse(name) {
        return Some(BackupPath::LsIndex { set, ls, kind, turn, retry, index });
    }
    let n = lex::number(name.strip_prefix("macro_block_data.")?)?;
    Some(BackupPath::MacroBlockData { set, ls, kind, turn, retry, n })
}
