//! Verification against a real destination: `demo` leaves an archive and a backup set, then every kind of file is
//! flipped, cut, removed, swapped and joined by a stranger, and every damage must be found (counted and printed).
//!
//! What no check can find is not tried, and is listed in `is_evidence_free`: it takes nothing away from a set or a piece.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_format::blocks::open_macroblock;
use strandline_format::checksum::crc32c_raw;
use strandline_format::index::{IndexReader, MacroIndexEntry};
use strandline_format::paths::archive::parse_piece_dir;
use strandline_format::paths::{ArchivePath, BackupPath, IndexKind, SetName};
use strandline_media::{Looks, Medium};
use strandline_reader::verify::{self, Level, Options, Report};
use strandline_reader::{LogReader, LogSource};
use strandline_types::{BackupSetKind, DataKind, ErrorClass, Failure, LsId, Lsn, PieceKey};
use support::strandline;

/// Files of one kind that are damaged; the first and the last by name.
const FILES_PER_KIND: usize = 2;
/// Flips per file: the first bytes of headers, and places all over the file.
const FLIPS_PER_FILE: usize = 8;

/// Damage is read again without a pause: there are very many.
fn options(level: Level) -> Options {
    Options { looks: Looks::at_once(), ..Options::new(level) }
}

struct Tree {
    root: PathBuf,
    runtime: tokio::runtime::Runtime,
    medium: Arc<dyn Medium>,
    /// Files by kind.
    kinds: BTreeMap<String, Vec<String>>,
    /// The undamaged log of every log stream.
    logs: BTreeMap<LsId, Vec<(Lsn, u32)>>,
    /// The undamaged blocks that the indexes name.
    blocks: Vec<(String, u32)>,
    tried: BTreeMap<&'static str, (u64, u64)>,
    missed: Vec<String>,
}

