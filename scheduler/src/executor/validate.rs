//! VALIDATE: which sets and pieces are looked at, of the tenant's own destinations or of any other.

use super::Executor;
use crate::executor::statements::said;
use crate::session::Settings;
use crate::sql::request::clean::{ValidateRequest, ValidateWhat};
use strandline_scheduler_core::state::{MediumObject, State, ValidateKind};
use strandline_scheduler_core::{Action, MediumName, StartValidate};
use strandline_types::{BackupSetStatus, ErrorClass, Failure, FileStatus, LsId, TenantId};

impl Executor {
    /// Starts a validation job per tenant.
    pub(super) async fn validate(
        &self,
        request: ValidateRequest,
        session: Option<&str>,
        settings: &Settings,
    ) -> Result<String, Failure> {
        let (kind, ids) = match &request.what {
            ValidateWhat::Database => (ValidateKind::Database, &Vec::new()),
            ValidateWhat::Sets(ids) => (ValidateKind::BackupSet, ids),
            ValidateWhat::Pieces(ids) => (ValidateKind::Piece, ids),
        };
        let mut done = Vec::new();
        for (tenant, name) in self.tenants(&request.tenants, session)? {
            let objects = self.node.read(|s| own_objects(s, tenant, kind));
            let objects = by_ids(objects, ids)?;
            let keys = self.keys_of(&objects, settings).await?;
            let start = StartValidate {
                tenant,
                kind,
                level: request.level,
                path: request.dest.clone().unwrap_or_default(),
                description: request.description.clone(),
                objects,
                keys,
            };
            let action = Action::StartValidate(Box::new(start));
            done.push(format!("{name}: {}", said(&self.node.act(action).await?)));
        }
        Ok(done.join("; "))
    }
}
