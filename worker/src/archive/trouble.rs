//! A failure of the medium with the pause that the medium asked for.

use strandline_engine_api::SourceError;
use strandline_format::FormatError;
use strandline_media::{Judged, MediaError};
use strandline_types::{ErrorClass, Failure};

/// Why something was not done.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// In words for a user.
    pub failure: Failure,
    /// What the medium asked for.
    pub retry_after_ms: Option<u64>,
}

impl Trouble {
    /// Bytes on the medium that are not what they must be.
    pub(super) fn format(error: FormatError, object: impl Into<String>) -> Self {
        error.into_failure(object).into()
    }
}

impl Judged for Trouble {
    fn class(&self) -> ErrorClass {
        self.failure.class
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after_ms: None }
    }
}

impl From<MediaError> for Trouble {
    fn from(error: MediaError) -> Self {
        let retry_after_ms = error.retry_after_ms;
        Self { failure: error.into(), retry_after_ms }
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Failure::from(error).into()
    }
}
