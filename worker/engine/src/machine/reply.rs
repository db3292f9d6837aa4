//! What the state machine answers to an entry: one tag byte and one number.

use bytes::{BufMut, Bytes, BytesMut};
use strandline_consensus::Reply;
use strandline_types::{Lsn, Scn};

/// Answer to one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Applied, with this effective SCN.
    Done(Scn),
    /// A replayed batch that does not start where the source log has been applied up to; nothing was done.
    Gap(Lsn),
}

impl Outcome {
    pub(super) fn reply(self) -> Reply {
        let (tag, number) = match self {
            Self::Done(scn) => (0, scn.0),
            Self::Gap(lsn) => (1, lsn.0),
        };
        let mut b = BytesMut::with_capacity(9);
        b.put_u8(tag);
        b.put_u64(number);
        Reply(b.freeze())
    }

    /// Reads an answer; `None` for one that this version does not know.
    pub(crate) fn read(reply: &Reply) -> Option<Self> {
        let bytes: &Bytes = &reply.0;
        let number = u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?);
        match bytes.first()? {
            0 => Some(Self::Done(Scn(number))),
            1 => Some(Self::Gap(Lsn(number))),
            _ => None,
        }
    }
}
