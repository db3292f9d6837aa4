//! What all checks share: the medium, the keys, the listing, and the report that grows.

use super::report::{Damage, DamageKind, Level, Report};
use crate::keys::Keys;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError};
use strandline_media::{MediaError, Medium};
use strandline_types::{ErrorClass, Failure};

/// Told after each object: objects and bytes so far.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// The surroundings of every check.
pub(super) struct Checker {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) level: Level,
    pub(super) keys: Arc<Keys>,
    /// Every object of the scope with its length.
    pub(super) listed: BTreeMap<String, u64>,
    progress: Progress,
    report: Mutex<Report>,
}

impl Checker {
    pub(super) async fn new(
        medium: Arc<dyn Medium>,
        level: Level,
        keys: Arc<Keys>,
        progress: Progress,
        dirs: &[String],
    ) -> Result<Self, Failure> {
        let mut listed = BTreeMap::new();
        for dir in dirs {
            listed.extend(medium.list(dir).await?.into_iter().map(|o| (o.path, o.bytes)));
        }
        Ok(Self { medium, level, keys, listed, progress, report: Mutex::default() })
    }

    /// The same surroundings with an empty report and another medium.
    pub(super) fn with_medium(&self, medium: Arc<dyn Medium>, listed: BTreeMap<String, u64>) -> Self {
        let (level, keys, progress) = (self.level, Arc::clone(&self.keys), Arc::clone(&self.progress));
        Self { medium, level, keys, listed, progress, report: Mutex::default() }
    }

    /// Objects below a directory, without a look at any other.
    pub(super) fn below<'a>(&'a self, dir: &str) -> impl Iterator<Item = (&'a String, &'a u64)> + use<'a> {
        let prefix = format!("{dir}/");
        let from = self.listed.range(prefix.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&prefix))
    }

    pub(super) fn is_physical(&self) -> bool {
        self.level == Level::Physical
    }

    pub(super) fn damage(&self, path: impl Into<String>, kind: DamageKind, detail: impl Into<String>) {
        let damage = Damage { path: path.into(), kind, detail: detail.into() };
        self.report().damages.push(damage);
    }

    pub(super) fn format_damage(&self, path: &str, error: &FormatError) {
        self.damage(path, DamageKind::of(error), error.to_string());
    }

    /// The path of an object that a failure names with its destination; `or` when it is not below it.
    pub(super) fn relative(&self, object: &str, or: &str) -> String {
        let uri = self.medium.uri();
        let place = uri.split_once('?').map_or(uri.as_str(), |(place, _)| place);
        let path = object.strip_prefix(place).map(|p| p.trim_start_matches('/')).filter(|p| !p.is_empty());
        path.unwrap_or(or).to_owned()
    }

    pub(super) fn note(&self, note: impl Into<String>) {
        self.report().notes.push(note.into());
    }

    /// Damage when two things that must be equal are not; `what` names them.
    pub(super) fn same<T: PartialEq + Debug>(&self, path: &str, what: &str, found: T, expected: T) -> bool {
        let is_same = found == expected;
        if !is_same {
            self.damage(path, DamageKind::Foreign, format!("{what} is {found:?}, expected {expected:?}"));
        }
        is_same
    }

    pub(super) fn count(&self, bytes: u64) {
        let mut report = self.report();
        report.objects += 1;
        report.bytes += bytes;
        let (objects, bytes) = (report.objects, report.bytes);
        drop(report);
        (self.progress)(objects, bytes);
    }

    /// Bytes of an object that is counted elsewhere.
    pub(super) fn add_bytes(&self, bytes: u64) {
        let mut report = self.report();
        report.bytes += bytes;
        let (objects, bytes) = (report.objects, report.bytes);
        drop(report);
        (self.progress)(objects, bytes);
    }

    pub(super) fn add(&self, groups: u64, blocks: u64) {
        let mut report = self.report();
        report.groups += groups;
        report.blocks += blocks;
    }

    pub(super) fn absorb(&self, other: Report) {
        self.report().absorb(other);
    }

    pub(super) fn into_report(self) -> Report {
        let mut report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.settle();
        report
    }

    pub(super) fn take_report(&self) -> Report {
        std::mem::take(&mut *self.report())
    }

    /// A whole object; what is wrong with it is a damage and gives `None`. A dead medium is an error.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Bytes>, Failure> {
        let bytes = self.medium.get(path).await;
        self.looked(path, bytes)
    }

    /// A part of an object, the same way.
    pub(super) async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Option<Bytes>, Failure> {
        let bytes = self.medium.get_range(path, range).await;
        self.looked(path, bytes)
    }

    fn looked(&self, path: &str, bytes: Result<Bytes, MediaError>) -> Result<Option<Bytes>, Failure> {
        match bytes {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => {
                self.damage(path, DamageKind::Missing, "it is not there");
                Ok(None)
            }
            Err(e) if e.class == ErrorClass::Corrupt => {
                self.damage(path, DamageKind::Truncated, e.reason);
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A small file that must be there.
    pub(super) async fn small<M: prost::Message + Default>(
        &self,
        path: &str,
        kind: DataType,
    ) -> Result<Option<M>, Failure> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        self.count(bytes.len() as u64);
        match read_small::<M>(kind, &bytes) {
            Ok(message) => Ok(Some(message)),
            Err(e) => {
                self.format_damage(path, &e);
                Ok(None)
            }
        }
    }

    /// A small file that need not be there.
    pub(super) async fn small_if_there<M: prost::Message + Default>(
        &self,
        path: &str,
        kind: DataType,
    ) -> Result<Option<M>, Failure> {
        if self.listed.contains_key(path) { self.small(path, kind).await } else { Ok(None) }
    }

    fn report(&self) -> std::sync::MutexGuard<'_, Report> {
        // A report is only added to: a poisoned one is still good.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
