//! Conversions between messages and nouns. Total in the direction noun → message; a message that cannot be a noun
//! becomes the noun's "unknown" where it has one.

use crate::v1;
use strandline_types::{
    ClusterId, DestId, DestOwner, ErrorClass, Failure, JobId, LsId, Lsn, PalfBase, RetryId, Scn, TenantId, TurnId,
};

impl From<Failure> for v1::Failure {
    fn from(f: Failure) -> Self {
        Self { class: f.class.number(), code: f.code, what: f.what, object: f.object, todo: f.todo }
    }
}

impl From<v1::Failure> for Failure {
    fn from(f: v1::Failure) -> Self {
        Self { class: ErrorClass::from_number(f.class), code: f.code, what: f.what, object: f.object, todo: f.todo }
    }
}

impl From<DestOwner> for v1::DestOwner {
    fn from(o: DestOwner) -> Self {
        Self { cluster_id: o.cluster_id.0, tenant_id: o.tenant_id.0, dest_id: o.dest_id.0 }
    }
}

impl From<v1::DestOwner> for DestOwner {
    fn from(o: v1::DestOwner) -> Self {
        Self { cluster_id: ClusterId(o.cluster_id), tenant_id: TenantId(o.tenant_id), dest_id: DestId(o.dest_id) }
    }
}

impl From<PalfBase> for v1::PalfBase {
    fn from(b: PalfBase) -> Self {
        Self {
            lsn: b.lsn.0,
            prev_log_id: b.prev_log_id,
            prev_accumulated_checksum: b.prev_accumulated_checksum,
            prev_scn: b.prev_scn.0,
        }
    }
}

impl From<v1::PalfBase> for PalfBase {
    fn from(b: v1::PalfBase) -> Self {
        Self {
            lsn: Lsn(b.lsn),
            prev_log_id: b.prev_log_id,
            prev_accumulated_checksum: b.prev_accumulated_checksum,
            prev_scn: Scn(b.prev_scn),
        }
    }
}

/// Identity of a task: what fences an old executor (docs/protocols.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// Job.
    pub job_id: JobId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// Log stream; 0 = the tenant as a whole.
    pub ls_id: LsId,
    /// `v1::TaskKind` number.
    pub kind: i32,
    /// Turn.
    pub turn: TurnId,
    /// Retry.
    pub retry: RetryId,
}

impl From<&v1::TaskId> for TaskKey {
    fn from(t: &v1::TaskId) -> Self {
        Self {
            job_id: JobId(t.job_id),
            tenant_id: TenantId(t.tenant_id),
            ls_id: LsId(t.ls_id),
            kind: t.kind,
            turn: TurnId(t.turn),
            retry: RetryId(t.retry),
        }
    }
}

impl From<TaskKey> for v1::TaskId {
    fn from(k: TaskKey) -> Self {
        Self {
            job_id: k.job_id.0,
            tenant_id: k.tenant_id.0,
            ls_id: k.ls_id.0,
            kind: k.kind,
            turn: k.turn.0,
            retry: k.retry.0,
        }
    }
}