impl Tree {
    fn new(root: &Path) -> Self {
        let medium = strandline_media::open(&format!("file://{}", root.display())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listed = runtime.block_on(medium.list("")).unwrap();
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in listed {
            kinds.entry(kind_of(&object.path)).or_default().push(object.path);
        }
        let log_streams: BTreeSet<LsId> = kinds
            .values()
            .flatten()
            .filter_map(|file| match ArchivePath::parse(file)? {
                ArchivePath::Log { ls, .. } => Some(ls),
                _ => None,
            })
            .collect();
        let mut tree = Self {
            root: root.to_owned(),
            runtime,
            medium,
            kinds,
            logs: BTreeMap::new(),
            blocks: Vec::new(),
            tried: BTreeMap::new(),
            missed: Vec::new(),
        };
        tree.blocks = tree.read_blocks().unwrap();
        tree.logs = log_streams.into_iter().map(|ls| (ls, tree.groups(ls).unwrap())).collect();
        for level in [Level::Basic, Level::Physical] {
            let report = tree.verify(level);
            assert!(report.is_sound(), "undamaged, yet: {:?}", report.damages);
        }
        tree
    }

    fn verify(&self, level: Level) -> Report {
        self.runtime.block_on(verify::destination(&self.medium, &options(level))).unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Counts whether a damage is found.
    fn expect(&mut self, what: &'static str, level: Level, file: &str, detail: &str) {
        let report = self.verify(level);
        let count = self.tried.entry(what).or_default();
        count.0 += 1;
        if report.is_sound() {
            self.missed.push(format!("{what} {file} {detail}"));
        } else {
            count.1 += 1;
        }
    }

    /// Length and checksum of every group of one log stream, as a restore reads them.
    fn groups(&self, ls: LsId) -> Result<Vec<(Lsn, u32)>, Failure> {
        self.runtime.block_on(async {
            let dirs = self.medium.list_dirs("").await?;
            let mut pieces: Vec<PieceKey> = dirs.iter().filter_map(|d| parse_piece_dir(d)).collect();
            pieces.sort_unstable();
            let sources = pieces.into_iter().map(|piece| LogSource { medium: Arc::clone(&self.medium), piece });
            let mut reader = LogReader::open(sources.collect(), ls, Lsn::ZERO, None, Arc::default()).await?;
            let mut found = Vec::new();
            while let Some(groups) = reader.next_groups().await? {
                found.extend(groups.iter().map(|g| (g.range.start, crc32c_raw(0, &g.bytes))));
            }
            Ok(found)
        })
    }

    /// File name and checksum of the content of every block, read as a restore reads them: index, range, block.
    fn read_blocks(&self) -> Result<Vec<(String, u32)>, Failure> {
        let bad = |path: &str| {
            let object = path.to_owned();
            move |e: strandline_format::FormatError| e.into_failure(object)
        };
        let mut found = Vec::new();
        for path in self.kinds.values().flatten().filter(|path| is_block_index(path)) {
            let file = self.runtime.block_on(self.medium.get(path))?;
            for entry in IndexReader::<MacroIndexEntry>::parse(&file).map_err(bad(path))? {
                let p = entry.physical;
                // As the restore of a log stream refuses the index of another one.
                if matches!(BackupPath::parse(path), Some(BackupPath::LsIndex { ls, .. }) if ls != p.ls_id) {
                    return Err(Failure::new(ErrorClass::Corrupt, "of another log stream", path.as_str(), ""));
                }
                let set = SetName { id: p.backup_set_id, kind: BackupSetKind::Full };
                let (ls, kind, turn, retry, n) = (p.ls_id, p.kind, p.turn, p.retry, p.file_id.0);
                let data = BackupPath::MacroBlockData { set, ls, kind, turn, retry, n }.path();
                let range = p.offset..p.offset + p.length;
                let bytes = self.runtime.block_on(self.medium.get_range(&data, range))?;
                let content = open_macroblock(&bytes, &entry, |_| None).map_err(bad(&data))?;
                found.push((entry.file_name.clone(), crc32c_raw(0, &content)));
            }
        }
        Ok(found)
    }

    /// A restore either fails or gets the blocks that were backed up.
    fn expect_no_other_block(&mut self, file: &str, detail: &str) {
        let is_data = matches!(BackupPath::parse(file), Some(BackupPath::MacroBlockData { .. }));
        if !is_data && !is_block_index(file) {
            return;
        }
        let is_good = self.read_blocks().map_or(true, |blocks| blocks == self.blocks);
        let count = self.tried.entry("damaged block given to a restore").or_default();
        count.0 += 1;
        count.1 += u64::from(is_good);
        if !is_good {
            self.missed.push(format!("a restore would take another block: {file} {detail}"));
        }
    }

    /// A restore either fails or reads the groups that were written, from the first one on.
    fn expect_no_other_log(&mut self, file: &str, detail: &str) {
        let Some(ArchivePath::Log { ls, .. }) = ArchivePath::parse(file) else { return };
        let is_good = match self.groups(ls) {
            Ok(groups) => self.logs[&ls].starts_with(&groups),
            Err(_) => true,
        };
        let count = self.tried.entry("damaged log given to a restore").or_default();
        count.0 += 1;
        count.1 += u64::from(is_good);
        if !is_good {
            self.missed.push(format!("a restore would replay other log: {file} {detail}"));
        }
    }

    fn samples(&self) -> Vec<String> {
        let some = |files: &Vec<String>| {
            let last = files.len().saturating_sub(FILES_PER_KIND - 1);
            let chosen = files.iter().take(1).chain(files.iter().skip(last.max(1)));
            chosen.cloned().collect::<Vec<_>>()
        };
        self.kinds.values().flat_map(some).collect()
    }

    fn flip_cut_and_remove(&mut self) {
        for file in self.samples() {
            let path = self.path(&file);
            let good = std::fs::read(&path).unwrap();
            for n in 0..FLIPS_PER_FILE.min(good.len()) {
                let mut bad = good.clone();
                let at = offset(n, good.len());
                bad[at] ^= 1 << (n % 8);
                std::fs::write(&path, &bad).unwrap();
                self.expect("flipped byte", Level::Physical, &file, &format!("at {at}"));
                self.expect_no_other_log(&file, &format!("flipped at {at}"));
                self.expect_no_other_block(&file, &format!("flipped at {at}"));
            }
            let grows = is_growing_log(&self.root, &file);
            // The tail of a growing file lies after the checkpoint: it may not have been written yet.
            for cut in cuts(good.len()).into_iter().filter(|cut| !grows || *cut < good.len() / 2) {
                std::fs::write(&path, &good[..cut]).unwrap();
                self.expect("truncation", Level::Physical, &file, &format!("to {cut}"));
                self.expect_no_other_log(&file, &format!("cut to {cut}"));
                self.expect_no_other_block(&file, &format!("cut to {cut}"));
                self.expect("truncation, basic", Level::Basic, &file, &format!("to {cut}"));
            }
            std::fs::remove_file(&path).unwrap();
            self.expect_no_other_log(&file, "removed");
            self.expect_no_other_block(&file, "removed");
            if !is_evidence_free(&self.root, &file) {
                self.expect("removal", Level::Physical, &file, "");
                self.expect("removal, basic", Level::Basic, &file, "");
            }
            std::fs::write(&path, &good).unwrap();
        }
    }

    /// Every log file of pieces that still grow, one by one and all of a log stream at once: cut, and removed. No list
    /// names them yet.
    fn growing_pieces(&mut self) {
        let files: Vec<String> =
            self.kinds.values().flatten().filter(|f| is_growing_log(&self.root, f)).cloned().collect();
        let mut by_stream: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in files {
            let dir = Path::new(&file).parent().unwrap().display().to_string();
            by_stream.entry(dir).or_default().push(file);
        }
        for (dir, files) in by_stream {
            let good: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(self.path(f)).unwrap()).collect();
            for (file, good) in files.iter().zip(&good) {
                for cut in cuts(good.len()).into_iter().filter(|cut| *cut < good.len() / 2) {
                    std::fs::write(self.path(file), &good[..cut]).unwrap();
                    self.expect("growing piece, truncation, basic", Level::Basic, file, &format!("to {cut}"));
                }
                std::fs::remove_file(self.path(file)).unwrap();
                self.expect("growing piece, removal, basic", Level::Basic, file, "");
                std::fs::write(self.path(file), good).unwrap();
            }
            files.iter().for_each(|f| std::fs::remove_file(self.path(f)).unwrap());
            for (what, level) in
                [("growing piece, stream gone, basic", Level::Basic), ("growing piece, stream gone", Level::Physical)]
            {
                self.expect(what, level, &dir, "");
            }
            files.iter().zip(&good).for_each(|(f, good)| std::fs::write(self.path(f), good).unwrap());
        }
    }

    fn swap(&mut self) {
        let pairs: Vec<(String, String)> = self
            .kinds
            .values()
            .flat_map(|files| files.windows(2).take(3).map(|w| (w[0].clone(), w[1].clone())).collect::<Vec<_>>())
            .collect();
        for (a, b) in pairs {
            let (x, y) = (std::fs::read(self.path(&a)).unwrap(), std::fs::read(self.path(&b)).unwrap());
            if x == y {
                continue;
            }
            std::fs::write(self.path(&a), &y).unwrap();
            std::fs::write(self.path(&b), &x).unwrap();
            self.expect("swap", Level::Physical, &a, &b);
            self.expect_no_other_block(&a, &b);
            std::fs::write(self.path(&a), &x).unwrap();
            std::fs::write(self.path(&b), &y).unwrap();
        }
    }

    /// A file that is none of ours in every directory, and a second data or log file beside each one.
    fn strangers(&mut self) {
        let dirs: BTreeSet<PathBuf> =
            self.samples().iter().map(|f| self.path(f).parent().unwrap().to_owned()).collect();
        for dir in dirs {
            let stranger = dir.join("stranger.bin");
            std::fs::write(&stranger, b"what is this").unwrap();
            // It takes nothing away from anything: named, and no damage.
            let report = self.verify(Level::Physical);
            let is_named = report.foreign.iter().any(|f| f.path.ends_with("stranger.bin"));
            assert!(report.is_sound() && is_named, "{}: {report:?}", dir.display());
            std::fs::remove_file(&stranger).unwrap();
        }
        for file in self.samples() {
            let path = self.path(&file);
            let name = match (ArchivePath::parse(&file), BackupPath::parse(&file)) {
                (Some(ArchivePath::Log { file_id, .. }), _) => format!("{}.obarc", file_id.0 + 1),
                (_, Some(BackupPath::MacroBlockData { n, .. })) => format!("macro_block_data.{}.obbak", n + 1),
                (_, Some(BackupPath::TabletInfo { n, .. })) => format!("tablet_info.{}.obbak", n + 1),
                _ => continue,
            };
            let stranger = path.with_file_name(name);
            std::fs::copy(&path, &stranger).unwrap();
            self.expect("foreign object", Level::Physical, &file, "");
            std::fs::remove_file(&stranger).unwrap();
        }
    }

    fn done(self, what: &str) {
        for (kind, files) in &self.kinds {
            println!("{what}: {} files of the kind {kind}", files.len());
        }
        for (damage, (tried, found)) in &self.tried {
            println!("{what}: {damage}: {found} of {tried} found");
        }
        assert!(self.missed.is_empty(), "{what}: not found: {:#?}", self.missed);
        assert!(self.verify(Level::Physical).is_sound(), "the tree was put back");
    }
}

/// An index of blocks that a restore goes by.
fn is_block_index(path: &str) -> bool {
    match BackupPath::parse(path) {
        Some(BackupPath::LsIndex { kind, index, .. }) => kind == DataKind::Sys && index == IndexKind::MacroRange,
        Some(BackupPath::TenantIndex { index, .. }) => index == IndexKind::MacroRange,
        _ => false,
    }
}

/// The first bytes, then places spread over the file, the last byte among them.
fn offset(n: usize, len: usize) -> usize {
    match n {
        0 => 0,
        1 => 11 % len,
        2 => 47 % len,
        3 => len - 1,
        _ => (len as u64 * (n as u64 * 2_654_435_761 % 1000) / 1000) as usize,
    }
}

fn cuts(len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = [0, len / 3, len.saturating_sub(1)].into_iter().filter(|cut| *cut < len).collect();
    cuts.dedup();
    cuts
}

/// What a name is called by the layout.
fn kind_of(path: &str) -> String {
    let text = match (ArchivePath::parse(path), BackupPath::parse(path)) {
        (_, Some(BackupPath::ComplementLog { inner, .. })) => format!("complement {inner:?}"),
        (_, Some(BackupPath::LsIndex { index, kind, .. })) => return format!("LsIndex {kind:?} {index:?}"),
        (_, Some(BackupPath::TenantIndex { index, kind, .. })) => return format!("TenantIndex {kind:?} {index:?}"),
        (_, Some(parsed)) => format!("{parsed:?}"),
        (Some(parsed), _) => format!("{parsed:?}"),
        _ => panic!("{path} is not a name of either layout"),
    };
    text.split([' ', '{']).next().unwrap().to_owned()
}

fn is_frozen(root: &Path, file: &str) -> bool {
    let piece = file.split('/').next().unwrap();
    root.join(piece).join("single_piece_info.obarc").exists()
}

/// A log file of a piece that still grows: no list names it, and its end may be anywhere after the checkpoint.
fn is_growing_log(root: &Path, file: &str) -> bool {
    matches!(ArchivePath::parse(file), Some(ArchivePath::Log { .. })) && !is_frozen(root, file)
}

/// Files that may be absent from a sound destination: probes of the connection, dictionary snapshots of a piece that
/// still grows, the start of a piece that nothing was written to, and one of two checkpoints: the newer one is there
/// before the older one goes.
fn is_evidence_free(root: &Path, file: &str) -> bool {
    match ArchivePath::parse(file) {
        Some(ArchivePath::CheckFile { .. }) => true,
        Some(ArchivePath::SchemaMeta { .. }) => !is_frozen(root, file),
        Some(ArchivePath::Checkpoint { .. }) => {
            let dir = root.join(file).parent().unwrap().to_owned();
            let name = |e: std::fs::DirEntry| e.file_name().to_string_lossy().into_owned();
            let beside = std::fs::read_dir(dir).unwrap().map(|e| name(e.unwrap()));
            // The file itself is gone at this moment.
            beside.filter(|n| n.starts_with("checkpoint.")).count() > 0
        }
        Some(ArchivePath::PieceStart { key, .. }) => !root.join(format!("piece_{key}")).exists(),
        _ => false,
    }
}

#[test]
fn every_damage_of_every_kind_of_file_is_found_and_named() {
    let scratch = tempfile::tempdir().unwrap();
    let keep = scratch.path().join("kept");
    let output = strandline(&["demo", "--small", "--keep", keep.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for dir in ["archive", "data"] {
        let mut tree = Tree::new(&keep.join(dir));
        tree.flip_cut_and_remove();
        tree.growing_pieces();
        if dir == "archive" {
            assert!(tree.tried.contains_key("growing piece, stream gone, basic"), "no piece grows");
        }
        tree.swap();
        tree.strangers();
        tree.done(dir);
    }
    the_commands_agree(&keep);
}

/// The exit codes are the contract; the window and the plain copy come from the same bare folders.
fn the_commands_agree(keep: &Path) {
    let (archive, data) = (keep.join("archive"), keep.join("data"));
    let (archive_uri, data_uri) = (archive.to_str().unwrap(), data.to_str().unwrap());
    let sound = strandline(&["verify", "--json", archive_uri, data_uri]);
    assert_eq!(sound.status.code(), Some(0), "{}", String::from_utf8_lossy(&sound.stdout));
    let window = strandline(&["window", "--json", data_uri, archive_uri]);
    let window: serde_json::Value = serde_json::from_slice(&window.stdout).unwrap();
    assert_eq!(window["intervals"].as_array().unwrap().len(), 1, "{window}");

    let copy = keep.join("copy");
    let export = strandline(&["archive", "export", "--plain", archive_uri, copy.to_str().unwrap()]);
    assert_eq!(export.status.code(), Some(0), "{}", String::from_utf8_lossy(&export.stderr));
    let copied = strandline(&["verify", copy.to_str().unwrap()]);
    assert_eq!(copied.status.code(), Some(0), "{}", String::from_utf8_lossy(&copied.stdout));

    std::fs::remove_file(data.join("backup_set_1_full/infos/locality_info.obbak")).unwrap();
    let damaged = strandline(&["verify", "--level", "basic", data_uri]);
    assert_eq!(damaged.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("locality_info.obbak"));
    let nothing = strandline(&["verify", keep.join("nowhere").to_str().unwrap()]);
    assert_eq!(nothing.status.code(), Some(1), "no reader could look");
}
