//! Any file of both trees as JSON, for people: what it is by its name, what it is by its bytes, and what it says.
//!
//! Describing verifies: a damaged small, data or index file is an error. A log is described up to its first problem,
//! which is part of the description: the groups before it are still good.

mod blocks;
pub mod hex;
mod log;
mod part;
mod small;

use crate::blocks::FileKind;
use crate::paths::parse_cluster_parameter;
use crate::paths::{ArchivePath, BackupPath, IndexKind, LogPart, ParsedArchivePath, ParsedBackupPath};
use crate::{DataType, FormatError};
use serde_json::{Map, Value, json};

/// What a file must hold, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Small(DataType),
    Blocks(FileKind),
    Log,
    /// Bytes of a log file from this offset on.
    LogPart(u64),
    /// A packed or sealed part of a log file, by its bytes.
    Packed,
    /// Nothing: the name is the value.
    Empty,
}

/// Describes the file `path` of an archive or data backup destination, or a local log block. Folders in front of the
/// destination do not disturb.
///
/// # Errors
/// A file that is damaged, or that is neither by name nor by bytes a file of this project.
pub fn describe(path: &str, bytes: &[u8]) -> Result<Value, FormatError> {
    let named = recognise(path);
    let shape = match &named {
        Some((shape, _)) => *shape,
        None => sniff(bytes).ok_or(FormatError::UnknownName)?,
    };
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(named.map_or_else(|| path.to_owned(), |(_, name)| name)));
    out.insert("bytes".to_owned(), json!(bytes.len()));
    let content = match shape {
        Shape::Small(data_type) => small::describe(data_type, bytes)?,
        Shape::Blocks(kind) => blocks::describe(kind, bytes)?,
        Shape::Log => log::describe_file(bytes)?,
        Shape::LogPart(_) | Shape::Packed if part::is_packed(bytes) => part::describe(bytes)?,
        Shape::Packed => return Err(FormatError::UnknownName),
        Shape::LogPart(0) => log::describe_file(bytes)?,
        Shape::LogPart(start) => json!({ "kind": "part of a log file", "offset": start }),
        Shape::Empty if bytes.is_empty() => {
            json!({ "kind": "checkpoint", "meaning": "the SCN in the name is the value" })
        }
        Shape::Empty => {
            return Err(FormatError::Trailing { what: "checkpoint file", at: 0, extra: bytes.len() as u64 });
        }
    };
    if let Value::Object(fields) = content {
        out.extend(fields);
    }
    Ok(Value::Object(out))
}

/// Shape and name of a path, by the longest tail of it that is a name of a tree.
fn recognise(path: &str) -> Option<(Shape, String)> {
    let tails = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
    tails.map(|at| &path[at..]).find_map(|tail| Some((shape_of(tail)?, tail.to_owned())))
}

fn shape_of(path: &str) -> Option<Shape> {
    if let Some(archive) = ArchivePath::parse(path) {
        return Some(archive_shape(&archive));
    }
    if let Some(backup) = BackupPath::parse(path) {
        return Some(backup_shape(&backup));
    }
    parse_cluster_parameter(path).map(|_| Shape::Small(DataType::Parameters))
}

fn archive_shape(path: &ParsedArchivePath) -> Shape {
    use ArchivePath as P;
    Shape::Small(match path {
        P::Format => DataType::Format,
        P::CheckFile { .. } => DataType::CheckFile,
        P::RoundStart { .. } => DataType::RoundStart,
        P::RoundEnd { .. } => DataType::RoundEnd,
        P::PieceStart { .. } => DataType::PieceStart,
        P::PieceEnd { .. } => DataType::PieceEnd,
        P::PieceInner { .. } => DataType::PieceInner,
        P::CheckpointInfo { .. } => DataType::CheckpointInfo,
        P::TenantArchivePieceInfos { .. } => DataType::TenantArchivePieceInfos,
        P::SinglePieceInfo { .. } => DataType::SinglePieceInfo,
        P::PieceFileInfo { .. } => DataType::PieceFileList,
        P::LsFileInfo { .. } => DataType::SingleLsFileList,
        P::SchemaMeta { .. } => DataType::SchemaMeta,
        P::LogPart { part: LogPart::FormatMeta, .. } => DataType::AppendFormatMeta,
        P::LogPart { part: LogPart::SealMeta, .. } => DataType::SealMeta,
        P::LogPart { part: LogPart::Data { start, .. }, .. } => return Shape::LogPart(*start),
        P::Log { .. } => return Shape::Log,
        P::Checkpoint { .. } => return Shape::Empty,
    })
}

fn backup_shape(path: &ParsedBackupPath) -> Shape {
    use BackupPath as P;
    Shape::Small(match path {
        P::Format => DataType::Format,
        P::CheckFile { .. } => DataType::CheckFile,
        P::SetStart { .. } | P::SetEnd { .. } | P::SetInner { .. } => DataType::SetPlaceholder,
        P::SingleSetInfo { .. } => DataType::BackupSetInfo,
        P::TenantSetInfos { .. } => DataType::TenantBackupSetInfos,
        P::DiagnoseInfo { .. } => DataType::DiagnoseInfo,
        P::TenantParameter { .. } => DataType::Parameters,
        P::LocalityInfo { .. } => DataType::LocalityInfo,
        P::DeletedTabletInfo { .. } => DataType::DeletedTabletInfo,
        P::TableList { .. } => DataType::TableList,
        P::TableListMeta { .. } => DataType::TableListMeta,
        P::TabletLsInfo { .. } => DataType::TabletLogStreamInfo,
        P::LsAttrInfo { .. } => DataType::LsAttrInfo,
        P::LsMetaInfos { .. } => DataType::LsMetaInfos,
        P::LsMetaInfo { .. } => DataType::LsMetaInfo,
        P::TabletInfo { .. } => DataType::TabletInfo,
        P::MacroBlockData { .. } => return Shape::Blocks(FileKind::Data),
        P::TenantIndex { index, .. } | P::LsIndex { index, .. } => return Shape::Blocks(index_file(*index)),
        P::ComplementLog { inner, .. } => return archive_shape(inner),
    })
}

const fn index_file(index: IndexKind) -> FileKind {
    match index {
        IndexKind::MacroRange => FileKind::RangeIndex,
        IndexKind::Meta => FileKind::MetaIndex,
        IndexKind::SecMeta => FileKind::SecMetaIndex,
    }
}

/// What the bytes of a file without a known name may be.
fn sniff(bytes: &[u8]) -> Option<Shape> {
    if log::has_header(bytes) {
        return Some(Shape::Log);
    }
    if let Ok(header) = crate::blocks::FileHeader::decode(bytes) {
        return Some(Shape::Blocks(header.kind));
    }
    if part::is_packed(bytes) {
        return Some(Shape::Packed);
    }
    let header = crate::header::CommonHeader::decode(bytes).ok()?;
    DataType::from_number(header.data_type).map(Shape::Small)
}
