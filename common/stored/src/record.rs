//! Encoding and decoding of records, with the steps that bring older ones up to date.

use crate::{StoredError, Tree, body};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Cursor, Write};

/// The first version that is written in front of a record. What begins with another byte was written before there were
/// versions ([`Stored::unversioned`]).
pub const FIRST_VERSION: u8 = 2;
/// Versions end here: bytes above begin records that were written before there were versions.
pub const LAST_VERSION: u8 = 0x7f;

/// Brings the body of a record from one version to the next.
///
/// # Errors
/// What the body lacks, in words.
pub type Step = fn(Tree) -> Result<Tree, String>;

/// A kind of record.
pub trait Stored: Serialize + DeserializeOwned {
    /// What it is called in errors: "a command of the scheduler".
    const KIND: &'static str;
    /// The version that is written. Always [`FIRST_VERSION`] plus the number of [`Stored::STEPS`].
    const VERSION: u8;
    /// One step for every version before, oldest first: the first one takes a body of [`FIRST_VERSION`].
    const STEPS: &'static [Step];

    /// Reads a record that was written before there were versions.
    ///
    /// # Errors
    /// It is none, or it is too old to be read.
    fn unversioned(bytes: &[u8]) -> Result<Self, StoredError>;
}

/// The bytes of a record.
///
/// # Errors
/// [`StoredError::Unwritable`], which is a defect.
pub fn encode<T: Stored>(record: &T) -> Result<Vec<u8>, StoredError> {
    let unwritable = |why: String| StoredError::Unwritable { kind: T::KIND, why };
    let mut bytes = vec![T::VERSION];
    let body = rmp_serde::to_vec_named(record).map_err(|e| unwritable(e.to_string()))?;
    body::write(&mut bytes, &body).map_err(unwritable)?;
    Ok(bytes)
}

/// How many bytes a value takes as a part of a record that is not compressed. A value that cannot be written takes none.
#[must_use]
pub fn bytes_in_record<T: Serialize>(value: &T) -> usize {
    struct Counted(usize);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    rmp_serde::encode::write_named(&mut counted, value).map_or(0, |()| counted.0)
}

/// Reads a record of this version or of an older one.
///
/// # Errors
/// It is newer, too old, or no such record.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, StoredError> {
    const { assert!(T::VERSION as usize == FIRST_VERSION as usize + T::STEPS.len(), "one step for every version") };
    let malformed = |why: String| StoredError::Malformed { kind: T::KIND, why };
    let Some((&version, rest)) = bytes.split_first() else { return Err(malformed("it is empty".to_owned())) };
    if !(FIRST_VERSION..=LAST_VERSION).contains(&version) {
        return T::unversioned(bytes);
    }
    if version > T::VERSION {
        return Err(StoredError::TooNew { kind: T::KIND, found: version, known: T::VERSION });
    }
    let body = body::read(rest).map_err(malformed)?;
    let steps = T::STEPS.get(usize::from(version - FIRST_VERSION)..).unwrap_or_default();
    if steps.is_empty() {
        return read(&body).map_err(malformed);
    }
    let mut tree = Tree::read(&body).map_err(malformed)?;
    for step in steps {
        tree = step(tree).map_err(malformed)?;
    }
    tree.write().and_then(|body| read(&body)).map_err(malformed)
}

/// Reads a body of today's version, all of it.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(body));
    let record = T::deserialize(&mut reader).map_err(|e| e.to_string())?;
    let rest = body.len() as u64 - reader.position();
    if rest == 0 { Ok(record) } else { Err(format!("{rest} bytes follow it")) }
}

#[cfg(test)]
mod tests;
