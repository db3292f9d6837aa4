//! Log files as JSON: the file header and what the groups are, up to the first problem.

use crate::FormatError;
use crate::entry::split;
use crate::palf::{ArchiveFileHeader, BlockHeader, GroupView, GroupWalker};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{Lsn, PalfBase, Scn, Term, scn_text};

/// True when the bytes begin like an archive log file or a local log block.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    bytes.starts_with(b"FH") || bytes.starts_with(b"SB")
}

/// Describes an archive log file or a local log block.
pub(super) fn describe_file(file: &[u8]) -> Result<Value, FormatError> {
    let log = file.get(ARCHIVE_FILE_HEADER_BYTES as usize..).unwrap_or_default();
    if file.starts_with(b"SB") {
        let header = BlockHeader::decode(file)?;
        let fields = json!({
            "tenant_id": header.tenant.0,
            "ls_id": header.ls.0,
            "start_lsn": header.base.lsn.0,
            "prev_log_id": header.base.prev_log_id,
            "prev_accumulated_checksum": header.base.prev_accumulated_checksum,
            "prev_scn": header.base.prev_scn.0,
            "first_index": header.first_index,
            "prev_term": header.prev_term.0,
        });
        let summary = Summary::of(log, header.base.lsn, Some(header.base));
        return Ok(json!({ "kind": "local log block", "header": fields, "log": summary.json() }));
    }
    let header = ArchiveFileHeader::decode(file)?;
    let fields = json!({ "start_lsn": header.start_lsn.0, "file_id": header.file_id().0 });
    let summary = Summary::of(log, header.start_lsn, None);
    Ok(json!({ "kind": "archive log file", "header": fields, "log": summary.json() }))
}

/// What the groups of a file are, without their bodies.
struct Summary {
    start: Lsn,
    end: Lsn,
    groups: u64,
    paddings: u64,
    first: Option<(u64, Scn)>,
    last: (u64, Scn),
    terms: (Term, Term),
    kinds: BTreeMap<String, u64>,
    rest_bytes: u64,
    problems: Vec<String>,
}

impl Summary {
    fn of(log: &[u8], start: Lsn, base: Option<PalfBase>) -> Self {
        let mut s = Self {
            start,
            end: start,
            groups: 0,
            paddings: 0,
            first: None,
            last: (0, Scn::MIN),
            terms: (Term(u64::MAX), Term(0)),
            kinds: BTreeMap::new(),
            rest_bytes: 0,
            problems: Vec::new(),
        };
        let mut walker = GroupWalker::new(log, start, base);
        loop {
            match walker.next_group() {
                Ok(Some(group)) => s.add(&group),
                Ok(None) => break,
                Err(problem) => {
                    s.problems.push(problem.to_string());
                    break;
                }
            }
        }
        s.rest_bytes = walker.rest().len() as u64;
        s
    }

    fn add(&mut self, group: &GroupView<'_>) {
        let at = (group.header.log_id, group.header.max_scn);
        self.groups += 1;
        self.paddings += u64::from(group.is_padding);
        self.first.get_or_insert(at);
        self.last = at;
        let term = group.header.proposal_id;
        self.terms = (self.terms.0.min(term), self.terms.1.max(term));
        self.end = group.end;
        for entry in group.entries() {
            // Bodies of another program's log have no kind of ours; they are still counted.
            let kind = split(entry.body).map_or_else(|_| "other".to_owned(), |(kind, _)| kind.to_string());
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    fn json(&self) -> Value {
        let range = |first: u64, last: u64| json!({ "first": first, "last": last });
        let scns = self.first.map(|(_, scn)| {
            let mut scns = range(scn.0, self.last.1.0);
            scns["first_time"] = json!(scn_text(scn));
            scns["last_time"] = json!(scn_text(self.last.1));
            scns
        });
        json!({
            "groups": self.groups,
            "padding_groups": self.paddings,
            "entries": self.kinds,
            "lsn": { "start": self.start.0, "end": self.end.0 },
            "log_id": self.first.map(|(id, _)| range(id, self.last.0)),
            "max_scn": scns,
            "term": self.first.map(|_| range(self.terms.0.0, self.terms.1.0)),
            "bytes_after_the_last_whole_group": self.rest_bytes,
            "problems": self.problems,
        })
    }
}
