//! Every request of every service is in the table, keeps its bound at the limit, and is refused one byte above it and far
//! above it.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use bytes::Bytes;
use std::collections::BTreeMap;

const FAR_ABOVE: usize = 60 << 20;

fn services() -> BTreeMap<String, String> {
    let files = [
        include_str!("../../proto/admin.proto"),
        include_str!("../../proto/cluster.proto"),
        include_str!("../../proto/common.proto"),
        include_str!("../../proto/kv.proto"),
        include_str!("../../proto/probe.proto"),
        include_str!("../../proto/raft.proto"),
    ];
    let (mut calls, mut service) = (BTreeMap::new(), "");
    for line in files.iter().flat_map(|file| file.lines()).map(str::trim) {
        if let Some(name) = line.strip_prefix("service ") {
            service = name.split_whitespace().next().unwrap();
        }
        if let Some((call, rest)) = line.strip_prefix("rpc ").and_then(|l| l.split_once('(')) {
            let message = rest.split(')').next().unwrap().trim_start_matches("stream ").to_owned();
            calls.insert(format!("{service}.{call}"), message);
        }
    }
    calls
}

#[test]
fn the_table_names_every_request_of_every_service() {
    let table: BTreeMap<_, _> = TABLE.iter().map(|r| (r.call.to_owned(), r.message.to_owned())).collect();
    assert_eq!(table, services());
}

/// Every proto file is looked at.
#[test]
fn no_proto_file_is_left_out() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = std::fs::read_dir(dir)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "proto"));
    assert_eq!(files.count(), 6);
}

/// Makes a request that is as large as the number says.
type Make = Box<dyn Fn(usize) -> Box<dyn Bounded>>;

/// Every bound: what it is of, where it lies, and requests for it.
fn requests() -> Vec<(&'static str, usize, Make)> {
    fn bytes(n: usize) -> Bytes {
        vec![b'x'; n].into()
    }
    fn text(n: usize) -> String {
        "x".repeat(n)
    }
    fn write(key: usize, value: usize) -> v1::Write {
        v1::Write { tablet_id: 200_001, key: bytes(key), value: bytes(value), delete: false }
    }
    fn row(
        what: &'static str,
        max: usize,
        make: impl Fn(usize) -> Box<dyn Bounded> + 'static,
    ) -> (&'static str, usize, Make) {
        (what, max, Box::new(make))
    }
    vec![
        row("key", limits::KV_KEY_BYTES_MAX, |n| {
            Box::new(v1::WriteRequest { writes: vec![write(n, 1)], ..Default::default() })
        }),
        row("value", limits::KV_VALUE_BYTES_MAX, |n| {
            Box::new(v1::WriteRequest { writes: vec![write(1, n)], ..Default::default() })
        }),
        row("batch", limits::KV_BATCH_BYTES_MAX, |n| Box::new(batch_of(n))),
        row("get", limits::KV_KEY_BYTES_MAX, |n| Box::new(v1::GetRequest { key: bytes(n), ..Default::default() })),
        row("scan from", limits::KV_RANGE_BYTES_MAX, |n| {
            Box::new(v1::ScanRequest { start_key: bytes(n), ..Default::default() })
        }),
        row("scan to", limits::KV_RANGE_BYTES_MAX, |n| {
            Box::new(v1::ScanRequest { end_key: bytes(n), ..Default::default() })
        }),
        row("statement", limits::SQL_BYTES_MAX, |n| {
            Box::new(v1::SqlRequest { statement: text(n), ..Default::default() })
        }),
        row("session", limits::SQL_BYTES_MAX, |n| {
            Box::new(v1::SqlRequest { session: vec![text(n)], ..Default::default() })
        }),
        row("tenant of a statement", limits::NAME_BYTES_MAX, |n| {
            Box::new(v1::SqlRequest { tenant: text(n), ..Default::default() })
        }),
        row("tenant", limits::NAME_BYTES_MAX, |n| Box::new(v1::TopologyRequest { tenant: text(n) })),
        row("address", limits::DEST_BYTES_MAX, |n| {
            Box::new(v1::DestCheckSpec { dest_uri: text(n), ..Default::default() })
        }),
        row("access", limits::DEST_BYTES_MAX, |n| {
            Box::new(v1::DestCheckSpec { access: text(n), ..Default::default() })
        }),
        row("key source", limits::DEST_BYTES_MAX, |n| {
            Box::new(v1::DestCheckSpec { key_source: text(n), ..Default::default() })
        }),
        row("raft", limits::RAFT_CALL_BYTES_MAX, |n| {
            Box::new(v1::RaftCall { payload: bytes(n), ..Default::default() })
        }),
        row("frame", limits::SNAPSHOT_FRAME_BYTES, |n| {
            Box::new(v1::SnapshotFrame { part: Some(Part::Data(bytes(n))) })
        }),
        row("report", limits::WORKER_REPORT_BYTES_MAX, |n| {
            // Tag and length of the text take five bytes at these sizes.
            Box::new(v1::WorkerReport { address: text(n - 5), ..Default::default() })
        }),
    ]
}

