//! Cleaning and validation statements.

use super::{Answer, Executor};
use crate::clock;
use crate::sql::request::Tenants;
use crate::sql::request::clean::{CleanRequest, DeleteWhat, PolicyText};
use crate::sql::select::Rows;
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::{CleanWhat, Destination, JobKind};
use strandline_scheduler_core::{Action, views};
use strandline_types::{Address, DestId, ErrorClass, Failure, TenantId};

impl Executor {
    /// Does what is asked for about cleaning.
    pub(super) async fn clean(&self, request: CleanRequest, session: Option<&str>) -> Result<Answer, Failure> {
        match request {
            CleanRequest::AddPolicy { tenants, policy, preview: true } => {
                let policy = policy_of(&policy)?;
                let now_ms = clock::now().as_ms();
                let of_one = |tenant| self.node.read(|s| views::policy_preview(s, tenant, &policy, now_ms));
                self.previews(&tenants, session, of_one).map(Answer::Rows)
            }
            CleanRequest::AddPolicy { tenants, policy, preview: false } => {
                let policy = policy_of(&policy)?;
                self.for_each(&tenants, session, |tenant| Action::AddCleanPolicy { tenant, policy })
                    .await
                    .map(Answer::Done)
            }
            CleanRequest::DropPolicy { tenants, name } => {
                let drop = |tenant| Action::DropCleanPolicy { tenant, name: name.clone() };
                self.for_each(&tenants, session, drop).await.map(Answer::Done)
            }
            CleanRequest::Cancel(tenants) => self
                .for_each(&tenants, session, |tenant| Action::CancelJob { kind: JobKind::Clean, tenant })
                .await
                .map(Answer::Done),
            CleanRequest::Delete { tenants, what, preview: true, .. } => {
                self.clean_preview(&tenants, &what, session).map(Answer::Rows)
            }
            CleanRequest::Delete { tenants, what, description, preview: false } => {
                self.check_ids_are_of_one(&tenants, &what, session)?;
                let start = |tenant| -> Result<Action, Failure> {
                    let what = self.clean_what(tenant, &what)?;
                    Ok(Action::StartClean { tenant, what, description: description.clone() })
                };
                self.try_for_each(&tenants, session, start).await.map(Answer::Done)
            }
        }
    }

    /// Every tenant numbers its sets and pieces from 1: set 1 of all tenants is what nobody means.
    fn check_ids_are_of_one(&self, tenants: &Tenants, what: &DeleteWhat, session: Option<&str>) -> Result<(), Failure> {
        let has_ids = matches!(what, DeleteWhat::Sets(_) | DeleteWhat::Pieces(..));
        let all = self.tenants(tenants, session)?;
        if !has_ids || all.len() == 1 {
            return Ok(());
        }
        let names: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
        let todo = "add TENANT = <name>";
        Err(Failure::new(
            ErrorClass::Invalid,
            "ids are each tenant's own, and several are meant",
            names.join(", "),
            todo,
        ))
    }

    fn clean_preview(&self, tenants: &Tenants, what: &DeleteWhat, session: Option<&str>) -> Result<Rows, Failure> {
        self.check_ids_are_of_one(tenants, what, session)?;
        let now_ms = clock::now().as_ms();
        self.previews(tenants, session, |tenant| {
            let what = self.clean_what(tenant, what)?;
            self.node.read(|s| views::clean_preview(s, tenant, &what, now_ms))
        })
    }

    /// The verdicts of all tenants that are meant.
    fn previews(
        &self,
        tenants: &Tenants,
        session: Option<&str>,
        of_one: impl Fn(TenantId) -> Result<views::Table, Failure>,
    ) -> Result<Rows, Failure> {
        let mut all = Rows { columns: Vec::new(), rows: Vec::new() };
        for (tenant, _) in self.tenants(tenants, session)? {
            let table = of_one(tenant)?;
            all.columns = table.columns.iter().map(|c| (*c).to_owned()).collect();
            all.rows.extend(table.rows);
        }
        Ok(all)
    }

    fn clean_what(&self, tenant: TenantId, what: &DeleteWhat) -> Result<CleanWhat, Failure> {
        Ok(match what {
            DeleteWhat::Sets(ids) => CleanWhat::Sets(ids.clone()),
            DeleteWhat::Pieces(ids, None) => CleanWhat::Pieces(ids.clone()),
            DeleteWhat::Pieces(ids, Some(uri)) => CleanWhat::PiecesOf(self.dest_of_tenant(tenant, uri)?, ids.clone()),
            DeleteWhat::Obsolete => CleanWhat::Obsolete,
            DeleteWhat::AllData(uri) | DeleteWhat::AllLog(uri) => CleanWhat::All(self.dest_of_tenant(tenant, uri)?),
        })
    }

    /// A destination that the tenant has or had, by its address without keys.
    pub(super) fn dest_of_tenant(&self, tenant: TenantId, uri: &str) -> Result<DestId, Failure> {
        let named = Address::parse(uri)?.uri;
        let is_it = |d: &&Destination| d.tenant_id == tenant && d.uri.is_same_place(&named);
        let found = self.node.read(|s| s.destinations.values().find(is_it).map(|d| d.id));
        found.ok_or_else(|| {
            let todo = "see CDB_OB_ARCHIVE_DEST and CDB_OB_BACKUP_SET_FILES for the paths of the tenant";
            Failure::new(ErrorClass::NotFound, "the tenant never had this destination", named.to_string(), todo)
        })
    }
}

fn policy_of(text: &PolicyText) -> Result<Policy, Failure> {
    let log_only = match text.name.to_ascii_lowercase().as_str() {
        "default" => false,
        "log_only" => true,
        _ => {
            let what = format!("'{}' is not a delete policy", text.name);
            return Err(Failure::new(ErrorClass::Invalid, what, text.name.clone(), "use 'default' or 'log_only'"));
        }
    };
    let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Policy {
        window_ns: text.window_ms.saturating_mul(1_000_000),
        redundancy: clamp(text.redundancy),
        keep_weekly: clamp(text.keep_weekly),
        keep_monthly: clamp(text.keep_monthly),
        keep_yearly: clamp(text.keep_yearly),
        log_only,
    })
}
