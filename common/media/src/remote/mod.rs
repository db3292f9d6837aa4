//! Destinations that are reached over HTTP: S3 and what speaks like it, OSS, Azure Blob (ADR 0007, 0035).
//!
//! `object_store` writes, reads and puts together objects; its answers about errors are too coarse and some requests it
//! does not have. So every request, its own and ours, goes through one [`transport`]: it limits the rate, adds what the
//! [`transport::Dialect`] of the store wants, signs, and bounds the wait. [`stored`] has the steps,
//! [`medium`] and [`upload`] keep the promises of [`crate::Medium`] in terms of them; [`s3`] and [`azure`] are the two kinds
//! of stores with the requests of our own. Nothing here may log or return a key.

mod answer;
mod azure;
mod azure_dialect;
mod bucket;
mod failed;
mod medium;
mod oss;
mod s3;
mod s3_dialect;
mod stored;
mod transport;
mod upload;
mod xml;

use crate::access::KeySource;
use crate::{Destination, MediaError, Medium};
use medium::RemoteMedium;
use std::sync::Arc;
use stored::Stored;

/// Opens a destination of one kind. Nothing is sent.
type Open = fn(&Destination, KeySource) -> Result<Stored, MediaError>;

pub(crate) const S3: Open = s3::open;
pub(crate) const AZURE: Open = azure::open;

/// Opens a destination; `access` is what was split off its text. Nothing is sent.
pub(crate) fn open(dest: &Destination, access: &str, kind: Open) -> Result<Arc<dyn Medium>, MediaError> {
    let keys = KeySource::new(&dest.name(), access, dest.attribute("access_key_file"))?;
    Ok(Arc::new(RemoteMedium::new(dest.name(), Arc::new(kind(dest, keys)?))))
}
