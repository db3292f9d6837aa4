//! The objects of a log file in parts: their first and last object, and that each part is as long as it says.

use super::checker::Checker;
use super::report::DamageKind;
use super::scope::PieceScope;
use crate::log::chain::{FileForm, LogFile};
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::header::{COMMON_HEADER_BYTES, CommonHeader};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::{DataType, pb};
use strandline_types::{Failure, LsId};

/// What the first and last object of a log file say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartFacts {
    /// Checksum of the whole file, where its seal knows it.
    pub(super) digest: Option<u32>,
    /// True when its first object is damaged: it is not known then which key the parts need.
    pub(super) has_bad_meta: bool,
}

/// Checks everything of a file, which these objects make, but the log bytes in it.
pub(super) async fn check(
    c: &Arc<Checker>,
    scope: PieceScope,
    ls: LsId,
    file: &LogFile,
    objects: &BTreeMap<String, u64>,
) -> Result<PartFacts, Failure> {
    let FileForm::Parts(parts) = &file.form else { return Ok(PartFacts::default()) };
    let path = |part| ArchivePath::LogPart { key: scope.key, ls, file_id: file.file_id, part }.path();
    let meta_path = path(LogPart::FormatMeta);
    let meta: Option<pb::AppendFormatMeta> = c.small(&meta_path, DataType::AppendFormatMeta).await?;
    let has_bad_meta = meta.is_none();
    if let Some(meta) = meta {
        c.same(&meta_path, "format version", meta.format_version, 1);
    }
    let seal_path = path(LogPart::SealMeta);
    let has_seal = objects.contains_key(&seal_path);
    let seal: Option<pb::SealMeta> = if has_seal { c.small(&seal_path, DataType::SealMeta).await? } else { None };
    if !has_seal && scope.is_frozen {
        c.damage(&seal_path, DamageKind::Missing, "the piece is frozen, yet this log file was not sealed");
    }
    let digest = seal.as_ref().and_then(|seal| Some(u32::from_be_bytes(seal.digest[..].try_into().ok()?)));
    if let Some(seal) = seal {
        c.same(&seal_path, "length of the log file", seal.size_bytes, file.bytes);
        for part in &seal.parts {
            let data = path(LogPart::Data { start: part.start, end: part.end });
            if !objects.contains_key(&data) {
                c.damage(data, DamageKind::Missing, "the seal of its log file lists it");
            }
        }
    }
    for part in parts.iter().filter(|p| p.is_packed()) {
        let data = path(LogPart::Data { start: part.range.start, end: part.range.end });
        let plain = part.range.end - part.range.start;
        if part.stored_bytes == 0 {
            c.damage(data, DamageKind::Truncated, format!("it is empty, its name says {plain} bytes"));
            continue;
        }
        let head_bytes = part.stored_bytes.min(COMMON_HEADER_BYTES as u64);
        let Some(head) = c.get_range(&data, 0..head_bytes).await? else { continue };
        match CommonHeader::decode(&head) {
            Ok(header) if header.total_bytes() == part.stored_bytes && header.plain_bytes == plain => {}
            _ if part.stored_bytes < plain => {
                let detail = format!("{} bytes, its name says {plain}", part.stored_bytes);
                c.damage(data, DamageKind::Truncated, detail);
            }
            _ => c.damage(data, DamageKind::Corrupt, format!("{} bytes, its name says {plain}", part.stored_bytes)),
        }
    }
    Ok(PartFacts { digest, has_bad_meta })
}
