//! A table in key order: its tablets hold keys by hash, so their pages are merged here.

use super::KvClient;
use crate::Result;
use bytes::Bytes;
use std::collections::VecDeque;
use strandline_proto::v1::Table;
use strandline_types::{LsId, TabletId};

/// Pairs of one page of one tablet.
const PAGE_PAIRS: usize = 1024;

/// One tablet of the merge.
struct Lane {
    ls: LsId,
    tablet: TabletId,
    pairs: VecDeque<(Bytes, Bytes)>,
    /// Where the next page begins; `None` at the end.
    next: Option<Vec<u8>>,
}

/// Up to `limit` pairs (0 = all) of `[start, end)`.
pub(super) async fn merged(
    client: &KvClient,
    table: &Table,
    start: &[u8],
    end: &[u8],
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let page = limit.min(PAGE_PAIRS);
    let new_lane = |t: &strandline_proto::v1::Tablet| Lane {
        ls: LsId(t.ls_id),
        tablet: TabletId(t.tablet_id),
        pairs: VecDeque::new(),
        next: Some(start.to_vec()),
    };
    let mut lanes: Vec<Lane> = table.tablets.iter().map(new_lane).collect();
    futures::future::try_join_all(lanes.iter_mut().map(|lane| lane.fill(client, end, page))).await?;
    let mut out = Vec::new();
    while out.len() < limit {
        let filled = lanes.iter_mut().filter(|l| !l.pairs.is_empty());
        let Some(least) = filled.min_by(|a, b| a.pairs[0].0.cmp(&b.pairs[0].0)) else { break };
        out.extend(least.pairs.pop_front());
        least.fill(client, end, page).await?;
    }
    Ok(out)
}

impl Lane {
    /// Fetches the next page when nothing is left of the last one.
    async fn fill(&mut self, client: &KvClient, end: &[u8], page: usize) -> Result<()> {
        if !self.pairs.is_empty() {
            return Ok(());
        }
        let Some(start) = self.next.take() else { return Ok(()) };
        let page = client.scan_tablet(self.ls, self.tablet, &start, end, page).await?;
        self.pairs = page.pairs.into();
        self.next = self.pairs.back().filter(|_| page.more).map(|(key, _)| {
            let mut next = key.to_vec();
            next.push(0);
            next
        });
        Ok(())
    }
}
