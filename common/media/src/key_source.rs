//! Where the secret of an encrypted archive comes from: `file:/path`, or `command:/path argument …` for a key service.
//!
//! A command is run without a shell, as the user of the server, with a deadline and a bound on what it may say; its
//! standard output is the secret. Whatever fails, the secret and the command's output appear in no message.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use strandline_format::FormatError;
use strandline_format::secret::{KeySecret, passphrase};
use strandline_types::{ErrorClass, Failure, MASK, is_place_of_secret};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Whose sources they are: where an administrator has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBy {
    /// Archives are encrypted and opened by workers.
    Workers,
    /// Scheduled backups get their keys from the scheduler that leads.
    Schedulers,
    /// A command reads for itself.
    ThisProcess,
}

impl ReadBy {
    const fn everywhere(self) -> &'static str {
        match self {
            Self::Workers => "on every worker",
            Self::Schedulers => "on every scheduler",
            Self::ThisProcess => "on this machine",
        }
    }
}

/// Reads the secret of an archive that `source` names, for a worker.
///
/// # Errors
/// `Invalid` when the text is no source; `Permission` or `NotFound` when there is no secret; `Transient` when a command
/// failed or did not answer in time.
pub async fn read_secret(source: &str) -> Result<KeySecret, Failure> {
    let text = read(source, ReadBy::Workers).await?;
    KeySecret::parse(&text).map_err(|e| unusable(source, e))
}

/// Reads a passphrase: the same sources, and the text as `strandline_format::secret::passphrase` reads every one.
///
/// # Errors
/// As [`read_secret`].
pub async fn read_passphrase(source: &str, by: ReadBy) -> Result<String, Failure> {
    let text = read(source, by).await?;
    passphrase(&text).map(str::to_owned).map_err(|e| unusable(source, e))
}

fn unusable(source: &str, error: FormatError) -> Failure {
    Failure { todo: "it has to be one line of text".to_owned(), ..error.into_failure(source) }
}

async fn read(source: &str, by: ReadBy) -> Result<String, Failure> {
    if let Some(path) = source.strip_prefix("file:") {
        read_file(source, Path::new(path), by).await
    } else if let Some(line) = source.strip_prefix("command:") {
        run(source, line, COMMAND_TIMEOUT, by).await
    } else {
        Err(not_a_source(source))
    }
}

/// Says what is wrong with the text of a key source, without looking at what it names.
///
/// # Errors
/// `Invalid`.
pub fn check_source(source: &str) -> Result<(), Failure> {
    let path = source.strip_prefix("file:").or_else(|| source.strip_prefix("command:"));
    match path {
        Some(path) if Path::new(path.trim_start()).is_absolute() => Ok(()),
        _ => Err(not_a_source(source)),
    }
}

fn not_a_source(source: &str) -> Failure {
    let todo = "name file:/absolute/path or command:/absolute/path arguments";
    // What is no place may be the key itself, typed by mistake.
    let shown = if is_place_of_secret(source) { source } else { MASK };
    Failure::new(ErrorClass::Invalid, "not a source of a key", shown, todo)
}

async fn read_file(source: &str, path: &Path, by: ReadBy) -> Result<String, Failure> {
    check_source(source)?;
    let failed = |e: std::io::Error| {
        let class = match e.kind() {
            std::io::ErrorKind::NotFound => ErrorClass::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorClass::Permission,
            _ => ErrorClass::Transient,
        };
        let at = by.everywhere();
        let todo = format!("put the key or passphrase there, {at}, readable for the user of the process only");
        Failure::new(class, format!("the key cannot be read: {e}"), source, todo)
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    read_text(source, file).await.map_err(failed)?
}

async fn read_text(source: &str, from: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<Result<String, Failure>> {
    let mut bytes = Vec::new();
    from.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    let bad = |what: &str| Err(Failure::new(ErrorClass::Invalid, what, source, "it must be one short line of text"));
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Ok(bad("the key is too long"));
    }
    Ok(String::from_utf8(bytes).or_else(|_| bad("the key is no text")))
}

async fn run(source: &str, line: &str, timeout: Duration, by: ReadBy) -> Result<String, Failure> {
    check_source(source)?;
    let failed = |what: String| {
        let at = by.everywhere();
        let todo = format!(
            "run the command by hand {at}, as the user of the process; it has to print the key and exit with 0"
        );
        Failure::new(ErrorClass::Transient, what, source, todo)
    };
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("the key command does not start: {e}")))?;
    let Some(out) = child.stdout.take() else { return Err(failed("the key command has no output".to_owned())) };
    let answered = tokio::time::timeout(timeout, async {
        let text = read_text(source, out).await.map_err(|e| failed(format!("the key command broke off: {e}")))??;
        let status = child.wait().await.map_err(|e| failed(format!("the key command is lost: {e}")))?;
        if status.success() { Ok(text) } else { Err(failed(format!("the key command failed: {status}"))) }
    });
    answered.await.unwrap_or_else(|_| Err(failed(format!("the key command did not answer within {timeout:?}"))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_format::cipher::Key;

    #[tokio::test]
    async fn a_key_comes_from_a_file_or_a_command() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "a passphrase\n").unwrap();
        let expected = KeySecret::Passphrase("a passphrase".to_owned());
        assert_eq!(read_secret(&format!("file:{}", path.display())).await.unwrap(), expected);
        let command = format!("command:/bin/cat {}", path.display());
        assert_eq!(read_secret(&command).await.unwrap(), expected);
        std::fs::write(&path, "0f".repeat(32)).unwrap();
        assert_eq!(read_secret(&command).await.unwrap(), KeySecret::Key(Key::from_bytes([0x0f; 32])));
    }

    #[tokio::test]
    async fn a_missing_key_is_to_be_put_where_it_is_read() {
        for (by, at) in [(ReadBy::Schedulers, "on every scheduler"), (ReadBy::ThisProcess, "on this machine")] {
            for source in ["file:/nowhere/key", "command:/nowhere/kms"] {
                let failure = read_passphrase(source, by).await.unwrap_err();
                assert!(failure.todo.contains(at) && !failure.todo.contains("worker"), "{failure}");
            }
        }
        assert!(read_secret("file:/nowhere/key").await.unwrap_err().todo.contains("on every worker"));
    }

    #[tokio::test]
    async fn what_gives_no_key_says_why_and_never_what_it_said() {
        for (source, class) in [
            ("file:/nowhere/key", ErrorClass::NotFound),
            ("file:key", ErrorClass::Invalid),
            ("command:/nowhere/kms", ErrorClass::Transient),
            ("command:/bin/false", ErrorClass::Transient),
            ("command:/bin/true", ErrorClass::Invalid),
        ] {
            let failure = read_secret(source).await.unwrap_err();
            assert_eq!(failure.class, class, "{failure}");
            assert_eq!(failure.object, source);
        }
        let typed = read_secret("topsecret").await.unwrap_err();
        assert!(typed.class == ErrorClass::Invalid && !typed.to_string().contains("topsecret"), "{typed}");
        let hung = run("command:/bin/sleep 60", "/bin/sleep 60", Duration::from_millis(50), ReadBy::Workers)
            .await
            .unwrap_err();
        assert!(hung.what.contains("did not answer"), "{hung}");
    }
}
