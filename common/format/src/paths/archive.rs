//! The tree of an archive destination.

use super::{PathTime, TimeTag, lex};
use strandline_types::{DestId, FileId, LsId, PieceKey, RoundId, Scn, TenantId};

/// One file of an archive destination. `T` is the time in a name: an [`Scn`] to build, a [`TimeTag`] once parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the ids in a name mean what their types say
pub enum ArchivePath<T = Scn> {
    /// Identity of the path.
    Format,
    /// Connectivity probe.
    CheckFile { tenant: TenantId, time: T },
    /// The round has started.
    RoundStart { dest: DestId, round: RoundId },
    /// The round has ended.
    RoundEnd { dest: DestId, round: RoundId },
    /// The piece has started.
    PieceStart { key: PieceKey, time_scn: T },
    /// The piece is frozen.
    PieceEnd { key: PieceKey, time_scn: T },
    /// Interval of a frozen piece, display only.
    PieceInner { key: PieceKey, start_scn: T, checkpoint_scn: T },
    /// What never changes about the checkpoint of a piece.
    CheckpointInfo { key: PieceKey },
    /// Zero bytes; the SCN in the name is the value.
    Checkpoint { key: PieceKey, scn: Scn },
    /// All earlier frozen pieces.
    TenantArchivePieceInfos { key: PieceKey },
    /// Attributes of a frozen piece.
    SinglePieceInfo { key: PieceKey },
    /// File lists of all log streams of a frozen piece.
    PieceFileInfo { key: PieceKey },
    /// File list of one log stream of a frozen piece.
    LsFileInfo { key: PieceKey, ls: LsId },
    /// A log file (on S3 the prefix of its parts).
    Log { key: PieceKey, ls: LsId, file_id: FileId },
    /// One object of a log file on a medium without append.
    LogPart { key: PieceKey, ls: LsId, file_id: FileId, part: LogPart },
    /// A snapshot of the data dictionary; log stream 1 only.
    SchemaMeta { key: PieceKey, scn: Scn },
}

/// What an object of a log file in parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogPart {
    /// Written with the first byte.
    FormatMeta,
    /// Bytes `[start, end)` of the log file, its header included.
    Data {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
    },
    /// Written last, with the list of parts.
    SealMeta,
}

/// A path of the archive tree as parsed: times are text.
pub type ParsedArchivePath = ArchivePath<TimeTag>;

impl ArchivePath<Scn> {
    /// The path, relative to the root of the destination.
    #[must_use]
    pub fn path(&self) -> String {
        self.build()
    }

    /// The file that a path names, if it is one of the archive tree.
    #[must_use]
    pub fn parse(path: &str) -> Option<ParsedArchivePath> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["format.obbak"] => Some(ArchivePath::Format),
            ["check_file", name] => {
                lex::check_file(name).map(|(tenant, time)| ArchivePath::CheckFile { tenant: TenantId(tenant), time })
            }
            ["rounds", name] => parse_round(name),
            ["pieces", name] => parse_piece_placeholder(name),
            [dir, rest @ ..] => parse_in_piece(lex::piece_key(dir.strip_prefix("piece_")?)?, rest),
            [] => None,
        }
    }

    /// The same file with its times as text: what [`ArchivePath::parse`] gives for [`ArchivePath::path`].
    #[must_use]
    pub fn tagged(&self) -> ParsedArchivePath {
        use ArchivePath as P;
        match self.clone() {
            P::Format => P::Format,
            P::CheckFile { tenant, time } => P::CheckFile { tenant, time: time.tag() },
            P::RoundStart { dest, round } => P::RoundStart { dest, round },
            P::RoundEnd { dest, round } => P::RoundEnd { dest, round },
            P::PieceStart { key, time_scn } => P::PieceStart { key, time_scn: time_scn.tag() },
            P::PieceEnd { key, time_scn } => P::PieceEnd { key, time_scn: time_scn.tag() },
            P::PieceInner { key, start_scn, checkpoint_scn } => {
                P::PieceInner { key, start_scn: start_scn.tag(), checkpoint_scn: checkpoint_scn.tag() }
            }
            P::CheckpointInfo { key } => P::CheckpointInfo { key },
            P::Checkpoint { key, scn } => P::Checkpoint { key, scn },
            P::TenantArchivePieceInfos { key } => P::TenantArchivePieceInfos { key },
            P::SinglePieceInfo { key } => P::SinglePieceInfo { key },
            P::PieceFileInfo { key } => P::PieceFileInfo { key },
            P::LsFileInfo { key, ls } => P::LsFileInfo { key, ls },
            P::Log { key, ls, file_id } => P::Log { key, ls, file_id },
            P::LogPart { key, ls, file_id, part } => P::LogPart { key, ls, file_id, part },
            P::SchemaMeta { key, scn } => P::SchemaMeta { key, scn },
        }
    }
}

