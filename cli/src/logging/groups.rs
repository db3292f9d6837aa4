//! Lines that say the same of the same peer, counted.
//!
//! Two lines are of one kind when they come from one place of the program, name the same peer, and have the same words;
//! numbers in them do not count. So another error at the same place is another kind, and is written at once.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of one kind that are written in one [`WINDOW`].
pub(super) const WRITTEN: u64 = 3;
/// After this time the lines that were held back are told of, and the next ones are written again.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Kinds that are known at once; more are written without a bound.
const KINDS_MAX: usize = 2048;
/// Words of a line that tell its kind.
const WORDS_CHARS: usize = 300;

/// What lines have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// Module and line.
    pub(super) place: String,
    /// The peer that is named, if any.
    pub(super) peer: Option<String>,
    /// The words, every number replaced.
    words: String,
}

/// Lines that were held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) count: u64,
    pub(super) seconds: u64,
    /// The newest of them.
    pub(super) like: String,
}

/// All kinds.
#[derive(Debug, Default)]
pub(super) struct Groups {
    kinds: Mutex<BTreeMap<Kind, Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u64,
    held: u64,
    newest: String,
}

impl Kind {
    pub(super) fn of(place: String, text: &str) -> Self {
        Self { place, peer: peer(text), words: words(text) }
    }
}

impl Groups {
    /// Whether a line is written; else it is counted.
    pub(super) fn admit(&self, now: Instant, kind: Kind, text: &str) -> bool {
        let mut kinds = self.lock();
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&kind) {
            return true;
        }
        let fresh = || Window { began: now, written: 0, held: 0, newest: String::new() };
        let window = kinds.entry(kind).or_insert_with(fresh);
        // Who held nothing back begins anew; who did waits until that is told.
        if window.held == 0 && now.duration_since(window.began) >= WINDOW {
            *window = fresh();
        }
        if window.written < WRITTEN {
            window.written += 1;
            return true;
        }
        window.held += 1;
        text.clone_into(&mut window.newest);
        false
    }

    /// What was held back in windows that are over. They begin anew.
    pub(super) fn due(&self, now: Instant) -> Vec<Held> {
        let mut kinds = self.lock();
        let over = |w: &Window| now.duration_since(w.began) >= WINDOW;
        let held = kinds.iter_mut().filter(|(_, w)| w.held > 0 && over(w)).map(|(kind, window)| {
            let seconds = now.duration_since(window.began).as_secs();
            let like = std::mem::take(&mut window.newest);
            let held = Held { kind: kind.clone(), count: std::mem::take(&mut window.held), seconds, like };
            // It is still going on: the count is enough for the time being.
            (window.began, window.written) = (now, WRITTEN - 1);
            held
        });
        let held: Vec<Held> = held.collect();
        kinds.retain(|_, w| !over(w));
        held
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<Kind, Window>> {
        self.kinds.lock()
    }
}

/// The number behind the word that names a peer.
fn peer(text: &str) -> Option<String> {
    ["target", "peer", "node"].iter().find_map(|word| {
        text.match_indices(word).find_map(|(at, _)| {
            let behind = text[at + word.len()..].trim_start_matches([' ', ':', '=', '(']);
            let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
            (!digits.is_empty()).then_some(digits)
        })
    })
}

fn words(text: &str) -> String {
    let mut words = String::new();
    let mut in_number = false;
    for c in text.chars().take(WORDS_CHARS) {
        if c.is_ascii_digit() {
            if !in_number {
                words.push('#');
            }
            in_number = true;
        } else {
            words.push(c);
            in_number = false;
        }
    }
    words
}
