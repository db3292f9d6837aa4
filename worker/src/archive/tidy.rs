//! Merging, removing and sealing the parts of log files, in the background of archiving.
//!
//! Order rules: a part is removed only after the part that covers it was read back; the seal comes last. Two leaders may
//! do this at the same time in different ways: there are then more parts, never fewer bytes.

use super::memory::Share;
use super::parts::{FileKey, PartStore};
use super::trouble::Trouble;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use std::sync::atomic::Ordering;
use strandline_format::part::PartPlace;
use strandline_format::paths::LogPart;
use strandline_format::{DataType, pb, small};
use strandline_types::limits::ARCHIVE_READS_IN_FLIGHT_MAX;
use strandline_types::{ErrorClass, Failure, PieceId};
use strandline_worker_core::archiver::parts::{Span, Tidy};
use tokio_util::sync::CancellationToken;

impl PartStore {
    /// True when there is something to merge, remove or seal.
    pub(super) fn is_untidy(&self) -> bool {
        let may_remove = !self.keeps_all.load(Ordering::Relaxed);
        let mut files = self.files();
        let newest = files.keys().next_back().copied();
        files.iter_mut().any(|(key, f)| {
            f.parts.is_closed |= Some(*key) != newest;
            f.parts.tidy(may_remove).is_some()
        })
    }

    /// Does everything that is to be done now, one file at a time over all streams of the worker; ends after the file
    /// under way when `hurry` says that somebody waits for the end.
    pub(super) async fn tidy(&self, share: &Share, hurry: &CancellationToken) -> Result<(), Trouble> {
        while self.is_untidy() {
            let _turn = tokio::select! {
                biased;
                () = hurry.cancelled() => return Ok(()),
                turn = share.turn() => turn,
            };
            let may_remove = !self.keeps_all.load(Ordering::Relaxed);
            let next = self.files().iter().find(|(_, f)| f.parts.tidy(may_remove).is_some()).map(|(key, _)| *key);
            let Some(file) = next else { return Ok(()) };
            self.tidy_file(file, share).await?;
        }
        Ok(())
    }

    /// Seals every file of the pieces up to `through`.
    pub(super) async fn seal_through(&self, through: PieceId, share: &Share) -> Result<(), Trouble> {
        loop {
            let open = {
                let mut files = self.files();
                let mut open = files.iter_mut().filter(|((p, _), f)| *p <= through && !f.parts.is_sealed);
                open.next().map(|(key, f)| {
                    f.parts.is_closed = true;
                    (*key, f.parts.count() == 0)
                })
            };
            match open {
                None => return Ok(()),
                // A format file without a byte of log: the next leader may still write into it.
                Some((file, true)) => drop(self.files().remove(&file)),
                Some((file, false)) => drop(self.tidy_file(file, share).await?),
            }
        }
    }

    /// One thing for one file; `false` when nothing is to be done.
    pub(super) async fn tidy_file(&self, file: FileKey, share: &Share) -> Result<bool, Trouble> {
        let may_remove = !self.keeps_all.load(Ordering::Relaxed);
        let tidy = self.files().get(&file).and_then(|f| f.parts.tidy(may_remove));
        match tidy {
            None => return Ok(false),
            Some(Tidy::Merge(spans)) => match self.merge(file, &spans, share).await {
                // Another leader merged them first.
                Err(t) if t.failure.class == ErrorClass::NotFound => self.refresh(file).await?,
                outcome => outcome?,
            },
            Some(Tidy::Remove(spans)) => self.remove_inside(file, &spans, share).await?,
            Some(Tidy::Seal) => self.seal(file).await?,
        }
        Ok(true)
    }

