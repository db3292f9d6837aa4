//! Configuration texts of the servers of a local cluster. Both `dev` (in one process) and `demo` (a process each) go
//! through the same text that a user would write, so that the file format is always tried.

use super::places::Places;
use std::path::Path;
use toml::{Table, Value};

/// Node id of the first worker; schedulers count from 1.
pub const FIRST_WORKER: u64 = 101;

/// Identity of a local cluster.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Written into every destination.
    pub id: u64,
    /// Written into every destination.
    pub name: String,
}

/// Configuration of scheduler `i` (from 0), with its data in `dir`.
pub fn scheduler(identity: &Identity, places: &Places, i: usize, dir: &Path) -> String {
    let place = &places.schedulers[i];
    let peers = places.endpoints().into_iter().enumerate().map(|(n, address)| {
        Value::Table(Table::from_iter([
            ("id".to_owned(), integer(n as u64 + 1)),
            ("address".to_owned(), address.into()),
        ]))
    });
    Table::from_iter([
        ("node_id".to_owned(), integer(i as u64 + 1)),
        ("cluster_id".to_owned(), integer(identity.id)),
        ("cluster_name".to_owned(), identity.name.as_str().into()),
        ("data_dir".to_owned(), dir.display().to_string().into()),
        ("listen".to_owned(), place.grpc.as_str().into()),
        ("mysql_listen".to_owned(), place.mysql.as_str().into()),
        ("http_listen".to_owned(), place.http.as_str().into()),
        ("peers".to_owned(), Value::Array(peers.collect())),
    ])
    .to_string()
}

/// Configuration of worker `i` (from 0), with its data in `dir`.
pub fn worker(places: &Places, i: usize, dir: &Path) -> String {
    let place = &places.workers[i];
    Table::from_iter([
        ("node_id".to_owned(), integer(FIRST_WORKER + i as u64)),
        ("data_dir".to_owned(), dir.display().to_string().into()),
        ("listen".to_owned(), place.grpc.as_str().into()),
        ("advertise".to_owned(), place.advertise.as_ref().unwrap_or(&place.grpc).as_str().into()),
        ("http_listen".to_owned(), place.http.as_str().into()),
        ("schedulers".to_owned(), Value::Array(places.endpoints().into_iter().map(Value::String).collect())),
    ])
    .to_string()
}

fn integer(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use strandline_scheduler::SchedulerConfig;
    use strandline_worker::WorkerConfig;

    #[test]
    fn the_servers_read_the_configurations_that_are_written_for_them() {
        let places = Places::free(3, 2).unwrap();
        let identity = Identity { id: 7, name: "local \"quoted\"".into() };
        for i in 0..3 {
            let config: SchedulerConfig = toml::from_str(&scheduler(&identity, &places, i, Path::new("/d"))).unwrap();
            config.check().unwrap();
        }
        for i in 0..2 {
            let config: WorkerConfig = toml::from_str(&worker(&places, i, Path::new("/d"))).unwrap();
            assert_eq!(config.node_id, 101 + i as u64);
        }
    }
}
