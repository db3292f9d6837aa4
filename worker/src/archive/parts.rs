//! Log files in parts: what is known of them, reading and appending. Merging and sealing are in `tidy.rs`.
//!
//! Order rules: the format file is there before the first part. Whatever is found in a place is compared in plain bytes,
//! never overwritten. What is read to be written again proves itself first (`proven_part`). A listing that shows less than
//! the medium acknowledged or showed before is not believed: a directory that is away for a moment is not empty.

use super::StreamKey;
use super::append_limit::AppendLimit;
use super::memory::Share;
use super::trouble::Trouble;
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strandline_format::checksum::crc32c_raw;
use strandline_format::cipher::SALT_BYTES;
use strandline_format::palf::prove_log;
use strandline_format::part::{PartForm, PartPlace, decode_part, encode_part};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::secret::format_meta;
use strandline_format::{DataType, small};
use strandline_media::{Listed, Looks, Medium};
use strandline_reader::object_name;
use strandline_types::limits::ARCHIVE_PARTS_PER_FILE_MAX;
use strandline_types::{Defect, ErrorClass, Failure, FileId, PieceId, PieceKey};
use strandline_worker_core::archiver::Cut;
use strandline_worker_core::archiver::parts::{Parts, Span};

/// One log file of the stream in the round.
pub(super) type FileKey = (PieceId, FileId);

/// Running checksum of a file that is read or written from its start on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Digest {
    pub next: u64,
    pub crc: u32,
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub parts: Parts,
    pub digest: Digest,
    /// Everything below was acknowledged by the medium, or was in a listing of it.
    pub seen: u64,
    /// Checksums of the plain bytes of parts that were put from here.
    pub sums: BTreeMap<Span, u32>,
}

impl File {
    /// Takes in one object of a listing.
    fn found(&mut self, part: LogPart, stored: u64) {
        match part {
            LogPart::FormatMeta => self.parts.has_format = true,
            LogPart::SealMeta => self.parts.is_sealed = true,
            LogPart::Data { start, end } => self.parts.insert(Span { start, end }, stored),
        }
    }

    /// The parts that a listing shows, if it shows all that was there before; else how far it goes.
    fn replaced_by(&self, listed: &[Listed]) -> Result<Parts, u64> {
        let mut fresh = Self::default();
        for object in listed {
            if let Some(ArchivePath::LogPart { part, .. }) = ArchivePath::parse(&object.path) {
                fresh.found(part, object.bytes);
            }
        }
        let end = fresh.parts.end();
        if end < self.seen {
            return Err(end);
        }
        fresh.parts.is_closed = self.parts.is_closed;
        fresh.parts.distrust_as(&self.parts);
        Ok(fresh.parts)
    }
}

/// The log files of one stream in one round.
#[derive(Debug)]
pub(super) struct PartStore {
    pub(super) key: StreamKey,
    medium: RwLock<Arc<dyn Medium>>,
    form: PartForm,
    salt: [u8; SALT_BYTES],
    append_limit: Arc<AppendLimit>,
    files: Mutex<BTreeMap<FileKey, File>>,
    /// The packed part that was read last: readers come back for its next bytes.
    last_read: Mutex<Option<(FileKey, Span, Bytes)>>,
    /// The medium refuses to remove anything.
    pub(super) keeps_all: AtomicBool,
    /// What does not prove itself, while archiving goes on.
    pub(super) damage: Mutex<Option<(Failure, Option<u64>)>>,
    /// Requests to the medium.
    pub requests: AtomicU64,
}

impl PartStore {
    pub(super) fn new(
        key: StreamKey,
        medium: Arc<dyn Medium>,
        form: PartForm,
        salt: [u8; SALT_BYTES],
        append_limit: Arc<AppendLimit>,
    ) -> Self {
        Self {
            key,
            medium: RwLock::new(medium),
            form,
            salt,
            append_limit,
            files: Mutex::default(),
            last_read: Mutex::default(),
            keeps_all: AtomicBool::new(false),
            damage: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// The same destination with other access keys.
    pub(super) fn set_medium(&self, medium: Arc<dyn Medium>) {
        *self.medium.write() = medium;
    }

    /// The medium, for one request.
    pub(super) fn medium(&self) -> Arc<dyn Medium> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.medium.read())
    }

