//! The log files of one stream in one round on the medium: listing, reading, appending, sealing, dictionary snapshots.
//!
//! One form per round: plain files that grow, or parts (`parts.rs`). Spells no path itself and decides nothing.

use super::StreamKey;
use super::append_limit::AppendLimit;
use super::memory::Share;
use super::parts::PartStore;
use super::trouble::Trouble;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_engine_api::{LogFormat, dictionary_for_medium, dictionary_of_medium};
use strandline_format::cipher::SALT_BYTES;
use strandline_format::part::PartForm;
use strandline_format::paths::archive::{ArchivePath, ls_log_dir, parse_piece_dir, schema_meta_dir};
use strandline_format::{DataType, pb, small};
use strandline_media::{LogForm, Looks, Medium};
use strandline_reader::object_name;
use strandline_types::dictionary::Dictionary;
use strandline_types::{ErrorClass, Failure, FileId, PieceId, PieceKey, Scn};
use strandline_worker_core::archiver::{Cut, FoundFile, dictionaries};

/// An error where a destination has no identity file: it is not there.
pub(super) async fn ask_identity(medium: &dyn Medium) -> Result<(), Trouble> {
    match medium.head(&ArchivePath::Format.path()).await {
        Ok(_) => Ok(()),
        Err(e) if e.is_not_found() => {
            let what = "the destination has no format.obbak: it is not mounted, or was emptied";
            let todo = "mount the destination; archiving then goes on by itself";
            Err(Failure::new(ErrorClass::NotFound, what, medium.uri(), todo).into())
        }
        Err(e) => Err(e.into()),
    }
}

/// One stream's files in one round.
#[derive(Debug)]
pub(super) struct RoundFiles {
    key: StreamKey,
    log_format: &'static dyn LogFormat,
    medium: Arc<dyn Medium>,
    /// `None` where files grow in place.
    parts: Option<Arc<PartStore>>,
    /// Lengths of the files that grow in place.
    plain: BTreeMap<(PieceId, FileId), u64>,
    append_limit: Arc<AppendLimit>,
    /// Dictionaries that are written, by piece and SCN.
    written: BTreeSet<(PieceId, Scn)>,
    /// The newest dictionary that was seen in the log or in the archive.
    dictionary: Option<Dictionary>,
    has_recalled: bool,
    requests: AtomicU64,
}

impl RoundFiles {
    pub(super) fn new(
        key: StreamKey,
        log_format: &'static dyn LogFormat,
        medium: Arc<dyn Medium>,
        form: PartForm,
        salt: [u8; SALT_BYTES],
        append_limit: Arc<AppendLimit>,
    ) -> Self {
        let in_parts = medium.log_form() == LogForm::Parts || !form.is_raw();
        let store = || PartStore::new(key, Arc::clone(&medium), form, salt, Arc::clone(&append_limit));
        let parts = in_parts.then(|| Arc::new(store()));
        let (plain, written, requests) = (BTreeMap::new(), BTreeSet::new(), AtomicU64::new(0));
        Self {
            key,
            log_format,
            medium,
            parts,
            plain,
            append_limit,
            written,
            dictionary: None,
            has_recalled: false,
            requests,
        }
    }

    /// The same destination, opened with other access keys.
    pub(super) fn set_medium(&mut self, medium: Arc<dyn Medium>) {
        if let Some(parts) = &self.parts {
            parts.set_medium(Arc::clone(&medium));
        }
        self.medium = medium;
    }

    /// The parts, where files are made of them.
    pub(super) fn parts(&self) -> Option<&Arc<PartStore>> {
        self.parts.as_ref()
    }

    /// Requests to the medium since this leader took over.
    pub(super) fn requests(&self) -> u64 {
        let of_parts = self.parts.as_ref().map_or(0, |p| p.requests.load(Ordering::Relaxed));
        self.requests.load(Ordering::Relaxed) + of_parts
    }

