//! Where the time of a job goes: its stages as the schedulers noted them, and for how long workers worked in each.
//!
//! A stage begins and ends with a decision of the leading scheduler, which the event history tells to the millisecond. A
//! worker counts the time in which it has tasks of a kind to do; the busiest worker counts here. What is left of a stage
//! is waiting: orders and reports on their way, elections, the archive's checkpoint, small files that a scheduler writes.

use crate::Outcome;
use crate::admin::Admin;
use crate::cluster::Cluster;
use crate::scrape;
use serde::Serialize;
use std::time::Duration;
use strandline_types::parse_time_text;

const BUSY_MS: &str = "strandline_task_busy_milliseconds_total";
/// What comes before the first decision: the statement is read, sources are looked at, places are chosen.
const STATEMENT: &str = "STATEMENT";

/// A kind of job: its module in the event history, and the stages in which workers have tasks to do.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    module: &'static str,
    work: [(&'static str, &'static str); 2],
}

/// Data backups.
pub const BACKUP: Kind = Kind {
    module: "backup_data",
    work: [("BACKUP_USER_DATA", "TASK_KIND_BACKUP_LS"), ("BACKUP_FUSE_TABLET_META", "TASK_KIND_BACKUP_INDEX")],
};
/// Restores.
pub const RESTORE: Kind = Kind {
    module: "physical_restore",
    work: [(BASELINE, "TASK_KIND_RESTORE_DATA"), ("RESTORE_WAIT_LS", "TASK_KIND_RESTORE_LOG")],
};
/// The stage of a restore in which every replica gets its baseline.
pub const BASELINE: &str = "RESTORE_CREATE_INIT_LS";

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// As views name it.
    pub stage: String,
    /// How long it took.
    pub ms: f64,
    /// For how long workers worked in it.
    pub worked_ms: f64,
}

/// A job and its stages, in order.
#[derive(Clone, Debug, Default)]
pub struct Timed {
    /// From the statement until the client saw its end.
    pub wall: Duration,
    /// The stages.
    pub stages: Vec<Stage>,
}

impl Timed {
    /// The part of the whole time in which no worker worked.
    pub fn waiting_share(&self) -> f64 {
        let worked: f64 = self.stages.iter().map(|s| s.worked_ms).sum();
        (1.0 - worked / 1000.0 / self.wall.as_secs_f64().max(1e-6)).clamp(0.0, 1.0)
    }

    /// Time from the statement to the end of a stage.
    pub fn until_end_of(&self, stage: &str) -> Duration {
        let last = self.stages.iter().rposition(|s| s.stage == stage).map_or(0, |at| at + 1);
        Duration::from_secs_f64(self.stages.iter().take(last).map(|s| s.ms).sum::<f64>() / 1000.0)
    }
}

/// How busy workers were before a job.
#[derive(Debug)]
pub struct Before {
    kind: Kind,
    busy_ms: [Vec<f64>; 2],
}

impl Before {
    /// Looks at the counters.
    pub fn look(cluster: &Cluster, kind: Kind) -> Self {
        Self { kind, busy_ms: busy_ms(cluster, kind) }
    }

    /// The stages of a job that has ended.
    pub async fn stages_of(&self, cluster: &Cluster, admin: &mut Admin, job: u64, wall: Duration) -> Outcome<Timed> {
        let noted = noted(admin, self.kind.module, job).await?;
        let now = busy_ms(cluster, self.kind);
        let worked = |stage: &str| {
            let nth = self.kind.work.iter().position(|(name, _)| *name == stage)?;
            now[nth].iter().zip(&self.busy_ms[nth]).map(|(now, before)| now - before).reduce(f64::max)
        };
        let stages = stages(&noted, wall);
        let stages = stages.into_iter().map(|(stage, ms)| {
            let worked_ms = worked(&stage).unwrap_or(0.0).clamp(0.0, ms);
            Stage { stage, ms, worked_ms }
        });
        Ok(Timed { wall, stages: stages.collect() })
    }
}

/// Every decision about a job: when it was made, and what the job's stage was from then on.
async fn noted(admin: &mut Admin, module: &str, job: u64) -> Outcome<Vec<(f64, String)>> {
    let select = format!(
        "SELECT TIMESTAMP, VALUE4 FROM DBA_OB_ROOTSERVICE_EVENT_HISTORY WHERE MODULE = '{module}' AND NAME4 = 'to' \
         AND VALUE2 = '{job}'"
    );
    let rows = admin.query(&select).await?;
    let at = |row| parse_time_text(&rows.text(row, "TIMESTAMP")).map_or(0.0, |scn| scn.0 as f64 / 1e6);
    Ok((0..rows.len()).map(|row| (at(row), rows.text(row, "VALUE4"))).collect())
}

/// Stages and their milliseconds. What the decisions do not cover of the whole time comes before the first one.
fn stages(noted: &[(f64, String)], wall: Duration) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = Vec::new();
    for pair in noted.windows(2) {
        let ms = pair[1].0 - pair[0].0;
        match found.last_mut() {
            // The last two stages of a backup have one name.
            Some((name, sum)) if *name == pair[0].1 => *sum += ms,
            _ => found.push((pair[0].1.clone(), ms)),
        }
    }
    let rest = wall.as_secs_f64() * 1000.0 - found.iter().map(|(_, ms)| ms).sum::<f64>();
    found.insert(0, (STATEMENT.to_owned(), rest.max(0.0)));
    found
}

fn busy_ms(cluster: &Cluster, kind: Kind) -> [Vec<f64>; 2] {
    let workers = cluster.worker_http();
    kind.work.map(|(_, task)| scrape::each(&workers, BUSY_MS, &format!("\"{task}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted() -> Vec<(f64, String)> {
        let stages = [(100.0, "DATA"), (350.0, "INDEX"), (360.0, "FINISH"), (380.0, "FINISH"), (400.0, "COMPLETED")];
        stages.map(|(at, to)| (at, to.to_owned())).to_vec()
    }

    #[test]
    fn stages_last_from_one_decision_to_the_next_and_the_rest_comes_before_the_first() {
        let found = stages(&noted(), Duration::from_millis(450));
        let expected = [("STATEMENT", 150.0), ("DATA", 250.0), ("INDEX", 10.0), ("FINISH", 40.0)];
        assert_eq!(found, expected.map(|(stage, ms)| (stage.to_owned(), ms)));
        assert_eq!(stages(&[], Duration::from_millis(5)), [("STATEMENT".to_owned(), 5.0)]);
    }

    #[test]
    fn what_no_worker_worked_is_waiting() {
        let stage = |stage: &str, ms, worked_ms| Stage { stage: stage.to_owned(), ms, worked_ms };
        let stages = vec![stage("STATEMENT", 100.0, 0.0), stage("DATA", 250.0, 200.0), stage("INDEX", 50.0, 40.0)];
        let timed = Timed { wall: Duration::from_millis(400), stages };
        assert!((timed.waiting_share() - 0.4).abs() < 1e-9);
        assert_eq!(timed.until_end_of("DATA"), Duration::from_millis(350));
    }
}
