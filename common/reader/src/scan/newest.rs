//! How far the log of a round's newest piece really goes: a checkpoint is only a name, and what a window promises has to be
//! there.
//!
//! Of the newest piece of each round that holds log and that the checkpoint has entered one listing is taken, and of every log stream in it the
//! first bytes and the last group of its last log file are read; of a frozen piece its file list besides. Lengths and
//! numbers of the other log files come from the listing. Earlier pieces are not looked at, nor is what lies before the last
//! group: that is what a verification is for. Without its key a sealed file tells nothing but its length.

use super::files::{Small, small};
use super::found::Scan;
use crate::log::chain::{ChainError, LogFile, fold_each};
use crate::log::tail::{LogTail, Wanted, log_tail};
use crate::log::{CODE_WRONG_KEY, LogFiles, LogSource, log_object};
use crate::source::{Source, object_name};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strandline_catalogue::{PieceEntry, ShortPiece};
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{ls_log_dir, parse_piece_dir, piece_dir};
use strandline_format::{DataType, pb};
use strandline_media::Looks;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES, SCAN_STREAMS_MAX};
use strandline_types::{ErrorClass, Failure, FileId, FileStatus, LsId, PieceKey, PieceStatus, Scn};

/// The newest piece of a round, and what its small files say.
pub(super) struct Newest<'a> {
    pub(super) piece: PieceEntry,
    /// Checkpoints that its names say.
    pub(super) checkpoints: &'a BTreeSet<Scn>,
    /// Log streams that had log when the checkpoint entered it.
    pub(super) log_streams: &'a [LsId],
    /// The round went on after the piece: groups that prove its end lie in later pieces.
    pub(super) goes_on: bool,
}

/// How the log of one log stream ends.
enum End {
    /// As it has to.
    Good,
    /// Before it has to: the last SCN that is there, the object and what is wrong.
    Short(Option<Scn>, String, String),
}

