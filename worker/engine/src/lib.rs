//! The built-in log-stream engine: PALF log, one Raft group per log stream, tablets, KV service.
