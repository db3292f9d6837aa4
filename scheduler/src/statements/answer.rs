//! The text of an answer: what was done, by the outcome of the core.

use strandline_scheduler_core::Done;

/// A number that does not fit becomes the largest one: it is out of every bound, and the core's refusal names the bound.
#[must_use]
pub fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What was done.
#[must_use]
pub fn done_text(done: &Done) -> String {
    match done {
        Done::Ok => "done".to_owned(),
        Done::Nothing => "nothing to change".to_owned(),
        Done::Tenant(id) => format!("tenant id {id}"),
        Done::Table(id) => format!("table id {id}"),
        Done::Dest(id) => format!("destination id {id}"),
        Done::DestCheck(id) => format!("check {id} of the destination from every worker"),
        Done::Round(id) => format!("archive round {id}"),
        Done::BackupJob(id) | Done::Initiator { job: id, .. } => format!("backup job {id}"),
        Done::RestoreJob(id) => format!("restore job {id}"),
        Done::RecoverTableJob(id) => format!("table recovery job {id}"),
        Done::Imported(id) => format!("imported under tenant id {id}"),
        Done::Drill(id) => format!("restore drill {id}"),
        Done::CleanJob(id) => format!("cleaning job {id}"),
        Done::ValidateJob(id) => format!("validation job {id}"),
    }
}

/// The jobs that the answer to a statement names, in the words of `done_text`: what a client can wait for.
#[must_use]
pub fn jobs_named(answer: &str) -> Vec<u64> {
    let words: Vec<&str> = answer.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let id_after = |pair: &[&str]| matches!(pair[0], "job" | "drill").then(|| pair[1].parse().ok()).flatten();
    words.windows(2).filter_map(id_after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::{DestId, JobId, TableId, TenantId};

    #[test]
    fn every_job_that_an_answer_speaks_of_can_be_waited_for() {
        let job = JobId(7);
        let jobs = [
            Done::BackupJob(job),
            Done::RestoreJob(job),
            Done::RecoverTableJob(job),
            Done::Drill(job),
            Done::CleanJob(job),
            Done::ValidateJob(job),
        ];
        for done in jobs {
            assert_eq!(jobs_named(&format!("t1: {}", done_text(&done))), [7], "{done:?}");
        }
        for done in [Done::Ok, Done::Nothing, Done::Tenant(TenantId(7)), Done::Table(TableId(7)), Done::Dest(DestId(7))]
        {
            assert_eq!(jobs_named(&format!("t1: {}", done_text(&done))), [0_u64; 0], "{done:?}");
        }
        assert_eq!(jobs_named("backup job 5 of sys; t1: backup job 6; t2: not started: it is busy"), [5, 6]);
    }
}