/// A batch whose log form has exactly so many bytes.
fn bytes_of(n: usize) -> Bytes {
    vec![7; n].into()
}

fn batch_of(bytes: usize) -> v1::WriteRequest {
    let write = |n: usize, value: usize| v1::Write {
        tablet_id: 200_001,
        key: Bytes::from(format!("key{n:08}")),
        value: vec![1; value].into(),
        delete: false,
    };
    let each = 512 << 10;
    let mut writes: Vec<v1::Write> = Vec::new();
    while batch_bytes(&writes) + each + 64 <= bytes {
        writes.push(write(writes.len(), each));
    }
    let left = bytes - batch_bytes(&writes);
    writes.push(write(writes.len(), left));
    let surplus = batch_bytes(&writes) - bytes;
    let last = writes.len() - 1;
    writes[last] = write(last, left - surplus);
    // A shorter value may have a shorter length in front of it: the key takes what is left.
    let missing = bytes - batch_bytes(&writes);
    let key = [&writes[last].key[..], &vec![b'x'; missing][..]].concat();
    writes[last].key = key.into();
    assert_eq!(batch_bytes(&writes), bytes);
    v1::WriteRequest { writes, ..Default::default() }
}

#[test]
fn every_bound_holds_at_the_limit_one_above_it_and_far_above_it() {
    for (what, max, make) in requests() {
        make(max).check().unwrap_or_else(|e| panic!("{what} at its limit: {e}"));
        for n in [max + 1, FAR_ABOVE] {
            let failure = make(n).check().expect_err(what);
            assert!(matches!(failure.class, ErrorClass::Invalid | ErrorClass::Exhausted), "{what}: {failure}");
            assert!(!failure.todo.is_empty() && failure.to_string().len() < 400, "{what}: {failure}");
        }
    }
    assert!(v1::WriteRequest::default().check().is_err(), "a batch without writes");
    let window = limits::WRITE_SESSION_WINDOW;
    for (session, number, settled, good) in [
        (16, 1, 1, true),
        (16, 9 + window, 10, true),
        (16, 10 + window, 10, false),
        (16, 9, 10, false),
        (16, 1, 0, false),
        (15, 1, 1, false),
        (17, 1, 1, false),
    ] {
        let identity = v1::WriteIdentity { session: bytes_of(session), number, settled, uncertain_ms: 0 };
        let request = v1::WriteRequest { identity: Some(identity), ..batch_of(100) };
        assert_eq!(request.check().is_ok(), good, "{session} bytes, request {number}, settled {settled}");
    }
    let many =
        v1::SqlRequest { session: vec![String::new(); limits::SESSION_STATEMENTS_MAX + 1], ..Default::default() };
    assert!(many.check().is_err());
}

#[test]
fn a_request_within_its_bounds_is_below_what_the_table_says() {
    let bytes = |call: &str| TABLE.iter().find(|r| r.call == call).unwrap().bytes_max;
    assert!(batch_of(limits::KV_BATCH_BYTES_MAX).encoded_len() <= bytes("Kv.Write"));
    let text = "x".repeat(limits::SQL_BYTES_MAX);
    let sql = v1::SqlRequest {
        statement: text.clone(),
        session: vec![text],
        tenant: "x".repeat(limits::NAME_BYTES_MAX),
        ..Default::default()
    };
    assert!(sql.encoded_len() <= bytes("Admin.Sql"));
}

#[test]
fn an_answer_that_is_too_large_is_refused_in_words() {
    let cell = v1::Cell { value: Some(v1::cell::Value::Text("x".repeat(1 << 20))) };
    let answer = |rows| v1::SqlReply { rows: vec![v1::Row { cells: vec![cell.clone()] }; rows], ..Default::default() };
    reply(&answer(11)).unwrap();
    assert!(reply(&answer(12)).unwrap_err().to_string().contains("LIMIT"));
}
