//! `strandline sql -e '…'`: statements in, tables or JSON out.

use crate::Outcome;
use crate::admin::Admin;
use crate::args::{ClientArgs, SqlArgs};
use crate::{endpoints, exit, jobs, output};
use strandline_scheduler::jobs_named;

/// Runs the statements in order; the first failure ends it. With `--wait` a job that did not succeed is one.
pub async fn run(client: &ClientArgs, args: SqlArgs) -> Outcome<()> {
    let schedulers = endpoints::schedulers(client)?;
    let patience = client.patience();
    let mut admin = Admin::new(&schedulers)?.of_tenant(session(&args.tenant)).patient(patience);
    for statement in &args.execute {
        let reply = admin.sql(statement).await?;
        output::print_reply(&reply, client.form())?;
        if args.wait {
            let mut sys = Admin::new(&schedulers)?.patient(patience);
            let bad = jobs::wait(&mut sys, jobs_named(&reply.info)).await?;
            if let Some((last, others)) = bad.split_last() {
                others.iter().for_each(|failure| eprintln!("strandline: {failure}"));
                exit::now(exit::JOB_FAILED, Some(last));
            }
        }
    }
    Ok(())
}

/// On the wire a session of `sys` has no tenant.
fn session(tenant: &str) -> &str {
    if tenant.eq_ignore_ascii_case("sys") { "" } else { tenant }
}
