//! Merging, removing and sealing the parts of log files, in the background of archiving.
//!
//! Order rules: every part that is merged has proven itself as it was read before anything is put; a part is removed only
//! after the part that covers it was read back and has proven itself, too; the seal comes last and never says less than
//! the medium acknowledged. What does not prove itself is told, left as it is, and holds up nothing. Two leaders may do
//! this at the same time in different ways: there are then more parts, never fewer bytes.

use super::memory::Share;
use super::parts::{FileKey, PartStore, blocking};
use super::trouble::Trouble;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::pin::pin;
use std::sync::atomic::Ordering;
use strandline_format::palf::prove_log;
use strandline_format::paths::LogPart;
use strandline_format::{DataType, pb, small};
use strandline_media::Looks;
use strandline_types::limits::ARCHIVE_READS_IN_FLIGHT_MAX;
use strandline_types::{Defect, ErrorClass, Failure, PieceId};
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
                    (*key, f.parts.count() == 0 && f.seen == 0)
                })
            };
            match open {
                None => return Ok(()),
                // A format file without a byte of log: the next leader may still write into it.
                Some((file, true)) => drop(self.files().remove(&file)),
                Some((file, false)) => {
                    if !self.tidy_file(file, share).await? {
                        // A closed file is merged or sealed as long as there is anything of it.
                        return Err(self.shows_less(file, 0, self.files().get(&file).map_or(0, |f| f.seen)));
                    }
                }
            }
        }
    }

    /// One thing for one file; `false` when nothing is to be done.
    pub(super) async fn tidy_file(&self, file: FileKey, share: &Share) -> Result<bool, Trouble> {
        let may_remove = !self.keeps_all.load(Ordering::Relaxed);
        let tidy = self.files().get(&file).and_then(|f| f.parts.tidy(may_remove));
        let done = match tidy {
            None => return Ok(false),
            Some(Tidy::Merge(spans)) => self.merge(file, &spans, share).await,
            Some(Tidy::Remove(spans)) => self.remove_inside(file, &spans, share).await,
            Some(Tidy::Seal) => self.seal(file).await,
        };
        match done {
            // Another leader merged them first, or the medium is away.
            Err(t) if t.failure.class == ErrorClass::NotFound => match self.refresh(file).await? {
                true => Ok(true),
                false => Err(t),
            },
            outcome => outcome.map(|()| true),
        }
    }

    /// One part over several, all of them proven: written, read back and proven, and only then are they removed.
    async fn merge(&self, file: FileKey, spans: &[Span], share: &Share) -> Result<(), Trouble> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(()) };
        let whole = Span { start: first.start, end: last.end };
        // Its plain bytes, and what is written and read back.
        let _held = share.take(2 * whole.bytes() as usize).await;
        let Some(plain) = self.plain_over(file, spans).await? else { return Ok(()) };
        let log = plain.clone();
        if let Err(e) = blocking(move || prove_log(file.1, whole.start, &log)).await?
            && !Defect::S1.is_planted()
        {
            // Each proves itself and they do not follow each other.
            let failure = e.into_failure(self.object(&self.place(file, whole).path()));
            self.distrust(file, spans, failure);
            return Ok(());
        }
        self.put_part(file, whole, plain).await?;
        let back = self.proven_part(file, whole).await;
        if back.as_ref().is_err_and(|t| t.failure.class == ErrorClass::Corrupt) {
            // What it was made of is sound and stays; this is not read instead.
            self.medium().delete(&self.place(file, whole).path()).await?;
            if let Some(f) = self.files().get_mut(&file) {
                f.parts.remove(whole);
            }
        }
        back?;
        self.remove(file, spans).await
    }

    /// The plain bytes of parts side by side, each of them proven; `None` when one of them is damaged, which is told.
    async fn plain_over(&self, file: FileKey, spans: &[Span]) -> Result<Option<Bytes>, Trouble> {
        let reads = futures::stream::iter(spans.to_vec())
            .map(|span| async move { (span, self.proven_part(file, span).await) })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX);
        let mut reads = pin!(reads);
        let start = spans.first().map_or(0, |span| span.start);
        let mut plain = BytesMut::new();
        while let Some((span, read)) = reads.next().await {
            let bytes = match read {
                Ok(bytes) => bytes,
                Err(t) if t.failure.class == ErrorClass::Corrupt => {
                    self.distrust(file, &[span], t.failure);
                    return Ok(None);
                }
                Err(other) => return Err(other),
            };
            let there = (start + plain.len() as u64 - span.start) as usize;
            if plain[plain.len() - there..] != bytes[..there] {
                return Err(self.disagree(file, span));
            }
            plain.extend_from_slice(&bytes[there..]);
        }
        Ok(Some(plain.freeze()))
    }

    /// Left-overs of an earlier leader: compared with the part around them, both proven, then removed.
    async fn remove_inside(&self, file: FileKey, spans: &[Span], share: &Share) -> Result<(), Trouble> {
        let covered: Vec<(Span, Span)> = spans.iter().filter_map(|s| Some((*s, self.part_around(file, *s)?))).collect();
        let largest = covered.iter().map(|(_, cover)| cover.bytes()).max().unwrap_or(0);
        let _held = share.take(2 * largest as usize).await;
        let mut last: Option<(Span, Bytes)> = None;
        for (span, cover) in covered {
            let theirs = match last.take().filter(|(of, _)| *of == cover) {
                Some((_, bytes)) => bytes,
                None => match self.proven_part(file, cover).await {
                    Ok(bytes) => bytes,
                    Err(t) if t.failure.class == ErrorClass::Corrupt => {
                        // Nothing is removed for it.
                        self.distrust(file, &[cover], t.failure);
                        return Ok(());
                    }
                    Err(other) => return Err(other),
                },
            };
            let within = theirs.slice((span.start - cover.start) as usize..(span.end - cover.start) as usize);
            match self.proven_part(file, span).await {
                Ok(own) if own != within => return Err(self.disagree(file, span)),
                Ok(_) => {}
                Err(t) if t.failure.class == ErrorClass::NotFound => {}
                // All of it is in the part around it, which has proven itself.
                Err(t) if t.failure.class == ErrorClass::Corrupt => {
                    let failure = &t.failure;
                    tracing::warn!(stream = %self.key, %failure, "a damaged part lies inside of a sound one and goes");
                }
                Err(other) => return Err(other),
            }
            self.remove(file, &[span]).await?;
            last = Some((cover, theirs));
        }
        Ok(())
    }

    /// A part that another one lies wholly inside of.
    fn part_around(&self, file: FileKey, span: Span) -> Option<Span> {
        let mut without = self.files().get(&file)?.parts.clone();
        without.remove(span);
        let cover = *without.covering(span.start, span.end).ok()?.first()?;
        (cover.start <= span.start && span.end <= cover.end).then_some(cover)
    }

    /// These parts are left alone from now on, and the trouble says why.
    fn distrust(&self, file: FileKey, spans: &[Span], failure: Failure) {
        tracing::warn!(stream = %self.key, %failure, "log that was archived does not prove itself");
        if let Some(f) = self.files().get_mut(&file) {
            spans.iter().for_each(|span| f.parts.distrust(*span));
        }
        let mut damage = self.damage.lock();
        damage.get_or_insert((failure, None));
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
            if size_bytes < f.seen || size_bytes == 0 {
                return Err(self.shows_less(file, size_bytes, f.seen));
            }
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
            let theirs =
                if e.class == ErrorClass::Fenced { self.read_seal(&path).await? } else { return Err(e.into()) };
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

    async fn read_seal(&self, path: &str) -> Result<pb::SealMeta, Trouble> {
        let look = || async {
            let bytes = self.medium().get(path).await?;
            small::read_small(DataType::SealMeta, &bytes).map_err(|e| Trouble::format(e, self.object(path)))
        };
        Looks::default().sure(look).await
    }
}
