//! Finds the scheduler leader and talks to it: one channel per node, kept; the next node when one does not answer.

use std::collections::BTreeMap;
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::cluster_client::ClusterClient;
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A leader that does not answer a heartbeat within this is given up; another node is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// The scheduler nodes as a worker sees them.
#[derive(Debug)]
pub(crate) struct Schedulers {
    known: Vec<String>,
    /// Whom to ask next, and the channels that were opened.
    current: String,
    channels: BTreeMap<String, Channel>,
    leader: watch::Sender<Option<Leader>>,
}

/// The node that answered the last heartbeat as a leader does.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    address: String,
    pub channel: Channel,
}

impl Schedulers {
    pub(crate) fn new(known: Vec<String>) -> Self {
        let (channels, leader) = (BTreeMap::new(), watch::Sender::new(None));
        Self { current: known.first().cloned().unwrap_or_default(), known, channels, leader }
    }

    /// Follows who leads; `None` while no leader is known.
    pub(crate) fn leader(&self) -> watch::Receiver<Option<Leader>> {
        self.leader.subscribe()
    }

    /// Sends one report to the node that is believed to lead. `None`: it did not answer or does not lead; the next call
    /// asks another one.
    pub(crate) async fn heartbeat(&mut self, report: v1::WorkerReport) -> Option<v1::WorkerOrders> {
        if let Err(failure) = report.check() {
            tracing::error!(%failure, "the report is not sent");
            return None;
        }
        let asked = self.current.clone();
        let answer = match self.channel(&asked) {
            Some(channel) => ask(channel, report).await,
            None => None,
        };
        match answer {
            Some(orders) if orders.is_leader => {
                self.leads(Some(asked));
                return Some(orders);
            }
            Some(orders) => {
                if let Some(failure) = orders.failure {
                    tracing::warn!(scheduler = %asked, failure = %strandline_types::Failure::from(failure), "refused");
                }
                let leader = orders.leader_address;
                self.current = if leader.is_empty() || leader == asked { self.after(&asked) } else { leader };
            }
            None => {
                self.channels.remove(&asked);
                self.current = self.after(&asked);
            }
        }
        self.leads(None);
        None
    }

    fn leads(&self, address: Option<String>) {
        let found = address.and_then(|a| self.channels.get(&a).map(|c| Leader { channel: c.clone(), address: a }));
        self.leader.send_if_modified(|known| {
            let is_other = known.as_ref().map(|l| &l.address) != found.as_ref().map(|l| &l.address);
            if is_other {
                *known = found;
            }
            is_other
        });
    }

    fn after(&self, asked: &str) -> String {
        let at = self.known.iter().position(|k| k == asked).map_or(0, |i| (i + 1) % self.known.len());
        self.known[at].clone()
    }

    fn channel(&mut self, address: &str) -> Option<Channel> {
        if let Some(channel) = self.channels.get(address) {
            return Some(channel.clone());
        }
        let endpoint = match Endpoint::from_shared(format!("http://{address}")) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                tracing::error!(%address, %error, "not an address of a scheduler: correct the configuration");
                return None;
            }
        };
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .connect_lazy();
        self.channels.insert(address.to_owned(), channel.clone());
        Some(channel)
    }
}

async fn ask(channel: Channel, report: v1::WorkerReport) -> Option<v1::WorkerOrders> {
    let mut client = ClusterClient::new(channel)
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    match tokio::time::timeout(ANSWER_TIMEOUT, client.heartbeat(report)).await {
        Ok(Ok(answer)) => Some(answer.into_inner()),
        Ok(Err(status)) => {
            tracing::debug!(%status, "a scheduler did not take the heartbeat");
            None
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use strandline_proto::v1::cluster_server::{Cluster, ClusterServer};
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status};

    struct Leader;

    #[tonic::async_trait]
    impl Cluster for Leader {
        async fn heartbeat(&self, _: Request<v1::WorkerReport>) -> Result<Response<v1::WorkerOrders>, Status> {
            Ok(Response::new(v1::WorkerOrders { is_leader: true, ..v1::WorkerOrders::default() }))
        }
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, address)
    }

    #[tokio::test]
    async fn schedulers_that_are_dead_or_stand_still_are_passed_by() {
        let ((gone, dead), (_frozen, silent), (listener, good)) = (listen().await, listen().await, listen().await);
        drop(gone);
        let service = ClusterServer::new(Leader);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        let mut schedulers = Schedulers::new(vec![dead, silent, good]);
        let mut asked = 0;
        while schedulers.heartbeat(v1::WorkerReport::default()).await.is_none() {
            asked += 1;
            assert!(asked < 3, "each of them is asked once");
        }
        assert!(schedulers.heartbeat(v1::WorkerReport::default()).await.is_some(), "who answered is asked again");
    }

    #[tokio::test]
    async fn a_report_that_is_too_large_is_not_sent() {
        let (listener, good) = listen().await;
        let service = ClusterServer::new(Leader);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        let address = "x".repeat(60 << 20);
        let mut schedulers = Schedulers::new(vec![good]);
        assert!(schedulers.heartbeat(v1::WorkerReport { address, ..v1::WorkerReport::default() }).await.is_none());
    }
}
