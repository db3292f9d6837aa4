//! What one scheduler node has to be told.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use strandline_types::{ErrorClass, Failure, config_check, limits};

/// Configuration of one node; every node of a cluster names the same peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulerConfig {
    /// This node; one of `peers`.
    pub node_id: u64,
    /// Where its Raft log, votes and snapshots live.
    pub data_dir: PathBuf,
    /// Address of the gRPC server. The port may be 0 only in a cluster of one node.
    pub listen: SocketAddr,
    /// Address of the MySQL server; absent = no such server.
    #[serde(default)]
    pub mysql_listen: Option<SocketAddr>,
    /// Address of the HTTP server; absent = no such server.
    #[serde(default)]
    pub http_listen: Option<SocketAddr>,
    /// Every scheduler node of the cluster, this one included.
    pub peers: Vec<PeerConfig>,
    /// Written into `format.obbak` of every destination.
    #[serde(default = "default_cluster_id")]
    pub cluster_id: u64,
    /// Written into `format.obbak` of every destination.
    #[serde(default = "default_cluster_name")]
    pub cluster_name: String,
    /// The leader loop looks this often even when nothing woke it.
    #[serde(default = "default_tick_ms")]
    pub tick_ms: u64,
}

/// One scheduler node as the others reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Node.
    pub id: u64,
    /// `host:port` of its gRPC server.
    pub address: String,
}

const fn default_cluster_id() -> u64 {
    1
}

fn default_cluster_name() -> String {
    "strandline".to_owned()
}

const fn default_tick_ms() -> u64 {
    limits::SCHEDULER_TICK_MS
}

impl SchedulerConfig {
    /// The configured nodes by id.
    #[must_use]
    pub fn members(&self) -> BTreeMap<u64, String> {
        self.peers.iter().map(|p| (p.id, p.address.clone())).collect()
    }

    /// Refuses what cannot work before anything is opened.
    ///
    /// # Errors
    /// `Invalid` names the key that is wrong.
    pub fn check(&self) -> Result<(), Failure> {
        let wrong = |what: &str, object: String, todo: &str| Err(Failure::new(ErrorClass::Invalid, what, object, todo));
        let members = self.members();
        if members.len() != self.peers.len() {
            return wrong(
                "a node id stands twice among the peers",
                format!("{:?}", self.peers),
                "give each node its own id",
            );
        }
        if self.node_id == 0 || !members.contains_key(&self.node_id) {
            let todo = "list every scheduler node, this one included, under peers";
            return wrong("this node is not among the peers", format!("node_id {}", self.node_id), todo);
        }
        if self.cluster_id == 0 {
            let todo = "give the cluster an id of its own, 1 or more: it stands in every destination";
            return wrong("0 is no cluster id", "cluster_id 0".to_owned(), todo);
        }
        if self.tick_ms == 0 || self.tick_ms > 10_000 {
            return wrong("the tick is out of bounds", format!("tick_ms {}", self.tick_ms), "choose 1 to 10000");
        }
        config_check::check_data_dir(&self.data_dir)?;
        config_check::check_addresses(self.peers.iter().map(|p| &p.address))?;
        let listeners =
            [("listen", Some(self.listen)), ("mysql_listen", self.mysql_listen), ("http_listen", self.http_listen)];
        config_check::check_listeners(&listeners)?;
        if members.len() > 1 && self.listen.port() == 0 {
            let todo = "choose a port: the other nodes must know it";
            return wrong("the gRPC server needs a fixed port", format!("listen {}", self.listen), todo);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn config() -> SchedulerConfig {
        SchedulerConfig {
            node_id: 1,
            data_dir: "data".into(),
            listen: "127.0.0.1:2882".parse().unwrap(),
            mysql_listen: None,
            http_listen: None,
            peers: (1..=3).map(|id| PeerConfig { id, address: format!("127.0.0.1:288{id}") }).collect(),
            cluster_id: 1,
            cluster_name: "c".into(),
            tick_ms: 100,
        }
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused_before_anything_opens() {
        assert!(config().check().is_ok());
        let changes: [fn(&mut SchedulerConfig); 11] = [
            |c| c.cluster_id = 0,
            |c| c.node_id = 9,
            |c| c.node_id = 0,
            |c| c.peers[1].id = 1,
            |c| c.tick_ms = 0,
            |c| c.listen.set_port(0),
            |c| c.data_dir = "".into(),
            |c| c.peers[1].address.clear(),
            |c| c.peers[1].address = c.peers[0].address.clone(),
            |c| c.http_listen = Some(c.listen),
            |c| c.mysql_listen = Some(c.listen),
        ];
        for change in changes {
            let mut c = config();
            change(&mut c);
            let failure = c.check().unwrap_err();
            assert!(!failure.todo.is_empty(), "{failure}");
        }
    }
}
