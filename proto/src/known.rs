//! Numbers on the wire that stand for words. A number that this version does not know, and none at all, are refused: an
//! order that is not understood is no order.

use crate::v1;
use strandline_types::{ArchiveLsState, Compression, ErrorClass, Failure, ValidateLevel, Verdict};

/// A number that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What it should have been.
    pub what: &'static str,
    /// What was sent.
    pub number: i32,
}

impl Unknown {
    /// The same for users: what was to be done with `object` is not understood here.
    #[must_use]
    pub fn into_failure(self, object: impl Into<String>) -> Failure {
        let what = format!("{} {} is not known here", self.what, self.number);
        let todo = "upgrade this server: the one that sent it is newer";
        Failure::new(ErrorClass::Invalid, what, object, todo)
    }
}

/// A word that has a number on the wire.
pub trait OnWire: Sized {
    /// Its number; never 0.
    fn on_wire(self) -> i32;

    /// The word of a number.
    ///
    /// # Errors
    /// [`Unknown`], also for 0.
    fn from_wire(number: i32) -> Result<Self, Unknown>;
}

/// The words of both enums are the same, and there are no others: a new one does not compile before it is here.
macro_rules! on_wire {
    ($($type:ty = $message:ident, $what:literal: $($word:ident),+;)+) => {$(
        impl OnWire for $type {
            fn on_wire(self) -> i32 {
                match self {
                    $(Self::$word => v1::$message::$word.into(),)+
                }
            }

            fn from_wire(number: i32) -> Result<Self, Unknown> {
                match v1::$message::try_from(number) {
                    $(Ok(v1::$message::$word) => Ok(Self::$word),)+
                    Ok(v1::$message::Unspecified) | Err(_) => Err(Unknown { what: $what, number }),
                }
            }
        }
    )+};
}

on_wire! {
    ArchiveLsState = ArchiveState, "the archive state": Doing, Stopped, Interrupted, Suspended;
    Compression = Compression, "the compression": None, Lz4, Zstd;
    ValidateLevel = ValidateLevel, "the level of validation": Basic, Physical;
    Verdict = Verdict, "the verdict": Good, Limited, Bad;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn table<T: OnWire + Copy + Debug + PartialEq>(words: &[(i32, T)]) {
        for (number, word) in words {
            assert_eq!((word.on_wire(), T::from_wire(*number)), (*number, Ok(*word)));
        }
        for unknown in [-1, 0, words.len() as i32 + 1, i32::MAX] {
            assert_eq!(T::from_wire(unknown).map_err(|u| u.number), Err(unknown), "{unknown}");
        }
    }

    /// Numbers on the wire never change: an older server on the other side reads them.
    #[test]
    fn every_word_has_its_number_and_every_other_number_is_refused() {
        use ArchiveLsState::*;
        table(&[(1, Doing), (2, Stopped), (3, Interrupted), (4, Suspended)]);
        table(&[(1, Compression::None), (2, Compression::Lz4), (3, Compression::Zstd)]);
        table(&[(1, ValidateLevel::Basic), (2, ValidateLevel::Physical)]);
        table(&[(1, Verdict::Good), (2, Verdict::Limited), (3, Verdict::Bad)]);
    }

    #[test]
    fn what_is_not_understood_is_said_with_what_to_do() {
        let refused = Compression::from_wire(9).map_err(|unknown| unknown.into_failure("backup set 3").to_string());
        assert!(refused.is_err_and(|text| text.contains("compression 9") && text.contains("upgrade this server")));
    }
}
