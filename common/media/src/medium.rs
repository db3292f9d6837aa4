//! The trait that every destination implements, and what it promises.

use crate::{Looks, MediaError, Op};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;
use strandline_types::ErrorClass;

/// One read of [`Medium::copy`] where the medium cannot copy by itself.
const COPY_BYTES: u64 = 8 << 20;

/// One destination root. All paths are relative to it, `/`-separated, without `.` and `..`.
///
/// Every writing call is idempotent: the same call again, after a lost reply or by another process, is a success that
/// changes nothing. The same place with *other* bytes is `Fenced`, and nothing is written.
#[async_trait]
pub trait Medium: Send + Sync + Debug {
    /// How a log file grows here (docs/format-reference.md).
    fn log_form(&self) -> LogForm;

    /// Writes a whole object; on return it is durable, and it was never visible in part.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes is there (an empty one may be filled).
    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError>;

    /// Like [`Medium::put`], but tells whether the object was there, and never fills an empty one.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes is there.
    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError>;

    /// The whole object.
    ///
    /// # Errors
    /// `NotFound`, or what the medium says.
    async fn get(&self, path: &str) -> Result<Bytes, MediaError>;

    /// Exactly the bytes of `range`.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when the object ends before the range does.
    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError>;

    /// Length of the object.
    ///
    /// # Errors
    /// `NotFound`, or what the medium says.
    async fn head(&self, path: &str) -> Result<u64, MediaError>;

    /// Every object below `dir` (empty = the root), at any depth, sorted by path; paths are relative to the root.
    /// A directory that is not there holds nothing.
    ///
    /// # Errors
    /// What the medium says.
    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError>;

    /// Everything below `dir`: the objects as [`Medium::list`] gives them, and what lies there and is none. A directory that
    /// cannot be read hides nothing but itself here, where `list` fails: for readers that name what they could not see.
    ///
    /// # Errors
    /// What the medium says.
    async fn survey(&self, dir: &str) -> Result<Survey, MediaError>;

    /// The directories directly below `dir`, sorted, relative to the root.
    ///
    /// # Errors
    /// What the medium says.
    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError>;

    /// Removes an object, or marks it for the bucket's life cycle where the destination says `delete_mode=tagging`.
    /// A missing one is a success.
    ///
    /// # Errors
    /// What the medium says; `Permission` where the object is locked against deletion.
    async fn delete(&self, path: &str) -> Result<(), MediaError>;

    /// Marks an object with the tag `delete_mode=tagging`: a life cycle rule of the bucket removes it later.
    ///
    /// # Errors
    /// `Invalid` where the medium has no tags; `NotFound`; what the medium says.
    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        let reason = "this medium has no object tags: use delete_mode=delete";
        Err(MediaError::new(ErrorClass::Invalid, Op::Delete, &self.uri(), path, reason))
    }

    /// Removes directories below `dir`, and `dir` itself, that hold nothing, where the medium has directories. Only for
    /// what is not written any more.
    ///
    /// # Errors
    /// What the medium says.
    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        let _ = dir;
        Ok(())
    }

    /// Makes the object hold `data` at offset `at`, durably, and gives its new length. Offset 0 creates it.
    ///
    /// What already lies beyond `at` is read back and compared: equal bytes count as written, and only the missing
    /// tail is added. So a torn append is completed by repeating it.
    ///
    /// # Errors
    /// `Fenced` when other bytes lie there; `Invalid` when the object ends before `at`, and always where
    /// [`Medium::log_form`] is [`LogForm::Parts`].
    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError>;

    /// A writer for a big write-once object. Nothing is visible before [`ObjectWriter::finish`].
    ///
    /// # Errors
    /// What the medium says.
    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError>;

    /// Makes `to` hold the bytes of `from`, write-once; on the server's side where the medium can.
    ///
    /// # Errors
    /// `NotFound` without `from`; `Fenced` when `to` holds other bytes.
    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        carry(self, from, to).await
    }

    /// What dead writers left half-written: uploads that were never completed, temporary files. Invisible to
    /// [`Medium::list`], yet they cost room. A writer that is at work is among them: look at `started_ms`.
    ///
    /// # Errors
    /// What the medium says.
    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError>;

    /// Removes one of them. A missing one is a success.
    ///
    /// # Errors
    /// What the medium says.
    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError>;

    /// Asks whose the destination is, where somebody has to be its owner to write ([`crate::Guarded`]). For work that
    /// takes what it does not find for done: a destination that is not mounted holds nothing.
    ///
    /// # Errors
    /// As a write would be refused.
    async fn prove(&self) -> Result<(), MediaError> {
        Ok(())
    }

    /// Whether what is deleted and replaced stays as an older version, which costs room; `None` where that is not known.
    async fn keeps_versions(&self) -> Option<bool> {
        None
    }

    /// The destination, without keys and without attributes that do not tell where it is.
    fn uri(&self) -> String;
}

