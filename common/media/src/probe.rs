//! What a medium really does, found out by doing it: the table of `strandline dest check`.
//!
//! Everything is written below `check_file/probe_<nonce>/` and removed again; nothing else is touched. A probe never
//! stops at the first finding unless nothing at all can be written. It must never trust what a store says about itself: a
//! conditional write is proved by reading back what is there after the second one.

use crate::{LogForm, Looks, MediaError, Medium};
use bytes::Bytes;
use std::time::Instant;
use strandline_types::{ErrorClass, Verdict};

/// Bytes of the object that is streamed to a store: more than one part of an upload.
const STREAMED_BYTES: usize = 9 << 20;
/// The same in a directory, which knows no parts and may be a small disk that every worker probes at once.
const STREAMED_FILE_BYTES: usize = 12 << 10;

/// How the directory of a probe begins.
const DIR_PREFIX: &str = "check_file/probe_";

/// Writers that put other bytes at one place at the same time.
const RACERS: u8 = 6;

/// What the check is called that reads the key of an encrypted archive.
pub const KEY_PROBE: &str = "archive-key";

/// One property of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, for example `put-if-absent`.
    pub probe: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, and what to do about it.
    pub detail: String,
    /// How long it took.
    pub took_us: u64,
}

type Seen = Result<(Verdict, String), MediaError>;

/// True for what a probe wrote: a request that a store does late may leave some of it behind.
#[must_use]
pub fn is_of_probe(path: &str) -> bool {
    path.starts_with(DIR_PREFIX)
}

/// Probes a medium: connection and keys, write, read, ranges, listing, conditional writes, streaming, append, delete.
///
/// The first finding is `connect`; when it is bad nothing more was tried.
pub async fn probe(medium: &dyn Medium) -> Vec<Finding> {
    let dir = format!("{DIR_PREFIX}{:016x}", rand::random::<u64>());
    let bench = Bench { medium, dir };
    let mut findings = vec![bench.run("connect", bench.connect()).await];
    if findings[0].verdict == Verdict::Bad {
        return findings;
    }
    findings.push(bench.run("write", bench.write()).await);
    if findings[1].verdict != Verdict::Bad {
        findings.push(bench.run("read", bench.read()).await);
        findings.push(bench.run("range-read", bench.range_read()).await);
        findings.push(bench.run("list-after-write", bench.list_after_write()).await);
        findings.push(bench.run("put-if-absent", bench.put_if_absent()).await);
        findings.push(bench.run("put-race", bench.put_race()).await);
        findings.push(bench.run("stream", bench.stream()).await);
        match medium.log_form() {
            LogForm::Plain => findings.push(bench.run("append", bench.append()).await),
            LogForm::Parts => findings.push(bench.run("parts", bench.parts()).await),
        }
    }
    findings.push(bench.run("delete", bench.delete()).await);
    findings.push(bench.run("unfinished", bench.unfinished()).await);
    findings
}

struct Bench<'a> {
    medium: &'a dyn Medium,
    dir: String,
}

fn good(detail: impl Into<String>) -> Seen {
    Ok((Verdict::Good, detail.into()))
}

fn bad(detail: impl Into<String>) -> Seen {
    Ok((Verdict::Bad, detail.into()))
}

