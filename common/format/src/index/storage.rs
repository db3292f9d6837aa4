//! How the bytes of a macroblock are stored: compressor, and the key that seals them.

use crate::FormatError;
use crate::header::Compressor;
use bytes::Bytes;
use serde::Serialize;

/// AES-256-GCM, the only cipher of the format.
const CIPHER_AES_256_GCM: u32 = 1;

/// First bytes of a digest of a key: tells a wrong password before anything is opened, and says nothing else of the key.
pub type KeyFingerprint = [u8; 8];

/// How a macroblock is stored; the default is "as it is".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Its compressor.
    pub compressor: Compressor,
    /// Set when it is sealed: the fingerprint of the key.
    pub sealed_by: Option<KeyFingerprint>,
}

impl Storage {
    /// Compressor, cipher and fingerprint as the messages carry them.
    pub(crate) fn to_pb(self) -> (u32, u32, Bytes) {
        let cipher = if self.sealed_by.is_some() { CIPHER_AES_256_GCM } else { 0 };
        let fingerprint = self.sealed_by.map(|f| Bytes::copy_from_slice(&f)).unwrap_or_default();
        let compressor = match self.compressor {
            Compressor::None => 0,
            packed => u32::from(packed.number()),
        };
        (compressor, cipher, fingerprint)
    }

    pub(crate) fn from_pb(compressor: u32, cipher: u32, fingerprint: &[u8]) -> Result<Self, FormatError> {
        let unknown = |what, found| FormatError::UnknownType { what, at: 0, found: u64::from(found) };
        let number = u16::try_from(compressor.max(1)).unwrap_or(u16::MAX);
        let compressor =
            Compressor::from_number(number).ok_or_else(|| unknown("compressor of a macroblock", compressor))?;
        let sealed_by = match cipher {
            0 => None,
            CIPHER_AES_256_GCM => Some(fingerprint.try_into().map_err(|_| FormatError::Payload {
                what: "index entry",
                at: 0,
                detail: "the fingerprint of its key has not 8 bytes".to_owned(),
            })?),
            other => return Err(unknown("cipher of a macroblock", other)),
        };
        Ok(Self { compressor, sealed_by })
    }
}
