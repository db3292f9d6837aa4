//! `SET archive_lag_target` and `SET log_archive_concurrency`.

use crate::sql::clauses::Tenants;
use crate::sql::quantities::duration_ms;
use crate::statements::answer::clamp;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::Failure;

pub const SET_LAG: Syntax = Syntax {
    words: &["ALTER SYSTEM SET ARCHIVE_LAG_TARGET"],
    rest: "= '<n>ms|s|m|h' [TENANT = <tenant>]",
    about: "Bounds the age of log that is not archived.",
    parse: |c| {
        let lag_target_ms = duration_ms(&c.word_value("a text '<n>ms|s|m|h'")?)?;
        let tenant = c.tenant_clause()?;
        Statement::command(c, SetArchiveLag { tenant, lag_target_ms })
    },
};

pub const SET_CONCURRENCY: Syntax = Syntax {
    words: &["ALTER SYSTEM SET LOG_ARCHIVE_CONCURRENCY"],
    rest: "= <n> [TENANT = <tenant>, … | all]",
    about: "Bounds the appends under way per worker and destination; 0 = by the worker's CPU.",
    parse: |c| {
        let threads = c.number_value("a number of threads, 0 = by the worker's CPU")?;
        let tenants = c.tenants_clause()?;
        Statement::command(c, SetArchiveConcurrency { tenants, threads })
    },
};

/// `SET archive_lag_target`.
#[derive(Debug, PartialEq, Eq)]
pub struct SetArchiveLag {
    /// The tenant.
    pub tenant: Option<String>,
    /// Milliseconds.
    pub lag_target_ms: u64,
}

/// `SET log_archive_concurrency`.
#[derive(Debug, PartialEq, Eq)]
pub struct SetArchiveConcurrency {
    /// The tenants.
    pub tenants: Tenants,
    /// Threads per worker; 0 = by its CPU.
    pub threads: u64,
}

#[async_trait]
impl Command for SetArchiveLag {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(self.tenant.as_deref())?;
        let lag_target_ms = self.lag_target_ms;
        cx.node.act(Action::SetArchiveLag { tenant, lag_target_ms }).await?;
        Ok(format!("archive_lag_target of {name} is {lag_target_ms} ms"))
    }
}

#[async_trait]
impl Command for SetArchiveConcurrency {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let threads = clamp(self.threads);
        cx.for_each(&self.tenants, |tenant| Action::SetArchiveConcurrency { tenant, threads }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn parameters_of_archiving_are_set() {
        let lag = SetArchiveLag { tenant: Some("t1".into()), lag_target_ms: 120_000 };
        assert_eq!(command("ALTER SYSTEM SET archive_lag_target = '120s' TENANT = t1"), Ok(lag));
        let concurrency = SetArchiveConcurrency { tenants: Tenants::All, threads: 4 };
        assert_eq!(command("ALTER SYSTEM SET log_archive_concurrency = 4 TENANT = all_user"), Ok(concurrency));
    }
}
