//! Which tables a source had at an SCN: the newest dictionary up to it, from the archive's `schema_meta` files and from
//! the set itself.
//!
//! Only reads. A piece has the dictionary that held when it began and every one that was logged in it, so the newest
//! file up to the target is the right one; the set's own dictionary holds where no file comes after it.

use crate::effects::put;
use crate::effects::restore_source::Found;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::schema_meta_dir;
use strandline_format::{DataType, pb};
use strandline_media::Medium;
use strandline_types::{ErrorClass, Failure, LsId, PieceKey, Scn, scn_text};

/// Dictionaries that are read to say when a table was there.
const VERSIONS_READ_MAX: usize = 64;

/// The dictionaries of a source, by SCN.
pub struct Versions {
    known: BTreeMap<Scn, pb::Dictionary>,
    files: BTreeMap<Scn, (Arc<dyn Medium>, PieceKey)>,
    target: Scn,
}

impl Versions {
    /// Finds what there is; reads the one that holds at the target.
    ///
    /// # Errors
    /// What the medium says; `NotFound` when no dictionary is known at the target.
    pub async fn read(found: &Found) -> Result<Self, Failure> {
        let target = found.choice.target_scn;
        let mut versions = Self { known: BTreeMap::new(), files: BTreeMap::new(), target };
        let of_set =
            found.metas.log_streams.iter().filter(|m| LsId(m.ls_id).is_sys()).find_map(|m| m.dictionary.clone());
        // A set without one is of a tenant that had no table yet.
        let of_set = of_set.unwrap_or_default();
        versions.known.insert(Scn(of_set.scn), of_set);
        // Only pieces of the places that the restore reads: others may be of another owner.
        let mut pieces: Vec<_> = found.scan.catalogue.pieces.iter().filter(|p| p.is_readable()).collect();
        pieces.sort_by_key(|p| (p.start_scn, p.place));
        for piece in pieces {
            let Some(medium) = found.scan.medium(piece.place) else { continue };
            for object in medium.list(&schema_meta_dir(piece.key)).await? {
                if let Some(ArchivePath::SchemaMeta { key, scn }) = ArchivePath::parse(&object.path) {
                    versions.files.insert(scn, (Arc::clone(medium), key));
                }
            }
        }
        let newest = versions.files.range(..=target).next_back().map(|(scn, _)| *scn);
        if let Some(scn) = newest {
            versions.load(scn).await?;
        }
        Ok(versions)
    }

    async fn load(&mut self, scn: Scn) -> Result<(), Failure> {
        if self.known.contains_key(&scn) {
            return Ok(());
        }
        let Some((medium, key)) = self.files.get(&scn) else { return Ok(()) };
        let path = ArchivePath::SchemaMeta { key: *key, scn }.path();
        let meta: pb::SchemaMeta = put::read(medium.as_ref(), &path, DataType::SchemaMeta).await?;
        self.known.insert(scn, meta.dictionary.unwrap_or_default());
        Ok(())
    }

    /// The tables at the target.
    ///
    /// # Errors
    /// `NotFound` when no dictionary is known there.
    pub fn at_target(&self) -> Result<&pb::Dictionary, Failure> {
        let newest = self.known.range(..=self.target).next_back().map(|(_, d)| d);
        newest.ok_or_else(|| {
            let what = format!("no data dictionary is known at SCN {} ({})", self.target, scn_text(self.target));
            Failure::new(ErrorClass::NotFound, what, "schema_meta", "recover up to a later SCN, or restore the tenant")
        })
    }

    /// The refusal of a table that is not there at the target: with the nearest SCNs at which it is.
    ///
    /// # Errors
    /// What the medium says.
    pub async fn absent(mut self, name: &str) -> Result<Failure, Failure> {
        let target = self.target;
        let before: Vec<Scn> = self.files.range(..=target).rev().map(|(s, _)| *s).take(VERSIONS_READ_MAX / 2).collect();
        let after: Vec<Scn> = self.files.range(target.next()..).map(|(s, _)| *s).take(VERSIONS_READ_MAX / 2).collect();
        for scn in before.into_iter().chain(after) {
            self.load(scn).await?;
        }
        let has = |d: &pb::Dictionary| d.tables.iter().any(|t| t.name.eq_ignore_ascii_case(name));
        let last = self.known.range(..=target).rev().find(|(_, d)| has(d)).map(|(s, _)| *s);
        let next = self.known.range(target.next()..).find(|(_, d)| has(d)).map(|(s, _)| *s);
        // It was there until the version after the last one that has it.
        let until = last.and_then(|s| self.known.range(s.next()..).next().map(|(s, _)| Scn(s.0 - 1)));
        let shown = |scn: Scn| format!("SCN {scn} ({})", scn_text(scn));
        let todo = match (until, next) {
            (Some(until), Some(next)) => format!("it is there up to {} and from {} on", shown(until), shown(next)),
            (Some(until), None) => format!("it is there up to {}", shown(until)),
            (None, Some(next)) => format!("it is there from {} on", shown(next)),
            (None, None) => "no version of the data dictionary that was archived has it: check the name".to_owned(),
        };
        let what = format!("there is no such table at {}", shown(target));
        Ok(Failure::new(ErrorClass::NotFound, what, format!("table {name}"), todo))
    }
}