impl ParsedArchivePath {
    /// The path that was parsed.
    #[must_use]
    pub fn text(&self) -> String {
        self.build()
    }
}

impl<T: PathTime> ArchivePath<T> {
    pub(super) fn build(&self) -> String {
        match self {
            Self::Format => "format.obbak".to_owned(),
            Self::CheckFile { tenant, time } => format!("check_file/{tenant}_connect_file_{}.obbak", time.tag()),
            Self::RoundStart { dest, round } => format!("{ROUNDS_DIR}/round_d{dest}r{round}_start.obarc"),
            Self::RoundEnd { dest, round } => format!("{ROUNDS_DIR}/round_d{dest}r{round}_end.obarc"),
            Self::PieceStart { key, time_scn } => format!("{PIECES_DIR}/piece_{key}_start_{}.obarc", time_scn.tag()),
            Self::PieceEnd { key, time_scn } => format!("{PIECES_DIR}/piece_{key}_end_{}.obarc", time_scn.tag()),
            Self::PieceInner { key, start_scn, checkpoint_scn } => {
                format!("piece_{key}/piece_{key}_{}_{}.obarc", start_scn.tag(), checkpoint_scn.tag())
            }
            Self::CheckpointInfo { key } => format!("{}/checkpoint_info.0.obarc", checkpoint_dir(*key)),
            Self::Checkpoint { key, scn } => format!("{}/checkpoint.{scn}.obarc", checkpoint_dir(*key)),
            Self::TenantArchivePieceInfos { key } => format!("piece_{key}/tenant_archive_piece_infos.obarc"),
            Self::SinglePieceInfo { key } => format!("piece_{key}/single_piece_info.obarc"),
            Self::PieceFileInfo { key } => format!("piece_{key}/file_info.obarc"),
            Self::LsFileInfo { key, ls } => format!("{}/file_info.obarc", ls_dir(*key, *ls)),
            Self::Log { key, ls, file_id } => format!("{}/{file_id}.obarc", ls_log_dir(*key, *ls)),
            Self::LogPart { key, ls, file_id, part } => {
                let dir = ls_log_dir(*key, *ls);
                match part {
                    LogPart::FormatMeta => format!("{dir}/{file_id}.obarc/@APD_PART@FORMAT_META.obarc"),
                    LogPart::Data { start, end } => format!("{dir}/{file_id}.obarc/@APD_PART@{start}-{end}.obarc"),
                    LogPart::SealMeta => format!("{dir}/{file_id}.obarc/@APD_PART@SEAL_META.obarc"),
                }
            }
            Self::SchemaMeta { key, scn } => format!("{}/{scn}.obarc", schema_meta_dir(*key)),
        }
    }
}

/// Directory of the round placeholders.
pub const ROUNDS_DIR: &str = "rounds";
/// Directory of the piece placeholders.
pub const PIECES_DIR: &str = "pieces";

/// Directory of a piece.
#[must_use]
pub fn piece_dir(key: PieceKey) -> String {
    format!("piece_{key}")
}

/// The piece whose directory this is.
#[must_use]
pub fn parse_piece_dir(dir: &str) -> Option<PieceKey> {
    lex::piece_key(dir.strip_prefix("piece_")?)
}

/// Directory of the checkpoint files of a piece.
#[must_use]
pub fn checkpoint_dir(key: PieceKey) -> String {
    format!("piece_{key}/checkpoint")
}

/// Directory of a log stream in a piece.
#[must_use]
pub fn ls_dir(key: PieceKey, ls: LsId) -> String {
    format!("piece_{key}/logstream_{ls}")
}

