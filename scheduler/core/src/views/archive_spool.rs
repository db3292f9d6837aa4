//! Log that waits on workers for archive destinations.

use super::column::{Column, RowKind, Rows, double, text, unsigned};
use super::value::{n, ratio_real, t};
use super::view::{Context, Tenancy, View};
use crate::spool::{Spool, spool};
use crate::state::Round;
use strandline_types::LsId;

pub(super) static SPOOLS: View = View {
    name: "CDB_STRANDLINE_ARCHIVE_SPOOL",
    aliases: &[],
    about: "Log of one log stream that waits for one archive destination, and how long it still may.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<SpoolRow> { of: spools, columns: COLUMNS },
};

struct SpoolRow<'a> {
    round: &'a Round,
    ls_id: LsId,
    spool: Spool,
}

impl RowKind for SpoolRow<'static> {
    type Row<'a> = SpoolRow<'a>;
}

fn spools<'a>(cx: &Context<'a>) -> Vec<SpoolRow<'a>> {
    let mut rows = Vec::new();
    for tenant in cx.state.tenants.values() {
        for round in cx.state.open_rounds(tenant.id) {
            let of_ls = tenant.log_streams.values().filter_map(|ls| Some((ls.id, spool(round, ls, cx.now_ms)?)));
            rows.extend(of_ls.map(|(ls_id, spool)| SpoolRow { round, ls_id, spool }));
        }
    }
    rows
}

const COLUMNS: &[Column<SpoolRow<'static>>] = &[
    unsigned("TENANT_ID", |s| n(s.round.tenant_id.0)),
    unsigned("DEST_ID", |s| n(s.round.dest_id.0)),
    unsigned("DEST_NO", |s| n(s.round.dest_no.0)),
    unsigned("ROUND_ID", |s| n(s.round.round_id.0)),
    unsigned("LS_ID", |s| n(s.ls_id.0)),
    text("BINDING", |s| t(s.round.options.binding)),
    unsigned("SPOOL_BYTES", |s| n(s.spool.waiting_bytes)),
    unsigned("SPOOL_BYTES_MAX", |s| n(s.spool.bytes_max)),
    unsigned("SPOOL_AGE_MS", |s| n(s.spool.age_ms)),
    unsigned("SPOOL_AGE_MS_MAX", |s| n(s.spool.age_ms_max)),
    double("FILL_RATIO", |s| ratio_real(s.spool.fill_ratio())),
    unsigned("SECONDS_LEFT", |s| seconds_left(&s.spool)),
];

/// How long the spool lasts if log of this stream goes on coming as it has since it began to wait; `None` when it does not
/// fill up.
fn seconds_left(spool: &Spool) -> Option<u64> {
    let age_ms = Some(spool.age_ms).filter(|ms| *ms > 0)?;
    let by_age = (spool.age_ms_max > 0).then(|| spool.age_ms_max.saturating_sub(age_ms) / 1000);
    let left = u128::from(spool.bytes_max.saturating_sub(spool.waiting_bytes));
    let by_size = (left * u128::from(age_ms)).checked_div(u128::from(spool.waiting_bytes)).map(|ms| (ms / 1000) as u64);
    by_size.into_iter().chain(by_age).min()
}
