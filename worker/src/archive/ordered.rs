//! What of a round's order has to be understood before anything is done for it. An order that is not is refused whole: a
//! worker that guessed would write where it should stop.

use strandline_proto::{OnWire, Unknown, v1};
use strandline_types::{Compression, Failure};
use strandline_worker_core::archiver::Goal;

/// How log is stored in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderedForm {
    pub compression: Compression,
    pub is_encrypted: bool,
}

/// An order that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    pub goal: Goal,
    pub form: OrderedForm,
}

impl Ordered {
    /// Reads the words of an order.
    ///
    /// # Errors
    /// `Invalid` for a word that is not known here, and for none.
    pub(super) fn read(round: &v1::RoundOrder) -> Result<Self, Failure> {
        let words = || {
            let form = OrderedForm {
                compression: Compression::from_wire(round.compression)?,
                is_encrypted: is_encrypted(round.cipher)?,
            };
            Ok(Self { goal: goal(round.work)?, form })
        };
        words().map_err(|unknown: Unknown| unknown.into_failure(&round.dest_uri))
    }
}

fn goal(number: i32) -> Result<Goal, Unknown> {
    match v1::RoundWork::try_from(number) {
        Ok(v1::RoundWork::Write) => Ok(Goal::Write),
        Ok(v1::RoundWork::Stop) => Ok(Goal::Stop),
        Ok(v1::RoundWork::Suspend) => Ok(Goal::Suspend),
        Ok(v1::RoundWork::Unspecified) | Err(_) => Err(Unknown { what: "the work in a round", number }),
    }
}

fn is_encrypted(number: i32) -> Result<bool, Unknown> {
    match v1::Cipher::try_from(number) {
        Ok(v1::Cipher::None) => Ok(false),
        Ok(v1::Cipher::Aes256Gcm) => Ok(true),
        Ok(v1::Cipher::Unspecified) | Err(_) => Err(Unknown { what: "the cipher", number }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(work: i32, compression: i32, cipher: i32) -> v1::RoundOrder {
        v1::RoundOrder { work, compression, cipher, dest_uri: "file:///a".to_owned(), ..v1::RoundOrder::default() }
    }

    #[test]
    fn an_order_is_read_word_by_word() {
        let read = |work, compression, cipher| Ordered::read(&order(work, compression, cipher)).ok();
        let form = |compression, is_encrypted| OrderedForm { compression, is_encrypted };
        let plain = form(Compression::None, false);
        assert_eq!(read(1, 1, 2), Some(Ordered { goal: Goal::Write, form: plain }));
        assert_eq!(read(2, 1, 2), Some(Ordered { goal: Goal::Stop, form: plain }));
        assert_eq!(read(3, 3, 1), Some(Ordered { goal: Goal::Suspend, form: form(Compression::Zstd, true) }));
    }

    #[test]
    fn an_order_that_is_not_understood_is_none_and_never_means_write() {
        for (work, compression, cipher, word) in [
            (0, 1, 2, "work in a round 0"),
            (4, 1, 2, "work in a round 4"),
            (1, 0, 2, "compression 0"),
            (1, 9, 2, "compression 9"),
            (1, 1, 0, "cipher 0"),
            (1, 1, 7, "cipher 7"),
        ] {
            let refused = Ordered::read(&order(work, compression, cipher)).map_err(|failure| failure.to_string());
            assert!(refused.as_ref().is_err_and(|text| text.contains(word) && text.contains("upgrade")), "{refused:?}");
        }
    }
}
