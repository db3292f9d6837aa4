//! The wire message of a heartbeat to the core's nouns. What this version does not know is left out, never guessed:
//! an unknown archive state or task kind drops that one line of the report.

use super::{backup_tasks, medium_tasks};
use strandline_proto::{OnWire, v1};
use strandline_scheduler_core as core;
use strandline_scheduler_core::state::{
    DestFinding, Dictionary, LogGap, LsPiece, ReplicaStanding, Table, Tablet, Trouble,
};
use strandline_types::{
    ArchiveLsState, DestId, Failure, JobId, LsId, Lsn, NodeId, PieceId, RetryId, RoundId, Scn, TableId, TabletId,
    TenantId, Term, TurnId, Verdict,
};

/// The report of one worker.
#[must_use]
pub fn report(wire: v1::WorkerReport) -> core::WorkerReport {
    core::WorkerReport {
        worker_id: NodeId(wire.worker_id),
        address: wire.address,
        boot_id: wire.boot_id,
        clock_ms: wire.clock_ms,
        replicas: wire.replicas.into_iter().map(replica).collect(),
        archive: wire.archive.into_iter().filter_map(archive).collect(),
        archive_waiting: wire.archive_waiting.into_iter().filter_map(waiting).collect(),
        tasks: wire.tasks.into_iter().filter_map(|t| task(NodeId(wire.worker_id), t)).collect(),
        replica_troubles: wire.replica_troubles.into_iter().filter_map(replica_trouble).collect(),
        free_bytes: wire.free_bytes,
    }
}

fn node(id: u64) -> Option<NodeId> {
    (id != 0).then_some(NodeId(id))
}

fn replica(r: v1::ReplicaReport) -> core::ReplicaReport {
    let standing = match r.standing() {
        v1::ReplicaStanding::Unspecified | v1::ReplicaStanding::Full => ReplicaStanding::Full,
        v1::ReplicaStanding::CatchingUp => ReplicaStanding::CatchingUp,
        v1::ReplicaStanding::Empty => ReplicaStanding::Empty,
    };
    core::ReplicaReport {
        tenant_id: TenantId(r.tenant_id),
        ls_id: LsId(r.ls_id),
        is_leader: r.is_leader,
        term: Term(r.term),
        leader: node(r.leader_node),
        end_lsn: Lsn(r.end_lsn),
        max_scn: Scn(r.max_scn),
        log_start_lsn: Lsn(r.log_start_lsn),
        dictionary_version: r.dictionary_version,
        tablets_version: r.tablets_version,
        restored_dictionary: r.restored_dictionary.map(dictionary),
        replayed_scn: Scn(r.replayed_scn),
        standing,
    }
}

fn replica_trouble(t: v1::ReplicaTrouble) -> Option<((TenantId, LsId), Failure)> {
    Some(((TenantId(t.tenant_id), LsId(t.ls_id)), t.trouble?.into()))
}

fn archive(a: v1::ArchiveProgress) -> Option<core::ArchiveReport> {
    Some(core::ArchiveReport {
        tenant_id: TenantId(a.tenant_id),
        ls_id: LsId(a.ls_id),
        dest_id: DestId(a.dest_id),
        round_id: RoundId(a.round_id),
        term: Term(a.term),
        state: ArchiveLsState::from_wire(a.state).ok()?,
        piece_id: PieceId(a.piece_id),
        start_scn: Scn(a.start_scn),
        start_lsn: Lsn(a.start_lsn),
        archived_lsn: Lsn(a.archived_lsn),
        checkpoint_scn: Scn(a.checkpoint_scn),
        trouble: a.trouble.map(Into::into),
        trouble_since_ms: a.trouble_since_ms,
        requests: a.requests,
        gap: a.gap.map(gap),
        pieces: a.pieces.into_iter().map(|p| (PieceId(p.piece_id), piece(&p))).collect(),
    })
}

fn piece(p: &v1::ArchivedPiece) -> LsPiece {
    LsPiece {
        start_lsn: Lsn(p.start_lsn),
        end_lsn: Lsn(p.end_lsn),
        checkpoint_scn: Scn(p.checkpoint_scn),
        output_bytes: p.output_bytes,
    }
}

fn waiting(w: v1::ArchiveWaiting) -> Option<core::ArchiveWaiting> {
    Some(core::ArchiveWaiting {
        tenant_id: TenantId(w.tenant_id),
        ls_id: LsId(w.ls_id),
        round_id: RoundId(w.round_id),
        trouble: Trouble { failure: w.trouble?.into(), since_ms: w.since_ms },
    })
}

fn gap(g: v1::LogGap) -> LogGap {
    LogGap {
        start_lsn: Lsn(g.start_lsn),
        end_lsn: Lsn(g.end_lsn),
        start_scn: Scn(g.start_scn),
        end_scn: Scn(g.end_scn),
    }
}