/// How a log file grows on a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// As one object, by [`Medium::append`].
    Plain,
    /// As immutable parts below a prefix; [`Medium::append`] is refused.
    Parts,
}

/// Streams one big write-once object. Dropped without `finish`: nothing stays visible.
#[async_trait]
pub trait ObjectWriter: Send + Debug {
    /// Adds bytes at the end. After an error the writer is dead: every later call fails.
    ///
    /// # Errors
    /// What the medium says.
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError>;

    /// Makes the object durable, then visible, and gives its length.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes became visible meanwhile.
    async fn finish(self: Box<Self>) -> Result<u64, MediaError>;
}

/// What [`Medium::put_if_absent`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Nothing was there; it is now.
    Created,
    /// The same bytes were there already.
    AlreadyEqual,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Relative to the root.
    pub path: String,
    /// Length.
    pub bytes: u64,
}

/// Something that lies on a medium and is no object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// Relative to the root; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub what: String,
    /// True for what could not be looked at: objects may lie behind it.
    pub hides: bool,
}

/// What [`Medium::survey`] finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Objects, sorted by path.
    pub objects: Vec<Listed>,
    /// The rest, sorted by path.
    pub strays: Vec<Stray>,
}

impl From<Vec<Listed>> for Survey {
    /// What there is where nothing but objects can be.
    fn from(objects: Vec<Listed>) -> Self {
        Self { objects, strays: Vec::new() }
    }
}

/// Something half-written, see [`Medium::unfinished`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfinished {
    /// The object that it would have become, relative to the root.
    pub path: String,
    /// What the medium calls it: an upload id, a file name.
    pub id: String,
    /// When it was begun, in milliseconds since 1970.
    pub started_ms: u64,
}

/// Copies an object through this process. Nothing here knows what the bytes mean, and they are written again: two reads of
/// each stretch have to agree.
pub(crate) async fn carry<M: Medium + ?Sized>(medium: &M, from: &str, to: &str) -> Result<(), MediaError> {
    let len = medium.head(from).await?;
    let mut writer = medium.open_writer(to).await?;
    let mut at = 0;
    while at < len {
        let end = len.min(at + COPY_BYTES);
        writer.write(read_agreed(medium, from, at..end).await?).await?;
        at = end;
    }
    writer.finish().await.map(|_| ())
}

/// Bytes that nothing here can prove and that are written down for good: two reads of them have to agree.
///
/// # Errors
/// `Corrupt` when they never do.
pub async fn read_agreed<M: Medium + ?Sized>(medium: &M, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let look = || async {
        let first = medium.get_range(path, range.clone()).await?;
        if medium.get_range(path, range.clone()).await? == first {
            return Ok(first);
        }
        let reason = "two reads of the same bytes disagree";
        let error = MediaError::new(ErrorClass::Corrupt, Op::Get, &medium.uri(), path, reason);
        Err(error.with_todo(Some("check the medium: it does not give the same bytes twice")))
    };
    Looks::default().sure(look).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fault, FaultPlan, FaultRule, Faulty, MemoryMedium};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_copy_through_this_process_holds_no_bit_that_one_answer_had_wrong() {
        let inner: Arc<dyn Medium> = Arc::new(MemoryMedium::new("carried"));
        let bytes = Bytes::from((0..40_000_u32).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
        inner.put("from", bytes.clone()).await.unwrap();
        for skip in 0..2 {
            let plan = FaultPlan::new(1);
            let (op, fault) = (Some(Op::Get), Fault::Flip(99_999));
            plan.add(FaultRule { op, path_part: "from".to_owned(), skip, times: 1, fault });
            let to = format!("to {skip}");
            carry(&Faulty::new(Arc::clone(&inner), plan.clone()), "from", &to).await.unwrap();
            assert!(plan.injected() == 1 && inner.get(&to).await.unwrap() == bytes, "read {skip}");
        }
    }
}
