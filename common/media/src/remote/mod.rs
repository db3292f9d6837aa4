//! Destinations that are reached over HTTP: S3 and what speaks like it, OSS, Azure Blob (ADR 0007).
//!
//! Keys, signatures and the HTTP client are those of `object_store`; the requests are our own, because the promises of
//! [`crate::Medium`] need what its trait does not show: the expected position of an append, `Retry-After`, the store's
//! own error codes, checksums that OceanBase's destinations name, tags, and the list of half-written uploads.
//!
//! [`medium`] keeps the promises in terms of a [`store::Store`]; [`s3`] and [`azure`] are the two kinds of stores;
//! [`client`] sends one signed request and reads one answer. Nothing here may log or return a key.

mod answer;
mod azure;
mod client;
mod medium;
mod s3;
mod sign;
mod store;
mod upload;
mod xml;

use crate::access::KeySource;
use crate::{Destination, MediaError, Medium};
use medium::RemoteMedium;
use std::sync::Arc;
use strandline_types::Scheme;

/// Opens a destination. Nothing is sent.
pub(crate) fn open(dest: &Destination, keys: KeySource) -> Result<Arc<dyn Medium>, MediaError> {
    if dest.scheme == Scheme::Azure {
        return Ok(Arc::new(RemoteMedium::new(dest.name(), Arc::new(azure::Azure::new(dest, keys)?))));
    }
    Ok(Arc::new(RemoteMedium::new(dest.name(), Arc::new(s3::S3::new(dest, keys)?))))
}
