//! Takes a snapshot's frames into a directory of its own and verifies them. Knows no network and no Raft.
//!
//! Order: files in the order of their frames, each exactly as long as announced and durable before the next begins; the
//! end frame proves number and checksum. Whatever is dropped before `finish` removes its directory.

use crate::snapshot_files::{SnapshotFiles, place};
use crate::snapshot_send::digest;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use strandline_proto::v1::snapshot_frame::Part;
use strandline_proto::v1::{SnapshotEnd, SnapshotFile};

/// A snapshot on its way in.
pub(crate) struct Receiving {
    files: SnapshotFiles,
    open: Option<OpenFile>,
    count: u64,
    digest: crc_fast::Digest,
    ended: bool,
}

struct OpenFile {
    file: File,
    left: u64,
}

impl Receiving {
    /// Begins in a directory that must not exist yet.
    pub(crate) fn begin(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir(&dir)?;
        let files = SnapshotFiles::received(dir);
        Ok(Self { files, open: None, count: 0, digest: digest(), ended: false })
    }

    /// Takes the next frame after the head.
    pub(crate) fn accept(&mut self, part: Option<Part>) -> io::Result<()> {
        match part {
            _ if self.ended => Err(bad("a frame after the end")),
            Some(Part::File(file)) => self.next_file(&file),
            Some(Part::Data(data)) => self.data(&data),
            Some(Part::End(end)) => self.end(end),
            Some(Part::Head(_)) => Err(bad("a second head")),
            None => Err(bad("a frame of an unknown kind")),
        }
    }

    /// True once the end frame was verified.
    pub(crate) fn is_complete(&self) -> bool {
        self.ended
    }

    /// The verified snapshot.
    pub(crate) fn finish(self) -> io::Result<SnapshotFiles> {
        if self.ended { Ok(self.files) } else { Err(bad("the stream ended before the snapshot")) }
    }

    fn next_file(&mut self, file: &SnapshotFile) -> io::Result<()> {
        self.close_file()?;
        let path = place(self.files.dir(), &file.name)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let opened = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.open = Some(OpenFile { file: opened, left: file.bytes });
        self.count += 1;
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(bad("bytes before a file")) };
        if data.len() as u64 > open.left {
            return Err(bad("a file longer than announced"));
        }
        open.file.write_all(data)?;
        open.left -= data.len() as u64;
        self.digest.update(data);
        Ok(())
    }

    fn end(&mut self, end: SnapshotEnd) -> io::Result<()> {
        self.close_file()?;
        if end.files != self.count || u64::from(end.crc32c) != self.digest.clone().finalize() {
            return Err(bad("the files differ from what was sent"));
        }
        File::open(self.files.dir())?.sync_all()?;
        self.ended = true;
        Ok(())
    }

    fn close_file(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) if open.left > 0 => Err(bad("a file shorter than announced")),
            Some(open) => open.file.sync_all(),
            None => Ok(()),
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64) -> Option<Part> {
        Some(Part::File(SnapshotFile { name: name.to_owned(), bytes }))
    }

    fn data(bytes: &'static [u8]) -> Option<Part> {
        Some(Part::Data(bytes.into()))
    }

    fn end(files: u64, content: &[u8]) -> Option<Part> {
        let mut sum = digest();
        sum.update(content);
        Some(Part::End(SnapshotEnd { files, crc32c: sum.finalize() as u32 }))
    }

    fn begin(root: &tempfile::TempDir) -> Receiving {
        Receiving::begin(root.path().join("in")).unwrap()
    }

    #[test]
    fn files_arrive_as_they_were_sent() {
        let root = tempfile::tempdir().unwrap();
        let mut r = begin(&root);
        for part in [file("a/1", 5), data(b"hel"), data(b"lo"), file("b", 0), end(2, b"hello")] {
            r.accept(part).unwrap();
        }
        let files = r.finish().unwrap();
        assert_eq!(fs::read(files.dir().join("a/1")).unwrap(), b"hello");
        assert_eq!(fs::read(files.dir().join("b")).unwrap(), b"");
    }

    #[test]
    fn a_frame_that_breaks_the_order_is_refused() {
        let cases: [Vec<Option<Part>>; 8] = [
            vec![data(b"x")],
            vec![file("a", 2), data(b"xyz")],
            vec![file("a", 2), data(b"x"), file("b", 0)],
            vec![file("a", 1), data(b"x"), end(2, b"x")],
            vec![file("a", 1), data(b"x"), end(1, b"y")],
            vec![file("../a", 0)],
            vec![file("a", 0), file("a", 0)],
            vec![end(0, b""), file("a", 0)],
        ];
        for case in cases {
            let root = tempfile::tempdir().unwrap();
            let mut r = begin(&root);
            let refused = case.iter().any(|part| r.accept(part.clone()).is_err());
            assert!(refused, "{case:?}");
        }
    }

    #[test]
    fn a_snapshot_without_its_end_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut r = begin(&root);
        r.accept(file("a", 1)).unwrap();
        assert!(!r.is_complete() && r.finish().is_err());
        assert!(!root.path().join("in").exists());
    }
}
