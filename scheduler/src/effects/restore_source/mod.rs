//! What a restore reads, found on the media: scan the destinations, refuse those that do not belong together, choose sets
//! and pieces.
//!
//! Used by the statements that restore and by the work that looks for a drill's backup. It only reads, and it must never
//! know a statement or a session.

mod checks;
mod found;
mod set_keys;
mod sources;

pub use found::Found;
pub use set_keys::{EncryptedSet, WRONG_PASSWORD_CODE, keys_of, set_keys};
pub use sources::Sources;

use crate::effects::put;
use sources::{NOT_ALLOWED_CODE, last, no_set};
use std::time::Duration;
use strandline_catalogue::{Choice, Target, choose};
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::Looks;
use strandline_reader::{Scan, open_sources, scan as scan_one};
use strandline_types::{Address, DestUri, ErrorClass, Failure, Scheme};

/// Reading a catalogue takes at most this long.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// A refusal takes two scans: the content may change during a scan, and a listing may be older than the scan.
const SCANS: Looks = Looks { most: 2, first: Duration::from_millis(200) };

/// Scans the destinations and chooses the sets and pieces for `target`. `key_source`: where the key of an encrypted archive
/// comes from.
///
/// # Errors
/// What is missing, with the nearest restorable bounds; destinations that do not belong together.
pub async fn find(from: &Sources, target: Target, key_source: &str) -> Result<Found, Failure> {
    let all = from.all();
    let Some(first) = all.first() else {
        let todo = "name them with FROM '<data uri>,<archive uri>', or with ALTER SYSTEM ADD RESTORE SOURCE";
        return Err(Failure::new(ErrorClass::Invalid, "the restore has no source", "RESTORE", todo));
    };
    in_time(&first.uri, read(from, &all, target, key_source)).await
}

async fn read(from: &Sources, all: &[Address], target: Target, key_source: &str) -> Result<Found, Failure> {
    if let Some(address) = all.iter().find(|a| a.place().scheme == Scheme::Memory) {
        let todo = "use file:// and an absolute path, for example file:///backup/archive";
        let what = "a destination in memory keeps nothing";
        return Err(Failure::new(ErrorClass::Invalid, what, address.to_string(), todo));
    }
    let (scan, addresses, choice) = SCANS.sure(|| chosen(from, all, target)).await?;
    let set = last(&choice)?;
    if let Some(other) = choice.sets.iter().find(|s| s.place != set.place) {
        let todo = "copy the sets of one chain into one destination";
        let what = "restore from multiple tenant backup paths is not supported";
        return Err(Failure::new(ErrorClass::Invalid, what, format!("backup set {}", other.set_id), todo)
            .with_code(NOT_ALLOWED_CODE));
    }
    let medium = scan.medium(set.place).ok_or_else(no_set)?;
    let name = SetName { id: set.set_id, kind: set.kind };
    let metas =
        put::read(medium.as_ref(), &BackupPath::LsMetaInfos { set: name }.path(), DataType::LsMetaInfos).await?;
    let path = BackupPath::LocalityInfo { set: name }.path();
    let locality = put::find::<pb::LocalityInfo>(medium.as_ref(), &path, DataType::LocalityInfo).await?;
    let replicas = locality.map_or(1, |l| l.replica_count).max(1);
    Ok(Found { scan, choice, metas, replicas, addresses, key_source: key_source.to_owned() })
}

/// What all destinations hold, and what is needed of it.
async fn chosen(from: &Sources, all: &[Address], target: Target) -> Result<(Scan, Vec<Address>, Choice), Failure> {
    let (mut scan, mut addresses) = (Scan::default(), Vec::new());
    for named in open_sources(all)? {
        let found = scan_one(&named.source).await?;
        addresses.extend(std::iter::repeat_n(named.address, found.media.len()));
        scan.absorb(found);
    }
    checks::roles(from, &scan)?;
    checks::owners(&scan)?;
    let choice = choose(&scan.catalogue, target).map_err(|refusal| checks::refused(&scan, refusal))?;
    Ok((scan, addresses, choice))
}

/// Gives up reading destinations after [`READ_TIMEOUT`]. `uri`: the destination that the failure names.
///
/// # Errors
/// Those of `reading`; `Transient` when it takes too long.
pub async fn in_time<T>(uri: &DestUri, reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(READ_TIMEOUT, reading).await.unwrap_or_else(|_| {
        let what = format!("the catalogue could not be read within {} s", READ_TIMEOUT.as_secs());
        let todo = "check that the destinations are mounted and reachable";
        Err(Failure::new(ErrorClass::Transient, what, uri.to_string(), todo))
    })
}
