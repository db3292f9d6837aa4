//! `strandline sql -e '…'`: statements in, tables or JSON out.

use crate::Outcome;
use crate::admin::Admin;
use crate::args::{ClientArgs, SqlArgs};
use crate::{endpoints, output};
use std::time::Duration;

/// Runs the statements in order; the first failure ends it.
pub async fn run(client: &ClientArgs, args: SqlArgs) -> Outcome<()> {
    let admin = Admin::new(&endpoints::schedulers(client)?)?.of_tenant(session(&args.tenant));
    let mut admin = admin.patient(Duration::from_secs(client.timeout));
    for statement in &args.execute {
        output::print_reply(&admin.sql(statement).await?, client.output)?;
    }
    Ok(())
}

/// On the wire a session of `sys` has no tenant.
fn session(tenant: &str) -> &str {
    if tenant.eq_ignore_ascii_case("sys") { "" } else { tenant }
}
