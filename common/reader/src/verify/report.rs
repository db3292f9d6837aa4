//! What verification finds: damages with the object's name, and how much was looked at.

use serde::Serialize;
use std::collections::BTreeSet;
use strandline_format::FormatError;

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every file that the stored lists name is there with its length; small files and the heads of large ones are read.
    Basic,
    /// Everything is read and every checksum is computed.
    Physical,
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// It is not there.
    Missing,
    /// It is shorter than it must be.
    Truncated,
    /// Its bytes are not what they must be.
    Corrupt,
    /// It is whole, but it belongs elsewhere or to somebody else.
    Foreign,
    /// Log is missing between two objects.
    Gap,
}

impl DamageKind {
    /// As on the wire and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Foreign => "foreign",
            Self::Gap => "gap",
        }
    }

    /// The damage that a format error means.
    #[must_use]
    pub const fn of(error: &FormatError) -> Self {
        match error {
            FormatError::Truncated { .. } => Self::Truncated,
            FormatError::WrongType { .. } | FormatError::UnknownName => Self::Foreign,
            _ => Self::Corrupt,
        }
    }
}

/// One object that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// Relative to the destination.
    pub path: String,
    /// What is wrong.
    pub kind: DamageKind,
    /// In words.
    pub detail: String,
}

/// An object that has a remark and no damage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// Relative to the destination.
    pub path: String,
    /// In words.
    pub detail: String,
}

/// What came of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Objects that were looked at.
    pub objects: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Log groups that were verified.
    pub groups: u64,
    /// Macroblocks that were verified.
    pub blocks: u64,
    /// What is wrong, sorted by path.
    pub damages: Vec<Damage>,
    /// What is there and is none of ours, sorted by path: no restore reads it.
    pub foreign: Vec<Remark>,
    /// What may not be read here, sorted by path: it is not known whether it is sound.
    pub unreadable: Vec<Remark>,
    /// What could not be looked at and why that is no damage: blocks without their key, sets that are not finished.
    pub notes: Vec<String>,
}

impl Report {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// The damages that another report finds, too: the same wrong with the same object.
    #[must_use]
    pub fn common<'a>(&'a self, other: &Self) -> Vec<&'a Damage> {
        let known: BTreeSet<_> = other.damages.iter().map(|d| (d.path.as_str(), d.kind)).collect();
        self.damages.iter().filter(|d| known.contains(&(d.path.as_str(), d.kind))).collect()
    }

    /// Adds another report.
    pub fn absorb(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.groups += other.groups;
        self.blocks += other.blocks;
        self.damages.extend(other.damages);
        self.foreign.extend(other.foreign);
        self.unreadable.extend(other.unreadable);
        self.notes.extend(other.notes);
    }

    /// Sorts, and removes what was found twice.
    pub fn settle(&mut self) {
        self.damages.sort();
        self.damages.dedup();
        for list in [&mut self.foreign, &mut self.unreadable] {
            list.sort();
            list.dedup();
        }
        self.notes.sort();
        self.notes.dedup();
    }
}
