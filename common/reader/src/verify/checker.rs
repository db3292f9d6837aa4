//! What all checks share: the medium, the keys, the listing, and the report that grows.
//!
//! No verdict on one answer: objects that are not there, short or not what they must be are read again first ([`Looks`]).
//! A check that reads more than one object is made again as a trial, whose findings count when it is the last one.

use super::options::{Options, Progress};
use super::report::{Damage, DamageKind, Level, Remark, Report};
use crate::keys::Keys;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_format::paths::archive::{PIECES_DIR, ROUNDS_DIR, parse_piece_dir};
use strandline_format::paths::backup::SETS_DIR;
use strandline_format::paths::{ArchivePath, BackupPath, SetName};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError};
use strandline_media::{Judged, Looks, MediaError, Medium, Stray, is_of_probe};
use strandline_types::{ErrorClass, Failure};

/// The surroundings of every check.
pub(super) struct Checker {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) level: Level,
    pub(super) keys: Arc<Keys>,
    /// Every object of the scope with its length.
    pub(super) listed: Arc<BTreeMap<String, u64>>,
    /// How often an object is read before it counts as damaged.
    pub(super) looks: Looks,
    progress: Progress,
    counts: Arc<Counts>,
    report: Mutex<Report>,
}

/// What was looked at so far, trials included.
#[derive(Debug, Default)]
struct Counts {
    objects: AtomicU64,
    bytes: AtomicU64,
    groups: AtomicU64,
    blocks: AtomicU64,
}

/// Why an object is not what it must be.
enum Unsound {
    Medium(MediaError),
    Format(FormatError),
}

impl From<MediaError> for Unsound {
    fn from(e: MediaError) -> Self {
        Self::Medium(e)
    }
}

impl Judged for Unsound {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Medium(e) => e.class,
            Self::Format(e) => e.class(),
        }
    }
}

impl Checker {
    pub(super) async fn new(medium: Arc<dyn Medium>, options: &Options, dirs: &[String]) -> Result<Self, Failure> {
        let (mut listed, mut strays) = (BTreeMap::new(), Vec::new());
        for dir in dirs {
            let survey = medium.survey(dir).await?;
            listed.extend(survey.objects.into_iter().map(|o| (o.path, o.bytes)));
            strays.extend(survey.strays);
        }
        let (level, looks) = (options.level, options.looks);
        let (keys, progress) = (Arc::clone(&options.keys), Arc::clone(&options.progress));
        let (counts, report) = (Arc::default(), Mutex::default());
        let this = Self { medium, level, keys, listed: Arc::new(listed), looks, progress, counts, report };
        strays.into_iter().for_each(|stray| this.stray(stray));
        Ok(this)
    }

    /// What lies there and is no object: under a name of ours it is in the place of one.
    fn stray(&self, stray: Stray) {
        let is_ours = ArchivePath::parse(&stray.path).is_some() || BackupPath::parse(&stray.path).is_some();
        match (stray.hides, is_ours) {
            (true, _) if may_hold_ours(&stray.path) => self.unreadable(stray.path, stray.what),
            (false, true) => self.damage(stray.path, DamageKind::Foreign, stray.what),
            (_, false) | (true, true) => self.report().foreign.push(Remark { path: stray.path, detail: stray.what }),
        }
    }

    /// The same surroundings with an empty report and another medium.
    pub(super) fn with_medium(&self, medium: Arc<dyn Medium>, listed: Arc<BTreeMap<String, u64>>) -> Self {
        Self { medium, listed, ..self.trial() }
    }

    /// The same surroundings for what is looked at and neither told nor counted.
    pub(super) fn quiet(&self) -> Self {
        Self { counts: Arc::default(), progress: Arc::new(|_, _| {}), ..self.trial() }
    }

    /// The same surroundings with an empty report, for a check that may have to be made again.
    pub(super) fn trial(&self) -> Self {
        Self {
            medium: Arc::clone(&self.medium),
            level: self.level,
            keys: Arc::clone(&self.keys),
            listed: Arc::clone(&self.listed),
            looks: self.looks,
            progress: Arc::clone(&self.progress),
            counts: Arc::clone(&self.counts),
            report: Mutex::default(),
        }
    }

