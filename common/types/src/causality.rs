//! The token a client carries from write to write so that cuts over log streams are causally consistent.

use crate::Scn;
use serde::{Deserialize, Serialize};

/// The highest SCN that a client has seen acknowledged or read. Sending it with the next write makes that write's
/// SCN larger, so a restore to an SCN that holds an effect also holds its cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CausalityToken(pub Scn);

impl CausalityToken {
    /// Takes in one more observed SCN.
    pub fn observe(&mut self, scn: Scn) {
        self.0 = self.0.max(scn);
    }
}
