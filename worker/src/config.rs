//! What one worker has to be told.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use strandline_types::{ErrorClass, Failure, config_check};

/// Configuration of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// This worker; unique in the cluster and never used again after its disk was lost.
    pub node_id: u64,
    /// Where its replicas live.
    pub data_dir: PathBuf,
    /// Address of the gRPC server; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `host:port` under which the other servers reach the gRPC server; absent = the address that it listens on.
    #[serde(default)]
    pub advertise: Option<String>,
    /// Address of the HTTP server; absent = no such server.
    #[serde(default)]
    pub http_listen: Option<SocketAddr>,
    /// `host:port` of every scheduler node; any of them leads to the leader.
    pub schedulers: Vec<String>,
}

impl WorkerConfig {
    /// Refuses what cannot work before anything is opened.
    ///
    /// # Errors
    /// `Invalid` names the key that is wrong.
    pub fn check(&self) -> Result<(), Failure> {
        let wrong = |what: &str, object: String, todo: &str| Err(Failure::new(ErrorClass::Invalid, what, object, todo));
        if self.node_id == 0 {
            return wrong("a worker needs an id of its own", "node_id 0".to_owned(), "number workers from 1");
        }
        if self.schedulers.is_empty() {
            let todo = "name the gRPC address of every scheduler node";
            return wrong("a worker needs its schedulers", "schedulers".to_owned(), todo);
        }
        config_check::check_data_dir(&self.data_dir)?;
        config_check::check_addresses(self.schedulers.iter().chain(&self.advertise))?;
        config_check::check_listeners(&[("listen", Some(self.listen)), ("http_listen", self.http_listen)])?;
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            let todo = "add advertise = \"host:port\" as the other servers reach this worker";
            return wrong("others cannot reach this address", format!("listen {}", self.listen), todo);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn config() -> WorkerConfig {
        WorkerConfig {
            node_id: 101,
            data_dir: "/tmp/x".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            http_listen: None,
            schedulers: vec!["s0:2882".into(), "[::1]:2882".into()],
        }
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused_before_anything_opens() {
        assert!(config().check().is_ok());
        let changes: [fn(&mut WorkerConfig); 9] = [
            |c| c.node_id = 0,
            |c| c.schedulers.clear(),
            |c| c.schedulers[0] = "s0".into(),
            |c| c.schedulers[0] = "s0:0".into(),
            |c| c.advertise = Some(":2882".into()),
            |c| c.listen = "0.0.0.0:2882".parse().unwrap(),
            |c| c.data_dir = "".into(),
            |c| c.schedulers[1] = c.schedulers[0].clone(),
            |c| {
                c.listen.set_port(2882);
                c.http_listen = Some(c.listen);
            },
        ];
        for change in changes {
            let mut c = config();
            change(&mut c);
            let failure = c.check().unwrap_err();
            assert!(!failure.todo.is_empty(), "{failure}");
        }
    }
}