    pub(super) fn files(&self) -> parking_lot::MutexGuard<'_, BTreeMap<FileKey, File>> {
        self.files.lock()
    }

    /// Takes in a listing of every file from a piece on, in place of what was known.
    pub(super) fn take_listing(&self, from: PieceId, listed: Vec<(FileKey, LogPart, u64)>) -> Result<(), Trouble> {
        let mut fresh: BTreeMap<FileKey, File> = BTreeMap::new();
        for (file, part, stored) in listed {
            fresh.entry(file).or_default().found(part, stored);
        }
        let mut files = self.files();
        for (key, known) in files.iter().filter(|((piece, _), known)| *piece >= from && known.seen > 0) {
            let listed = fresh.entry(*key).or_default();
            if listed.parts.end() < known.seen {
                return Err(self.shows_less(*key, listed.parts.end(), known.seen));
            }
            listed.parts.distrust_as(&known.parts);
            listed.sums.clone_from(&known.sums);
        }
        for file in fresh.values_mut() {
            file.seen = file.parts.end();
        }
        *files = fresh;
        Ok(())
    }

    pub(super) fn shows_less(&self, file: FileKey, end: u64, seen: u64) -> Trouble {
        let what =
            format!("the medium shows {end} bytes of the log file, {seen} were there: such a listing is not believed");
        let todo = "mount the destination, or bring the parts back that are missing; archiving then goes on by itself";
        let object = self.object(&self.meta_path(file, LogPart::Data { start: end, end: seen }));
        Failure::new(ErrorClass::NotFound, what, object, todo).into()
    }

    /// Every file: what is there without a hole, and whether it is sealed.
    pub(super) fn list(&self) -> Vec<(FileKey, u64, bool)> {
        self.files().iter().map(|(key, f)| (*key, f.parts.end(), f.parts.is_sealed)).collect()
    }

    /// Bytes that the known files of a piece take on the medium.
    pub(super) fn stored(&self, piece: PieceId) -> u64 {
        let files = self.files();
        files.iter().filter(|((p, _), _)| *p == piece).map(|(_, f)| f.parts.stored_bytes()).sum()
    }

    pub(super) fn place(&self, (piece_id, file_id): FileKey, span: Span) -> PartPlace {
        let piece = PieceKey { dest_id: self.key.dest, round_id: self.key.round, piece_id };
        PartPlace { piece, ls: self.key.ls, file_id, start: span.start, end: span.end }
    }

    pub(super) fn meta_path(&self, (piece_id, file_id): FileKey, part: LogPart) -> String {
        let key = PieceKey { dest_id: self.key.dest, round_id: self.key.round, piece_id };
        ArchivePath::LogPart { key, ls: self.key.ls, file_id, part }.path()
    }

    pub(super) fn object(&self, path: &str) -> String {
        let medium = self.medium.read();
        object_name(&medium.uri(), path)
    }

    /// What does not prove itself here and since when it is told, though archiving goes on.
    pub(super) fn damage(&self, now_ms: u64) -> Option<(Failure, u64)> {
        let mut damage = self.damage.lock();
        damage.as_mut().map(|(failure, since)| (failure.clone(), *since.get_or_insert(now_ms)))
    }

    /// Plain bytes `[start, end)` of a file. A part that is gone was merged by an earlier leader: the file is listed
    /// again.
    pub(super) async fn read(&self, file: FileKey, range: (u64, u64)) -> Result<Bytes, Trouble> {
        match self.read_known(file, range).await {
            Err(t) if t.failure.class == ErrorClass::NotFound => {
                self.refresh(file).await?;
                self.read_known(file, range).await
            }
            outcome => outcome,
        }
    }

    /// Lists one file again. A medium that shows less than before is away, or has lost something: what is known stays.
    /// `false`: it shows what was known.
    pub(super) async fn refresh(&self, file: FileKey) -> Result<bool, Trouble> {
        let (piece_id, file_id) = file;
        let key = PieceKey { dest_id: self.key.dest, round_id: self.key.round, piece_id };
        let objects = self.medium().list(&ArchivePath::Log { key, ls: self.key.ls, file_id }.path()).await?;
        let (end, seen) = {
            let mut files = self.files();
            let Some(known) = files.get_mut(&file) else { return Ok(false) };
            match known.replaced_by(&objects) {
                Ok(parts) => {
                    let is_new = parts != known.parts;
                    known.seen = parts.end();
                    known.parts = parts;
                    return Ok(is_new);
                }
                Err(end) => (end, known.seen),
            }
        };
        super::files::ask_identity(&*self.medium()).await?;
        Err(self.shows_less(file, end, seen))
    }

    async fn read_known(&self, file: FileKey, (start, end): (u64, u64)) -> Result<Bytes, Trouble> {
        let spans = self.files().get(&file).map_or(Err(start), |f| f.parts.covering(start, end));
        let spans = spans.map_err(|missing| {
            let path = self.meta_path(file, LogPart::Data { start: missing, end });
            let todo = "bring the missing part back from a copy, or start a new round and take a full backup";
            let what = format!("bytes {missing}-{end} of the log file are missing");
            Failure::new(ErrorClass::Corrupt, what, self.object(&path), todo)
        })?;
        let mut bytes = BytesMut::with_capacity((end - start) as usize);
        for span in spans {
            let from = start + bytes.len() as u64;
            let to = end.min(span.end);
            bytes.extend_from_slice(&self.read_part(file, span, from..to).await?);
        }
        let bytes = bytes.freeze();
        self.note(file, start, &bytes);
        Ok(bytes)
    }

    /// Bytes `range` of the file, out of one part.
    pub(super) async fn read_part(
        &self,
        file: FileKey,
        span: Span,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, Trouble> {
        let place = self.place(file, span);
        let stored = self.files().get(&file).and_then(|f| f.parts.stored(span));
        let within = range.start - span.start..range.end - span.start;
        if stored == Some(span.bytes()) {
            let path = place.path();
            return Ok(Looks::default()
                .sure(|| async { self.medium().get_range(&path, within.clone()).await })
                .await?);
        }
        let known = self.last_read.lock().clone();
        let plain = match known {
            Some((of, at, plain)) if (of, at) == (file, span) => plain,
            _ => self.whole_part(&place).await?,
        };
        *self.last_read.lock() = Some((file, span, plain.clone()));
        Ok(plain.slice(within.start as usize..within.end as usize))
    }

    async fn whole_part(&self, place: &PartPlace) -> Result<Bytes, Trouble> {
        Looks::default().sure(|| self.part_once(place)).await
    }

    async fn part_once(&self, place: &PartPlace) -> Result<Bytes, Trouble> {
        let path = place.path();
        let stored = self.medium().get(&path).await?;
        let (at, key) = (*place, self.form.key.clone());
        let plain = blocking(move || decode_part(&at, &stored, key.as_ref())).await?;
        plain.map_err(|e| Trouble::format(e, self.object(&path)))
    }

    /// The plain bytes of a part, proven: the log groups in them are right and follow each other, and they are what was
    /// put, where that was done from here. A raw part of another leader has no checksum beside those of its log, whose
    /// headers have few bits of it: it is read twice. What does not prove itself is read again, and is damaged when it
    /// stays so.
    pub(super) async fn proven_part(&self, file: FileKey, span: Span) -> Result<Bytes, Trouble> {
        Looks::default().sure(|| self.proven_once(file, span)).await
    }

    async fn proven_once(&self, file: FileKey, span: Span) -> Result<Bytes, Trouble> {
        let (put, stored) = {
            let files = self.files();
            let known = files.get(&file);
            (known.and_then(|f| f.sums.get(&span).copied()), known.and_then(|f| f.parts.stored(span)))
        };
        let place = self.place(file, span);
        let plain = self.part_once(&place).await?;
        if Defect::S1.is_planted() {
            return Ok(plain);
        }
        let found = crc32c_raw(0, &plain);
        let expected = match put {
            Some(put) => put,
            None if stored == Some(span.bytes()) => crc32c_raw(0, &self.part_once(&place).await?),
            None => found,
        };
        if found != expected {
            let what =
                format!("the part reads other bytes than were put: their checksum is {found:#x}, not {expected:#x}");
            return Err(self.damaged(&place, what));
        }
        let log = plain.clone();
        let proof = blocking(move || prove_log(place.file_id, place.start, &log)).await?;
        proof.map_err(|e| self.damaged(&place, e.to_string()))?;
        if let Some(f) = self.files().get_mut(&file) {
            f.sums.insert(span, found);
        }
        Ok(plain)
    }

    fn damaged(&self, place: &PartPlace, what: String) -> Trouble {
        let todo = "archiving goes on and the part stays as it is; compare it with another copy, and take a new full \
                    backup when there is none";
        Failure::new(ErrorClass::Corrupt, what, self.object(&place.path()), todo).into()
    }

    /// Puts the bytes of a cut, durably.
    pub(super) async fn append(&self, cut: &Cut, share: &Share) -> Result<(), Trouble> {
        let file = (cut.file.piece, cut.file.file_id());
        if cut.bytes.is_empty() {
            // Every part is durable as soon as it is there.
            return Ok(());
        }
        if self.files().get(&file).is_some_and(|f| f.parts.is_sealed) {
            let path = self.meta_path(file, LogPart::SealMeta);
            let todo = "the destination holds another history of this log stream: use another destination";
            let what = "log belongs into a file that was sealed before";
            return Err(Failure::new(ErrorClass::Fenced, what, self.object(&path), todo).into());
        }
        self.make_room(file, share).await?;
        self.put_format(file).await?;
        let span = Span { start: cut.at, end: cut.at + cut.bytes.len() as u64 };
        self.put_part(file, span, cut.bytes.clone()).await?;
        self.note(file, span.start, &cut.bytes);
        if cut.range.end == cut.file.start.block_end()
            && let Some(f) = self.files().get_mut(&file)
        {
            f.parts.is_closed = true;
        }
        Ok(())
    }

    /// The number of parts is bounded: when they become too many, merging goes first.
    async fn make_room(&self, file: FileKey, share: &Share) -> Result<(), Trouble> {
        while self.files().get(&file).is_some_and(|f| f.parts.count() >= ARCHIVE_PARTS_PER_FILE_MAX) {
            if !self.tidy_file(file, share).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn put_format(&self, file: FileKey) -> Result<(), Trouble> {
        if self.files().get(&file).is_some_and(|f| f.parts.has_format) {
            return Ok(());
        }
        let meta = format_meta(self.form.key.as_ref().map(|key| (key, self.salt)));
        let path = self.meta_path(file, LogPart::FormatMeta);
        let bytes = small::write_small(DataType::AppendFormatMeta, &meta);
        self.medium().put_if_absent(&path, bytes.into()).await?;
        self.files().entry(file).or_default().parts.has_format = true;
        Ok(())
    }

    /// Puts one part. The same plain bytes in another packing are the same part: two versions of a compressor may
    /// write them.
    pub(super) async fn put_part(&self, file: FileKey, span: Span, plain: Bytes) -> Result<(), Trouble> {
        let place = self.place(file, span);
        let path = place.path();
        let (form, bytes) = (self.form.clone(), plain.clone());
        let encoded =
            if form.is_raw() { Ok(bytes) } else { blocking(move || encode_part(&place, &bytes, &form)).await? };
        let encoded = encoded.map_err(|e| Trouble::format(e, self.object(&path)))?;
        let put = {
            let _one = self.append_limit.turn().await;
            self.medium().put_if_absent(&path, encoded.clone()).await
        };
        let stored = match put {
            Ok(_) => encoded.len() as u64,
            Err(e) if e.class == ErrorClass::Fenced && !self.form.is_raw() => {
                let theirs = self.whole_part(&place).await;
                if !theirs.is_ok_and(|theirs| theirs == plain) {
                    return Err(e.into());
                }
                self.medium().head(&path).await?
            }
            Err(e) => return Err(e.into()),
        };
        let mut files = self.files();
        let known = files.entry(file).or_default();
        known.parts.insert(span, stored);
        known.sums.insert(span, crc32c_raw(0, &plain));
        known.seen = known.seen.max(known.parts.end());
        Ok(())
    }

    /// Takes bytes into the checksum of their file, where they follow what is in it.
    fn note(&self, file: FileKey, start: u64, plain: &[u8]) {
        if let Some(f) = self.files().get_mut(&file)
            && f.digest.next == start
        {
            f.digest = Digest { next: start + plain.len() as u64, crc: crc32c_raw(f.digest.crc, plain) };
        }
    }
}

/// Compressing and sealing are work for a thread of their own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), "archiver", "it is tried again").into())
}
