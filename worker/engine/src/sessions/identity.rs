//! Who sends a request, and which one it is.

use std::time::Duration;
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure};

/// A client, chosen at random when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// One request of one client to one log stream: the same however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    /// The client.
    pub session: SessionId,
    /// Number of the request within session and log stream, from 1.
    pub number: u64,
}

/// What a request says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteIdentity {
    /// Which request it is.
    pub id: WriteId,
    /// The client waits for no answer below this number any more.
    pub settled: u64,
    /// How long ago it was sent first without an answer; 0 = it was not.
    pub uncertain_ms: u64,
}

impl WriteIdentity {
    /// The same request after it may have waited so long here: one that was sent before is older by then.
    pub(crate) fn waited(self, at_most: Duration) -> Self {
        let waited_ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        let uncertain_ms = if self.uncertain_ms == 0 { 0 } else { self.uncertain_ms.saturating_add(waited_ms) };
        Self { uncertain_ms, ..self }
    }
}

impl From<WriteIdentity> for v1::WriteIdentity {
    fn from(identity: WriteIdentity) -> Self {
        let WriteIdentity { id, settled, uncertain_ms } = identity;
        let session = id.session.0.to_be_bytes().to_vec().into();
        Self { session, number: id.number, settled, uncertain_ms }
    }
}

impl TryFrom<v1::WriteIdentity> for WriteIdentity {
    type Error = Failure;

    fn try_from(wire: v1::WriteIdentity) -> Result<Self, Failure> {
        let session = <[u8; 16]>::try_from(wire.session.as_ref()).map_err(|_| {
            let what = format!("a session of {} bytes", wire.session.len());
            Failure::new(ErrorClass::Invalid, what, "identity of a write", "it has 16 bytes")
        })?;
        let id = WriteId { session: SessionId(u128::from_be_bytes(session)), number: wire.number };
        Ok(Self { id, settled: wire.settled, uncertain_ms: wire.uncertain_ms })
    }
}
