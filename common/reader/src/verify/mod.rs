//! Verification: is what lies on a destination what was written?
//!
//! Finds every missing, truncated, changed, swapped and foreign object and names it. Nothing is trusted because of its
//! name: small files are compared with their names and with each other, log is walked group by group, blocks are
//! compared with every index that names them. Damage is a result; an error means that it could not be looked at.
//!
//! An archive may be written, merged, frozen and cleaned meanwhile, and a listing of it is a picture that can be taken
//! again. So an archive with which something is wrong is looked at once more as it is then, and what counts is what
//! is found again. Sets never change: there the reads are repeated and not the whole.
//!
//! What is of no layout is foreign and no damage: no restore reads it. What may not be read is named, and everything else
//! is looked at.

mod archive;
mod checker;
mod data;
mod log;
mod options;
mod parts;
mod piece;
mod report;
mod scope;
mod set;
mod set_indexes;
mod set_small;
mod shared;

pub use options::{Options, Progress};
pub use report::{Damage, DamageKind, Level, Remark, Report};
pub use set::TAIL_BYTES;

use crate::set_names::SetNames;
use crate::source::{Only, Source};
use checker::Checker;
use data::Known;
use shared::Shared;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use strandline_catalogue::Role;
use strandline_format::paths::archive::{PIECES_DIR, ROUNDS_DIR, parse_piece_dir, piece_dir};
use strandline_format::paths::backup::{SETS_DIR, set_dir};
use strandline_format::paths::{ArchivePath, BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::identity::{self, DestType};
use strandline_media::{Looks, Medium};
use strandline_types::limits::{VERIFY_PASS_PAUSE_MS_FIRST, VERIFY_PASSES_MAX};
use strandline_types::{BackupSetId, ErrorClass, Failure, LsId, PieceKey, TenantId};

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
        let options = options.after(&all);
        all.absorb(match only {
            Only::Set(name) => set(&source.medium, *name, None, &options).await?,
            Only::Piece(key) => piece(&source.medium, *key, None, &options).await?,
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
    let c = whole(medium, options).await?;
    let (role, tenant) = who(&c).await?;
    let look = |c: Arc<Checker>, tenant| async move {
        match role {
            Role::Backup => backup(&c, tenant).await?,
            Role::Archive | Role::ComplementLog => archive::destination(&c, tenant).await?,
        }
        Ok(finish(&c))
    };
    let first = look(c, tenant).await?;
    if role == Role::Backup && !misses_some(&first) {
        return Ok(first);
    }
    let again = || async {
        let c = whole(medium, options).await?;
        let (_, tenant) = who(&c).await?;
        look(c, tenant).await
    };
    found_again(first, options.looks, again).await
}

/// True when something is reported as missing: a listing may have been older than what it lists. Everything else of a set,
/// which never changes, was looked at several times.
fn misses_some(report: &Report) -> bool {
    report.damages.iter().any(|damage| damage.kind == DamageKind::Missing)
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
    let look = || async {
        let c = checker(medium, options, &[SETS_DIR.to_owned(), set_dir(name)]).await?;
        let tenant = tenant_of(&c).await?;
        let names = SetNames::new(Arc::clone(medium), options.looks, [name]);
        let shared = Shared { tenant, names: Arc::new(names), known: Arc::default() };
        if c.listed.keys().all(|path| !path.contains(&name.to_string())) {
            c.damage(set_dir(name), DamageKind::Missing, "there is nothing of this set");
        } else {
            set::check(&c, name, &shared, only).await?;
        }
        Ok(finish(&c))
    };
    let first = look().await?;
    if misses_some(&first) { found_again(first, options.looks, look).await } else { Ok(first) }
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
    let look = || async {
        let c = checker(medium, options, &[ROUNDS_DIR.to_owned(), PIECES_DIR.to_owned(), piece_dir(key)]).await?;
        let tenant = tenant_of(&c).await?;
        archive::one_piece(&c, tenant, key, only).await?;
        Ok(finish(&c))
    };
    found_again(look().await?, options.looks, look).await
}

/// Looks again at an archive until a pass finds nothing that the pass before did not find; what only one of them found
/// is left out.
async fn found_again<F>(first: Report, looks: Looks, look: impl Fn() -> F) -> Result<Report, Failure>
where
    F: Future<Output = Result<Report, Failure>>,
{
    let mut last = first;
    for pass in 1..VERIFY_PASSES_MAX {
        if last.is_sound() {
            break;
        }
        if !looks.first.is_zero() {
            tokio::time::sleep(Duration::from_millis(VERIFY_PASS_PAUSE_MS_FIRST << (pass - 1))).await;
        }
        let mut next = look().await?;
        let common: Vec<_> = next.common(&last).into_iter().cloned().collect();
        let is_settled = common.len() == next.damages.len();
        if pass + 1 == VERIFY_PASSES_MAX {
            next.damages = common;
        }
        last = next;
        if is_settled {
            break;
        }
    }
    Ok(last)
}

async fn checker(medium: &Arc<dyn Medium>, options: &Options, dirs: &[String]) -> Result<Arc<Checker>, Failure> {
    Ok(Arc::new(Checker::new(Arc::clone(medium), options, dirs).await?))
}

/// The surroundings of a whole destination. A listing that does not show its identity is taken again: it may be of before.
async fn whole(medium: &Arc<dyn Medium>, options: &Options) -> Result<Arc<Checker>, Failure> {
    let mut looked = 1;
    loop {
        let c = checker(medium, options, &[String::new()]).await?;
        if looked >= options.looks.most || c.listed.contains_key(&ArchivePath::Format.path()) {
            return Ok(c);
        }
        options.looks.pause(looked).await;
        looked += 1;
    }
}

fn finish(c: &Checker) -> Report {
    let mut report = c.take_report();
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
            None => c.stranger(path, "not a name of the data backup layout"),
        }
        if let Some(set) = SetName::parse(top(path)) {
            sets.insert(set.id, set);
        }
    }
    let names = SetNames::new(Arc::clone(&c.medium), c.looks, sets.values().copied());
    let shared = Shared { tenant, names: Arc::new(names), known: Arc::new(Known::default()) };
    for set in sets.values() {
        set::check(c, *set, &shared, None).await?;
    }
    Ok(())
}
