//! What the transport refuses: frames for another node, groups that are not here, snapshots that are not whole.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use strandline_proto::v1::raft_transport_client::RaftTransportClient;
use strandline_proto::v1::snapshot_frame::Part;
use strandline_proto::v1::{RaftCall, RaftKind, SnapshotFile, SnapshotFrame, SnapshotHead};
use support::Cluster;
use tonic::Code;
use tonic::transport::Channel;

async fn connect(cluster: &Cluster) -> RaftTransportClient<Channel> {
    RaftTransportClient::connect(format!("http://{}", cluster.nodes[&1].address)).await.unwrap()
}

fn call(target_node: u64, group: &str, kind: RaftKind, payload: &'static [u8]) -> RaftCall {
    RaftCall { target_node, group: group.to_owned(), kind: kind.into(), payload: payload.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_another_node_or_group_is_refused() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    let mut transport = connect(&cluster).await;
    for (message, code) in [
        (call(2, "g", RaftKind::Append, b""), Code::FailedPrecondition),
        (call(1, "h", RaftKind::Append, b""), Code::NotFound),
        (call(1, "g", RaftKind::Unspecified, b""), Code::InvalidArgument),
        (call(1, "g", RaftKind::Vote, b"\xff\xff"), Code::InvalidArgument),
    ] {
        assert_eq!(transport.call(message).await.unwrap_err().code(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_whole_leaves_nothing_behind() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    cluster.propose("g", "0").await;
    let mut transport = connect(&cluster).await;
    let head = |target_node, vote: &'static [u8]| {
        // A vote of term 9 for node 9, and the meta of an empty snapshot.
        Part::Head(SnapshotHead {
            target_node,
            group: "g".to_owned(),
            vote: vote.into(),
            meta: (&[0, 0, 0, 0, 0][..]).into(),
        })
    };
    let vote: &[u8] = &[9, 1, 9, 1];
    let file = |name: &str| Part::File(SnapshotFile { name: name.to_owned(), bytes: 4 });
    for (parts, code) in [
        (vec![file("a")], Code::InvalidArgument),
        (vec![head(2, vote)], Code::FailedPrecondition),
        (vec![head(1, b"\xff")], Code::InvalidArgument),
        (vec![head(1, vote), file("a"), Part::Data("xy".into())], Code::DataLoss),
        (vec![head(1, vote), file("../../a")], Code::DataLoss),
    ] {
        let frames: Vec<_> = parts.into_iter().map(|part| SnapshotFrame { part: Some(part) }).collect();
        let refused = transport.install_snapshot(tokio_stream::iter(frames)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    assert_eq!(std::fs::read_dir(cluster.nodes[&1].incoming()).unwrap().count(), 0);
    cluster.propose("g", "1").await;
}