    /// Bytes that the log files of a piece take on the medium.
    pub(super) fn stored(&self, piece: PieceId) -> u64 {
        match &self.parts {
            Some(parts) => parts.stored(piece),
            None => self.plain.range((piece, FileId(0))..).take_while(|((p, _), _)| *p == piece).map(|(_, b)| b).sum(),
        }
    }

    /// Earlier pieces are not asked for any more.
    pub(super) fn forget_before(&mut self, piece: PieceId) {
        self.plain.retain(|(p, _), _| *p >= piece);
    }

    fn medium(&self) -> &dyn Medium {
        self.requests.fetch_add(1, Ordering::Relaxed);
        &*self.medium
    }

    fn piece(&self, piece_id: PieceId) -> PieceKey {
        PieceKey { dest_id: self.key.dest, round_id: self.key.round, piece_id }
    }

    /// Every log file from a piece on. A destination without its identity file is not there: an unmounted directory
    /// must not look like an empty archive.
    pub(super) async fn list(&mut self, from: PieceId) -> Result<Vec<FoundFile>, Trouble> {
        ask_identity(self.medium()).await?;
        let (mut found, mut listed) = (Vec::new(), Vec::new());
        let mut plain = BTreeMap::new();
        for dir in self.medium().list_dirs("").await? {
            let Some(key) = parse_piece_dir(&dir) else { continue };
            if (key.dest_id, key.round_id) != (self.key.dest, self.key.round) || key.piece_id < from {
                continue;
            }
            for object in self.medium().list(&ls_log_dir(key, self.key.ls)).await? {
                match (ArchivePath::parse(&object.path), &self.parts) {
                    (Some(ArchivePath::Log { key, file_id, .. }), None) => {
                        let (piece, bytes) = (key.piece_id, object.bytes);
                        plain.insert((piece, file_id), bytes);
                        found.push(FoundFile { piece, file_id, bytes, is_sealed: false });
                    }
                    (Some(ArchivePath::LogPart { key, file_id, part, .. }), Some(_)) => {
                        listed.push(((key.piece_id, file_id), part, object.bytes));
                    }
                    (Some(ArchivePath::Log { .. } | ArchivePath::LogPart { .. }), _) => {
                        return Err(self.other_form(&object.path));
                    }
                    _ => {}
                }
            }
        }
        // A destination that went away meanwhile shows less than there is, without an error.
        ask_identity(self.medium()).await?;
        self.plain.extend(plain);
        if let Some(parts) = &self.parts {
            parts.take_listing(from, listed)?;
        }
        let in_parts = self.parts.iter().flat_map(|parts| parts.list());
        found.extend(in_parts.map(|((piece, file_id), bytes, is_sealed)| FoundFile {
            piece,
            file_id,
            bytes,
            is_sealed,
        }));
        Ok(found)
    }

    /// Why something failed: the destination itself when it is not there any more.
    pub(super) async fn told(&self, trouble: Trouble) -> Trouble {
        let may_be_away = matches!(
            trouble.failure.class,
            ErrorClass::NotFound | ErrorClass::Invalid | ErrorClass::Corrupt | ErrorClass::Fenced
        );
        if !may_be_away {
            return trouble;
        }
        match ask_identity(self.medium()).await {
            Err(away) if away.failure.class == ErrorClass::NotFound => away,
            _ => trouble,
        }
    }

    fn other_form(&self, path: &str) -> Trouble {
        let what = "this round's log files have another form than the destination's options ask for";
        let todo = "stop the round and start a new one; what is there stays readable";
        let object = object_name(&self.medium.uri(), path);
        Failure::new(ErrorClass::Invalid, what, object, todo).into()
    }

    pub(super) async fn read(&self, piece: PieceId, file_id: FileId, range: (u64, u64)) -> Result<Bytes, Trouble> {
        match &self.parts {
            Some(parts) => parts.read((piece, file_id), range).await,
            None => Ok(self.medium().get_range(&self.log_path(piece, file_id), range.0..range.1).await?),
        }
    }

