//! Backup sets, and the parameters of backups.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::value::{n, on_off, scn, scn_display, t, time};
use super::view::{Context, Tenancy, View};
use crate::state::{BackupSet, SetSeal};
use strandline_types::{BACKUP_COMPATIBLE, BackupSetStatus, INCARNATION, TenantId};

pub(super) static SETS: View = View {
    name: "CDB_OB_BACKUP_SET_FILES",
    aliases: &[],
    about: "A backup set.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<BackupSet> { of: |cx| cx.state.backup_sets.values().collect(), columns: COLUMNS },
};

impl RowKind for BackupSet {
    type Row<'a> = &'a Self;
}

const COLUMNS: &[Column<BackupSet>] = &[
    unsigned("TENANT_ID", |s| n(s.tenant_id.0)),
    unsigned("BACKUP_SET_ID", |s| n(s.set_id.0)),
    unsigned("DEST_ID", |s| n(s.dest_id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    text("BACKUP_TYPE", |s| t(s.kind)),
    unsigned("PREV_FULL_BACKUP_SET_ID", |s| n(s.prev_full.0)),
    unsigned("PREV_INC_BACKUP_SET_ID", |s| n(s.prev_inc.0)),
    text("START_TIMESTAMP", |s| time(Some(s.start_ms))),
    text("END_TIMESTAMP", |s| time(end_ms(s))),
    text("STATUS", |s| t(s.status)),
    text("FILE_STATUS", |s| t(s.file_status)),
    // The original's spelling.
    unsigned("ELAPSED_SECONDES", |s| end_ms(s).map(|end| end.saturating_sub(s.start_ms) / 1000)),
    text("PLUS_ARCHIVELOG", |s| on_off(s.plus_archivelog)),
    unsigned("START_REPLAY_SCN", |s| scn(s.start_replay_scn)),
    text("START_REPLAY_SCN_DISPLAY", |s| scn_display(s.start_replay_scn)),
    unsigned("MIN_RESTORE_SCN", |s| scn(s.min_restore_scn)),
    text("MIN_RESTORE_SCN_DISPLAY", |s| scn_display(s.min_restore_scn)),
    unsigned("INPUT_BYTES", |s| n(s.input_bytes)),
    unsigned("OUTPUT_BYTES", |s| n(s.output_bytes)),
    unsigned("OUTPUT_RATE_BYTES", |s| n(rate(s.output_bytes, s.start_ms, s.end_ms))),
    unsigned("EXTRA_META_BYTES", |s| n(s.extra_bytes)),
    unsigned("TABLET_COUNT", |s| n(s.tablet_count)),
    unsigned("FINISH_TABLET_COUNT", |s| n(s.finish_tablet_count)),
    unsigned("MACRO_BLOCK_COUNT", |s| n(s.macro_block_count)),
    unsigned("FINISH_MACRO_BLOCK_COUNT", |s| n(s.macro_block_count)),
    unsigned("FILE_COUNT", |s| n(s.file_count)),
    unsigned("META_TURN_ID", |s| n(s.meta_turn.0)),
    unsigned("DATA_TURN_ID", |s| n(s.data_turn.0)),
    signed("RESULT", |s| Some(s.result.into())),
    text("COMMENT", |s| t(if s.comment.is_empty() { &s.note } else { &s.comment })),
    text("ENCRYPTION_MODE", |s| t(SetSeal::mode(s.seal.as_ref()))),
    text("PASSWD", |s| t(SetSeal::passwd(s.seal.as_ref()))),
    text("TENANT_COMPATIBLE", |s| t(&s.version)),
    unsigned("BACKUP_COMPATIBLE", |_| n(BACKUP_COMPATIBLE)),
    text("PATH", |s| t(&s.uri)),
    text("CLUSTER_VERSION", |s| t(&s.version)),
    unsigned("CONSISTENT_SCN", |s| scn(s.consistent_scn)),
    unsigned("MINOR_TURN_ID", |s| n(s.data_turn.0)),
    unsigned("MAJOR_TURN_ID", |s| n(s.data_turn.0)),
];

fn end_ms(set: &BackupSet) -> Option<u64> {
    (set.status != BackupSetStatus::Doing).then_some(set.end_ms)
}

/// Bytes per second.
pub(super) fn rate(bytes: u64, from_ms: u64, to_ms: u64) -> u64 {
    bytes.saturating_mul(1000) / to_ms.saturating_sub(from_ms).max(1)
}

pub(super) static PARAMETERS: View = View {
    name: "CDB_OB_BACKUP_PARAMETER",
    aliases: &[],
    about: "The data backup destination of a tenant, or a parameter of its backups.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<Parameter> {
        of: parameters,
        columns: &[
            unsigned("TENANT_ID", |p| n(p.tenant_id.0)),
            text("NAME", |p| t(p.name)),
            text("VALUE", |p| t(&p.value)),
        ],
    },
};

struct Parameter {
    tenant_id: TenantId,
    name: &'static str,
    value: String,
}

impl RowKind for Parameter {
    type Row<'a> = Self;
}

fn parameters(cx: &Context<'_>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for tenant in cx.state.tenants.values() {
        let mut add = |name, value| parameters.push(Parameter { tenant_id: tenant.id, name, value });
        if let Some(dest) = tenant.data_dest.and_then(|d| cx.state.destinations.get(&d)) {
            add("data_backup_dest", dest.uri.to_string());
        }
        add("backup_data_file_size", tenant.backup.data_file_bytes.to_string());
        add("ha_low_thread_score", tenant.backup.ha_low_thread_score.to_string());
        add("backup_compression", tenant.backup.compression.to_string());
    }
    parameters
}
