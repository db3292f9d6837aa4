//! `SET backup_data_file_size`, `SET ha_low_thread_score` and `SET backup_compression`.

use crate::sql::cursor::Cursor;
use crate::sql::quantities::size_bytes;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::{Action, BackupParam};
use strandline_types::{Compression, ErrorClass, Failure, limits};

pub const SET_DATA_FILE_SIZE: Syntax = Syntax {
    words: &["ALTER SYSTEM SET BACKUP_DATA_FILE_SIZE"],
    rest: "= '<size>' [TENANT = <tenant>]",
    about: "Size of a data file of the next backups: 512M to 4G.",
    parse: |c| parse(c, data_file_size),
};

pub const SET_LOW_THREADS: Syntax = Syntax {
    words: &["ALTER SYSTEM SET HA_LOW_THREAD_SCORE"],
    rest: "= <n> [TENANT = <tenant>]",
    about: "Threads of one backup task: 0 (the worker's default) to 100.",
    parse: |c| parse(c, low_threads),
};

pub const SET_COMPRESSION: Syntax = Syntax {
    words: &["ALTER SYSTEM SET BACKUP_COMPRESSION"],
    rest: "= 'none' | 'lz4' | 'zstd' [TENANT = <tenant>]",
    about: "Compression of the next backups.",
    parse: |c| parse(c, compression),
};

/// `SET` of a parameter of backups.
#[derive(Debug, PartialEq, Eq)]
pub struct SetBackupParam {
    /// The tenant.
    pub tenant: Option<String>,
    /// The parameter and its value.
    pub param: BackupParam,
}

fn parse(c: &mut Cursor<'_>, value: fn(&mut Cursor<'_>) -> Result<BackupParam, Failure>) -> Result<Statement, Failure> {
    c.optional_equals();
    let param = value(c)?;
    let tenant = c.tenant_clause()?;
    Statement::command(c, SetBackupParam { tenant, param })
}

fn data_file_size(c: &mut Cursor<'_>) -> Result<BackupParam, Failure> {
    let text = c.text_or_word("a size '512M' to '4G'")?;
    let bytes = size_bytes(&text)?;
    let (min, max) = (limits::BACKUP_DATA_FILE_BYTES_MIN, limits::BACKUP_DATA_FILE_BYTES_MAX);
    if (min..=max).contains(&bytes) {
        return Ok(BackupParam::DataFileBytes(bytes));
    }
    let what = format!("a data file of {bytes} bytes is not supported");
    Err(Failure::new(ErrorClass::Invalid, what, text, "use 512M to 4G"))
}

fn low_threads(c: &mut Cursor<'_>) -> Result<BackupParam, Failure> {
    let threads = c.number("a number of threads, 0 to 100")?;
    match u32::try_from(threads) {
        Ok(n) if n <= limits::HA_LOW_THREADS_MAX => Ok(BackupParam::LowThreads(n)),
        _ => {
            let todo = format!("use 0 (the worker's default) to {}", limits::HA_LOW_THREADS_MAX);
            let what = format!("{threads} threads are not supported");
            Err(Failure::new(ErrorClass::Invalid, what, "ha_low_thread_score", todo))
        }
    }
}

fn compression(c: &mut Cursor<'_>) -> Result<BackupParam, Failure> {
    let text = c.text_or_word("'none', 'lz4' or 'zstd'")?;
    Compression::parse(&text).map(BackupParam::Compression).ok_or_else(|| {
        let what = format!("'{text}' is not a compression of backups");
        Failure::new(ErrorClass::Invalid, what, text, "write 'none', 'lz4' or 'zstd'")
    })
}

#[async_trait]
impl Command for SetBackupParam {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(self.tenant.as_deref())?;
        cx.node.act(Action::SetBackupParam { tenant, param: self.param }).await?;
        Ok(format!("set for the next backups of {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn parameters_of_backups_are_set() {
        let set = |tenant: Option<&str>, param| Ok(SetBackupParam { tenant: tenant.map(str::to_owned), param });
        for (text, expected) in [
            (
                "ALTER SYSTEM SET backup_data_file_size = '512M' TENANT = t1",
                set(Some("t1"), BackupParam::DataFileBytes(512 << 20)),
            ),
            ("ALTER SYSTEM SET ha_low_thread_score = 8", set(None, BackupParam::LowThreads(8))),
            ("ALTER SYSTEM SET backup_compression = 'zstd'", set(None, BackupParam::Compression(Compression::Zstd))),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
    }
}
