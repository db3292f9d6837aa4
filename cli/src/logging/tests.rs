//! Many lines that say one thing become few, and whatever is new is written at once.
#![allow(clippy::unwrap_used)]
use super::groups::{Groups, Kind, WINDOW, WRITTEN};
use super::*;
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

const PLACE: &str = "openraft::replication:468";

fn unreachable(target: u64, stream: u64) -> String {
    format!("ReplicationCore recv RPCError: Unreachable node, when:(log {stream}); target: {target}")
}

fn admit(groups: &Groups, now: Instant, text: &str) -> bool {
    groups.admit(now, Kind::of(PLACE.to_owned(), text), text)
}

#[test]
fn of_many_lines_of_one_kind_and_peer_the_first_are_written_and_the_rest_is_counted() {
    let (groups, began) = (Groups::default(), Instant::now());
    let mut written = 0;
    for n in 0..154_000_u64 {
        // 375 streams, two peers, two minutes; counts are looked for as the thread does.
        let now = began + Duration::from_millis(n * 120_000 / 154_000);
        written += u64::from(admit(&groups, now, &unreachable(102 + n % 2, n % 375)));
        if n % 1_000 == 0 {
            written += groups.due(now).len() as u64;
        }
    }
    assert!(written <= 20, "{written} lines");
    let held: u64 = groups.due(began + 3 * WINDOW).iter().map(|h| h.count).sum();
    assert!(held > 0);
}

#[test]
fn nothing_is_lost_from_the_count() {
    let (groups, began) = (Groups::default(), Instant::now());
    let written = (0..1_000).filter(|n| admit(&groups, began, &unreachable(102, *n))).count() as u64;
    assert_eq!(written, WRITTEN);
    assert!(groups.due(began).is_empty(), "not before the window is over");
    let held = groups.due(began + WINDOW);
    assert_eq!(held.iter().map(|h| h.count).collect::<Vec<_>>(), [1_000 - WRITTEN]);
    assert_eq!(held[0].kind.peer.as_deref(), Some("102"));
    assert!(held[0].like.contains("log 999"), "the newest line stands for them");
    assert!(groups.due(began + 2 * WINDOW).is_empty());
}

#[test]
fn another_peer_another_error_and_another_place_are_news() {
    let (groups, now) = (Groups::default(), Instant::now());
    for n in 0..100 {
        admit(&groups, now, &unreachable(102, n));
    }
    assert!(!admit(&groups, now, &unreachable(102, 1)));
    assert!(admit(&groups, now, &unreachable(103, 1)));
    assert!(admit(&groups, now, "ReplicationCore recv RPCError: disk full, when:(log 1); target: 102"));
    let elsewhere = Kind::of("openraft::core:1588".to_owned(), &unreachable(102, 1));
    assert!(groups.admit(now, elsewhere, "the same words"));
}

#[test]
fn what_comes_again_after_a_quiet_time_is_news() {
    let (groups, began) = (Groups::default(), Instant::now());
    for n in 0..100 {
        admit(&groups, began, &unreachable(102, n));
    }
    assert_eq!(groups.due(began + WINDOW).len(), 1);
    assert!(groups.due(began + 2 * WINDOW).is_empty());
    assert!(admit(&groups, began + 2 * WINDOW, &unreachable(102, 1)));
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn only_lines_of_the_library_are_held_back() {
    let (lines, groups) = (Lines::default(), Arc::new(Groups::default()));
    let format = Grouped { inner: tracing_subscriber::fmt::format(), groups };
    let subscriber = tracing_subscriber::fmt().event_format(format).with_writer(lines.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..500 {
            tracing::warn!(target: "openraft::replication", target_node = 102, "cannot reach it, try {n}");
            tracing::warn!(target: "strandline_worker", "ours, {n}");
        }
    });
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let count = |words: &str| text.lines().filter(|l| l.contains(words)).count() as u64;
    assert_eq!((count("cannot reach it"), count("ours")), (WRITTEN, 500));
}