    /// Makes the bytes of a cut durable.
    pub(super) async fn append(&mut self, cut: &Cut, share: &Share) -> Result<(), Trouble> {
        match &self.parts {
            Some(parts) => parts.append(cut, share).await,
            None => {
                let file = (cut.file.piece, cut.file.file_id());
                let path = self.log_path(file.0, file.1);
                {
                    let _one = self.append_limit.turn().await;
                    self.medium().append(&path, cut.at, cut.bytes.clone()).await?;
                }
                self.plain.insert(file, cut.at + cut.bytes.len() as u64);
                Ok(())
            }
        }
    }

    /// Makes the log files of these pieces ones that never grow again.
    pub(super) async fn seal(&self, through: PieceId, share: &Share) -> Result<(), Trouble> {
        match &self.parts {
            Some(parts) => parts.seal_through(through, share).await,
            // A plain file has no seal: nothing is appended once the next piece has begun.
            None => Ok(()),
        }
    }

    fn log_path(&self, piece: PieceId, file_id: FileId) -> String {
        ArchivePath::Log { key: self.piece(piece), ls: self.key.ls, file_id }.path()
    }

    /// Writes the dictionaries that belong beside a cut into its piece, once each. Must come before the append that may
    /// complete the piece. Which they are and what they say follows from the log alone: a piece begins with the newest
    /// one that was logged before, which earlier pieces hold, whatever the engine has learned since. So a former leader
    /// that wakes up late has nothing to add to a frozen piece.
    pub(super) async fn put_dictionaries(&mut self, cut: &Cut, engine: Option<Dictionary>) -> Result<(), Trouble> {
        let piece = cut.file.piece;
        if self.dictionary.is_none() && !self.has_recalled {
            self.dictionary = self.recall_dictionary(piece).await?;
            self.has_recalled = true;
        }
        let engine = engine.filter(|d| d.scn.is_none_or(|scn| scn <= cut.base_after.scn));
        for dictionary in dictionaries(self.log_format, cut, self.dictionary.clone().or(engine)) {
            // Each of them was logged.
            let scn = dictionary.scn.unwrap_or(Scn::MIN);
            self.dictionary = Some(dictionary.clone());
            if self.written.contains(&(piece, scn)) {
                continue;
            }
            let path = ArchivePath::SchemaMeta { key: self.piece(piece), scn }.path();
            let tenant_id = self.key.tenant.0;
            let meta = pb::SchemaMeta { tenant_id, scn: scn.0, dictionary: Some(dictionary_for_medium(dictionary)) };
            let bytes = small::write_small(DataType::SchemaMeta, &meta);
            self.medium().put_if_absent(&path, bytes.into()).await?;
            self.written.retain(|(p, _)| *p == piece);
            self.written.insert((piece, scn));
        }
        Ok(())
    }

    /// The newest dictionary that earlier leaders archived in this round, up to this piece.
    async fn recall_dictionary(&self, upto: PieceId) -> Result<Option<Dictionary>, Trouble> {
        let dirs = self.medium().list_dirs("").await?;
        let ours = |key: &PieceKey| (key.dest_id, key.round_id) == (self.key.dest, self.key.round);
        let mut pieces: Vec<PieceKey> = dirs.iter().filter_map(|dir| parse_piece_dir(dir)).filter(ours).collect();
        pieces.retain(|key| key.piece_id <= upto);
        pieces.sort_unstable_by_key(|key| key.piece_id);
        while let Some(key) = pieces.pop() {
            let found = self.medium().list(&schema_meta_dir(key)).await?;
            let newest = found.iter().filter_map(|object| match ArchivePath::parse(&object.path)? {
                ArchivePath::SchemaMeta { scn, .. } => Some((scn, &object.path)),
                _ => None,
            });
            if let Some((_, path)) = newest.max() {
                let look = || async {
                    let bytes = self.medium().get(path).await?;
                    let bad = |e| Trouble::format(e, object_name(&self.medium.uri(), path));
                    small::read_small(DataType::SchemaMeta, &bytes).map_err(bad)
                };
                let meta: pb::SchemaMeta = Looks::default().sure(look).await?;
                return Ok(meta.dictionary.map(dictionary_of_medium));
            }
        }
        Ok(None)
    }
}
