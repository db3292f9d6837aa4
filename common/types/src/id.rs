//! Newtypes for every id. A bare `u64` never crosses a public border: mixing up a tenant and a log stream is then a
//! compile error instead of a backup of the wrong data.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id that follows this one; ids only ever rise and are never reused.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(raw: $inner) -> Self {
                Self(raw)
            }
        }
    )*};
}

ids! {
    /// The cluster, as written into `format.obbak`.
    ClusterId(u64);
    /// One tenant; user tenants count up from [`TenantId::FIRST_USER`].
    TenantId(u64);
    /// One log stream of a tenant: [`LsId::SYS`] is the system log stream, user log streams start at 1001.
    LsId(u64);
    /// One table of a tenant's data dictionary.
    TableId(u64);
    /// One tablet: the storage unit of a table; it belongs to exactly one log stream.
    TabletId(u64);
    /// One (tenant, path) destination; counts up over data and archive destinations alike, from 1001.
    DestId(u64);
    /// One uninterrupted enabling of archiving; from 1, never reused.
    RoundId(u64);
    /// One time slice of a round; from 1, keeps counting over rounds.
    PieceId(u64);
    /// One data backup of a tenant, full or incremental.
    BackupSetId(u64);
    /// What an administrator asked for.
    JobId(u64);
    /// One server process, scheduler or worker; never reused after its disk was wiped.
    NodeId(u64);
    /// Tenant-level repetition inside one backup set; from 1.
    TurnId(u32);
    /// Log-stream-level repetition inside a turn; from 0.
    RetryId(u32);
    /// Archive log file number: `lsn / block body + 1`.
    FileId(u64);
    /// A Raft term.
    Term(u64);
    /// Which archive destination of a tenant: 0 is `LOG_ARCHIVE_DEST`, n is `LOG_ARCHIVE_DEST_n`.
    DestNo(u8);
}

impl DestNo {
    /// The last one: `LOG_ARCHIVE_DEST_7`.
    pub const LAST: Self = Self(7);
}

impl TenantId {
    /// The system tenant: jobs that work for several tenants are its.
    pub const SYS: Self = Self(1);
    /// The first user tenant, as in the original; smaller ids are reserved.
    pub const FIRST_USER: Self = Self(1002);
}

impl LsId {
    /// The system log stream; it holds the data dictionary.
    pub const SYS: Self = Self(1);
    /// The first user log stream.
    pub const FIRST_USER: Self = Self(1001);

    /// True for the system log stream.
    #[must_use]
    pub const fn is_sys(self) -> bool {
        self.0 == 1
    }
}

impl TabletId {
    /// The first tablet of user tables; smaller ids are inner tablets of a log stream.
    pub const FIRST_USER: Self = Self(200_001);
    /// The inner tablet of every log stream (applied position, data dictionary): *sys* data.
    pub const INNER: Self = Self(1);
}

impl DestId {
    /// The first destination id.
    pub const FIRST: Self = Self(1001);
}

/// Form of the backup sets that this version writes, the newest that it reads: the original's number for its 4.3.
pub const BACKUP_COMPATIBLE: u64 = 4;

/// The same of archives: the original's number for its 4.x.
pub const ARCHIVE_COMPATIBLE: u64 = 1;

/// The tenant identity generation of the original; always 1, kept in every record.
pub const INCARNATION: u64 = 1;
