//! Small files as JSON: their header's kind and their message, field by field.

use crate::header::COMMON_HEADER_BYTES;
use crate::small::open_small;
use crate::{DataType, FormatError, pb};
use prost::Message;
use serde::Serialize;
use serde_json::{Value, json};

/// Describes a small file that must be of this type.
pub(super) fn describe(expected: DataType, file: &[u8]) -> Result<Value, FormatError> {
    let (found, payload) = open_small(file)?;
    if found != expected {
        return Err(FormatError::WrongType { expected: expected.to_string(), found: found.to_string() });
    }
    Ok(json!({ "kind": found.to_string(), "data_type": found.number(), "content": content(found, payload)? }))
}

fn content(data_type: DataType, payload: &[u8]) -> Result<Value, FormatError> {
    use DataType as T;
    match data_type {
        T::BackupSetInfo => message::<pb::BackupSetInfo>(payload),
        T::LocalityInfo => message::<pb::LocalityInfo>(payload),
        T::DiagnoseInfo => message::<pb::DiagnoseInfo>(payload),
        T::RoundStart => message::<pb::RoundStart>(payload),
        T::RoundEnd => message::<pb::RoundEnd>(payload),
        T::SinglePieceInfo => message::<pb::SinglePieceInfo>(payload),
        T::PieceStart => message::<pb::PieceStart>(payload),
        T::TabletLogStreamInfo => message::<pb::TabletLogStreamInfo>(payload),
        T::SetPlaceholder => message::<pb::SetPlaceholder>(payload),
        T::CheckpointInfo => message::<pb::CheckpointInfo>(payload),
        T::TenantBackupSetInfos => message::<pb::TenantBackupSetInfos>(payload),
        T::PieceEnd => message::<pb::PieceEnd>(payload),
        T::Format => message::<pb::PathFormat>(payload),
        T::PieceInner => message::<pb::PieceInner>(payload),
        T::PieceFileList => message::<pb::PieceFileList>(payload),
        T::SingleLsFileList => message::<pb::SingleLsFileList>(payload),
        T::CheckFile => message::<pb::CheckFile>(payload),
        T::LsMetaInfos => message::<pb::LsMetaInfos>(payload),
        T::TenantArchivePieceInfos => message::<pb::TenantArchivePieceInfos>(payload),
        T::DeletedTabletInfo => message::<pb::DeletedTabletInfo>(payload),
        T::TabletInfo => message::<pb::TabletInfo>(payload),
        T::TableList => message::<pb::TableList>(payload),
        T::TableListMeta => message::<pb::TableListMeta>(payload),
        T::Parameters => message::<pb::Parameters>(payload),
        T::LsAttrInfo => message::<pb::LsAttrInfo>(payload),
        T::SchemaMeta => message::<pb::SchemaMeta>(payload),
        T::LsMetaInfo => message::<pb::LsMetaInfo>(payload),
        T::AppendFormatMeta => message::<pb::AppendFormatMeta>(payload),
        T::SealMeta => message::<pb::SealMeta>(payload),
        // Parts are no small files; they have a page of their own.
        T::PackedPart | T::SealedPart => Ok(json!({ "stored_bytes": payload.len() })),
    }
}

fn message<M: Message + Default + Serialize>(payload: &[u8]) -> Result<Value, FormatError> {
    let bad =
        |detail: String| FormatError::Payload { what: "small file payload", at: COMMON_HEADER_BYTES as u64, detail };
    let message = M::decode(payload).map_err(|e| bad(e.to_string()))?;
    serde_json::to_value(message).map_err(|e| bad(e.to_string()))
}
