//! The core's orders to the wire.

use super::{backup_tasks, medium_tasks};
use strandline_proto::{OnWire, v1};
use strandline_scheduler_core as core;
use strandline_scheduler_core::state::{Dictionary, Encryption};

/// The orders of one worker; the caller adds who leads in which term.
#[must_use]
pub fn orders(o: core::Orders) -> v1::WorkerOrders {
    v1::WorkerOrders {
        is_leader: true,
        workers: o.workers.into_iter().map(|(id, address)| v1::Peer { node_id: id.0, address }).collect(),
        replicas: o.replicas.into_iter().map(replica).collect(),
        rounds: o.rounds.into_iter().map(round).collect(),
        tasks: o.tasks.into_iter().map(task).collect(),
        ..v1::WorkerOrders::default()
    }
}

fn replica(r: core::ReplicaOrder) -> v1::ReplicaOrder {
    let tablets_after_scn = r.tablets.as_ref().map_or(0, |t| t.after_scn.0);
    v1::ReplicaOrder {
        tenant_id: r.tenant_id.0,
        ls_id: r.ls_id.0,
        members: r.members.into_iter().map(|n| n.0).collect(),
        bootstrap: r.bootstrap,
        keep_alive_scn: r.keep_alive_scn.0,
        recycle_lsn: r.recycle_lsn.0,
        log_bytes_max: r.log_bytes_max,
        dictionary: r.dictionary.map(dictionary),
        restore: r.restore.map(|r| v1::RestoreOrder { job_id: r.job_id.0, base: Some(r.base.into()), start: r.start }),
        open: r.open,
        read_only: r.read_only,
        tablets: r.tablets.map(|t| v1::TabletList {
            version: t.version,
            next_tablet_id: t.next_tablet.0,
            tablet_ids: t.tablets.into_iter().map(|id| id.0).collect(),
        }),
        tablets_after_scn,
        rebuild: r.rebuild,
        hand_over_to: r.hand_over_to.map_or(0, |n| n.0),
        held_back: r.held_back,
    }
}

fn round(r: core::RoundOrder) -> v1::RoundOrder {
    v1::RoundOrder {
        tenant_id: r.tenant_id.0,
        dest_id: r.dest_id.0,
        round_id: r.round_id.0,
        work: round_work(r.work).into(),
        dest_uri: r.uri,
        start_scn: r.clock.round_start.0,
        base_piece_id: r.clock.base_piece.0,
        piece_interval_ns: r.clock.interval_ns,
        lag_target_ms: r.lag_target_ms,
        log_streams: r
            .log_streams
            .into_iter()
            .map(|l| v1::LsResume {
                ls_id: l.ls_id.0,
                piece_id: l.piece_id.0,
                piece_start_lsn: l.piece_start_lsn.0,
                start_lsn: l.start_lsn.0,
                archived_lsn: l.archived_lsn.0,
                checkpoint_scn: l.checkpoint_scn.0,
                stopped: l.stopped,
            })
            .collect(),
        dest_no: r.dest_no.0.into(),
        compression: r.compression.on_wire(),
        cipher: cipher(&r.encryption).into(),
        key_source: r.encryption.key_source().to_owned(),
        access: r.access.reveal().to_owned(),
        concurrency: r.concurrency,
        owner: Some(r.owner.into()),
    }
}

const fn round_work(work: core::RoundWork) -> v1::RoundWork {
    match work {
        core::RoundWork::Write => v1::RoundWork::Write,
        core::RoundWork::Stop => v1::RoundWork::Stop,
        core::RoundWork::Suspend => v1::RoundWork::Suspend,
    }
}

const fn cipher(encryption: &Encryption) -> v1::Cipher {
    match encryption {
        Encryption::None => v1::Cipher::None,
        Encryption::Aes256 { .. } => v1::Cipher::Aes256Gcm,
    }
}

fn task(t: core::TaskOrder) -> v1::TaskOrder {
    v1::TaskOrder { id: Some(task_id(&t.key)), spec: Some(spec(t.spec)) }
}

fn task_id(key: &core::TaskKey) -> v1::TaskId {
    let kind = match key.kind {
        core::TaskKind::BackupLs => v1::TaskKind::BackupLs,
        core::TaskKind::BackupIndex => v1::TaskKind::BackupIndex,
        core::TaskKind::BackupLog => v1::TaskKind::BackupLog,
        core::TaskKind::Synthetic => v1::TaskKind::Synthetic,
        core::TaskKind::RestoreData => v1::TaskKind::RestoreData,
        core::TaskKind::RestoreLog => v1::TaskKind::RestoreLog,
        core::TaskKind::DestCheck => v1::TaskKind::DestCheck,
        core::TaskKind::Validate => v1::TaskKind::Validate,
        core::TaskKind::Clean => v1::TaskKind::Clean,
        core::TaskKind::Fingerprint => v1::TaskKind::Fingerprint,
        core::TaskKind::RecoverTable => v1::TaskKind::RecoverTable,
    };
    v1::TaskId {
        job_id: key.job_id.0,
        tenant_id: key.tenant_id.0,
        ls_id: key.part.ls_number().0,
        kind: kind.into(),
        turn: key.turn.0,
        retry: key.retry.0,
    }
}

fn spec(spec: core::TaskSpec) -> v1::task_order::Spec {
    use v1::task_order::Spec;
    match spec {
        core::TaskSpec::BackupLs(s) => Spec::BackupLs(backup_tasks::backup_ls(s)),
        core::TaskSpec::BackupIndex(s) => Spec::BackupIndex(backup_tasks::backup_index(s)),
        core::TaskSpec::BackupLog(s) => Spec::BackupLog(backup_tasks::backup_log(s)),
        core::TaskSpec::Synthetic(s) => Spec::Synthetic(backup_tasks::synthetic(s)),
        core::TaskSpec::RestoreData(s) => Spec::RestoreData(medium_tasks::restore_data(s)),
        core::TaskSpec::RestoreLog(s) => Spec::RestoreLog(medium_tasks::restore_log(s)),
        core::TaskSpec::DestCheck(s) => {
            let (access, owner) = (s.access.reveal().to_owned(), s.owner.map(Into::into));
            Spec::DestCheck(v1::DestCheckSpec { dest_uri: s.uri, access, owner, key_source: s.key_source })
        }
        core::TaskSpec::Validate(s) => Spec::Validate(medium_tasks::validate(s)),
        core::TaskSpec::Clean(s) => Spec::Clean(medium_tasks::clean(s)),
        core::TaskSpec::Fingerprint(s) => Spec::Fingerprint(v1::FingerprintSpec { scn: s.scn.0 }),
        core::TaskSpec::RecoverTable(s) => Spec::RecoverTable(medium_tasks::recover_table(*s)),
    }
}

/// A dictionary to the wire. Its SCN is decided when the log stream logs it.
fn dictionary(d: Dictionary) -> v1::Dictionary {
    v1::Dictionary {
        version: d.version,
        scn: d.scn.0,
        next_tablet_id: d.next_tablet.0,
        tables: d
            .tables
            .into_iter()
            .map(|t| v1::Table {
                table_id: t.id.0,
                name: t.name,
                tablets: t.tablets.into_iter().map(|t| v1::Tablet { tablet_id: t.id.0, ls_id: t.ls_id.0 }).collect(),
            })
            .collect(),
    }
}
