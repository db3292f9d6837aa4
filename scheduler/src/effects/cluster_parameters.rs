//! `cluster_parameters_backup_dest/cluster_parameter.<time>.obbak`: the parameters of the cluster that are not the
//! default, without secrets and without what names the servers of this cluster (docs/oceanbase.md, 1.3, 3.3).

use super::put;
use crate::config::SchedulerConfig;
use strandline_format::DataType;
use strandline_format::paths::cluster_parameter_in_dir;
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::State;
use strandline_types::{Failure, Scn, limits};

/// The parameters.
pub fn of(state: &State, config: &SchedulerConfig) -> Vec<pb::Parameter> {
    let mut all = vec![
        ("cluster_id", state.cluster.id.to_string()),
        ("cluster", state.cluster.name.clone()),
        ("cluster_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("scheduler_nodes", config.peers.len().to_string()),
    ];
    // Which servers are on is set; their addresses name a server.
    for (server, is_open) in
        [("mysql_listen", config.mysql_listen.is_some()), ("http_listen", config.http_listen.is_some())]
    {
        if is_open {
            all.push((server, "ON".to_owned()));
        }
    }
    if config.tick_ms != limits::SCHEDULER_TICK_MS {
        all.push(("tick_ms", config.tick_ms.to_string()));
    }
    all.into_iter().map(|(name, value)| pb::Parameter { name: name.to_owned(), value }).collect()
}

/// Writes them and gives the path below the destination.
///
/// # Errors
/// What the medium says; `Fenced` when another statement has written others in the same second.
pub async fn write(medium: &dyn Medium, parameters: &[pb::Parameter], now: Scn) -> Result<String, Failure> {
    let path = cluster_parameter_in_dir(now);
    let message = pb::Parameters { tenant_id: 0, parameters: parameters.to_vec() };
    put::once(medium, &path, DataType::Parameters, &message).await?;
    Ok(path)
}
