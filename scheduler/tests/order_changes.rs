//! The stream on which the leader says that something was decided.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;
use strandline_proto::v1;
use strandline_proto::v1::order_changes_client::OrderChangesClient;
use support::cluster::Cluster;
use support::fake_worker::FakeWorker;

const PATIENCE: Duration = Duration::from_secs(30);

async fn listen(cluster: &Cluster, node: usize) -> tonic::Streaming<v1::OrdersChanged> {
    let address = format!("http://{}", cluster.addresses()[node]);
    let mut client = OrderChangesClient::connect(address).await.unwrap();
    client.watch(v1::WatchOrders {}).await.unwrap().into_inner()
}

async fn next(stream: &mut tonic::Streaming<v1::OrdersChanged>) -> Option<v1::OrdersChanged> {
    tokio::time::timeout(PATIENCE, stream.message()).await.expect("an answer in time").unwrap_or(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_says_that_something_was_decided_and_nobody_else_does() {
    let mut cluster = Cluster::start(3).await;
    let _worker = FakeWorker::start(1, cluster.addresses());
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.wait_for(leader, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;

    let mut elsewhere = listen(&cluster, follower).await;
    assert_eq!(next(&mut elsewhere).await, None, "a node that does not lead ends the stream");

    let mut changes = listen(&cluster, leader).await;
    cluster.sql(follower, "CREATE TENANT t LOG_STREAMS = 1 REPLICAS = 1").await;
    assert!(next(&mut changes).await.is_some());

    cluster.stop(leader).await;
    while next(&mut changes).await.is_some() {}
    cluster.stop_all().await;
}
