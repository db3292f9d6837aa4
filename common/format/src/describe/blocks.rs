//! Data and index files as JSON: their blocks and trailer, and the entries of an index.

use crate::FormatError;
use crate::blocks::{FileCheck, FileKind, read_file};
use crate::index::{IndexEntry, IndexReader, MacroIndexEntry, MetaIndexEntry, SecMetaIndexEntry};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// Describes a file that must be of this kind.
pub(super) fn describe(expected: FileKind, file: &[u8]) -> Result<Value, FormatError> {
    let file = Bytes::copy_from_slice(file);
    let check = read_file(&file, |_, _| Ok(()))?;
    if check.kind != expected {
        return Err(FormatError::WrongType { expected: expected.to_string(), found: check.kind.to_string() });
    }
    let entries = match check.kind {
        FileKind::Data => Value::Null,
        FileKind::RangeIndex => entries::<MacroIndexEntry>(&file)?,
        FileKind::MetaIndex => entries::<MetaIndexEntry>(&file)?,
        FileKind::SecMetaIndex => entries::<SecMetaIndexEntry>(&file)?,
    };
    let mut out = summary(&check);
    if let (false, Value::Object(fields)) = (entries.is_null(), &mut out) {
        fields.insert("entries".to_owned(), entries);
    }
    Ok(out)
}

fn entries<E: IndexEntry + Serialize>(file: &Bytes) -> Result<Value, FormatError> {
    let entries = IndexReader::<E>::parse(file)?;
    serde_json::to_value(entries).map_err(|e| FormatError::Payload {
        what: "index entry",
        at: 0,
        detail: e.to_string(),
    })
}

fn summary(check: &FileCheck) -> Value {
    let block = |b: &crate::blocks::BlockAt| json!({ "type": b.block_type.to_string(), "offset": b.offset, "length": b.length });
    let t = check.trailer;
    json!({
        "kind": check.kind.to_string(),
        "blocks": check.blocks.iter().map(block).collect::<Vec<_>>(),
        "trailer": {
            "macro_block_count": t.macro_block_count,
            "meta_count": t.meta_count,
            "index_entry_count": t.index_entry_count,
            "list_offset": t.list_offset,
            "list_length": t.list_length,
            "file_bytes": t.file_bytes,
            "file_checksum": format!("{:#010x}", t.file_checksum),
        },
    })
}
