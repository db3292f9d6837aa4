//! SELECT and SHOW.

use super::Executor;
use crate::clock;
use crate::sql::request::Show;
use crate::sql::select::{Rows, mentioned, select};
use strandline_scheduler_core::views::{self, Table, Value};
use strandline_types::{ErrorClass, Failure, TenantId};

impl Executor {
    /// Reads over the views as of now: everything that was committed before is in them. A session of a tenant sees that
    /// tenant's rows only, and what belongs to none.
    pub(super) async fn select(&self, sql: String, session: Option<&str>) -> Result<Rows, Failure> {
        let names = mentioned(&sql, |w| views::NAMES.contains(&w))?;
        // Nobody closes the semaphore; without a seat the read would only be one more.
        let _seat = self.reads.acquire().await.ok();
        self.node.barrier().await?;
        let now_ms = clock::now().as_ms();
        let tables = self.node.read(|state| {
            let tenant = session.map(|name| state.tenant_by_name(name).map(|t| t.id)).transpose()?;
            let seen = names.into_iter().filter_map(|name| {
                let mut view = views::view(state, now_ms, &name)?;
                if let Some(tenant) = tenant {
                    keep_rows_of(&mut view, tenant);
                }
                Some((name, view))
            });
            Ok::<Vec<_>, Failure>(seen.collect())
        })?;
        let selected = tokio::task::spawn_blocking(move || select(&sql, &tables)).await;
        selected.map_err(|e| Failure::new(ErrorClass::Transient, format!("the read ended badly: {e}"), "SELECT", ""))?
    }
}

fn keep_rows_of(view: &mut Table, tenant: TenantId) {
    if let Some(at) = view.columns.iter().position(|c| *c == "TENANT_ID") {
        view.rows.retain(|row| row[at] == Value::Uint(tenant.0));
    }
}

/// `SHOW …`.
pub fn show(what: Show) -> Rows {
    let (column, names): (&str, &[&str]) = match what {
        Show::Tables => ("Tables_in_oceanbase", views::NAMES),
        Show::Databases => ("Database", &["oceanbase"]),
        // The preview is the leader's answer; it does not come here.
        Show::RestorePreview | Show::Empty => ("Value", &[]),
    };
    let rows = names.iter().map(|n| vec![Value::Text((*n).to_owned())]).collect();
    Rows { columns: vec![column.to_owned()], rows }
}