impl Newest<'_> {
    /// The piece with the checkpoint that its log bears out. What is wrong is a problem of the scan.
    pub(super) async fn proven(&self, source: &Source, found: &mut Scan) -> Result<PieceEntry, Failure> {
        let lists = match self.lists(source, found).await? {
            Lists::Read(lists) => Some(lists),
            Lists::None => None,
            Lists::Bad => return Ok(PieceEntry { file_status: FileStatus::Broken, ..self.piece }),
        };
        let looks = Looks::default();
        let mut ends = self.ends(source, lists.as_ref()).await?;
        for looked in 1..looks.most {
            if ends.iter().all(|end| matches!(end, End::Good)) {
                return Ok(self.piece);
            }
            looks.pause(looked).await;
            ends = self.ends(source, lists.as_ref()).await?;
        }
        Ok(self.judged(found, ends))
    }

    fn judged(&self, found: &mut Scan, ends: Vec<End>) -> PieceEntry {
        let mut reach = Some(Scn::MAX);
        for end in ends {
            let End::Short(last, object, what) = end else { continue };
            found.problem_of(object, what);
            reach = reach.and_then(|reach| Some(reach.min(last?)));
        }
        let published_scn = self.piece.checkpoint_scn;
        let Some(reach) = reach.filter(|reach| *reach > self.piece.start_scn) else {
            return PieceEntry { file_status: FileStatus::Broken, ..self.piece };
        };
        if reach >= published_scn {
            return self.piece;
        }
        // An earlier checkpoint that lies there was published; else the SCN before the last group, which proves it.
        let earlier = self.checkpoints.range(..=reach).next_back().copied();
        let checkpoint_scn = earlier.unwrap_or_else(|| reach.prev()).min(published_scn);
        let (place, key) = (self.piece.place, self.piece.key);
        found.catalogue.short.push(ShortPiece { place, key, published_scn });
        PieceEntry { checkpoint_scn, ..self.piece }
    }

    /// Lengths of the log files of a frozen piece.
    async fn lists(&self, source: &Source, found: &mut Scan) -> Result<Lists, Failure> {
        if self.piece.status != PieceStatus::Frozen {
            return Ok(Lists::None);
        }
        let path = ArchivePath::PieceFileInfo { key: self.piece.key }.path();
        let medium = source.medium.as_ref();
        match small::<pb::PieceFileList>(found, medium, &path, DataType::PieceFileList).await? {
            Small::Read(list) => Ok(Lists::Read(list.log_streams.into_iter().map(|l| (LsId(l.ls_id), l)).collect())),
            // It is written before what makes a piece a frozen one.
            Small::Absent => {
                found.problem(medium, &path, "it is missing, yet the piece is frozen");
                Ok(Lists::Bad)
            }
            Small::Bad => Ok(Lists::Bad),
        }
    }

    async fn ends(&self, source: &Source, lists: Option<&Known>) -> Result<Vec<End>, Failure> {
        let (mut files, mut hidden) = self.files(source, self.piece.key).await?;
        let looks_on = lists.is_none() || self.goes_on;
        let mut later: BTreeMap<LsId, Vec<LogFile>> = BTreeMap::new();
        if looks_on {
            for key in self.later(source).await? {
                let (files, more) = self.files(source, key).await?;
                for (ls, files) in files {
                    later.entry(ls).or_default().extend(files.into_iter().filter_map(|(_, f)| f.ok()));
                }
                hidden.extend(more);
            }
        }
        for ls in self.log_streams.iter().filter(|_| looks_on).chain(lists.into_iter().flat_map(BTreeMap::keys)) {
            files.entry(*ls).or_default();
        }
        let looks: Vec<_> = files
            .into_iter()
            .map(|(ls, own)| (ls, own, later.remove(&ls).unwrap_or_default(), lists.and_then(|l| l.get(&ls).cloned())))
            .collect();
        let ends = stream::iter(looks)
            .map(|(ls, own, later, list)| async move {
                if lists.is_some() {
                    let end = self.frozen(source, ls, &own, list).await?;
                    if !self.goes_on || !matches!(end, End::Good) {
                        return Ok(end);
                    }
                } else if let Some(end) = self.hole(source, ls, &own).await? {
                    return Ok(end);
                }
                self.reaches(source, ls, &own, later).await
            })
            .buffer_unordered(SCAN_STREAMS_MAX)
            .collect::<Vec<_>>()
            .await;
        ends.into_iter().chain(hidden.into_iter().map(Ok)).collect()
    }

    /// Later pieces of the round that lie there now, whatever of the destination was named: the checkpoint has not entered
    /// them, yet the next group of a log stream may be there.
    async fn later(&self, source: &Source) -> Result<Vec<PieceKey>, Failure> {
        let own = self.piece.key;
        let is_later = |key: &PieceKey| (key.dest_id, key.round_id) == (own.dest_id, own.round_id) && *key > own;
        let dirs = source.medium.list_dirs("").await?;
        let mut later: Vec<PieceKey> = dirs.iter().filter_map(|dir| parse_piece_dir(dir)).filter(is_later).collect();
        later.sort_unstable();
        Ok(later)
    }

    /// The log files of a piece as they are listed now, by log stream, and what could not be read.
    async fn files(&self, source: &Source, key: PieceKey) -> Result<(BTreeMap<LsId, Files>, Vec<End>), Failure> {
        let mut objects: BTreeMap<LsId, Vec<_>> = BTreeMap::new();
        let survey = source.medium.survey(&piece_dir(key)).await?;
        let hiding = survey.strays.into_iter().filter(|stray| stray.hides);
        let hidden = hiding.map(|stray| self.short(source, &stray.path, None, stray.what)).collect();
        for object in survey.objects {
            let ls = match ArchivePath::parse(&object.path) {
                Some(ArchivePath::Log { ls, .. } | ArchivePath::LogPart { ls, .. }) => ls,
                _ => continue,
            };
            objects.entry(ls).or_default().extend(log_object(key, ls, &object.path, object.bytes));
        }
        Ok((objects.into_iter().map(|(ls, objects)| (ls, fold_each(key, objects))).collect(), hidden))
    }

    /// Whether the log of a log stream reaches the checkpoint: by the newest group that is whole, in a later piece or here.
    /// A file without one is an append that was cut off; the file before it tells.
    async fn reaches(&self, source: &Source, ls: LsId, own: &Files, later: Vec<LogFile>) -> Result<End, Failure> {
        let (key, wanted) = (self.piece.key, self.piece.checkpoint_scn);
        let mut trouble: Option<(String, String)> = None;
        for file in whole_files(own).into_iter().chain(later).rev().filter(has_log) {
            let path = ArchivePath::Log { key: file.piece, ls, file_id: file.file_id }.path();
            let (last, object, what) = match self.tail(source, ls, file, Wanted::Reach(wanted)).await? {
                Tail::Sealed => return Ok(End::Good),
                Tail::Read(tail) if tail.last >= Some(wanted) => return Ok(End::Good),
                Tail::Read(tail) => {
                    let end =
                        tail.last.map_or_else(|| "before its first group".to_owned(), |scn| format!("at SCN {scn}"));
                    let rest = tail.rest.map_or_else(String::new, |rest| format!("; {rest}"));
                    let what = format!("the log ends {end}, before the checkpoint {wanted}{rest}");
                    (tail.last, object_name(&source.medium.uri(), &path), what)
                }
                Tail::Bad(failure) => (None, failure.object, failure.what),
            };
            let (object, what) = trouble.get_or_insert((object, what)).clone();
            if last.is_some() {
                return Ok(End::Short(last, object, what));
            }
        }
        if let Some((object, what)) = trouble {
            return Ok(End::Short(None, object, what));
        }
        let is_needed = self.log_streams.contains(&ls) && wanted > self.piece.start_scn;
        let what = "there is no log of this log stream in the piece, yet the checkpoint has entered it";
        Ok(if is_needed { self.short(source, &ls_log_dir(key, ls), None, what) } else { End::Good })
    }

    /// Whether a frozen piece has of a log stream what its file list names, to the end.
    async fn frozen(
        &self,
        source: &Source,
        ls: LsId,
        own: &Files,
        list: Option<pb::SingleLsFileList>,
    ) -> Result<End, Failure> {
        let path = |file_id| ArchivePath::Log { key: self.piece.key, ls, file_id }.path();
        let Some(list) = list else { return Ok(End::Good) };
        let mut whole: Vec<LogFile> = Vec::new();
        for file in &list.files {
            let file_id = FileId(file.file_id);
            let what = match own.iter().find(|(id, _)| *id == file_id).map(|(_, f)| f) {
                Some(Ok(f)) if f.bytes == file.size_bytes => {
                    whole.push(f.clone());
                    continue;
                }
                Some(Ok(f)) => {
                    whole.extend(Some(f.clone()).filter(|f| f.bytes < file.size_bytes));
                    format!("{} bytes, the file list of the piece says {}", f.bytes, file.size_bytes)
                }
                Some(Err(e)) => e.to_string(),
                None => "it is missing: the file list of the piece names it".to_owned(),
            };
            let last = self.last_whole(source, ls, whole).await?;
            return Ok(self.short(source, &path(file_id), last, what));
        }
        let Some(newest) = whole.last().filter(|f| has_log(f)).cloned() else { return Ok(End::Good) };
        let object = object_name(&source.medium.uri(), &path(newest.file_id));
        let (object, what) = match self.tail(source, ls, newest, Wanted::Whole).await? {
            Tail::Read(LogTail { rest: None, .. }) | Tail::Sealed => return Ok(End::Good),
            Tail::Read(LogTail { rest: Some(rest), .. }) => (object, rest),
            Tail::Bad(failure) => (failure.object, failure.what),
        };
        Ok(End::Short(self.last_whole(source, ls, whole).await?, object, what))
    }

    /// SCN of the last whole group in these files: up to there the log is good for a restore.
    async fn last_whole(&self, source: &Source, ls: LsId, files: Vec<LogFile>) -> Result<Option<Scn>, Failure> {
        for file in files.into_iter().rev().filter(has_log) {
            if let Tail::Read(LogTail { last: Some(last), .. }) = self.tail(source, ls, file, Wanted::Whole).await? {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// What the listing alone shows: parts that make no file, a missing file, one that is not filled though a later one is
    /// there. Only the first one of a piece may begin inside of its block.
    async fn hole(&self, source: &Source, ls: LsId, own: &Files) -> Result<Option<End>, Failure> {
        let is_filled = |f: &LogFile| f.bytes == ARCHIVE_FILE_HEADER_BYTES + BLOCK_BODY_BYTES;
        for (n, (id, file)) in own.iter().enumerate() {
            let next = own.get(n + 1).map(|(next, _)| *next);
            let (at, good, what) = match (file, next) {
                (Err(e), _) => (*id, n, e.to_string()),
                (Ok(_), Some(next)) if id.0 + 1 != next.0 => {
                    (FileId(id.0 + 1), n + 1, "it is missing: files before and after it are there".to_owned())
                }
                (Ok(f), Some(_)) if n > 0 && !is_filled(f) => {
                    (*id, n + 1, "it is not filled, yet a later file is there".to_owned())
                }
                (Ok(_), _) => continue,
            };
            let path = ArchivePath::Log { key: self.piece.key, ls, file_id: at }.path();
            let last = self.last_whole(source, ls, whole_files(&own[..good])).await?;
            return Ok(Some(self.short(source, &path, last, what)));
        }
        Ok(None)
    }

    async fn tail(&self, source: &Source, ls: LsId, file: LogFile, wanted: Wanted) -> Result<Tail, Failure> {
        let of_one = LogSource { medium: Arc::clone(&source.medium), piece: file.piece };
        let files = LogFiles::of_one(of_one, ls, Arc::default(), file, Looks::default());
        match log_tail(&files, wanted).await {
            Ok(tail) => Ok(Tail::Read(tail)),
            Err(e) if e.code == CODE_WRONG_KEY => Ok(Tail::Sealed),
            Err(e) if e.class == ErrorClass::Transient => Err(e),
            Err(e) => Ok(Tail::Bad(e)),
        }
    }

    fn short(&self, source: &Source, path: &str, last: Option<Scn>, what: impl Into<String>) -> End {
        End::Short(last, object_name(&source.medium.uri(), path), what.into())
    }
}

fn has_log(file: &LogFile) -> bool {
    file.bytes > ARCHIVE_FILE_HEADER_BYTES
}

fn whole_files(files: &[(FileId, Result<LogFile, ChainError>)]) -> Vec<LogFile> {
    files.iter().filter_map(|(_, f)| f.as_ref().ok().cloned()).collect()
}

/// Log files of one log stream in one piece.
type Files = Vec<(FileId, Result<LogFile, ChainError>)>;
/// File lists of a frozen piece.
type Known = BTreeMap<LsId, pb::SingleLsFileList>;

enum Lists {
    Read(Known),
    None,
    Bad,
}

enum Tail {
    Read(LogTail),
    Sealed,
    Bad(Failure),
}
