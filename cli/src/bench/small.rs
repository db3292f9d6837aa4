//! Jobs of a tenant that holds next to nothing: what a backup and a restore take before a byte has to be moved. From the
//! statement to the end, on a cluster of processes; the median of several.

use super::place::open_table;
use super::report::Figures;
use crate::Outcome;
use crate::cluster::Cluster;
use crate::demo::jobs::{self, RestoreFrom};
use crate::demo::stages::Timed;
use crate::kv::files::Record;
use crate::output::io_failure;
use bytes::Bytes;
use std::path::{Path, PathBuf};

const TENANT: &str = "small";
const TABLE: &str = "one";
/// Jobs of which the median counts.
const ROUNDS: u32 = 5;

/// Where the tenant's destinations lie.
#[derive(Debug)]
pub struct Small {
    data: PathBuf,
    archive: PathBuf,
}

impl Small {
    /// A tenant with one key, archived and backed up into directories below `dir`.
    pub async fn back_up(cluster: &mut Cluster, dir: &Path, figures: &mut Figures) -> Outcome<Self> {
        let small = Self { data: dir.join("small-data"), archive: dir.join("small-archive") };
        for dir in [&small.data, &small.archive] {
            std::fs::create_dir_all(dir).map_err(|e| io_failure("cannot make", dir, &e))?;
        }
        let mut admin = cluster.admin()?;
        admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = 1 REPLICAS = 1")).await?;
        admin.sql(&format!("CREATE TABLE {TABLE} TABLETS = 1 TENANT = {TENANT}")).await?;
        let table = open_table(cluster, TENANT, TABLE).await?;
        table.write(vec![Record { key: b"key".to_vec(), value: Some(Bytes::from_static(b"value")) }]).await?;
        jobs::archive(cluster, TENANT, &small.archive, "1d").await?;
        jobs::set_data_dest(cluster, TENANT, &small.data).await?;
        let mut times = Vec::new();
        for round in 1..=ROUNDS {
            eprintln!("bench: a backup of next to nothing, {round} of {ROUNDS}");
            times.push(seconds(&jobs::backup(cluster, TENANT).await?.timed));
        }
        figures.add_fine("small_backup_s", median(times), "a tenant with one key, from the statement to the end");
        Ok(small)
    }

    /// Restores it, again and again.
    pub async fn restore(&self, cluster: &mut Cluster, figures: &mut Figures) -> Outcome<()> {
        let mut times = Vec::new();
        for round in 1..=ROUNDS {
            eprintln!("bench: a restore of next to nothing, {round} of {ROUNDS}");
            let name = format!("{TENANT}_{round}");
            let from = RestoreFrom { data: &self.data, archive: &self.archive, until: None, replicas: 1 };
            times.push(seconds(&jobs::restore(cluster, &name, from).await?));
            cluster.admin()?.sql(&format!("DROP TENANT {name}")).await?;
        }
        figures.add_fine("small_restore_s", median(times), "the same tenant, until it is open");
        Ok(())
    }
}

fn seconds(timed: &Timed) -> f64 {
    timed.wall.as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert!((super::median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