/// Directory of the log files of a log stream in a piece.
#[must_use]
pub fn ls_log_dir(key: PieceKey, ls: LsId) -> String {
    format!("piece_{key}/logstream_{ls}/log")
}

/// Directory of the data dictionary snapshots of a piece.
#[must_use]
pub fn schema_meta_dir(key: PieceKey) -> String {
    format!("piece_{key}/logstream_{}/schema_meta", LsId::SYS)
}

fn parse_round(name: &str) -> Option<ParsedArchivePath> {
    let (ids, end) = name.strip_prefix("round_d")?.strip_suffix(".obarc")?.split_once('_')?;
    let (dest, round) = ids.split_once('r')?;
    let (dest, round) = (DestId(lex::number(dest)?), RoundId(lex::number(round)?));
    match end {
        "start" => Some(ArchivePath::RoundStart { dest, round }),
        "end" => Some(ArchivePath::RoundEnd { dest, round }),
        _ => None,
    }
}

fn parse_piece_placeholder(name: &str) -> Option<ParsedArchivePath> {
    let mut parts = name.strip_prefix("piece_")?.strip_suffix(".obarc")?.splitn(3, '_');
    let (key, end) = (lex::piece_key(parts.next()?)?, parts.next()?);
    let time_scn = lex::time(parts.next()?)?;
    match end {
        "start" => Some(ArchivePath::PieceStart { key, time_scn }),
        "end" => Some(ArchivePath::PieceEnd { key, time_scn }),
        _ => None,
    }
}

fn parse_in_piece(key: PieceKey, rest: &[&str]) -> Option<ParsedArchivePath> {
    match rest {
        ["single_piece_info.obarc"] => Some(ArchivePath::SinglePieceInfo { key }),
        ["tenant_archive_piece_infos.obarc"] => Some(ArchivePath::TenantArchivePieceInfos { key }),
        ["file_info.obarc"] => Some(ArchivePath::PieceFileInfo { key }),
        ["checkpoint", "checkpoint_info.0.obarc"] => Some(ArchivePath::CheckpointInfo { key }),
        ["checkpoint", name] => {
            let scn = name.strip_prefix("checkpoint.")?.strip_suffix(".obarc")?;
            Some(ArchivePath::Checkpoint { key, scn: Scn(lex::number(scn)?) })
        }
        [name] => {
            let times = name.strip_prefix(&format!("piece_{key}_"))?.strip_suffix(".obarc")?;
            let (start, checkpoint) = times.split_once('_')?;
            let (start_scn, checkpoint_scn) = (lex::time(start)?, lex::time(checkpoint)?);
            Some(ArchivePath::PieceInner { key, start_scn, checkpoint_scn })
        }
        [ls, rest @ ..] => parse_in_ls(key, LsId(lex::number(ls.strip_prefix("logstream_")?)?), rest),
        [] => None,
    }
}

fn parse_in_ls(key: PieceKey, ls: LsId, rest: &[&str]) -> Option<ParsedArchivePath> {
    match rest {
        ["file_info.obarc"] => Some(ArchivePath::LsFileInfo { key, ls }),
        ["log", file] => Some(ArchivePath::Log { key, ls, file_id: file_id(file)? }),
        ["log", file, part] => {
            let (file_id, part) = (file_id(file)?, part.strip_prefix("@APD_PART@")?.strip_suffix(".obarc")?);
            Some(ArchivePath::LogPart { key, ls, file_id, part: parse_part(part)? })
        }
        ["schema_meta", name] if ls.is_sys() => {
            Some(ArchivePath::SchemaMeta { key, scn: Scn(lex::number(name.strip_suffix(".obarc")?)?) })
        }
        _ => None,
    }
}

fn parse_part(part: &str) -> Option<LogPart> {
    match part {
        "FORMAT_META" => Some(LogPart::FormatMeta),
        "SEAL_META" => Some(LogPart::SealMeta),
        range => {
            let (start, end) = range.split_once('-')?;
            Some(LogPart::Data { start: lex::number(start)?, end: lex::number(end)? })
        }
    }
}

fn file_id(name: &str) -> Option<FileId> {
    Some(FileId(lex::number(name.strip_suffix(".obarc")?)?))
}
