//! What a worker has to know to probe a destination.

use crate::orders::{DestCheckSpec, TaskSpec};
use crate::state::{DestCheck, Destination, State};
use strandline_types::DestUri;

pub(super) fn spec(state: &State, check: &DestCheck) -> TaskSpec {
    TaskSpec::DestCheck(DestCheckSpec {
        uri: check.uri.clone(),
        access: check.access.clone(),
        owner: claimed_at(state, &check.uri).map(|d| state.owner_of(d)),
        key_source: check.key_source.clone(),
    })
}

fn claimed_at<'a>(state: &'a State, uri: &str) -> Option<&'a Destination> {
    let uri = DestUri::parse(uri).ok()?;
    state.destinations.values().find(|d| d.was_claimed() && d.uri.is_same_place(&uri))
}
