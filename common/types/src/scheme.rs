//! The kinds of media, in one table. A new kind is a row here and a driver in `common/media`.

/// What kind of medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// A directory.
    File,
    /// This process.
    Memory,
    /// S3 and what speaks like it.
    S3,
    /// Alibaba Cloud OSS.
    Oss,
    /// Azure Blob.
    Azure,
}

/// What stands between `://` and `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An absolute path.
    Directory,
    /// A name without `/`.
    Name,
    /// A bucket, then a path; a host may say where the bucket is.
    Bucket,
}

/// One kind.
struct Row {
    scheme: Scheme,
    /// As it stands before `://`.
    name: &'static str,
    form: Form,
    /// How a destination of it is written; `None`: it is for tests, and no message names it.
    example: Option<&'static str>,
    /// What follows an account's name in the name of its server, where accounts have one.
    account_host: Option<&'static str>,
    /// The original's number for an error of it (docs/oceanbase.md, 4.13).
    error_code: Option<i32>,
}

/// In the order of [`Scheme`].
const ROWS: [Row; 5] = [
    Row {
        scheme: Scheme::File,
        name: "file",
        form: Form::Directory,
        example: Some("file:///path"),
        account_host: None,
        error_code: None,
    },
    Row { scheme: Scheme::Memory, name: "mem", form: Form::Name, example: None, account_host: None, error_code: None },
    Row {
        scheme: Scheme::S3,
        name: "s3",
        form: Form::Bucket,
        example: Some("s3://bucket/path?host=…"),
        account_host: None,
        error_code: Some(-9105),
    },
    Row {
        scheme: Scheme::Oss,
        name: "oss",
        form: Form::Bucket,
        example: Some("oss://bucket/path?host=…"),
        account_host: None,
        error_code: Some(-9003),
    },
    Row {
        scheme: Scheme::Azure,
        name: "azblob",
        form: Form::Bucket,
        example: Some("azblob://container/path"),
        account_host: Some(".blob.core.windows.net"),
        // The original's driver reports every error of Azure as one of its object storage.
        error_code: Some(-9105),
    },
];

impl Scheme {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// As it stands before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The original's number for an error of this kind of store; `None` where it has none.
    #[must_use]
    pub const fn error_code(self) -> Option<i32> {
        self.row().error_code
    }

    /// The server of an account, where accounts have one.
    #[must_use]
    pub fn host_of_account(self, account: &str) -> Option<String> {
        self.row().account_host.map(|rest| format!("{account}{rest}"))
    }

    pub(crate) const fn form(self) -> Form {
        self.row().form
    }

    /// From what stands before `://`.
    ///
    /// # Errors
    /// Which kinds there are.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        if let Some(row) = ROWS.iter().find(|row| row.name == name) {
            return Ok(row.scheme);
        }
        if name == "cos" {
            return Err("cos:// is not known: use s3:// with host=cos.<region>.myqcloud.com, as COS advises".into());
        }
        let names: Vec<String> = shown().map(|(row, _)| format!("{}://", row.name)).collect();
        Err(format!("destinations of the kind {name}:// are not known: use {}", or(&names)))
    }

    /// How destinations are written, for messages.
    pub(crate) fn examples() -> String {
        let examples: Vec<&str> = shown().map(|(_, example)| example).collect();
        or(&examples)
    }

    /// The names of the kinds that have buckets, for messages.
    pub(crate) fn names_with_buckets() -> String {
        let with_buckets = shown().filter(|(row, _)| row.form == Form::Bucket);
        with_buckets.map(|(row, _)| format!("{}://", row.name)).collect::<Vec<String>>().join(", ")
    }
}

fn shown() -> impl Iterator<Item = (&'static Row, &'static str)> {
    ROWS.iter().filter_map(|row| row.example.map(|example| (row, example)))
}

/// `a, b or c`
fn or<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(T::as_ref).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_where_its_kind_looks_for_it() {
        for row in &ROWS {
            assert_eq!(row.scheme.name(), row.name);
            assert_eq!(Scheme::parse(row.name), Ok(row.scheme));
            assert!(row.example.is_none_or(|e| e.starts_with(&format!("{}://", row.name))), "{}", row.name);
        }
    }

    #[test]
    fn messages_name_every_kind_but_that_of_tests() {
        let e = Scheme::parse("ftp").unwrap_err();
        assert_eq!(e, "destinations of the kind ftp:// are not known: use file://, s3://, oss:// or azblob://");
        assert_eq!(
            Scheme::examples(),
            "file:///path, s3://bucket/path?host=…, oss://bucket/path?host=… or azblob://container/path"
        );
        assert_eq!(Scheme::names_with_buckets(), "s3://, oss://, azblob://");
    }
}
