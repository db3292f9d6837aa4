//! From a job of whatever kind to what its kind knows of it.

use super::list::of_job;
use super::logic::JobLogic;
use super::task_run::TaskRun;
use crate::state::{Job, State, Trouble};
use std::fmt;

impl Job {
    /// What its kind knows of it.
    #[must_use]
    pub(crate) fn logic(&self) -> &dyn JobLogic {
        of_job!(self, job => job)
    }
}

impl State {
    /// Every job, running and ended.
    pub(crate) fn all_jobs(&self) -> impl Iterator<Item = &dyn JobLogic> {
        self.jobs.values().map(Job::logic)
    }

    /// The same kind by kind, each by id.
    pub(crate) fn jobs_by_kind(&self) -> Vec<&Job> {
        let mut jobs: Vec<&Job> = self.jobs.values().collect();
        jobs.sort_by_key(|job| job.kind());
        jobs
    }
}

impl dyn JobLogic + '_ {
    /// Everything that holds it up: the scheduler's own work first, then its tasks.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.head().trouble.iter().chain(self.head().runs.values().filter_map(|run: &TaskRun| run.trouble.as_ref()))
    }

    /// True while it runs or, ended, has still something to write.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        self.is_running() || self.is_closing()
    }
}

impl fmt::Display for dyn JobLogic + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who().fmt(f)
    }
}
