//! The contract that every medium keeps, as one suite: run it on each new medium and each decorator.
//!
//! It panics where the contract is broken, so it is for tests only. The medium must be empty and healthy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod mini_store;
mod oss_signature;
pub mod servers;

use crate::{Listed, LogForm, Medium, PutOutcome};
use bytes::Bytes;
use strandline_types::ErrorClass;

/// Runs the whole suite.
pub async fn run(medium: &dyn Medium) {
    run_over_directories(medium).await;
    racing_puts_of_other_bytes_have_one_winner(medium).await;
    assert!(medium.get("once").await.unwrap_err().is_not_found(), "a directory is no object");
}

/// The suite for a server over a directory (s3s-fs): it answers a question about a directory as if that were an object,
/// and two conditional writes at the same instant may both succeed, which a probe reports.
pub async fn run_over_directories(medium: &dyn Medium) {
    an_empty_destination_lists_nothing(medium).await;
    a_whole_object_is_written_once(medium).await;
    an_empty_object_may_be_filled_by_put_only(medium).await;
    a_range_is_exact_or_an_error(medium).await;
    a_missing_object_is_not_found(medium).await;
    names_on_the_medium_are_the_names_given(medium).await;
    match medium.log_form() {
        LogForm::Plain => {
            an_append_goes_on_where_the_object_ends(medium).await;
            an_append_never_overwrites(medium).await;
            a_torn_append_is_completed_by_repeating_it(medium).await;
            racing_appends_of_other_bytes_have_one_winner(medium).await;
            a_whole_object_is_never_appended_to(medium).await;
        }
        LogForm::Parts => a_medium_of_parts_refuses_to_append(medium).await,
    }
    parts_of_one_range_agree_or_are_refused(medium).await;
    a_streamed_object_appears_whole_or_not_at_all(medium).await;
    a_big_object_is_streamed_in_parts(medium).await;
    a_copy_holds_the_same_bytes_and_replaces_nothing(medium).await;
    what_a_dead_writer_left_is_invisible_and_can_be_removed(medium).await;
    a_path_outside_is_refused(medium).await;
}

