//! Sends a snapshot's files as a stream of frames: head, then every file with its bytes, then the end with a checksum.
//!
//! Files are read on a blocking thread, a few frames ahead of the wire. When a file cannot be read, or is not as long as
//! it was listed, the stream ends without its end frame and the receiver throws away what it has.

use crate::convert::encode;
use crate::raft_types::{Snapshot, TypeConfig, Vote};
use crate::rpc_error::rpc_error;
use crate::snapshot_files::{SnapshotFiles, list_files, place};
use bytes::Bytes;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::SnapshotResponse;
use std::fs::File;
use std::io::{self, Read};
use strandline_proto::v1::raft_transport_client::RaftTransportClient;
use strandline_proto::v1::snapshot_frame::Part;
use strandline_proto::v1::{SnapshotEnd, SnapshotFile, SnapshotFrame, SnapshotHead};
use strandline_types::limits;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// Frames that are read ahead of the wire.
const FRAMES_AHEAD: usize = 4;

/// Which group on which node.
pub(crate) struct Address {
    pub(crate) target: u64,
    pub(crate) group: String,
}

/// Sends and waits until the receiver has installed it.
pub(crate) async fn send(
    mut transport: RaftTransportClient<Channel>,
    address: Address,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
    let encoded = |r: io::Result<Vec<u8>>| r.map(Bytes::from).map_err(|e| NetworkError::new(&e));
    let head = SnapshotHead {
        target_node: address.target,
        group: address.group.clone(),
        vote: encoded(encode(&vote))?,
        meta: encoded(encode(&snapshot.meta))?,
    };
    let (frames, stream) = mpsc::channel(FRAMES_AHEAD);
    let files = snapshot.snapshot;
    tokio::task::spawn_blocking(move || {
        if let Err(e) = read_out(&files, head, &frames) {
            tracing::warn!(group = address.group, target = address.target, error = %e, "snapshot not sent");
        }
    });
    let reply = transport.install_snapshot(ReceiverStream::new(stream)).await.map_err(|status| rpc_error(&status))?;
    Ok(crate::convert::decode(&reply.into_inner().payload).map_err(|e| NetworkError::new(&e))?)
}

fn read_out(files: &SnapshotFiles, head: SnapshotHead, frames: &mpsc::Sender<SnapshotFrame>) -> io::Result<()> {
    let push = |part| {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the receiver went away");
        frames.blocking_send(SnapshotFrame { part: Some(part) }).map_err(gone)
    };
    push(Part::Head(head))?;
    let listed = list_files(files.dir())?;
    let mut digest = digest();
    for entry in &listed {
        push(Part::File(SnapshotFile { name: entry.name.clone(), bytes: entry.bytes }))?;
        let mut file = File::open(place(files.dir(), &entry.name)?)?;
        let mut left = entry.bytes;
        while left > 0 {
            let mut frame = vec![0; left.min(limits::SNAPSHOT_FRAME_BYTES as u64) as usize];
            file.read_exact(&mut frame)?;
            digest.update(&frame);
            left -= frame.len() as u64;
            push(Part::Data(frame.into()))?;
        }
    }
    push(Part::End(SnapshotEnd { files: listed.len() as u64, crc32c: digest.finalize() as u32 }))
}

/// The checksum over all file bytes of a snapshot.
pub(crate) fn digest() -> crc_fast::Digest {
    crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi)
}
