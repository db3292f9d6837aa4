//! What cleaning takes from the medium, operation by operation, in the order of production (`format::paths::deletion`):
//! end placeholder, log streams' directories by workers, the rest by rank, start placeholder.

use super::medium::Medium;
use super::rng::Rng;
use crate::invariants::Tree;
use strandline_format::paths::archive::ArchivePath;
use strandline_format::paths::backup::SetName;
use strandline_format::paths::deletion::{RANKS, Stored, rank};
use strandline_scheduler_core::{CleanWork, MediumName};
use strandline_types::{ErrorClass, Failure, PieceKey, Scn};

/// Some files of one set or piece.
#[derive(Clone, Debug)]
pub enum Part {
    /// Its end placeholder.
    End(MediumName),
    /// What is left below its directory, of one rank.
    Rank(MediumName, u8),
    /// Nothing is left below its directory; then its start placeholder.
    Start(MediumName),
    /// The end of the round, then its start.
    Round(PieceKey),
}

/// The end placeholder goes first.
pub fn begin(work: &CleanWork) -> Vec<Part> {
    vec![Part::End(work.name)]
}

/// Everything else that no log stream owns.
pub fn rest(work: &CleanWork) -> Vec<Part> {
    let mut parts = begin(work);
    parts.extend((0..RANKS).map(|rank| Part::Rank(work.name, rank)));
    parts.push(Part::Start(work.name));
    if let (MediumName::Piece(key), true) = (work.name, work.ends_round) {
        parts.push(Part::Round(key));
    }
    parts
}

const fn stored(name: MediumName) -> Stored {
    match name {
        MediumName::Set(id, kind) => Stored::Set(SetName { id, kind }),
        MediumName::Piece(key) => Stored::Piece(key),
    }
}

impl Part {
    /// Does it.
    ///
    /// # Errors
    /// Whatever the medium says; something came back below a directory.
    pub fn run(&self, medium: &mut Medium, rng: &mut Rng) -> Result<(), Failure> {
        match self {
            Self::End(name) => placeholders(medium, rng, stored(*name), Stored::is_end),
            Self::Rank(name, of) => {
                let all = medium.list(rng, &format!("{name}/"))?;
                all.iter().filter(|(p, _)| rank(p) == *of).try_for_each(|(p, _)| medium.delete(rng, p))
            }
            Self::Start(name) => match medium.list(rng, &format!("{name}/"))?.first() {
                None => placeholders(medium, rng, stored(*name), Stored::is_start),
                Some((path, _)) => {
                    Err(Failure::new(ErrorClass::Transient, "a file is there again after it was deleted", path, ""))
                }
            },
            Self::Round(PieceKey { dest_id: dest, round_id: round, .. }) => {
                medium.delete(rng, &ArchivePath::<Scn>::RoundEnd { dest: *dest, round: *round }.path())?;
                medium.delete(rng, &ArchivePath::<Scn>::RoundStart { dest: *dest, round: *round }.path())
            }
        }
    }
}

fn placeholders(
    medium: &mut Medium,
    rng: &mut Rng,
    of: Stored,
    wanted: fn(Stored, &str) -> bool,
) -> Result<(), Failure> {
    let all = medium.list(rng, &format!("{}/", of.placeholder_dir()))?;
    all.iter().filter(|(p, _)| wanted(of, p)).try_for_each(|(p, _)| medium.delete(rng, p))
}

/// Something that there is of a set or piece.
pub fn left_of(medium: &Medium, name: MediumName) -> Option<String> {
    let (directory, placeholders) = (format!("{name}/"), format!("{}/", stored(name).placeholder_dir()));
    let is_of = |p: &&str| stored(name).is_end(p) || stored(name).is_start(p);
    let found = medium.paths(&directory).next().or_else(|| medium.paths(&placeholders).find(is_of));
    found.map(str::to_owned)
}
