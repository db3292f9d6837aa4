//! Destinations, and what a tenant wants with its archive destinations.
//!
//! Order rule: a destination's keys stand apart from its address. The address goes into files, views and logs; the keys
//! go only to the code that opens the destination.

use super::Trouble;
use crate::refuse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{Access, Binding, Compression, DestId, DestNo, DestUri, Failure, TenantId, limits};

/// What a destination is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DestKind {
    /// Log archive.
    Archive,
    /// Data backup.
    Data,
}

impl fmt::Display for DestKind {
    /// The original's words (docs/oceanbase.md, 2.6).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive_log",
            Self::Data => "backup_data",
        })
    }
}

/// One (tenant, path, kind). Its id is never reused; the same path of the same tenant keeps its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Id.
    pub id: DestId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// What it is for.
    pub kind: DestKind,
    /// Where it is, with its attributes and without its keys.
    pub uri: DestUri,
    /// Its keys. They may change while the destination is in use.
    pub access: Access,
    /// When it was first named: the time in `format.obbak`.
    pub created_ms: u64,
    /// True once `format.obbak` is known to be there and to name this tenant.
    pub formatted: bool,
    /// When it last proved that it can be used.
    pub checked_ms: u64,
    /// The destination's parent, when it is made by itself for a new tenant: its directory need not be there.
    pub made_below: Option<DestUri>,
    /// Why it could not be made ready, if so.
    pub trouble: Option<Trouble>,
    /// Earlier attributes and keys, oldest first; the last [`limits::STORAGE_CHANGES_KEPT_MAX`].
    pub changes: Vec<StorageChange>,
    /// The newest check file that was written and read back, below the destination; empty before the first.
    pub check_file: String,
}

impl Destination {
    /// True once `format.obbak` was there. A destination that was given up since then is asked again whose it is, and
    /// never claimed anew: a path without an identity is not mounted.
    #[must_use]
    pub const fn was_claimed(&self) -> bool {
        self.formatted || self.checked_ms > 0
    }
}

/// What a destination's address and keys were before they were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageChange {
    /// When they were replaced.
    pub at_ms: u64,
    /// The address until then.
    pub uri: String,
    /// The keys until then, as they may be shown.
    pub access_shown: String,
}

/// Whether an archive destination is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestState {
    /// Written.
    #[default]
    Enable,
    /// Paused.
    Defer,
}

impl fmt::Display for DestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enable => "ENABLE",
            Self::Defer => "DEFER",
        })
    }
}

/// Where workers find the key of an encrypted archive: `file:/path` or `command:…`. Never a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// Archived log is not encrypted.
    #[default]
    None,
    /// AES-256-GCM.
    Aes256 {
        /// `file:/path` or `command:…`, on every worker.
        key_source: String,
    },
}

impl Encryption {
    /// Where the key is; empty without encryption.
    #[must_use]
    pub fn key_source(&self) -> &str {
        match self {
            Self::None => "",
            Self::Aes256 { key_source } => key_source,
        }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Aes256 { .. } => "aes256",
        })
    }
}

/// Everything that the value of LOG_ARCHIVE_DEST says besides LOCATION. A round keeps the options that it was opened
/// with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestOptions {
    /// BINDING: what happens when log cannot be archived for long.
    pub binding: Binding,
    /// PIECE_SWITCH_INTERVAL.
    pub piece_interval_s: u64,
    /// COMPRESSION.
    pub compression: Compression,
    /// ENCRYPTION and KEY.
    pub encryption: Encryption,
    /// SPOOL_SIZE: log of one stream that waits locally for this destination.
    pub spool_bytes: u64,
    /// SPOOL_AGE: how old waiting log may become; 0 = no bound.
    pub spool_age_ms: u64,
    /// AUTO_RESTART: an interruption is followed by a new round and a new full backup.
    pub auto_restart: bool,
}

impl Default for DestOptions {
    fn default() -> Self {
        Self {
            binding: Binding::default(),
            piece_interval_s: limits::PIECE_INTERVAL_SECONDS_DEFAULT,
            compression: Compression::default(),
            encryption: Encryption::default(),
            spool_bytes: limits::SPOOL_BYTES_DEFAULT,
            spool_age_ms: 0,
            auto_restart: false,
        }
    }
}

impl DestOptions {
    /// Whether every option is in its bounds (docs/oceanbase.md, 1.1).
    ///
    /// # Errors
    /// `Invalid` names the option; a piece interval outside its bounds is the original's NOT_SUPPORTED.
    pub fn check(&self) -> Result<(), Failure> {
        let pieces = limits::PIECE_INTERVAL_SECONDS_MIN..=limits::PIECE_INTERVAL_SECONDS_MAX;
        if !pieces.contains(&self.piece_interval_s) {
            return Err(refuse::bad_interval(self.piece_interval_s));
        }
        if self.spool_bytes < limits::SPOOL_BYTES_MIN {
            return Err(refuse::bad_spool_size(self.spool_bytes));
        }
        if self.spool_age_ms != 0 && self.spool_age_ms < limits::SPOOL_AGE_MS_MIN {
            return Err(refuse::bad_spool_age(self.spool_age_ms));
        }
        if self.binding == Binding::Mandatory && self.spool_age_ms != 0 {
            return Err(refuse::age_of_mandatory());
        }
        let source = self.encryption.key_source();
        let is_known = source.starts_with("file:/") || source.strip_prefix("command:").is_some_and(|c| !c.is_empty());
        match self.encryption {
            Encryption::Aes256 { .. } if !is_known => Err(refuse::bad_key_source(source)),
            _ => Ok(()),
        }
    }
}

/// One LOG_ARCHIVE_DEST of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveDest {
    /// The destination.
    pub dest_id: DestId,
    /// How it is to be written.
    pub options: DestOptions,
    /// LOG_ARCHIVE_DEST_STATE.
    pub state: DestState,
}

/// Where and whether a tenant's log is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveConfig {
    /// ARCHIVELOG (true) or NOARCHIVELOG.
    pub log_mode: bool,
    /// LOG_ARCHIVE_DEST and LOG_ARCHIVE_DEST_1 to _7, as far as they are set.
    pub dests: BTreeMap<DestNo, ArchiveDest>,
    /// Delay until log is on the medium and reported.
    pub lag_target_ms: u64,
    /// log_archive_concurrency: threads per worker for reading and writing; 0 = by the worker's CPU.
    pub concurrency: u32,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self { log_mode: false, dests: BTreeMap::new(), lag_target_ms: limits::ARCHIVE_LAG_TARGET_MS, concurrency: 0 }
    }
}
