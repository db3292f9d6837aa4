//! One log in every form that an archive can have: the reader gives the same groups for all of them.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_format::paths::ArchivePath;
use strandline_format::secret::KeySecret;
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::{Medium, MemoryMedium};
use strandline_reader::{Keys, LogReader, LogSource, export_plain};
use strandline_types::{ErrorClass, Failure};
use support::{BASE, LS, PIECE, START, WHOLE, files, keys, memory, packed, place, put_parts, sealed};

/// `max_scn` and length of every group.
async fn read(medium: &Arc<MemoryMedium>, keys: Arc<Keys>) -> Result<Vec<(u64, usize)>, Failure> {
    let medium: Arc<dyn Medium> = medium.clone();
    let source = LogSource { medium, piece: PIECE };
    let mut reader = LogReader::open(vec![source], LS, START, Some(BASE), keys).await?;
    let mut found = Vec::new();
    while let Some(groups) = reader.next_groups().await? {
        found.extend(groups.iter().map(|g| (g.header.max_scn.0, g.bytes.len())));
    }
    assert_eq!(reader.position(), reader.end());
    Ok(found)
}

#[tokio::test]
async fn every_form_of_a_log_gives_the_same_groups() {
    let plain = memory("plain");
    for (id, bytes) in files() {
        plain.put(&ArchivePath::Log { key: PIECE, ls: LS, file_id: id.into() }.path(), bytes.into()).await.unwrap();
    }
    let expected = read(&plain, Arc::default()).await.unwrap();
    assert!(expected.len() > 300, "padding included");
    let forms = [
        ("raw", PartForm::RAW, 70_001, 0),
        ("overlapping", PartForm::RAW, 70_001, 500),
        ("lz4", packed(Compressor::Lz4), 300_000, 0),
        ("zstd, overlapping", packed(Compressor::Zstd), 300_000, 4000),
        ("compacted", packed(Compressor::Zstd), WHOLE, 0),
        ("sealed", sealed(), 200_000, 0),
    ];
    for (name, form, step, overlap) in forms {
        let medium = memory(name);
        put_parts(medium.as_ref(), &form, step, overlap).await;
        assert_eq!(read(&medium, keys()).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn small_parts_that_a_compaction_left_do_not_disturb() {
    let medium = memory("cut off");
    put_parts(medium.as_ref(), &PartForm::RAW, 70_001, 0).await;
    let small = read(&medium, Arc::default()).await.unwrap();
    put_parts(medium.as_ref(), &packed(Compressor::Lz4), WHOLE, 0).await;
    assert_eq!(read(&medium, Arc::default()).await.unwrap(), small);
}

#[tokio::test]
async fn overlapping_parts_that_disagree_and_a_hole_are_errors_that_name_the_bytes() {
    let medium = memory("disagree");
    put_parts(medium.as_ref(), &PartForm::RAW, 70_001, 500).await;
    let (id, bytes) = files().remove(0);
    let mut other = bytes[100_000..100_100].to_vec();
    other[7] ^= 1;
    medium.put(&place(id, 100_000, 100_100).path(), other.into()).await.unwrap();
    let e = read(&medium, Arc::default()).await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Corrupt);
    assert!(e.what.contains("do not agree"), "{e}");

    let medium = memory("hole");
    put_parts(medium.as_ref(), &PartForm::RAW, 70_001, 0).await;
    medium.delete(&place(id, 70_001, 140_002).path()).await.unwrap();
    let e = read(&medium, Arc::default()).await.unwrap_err();
    assert_eq!(e.class, ErrorClass::NotFound);
    assert!(e.what.contains("[70001, 140002)"), "{e}");
}

#[tokio::test]
async fn a_sealed_log_opens_with_its_passphrase_and_with_nothing_else() {
    let medium = memory("locked");
    put_parts(medium.as_ref(), &sealed(), 200_000, 0).await;
    assert!(read(&medium, Arc::default()).await.unwrap_err().what.contains("which was not given"));
    let wrong = Keys::new([KeySecret::Key(Key::from_bytes([9; 32]))]);
    assert!(read(&medium, Arc::new(wrong)).await.is_err());
    assert!(read(&medium, keys()).await.is_ok());
}

#[tokio::test]
async fn an_exported_archive_is_the_plain_one() {
    let archive = memory("to export");
    put_parts(archive.as_ref(), &sealed(), 200_000, 0).await;
    let format = pb::PathFormat { dest_type: "archive_log".to_owned(), ..Default::default() };
    archive.put("format.obbak", write_small(DataType::Format, &format).into()).await.unwrap();
    let plain = memory("exported");
    let (from, to): (Arc<dyn Medium>, Arc<dyn Medium>) = (archive.clone(), plain.clone());
    let done = export_plain(&from, &to, &keys(), |_, _| {}).await.unwrap();
    assert_eq!(done.objects, 3);
    for (id, bytes) in files() {
        let path = ArchivePath::Log { key: PIECE, ls: LS, file_id: id.into() }.path();
        assert_eq!(plain.get(&path).await.unwrap(), bytes);
    }
    assert_eq!(read(&plain, Arc::default()).await.unwrap(), read(&archive, keys()).await.unwrap());
}