fn task(worker: NodeId, t: v1::TaskReport) -> Option<core::TaskReport> {
    let state = match v1::TaskState::try_from(t.state).ok()? {
        v1::TaskState::Unspecified => return None,
        v1::TaskState::Doing => core::TaskState::Doing,
        v1::TaskState::Done => core::TaskState::Done,
        v1::TaskState::Failed => core::TaskState::Failed,
    };
    Some(core::TaskReport {
        key: task_key(worker, &t.id?)?,
        state,
        bytes_total: t.bytes_total,
        bytes_done: t.bytes_done,
        failure: t.failure.map(Into::into),
        result: t.result.and_then(task_result),
        waiting: t.waiting.and_then(|w| Some(Trouble { failure: w.trouble?.into(), since_ms: w.since_ms })),
        answered: t.answered,
    })
}

fn task_key(worker: NodeId, id: &v1::TaskId) -> Option<core::TaskKey> {
    let kind = match v1::TaskKind::try_from(id.kind).ok()? {
        v1::TaskKind::BackupLs => core::TaskKind::BackupLs,
        v1::TaskKind::BackupIndex => core::TaskKind::BackupIndex,
        v1::TaskKind::BackupLog => core::TaskKind::BackupLog,
        v1::TaskKind::Synthetic => core::TaskKind::Synthetic,
        v1::TaskKind::RestoreData => core::TaskKind::RestoreData,
        v1::TaskKind::RestoreLog => core::TaskKind::RestoreLog,
        v1::TaskKind::DestCheck => core::TaskKind::DestCheck,
        v1::TaskKind::Validate => core::TaskKind::Validate,
        v1::TaskKind::Clean => core::TaskKind::Clean,
        v1::TaskKind::Fingerprint => core::TaskKind::Fingerprint,
        v1::TaskKind::RecoverTable => core::TaskKind::RecoverTable,
        _ => return None,
    };
    Some(core::TaskKey {
        job_id: JobId(id.job_id),
        tenant_id: TenantId(id.tenant_id),
        part: kind.part(LsId(id.ls_id), worker),
        kind,
        turn: TurnId(id.turn),
        retry: RetryId(id.retry),
    })
}

fn task_result(result: v1::task_report::Result) -> Option<core::TaskResult> {
    use v1::task_report::Result as R;
    Some(match result {
        R::BackupLs(b) => core::TaskResult::BackupLs(core::BackupLsResult {
            base: b.base.unwrap_or_default().into(),
            checkpoint_scn: Scn(b.checkpoint_scn),
            input_bytes: b.input_bytes,
            output_bytes: b.output_bytes,
            macro_block_count: b.macro_block_count,
            tablet_count: b.tablet_count,
            file_count: b.file_count,
            tablets: b.tablets.into_iter().map(TabletId).collect(),
            ls_meta: b.ls_meta.to_vec(),
            dictionary: b.dictionary.map(dictionary),
        }),
        R::BackupIndex(b) => core::TaskResult::BackupIndex(core::BackupIndexResult {
            file_count: b.file_count,
            output_bytes: b.output_bytes,
        }),
        R::BackupLog(b) => core::TaskResult::BackupLog(backup_tasks::backup_log_result(b)),
        R::RestoreLog(r) => core::TaskResult::RestoreLog(core::RestoreLogResult {
            replayed_scn: Scn(r.replayed_scn),
            replayed_bytes: r.replayed_bytes,
        }),
        R::DestCheck(d) => core::TaskResult::DestCheck(d.findings.into_iter().map(finding).collect::<Option<_>>()?),
        R::Validate(v) => core::TaskResult::Validate(medium_tasks::validate_result(v)),
        R::Clean(c) => core::TaskResult::Clean(core::CleanResult { objects: c.objects, bytes: c.bytes }),
        R::Fingerprint(f) => core::TaskResult::Fingerprint(medium_tasks::fingerprint_result(f)),
        R::RecoverTable(r) => core::TaskResult::RecoverTable(medium_tasks::recover_table_result(r)),
    })
}

fn finding(f: v1::DestFinding) -> Option<DestFinding> {
    let verdict = Verdict::from_wire(f.verdict).ok()?;
    Some(DestFinding { probe: f.probe, verdict, detail: f.detail, took_us: f.took_us })
}

/// A dictionary from the wire.
#[must_use]
pub fn dictionary(d: v1::Dictionary) -> Dictionary {
    let tablet = |t: v1::Tablet| Tablet { id: TabletId(t.tablet_id), ls_id: LsId(t.ls_id) };
    Dictionary {
        version: d.version,
        scn: Scn(d.scn),
        next_tablet: TabletId(d.next_tablet_id),
        tables: d
            .tables
            .into_iter()
            .map(|t| Table {
                id: TableId(t.table_id),
                name: t.name,
                tablets: t.tablets.into_iter().map(tablet).collect(),
            })
            .collect(),
    }
}
