//! BACKUP, SET ENCRYPTION and the parameters of backups (fact sheet 1.3, 4.12).

use super::{description, ended, tenant_clause, tenant_list};
use crate::sql::cursor::Cursor;
use crate::sql::options;
use crate::sql::request::backup::BackupRequest;
use crate::sql::request::{AdminRequest, SessionWord, Tenants};
use strandline_format::secret::passphrase;
use strandline_scheduler_core::BackupParam;
use strandline_types::{BackupMode, Compression, ErrorClass, Failure, limits};

/// After `ALTER SYSTEM BACKUP`.
pub(super) fn backup(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("CLUSTER") {
        c.need("PARAMETERS")?;
        c.need("TO")?;
        let uri = c.text("a text with the uri")?;
        return ended(c, AdminRequest::BackupClusterParameters { uri });
    }
    let mode = if c.accept("INCREMENTAL") {
        BackupMode::Incremental
    } else if c.accept("SYNTHETIC") {
        BackupMode::Synthetic
    } else {
        BackupMode::Full
    };
    let tenants = if c.accept("DATABASE") {
        Tenants::Session
    } else if c.accept("TENANT") {
        c.optional_equals();
        tenant_list(c)?
    } else {
        return Err(c.failure());
    };
    let mut request = BackupRequest { mode, tenants, to: None, plus_archivelog: false, description: String::new() };
    if c.accept("TO") {
        c.optional_equals();
        request.to = Some(c.text("a text with the uri")?);
    }
    if c.accept("PLUS") {
        c.need("ARCHIVELOG")?;
        if mode == BackupMode::Synthetic {
            let todo = "leave PLUS ARCHIVELOG out: the archive of the chain covers the set";
            let what = "a synthetic set copies nothing of the cluster, its log neither";
            return Err(Failure::new(ErrorClass::Invalid, what, "PLUS ARCHIVELOG", todo));
        }
        request.plus_archivelog = true;
    }
    request.description = description(c)?;
    ended(c, AdminRequest::Backup(request))
}

/// After `SET ENCRYPTION`: `ON IDENTIFIED BY '<password>' ONLY`, or `OFF`.
pub(super) fn encryption(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("OFF") {
        return ended(c, AdminRequest::Session(SessionWord::Encryption(None)));
    }
    c.need("ON")?;
    c.need("IDENTIFIED")?;
    c.need("BY")?;
    let password = c.text("a password")?;
    c.need("ONLY")?;
    if password.is_empty() {
        let todo = "write SET ENCRYPTION OFF to back up without encryption";
        return Err(Failure::new(ErrorClass::Invalid, "an empty password protects nothing", "SET ENCRYPTION", todo));
    }
    let password = typed_password(&password, "SET ENCRYPTION")?;
    ended(c, AdminRequest::Session(SessionWord::Encryption(Some(password))))
}

/// A typed password. One that a file could not hold is refused: blanks at its ends would be lost there.
pub(super) fn typed_password(typed: &str, statement: &str) -> Result<String, Failure> {
    let read = passphrase(typed).map_err(|e| Failure {
        todo: "a password is one line of text, as in a password file".to_owned(),
        ..e.into_failure(statement)
    })?;
    if read == typed {
        return Ok(read.to_owned());
    }
    let todo = "leave them out: they do not count in a password file either";
    Err(Failure::new(ErrorClass::Invalid, "the password has blanks at its beginning or end", statement, todo))
}

/// After `ALTER SYSTEM SET`, when a parameter of backups stands there.
pub(super) fn parameter(c: &mut Cursor<'_>) -> Option<Result<AdminRequest, Failure>> {
    let read: fn(&mut Cursor<'_>) -> Result<BackupParam, Failure> = if c.accept("BACKUP_DATA_FILE_SIZE") {
        data_file_size
    } else if c.accept("HA_LOW_THREAD_SCORE") {
        low_threads
    } else if c.accept("BACKUP_COMPRESSION") {
        compression
    } else {
        return None;
    };
    c.optional_equals();
    Some(read(c).and_then(|param| {
        let tenant = tenant_clause(c)?;
        ended(c, AdminRequest::SetBackupParam { tenant, param })
    }))
}

fn data_file_size(c: &mut Cursor<'_>) -> Result<BackupParam, Failure> {
    let text = c.text_or_word("a size '512M' to '4G'")?;
    let bytes = options::size_bytes(&text)?;
    let (min, max) = (limits::BACKUP_DATA_FILE_BYTES_MIN, limits::BACKUP_DATA_FILE_BYTES_MAX);
    if (min..=max).contains(&bytes) {
        return Ok(BackupParam::DataFileBytes(bytes));
    }
    let what = format!("a data file of {bytes} bytes is not supported");
    Err(Failure::new(ErrorClass::Invalid, what, text, "use 512M to 4G"))
}

fn low_threads(c: &mut Cursor<'_>) -> Result<BackupParam, Failure> {
    let threads = c.number("a number of threads, 0 to 100")?;
    let max = u64::from(limits::HA_LOW_THREADS_MAX);
    match u32::try_from(threads) {
        Ok(n) if threads <= max => Ok(BackupParam::LowThreads(n)),
        _ => {
            let todo = format!("use 0 (the worker's default) to {max}");
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