impl Bench<'_> {
    async fn run(&self, probe: &str, work: impl Future<Output = Seen>) -> Finding {
        let began = Instant::now();
        let (verdict, detail) = work.await.unwrap_or_else(|e| (Verdict::Bad, advice(&e)));
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Finding { probe: probe.to_owned(), verdict, detail, took_us }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    async fn connect(&self) -> Seen {
        match self.medium.head(&self.path("nothing")).await {
            Ok(_) => bad("an object that was never written is there"),
            Err(e) if e.is_not_found() => {
                // An object that is not there and a bucket that is not there may look alike; a listing tells.
                self.medium.list_dirs("check_file").await?;
                good("the medium answers, and the keys are accepted")
            }
            Err(e) => Err(e),
        }
    }

    async fn write(&self) -> Seen {
        self.medium.put(&self.path("a"), Bytes::from_static(b"first")).await?;
        good("an object was written")
    }

    async fn read(&self) -> Seen {
        let path = self.path("a");
        let got = read_back(|| self.medium.get(&path), |got| got == "first").await?;
        if got == "first" { good("the bytes come back") } else { bad("other bytes come back than were written") }
    }

    async fn range_read(&self) -> Seen {
        let path = self.path("a");
        if read_back(|| self.medium.get_range(&path, 1..3), |got| got == "ir").await? != "ir" {
            return bad("a read of a range gives other bytes");
        }
        match self.medium.get_range(&path, 3..9).await {
            Err(e) if e.class == ErrorClass::Corrupt => good("exact ranges; a range beyond the end is noticed"),
            Err(e) => Err(e),
            Ok(_) => bad("a range beyond the end is answered as if it were there"),
        }
    }

    async fn list_after_write(&self) -> Seen {
        let found = self.medium.list(&self.dir).await?;
        match &found[..] {
            [one] if one.path == self.path("a") && one.bytes == 5 => good("what was written is listed at once"),
            [] => bad("an object that was just written is not listed: listings must be strongly consistent"),
            _ => bad(format!("a listing shows {} objects where 1 was written", found.len())),
        }
    }

    async fn put_if_absent(&self) -> Seen {
        let path = self.path("once");
        self.medium.put_if_absent(&path, Bytes::from_static(b"mine")).await?;
        let second = self.medium.put_if_absent(&path, Bytes::from_static(b"OTHER")).await;
        let there = read_back(|| self.medium.get(&path), |there| there == "mine").await?;
        match second {
            _ if there != "mine" => {
                bad("the store IGNORES If-None-Match: a second write replaced the first one silently; two writers can \
                 destroy each other's bytes here. Use another store or version of it")
            }
            Err(e) if e.class == ErrorClass::Fenced => good("a second write with other bytes is refused"),
            Err(e) => Err(e),
            Ok(_) => bad("a second write with other bytes is reported as done, yet nothing changed"),
        }
    }

    async fn put_race(&self) -> Seen {
        let path = self.path("race");
        let puts = (0..RACERS).map(|n| self.medium.put_if_absent(&path, Bytes::from(vec![n; 512])));
        let ends = futures::future::join_all(puts).await;
        let winners: Vec<u8> = (0..RACERS).zip(&ends).filter(|(_, end)| end.is_ok()).map(|(n, _)| n).collect();
        let is_a_winners = |there: &Bytes| winners.iter().any(|n| *there == vec![*n; 512]);
        let there = read_back(|| self.medium.get(&path), is_a_winners).await?;
        match winners[..] {
            [winner] if there == vec![winner; 512] => good("of writers at the same instant exactly one wins"),
            [_] => bad("the bytes of a writer that was refused are there"),
            [] => Err(ends.into_iter().find_map(Result::err).unwrap_or_else(|| self.no_outcome(&path))),
            _ => Ok((
                Verdict::Limited,
                format!(
                    "{} of {RACERS} writers at the same instant were told that they had won: conditions are not atomic here",
                    winners.len()
                ),
            )),
        }
    }

    fn no_outcome(&self, path: &str) -> MediaError {
        MediaError::new(ErrorClass::Transient, crate::Op::Put, &self.medium.uri(), path, "no writer had an outcome")
    }

    async fn stream(&self) -> Seen {
        let path = self.path("streamed");
        let is_directory = self.medium.uri().starts_with("file://");
        let bytes = if is_directory { STREAMED_FILE_BYTES } else { STREAMED_BYTES };
        let part = Bytes::from(vec![7_u8; bytes / 3]);
        let mut writer = self.medium.open_writer(&path).await?;
        for _ in 0..3 {
            writer.write(part.clone()).await?;
        }
        if !matches!(self.medium.head(&path).await, Err(e) if e.is_not_found()) {
            return bad("an object that is being streamed is visible before it is whole");
        }
        let len = writer.finish().await?;
        if self.medium.head(&path).await? == len {
            good(format!("an object of {} KiB in three writes", bytes >> 10))
        } else {
            bad("a streamed object has another length than was written")
        }
    }

    async fn append(&self) -> Seen {
        let path = self.path("log");
        self.medium.append(&path, 0, Bytes::from_static(b"abc")).await?;
        self.medium.append(&path, 3, Bytes::from_static(b"def")).await?;
        self.medium.append(&path, 3, Bytes::from_static(b"def")).await?;
        let other = self.medium.append(&path, 3, Bytes::from_static(b"xyz")).await;
        let hole = self.medium.append(&path, 9, Bytes::from_static(b"x")).await;
        if read_back(|| self.medium.get(&path), |there| there == "abcdef").await? != "abcdef" {
            return bad("an append at a wrong position changed the object");
        }
        match (other, hole) {
            (Err(a), Err(b)) if a.class == ErrorClass::Fenced && b.class == ErrorClass::Invalid => {
                good("append at a position; other bytes and holes are refused, a repeated append is harmless")
            }
            (Ok(_), _) | (_, Ok(_)) => bad("an append at a wrong position is reported as done"),
            (Err(a), Err(b)) => Err(if a.class == ErrorClass::Fenced { b } else { a }),
        }
    }

    async fn parts(&self) -> Seen {
        for name in ["log/1/@APD_PART@FORMAT_META.obarc", "log/1/@APD_PART@0-3.obarc"] {
            self.medium.put_if_absent(&self.path(name), Bytes::from_static(b"abc")).await?;
        }
        if self.medium.list(&self.path("log/1")).await?.len() == 2 {
            good("log files are parts below a prefix; no native append")
        } else {
            bad("parts below a prefix are not listed")
        }
    }

    /// Also the cleaning up: everything below the probe's own directory.
    async fn delete(&self) -> Seen {
        let written = self.medium.list(&self.dir).await?;
        for object in &written {
            self.medium.delete(&object.path).await?;
        }
        let left = self.medium.list(&self.dir).await?.len();
        if left == 0 && self.medium.keeps_versions().await == Some(true) {
            let detail = format!(
                "{} probe objects removed, but the bucket keeps versions: what is deleted or replaced here goes on costing \
                 room. Give it a life cycle rule that expires noncurrent versions and delete markers",
                written.len()
            );
            Ok((Verdict::Limited, detail))
        } else if left == 0 {
            good(format!("{} probe objects removed", written.len()))
        } else {
            let detail = format!("{left} probe objects stay below {} (tagged or locked)", self.dir);
            Ok((Verdict::Limited, detail))
        }
    }

    async fn unfinished(&self) -> Seen {
        let found = self.medium.unfinished().await;
        match found {
            Ok(found) if found.is_empty() => good("no half-written objects"),
            Ok(found) => {
                let detail =
                    format!("{} half-written objects of other writers; cleaning removes old ones", found.len());
                Ok((Verdict::Limited, detail))
            }
            Err(e) => {
                let detail = format!("half-written uploads cannot be listed: {e}; give the key that right");
                Ok((Verdict::Limited, detail))
            }
        }
    }
}

/// What is there; a verdict and bytes that are not right count when they come again and again.
async fn read_back<F>(read: impl Fn() -> F, is_right: impl Fn(&Bytes) -> bool) -> Result<Bytes, MediaError>
where
    F: Future<Output = Result<Bytes, MediaError>>,
{
    let looks = Looks::default();
    let mut there = looks.sure(&read).await?;
    for looked in 1..looks.most {
        if is_right(&there) {
            break;
        }
        looks.pause(looked).await;
        there = looks.sure(&read).await?;
    }
    Ok(there)
}

fn advice(error: &MediaError) -> String {
    let failure = strandline_types::Failure::from(error.clone());
    format!("{}: {}", failure.what, failure.todo)
}
