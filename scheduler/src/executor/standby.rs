//! Statements about standby tenants and restore drills.

use super::Executor;
use super::destinations::opened;
use crate::executor::statements::said;
use crate::sql::request::restore::{DrillRequest, StandbyRequest};
use strandline_media::identity;
use strandline_scheduler_core::Action;
use strandline_scheduler_core::state::JobKind;
use strandline_types::{ErrorClass, Failure};

impl Executor {
    pub(super) async fn standby(&self, request: StandbyRequest, session: Option<&str>) -> Result<String, Failure> {
        let (StandbyRequest::Recover { tenant, .. }
        | StandbyRequest::Stop { tenant }
        | StandbyRequest::Activate { tenant }
        | StandbyRequest::SetSource { tenant, .. }) = &request;
        let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
        let (action, done) = match request {
            StandbyRequest::Recover { until, .. } => (
                Action::RecoverStandby { tenant, until },
                "follows its source; CDB_STRANDLINE_WAITING says what it waits for when it comes no further",
            ),
            StandbyRequest::Stop { .. } => (Action::StopStandby { tenant }, "stands still"),
            StandbyRequest::Activate { .. } => (Action::ActivateStandby { tenant }, "is being activated"),
            StandbyRequest::SetSource { uri, .. } => {
                let (from, medium) = opened(&uri)?;
                let is_archive = identity::read(medium.as_ref())
                    .await?
                    .is_some_and(|f| f.dest_type == identity::DestType::Archive.name());
                if !is_archive {
                    let todo = "give the uri of a log archive";
                    return Err(Failure::new(ErrorClass::Invalid, "there is no archive", medium.uri(), todo));
                }
                (Action::SetRestoreSource { tenant, from }, "has another log restore source")
            }
        };
        self.node.act(action).await?;
        Ok(format!("{name} {done}"))
    }

    pub(super) async fn drill(&self, request: DrillRequest, session: Option<&str>) -> Result<String, Failure> {
        let (DrillRequest::Run { tenant }
        | DrillRequest::Every { tenant, .. }
        | DrillRequest::At { tenant, .. }
        | DrillRequest::Cancel { tenant }) = &request;
        let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
        let action = match request {
            DrillRequest::Run { .. } => Action::StartDrill { tenant, last_ms: None },
            DrillRequest::Every { interval_ms, .. } => Action::SetDrillInterval { tenant, interval_ms },
            DrillRequest::At { cron, time_zone, .. } => Action::SetDrillSchedule { tenant, cron, time_zone },
            DrillRequest::Cancel { .. } => Action::CancelJob { kind: JobKind::Drill, tenant },
        };
        let done = self.node.act(action).await?;
        Ok(format!("{name}: {}", said(&done)))
    }
}
