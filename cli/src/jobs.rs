//! `sql --wait`: until the jobs that a statement started have ended, and how they ended.
//!
//! It looks at the views that any administrator has, as `sys`, so that jobs of every tenant are seen. Every job ends by
//! itself: one that does not come a step further for an hour fails.

use crate::Outcome;
use crate::admin::Admin;
use std::time::Duration;
use strandline_types::{ErrorClass, Failure};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Views of ended jobs, and their columns with the job.
const ENDED: [(&str, &str); 6] = [
    ("CDB_OB_BACKUP_JOB_HISTORY", "JOB_ID"),
    ("CDB_OB_RESTORE_HISTORY", "JOB_ID"),
    ("CDB_OB_RECOVER_TABLE_JOB_HISTORY", "JOB_ID"),
    ("CDB_OB_BACKUP_VALIDATE_JOB_HISTORY", "JOB_ID"),
    ("CDB_OB_BACKUP_DELETE_JOB_HISTORY", "JOB_ID"),
    ("CDB_STRANDLINE_RESTORE_DRILLS", "DRILL_ID"),
];

/// How a job stands.
#[derive(Debug, PartialEq, Eq)]
enum Status {
    Running,
    Good,
    Bad,
}

impl Status {
    fn of(word: &str) -> Self {
        match word {
            "COMPLETED" | "SUCCESS" | "PROVEN" => Self::Good,
            "FAILED" | "FAIL" | "CANCELED" => Self::Bad,
            _ => Self::Running,
        }
    }
}

/// Waits until all of them have ended: those that did not succeed, with the words of their views.
pub async fn wait(admin: &mut Admin, mut jobs: Vec<u64>) -> Outcome<Vec<Failure>> {
    let mut bad = Vec::new();
    while !jobs.is_empty() {
        let mut running = Vec::new();
        for job in jobs {
            match look(admin, job).await? {
                (Status::Running, _) => running.push(job),
                (Status::Good, message) => eprintln!("strandline: job {job}: {message}"),
                (Status::Bad, message) => bad.push(not_done(job, &message)),
            }
        }
        jobs = running;
        if !jobs.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(bad)
}

async fn look(admin: &mut Admin, job: u64) -> Outcome<(Status, String)> {
    for (view, column) in ENDED {
        let rows = admin.query(&format!("SELECT STATUS, COMMENT FROM {view} WHERE {column} = {job}")).await?;
        if !rows.is_empty() {
            let (status, comment) = (rows.text(0, "STATUS"), rows.text(0, "COMMENT"));
            let message = if comment.is_empty() { status.clone() } else { format!("{status}: {comment}") };
            return Ok((Status::of(&status), message));
        }
    }
    Ok((Status::Running, String::new()))
}

fn not_done(job: u64, message: &str) -> Failure {
    let todo = "see the reason and CDB_STRANDLINE_WAITING; what it left is never used";
    Failure::new(ErrorClass::Invalid, format!("the job ended as {message}"), format!("job {job}"), todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_ended_only_with_a_word_that_says_so() {
        for (word, status) in [
            ("COMPLETED", Status::Good),
            ("SUCCESS", Status::Good),
            ("PROVEN", Status::Good),
            ("FAILED", Status::Bad),
            ("FAIL", Status::Bad),
            ("CANCELED", Status::Bad),
            ("CANCELING", Status::Running),
            ("RESTORING", Status::Running),
        ] {
            assert_eq!(Status::of(word), status, "{word}");
        }
    }
}