/// A listing of more objects than one page of any store has; apart from [`run`], because it takes a while.
pub async fn a_listing_of_many_pages_is_whole(m: &dyn Medium) {
    let names: Vec<String> = (0..2100).map(|n| format!("many/d{}/{n:05}", n % 3)).collect();
    for chunk in names.chunks(32) {
        let puts = chunk.iter().map(|name| m.put(name, Bytes::from_static(b"x")));
        futures::future::try_join_all(puts).await.unwrap();
    }
    let mut expected = names;
    expected.sort();
    let found: Vec<String> = m.list("many").await.unwrap().into_iter().map(|l| l.path).collect();
    assert_eq!(found, expected);
    assert_eq!(m.list_dirs("many").await.unwrap(), ["many/d0", "many/d1", "many/d2"]);
    assert_eq!(m.list("many/d1").await.unwrap().len(), 700);
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

async fn racing_appends_of_other_bytes_have_one_winner(m: &dyn Medium) {
    let data = |n: u8| Bytes::from(vec![n; 1000]);
    let ends = futures::future::join_all((0..6).map(|n| m.append("race/log", 0, data(n)))).await;
    let winners: Vec<u8> = (0..6).filter(|n| ends[usize::from(*n)].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{ends:?}");
    assert_eq!(m.get("race/log").await.unwrap(), data(winners[0]));
    for e in ends.into_iter().filter_map(Result::err) {
        assert!(matches!(e.class, ErrorClass::Fenced | ErrorClass::Transient), "{e}");
    }
}

async fn a_whole_object_is_never_appended_to(m: &dyn Medium) {
    m.put("whole/1", Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(m.append("whole/1", 0, Bytes::from_static(b"ab")).await.unwrap(), 3, "bytes that are there");
    assert_eq!(m.append("whole/1", 1, Bytes::from_static(b"x")).await.unwrap_err().class, ErrorClass::Fenced);
    assert_eq!(m.get("whole/1").await.unwrap(), "abc");
}

async fn a_medium_of_parts_refuses_to_append(m: &dyn Medium) {
    let e = m.append("log/1", 0, Bytes::from_static(b"abc")).await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Invalid, "{e}");
    assert!(m.head("log/1").await.unwrap_err().is_not_found());
}

async fn parts_of_one_range_agree_or_are_refused(m: &dyn Medium) {
    let dir = "parts/log/7.obarc";
    let (meta, part) = (format!("{dir}/@APD_PART@FORMAT_META.obarc"), format!("{dir}/@APD_PART@0-4.obarc"));
    for _ in 0..2 {
        m.put_if_absent(&meta, Bytes::from_static(b"m")).await.unwrap();
        m.put_if_absent(&part, Bytes::from_static(b"abcd")).await.unwrap();
    }
    let fork = m.put_if_absent(&part, Bytes::from_static(b"abcX")).await.unwrap_err();
    assert_eq!(fork.class, ErrorClass::Fenced, "{fork}");
    assert_eq!(m.list(dir).await.unwrap().len(), 2);
    assert_eq!(m.get_range(&part, 1..3).await.unwrap(), "bc");
}

async fn a_big_object_is_streamed_in_parts(m: &dyn Medium) {
    let whole: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let whole = Bytes::from(whole);
    let mut changed = whole.to_vec();
    changed[19_999_999] ^= 1;
    for (bytes, good) in [(whole.clone(), true), (whole.clone(), true), (Bytes::from(changed), false)] {
        let mut writer = m.open_writer("stream/big").await.unwrap();
        for piece in bytes.chunks(3_333_333) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        match writer.finish().await {
            Ok(len) => assert!(good && len == whole.len() as u64),
            Err(e) => assert!(!good && e.class == ErrorClass::Fenced, "{e}"),
        }
    }
    assert_eq!(m.head("stream/big").await.unwrap(), whole.len() as u64);
    assert_eq!(m.get_range("stream/big", 8_388_600..8_388_700).await.unwrap(), whole[8_388_600..8_388_700]);
    assert_eq!(m.get("stream/big").await.unwrap(), whole);
}

async fn a_copy_holds_the_same_bytes_and_replaces_nothing(m: &dyn Medium) {
    m.put("copy/from", Bytes::from_static(b"content")).await.unwrap();
    for _ in 0..2 {
        m.copy("copy/from", "copy/to").await.unwrap();
        assert_eq!(m.get("copy/to").await.unwrap(), "content");
    }
    m.put("copy/other", Bytes::from_static(b"other")).await.unwrap();
    assert_eq!(m.copy("copy/from", "copy/other").await.unwrap_err().class, ErrorClass::Fenced);
    assert_eq!(m.get("copy/other").await.unwrap(), "other");
    assert!(m.copy("copy/missing", "copy/new").await.unwrap_err().is_not_found());
    assert!(m.head("copy/new").await.unwrap_err().is_not_found());
}

async fn racing_puts_of_other_bytes_have_one_winner(m: &dyn Medium) {
    let data = |n: u8| Bytes::from(vec![n; 5000]);
    let ends = futures::future::join_all((0..8).map(|n| m.put_if_absent("race/put", data(n)))).await;
    let winners: Vec<u8> = (0..8).filter(|n| ends[usize::from(*n)].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{ends:?}");
    assert_eq!(m.get("race/put").await.unwrap(), data(winners[0]));
}

async fn what_a_dead_writer_left_is_invisible_and_can_be_removed(m: &dyn Medium) {
    let mut writer = m.open_writer("dead/1").await.unwrap();
    writer.write(Bytes::from(vec![1; 17 << 20])).await.unwrap();
    // As if the process had been killed.
    std::mem::forget(writer);
    assert_eq!(m.list("dead").await.unwrap(), []);
    let Ok(found) = m.unfinished().await else { return };
    for left in found.iter().filter(|u| u.path == "dead/1") {
        m.abort(left).await.unwrap();
        m.abort(left).await.unwrap();
    }
    assert!(m.unfinished().await.unwrap().iter().all(|u| u.path != "dead/1"));
}

async fn a_path_outside_is_refused(m: &dyn Medium) {
    for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/"] {
        assert_eq!(m.put(bad, Bytes::new()).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert_eq!(m.get(bad).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert_eq!(m.append(bad, 0, Bytes::new()).await.unwrap_err().class, ErrorClass::Invalid, "{bad}");
        assert!(m.open_writer(bad).await.is_err(), "{bad}");
    }
}