    /// One part over several: written, read back, and only then are they removed.
    async fn merge(&self, file: FileKey, spans: &[Span], share: &Share) -> Result<(), Trouble> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(()) };
        let whole = Span { start: first.start, end: last.end };
        // Its plain bytes, and what is written and read back.
        let _held = share.take(2 * whole.bytes() as usize).await;
        let places: Vec<PartPlace> = spans.iter().map(|s| self.place(file, *s)).collect();
        let parts: Vec<Bytes> = futures::stream::iter(places)
            .map(|place| async move { self.whole_part(&place).await })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX)
            .try_collect()
            .await?;
        let mut plain = BytesMut::with_capacity(whole.bytes() as usize);
        for (span, bytes) in spans.iter().zip(parts) {
            let there = (whole.start + plain.len() as u64 - span.start) as usize;
            if plain[plain.len() - there..] != bytes[..there] {
                return Err(self.disagree(file, *span));
            }
            plain.extend_from_slice(&bytes[there..]);
        }
        let stored = self.put_part(file, whole, plain.freeze()).await?;
        let path = self.place(file, whole).path();
        if self.medium().get(&path).await? != stored {
            let todo = "the medium does not give back what it took: check it before anything else";
            let failure = Failure::new(
                ErrorClass::Corrupt,
                "a part reads other bytes than were written",
                self.object(&path),
                todo,
            );
            return Err(failure.into());
        }
        self.remove(file, spans).await
    }

    /// Left-overs of an earlier leader: compared with the part around them, then removed.
    async fn remove_inside(&self, file: FileKey, spans: &[Span], share: &Share) -> Result<(), Trouble> {
        for span in spans {
            let _held = share.take(2 * span.bytes() as usize).await;
            let own = self.whole_part(&self.place(file, *span)).await;
            let own = match own {
                Err(t) if t.failure.class == ErrorClass::NotFound => None,
                other => Some(other?),
            };
            let around = {
                let mut without = self.files().get(&file).map(|f| f.parts.clone()).unwrap_or_default();
                without.remove(*span);
                without.covering(span.start, span.end).unwrap_or_default()
            };
            if let (Some(own), Some(cover)) = (own, around.first()) {
                let theirs = self.read_part(file, *cover, span.start..span.end.min(cover.end)).await?;
                if !own.starts_with(&theirs) {
                    return Err(self.disagree(file, *span));
                }
            }
            self.remove(file, &[*span]).await?;
        }
        Ok(())
    }

    fn disagree(&self, file: FileKey, span: Span) -> Trouble {
        let todo = "find the second writer; the archive of this log stream cannot be trusted from here on";
        let object = self.object(&self.place(file, span).path());
        Failure::new(ErrorClass::Fenced, "two parts of a log file disagree", object, todo).into()
    }

    async fn remove(&self, file: FileKey, spans: &[Span]) -> Result<(), Trouble> {
        for span in spans {
            let path = self.place(file, *span).path();
            match self.medium().delete(&path).await {
                Ok(()) => {
                    if let Some(f) = self.files().get_mut(&file) {
                        f.parts.remove(*span);
                    }
                }
                // Write-once storage: the small parts stay until their retention ends, and merging them is of no use.
                Err(e) if e.class == ErrorClass::Permission => {
                    if !self.keeps_all.swap(true, Ordering::Relaxed) {
                        tracing::warn!(stream = %self.key, error = %e, "parts cannot be removed here: they are not merged any more");
                    }
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Writes the list of parts. Another leader may have done it with other parts; size and checksum must agree.
    async fn seal(&self, file: FileKey) -> Result<(), Trouble> {
        let meta = {
            let files = self.files();
            let Some(f) = files.get(&file) else { return Ok(()) };
            let parts = f.parts.chain();
            let size_bytes = f.parts.end();
            let is_known = f.digest.next == size_bytes;
            pb::SealMeta {
                size_bytes,
                parts: parts.iter().map(|s| pb::AppendPart { start: s.start, end: s.end }).collect(),
                digest: if is_known { f.digest.crc.to_be_bytes().to_vec().into() } else { Bytes::new() },
            }
        };
        let path = self.meta_path(file, LogPart::SealMeta);
        let bytes = small::write_small(DataType::SealMeta, &meta);
        if let Err(e) = self.medium().put_if_absent(&path, bytes.into()).await {
            let there =
                if e.class == ErrorClass::Fenced { self.medium().get(&path).await? } else { return Err(e.into()) };
            let theirs: pb::SealMeta =
                small::read_small(DataType::SealMeta, &there).map_err(|e| Trouble::format(e, self.object(&path)))?;
            let differs = !meta.digest.is_empty() && !theirs.digest.is_empty() && meta.digest != theirs.digest;
            if theirs.size_bytes != meta.size_bytes || differs {
                return Err(e.into());
            }
        }
        if let Some(f) = self.files().get_mut(&file) {
            f.parts.is_sealed = true;
        }
        Ok(())
    }
}
