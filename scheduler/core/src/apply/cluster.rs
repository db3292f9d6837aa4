//! The cluster itself and its scheduler nodes.

use crate::command::{Done, Outcome};
use crate::state::State;
use strandline_types::{ClusterId, ErrorClass, Failure, NodeId, Term};

pub(crate) fn init(state: &mut State, id: ClusterId, name: String, schedulers: Vec<(NodeId, String)>) -> Outcome {
    if id == ClusterId(0) || (state.cluster.id != ClusterId(0) && state.cluster.id != id) {
        let what = format!("cluster id {id} is refused: the cluster has id {}", state.cluster.id);
        let todo = "correct cluster_id in the configuration; 0 is no id, and an id is given once";
        return Err(Failure::new(ErrorClass::Invalid, what, format!("cluster {}", state.cluster.id), todo));
    }
    let nodes = schedulers.into_iter().collect();
    if state.schedulers.nodes == nodes && state.cluster.id != ClusterId(0) {
        return Ok(Done::Nothing);
    }
    // Identity is given once; addresses may move with every start.
    if state.cluster.id == ClusterId(0) {
        state.cluster.id = id;
        state.cluster.name = name;
        // Workers obey the State that they know by its birth: one that was born without an id stays what it is.
        if state.cluster.born_ms == 0 {
            state.cluster.born_ms = state.clock_ms;
        }
    }
    state.schedulers.nodes = nodes;
    Ok(Done::Ok)
}

pub(crate) fn take_lead(state: &mut State, node: NodeId, term: Term) -> Outcome {
    if term <= state.schedulers.term {
        return Ok(Done::Nothing);
    }
    state.schedulers.leader = node;
    state.schedulers.term = term;
    state.schedulers.leader_since_ms = state.clock_ms;
    state.schedulers.has_heard = false;
    Ok(Done::Ok)
}
