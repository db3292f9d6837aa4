//! Verification: is what lies on a destination what was written?
//!
//! Finds every missing, truncated, changed, swapped and foreign object and names it. Nothing is trusted because of its
//! name: small files are compared with their names and with each other, log is walked group by group, blocks are
//! compared with every index that names them. Damage is a result; an error means that nobody could look.

mod archive;
mod checker;
mod data;
mod log;
mod parts;
mod piece;
mod report;
mod set;
mod set_small;

pub use checker::Progress;
pub use report::{Damage, DamageKind, Level, Report};
pub use set::TAIL_BYTES;

use crate::keys::Keys;
use crate::source::{Only, Source};
use checker::Checker;
use data::Known;
use set::Shared;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_catalogue::Role;
use strandline_format::paths::archive::{PIECES_DIR, ROUNDS_DIR, parse_piece_dir, piece_dir};
use strandline_format::paths::backup::{SETS_DIR, set_dir};
use strandline_format::paths::{ArchivePath, BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::Medium;
use strandline_media::identity::{self, DestType};
use strandline_types::{BackupSetId, ErrorClass, Failure, LsId, PieceKey, TenantId};

/// How to verify.
#[derive(Clone)]
pub struct Options {
    /// How deep.
    pub level: Level,
    /// Keys of encrypted sets and archives; without them sealed bytes are checked by their stored checksums.
    pub keys: Arc<Keys>,
    /// Told after each object.
    pub progress: Progress,
}

impl Options {
    /// This level, without keys, telling nobody.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, keys: Arc::default(), progress: Arc::new(|_, _| {}) }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("level", &self.level).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Verifies a destination, or the sets and pieces of it that the source names.
///
/// # Errors
/// `NotFound` when it is no backup destination at all; what the medium says when it cannot be read.
pub async fn source(source: &Source, options: &Options) -> Result<Report, Failure> {
    if source.only.is_empty() {
        return destination(&source.medium, options).await;
    }
    let mut all = Report::default();
    for only in &source.only {
        all.absorb(match only {
            Only::Set(name) => set(&source.medium, *name, None, options).await?,
            Only::Piece(key) => piece(&source.medium, *key, None, options).await?,
        });
    }
    all.settle();
    Ok(all)
}

/// Verifies everything that a destination holds.
///
/// # Errors
/// As [`source`].
pub async fn destination(medium: &Arc<dyn Medium>, options: &Options) -> Result<Report, Failure> {
    let c = checker(medium, options, &[String::new()]).await?;
    let (role, tenant) = who(&c).await?;
    match role {
        Role::Archive | Role::ComplementLog => archive::destination(&c, tenant).await?,
        Role::Backup => backup(&c, tenant).await?,
    }
    Ok(finish(c))
}

/// Verifies one backup set. `only`: the data of one log stream; `LsId(0)` = what is of no log stream; `None` = all of it.
///
/// # Errors
/// What the medium says when it cannot be read.
pub async fn set(
    medium: &Arc<dyn Medium>,
    name: SetName,
    only: Option<LsId>,
    options: &Options,
) -> Result<Report, Failure> {
    let c = checker(medium, options, &[SETS_DIR.to_owned(), set_dir(name)]).await?;
    let tenant = tenant_of(&c).await?;
    let dirs = medium.list_dirs("").await?;
    let names = dirs.iter().filter_map(|dir| SetName::parse(dir)).map(|set| (set.id, set)).collect();
    let shared = Shared { tenant, names: Arc::new(names), known: Arc::default() };
    if c.listed.keys().all(|path| !path.contains(&name.to_string())) {
        c.damage(set_dir(name), DamageKind::Missing, "there is nothing of this set");
    } else {
        set::check(&c, name, &shared, only).await?;
    }
    Ok(finish(c))
}

/// Verifies one piece. `only` as in [`set`].
///
/// # Errors
/// What the medium says when it cannot be read.
pub async fn piece(
    medium: &Arc<dyn Medium>,
    key: PieceKey,
    only: Option<LsId>,
    options: &Options,
) -> Result<Report, Failure> {
    let c = checker(medium, options, &[ROUNDS_DIR.to_owned(), PIECES_DIR.to_owned(), piece_dir(key)]).await?;
    let tenant = tenant_of(&c).await?;
    archive::one_piece(&c, tenant, key, only).await?;
    Ok(finish(c))
}

async fn checker(medium: &Arc<dyn Medium>, options: &Options, dirs: &[String]) -> Result<Arc<Checker>, Failure> {
    let (keys, progress) = (Arc::clone(&options.keys), Arc::clone(&options.progress));
    Ok(Arc::new(Checker::new(Arc::clone(medium), options.level, keys, progress, dirs).await?))
}

fn finish(c: Arc<Checker>) -> Report {
    let mut report = match Arc::try_unwrap(c) {
        Ok(c) => c.into_report(),
        Err(shared) => shared.take_report(),
    };
    report.settle();
    report
}

/// What the destination is and whose; a damaged `format.obbak` is a damage, and the folders tell what it is.
async fn who(c: &Checker) -> Result<(Role, Option<TenantId>), Failure> {
    let path = ArchivePath::Format.path();
    let is_backup = c.listed.keys().any(|p| p.starts_with(&format!("{SETS_DIR}/")) || SetName::parse(top(p)).is_some());
    let is_archive =
        c.listed.keys().any(|p| [ROUNDS_DIR, PIECES_DIR].contains(&top(p)) || parse_piece_dir(top(p)).is_some());
    if !c.listed.contains_key(&path) && !is_backup && !is_archive {
        let what = "there is no format.obbak: not a backup destination";
        let todo = "name the folder that holds format.obbak, or one set or piece below it";
        return Err(
            Failure::new(ErrorClass::NotFound, what, c.medium.uri(), todo).with_code(identity::CODE_FORMAT_MISSING)
        );
    }
    let guess = if is_backup { Role::Backup } else { Role::Archive };
    let Some(format) = c.small::<pb::PathFormat>(&path, DataType::Format).await? else { return Ok((guess, None)) };
    let role = if format.dest_type == DestType::Archive.name() { Role::Archive } else { Role::Backup };
    if (is_backup || is_archive) && role != guess {
        c.damage(path, DamageKind::Foreign, format!("it says {}, the folders say otherwise", format.dest_type));
        return Ok((guess, None));
    }
    Ok((role, Some(TenantId(format.tenant_id))))
}

fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

async fn tenant_of(c: &Checker) -> Result<Option<TenantId>, Failure> {
    let format = c.small::<pb::PathFormat>(&ArchivePath::Format.path(), DataType::Format).await?;
    Ok(format.map(|f| TenantId(f.tenant_id)))
}

/// Every set of a data backup destination, the oldest first: a later set's index names blocks of earlier ones.
async fn backup(c: &Arc<Checker>, tenant: Option<TenantId>) -> Result<(), Failure> {
    let mut sets: BTreeMap<BackupSetId, SetName> = BTreeMap::new();
    for path in c.listed.keys() {
        match BackupPath::parse(path) {
            Some(BackupPath::CheckFile { .. }) => {
                c.small::<pb::CheckFile>(path, DataType::CheckFile).await?;
            }
            Some(BackupPath::SetStart { set } | BackupPath::SetEnd { set, .. }) => {
                sets.insert(set.id, set);
            }
            Some(_) => {}
            None => c.damage(path, DamageKind::Foreign, "not a name of the data backup layout"),
        }
        if let Some(set) = SetName::parse(top(path)) {
            sets.insert(set.id, set);
        }
    }
    let shared = Shared { tenant, names: Arc::new(sets.clone()), known: Arc::new(Known::default()) };
    for set in sets.values() {
        set::check(c, *set, &shared, None).await?;
    }
    Ok(())
}
