//! A destination and a piece of it for the tests of the effects.
#![allow(clippy::unwrap_used)]

use strandline_scheduler_core::DestRef;
use strandline_types::{Access, DestId, DestNo, DestOwner, DestUri, PieceId, PieceKey, RoundId, TenantId};

pub(super) fn dest() -> DestRef {
    DestRef {
        uri: DestUri::parse("mem://x").unwrap(),
        access: Access::default(),
        dest_no: DestNo(0),
        made_below: None,
        dest_id: DestId(1001),
        tenant_id: TenantId(1002),
        tenant_name: "t1".into(),
        cluster_id: 7.into(),
        cluster_name: "c".into(),
        owner: DestOwner::default(),
    }
}

pub(super) fn key(piece: u64) -> PieceKey {
    PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(piece) }
}
