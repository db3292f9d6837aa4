//! The contract that every medium keeps, as one suite: run it on each new medium and each decorator.
//!
//! It panics where the contract is broken, so it is for tests only. The medium must be empty and healthy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::{Listed, Medium, PutOutcome};
use bytes::Bytes;
use strandline_types::ErrorClass;

/// Runs the whole suite.
pub async fn run(medium: &dyn Medium) {
    an_empty_destination_lists_nothing(medium).await;
    a_whole_object_is_written_once(medium).await;
    an_empty_object_may_be_filled_by_put_only(medium).await;
    a_range_is_exact_or_an_error(medium).await;
    a_missing_object_is_not_found(medium).await;
    names_on_the_medium_are_the_names_given(medium).await;
    an_append_goes_on_where_the_object_ends(medium).await;
    an_append_never_overwrites(medium).await;
    a_torn_append_is_completed_by_repeating_it(medium).await;
    a_streamed_object_appears_whole_or_not_at_all(medium).await;
    a_path_outside_is_refused(medium).await;
}

async fn an_empty_destination_lists_nothing(m: &dyn Medium) {
    assert_eq!(m.list("").await.unwrap(), []);
    assert_eq!(m.list("no/such/dir").await.unwrap(), []);
    assert!(m.list_dirs("").await.unwrap().is_empty());
}

async fn a_whole_object_is_written_once(m: &dyn Medium) {
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    assert_eq!(m.put_if_absent("once/a", one.clone()).await.unwrap(), PutOutcome::Created);
    assert_eq!(m.put_if_absent("once/a", one.clone()).await.unwrap(), PutOutcome::AlreadyEqual);
    m.put("once/a", one.clone()).await.unwrap();
    for other in [&two, &Bytes::from_static(b"one more"), &Bytes::from_static(b"on"), &Bytes::new()] {
        assert_eq!(m.put_if_absent("once/a", other.clone()).await.unwrap_err().class, ErrorClass::Fenced);
        assert_eq!(m.put("once/a", other.clone()).await.unwrap_err().class, ErrorClass::Fenced);
    }
    assert_eq!(m.get("once/a").await.unwrap(), one);
    m.delete("once/a").await.unwrap();
    m.delete("once/a").await.unwrap();
    m.put("once/a", two.clone()).await.unwrap();
    assert_eq!(m.get("once/a").await.unwrap(), two);
}

async fn an_empty_object_may_be_filled_by_put_only(m: &dyn Medium) {
    let full = Bytes::from_static(b"full");
    m.put("zero", Bytes::new()).await.unwrap();
    assert_eq!((m.head("zero").await.unwrap(), m.get("zero").await.unwrap()), (0, Bytes::new()));
    assert_eq!(m.put_if_absent("zero", Bytes::new()).await.unwrap(), PutOutcome::AlreadyEqual);
    assert_eq!(m.put_if_absent("zero", full.clone()).await.unwrap_err().class, ErrorClass::Fenced);
    m.put("zero", full.clone()).await.unwrap();
    assert_eq!(m.get("zero").await.unwrap(), full);
}

async fn a_range_is_exact_or_an_error(m: &dyn Medium) {
    m.put("range", Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(m.get_range("range", 2..5).await.unwrap(), "234");
    assert_eq!(m.get_range("range", 0..10).await.unwrap(), "0123456789");
    assert_eq!(m.get_range("range", 4..4).await.unwrap(), "");
    for beyond in [5..11, 10..11, 20..30] {
        let error = m.get_range("range", beyond).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Corrupt, "{error}");
    }
}

async fn a_missing_object_is_not_found(m: &dyn Medium) {
    assert!(m.get("missing").await.unwrap_err().is_not_found());
    assert!(m.get_range("missing", 0..1).await.unwrap_err().is_not_found());
    assert!(m.head("missing").await.unwrap_err().is_not_found());
    assert!(m.get("once").await.unwrap_err().is_not_found(), "a directory is no object");
}

