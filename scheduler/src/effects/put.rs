//! Two ways to write a small file once, and to read one: what one answer shows as damaged or missing is asked for again.

use bytes::Bytes;
use prost::Message;
use strandline_format::DataType;
use strandline_format::small::{read_small, write_small};
use strandline_media::{Looks, Medium};
use strandline_reader::object_name;
use strandline_types::{ErrorClass, Failure};

/// A file whose bytes are decided: there with the same bytes is a success, other bytes are an error.
pub async fn once<M: Message>(medium: &dyn Medium, path: &str, kind: DataType, message: &M) -> Result<(), Failure> {
    medium.put_if_absent(path, Bytes::from(write_small(kind, message))).await?;
    Ok(())
}

/// A file whose first writer wins: what it tells may have moved on by the time somebody repeats the work. What is
/// there must be an intact file of this kind.
pub async fn first<M: Message + Default>(
    medium: &dyn Medium,
    path: &str,
    kind: DataType,
    message: &M,
) -> Result<(), Failure> {
    match medium.put_if_absent(path, Bytes::from(write_small(kind, message))).await {
        Ok(_) => Ok(()),
        Err(e) if e.class == ErrorClass::Fenced => read::<M>(medium, path, kind).await.map(|_| ()),
        Err(e) => Err(e.into()),
    }
}

/// Reads a small file of a kind.
pub async fn read<M: Message + Default>(medium: &dyn Medium, path: &str, kind: DataType) -> Result<M, Failure> {
    Looks::default().sure(|| async { decode(medium, path, kind, &medium.get(path).await?) }).await
}

/// Reads a small file of a kind, if it is there.
pub async fn find<M: Message + Default>(medium: &dyn Medium, path: &str, kind: DataType) -> Result<Option<M>, Failure> {
    let look = || async {
        match medium.get(path).await {
            Ok(bytes) => decode(medium, path, kind, &bytes).map(Some),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    };
    match Looks::default().sure(look).await? {
        // It need not be there: one more look is enough.
        None => look().await,
        there => Ok(there),
    }
}

fn decode<M: Message + Default>(medium: &dyn Medium, path: &str, kind: DataType, bytes: &[u8]) -> Result<M, Failure> {
    read_small(kind, bytes).map_err(|e| {
        let todo = "the file is damaged: use another copy of this destination";
        Failure::new(ErrorClass::Corrupt, e.to_string(), object_name(&medium.uri(), path), todo)
    })
}
