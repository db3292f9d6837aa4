//! How tests look at a destination: scans and verifications without waits, media that answer wrongly, many cases at once.

use super::tree::{Change, Tree};
use futures::stream::{self, StreamExt};
use std::future::Future;
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::secret::KeySecret;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Looks, Medium, Op};
use strandline_reader::verify::{self, DamageKind, Level, Options, Report};
use strandline_reader::{Keys, Scan, Source, scan, scan_all};
use strandline_types::{ErrorClass, Failure};

/// Cases that are looked at side by side: a verdict waits a little before each further look.
const CASES_AT_ONCE: usize = 64;

/// A key that needs no derivation.
pub fn key_of_test() -> Key {
    Key::from_bytes([7; 32])
}

pub fn with_key(key: Key) -> Arc<Keys> {
    Arc::new(Keys::new([KeySecret::Key(key)]))
}

pub async fn scan_of(tree: &Tree) -> Scan {
    scan(&Source::whole(tree.medium().await)).await.unwrap()
}

/// One catalogue of several destinations.
pub async fn scan_of_all(trees: &[Tree]) -> Scan {
    let mut sources = Vec::new();
    for tree in trees {
        sources.push(Source::whole(tree.medium().await));
    }
    scan_all(&sources).await.unwrap()
}

pub fn options(level: Level, keys: &Arc<Keys>) -> Options {
    Options { keys: Arc::clone(keys), looks: Looks::at_once(), ..Options::new(level) }
}

pub async fn try_verify(tree: &Tree, level: Level, keys: &Arc<Keys>) -> Result<Report, Failure> {
    verify::destination(&tree.medium().await, &options(level, keys)).await
}

pub async fn verify_of(tree: &Tree, level: Level) -> Report {
    try_verify(tree, level, &with_key(key_of_test())).await.unwrap()
}

/// A medium on which this fault meets every call of a kind on paths that hold a text.
pub fn faulty(inner: Arc<dyn Medium>, op: Op, part: &str, fault: Fault) -> Arc<dyn Medium> {
    let plan = FaultPlan::new(1);
    plan.add(FaultRule { op: Some(op), path_part: part.to_owned(), skip: 0, times: u32::MAX, fault });
    Arc::new(Faulty::new(inner, plan))
}

pub fn refusing(inner: Arc<dyn Medium>, op: Op, part: &str, class: ErrorClass) -> Arc<dyn Medium> {
    faulty(inner, op, part, Fault::Refuse(class))
}

/// Looks at every case and gathers what is wrong with any: an empty list is what a test wants.
pub async fn wrong_cases<T, F>(cases: impl IntoIterator<Item = T>, look: impl Fn(T) -> F) -> Vec<String>
where
    F: Future<Output = Result<(), String>>,
{
    let looks = stream::iter(cases).map(look).buffered(CASES_AT_ONCE);
    looks.filter_map(|looked| std::future::ready(looked.err())).collect().await
}

/// Both depths of a verification.
pub const LEVELS: [Level; 2] = [Level::Basic, Level::Physical];

/// Kind and path of every damage.
pub fn named(report: &Report) -> Vec<(DamageKind, &str)> {
    report.damages.iter().map(|d| (d.kind, d.path.as_str())).collect()
}

/// Changes one object and verifies: the change has to be found as one of `kinds`, and nothing else may be called damaged.
pub async fn judge(
    tree: &Tree,
    level: Level,
    (path, change): (&str, Change),
    kinds: &[DamageKind],
    may_be_called: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let report = verify_of(&tree.changed(path, change), level).await;
    let damages = named(&report);
    let case = format!("{level:?} {path} {change:?}: {damages:?}");
    if !damages.iter().any(|(kind, name)| may_be_called(name) && kinds.contains(kind)) {
        return Err(format!("not found: {case}"));
    }
    match damages.iter().all(|(_, name)| may_be_called(name)) {
        true => Ok(()),
        false => Err(format!("something else is called damaged: {case}")),
    }
}