async fn names_on_the_medium_are_the_names_given(m: &dyn Medium) {
    let names = [
        "tree/piece_d1002r1p1/checkpoint/checkpoint.1673436649723677822.obarc",
        "tree/piece_d1002r1p1/logstream_1/log/1.obarc/@APD_PART@0-32472973.obarc",
        "tree/piece_d1002r1p1/logstream_1/log/1.obarc/@APD_PART@FORMAT_META.obarc",
        "tree/piece_d1002r1p10/file_info.obarc",
        "tree/rounds/round_d1002r1_start.obarc",
    ];
    for name in names {
        m.put(name, Bytes::from_static(b"x")).await.unwrap();
    }
    let expected: Vec<Listed> = names.iter().map(|n| Listed { path: (*n).to_owned(), bytes: 1 }).collect();
    assert_eq!(m.list("tree").await.unwrap(), expected);
    assert_eq!(m.list("tree/piece_d1002r1p1").await.unwrap(), expected[..3], "a prefix is a whole directory name");
    let dirs = m.list_dirs("tree").await.unwrap();
    assert_eq!(dirs, ["tree/piece_d1002r1p1", "tree/piece_d1002r1p10", "tree/rounds"]);
    assert_eq!(m.list_dirs("tree/rounds").await.unwrap(), [""; 0]);
}

async fn an_append_goes_on_where_the_object_ends(m: &dyn Medium) {
    assert_eq!(m.append("log/1", 0, Bytes::from_static(b"abc")).await.unwrap(), 3);
    assert_eq!(m.append("log/1", 3, Bytes::from_static(b"def")).await.unwrap(), 6);
    assert_eq!(m.append("log/1", 6, Bytes::new()).await.unwrap(), 6);
    assert_eq!(m.get("log/1").await.unwrap(), "abcdef");
    let hole = m.append("log/1", 7, Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(hole.class, ErrorClass::Invalid, "{hole}");
    let hole = m.append("log/2", 1, Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(hole.class, ErrorClass::Invalid, "{hole}");
    assert!(m.head("log/2").await.unwrap_err().is_not_found(), "a refused append leaves nothing");
}

async fn an_append_never_overwrites(m: &dyn Medium) {
    m.append("fence", 0, Bytes::from_static(b"abcdef")).await.unwrap();
    for (at, data) in [(0, "x"), (2, "cx"), (2, "cdefg-"), (5, "xyz")] {
        let outcome = m.append("fence", at, Bytes::from_static(data.as_bytes())).await;
        if data == "cdefg-" {
            assert_eq!(outcome.unwrap(), 8, "an equal prefix is gone on with");
            assert_eq!(m.get("fence").await.unwrap(), "abcdefg-");
        } else {
            assert_eq!(outcome.unwrap_err().class, ErrorClass::Fenced, "{at} {data}");
        }
    }
    assert_eq!(m.get("fence").await.unwrap(), "abcdefg-");
}

async fn a_torn_append_is_completed_by_repeating_it(m: &dyn Medium) {
    let whole: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let whole = Bytes::from(whole);
    m.append("torn", 0, whole.slice(..7_777_777)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(m.append("torn", 0, whole.clone()).await.unwrap(), whole.len() as u64);
    }
    let inside = m.append("torn", 100, whole.slice(100..200)).await.unwrap();
    assert_eq!(inside, whole.len() as u64, "bytes that are there are a success and shorten nothing");
    assert_eq!(m.get("torn").await.unwrap(), whole);
    let mut bad = whole.to_vec();
    bad[5_000_001] ^= 1;
    assert_eq!(m.append("torn", 0, bad.into()).await.unwrap_err().class, ErrorClass::Fenced);
}

async fn a_streamed_object_appears_whole_or_not_at_all(m: &dyn Medium) {
    let mut writer = m.open_writer("big/0").await.unwrap();
    writer.write(Bytes::from_static(b"hello ")).await.unwrap();
    assert!(m.head("big/0").await.unwrap_err().is_not_found());
    assert_eq!(m.list("big").await.unwrap(), []);
    writer.write(Bytes::from_static(b"world")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 11);
    assert_eq!(m.get("big/0").await.unwrap(), "hello world");

    for (text, same) in [("hello world", true), ("hello there", false)] {
        let mut again = m.open_writer("big/0").await.unwrap();
        again.write(Bytes::from_static(text.as_bytes())).await.unwrap();
        assert_eq!(again.finish().await.is_ok(), same, "{text}");
    }
    let mut dropped = m.open_writer("big/1").await.unwrap();
    dropped.write(Bytes::from_static(b"x")).await.unwrap();
    drop(dropped);
    assert_eq!(m.list("big").await.unwrap(), [Listed { path: "big/0".to_owned(), bytes: 11 }]);
}

async fn a_path_outside_is_refused(m: &dyn Medium) {
    for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/"] {
        assert_eq!(m.put(bad, Bytes::new()).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert_eq!(m.get(bad).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert_eq!(m.append(bad, 0, Bytes::new()).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert!(m.open_writer(bad).await.is_err(), "{bad}");
    }
}
