//! Opening the destination of a round: the medium with its access keys, and the key of an encrypted archive.
//!
//! Everything that can fail here may pass by itself or by another key: it is tried again by the driver.

use super::StreamKey;
use super::append_limit::AppendLimit;
use super::driver::Wanted;
use super::files::RoundFiles;
use super::keys::Keys;
use super::ordered::OrderedForm;
use crate::task_ctx::MediumOpener;
use std::sync::Arc;
use strandline_engine_api::LogFormat;
use strandline_format::cipher::SALT_BYTES;
use strandline_format::part::PartForm;
use strandline_media::{Medium, Right};
use strandline_types::{DestOwner, Failure};

/// What never changes about a round's destination.
pub(super) struct Opening {
    pub key: StreamKey,
    pub log_format: &'static dyn LogFormat,
    pub uri: String,
    pub owner: DestOwner,
    pub form: OrderedForm,
    pub salt: [u8; SALT_BYTES],
    pub open_medium: MediumOpener,
    pub keys: Arc<Keys>,
    pub append_limit: Arc<AppendLimit>,
}

impl Opening {
    /// The medium with these access keys.
    pub(super) fn medium(&self, access: &str) -> Result<Arc<dyn Medium>, Failure> {
        (self.open_medium)(&self.uri, access, Right::Write(self.owner))
    }

    /// The stream's files in the round.
    pub(super) async fn open(&self, wanted: &Wanted) -> Result<RoundFiles, Failure> {
        let medium = self.medium(&wanted.access)?;
        let key = match self.form.is_encrypted {
            true => Some(self.keys.key(&wanted.key_source, self.salt).await?),
            false => None,
        };
        let form = PartForm { compressor: self.form.compression.into(), key };
        Ok(RoundFiles::new(self.key, self.log_format, medium, form, self.salt, Arc::clone(&self.append_limit)))
    }

    /// Whether there is a key at all.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.form.is_encrypted
    }

    /// The key turned out wrong or was refused: its source is read again.
    pub(super) fn forget_key(&self, source: &str) {
        self.keys.forget(source);
    }
}
