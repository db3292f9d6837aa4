//! The contract suite on real servers: s3s-fs, Azurite, and any store that `STRANDLINE_TEST_DEST` names.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use std::sync::Arc;
use strandline_media::testing::{self, servers};
use strandline_media::{Medium, open, open_with, probe, requests_of, split_secrets};
use strandline_types::{ErrorClass, Verdict};

#[tokio::test]
async fn s3s_fs_keeps_the_contract() {
    let Some(server) = servers::s3() else { return };
    for (bucket, extra) in [("contract", ""), ("crc", "&checksum_type=crc32"), ("plain", "&checksum_type=no_checksum")]
    {
        let uri = format!("{}{extra}", server.s3_uri(bucket, "a prefix/of it"));
        testing::run_over_directories(&*open(&uri).unwrap()).await;
    }
    testing::a_listing_of_many_pages_is_whole(&*open(&server.s3_uri("many", "")).unwrap()).await;
}

#[tokio::test]
async fn azurite_keeps_the_contract() {
    let Some(server) = servers::azurite() else { return };
    testing::run(&*open(&server.azure_uri("contract", "a prefix/of it").await).unwrap()).await;
    testing::a_listing_of_many_pages_is_whole(&*open(&server.azure_uri("many", "").await).unwrap()).await;
}

#[tokio::test]
async fn a_named_store_keeps_the_contract() {
    let Ok(uri) = std::env::var("STRANDLINE_TEST_DEST") else {
        eprintln!("SKIPPED: STRANDLINE_TEST_DEST names no store (an empty bucket or prefix, with its keys)");
        return;
    };
    testing::run(&*open(&uri).unwrap()).await;
}

#[tokio::test]
async fn a_probe_of_a_real_store_finds_nothing_bad_and_leaves_nothing() {
    let mut media: Vec<Arc<dyn Medium>> = Vec::new();
    let (s3, azurite) = (servers::s3(), servers::azurite());
    if let Some(server) = &s3 {
        media.push(open(&server.s3_uri("probe", "x")).unwrap());
    }
    if let Some(server) = &azurite {
        media.push(open(&server.azure_uri("probe", "x").await).unwrap());
    }
    for m in media {
        let findings = probe(&*m).await;
        assert!(findings.len() >= 9, "{findings:#?}");
        assert!(findings.iter().all(|f| f.verdict != Verdict::Bad), "{findings:#?}");
        assert_eq!(m.list("").await.unwrap(), []);
        assert!(requests_of(&m.uri()).requests.total() > 10);
    }
}

#[tokio::test]
async fn wrong_keys_are_named_and_no_key_is_repeated() {
    let Some(server) = servers::s3() else { return };
    let (uri, _) = split_secrets(&server.s3_uri("keys", "x"));
    let wrong = open_with(&uri, "access_id=ak&access_key=topsecret").unwrap();
    let e = wrong.get("x").await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Permission, "{e}");
    assert!(!format!("{e} {e:?} {wrong:?}").contains("topsecret"));
}

#[tokio::test]
async fn a_key_file_is_rotated_while_the_destination_is_open() {
    let Some(server) = servers::s3() else { return };
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "access_id=ak\naccess_key=expired\n").unwrap();
    let (uri, _) = split_secrets(&server.s3_uri("rotate", "x"));
    let m = open(&format!("{uri}&access_key_file={}", keys.display())).unwrap();
    assert_eq!(m.put("a", Bytes::from_static(b"1")).await.unwrap_err().class, ErrorClass::Permission);
    std::fs::write(&keys, "access_id=ak\naccess_key=sk\n").unwrap();
    m.put("a", Bytes::from_static(b"1")).await.unwrap();
}

#[tokio::test]
async fn an_append_whose_reply_was_lost_is_completed_and_a_fork_is_refused() {
    let Some(server) = servers::azurite() else { return };
    let m = open(&server.azure_uri("append", "x").await).unwrap();
    let whole = Bytes::from(vec![3; 9 << 20]);
    m.append("log", 0, whole.slice(..5_000_000)).await.unwrap();
    assert_eq!(m.append("log", 0, whole.clone()).await.unwrap(), whole.len() as u64);
    assert_eq!(m.get("log").await.unwrap(), whole);
    let e = m.append("log", 6_000_000, Bytes::from(vec![4; 10])).await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Fenced, "{e}");
}