    /// The findings of a trial if they count, which `looked` is the number of; `false` when it is to be made again.
    pub(super) async fn counts(&self, trial: &Self, looked: u32) -> bool {
        let is_sound = trial.report().is_sound();
        if !is_sound && looked < self.looks.most {
            self.looks.pause(looked).await;
            return false;
        }
        let found = std::mem::take(&mut *trial.report());
        self.report().absorb(found);
        true
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

    /// An object of no name of the layout. What a check of the destination left behind is none.
    pub(super) fn stranger(&self, path: &str, detail: &str) {
        if is_of_probe(path) {
            self.note(format!("{path} was left behind by a check of the destination: it may be removed"));
        } else {
            self.report().foreign.push(Remark { path: path.to_owned(), detail: detail.to_owned() });
        }
    }

    /// True for a directory that could not be read.
    pub(super) fn is_hidden(&self, dir: &str) -> bool {
        self.report().unreadable.iter().any(|remark| remark.path == dir)
    }

    /// What may not be read: it is not known what it is worth.
    pub(super) fn unreadable(&self, path: impl Into<String>, detail: impl Into<String>) {
        self.report().unreadable.push(Remark { path: path.into(), detail: detail.into() });
    }

    pub(super) fn format_damage(&self, path: &str, error: &FormatError) {
        self.damage(path, DamageKind::of(error), error.to_string());
    }

    /// The path of an object that a failure names with its destination; `or` when it is not below it.
    pub(super) fn relative(&self, object: &str, or: &str) -> String {
        let uri = self.medium.uri();
        // The attributes of the destination stand behind the path, or are left out.
        let (place, attributes) = uri.split_once('?').unwrap_or((uri.as_str(), ""));
        let bare = object.strip_suffix(attributes).and_then(|o| o.strip_suffix('?')).unwrap_or(object);
        let path = bare.strip_prefix(place).map(|p| p.trim_start_matches('/')).filter(|p| !p.is_empty());
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
        self.counts.objects.fetch_add(1, Ordering::Relaxed);
        self.add_bytes(bytes);
    }

    /// Bytes of an object that is counted elsewhere.
    pub(super) fn add_bytes(&self, bytes: u64) {
        let sum = self.counts.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(self.counts.objects.load(Ordering::Relaxed), sum);
    }

    pub(super) fn add(&self, groups: u64, blocks: u64) {
        self.counts.groups.fetch_add(groups, Ordering::Relaxed);
        self.counts.blocks.fetch_add(blocks, Ordering::Relaxed);
    }

    /// Takes over what the same surroundings with another medium found. What they looked at is counted already.
    pub(super) fn absorb(&self, other: Report) {
        self.report().absorb(Report { objects: 0, bytes: 0, groups: 0, blocks: 0, ..other });
    }

    pub(super) fn take_report(&self) -> Report {
        let mut found = std::mem::take(&mut *self.report());
        // What lies in the place of a file is why the file cannot be read.
        let Report { damages, unreadable, .. } = &mut found;
        unreadable.retain(|r| !damages.iter().any(|d| d.path == r.path && d.kind == DamageKind::Foreign));
        // It could not be seen whether it is missing.
        let hidden: Vec<String> = found.unreadable.iter().map(|remark| remark.path.clone()).collect();
        let is_hidden = |path: &str| hidden.iter().any(|dir| path.strip_prefix(dir).is_some_and(is_name_below));
        found.damages.retain(|damage| !is_hidden(&damage.path));
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { objects, bytes, groups, blocks } = &*self.counts;
        Report { objects: count(objects), bytes: count(bytes), groups: count(groups), blocks: count(blocks), ..found }
    }

    /// A whole object; what is wrong with it is a damage and gives `None`. A dead medium is an error.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Bytes>, Failure> {
        let bytes = self.looks.sure(|| self.medium.get(path)).await;
        self.looked(path, bytes)
    }

    /// A part of an object, the same way.
    pub(super) async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Option<Bytes>, Failure> {
        let bytes = self.looks.sure(|| self.medium.get_range(path, range.clone())).await;
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
            Err(e) if is_unreadable(e.class) => {
                self.unreadable(path, e.reason);
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
        let found = self.sound(path, |bytes| read_small::<M>(kind, bytes)).await?;
        self.count(found.as_ref().map_or(0, |(_, bytes)| *bytes));
        Ok(found.map(|(message, _)| message))
    }

    /// A whole object as what it must be, and its length; one that is something else is a damage when it stays so.
    pub(super) async fn sound<T>(
        &self,
        path: &str,
        read: impl Fn(&Bytes) -> Result<T, FormatError>,
    ) -> Result<Option<(T, u64)>, Failure> {
        let look = || async {
            let bytes = self.medium.get(path).await?;
            read(&bytes).map(|found| (found, bytes.len() as u64)).map_err(Unsound::Format)
        };
        match self.looks.sure(look).await {
            Ok(found) => Ok(Some(found)),
            Err(Unsound::Format(e)) => {
                self.format_damage(path, &e);
                Ok(None)
            }
            Err(Unsound::Medium(e)) => self.looked(path, Err(e)).map(|_| None),
        }
    }

    /// What is listed of the scope now, below a directory or of this very name.
    pub(super) async fn listed_now(&self, path: &str) -> Result<Vec<(String, u64)>, Failure> {
        let below = self.medium.survey(path).await?.objects;
        if !below.is_empty() {
            return Ok(below.into_iter().map(|o| (o.path, o.bytes)).collect());
        }
        match self.medium.head(path).await {
            Ok(bytes) => Ok(vec![(path.to_owned(), bytes)]),
            Err(e) if e.is_not_found() || is_unreadable(e.class) => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }

    fn report(&self) -> parking_lot::MutexGuard<'_, Report> {
        self.report.lock()
    }
}

/// True for what lies in a directory of the layout; `lost+found` and the like hold nothing of ours.
fn may_hold_ours(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or(path);
    [ROUNDS_DIR, PIECES_DIR, SETS_DIR].contains(&top) || parse_piece_dir(top).is_some() || SetName::parse(top).is_some()
}

/// What is left of a path behind the name of a directory above it, or of the very same path.
fn is_name_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// True for an error that is about one object only: it may not be read, or something else is in its place.
pub(super) const fn is_unreadable(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Permission | ErrorClass::Invalid)
}
